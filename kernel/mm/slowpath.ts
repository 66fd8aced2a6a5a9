// When no zone has enough free pages (Linux: mm/page_alloc.c __alloc_pages_slowpath() and what it calls): the request
// digs into reserves as far as it may, has memory reclaimed and compacted (direct_reclaim.ts), and at last someone killed.
//
// It may sleep, whoever is current. Left out: suspended storage.

import { check_retry_cpuset, cpusets_insane_config, read_mems_allowed_begin } from '../cgroup/cpuset.ts';
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
import { MIGRATE_MOVABLE, PAGE_ALLOC_COSTLY_ORDER, ZONE_NORMAL } from '../include/mmzone.ts';
import { PF_DUMPCORE, PF_MEMALLOC } from '../include/sched.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { panic, WARN_ONCE } from '../lib/bug.ts';
import { cond_resched } from '../sched/core.ts';
import { mutex_trylock, mutex_unlock } from '../sched/mutex.ts';
import { in_interrupt, in_serving_softirq, in_task } from '../sched/preempt.ts';
import { answer_of, type Sleeping } from '../sched/sleeping.ts';
import { schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import { explain, explain_call, explain_give_up, explaining } from '../trace/explain.ts';
import type { GiveUp } from '../trace/explain_step.ts';
import { alloc_context } from './alloc_context.ts';
import {
  __alloc_pages_direct_compact,
  __alloc_pages_direct_reclaim,
  attempts,
  for_each_zone_of,
  should_compact_retry,
  should_reclaim_retry,
} from './direct_reclaim.ts';
import { get_page_sleeping } from './get_page.ts';
import { gfp_migratetype } from './gfp.ts';
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
  INIT_COMPACT_PRIORITY,
} from './internal.ts';
import { first_zone_of, first_zones_zonelist, zones_of } from './prepare_alloc.ts';
import { warn_alloc } from './warn_alloc.ts';

// What an attempt can come to when it is not a page.
/** It is over. */
const NOPAGE = -1;
/** From the start, as nodes or zonelists have changed under the request. */
const RESTART = -2;
/** Once more. */
const RETRY = -3;

/** One request. */
class slow_request {
  readonly gfp: gfp_t;
  readonly order: number;
  readonly ac: alloc_context;
  alloc_flags = 0;
  readonly state = new attempts();
  readonly can_direct_reclaim: boolean;
  readonly costly_order: boolean;
  readonly can_compact: boolean;
  readonly cpuset_mems_cookie: number;
  readonly zonelist_iter_cookie: number;

  constructor(k: Kernel, gfp: gfp_t, order: number, ac: alloc_context) {
    this.gfp = gfp;
    this.order = order;
    this.ac = ac;
    this.can_direct_reclaim = (gfp & __GFP_DIRECT_RECLAIM) !== 0;
    this.costly_order = order > PAGE_ALLOC_COSTLY_ORDER;
    // Compaction migrates pages, which may mean to write them.
    this.can_compact = (gfp & __GFP_IO) !== 0;
    this.cpuset_mems_cookie = read_mems_allowed_begin(k);
    this.zonelist_iter_cookie = k.zonelists.zonelist_update_seq;
  }
}

function give_up(k: Kernel, why: GiveUp): typeof NOPAGE {
  if (explaining(k)) explain_give_up(k, 'give_up', why);
  return NOPAGE;
}

/** One wake-up for each node. */
function wake_all_kswapds(k: Kernel, order: number, gfp: gfp_t, ac: alloc_context): void {
  const { reclaim } = k.page_alloc;
  if (explaining(k)) explain_call(k, 'kswapd');
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
  } else if (k.current.rt && in_task(k)) {
    alloc_flags |= ALLOC_MIN_RESERVE;
  }
  return gfp_to_alloc_flags_cma(k, gfp, alloc_flags);
}

/** Whether watermarks do not hold for the request, or hold by half: it helps to free memory. */
function __gfp_pfmemalloc_flags(k: Kernel, gfp: gfp_t): number {
  if ((gfp & __GFP_NOMEMALLOC) !== 0) return 0;
  if ((gfp & __GFP_MEMALLOC) !== 0) return ALLOC_NO_WATERMARKS;
  const memalloc = (k.current.flags & PF_MEMALLOC) !== 0;
  if (in_serving_softirq(k) && memalloc) return ALLOC_NO_WATERMARKS;
  if (in_interrupt(k)) return 0;
  if (memalloc) return ALLOC_NO_WATERMARKS;
  return k.current.oom_victim ? ALLOC_OOM : 0;
}

/** Whether the search failed for no other reason than that nodes or zonelists changed under it. */
const changed_meanwhile = (k: Kernel, r: slow_request): boolean =>
  check_retry_cpuset(k, r.cpuset_mems_cookie, r.ac) || k.zonelists.zonelist_update_seq !== r.zonelist_iter_cookie;

/** Linux: WARN_ON_ONCE_GFP(). */
const warn_once_gfp = (k: Kernel, condition: boolean, gfp: gfp_t, where: string): boolean =>
  condition && ((gfp & __GFP_NOWARN) !== 0 || WARN_ONCE(k, true, `mm/page_alloc.c:${where}`));

