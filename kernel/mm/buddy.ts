// The buddy allocator's core (Linux: mm/page_alloc.c __free_one_page(), expand(), __rmqueue_smallest()): blocks of 2^order
// pages on the free lists of a zone.
//
// Left out: page reporting, shuffling, KASAN and the like.
//
// Context: zone->lock held, or boot with one CPU.

import {
  PAGE_LRU_OFFSET,
  PAGE_WORDS,
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_INDEX,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_LRU_PREV,
  PG_LRU_PREV_HI,
  PG_MAPCOUNT,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  SIZEOF_PAGE,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  MIGRATE_TYPES,
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  PFN_SECTION_SHIFT,
  pageblock_order,
} from '../include/mmzone.ts';
import {
  BUDDY_MASK,
  PAGE_FLAGS_CHECK_AT_PREP,
  PAGE_TYPE_BASE_WORD,
  PG_buddy,
  ZONES_PGSHIFT_HI,
} from '../include/page_flags.ts';
import { PF_KTHREAD } from '../include/sched.ts';
import { KEY_CAPTURE, KEY_DEBUG_PAGEALLOC, KEY_DEBUG_VM, KEY_TRACE } from '../include/static_keys.ts';
import type { pfn_t } from '../include/types.ts';
import { AREA_NR_FREE, AREA_WORDS, Z_FREE_AREA, Z_NR_ISOLATE_PAGEBLOCK } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { BUG } from '../lib/bug.ts';
import { trace_mm_page_alloc_zone_locked } from '../trace/events/kmem.ts';
import { explain_lists, explaining } from '../trace/explain.ts';
import type { capture_control } from './compact_control.ts';
import { add_to_free_list, add_to_free_list_tail, del_page_from_free_list } from './free_list.ts';
import { clear_page_guard, is_guard_of, set_page_guard } from './guard.ts';
import type { MmState } from './mm_state.ts';
import { bad_range, VM_BUG_ON_PAGE } from './mmdebug.ts';
import type { Zone } from './mmzone.ts';
import { lru_pointer, lru_pointer_hi, lru_pointer_pfn, page_index, section_map } from './page.ts';
import { is_page_pointer, list_first_page } from './page_list.ts';
import { get_pageblock_migratetype } from './pageblock.ts';
import { __mod_zone_page_state } from './vmstat.ts';

// fpi_t: how a page is freed
export const FPI_NONE = 0;
/** To the tail of its list, whatever its buddies are. */
export const FPI_TO_TAIL = 2;

export function __mod_zone_freepage_state(k: Kernel, zone: Zone, nr_pages: number, migratetype: number): void {
  __mod_zone_page_state(k, zone, NR_FREE_PAGES, nr_pages);
  if (migratetype === MIGRATE_CMA) __mod_zone_page_state(k, zone, NR_FREE_CMA_PAGES, nr_pages);
}

// A block of order 10 or less lies in one section, so the words of all its pages, and of its buddy, are in one array. In
// the code below `z` is struct zone alone, and masks say to the compiler how large an index can be.

/** Word index in struct zone of free_area[order].free_list[migratetype]. */
const list_index = (order: number, migratetype: number): number =>
  (Z_FREE_AREA + Math.imul(order, AREA_WORDS) + (migratetype << 2)) & 511;
const nr_free_index = (order: number): number => (Z_FREE_AREA + AREA_NR_FREE + Math.imul(order, AREA_WORDS)) & 511;

/** Whether the first, or last, block of a list points back to the list's head. */
function points_back(maps: Int32Array[], zone: Zone, head: number, head_lo: number, last: boolean): boolean {
  const z = zone.view;
  const from = last ? head + 2 : head;
  const lo = z[from]!;
  const hi = z[from + 1]!;
  if (hi === zone.pointer_hi) return lo === head_lo;
  const m = is_page_pointer(hi) ? maps[((hi - VMEMMAP_HI) << 11) | (lo >>> 21)] : undefined;
  if (m === undefined || (lo & (SIZEOF_PAGE - 1)) !== PAGE_LRU_OFFSET) return false;
  const at = ((lo & 0x1fffff) >>> 2) + (last ? 0 : 2);
  return m[at] === head_lo && m[at + 1] === zone.pointer_hi;
}

