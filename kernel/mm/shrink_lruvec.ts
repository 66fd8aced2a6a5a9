// The LRU lists of a node, or of a memory cgroup on it, scanned from their ends (Linux: mm/vmscan.c shrink_lruvec(),
// shrink_list(), shrink_inactive_list(), shrink_active_list()): inactive pages are reclaimed, active ones grow inactive.

import { blk_finish_plug, blk_start_plug } from '../drivers/block/blk.ts';
import { __GFP_FS, __GFP_IO } from '../include/gfp_types.ts';
import { VM_EXEC } from '../include/mm.ts';
import { PG_FLAGS } from '../include/mm_types.ts';
import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  NR_INACTIVE_ANON,
  NR_INACTIVE_FILE,
  NR_ISOLATED_ANON,
} from '../include/mmzone.ts';
import { PG_active, PG_mlocked, PG_swapbacked, PG_workingset } from '../include/page_flags.ts';
import {
  PGDEACTIVATE,
  PGREFILL,
  PGSCAN_ANON,
  PGSCAN_DIRECT,
  PGSCAN_KSWAPD,
  PGSTEAL_ANON,
  PGSTEAL_DIRECT,
  PGSTEAL_KSWAPD,
} from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { waitqueue_active, wake_up } from '../sched/wait.ts';
import { trace_mm_vmscan_lru_shrink_active, trace_mm_vmscan_lru_shrink_inactive } from '../trace/events/vmscan.ts';
import { wakeup_flusher_threads } from './balance_dirty.ts';
import { free_unref_pages } from './free_unref_list.ts';
import {
  folio_putback_lru,
  give_batch,
  isolate_lru_folios,
  move_folios_to_lru,
  SWAP_CLUSTER_MAX,
  take_batch,
} from './isolate_lru.ts';
import { node_reclaim_state, VMSCAN_THROTTLE_ISOLATED } from './kswapd_state.ts';
import type { Lruvec } from './lruvec.ts';
import { count_lruvec_events } from './memcg_stat.ts';
import { mem_cgroup_iter } from './memcontrol.ts';
import type { PgData } from './mmzone.ts';
import { page_index, section_map } from './page.ts';
import { CHECK_NS } from './reclaim_cost.ts';
import { folio_referenced } from './rmap.ts';
import { DEACTIVATE_ANON, DEF_PRIORITY, reclaim_stat, type scan_control } from './scan_control.ts';
import { get_scan_count, inactive_is_low, is_file_lru, NR_EVICTABLE_LRU } from './scan_count.ts';
import { shrink_folio_list } from './shrink_folio_list.ts';
import { lru_add_drain, lru_note_cost } from './swap.ts';
import { current_is_kswapd, reclaim_throttle } from './throttle.ts';
import { __count_vm_events } from './vm_event.ts';
import { __mod_node_page_state, node_page_state_pages } from './vmstat.ts';

/** So many tasks reclaim at once that hardly a page is left on the list. Those who may do I/O give way to the others. */
function too_many_isolated(k: Kernel, pgdat: PgData, file: boolean, sc: scan_control): boolean {
  if (current_is_kswapd(k)) return false;
  let inactive = node_page_state_pages(pgdat, file ? NR_INACTIVE_FILE : NR_INACTIVE_ANON);
  const isolated = node_page_state_pages(pgdat, NR_ISOLATED_ANON + Number(file));
  if ((sc.gfp_mask & (__GFP_IO | __GFP_FS)) === (__GFP_IO | __GFP_FS)) inactive = Math.floor(inactive / 8);
  const too_many = isolated > inactive;
  const head = node_reclaim_state(k, pgdat).reclaim_wait[VMSCAN_THROTTLE_ISOLATED]!;
  if (!too_many && waitqueue_active(head)) wake_up(k, head);
  return too_many;
}

