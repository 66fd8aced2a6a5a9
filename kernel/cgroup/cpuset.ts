// cpusets: which nodes tasks may use (Linux: kernel/cgroup/cpuset.c, include/linux/cpuset.h). A tree below top_cpuset, as
// mounted of its own (cgroup v1): what a child has is a part of what its parent has. How one is changed: cpuset_write.ts.
//
// Left out: cgroup v2's partitions, hotplug, load balancing, spreading, memory_migrate, memory_pressure; a task's own
// CPU mask, as there is no scheduler.

import { __GFP_HARDWALL } from '../include/gfp_types.ts';
import { PF_EXITING } from '../include/sched.ts';
import { KEY_CPUSETS } from '../include/static_keys.ts';
import type { gfp_t, nid_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import {
  bitmap_list,
  type cpumask_t,
  node_isset,
  type nodemask_t,
  nodes_and,
  nodes_copy,
  nodes_intersects,
  nodes_none,
} from '../lib/nodemask.ts';
import { in_interrupt } from '../sched/preempt.ts';
import type { task_struct } from '../sched/task.ts';

export class cpuset {
  readonly name: string;
  readonly parent: cpuset | null;
  readonly children: cpuset[] = [];
  readonly tasks = new Set<task_struct>();
  cpu_exclusive = false;
  mem_exclusive = false;
  mem_hardwall = false;
  readonly cpus_allowed: cpumask_t;
  readonly mems_allowed: nodemask_t = nodes_none();
  /** Those of mems_allowed that the parent has too. Without hotplug they are all. */
  readonly effective_mems: nodemask_t = nodes_none();

  constructor(name: string, parent: cpuset | null, cpus: cpumask_t) {
    this.name = name;
    this.parent = parent;
    this.cpus_allowed = cpus;
  }
}

export class CpusetState {
  readonly top_cpuset: cpuset;
  /** cpusets_enabled_key counts those below the top one. */
  nr_cpusets = 0;
  /** cpusets_insane_config_key: one has nodes with nothing but ZONE_MOVABLE. */
  insane_config = false;

  constructor(cpumask_words: number) {
    this.top_cpuset = new cpuset('/', null, new Uint32Array(cpumask_words));
  }
}

export const cpusets_insane_config = (k: Kernel): boolean => k.cpuset.insane_config;
export const cpusets_enabled = (k: Kernel): boolean => (k.page_alloc.static_keys & KEY_CPUSETS) !== 0;

/** The top one has all there is, and the first task may use all of it. */
export function cpuset_init_smp(k: Kernel): void {
  const { top_cpuset } = k.cpuset;
  top_cpuset.cpu_exclusive = true;
  top_cpuset.mem_exclusive = true;
  top_cpuset.cpus_allowed.set(k.cpus.cpu_online_mask);
  nodes_copy(top_cpuset.mems_allowed, k.node_states.N_MEMORY);
  nodes_copy(top_cpuset.effective_mems, k.node_states.N_MEMORY);
  set_mems_allowed(k, k.node_states.N_MEMORY);
}

export const task_cs = (k: Kernel, task: task_struct): cpuset => task.cpuset ?? k.cpuset.top_cpuset;

/** The cpuset's nodes that have memory; if it has none, those of the first one above that does. */
export function guarantee_online_mems(k: Kernel, cs: cpuset): nodemask_t {
  const memory = k.node_states.N_MEMORY;
  let from = cs;
  while (!nodes_intersects(from.effective_mems, memory) && from.parent !== null) from = from.parent;
  return nodes_and(from.effective_mems, memory);
}

/** What the cpuset of `task` allows, and not what the task has been told of it. */
export const cpuset_mems_allowed = (k: Kernel, task: task_struct): nodemask_t =>
  guarantee_online_mems(k, task_cs(k, task));

function nearest_hardwall_ancestor(cs: cpuset): cpuset {
  let from = cs;
  while (!from.mem_exclusive && !from.mem_hardwall && from.parent !== null) from = from.parent;
  return from;
}

/**
 * Whether the task may have memory of node `nid`. What the kernel asks for on its own behalf (no __GFP_HARDWALL) may
 * come from any node of the next cpuset above that is walled in.
 */
export function __cpuset_node_allowed(k: Kernel, nid: nid_t, gfp: gfp_t): boolean {
  const { current } = k;
  if (in_interrupt(k)) return true;
  if (node_isset(nid, current.mems_allowed)) return true;
  if (current.oom_victim) return true;
  if ((gfp & __GFP_HARDWALL) !== 0) return false;
  if ((current.flags & PF_EXITING) !== 0) return true;
  return node_isset(nid, nearest_hardwall_ancestor(task_cs(k, current)).mems_allowed);
}

export const cpuset_zone_allowed = (k: Kernel, zone: { nid: nid_t }, gfp: gfp_t): boolean =>
  !cpusets_enabled(k) || __cpuset_node_allowed(k, zone.nid, gfp);

/** To be held against what it is once a request has failed. Context: no change is under way. */
export const read_mems_allowed_begin = (k: Kernel): number => (cpusets_enabled(k) ? k.current.mems_allowed_seq : 0);

/**
 * Whether to start over a request that failed, for its nodes have changed meanwhile; or its nodemask, which the cpuset
 * has none of any more, is no longer to be heeded.
 */
export function check_retry_cpuset(k: Kernel, cookie: number, ac: { nodemask: nodemask_t | null }): boolean {
  if (!cpusets_enabled(k)) return false;
  if (ac.nodemask !== null && !nodes_intersects(ac.nodemask, k.current.mems_allowed)) {
    ac.nodemask = null;
    return true;
  }
  return k.current.mems_allowed_seq !== cookie;
}

export function set_mems_allowed(k: Kernel, nodemask: nodemask_t): void {
  k.current.mems_allowed_seq++;
  nodes_copy(k.current.mems_allowed, nodemask);
  k.current.mems_allowed_seq++;
}

/** What warn_alloc() says of the cpuset. */
export function cpuset_print_current_mems_allowed(k: Kernel): string {
  return `,cpuset=${task_cs(k, k.current).name},mems_allowed=${bitmap_list(k.current.mems_allowed)}`;
}
