// When no zone has enough free pages (Linux: mm/page_alloc.c __alloc_pages_slowpath() and what it calls): the request
// digs into reserves as far as it may, has memory reclaimed and compacted, and at last someone killed.
//
// Reclaim, compaction and the OOM killer are calls through k.page_alloc.reclaim. Without it they come back empty-handed.
//
// Left out: cpusets, zonelists that change meanwhile, psi, sleeping.

import {
  __GFP_ATOMIC,
  __GFP_DIRECT_RECLAIM,
  __GFP_HARDWALL,
  __GFP_HIGH,
  __GFP_IO,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MEMALLOC,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
} from '../include/gfp_types.ts';
import {
  MIGRATE_MOVABLE,
  NR_FREE_PAGES,
  NR_ZONE_ACTIVE_FILE,
  NR_ZONE_INACTIVE_FILE,
  PAGE_ALLOC_COSTLY_ORDER,
  WMARK_MIN,
  ZONE_NORMAL,
} from '../include/mmzone.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import { COMPACTFAIL, COMPACTSTALL, COMPACTSUCCESS } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { panic, WARN_ONCE } from '../lib/bug.ts';
import { node_isset } from '../lib/nodemask.ts';
import { PF_DUMPCORE, PF_MEMALLOC } from '../sched/task.ts';
import { alloc_context } from './alloc_context.ts';
import { get_page_from_freelist } from './get_page.ts';
import { gfp_migratetype } from './gfp.ts';
import { unreserve_highatomic_pageblock } from './highatomic.ts';
import {
  ALLOC_CPUSET,
  ALLOC_HIGHATOMIC,
  ALLOC_KSWAPD,
  ALLOC_MIN_RESERVE,
  ALLOC_NO_WATERMARKS,
  ALLOC_NON_BLOCK,
  ALLOC_OOM,
  ALLOC_WMARK_HIGH,
  ALLOC_WMARK_MIN,
  COMPACT_DEFERRED,
  COMPACT_SKIPPED,
  DEF_COMPACT_PRIORITY,
  INIT_COMPACT_PRIORITY,
  MAX_RECLAIM_RETRIES,
} from './internal.ts';
import type { Zone } from './mmzone.ts';
import { drain_all_pages } from './pcp.ts';
import { first_zones_zonelist } from './prepare_alloc.ts';
import { __count_vm_events } from './vm_event.ts';
import { zone_page_state_snapshot } from './vmstat.ts';
import { warn_alloc } from './warn_alloc.ts';
import { __zone_watermark_ok } from './watermark_check.ts';

/** The zones that the request may use. */
function* for_each_zone_of(ac: alloc_context): Generator<Zone> {
  for (const zone of ac.zones) if (ac.nodemask === null || node_isset(zone.nid, ac.nodemask)) yield zone;
}

/** One wake-up for each node. */
function wake_all_kswapds(k: Kernel, order: number, gfp: gfp_t, ac: alloc_context): void {
  const { reclaim } = k.page_alloc;
  if (reclaim === null) return;
  let last_nid = -1;
  for (const zone of for_each_zone_of(ac)) {
    if (zone.managed_pages === 0 || zone.nid === last_nid) continue;
    reclaim.wakeup_kswapd(k, zone, gfp, order, ac.highest_zoneidx);
    last_nid = zone.nid;
  }
}

const gfp_to_alloc_flags_cma = (k: Kernel, gfp: gfp_t, alloc_flags: number): number =>
  gfp_migratetype(k, gfp) === MIGRATE_MOVABLE ? alloc_flags | k.page_alloc.alloc_cma : alloc_flags;

