// kcompactd, the daemon of each node that compacts when kswapd has made room, and unasked where free memory is in too many
// pieces (Linux: mm/compaction.c kcompactd(), kcompactd_do_work(), proactive_compact_node(), wakeup_kcompactd()).
//
// Left out: freezing, CPU and memory hotplug. Differs from Linux: its rounds, twice a second, are deferrable timers: a
// machine on which nothing else will ever happen is found idle.

import { GFP_KERNEL } from '../include/gfp_types.ts';
import { MAX_SCHEDULE_TIMEOUT, TASK_INTERRUPTIBLE } from '../include/sched.ts';
import type { nid_t } from '../include/types.ts';
import { KCOMPACTD_FREE_SCANNED, KCOMPACTD_MIGRATE_SCANNED, KCOMPACTD_WAKE } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import { jiffies } from '../sched/clock.ts';
import { schedule, wake_up_process } from '../sched/core.ts';
import { kthread_run, kthread_should_stop } from '../sched/kthread.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { del_timer, mod_timer, msecs_to_jiffies, timer_list } from '../sched/timer.ts';
import { finish_wait, prepare_to_wait, waitqueue_active, wake_up_interruptible } from '../sched/wait.ts';
import {
  trace_mm_compaction_kcompactd_sleep,
  trace_mm_compaction_kcompactd_wake,
  trace_mm_compaction_wakeup_kcompactd,
} from '../trace/events/compaction.ts';
import { compact_control } from './compact_control.ts';
import { compact_zone } from './compaction.ts';
import {
  COMPACT_MAX_DEFER_SHIFT,
  compaction_defer_reset,
  compaction_deferred,
  defer_compaction,
} from './compaction_defer.ts';
import { fragmentation_score_node, should_proactive_compact_node } from './compaction_score.ts';
import { kcompactd_node } from './compaction_state.ts';
import { compaction_suitable } from './compaction_suitable.ts';
import { COMPACT_COMPLETE, COMPACT_CONTINUE, COMPACT_PARTIAL_SKIPPED, COMPACT_SUCCESS } from './internal.ts';
import type { PgData, Zone } from './mmzone.ts';
import { drain_all_pages } from './pcp.ts';
import { __count_vm_events } from './vm_event.ts';

const HPAGE_FRAG_CHECK_INTERVAL_MSEC = 500;

export function node_compaction_state(k: Kernel, nid: nid_t): kcompactd_node {
  const { nodes } = k.compaction;
  nodes[nid] ??= new kcompactd_node();
  return nodes[nid]!;
}

/** Up to the highest zone that was asked for. */
const zones_asked_for = (pgdat: PgData, highest_zoneidx: number): Zone[] =>
  pgdat.node_zones.filter((zone) => zone.idx <= highest_zoneidx && zone.populated);

const kcompactd_work_requested = (k: Kernel, pgdat: PgData): boolean =>
  pgdat.kcompactd_max_order > 0 || kthread_should_stop(k) || pgdat.proactive_compact_trigger;

/** @param timeout in jiffies. @returns whether there is work; else time is up */
function* wait_for_work(k: Kernel, pgdat: PgData, timeout: number): Sleeping<boolean> {
  const task = k.current;
  const { kcompactd_wait } = node_compaction_state(k, pgdat.node_id);
  const timer = new timer_list(() => wake_up_process(k, task), true);
  const expires = jiffies(k) + timeout;
  for (;;) {
    prepare_to_wait(k, kcompactd_wait, TASK_INTERRUPTIBLE);
    const requested = kcompactd_work_requested(k, pgdat);
    if (requested || (timeout !== MAX_SCHEDULE_TIMEOUT && jiffies(k) >= expires)) {
      finish_wait(k, kcompactd_wait);
      return requested;
    }
    if (timeout !== MAX_SCHEDULE_TIMEOUT) mod_timer(k, timer, expires);
    yield* schedule(k);
    del_timer(timer);
  }
}

/**
 * So that a block of the order that was asked for can be had. It is one run for all zones: once one of them is gone through
 * from end to end, so are those after it.
 */
