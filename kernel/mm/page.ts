// struct page by page frame number (Linux: include/linux/mm.h, page-flags.h, page_ref.h, mmzone.h). A page is never an
// object: these read and write the sixteen words that it has in its section's memory map.
//
// Hot loops do not call them a page at a time: they take section_map() once and go on by PAGE_WORDS.

import { page_fault_oops } from '../arch/x86/fault.ts';
import {
  PAGE_LRU_OFFSET,
  PAGE_WORDS,
  PAGE_WORDS_SHIFT,
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_INDEX,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_LRU_PREV,
  PG_LRU_PREV_HI,
  PG_MAPCOUNT,
  PG_PRIVATE,
  PG_REFCOUNT,
  SIZEOF_PAGE,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import { PAGES_PER_SECTION, PFN_SECTION_SHIFT, pglist_data, zone as zone_layout } from '../include/mmzone.ts';
import {
  BUDDY_MASK,
  CPUPID_NONE,
  CPUPID_NONE_HI,
  NODES_MASK,
  NODES_PGSHIFT_HI,
  PAGE_TYPE_BASE_WORD,
  PG_reserved,
  ZONES_MASK,
  ZONES_PGSHIFT_HI,
} from '../include/page_flags.ts';
import { type nid_t, type pfn_t, VMEMMAP_START } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug } from '../lib/bug.ts';
import type { MmState } from './mm_state.ts';
import type { Zone } from './mmzone.ts';

/** Pages that a step of the vmemmap pointer's high word stands for: 4 GiB of memory map. */
const PFN_HI_SHIFT = 26;

/** The memory map of the section that `pfn` is in. */
export const section_map = (mm: MmState, pfn: pfn_t): Int32Array =>
  mm.section_mem_map[pfn >>> PFN_SECTION_SHIFT] ?? mm.no_struct_page(pfn);
/** Where in it `pfn`'s words begin. */
export const page_index = (pfn: pfn_t): number => (pfn & (PAGES_PER_SECTION - 1)) << PAGE_WORDS_SHIFT;

/** Low and high word of the pointer to `pfn`'s list_head (lru, buddy_list, pcp_list). */
export const lru_pointer = (pfn: pfn_t): number => (pfn << 6) | PAGE_LRU_OFFSET;
export const lru_pointer_hi = (pfn: pfn_t): number => VMEMMAP_HI + (pfn >>> PFN_HI_SHIFT);
/** The page that such a pointer leads to. */
export const lru_pointer_pfn = (lo: number, hi: number): pfn_t => ((hi - VMEMMAP_HI) << PFN_HI_SHIFT) | (lo >>> 6);

/** Whether there is a struct page for `pfn`. It may be one of a hole. */
export function pfn_valid(mm: MmState, pfn: pfn_t): boolean {
  const map = mm.section_mem_map[Math.floor(pfn / PAGES_PER_SECTION)];
  return map !== undefined && map.length !== 0;
}

/** The high word of page->flags of a page that no CPU has touched. */
export const page_links = (zone: number, nid: nid_t): number =>
  (nid << NODES_PGSHIFT_HI) | (zone << ZONES_PGSHIFT_HI) | CPUPID_NONE_HI;

/**
 * __init_single_page() of [start_pfn, end_pfn), all in one section.
 * @param flags what is to be set in page->flags from the start: 0, or 1 << PG_reserved
 */
export function __init_pages(
  mm: MmState,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
  zone: number,
  nid: nid_t,
  flags: number,
): void {
  const m = section_map(mm, start_pfn);
  const flags_lo = CPUPID_NONE | flags;
  const flags_hi = page_links(zone, nid);
  const lru_hi = lru_pointer_hi(start_pfn);
  let lru = lru_pointer(start_pfn);
  const first = page_index(start_pfn);
  const end = first + (end_pfn - start_pfn) * PAGE_WORDS;
  const size = SIZEOF_PAGE;
  for (let i = first; i < end; i += PAGE_WORDS) {
    m[i] = flags_lo;
    m[i + 1] = flags_hi;
    m[i + 2] = lru;
    m[i + 3] = lru_hi;
    m[i + 4] = lru;
    m[i + 5] = lru_hi;
    m[i + 6] = 0;
    m[i + 7] = 0;
    m[i + 8] = 0;
    m[i + 9] = 0;
    m[i + 10] = 0;
    m[i + 11] = 0;
    m[i + 12] = -1;
    m[i + 13] = 1;
    m[i + 14] = 0;
    m[i + 15] = 0;
    lru = (lru + size) | 0;
  }
}

