// What a request that may wait does before it gives up (Linux: mm/page_alloc.c __alloc_pages_direct_reclaim(),
// __alloc_pages_direct_compact(), should_reclaim_retry(), should_compact_retry(); mm/compaction.c
// compaction_zonelist_suitable(), compaction_defer_reset()): memory is reclaimed and compacted, as long as that may help.
//
// Reclaim and compaction are calls through k.page_alloc.reclaim. Without it they come back empty-handed.
//
// Left out: psi, cpusets' meter of memory pressure, the sleep of workqueues' workers.

import { NR_FREE_PAGES, PAGE_ALLOC_COSTLY_ORDER, WMARK_MIN } from '../include/mmzone.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import { ALLOCSTALL, COMPACTFAIL, COMPACTSTALL, COMPACTSUCCESS } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { node_isset } from '../lib/nodemask.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched } from '../sched/core.ts';
import { memalloc_noreclaim_restore, memalloc_noreclaim_save } from '../sched/mm.ts';
import { answer_of, type Sleeping } from '../sched/sleeping.ts';
import { trace_compact_retry, trace_reclaim_retry_zone } from '../trace/events/oom.ts';
import {
  explain_call,
  explain_compact_retry,
  explain_reclaim_retry,
  explain_reclaimable,
  explaining,
} from '../trace/explain.ts';
import type { alloc_context } from './alloc_context.ts';
import { set_compact_blockskip_flush } from './compact_control.ts';
import { compaction_defer_reset } from './compaction_defer.ts';
import { __compaction_suitable } from './compaction_suitable.ts';
import { fs_reclaim_acquire, fs_reclaim_release } from './fs_reclaim.ts';
import { get_page_sleeping } from './get_page.ts';
import { gfp_zone } from './gfp.ts';
import { unreserve_highatomic_pageblock } from './highatomic.ts';
import {
  COMPACT_COMPLETE,
  COMPACT_CONTENDED,
  COMPACT_CONTINUE,
  COMPACT_DEFERRED,
  COMPACT_PARTIAL_SKIPPED,
  COMPACT_SKIPPED,
  COMPACT_SUCCESS,
  DEF_COMPACT_PRIORITY,
  MAX_COMPACT_RETRIES,
  MAX_RECLAIM_RETRIES,
  MIN_COMPACT_COSTLY_PRIORITY,
  MIN_COMPACT_PRIORITY,
} from './internal.ts';
import type { Zone } from './mmzone.ts';
import { page_zone } from './page.ts';
import { prep_new_page } from './page_prep.ts';
import { drain_all_pages } from './pcp.ts';
import { SHRINK_NODE_NS } from './reclaim_cost.ts';
import { zone_reclaimable_pages } from './reclaimable.ts';
import { __count_vm_events } from './vm_event.ts';
import { zone_page_state_snapshot } from './vmstat.ts';
import { __zone_watermark_ok, wmark_pages } from './watermark_check.ts';

/** What the attempts of one request have come to. */
export class attempts {
  did_some_progress = 0;
  no_progress_loops = 0;
  compact_result = COMPACT_SKIPPED;
  compact_priority = DEF_COMPACT_PRIORITY;
  compaction_retries = 0;
}

/** The zones that the request may use. */
export function* for_each_zone_of(ac: alloc_context): Generator<Zone> {
  for (const zone of ac.zones) if (ac.nodemask === null || node_isset(zone.nid, ac.nodemask)) yield zone;
}

export function* __alloc_pages_direct_compact(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  alloc_flags: number,
  ac: alloc_context,
  prio: number,
  state: attempts,
): Sleeping<pfn_t> {
  if (order === 0) return -1;
  if (explaining(k)) explain_call(k, 'compaction');
  const flags = memalloc_noreclaim_save(k);
  state.compact_result = yield* answer_of(
    k.page_alloc.reclaim?.try_to_compact_pages(k, gfp, order, alloc_flags, ac, prio) ?? COMPACT_SKIPPED,
  );
  memalloc_noreclaim_restore(k, flags);
  if (state.compact_result === COMPACT_SKIPPED) return -1;
  __count_vm_events(k, COMPACTSTALL, 1);
  let pfn = ac.captured;
  ac.captured = -1;
  if (pfn >= 0) prep_new_page(k, pfn, order, gfp, alloc_flags);
  else pfn = yield* get_page_sleeping(k, gfp, order, alloc_flags, ac);
  if (pfn >= 0) {
    const zone = page_zone(k, pfn);
    set_compact_blockskip_flush(zone, false);
    compaction_defer_reset(k, zone, order, true);
  }
  __count_vm_events(k, pfn >= 0 ? COMPACTSUCCESS : COMPACTFAIL, 1);
  if (pfn < 0) yield* cond_resched(k);
  return pfn;
}

function* __perform_reclaim(k: Kernel, gfp: gfp_t, order: number, ac: alloc_context): Sleeping<number> {
  yield* cond_resched(k);
  // Where nothing is there to be called, to come back with nothing takes time all the same.
  charge(k, SHRINK_NODE_NS);
  fs_reclaim_acquire(k, gfp);
  const flags = memalloc_noreclaim_save(k);
  const { reclaim } = k.page_alloc;
  if (reclaim === null) __count_vm_events(k, ALLOCSTALL + gfp_zone(gfp), 1);
  const progress = reclaim === null ? 0 : yield* answer_of(reclaim.try_to_free_pages(k, ac, order, gfp));
  memalloc_noreclaim_restore(k, flags);
  fs_reclaim_release(k, gfp);
  yield* cond_resched(k);
  return progress;
}