function* kcompactd_do_work(k: Kernel, pgdat: PgData): Sleeping<void> {
  const order = pgdat.kcompactd_max_order;
  const highest_zoneidx = pgdat.kcompactd_highest_zoneidx;
  const cc = new compact_control(pgdat.node_zones[0]!, order, GFP_KERNEL);
  cc.highest_zoneidx = highest_zoneidx;
  if (k.trace.on) trace_mm_compaction_kcompactd_wake(k, pgdat.node_id, order, highest_zoneidx);
  __count_vm_events(k, KCOMPACTD_WAKE, 1);
  for (const zone of zones_asked_for(pgdat, highest_zoneidx)) {
    if (compaction_deferred(k, zone, order)) continue;
    if (compaction_suitable(k, zone, order, 0, zone.idx) !== COMPACT_CONTINUE) continue;
    if (kthread_should_stop(k)) return;
    cc.zone = zone;
    const status = yield* compact_zone(k, cc, null);
    if (status === COMPACT_SUCCESS) compaction_defer_reset(k, zone, order, false);
    else if (status === COMPACT_PARTIAL_SKIPPED || status === COMPACT_COMPLETE) {
      // What is on per-cpu lists may be what is missing.
      drain_all_pages(k, zone);
      defer_compaction(k, zone, order);
    }
    __count_vm_events(k, KCOMPACTD_MIGRATE_SCANNED, cc.total_migrate_scanned);
    __count_vm_events(k, KCOMPACTD_FREE_SCANNED, cc.total_free_scanned);
  }
  // More may have been asked for meanwhile.
  if (pgdat.kcompactd_max_order <= order) pgdat.kcompactd_max_order = 0;
  if (pgdat.kcompactd_highest_zoneidx >= highest_zoneidx) pgdat.kcompactd_highest_zoneidx = pgdat.nr_zones - 1;
}

/** Until no zone is in more pieces than it may be, or it is of no use. */
function* proactive_compact_node(k: Kernel, pgdat: PgData): Sleeping<void> {
  for (const zone of pgdat.node_zones) {
    if (!zone.populated) continue;
    const cc = new compact_control(zone, -1, GFP_KERNEL);
    cc.ignore_skip_hint = true;
    cc.whole_zone = true;
    cc.proactive_compaction = true;
    yield* compact_zone(k, cc, null);
  }
}

function* kcompactd(k: Kernel, pgdat: PgData): Sleeping<void> {
  const default_timeout = msecs_to_jiffies(HPAGE_FRAG_CHECK_INTERVAL_MSEC);
  let timeout = default_timeout;
  pgdat.kcompactd_max_order = 0;
  pgdat.kcompactd_highest_zoneidx = pgdat.nr_zones - 1;
  while (!kthread_should_stop(k)) {
    if (k.compaction.sysctl_compaction_proactiveness === 0) timeout = MAX_SCHEDULE_TIMEOUT;
    if (k.trace.on) trace_mm_compaction_kcompactd_sleep(k, pgdat.node_id);
    const requested = yield* wait_for_work(k, pgdat, timeout);
    timeout = default_timeout;
    if (requested && !pgdat.proactive_compact_trigger) {
      yield* kcompactd_do_work(k, pgdat);
      continue;
    }
    if (should_proactive_compact_node(k, pgdat)) {
      const before = fragmentation_score_node(pgdat);
      yield* proactive_compact_node(k, pgdat);
      if (fragmentation_score_node(pgdat) >= before) timeout = default_timeout * 2 ** COMPACT_MAX_DEFER_SHIFT;
    }
    pgdat.proactive_compact_trigger = false;
  }
}

/** Some zone could be compacted. */
const kcompactd_node_suitable = (k: Kernel, pgdat: PgData): boolean =>
  zones_asked_for(pgdat, pgdat.kcompactd_highest_zoneidx).some(
    (zone) =>
      compaction_suitable(k, zone, pgdat.kcompactd_max_order, 0, pgdat.kcompactd_highest_zoneidx) === COMPACT_CONTINUE,
  );

/** Blocks of that order will be wanted. */
export function wakeup_kcompactd(k: Kernel, pgdat: PgData, order: number, highest_zoneidx: number): void {
  if (order === 0) return;
  pgdat.kcompactd_max_order = Math.max(pgdat.kcompactd_max_order, order);
  pgdat.kcompactd_highest_zoneidx = Math.min(pgdat.kcompactd_highest_zoneidx, highest_zoneidx);
  const { kcompactd_wait } = node_compaction_state(k, pgdat.node_id);
  if (!waitqueue_active(kcompactd_wait) || !kcompactd_node_suitable(k, pgdat)) return;
  if (k.trace.on) trace_mm_compaction_wakeup_kcompactd(k, pgdat.node_id, order, highest_zoneidx);
  wake_up_interruptible(k, kcompactd_wait);
}

/** Whatever the daemons are about to wait for, free memory is to be looked at now. */
export function trigger_proactive_compaction(k: Kernel): void {
  for (const nid of for_each_node_mask(k.node_online_map)) {
    const pgdat = k.node_data[nid]!;
    if (pgdat.proactive_compact_trigger) continue;
    pgdat.proactive_compact_trigger = true;
    wake_up_interruptible(k, node_compaction_state(k, nid).kcompactd_wait);
  }
}

/** A daemon for each node with memory. */
export function kcompactd_init(k: Kernel): void {
  for (const nid of for_each_node_mask(k.node_states.N_MEMORY)) {
    const state = node_compaction_state(k, nid);
    state.kcompactd ??= kthread_run(k, `kcompactd${nid}`, () => kcompactd(k, k.node_data[nid]!), { nid });
  }
}