/** INIT_LIST_HEAD(&page->lru). */
export function init_lru(m: Int32Array, i: number, pfn: pfn_t): void {
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  m[i + PG_LRU_NEXT] = lo;
  m[i + PG_LRU_NEXT_HI] = hi;
  m[i + PG_LRU_PREV] = lo;
  m[i + PG_LRU_PREV_HI] = hi;
}

/** Forgets which CPU touched the page last. */
export function page_cpupid_reset_last(m: Int32Array, i: number): void {
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! | CPUPID_NONE;
  m[i + PG_FLAGS_HI] = m[i + PG_FLAGS_HI]! | CPUPID_NONE_HI;
}

const flags_hi = (k: Kernel, pfn: pfn_t): number => section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS_HI]!;

export const page_zonenum = (k: Kernel, pfn: pfn_t): number => (flags_hi(k, pfn) >>> ZONES_PGSHIFT_HI) & ZONES_MASK;
export const page_to_nid = (k: Kernel, pfn: pfn_t): nid_t => (flags_hi(k, pfn) >>> NODES_PGSHIFT_HI) & NODES_MASK;

/** The zone that the page's own flags name: right also where the spans of zones overlap. */
export function page_zone(k: Kernel, pfn: pfn_t): Zone {
  const zone_id = flags_hi(k, pfn) >>> ZONES_PGSHIFT_HI;
  return k.mm.zone_table[zone_id] ?? add_to_zone_table(k, zone_id);
}

/** A struct page is followed to where there is no memory map: what a CPU makes of it, reading its flags first. */
export function no_struct_page(k: Kernel, pfn: pfn_t): never {
  return page_fault_oops(k, VMEMMAP_START + BigInt(pfn >>> 0) * BigInt(SIZEOF_PAGE), false, false);
}

/** Puts a zone into the table that is indexed by the high bits of page->flags: node and zone. */
export function add_to_zone_table(k: Kernel, zone_id: number): Zone {
  const nid = zone_id >>> 3;
  const idx = zone_id & ZONES_MASK;
  const zone = k.node_data[nid]?.node_zones[idx];
  if (zone === undefined) {
    // The flags were damaged. Of no node: what Linux reads of such a zone first is where its per-cpu lists are.
    const offset = pglist_data.offset.node_zones + idx * zone_layout.size + zone_layout.offset.per_cpu_pageset;
    if (k.node_data[nid] === undefined) return page_fault_oops(k, BigInt(offset), false, false);
    // Differs from Linux, which takes for a zone what follows the node's last one.
    throw new KernelBug(`kernel BUG: a page says that it is in zone ${idx} of node ${nid}`);
  }
  k.mm.zone_table[zone_id] = zone;
  return zone;
}

/** Node and zone in one number: equal for two pages of one zone, and for no others. */
export const page_zone_id = (k: Kernel, pfn: pfn_t): number => flags_hi(k, pfn) >>> ZONES_PGSHIFT_HI;

/** page->flags without node, zone and cpupid. */
export const page_flags = (k: Kernel, pfn: pfn_t): number =>
  section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! & ~CPUPID_NONE;

export const PageReserved = (k: Kernel, pfn: pfn_t): boolean => ((page_flags(k, pfn) >>> PG_reserved) & 1) !== 0;

export function ClearPageReserved(k: Kernel, pfn: pfn_t): void {
  section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! &= ~(1 << PG_reserved);
}

/** Whether the page whose words begin at m[i] heads a free block. */
export const is_buddy = (m: Int32Array, i: number): boolean =>
  (m[i + PG_MAPCOUNT]! & BUDDY_MASK) === PAGE_TYPE_BASE_WORD;

export function PageBuddy(k: Kernel, pfn: pfn_t): boolean {
  return is_buddy(section_map(k.mm, pfn), page_index(pfn));
}

/** Of a page that PageBuddy() is true of. */
export const buddy_order = (k: Kernel, pfn: pfn_t): number => page_private(k, pfn);

/** The low word of page->private, which is all that the allocator uses of it. */
export const page_private = (k: Kernel, pfn: pfn_t): number => section_map(k.mm, pfn)[page_index(pfn) + PG_PRIVATE]!;

export const page_count = (k: Kernel, pfn: pfn_t): number => section_map(k.mm, pfn)[page_index(pfn) + PG_REFCOUNT]!;
export function set_page_count(k: Kernel, pfn: pfn_t, count: number): void {
  section_map(k.mm, pfn)[page_index(pfn) + PG_REFCOUNT] = count;
}

/** The migratetype that a page was freed, or taken off its list, with. */
export const get_pcppage_migratetype = (k: Kernel, pfn: pfn_t): number =>
  section_map(k.mm, pfn)[page_index(pfn) + PG_INDEX]!;