/** Whether the page whose words begin at m[b] heads a free block of `order`, of the zone that `zone_id` stands for. */
const is_buddy_of = (m: Int32Array, b: number, order: number, zone_id: number): boolean =>
  (m[b + PG_MAPCOUNT]! & BUDDY_MASK) === PAGE_TYPE_BASE_WORD &&
  m[b + PG_PRIVATE] === order &&
  m[b + PG_FLAGS_HI]! >>> ZONES_PGSHIFT_HI === zone_id;

export function set_buddy_order(mm: MmState, pfn: pfn_t, order: number): void {
  const m = section_map(mm, pfn);
  const i = page_index(pfn);
  m[i + PG_PRIVATE] = order;
  m[i + PG_PRIVATE_HI] = 0;
  m[i + PG_MAPCOUNT]! &= ~PG_buddy;
}

/** Whether the running task, which compacts for such a block, takes it. Kernel threads compact for others. */
function compaction_capture(
  k: Kernel,
  capc: capture_control,
  zone: Zone,
  pfn: pfn_t,
  order: number,
  migratetype: number,
): boolean {
  if ((k.current.flags & PF_KTHREAD) !== 0 || capc.page >= 0 || capc.zone !== zone || order !== capc.order)
    return false;
  if (migratetype === MIGRATE_CMA || migratetype === MIGRATE_ISOLATE) return false;
  // A part of a movable pageblock might become something else.
  if (order < pageblock_order && migratetype === MIGRATE_MOVABLE) return false;
  capc.page = pfn;
  return true;
}

/**
 * Gives a block to the free lists, merged with its buddies as far up as they are free.
 *
 * Without FPI_TO_TAIL it goes to the head of its list, unless the buddy of the block that it would be half of is free
 * already: then to the tail, in the hope that its own buddy comes free before it is taken.
 */
