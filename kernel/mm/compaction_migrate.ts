// Compaction's migrate scanner: from the start of a zone on, pages that can be moved are taken off the LRU lists (Linux:
// mm/compaction.c isolate_migratepages_block(), isolate_migratepages_range(), isolate_migratepages(),
// fast_find_migrateblock()).
//
// Left out: pages of hugetlb, movable pages of drivers, locks (nothing sleeps under them, so nobody contends).

import { __GFP_FS } from '../include/gfp_types.ts';
import { ISOLATE_ASYNC_MIGRATE, ISOLATE_UNEVICTABLE, MIGRATE_ASYNC, MIGRATE_SYNC } from '../include/migrate_mode.ts';
import { PG_FLAGS, PG_MAPCOUNT, PG_PRIVATE, PG_REFCOUNT } from '../include/mm_types.ts';
import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_MOVABLE,
  NR_ACTIVE_ANON,
  NR_ACTIVE_FILE,
  NR_INACTIVE_ANON,
  NR_INACTIVE_FILE,
  NR_ISOLATED_ANON,
  PAGE_ALLOC_COSTLY_ORDER,
  pageblock_nr_pages,
} from '../include/mmzone.ts';
import {
  PG_dirty,
  PG_locked,
  PG_lru,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
  PG_writeback,
} from '../include/page_flags.ts';
import { EAGAIN, EINTR, type pfn_t } from '../include/types.ts';
import { COMPACTISOLATED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { waitqueue_active, wake_up } from '../sched/wait.ts';
import { trace_mm_compaction_isolate_migratepages } from '../trace/events/compaction.ts';
import { COMPACT_CLUSTER_MAX, type compact_control } from './compact_control.ts';
import {
  is_compound,
  isolation_suitable,
  order_of_head,
  pageblock_pfn_to_page,
  pageblock_skip_persistent,
  test_and_set_skip,
  update_cached_migrate,
} from './compaction_skip.ts';
import { free_area_rotate, get_page_from_free_area, next_free_page, nr_free } from './free_list.ts';
import { node_reclaim_state, VMSCAN_THROTTLE_ISOLATED } from './kswapd_state.ts';
import { lruvec_del_folio, lruvec_of } from './lruvec.ts';
import { count_isolated, putback_movable_pages } from './migrate.ts';
import { has_file_mapping } from './migrate_folio.ts';
import type { PgData } from './mmzone.ts';
import { is_buddy, page_index, section_map } from './page.ts';
import {
  get_pageblock_migratetype,
  get_pageblock_skip,
  pageblock_end_pfn,
  pageblock_start_pfn,
  set_pageblock_skip,
} from './pageblock.ts';
import { reclaim_throttle } from './throttle.ts';
import { __count_vm_events } from './vm_event.ts';
import { node_page_state_pages } from './vmstat.ts';

/** What it costs to look at 32 pages. */
const SCAN_NS = 200;

export const is_migrate_movable = (mt: number): boolean => mt === MIGRATE_MOVABLE || mt === MIGRATE_CMA;
export const block_start_pfn = (pfn: pfn_t, order: number): pfn_t => pfn - (pfn % 2 ** order);
export const block_end_pfn = (pfn: pfn_t, order: number): pfn_t => block_start_pfn(pfn, order) + 2 ** order;

/** Half of all that could be on the lists is off them. If not, those who wait for that go on. */
function too_many_isolated(k: Kernel, pgdat: PgData): boolean {
  const state = (item: number): number => node_page_state_pages(pgdat, item);
  const inactive = state(NR_INACTIVE_FILE) + state(NR_INACTIVE_ANON);
  const active = state(NR_ACTIVE_FILE) + state(NR_ACTIVE_ANON);
  const isolated = state(NR_ISOLATED_ANON + 1) + state(NR_ISOLATED_ANON);
  if (isolated > Math.floor((inactive + active) / 2)) return true;
  const waiting = node_reclaim_state(k, pgdat).reclaim_wait[VMSCAN_THROTTLE_ISOLATED]!;
  if (waitqueue_active(waiting)) wake_up(k, waiting);
  return false;
}

/** How far the scan of one pageblock has come. */
class block_scan {
  low_pfn: pfn_t;
  readonly end_pfn: pfn_t;
  readonly mode: number;
  nr_scanned = 0;
  nr_isolated = 0;
  /** Its first page, if the scan began there. */
  valid_page: pfn_t = -1;
  /** A page of it has been isolated. */
  skip_updated = false;
  /** Blocks of the wanted order from which not everything can be moved are not worth it. */
  readonly skip_on_failure: boolean;
  next_skip_pfn: pfn_t = 0;
  /** Others have been let run here. */
  paused_at: pfn_t = -1;

  constructor(cc: compact_control, low_pfn: pfn_t, end_pfn: pfn_t, mode: number) {
    this.low_pfn = low_pfn;
    this.end_pfn = end_pfn;
    this.mode = mode;
    this.skip_on_failure = cc.direct_compaction && cc.mode === MIGRATE_ASYNC;
    if (this.skip_on_failure) this.next_skip_pfn = block_end_pfn(low_pfn, cc.order);
  }
}

/** Whether a page on an LRU list, whose words begin at m[i], can likely be moved the way that is asked for. */
function can_be_isolated(cc: compact_control, m: Int32Array, i: number, mode: number): boolean {
  const flags = m[i + PG_FLAGS]!;
  const refcount = m[i + PG_REFCOUNT]!;
  if (refcount === 0) return false;
  const has_mapping =
    (flags & ((1 << PG_swapcache) | (1 << PG_swapbacked))) === ((1 << PG_swapcache) | (1 << PG_swapbacked)) ||
    has_file_mapping(m, i);
  // Held by others than page tables, and anonymous: then it stays.
  if (!has_mapping && refcount > m[i + PG_MAPCOUNT]! + 1) return false;
  if (has_mapping && (cc.gfp_mask & __GFP_FS) === 0) return false;
  if ((mode & ISOLATE_UNEVICTABLE) === 0 && (flags & (1 << PG_unevictable)) !== 0) return false;
  if ((mode & ISOLATE_ASYNC_MIGRATE) === 0) return true;
  if ((flags & (1 << PG_writeback)) !== 0) return false;
  // Whose file it is could be changing.
  return (flags & (1 << PG_dirty)) === 0 || (flags & (1 << PG_locked)) === 0;
}

/**
 * Goes on with a pageblock, to its end, or to where enough is isolated or others should run.
 * @returns whether the scan is over
 */
function scan_block(k: Kernel, cc: compact_control, s: block_scan): boolean {
  const m = section_map(k.mm, s.low_pfn);
  const { end_pfn, mode, skip_on_failure } = s;
  let low_pfn = s.low_pfn;
  let over = true;
  for (; low_pfn < end_pfn; low_pfn++) {
    if (skip_on_failure && low_pfn >= s.next_skip_pfn) {
      if (s.nr_isolated > 0) break;
      s.next_skip_pfn = block_end_pfn(low_pfn, cc.order);
    }
    if (low_pfn % COMPACT_CLUSTER_MAX === 0 && low_pfn !== s.paused_at) {
      charge(k, SCAN_NS);
      if (k.current.fatal_signal_pending || should_resched(k)) {
        over = false;
        break;
      }
    }
    s.nr_scanned++;
    if (s.valid_page < 0 && low_pfn % pageblock_nr_pages === 0) {
      if (!isolation_suitable(k, cc, low_pfn)) {
        low_pfn = end_pfn;
        break;
      }
      s.valid_page = low_pfn;
    }
    const i = page_index(low_pfn);
    if (is_buddy(m, i)) {
      const order = m[i + PG_PRIVATE]!;
      if (order > 0 && order < MAX_ORDER) low_pfn += (1 << order) - 1;
      continue;
    }
    let isolated = false;
    if (is_compound(m, i) && !cc.alloc_contig) {
      const order = order_of_head(m, i);
      if (order < MAX_ORDER) low_pfn += (1 << order) - 1;
    } else if ((m[i + PG_FLAGS]! & (1 << PG_lru)) !== 0 && can_be_isolated(cc, m, i, mode)) {
      if (!s.skip_updated) {
        s.skip_updated = true;
        // Somebody else is at it.
        if (test_and_set_skip(k, cc, low_pfn)) break;
      }
      m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~(1 << PG_lru);
      m[i + PG_REFCOUNT] = m[i + PG_REFCOUNT]! + 1;
      lruvec_del_folio(k, lruvec_of(k, m, i), low_pfn);
      count_isolated(k, low_pfn, 1);
      isolated = true;
    }
    if (isolated) {
      cc.migratepages.push(low_pfn);
      cc.nr_migratepages++;
      s.nr_isolated++;
      if (cc.nr_migratepages >= COMPACT_CLUSTER_MAX && !cc.rescan && !cc.contended) {
        low_pfn++;
        break;
      }
    } else if (skip_on_failure) {
      low_pfn = give_up_block(k, cc, s, low_pfn);
    }
  }
  s.low_pfn = low_pfn;
  return over;
}

/** One page of a block of the wanted order stays: so may the others. @returns the last page to be skipped */
function give_up_block(k: Kernel, cc: compact_control, s: block_scan, low_pfn: pfn_t): pfn_t {
  if (s.nr_isolated > 0) {
    putback_movable_pages(k, cc.migratepages);
    cc.nr_migratepages = 0;
    s.nr_isolated = 0;
  }
  if (low_pfn >= s.next_skip_pfn) return low_pfn;
  const last = s.next_skip_pfn - 1;
  s.next_skip_pfn += 2 ** cc.order;
  return last;
}

/**
 * Isolates what can be moved of [low_pfn, end_pfn), within one pageblock. cc.migrate_pfn is where to go on.
 * @returns 0; -EAGAIN: too much is isolated; -EINTR: the task has to die
 */
function* isolate_migratepages_block(
  k: Kernel,
  cc: compact_control,
  low_pfn: pfn_t,
  end_pfn: pfn_t,
  mode: number,
): Sleeping<number> {
  const pgdat = k.node_data[cc.zone.nid]!;
  cc.migrate_pfn = low_pfn;
  while (too_many_isolated(k, pgdat)) {
    if (cc.nr_migratepages > 0 || cc.mode === MIGRATE_ASYNC) return -EAGAIN;
    yield* reclaim_throttle(k, pgdat, VMSCAN_THROTTLE_ISOLATED);
    if (k.current.fatal_signal_pending) return -EINTR;
  }
  if (should_resched(k)) yield* cond_resched(k);

  const s = new block_scan(cc, low_pfn, end_pfn, mode);
  let ret = 0;
  while (!scan_block(k, cc, s)) {
    if (k.current.fatal_signal_pending) {
      cc.contended = true;
      ret = -EINTR;
      break;
    }
    yield* cond_resched(k);
    s.paused_at = s.low_pfn;
  }
  if (ret === 0) {
    s.low_pfn = Math.min(s.low_pfn, end_pfn);
    if (s.low_pfn === end_pfn && (s.nr_isolated === 0 || cc.rescan)) {
      if (s.valid_page >= 0 && !s.skip_updated) set_pageblock_skip(k, s.valid_page);
      update_cached_migrate(cc, s.low_pfn);
    }
    if (k.trace.on) trace_mm_compaction_isolate_migratepages(k, low_pfn, s.low_pfn, s.nr_scanned, s.nr_isolated);
  }
  cc.total_migrate_scanned += s.nr_scanned;
  if (s.nr_isolated > 0) __count_vm_events(k, COMPACTISOLATED, s.nr_isolated);
  cc.migrate_pfn = s.low_pfn;
  return ret;
}

/** The same of [start_pfn, end_pfn), unevictable pages too, until there are 32. */
export function* isolate_migratepages_range(
  k: Kernel,
  cc: compact_control,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
): Sleeping<number> {
  let pfn = start_pfn;
  let block_start = Math.max(pageblock_start_pfn(pfn), cc.zone.zone_start_pfn);
  let block_end = pageblock_end_pfn(pfn);
  while (pfn < end_pfn) {
    block_end = Math.min(block_end, end_pfn);
    if (pageblock_pfn_to_page(k, block_start, block_end, cc.zone) >= 0) {
      const ret = yield* isolate_migratepages_block(k, cc, pfn, block_end, ISOLATE_UNEVICTABLE);
      if (ret !== 0) return ret;
      if (cc.nr_migratepages >= COMPACT_CLUSTER_MAX) break;
    }
    pfn = block_end;
    block_start = block_end;
    block_end += pageblock_nr_pages;
  }
  return 0;
}

// ---- where to look next

/** Who waits for a block, and does not want to wait for long, clears blocks of his own kind only. */
function suitable_migration_source(k: Kernel, cc: compact_control, pfn: pfn_t): boolean {
  if (pageblock_skip_persistent(k, pfn)) return false;
  if (cc.mode !== MIGRATE_ASYNC || !cc.direct_compaction) return true;
  const block_mt = get_pageblock_migratetype(k, pfn);
  return cc.migratetype === MIGRATE_MOVABLE ? is_migrate_movable(block_mt) : block_mt === cc.migratetype;
}

/** How many blocks of the free lists to look at: fewer after each search in vain. */
export const freelist_scan_limit = (cc: compact_control): number =>
  (COMPACT_CLUSTER_MAX >> Math.min(31, cc.fast_search_fail)) + 1;

/** Back to the lowest block that a search has come to, once. */
function reinit_migrate_pfn(cc: compact_control): pfn_t {
  if (cc.fast_start_pfn <= 0) return cc.migrate_pfn;
  cc.migrate_pfn = cc.fast_start_pfn;
  cc.fast_start_pfn = -1;
  return cc.migrate_pfn;
}

/** For a large block: a pageblock near the start that has much free already, by a look at the free lists. */
function fast_find_migrateblock(k: Kernel, cc: compact_control): pfn_t {
  const { zone } = cc;
  const start = zone.zone_start_pfn;
  if (cc.ignore_skip_hint) return cc.migrate_pfn;
  // In the midst of a block.
  if (cc.migrate_pfn !== start && cc.migrate_pfn % pageblock_nr_pages !== 0) return cc.migrate_pfn;
  if (cc.order <= PAGE_ALLOC_COSTLY_ORDER) return cc.migrate_pfn;
  if (cc.direct_compaction && cc.migratetype !== MIGRATE_MOVABLE) return cc.migrate_pfn;

  const limit = freelist_scan_limit(cc);
  const distance = Math.floor((cc.free_pfn - cc.migrate_pfn) / (cc.migrate_pfn === start ? 2 : 8));
  const high_pfn = pageblock_start_pfn(cc.migrate_pfn + distance);
  let nr_scanned = 0;
  let found: pfn_t = -1;
  for (let order = cc.order - 1; order >= PAGE_ALLOC_COSTLY_ORDER && found < 0 && nr_scanned < limit; order--) {
    if (nr_free(zone, order) === 0) continue;
    let pfn = get_page_from_free_area(k, zone, order, MIGRATE_MOVABLE);
    for (; pfn >= 0; pfn = next_free_page(k, zone, order, MIGRATE_MOVABLE, pfn)) {
      if (nr_scanned++ >= limit) {
        free_area_rotate(k, zone, order, MIGRATE_MOVABLE, pfn, false);
        break;
      }
      if (pfn >= high_pfn || get_pageblock_skip(k, pfn)) continue;
      // What has been looked at comes last the next time.
      free_area_rotate(k, zone, order, MIGRATE_MOVABLE, pfn, false);
      if (cc.fast_start_pfn >= 0) cc.fast_start_pfn = cc.fast_start_pfn === 0 ? pfn : Math.min(cc.fast_start_pfn, pfn);
      found = Math.max(pageblock_start_pfn(pfn), start);
      cc.fast_search_fail = 0;
      set_pageblock_skip(k, pfn);
      break;
    }
  }
  cc.total_migrate_scanned += nr_scanned;
  if (found >= 0) return found;
  cc.fast_search_fail++;
  return reinit_migrate_pfn(cc);
}

export const ISOLATE_ABORT = 0;
export const ISOLATE_NONE = 1;
export const ISOLATE_SUCCESS = 2;

/** Isolates from the next pageblock that is worth it, below the free scanner. @returns ISOLATE_* */
export function* isolate_migratepages(k: Kernel, cc: compact_control): Sleeping<number> {
  const { zone } = cc;
  const mode =
    (k.compaction.sysctl_compact_unevictable_allowed !== 0 ? ISOLATE_UNEVICTABLE : 0) |
    (cc.mode !== MIGRATE_SYNC ? ISOLATE_ASYNC_MIGRATE : 0);
  let low_pfn = fast_find_migrateblock(k, cc);
  let block_start = Math.max(pageblock_start_pfn(low_pfn), zone.zone_start_pfn);
  // Whatever the search has found is marked as looked at already.
  let fast_find_block = low_pfn !== cc.migrate_pfn && cc.fast_search_fail === 0;
  let block_end = pageblock_end_pfn(low_pfn);
  for (; block_end <= cc.free_pfn; block_start = block_end, block_end += pageblock_nr_pages) {
    if (low_pfn % (COMPACT_CLUSTER_MAX * pageblock_nr_pages) === 0 && should_resched(k)) yield* cond_resched(k);
    const page = pageblock_pfn_to_page(k, block_start, block_end, zone);
    const looked_at =
      page >= 0 && low_pfn % pageblock_nr_pages === 0 && !fast_find_block && !isolation_suitable(k, cc, page);
    if (page >= 0 && !looked_at) {
      if (suitable_migration_source(k, cc, page)) {
        if ((yield* isolate_migratepages_block(k, cc, low_pfn, block_end, mode)) !== 0) return ISOLATE_ABORT;
        break;
      }
      update_cached_migrate(cc, block_end);
    }
    fast_find_block = false;
    low_pfn = block_end;
    cc.migrate_pfn = block_end;
  }
  return cc.nr_migratepages > 0 ? ISOLATE_SUCCESS : ISOLATE_NONE;
}
