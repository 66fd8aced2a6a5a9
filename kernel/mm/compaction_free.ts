// Compaction's free scanner: from the end of a zone back, free pages are taken for others to be moved to (Linux:
// mm/compaction.c isolate_freepages(), isolate_freepages_block(), isolate_freepages_range(), fast_isolate_freepages(),
// compaction_alloc(), compaction_free()).

import { __GFP_MOVABLE } from '../include/gfp_types.ts';
import { MIGRATE_ASYNC } from '../include/migrate_mode.ts';
import { PG_PRIVATE } from '../include/mm_types.ts';
import { MAX_ORDER, MIGRATE_MOVABLE, pageblock_nr_pages, pageblock_order } from '../include/mmzone.ts';
import type { pfn_t } from '../include/types.ts';
import { COMPACTISOLATED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { trace_mm_compaction_isolate_freepages } from '../trace/events/compaction.ts';
import {
  CACHED_FREE_PFN,
  COMPACT_CLUSTER_MAX,
  type compact_control,
  compact_pfn,
  INIT_FREE_PFN,
  set_compact_pfn,
} from './compact_control.ts';
import { freelist_scan_limit, is_migrate_movable } from './compaction_migrate.ts';
import {
  is_compound,
  isolation_suitable,
  order_of_head,
  pageblock_pfn_to_page,
  update_pageblock_skip,
} from './compaction_skip.ts';
import { free_area_rotate, nr_free, prev_free_page } from './free_list.ts';
import type { IsolatedPages } from './isolated_pages.ts';
import type { MigrationTarget } from './migrate.ts';
import { is_buddy, page_index, pfn_valid, section_map } from './page.ts';
import { __free_pages, split_page } from './page_alloc.ts';
import { __isolate_free_page } from './page_isolation.ts';
import { prep_new_page } from './page_prep.ts';
import { get_pageblock_migratetype, pageblock_end_pfn, pageblock_start_pfn, set_pageblock_skip } from './pageblock.ts';
import { __count_vm_events } from './vm_event.ts';

/** What it costs to look at 32 pages. */
const SCAN_NS = 150;

/** Gives the pages back. @returns the highest; 0: there were none */
export function release_freepages(k: Kernel, list: IsolatedPages): pfn_t {
  let high_pfn = 0;
  while (list.nr > 0) {
    const pfn = list.pop();
    __free_pages(k, pfn, 0);
    high_pfn = Math.max(high_pfn, pfn);
  }
  return high_pfn;
}

/**
 * Isolated blocks become single pages that are allocated: those of the last block first on the list, its last page before
 * all.
 */
function split_map_pages(k: Kernel, cc: compact_control): void {
  const { freepages, block_orders } = cc;
  const blocks = freepages.pages.slice(0, freepages.nr);
  freepages.nr = 0;
  for (const [n, pfn] of blocks.entries()) {
    const order = block_orders[n]!;
    prep_new_page(k, pfn, order, __GFP_MOVABLE, 0);
    if (order > 0) split_page(k, pfn, order);
    for (let p = pfn; p < pfn + (1 << order); p++) freepages.push(p);
  }
  block_orders.length = 0;
}

/** list_add_tail(&page->lru, freelist) of a free block that was taken off its list. */
function add_block(cc: compact_control, pfn: pfn_t, order: number): void {
  cc.freepages.push(pfn);
  cc.block_orders.push(order);
  cc.nr_freepages += 1 << order;
}

/** How far the scan of one pageblock has come. */
class block_scan {
  pfn: pfn_t;
  nr_scanned = 0;
  isolated = 0;
  paused_at: pfn_t = -1;

  constructor(pfn: pfn_t) {
    this.pfn = pfn;
  }
}

/** Goes on with a pageblock. @returns whether the scan is over */
function scan_block(
  k: Kernel,
  cc: compact_control,
  s: block_scan,
  end_pfn: pfn_t,
  stride: number,
  strict: boolean,
): boolean {
  const m = section_map(k.mm, s.pfn);
  let pfn = s.pfn;
  let over = true;
  for (; pfn < end_pfn; pfn += stride) {
    if (pfn % COMPACT_CLUSTER_MAX === 0 && pfn !== s.paused_at) {
      charge(k, SCAN_NS);
      if (k.current.fatal_signal_pending || should_resched(k)) {
        over = false;
        break;
      }
    }
    s.nr_scanned++;
    const i = page_index(pfn);
    if (!is_buddy(m, i)) {
      if (is_compound(m, i)) {
        const order = order_of_head(m, i);
        if (order < MAX_ORDER) pfn += (1 << order) - 1;
      }
      if (strict) break;
      continue;
    }
    const order = m[i + PG_PRIVATE]!;
    const isolated = __isolate_free_page(k, pfn, order);
    if (isolated === 0) break;
    s.nr_scanned += isolated - 1;
    s.isolated += isolated;
    add_block(cc, pfn, order);
    if (!strict && cc.nr_migratepages <= cc.nr_freepages) {
      pfn += isolated;
      break;
    }
    pfn += isolated - 1;
  }
  s.pfn = pfn;
  return over;
}

/**
 * Isolates what is free of [start_pfn, end_pfn), within one pageblock, until there is enough for what is to be moved.
 * @param strict everything has to be free, and is taken
 * @returns where it ended, and how many pages there were; with `strict` 0 where one was not free
 */
function* isolate_freepages_block(
  k: Kernel,
  cc: compact_control,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
  stride: number,
  strict: boolean,
): Sleeping<{ pfn: pfn_t; isolated: number }> {
  const s = new block_scan(start_pfn);
  while (!scan_block(k, cc, s, end_pfn, strict ? 1 : stride, strict)) {
    if (k.current.fatal_signal_pending) {
      cc.contended = true;
      break;
    }
    yield* cond_resched(k);
    s.paused_at = s.pfn;
  }
  const pfn = Math.min(s.pfn, end_pfn);
  if (k.trace.on) trace_mm_compaction_isolate_freepages(k, start_pfn, pfn, s.nr_scanned, s.isolated);
  const isolated = strict && pfn < end_pfn ? 0 : s.isolated;
  cc.total_free_scanned += s.nr_scanned;
  if (isolated > 0) __count_vm_events(k, COMPACTISOLATED, isolated);
  return { pfn, isolated };
}

/**
 * Takes all of [start_pfn, end_pfn) as single pages with a reference each.
 * @returns the end of the last block, which may lie behind end_pfn; 0: not all was free, and nothing is taken
 */
export function* isolate_freepages_range(
  k: Kernel,
  cc: compact_control,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
): Sleeping<pfn_t> {
  let pfn = start_pfn;
  let block_start = Math.max(pageblock_start_pfn(pfn), cc.zone.zone_start_pfn);
  let block_end = pageblock_end_pfn(pfn);
  while (pfn < end_pfn) {
    block_end = Math.min(block_end, end_pfn);
    // A block larger than a pageblock was taken.
    if (pfn >= block_end) {
      block_start = pageblock_start_pfn(pfn);
      block_end = Math.min(pageblock_end_pfn(pfn), end_pfn);
    }
    if (pageblock_pfn_to_page(k, block_start, block_end, cc.zone) < 0) break;
    const { isolated } = yield* isolate_freepages_block(k, cc, pfn, block_end, 1, true);
    if (isolated === 0) break;
    pfn += isolated;
    block_start = block_end;
    block_end += pageblock_nr_pages;
  }
  split_map_pages(k, cc);
  if (pfn >= end_pfn) return pfn;
  release_freepages(k, cc.freepages);
  return 0;
}

/** Whether pages may be moved into the block: not into one that is free as a whole, nor to where others belong. */
function suitable_migration_target(k: Kernel, cc: compact_control, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (is_buddy(m, i) && m[i + PG_PRIVATE]! >= pageblock_order) return false;
  return cc.ignore_block_suitable || is_migrate_movable(get_pageblock_migratetype(k, pfn));
}

// ---- by a look at the free lists

/** The rest of the block that a page was found in. */
function* fast_isolate_around(k: Kernel, cc: compact_control, pfn: pfn_t): Sleeping<void> {
  if (cc.nr_freepages >= cc.nr_migratepages || (cc.direct_compaction && cc.mode === MIGRATE_ASYNC)) return;
  const start_pfn = Math.max(pageblock_start_pfn(pfn), cc.zone.zone_start_pfn);
  const end_pfn = Math.min(pageblock_end_pfn(pfn), cc.zone.zone_end_pfn);
  const page = pageblock_pfn_to_page(k, start_pfn, end_pfn, cc.zone);
  if (page < 0) return;
  yield* isolate_freepages_block(k, cc, start_pfn, end_pfn, 1, false);
  if (cc.nr_freepages < cc.nr_migratepages) set_pageblock_skip(k, page);
}

/** Down to 0 and around to the largest. @returns -1: all orders have been searched */
function next_search_order(cc: compact_control, order: number): number {
  const next = order === 0 ? cc.order - 1 : order - 1;
  if (next !== cc.search_order) return next;
  cc.search_order = cc.search_order === 0 ? cc.order - 1 : cc.search_order - 1;
  return -1;
}

/** A search over the free lists of one order after another. */
class list_search {
  limit: number;
  nr_scanned = 0;
  /** The highest block that was come across. */
  highest: pfn_t = 0;
  /** Blocks from here on are as good as any; from min_pfn on they are better than none. */
  low_pfn: pfn_t;
  readonly min_pfn: pfn_t;

  constructor(limit: number, low_pfn: pfn_t, min_pfn: pfn_t) {
    this.limit = limit;
    this.low_pfn = low_pfn;
    this.min_pfn = min_pfn;
  }
}

/** Searches one list from its end. @returns a block that was taken off it; -1: none; -2: none, and all is too little */
function search_list(k: Kernel, cc: compact_control, search: list_search, order: number): pfn_t {
  const { zone } = cc;
  let order_scanned = 0;
  let high_pfn = 0;
  let found = -1;
  let last = -1;
  let pfn = prev_free_page(k, zone, order, MIGRATE_MOVABLE, -1);
  for (; pfn >= 0; pfn = prev_free_page(k, zone, order, MIGRATE_MOVABLE, pfn)) {
    order_scanned++;
    search.nr_scanned++;
    if (pfn >= search.highest) search.highest = Math.max(pageblock_start_pfn(pfn), zone.zone_start_pfn);
    if (pfn >= search.low_pfn) {
      cc.fast_search_fail = 0;
      cc.search_order = order;
      found = pfn;
      break;
    }
    if (pfn >= search.min_pfn && pfn > high_pfn) {
      high_pfn = pfn;
      search.limit >>= 1;
    }
    if (order_scanned >= search.limit) {
      last = pfn;
      break;
    }
  }
  if (found < 0 && high_pfn > 0) found = high_pfn;
  // What has not been looked at comes first the next time.
  const turn = found >= 0 ? found : last;
  if (turn >= 0) free_area_rotate(k, zone, order, MIGRATE_MOVABLE, turn, true);
  if (found >= 0) {
    const isolated = __isolate_free_page(k, found, order);
    if (isolated > 0) {
      search.nr_scanned += isolated - 1;
      add_block(cc, found, order);
      __count_vm_events(k, COMPACTISOLATED, isolated);
    } else found = -2;
  }
  if (order_scanned >= search.limit) search.limit = Math.max(1, search.limit >> 1);
  return found;
}

/** A free block towards the end of what is left of the zone, found in the free lists. */
function* fast_isolate_freepages(k: Kernel, cc: compact_control): Sleeping<void> {
  const { zone } = cc;
  if (cc.order <= 0) return;
  // At the start of a run a thorough search is worth it.
  const scan_start = cc.free_pfn >= compact_pfn(zone, INIT_FREE_PFN);
  const limit = scan_start ? pageblock_nr_pages >> 1 : Math.max(1, freelist_scan_limit(cc) >> 1);
  const distance = cc.free_pfn - cc.migrate_pfn;
  const low_pfn = pageblock_start_pfn(cc.free_pfn - Math.floor(distance / 4));
  const min_pfn = pageblock_start_pfn(cc.free_pfn - Math.floor(distance / 2));
  const search = new list_search(limit, low_pfn, min_pfn);
  if (WARN_ONCE(k, min_pfn > low_pfn, 'mm/compaction.c:1428 fast_isolate_freepages')) search.low_pfn = min_pfn;

  cc.search_order = Math.min(cc.order - 1, cc.search_order);
  let page = -1;
  for (let order = cc.search_order; page < 0 && order >= 0; ) {
    if (nr_free(zone, order) > 0) {
      page = search_list(k, cc, search, order);
      // As if all orders but one had been searched.
      if (page === -2) order = cc.search_order + 1;
    }
    order = next_search_order(cc, order);
    if (page === -2) break;
  }
  if (page < 0) {
    page = -1;
    cc.fast_search_fail++;
    if (scan_start) page = begin_lower(k, cc, search);
  }
  const { highest } = search;
  if (highest > 0 && highest >= compact_pfn(zone, CACHED_FREE_PFN)) {
    set_compact_pfn(zone, CACHED_FREE_PFN, highest - pageblock_nr_pages);
  }
  cc.total_free_scanned += search.nr_scanned;
  if (page >= 0) yield* fast_isolate_around(k, cc, page);
}

/** Nothing was found at the start of a run: it begins at the highest block that was come across. @returns that, or -1 */
function begin_lower(k: Kernel, cc: compact_control, { highest, min_pfn }: list_search): pfn_t {
  if (highest >= min_pfn) {
    cc.free_pfn = highest;
    return highest;
  }
  if (!cc.direct_compaction || !pfn_valid(k.mm, min_pfn)) return -1;
  cc.free_pfn = min_pfn;
  return pageblock_pfn_to_page(k, min_pfn, Math.min(pageblock_end_pfn(min_pfn), cc.zone.zone_end_pfn), cc.zone);
}

// ---- block by block

/** Fills cc.freepages, if anything is left above the migrate scanner. */
function* isolate_freepages(k: Kernel, cc: compact_control): Sleeping<void> {
  yield* fast_isolate_freepages(k, cc);
  if (cc.nr_freepages === 0) yield* scan_backwards(k, cc);
  split_map_pages(k, cc);
}

function* scan_backwards(k: Kernel, cc: compact_control): Sleeping<void> {
  const { zone } = cc;
  let isolate_start = cc.free_pfn;
  let block_start = pageblock_start_pfn(isolate_start);
  let block_end = Math.min(block_start + pageblock_nr_pages, zone.zone_end_pfn);
  const low_pfn = pageblock_end_pfn(cc.migrate_pfn);
  let stride = cc.mode === MIGRATE_ASYNC ? COMPACT_CLUSTER_MAX : 1;
  while (block_start >= low_pfn) {
    if (block_start % (COMPACT_CLUSTER_MAX * pageblock_nr_pages) === 0 && should_resched(k)) yield* cond_resched(k);
    const page = pageblock_pfn_to_page(k, block_start, block_end, zone);
    if (page >= 0 && suitable_migration_target(k, cc, page) && isolation_suitable(k, cc, page)) {
      const { pfn, isolated } = yield* isolate_freepages_block(k, cc, isolate_start, block_end, stride, false);
      isolate_start = pfn;
      if (pfn === block_end) update_pageblock_skip(k, cc, page, block_start);
      if (cc.nr_freepages >= cc.nr_migratepages) {
        if (pfn >= block_end) isolate_start = block_start - pageblock_nr_pages;
        break;
      }
      if (pfn < block_end) break;
      // Where something is free, the next block is looked at page by page.
      stride = isolated > 0 ? 1 : Math.min(COMPACT_CLUSTER_MAX, stride << 1);
    }
    block_end = block_start;
    block_start -= pageblock_nr_pages;
    isolate_start = block_start;
  }
  cc.free_pfn = isolate_start;
}

/** The pages that compaction moves others to. Linux: compaction_alloc(), compaction_free(). */
export class CompactionTarget implements MigrationTarget {
  private readonly cc: compact_control;

  constructor(cc: compact_control) {
    this.cc = cc;
  }

  ready(): pfn_t {
    const { cc } = this;
    if (cc.freepages.nr === 0) return -1;
    cc.nr_freepages--;
    return cc.freepages.pop();
  }

  *get_new_page(k: Kernel): Sleeping<pfn_t> {
    yield* isolate_freepages(k, this.cc);
    return this.ready();
  }

  put_new_page(_k: Kernel, pfn: pfn_t): void {
    this.cc.freepages.push(pfn);
    this.cc.nr_freepages++;
  }
}
