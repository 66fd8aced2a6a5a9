// The scheduler: how a task gives up its CPU and how it is woken (Linux: kernel/sched/core.c schedule(),
// try_to_wake_up(), _cond_resched(), yield(), set_cpus_allowed_ptr()). Tasks are generators; preemption is voluntary, as in
// Debian's kernel, so they are switched at Linux's scheduling points and nowhere else. run.ts drives them.
//
// Left out: load balancing but for a CPU that would be idle, cgroups' shares, freezing.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { blk_flush_plug } from '../drivers/block/blk.ts';
import { PF_NO_SETAFFINITY, TASK_INTERRUPTIBLE, TASK_NORMAL, TASK_RUNNING, TASK_WAKEKILL } from '../include/sched.ts';
import { EINVAL } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug, WARN_ONCE } from '../lib/bug.ts';
import { Heap } from '../lib/heap.ts';
import { type cpumask_t, node_isset, nodes_intersects } from '../lib/nodemask.ts';
import { pr_err } from '../lib/printk.ts';
import { add_taint, dump_stack_print_info, print_modules, TAINT_WARN } from '../lib/taint.ts';
import { in_atomic, PREEMPT_OFFSET } from './preempt.ts';
import { place_entity, preempts, rq, scheduler_tick, update_curr } from './rq.ts';
import type { Sleeping } from './sleeping.ts';
import type { task_struct } from './task.ts';
import { event_before, type timer_event } from './timer.ts';

/** What a task means by giving up its CPU. */
export const SWITCH_NONE = 0;
/** It has nothing to do, or others come first. */
export const SWITCH_SCHEDULE = 1;
/** It has been taken off its CPU, whatever its state is. */
export const SWITCH_PREEMPT = 2;
/** It keeps its CPU; other CPUs and timers have to come up to where it is. */
export const SWITCH_PAUSE = 3;

/** How far CPUs that are busy at the same time may come apart, in virtual nanoseconds. */
export const CPU_LAG_NS = 50_000;
/** What it costs to ask whether others should run: so a loop that does nothing else takes time. */
const COND_RESCHED_NS = 5;

export class SchedState {
  /** The clock of the CPU that runs, and the latest that anyone has seen. */
  now = 0;
  latest = 0;
  /** When the running task has to look whether others should run. */
  stop_at = Number.POSITIVE_INFINITY;
  /** The queue whose task runs; null: no task does. */
  running: rq | null = null;
  /** SWITCH_*: why the running task gives up its CPU. */
  switching = SWITCH_NONE;
  /** CPUs that are online, while run() is at it; else empty. */
  cpus: readonly number[] = [];
  /** By CPU. */
  readonly rqs: rq[] = [];
  readonly timers = new Heap<timer_event>(event_before);
  readonly deferrable_timers = new Heap<timer_event>(event_before);
  /** Counts what is put in order: timers and tasks that wait. */
  seq = 0;
  /** All tasks but the idle ones, in the order of their making. */
  readonly tasks = new Set<task_struct>();
  next_pid = 3;
  /** When watchdog.ts looks next; -Infinity: it has not looked yet. */
  watchdog_at = Number.NEGATIVE_INFINITY;
}

/** In ascending order. */
export const online_cpus = (k: Kernel): readonly number[] =>
  k.sched.cpus.length > 0 ? k.sched.cpus : [...for_each_online_cpu(k)];

export const nr_cpus = (k: Kernel): number => online_cpus(k).length;

export function cpu_rq(k: Kernel, cpu: number): rq {
  const { rqs } = k.sched;
  rqs[cpu] ??= new rq(cpu);
  return rqs[cpu];
}

/** Context: the task is not yet ready to be woken by another, who may be waiting for just that. */
export function set_current_state(k: Kernel, state: number): void {
  k.current.__state = state;
}

export const signal_pending_state = (state: number, task: task_struct): boolean =>
  (state & (TASK_INTERRUPTIBLE | TASK_WAKEKILL)) !== 0 && task.fatal_signal_pending;

function __schedule_bug(k: Kernel): void {
  const { comm, pid } = k.current;
  // schedule() itself disables preemption once more.
  const preempt_count = (k.preempt.preempt_count + PREEMPT_OFFSET).toString(16).padStart(8, '0');
  pr_err(k, `BUG: scheduling while atomic: ${comm}/${pid}/0x${preempt_count}`);
  print_modules(k);
  dump_stack_print_info(k);
  add_taint(k, TAINT_WARN, true);
  k.preempt.preempt_count = 0;
}

function schedule_debug(k: Kernel): void {
  if (in_atomic(k)) __schedule_bug(k);
  const where = 'kernel/rcu/tree_plugin.h:320 rcu_note_context_switch';
  const text = 'Voluntary context switch within RCU read-side critical section!';
  WARN_ONCE(k, k.preempt.rcu_preempt_depth > 0, where, text);
  if (k.sched.running === null) throw new KernelBug(`kernel BUG: ${k.current.comm} sleeps where no task can run`);
}

/** Gives up the CPU: until somebody wakes the task, or if its state is TASK_RUNNING, until its turn comes again. */
export function* schedule(k: Kernel): Sleeping<void> {
  const { current: prev, sched } = k;
  schedule_debug(k);
  if (prev.__state !== TASK_RUNNING && signal_pending_state(prev.__state, prev)) prev.__state = TASK_RUNNING;
  if (prev.__state === TASK_RUNNING) prev.nivcsw++;
  else {
    // Others may wait for that, and he for them.
    if (prev.plug !== null) blk_flush_plug(k, prev.plug);
    prev.nvcsw++;
  }
  sched.switching = SWITCH_SCHEDULE;
  yield;
}

