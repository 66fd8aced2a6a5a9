// All workloads, and a run of some of them from beginning to end.

import type { gendisk } from '../drivers/block/disk.ts';
import { NR_WRITEBACK } from '../include/mmzone.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug, KernelPanic } from '../lib/bug.ts';
import { start_reclaim } from '../mm/reclaim.ts';
import { global_node_page_state } from '../mm/vmstat.ts';
import { ktime_get } from '../sched/clock.ts';
import { user_mode_thread } from '../sched/fork.ts';
import { type RunResult, run } from '../sched/run.ts';
import { atomic } from './atomic.ts';
import { Audit } from './audit.ts';
import { fill } from './fill.ts';
import { forkbomb } from './forkbomb.ts';
import { fragment } from './fragment.ts';
import { groups } from './groups.ts';
import { hog } from './hog.ts';
import { hugepage } from './hugepage.ts';
import { Sampler, type Span } from './samples.ts';
import { stream } from './stream.ts';
import type { Workload } from './workload.ts';
import { WorkloadRun } from './workload_run.ts';

export const workloads: readonly Workload[] = [fill, stream, fragment, forkbomb, hog, atomic, hugepage, groups];

/** A look at a run from outside. */
export interface Look {
  /** Since the first task's start. */
  readonly at_ns: number;
  /** Called when all that comes before is done. Changes nothing that the run depends on. */
  readonly look: () => void;
}

export interface WorkloadResult {
  readonly work: WorkloadRun;
  readonly sampler: Sampler;
  readonly audit: Audit;
  /** What the audit found wrong, a line each. */
  readonly problems: readonly string[];
  /**
   * 'finished': every task has ended. 'deadlock': tasks are left that nothing will ever wake. 'damaged': see `problems`.
   * 'panic': see `stopped`.
   */
  readonly ended: 'finished' | 'watchdog' | 'deadlock' | 'damaged' | 'panic';
  /** What the kernel stopped with; null: it goes on. */
  readonly stopped: KernelPanic | KernelBug | null;
  /** From the first task's start to the last one's end. */
  readonly time_ns: number;
}

/** How long the disks are given to come to an end, and how often that is looked at. */
const SETTLE_NS = 1e9;
const SETTLE_ROUNDS = 100;
/** When the first audit is due. The time to the next one doubles. */
const FIRST_AUDIT_NS = 0.05e9;

/** Pages of the disk that they need; 0: none. */
export const disk_pages = (chosen: readonly Workload[], ram_pages: number): number =>
  chosen.reduce((sum, { files }) => sum + Math.ceil(files * ram_pages), 0);

/**
 * Starts all of them together, from a task that is in place of a shell, and waits until every task has ended.
 * @param disk for files: disk_contents() is what it holds
 * @param looks by time; those that are due after the end are not made
 * @param span of which each sample is wanted
 */
export function run_workloads(
  k: Kernel,
  chosen: readonly Workload[],
  seed: number,
  disk: gendisk | null,
  looks: readonly Look[] = [],
  span: Span | null = null,
): WorkloadResult {
  start_reclaim(k);
  const work = new WorkloadRun(k, seed, disk);
  const audit = new Audit(k);
  const sampler = new Sampler(k, span);
  const problems: string[] = [];
  let started = false;
  user_mode_thread(k, 'sh', function* () {
    for (const workload of chosen) yield* workload.start(work);
    started = true;
  });
  const finished = (): boolean => started && work.nr_running === 0;
  const watch = watcher(looks, sampler.start_ns);
  const live = (): RunResult => {
    let how: RunResult = 'done';
    for (let gap = FIRST_AUDIT_NS; how === 'done' && !finished() && problems.length === 0; gap *= 2) {
      const due = k.sched.latest + gap;
      how = run(k, { until: () => k.sched.latest >= due || finished(), watch });
      problems.push(...audit.look(work.blocks.values(), false));
    }
    return how;
  };
  const { how, stopped } = untilStopped(live);
  const time_ns = ktime_get(k) - sampler.start_ns;
  sampler.stop();
  // A kernel that has stopped halfway through something owes no account of its pages.
  if (stopped !== null) return { work, sampler, audit, problems, ended: 'panic', stopped, time_ns };
  if (finished()) {
    settle(k);
    problems.push(...audit.look(work.blocks.values(), true));
  }
  const ended = finished() ? 'finished' : how === 'watchdog' ? how : how === 'idle' ? 'deadlock' : 'damaged';
  return { work, sampler, audit, problems, ended, stopped, time_ns };
}

function watcher(looks: readonly Look[], start_ns: number): ((now_ns: number) => void) | null {
  let next = 0;
  if (looks.length === 0) return null;
  return (now_ns) => {
    while (next < looks.length && now_ns >= start_ns + looks[next]!.at_ns) looks[next++]!.look();
  };
}

function untilStopped(live: () => RunResult): { how: RunResult; stopped: WorkloadResult['stopped'] } {
  try {
    return { how: live(), stopped: null };
  } catch (error) {
    if (!(error instanceof KernelPanic || error instanceof KernelBug)) throw error;
    return { how: 'done', stopped: error };
  }
}

function settle(k: Kernel): void {
  for (let round = 0; round < SETTLE_ROUNDS; round++) {
    run(k, { for_ns: SETTLE_NS });
    if (global_node_page_state(k, NR_WRITEBACK) === 0) return;
  }
}
