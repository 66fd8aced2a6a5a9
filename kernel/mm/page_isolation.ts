// Pageblocks whose free pages no one is given (Linux: mm/page_isolation.c, and mm/page_alloc.c split_free_page(),
// __isolate_free_page(), __putback_isolated_page()). What is free in them, or is freed later, is on lists of their own
// and not counted as free.
//
// Left out: moving pages in use out of the way.

import { PG_FLAGS, PG_LRU_NEXT, PG_LRU_NEXT_HI, PG_MAPCOUNT, PG_MAPPING, PG_REFCOUNT } from '../include/mm_types.ts';
import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  PFN_SECTION_SHIFT,
  pageblock_nr_pages,
  pageblock_order,
  WMARK_MIN,
  ZONE_MOVABLE,
} from '../include/mmzone.ts';
import { PAGE_TYPE_BASE_WORD, PG_head, PG_hwpoison, PG_lru, PG_offline, PG_reserved } from '../include/page_flags.ts';
import { EBUSY, ENOENT, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { __free_one_page, __mod_zone_freepage_state, FPI_NONE, FPI_TO_TAIL } from './buddy.ts';
import { compound_order, PageHuge } from './compound.ts';
import { dump_page } from './debug.ts';
import { del_page_from_free_list } from './free_list.ts';
import { ALLOC_CMA } from './internal.ts';
import type { Zone } from './mmzone.ts';
import { move_freepages_block } from './move_freepages.ts';
import {
  buddy_order,
  is_buddy,
  lru_pointer_pfn,
  PageBuddy,
  page_index,
  page_zone,
  page_zone_id,
  section_map,
} from './page.ts';
import {
  get_pageblock_migratetype,
  pageblock_end_pfn,
  pageblock_start_pfn,
  set_pageblock_migratetype,
} from './pageblock.ts';
import { zone_watermark_ok } from './watermark_check.ts';

/** isolate flags: hardware-poisoned pages count as movable, as the memory is to go offline. */
export const MEMORY_OFFLINE = 0x1;
/** Says which page is in the way. */
export const REPORT_FAILURE = 0x2;

const MAX_ORDER_NR_PAGES = 1 << (MAX_ORDER - 1);
/** Bit 0 of compound_head, where lru.next is: a tail page. */
const TAIL = 1;
const PAGE_MAPPING_MOVABLE = 2;
const PAGE_MAPPING_FLAGS = 3;

const is_isolated = (k: Kernel, pfn: pfn_t): boolean => get_pageblock_migratetype(k, pfn) === MIGRATE_ISOLATE;
const pageblock_align = (pfn: pfn_t): pfn_t => Math.ceil(pfn / pageblock_nr_pages) * pageblock_nr_pages;

/**
 * Whether there is memory at `pfn`, to 2 MiB. A section's map of subsections stands right before its pageblock flags
 * (struct mem_section_usage).
 */
export function pfn_to_online_page(k: Kernel, pfn: pfn_t): boolean {
  const usemap = k.mm.section_usemap[Math.floor(pfn / 2 ** PFN_SECTION_SHIFT)];
  if (usemap === undefined || usemap.length === 0) return false;
  const subsection_map = new Int32Array(usemap.buffer, usemap.byteOffset - 8, 2);
  return ((subsection_map[(pfn >>> 14) & 1]! >>> ((pfn >>> 9) & 31)) & 1) !== 0;
}

/** The first page of the range that there is, or -1. */
function __first_valid_page(k: Kernel, pfn: pfn_t, nr_pages: number): pfn_t {
  for (let i = 0; i < nr_pages; i++) if (pfn_to_online_page(k, pfn + i)) return pfn + i;
  return -1;
}

/** The first page of the compound page that `pfn` is part of, or -1. */
function compound_head(k: Kernel, pfn: pfn_t): pfn_t {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if ((m[i + PG_LRU_NEXT]! & TAIL) !== 0) return lru_pointer_pfn(m[i + PG_LRU_NEXT]!, m[i + PG_LRU_NEXT_HI]!);
  return ((m[i + PG_FLAGS]! >>> PG_head) & 1) !== 0 ? pfn : -1;
}

/** PageOffline(): a driver has taken the page away, and agrees to its going. */
const is_offline = (m: Int32Array, i: number): boolean =>
  (m[i + PG_MAPCOUNT]! & (PAGE_TYPE_BASE_WORD | PG_offline)) === PAGE_TYPE_BASE_WORD;

/** Whether a page in use could be moved: it is on an LRU list, or of a driver that can move it. */
export function movable_in_use(k: Kernel, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  return (
    ((m[i + PG_FLAGS]! >>> PG_lru) & 1) !== 0 || (m[i + PG_MAPPING]! & PAGE_MAPPING_FLAGS) === PAGE_MAPPING_MOVABLE
  );
}

/** The first page of the range, which lies in one pageblock, that can neither be isolated nor moved; -1: there is none. */
function has_unmovable_pages(k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t, migratetype: number, flags: number): pfn_t {
  // Whoever allocates from CMA isolates its pageblocks whatever is in them.
  if (get_pageblock_migratetype(k, start_pfn) === MIGRATE_CMA) return migratetype === MIGRATE_CMA ? -1 : start_pfn;
  const movable_zone = page_zone(k, start_pfn).idx === ZONE_MOVABLE;
  for (let pfn = start_pfn; pfn < end_pfn; ) {
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    const page_flags = m[i + PG_FLAGS]!;
    if (((page_flags >>> PG_reserved) & 1) !== 0) return pfn;
    if (movable_zone) {
      pfn++;
      continue;
    }
    const head = compound_head(k, pfn);
    if (head >= 0) {
      if (!PageHuge(k, head) && !movable_in_use(k, head)) return pfn;
      pfn = head + (1 << compound_order(section_map(k.mm, head), page_index(head)));
    } else if (m[i + PG_REFCOUNT] === 0) {
      pfn += is_buddy(m, i) ? 1 << buddy_order(k, pfn) : 1;
    } else if ((flags & MEMORY_OFFLINE) !== 0 && (((page_flags >>> PG_hwpoison) & 1) !== 0 || is_offline(m, i))) {
      pfn++;
    } else if (movable_in_use(k, pfn)) {
      pfn++;
    } else {
      return pfn;
    }
  }
  return -1;
}

/**
 * Isolates the pageblock of `pfn`, if what of [start_pfn, end_pfn) lies in it can be.
 * @returns 0 or -EBUSY
 */
function set_migratetype_isolate(
  k: Kernel,
  pfn: pfn_t,
  migratetype: number,
  flags: number,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
): number {
  if (is_isolated(k, pfn)) return -EBUSY;
  const from = Math.max(pfn, start_pfn);
  const to = Math.min(pageblock_end_pfn(pfn), end_pfn);
  const unmovable = has_unmovable_pages(k, from, to, migratetype, flags);
  if (unmovable >= 0) {
    if ((flags & REPORT_FAILURE) !== 0) dump_page(k, unmovable, 'unmovable page');
    return -EBUSY;
  }
  const zone = page_zone(k, pfn);
  const mt = get_pageblock_migratetype(k, pfn);
  set_pageblock_migratetype(k, pfn, MIGRATE_ISOLATE);
  zone.nr_isolate_pageblock++;
  const nr_pages = move_freepages_block(k, zone, pfn, MIGRATE_ISOLATE);
  __mod_zone_freepage_state(k, zone, -nr_pages, mt);
  return 0;
}

/** Whether the free block at `pfn` should merge with its buddy, which is free and not isolated. */
function merges_beyond(k: Kernel, pfn: pfn_t): boolean {
  if (!PageBuddy(k, pfn)) return false;
  const order = buddy_order(k, pfn);
  if (order < pageblock_order || order >= MAX_ORDER - 1) return false;
  const buddy_pfn = pfn ^ (1 << order);
  const m = section_map(k.mm, buddy_pfn);
  if (!is_buddy(m, page_index(buddy_pfn)) || buddy_order(k, buddy_pfn) !== order) return false;
  return page_zone_id(k, buddy_pfn) === page_zone_id(k, pfn) && !is_isolated(k, buddy_pfn);
}

/** Makes the pageblock of `pfn` one of `migratetype`, and its free pages free for all. */
function unset_migratetype_isolate(k: Kernel, pfn: pfn_t, migratetype: number): void {
  if (!is_isolated(k, pfn)) return;
  const zone = page_zone(k, pfn);
  // Blocks that move between lists do not merge. One that should is taken and given back.
  if (merges_beyond(k, pfn)) {
    const order = buddy_order(k, pfn);
    __isolate_free_page(k, pfn, order);
    set_pageblock_migratetype(k, pfn, migratetype);
    __putback_isolated_page(k, pfn, order, migratetype);
  } else {
    const nr_pages = move_freepages_block(k, zone, pfn, migratetype);
    __mod_zone_freepage_state(k, zone, nr_pages, migratetype);
    set_pageblock_migratetype(k, pfn, migratetype);
  }
  zone.nr_isolate_pageblock--;
}

/**
 * Splits the free block at `pfn` at an offset that is a border of pageblocks, so that each side is on the list of its own
 * pageblock.
 * @returns 0, or -ENOENT where there is no such block
 */
function split_free_page(k: Kernel, free_pfn: pfn_t, order: number, split_pfn_offset: number): number {
  if (split_pfn_offset === 0) return 0;
  if (!PageBuddy(k, free_pfn) || buddy_order(k, free_pfn) !== order) return -ENOENT;
  const zone = page_zone(k, free_pfn);
  const mt = get_pageblock_migratetype(k, free_pfn);
  if (mt !== MIGRATE_ISOLATE) __mod_zone_freepage_state(k, zone, -(1 << order), mt);
  del_page_from_free_list(k, free_pfn, zone, order);
  const end = free_pfn + (1 << order);
  for (let pfn = free_pfn; pfn < end; ) {
    const ctz = pfn === 0 ? order : 31 - Math.clz32(pfn & -pfn);
    const part = Math.min(ctz, 31 - Math.clz32(split_pfn_offset));
    __free_one_page(k, pfn, zone, part, get_pageblock_migratetype(k, pfn), FPI_NONE);
    pfn += 1 << part;
    split_pfn_offset -= 1 << part;
    if (split_pfn_offset === 0) split_pfn_offset = end - pfn;
  }
  return 0;
}

/**
 * Isolates the pageblock before or after a border, and splits the free block that reaches across it, if there is one.
 * @param skip_isolation the pageblock is isolated already
 * @returns 0 or -EBUSY
 */
function isolate_single_pageblock(
  k: Kernel,
  boundary_pfn: pfn_t,
  flags: number,
  isolate_before: boolean,
  skip_isolation: boolean,
  migratetype: number,
): number {
  const block = isolate_before ? boundary_pfn - pageblock_nr_pages : boundary_pfn;
  const zone = page_zone(k, block);
  if (!skip_isolation) {
    const ret = set_migratetype_isolate(k, block, migratetype, flags, block, block + pageblock_nr_pages);
    if (ret !== 0) return ret;
  }
  if (!pfn_to_online_page(k, isolate_before ? boundary_pfn : boundary_pfn - 1)) return 0;

  let pfn = Math.max(block - (block % MAX_ORDER_NR_PAGES), zone.zone_start_pfn);
  while (pfn < boundary_pfn) {
    pfn = __first_valid_page(k, pfn, boundary_pfn - pfn);
    if (PageBuddy(k, pfn)) {
      const order = buddy_order(k, pfn);
      if (pfn + (1 << order) > boundary_pfn && split_free_page(k, pfn, order, boundary_pfn - pfn) !== 0) continue;
      pfn += 1 << order;
      continue;
    }
    const head = compound_head(k, pfn);
    if (head < 0) {
      pfn++;
      continue;
    }
    const end = head + (1 << compound_order(section_map(k.mm, head), page_index(head)));
    if (end > boundary_pfn) {
      if (!skip_isolation) unset_migratetype_isolate(k, block, migratetype);
      return -EBUSY;
    }
    pfn = end;
  }
  return 0;
}

/**
 * Isolates all pageblocks of the range: those at its ends first, as blocks may reach across these.
 * @param migratetype what they become if that fails
 * @returns 0, or -EBUSY with none of them isolated
 */
export function start_isolate_page_range(
  k: Kernel,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
  migratetype: number,
  flags: number,
): number {
  const isolate_start = pageblock_start_pfn(start_pfn);
  const last = pageblock_align(end_pfn) - pageblock_nr_pages;
  let ret = isolate_single_pageblock(k, isolate_start, flags, false, false, migratetype);
  if (ret !== 0) return ret;
  ret = isolate_single_pageblock(k, last + pageblock_nr_pages, flags, true, isolate_start === last, migratetype);
  if (ret !== 0) {
    unset_migratetype_isolate(k, isolate_start, migratetype);
    return ret;
  }
  for (let pfn = isolate_start + pageblock_nr_pages; pfn < last; pfn += pageblock_nr_pages) {
    const page = __first_valid_page(k, pfn, pageblock_nr_pages);
    if (page >= 0 && set_migratetype_isolate(k, page, migratetype, flags, start_pfn, end_pfn) !== 0) {
      undo_isolate_page_range(k, isolate_start, pfn, migratetype);
      unset_migratetype_isolate(k, last, migratetype);
      return -EBUSY;
    }
  }
  return 0;
}

/** Those pageblocks of the range that are isolated become ones of `migratetype`. */
export function undo_isolate_page_range(k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t, migratetype: number): void {
  for (let pfn = pageblock_start_pfn(start_pfn); pfn < pageblock_align(end_pfn); pfn += pageblock_nr_pages) {
    const page = __first_valid_page(k, pfn, pageblock_nr_pages);
    if (page >= 0) unset_migratetype_isolate(k, page, migratetype);
  }
}

/** Whether every page of the range is free, in an isolated pageblock. @returns 0 or -EBUSY */
export function test_pages_isolated(k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t, flags: number): number {
  for (let pfn = start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages) {
    const page = __first_valid_page(k, pfn, pageblock_nr_pages);
    if (page >= 0 && !is_isolated(k, page)) return -EBUSY;
  }
  if (__first_valid_page(k, start_pfn, end_pfn - start_pfn) < 0) return -EBUSY;
  for (let pfn = start_pfn; pfn < end_pfn; ) {
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    const offline = (flags & MEMORY_OFFLINE) !== 0;
    if (is_buddy(m, i)) pfn += 1 << buddy_order(k, pfn);
    else if (offline && ((m[i + PG_FLAGS]! >>> PG_hwpoison) & 1) !== 0) pfn++;
    else if (offline && is_offline(m, i) && m[i + PG_REFCOUNT] === 0) pfn++;
    else return -EBUSY;
  }
  return 0;
}

/**
 * Takes a free block off its list, as if it were allocated: not below the min watermark, unless it is isolated.
 * @returns how many pages; 0: the watermark forbids it
 */
export function __isolate_free_page(k: Kernel, pfn: pfn_t, order: number): number {
  const zone: Zone = page_zone(k, pfn);
  const mt = get_pageblock_migratetype(k, pfn);
  if (mt !== MIGRATE_ISOLATE) {
    if (!zone_watermark_ok(zone, 0, zone._watermark(WMARK_MIN) + (1 << order), 0, ALLOC_CMA)) return 0;
    __mod_zone_freepage_state(k, zone, -(1 << order), mt);
  }
  del_page_from_free_list(k, pfn, zone, order);
  if (order >= pageblock_order - 1) {
    const last = pfn + (1 << order) - 1;
    for (let p = pfn; p < last; p += pageblock_nr_pages) {
      if (get_pageblock_migratetype(k, p) < MIGRATE_PCPTYPES) set_pageblock_migratetype(k, p, MIGRATE_MOVABLE);
    }
  }
  return 1 << order;
}

/** Gives such a block back, to the tail of its list. */
export function __putback_isolated_page(k: Kernel, pfn: pfn_t, order: number, mt: number): void {
  __free_one_page(k, pfn, page_zone(k, pfn), order, mt, FPI_TO_TAIL);
}
