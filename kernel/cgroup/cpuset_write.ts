// Making, changing and entering cpusets (Linux: kernel/cgroup/cpuset.c cpuset_css_online(), cpuset_write_resmask(),
// update_flag(), validate_change(), cpuset_attach()), with what each refuses and why.

import { ZONE_NORMAL } from '../include/mmzone.ts';
import { KEY_CPUSETS } from '../include/static_keys.ts';
import { EACCES, EBUSY, EEXIST, EINVAL, ENODEV, ENOSPC } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import {
  bitmap_list,
  first_node,
  MAX_NUMNODES,
  type nodemask_t,
  nodes_and,
  nodes_copy,
  nodes_empty,
  nodes_equal,
  nodes_intersects,
  nodes_or,
  nodes_subset,
} from '../lib/nodemask.ts';
import { bitmap_parselist } from '../lib/parselist.ts';
import { pr_info } from '../lib/printk.ts';
import { mpol_rebind_task } from '../mm/mempolicy_set.ts';
import { for_each_zone_zonelist } from '../mm/zonelist.ts';
import type { task_struct } from '../sched/task.ts';
import { cpuset, guarantee_online_mems, task_cs } from './cpuset.ts';

/** mkdir: a cpuset without CPUs and nodes. @returns it, or -errno */
export function cpuset_create(k: Kernel, parent: cpuset, name: string): cpuset | number {
  if (name === '' || name.includes('/') || name.includes('\n')) return -EINVAL;
  if (parent.children.some((child) => child.name === name)) return -EEXIST;
  const cs = new cpuset(name, parent, new Uint32Array(k.cpuset.top_cpuset.cpus_allowed.length));
  parent.children.push(cs);
  k.cpuset.nr_cpusets++;
  k.page_alloc.static_keys |= KEY_CPUSETS;
  return cs;
}

/** rmdir: only one that has neither tasks nor children. */
export function cpuset_remove(k: Kernel, cs: cpuset): number {
  if (cs.parent === null || cs.tasks.size > 0 || cs.children.length > 0) return -EBUSY;
  const at = cs.parent.children.indexOf(cs);
  if (at < 0) return -ENODEV;
  cs.parent.children.splice(at, 1);
  if (--k.cpuset.nr_cpusets === 0) k.page_alloc.static_keys &= ~KEY_CPUSETS;
  return 0;
}

/** What a cpuset would be. */
type trial = Pick<cpuset, 'cpus_allowed' | 'mems_allowed' | 'cpu_exclusive' | 'mem_exclusive' | 'mem_hardwall'>;

const copy = (cs: cpuset): { -readonly [K in keyof trial]: trial[K] } => ({
  cpus_allowed: cs.cpus_allowed.slice(),
  mems_allowed: cs.mems_allowed.slice(),
  cpu_exclusive: cs.cpu_exclusive,
  mem_exclusive: cs.mem_exclusive,
  mem_hardwall: cs.mem_hardwall,
});

/** An exclusive one is part of nothing but an exclusive one. */
const is_cpuset_subset = (p: trial, q: trial): boolean =>
  nodes_subset(p.cpus_allowed, q.cpus_allowed) &&
  nodes_subset(p.mems_allowed, q.mems_allowed) &&
  Number(p.cpu_exclusive) <= Number(q.cpu_exclusive) &&
  Number(p.mem_exclusive) <= Number(q.mem_exclusive);

function validate_change(cur: cpuset, next: trial): number {
  if (cur.children.some((child) => !is_cpuset_subset(child, next))) return -EBUSY;
  const { parent } = cur;
  if (parent === null) return 0;
  if (!is_cpuset_subset(next, parent)) return -EACCES;
  if (cur.tasks.size > 0) {
    if (!nodes_empty(cur.cpus_allowed) && nodes_empty(next.cpus_allowed)) return -ENOSPC;
    if (!nodes_empty(cur.mems_allowed) && nodes_empty(next.mems_allowed)) return -ENOSPC;
  }
  for (const other of parent.children) {
    if (other === cur) continue;
    const cpus = next.cpu_exclusive || other.cpu_exclusive;
    if (cpus && nodes_intersects(next.cpus_allowed, other.cpus_allowed)) return -EINVAL;
    const mems = next.mem_exclusive || other.mem_exclusive;
    if (mems && nodes_intersects(next.mems_allowed, other.mems_allowed)) return -EINVAL;
  }
  return 0;
}

