// Mutexes (Linux: kernel/locking/mutex.c): who finds one locked sleeps until it is free. Another may come before him once;
// after that it is handed to him.
//
// Left out: spinning while the owner runs, lockdep.

import { TASK_KILLABLE, TASK_NORMAL, TASK_UNINTERRUPTIBLE } from '../include/sched.ts';
import { EINTR } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON } from '../lib/bug.ts';
import { schedule, signal_pending_state } from './core.ts';
import type { Sleeping } from './sleeping.ts';
import type { task_struct } from './task.ts';
import { __wake_up, finish_wait, prepare_to_wait_exclusive, wait_queue_entry, wait_queue_head } from './wait.ts';

export class mutex {
  owner: task_struct | null = null;
  /** MUTEX_FLAG_HANDOFF. */
  handoff = false;
  readonly wait = new wait_queue_head();
}

/** @returns whether the task has it now */
export function mutex_trylock(k: Kernel, lock: mutex): boolean {
  if (lock.owner !== null) return false;
  lock.owner = k.current;
  return true;
}

export function mutex_unlock(k: Kernel, lock: mutex): void {
  BUG_ON(lock.owner !== k.current, 'kernel/locking/mutex.c: unlocked by another than who locked it');
  lock.owner = null;
  if (lock.handoff && lock.wait.first !== null) lock.owner = lock.wait.first.task;
  lock.handoff = false;
  __wake_up(k, lock.wait, TASK_NORMAL, 1);
}

function* lock_in(k: Kernel, lock: mutex, state: number): Sleeping<number> {
  if (mutex_trylock(k, lock)) return 0;
  BUG_ON(lock.owner === k.current, 'kernel/locking/mutex.c: locked twice by the same task');
  const entry = new wait_queue_entry(k.current);
  for (let woken = false; ; woken = true) {
    prepare_to_wait_exclusive(k, lock.wait, state, entry);
    if (lock.owner === k.current || mutex_trylock(k, lock)) break;
    if (signal_pending_state(state, k.current)) {
      finish_wait(k, lock.wait, entry);
      return -EINTR;
    }
    if (woken) lock.handoff = true;
    yield* schedule(k);
  }
  finish_wait(k, lock.wait, entry);
  return 0;
}

export function* mutex_lock(k: Kernel, lock: mutex): Sleeping<void> {
  yield* lock_in(k, lock, TASK_UNINTERRUPTIBLE);
}

/** @returns 0, or -EINTR: the task has to die */
export const mutex_lock_killable = (k: Kernel, lock: mutex): Sleeping<number> => lock_in(k, lock, TASK_KILLABLE);