/** How deep into the reserves the request may go. */
export function gfp_to_alloc_flags(k: Kernel, gfp: gfp_t, order: number): number {
  let alloc_flags = ALLOC_WMARK_MIN | ALLOC_CPUSET;
  // __GFP_HIGH is ALLOC_MIN_RESERVE, __GFP_KSWAPD_RECLAIM is ALLOC_KSWAPD.
  alloc_flags |= gfp & (__GFP_HIGH | __GFP_KSWAPD_RECLAIM);
  if ((gfp & __GFP_DIRECT_RECLAIM) === 0) {
    if ((gfp & __GFP_NOMEMALLOC) === 0) {
      alloc_flags |= ALLOC_NON_BLOCK;
      if (order > 0 && (alloc_flags & ALLOC_MIN_RESERVE) !== 0) alloc_flags |= ALLOC_HIGHATOMIC;
    }
    if ((alloc_flags & ALLOC_MIN_RESERVE) !== 0) alloc_flags &= ~ALLOC_CPUSET;
  } else if (k.current.rt) {
    alloc_flags |= ALLOC_MIN_RESERVE;
  }
  return gfp_to_alloc_flags_cma(k, gfp, alloc_flags);
}

/** Whether watermarks do not hold for the request, or hold by half: it helps to free memory. */
function __gfp_pfmemalloc_flags(k: Kernel, gfp: gfp_t): number {
  if ((gfp & __GFP_NOMEMALLOC) !== 0) return 0;
  if ((gfp & __GFP_MEMALLOC) !== 0) return ALLOC_NO_WATERMARKS;
  if ((k.current.flags & PF_MEMALLOC) !== 0) return ALLOC_NO_WATERMARKS;
  return k.current.oom_victim ? ALLOC_OOM : 0;
}

/** Linux: gfp_compaction_allowed(): compaction migrates pages, which may mean to write them. */
const gfp_compaction_allowed = (gfp: gfp_t): boolean => (gfp & __GFP_IO) !== 0;

/** Runs `what` as one who frees memory: what it allocates itself ignores watermarks. */
function memalloc_noreclaim<T>(k: Kernel, what: () => T): T {
  const saved = k.current.flags & PF_MEMALLOC;
  k.current.flags |= PF_MEMALLOC;
  const result = what();
  k.current.flags = (k.current.flags & ~PF_MEMALLOC) | saved;
  return result;
}

/** What the attempts of one request have come to. */
class attempts {
  did_some_progress = 0;
  compact_result = COMPACT_SKIPPED;
  compact_priority = DEF_COMPACT_PRIORITY;
  no_progress_loops = 0;
}

function __alloc_pages_direct_compact(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  alloc_flags: number,
  ac: alloc_context,
  prio: number,
  state: attempts,
): pfn_t {
  const { reclaim } = k.page_alloc;
  if (order === 0) return -1;
  state.compact_result =
    reclaim === null
      ? COMPACT_SKIPPED
      : memalloc_noreclaim(k, () => reclaim.try_to_compact_pages(k, gfp, order, alloc_flags, ac, prio));
  if (state.compact_result === COMPACT_SKIPPED) return -1;
  __count_vm_events(k, COMPACTSTALL, 1);
  const pfn = get_page_from_freelist(k, gfp, order, alloc_flags, ac);
  __count_vm_events(k, pfn >= 0 ? COMPACTSUCCESS : COMPACTFAIL, 1);
  return pfn;
}

function __alloc_pages_direct_reclaim(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  alloc_flags: number,
  ac: alloc_context,
  state: attempts,
): pfn_t {
  const { reclaim } = k.page_alloc;
  state.did_some_progress =
    reclaim === null ? 0 : memalloc_noreclaim(k, () => reclaim.try_to_free_pages(k, ac, order, gfp));
  if (state.did_some_progress === 0) return -1;
  const pfn = get_page_from_freelist(k, gfp, order, alloc_flags, ac);
  if (pfn >= 0) return pfn;
  // What was freed may sit on per-cpu lists, or be held back.
  unreserve_highatomic_pageblock(k, ac, false);
  drain_all_pages(k, null);
  return get_page_from_freelist(k, gfp, order, alloc_flags, ac);
}

