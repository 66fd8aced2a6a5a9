// What the OOM killer keeps (Linux: mm/oom_kill.c's globals).

import { RatelimitState } from '../lib/ratelimit.ts';
import type { task_struct } from '../sched/task.ts';
import { wait_queue_head } from '../sched/wait.ts';

/** DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST. */
const INTERVAL_NS = 5e9;
const BURST = 10;

export class OomState {
  // vm.panic_on_oom, vm.oom_kill_allocating_task, vm.oom_dump_tasks
  sysctl_panic_on_oom = 0;
  sysctl_oom_kill_allocating_task = 0;
  sysctl_oom_dump_tasks = 1;
  readonly oom_rs = new RatelimitState(INTERVAL_NS, BURST);
  readonly pfoom_rs = new RatelimitState(INTERVAL_NS, BURST);
  /** Victims that have not ended by themselves: the last one first. */
  readonly oom_reaper_list: task_struct[] = [];
  readonly oom_reaper_wait = new wait_queue_head();
}