/** @returns how many pages were freed */
function* shrink_inactive_list(
  k: Kernel,
  nr_to_scan: number,
  lruvec: Lruvec,
  sc: scan_control,
  lru: number,
): Sleeping<number> {
  const { pgdat } = lruvec;
  const file = is_file_lru(lru);
  for (let stalled = false; too_many_isolated(k, pgdat, file, sc); stalled = true) {
    if (stalled) return 0;
    yield* reclaim_throttle(k, pgdat, VMSCAN_THROTTLE_ISOLATED);
    if (k.current.fatal_signal_pending) return SWAP_CLUSTER_MAX;
  }
  lru_add_drain(k);
  const folios = take_batch(k);
  isolate_lru_folios(k, nr_to_scan, lruvec, folios, sc, lru);
  const nr_taken = folios.nr;
  const { nr_scanned } = k.vmscan.isolate;
  const kswapd = current_is_kswapd(k);
  const isolated = NR_ISOLATED_ANON + Number(file);
  __mod_node_page_state(k, pgdat, isolated, nr_taken);
  const scan_item = kswapd ? PGSCAN_KSWAPD : PGSCAN_DIRECT;
  if (sc.target_mem_cgroup === null) __count_vm_events(k, scan_item, nr_scanned);
  count_lruvec_events(k, lruvec, scan_item, nr_scanned);
  __count_vm_events(k, PGSCAN_ANON + Number(file), nr_scanned);
  if (nr_taken === 0) {
    give_batch(k, folios);
    return 0;
  }

  const stat = new reclaim_stat();
  const nr_reclaimed = yield* shrink_folio_list(k, folios, pgdat, sc, stat, false);
  const free = take_batch(k);
  move_folios_to_lru(k, lruvec, folios, free);
  __mod_node_page_state(k, pgdat, isolated, -nr_taken);
  const steal_item = kswapd ? PGSTEAL_KSWAPD : PGSTEAL_DIRECT;
  if (sc.target_mem_cgroup === null) __count_vm_events(k, steal_item, nr_reclaimed);
  count_lruvec_events(k, lruvec, steal_item, nr_reclaimed);
  __count_vm_events(k, PGSTEAL_ANON + Number(file), nr_reclaimed);
  lru_note_cost(k, lruvec, file, stat.nr_pageout);
  free_unref_pages(k, free.pages, free.nr);
  give_batch(k, free);
  give_batch(k, folios);
  // Nothing but dirty pages that nobody writes yet.
  if (stat.nr_unqueued_dirty === nr_taken) wakeup_flusher_threads(k);

  const { nr } = sc;
  nr.dirty += stat.nr_dirty;
  nr.congested += stat.nr_congested;
  nr.unqueued_dirty += stat.nr_unqueued_dirty;
  nr.writeback += stat.nr_writeback;
  nr.immediate += stat.nr_immediate;
  nr.taken += nr_taken;
  if (file) nr.file_taken += nr_taken;
  if (k.trace.on) {
    trace_mm_vmscan_lru_shrink_inactive(k, pgdat.node_id, nr_scanned, nr_reclaimed, stat, sc.priority, lru);
  }
  return nr_reclaimed;
}

/** Pages at the end of an active list become inactive, whether they were used or not; only programs' code stays. */
function* shrink_active_list(
  k: Kernel,
  nr_to_scan: number,
  lruvec: Lruvec,
  sc: scan_control,
  lru: number,
): Sleeping<void> {
  const { pgdat } = lruvec;
  const isolated = NR_ISOLATED_ANON + Number(is_file_lru(lru));
  lru_add_drain(k);
  const hold = take_batch(k);
  isolate_lru_folios(k, nr_to_scan, lruvec, hold, sc, lru);
  __mod_node_page_state(k, pgdat, isolated, hold.nr);
  const { nr_scanned } = k.vmscan.isolate;
  if (sc.target_mem_cgroup === null) __count_vm_events(k, PGREFILL, nr_scanned);
  count_lruvec_events(k, lruvec, PGREFILL, nr_scanned);

  const nr_taken = hold.nr;
  let nr_rotated = 0;
  const active = take_batch(k);
  const inactive = take_batch(k);
  for (let at = 0; at < hold.nr; at++) {
    if (should_resched(k)) yield* cond_resched(k);
    const pfn = hold.pages[at]!;
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn) + PG_FLAGS;
    if ((m[i]! & (1 << PG_mlocked)) !== 0) {
      folio_putback_lru(k, pfn);
      continue;
    }
    charge(k, CHECK_NS);
    const referenced = folio_referenced(k, pfn, false, sc.target_mem_cgroup);
    if (referenced > 0 && (k.rmap.vm_flags & VM_EXEC) !== 0 && (m[i]! & (1 << PG_swapbacked)) === 0) {
      active.add(pfn);
      nr_rotated++;
      continue;
    }
    m[i] = (m[i]! & ~(1 << PG_active)) | (1 << PG_workingset);
    inactive.add(pfn);
  }
  const free = take_batch(k);
  const nr_activate = move_folios_to_lru(k, lruvec, active, free);
  const nr_deactivate = move_folios_to_lru(k, lruvec, inactive, free);
  __count_vm_events(k, PGDEACTIVATE, nr_deactivate);
  count_lruvec_events(k, lruvec, PGDEACTIVATE, nr_deactivate);
  __mod_node_page_state(k, pgdat, isolated, -hold.nr);
  free_unref_pages(k, free.pages, free.nr);
  for (const batch of [hold, active, inactive, free]) give_batch(k, batch);
  if (k.trace.on) {
    const { node_id } = pgdat;
    trace_mm_vmscan_lru_shrink_active(k, node_id, nr_taken, nr_activate, nr_deactivate, nr_rotated, sc.priority, lru);
  }
}

