// Tasks that reclaim for themselves and have to wait for others to get on (Linux: mm/vmscan.c throttle_direct_reclaim(),
// allow_direct_reclaim(), reclaim_throttle(), consider_reclaim_throttle(), __acct_reclaim_writeback()).

import { __GFP_FS } from '../include/gfp_types.ts';
import {
  NR_FREE_PAGES,
  NR_THROTTLED_WRITTEN,
  NR_ZONE_WRITE_PENDING,
  WMARK_MIN,
  ZONE_NORMAL,
} from '../include/mmzone.ts';
import { HZ, PF_IO_WORKER, PF_KSWAPD, PF_KTHREAD, TASK_UNINTERRUPTIBLE } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import { PGSCAN_DIRECT_THROTTLE } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { cond_resched } from '../sched/core.ts';
import { fatal_signal_pending } from '../sched/signal.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { schedule_timeout } from '../sched/timeout.ts';
import {
  finish_wait,
  prepare_to_wait,
  wait_event_interruptible_timeout,
  wait_event_killable,
  wait_queue_entry,
  waitqueue_active,
  wake_up,
  wake_up_interruptible,
} from '../sched/wait.ts';
import { trace_mm_vmscan_throttled } from '../trace/events/vmscan.ts';
import type { alloc_context } from './alloc_context.ts';
import { for_each_zone_of } from './direct_reclaim.ts';
import { MAX_RECLAIM_RETRIES } from './internal.ts';
import { SWAP_CLUSTER_MAX } from './isolate_lru.ts';
import {
  node_reclaim_state,
  VMSCAN_THROTTLE_CONGESTED,
  VMSCAN_THROTTLE_ISOLATED,
  VMSCAN_THROTTLE_NOPROGRESS,
  VMSCAN_THROTTLE_WRITEBACK,
} from './kswapd_state.ts';
import type { PgData } from './mmzone.ts';
import { zone_reclaimable_pages } from './reclaimable.ts';
import type { scan_control } from './scan_control.ts';
import { __count_vm_events } from './vm_event.ts';
import { __mod_node_page_state, node_page_state_pages, zone_page_state, zone_page_state_snapshot } from './vmstat.ts';
import { wmark_pages } from './watermark_check.ts';

const TICK_USEC = 1e6 / HZ;

export const current_is_kswapd = (k: Kernel): boolean => (k.current.flags & PF_KSWAPD) !== 0;

/** Whether half of what the node keeps for those who free memory is still there; if not, kswapd is to be awake. */
export function allow_direct_reclaim(k: Kernel, pgdat: PgData): boolean {
  if (pgdat.kswapd_failures >= MAX_RECLAIM_RETRIES) return true;
  let pfmemalloc_reserve = 0;
  let free_pages = 0;
  for (const zone of pgdat.node_zones) {
    if (zone.idx > ZONE_NORMAL || zone.managed_pages === 0 || zone_reclaimable_pages(k, zone) === 0) continue;
    pfmemalloc_reserve += wmark_pages(zone, WMARK_MIN);
    free_pages += zone_page_state(zone, NR_FREE_PAGES);
  }
  if (pfmemalloc_reserve === 0) return true;
  if (free_pages > Math.floor(pfmemalloc_reserve / 2)) return true;
  const { kswapd_wait } = node_reclaim_state(k, pgdat);
  if (waitqueue_active(kswapd_wait)) {
    pgdat.kswapd_highest_zoneidx = Math.min(pgdat.kswapd_highest_zoneidx, ZONE_NORMAL);
    wake_up_interruptible(k, kswapd_wait);
  }
  return false;
}

/** Waits until kswapd has left something of the reserves. @returns whether the task has to die instead of reclaiming */
export function* throttle_direct_reclaim(k: Kernel, gfp: gfp_t, ac: alloc_context): Sleeping<boolean> {
  const { current } = k;
  // Kernel threads may be the ones who clean pages; whoever has to die will free some.
  if ((current.flags & PF_KTHREAD) !== 0 || fatal_signal_pending(current)) return false;
  let pgdat: PgData | null = null;
  for (const zone of for_each_zone_of(ac)) {
    if (zone.idx > ZONE_NORMAL) continue;
    pgdat = k.node_data[zone.nid]!;
    break;
  }
  if (pgdat === null || allow_direct_reclaim(k, pgdat)) return false;

  const node = pgdat;
  const { pfmemalloc_wait } = node_reclaim_state(k, node);
  const allowed = (): boolean => allow_direct_reclaim(k, node);
  __count_vm_events(k, PGSCAN_DIRECT_THROTTLE, 1);
  // Who may not call into file systems may hold what kswapd waits for.
  if ((gfp & __GFP_FS) === 0) yield* wait_event_interruptible_timeout(k, pfmemalloc_wait, allowed, HZ);
  else yield* wait_event_killable(k, pfmemalloc_wait, allowed);
  return fatal_signal_pending(current);
}

