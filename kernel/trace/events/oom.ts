// Tracepoints of what is done when reclaim does not help (Linux: include/trace/events/oom.h): names, fields and texts are
// Linux's.
//
// Context: called while k.trace.on.

import { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES } from '../../include/mm.ts';
import { PAGE_SHIFT } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { COMPACT_COMPLETE, COMPACT_CONTENDED, COMPACT_DEFERRED, COMPACT_PARTIAL_SKIPPED } from '../../mm/internal.ts';
import type { mm_struct } from '../../mm/mm_struct.ts';
import type { Zone } from '../../mm/mmzone.ts';
import { define_event, type TraceEvent } from '../event.ts';
import { trace_record } from '../record.ts';
import { symbolic, ZONE_TYPE } from './mmflags.ts';

const COMPACTION_FAILED = 1;
const COMPACTION_WITHDRAWN = 2;
const COMPACTION_PROGRESS = 3;

/** By COMPACT_PRIO_*. */
const COMPACTION_PRIORITY = [
  [0, 'COMPACT_PRIO_SYNC_FULL'],
  [1, 'COMPACT_PRIO_SYNC_LIGHT'],
  [2, 'COMPACT_PRIO_ASYNC'],
] as const;

const compact_retry = define_event('oom', {
  name: 'compact_retry',
  id: 0,
  fields: [
    ['int', 'order'],
    ['int', 'priority'],
    ['int', 'result'],
    ['int', 'retries'],
    ['int', 'max_retries'],
    ['bool', 'ret'],
  ],
  format: 'order=%d priority=%s compaction_result=%s retries=%d max_retries=%d should_retry=%d',
  args: [
    'order',
    symbolic('priority', COMPACTION_PRIORITY),
    symbolic('result', [
      [COMPACTION_FAILED, 'failed'],
      [COMPACTION_WITHDRAWN, 'withdrawn'],
      [COMPACTION_PROGRESS, 'progress'],
    ]),
    'retries',
    'max_retries',
    'ret',
  ],
});

const of_pid = (name: string, id: number): TraceEvent =>
  define_event('oom', { name, id, fields: [['int', 'pid']], format: 'pid=%d', args: ['pid'] });

const skip_task_reaping = of_pid('skip_task_reaping', 1);
const finish_task_reaping = of_pid('finish_task_reaping', 2);
const start_task_reaping = of_pid('start_task_reaping', 3);
const wake_reaper = of_pid('wake_reaper', 4);

const mark_victim = define_event('oom', {
  name: 'mark_victim',
  id: 5,
  fields: [
    ['int', 'pid'],
    ['__data_loc char[]', 'comm'],
    ['unsigned long', 'total_vm'],
    ['unsigned long', 'anon_rss'],
    ['unsigned long', 'file_rss'],
    ['unsigned long', 'shmem_rss'],
    ['uid_t', 'uid'],
    ['unsigned long', 'pgtables'],
    ['short', 'oom_score_adj'],
  ],
  format:
    'pid=%d comm=%s total-vm=%lukB anon-rss=%lukB file-rss:%lukB shmem-rss:%lukB uid=%u pgtables=%lukB oom_score_adj=%hd',
  args: [
    'pid',
    { expr: '__get_str(comm)', value: ({ comm = '' }) => comm },
    'total_vm',
    'anon_rss',
    'file_rss',
    'shmem_rss',
    'uid',
    'pgtables',
    'oom_score_adj',
  ],
});

const reclaim_retry_zone = define_event('oom', {
  name: 'reclaim_retry_zone',
  id: 6,
  fields: [
    ['int', 'node'],
    ['int', 'zone_idx'],
    ['int', 'order'],
    ['unsigned long', 'reclaimable'],
    ['unsigned long', 'available'],
    ['unsigned long', 'min_wmark'],
    ['int', 'no_progress_loops'],
    ['bool', 'wmark_check'],
  ],
  format: 'node=%d zone=%-8s order=%d reclaimable=%lu available=%lu min_wmark=%lu no_progress_loops=%d wmark_check=%d',
  args: [
    'node',
    symbolic('zone_idx', ZONE_TYPE),
    'order',
    'reclaimable',
    'available',
    'min_wmark',
    'no_progress_loops',
    'wmark_check',
  ],
});

const oom_score_adj_update = define_event('oom', {
  name: 'oom_score_adj_update',
  id: 7,
  fields: [
    ['pid_t', 'pid'],
    ['char[16]', 'comm'],
    ['short', 'oom_score_adj'],
  ],
  format: 'pid=%d comm=%s oom_score_adj=%hd',
  args: ['pid', 'comm', 'oom_score_adj'],
});

export const oom_events: readonly TraceEvent[] = [
  compact_retry,
  skip_task_reaping,
  finish_task_reaping,
  start_task_reaping,
  wake_reaper,
  mark_victim,
  reclaim_retry_zone,
  oom_score_adj_update,
];

interface Victim {
  readonly pid: number;
  readonly comm: string;
  readonly oom_score_adj: number;
}

export const trace_oom_score_adj_update = (k: Kernel, { pid, comm, oom_score_adj }: Victim): void =>
  trace_record(k, oom_score_adj_update, pid, comm, oom_score_adj);

export const trace_reclaim_retry_zone = (
  k: Kernel,
  { nid, idx }: Zone,
  order: number,
  reclaimable: number,
  available: number,
  min_wmark: number,
  no_progress_loops: number,
  wmark_check: boolean,
): void =>
  trace_record(
    k,
    reclaim_retry_zone,
    nid,
    idx,
    order,
    reclaimable,
    available,
    min_wmark,
    no_progress_loops,
    Number(wmark_check),
  );

export function trace_mark_victim(k: Kernel, { pid, comm, oom_score_adj }: Victim, mm: mm_struct, uid: number): void {
  const K = (pages: number): number => pages * 2 ** (PAGE_SHIFT - 10);
  const rss = (counter: number): number => K(mm.rss_stat[counter]!);
  trace_record(
    k,
    mark_victim,
    pid,
    comm,
    K(mm.total_vm),
    rss(MM_ANONPAGES),
    rss(MM_FILEPAGES),
    rss(MM_SHMEMPAGES),
    uid,
    Math.floor(mm.pgtables_bytes / 1024),
    oom_score_adj,
  );
}

export const trace_wake_reaper = (k: Kernel, pid: number): void => trace_record(k, wake_reaper, pid);
export const trace_start_task_reaping = (k: Kernel, pid: number): void => trace_record(k, start_task_reaping, pid);
export const trace_finish_task_reaping = (k: Kernel, pid: number): void => trace_record(k, finish_task_reaping, pid);
export const trace_skip_task_reaping = (k: Kernel, pid: number): void => trace_record(k, skip_task_reaping, pid);

function compact_result_to_feedback(result: number): number {
  if (result === COMPACT_COMPLETE) return COMPACTION_FAILED;
  const withdrawn = [COMPACT_DEFERRED, COMPACT_CONTENDED, COMPACT_PARTIAL_SKIPPED];
  return withdrawn.includes(result) ? COMPACTION_WITHDRAWN : COMPACTION_PROGRESS;
}

/** @param priority COMPACT_PRIO_*. @param result COMPACT_* */
export const trace_compact_retry = (
  k: Kernel,
  order: number,
  priority: number,
  result: number,
  retries: number,
  max_retries: number,
  ret: boolean,
): void =>
  trace_record(
    k,
    compact_retry,
    order,
    priority,
    compact_result_to_feedback(result),
    retries,
    max_retries,
    Number(ret),
  );
