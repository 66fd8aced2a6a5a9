// Free blocks of a pageblock change lists (Linux: mm/page_alloc.c move_freepages() and kin).
//
// Context: zone->lock held.

import { PAGE_WORDS, PG_FLAGS, PG_LRU_NEXT, PG_MAPPING, PG_PRIVATE } from '../include/mm_types.ts';
import { pageblock_nr_pages, pageblock_order } from '../include/mmzone.ts';
import { PG_lru } from '../include/page_flags.ts';
import { KEY_DEBUG_VM } from '../include/static_keys.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { move_to_free_list } from './free_list.ts';
import { VM_BUG_ON_PAGE } from './mmdebug.ts';
import type { Zone } from './mmzone.ts';
import { is_buddy, page_index, page_zone, section_map } from './page.ts';
import { tail_head } from './page_list.ts';
import { pageblock_end_pfn, pageblock_start_pfn, set_pageblock_migratetype } from './pageblock.ts';

// Low bits of page->mapping (include/linux/page-flags.h).
const PAGE_MAPPING_MOVABLE = 2;
const PAGE_MAPPING_FLAGS = 3;

/** What a walk over a pageblock found. One record, filled anew by each move_freepages_block(). */
export const moved = {
  /** Pages in use that could be moved: on an LRU list, or of a driver that can move them. */
  num_movable: 0,
};

/**
 * Moves the free blocks among the pages from start_pfn to end_pfn, both included and in one section, to the tails of
 * the lists of `migratetype`.
 * @returns how many pages
 */
function move_freepages(k: Kernel, zone: Zone, start_pfn: pfn_t, end_pfn: pfn_t, migratetype: number): number {
  const m = section_map(k.mm, start_pfn);
  let pages_moved = 0;
  let num_movable = 0;
  const debug_vm = (k.page_alloc.static_keys & KEY_DEBUG_VM) !== 0;
  let i = page_index(start_pfn);
  for (let pfn = start_pfn; pfn <= end_pfn; ) {
    if (!is_buddy(m, i)) {
      if (PageLRU(k, m, i) || (m[i + PG_MAPPING]! & PAGE_MAPPING_FLAGS) === PAGE_MAPPING_MOVABLE) num_movable++;
      pfn++;
      i += PAGE_WORDS;
      continue;
    }
    if (debug_vm) check_zone(k, zone, pfn);
    const order = m[i + PG_PRIVATE]!;
    move_to_free_list(k, pfn, zone, order, migratetype);
    pfn += 1 << order;
    // A damaged order of 31: what Linux adds to makes an unsigned number that ends the loop.
    if (pfn < start_pfn) break;
    i += PAGE_WORDS << order;
    pages_moved += 1 << order;
  }
  moved.num_movable = num_movable;
  return pages_moved;
}

/** CONFIG_DEBUG_VM. */
function check_zone(k: Kernel, zone: Zone, pfn: pfn_t): void {
  const is = page_zone(k, pfn);
  const node = is.nid !== zone.nid;
  VM_BUG_ON_PAGE(k, node, 'page_to_nid(page) != zone_to_nid(zone)', pfn, 'mm/page_alloc.c:2668');
  VM_BUG_ON_PAGE(k, is !== zone, 'page_zone(page) != zone', pfn, 'mm/page_alloc.c:2669');
}

/** A tail page is on an LRU list if its head is. */
function PageLRU(k: Kernel, m: Int32Array, i: number): boolean {
  if ((m[i + PG_LRU_NEXT]! & 1) === 0) return ((m[i + PG_FLAGS]! >>> PG_lru) & 1) !== 0;
  const head = tail_head(k, m, i);
  return ((section_map(k.mm, head)[page_index(head) + PG_FLAGS]! >>> PG_lru) & 1) !== 0;
}

/** The pageblock around `pfn`, as far as it lies in the zone. Sets moved.num_movable. @returns how many pages moved */
export function move_freepages_block(k: Kernel, zone: Zone, pfn: pfn_t, migratetype: number): number {
  let start_pfn = pageblock_start_pfn(pfn);
  const end_pfn = pageblock_end_pfn(pfn) - 1;
  moved.num_movable = 0;
  if (!zone.zone_spans_pfn(start_pfn)) start_pfn = pfn;
  if (!zone.zone_spans_pfn(end_pfn)) return 0;
  return move_freepages(k, zone, start_pfn, end_pfn, migratetype);
}

/** Gives a migratetype to all pageblocks of a free block. */
export function change_pageblock_range(k: Kernel, pfn: pfn_t, start_order: number, migratetype: number): void {
  // An order that was damaged makes of this any number, and the end of memory ends it.
  for (let n = 1 << (start_order - pageblock_order); n !== 0; n--) {
    set_pageblock_migratetype(k, pfn, migratetype);
    pfn += pageblock_nr_pages;
  }
}
