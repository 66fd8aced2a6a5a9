// When no memory is to be had at all, somebody has to give back his (Linux: mm/oom_kill.c out_of_memory(),
// oom_kill_process(), pagefault_out_of_memory()). Whom: oom_badness.ts; what is said of it: oom_report.ts; should he not
// come to his end: oom_reaper.ts.
//
// Left out: notifiers, of which this kernel has none, and SysRq; core dumps; switching the killer off for suspend.

import { __GFP_FS } from '../include/gfp_types.ts';
import { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES } from '../include/mm.ts';
import {
  CONSTRAINT_MEMORY_POLICY,
  CONSTRAINT_NONE,
  MMF_OOM_SKIP,
  OOM_SCORE_ADJ_MIN,
  type oom_control,
} from '../include/oom.ts';
import { PF_EXITING, PF_KTHREAD, SIGKILL } from '../include/sched.ts';
import { type gfp_t, PAGE_SHIFT } from '../include/types.ts';
import { OOM_KILL } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { panic } from '../lib/bug.ts';
import { pr_err, pr_info, pr_warn } from '../lib/printk.ts';
import { __ratelimit } from '../lib/ratelimit.ts';
import { send_sig } from '../sched/signal.ts';
import type { task_struct } from '../sched/task.ts';
import { trace_mark_victim } from '../trace/events/oom.ts';
import type { alloc_context } from './alloc_context.ts';
import { mem_cgroup_margin, memcg_memory_event } from './memcg_charge.ts';
import { mem_cgroup_get_oom_group, mem_cgroup_print_oom_group, mem_cgroup_scan_tasks } from './memcg_oom.ts';
import { type mem_cgroup, mem_cgroup_from_task } from './memcontrol.ts';
import {
  constrained_alloc,
  is_global_init,
  oom_cpuset_eligible,
  oom_unkillable_task,
  select_bad_process,
} from './oom_badness.ts';
import { queue_oom_reaper } from './oom_reaper.ts';
import { dump_header } from './oom_report.ts';
import type { ReclaimHooks } from './page_alloc_state.ts';
import { __count_vm_events } from './vm_event.ts';

const K = (pages: number): number => pages * 2 ** (PAGE_SHIFT - 10);

const is_dying = (task: task_struct): boolean => task.fatal_signal_pending || (task.flags & PF_EXITING) !== 0;

/** Whether the task is about to give back its memory, and nobody who shares it keeps it. */
function task_will_free_mem(k: Kernel, task: task_struct): boolean {
  const { mm } = task;
  if (mm === null || !is_dying(task) || (mm.flags & MMF_OOM_SKIP) !== 0) return false;
  if (mm.mm_users <= 1) return true;
  for (const other of k.sched.tasks) if (other.mm === mm && !is_dying(other)) return false;
  return true;
}

/** It may use reserves to come to its end. Context: oom_lock is held. */
function mark_oom_victim(k: Kernel, task: task_struct): void {
  if (task.memdie || task.mm === null) return;
  task.memdie = true;
  task.oom_victim = true;
  task.oom_mm ??= task.mm;
  if (k.trace.on) trace_mark_victim(k, task, task.mm, task.uid);
}

function __oom_kill_process(k: Kernel, victim: task_struct, message: string): void {
  const { mm, pid, comm, uid, oom_score_adj } = victim;
  if (mm === null) {
    pr_info(k, `${message}: OOM victim ${pid} (${comm}) is already exiting. Skip killing the task`);
    return;
  }
  __count_vm_events(k, OOM_KILL, 1);
  memcg_memory_event(k, mem_cgroup_from_task(k, victim), 'oom_kill');
  send_sig(k, SIGKILL, victim);
  mark_oom_victim(k, victim);
  const rss = (name: string, counter: number): string => `${name}-rss:${K(mm.rss_stat[counter]!)}kB`;
  const memory = [rss('anon', MM_ANONPAGES), rss('file', MM_FILEPAGES), rss('shmem', MM_SHMEMPAGES)].join(', ');
  const tables = `pgtables:${Math.floor(mm.pgtables_bytes / 1024)}kB`;
  pr_err(
    k,
    `${message}: Killed process ${pid} (${comm}) total-vm:${K(mm.total_vm)}kB, ${memory}, UID:${uid} ${tables} oom_score_adj:${oom_score_adj}`,
  );
  let can_oom_reap = true;
  for (const other of k.sched.tasks) {
    if (other.mm !== mm || other === victim) continue;
    if (is_global_init(other)) {
      can_oom_reap = false;
      mm.flags |= MMF_OOM_SKIP;
      pr_info(k, `oom killer ${pid} (${comm}) has mm pinned by ${other.pid} (${other.comm})`);
    } else if ((other.flags & PF_KTHREAD) === 0) send_sig(k, SIGKILL, other);
  }
  if (can_oom_reap) queue_oom_reaper(k, victim);
}

