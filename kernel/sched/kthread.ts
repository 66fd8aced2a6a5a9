// Kernel threads (Linux: kernel/kthread.c).
//
// Left out: kthreadd, which makes them: here whoever wants one does; parking.

import { cpumask_of_node } from '../arch/x86/numa.ts';
import { PF_KTHREAD, PF_NO_SETAFFINITY, PF_NOFREEZE } from '../include/sched.ts';
import type { nid_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { nodemask_of_node, nodes_empty } from '../lib/nodemask.ts';
import { wait_for_completion } from './completion.ts';
import { wake_up_process } from './core.ts';
import { copy_process, type TaskBody, wake_up_new_task } from './fork.ts';
import type { Sleeping } from './sleeping.ts';
import type { task_struct } from './task.ts';

export interface KthreadOptions {
  /** Bound to this CPU (Linux: kthread_bind()). */
  readonly cpu?: number;
  /** On the CPUs of this node, if it has any. */
  readonly nid?: nid_t;
  /** PF_*, besides those that all kernel threads have. */
  readonly flags?: number;
}

export function kthread_run(k: Kernel, name: string, body: TaskBody, options: KthreadOptions = {}): task_struct {
  const { cpu, nid } = options;
  let flags = PF_KTHREAD | PF_NOFREEZE | (options.flags ?? 0);
  let cpus = nid === undefined ? null : cpumask_of_node(k, nid);
  if (cpus !== null && nodes_empty(cpus)) cpus = null;
  if (cpu !== undefined) {
    cpus = nodemask_of_node(cpu);
    flags |= PF_NO_SETAFFINITY;
  }
  const task = copy_process(k, name, body, { flags, cpus });
  wake_up_new_task(k, task);
  return task;
}

export const kthread_should_stop = (k: Kernel): boolean => k.current.should_stop;

/** Asks a thread to end, and waits until it has. @returns its exit code */
export function* kthread_stop(k: Kernel, task: task_struct): Sleeping<number> {
  task.should_stop = true;
  wake_up_process(k, task);
  if (task.exited !== null) yield* wait_for_completion(k, task.exited);
  return task.exit_code;
}
