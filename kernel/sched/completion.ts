// Completions (Linux: kernel/sched/completion.c): something that is waited for once, whether it comes before or after.

import { MAX_SCHEDULE_TIMEOUT, TASK_NORMAL, TASK_UNINTERRUPTIBLE } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import type { Sleeping } from './sleeping.ts';
import { schedule_timeout } from './timeout.ts';
import { __wake_up, finish_wait, prepare_to_wait_exclusive, wait_queue_entry, wait_queue_head } from './wait.ts';

/** complete_all() has been called. */
const UINT_MAX = 0xffffffff;

export class completion {
  /** How many waiters it lets through. */
  done = 0;
  readonly wait = new wait_queue_head();
}

export const completion_done = (x: completion): boolean => x.done > 0;

/** Lets one waiter through. */
export function complete(k: Kernel, x: completion): void {
  if (x.done !== UINT_MAX) x.done++;
  __wake_up(k, x.wait, TASK_NORMAL, 1);
}

/** Lets all through, for good. */
export function complete_all(k: Kernel, x: completion): void {
  x.done = UINT_MAX;
  __wake_up(k, x.wait, TASK_NORMAL, 0);
}

/** @returns the jiffies left, at least 1; 0: time is up */
export function* wait_for_completion_timeout(k: Kernel, x: completion, timeout: number): Sleeping<number> {
  let left = timeout;
  if (x.done === 0) {
    const entry = new wait_queue_entry(k.current);
    do {
      prepare_to_wait_exclusive(k, x.wait, TASK_UNINTERRUPTIBLE, entry);
      left = yield* schedule_timeout(k, left);
    } while (x.done === 0 && left > 0);
    finish_wait(k, x.wait, entry);
    if (x.done === 0) return left;
  }
  if (x.done !== UINT_MAX) x.done--;
  return Math.max(1, left);
}

export function* wait_for_completion(k: Kernel, x: completion): Sleeping<void> {
  yield* wait_for_completion_timeout(k, x, MAX_SCHEDULE_TIMEOUT);
}
