// The run queue of a CPU (Linux: kernel/sched/sched.h struct rq, kernel/sched/fair.c): who runs, and who wants to. Next
// comes who has run least, real-time tasks before all others.
//
// Left out: weights (every task has nice 0), groups, deadlines, priorities among real-time tasks.

import { PF_IDLE, PF_KTHREAD, TICK_NSEC } from '../include/sched.ts';
import { Heap } from '../lib/heap.ts';
import { task_struct } from './task.ts';

/** Of two that want to run. */
function before(a: task_struct, b: task_struct): boolean {
  if (a.rt !== b.rt) return a.rt;
  if (a.vruntime !== b.vruntime && !a.rt) return a.vruntime < b.vruntime;
  return a.queued_seq < b.queued_seq;
}

// sysctl_sched_latency, sysctl_sched_min_granularity and sysctl_sched_wakeup_granularity of one CPU
const LATENCY_NS = 6e6;
const MIN_GRANULARITY_NS = 750e3;
const WAKEUP_GRANULARITY_NS = 1e6;
const NR_LATENCY = LATENCY_NS / MIN_GRANULARITY_NS;

export class rq {
  readonly cpu: number;
  readonly idle: task_struct;
  /** null: the CPU is idle. */
  curr: task_struct | null = null;
  readonly queue = new Heap<task_struct>(before);
  /** How far this CPU has come, in virtual nanoseconds. While it is idle, it stands still. */
  clock = 0;
  min_vruntime = 0;
  /** The running task is to make room for another. */
  need_resched = false;
  /** sum_exec_runtime of the running task when it got the CPU. */
  slice_start = 0;
  /** When the next tick looks at the running task. */
  tick_at = 0;
  /** Who ran last. */
  last: task_struct | null = null;
  /** How far the CPU had come when a task last went to sleep. */
  slept_at = -1;

  constructor(cpu: number) {
    this.cpu = cpu;
    this.idle = new task_struct(0, `swapper/${cpu}`, PF_KTHREAD | PF_IDLE);
    this.idle.cpu = cpu;
  }

  get nr_running(): number {
    return this.queue.size + (this.curr === null ? 0 : 1);
  }
}

/** More CPUs, longer slices: by the logarithm of their number, up to eight. */
const scale = (nr_cpus: number): number => 1 + (31 - Math.clz32(Math.min(nr_cpus, 8)));

/** How long one may run while others wait. */
function sched_slice(queue: rq, nr_cpus: number): number {
  const n = Math.max(1, queue.nr_running);
  const period = n > NR_LATENCY ? n * MIN_GRANULARITY_NS : LATENCY_NS;
  return (period / n) * scale(nr_cpus);
}

/** The first tick after a point in time. */
export const next_tick = (now: number): number => (Math.floor(now / TICK_NSEC) + 1) * TICK_NSEC;

/**
 * Linux: task_tick_fair(), check_preempt_tick(). Sets need_resched if the running task has used up its slice by the last
 * tick: between ticks nobody looks, so it may run on for most of a tick.
 */
export function scheduler_tick(queue: rq, now: number, nr_cpus: number): void {
  if (now < queue.tick_at) return;
  queue.tick_at = next_tick(now);
  const { curr } = queue;
  const next = queue.queue.peek();
  if (curr === null || next === undefined) return;
  if (curr.rt !== next.rt) {
    if (next.rt) queue.need_resched = true;
    return;
  }
  const since = queue.tick_at - TICK_NSEC - queue.clock;
  const ran = curr.sum_exec_runtime + since - queue.slice_start;
  const slice = sched_slice(queue, nr_cpus);
  const ahead = ran >= MIN_GRANULARITY_NS * scale(nr_cpus) && curr.vruntime + since - next.vruntime > slice;
  if (ran > slice || ahead) queue.need_resched = true;
}

/** The running task has come to `now`. */
export function update_curr(queue: rq, now: number): void {
  const { curr } = queue;
  if (curr !== null) {
    curr.sum_exec_runtime += now - queue.clock;
    curr.vruntime += now - queue.clock;
    update_min_vruntime(queue);
  }
  queue.clock = now;
}

/** The scale moves on with whoever has run least. */
function update_min_vruntime(queue: rq): void {
  const curr = queue.curr?.vruntime ?? Number.POSITIVE_INFINITY;
  const least = Math.min(curr, queue.queue.peek()?.vruntime ?? Number.POSITIVE_INFINITY);
  if (least !== Number.POSITIVE_INFINITY) queue.min_vruntime = Math.max(queue.min_vruntime, least);
}

/** Who has slept gets half a period's lead over those who have not. */
export function place_entity(queue: rq, task: task_struct, nr_cpus: number): void {
  task.vruntime = Math.max(task.vruntime, queue.min_vruntime - (LATENCY_NS / 2) * scale(nr_cpus));
}

/** Linux: wakeup_preempt_entity(). Whether one that wakes takes the CPU from the one that runs. */
export function preempts(curr: task_struct, task: task_struct, nr_cpus: number): boolean {
  if (task.rt !== curr.rt) return task.rt;
  return !task.rt && curr.vruntime - task.vruntime > WAKEUP_GRANULARITY_NS * scale(nr_cpus);
}
