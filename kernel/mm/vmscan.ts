// The page-out daemons, as far as a boot without memory pressure shows them (Linux: mm/vmscan.c kswapd_init(), kswapd(),
// kswapd_try_to_sleep(), pgdat_balanced()).
//
// Left out: reclaim. A daemon that finds nothing to do sets its node's stat thresholds and sleeps until it is woken.

import { MAX_NR_ZONES } from '../include/mmzone.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import type { PgData } from './mmzone.ts';
import { calculate_normal_threshold, set_pgdat_percpu_threshold } from './vmstat.ts';
import { zone_watermark_ok_safe } from './watermark_check.ts';

/**
 * Starts a daemon for each node with memory.
 * Differs from Linux: each has a first look at its node at once, where Linux's comes a tenth of a second later; the
 * kernel image's init memory is not free by then either.
 */
export function kswapd_init(k: Kernel): void {
  for (const nid of for_each_node_mask(k.node_states.N_MEMORY)) kswapd_try_to_sleep(k, k.node_data[nid]!);
}

/** Thresholds are as large again as the zones now are: what hugetlb_init() gave back to them counts. */
function kswapd_try_to_sleep(k: Kernel, pgdat: PgData): void {
  if (pgdat_balanced(k, pgdat)) set_pgdat_percpu_threshold(k, pgdat, calculate_normal_threshold);
}

/** Whether single pages are to be had, above the high watermark, from some zone; a node without managed pages needs nothing. */
function pgdat_balanced(k: Kernel, pgdat: PgData): boolean {
  const managed = pgdat.node_zones.filter((zone) => zone.managed_pages > 0);
  const meets = managed.some((zone) => {
    return zone_watermark_ok_safe(k, zone, 0, zone.high_wmark_pages, MAX_NR_ZONES - 1);
  });
  return meets || managed.length === 0;
}
