// Compaction: pages in use at the start of a zone are moved to free ones at its end, until a block is free that is large
// enough (Linux: mm/compaction.c compact_zone(), compact_finished(), try_to_compact_pages(), compact_node(),
// compact_nodes()). Its two scanners are in compaction_migrate.ts and compaction_free.ts, its memory of what was in vain
// in compaction_skip.ts and compaction_defer.ts; kcompactd.ts has the daemons.

import { GFP_KERNEL } from '../include/gfp_types.ts';
import { MIGRATE_ASYNC, MIGRATE_SYNC, MIGRATE_SYNC_LIGHT, MR_COMPACTION } from '../include/migrate_mode.ts';
import { MAX_ORDER, MIGRATE_CMA, MIGRATE_MOVABLE, pageblock_nr_pages } from '../include/mmzone.ts';
import { KEY_CAPTURE } from '../include/static_keys.ts';
import { ENOMEM, type gfp_t, type nid_t, type pfn_t } from '../include/types.ts';
import { COMPACTFREE_SCANNED, COMPACTMIGRATE_SCANNED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON } from '../lib/bug.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import { need_resched } from '../sched/core.ts';
import { fatal_signal_pending } from '../sched/signal.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import {
  trace_mm_compaction_begin,
  trace_mm_compaction_end,
  trace_mm_compaction_finished,
  trace_mm_compaction_migratepages,
  trace_mm_compaction_try_to_compact_pages,
} from '../trace/events/compaction.ts';
import type { alloc_context } from './alloc_context.ts';
import {
  CACHED_FREE_PFN,
  CACHED_MIGRATE_PFN,
  capture_control,
  compact_control,
  compact_pfn,
  INIT_MIGRATE_PFN,
  set_cached_migrate_pfns,
  set_compact_blockskip_flush,
  set_compact_pfn,
} from './compact_control.ts';
import {
  compaction_defer_reset,
  compaction_deferred,
  compaction_restarting,
  defer_compaction,
} from './compaction_defer.ts';
import { CompactionTarget, release_freepages } from './compaction_free.ts';
import {
  block_end_pfn,
  block_start_pfn,
  ISOLATE_ABORT,
  ISOLATE_NONE,
  isolate_migratepages,
} from './compaction_migrate.ts';
import { fragmentation_score_wmark, fragmentation_score_zone, kswapd_is_running } from './compaction_score.ts';
import { __reset_isolation_suitable, reset_cached_positions } from './compaction_skip.ts';
import { compaction_suitable, gfp_compaction_allowed, is_via_compact_memory } from './compaction_suitable.ts';
import { for_each_zone_of } from './direct_reclaim.ts';
import { find_suitable_fallback } from './fallback.ts';
import { free_area_empty } from './free_list.ts';
import { gfp_migratetype } from './gfp.ts';
import {
  COMPACT_COMPLETE,
  COMPACT_CONTENDED,
  COMPACT_CONTINUE,
  COMPACT_DEFERRED,
  COMPACT_NO_SUITABLE_PAGE,
  COMPACT_PARTIAL_SKIPPED,
  COMPACT_SKIPPED,
  COMPACT_SUCCESS,
  INIT_COMPACT_PRIORITY,
  MIN_COMPACT_PRIORITY,
} from './internal.ts';
import { migrate_pages, putback_movable_pages } from './migrate.ts';
import type { Zone } from './mmzone.ts';
import { pageblock_start_pfn } from './pageblock.ts';
import { drain_local_pages } from './pcp.ts';
import { lru_add_drain, lru_add_drain_all } from './swap.ts';
import { __count_vm_events } from './vm_event.ts';

/** Pageblock by pageblock: the free scanner is where the migrate scanner is, or below. */
const compact_scanners_met = (cc: compact_control): boolean =>
  Math.floor(cc.free_pfn / pageblock_nr_pages) <= Math.floor(cc.migrate_pfn / pageblock_nr_pages);

