// khungtaskd: reports tasks that have been in uninterruptible sleep for too long (Linux: kernel/hung_task.c), and what is
// shown of a task (kernel/sched/core.c sched_show_task()).
//
// Left out: the stack of the task, backtraces of all CPUs, the locks that are held.

import {
  HZ,
  TASK_INTERRUPTIBLE,
  TASK_NOLOAD,
  TASK_RUNNING,
  TASK_UNINTERRUPTIBLE,
  TASK_WAKEKILL,
} from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { panic } from '../lib/bug.ts';
import { pr_err, pr_info } from '../lib/printk.ts';
import { print_tainted, TAINT_DIE } from '../lib/taint.ts';
import { type ctl_table, failed, proc_dointvec_minmax, proc_handler_minmax, type sysctl_result } from '../sysctl.ts';
import { jiffies } from './clock.ts';
import { schedule, set_current_state, wake_up_process } from './core.ts';
import { kthread_run } from './kthread.ts';
import type { Sleeping } from './sleeping.ts';
import type { task_struct } from './task.ts';
import { del_timer, mod_timer, timer_list } from './timer.ts';

export class HungTaskState {
  /** kernel.hung_task_timeout_secs; 0: nothing is reported. */
  timeout_secs = 120;
  /** kernel.hung_task_check_interval_secs; 0: that of the timeout. */
  check_interval_secs = 0;
  /** kernel.hung_task_warnings: how many more reports; -1: any number. */
  warnings = 10;
  panic = 0;
  /** kernel.hung_task_check_count: PID_MAX_LIMIT. */
  check_count = 4 << 20;
  khungtaskd: task_struct | null = null;
}

const TIF_SIGPENDING = 1 << 2;
const TIF_NEED_FPU_LOAD = 1 << 14;

/** Linux: task_state_to_char(). */
function task_state_to_char({ __state }: task_struct): string {
  if (__state === TASK_RUNNING) return 'R';
  if ((__state & TASK_NOLOAD) !== 0) return 'I';
  return (__state & TASK_INTERRUPTIBLE) !== 0 ? 'S' : (__state & TASK_UNINTERRUPTIBLE) !== 0 ? 'D' : 'X';
}

export function sched_show_task(k: Kernel, task: task_struct): void {
  const running = task.__state === TASK_RUNNING ? '  running task    ' : '';
  const flags = TIF_NEED_FPU_LOAD | (task.fatal_signal_pending ? TIF_SIGPENDING : 0);
  const pid = String(task.pid).padEnd(5);
  const ppid = String(task.parent?.pid ?? 0).padEnd(6);
  const where = ` stack:0     pid:${pid} ppid:${ppid} flags:0x${flags.toString(16).padStart(8, '0')}`;
  pr_info(k, `task:${task.comm.slice(0, 15).padEnd(15)} state:${task_state_to_char(task)}${running}${where}`);
}

/** @returns whether that calls for a panic */
function check_hung_task(k: Kernel, task: task_struct, timeout: number): boolean {
  const state = k.hung_task;
  const switch_count = task.nvcsw + task.nivcsw;
  if (switch_count === 0) return false;
  const now = jiffies(k);
  if (switch_count !== task.last_switch_count) {
    task.last_switch_count = switch_count;
    task.last_switch_time = now;
    return false;
  }
  if (now < task.last_switch_time + timeout * HZ) return false;
  if (state.warnings !== 0) {
    if (state.warnings > 0) state.warnings--;
    const seconds = Math.floor((now - task.last_switch_time) / HZ);
    pr_err(k, `INFO: task ${task.comm}:${task.pid} blocked for more than ${seconds} seconds.`);
    pr_err(k, `      ${print_tainted(k.panic_state.tainted_mask)} ${k.config.version} #1`);
    pr_err(k, '"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.');
    sched_show_task(k, task);
  }
  return state.panic !== 0;
}

function check_hung_uninterruptible_tasks(k: Kernel, timeout: number): void {
  if ((k.panic_state.tainted_mask & (1 << TAINT_DIE)) !== 0) return;
  let max_count = k.hung_task.check_count;
  let calls_panic = false;
  for (const task of k.sched.tasks) {
    if (max_count-- === 0) break;
    // Those that may be killed can be dealt with, those that are idle wait for nothing.
    const blocked = task.__state & (TASK_UNINTERRUPTIBLE | TASK_WAKEKILL | TASK_NOLOAD);
    if (blocked === TASK_UNINTERRUPTIBLE && check_hung_task(k, task, timeout)) calls_panic = true;
  }
  if (calls_panic) panic(k, 'hung_task: blocked tasks');
}

/**
 * @param timeout in jiffies; 0: until it is woken
 * Differs from Linux: the timer is deferrable. A machine on which nothing else will ever happen is found idle.
 */
function* sleep(k: Kernel, timeout: number): Sleeping<void> {
  const task = k.current;
  const timer = new timer_list(() => wake_up_process(k, task), true);
  if (timeout > 0) mod_timer(k, timer, jiffies(k) + timeout);
  set_current_state(k, TASK_INTERRUPTIBLE);
  yield* schedule(k);
  del_timer(timer);
}

function* watchdog(k: Kernel): Sleeping<void> {
  const state = k.hung_task;
  for (let last_checked = jiffies(k); ; ) {
    const timeout = state.timeout_secs;
    const interval = Math.min(state.check_interval_secs === 0 ? timeout : state.check_interval_secs, timeout);
    const left = last_checked + interval * HZ - jiffies(k);
    if (interval === 0 || left > 0) yield* sleep(k, interval === 0 ? 0 : left);
    else {
      check_hung_uninterruptible_tasks(k, timeout);
      last_checked = jiffies(k);
    }
  }
}

export function hung_task_init(k: Kernel): void {
  k.hung_task.khungtaskd = kthread_run(k, 'khungtaskd', watchdog);
}

type Numbers = 'timeout_secs' | 'check_interval_secs' | 'warnings' | 'panic' | 'check_count';

/** hung_task_timeout_max. */
const TIMEOUT_MAX = Math.floor(2 ** 63 / HZ);

/** The thread looks at what is new at once. Linux: proc_dohung_task_timeout_secs(). */
function proc_dohung_task_timeout_secs(k: Kernel, table: ctl_table, buffer: string | null): sysctl_result {
  const result = proc_dointvec_minmax(k, table, buffer);
  if (result.err !== 0) return failed(result.err);
  const { khungtaskd } = k.hung_task;
  if (buffer !== null && khungtaskd !== null) wake_up_process(k, khungtaskd);
  return result;
}

const file = (name: Numbers, limits: Pick<ctl_table, 'min' | 'max' | 'long'>): ctl_table => ({
  procname: `hung_task_${name}`,
  data: (k) => [k.hung_task[name]],
  store: (k, _, value) => {
    k.hung_task[name] = value;
  },
  ...limits,
  proc_handler: limits.long === true ? proc_dohung_task_timeout_secs : proc_handler_minmax,
});

/** Files of /proc/sys/kernel. */
export const hung_task_table: readonly ctl_table[] = [
  file('panic', { min: 0, max: 1 }),
  file('check_count', { min: 0 }),
  file('timeout_secs', { max: TIMEOUT_MAX, long: true }),
  file('check_interval_secs', { max: TIMEOUT_MAX, long: true }),
  file('warnings', { min: -1 }),
];
