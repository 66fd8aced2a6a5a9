// The free lists of a zone, in RAM (Linux: mm/page_alloc.c add_to_free_list() to del_page_from_free_list()): for each
// order and migratetype a list of free blocks, by the first page of each.
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
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import { MAX_ORDER, MIGRATE_TYPES, PFN_SECTION_SHIFT } from '../include/mmzone.ts';
import { PG_buddy } from '../include/page_flags.ts';
import { LIST_POISON_HI, LIST_POISON1, LIST_POISON2 } from '../include/poison.ts';
import type { pfn_t } from '../include/types.ts';
import { AREA_NR_FREE, AREA_WORDS, LIST_WORDS, Z_FREE_AREA } from '../include/zone_words.ts';
import type { MmState } from './mm_state.ts';
import type { Zone } from './mmzone.ts';
import { lru_pointer_pfn, page_index, section_map } from './page.ts';
import { __list_del_entry, init_list_head, list_add_tail } from './page_list.ts';

/** Word index, from the zone's base, of free_area[order].free_list[migratetype]. */
const list_index = (order: number, migratetype: number): number =>
  Z_FREE_AREA + order * AREA_WORDS + migratetype * LIST_WORDS;

const nr_free_index = (order: number): number => Z_FREE_AREA + order * AREA_WORDS + AREA_NR_FREE;

/** All lists empty. */
export function zone_init_free_lists(zone: Zone): void {
  const { words, base } = zone;
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let t = 0; t < MIGRATE_TYPES; t++) {
      const list = list_index(order, t);
      init_list_head(words, base + list, zone.pointer_lo + (list << 2), zone.pointer_hi);
    }
    words.fill(0, base + nr_free_index(order), base + nr_free_index(order) + 2);
  }
}

/** free_area[order].nr_free: below 2^31, so that only its low word is ever touched. */
export const nr_free = (zone: Zone, order: number): number => zone.words[zone.base + nr_free_index(order)]!;

/** At the tail: handed out last. */
export function add_to_free_list_tail(mm: MmState, pfn: pfn_t, zone: Zone, order: number, migratetype: number): void {
  const list = list_index(order, migratetype);
  list_add_tail(mm, zone.words, zone.base + list, zone.pointer_lo + (list << 2), zone.pointer_hi, pfn);
  zone.words[zone.base + nr_free_index(order)]!++;
}

/** Takes a page of a list off it. The page is no free block any more. */
export function del_page_from_free_list(mm: MmState, pfn: pfn_t, zone: Zone, order: number): void {
  const maps = mm.section_mem_map;
  const m = maps[pfn >>> PFN_SECTION_SHIFT]!;
  const i = page_index(pfn);
  const z = zone.view;
  const next_lo = m[i + PG_LRU_NEXT]!;
  const next_hi = m[i + PG_LRU_NEXT_HI]!;
  const prev_lo = m[i + PG_LRU_PREV]!;
  const prev_hi = m[i + PG_LRU_PREV_HI]!;
  // What is no page is a list of this zone; the masks say how large an index can be.
  if (next_hi >= VMEMMAP_HI) {
    const n = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)]!;
    const at = (next_lo & 0x1fffc0) >>> 2;
    n[at + PG_LRU_PREV] = prev_lo;
    n[at + PG_LRU_PREV_HI] = prev_hi;
  } else {
    const at = ((next_lo - zone.pointer_lo) & 0x7fc) >>> 2;
    z[at + 2] = prev_lo;
    z[at + 3] = prev_hi;
  }
  if (prev_hi >= VMEMMAP_HI) {
    const n = maps[((prev_hi - VMEMMAP_HI) << 11) | (prev_lo >>> 21)]!;
    const at = (prev_lo & 0x1fffc0) >>> 2;
    n[at + PG_LRU_NEXT] = next_lo;
    n[at + PG_LRU_NEXT_HI] = next_hi;
  } else {
    const at = ((prev_lo - zone.pointer_lo) & 0x7fc) >>> 2;
    z[at] = next_lo;
    z[at + 1] = next_hi;
  }
  m[i + PG_LRU_NEXT] = LIST_POISON1;
  m[i + PG_LRU_NEXT_HI] = LIST_POISON_HI;
  m[i + PG_LRU_PREV] = LIST_POISON2;
  m[i + PG_LRU_PREV_HI] = LIST_POISON_HI;
  m[i + PG_MAPCOUNT] = m[i + PG_MAPCOUNT]! | PG_buddy;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  const nr = nr_free_index(order) & 511;
  z[nr] = z[nr]! - 1;
}

/** Moves a free block to the tail of another list of its order. */
export function move_to_free_list(mm: MmState, pfn: pfn_t, zone: Zone, order: number, migratetype: number): void {
  const list = list_index(order, migratetype);
  __list_del_entry(mm, zone.words, section_map(mm, pfn), page_index(pfn));
  list_add_tail(mm, zone.words, zone.base + list, zone.pointer_lo + (list << 2), zone.pointer_hi, pfn);
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
