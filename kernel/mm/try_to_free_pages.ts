// Reclaim by those who need memory now (Linux: mm/vmscan.c try_to_free_pages(), do_try_to_free_pages(), shrink_zones(),
// try_to_free_mem_cgroup_pages(), __node_reclaim()): from a twelfth power of a half of each list up to all of it.
//
// Left out: memory cgroups' soft limits, laptop mode, delay accounting.

import { cpuset_zone_allowed } from '../cgroup/cpuset.ts';
import { __GFP_HARDWALL, GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_RECLAIM_MASK } from '../include/gfp_types.ts';
import { LRUVEC_CONGESTED, MAX_NR_ZONES, PAGE_ALLOC_COSTLY_ORDER } from '../include/mmzone.ts';
import type { gfp_t } from '../include/types.ts';
import { ALLOCSTALL } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { node_isset } from '../lib/nodemask.ts';
import { cond_resched } from '../sched/core.ts';
import { memalloc_noreclaim_restore, memalloc_noreclaim_save } from '../sched/mm.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import {
  trace_mm_vmscan_direct_reclaim_begin,
  trace_mm_vmscan_direct_reclaim_end,
  trace_mm_vmscan_memcg_reclaim_begin,
  trace_mm_vmscan_memcg_reclaim_end,
  trace_mm_vmscan_node_reclaim_begin,
  trace_mm_vmscan_node_reclaim_end,
} from '../trace/events/vmscan.ts';
import type { alloc_context } from './alloc_context.ts';
import { compact_gap, compaction_suitable, gfp_compaction_allowed } from './compaction_suitable.ts';
import { fs_reclaim_acquire, fs_reclaim_release } from './fs_reclaim.ts';
import { current_gfp_context, gfp_zone, gfp_zonelist } from './gfp.ts';
import { COMPACT_SKIPPED, COMPACT_SUCCESS } from './internal.ts';
import { SWAP_CLUSTER_MAX } from './isolate_lru.ts';
import { mem_cgroup_lruvec } from './lruvec.ts';
import type { mem_cgroup } from './memcontrol.ts';
import type { PgData, Zone } from './mmzone.ts';
import { RECLAIM_UNMAP, RECLAIM_WRITE } from './node_reclaim.ts';
import { numa_node_id } from './percpu.ts';
import { DEF_PRIORITY, scan_control } from './scan_control.ts';
import { shrink_node, snapshot_refaults } from './shrink_node.ts';
import { consider_reclaim_throttle, throttle_direct_reclaim } from './throttle.ts';
import { __count_vm_events } from './vm_event.ts';
import { zone_watermark_ok_safe } from './watermark_check.ts';

/** The zones of a zonelist that a request may use. */
function* for_each_zone(zones: readonly Zone[], sc: scan_control): Generator<Zone> {
  for (const zone of zones) {
    if (zone.idx <= sc.reclaim_idx && (sc.nodemask === null || node_isset(zone.nid, sc.nodemask))) yield zone;
  }
}

/** Whether a large block is better looked for by compaction: it has, or could easily make, what it needs. */
function compaction_ready(k: Kernel, zone: Zone, sc: scan_control): boolean {
  if (!gfp_compaction_allowed(sc.gfp_mask)) return false;
  const suitable = compaction_suitable(k, zone, sc.order, 0, sc.reclaim_idx);
  if (suitable === COMPACT_SUCCESS) return true;
  if (suitable === COMPACT_SKIPPED) return false;
  const watermark = zone.high_wmark_pages + compact_gap(sc.order);
  return zone_watermark_ok_safe(k, zone, 0, watermark, sc.reclaim_idx);
}

/** Each node of a zonelist once. */
function* shrink_zones(k: Kernel, zones: readonly Zone[], sc: scan_control): Sleeping<void> {
  let first: PgData | null = null;
  let last_nid = -1;
  for (const zone of for_each_zone(zones, sc)) {
    if (sc.target_mem_cgroup === null) {
      if (!cpuset_zone_allowed(k, zone, GFP_KERNEL | __GFP_HARDWALL)) continue;
      if (sc.order > PAGE_ALLOC_COSTLY_ORDER && compaction_ready(k, zone, sc)) {
        sc.compaction_ready = true;
        continue;
      }
    }
    const pgdat = k.node_data[zone.nid]!;
    first ??= pgdat;
    if (zone.nid === last_nid) continue;
    last_nid = zone.nid;
    yield* shrink_node(k, pgdat, sc);
  }
  if (first !== null) yield* consider_reclaim_throttle(k, first, sc);
}

function after_shrinking(k: Kernel, zones: readonly Zone[], sc: scan_control): void {
  let last_nid = -1;
  for (const zone of for_each_zone(zones, sc)) {
    if (zone.nid === last_nid) continue;
    last_nid = zone.nid;
    const pgdat = k.node_data[zone.nid]!;
    snapshot_refaults(k, sc.target_mem_cgroup, pgdat);
    if (sc.target_mem_cgroup !== null) {
      mem_cgroup_lruvec(k, sc.target_mem_cgroup, pgdat).flags &= ~(1 << LRUVEC_CONGESTED);
    }
  }
}