export function __free_one_page(
  k: Kernel,
  pfn: pfn_t,
  zone: Zone,
  order: number,
  migratetype: number,
  fpi_flags: number,
): void {
  if (migratetype !== MIGRATE_ISOLATE) __mod_zone_freepage_state(k, zone, 1 << order, migratetype);

  const keys = k.page_alloc.static_keys;
  if ((keys & KEY_DEBUG_VM) !== 0) check_free_one_page(k, zone, pfn, order);
  const z = zone.view;
  const maps = k.mm.section_mem_map;
  const m = maps[pfn >>> PFN_SECTION_SHIFT]!;
  let i = page_index(pfn);
  const zone_id = m[i + PG_FLAGS_HI]! >>> ZONES_PGSHIFT_HI;
  let b = 0;
  const capc = (keys & KEY_CAPTURE) !== 0 ? k.current.capture_control : null;
  while (order < MAX_ORDER - 1) {
    if (capc !== null && compaction_capture(k, capc, zone, pfn, order, migratetype)) {
      __mod_zone_freepage_state(k, zone, -(1 << order), migratetype);
      return;
    }
    b = i ^ (PAGE_WORDS << order);
    const guard = (keys & KEY_DEBUG_PAGEALLOC) !== 0 && is_guard_of(m, b, order, zone_id);
    if (!guard && !is_buddy_of(m, b, order, zone_id)) break;
    if (order >= pageblock_order) {
      const buddy_mt = get_pageblock_migratetype(k, pfn ^ (1 << order));
      // Blocks of other than the common types never merge with blocks of another type.
      if (migratetype !== buddy_mt && (migratetype >= MIGRATE_PCPTYPES || buddy_mt >= MIGRATE_PCPTYPES)) break;
    }
    if (guard) clear_page_guard(k, zone, pfn ^ (1 << order), order, migratetype);
    else del_page_from_free_list(k, pfn ^ (1 << order), zone, order);
    pfn &= ~(1 << order);
    i &= b;
    order++;
  }
  m[i + PG_PRIVATE] = order;
  m[i + PG_PRIVATE_HI] = 0;
  m[i + PG_MAPCOUNT] = m[i + PG_MAPCOUNT]! & ~PG_buddy;

  let to_tail = (fpi_flags & FPI_TO_TAIL) !== 0;
  if (!to_tail && order < MAX_ORDER - 2) {
    const higher = (i & b) ^ (PAGE_WORDS << (order + 1));
    to_tail =
      is_buddy_of(m, higher, order + 1, zone_id) ||
      ((keys & KEY_DEBUG_PAGEALLOC) !== 0 && is_guard_of(m, higher, order + 1, zone_id));
  }
  // Where the list's first or last block does not point back, as where the migratetype that a per-cpu list had for the
  // page is none: __list_add() in full.
  const head = list_index(order, migratetype);
  const head_lo = (zone.pointer_lo + (head << 2)) | 0;
  if (migratetype >>> 0 >= MIGRATE_TYPES || !points_back(maps, zone, head, head_lo, to_tail)) {
    if (to_tail) add_to_free_list_tail(k, pfn, zone, order, migratetype);
    else add_to_free_list(k, pfn, zone, order, migratetype);
    return;
  }
  const nr = nr_free_index(order);
  z[nr] = z[nr]! + 1;
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  if (to_tail) {
    const prev_lo = z[head + 2]!;
    const prev_hi = z[head + 3]!;
    m[i + PG_LRU_NEXT] = head_lo;
    m[i + PG_LRU_NEXT_HI] = zone.pointer_hi;
    m[i + PG_LRU_PREV] = prev_lo;
    m[i + PG_LRU_PREV_HI] = prev_hi;
    z[head + 2] = lo;
    z[head + 3] = hi;
    if (prev_hi >= VMEMMAP_HI) {
      const n = maps[((prev_hi - VMEMMAP_HI) << 11) | (prev_lo >>> 21)]!;
      const at = (prev_lo & 0x1fffc0) >>> 2;
      n[at + PG_LRU_NEXT] = lo;
      n[at + PG_LRU_NEXT_HI] = hi;
    } else {
      z[head] = lo;
      z[head + 1] = hi;
    }
    return;
  }
  const next_lo = z[head]!;
  const next_hi = z[head + 1]!;
  m[i + PG_LRU_NEXT] = next_lo;
  m[i + PG_LRU_NEXT_HI] = next_hi;
  m[i + PG_LRU_PREV] = head_lo;
  m[i + PG_LRU_PREV_HI] = zone.pointer_hi;
  z[head] = lo;
  z[head + 1] = hi;
  if (next_hi >= VMEMMAP_HI) {
    const n = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)]!;
    const at = (next_lo & 0x1fffc0) >>> 2;
    n[at + PG_LRU_PREV] = lo;
    n[at + PG_LRU_PREV_HI] = hi;
  } else {
    z[head + 2] = lo;
    z[head + 3] = hi;
  }
}

/** CONFIG_DEBUG_VM. */
function check_free_one_page(k: Kernel, zone: Zone, pfn: pfn_t, order: number): void {
  const flags = section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! & PAGE_FLAGS_CHECK_AT_PREP;
  if (!zone.initialized) BUG(k, 'mm/page_alloc.c:1133');
  VM_BUG_ON_PAGE(k, flags !== 0, 'page->flags & PAGE_FLAGS_CHECK_AT_PREP', pfn, 'mm/page_alloc.c:1134');
  VM_BUG_ON_PAGE(k, (pfn & ((1 << order) - 1)) !== 0, 'pfn & ((1 << order) - 1)', pfn, 'mm/page_alloc.c:1140');
  VM_BUG_ON_PAGE(k, bad_range(k, zone, pfn), 'bad_range(zone, page)', pfn, 'mm/page_alloc.c:1141');
}

/** @returns whether the upper half of a block that is split stays out of use */
function expand_switched_on(k: Kernel, zone: Zone, pfn: pfn_t, order: number, migratetype: number): boolean {
  const bad = k.config.DEBUG_VM && bad_range(k, zone, pfn);
  VM_BUG_ON_PAGE(k, bad, 'bad_range(zone, &page[size])', pfn, 'mm/page_alloc.c:2383');
  return set_page_guard(k, zone, pfn, order, migratetype);
}

/**
 * Splits the block of order `high` whose first page's words begin at m[i] down to `low`: the upper halves go back to the
 * free lists, each to the head of its list.
 * @param lo hi pointer to the first page's list_head
 */
