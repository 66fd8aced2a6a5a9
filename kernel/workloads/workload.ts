// What a workload is.

import type { Sleeping } from '../sched/sleeping.ts';
import type { WorkloadRun } from './workload_run.ts';

export interface Workload {
  readonly name: string;
  /** In one line. */
  readonly shows: string;
  /** Pages of files that it needs, for each page of RAM; 0: it needs no disk. */
  readonly files: number;
  /** Memory cgroups that it makes, below the one that it is in. */
  readonly cgroups?: readonly string[];
  /** Starts its processes. Context: a task runs. */
  start(run: WorkloadRun): Sleeping<void>;
}
