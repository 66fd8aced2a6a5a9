// The free lists of a zone, in RAM (Linux: include/linux/list.h, and mm/page_alloc.c add_to_free_list() to
// del_page_from_free_list()): for each order and migratetype a ring of list_heads linked by 64-bit pointers. A page's
// list_head is reached through the memory map at VMEMMAP_START, a list's own through the direct map of struct zone, so
// code that runs on the machine can walk them.
//
// Context: zone->lock held, or boot with one CPU.

import {
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_LRU_PREV,
  PG_LRU_PREV_HI,
  PG_MAPCOUNT,
  PG_PRIVATE,
  PG_PRIVATE_HI,
} from '../include/mm_types.ts';
import { free_area, MAX_ORDER, MIGRATE_TYPES, zone as zone_layout } from '../include/mmzone.ts';
import { PG_buddy } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { MmState } from './mm_state.ts';
import type { Zone } from './mmzone.ts';
import { lru_pointer, lru_pointer_hi, lru_pointer_pfn, page_index, section_map, VMEMMAP_HI } from './page.ts';

const FREE_AREA = zone_layout.offset.free_area >> 2;
const AREA_WORDS = free_area.size >> 2;
const NR_FREE = free_area.offset.nr_free >> 2;
const LIST_WORDS = 4;

// include/linux/poison.h: what a list_head holds once it is off its list.
const LIST_POISON1 = 0x00000100;
const LIST_POISON2 = 0x00000122;
const LIST_POISON_HI = 0xdead0000 | 0;

/** Word index, from the zone's base, of free_area[order].free_list[migratetype]. */
const list_index = (order: number, migratetype: number): number =>
  FREE_AREA + order * AREA_WORDS + migratetype * LIST_WORDS;

// A list_head is four words: next, next_hi, prev, prev_hi. These set the two words at `word` of the list_head that a
// pointer leads to; a memory map begins at a multiple of 2 MiB, so the pointer's low bits are the place in it.
function set_link(mm: MmState, zone: Zone, at_lo: number, at_hi: number, word: number, lo: number, hi: number): void {
  let words: Int32Array;
  let i: number;
  if (at_hi >= VMEMMAP_HI) {
    words = mm.section_mem_map[((at_hi - VMEMMAP_HI) << 11) | (at_lo >>> 21)]!;
    i = ((at_lo & 0x1fffff) >>> 2) + word;
  } else {
    words = zone.words;
    i = ((at_lo & 0x3fffffff) >>> 2) + word;
  }
  words[i] = lo;
  words[i + 1] = hi;
}
const NEXT = 0;
const PREV = 2;

/** All lists empty. */
export function zone_init_free_lists(zone: Zone): void {
  const { words, base } = zone;
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let t = 0; t < MIGRATE_TYPES; t++) {
      const list = list_index(order, t);
      const lo = zone.pointer_lo + (list << 2);
      words[base + list] = lo;
      words[base + list + 1] = zone.pointer_hi;
      words[base + list + 2] = lo;
      words[base + list + 3] = zone.pointer_hi;
    }
    words.fill(0, base + nr_free_index(order), base + nr_free_index(order) + 2);
  }
}

const nr_free_index = (order: number): number => FREE_AREA + order * AREA_WORDS + NR_FREE;

/** free_area[order].nr_free: below 2^31, so that only its low word is ever touched. */
export const nr_free = (zone: Zone, order: number): number => zone.words[zone.base + nr_free_index(order)]!;

/** At the head: the next to be handed out. */
export function add_to_free_list(mm: MmState, pfn: pfn_t, zone: Zone, order: number, migratetype: number): void {
  const { words } = zone;
  const list = list_index(order, migratetype);
  const head = zone.base + list;
  const head_lo = zone.pointer_lo + (list << 2);
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  const next_lo = words[head]!;
  const next_hi = words[head + 1]!;
  const m = section_map(mm, pfn);
  const i = page_index(pfn);
  m[i + PG_LRU_NEXT] = next_lo;
  m[i + PG_LRU_NEXT_HI] = next_hi;
  m[i + PG_LRU_PREV] = head_lo;
  m[i + PG_LRU_PREV_HI] = zone.pointer_hi;
  set_link(mm, zone, next_lo, next_hi, PREV, lo, hi);
  words[head] = lo;
  words[head + 1] = hi;
  words[zone.base + nr_free_index(order)]!++;
}