function expand(
  k: Kernel,
  zone: Zone,
  m: Int32Array,
  i: number,
  lo: number,
  hi: number,
  low: number,
  high: number,
  migratetype: number,
): void {
  const keys = k.page_alloc.static_keys & (KEY_DEBUG_VM | KEY_DEBUG_PAGEALLOC);
  const z = zone.view;
  const maps = k.mm.section_mem_map;
  while (high > low) {
    high--;
    // Of the upper half: its words, and its pointer, whose low word does not carry within a block.
    const j = (i + (PAGE_WORDS << high)) & 0x7fff0;
    const half_lo = (lo + (SIZEOF_PAGE << high)) | 0;
    if (keys !== 0 && expand_switched_on(k, zone, lru_pointer_pfn(half_lo, hi), high, migratetype)) continue;
    const head = list_index(high, migratetype);
    const next_lo = z[head]!;
    const next_hi = z[head + 1]!;
    if (!points_back(maps, zone, head, (zone.pointer_lo + (head << 2)) | 0, false)) {
      const half = lru_pointer_pfn(half_lo, hi);
      add_to_free_list(k, half, zone, high, migratetype);
      set_buddy_order(k.mm, half, high);
      continue;
    }
    m[j + PG_LRU_NEXT] = next_lo;
    m[j + PG_LRU_NEXT_HI] = next_hi;
    m[j + PG_LRU_PREV] = (zone.pointer_lo + (head << 2)) | 0;
    m[j + PG_LRU_PREV_HI] = zone.pointer_hi;
    m[j + PG_PRIVATE] = high;
    m[j + PG_PRIVATE_HI] = 0;
    m[j + PG_MAPCOUNT] = m[j + PG_MAPCOUNT]! & ~PG_buddy;
    z[head] = half_lo;
    z[head + 1] = hi;
    if (next_hi >= VMEMMAP_HI) {
      const n = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)]!;
      const at = (next_lo & 0x1fffc0) >>> 2;
      n[at + PG_LRU_PREV] = half_lo;
      n[at + PG_LRU_PREV_HI] = hi;
    } else {
      z[head + 2] = half_lo;
      z[head + 3] = hi;
    }
    const nr = nr_free_index(high);
    z[nr] = z[nr]! + 1;
  }
}

/**
 * Takes a block of `order` off the lists of one migratetype, from the smallest order that has one.
 * The caller takes it out of NR_FREE_PAGES.
 * @returns its first page, or -1
 */
export function __rmqueue_smallest(k: Kernel, zone: Zone, order: number, migratetype: number): pfn_t {
  const z = zone.view;
  for (let current_order = order; current_order < MAX_ORDER; current_order++) {
    const head = list_index(current_order, migratetype);
    const hi = z[head + 1]!;
    const lo = z[head]!;
    if (hi === zone.pointer_hi && lo === ((zone.pointer_lo + (head << 2)) | 0)) continue;
    const pfn = list_first_page(k, zone, head);
    const m = k.mm.section_mem_map[pfn >>> PFN_SECTION_SHIFT]!;
    const i = page_index(pfn);
    del_page_from_free_list(k, pfn, zone, current_order);
    if (current_order > order) expand(k, zone, m, i, lo, hi, order, current_order, migratetype);
    m[i + PG_INDEX] = migratetype;
    if ((k.page_alloc.static_keys & KEY_TRACE) !== 0) trace_mm_page_alloc_zone_locked(k, pfn, order, migratetype);
    if (explaining(k)) explain_lists(k, zone, order, migratetype, current_order, pfn);
    return pfn;
  }
  if (explaining(k)) explain_lists(k, zone, order, migratetype, -1, -1);
  return -1;
}

/** Frees a block of pages that are fit to be freed. Context: takes zone->lock. */
export function free_one_page(
  k: Kernel,
  zone: Zone,
  pfn: pfn_t,
  order: number,
  migratetype: number,
  fpi_flags: number,
): void {
  // The pageblock's type may change while the lock is waited for, where any of the zone's are isolated.
  if (zone.words[zone.base + Z_NR_ISOLATE_PAGEBLOCK] !== 0) migratetype = get_pageblock_migratetype(k, pfn);
  __free_one_page(k, pfn, zone, order, migratetype, fpi_flags);
}
