// The page-out daemons, as far as a boot without memory pressure shows them, and where reclaim begins (Linux: mm/vmscan.c
// kswapd_init(), kswapd(), kswapd_try_to_sleep(), pgdat_balanced(); try_to_free_pages()).
//
// Left out: reclaim itself, which is a call through k.page_alloc.reclaim; being held up before it. A daemon that finds
// nothing to do sets its node's stat thresholds and sleeps until it is woken.

import { MAX_NR_ZONES } from '../include/mmzone.ts';
import type { gfp_t } from '../include/types.ts';
import { ALLOCSTALL } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import type { alloc_context } from './alloc_context.ts';
import { gfp_zone } from './gfp.ts';
import type { PgData } from './mmzone.ts';
import { __count_vm_events } from './vm_event.ts';
import { calculate_normal_threshold, set_pgdat_percpu_threshold } from './vmstat.ts';
import { zone_watermark_ok_safe } from './watermark_check.ts';

/** Frees pages for a request that cannot be met. @returns how many */
export function try_to_free_pages(k: Kernel, ac: alloc_context, order: number, gfp: gfp_t): number {
  __count_vm_events(k, ALLOCSTALL + gfp_zone(gfp), 1);
  return k.page_alloc.reclaim?.try_to_free_pages(k, ac, order, gfp) ?? 0;
}

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