/** At the tail: handed out last. */
export function add_to_free_list_tail(mm: MmState, pfn: pfn_t, zone: Zone, order: number, migratetype: number): void {
  const { words } = zone;
  const list = list_index(order, migratetype);
  const head = zone.base + list;
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  const prev_lo = words[head + 2]!;
  const prev_hi = words[head + 3]!;
  const m = section_map(mm, pfn);
  const i = page_index(pfn);
  m[i + PG_LRU_NEXT] = zone.pointer_lo + (list << 2);
  m[i + PG_LRU_NEXT_HI] = zone.pointer_hi;
  m[i + PG_LRU_PREV] = prev_lo;
  m[i + PG_LRU_PREV_HI] = prev_hi;
  set_link(mm, zone, prev_lo, prev_hi, NEXT, lo, hi);
  words[head + 2] = lo;
  words[head + 3] = hi;
  words[zone.base + nr_free_index(order)]!++;
}

/** Takes a page of a list off it. The page is no free block any more. */
export function del_page_from_free_list(mm: MmState, pfn: pfn_t, zone: Zone, order: number): void {
  const m = section_map(mm, pfn);
  const i = page_index(pfn);
  unlink(mm, zone, m, i);
  m[i + PG_LRU_NEXT] = LIST_POISON1;
  m[i + PG_LRU_NEXT_HI] = LIST_POISON_HI;
  m[i + PG_LRU_PREV] = LIST_POISON2;
  m[i + PG_LRU_PREV_HI] = LIST_POISON_HI;
  m[i + PG_MAPCOUNT]! |= PG_buddy;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  zone.words[zone.base + nr_free_index(order)]!--;
}

/** Moves a free block to the tail of another list of its order. */
export function move_to_free_list(mm: MmState, pfn: pfn_t, zone: Zone, order: number, migratetype: number): void {
  unlink(mm, zone, section_map(mm, pfn), page_index(pfn));
  add_to_free_list_tail(mm, pfn, zone, order, migratetype);
  zone.words[zone.base + nr_free_index(order)]!--;
}

function unlink(mm: MmState, zone: Zone, m: Int32Array, i: number): void {
  const next_lo = m[i + PG_LRU_NEXT]!;
  const next_hi = m[i + PG_LRU_NEXT_HI]!;
  const prev_lo = m[i + PG_LRU_PREV]!;
  const prev_hi = m[i + PG_LRU_PREV_HI]!;
  set_link(mm, zone, prev_lo, prev_hi, NEXT, next_lo, next_hi);
  set_link(mm, zone, next_lo, next_hi, PREV, prev_lo, prev_hi);
}

/** The first block of a list, or -1. */
export function get_page_from_free_area(zone: Zone, order: number, migratetype: number): pfn_t {
  const head = zone.base + list_index(order, migratetype);
  const hi = zone.words[head + 1]!;
  return hi >= VMEMMAP_HI ? lru_pointer_pfn(zone.words[head]!, hi) : -1;
}

export const free_area_empty = (zone: Zone, order: number, migratetype: number): boolean =>
  zone.words[zone.base + list_index(order, migratetype) + 1]! < VMEMMAP_HI;

/** A list from head to tail, as its pointers have it. */
export function* for_each_free_page(mm: MmState, zone: Zone, order: number, migratetype: number): Generator<pfn_t> {
  const head = zone.base + list_index(order, migratetype);
  let lo = zone.words[head]!;
  let hi = zone.words[head + 1]!;
  while (hi >= VMEMMAP_HI) {
    const pfn = lru_pointer_pfn(lo, hi);
    yield pfn;
    const m = section_map(mm, pfn);
    const i = page_index(pfn);
    lo = m[i + PG_LRU_NEXT]!;
    hi = m[i + PG_LRU_NEXT_HI]!;
  }
}
