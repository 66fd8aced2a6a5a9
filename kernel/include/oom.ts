// What the OOM killer is asked, and what it weighs (Linux: include/linux/oom.h, include/uapi/linux/oom.h,
// include/linux/sched/coredump.h).

import type { nodemask_t } from '../lib/nodemask.ts';
import type { mem_cgroup } from '../mm/memcontrol.ts';
import type { Zone } from '../mm/mmzone.ts';
import type { task_struct } from '../sched/task.ts';
import type { gfp_t } from './types.ts';

/** Such a task is never killed for want of memory. */
export const OOM_SCORE_ADJ_MIN = -1000;
export const OOM_SCORE_ADJ_MAX = 1000;

// enum oom_constraint
export const CONSTRAINT_NONE = 0;
export const CONSTRAINT_CPUSET = 1;
export const CONSTRAINT_MEMORY_POLICY = 2;
export const CONSTRAINT_MEMCG = 3;

// mm_struct.flags
/** There is nothing to be had from it any more. */
export const MMF_OOM_SKIP = 1 << 21;
/** Pages have been taken from under those who use it. */
export const MMF_UNSTABLE = 1 << 22;
export const MMF_OOM_REAP_QUEUED = 1 << 25;

export interface oom_control {
  /** The zonelist of the request that failed; null: it was no request of pages. */
  readonly zones: readonly Zone[] | null;
  nodemask: nodemask_t | null;
  /** null: memory as a whole is short. */
  readonly memcg: mem_cgroup | null;
  readonly gfp_mask: gfp_t;
  readonly order: number;
  /** Pages that all who come into question could have. */
  totalpages: number;
  chosen: task_struct | null;
  chosen_points: number;
  /** CONSTRAINT_*. */
  constraint: number;
}
