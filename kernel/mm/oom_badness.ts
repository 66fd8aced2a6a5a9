// Whom to kill (Linux: mm/oom_kill.c constrained_alloc(), oom_badness(), oom_evaluate_task(), select_bad_process();
// mm/mempolicy.c mempolicy_in_oom_domain()): whoever uses most of what the request could have had.
//
// Left out: threads, of which each task here is the only one; vfork().

import { cpuset_zone_allowed } from '../cgroup/cpuset.ts';
import { __GFP_THISNODE } from '../include/gfp_types.ts';
import { MPOL_BIND } from '../include/mempolicy.ts';
import { MM_SWAPENTS } from '../include/mm.ts';
import {
  CONSTRAINT_CPUSET,
  CONSTRAINT_MEMCG,
  CONSTRAINT_MEMORY_POLICY,
  CONSTRAINT_NONE,
  MMF_OOM_SKIP,
  OOM_SCORE_ADJ_MIN,
  type oom_control,
} from '../include/oom.ts';
import { PF_KTHREAD } from '../include/sched.ts';
import { PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask, node_isset, type nodemask_t, nodes_intersects, nodes_subset } from '../lib/nodemask.ts';
import { charge } from '../sched/clock.ts';
import type { task_struct } from '../sched/task.ts';
import { mem_cgroup_get_max, mem_cgroup_scan_tasks } from './memcg_oom.ts';
import { get_mm_rss } from './mm_struct.ts';

// LONG_MIN, LONG_MAX: nobody's points
const LONG_MIN = Number.NEGATIVE_INFINITY;
const LONG_MAX = Number.POSITIVE_INFINITY;
/** What it costs to look at a task. */
const TASK_NS = 200;

export const is_global_init = ({ pid }: task_struct): boolean => pid === 1;

export const oom_unkillable_task = (task: task_struct): boolean =>
  is_global_init(task) || (task.flags & PF_KTHREAD) !== 0;

/** Whether a task's own policy lets it have pages of the nodes in question. */
function mempolicy_in_oom_domain({ mempolicy }: task_struct, mask: nodemask_t): boolean {
  return mempolicy === null || mempolicy.mode !== MPOL_BIND || nodes_intersects(mempolicy.nodes, mask);
}

/** Whether it can hold any of the memory that is short. */
export function oom_cpuset_eligible(k: Kernel, task: task_struct, oc: oom_control): boolean {
  return oc.nodemask === null
    ? nodes_intersects(k.current.mems_allowed, task.mems_allowed)
    : mempolicy_in_oom_domain(task, oc.nodemask);
}

/**
 * How many pages its end would give back, moved by oom_score_adj in thousandths of all there are.
 * @returns LONG_MIN: it is not to be killed
 */
export function oom_badness(task: task_struct, totalpages: number): number {
  const { mm, oom_score_adj } = task;
  if (oom_unkillable_task(task) || mm === null) return LONG_MIN;
  if (oom_score_adj === OOM_SCORE_ADJ_MIN || (mm.flags & MMF_OOM_SKIP) !== 0) return LONG_MIN;
  const points = get_mm_rss(mm) + mm.rss_stat[MM_SWAPENTS]! + mm.pgtables_bytes / PAGE_SIZE;
  return points + oom_score_adj * Math.floor(totalpages / 1000);
}

/** What stands between the request and the rest of memory. Sets oc.totalpages. @returns CONSTRAINT_* */
export function constrained_alloc(k: Kernel, oc: oom_control): number {
  const { total_swap_pages } = k.swap;
  if (oc.memcg !== null) {
    oc.totalpages = Math.max(1, mem_cgroup_get_max(k, oc.memcg));
    return CONSTRAINT_MEMCG;
  }
  const present = (mask: nodemask_t): number => {
    let pages = total_swap_pages;
    for (const nid of for_each_node_mask(mask)) pages += k.node_data[nid]?.node_present_pages ?? 0;
    return pages;
  };
  oc.totalpages = k.mm.totalram_pages + total_swap_pages;
  const { zones, nodemask } = oc;
  if (!k.config.NUMA || zones === null || (oc.gfp_mask & __GFP_THISNODE) !== 0) return CONSTRAINT_NONE;
  // Of a request that names no node, only a policy leaves any out.
  if (nodemask !== null && !nodes_subset(k.node_states.N_MEMORY, nodemask)) {
    oc.totalpages = present(nodemask);
    return CONSTRAINT_MEMORY_POLICY;
  }
  const walled_in = zones.some((zone) => {
    return (nodemask === null || node_isset(zone.nid, nodemask)) && !cpuset_zone_allowed(k, zone, oc.gfp_mask);
  });
  if (!walled_in) return CONSTRAINT_NONE;
  oc.totalpages = present(k.current.mems_allowed);
  return CONSTRAINT_CPUSET;
}

/** @returns whether to look no further: someone dies already, and will give back what he has */
function oom_evaluate_task(k: Kernel, task: task_struct, oc: oom_control): boolean {
  charge(k, TASK_NS);
  if (oom_unkillable_task(task)) return false;
  if (oc.memcg === null && !oom_cpuset_eligible(k, task, oc)) return false;
  if (task.oom_victim) return task.oom_mm === null || (task.oom_mm.flags & MMF_OOM_SKIP) === 0;
  const points = task.oom_flag_origin ? LONG_MAX : oom_badness(task, oc.totalpages);
  if (points === LONG_MIN || points < oc.chosen_points) return false;
  oc.chosen = task;
  oc.chosen_points = points;
  return false;
}

/** Every process that may be asked. @param fn returns whether to stop */
export function for_each_oom_task(k: Kernel, oc: oom_control, fn: (task: task_struct) => boolean): boolean {
  if (oc.memcg !== null) return mem_cgroup_scan_tasks(oc.memcg, fn);
  for (const task of k.sched.tasks) if (fn(task)) return true;
  return false;
}

/** Sets oc.chosen. @returns false: somebody dies already, and nobody need be chosen */
export function select_bad_process(k: Kernel, oc: oom_control): boolean {
  oc.chosen_points = LONG_MIN;
  return !for_each_oom_task(k, oc, (task) => oom_evaluate_task(k, task, oc));
}
