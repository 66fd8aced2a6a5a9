// What compaction keeps of itself (Linux: mm/compaction.c's globals, pg_data_t's kcompactd and kcompactd_wait).

import type { task_struct } from '../sched/task.ts';
import { wait_queue_head } from '../sched/wait.ts';

export class kcompactd_node {
  readonly kcompactd_wait = new wait_queue_head();
  kcompactd: task_struct | null = null;
}

export class CompactionState {
  /** vm.extfrag_threshold: with a fragmentation index up to this, memory is short rather than in pieces. */
  sysctl_extfrag_threshold = 500;
  /** vm.compact_unevictable_allowed: pages that are locked into memory may be moved. */
  sysctl_compact_unevictable_allowed = 1;
  /** vm.compaction_proactiveness: how few pieces free memory is to be in, unasked. 0: kcompactd waits until it is asked. */
  sysctl_compaction_proactiveness = 20;
  /** By node. */
  readonly nodes: kcompactd_node[] = [];
  /** How many tasks compact for blocks of their own. */
  captures = 0;
  /** Pages that the last migrate_pages() moved. */
  nr_succeeded = 0;
}
