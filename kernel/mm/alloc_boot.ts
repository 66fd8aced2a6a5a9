// Allocation for boot (Linux: the part of mm/page_alloc.c get_page_from_freelist() that a movable request of one node
// takes): zones from high to low, watermarks with lowmem reserves, then the free lists.
//
// Left out: other migratetypes' blocks, per-cpu lists, reclaim and compaction.

import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  NR_FREE_PAGES,
  WMARK_LOW,
  WMARK_MIN,
  ZONE_MOVABLE,
  ZONELIST_NOFALLBACK,
} from '../include/mmzone.ts';
import type { nid_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { __mod_zone_freepage_state, __rmqueue_smallest } from './buddy.ts';
import { free_area_empty } from './free_list.ts';
import type { Zone } from './mmzone.ts';
import { zone_page_state } from './vmstat.ts';
import { for_each_zone_zonelist } from './zonelist.ts';

/** __zone_watermark_ok() of a movable request that may use every zone. */
function watermark_ok(zone: Zone, order: number, mark: number): boolean {
  const free_pages = zone_page_state(zone, NR_FREE_PAGES) - (2 ** order - 1) - zone.nr_reserved_highatomic;
  if (free_pages <= zone._watermark(mark) + zone.lowmem_reserve(ZONE_MOVABLE)) return false;
  if (order === 0) return true;
  for (let o = order; o < MAX_ORDER; o++) {
    for (let mt = 0; mt < MIGRATE_PCPTYPES; mt++) if (!free_area_empty(zone, o, mt)) return true;
    if (!free_area_empty(zone, o, MIGRATE_CMA)) return true;
  }
  return false;
}

/** @returns the first of 2^order pages of node `nid`, or -1 */
export function alloc_movable_pages(k: Kernel, nid: nid_t, order: number): pfn_t {
  for (const mark of [WMARK_LOW, WMARK_MIN]) {
    for (const zone of for_each_zone_zonelist(k, nid, ZONELIST_NOFALLBACK, ZONE_MOVABLE)) {
      if (!watermark_ok(zone, order, mark)) continue;
      for (const migratetype of [MIGRATE_MOVABLE, MIGRATE_CMA]) {
        const pfn = __rmqueue_smallest(k, zone, order, migratetype);
        if (pfn < 0) continue;
        __mod_zone_freepage_state(k, zone, -(2 ** order), migratetype);
        return pfn;
      }
    }
  }
  return -1;
}