export function* __alloc_pages_direct_reclaim(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  alloc_flags: number,
  ac: alloc_context,
  state: attempts,
): Sleeping<pfn_t> {
  if (explaining(k)) explain_call(k, 'reclaim');
  state.did_some_progress = yield* __perform_reclaim(k, gfp, order, ac);
  if (state.did_some_progress === 0) return -1;
  const pfn = yield* get_page_sleeping(k, gfp, order, alloc_flags, ac);
  if (pfn >= 0) return pfn;
  // What was freed may sit on per-cpu lists, or be held back.
  unreserve_highatomic_pageblock(k, ac, false);
  drain_all_pages(k, null);
  return yield* get_page_sleeping(k, gfp, order, alloc_flags, ac);
}

/** Whether reclaim could still bring about enough free pages. If not, all that was held back is given up. */
export function* should_reclaim_retry(
  k: Kernel,
  order: number,
  ac: alloc_context,
  alloc_flags: number,
  state: attempts,
): Sleeping<boolean> {
  if (state.did_some_progress > 0 && order <= PAGE_ALLOC_COSTLY_ORDER) state.no_progress_loops = 0;
  else state.no_progress_loops++;
  const enough = state.no_progress_loops <= MAX_RECLAIM_RETRIES && reclaim_would_do(k, order, ac, alloc_flags, state);
  if (state.no_progress_loops <= MAX_RECLAIM_RETRIES) yield* cond_resched(k);
  const unreserved = !enough && unreserve_highatomic_pageblock(k, ac, true);
  const again = enough || unreserved;
  if (explaining(k)) explain_reclaim_retry(k, state.no_progress_loops, unreserved, again);
  return again;
}

/** Whether a zone would have enough if all that can be reclaimed were free. */
function reclaim_would_do(k: Kernel, order: number, ac: alloc_context, alloc_flags: number, state: attempts): boolean {
  const { highest_zoneidx } = ac;
  for (const zone of for_each_zone_of(ac)) {
    const reclaimable = zone_reclaimable_pages(k, zone);
    const free = zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
    const available = reclaimable + free;
    const min_wmark = wmark_pages(zone, WMARK_MIN);
    const ok = __zone_watermark_ok(zone, order, min_wmark, highest_zoneidx, alloc_flags, available);
    const loops = state.no_progress_loops;
    if (k.trace.on) trace_reclaim_retry_zone(k, zone, order, reclaimable, available, min_wmark, loops, ok);
    if (explaining(k)) explain_reclaimable(k, zone, order, highest_zoneidx, alloc_flags, free, reclaimable, ok);
    if (ok) return true;
  }
  return false;
}

/** A part of what can be reclaimed counts, as not all of it should go for one block. */
function compaction_zonelist_suitable(k: Kernel, ac: alloc_context, order: number, alloc_flags: number): boolean {
  for (const zone of for_each_zone_of(ac)) {
    const reclaimable = Math.floor(zone_reclaimable_pages(k, zone) / order);
    const available = reclaimable + zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
    if (__compaction_suitable(zone, order, alloc_flags, ac.highest_zoneidx, available) === COMPACT_CONTINUE)
      return true;
  }
  return false;
}

/** Whether to reclaim and compact once more. */
export function should_compact_retry(
  k: Kernel,
  ac: alloc_context,
  order: number,
  alloc_flags: number,
  state: attempts,
): boolean {
  const again = compaction_might_help(k, ac, order, alloc_flags, state);
  const { compact_result, compaction_retries, compact_priority } = state;
  if (explaining(k)) explain_compact_retry(k, compact_result, compaction_retries, compact_priority, again);
  return again;
}

/** The same, and raises the priority (a lower number) where it takes that. */
function compaction_might_help(
  k: Kernel,
  ac: alloc_context,
  order: number,
  alloc_flags: number,
  state: attempts,
): boolean {
  const { compact_result, compact_priority, compaction_retries } = state;
  if (order === 0 || k.current.fatal_signal_pending) return false;
  const skipped = compact_result === COMPACT_SKIPPED;
  if (compact_result === COMPACT_SUCCESS) state.compaction_retries++;
  const costly = order > PAGE_ALLOC_COSTLY_ORDER;
  const gave_up =
    compact_result === COMPACT_COMPLETE ||
    compact_result === COMPACT_DEFERRED ||
    compact_result === COMPACT_CONTENDED ||
    compact_result === COMPACT_PARTIAL_SKIPPED;
  const max_retries = costly && !skipped && !gave_up ? MAX_COMPACT_RETRIES / 4 : MAX_COMPACT_RETRIES;
  let retry = true;
  if (skipped) retry = compaction_zonelist_suitable(k, ac, order, alloc_flags);
  else if (gave_up || state.compaction_retries > max_retries) retry = raise_compact_priority(state, costly);
  if (k.trace.on) {
    trace_compact_retry(k, order, compact_priority, compact_result, compaction_retries, max_retries, retry);
  }
  return retry;
}

/** @returns whether it could be */
function raise_compact_priority(state: attempts, costly: boolean): boolean {
  if (state.compact_priority <= (costly ? MIN_COMPACT_COSTLY_PRIORITY : MIN_COMPACT_PRIORITY)) return false;
  state.compact_priority--;
  state.compaction_retries = 0;
  return true;
}
