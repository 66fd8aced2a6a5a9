// The sysctls of compaction (Linux: kernel/sysctl.c vm_table[], mm/compaction.c sysctl_compaction_handler(),
// compaction_proactiveness_sysctl_handler(), compact_store()).

import type { Kernel } from '../kernel.ts';
import { as_task } from '../sched/as_task.ts';
import { type ctl_table, failed, proc_dointvec_minmax, proc_handler_minmax, type sysctl_result } from '../sysctl.ts';
import { compact_nodes } from './compaction.ts';
import { trigger_proactive_compaction } from './kcompactd.ts';

/** Whatever is written. There is nothing to read. */
function sysctl_compaction_handler(k: Kernel, _table: ctl_table, buffer: string | null): sysctl_result {
  if (buffer !== null) as_task(k, 'sysctl', () => compact_nodes(k));
  return { text: '', taken: buffer?.length ?? 0 };
}

function compaction_proactiveness_sysctl_handler(k: Kernel, table: ctl_table, buffer: string | null): sysctl_result {
  const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
  if (err !== 0) return failed(err);
  if (buffer !== null && k.compaction.sysctl_compaction_proactiveness !== 0) trigger_proactive_compaction(k);
  return result;
}

export const compaction_table: readonly ctl_table[] = [
  {
    procname: 'compact_memory',
    mode: 0o200,
    data: () => [],
    store: () => undefined,
    proc_handler: sysctl_compaction_handler,
  },
  {
    procname: 'compaction_proactiveness',
    data: ({ compaction }) => [compaction.sysctl_compaction_proactiveness],
    store: ({ compaction }, _, value) => {
      compaction.sysctl_compaction_proactiveness = value;
    },
    min: 0,
    max: 100,
    proc_handler: compaction_proactiveness_sysctl_handler,
  },
  {
    procname: 'extfrag_threshold',
    data: ({ compaction }) => [compaction.sysctl_extfrag_threshold],
    store: ({ compaction }, _, value) => {
      compaction.sysctl_extfrag_threshold = value;
    },
    min: 0,
    max: 1000,
    proc_handler: proc_handler_minmax,
  },
  {
    procname: 'compact_unevictable_allowed',
    data: ({ compaction }) => [compaction.sysctl_compact_unevictable_allowed],
    store: ({ compaction }, _, value) => {
      compaction.sysctl_compact_unevictable_allowed = value;
    },
    min: 0,
    max: 1,
    proc_handler: proc_handler_minmax,
  },
];
