// debug_guardpage_minorder= (Linux: mm/page_alloc.c set_page_guard(), clear_page_guard()): what is left over when a block
// is split stays out of use if it is small, until its buddy comes back. A stray write finds nobody's memory there, which
// with debug_pagealloc=on is not mapped either.
//
// Context: zone->lock held.

import { PG_FLAGS_HI, PG_MAPCOUNT, PG_PRIVATE, PG_PRIVATE_HI } from '../include/mm_types.ts';
import { MIGRATE_CMA, MIGRATE_ISOLATE, NR_FREE_CMA_PAGES, NR_FREE_PAGES } from '../include/mmzone.ts';
import { PAGE_TYPE_BASE, PG_guard, ZONES_PGSHIFT_HI } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { Zone } from './mmzone.ts';
import { init_lru, page_index, section_map } from './page.ts';
import { __mod_zone_page_state } from './vmstat.ts';

function account(k: Kernel, zone: Zone, nr_pages: number, migratetype: number): void {
  if (migratetype === MIGRATE_ISOLATE) return;
  __mod_zone_page_state(k, zone, NR_FREE_PAGES, nr_pages);
  if (migratetype === MIGRATE_CMA) __mod_zone_page_state(k, zone, NR_FREE_CMA_PAGES, nr_pages);
}

/** page_is_guard(), of a block of `order` in the zone that `zone_id` stands for. */
export const is_guard_of = (m: Int32Array, i: number, order: number, zone_id: number): boolean =>
  ((m[i + PG_MAPCOUNT]! & (PAGE_TYPE_BASE | PG_guard)) | 0) === (PAGE_TYPE_BASE | 0) &&
  m[i + PG_PRIVATE] === order &&
  m[i + PG_FLAGS_HI]! >>> ZONES_PGSHIFT_HI === zone_id;

/** @returns whether the block is to stay out of use */
export function set_page_guard(k: Kernel, zone: Zone, pfn: pfn_t, order: number, migratetype: number): boolean {
  if (!k.page_debug.guardpage || order >= k.page_debug.guardpage_minorder) return false;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  m[i + PG_MAPCOUNT] = m[i + PG_MAPCOUNT]! & ~PG_guard;
  init_lru(m, i, pfn);
  m[i + PG_PRIVATE] = order;
  m[i + PG_PRIVATE_HI] = 0;
  account(k, zone, -(1 << order), migratetype);
  return true;
}

/** The block's buddy has come back. */
export function clear_page_guard(k: Kernel, zone: Zone, pfn: pfn_t, order: number, migratetype: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  m[i + PG_MAPCOUNT] = m[i + PG_MAPCOUNT]! | PG_guard;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  account(k, zone, 1 << order, migratetype);
}
