// The report of a request that failed (Linux: mm/page_alloc.c warn_alloc()).
//
// Left out: the call trace, the state of all memory.

import { cpuset_print_current_mems_allowed } from '../cgroup/cpuset.ts';
import { __GFP_DMA, __GFP_NOWARN } from '../include/gfp_types.ts';
import { ZONE_DMA } from '../include/mmzone.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { bitmap_list, type nodemask_t } from '../lib/nodemask.ts';
import { hex, pr_warn } from '../lib/printk.ts';
import { format_gfp } from './gfp.ts';
import { for_each_online_pgdat } from './mmzone_iter.ts';

/** One report in ten seconds. */
const INTERVAL_NS = 10e9;

function ratelimited(k: Kernel): boolean {
  const rs = k.page_alloc.nopage_rs;
  const now = k.log.now();
  if (rs.begin >= 0 && now - rs.begin <= INTERVAL_NS) {
    rs.missed++;
    return true;
  }
  if (rs.missed > 0) pr_warn(k, `warn_alloc: ${rs.missed} callbacks suppressed`);
  rs.begin = now;
  rs.missed = 0;
  return false;
}

function has_managed_dma(k: Kernel): boolean {
  for (const pgdat of for_each_online_pgdat(k)) if (pgdat.node_zones[ZONE_DMA]!.managed_pages > 0) return true;
  return false;
}

/** @param what "page allocation failure: order:3" */
export function warn_alloc(k: Kernel, gfp: gfp_t, nodemask: nodemask_t | null, what: string): void {
  if ((gfp & __GFP_NOWARN) !== 0 || ratelimited(k)) return;
  if ((gfp & __GFP_DMA) !== 0 && !has_managed_dma(k)) return;
  const mode = `mode:${hex(gfp)}(${format_gfp(gfp)})`;
  const nodes = nodemask === null ? '(null)' : bitmap_list(nodemask);
  pr_warn(k, `${k.current.comm}: ${what}, ${mode}, nodemask=${nodes}${cpuset_print_current_mems_allowed(k)}`);
}
