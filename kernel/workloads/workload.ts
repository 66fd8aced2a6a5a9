// What a workload is.

import type { Sleeping } from '../sched/sleeping.ts';
import type { WorkloadRun } from './workload_run.ts';

export interface Workload {
  readonly name: string;
  /** In one line. */
  readonly shows: string;
  /** Starts its processes. Context: a task runs. */
  start(run: WorkloadRun): Sleeping<void>;
}