/** Whether cond_resched() would do something: for loops that are too tight for a call. */
export const should_resched = (k: Kernel): boolean => k.sched.now >= k.sched.stop_at;

/** Lets others run if it is their turn. */
export function* cond_resched(k: Kernel): Sleeping<void> {
  const { sched } = k;
  sched.now += COND_RESCHED_NS;
  if (sched.now < sched.stop_at || sched.running === null) return;
  schedule_debug(k);
  if (need_resched(k)) {
    k.current.nivcsw++;
    sched.switching = SWITCH_PREEMPT;
  } else sched.switching = SWITCH_PAUSE;
  yield;
}

/** Whether another is to have the CPU at the next point where it can. */
export function need_resched(k: Kernel): boolean {
  const { running } = k.sched;
  if (running === null || !should_resched(k)) return false;
  scheduler_tick(running, k.sched.now, nr_cpus(k));
  return running.need_resched;
}

/** To the end of the queue. Linux: yield(). */
export function* yield_(k: Kernel): Sleeping<void> {
  const queue = k.sched.running;
  set_current_state(k, TASK_RUNNING);
  const last = queue?.queue.items.reduce((most, task) => Math.max(most, task.vruntime), 0) ?? 0;
  k.current.vruntime = Math.max(k.current.vruntime, last);
  yield* schedule(k);
}

export const cpu_allowed = (k: Kernel, task: task_struct, cpu: number): boolean =>
  node_isset(cpu, k.cpus.cpu_online_mask) && (task.cpus_ptr === null || node_isset(cpu, task.cpus_ptr));

/** The least busy of the CPUs where it may run; among equals the one where it ran, then those of that node. */
export function select_task_rq(k: Kernel, task: task_struct): rq {
  const { numa_node } = k.percpu;
  const prev = task.cpu;
  let best = -1;
  let cost = Number.POSITIVE_INFINITY;
  if (cpu_allowed(k, task, prev) && (k.sched.rqs[prev]?.nr_running ?? 0) === 0) return cpu_rq(k, prev);
  for (const cpu of online_cpus(k)) {
    if (!cpu_allowed(k, task, cpu)) continue;
    const distance = cpu === prev ? 0 : numa_node[cpu] === numa_node[prev] ? 1 : 2;
    // One that waits stays where it ran rather than go to another that is busy as well.
    const busy = k.sched.rqs[cpu]?.nr_running ?? 0;
    const this_cost = (busy === 0 ? 0 : 8 * busy) + distance;
    if (this_cost >= cost) continue;
    cost = this_cost;
    best = cpu;
  }
  if (best < 0) throw new KernelBug(`kernel BUG: ${task.comm} may run on no CPU that is online`);
  return cpu_rq(k, best);
}

function set_task_cpu(k: Kernel, queue: rq, task: task_struct): void {
  if (task.cpu === queue.cpu) return;
  task.vruntime += queue.min_vruntime - cpu_rq(k, task.cpu).min_vruntime;
  task.cpu = queue.cpu;
}

/** Puts a task in the queue of a CPU. */
export function enqueue_task(k: Kernel, queue: rq, task: task_struct): void {
  const { sched } = k;
  set_task_cpu(k, queue, task);
  task.on_rq = true;
  task.queued_seq = ++sched.seq;
  if (queue.nr_running === 0) queue.clock = Math.max(queue.clock, sched.now);
  queue.queue.push(task);
}

/** It can run, and may come before the one that does. */
export function activate_task(k: Kernel, task: task_struct): void {
  const { sched } = k;
  const cpus = nr_cpus(k);
  const queue = select_task_rq(k, task);
  set_task_cpu(k, queue, task);
  if (queue === sched.running) {
    scheduler_tick(queue, sched.now, cpus);
    update_curr(queue, sched.now);
  }
  place_entity(queue, task, cpus);
  enqueue_task(k, queue, task);
  if (queue.curr !== null && preempts(queue.curr, task, cpus)) queue.need_resched = true;
  if (sched.running === null) return;
  const lag = queue === sched.running ? 0 : CPU_LAG_NS;
  if (lag > 0 || queue.need_resched) sched.stop_at = Math.min(sched.stop_at, sched.now + lag);
}

/** @param mode which states to wake it from. @returns whether that is what it was in */
export function try_to_wake_up(k: Kernel, task: task_struct, mode: number): boolean {
  if ((task.__state & mode) === 0) return false;
  task.__state = TASK_RUNNING;
  // It had not come to sleep yet.
  if (!task.on_rq) activate_task(k, task);
  return true;
}

export const wake_up_process = (k: Kernel, task: task_struct): boolean => try_to_wake_up(k, task, TASK_NORMAL);

/**
 * Where a task may run from now on. One that runs elsewhere is moved when it next gives up its CPU.
 * @returns 0, or -EINVAL
 */
export function set_cpus_allowed_ptr(k: Kernel, task: task_struct, mask: cpumask_t | null): number {
  if ((task.flags & PF_NO_SETAFFINITY) !== 0) return -EINVAL;
  if (mask !== null && !nodes_intersects(mask, k.cpus.cpu_online_mask)) return -EINVAL;
  task.cpus_ptr = mask;
  const queue = cpu_rq(k, task.cpu);
  if (!task.on_rq || cpu_allowed(k, task, task.cpu)) return 0;
  if (queue.curr === task) queue.need_resched = true;
  else {
    queue.queue.remove(task);
    enqueue_task(k, select_task_rq(k, task), task);
  }
  if (k.sched.running === queue) k.sched.stop_at = Math.min(k.sched.stop_at, k.sched.now);
  return 0;
}
