// What could be reclaimed, by the counters alone (Linux: mm/vmscan.c zone_reclaimable_pages(), can_reclaim_anon_pages()).
//
// Left out: demotion to slower memory.

import {
  NR_FREE_PAGES,
  NR_ZONE_ACTIVE_ANON,
  NR_ZONE_ACTIVE_FILE,
  NR_ZONE_INACTIVE_ANON,
  NR_ZONE_INACTIVE_FILE,
} from '../include/mmzone.ts';
import type { Kernel } from '../kernel.ts';
import type { Zone } from './mmzone.ts';
import { zone_page_state_snapshot } from './vmstat.ts';

/** Without room on a swap device anonymous pages stay. A zone with nothing to reclaim is judged by what is free. */
export function zone_reclaimable_pages(k: Kernel, zone: Zone): number {
  const pages = (item: number): number => zone_page_state_snapshot(k, zone, item);
  let nr = pages(NR_ZONE_INACTIVE_FILE) + pages(NR_ZONE_ACTIVE_FILE);
  if (k.swap.nr_swap_pages > 0) nr += pages(NR_ZONE_INACTIVE_ANON) + pages(NR_ZONE_ACTIVE_ANON);
  return nr > 0 ? nr : pages(NR_FREE_PAGES);
}
