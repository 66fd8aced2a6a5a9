// kswapd, the page-out daemon of each node (Linux: mm/vmscan.c kswapd(), kswapd_try_to_sleep(), wakeup_kswapd(),
// kswapd_init()): woken when a zone falls below its low watermark, at work until zones are above their high ones
// (balance_pgdat.ts).
//
// Left out: freezing.

import { __cpuset_node_allowed, cpusets_enabled } from '../cgroup/cpuset.ts';
import { __GFP_DIRECT_RECLAIM } from '../include/gfp_types.ts';
import { MAX_NR_ZONES } from '../include/mmzone.ts';
import { HZ, PF_KSWAPD, PF_MEMALLOC, TASK_INTERRUPTIBLE } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import { KSWAPD_HIGH_WMARK_HIT_QUICKLY, KSWAPD_LOW_WMARK_HIT_QUICKLY } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import { schedule } from '../sched/core.ts';
import { kthread_run, kthread_should_stop } from '../sched/kthread.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { schedule_timeout } from '../sched/timeout.ts';
import { finish_wait, prepare_to_wait, waitqueue_active, wake_up_all, wake_up_interruptible } from '../sched/wait.ts';
import {
  trace_mm_vmscan_kswapd_sleep,
  trace_mm_vmscan_kswapd_wake,
  trace_mm_vmscan_wakeup_kswapd,
} from '../trace/events/vmscan.ts';
import { balance_pgdat, clear_pgdat_congested, pgdat_balanced, pgdat_watermark_boosted } from './balance_pgdat.ts';
import { reset_isolation_suitable } from './compaction_skip.ts';
import { MAX_RECLAIM_RETRIES } from './internal.ts';
import { wakeup_kcompactd } from './kcompactd.ts';
import { node_reclaim_state } from './kswapd_state.ts';
import type { PgData, Zone } from './mmzone.ts';
import { __count_vm_events } from './vm_event.ts';
import { calculate_normal_threshold, calculate_pressure_threshold, set_pgdat_percpu_threshold } from './vmstat.ts';

/** By the zone's size. */
const normal_threshold = ({ managed_pages }: Zone, num_online_cpus: number): number =>
  calculate_normal_threshold(managed_pages, num_online_cpus);

/**
 * Starts a daemon for each node with memory.
 *
 * Differs from Linux: the thresholds of a node that is well are set at once, where Linux's daemon comes to it a tenth of a
 * second later; the kernel image's init memory is not free by then either.
 */
export function kswapd_init(k: Kernel): void {
  for (const nid of for_each_node_mask(k.node_states.N_MEMORY)) {
    const pgdat = k.node_data[nid]!;
    if (pgdat_balanced(k, pgdat, 0, MAX_NR_ZONES - 1)) set_pgdat_percpu_threshold(k, pgdat, normal_threshold);
    kswapd_run(k, pgdat);
  }
}

function kswapd_run(k: Kernel, pgdat: PgData): void {
  const state = node_reclaim_state(k, pgdat);
  const nid = pgdat.node_id;
  state.kswapd ??= kthread_run(k, `kswapd${nid}`, () => kswapd(k, pgdat), { nid });
}

/** The highest zone that someone has asked for since; else that of before. */
const kswapd_highest_zoneidx = ({ kswapd_highest_zoneidx: idx }: PgData, prev: number): number =>
  idx === MAX_NR_ZONES ? prev : idx;

function* kswapd(k: Kernel, pgdat: PgData): Sleeping<void> {
  const task = k.current;
  // It frees memory, so it may have what is left.
  task.flags |= PF_MEMALLOC | PF_KSWAPD;
  pgdat.kswapd_order = 0;
  pgdat.kswapd_highest_zoneidx = MAX_NR_ZONES;
  pgdat.nr_writeback_throttled = 0;
  let highest_zoneidx = MAX_NR_ZONES - 1;
  let alloc_order = 0;
  let reclaim_order = 0;
  for (let fell_back = false; ; ) {
    // Where large blocks had to be given up, it may sleep if single pages are there.
    if (!fell_back) {
      alloc_order = pgdat.kswapd_order;
      reclaim_order = alloc_order;
      highest_zoneidx = kswapd_highest_zoneidx(pgdat, highest_zoneidx);
    }
    yield* kswapd_try_to_sleep(k, pgdat, alloc_order, reclaim_order, highest_zoneidx);
    alloc_order = pgdat.kswapd_order;
    highest_zoneidx = kswapd_highest_zoneidx(pgdat, highest_zoneidx);
    pgdat.kswapd_order = 0;
    pgdat.kswapd_highest_zoneidx = MAX_NR_ZONES;
    if (kthread_should_stop(k)) break;
    if (k.trace.on) trace_mm_vmscan_kswapd_wake(k, pgdat.node_id, highest_zoneidx, alloc_order);
    reclaim_order = yield* balance_pgdat(k, pgdat, alloc_order, highest_zoneidx);
    fell_back = reclaim_order < alloc_order;
  }
  task.flags &= ~(PF_MEMALLOC | PF_KSWAPD);
}

