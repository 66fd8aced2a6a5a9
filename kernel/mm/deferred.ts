// Struct pages that were put off at boot (Linux: mm/page_alloc.c deferred_init_memmap(), deferred_grow_zone()):
// initialised and freed once the system is up, or earlier, a section at a time, when an allocation finds nothing else.
//
// Differs from Linux: one node after the other, in one thread each, where Linux starts a kernel thread a node.

import {
  MAX_NR_ZONES,
  MIGRATE_MOVABLE,
  PAGES_PER_SECTION,
  pageblock_nr_pages,
  pageblock_order,
} from '../include/mmzone.ts';
import { type pfn_t, round_up } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON } from '../lib/bug.ts';
import { pr_info } from '../lib/printk.ts';
import { __next_mem_pfn_range_in_zone, mem_cursor } from './memblock_iter.ts';
import { init_page_range } from './memmap_init.ts';
import type { PgData, Zone } from './mmzone.ts';
import { pfn_valid } from './page.ts';
import { __free_pages_core } from './page_alloc.ts';
import { pageblock_end_pfn, set_pageblock_migratetype } from './pageblock.ts';
import { MAX_ORDER_NR_PAGES } from './zone_movable.ts';

/** Free page frames of a zone from some point on, and where among them the work is. */
interface deferred_walk {
  readonly zone: Zone;
  /** for_each_free_mem_pfn_range_in_zone: the ranges after the current one. */
  cursor: ReturnType<typeof mem_cursor>;
  /** The current range; empty at the end. */
  spfn: pfn_t;
  epfn: pfn_t;
}

/** A walk over what is free in the zone at or after `first_init_pfn`, or null if nothing is. */
function deferred_init_mem_pfn_range_in_zone(k: Kernel, zone: Zone, first_init_pfn: pfn_t): deferred_walk | null {
  const walk = { zone, cursor: mem_cursor(), spfn: 0, epfn: 0 };
  do {
    if (!next_range(k, walk)) return null;
  } while (walk.epfn <= first_init_pfn);
  walk.spfn = Math.max(walk.spfn, first_init_pfn);
  return walk;
}

function next_range(k: Kernel, walk: deferred_walk): boolean {
  const range = __next_mem_pfn_range_in_zone(k, walk.cursor, walk.zone);
  walk.spfn = range?.start_pfn ?? Number.POSITIVE_INFINITY;
  walk.epfn = range?.end_pfn ?? 0;
  return range !== null;
}

/** All that is left of a node. */
export function deferred_init_memmap(k: Kernel, pgdat: PgData): void {
  const first_init_pfn = pgdat.first_deferred_pfn;
  if (first_init_pfn === Number.POSITIVE_INFINITY) return;
  BUG_ON(first_init_pfn < pgdat.node_start_pfn, 'mm/page_alloc.c:2161 deferred_init_memmap');
  BUG_ON(first_init_pfn > pgdat.pgdat_end_pfn, 'mm/page_alloc.c:2162 deferred_init_memmap');
  pgdat.first_deferred_pfn = Number.POSITIVE_INFINITY;

  // Only the highest zone is ever put off.
  const zone = pgdat.node_zones.find((z) => first_init_pfn < z.zone_end_pfn) ?? pgdat.node_zones[MAX_NR_ZONES - 1]!;
  const walk = deferred_init_mem_pfn_range_in_zone(k, zone, first_init_pfn);
  if (walk !== null) while (walk.spfn < walk.epfn) deferred_init_maxorder(k, walk);
  pr_info(k, `node ${pgdat.node_id} deferred pages initialised in 0ms`);
}

/**
 * Up to the next multiple of 4 MiB: first the struct pages, then freeing, as that looks at buddies further on.
 * @returns how many pages
 */
function deferred_init_maxorder(k: Kernel, walk: deferred_walk): number {
  const mo_pfn = round_up(walk.spfn + 1, MAX_ORDER_NR_PAGES);
  const again = { ...walk, cursor: { ...walk.cursor } };
  let nr_pages = 0;
  do {
    if (mo_pfn <= walk.spfn) break;
    const end = Math.min(mo_pfn, walk.epfn);
    nr_pages += deferred_init_pages(k, walk.zone, walk.spfn, end);
    if (mo_pfn < walk.epfn) {
      walk.spfn = mo_pfn;
      break;
    }
  } while (next_range(k, walk));

  do {
    if (mo_pfn <= again.spfn) break;
    deferred_free_pages(k, again.spfn, Math.min(mo_pfn, again.epfn));
    if (mo_pfn <= again.epfn) break;
  } while (next_range(k, again));
  return nr_pages;
}

// Within a section either all page frames are valid or none, and no range reaches into a section without memory map
// unless there was no room for one: Linux's deferred_pfn_valid() is asked once a range.

function deferred_init_pages(k: Kernel, zone: Zone, pfn: pfn_t, end_pfn: pfn_t): number {
  if (!pfn_valid(k.mm, pfn)) return 0;
  init_page_range(k, pfn, end_pfn, zone.idx, zone.nid, 0);
  return end_pfn - pfn;
}

/** In whole pageblocks where they are whole, else page by page. */
function deferred_free_pages(k: Kernel, pfn: pfn_t, end_pfn: pfn_t): void {
  if (!pfn_valid(k.mm, pfn)) return;
  while (pfn < end_pfn) {
    const block_end = Math.min(end_pfn, pageblock_end_pfn(pfn));
    deferred_free_range(k, pfn, block_end - pfn);
    pfn = block_end;
  }
}

function deferred_free_range(k: Kernel, pfn: pfn_t, nr_pages: number): void {
  if (pfn % pageblock_nr_pages === 0) {
    set_pageblock_migratetype(k, pfn, MIGRATE_MOVABLE);
    if (nr_pages === pageblock_nr_pages) {
      __free_pages_core(k, pfn, pageblock_order);
      return;
    }
  }
  for (let i = 0; i < nr_pages; i++) __free_pages_core(k, pfn + i, 0);
}

/**
 * Initialises more of a zone that may have put some off: enough for a block of `order`, in whole sections.
 * @returns whether it is worth another try to allocate
 */
export function deferred_grow_zone(k: Kernel, zone: Zone, order: number): boolean {
  const pgdat = k.node_data[zone.nid]!;
  const nr_pages_needed = round_up(1 << order, PAGES_PER_SECTION);
  const { first_deferred_pfn } = pgdat;
  if (zone.zone_end_pfn !== pgdat.pgdat_end_pfn) return false;
  const walk = deferred_init_mem_pfn_range_in_zone(k, zone, first_deferred_pfn);
  if (walk === null) {
    pgdat.first_deferred_pfn = Number.POSITIVE_INFINITY;
    return first_deferred_pfn !== Number.POSITIVE_INFINITY;
  }
  let nr_pages = 0;
  while (walk.spfn < walk.epfn) {
    const before = walk.spfn;
    nr_pages += deferred_init_maxorder(k, walk);
    // Nothing but a section's border is a place to stop.
    if (same_section(before, walk.spfn)) continue;
    if (nr_pages >= nr_pages_needed) break;
  }
  pgdat.first_deferred_pfn = walk.spfn;
  return nr_pages > 0;
}

const same_section = (a: pfn_t, b: pfn_t): boolean =>
  Math.floor(a / PAGES_PER_SECTION) === Math.floor(b / PAGES_PER_SECTION);
