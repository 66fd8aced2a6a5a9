// How kswapd brings a node's zones above their high watermarks (Linux: mm/vmscan.c balance_pgdat(), pgdat_balanced(),
// kswapd_shrink_node()): round by round, with more force each time that it does not help.
//
// Left out: buffer heads, soft limits of memory cgroups, demotion's watermark, psi, laptop_mode.

import { GFP_KERNEL } from '../include/gfp_types.ts';
import {
  LRUVEC_CONGESTED,
  MAX_NR_ZONES,
  PGDAT_DIRTY,
  PGDAT_WRITEBACK,
  pageblock_order,
  ZONE_RECLAIM_ACTIVE,
} from '../include/mmzone.ts';
import { PAGEOUTRUN } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { kthread_should_stop } from '../sched/kthread.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { waitqueue_active, wake_up_all } from '../sched/wait.ts';
import { compact_gap } from './compaction_suitable.ts';
import { SWAP_CLUSTER_MAX } from './isolate_lru.ts';
import { wakeup_kcompactd } from './kcompactd.ts';
import { node_reclaim_state } from './kswapd_state.ts';
import type { PgData, Zone } from './mmzone.ts';
import { DEF_PRIORITY, scan_control } from './scan_control.ts';
import { snapshot_refaults } from './shrink_node.ts';
import { allow_direct_reclaim } from './throttle.ts';
import { __count_vm_events } from './vm_event.ts';
import { zone_watermark_ok_safe } from './watermark_check.ts';

/** Zones with pages of their own, up to `highest_zoneidx`. */
const managed_zones = (pgdat: PgData, highest_zoneidx: number): Zone[] =>
  pgdat.node_zones.filter((zone, i) => i <= highest_zoneidx && zone.managed_pages > 0);

/** Whether a block of that order can be had from one of the zones, above its high watermark. */
export function pgdat_balanced(k: Kernel, pgdat: PgData, order: number, highest_zoneidx: number): boolean {
  const zones = managed_zones(pgdat, highest_zoneidx);
  // With no zone at all there is nothing to balance: a request for low zones may have woken a node that has none.
  if (zones.length === 0) return true;
  return zones.some((zone) => zone_watermark_ok_safe(k, zone, order, zone.high_wmark_pages, highest_zoneidx));
}

export const pgdat_watermark_boosted = (pgdat: PgData, highest_zoneidx: number): boolean =>
  managed_zones(pgdat, highest_zoneidx).some((zone) => zone.watermark_boost > 0);

/** The node is well again, as far as writing goes. */
export function clear_pgdat_congested(k: Kernel, pgdat: PgData): void {
  k.lru.lruvecs[pgdat.node_id]!.flags &= ~(1 << LRUVEC_CONGESTED);
  pgdat.flags &= ~((1 << PGDAT_DIRTY) | (1 << PGDAT_WRITEBACK));
}

/** Per-cpu lists give their pages to zones that are being reclaimed. */
function update_reclaim_active(pgdat: PgData, highest_zoneidx: number, active: boolean): void {
  for (const zone of managed_zones(pgdat, highest_zoneidx)) {
    if (active) zone.flags |= 1 << ZONE_RECLAIM_ACTIVE;
    else zone.flags &= ~(1 << ZONE_RECLAIM_ACTIVE);
  }
}

/** @returns whether so many pages were looked at that it would have been enough if all of them had been free to go */
function* kswapd_shrink_node(k: Kernel, pgdat: PgData, sc: scan_control): Sleeping<boolean> {
  sc.nr_to_reclaim = 0;
  for (const zone of managed_zones(pgdat, sc.reclaim_idx)) {
    sc.nr_to_reclaim += Math.max(zone.high_wmark_pages, SWAP_CLUSTER_MAX);
  }
  const { shrink } = k.kswapd;
  if (shrink !== null) yield* shrink.shrink_node(k, pgdat, sc);
  // Enough for compaction: it is not for reclaim to make large blocks, at the price of all that is cached.
  if (sc.order > 0 && sc.nr_reclaimed >= compact_gap(sc.order)) sc.order = 0;
  return sc.nr_scanned >= sc.nr_to_reclaim;
}