/** First from the nodes of the cpuset, then from any. */
function* __alloc_pages_cpuset_fallback(k: Kernel, r: slow_request, alloc_flags: number): Sleeping<pfn_t> {
  const pfn = yield* get_page_sleeping(k, r.gfp, r.order, alloc_flags | ALLOC_CPUSET, r.ac);
  return pfn >= 0 ? pfn : yield* get_page_sleeping(k, r.gfp, r.order, alloc_flags, r.ac);
}

/** Why nobody is killed for the request: it would not help, or the caller has another way. */
function no_oom(k: Kernel, { gfp, ac, costly_order }: slow_request): GiveUp | null {
  if ((k.current.flags & PF_DUMPCORE) !== 0) return 'dumpcore';
  if (costly_order) return 'costly';
  if ((gfp & __GFP_RETRY_MAYFAIL) !== 0) return 'retry_mayfail';
  if (ac.highest_zoneidx < ZONE_NORMAL) return 'lowmem';
  return (gfp & __GFP_THISNODE) !== 0 ? 'thisnode' : null;
}

/** The OOM killer, where killing someone would help this request. */
function* __alloc_pages_may_oom(k: Kernel, r: slow_request): Sleeping<pfn_t> {
  const { oom_lock } = k.page_alloc;
  r.state.did_some_progress = 0;
  // Somebody else is at it, which will help this request as well.
  if (!mutex_trylock(k, oom_lock)) {
    r.state.did_some_progress = 1;
    yield* schedule_timeout_uninterruptible(k, 1);
    return NOPAGE;
  }
  const pfn = yield* oom_locked(k, r);
  mutex_unlock(k, oom_lock);
  return pfn;
}

/** Context: oom_lock is held. */
function* oom_locked(k: Kernel, r: slow_request): Sleeping<pfn_t> {
  const { gfp, order, ac, state } = r;
  const last = (gfp | __GFP_HARDWALL) & ~__GFP_DIRECT_RECLAIM;
  const pfn = yield* get_page_sleeping(k, last, order, ALLOC_WMARK_HIGH | ALLOC_CPUSET, ac);
  if (pfn >= 0) return pfn;
  const why = no_oom(k, r);
  if (why !== null) {
    if (explaining(k)) explain_give_up(k, 'no_oom', why);
    return NOPAGE;
  }
  const nofail = (gfp & __GFP_NOFAIL) !== 0;
  if (explaining(k)) explain_call(k, 'oom');
  const killed = yield* answer_of(k.page_alloc.reclaim?.out_of_memory(k, ac, gfp, order) ?? false);
  if (!killed && !warn_once_gfp(k, nofail, gfp, '4526 __alloc_pages_may_oom')) return NOPAGE;
  state.did_some_progress = 1;
  return nofail ? yield* __alloc_pages_cpuset_fallback(k, r, ALLOC_NO_WATERMARKS) : NOPAGE;
}

/** The first attempt with all the flags that the request is entitled to. */
function* first_attempt(k: Kernel, r: slow_request): Sleeping<pfn_t> {
  const { gfp, order, ac, state } = r;
  r.alloc_flags = gfp_to_alloc_flags(k, gfp, order);
  if (explaining(k)) explain(k, { code: 'slowpath', gfp, alloc_flags: r.alloc_flags });
  ac.zones = zones_of(k, ac);
  first_zones_zonelist(ac);
  if (ac.preferred >= ac.zones.length) return give_up(k, 'no_zones');
  if (cpusets_insane_config(k) && (gfp & __GFP_HARDWALL) !== 0) {
    if (first_zone_of(ac.zones, k.current.mems_allowed) >= ac.zones.length) return give_up(k, 'no_zones');
  }
  if ((r.alloc_flags & ALLOC_KSWAPD) !== 0) wake_all_kswapds(k, order, gfp, ac);
  const pfn = yield* get_page_sleeping(k, gfp, order, r.alloc_flags, ac);
  if (pfn >= 0) return pfn;

  // For large blocks there is likely enough memory, but scattered.
  const compact_first = r.costly_order || (order > 0 && ac.migratetype !== MIGRATE_MOVABLE);
  if (!r.can_direct_reclaim || !r.can_compact || !compact_first || __gfp_pfmemalloc_flags(k, gfp) !== 0) return RETRY;
  const compacted = yield* __alloc_pages_direct_compact(k, gfp, order, r.alloc_flags, ac, INIT_COMPACT_PRIORITY, state);
  if (compacted >= 0) return compacted;
  if (r.costly_order && (gfp & __GFP_NORETRY) !== 0) {
    if (state.compact_result === COMPACT_SKIPPED || state.compact_result === COMPACT_DEFERRED) {
      return give_up(k, 'costly_compaction');
    }
    if ((gfp & __GFP_THISNODE) !== 0) return give_up(k, 'thisnode');
    state.compact_priority = INIT_COMPACT_PRIORITY;
  }
  return RETRY;
}

