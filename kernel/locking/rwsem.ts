// Locks that many may hold to read, or one to write (Linux: kernel/locking/rwsem.c), for tasks that may sleep. Whoever
// waits stands in one line: no reader passes a writer who came before him.
//
// Left out: spinning while the holder runs, handing the lock on, downgrade_write().

import { TASK_RUNNING, TASK_UNINTERRUPTIBLE } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { schedule, set_current_state, wake_up_process } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';

export class rw_semaphore {
  readers = 0;
  writer = false;
  /** Who waits, first come first. */
  readonly line: task_struct[] = [];
}

export function down_read_trylock(sem: rw_semaphore): boolean {
  if (sem.writer || sem.line.length > 0) return false;
  sem.readers++;
  return true;
}

function down_write_trylock(sem: rw_semaphore): boolean {
  if (sem.writer || sem.readers > 0 || sem.line.length > 0) return false;
  sem.writer = true;
  return true;
}

/** Until the task is first in line and the lock is free for it. */
function* wait_in_line(k: Kernel, sem: rw_semaphore, write: boolean): Sleeping<void> {
  const task = k.current;
  sem.line.push(task);
  for (;;) {
    set_current_state(k, TASK_UNINTERRUPTIBLE);
    if (sem.line[0] === task && !sem.writer && (!write || sem.readers === 0)) break;
    yield* schedule(k);
  }
  set_current_state(k, TASK_RUNNING);
  sem.line.shift();
  if (write) sem.writer = true;
  else {
    sem.readers++;
    // The next one may be a reader as well.
    wake_first(k, sem);
  }
}

function wake_first(k: Kernel, sem: rw_semaphore): void {
  const first = sem.line[0];
  if (first !== undefined) wake_up_process(k, first);
}

export function* down_read(k: Kernel, sem: rw_semaphore): Sleeping<void> {
  if (!down_read_trylock(sem)) yield* wait_in_line(k, sem, false);
}

export function* down_write(k: Kernel, sem: rw_semaphore): Sleeping<void> {
  if (!down_write_trylock(sem)) yield* wait_in_line(k, sem, true);
}

export function up_read(k: Kernel, sem: rw_semaphore): void {
  sem.readers--;
  wake_first(k, sem);
}

export function up_write(k: Kernel, sem: rw_semaphore): void {
  sem.writer = false;
  wake_first(k, sem);
}