/** @returns how many pages were freed; 1 where compaction is worth a try first */
function* do_try_to_free_pages(k: Kernel, zones: readonly Zone[], sc: scan_control): Sleeping<number> {
  const initial_priority = sc.priority;
  for (;;) {
    if (sc.target_mem_cgroup === null) __count_vm_events(k, ALLOCSTALL + sc.reclaim_idx, 1);
    do {
      sc.nr_scanned = 0;
      yield* shrink_zones(k, zones, sc);
      if (sc.nr_reclaimed >= sc.nr_to_reclaim || sc.compaction_ready) break;
      if (sc.priority < DEF_PRIORITY - 2) sc.may_writepage = true;
    } while (--sc.priority >= 0);
    after_shrinking(k, zones, sc);
    if (sc.nr_reclaimed > 0) return sc.nr_reclaimed;
    if (sc.compaction_ready) return 1;
    if (!sc.skipped_deactivate && !sc.memcg_low_skipped) return 0;
    sc.priority = initial_priority;
    if (sc.skipped_deactivate) {
      // The lists looked well balanced, but not in the zones that count.
      sc.force_deactivate = true;
      sc.skipped_deactivate = false;
    } else {
      // What memory.low protects goes before anybody is killed.
      sc.force_deactivate = false;
      sc.memcg_low_reclaim = true;
      sc.memcg_low_skipped = false;
    }
  }
}

/** @returns how many pages were freed; 1, too, where the task is about to die */
export function* try_to_free_pages(k: Kernel, ac: alloc_context, order: number, gfp: gfp_t): Sleeping<number> {
  const sc = new scan_control();
  sc.nr_to_reclaim = SWAP_CLUSTER_MAX;
  sc.gfp_mask = current_gfp_context(k, gfp);
  sc.reclaim_idx = gfp_zone(gfp);
  sc.order = order;
  sc.nodemask = ac.nodemask;
  sc.priority = DEF_PRIORITY;
  sc.may_writepage = true;
  sc.may_unmap = true;
  sc.may_swap = true;
  if (yield* throttle_direct_reclaim(k, sc.gfp_mask, ac)) return 1;
  if (k.trace.on) trace_mm_vmscan_direct_reclaim_begin(k, order, sc.gfp_mask);
  const reclaimed = yield* do_try_to_free_pages(k, ac.zones, sc);
  if (k.trace.on) trace_mm_vmscan_direct_reclaim_end(k, reclaimed);
  return reclaimed;
}

/** Reclaims from a memory cgroup, on all nodes. @returns how many pages were freed */
export function* try_to_free_mem_cgroup_pages(
  k: Kernel,
  memcg: mem_cgroup,
  nr_pages: number,
  gfp: gfp_t,
  may_swap: boolean,
): Sleeping<number> {
  const sc = new scan_control();
  sc.nr_to_reclaim = Math.max(nr_pages, SWAP_CLUSTER_MAX);
  sc.gfp_mask = (current_gfp_context(k, gfp) & GFP_RECLAIM_MASK) | (GFP_HIGHUSER_MOVABLE & ~GFP_RECLAIM_MASK);
  sc.reclaim_idx = MAX_NR_ZONES - 1;
  sc.target_mem_cgroup = memcg;
  sc.priority = DEF_PRIORITY;
  sc.may_writepage = true;
  sc.may_unmap = true;
  sc.may_swap = may_swap;
  const zonelist = (numa_node_id(k) * 2 + gfp_zonelist(sc.gfp_mask)) * 4 + gfp_zone(sc.gfp_mask);
  if (k.trace.on) trace_mm_vmscan_memcg_reclaim_begin(k, 0, sc.gfp_mask);
  const flags = memalloc_noreclaim_save(k);
  const reclaimed = yield* do_try_to_free_pages(k, k.zonelists.views[zonelist]!, sc);
  memalloc_noreclaim_restore(k, flags);
  if (k.trace.on) trace_mm_vmscan_memcg_reclaim_end(k, reclaimed);
  return reclaimed;
}

/** NODE_RECLAIM_PRIORITY: a sixteenth of the lists first. */
const NODE_RECLAIM_PRIORITY = 4;

/** Frees pages of one node rather than take them from another. @returns whether that was enough for the request */
export function* __node_reclaim(k: Kernel, pgdat: PgData, gfp: gfp_t, order: number): Sleeping<boolean> {
  const mode = k.page_alloc.node_reclaim_mode;
  const nr_pages = 1 << order;
  const sc = new scan_control();
  sc.nr_to_reclaim = Math.max(nr_pages, SWAP_CLUSTER_MAX);
  sc.gfp_mask = current_gfp_context(k, gfp);
  sc.order = order;
  sc.priority = NODE_RECLAIM_PRIORITY;
  sc.may_writepage = (mode & RECLAIM_WRITE) !== 0;
  sc.may_unmap = (mode & RECLAIM_UNMAP) !== 0;
  sc.may_swap = true;
  sc.reclaim_idx = gfp_zone(gfp);
  if (k.trace.on) trace_mm_vmscan_node_reclaim_begin(k, pgdat.node_id, order, sc.gfp_mask);
  yield* cond_resched(k);
  fs_reclaim_acquire(k, sc.gfp_mask);
  const flags = memalloc_noreclaim_save(k);
  do yield* shrink_node(k, pgdat, sc);
  while (sc.nr_reclaimed < nr_pages && --sc.priority >= 0);
  memalloc_noreclaim_restore(k, flags);
  fs_reclaim_release(k, sc.gfp_mask);
  if (k.trace.on) trace_mm_vmscan_node_reclaim_end(k, sc.nr_reclaimed);
  return sc.nr_reclaimed >= nr_pages;
}
