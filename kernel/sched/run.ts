// Runs the tasks of all CPUs (Linux: kernel/sched/core.c __schedule(), and what the hardware does). Whoever runs the
// kernel calls run(); everything that happens in it is decided by what is in the queues.
//
// CPUs run at the same time, which here means by turns: always the one whose clock is furthest behind, for about
// CPU_LAG_NS, or up to the next timer. When no CPU has anything to do, time jumps to that.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { TASK_DEAD, TASK_RUNNING } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug } from '../lib/bug.ts';
import type { Heap } from '../lib/heap.ts';
import { switch_to_cpu } from '../mm/zone_cpu.ts';
import { ktime_get } from './clock.ts';
import {
  CPU_LAG_NS,
  cpu_allowed,
  cpu_rq,
  enqueue_task,
  SWITCH_NONE,
  SWITCH_PAUSE,
  SWITCH_SCHEDULE,
  select_task_rq,
} from './core.ts';
import { HARDIRQ_OFFSET, SOFTIRQ_OFFSET } from './preempt.ts';
import { next_tick, type rq, update_curr } from './rq.ts';
import type { task_struct } from './task.ts';
import { event_before, type timer_event } from './timer.ts';
import { watchdog } from './watchdog.ts';

/** What it costs to switch from one task to another. */
const SWITCH_NS = 1000;

/**
 * 'done': as `options` say. 'idle': nothing will ever happen again, but for the kernel's own rounds (deferrable timers), or
 * if the options give an end, not even those. 'watchdog': a task gets nowhere.
 */
export type RunResult = 'done' | 'idle' | 'watchdog';

export interface RunOptions {
  /** Asked after each step. */
  readonly until?: () => boolean;
  /** In virtual time. */
  readonly for_ns?: number;
  /** Told before each step what time it is. Changes nothing. */
  readonly watch?: ((now_ns: number) => void) | null;
}

export function run(k: Kernel, { until, for_ns = Number.POSITIVE_INFINITY, watch = null }: RunOptions): RunResult {
  const { sched } = k;
  if (sched.running !== null) throw new KernelBug('kernel BUG: run() in a task');
  const { current } = k;
  const { cpu } = k.percpu;
  sched.cpus = [...for_each_online_cpu(k)];
  // From here on printk tells the time.
  k.log.now = () => ktime_get(k);
  const end = ktime_get(k) + for_ns;
  try {
    for (;;) {
      if (until?.() === true) return 'done';
      const queue = furthest_behind(k);
      const event = next_event(k, queue !== null || for_ns !== Number.POSITIVE_INFINITY);
      const clock = queue?.clock ?? Number.POSITIVE_INFINITY;
      const now = Math.min(clock, event?.time_ns ?? Number.POSITIVE_INFINITY);
      if (now >= end && end !== Number.POSITIVE_INFINITY) sched.now = end;
      if (now === Number.POSITIVE_INFINITY) return 'idle';
      if (now >= end) return 'done';
      watch?.(now);
      if (now >= sched.watchdog_at && watchdog(k, now)) return 'watchdog';
      if (event !== undefined && event.time_ns <= clock) fire(k, event);
      else if (queue !== null) run_cpu(k, queue, event?.time_ns ?? Number.POSITIVE_INFINITY);
    }
  } finally {
    sched.cpus = [];
    sched.running = null;
    sched.stop_at = Number.POSITIVE_INFINITY;
    k.current = current;
    switch_to_cpu(k, cpu);
  }
}

/** Of the CPUs that have something to do. */
function furthest_behind(k: Kernel): rq | null {
  let found: rq | null = null;
  for (const queue of k.sched.rqs) {
    if (queue !== undefined && queue.nr_running > 0 && (found === null || queue.clock < found.clock)) found = queue;
  }
  return found;
}

/** The next timer. @param rounds whether deferrable ones count though no other is left */
function next_event(k: Kernel, rounds: boolean): timer_event | undefined {
  const first = first_event(k.sched.timers);
  const deferred = first_event(k.sched.deferrable_timers);
  if (deferred === undefined || (first === undefined && !rounds)) return first;
  return first === undefined || event_before(deferred, first) ? deferred : first;
}

/** The first one that has not been called off. */
function first_event(timers: Heap<timer_event>): timer_event | undefined {
  let event = timers.peek();
  while (event !== undefined && event.function === null) {
    timers.pop();
    event = timers.peek();
  }
  return event;
}

