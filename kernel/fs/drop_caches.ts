// vm.drop_caches: clean page cache goes at once, and what shrinkers have (Linux: fs/drop_caches.c
// drop_caches_sysctl_handler(), drop_pagecache_sb(); mm/vmscan.c drop_slab()).

import { GFP_KERNEL } from '../include/gfp_types.ts';
import { DROP_PAGECACHE, DROP_SLAB } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { pr_info } from '../lib/printk.ts';
import { invalidate_mapping_pages } from '../mm/filemap_io.ts';
import { for_each_online_pgdat } from '../mm/mmzone_iter.ts';
import { shrink_slab } from '../mm/shrinker.ts';
import { __count_vm_events } from '../mm/vm_event.ts';
import { as_task } from '../sched/as_task.ts';
import { cond_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { type ctl_table, failed, proc_dointvec_minmax, type sysctl_result } from '../sysctl.ts';

// Bits of what is written.
const PAGECACHE = 1;
const SLAB = 2;
/** Says nothing in the log from then on. */
const QUIET = 4;

export class DropCachesState {
  sysctl_drop_caches = 0;
  quiet = false;
}

/** Files that have anything in the cache. */
function* drop_pagecache(k: Kernel): Sleeping<void> {
  for (const mapping of [...k.filemap.mappings]) {
    if (mapping === null || mapping.i_pages.empty) continue;
    yield* invalidate_mapping_pages(k, mapping);
    yield* cond_resched(k);
  }
}

/** Node by node, until a round brings next to nothing: the more rounds, the more counts as that. */
function* drop_slab(k: Kernel): Sleeping<void> {
  for (const { node_id } of [...for_each_online_pgdat(k)]) {
    for (let shift = 0; ; shift++) {
      if (k.current.fatal_signal_pending) return;
      const freed = yield* shrink_slab(k, GFP_KERNEL, node_id, 0);
      if (Math.floor(freed / 2 ** shift) <= 1) break;
    }
  }
}

function* drop_caches(k: Kernel, what: number): Sleeping<void> {
  const { drop_caches: state } = k;
  if ((what & PAGECACHE) !== 0) {
    yield* drop_pagecache(k);
    __count_vm_events(k, DROP_PAGECACHE, 1);
  }
  if ((what & SLAB) !== 0) {
    yield* drop_slab(k);
    __count_vm_events(k, DROP_SLAB, 1);
  }
  const { comm, pid } = k.current;
  if (!state.quiet) pr_info(k, `${comm} (${pid}): drop_caches: ${what}`);
  state.quiet ||= (what & QUIET) !== 0;
}

/** There is nothing to read. */
function drop_caches_sysctl_handler(k: Kernel, table: ctl_table, buffer: string | null): sysctl_result {
  if (buffer === null) return { text: '', taken: 0 };
  const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
  if (err !== 0) return failed(err);
  as_task(k, 'sysctl', () => drop_caches(k, k.drop_caches.sysctl_drop_caches));
  return result;
}

export const drop_caches_table: readonly ctl_table[] = [
  {
    procname: 'drop_caches',
    mode: 0o200,
    data: ({ drop_caches: { sysctl_drop_caches } }) => [sysctl_drop_caches],
    store: ({ drop_caches: state }, _, value) => {
      state.sysctl_drop_caches = value;
    },
    min: 1,
    max: 4,
    proc_handler: drop_caches_sysctl_handler,
  },
];