/** Without swap only the file cache can be reclaimed. A zone without any is judged by what is free. */
function zone_reclaimable_pages(k: Kernel, zone: Zone): number {
  const file =
    zone_page_state_snapshot(k, zone, NR_ZONE_INACTIVE_FILE) + zone_page_state_snapshot(k, zone, NR_ZONE_ACTIVE_FILE);
  return file > 0 ? file : zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
}

/** Whether reclaim could still bring about enough free pages. If not, all that was held back is given up. */
function should_reclaim_retry(
  k: Kernel,
  order: number,
  ac: alloc_context,
  alloc_flags: number,
  state: attempts,
): boolean {
  if (state.did_some_progress > 0 && order <= PAGE_ALLOC_COSTLY_ORDER) state.no_progress_loops = 0;
  else state.no_progress_loops++;
  if (state.no_progress_loops <= MAX_RECLAIM_RETRIES) {
    for (const zone of for_each_zone_of(ac)) {
      const available = zone_reclaimable_pages(k, zone) + zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
      const min_wmark = zone._watermark(WMARK_MIN) + zone.watermark_boost;
      if (__zone_watermark_ok(zone, order, min_wmark, ac.highest_zoneidx, alloc_flags, available)) return true;
    }
  }
  return unreserve_highatomic_pageblock(k, ac, true);
}

/** The OOM killer, where killing someone would help this request. */
function __alloc_pages_may_oom(k: Kernel, gfp: gfp_t, order: number, ac: alloc_context, state: attempts): pfn_t {
  state.did_some_progress = 0;
  const last = (gfp | __GFP_HARDWALL) & ~__GFP_DIRECT_RECLAIM;
  const pfn = get_page_from_freelist(k, last, order, ALLOC_WMARK_HIGH | ALLOC_CPUSET, ac);
  if (pfn >= 0) return pfn;
  if ((k.current.flags & PF_DUMPCORE) !== 0 || order > PAGE_ALLOC_COSTLY_ORDER) return -1;
  if ((gfp & (__GFP_RETRY_MAYFAIL | __GFP_THISNODE)) !== 0 || ac.highest_zoneidx < ZONE_NORMAL) return -1;
  const nofail = (gfp & __GFP_NOFAIL) !== 0;
  if (k.page_alloc.reclaim?.out_of_memory(k, ac, gfp, order) !== true) return -1;
  state.did_some_progress = 1;
  return nofail ? get_page_from_freelist(k, gfp, order, ALLOC_NO_WATERMARKS | ALLOC_CPUSET, ac) : -1;
}

/** A request that must not fail, though nothing is left to try. */
function retry_nofail(k: Kernel, gfp: gfp_t, order: number, ac: alloc_context): pfn_t {
  if ((gfp & __GFP_NOWARN) === 0) {
    WARN_ONCE(k, (k.current.flags & PF_MEMALLOC) !== 0, 'mm/page_alloc.c:5375 __alloc_pages_slowpath');
    WARN_ONCE(k, order > PAGE_ALLOC_COSTLY_ORDER, 'mm/page_alloc.c:5383 __alloc_pages_slowpath');
  }
  const pfn = get_page_from_freelist(k, gfp, order, ALLOC_MIN_RESERVE | ALLOC_CPUSET, ac);
  // Differs from Linux, which goes on for ever: with no one to free memory, nothing can change.
  if (pfn < 0 && k.page_alloc.reclaim === null) panic(k, 'System is deadlocked on memory');
  return pfn;
}

/**
 * @param fast the context of the first attempt; another request may use it next
 * @returns the first page, or -1
 */
