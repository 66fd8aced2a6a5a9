// Memory cgroups as the OOM killer sees them (Linux: mm/memcontrol.c mem_cgroup_scan_tasks(), mem_cgroup_get_max(),
// mem_cgroup_get_oom_group(), mem_cgroup_print_oom_context(), mem_cgroup_print_oom_meminfo(), memory_stat_format(),
// memory_oom_group_write()).
//
// Left out: cgroup v1's counter of memory and swap, and its oom_control.

import { EINVAL, PAGE_SHIFT } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON } from '../lib/bug.ts';
import { pr_info } from '../lib/printk.ts';
import type { task_struct } from '../sched/task.ts';
import { mem_cgroup_is_descendant } from './memcg_charge.ts';
import { memory_stat_format } from './memcg_stat.ts';
import { type mem_cgroup, mem_cgroup_from_task } from './memcontrol.ts';
import { PAGE_COUNTER_MAX } from './page_counter.ts';

/** In KiB, as the 64-bit number that Linux has. */
const K = (pages: number): bigint => BigInt(pages) << BigInt(PAGE_SHIFT - 10);

/** What the cgroup could have at most: its limit, and what it may have of swap. */
export const mem_cgroup_get_max = (k: Kernel, { memory, swap }: mem_cgroup): number =>
  memory.max + (k.vmscan.swappiness === 0 ? 0 : Math.min(swap.max, k.swap.total_swap_pages));

/** The tasks of a cgroup and of those below it. @param fn returns whether to stop */
export function mem_cgroup_scan_tasks(memcg: mem_cgroup, fn: (task: task_struct) => boolean): boolean {
  BUG_ON(memcg.parent === null, 'mm/memcontrol.c: memcg == root_mem_cgroup');
  return scan_tree(memcg, fn);
}

function scan_tree(memcg: mem_cgroup, fn: (task: task_struct) => boolean): boolean {
  for (const task of memcg.tasks) if (fn(task)) return true;
  return memcg.children.some((child) => scan_tree(child, fn));
}

/** cgroup_path(). */
export function memcg_path(memcg: mem_cgroup): string {
  let path = '';
  for (let at = memcg; at.parent !== null; at = at.parent) path = `/${at.name}${path}`;
  return path === '' ? '/' : path;
}

export const mem_cgroup_print_oom_context = (k: Kernel, memcg: mem_cgroup | null, task: task_struct): string => {
  const whose = memcg === null ? ',global_oom' : `,oom_memcg=${memcg_path(memcg)}`;
  return `${whose},task_memcg=${memcg_path(mem_cgroup_from_task(k, task))}`;
};

/** Context: oom_lock is held. */
export function mem_cgroup_print_oom_meminfo(k: Kernel, memcg: mem_cgroup): void {
  const { memory, swap, kmem } = memcg;
  const line = (name: string, usage: number, limit: number, failcnt: number): void =>
    pr_info(k, `${name}: usage ${K(usage)}kB, limit ${K(limit)}kB, failcnt ${failcnt}`);
  line('memory', memory.usage, memory.max, memory.failcnt);
  if (k.memcg.on_dfl) line('swap', swap.usage, swap.max, swap.failcnt);
  else {
    line('memory+swap', memory.usage, PAGE_COUNTER_MAX, 0);
    line('kmem', kmem.usage, kmem.max, kmem.failcnt);
  }
  pr_info(k, `Memory cgroup stats for ${memcg_path(memcg)}:`);
  for (const text of memory_stat_format(k, memcg)) pr_info(k, text);
}

/** The cgroup to be killed as a whole: the highest one up to where memory is short that says so. */
export function mem_cgroup_get_oom_group(
  k: Kernel,
  victim: task_struct,
  oom_domain: mem_cgroup | null,
): mem_cgroup | null {
  const { root_mem_cgroup, on_dfl } = k.memcg;
  const domain = oom_domain ?? root_mem_cgroup;
  const { memcg } = victim;
  if (!on_dfl || memcg === null || memcg === root_mem_cgroup || !mem_cgroup_is_descendant(memcg, domain)) return null;
  let oom_group: mem_cgroup | null = null;
  for (let at: mem_cgroup | null = memcg; at !== null; at = at.parent) {
    if (at.oom_group) oom_group = at;
    if (at === domain) break;
  }
  return oom_group;
}

export const mem_cgroup_print_oom_group = (k: Kernel, memcg: mem_cgroup): void =>
  pr_info(k, `Tasks in ${memcg_path(memcg)} are going to be killed due to memory.oom.group set`);

/** What a write to memory.oom.group is understood as. @returns 0, 1 or -EINVAL */
export const memory_oom_group_parse = (text: string): number => (/^[01]$/.test(text.trim()) ? Number(text) : -EINVAL);

/** A write to memory.oom.group. @returns 0 or -EINVAL */
export function memory_oom_group_write(memcg: mem_cgroup, text: string): number {
  const oom_group = memory_oom_group_parse(text);
  if (oom_group < 0) return oom_group;
  memcg.oom_group = oom_group === 1;
  return 0;
}
