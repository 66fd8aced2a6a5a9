// Files of /proc/PID that the OOM killer obeys and answers to (Linux: fs/proc/base.c proc_oom_score(), oom_score_adj_read(),
// oom_score_adj_write(), __set_oom_adj()).
//
// Left out: all other files of a process; oom_adj, the old form; capabilities, as whoever writes here is root.

import { OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN } from '../../include/oom.ts';
import { PF_KTHREAD } from '../../include/sched.ts';
import { EINVAL } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { is_global_init, oom_badness } from '../../mm/oom_badness.ts';
import type { task_struct } from '../../sched/task.ts';
import { trace_oom_score_adj_update } from '../../trace/events/oom.ts';

/** PROC_NUMBUF less the byte that ends the text. */
const MAX_TEXT = 12;

function find_task(k: Kernel, pid: number): task_struct | null {
  for (const task of k.sched.tasks) if (task.pid === pid) return task;
  return null;
}

/** From 0 to 2000: how likely it is to be killed. */
function proc_oom_score(k: Kernel, task: task_struct): number {
  const totalpages = k.mm.totalram_pages + k.swap.total_swap_pages;
  const badness = oom_badness(task, totalpages);
  if (badness === Number.NEGATIVE_INFINITY) return 0;
  return Math.trunc(((1000 + Math.trunc((badness * 1000) / totalpages)) * 2) / 3);
}

const PID_FILE = /^(\d+)\/(oom_score|oom_score_adj)$/;

/** Whether a process may have a file at that path. */
export const is_proc_pid_file = (path: string): boolean => PID_FILE.test(path);

/** @param path such as "42/oom_score". @returns null: there is no such process, or no such file */
export function proc_pid_read(k: Kernel, path: string): string | null {
  const [, pid, name] = PID_FILE.exec(path) ?? [];
  const task = pid === undefined ? null : find_task(k, Number(pid));
  if (task === null) return null;
  return `${name === 'oom_score' ? proc_oom_score(k, task) : task.oom_score_adj}\n`;
}

/** A write to oom_score_adj. Processes that share its memory go with it. @returns bytes taken, or -EINVAL */
export function oom_score_adj_write(k: Kernel, task: task_struct, text: string): number {
  const buffer = text.slice(0, MAX_TEXT);
  const digits = buffer.trim();
  if (!/^[-+]?(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.test(digits)) return -EINVAL;
  const sign = digits.startsWith('-') ? -1 : 1;
  const number = digits.replace(/^[-+]/, '');
  const value = sign * (/^0[0-7]+$/.test(number) ? Number.parseInt(number, 8) : Number(number));
  if (value < OOM_SCORE_ADJ_MIN || value > OOM_SCORE_ADJ_MAX) return -EINVAL;
  set_oom_adj(task, value);
  if (k.trace.on) trace_oom_score_adj_update(k, task);
  for (const other of k.sched.tasks) {
    const shares = task.mm !== null && other.mm === task.mm && other !== task;
    if (shares && (other.flags & PF_KTHREAD) === 0 && !is_global_init(other)) set_oom_adj(other, value);
  }
  return buffer.length;
}

function set_oom_adj(task: task_struct, value: number): void {
  // Not -0.
  task.oom_score_adj = value + 0;
  task.oom_score_adj_min = value + 0;
}