/** One round of reclaim, compaction and killing. */
function* next_attempt(k: Kernel, r: slow_request): Sleeping<pfn_t> {
  const { gfp, order, ac, state } = r;
  if (changed_meanwhile(k, r)) return RESTART;
  if ((r.alloc_flags & ALLOC_KSWAPD) !== 0) wake_all_kswapds(k, order, gfp, ac);
  const reserve_flags = __gfp_pfmemalloc_flags(k, gfp);
  if (reserve_flags !== 0) {
    r.alloc_flags = gfp_to_alloc_flags_cma(k, gfp, reserve_flags) | (r.alloc_flags & ALLOC_KSWAPD);
  }
  // The system's own urgent needs go before the wishes of users.
  if ((r.alloc_flags & ALLOC_CPUSET) === 0 || reserve_flags !== 0) {
    ac.nodemask = null;
    first_zones_zonelist(ac);
  }
  let pfn = yield* get_page_sleeping(k, gfp, order, r.alloc_flags, ac);
  if (pfn >= 0) return pfn;
  if (!r.can_direct_reclaim) return give_up(k, 'no_direct_reclaim');
  if ((k.current.flags & PF_MEMALLOC) !== 0) return give_up(k, 'memalloc');

  pfn = yield* __alloc_pages_direct_reclaim(k, gfp, order, r.alloc_flags, ac, state);
  if (pfn >= 0) return pfn;
  pfn = yield* __alloc_pages_direct_compact(k, gfp, order, r.alloc_flags, ac, state.compact_priority, state);
  if (pfn >= 0) return pfn;
  if ((gfp & __GFP_NORETRY) !== 0) return give_up(k, 'noretry');
  if (r.costly_order && (!r.can_compact || (gfp & __GFP_RETRY_MAYFAIL) === 0)) return give_up(k, 'costly');
  if (yield* should_reclaim_retry(k, order, ac, r.alloc_flags, state)) return RETRY;
  if (state.did_some_progress > 0 && r.can_compact && should_compact_retry(k, ac, order, r.alloc_flags, state)) {
    return RETRY;
  }
  if (changed_meanwhile(k, r)) return RESTART;

  pfn = yield* __alloc_pages_may_oom(k, r);
  if (pfn >= 0) return pfn;
  const spent = (r.alloc_flags & ALLOC_OOM) !== 0 || (gfp & __GFP_NOMEMALLOC) !== 0;
  if (k.current.oom_victim && spent) return NOPAGE;
  if (state.did_some_progress === 0) return give_up(k, 'no_progress');
  state.no_progress_loops = 0;
  return k.page_alloc.reclaim === null ? NOPAGE : RETRY;
}

/** A request that must not fail, though nothing is left to try. */
function* retry_nofail(k: Kernel, r: slow_request): Sleeping<pfn_t> {
  const { gfp } = r;
  warn_once_gfp(k, (k.current.flags & PF_MEMALLOC) !== 0, gfp, '5375 __alloc_pages_slowpath');
  warn_once_gfp(k, r.costly_order, gfp, '5383 __alloc_pages_slowpath');
  if (explaining(k)) explain(k, { code: 'nofail' });
  const pfn = yield* __alloc_pages_cpuset_fallback(k, r, ALLOC_MIN_RESERVE);
  if (pfn >= 0) return pfn;
  // Differs from Linux, which goes on for ever: with no one to free memory, nothing can change.
  if (k.page_alloc.reclaim === null) panic(k, 'System is deadlocked on memory');
  yield* cond_resched(k);
  return RETRY;
}

/** All that is tried with one view of nodes and zonelists. */
function* attempt(k: Kernel, r: slow_request): Sleeping<pfn_t> {
  let result = yield* first_attempt(k, r);
  for (;;) {
    while (result === RETRY) result = yield* next_attempt(k, r);
    if (result !== NOPAGE) return result;
    if (changed_meanwhile(k, r)) return RESTART;
    if ((r.gfp & __GFP_NOFAIL) === 0) return NOPAGE;
    if (warn_once_gfp(k, !r.can_direct_reclaim, r.gfp, '5367 __alloc_pages_slowpath')) return NOPAGE;
    result = yield* retry_nofail(k, r);
  }
}

/**
 * @param fast the context of the first attempt; another request may use it next
 * @returns the first page, or -1
 */
export function* __alloc_pages_slowpath(k: Kernel, gfp: gfp_t, order: number, fast: alloc_context): Sleeping<pfn_t> {
  const ac = new alloc_context();
  Object.assign(ac, fast);
  ac.spread_dirty_pages = false;
  const both = __GFP_ATOMIC | __GFP_DIRECT_RECLAIM;
  if (WARN_ONCE(k, (gfp & both) === both, 'mm/page_alloc.c:5118 __alloc_pages_slowpath')) gfp &= ~__GFP_ATOMIC;
  let pfn: pfn_t;
  for (;;) {
    pfn = yield* attempt(k, new slow_request(k, gfp, order, ac));
    if (pfn !== RESTART) break;
    if (explaining(k)) explain(k, { code: 'restart' });
  }
  if (pfn < 0) warn_alloc(k, gfp, ac.nodemask, `page allocation failure: order:${order}`);
  return pfn;
}