/** One run. */
class balance_run {
  readonly sc = new scan_control();
  readonly zone_boosts = new Float64Array(MAX_NR_ZONES);
  /** What is to be freed for boosted watermarks' sake, beyond what they are without. */
  nr_boost_reclaim = 0;
  readonly boosted: boolean;

  constructor(pgdat: PgData, order: number, highest_zoneidx: number) {
    this.sc.gfp_mask = GFP_KERNEL;
    this.sc.order = order;
    this.sc.may_unmap = true;
    for (const zone of managed_zones(pgdat, highest_zoneidx)) {
      this.zone_boosts[zone.idx] = zone.watermark_boost;
      this.nr_boost_reclaim += zone.watermark_boost;
    }
    this.boosted = this.nr_boost_reclaim > 0;
  }
}

/**
 * From the lowest priority up, until the node is balanced.
 * @returns whether it is; else all has been tried, or the thread is to end
 */
function* all_priorities(k: Kernel, pgdat: PgData, run: balance_run, highest_zoneidx: number): Sleeping<boolean> {
  const { sc } = run;
  const { pfmemalloc_wait } = node_reclaim_state(k, pgdat);
  sc.priority = DEF_PRIORITY;
  do {
    const before = sc.nr_reclaimed;
    sc.reclaim_idx = highest_zoneidx;
    // Boosting is for a node that is well otherwise.
    const balanced = pgdat_balanced(k, pgdat, sc.order, highest_zoneidx);
    if (!balanced && run.nr_boost_reclaim > 0) {
      run.nr_boost_reclaim = 0;
      sc.priority = DEF_PRIORITY;
      continue;
    }
    if (balanced && run.nr_boost_reclaim === 0) return true;
    let raise_priority = run.nr_boost_reclaim === 0 || sc.priority !== DEF_PRIORITY - 2;
    // It is not worth writing to storage for.
    sc.may_writepage = run.nr_boost_reclaim === 0 || sc.priority < DEF_PRIORITY - 2;
    sc.may_swap = run.nr_boost_reclaim === 0;
    const { shrink } = k.kswapd;
    if (shrink !== null) yield* shrink.kswapd_age_node(k, pgdat, sc);
    sc.nr_scanned = 0;
    if (yield* kswapd_shrink_node(k, pgdat, sc)) raise_priority = false;
    if (waitqueue_active(pfmemalloc_wait) && allow_direct_reclaim(k, pgdat)) wake_up_all(k, pfmemalloc_wait);
    if (kthread_should_stop(k)) break;

    const nr_reclaimed = sc.nr_reclaimed - before;
    run.nr_boost_reclaim -= Math.min(run.nr_boost_reclaim, nr_reclaimed);
    // What would have to be written is not touched, so this could go on for ever.
    if (run.nr_boost_reclaim > 0 && nr_reclaimed === 0) break;
    if (raise_priority || nr_reclaimed === 0) sc.priority--;
  } while (sc.priority >= 1);
  return false;
}

/**
 * @param order of the blocks that are wanted
 * @returns the order that it ended with: 0 where single pages had to do
 */
export function* balance_pgdat(k: Kernel, pgdat: PgData, order: number, highest_zoneidx: number): Sleeping<number> {
  const run = new balance_run(pgdat, order, highest_zoneidx);
  __count_vm_events(k, PAGEOUTRUN, 1);
  update_reclaim_active(pgdat, highest_zoneidx, true);
  const balanced = yield* all_priorities(k, pgdat, run, highest_zoneidx);
  if (!balanced && run.sc.nr_reclaimed === 0) pgdat.kswapd_failures++;
  update_reclaim_active(pgdat, highest_zoneidx, false);
  if (run.boosted) {
    for (const zone of managed_zones(pgdat, highest_zoneidx)) {
      zone.watermark_boost -= Math.min(zone.watermark_boost, run.zone_boosts[zone.idx]!);
    }
    // Migratetypes have mixed: whole pageblocks are wanted.
    wakeup_kcompactd(k, pgdat, pageblock_order, highest_zoneidx);
  }
  snapshot_refaults(k, null, pgdat);
  return run.sc.order;
}
