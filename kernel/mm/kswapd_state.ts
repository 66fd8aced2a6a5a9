// What the page-out daemons have outside of pg_data_t's words in RAM (Linux: struct pglist_data): who waits for them, and
// what they call to reclaim.

import type { Kernel } from '../kernel.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { wait_queue_head } from '../sched/wait.ts';
import type { PgData } from './mmzone.ts';
import type { scan_control } from './scan_control.ts';

// enum vmscan_throttle_state
export const VMSCAN_THROTTLE_WRITEBACK = 0;
export const VMSCAN_THROTTLE_ISOLATED = 1;
export const VMSCAN_THROTTLE_NOPROGRESS = 2;
export const VMSCAN_THROTTLE_CONGESTED = 3;
const NR_VMSCAN_THROTTLE = 4;

/** The part of reclaim that looks at pages. */
export interface ShrinkNode {
  shrink_node(k: Kernel, pgdat: PgData, sc: scan_control): Sleeping<void>;
  /** Moves pages from active to inactive lists, for the next round to find. */
  kswapd_age_node(k: Kernel, pgdat: PgData, sc: scan_control): Sleeping<void>;
}

/** One node's. */
export class NodeReclaim {
  kswapd: task_struct | null = null;
  readonly kswapd_wait = new wait_queue_head();
  /** Tasks that are to leave the reserves alone until kswapd gets on. */
  readonly pfmemalloc_wait = new wait_queue_head();
  /** By VMSCAN_THROTTLE_*. */
  readonly reclaim_wait = Array.from({ length: NR_VMSCAN_THROTTLE }, () => new wait_queue_head());
}

export class KswapdState {
  readonly nodes: NodeReclaim[] = [];
  /** null: nothing can be reclaimed. */
  shrink: ShrinkNode | null = null;
}

export function node_reclaim_state(k: Kernel, pgdat: PgData): NodeReclaim {
  const { nodes } = k.kswapd;
  nodes[pgdat.node_id] ??= new NodeReclaim();
  return nodes[pgdat.node_id]!;
}
