// Signals (Linux: kernel/signal.c), of which there are those that kill.

import { PF_KTHREAD, TASK_INTERRUPTIBLE, TASK_WAKEKILL } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { try_to_wake_up } from './core.ts';
import type { task_struct } from './task.ts';

export const fatal_signal_pending = (task: task_struct): boolean => task.fatal_signal_pending;

/** Linux: do_send_sig_info(), complete_signal(). Kernel threads do not hear of it. */
export function send_sig(k: Kernel, sig: number, task: task_struct): void {
  if ((task.flags & PF_KTHREAD) !== 0) return;
  if (!task.fatal_signal_pending) task.exit_code = sig;
  task.fatal_signal_pending = true;
  try_to_wake_up(k, task, TASK_INTERRUPTIBLE | TASK_WAKEKILL);
}