/** Whether a block of the order is free that the request could have, be it by taking over another type's pageblock. */
function suitable_page_is_free(k: Kernel, { zone, order, migratetype }: compact_control): boolean {
  for (let o = order; o < MAX_ORDER; o++) {
    if (!free_area_empty(zone, o, migratetype)) return true;
    if (k.page_alloc.cma && migratetype === MIGRATE_MOVABLE && !free_area_empty(zone, o, MIGRATE_CMA)) return true;
    if (find_suitable_fallback(k, zone, o, migratetype, true) !== -1) return true;
  }
  return false;
}

/** @returns COMPACT_CONTINUE or COMPACT_NO_SUITABLE_PAGE: go on */
function __compact_finished(k: Kernel, cc: compact_control): number {
  const { zone } = cc;
  if (compact_scanners_met(cc)) {
    reset_cached_positions(zone);
    // All that was noted down is out of date, once nobody needs a block at once.
    if (cc.direct_compaction) set_compact_blockskip_flush(zone, true);
    return cc.whole_zone ? COMPACT_COMPLETE : COMPACT_PARTIAL_SKIPPED;
  }
  let ret = COMPACT_NO_SUITABLE_PAGE;
  if (cc.proactive_compaction) {
    if (kswapd_is_running(k, zone.nid)) return COMPACT_PARTIAL_SKIPPED;
    ret = fragmentation_score_zone(zone) > fragmentation_score_wmark(k, true) ? COMPACT_CONTINUE : COMPACT_SUCCESS;
  } else {
    if (is_via_compact_memory(cc.order)) return COMPACT_CONTINUE;
    // A pageblock that was begun is cleared to its end.
    if (cc.migrate_pfn % pageblock_nr_pages !== 0) return COMPACT_CONTINUE;
    if (suitable_page_is_free(k, cc)) return COMPACT_SUCCESS;
  }
  return cc.contended || fatal_signal_pending(k.current) ? COMPACT_CONTENDED : ret;
}

function compact_finished(k: Kernel, cc: compact_control): number {
  const ret = __compact_finished(k, cc);
  if (k.trace.on) trace_mm_compaction_finished(k, cc.zone, cc.order, ret);
  return ret === COMPACT_NO_SUITABLE_PAGE ? COMPACT_CONTINUE : ret;
}

/** Where the scanners begin: at the zone's ends, or where they were. */
function place_scanners(cc: compact_control, sync: boolean): void {
  const { zone } = cc;
  const start_pfn = zone.zone_start_pfn;
  const end_pfn = zone.zone_end_pfn;
  cc.fast_start_pfn = 0;
  if (cc.whole_zone) {
    cc.migrate_pfn = start_pfn;
    cc.free_pfn = pageblock_start_pfn(end_pfn - 1);
    return;
  }
  cc.migrate_pfn = compact_pfn(zone, CACHED_MIGRATE_PFN + (sync ? 2 : 0));
  cc.free_pfn = compact_pfn(zone, CACHED_FREE_PFN);
  if (cc.free_pfn < start_pfn || cc.free_pfn >= end_pfn) {
    cc.free_pfn = pageblock_start_pfn(end_pfn - 1);
    set_compact_pfn(zone, CACHED_FREE_PFN, cc.free_pfn);
  }
  if (cc.migrate_pfn < start_pfn || cc.migrate_pfn >= end_pfn) {
    cc.migrate_pfn = start_pfn;
    set_cached_migrate_pfns(zone, start_pfn);
  }
  if (cc.migrate_pfn <= compact_pfn(zone, INIT_MIGRATE_PFN)) cc.whole_zone = true;
}

