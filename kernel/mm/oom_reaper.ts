// oom_reaper: takes the private pages of a victim of the OOM killer that does not end in two seconds, as it may wait for
// what another holds who waits for memory (Linux: mm/oom_kill.c oom_reaper(), oom_reap_task(), queue_oom_reaper()).

import { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, VM_SHARED } from '../include/mm.ts';
import { MMF_OOM_REAP_QUEUED, MMF_OOM_SKIP, MMF_UNSTABLE } from '../include/oom.ts';
import { HZ } from '../include/sched.ts';
import { PAGE_SHIFT } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_info } from '../lib/printk.ts';
import { down_read_trylock, up_read } from '../locking/rwsem.ts';
import { jiffies } from '../sched/clock.ts';
import { sched_show_task } from '../sched/hung_task.ts';
import { kthread_run } from '../sched/kthread.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { schedule_timeout_idle } from '../sched/timeout.ts';
import { mod_timer, timer_list } from '../sched/timer.ts';
import { wait_event_interruptible, wake_up } from '../sched/wait.ts';
import {
  trace_finish_task_reaping,
  trace_skip_task_reaping,
  trace_start_task_reaping,
  trace_wake_reaper,
} from '../trace/events/oom.ts';
import type { mm_struct } from './mm_struct.ts';
import { unmap_page_range } from './mmap.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from './mmu_gather.ts';

const OOM_REAPER_DELAY = 2 * HZ;
const MAX_OOM_REAP_RETRIES = 10;

const K = (pages: number): number => pages * 2 ** (PAGE_SHIFT - 10);

/** Context: mmap_lock is held to read. */
function* __oom_reap_task_mm(k: Kernel, mm: mm_struct): Sleeping<void> {
  mm.flags |= MMF_UNSTABLE;
  for (const vma of mm.vmas) {
    // What others see as well stays; of files all that can be reclaimed has been.
    if ((vma.vm_flags & VM_SHARED) !== 0) continue;
    const tlb = tlb_gather_mmu(k);
    yield* unmap_page_range(k, tlb, vma, vma.vm_start, vma.vm_end);
    tlb_finish_mmu(k, tlb);
  }
}

/** @returns false: try again later */
function* oom_reap_task_mm(k: Kernel, { pid, comm }: task_struct, mm: mm_struct): Sleeping<boolean> {
  if (!down_read_trylock(mm.mmap_lock)) {
    if (k.trace.on) trace_skip_task_reaping(k, pid);
    return false;
  }
  if ((mm.flags & MMF_OOM_SKIP) !== 0) {
    if (k.trace.on) trace_skip_task_reaping(k, pid);
  } else {
    if (k.trace.on) trace_start_task_reaping(k, pid);
    yield* __oom_reap_task_mm(k, mm);
    const rss = (name: string, counter: number): string => `${name}-rss:${K(mm.rss_stat[counter]!)}kB`;
    const left = [rss('anon', MM_ANONPAGES), rss('file', MM_FILEPAGES), rss('shmem', MM_SHMEMPAGES)];
    pr_info(k, `oom_reaper: reaped process ${pid} (${comm}), now ${left.join(', ')}`);
    if (k.trace.on) trace_finish_task_reaping(k, pid);
  }
  up_read(k, mm.mmap_lock);
  return true;
}

function* oom_reap_task(k: Kernel, task: task_struct, mm: mm_struct): Sleeping<void> {
  let attempts = 0;
  let reaped = false;
  while (attempts++ < MAX_OOM_REAP_RETRIES && !reaped) {
    reaped = yield* oom_reap_task_mm(k, task, mm);
    if (!reaped) yield* schedule_timeout_idle(k, HZ / 10);
  }
  if (!reaped && (mm.flags & MMF_OOM_SKIP) === 0) {
    pr_info(k, `oom_reaper: unable to reap pid:${task.pid} (${task.comm})`);
    sched_show_task(k, task);
  }
  // Others may be looked at, whether it has been reaped or cannot be.
  mm.flags |= MMF_OOM_SKIP;
}

function* oom_reaper(k: Kernel): Sleeping<void> {
  const { oom_reaper_list, oom_reaper_wait } = k.oom;
  for (;;) {
    yield* wait_event_interruptible(k, oom_reaper_wait, () => oom_reaper_list.length > 0);
    const task = oom_reaper_list.pop();
    if (task === undefined || task.oom_mm === null) continue;
    yield* oom_reap_task(k, task, task.oom_mm);
  }
}

export function oom_init(k: Kernel): void {
  kthread_run(k, 'oom_reaper', oom_reaper);
}

function wake_oom_reaper(k: Kernel, task: task_struct, mm: mm_struct): void {
  // It has ended by itself.
  if ((mm.flags & MMF_OOM_SKIP) !== 0) return;
  k.oom.oom_reaper_list.push(task);
  if (k.trace.on) trace_wake_reaper(k, task.pid);
  wake_up(k, k.oom.oom_reaper_wait);
}

/** Context: the task has been marked as a victim. */
export function queue_oom_reaper(k: Kernel, task: task_struct): void {
  const { oom_mm } = task;
  if (oom_mm === null || (oom_mm.flags & MMF_OOM_REAP_QUEUED) !== 0) return;
  oom_mm.flags |= MMF_OOM_REAP_QUEUED;
  const timer = new timer_list(() => wake_oom_reaper(k, task, oom_mm));
  mod_timer(k, timer, jiffies(k) + OOM_REAPER_DELAY);
}