export function __alloc_pages_slowpath(k: Kernel, gfp: gfp_t, order: number, fast: alloc_context): pfn_t {
  const ac = new alloc_context();
  Object.assign(ac, fast);
  ac.spread_dirty_pages = false;
  const can_direct_reclaim = (gfp & __GFP_DIRECT_RECLAIM) !== 0;
  const can_compact = gfp_compaction_allowed(gfp);
  const costly_order = order > PAGE_ALLOC_COSTLY_ORDER;
  const state = new attempts();

  if (can_direct_reclaim && (gfp & __GFP_ATOMIC) !== 0) {
    WARN_ONCE(k, true, 'mm/page_alloc.c:5118 __alloc_pages_slowpath');
    gfp &= ~__GFP_ATOMIC;
  }
  let alloc_flags = gfp_to_alloc_flags(k, gfp, order);
  first_zones_zonelist(ac);
  let pfn = -1;
  let nopage = ac.preferred >= ac.zones.length;
  if (!nopage) {
    if ((alloc_flags & ALLOC_KSWAPD) !== 0) wake_all_kswapds(k, order, gfp, ac);
    pfn = get_page_from_freelist(k, gfp, order, alloc_flags, ac);
    if (pfn >= 0) return pfn;

    // For large blocks there is likely enough memory, but scattered.
    const compact_first = costly_order || (order > 0 && ac.migratetype !== MIGRATE_MOVABLE);
    if (can_direct_reclaim && can_compact && compact_first && __gfp_pfmemalloc_flags(k, gfp) === 0) {
      pfn = __alloc_pages_direct_compact(k, gfp, order, alloc_flags, ac, INIT_COMPACT_PRIORITY, state);
      if (pfn >= 0) return pfn;
      if (costly_order && (gfp & __GFP_NORETRY) !== 0) {
        const hopeless = state.compact_result === COMPACT_SKIPPED || state.compact_result === COMPACT_DEFERRED;
        nopage = hopeless || (gfp & __GFP_THISNODE) !== 0;
        state.compact_priority = INIT_COMPACT_PRIORITY;
      }
    }
  }

  for (;;) {
    while (!nopage) {
      if ((alloc_flags & ALLOC_KSWAPD) !== 0) wake_all_kswapds(k, order, gfp, ac);
      const reserve_flags = __gfp_pfmemalloc_flags(k, gfp);
      if (reserve_flags !== 0) {
        alloc_flags = gfp_to_alloc_flags_cma(k, gfp, reserve_flags) | (alloc_flags & ALLOC_KSWAPD);
      }
      // The system's own urgent needs go before the wishes of users.
      if ((alloc_flags & ALLOC_CPUSET) === 0 || reserve_flags !== 0) {
        ac.nodemask = null;
        first_zones_zonelist(ac);
      }
      pfn = get_page_from_freelist(k, gfp, order, alloc_flags, ac);
      if (pfn >= 0) return pfn;
      if (!can_direct_reclaim || (k.current.flags & PF_MEMALLOC) !== 0) break;

      pfn = __alloc_pages_direct_reclaim(k, gfp, order, alloc_flags, ac, state);
      if (pfn >= 0) return pfn;
      pfn = __alloc_pages_direct_compact(k, gfp, order, alloc_flags, ac, state.compact_priority, state);
      if (pfn >= 0) return pfn;
      if ((gfp & __GFP_NORETRY) !== 0) break;
      if (costly_order && (!can_compact || (gfp & __GFP_RETRY_MAYFAIL) === 0)) break;
      if (should_reclaim_retry(k, order, ac, alloc_flags, state)) continue;

      pfn = __alloc_pages_may_oom(k, gfp, order, ac, state);
      if (pfn >= 0) return pfn;
      const spent = (alloc_flags & ALLOC_OOM) !== 0 || (gfp & __GFP_NOMEMALLOC) !== 0;
      if (k.current.oom_victim && spent) break;
      if (state.did_some_progress === 0) break;
      state.no_progress_loops = 0;
    }
    if ((gfp & __GFP_NOFAIL) === 0) break;
    if (!can_direct_reclaim) {
      WARN_ONCE(k, (gfp & __GFP_NOWARN) === 0, 'mm/page_alloc.c:5367 __alloc_pages_slowpath');
      break;
    }
    pfn = retry_nofail(k, gfp, order, ac);
    if (pfn >= 0) return pfn;
    nopage = false;
  }
  warn_alloc(k, gfp, ac.nodemask, `page allocation failure: order:${order}`);
  return -1;
}
