// Machines whose memory runs out, and processes that use it up, for tests of the OOM killer. Without
// swap, reclaim finds nothing.

import { VM_NORESERVE, VM_READ, VM_WRITE } from '../include/mm.ts';
import { PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug } from '../lib/bug.ts';
import { kswapd_init } from '../mm/kswapd.ts';
import { spawn_process, vm_mmap } from '../mm/mmap.ts';
import { oom_init } from '../mm/oom_reaper.ts';
import { start_reclaim } from '../mm/reclaim.ts';
import { user_access } from '../mm/uaccess.ts';
import { exit_to_user_mode, type TaskBody } from '../sched/fork.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { schedule_timeout_interruptible } from '../sched/timeout.ts';
import { made_progress } from '../sched/watchdog.ts';
import { nodes_of, type Running, running } from './allocator.ts';
import type { Test } from './env.ts';

/** @param mib of each node */
export function oom_machine(test: Test, nodes: number, mib: number, options: Running = {}): Kernel {
  const k = running(test, nodes_of(nodes, mib), options);
  kswapd_init(k);
  start_reclaim(k);
  oom_init(k);
  return k;
}

/** A process that waits for its turn. */
export function process(k: Kernel, comm: string, body: TaskBody): task_struct {
  const task = not_sleeping(spawn_process(k, comm, body), 'a new process');
  if (typeof task === 'number') throw new KernelBug(`kernel BUG: no memory for ${comm}`);
  return task;
}

/** The running process gets so many pages, each `stride` bytes behind the one before. @returns false: it did not */
export function* use_pages(k: Kernel, pages: number, stride = PAGE_SIZE): Sleeping<boolean> {
  const { mm } = k.current;
  if (mm === null) return false;
  const at = yield* vm_mmap(k, mm, 0, pages * stride, VM_READ | VM_WRITE | VM_NORESERVE);
  for (let page = 0; page < pages; page++) {
    if ((yield* user_access(k, mm, at + page * stride, true)) < 0) return false;
    made_progress(k);
  }
  return true;
}

/** Uses so many pages, and then nothing but time: until it is killed. */
export const holder = (pages: number): TaskBody =>
  function* (k) {
    yield* use_pages(k, pages);
    for (;;) {
      yield* exit_to_user_mode(k);
      yield* schedule_timeout_interruptible(k, 250);
    }
  };

/** Uses more pages than there can be. */
export const hog: TaskBody = function* (k) {
  yield* use_pages(k, 2 ** 20);
};

/** The same of page tables, which are charged to its cgroup: a new one for each page. */
export const table_hog: TaskBody = function* (k) {
  yield* use_pages(k, 2 ** 20, 2 ** 21);
};