/** The loop of compact_zone(). @returns COMPACT_* */
function* move_pages(k: Kernel, cc: compact_control, capc: capture_control | null, sync: boolean): Sleeping<number> {
  const { zone } = cc;
  const target = new CompactionTarget(cc);
  let last_migrated_pfn = 0;
  // As long as nothing can be isolated, it makes no difference how it would be moved.
  let update_cached = !sync && compact_pfn(zone, CACHED_MIGRATE_PFN) === compact_pfn(zone, CACHED_MIGRATE_PFN + 2);
  for (;;) {
    const finished = compact_finished(k, cc);
    if (finished !== COMPACT_CONTINUE) return finished;
    const iteration_start_pfn = cc.migrate_pfn;
    // Pages have been left behind in this block: all of it once more, and then no more of it.
    cc.rescan = pageblock_start_pfn(last_migrated_pfn) === pageblock_start_pfn(iteration_start_pfn);

    const isolated = yield* isolate_migratepages(k, cc);
    if (isolated === ISOLATE_ABORT) {
      putback_movable_pages(k, cc.migratepages);
      cc.nr_migratepages = 0;
      return COMPACT_CONTENDED;
    }
    if (isolated === ISOLATE_NONE) {
      if (update_cached) set_compact_pfn(zone, CACHED_MIGRATE_PFN + 2, compact_pfn(zone, CACHED_MIGRATE_PFN));
    } else {
      update_cached = false;
      last_migrated_pfn = iteration_start_pfn;
      const err = yield* migrate_pages(k, cc.migratepages, cc.batch, target, cc.mode, MR_COMPACTION);
      if (k.trace.on) trace_mm_compaction_migratepages(k, cc, k.compaction.nr_succeeded);
      cc.nr_migratepages = 0;
      if (err !== 0) {
        putback_movable_pages(k, cc.migratepages);
        // No free page is left, and not because the scanners have met.
        if (err === -ENOMEM && !compact_scanners_met(cc)) return COMPACT_CONTENDED;
        if (cc.direct_compaction && cc.mode === MIGRATE_ASYNC) {
          cc.migrate_pfn = block_end_pfn(cc.migrate_pfn - 1, cc.order);
          last_migrated_pfn = 0;
        }
      }
    }
    // What a block was cleared of is on per-cpu lists, and has to merge.
    if (cc.order > 0 && last_migrated_pfn !== 0 && last_migrated_pfn < block_start_pfn(cc.migrate_pfn, cc.order)) {
      lru_add_drain(k);
      drain_local_pages(k, zone);
      last_migrated_pfn = 0;
    }
    if (capc !== null && capc.page >= 0) return COMPACT_SUCCESS;
  }
}

/** @returns COMPACT_* */
export function* compact_zone(k: Kernel, cc: compact_control, capc: capture_control | null): Sleeping<number> {
  const { zone } = cc;
  const sync = cc.mode !== MIGRATE_ASYNC;
  cc.total_migrate_scanned = 0;
  cc.total_free_scanned = 0;
  cc.nr_migratepages = 0;
  cc.nr_freepages = 0;
  cc.migratetype = gfp_migratetype(k, cc.gfp_mask);
  const suitable = compaction_suitable(k, zone, cc.order, cc.alloc_flags, cc.highest_zoneidx);
  if (suitable === COMPACT_SUCCESS || suitable === COMPACT_SKIPPED) return suitable;
  BUG_ON(suitable !== COMPACT_CONTINUE, 'mm/compaction.c:2319');

  if (compaction_restarting(zone, cc.order)) yield* __reset_isolation_suitable(k, zone);
  place_scanners(cc, sync);
  const start_pfn = zone.zone_start_pfn;
  const end_pfn = zone.zone_end_pfn;
  if (k.trace.on) trace_mm_compaction_begin(k, cc, start_pfn, end_pfn, sync);
  lru_add_drain(k);
  const ret = yield* move_pages(k, cc, capc, sync);

  if (cc.nr_freepages > 0) {
    const free_pfn = pageblock_start_pfn(release_freepages(k, cc.freepages));
    cc.nr_freepages = 0;
    // Only back, as it may begin anew by now.
    if (free_pfn > compact_pfn(zone, CACHED_FREE_PFN)) set_compact_pfn(zone, CACHED_FREE_PFN, free_pfn);
  }
  __count_vm_events(k, COMPACTMIGRATE_SCANNED, cc.total_migrate_scanned);
  __count_vm_events(k, COMPACTFREE_SCANNED, cc.total_free_scanned);
  if (k.trace.on) trace_mm_compaction_end(k, cc, start_pfn, end_pfn, sync, ret);
  return ret;
}

