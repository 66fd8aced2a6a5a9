// Wait queues (Linux: kernel/sched/wait.c, include/linux/wait.h): tasks that wait for the same thing. Of those that wait
// exclusively, wake_up() wakes no more than it is told; of the others, all.
//
// Left out: bookmarks, priorities.

import {
  MAX_SCHEDULE_TIMEOUT,
  TASK_IDLE,
  TASK_INTERRUPTIBLE,
  TASK_KILLABLE,
  TASK_NORMAL,
  TASK_RUNNING,
  TASK_UNINTERRUPTIBLE,
} from '../include/sched.ts';
import { ERESTARTSYS } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON } from '../lib/bug.ts';
import { set_current_state, signal_pending_state, try_to_wake_up } from './core.ts';
import type { Sleeping } from './sleeping.ts';
import type { task_struct } from './task.ts';
import { schedule_timeout } from './timeout.ts';

export class wait_queue_entry {
  readonly task: task_struct;
  exclusive = false;
  /** The queue that it is on, and its neighbours there. */
  head: wait_queue_head | null = null;
  prev: wait_queue_entry | null = null;
  next: wait_queue_entry | null = null;

  constructor(task: task_struct) {
    this.task = task;
  }
}

export class wait_queue_head {
  first: wait_queue_entry | null = null;
  last: wait_queue_entry | null = null;
}

export const waitqueue_active = (head: wait_queue_head): boolean => head.first !== null;

function link(head: wait_queue_head, entry: wait_queue_entry, at_tail: boolean): void {
  entry.head = head;
  if (head.first === null || head.last === null) head.first = head.last = entry;
  else if (at_tail) {
    entry.prev = head.last;
    head.last.next = entry;
    head.last = entry;
  } else {
    entry.next = head.first;
    head.first.prev = entry;
    head.first = entry;
  }
}

function unlink(entry: wait_queue_entry): void {
  const { head, prev, next } = entry;
  if (head === null) return;
  if (prev === null) head.first = next;
  else prev.next = next;
  if (next === null) head.last = prev;
  else next.prev = prev;
  entry.head = entry.prev = entry.next = null;
}

/** The entry that a task uses for one queue at a time. */
function own_entry(k: Kernel): wait_queue_entry {
  k.current.wait ??= new wait_queue_entry(k.current);
  return k.current.wait;
}

function prepare(k: Kernel, head: wait_queue_head, state: number, entry: wait_queue_entry, exclusive: boolean): void {
  BUG_ON(entry.head !== null && entry.head !== head, 'kernel/sched/wait.c: on two queues');
  entry.exclusive = exclusive;
  if (entry.head === null) link(head, entry, exclusive);
  set_current_state(k, state);
}

/**
 * From now on a wake-up of the queue reaches the task, so what it waits for must be looked at after this.
 * @param entry to wait on more than one queue at a time
 */
export function prepare_to_wait(k: Kernel, head: wait_queue_head, state: number, entry = own_entry(k)): void {
  prepare(k, head, state, entry, false);
}

export function prepare_to_wait_exclusive(k: Kernel, head: wait_queue_head, state: number, entry = own_entry(k)): void {
  prepare(k, head, state, entry, true);
}

export function finish_wait(k: Kernel, head: wait_queue_head, entry = own_entry(k)): void {
  set_current_state(k, TASK_RUNNING);
  if (entry.head === head) unlink(entry);
}

/** Who is woken is off the queue. Linux: __wake_up_common(), autoremove_wake_function(). */
export function __wake_up(k: Kernel, head: wait_queue_head, mode: number, nr_exclusive: number): void {
  let left = nr_exclusive;
  for (let entry = head.first; entry !== null; ) {
    const { next, exclusive } = entry;
    if (try_to_wake_up(k, entry.task, mode)) {
      unlink(entry);
      if (exclusive && --left === 0) return;
    }
    entry = next;
  }
}

export const wake_up = (k: Kernel, head: wait_queue_head, nr_exclusive = 1): void =>
  __wake_up(k, head, TASK_NORMAL, nr_exclusive);
export const wake_up_all = (k: Kernel, head: wait_queue_head): void => __wake_up(k, head, TASK_NORMAL, 0);
export const wake_up_interruptible = (k: Kernel, head: wait_queue_head): void =>
  __wake_up(k, head, TASK_INTERRUPTIBLE, 1);

/** Linux: ___wait_event(). @returns the jiffies left, at least 1; 0: time is up; -ERESTARTSYS: the task has to die */
function* wait(
  k: Kernel,
  head: wait_queue_head,
  state: number,
  exclusive: boolean,
  timeout: number,
  condition: () => boolean,
): Sleeping<number> {
  if (condition()) return timeout;
  const entry = new wait_queue_entry(k.current);
  let left = timeout;
  for (;;) {
    prepare(k, head, state, entry, exclusive);
    if (condition()) {
      left = Math.max(1, left);
      break;
    }
    if (left === 0) break;
    if (signal_pending_state(state, k.current)) {
      left = -ERESTARTSYS;
      break;
    }
    left = yield* schedule_timeout(k, left);
  }
  finish_wait(k, head, entry);
  return left;
}

/** Sleeps until the condition holds; whoever makes it so wakes the queue. */
export function* wait_event(k: Kernel, head: wait_queue_head, condition: () => boolean): Sleeping<void> {
  yield* wait(k, head, TASK_UNINTERRUPTIBLE, false, MAX_SCHEDULE_TIMEOUT, condition);
}

/** For those who have nothing to do until then: nobody waits for them, and nobody is told that they hang. */
export function* wait_event_idle(k: Kernel, head: wait_queue_head, condition: () => boolean): Sleeping<void> {
  yield* wait(k, head, TASK_IDLE, false, MAX_SCHEDULE_TIMEOUT, condition);
}

export const wait_event_idle_timeout = (
  k: Kernel,
  head: wait_queue_head,
  condition: () => boolean,
  timeout: number,
): Sleeping<number> => wait(k, head, TASK_IDLE, false, timeout, condition);

export const wait_event_interruptible_timeout = (
  k: Kernel,
  head: wait_queue_head,
  condition: () => boolean,
  timeout: number,
): Sleeping<number> => wait(k, head, TASK_INTERRUPTIBLE, false, timeout, condition);

/** @returns 0, or -ERESTARTSYS */
export function* wait_event_interruptible(
  k: Kernel,
  head: wait_queue_head,
  condition: () => boolean,
): Sleeping<number> {
  return Math.min(0, yield* wait(k, head, TASK_INTERRUPTIBLE, false, MAX_SCHEDULE_TIMEOUT, condition));
}

/** @returns 0, or -ERESTARTSYS */
export function* wait_event_killable(k: Kernel, head: wait_queue_head, condition: () => boolean): Sleeping<number> {
  return Math.min(0, yield* wait(k, head, TASK_KILLABLE, false, MAX_SCHEDULE_TIMEOUT, condition));
}
