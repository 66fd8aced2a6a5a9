// How a task gets a memory policy, and what becomes of it when its cpuset changes (Linux: mm/mempolicy.c set_mempolicy(),
// mpol_new(), mpol_set_nodemask(), mpol_rebind_policy()).
//
// Left out: policies of mappings, home_node, migrating what is there already. The interleaving of the first task while
// the system boots is not a policy here: boot places its tables itself.

import {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_NUMA_BALANCING,
  MPOL_F_RELATIVE_NODES,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_MAX,
  MPOL_MODE_FLAGS,
  MPOL_PREFERRED,
} from '../include/mempolicy.ts';
import { EINVAL } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { nodes_relative, nodes_remap } from '../lib/bitmap_map.ts';
import {
  first_node,
  MAX_NUMNODES,
  nodemask_of_node,
  type nodemask_t,
  nodes_and,
  nodes_empty,
  nodes_equal,
} from '../lib/nodemask.ts';
import type { task_struct } from '../sched/task.ts';

export class mempolicy {
  readonly mode: number;
  readonly flags: number;
  nodes: nodemask_t;
  /** What was asked for, with MPOL_F_STATIC_NODES or MPOL_F_RELATIVE_NODES; else the cpuset's nodes at the time. */
  w: nodemask_t;

  constructor(mode: number, flags: number, nodes: nodemask_t, w: nodemask_t) {
    this.mode = mode;
    this.flags = flags;
    this.nodes = nodes;
    this.w = w;
  }
}

const stores_user_nodemask = (flags: number): boolean => (flags & MPOL_MODE_FLAGS) !== 0;

/** The mode that `mode` with these nodes comes to, or -EINVAL. Linux: the checks of mpol_new(). */
function effective_mode(mode: number, flags: number, nodes: nodemask_t): number {
  const empty = nodes_empty(nodes);
  const where = flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES);
  if (mode === MPOL_DEFAULT) return empty ? mode : -EINVAL;
  if (mode === MPOL_PREFERRED) {
    if (!empty) return mode;
    return where === 0 ? MPOL_LOCAL : -EINVAL;
  }
  if (mode === MPOL_LOCAL) return empty && where === 0 ? mode : -EINVAL;
  return empty ? -EINVAL : mode;
}

/**
 * set_mempolicy(): where the pages of the task that runs come from, from now on.
 * @param mode MPOL_*, with MPOL_F_* or-ed to it
 * @returns 0 or -EINVAL
 */
export function set_mempolicy(k: Kernel, mode: number, nodes: nodemask_t): number {
  const flags = mode & MPOL_MODE_FLAGS;
  mode &= ~MPOL_MODE_FLAGS;
  if (mode < 0 || mode >= MPOL_MAX) return -EINVAL;
  if ((flags & MPOL_F_STATIC_NODES) !== 0 && (flags & MPOL_F_RELATIVE_NODES) !== 0) return -EINVAL;
  if ((flags & MPOL_F_NUMA_BALANCING) !== 0 && mode !== MPOL_BIND) return -EINVAL;
  mode = effective_mode(mode, flags, nodes);
  if (mode < 0) return mode;

  const { current } = k;
  if (mode === MPOL_DEFAULT) {
    current.mempolicy = null;
    return 0;
  }
  if (mode === MPOL_LOCAL) {
    current.mempolicy = new mempolicy(mode, flags, nodes.slice().fill(0), nodes.slice().fill(0));
    return 0;
  }
  const allowed = nodes_and(current.mems_allowed, k.node_states.N_MEMORY);
  const usable = (flags & MPOL_F_RELATIVE_NODES) !== 0 ? nodes_relative(nodes, allowed) : nodes_and(nodes, allowed);
  if (nodes_empty(usable)) return -EINVAL;
  const w = stores_user_nodemask(flags) ? nodes : current.mems_allowed;
  const chosen = mode === MPOL_PREFERRED ? nodemask_of_node(first_node(usable)) : usable;
  current.mempolicy = new mempolicy(mode, flags, chosen, w.slice());
  if (mode === MPOL_INTERLEAVE) current.il_prev = MAX_NUMNODES - 1;
  return 0;
}

function rebound_nodes(pol: mempolicy, allowed: nodemask_t): nodemask_t {
  if ((pol.flags & MPOL_F_STATIC_NODES) !== 0) return nodes_and(pol.w, allowed);
  if ((pol.flags & MPOL_F_RELATIVE_NODES) !== 0) return nodes_relative(pol.w, allowed);
  const nodes = nodes_remap(pol.nodes, pol.w, allowed);
  pol.w = allowed.slice();
  return nodes;
}

/** The task's cpuset has other nodes now: its policy moves with them. One that only prefers nodes stays as it is. */
export function mpol_rebind_task(task: task_struct, allowed: nodemask_t): void {
  const pol = task.mempolicy;
  if (pol === null || pol.mode === MPOL_LOCAL) return;
  if (!stores_user_nodemask(pol.flags) && nodes_equal(pol.w, allowed)) return;
  if (pol.mode === MPOL_BIND || pol.mode === MPOL_INTERLEAVE) {
    const nodes = rebound_nodes(pol, allowed);
    pol.nodes = nodes_empty(nodes) ? allowed.slice() : nodes;
  } else {
    pol.w = allowed.slice();
  }
}