function oom_kill_process(k: Kernel, oc: oom_control, victim: task_struct, message: string): void {
  // No alarm for one who is on his way out.
  if (task_will_free_mem(k, victim)) {
    mark_oom_victim(k, victim);
    queue_oom_reaper(k, victim);
    return;
  }
  if (__ratelimit(k, k.oom.oom_rs, 'oom_kill_process')) dump_header(k, oc, victim);
  const oom_group = mem_cgroup_get_oom_group(k, victim, oc.memcg);
  __oom_kill_process(k, victim, message);
  if (oom_group === null) return;
  memcg_memory_event(k, oom_group, 'oom_group_kill');
  mem_cgroup_print_oom_group(k, oom_group);
  mem_cgroup_scan_tasks(oom_group, (task) => {
    if (task.oom_score_adj !== OOM_SCORE_ADJ_MIN && !is_global_init(task)) __oom_kill_process(k, task, message);
    return false;
  });
}

function check_panic_on_oom(k: Kernel, oc: oom_control): void {
  const { sysctl_panic_on_oom } = k.oom;
  const compulsory = sysctl_panic_on_oom === 2;
  if (sysctl_panic_on_oom === 0 || (!compulsory && oc.constraint !== CONSTRAINT_NONE)) return;
  dump_header(k, oc, null);
  panic(k, `Out of memory: ${compulsory ? 'compulsory' : 'system-wide'} panic_on_oom is enabled`);
}

const may_kill_current = (k: Kernel, oc: oom_control): boolean =>
  oc.memcg === null &&
  k.oom.sysctl_oom_kill_allocating_task !== 0 &&
  k.current.mm !== null &&
  !oom_unkillable_task(k.current) &&
  oom_cpuset_eligible(k, k.current, oc) &&
  k.current.oom_score_adj !== OOM_SCORE_ADJ_MIN;

/** Context: oom_lock is held. @returns whether someone was killed, or is dying already */
export function out_of_memory(k: Kernel, oc: oom_control): boolean {
  const { current } = k;
  if (task_will_free_mem(k, current)) {
    mark_oom_victim(k, current);
    queue_oom_reaper(k, current);
    return true;
  }
  // Reclaim could do more for one who may call into file systems.
  if (oc.gfp_mask !== 0 && (oc.gfp_mask & __GFP_FS) === 0 && oc.memcg === null) return true;
  oc.constraint = constrained_alloc(k, oc);
  if (oc.constraint !== CONSTRAINT_MEMORY_POLICY) oc.nodemask = null;
  check_panic_on_oom(k, oc);
  if (may_kill_current(k, oc)) {
    oom_kill_process(k, oc, current, 'Out of memory (oom_kill_allocating_task)');
    return true;
  }
  if (!select_bad_process(k, oc)) return true;
  if (oc.chosen === null) {
    dump_header(k, oc, null);
    pr_warn(k, 'Out of memory and no killable processes...');
    if (oc.memcg === null) panic(k, 'System is deadlocked on memory');
    return false;
  }
  oom_kill_process(k, oc, oc.chosen, oc.memcg === null ? 'Out of memory' : 'Memory cgroup out of memory');
  return true;
}

const control = (
  gfp_mask: gfp_t,
  order: number,
  of: Pick<oom_control, 'zones' | 'nodemask' | 'memcg'>,
): oom_control => ({
  ...of,
  gfp_mask,
  order,
  totalpages: 0,
  chosen: null,
  chosen_points: 0,
  constraint: CONSTRAINT_NONE,
});

/** For a request that nothing else could help. */
const out_of_pages = (k: Kernel, ac: alloc_context, gfp: gfp_t, order: number): boolean =>
  out_of_memory(k, control(gfp, order, { zones: ac.zones, nodemask: ac.nodemask, memcg: null }));

/** For a charge of so many pages that met a limit. */
function out_of_limit(k: Kernel, memcg: mem_cgroup, gfp: gfp_t, nr_pages: number): boolean {
  const order = Math.ceil(Math.log2(nr_pages));
  if (mem_cgroup_margin(memcg) >= 1 << order) return true;
  if (k.current.oom_victim || is_dying(k.current)) return true;
  return out_of_memory(k, control(gfp, order, { zones: null, nodemask: null, memcg }));
}

/** What the page allocator and memory cgroups call. */
export const oom_hooks: Pick<ReclaimHooks, 'out_of_memory' | 'mem_cgroup_out_of_memory'> = {
  out_of_memory: out_of_pages,
  mem_cgroup_out_of_memory: out_of_limit,
};

/** A fault found no memory, and is taken once more. */
export function pagefault_out_of_memory(k: Kernel): void {
  if (k.current.fatal_signal_pending) return;
  if (!__ratelimit(k, k.oom.pfoom_rs, 'pagefault_out_of_memory')) return;
  pr_warn(k, 'Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF');
}