/** @returns COMPACT_*, and the block if it was caught as it came free; else -1 */
function* compact_zone_order(
  k: Kernel,
  zone: Zone,
  order: number,
  gfp: gfp_t,
  prio: number,
  alloc_flags: number,
  highest_zoneidx: number,
): Sleeping<{ status: number; capture: pfn_t }> {
  const cc = new compact_control(zone, order, gfp);
  const whole = prio === MIN_COMPACT_PRIORITY;
  cc.mode = prio === INIT_COMPACT_PRIORITY ? MIGRATE_ASYNC : MIGRATE_SYNC_LIGHT;
  cc.alloc_flags = alloc_flags;
  cc.highest_zoneidx = highest_zoneidx;
  cc.direct_compaction = true;
  cc.whole_zone = whole;
  cc.ignore_skip_hint = whole;
  cc.ignore_block_suitable = whole;
  const task = k.current;
  const capc = new capture_control(zone, order);
  task.capture_control = capc;
  if (k.compaction.captures++ === 0) k.page_alloc.static_keys |= KEY_CAPTURE;
  const status = yield* compact_zone(k, cc, capc);
  if (--k.compaction.captures === 0) k.page_alloc.static_keys &= ~KEY_CAPTURE;
  task.capture_control = null;
  return { status: capc.page >= 0 ? COMPACT_SUCCESS : status, capture: capc.page };
}

/**
 * Compacts the zones of a request that needs a block of `order`, one after the other, until one has it.
 * @returns the best COMPACT_*. ac.captured is the block itself, if it was caught
 */
export function* try_to_compact_pages(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  alloc_flags: number,
  ac: alloc_context,
  prio: number,
): Sleeping<number> {
  let rc = COMPACT_SKIPPED;
  ac.captured = -1;
  if (!gfp_compaction_allowed(gfp)) return rc;
  if (k.trace.on) trace_mm_compaction_try_to_compact_pages(k, order, gfp, prio);
  for (const zone of for_each_zone_of(ac)) {
    if (prio > MIN_COMPACT_PRIORITY && compaction_deferred(k, zone, order)) {
      rc = Math.max(rc, COMPACT_DEFERRED);
      continue;
    }
    const { status, capture } = yield* compact_zone_order(k, zone, order, gfp, prio, alloc_flags, ac.highest_zoneidx);
    ac.captured = capture;
    rc = Math.max(rc, status);
    if (status === COMPACT_SUCCESS) {
      compaction_defer_reset(k, zone, order, false);
      break;
    }
    if (prio !== INIT_COMPACT_PRIORITY && (status === COMPACT_COMPLETE || status === COMPACT_PARTIAL_SKIPPED)) {
      defer_compaction(k, zone, order);
    }
    if ((prio === INIT_COMPACT_PRIORITY && need_resched(k)) || fatal_signal_pending(k.current)) break;
  }
  return rc;
}

/** Compacts a node, from one end of each zone to the other. */
export function* compact_node(k: Kernel, nid: nid_t): Sleeping<void> {
  for (const zone of k.node_data[nid]!.node_zones) {
    if (!zone.populated) continue;
    const cc = new compact_control(zone, -1, GFP_KERNEL);
    cc.mode = MIGRATE_SYNC;
    cc.ignore_skip_hint = true;
    cc.whole_zone = true;
    yield* compact_zone(k, cc, null);
  }
}

/** All of memory: sysctl vm.compact_memory. */
export function* compact_nodes(k: Kernel): Sleeping<void> {
  lru_add_drain_all(k);
  for (const nid of for_each_node_mask(k.node_online_map)) yield* compact_node(k, nid);
}
