// Reclaim from one node (Linux: mm/vmscan.c shrink_node() and what it calls): its LRU lists and the caches of others, and
// again while a large block wants more free pages for compaction.
//
// Left out: vmpressure, psi; pages of slabs, of which there are none.

import {
  LRUVEC_CONGESTED,
  NR_INACTIVE_ANON,
  NR_INACTIVE_FILE,
  PAGE_ALLOC_COSTLY_ORDER,
  PGDAT_DIRTY,
  PGDAT_WRITEBACK,
  WORKINGSET_ACTIVATE_BASE,
} from '../include/mmzone.ts';
import { PF_LOCAL_THROTTLE } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { compact_gap, compaction_suitable, gfp_compaction_allowed } from './compaction_suitable.ts';
import { COMPACT_CONTINUE, COMPACT_SUCCESS } from './internal.ts';
import { VMSCAN_THROTTLE_CONGESTED, VMSCAN_THROTTLE_WRITEBACK } from './kswapd_state.ts';
import { type Lruvec, lruvec_page_state, mem_cgroup_lruvec } from './lruvec.ts';
import { memcg_memory_event } from './memcg_charge.ts';
import { mem_cgroup_below_low, mem_cgroup_below_min, mem_cgroup_calculate_protection } from './memcg_protection.ts';
import { type mem_cgroup, mem_cgroup_iter } from './memcontrol.ts';
import type { PgData } from './mmzone.ts';
import { SHRINK_NODE_NS } from './reclaim_cost.ts';
import { DEF_PRIORITY, type scan_control } from './scan_control.ts';
import { can_reclaim_anon_pages, prepare_scan_count } from './scan_count.ts';
import { shrink_lruvec } from './shrink_lruvec.ts';
import { shrink_slab } from './shrinker.ts';
import { current_is_kswapd, reclaim_throttle } from './throttle.ts';
import { node_page_state_pages } from './vmstat.ts';

/** What has come back too soon until now: prepare_scan_count() asks whether it has grown. */
export function snapshot_refaults(k: Kernel, memcg: mem_cgroup | null, pgdat: PgData): void {
  const lruvec = mem_cgroup_lruvec(k, memcg, pgdat);
  for (const file of [0, 1]) lruvec.set_refaults(file, lruvec_page_state(lruvec, WORKINGSET_ACTIVATE_BASE + file));
}

/** Large blocks, or any after some failed tries, are made by compaction; reclaim only gives it room. */
const in_reclaim_compaction = (sc: scan_control): boolean =>
  gfp_compaction_allowed(sc.gfp_mask) &&
  sc.order > 0 &&
  (sc.order > PAGE_ALLOC_COSTLY_ORDER || sc.priority < DEF_PRIORITY - 2);

function should_continue_reclaim(k: Kernel, pgdat: PgData, nr_reclaimed: number, sc: scan_control): boolean {
  if (!in_reclaim_compaction(sc) || nr_reclaimed === 0) return false;
  for (let z = 0; z <= sc.reclaim_idx; z++) {
    const zone = pgdat.node_zones[z]!;
    if (zone.managed_pages === 0) continue;
    const suitable = compaction_suitable(k, zone, sc.order, 0, sc.reclaim_idx);
    if (suitable === COMPACT_SUCCESS || suitable === COMPACT_CONTINUE) return false;
  }
  let inactive_lru_pages = node_page_state_pages(pgdat, NR_INACTIVE_FILE);
  if (can_reclaim_anon_pages(k, null)) inactive_lru_pages += node_page_state_pages(pgdat, NR_INACTIVE_ANON);
  return inactive_lru_pages > compact_gap(sc.order);
}

/** Dirty pages that nobody writes, or that come round before they are written: kswapd writes itself, or waits. */
function* kswapd_looks_at_writeback(k: Kernel, pgdat: PgData, { nr }: scan_control): Sleeping<void> {
  if (nr.writeback > 0 && nr.writeback === nr.taken) pgdat.flags |= 1 << PGDAT_WRITEBACK;
  if (nr.unqueued_dirty === nr.file_taken) pgdat.flags |= 1 << PGDAT_DIRTY;
  if (nr.immediate > 0) yield* reclaim_throttle(k, pgdat, VMSCAN_THROTTLE_WRITEBACK);
}

/** All cgroups that are to be reclaimed, but for those that memory.min and memory.low protect. */
function* shrink_node_memcgs(k: Kernel, pgdat: PgData, sc: scan_control): Sleeping<void> {
  const { root_mem_cgroup } = k.memcg;
  const target = sc.target_mem_cgroup ?? root_mem_cgroup;
  let memcg = mem_cgroup_iter(k, target, null);
  for (; memcg !== null; memcg = mem_cgroup_iter(k, target, memcg)) {
    yield* cond_resched(k);
    mem_cgroup_calculate_protection(target, memcg);
    if (mem_cgroup_below_min(memcg)) continue;
    if (mem_cgroup_below_low(memcg)) {
      if (!sc.memcg_low_reclaim) {
        sc.memcg_low_skipped = true;
        continue;
      }
      memcg_memory_event(k, memcg, 'low');
    }
    yield* shrink_lruvec(k, memcg.lruvecs[pgdat.node_id]!, sc);
    // No cache here knows whose an object is.
    if (memcg === root_mem_cgroup) yield* shrink_slab(k, sc.gfp_mask, pgdat.node_id, sc.priority);
  }
}

function* shrink_once(k: Kernel, pgdat: PgData, lruvec: Lruvec, sc: scan_control): Sleeping<void> {
  const { nr } = sc;
  nr.clear();
  charge(k, SHRINK_NODE_NS);
  prepare_scan_count(lruvec, sc);
  yield* shrink_node_memcgs(k, pgdat, sc);

  const kswapd = current_is_kswapd(k);
  if (kswapd) yield* kswapd_looks_at_writeback(k, pgdat, sc);
  if ((kswapd || sc.target_mem_cgroup !== null) && nr.dirty > 0 && nr.dirty === nr.congested) {
    lruvec.flags |= 1 << LRUVEC_CONGESTED;
  }
  const may_throttle = !kswapd && (k.current.flags & PF_LOCAL_THROTTLE) === 0;
  if (may_throttle && (lruvec.flags & (1 << LRUVEC_CONGESTED)) !== 0) {
    yield* reclaim_throttle(k, pgdat, VMSCAN_THROTTLE_CONGESTED);
  }
}

export function* shrink_node(k: Kernel, pgdat: PgData, sc: scan_control): Sleeping<void> {
  const lruvec = mem_cgroup_lruvec(k, sc.target_mem_cgroup, pgdat);
  let reclaimable = false;
  let reclaimed: number;
  do {
    const before = sc.nr_reclaimed;
    yield* shrink_once(k, pgdat, lruvec, sc);
    reclaimed = sc.nr_reclaimed - before;
    if (reclaimed > 0) reclaimable = true;
  } while (should_continue_reclaim(k, pgdat, reclaimed, sc));
  // There is something to be had after all: kswapd may try again.
  if (reclaimable) pgdat.kswapd_failures = 0;
}