/** Whether there is nothing to do, or nothing that could be done. Nobody is then left waiting for kswapd. */
function prepare_kswapd_sleep(k: Kernel, pgdat: PgData, order: number, highest_zoneidx: number): boolean {
  const { pfmemalloc_wait } = node_reclaim_state(k, pgdat);
  if (waitqueue_active(pfmemalloc_wait)) wake_up_all(k, pfmemalloc_wait);
  if (pgdat.kswapd_failures >= MAX_RECLAIM_RETRIES) return true;
  if (!pgdat_balanced(k, pgdat, order, highest_zoneidx)) return false;
  clear_pgdat_congested(k, pgdat);
  return true;
}

/** A tenth of a second at first: if the node is well after that too, until somebody wakes it. */
function* kswapd_try_to_sleep(
  k: Kernel,
  pgdat: PgData,
  alloc_order: number,
  reclaim_order: number,
  highest_zoneidx: number,
): Sleeping<void> {
  if (kthread_should_stop(k)) return;
  const { kswapd_wait } = node_reclaim_state(k, pgdat);
  let remaining = 0;
  prepare_to_wait(k, kswapd_wait, TASK_INTERRUPTIBLE);
  if (prepare_kswapd_sleep(k, pgdat, reclaim_order, highest_zoneidx)) {
    // There is room now: to make large blocks of it is kcompactd's, who may look everywhere again.
    yield* reset_isolation_suitable(k, pgdat);
    wakeup_kcompactd(k, pgdat, alloc_order, highest_zoneidx);
    remaining = yield* schedule_timeout(k, HZ / 10);
    // Woken early: what it was woken for counts, and what it had been at before.
    if (remaining > 0) {
      pgdat.kswapd_highest_zoneidx = kswapd_highest_zoneidx(pgdat, highest_zoneidx);
      pgdat.kswapd_order = Math.max(pgdat.kswapd_order, reclaim_order);
    }
    finish_wait(k, kswapd_wait);
    prepare_to_wait(k, kswapd_wait, TASK_INTERRUPTIBLE);
  }
  if (remaining === 0 && prepare_kswapd_sleep(k, pgdat, reclaim_order, highest_zoneidx)) {
    // While it is awake counters are to be exact enough for watermarks.
    if (k.trace.on) trace_mm_vmscan_kswapd_sleep(k, pgdat.node_id);
    set_pgdat_percpu_threshold(k, pgdat, normal_threshold);
    if (!kthread_should_stop(k)) yield* schedule(k);
    set_pgdat_percpu_threshold(k, pgdat, calculate_pressure_threshold);
  } else {
    __count_vm_events(k, remaining > 0 ? KSWAPD_LOW_WMARK_HIT_QUICKLY : KSWAPD_HIGH_WMARK_HIT_QUICKLY, 1);
  }
  finish_wait(k, kswapd_wait);
}

/** A zone is low on pages, or on blocks of that order. Linux: wakeup_kswapd(). */
export function wakeup_kswapd(k: Kernel, zone: Zone, gfp: gfp_t, order: number, highest_zoneidx: number): void {
  if (zone.managed_pages === 0) return;
  if (cpusets_enabled(k) && !__cpuset_node_allowed(k, zone.nid, gfp)) return;
  const pgdat = k.node_data[zone.nid]!;
  const idx = pgdat.kswapd_highest_zoneidx;
  if (idx === MAX_NR_ZONES || idx < highest_zoneidx) pgdat.kswapd_highest_zoneidx = highest_zoneidx;
  pgdat.kswapd_order = Math.max(pgdat.kswapd_order, order);
  const { kswapd_wait } = node_reclaim_state(k, pgdat);
  if (!waitqueue_active(kswapd_wait)) return;
  // Hopeless, or well: memory may be there, but in pieces. Who can wait compacts for himself.
  const balanced = pgdat_balanced(k, pgdat, order, highest_zoneidx) && !pgdat_watermark_boosted(pgdat, highest_zoneidx);
  if (pgdat.kswapd_failures >= MAX_RECLAIM_RETRIES || balanced) {
    if ((gfp & __GFP_DIRECT_RECLAIM) === 0) wakeup_kcompactd(k, pgdat, order, highest_zoneidx);
    return;
  }
  if (k.trace.on) trace_mm_vmscan_wakeup_kswapd(k, pgdat.node_id, highest_zoneidx, order, gfp);
  wake_up_interruptible(k, kswapd_wait);
}
