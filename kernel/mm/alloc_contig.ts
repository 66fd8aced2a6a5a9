// Ranges of pages of one's choice (Linux: mm/page_alloc.c alloc_contig_range(), alloc_contig_pages(), free_contig_range();
// mm/compaction.c isolate_freepages_range()): their pageblocks are isolated, then what is free there is taken.
//
// Left out: moving pages in use out of the range. With one in it the request fails, as where Linux cannot move it.

import { __GFP_MOVABLE } from '../include/gfp_types.ts';
import { MAX_ORDER, MIGRATE_MOVABLE, pageblock_nr_pages } from '../include/mmzone.ts';
import { EBUSY, type gfp_t, type nid_t, type pfn_t } from '../include/types.ts';
import { COMPACTISOLATED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ON } from '../lib/bug.ts';
import { node_isset, type nodemask_t } from '../lib/nodemask.ts';
import { PageHuge } from './compound.ts';
import { gfp_zone, gfp_zonelist } from './gfp.ts';
import type { Zone } from './mmzone.ts';
import { buddy_order, PageBuddy, PageReserved, page_count, page_zone } from './page.ts';
import { __free_pages, split_page } from './page_alloc.ts';
import {
  __isolate_free_page,
  movable_in_use,
  pfn_to_online_page,
  start_isolate_page_range,
  test_pages_isolated,
  undo_isolate_page_range,
} from './page_isolation.ts';
import { prep_new_page } from './page_prep.ts';
import { pageblock_end_pfn, pageblock_start_pfn, set_pageblock_skip } from './pageblock.ts';
import { drain_all_pages } from './pcp.ts';
import { __count_vm_events } from './vm_event.ts';

/** Whether the first and the last page are there, and of the zone. */
const pageblock_pfn_to_page = (k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t, zone: Zone): boolean =>
  pfn_to_online_page(k, start_pfn) &&
  pfn_to_online_page(k, end_pfn - 1) &&
  page_zone(k, start_pfn) === zone &&
  page_zone(k, end_pfn - 1) === zone;

/** Takes all blocks of [pfn, end_pfn), each of which must be free. @returns how many pages; 0: one is not free */
function isolate_freepages_block(k: Kernel, pfn: pfn_t, end_pfn: pfn_t, taken: pfn_t[], orders: number[]): number {
  let total = 0;
  while (pfn < end_pfn) {
    if (!PageBuddy(k, pfn)) return 0;
    const order = buddy_order(k, pfn);
    if (__isolate_free_page(k, pfn, order) === 0) return 0;
    taken.push(pfn);
    orders.push(order);
    total += 1 << order;
    pfn += 1 << order;
  }
  __count_vm_events(k, COMPACTISOLATED, total);
  return total;
}

/**
 * Takes what is free from start_pfn on, block by block, as single pages.
 * @returns the end of the last block, which may lie behind end_pfn; 0: not all was free, and nothing is taken
 */
function isolate_freepages_range(k: Kernel, zone: Zone, start_pfn: pfn_t, end_pfn: pfn_t): pfn_t {
  const taken: pfn_t[] = [];
  const orders: number[] = [];
  let pfn = start_pfn;
  let block_start = Math.max(pageblock_start_pfn(pfn), zone.zone_start_pfn);
  let block_end = pageblock_end_pfn(pfn);
  while (pfn < end_pfn) {
    block_end = Math.min(block_end, end_pfn);
    if (pfn >= block_end) {
      block_start = pageblock_start_pfn(pfn);
      block_end = Math.min(pageblock_end_pfn(pfn), end_pfn);
    }
    if (!pageblock_pfn_to_page(k, block_start, block_end, zone)) break;
    const isolated = isolate_freepages_block(k, pfn, block_end, taken, orders);
    if (isolated === 0) break;
    pfn += isolated;
    block_start = block_end;
    block_end += pageblock_nr_pages;
  }
  for (const [n, page] of taken.entries()) {
    prep_new_page(k, page, orders[n]!, __GFP_MOVABLE, 0);
    if (orders[n]! > 0) split_page(k, page, orders[n]!);
  }
  if (pfn >= end_pfn) return pfn;
  // Last come, first gone.
  for (let n = taken.length - 1; n >= 0; n--) {
    for (let p = taken[n]! + (1 << orders[n]!) - 1; p >= taken[n]!; p--) __free_pages(k, p, 0);
  }
  return 0;
}

/** The free block that `start` lies in; `start` itself if there is none. */
function first_free_block(k: Kernel, start: pfn_t): pfn_t {
  let outer_start = start;
  for (let order = 0; !PageBuddy(k, outer_start); ) {
    if (++order >= MAX_ORDER) return start;
    outer_start -= outer_start % (1 << order);
  }
  return outer_start + (1 << buddy_order(k, outer_start)) <= start ? start : outer_start;
}

/**
 * Takes the pages [start, end), all of one zone, as single pages with a reference each.
 * @param migratetype what the range's pageblocks are afterwards: MIGRATE_MOVABLE or MIGRATE_CMA
 * @returns 0 or -EBUSY
 */
export function alloc_contig_range(k: Kernel, start: pfn_t, end: pfn_t, migratetype: number): number {
  const zone = page_zone(k, start);
  let ret = start_isolate_page_range(k, start, end, migratetype, 0);
  if (ret === 0) {
    drain_all_pages(k, zone);
    isolate_migratepages_range(k, zone, start, end);
    ret = take_isolated(k, zone, start, end);
  }
  // Also where isolating failed: then what someone else isolated in the range is no longer.
  undo_isolate_page_range(k, start, end, migratetype);
  return ret;
}

/**
 * Linux looks for pages to move here, and notes down for compaction which pageblocks it has seen from their start on.
 * Those with pages that it would have moved are not noted.
 */
function isolate_migratepages_range(k: Kernel, zone: Zone, start: pfn_t, end: pfn_t): void {
  let block_end = pageblock_end_pfn(start);
  for (let pfn = start; pfn < end; pfn = block_end, block_end += pageblock_nr_pages) {
    block_end = Math.min(block_end, end);
    if (pfn !== pageblock_start_pfn(pfn) || !pageblock_pfn_to_page(k, pfn, block_end, zone)) continue;
    let at = pfn;
    while (at < block_end && !movable_in_use(k, at)) at++;
    if (at === block_end) set_pageblock_skip(k, pfn);
  }
}

function take_isolated(k: Kernel, zone: Zone, start: pfn_t, end: pfn_t): number {
  const outer_start = first_free_block(k, start);
  if (test_pages_isolated(k, outer_start, end, 0) !== 0) return -EBUSY;
  const outer_end = isolate_freepages_range(k, zone, outer_start, end);
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
    if (!pfn_to_online_page(k, pfn) || page_zone(k, pfn) !== zone) return false;
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
    for (; zone.zone_spans_pfn(pfn + nr_pages - 1); pfn += nr_pages) {
      if (!pfn_range_valid_contig(k, zone, pfn, nr_pages)) continue;
      if (alloc_contig_range(k, pfn, pfn + nr_pages, MIGRATE_MOVABLE) === 0) return pfn;
    }
  }
  return -1;
}
