// The buddy allocator's core (Linux: mm/page_alloc.c __free_one_page(), expand(), __rmqueue_smallest()): blocks of 2^order
// pages on the free lists of a zone.
//
// Left out: guard pages (debug_pagealloc), page reporting, shuffling, compaction's capture, KASAN and the like.
//
// Context: zone->lock held, or boot with one CPU.

import { PG_FLAGS_HI, PG_MAPCOUNT, PG_PRIVATE, PG_PRIVATE_HI } from '../include/mm_types.ts';
import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_PCPTYPES,
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  pageblock_order,
} from '../include/mmzone.ts';
import { PG_buddy, ZONES_PGSHIFT_HI } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import { Z_NR_ISOLATE_PAGEBLOCK } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import {
  add_to_free_list,
  add_to_free_list_tail,
  del_page_from_free_list,
  get_page_from_free_area,
} from './free_list.ts';
import type { MmState } from './mm_state.ts';
import type { Zone } from './mmzone.ts';
import { is_buddy, page_index, section_map, set_pcppage_migratetype } from './page.ts';
import { get_pageblock_migratetype } from './pageblock.ts';
import { __mod_zone_page_state } from './vmstat.ts';

// fpi_t: how a page is freed
export const FPI_NONE = 0;
/** Whoever polls for free memory need not hear of it. */
export const FPI_SKIP_REPORT_NOTIFY = 1;
/** To the tail of its list, whatever its buddies are. */
export const FPI_TO_TAIL = 2;

export function __mod_zone_freepage_state(k: Kernel, zone: Zone, nr_pages: number, migratetype: number): void {
  __mod_zone_page_state(k, zone, NR_FREE_PAGES, nr_pages);
  if (migratetype === MIGRATE_CMA) __mod_zone_page_state(k, zone, NR_FREE_CMA_PAGES, nr_pages);
}

/** The first page of the block that would merge with the one at `pfn`. */
export const __find_buddy_pfn = (pfn: pfn_t, order: number): pfn_t => pfn ^ (1 << order);

/** Whether the page at `buddy_pfn` heads a free block of `order` in the same zone as the page at `pfn`. */
function page_is_buddy(mm: MmState, pfn: pfn_t, buddy_pfn: pfn_t, order: number): boolean {
  const m = section_map(mm, pfn);
  const b = page_index(buddy_pfn);
  return (
    is_buddy(m, b) &&
    m[b + PG_PRIVATE] === order &&
    (m[b + PG_FLAGS_HI]! ^ m[page_index(pfn) + PG_FLAGS_HI]!) >>> ZONES_PGSHIFT_HI === 0
  );
}

/** Blocks of these types may become one across a pageblock's border. */
const migratetype_is_mergeable = (migratetype: number): boolean => migratetype < MIGRATE_PCPTYPES;

export function set_buddy_order(mm: MmState, pfn: pfn_t, order: number): void {
  const m = section_map(mm, pfn);
  const i = page_index(pfn);
  m[i + PG_PRIVATE] = order;
  m[i + PG_PRIVATE_HI] = 0;
  m[i + PG_MAPCOUNT]! &= ~PG_buddy;
}

/**
 * Gives a block to the free lists, merged with its buddies as far up as they are free.
 *
 * Without FPI_TO_TAIL it goes to the head of its list, unless the buddy of the block that it would be half of is free
 * already: then to the tail, in the hope that its own buddy comes free before it is taken.
 */
export function __free_one_page(
  k: Kernel,
  pfn: pfn_t,
  zone: Zone,
  order: number,
  migratetype: number,
  fpi_flags: number,
): void {
  const { mm } = k;
  if (migratetype !== MIGRATE_ISOLATE) __mod_zone_freepage_state(k, zone, 1 << order, migratetype);

  let buddy_pfn = 0;
  while (order < MAX_ORDER - 1) {
    buddy_pfn = __find_buddy_pfn(pfn, order);
    if (!page_is_buddy(mm, pfn, buddy_pfn, order)) break;
    if (order >= pageblock_order) {
      const buddy_mt = get_pageblock_migratetype(k, buddy_pfn);
      if (migratetype !== buddy_mt && !(migratetype_is_mergeable(migratetype) && migratetype_is_mergeable(buddy_mt))) {
        break;
      }
    }
    del_page_from_free_list(mm, buddy_pfn, zone, order);
    pfn &= buddy_pfn;
    order++;
  }
  set_buddy_order(mm, pfn, order);

  const to_tail = (fpi_flags & FPI_TO_TAIL) !== 0 || buddy_merge_likely(mm, pfn, buddy_pfn, order);
  if (to_tail) add_to_free_list_tail(mm, pfn, zone, order, migratetype);
  else add_to_free_list(mm, pfn, zone, order, migratetype);
}

function buddy_merge_likely(mm: MmState, pfn: pfn_t, buddy_pfn: pfn_t, order: number): boolean {
  if (order >= MAX_ORDER - 2) return false;
  const higher_pfn = buddy_pfn & pfn;
  return page_is_buddy(mm, higher_pfn, __find_buddy_pfn(higher_pfn, order + 1), order + 1);
}

/** Splits the block of order `high` at `pfn` down to `low`; the upper halves go back to the free lists. */
export function expand(k: Kernel, zone: Zone, pfn: pfn_t, low: number, high: number, migratetype: number): void {
  while (high > low) {
    high--;
    add_to_free_list(k.mm, pfn + (1 << high), zone, high, migratetype);
    set_buddy_order(k.mm, pfn + (1 << high), high);
  }
}

/**
 * Takes a block of `order` off the lists of one migratetype, from the smallest order that has one.
 * The caller takes it out of NR_FREE_PAGES.
 * @returns its first page, or -1
 */
export function __rmqueue_smallest(k: Kernel, zone: Zone, order: number, migratetype: number): pfn_t {
  for (let current_order = order; current_order < MAX_ORDER; current_order++) {
    const pfn = get_page_from_free_area(zone, current_order, migratetype);
    if (pfn < 0) continue;
    del_page_from_free_list(k.mm, pfn, zone, current_order);
    expand(k, zone, pfn, order, current_order, migratetype);
    set_pcppage_migratetype(k, pfn, migratetype);
    return pfn;
  }
  return -1;
}

/** Frees a block of pages that are fit to be freed. Context: takes zone->lock. */
export function free_one_page(
  k: Kernel,
  zone: Zone,
  pfn: pfn_t,
  order: number,
  migratetype: number,
  fpi_flags: number,
): void {
  // The pageblock's type may change while the lock is waited for, where any of the zone's are isolated.
  if (zone.words[zone.base + Z_NR_ISOLATE_PAGEBLOCK] !== 0) migratetype = get_pageblock_migratetype(k, pfn);
  __free_one_page(k, pfn, zone, order, migratetype, fpi_flags);
}