/** An interrupt, on top of whatever the CPU does. */
function fire(k: Kernel, event: timer_event): void {
  const { sched, preempt } = k;
  const queue = cpu_rq(k, event.cpu);
  (event.deferrable ? sched.deferrable_timers : sched.timers).pop();
  sched.now = event.time_ns;
  k.current = queue.curr ?? queue.idle;
  if (k.percpu.cpu !== event.cpu) switch_to_cpu(k, event.cpu);
  const offset = event.softirq ? SOFTIRQ_OFFSET : HARDIRQ_OFFSET;
  preempt.preempt_count += offset;
  event.function?.(k);
  preempt.preempt_count -= offset;
}

/** Linux: pick_next_task(). */
function pick_next_task(k: Kernel, queue: rq): task_struct {
  const task = queue.queue.pop();
  if (task === undefined) throw new KernelBug(`kernel BUG: nothing to run on CPU ${queue.cpu}`);
  queue.curr = task;
  queue.need_resched = false;
  queue.slice_start = task.sum_exec_runtime;
  // One that is woken the moment it sleeps was not for nothing: two who wake each other get on in time.
  if (queue.last !== task || queue.clock === queue.slept_at) queue.clock += SWITCH_NS;
  queue.last = task;
  k.sched.now = queue.clock;
  return task;
}

/** Up to when the task on this CPU need not look whether others should run. */
function stop_time(k: Kernel, queue: rq, next_event_ns: number): number {
  queue.tick_at = next_tick(queue.clock);
  let stop = Math.min(next_event_ns, queue.tick_at);
  for (const other of k.sched.rqs) {
    if (other !== undefined && other !== queue && other.nr_running > 0) stop = Math.min(stop, other.clock + CPU_LAG_NS);
  }
  return stop;
}

/** A task runs, up to where it gives up its CPU. */
function run_cpu(k: Kernel, queue: rq, next_event_ns: number): void {
  const { sched } = k;
  sched.now = queue.clock;
  // Who has paused is where it may be switched.
  if (queue.curr !== null && queue.need_resched) {
    queue.curr.nivcsw++;
    put_prev_task(k, queue, queue.curr);
  }
  const task = queue.curr ?? pick_next_task(k, queue);
  const { body } = task;
  if (body === null) throw new KernelBug(`kernel BUG: ${task.comm} has nothing to run`);
  k.current = task;
  if (k.percpu.cpu !== queue.cpu) switch_to_cpu(k, queue.cpu);
  sched.running = queue;
  sched.stop_at = stop_time(k, queue, next_event_ns);

  const { done } = body.next();

  sched.running = null;
  sched.stop_at = Number.POSITIVE_INFINITY;
  update_curr(queue, sched.now);
  const why = sched.switching;
  sched.switching = SWITCH_NONE;
  if (done === true || task.__state === TASK_DEAD) {
    task.__state = TASK_DEAD;
    dequeue(k, queue, task);
  } else if (why === SWITCH_NONE) throw new KernelBug(`kernel BUG: ${task.comm} yields outside of schedule()`);
  else if (why === SWITCH_SCHEDULE && task.__state !== TASK_RUNNING) dequeue(k, queue, task);
  else if (why !== SWITCH_PAUSE) put_prev_task(k, queue, task);
}

function dequeue(k: Kernel, queue: rq, task: task_struct): void {
  queue.curr = null;
  queue.slept_at = queue.clock;
  task.on_rq = false;
  if (queue.queue.size === 0) newidle_balance(k, queue);
}

/** It waits for its next turn, elsewhere if it may not run here any more. */
function put_prev_task(k: Kernel, queue: rq, task: task_struct): void {
  queue.curr = null;
  enqueue_task(k, cpu_allowed(k, task, queue.cpu) ? queue : select_task_rq(k, task), task);
}

/** Rather than do nothing, a CPU takes a task over from the busiest. */
function newidle_balance(k: Kernel, queue: rq): void {
  let busiest: rq | null = null;
  for (const cpu of k.sched.cpus) {
    const other = k.sched.rqs[cpu];
    if (other === undefined || other.nr_running < 2) continue;
    if (busiest === null || other.nr_running > busiest.nr_running) busiest = other;
  }
  const task = busiest?.queue.items.find((one) => cpu_allowed(k, one, queue.cpu));
  if (busiest === null || task === undefined) return;
  busiest.queue.remove(task);
  enqueue_task(k, queue, task);
}
