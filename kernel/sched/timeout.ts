// Sleeping for a while (Linux: kernel/time/timer.c schedule_timeout() and its kin, msleep(); kernel/sched/core.c
// io_schedule()).

import {
  MAX_SCHEDULE_TIMEOUT,
  TASK_IDLE,
  TASK_INTERRUPTIBLE,
  TASK_KILLABLE,
  TASK_NORMAL,
  TASK_UNINTERRUPTIBLE,
} from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { jiffies } from './clock.ts';
import { schedule, set_current_state, try_to_wake_up } from './core.ts';
import type { Sleeping } from './sleeping.ts';
import { del_timer, mod_timer, msecs_to_jiffies, timer_list } from './timer.ts';

/**
 * Sleeps until somebody wakes the task, or for so long. Context: its state says for what it sleeps.
 * @returns the jiffies that are left
 */
export function* schedule_timeout(k: Kernel, timeout: number): Sleeping<number> {
  if (timeout === MAX_SCHEDULE_TIMEOUT) {
    yield* schedule(k);
    return timeout;
  }
  const task = k.current;
  const timer = new timer_list(() => try_to_wake_up(k, task, TASK_NORMAL));
  const expire = jiffies(k) + timeout;
  mod_timer(k, timer, expire);
  yield* schedule(k);
  del_timer(timer);
  return Math.max(0, expire - jiffies(k));
}

function* timeout_in(k: Kernel, state: number, timeout: number): Sleeping<number> {
  set_current_state(k, state);
  return yield* schedule_timeout(k, timeout);
}

export const schedule_timeout_interruptible = (k: Kernel, timeout: number): Sleeping<number> =>
  timeout_in(k, TASK_INTERRUPTIBLE, timeout);
export const schedule_timeout_uninterruptible = (k: Kernel, timeout: number): Sleeping<number> =>
  timeout_in(k, TASK_UNINTERRUPTIBLE, timeout);
export const schedule_timeout_killable = (k: Kernel, timeout: number): Sleeping<number> =>
  timeout_in(k, TASK_KILLABLE, timeout);
export const schedule_timeout_idle = (k: Kernel, timeout: number): Sleeping<number> =>
  timeout_in(k, TASK_IDLE, timeout);

/** What is slept is time spent waiting for storage. */
export function* io_schedule_timeout(k: Kernel, timeout: number): Sleeping<number> {
  const task = k.current;
  const { in_iowait } = task;
  task.in_iowait = true;
  const left = yield* schedule_timeout(k, timeout);
  task.in_iowait = in_iowait;
  return left;
}

export function* io_schedule(k: Kernel): Sleeping<void> {
  yield* io_schedule_timeout(k, MAX_SCHEDULE_TIMEOUT);
}

export function* msleep(k: Kernel, msecs: number): Sleeping<void> {
  let timeout = msecs_to_jiffies(msecs) + 1;
  while (timeout > 0) timeout = yield* schedule_timeout_uninterruptible(k, timeout);
}