function* shrink_list(k: Kernel, lru: number, nr_to_scan: number, lruvec: Lruvec, sc: scan_control): Sleeping<number> {
  if (lru !== LRU_ACTIVE_ANON && lru !== LRU_ACTIVE_FILE) {
    return yield* shrink_inactive_list(k, nr_to_scan, lruvec, sc, lru);
  }
  if ((sc.may_deactivate & (DEACTIVATE_ANON << Number(is_file_lru(lru)))) === 0) sc.skipped_deactivate = true;
  else yield* shrink_active_list(k, nr_to_scan, lruvec, sc, lru);
  return 0;
}

/** What is left of a list's target once `percentage` of the other kind's is left to do. */
function rest_of_target(nr: Float64Array, targets: Float64Array, lru: number, percentage: number): void {
  const scanned = targets[lru]! - nr[lru]!;
  const target = Math.floor((targets[lru]! * (100 - percentage)) / 100);
  nr[lru] = target - Math.min(target, scanned);
}

/**
 * Enough has been reclaimed: of the kind of which less was to be scanned no more is, and of the other only as much as
 * keeps the proportion.
 * @returns false: one kind is finished, and that is all
 */
function keep_proportion(nr: Float64Array, targets: Float64Array): boolean {
  const nr_file = nr[LRU_INACTIVE_FILE]! + nr[LRU_ACTIVE_FILE]!;
  const nr_anon = nr[LRU_INACTIVE_ANON]! + nr[LRU_ACTIVE_ANON]!;
  if (nr_file === 0 || nr_anon === 0) return false;
  const stop = nr_file > nr_anon ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;
  const go_on = nr_file > nr_anon ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON;
  const target = targets[stop]! + targets[stop + 1]! + 1;
  const percentage = Math.floor((Math.min(nr_file, nr_anon) * 100) / target);
  nr[stop] = 0;
  nr[stop + 1] = 0;
  rest_of_target(nr, targets, go_on, percentage);
  rest_of_target(nr, targets, go_on + 1, percentage);
  return true;
}

/** Scans the lists, each as far as get_scan_count() says, or until enough is free. */
export function* shrink_lruvec(k: Kernel, lruvec: Lruvec, sc: scan_control): Sleeping<void> {
  const nr = new Float64Array(NR_EVICTABLE_LRU);
  get_scan_count(k, lruvec, sc, nr);
  const targets = nr.slice();
  // A first look of someone who needs memory now goes on to the end: others will need some too.
  const proportional_reclaim = sc.target_mem_cgroup === null && !current_is_kswapd(k) && sc.priority === DEF_PRIORITY;
  let nr_reclaimed = 0;
  const plug = blk_start_plug(k);
  while (nr[LRU_INACTIVE_ANON] !== 0 || nr[LRU_ACTIVE_FILE] !== 0 || nr[LRU_INACTIVE_FILE] !== 0) {
    for (let lru = 0; lru < NR_EVICTABLE_LRU; lru++) {
      if (nr[lru] === 0) continue;
      const nr_to_scan = Math.min(nr[lru]!, SWAP_CLUSTER_MAX);
      nr[lru]! -= nr_to_scan;
      nr_reclaimed += yield* shrink_list(k, lru, nr_to_scan, lruvec, sc);
    }
    if (should_resched(k)) yield* cond_resched(k);
    if (nr_reclaimed < sc.nr_to_reclaim || proportional_reclaim) continue;
    if (!keep_proportion(nr, targets)) break;
  }
  blk_finish_plug(k, plug);
  sc.nr_reclaimed += nr_reclaimed;
  yield* age_active_anon(k, lruvec, sc);
}

/** Where there is swap, pages grow old in time for when they are needed. */
function* age_active_anon(k: Kernel, lruvec: Lruvec, sc: scan_control): Sleeping<void> {
  if (k.swap.total_swap_pages === 0 || !inactive_is_low(lruvec, LRU_INACTIVE_ANON)) return;
  yield* shrink_active_list(k, SWAP_CLUSTER_MAX, lruvec, sc, LRU_ACTIVE_ANON);
}

/** kswapd_age_node(): the same for all cgroups, if it is time for the node. */
export function* kswapd_age_node(k: Kernel, pgdat: PgData, sc: scan_control): Sleeping<void> {
  if (k.swap.total_swap_pages === 0 || !inactive_is_low(k.lru.lruvecs[pgdat.node_id]!, LRU_INACTIVE_ANON)) return;
  const { root_mem_cgroup } = k.memcg;
  let memcg = mem_cgroup_iter(k, root_mem_cgroup, null);
  for (; memcg !== null; memcg = mem_cgroup_iter(k, root_mem_cgroup, memcg)) {
    yield* shrink_active_list(k, SWAP_CLUSTER_MAX, memcg.lruvecs[pgdat.node_id]!, sc, LRU_ACTIVE_ANON);
  }
}
