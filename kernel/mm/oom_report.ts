// What the OOM killer says before it kills (Linux: mm/oom_kill.c dump_header(), dump_tasks(), dump_oom_summary()).
//
// Left out: the call trace, and slab caches, of which there are none.

import { cpuset_print_current_mems_allowed } from '../cgroup/cpuset.ts';
import { MM_SWAPENTS } from '../include/mm.ts';
import type { oom_control } from '../include/oom.ts';
import type { Kernel } from '../kernel.ts';
import { bitmap_list } from '../lib/nodemask.ts';
import { hex, pr_info, pr_warn } from '../lib/printk.ts';
import { dump_stack_print_info } from '../lib/taint.ts';
import type { task_struct } from '../sched/task.ts';
import { format_gfp, gfp_zone } from './gfp.ts';
import { mem_cgroup_print_oom_context, mem_cgroup_print_oom_meminfo } from './memcg_oom.ts';
import { get_mm_rss } from './mm_struct.ts';
import { for_each_oom_task, oom_cpuset_eligible, oom_unkillable_task } from './oom_badness.ts';
import { __show_mem, SHOW_MEM_FILTER_NODES } from './show_free_areas.ts';

/** By CONSTRAINT_*. */
const oom_constraint_text = ['CONSTRAINT_NONE', 'CONSTRAINT_CPUSET', 'CONSTRAINT_MEMORY_POLICY', 'CONSTRAINT_MEMCG'];

const column = (value: number, width: number): string => String(value).padStart(width);

function dump_task(k: Kernel, task: task_struct, oc: oom_control): void {
  if (oom_unkillable_task(task)) return;
  if (oc.memcg === null && !oom_cpuset_eligible(k, task, oc)) return;
  const { mm, pid, uid, comm, oom_score_adj } = task;
  if (mm === null) return;
  const ids = `[${column(pid, 7)}] ${column(uid, 5)} ${column(pid, 5)}`;
  const pages = `${column(mm.total_vm, 8)} ${column(get_mm_rss(mm), 8)} ${column(mm.pgtables_bytes, 8)}`;
  const swapents = column(mm.rss_stat[MM_SWAPENTS]!, 8);
  pr_info(k, `${ids} ${pages} ${swapents}         ${column(oom_score_adj, 5)} ${comm}`);
}

function dump_tasks(k: Kernel, oc: oom_control): void {
  pr_info(k, 'Tasks state (memory values in pages):');
  pr_info(k, '[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name');
  for_each_oom_task(k, oc, (task) => {
    dump_task(k, task, oc);
    return false;
  });
}

function dump_oom_summary(k: Kernel, oc: oom_control, victim: task_struct): void {
  const nodes = oc.nodemask === null ? '(null)' : bitmap_list(oc.nodemask);
  const limits = `constraint=${oom_constraint_text[oc.constraint]},nodemask=${nodes}`;
  const cgroups = cpuset_print_current_mems_allowed(k) + mem_cgroup_print_oom_context(k, oc.memcg, victim);
  pr_info(k, `oom-kill:${limits}${cgroups},task=${victim.comm},pid=${victim.pid},uid=${victim.uid}`);
}

/** @param victim null: nobody is killed */
export function dump_header(k: Kernel, oc: oom_control, victim: task_struct | null): void {
  const { comm, oom_score_adj } = k.current;
  const gfp = oc.gfp_mask === 0 ? '0' : hex(oc.gfp_mask);
  const request = `gfp_mask=${gfp}(${format_gfp(oc.gfp_mask)}), order=${oc.order}`;
  pr_warn(k, `${comm} invoked oom-killer: ${request}, oom_score_adj=${oom_score_adj}`);
  dump_stack_print_info(k);
  if (oc.memcg !== null) mem_cgroup_print_oom_meminfo(k, oc.memcg);
  else __show_mem(k, SHOW_MEM_FILTER_NODES, oc.nodemask, gfp_zone(oc.gfp_mask));
  if (k.oom.sysctl_oom_dump_tasks !== 0) dump_tasks(k, oc);
  if (victim !== null) dump_oom_summary(k, oc, victim);
}
