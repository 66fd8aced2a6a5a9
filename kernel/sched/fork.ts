// Tasks begin (Linux: kernel/fork.c kernel_clone(), kernel/sched/core.c wake_up_new_task()) and end (kernel/exit.c
// do_exit()).
//
// Left out: task_struct, stack and credentials as memory; process groups, and whoever waits for children but by
// task_struct.exited.

import { task_cs } from '../cgroup/cpuset.ts';
import { PF_EXITING, PF_KTHREAD, PF_SIGNALED, SIGKILL, TASK_DEAD, TASK_NEW, TASK_RUNNING } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug } from '../lib/bug.ts';
import type { cpumask_t } from '../lib/nodemask.ts';
import { nodes_copy } from '../lib/nodemask.ts';
import { ktime_get } from './clock.ts';
import { complete_all, completion } from './completion.ts';
import { activate_task, schedule, set_current_state } from './core.ts';
import type { Sleeping } from './sleeping.ts';
import { task_struct } from './task.ts';

export type TaskBody = (k: Kernel) => Sleeping<void>;

export interface TaskOptions {
  /** PF_*. */
  readonly flags?: number;
  readonly cpus?: cpumask_t | null;
}

function* task_main(k: Kernel, body: TaskBody): Sleeping<void> {
  yield* body(k);
  yield* do_exit(k, 0);
}

/** A task that has not begun yet: wake_up_new_task() lets it run. Of the running task it inherits what tasks do. */
export function copy_process(
  k: Kernel,
  comm: string,
  body: TaskBody,
  { flags = 0, cpus = null }: TaskOptions,
): task_struct {
  const { current: parent, sched } = k;
  const task = new task_struct(sched.next_pid++, comm.slice(0, 15), flags);
  task.__state = TASK_NEW;
  task.parent = parent;
  task.cpu = k.percpu.cpu;
  task.cpus_ptr = cpus;
  task.exited = new completion();
  task.progress_at = ktime_get(k);
  if ((flags & PF_KTHREAD) === 0) {
    task.cpuset = parent.cpuset;
    task.mempolicy = parent.mempolicy;
    task.memcg = parent.memcg;
    task.cpuset?.tasks.add(task);
    task.memcg?.tasks.add(task);
    task.rt = parent.rt;
    task.uid = parent.uid;
    task.oom_score_adj = parent.oom_score_adj;
    task.oom_score_adj_min = parent.oom_score_adj_min;
    nodes_copy(task.mems_allowed, parent.mems_allowed);
  }
  task.body = task_main(k, body);
  sched.tasks.add(task);
  return task;
}

export function wake_up_new_task(k: Kernel, task: task_struct): void {
  task.__state = TASK_RUNNING;
  activate_task(k, task);
}

/** A process, as far as the scheduler is concerned: what it does is told in TypeScript. */
export function user_mode_thread(k: Kernel, comm: string, body: TaskBody, options: TaskOptions = {}): task_struct {
  const task = copy_process(k, comm, body, options);
  wake_up_new_task(k, task);
  return task;
}

/** The running task ends here. @param code as wait() shows it: a signal, or an exit status << 8 */
export function* do_exit(k: Kernel, code: number): Sleeping<never> {
  const task = k.current;
  task.flags |= PF_EXITING;
  task.exit_code = code;
  for (const work of task.exit_work.splice(0)) yield* work(k);
  task_cs(k, task).tasks.delete(task);
  task.memcg?.tasks.delete(task);
  k.sched.tasks.delete(task);
  if (task.exited !== null) complete_all(k, task.exited);
  set_current_state(k, TASK_DEAD);
  yield* schedule(k);
  throw new KernelBug(`kernel BUG: ${task.comm} runs after its end`);
}

/** Where a process goes back to what it was made for: one that has been killed ends. */
export function* exit_to_user_mode(k: Kernel): Sleeping<void> {
  const task = k.current;
  if (!task.fatal_signal_pending || (task.flags & PF_KTHREAD) !== 0) return;
  task.flags |= PF_SIGNALED;
  yield* do_exit(k, task.exit_code === 0 ? SIGKILL : task.exit_code);
}
