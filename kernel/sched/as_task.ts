// Work that may sleep, for whoever writes to a file of /proc/sys.

import type { Kernel } from '../kernel.ts';
import { user_mode_thread } from './fork.ts';
import { run } from './run.ts';
import type { Sleeping } from './sleeping.ts';

/**
 * As a task that does nothing else.
 *
 * Differs from Linux, where whoever writes to the file does it: that is so only where no task runs. One that does goes on.
 */
export function as_task(k: Kernel, comm: string, body: () => Sleeping<void>): void {
  const task = user_mode_thread(k, comm, body);
  if (k.sched.running === null) run(k, { until: () => !k.sched.tasks.has(task) });
}
