// Ranges of pages of one's choice (Linux: mm/page_alloc.c alloc_contig_range(), alloc_contig_pages(), free_contig_range()):
// their pageblocks are isolated, what is in use there is moved away, then what is free is taken.
//
// Left out: clean pages of files that could be dropped instead; pages of hugetlb, with which the request fails.

import { __GFP_MOVABLE, __GFP_RETRY_MAYFAIL, GFP_KERNEL, GFP_USER } from '../include/gfp_types.ts';
import { MIGRATE_SYNC, MR_CONTIG_RANGE } from '../include/migrate_mode.ts';
import { MAX_ORDER, MIGRATE_MOVABLE, PAGES_PER_SECTION } from '../include/mmzone.ts';
import { EAGAIN, EBUSY, EINTR, ENOMEM, type gfp_t, type nid_t, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { soft_lockup, WARN_ON } from '../lib/bug.ts';
import { node_isset, type nodemask_t } from '../lib/nodemask.ts';
import { fatal_signal_pending } from '../sched/signal.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { compact_control } from './compact_control.ts';
import { isolate_freepages_range } from './compaction_free.ts';
import { isolate_migratepages_range } from './compaction_migrate.ts';
import { PageHuge } from './compound.ts';
import { current_gfp_context, gfp_zone, gfp_zonelist } from './gfp.ts';
import { AllocatedTarget, migrate_pages, putback_movable_pages } from './migrate.ts';
import type { Zone } from './mmzone.ts';
import { buddy_order, PageBuddy, PageReserved, page_count, page_zone, page_zone_id } from './page.ts';
import { __free_pages } from './page_alloc.ts';
import {
  pfn_to_online_page,
  start_isolate_page_range,
  test_pages_isolated,
  undo_isolate_page_range,
} from './page_isolation.ts';
import { drain_all_pages } from './pcp.ts';
import { lru_cache_disable, lru_cache_enable } from './swap.ts';

/** How often pages that are busy are tried to be moved. */
const MAX_TRIES = 5;

/** The free block that `start` lies in; `start` itself if there is none. */
function first_free_block(k: Kernel, start: pfn_t): pfn_t {
  let outer_start = start;
  for (let order = 0; !PageBuddy(k, outer_start); ) {
    if (++order >= MAX_ORDER) return start;
    outer_start -= outer_start % (1 << order);
  }
  return outer_start + 2 ** (buddy_order(k, outer_start) & 63) <= start ? start : outer_start;
}

/**
 * Takes the pages [start, end), all of one zone, as single pages with a reference each. For whoever cannot wait: there must
 * be nothing in the range that has to be waited for.
 * @param migratetype what the range's pageblocks are afterwards: MIGRATE_MOVABLE or MIGRATE_CMA
 * @returns 0 or -errno
 */
export const alloc_contig_range = (k: Kernel, start: pfn_t, end: pfn_t, migratetype: number): number =>
  not_sleeping(alloc_contig_range_sleeping(k, start, end, migratetype), 'alloc_contig_range()');

/** The same for a task that can wait. */
export function* alloc_contig_range_sleeping(
  k: Kernel,
  start: pfn_t,
  end: pfn_t,
  migratetype: number,
): Sleeping<number> {
  const zone = page_zone(k, start);
  const cc = new compact_control(zone, -1, current_gfp_context(k, GFP_KERNEL));
  cc.mode = MIGRATE_SYNC;
  cc.ignore_skip_hint = true;
  cc.no_set_skip_hint = true;
  cc.alloc_contig = true;
  let ret = start_isolate_page_range(k, start, end, migratetype, 0);
  if (ret === 0) {
    drain_all_pages(k, zone);
    ret = yield* __alloc_contig_migrate_range(k, cc, start, end);
    // Whatever was busy may not be any more.
    if (ret === 0 || ret === -EBUSY) ret = yield* take_isolated(k, cc, start, end);
  }
  // Also where isolating failed: then what someone else isolated in the range is no longer.
  undo_isolate_page_range(k, start, end, migratetype);
  return ret;
}

/** Moves what is in use out of the range. @returns 0 or -errno */
function* __alloc_contig_migrate_range(k: Kernel, cc: compact_control, start: pfn_t, end: pfn_t): Sleeping<number> {
  const target = new AllocatedTarget(GFP_USER | __GFP_MOVABLE | __GFP_RETRY_MAYFAIL, cc.zone.nid, null);
  const { migratepages } = cc;
  let tries = 0;
  let ret = 0;
  lru_cache_disable(k);
  for (let pfn = start; pfn < end || migratepages.nr > 0; ) {
    if (fatal_signal_pending(k.current)) {
      ret = -EINTR;
      break;
    }
    if (migratepages.nr === 0) {
      cc.nr_migratepages = 0;
      ret = yield* isolate_migratepages_range(k, cc, pfn, end);
      if (ret !== 0 && ret !== -EAGAIN) break;
      // Nothing was looked at, as the rest of the range is of another zone: so it goes on for ever.
      if (ret === 0 && cc.migrate_pfn === pfn) soft_lockup(k);
      pfn = cc.migrate_pfn;
      tries = 0;
    } else if (++tries === MAX_TRIES) {
      ret = -EBUSY;
      break;
    }
    ret = yield* migrate_pages(k, migratepages, cc.batch, target, cc.mode, MR_CONTIG_RANGE);
    if (ret === -ENOMEM) break;
  }
  lru_cache_enable(k);
  if (ret >= 0) return 0;
  putback_movable_pages(k, migratepages);
  return ret;
}

function* take_isolated(k: Kernel, cc: compact_control, start: pfn_t, end: pfn_t): Sleeping<number> {
  const outer_start = first_free_block(k, start);
  if (test_pages_isolated(k, outer_start, end, 0) !== 0) return -EBUSY;
  const outer_end = yield* isolate_freepages_range(k, cc, outer_start, end);
  if (outer_end === 0) return -EBUSY;
  if (start !== outer_start) free_contig_range(k, outer_start, start - outer_start);
  if (end !== outer_end) free_contig_range(k, end, outer_end - end);
  return 0;
}

/** Gives such pages back. */
export function free_contig_range(k: Kernel, pfn: pfn_t, nr_pages: number): void {
  let count = 0;
  for (const end = pfn + nr_pages; pfn < end; pfn++) {
    if (page_count(k, pfn) !== 1) count++;
    __free_pages(k, pfn, 0);
  }
  WARN_ON(k, count !== 0, 'mm/page_alloc.c:9508 free_contig_range', `${count} pages are still in use!`);
}

function pfn_range_valid_contig(k: Kernel, zone: Zone, start_pfn: pfn_t, nr_pages: number): boolean {
  for (let pfn = start_pfn; pfn < start_pfn + nr_pages; pfn++) {
    if (!pfn_to_online_page(k, pfn) || page_zone_id(k, pfn) !== zone.id) return false;
    if (PageReserved(k, pfn) || PageHuge(k, pfn)) return false;
  }
  return true;
}

/**
 * Takes `nr_pages` that lie side by side, at a multiple of that, wherever a zone has them free.
 * @returns the first, or -1
 */
export function alloc_contig_pages(
  k: Kernel,
  nr_pages: number,
  gfp: gfp_t,
  nid: nid_t,
  nodemask: nodemask_t | null = null,
): pfn_t {
  for (const zone of k.zonelists.views[(nid * 2 + gfp_zonelist(gfp)) * 4 + gfp_zone(gfp)]!) {
    if (nodemask !== null && !node_isset(zone.nid, nodemask)) continue;
    // Linux's ALIGN() is one for powers of two, and is given other numbers as well.
    let pfn = Number((BigInt(zone.zone_start_pfn) + BigInt(nr_pages) - 1n) & ~(BigInt(nr_pages) - 1n));
    // A damaged span may have no end: above the last section there are no pages.
    const end = k.mm.section_mem_map.length * PAGES_PER_SECTION;
    for (; pfn < end && zone.zone_spans_pfn(pfn + nr_pages - 1); pfn += nr_pages) {
      if (!pfn_range_valid_contig(k, zone, pfn, nr_pages)) continue;
      if (alloc_contig_range(k, pfn, pfn + nr_pages, MIGRATE_MOVABLE) === 0) return pfn;
    }
  }
  return -1;
}
