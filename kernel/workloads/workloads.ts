// All workloads, and a run of some of them from beginning to end.

import { NR_WRITEBACK } from '../include/mmzone.ts';
import type { Kernel } from '../kernel.ts';
import { start_reclaim } from '../mm/reclaim.ts';
import { global_node_page_state } from '../mm/vmstat.ts';
import { ktime_get } from '../sched/clock.ts';
import { user_mode_thread } from '../sched/fork.ts';
import { run } from '../sched/run.ts';
import { fill } from './fill.ts';
import { forkbomb } from './forkbomb.ts';
import { hog } from './hog.ts';
import { Sampler } from './samples.ts';
import type { Workload } from './workload.ts';
import { WorkloadRun } from './workload_run.ts';

export const workloads: readonly Workload[] = [fill, forkbomb, hog];

export interface WorkloadResult {
  readonly work: WorkloadRun;
  readonly sampler: Sampler;
  /** 'finished': every task has ended. 'deadlock': tasks are left that nothing will ever wake. */
  readonly ended: 'finished' | 'watchdog' | 'deadlock';
  /** From the first task's start to the last one's end. */
  readonly time_ns: number;
}

/** How long the disks are given to come to an end, and how often that is looked at. */
const SETTLE_NS = 1e9;
const SETTLE_ROUNDS = 100;

/** Starts all of them together, from a task that is in place of a shell, and waits until every task has ended. */
export function run_workloads(k: Kernel, chosen: readonly Workload[], seed: number): WorkloadResult {
  start_reclaim(k);
  const work = new WorkloadRun(k, seed);
  const sampler = new Sampler(k);
  let started = false;
  user_mode_thread(k, 'sh', function* () {
    for (const workload of chosen) yield* workload.start(work);
    started = true;
  });
  const how = run(k, { until: () => started && work.nr_running === 0 });
  const time_ns = ktime_get(k) - sampler.start_ns;
  sampler.stop();
  if (how === 'done') settle(k);
  return { work, sampler, ended: how === 'done' ? 'finished' : how === 'idle' ? 'deadlock' : how, time_ns };
}

function settle(k: Kernel): void {
  for (let round = 0; round < SETTLE_ROUNDS; round++) {
    run(k, { for_ns: SETTLE_NS });
    if (global_node_page_state(k, NR_WRITEBACK) === 0) return;
  }
}