/** Waiting is of no use where kswapd has given up, or where little of what could go is being written. */
function skip_throttle_noprogress(k: Kernel, pgdat: PgData): boolean {
  if (pgdat.kswapd_failures >= MAX_RECLAIM_RETRIES) return true;
  let reclaimable = 0;
  let write_pending = 0;
  for (const zone of pgdat.node_zones) {
    if (zone.managed_pages === 0) continue;
    reclaimable += zone_reclaimable_pages(k, zone);
    write_pending += zone_page_state_snapshot(k, zone, NR_ZONE_WRITE_PENDING);
  }
  return 2 * write_pending <= reclaimable;
}

/** By VMSCAN_THROTTLE_*, in jiffies. */
const timeouts: Readonly<Record<number, number>> = {
  [VMSCAN_THROTTLE_WRITEBACK]: HZ / 10,
  [VMSCAN_THROTTLE_ISOLATED]: HZ / 50,
  [VMSCAN_THROTTLE_NOPROGRESS]: 1,
  [VMSCAN_THROTTLE_CONGESTED]: 1,
};

/** @param reason VMSCAN_THROTTLE_*: what the running task waits for, though not for long */
export function* reclaim_throttle(k: Kernel, pgdat: PgData, reason: number): Sleeping<void> {
  const skips = reason === VMSCAN_THROTTLE_NOPROGRESS || reason === VMSCAN_THROTTLE_CONGESTED;
  const needed = !current_is_kswapd(k) && (k.current.flags & (PF_IO_WORKER | PF_KTHREAD)) !== 0;
  if (needed || (skips && skip_throttle_noprogress(k, pgdat))) {
    yield* cond_resched(k);
    return;
  }
  if (reason === VMSCAN_THROTTLE_WRITEBACK && ++pgdat.nr_writeback_throttled === 1) {
    pgdat.nr_reclaim_start = node_page_state_pages(pgdat, NR_THROTTLED_WRITTEN);
  }
  const head = node_reclaim_state(k, pgdat).reclaim_wait[reason]!;
  const wait = new wait_queue_entry(k.current);
  prepare_to_wait(k, head, TASK_UNINTERRUPTIBLE, wait);
  const timeout = timeouts[reason]!;
  const left = yield* schedule_timeout(k, timeout);
  finish_wait(k, head, wait);
  if (reason === VMSCAN_THROTTLE_WRITEBACK) pgdat.nr_writeback_throttled--;
  if (k.trace.on) {
    trace_mm_vmscan_throttled(k, pgdat.node_id, timeout * TICK_USEC, (timeout - left) * TICK_USEC, reason);
  }
}

/** A page has been written. So many of them, and those who wait for that go on. Linux: acct_reclaim_writeback(). */
export function acct_reclaim_writeback(k: Kernel, pgdat: PgData): void {
  const nr_throttled = pgdat.nr_writeback_throttled;
  if (nr_throttled === 0) return;
  __mod_node_page_state(k, pgdat, NR_THROTTLED_WRITTEN, 1);
  const nr_written = node_page_state_pages(pgdat, NR_THROTTLED_WRITTEN) - pgdat.nr_reclaim_start;
  if (nr_written > SWAP_CLUSTER_MAX * nr_throttled) {
    wake_up(k, node_reclaim_state(k, pgdat).reclaim_wait[VMSCAN_THROTTLE_WRITEBACK]!);
  }
}

/** After a round over a node: those who waited for progress go on, or the running task waits for it. */
export function* consider_reclaim_throttle(k: Kernel, pgdat: PgData, sc: scan_control): Sleeping<void> {
  // More than an eighth of what was looked at.
  if (sc.nr_reclaimed > Math.floor(sc.nr_scanned / 8)) {
    const head = node_reclaim_state(k, pgdat).reclaim_wait[VMSCAN_THROTTLE_NOPROGRESS]!;
    if (waitqueue_active(head)) wake_up(k, head);
    return;
  }
  if (current_is_kswapd(k) || sc.target_mem_cgroup !== null) return;
  if (sc.priority === 1 && sc.nr_reclaimed === 0) yield* reclaim_throttle(k, pgdat, VMSCAN_THROTTLE_NOPROGRESS);
}
