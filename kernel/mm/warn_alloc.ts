// The report of a request that failed (Linux: mm/page_alloc.c warn_alloc()).
//
// Left out: the call trace: there is no stack of return addresses.

import { cpuset_print_current_mems_allowed } from '../cgroup/cpuset.ts';
import { __GFP_DIRECT_RECLAIM, __GFP_DMA, __GFP_NOMEMALLOC, __GFP_NOWARN } from '../include/gfp_types.ts';
import { ZONE_DMA } from '../include/mmzone.ts';
import { PF_EXITING, PF_MEMALLOC } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { bitmap_list, type nodemask_t } from '../lib/nodemask.ts';
import { hex, pr_warn } from '../lib/printk.ts';
import { dump_stack_print_info } from '../lib/taint.ts';
import { in_task } from '../sched/preempt.ts';
import { format_gfp, gfp_zone } from './gfp.ts';
import { for_each_online_pgdat } from './mmzone_iter.ts';
import { __show_mem, SHOW_MEM_FILTER_NODES } from './show_free_areas.ts';

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
  dump_stack_print_info(k);
  warn_alloc_show_mem(k, gfp, nodemask);
}

/** All nodes for those who may take from all; else those that the request could have used. */
function warn_alloc_show_mem(k: Kernel, gfp: gfp_t, nodemask: nodemask_t | null): void {
  let filter = SHOW_MEM_FILTER_NODES;
  const { current } = k;
  if ((gfp & __GFP_NOMEMALLOC) === 0 && (current.oom_victim || (current.flags & (PF_MEMALLOC | PF_EXITING)) !== 0)) {
    filter = 0;
  }
  if (!in_task(k) || (gfp & __GFP_DIRECT_RECLAIM) === 0) filter = 0;
  __show_mem(k, filter, nodemask, gfp_zone(gfp));
}
