// memory.min and memory.low (Linux: mm/memcontrol.c mem_cgroup_calculate_protection(), effective_protection();
// include/linux/memcontrol.h mem_cgroup_below_min(), mem_cgroup_protection()): what reclaim leaves alone of a cgroup. Where
// those at one level ask for more than the one above them has, each gets a share by what it uses.
//
// Left out: memory_recursiveprot, an option of the mount.

import type { mem_cgroup } from './memcontrol.ts';

function effective_protection(usage: number, setting: number, parent: number, siblings_protected: number): number {
  const in_use = Math.min(usage, setting);
  return siblings_protected > parent ? Math.floor((in_use * parent) / siblings_protected) : in_use;
}

/** Context: from the top of the tree that is reclaimed down, `root` first. */
export function mem_cgroup_calculate_protection(root: mem_cgroup, memcg: mem_cgroup): void {
  const { memory, parent } = memcg;
  const { usage } = memory;
  if (memcg === root || usage === 0) return;
  if (parent === root) {
    memory.emin = memory.min;
    memory.elow = memory.low;
    return;
  }
  const above = parent!.memory;
  memory.emin = effective_protection(usage, memory.min, above.emin, above.children_min_usage);
  memory.elow = effective_protection(usage, memory.low, above.elow, above.children_low_usage);
}

/** None of it is to be reclaimed. */
export const mem_cgroup_below_min = ({ parent, memory }: mem_cgroup): boolean =>
  parent !== null && memory.emin >= memory.usage;

/** None of it is to be reclaimed as long as there is something else. */
export const mem_cgroup_below_low = ({ parent, memory }: mem_cgroup): boolean =>
  parent !== null && memory.elow >= memory.usage;
