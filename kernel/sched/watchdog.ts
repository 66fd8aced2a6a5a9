// The proof that a run neither hangs nor goes round in circles: tasks say when they get on, and one that has not for too
// long, though it does not sleep of its own will, ends the run. Linux has nothing like it; of its own watchdogs
// khungtaskd is there (hung_task.ts).

import { PF_KTHREAD, TASK_DEAD, TASK_INTERRUPTIBLE, TASK_NOLOAD } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { pr_err } from '../lib/printk.ts';
import { ktime_get } from './clock.ts';

/** Longer than what khungtaskd reports. */
const WATCHDOG_NS = 600e9;
const INTERVAL_NS = 1e9;

/** The running task has done something that it was made for. */
export function made_progress(k: Kernel): void {
  k.current.progress_at = ktime_get(k);
}

/** @returns whether there is a task, not the kernel's own, that gets nowhere */
export function watchdog(k: Kernel, now: number): boolean {
  const { sched } = k;
  sched.watchdog_at = now + INTERVAL_NS;
  for (const task of sched.tasks) {
    if ((task.flags & PF_KTHREAD) !== 0 || task.__state === TASK_DEAD) continue;
    if ((task.__state & (TASK_INTERRUPTIBLE | TASK_NOLOAD)) !== 0) task.progress_at = now;
    const stuck = now - task.progress_at;
    if (stuck < WATCHDOG_NS) continue;
    pr_err(k, `pgdat: watchdog: ${task.comm}:${task.pid} has made no progress for ${Math.floor(stuck / 1e9)} seconds`);
    return true;
  }
  return false;
}