/** The task's pages come from `newmems` from now on. For a moment it may use both, so that it is never without any. */
function cpuset_change_task_nodemask(task: task_struct, newmems: nodemask_t): void {
  task.mems_allowed_seq++;
  nodes_copy(task.mems_allowed, nodes_or(task.mems_allowed, newmems));
  mpol_rebind_task(task, newmems);
  nodes_copy(task.mems_allowed, newmems);
  task.mems_allowed_seq++;
}

function update_nodemasks_hier(k: Kernel, cs: cpuset): void {
  const above = cs.parent?.effective_mems ?? k.node_states.N_MEMORY;
  const effective = nodes_and(cs.mems_allowed, above);
  if (nodes_equal(effective, cs.effective_mems)) return;
  nodes_copy(cs.effective_mems, effective);
  for (const task of cs.tasks) cpuset_change_task_nodemask(task, guarantee_online_mems(k, cs));
  for (const child of cs.children) update_nodemasks_hier(k, child);
}

/** A cpuset whose nodes have nothing for the kernel's own pages starves what its tasks have the kernel do. */
function check_insane_mems_config(k: Kernel, nodes: nodemask_t): void {
  if (k.cpuset.insane_config || nodes_empty(nodes)) return;
  const zones = for_each_zone_zonelist(k, first_node(nodes), 0, ZONE_NORMAL, nodes);
  if (zones.next().done !== true) return;
  k.cpuset.insane_config = true;
  pr_info(k, `Unsupported (movable nodes only) cpuset configuration detected (nmask=${bitmap_list(nodes)})!`);
  pr_info(k, 'Cpuset allocations might fail even with a lot of memory available.');
}

/** A write to `cpuset.mems`: "0-1,3". @returns 0 or -errno */
export function update_nodemask(k: Kernel, cs: cpuset, text: string): number {
  const { top_cpuset } = k.cpuset;
  if (cs === top_cpuset) return -EACCES;
  const next = copy(cs);
  const err = bitmap_parselist(text.trim(), next.mems_allowed, Math.min(MAX_NUMNODES, 2 ** k.config.NODES_SHIFT));
  if (err < 0) return err;
  if (!nodes_subset(next.mems_allowed, top_cpuset.mems_allowed)) return -EINVAL;
  if (nodes_equal(next.mems_allowed, cs.mems_allowed)) return 0;
  const invalid = validate_change(cs, next);
  if (invalid < 0) return invalid;
  check_insane_mems_config(k, next.mems_allowed);
  nodes_copy(cs.mems_allowed, next.mems_allowed);
  update_nodemasks_hier(k, cs);
  return 0;
}

/** A write to `cpuset.cpus`. @returns 0 or -errno */
export function update_cpumask(k: Kernel, cs: cpuset, text: string): number {
  const { top_cpuset } = k.cpuset;
  if (cs === top_cpuset) return -EACCES;
  const next = copy(cs);
  const err = bitmap_parselist(text.trim(), next.cpus_allowed, k.config.NR_CPUS);
  if (err < 0) return err;
  if (!nodes_subset(next.cpus_allowed, top_cpuset.cpus_allowed)) return -EINVAL;
  if (nodes_equal(next.cpus_allowed, cs.cpus_allowed)) return 0;
  const invalid = validate_change(cs, next);
  if (invalid < 0) return invalid;
  cs.cpus_allowed.set(next.cpus_allowed);
  return 0;
}

export type cpuset_flag = 'cpu_exclusive' | 'mem_exclusive' | 'mem_hardwall';

/** A write to `cpuset.mem_hardwall` and the like. @returns 0 or -errno */
export function update_flag(cs: cpuset, flag: cpuset_flag, on: boolean): number {
  const next = copy(cs);
  next[flag] = on;
  const invalid = validate_change(cs, next);
  if (invalid < 0) return invalid;
  cs[flag] = on;
  return 0;
}

/** A write of its pid to `tasks`. @returns 0, or -ENOSPC where the cpuset has no CPU or no node */
export function cpuset_attach(k: Kernel, cs: cpuset, task: task_struct): number {
  if (nodes_empty(cs.cpus_allowed) || nodes_empty(cs.mems_allowed)) return -ENOSPC;
  task_cs(k, task).tasks.delete(task);
  cs.tasks.add(task);
  task.cpuset = cs === k.cpuset.top_cpuset ? null : cs;
  cpuset_change_task_nodemask(task, guarantee_online_mems(k, cs));
  return 0;
}
