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
import type { Kernel } from '../kernel.ts';
import type { Zone } from './mmzone.ts';
import { lru_pointer, lru_pointer_hi, page_index } from './page.ts';
import {
  __list_del_entry,
  init_list_head,
  is_page_pointer,
  list_add,
  list_add_tail,
  list_del,
  list_empty,
  list_first_page,
  list_next_page,
  list_prev_page,
  list_rotate,
} from './page_list.ts';

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

/** At the head: handed out next. */
export function add_to_free_list(k: Kernel, pfn: pfn_t, zone: Zone, order: number, migratetype: number): void {
  list_add(k, zone, list_index(order, migratetype), pfn);
  zone.words[zone.base + nr_free_index(order)]!++;
}

/** At the tail: handed out last. */
export function add_to_free_list_tail(k: Kernel, pfn: pfn_t, zone: Zone, order: number, migratetype: number): void {
  list_add_tail(k, zone, list_index(order, migratetype), pfn);
  zone.words[zone.base + nr_free_index(order)]!++;
}

/**
 * Takes a page of a list off it. The page is no free block any more.
 *
 * list_del() is written out for neighbours that are pages or this zone's lists, and that both point back.
 */
export function del_page_from_free_list(k: Kernel, pfn: pfn_t, zone: Zone, order: number): void {
  const maps = k.mm.section_mem_map;
  const m = maps[pfn >>> PFN_SECTION_SHIFT]!;
  const i = page_index(pfn);
  const z = zone.view;
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  const next_lo = m[i + PG_LRU_NEXT]!;
  const next_hi = m[i + PG_LRU_NEXT_HI]!;
  const prev_lo = m[i + PG_LRU_PREV]!;
  const prev_hi = m[i + PG_LRU_PREV_HI]!;
  const next_is_page = is_page_pointer(next_hi);
  const prev_is_page = is_page_pointer(prev_hi);
  const n = next_is_page ? maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)] : z;
  const p = prev_is_page ? maps[((prev_hi - VMEMMAP_HI) << 11) | (prev_lo >>> 21)] : z;
  const n_at = (next_is_page ? next_lo & 0x1fffff : (next_lo - zone.pointer_lo) | 0) >>> 2;
  const p_at = (prev_is_page ? prev_lo & 0x1fffff : (prev_lo - zone.pointer_lo) | 0) >>> 2;
  if (
    n !== undefined &&
    p !== undefined &&
    (next_is_page || next_hi === zone.pointer_hi) &&
    (prev_is_page || prev_hi === zone.pointer_hi) &&
    ((next_lo | prev_lo) & 7) === 0 &&
    n[n_at + 2] === lo &&
    n[n_at + 3] === hi &&
    p[p_at] === lo &&
    p[p_at + 1] === hi
  ) {
    n[n_at + 2] = prev_lo;
    n[n_at + 3] = prev_hi;
    p[p_at] = next_lo;
    p[p_at + 1] = next_hi;
    m[i + PG_LRU_NEXT] = LIST_POISON1;
    m[i + PG_LRU_NEXT_HI] = LIST_POISON_HI;
    m[i + PG_LRU_PREV] = LIST_POISON2;
    m[i + PG_LRU_PREV_HI] = LIST_POISON_HI;
  } else {
    list_del(k, zone, pfn);
  }
  m[i + PG_MAPCOUNT] = m[i + PG_MAPCOUNT]! | PG_buddy;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  const nr = nr_free_index(order) & 511;
  z[nr] = z[nr]! - 1;
}

/** Moves a free block to the tail of another list of its order. */
export function move_to_free_list(k: Kernel, pfn: pfn_t, zone: Zone, order: number, migratetype: number): void {
  __list_del_entry(k, zone, pfn);
  list_add_tail(k, zone, list_index(order, migratetype), pfn);
}

/** The first block of a list, or -1. */
export const get_page_from_free_area = (k: Kernel, zone: Zone, order: number, migratetype: number): pfn_t =>
  list_first_page(k, zone, list_index(order, migratetype));

/** The block after, or before, another on a list; -1: there is none. Before -1: the last one. */
export const next_free_page = (k: Kernel, zone: Zone, order: number, migratetype: number, pfn: pfn_t): pfn_t =>
  list_next_page(k, zone, list_index(order, migratetype), pfn);
export const prev_free_page = (k: Kernel, zone: Zone, order: number, migratetype: number, pfn: pfn_t): pfn_t =>
  list_prev_page(k, zone, list_index(order, migratetype), pfn);

/** Turns a list so that one of its blocks is the first, or the last. */
export const free_area_rotate = (
  k: Kernel,
  zone: Zone,
  order: number,
  migratetype: number,
  pfn: pfn_t,
  first: boolean,
): void => list_rotate(k, zone, list_index(order, migratetype), pfn, first);

export const free_area_empty = (zone: Zone, order: number, migratetype: number): boolean =>
  list_empty(zone, list_index(order, migratetype));

/** A list from head to tail, as its pointers have it: without end, where they do not lead back to the head. */
export function* for_each_free_page(k: Kernel, zone: Zone, order: number, migratetype: number): Generator<pfn_t> {
  const head = list_index(order, migratetype);
  for (let pfn = list_first_page(k, zone, head); pfn >= 0; pfn = list_next_page(k, zone, head, pfn)) yield pfn;
}
