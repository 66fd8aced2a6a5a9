// Compound pages (Linux: mm/page_alloc.c prep_compound_page(), include/linux/mm.h): a block whose first page speaks for
// all of them. Every other page points to it; the second one holds the order and which destructor it has.

import {
  PAGE_WORDS,
  PG_FLAGS,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  PG_REFCOUNT,
  PG1_COMPOUND_DTOR_ORDER,
  PG1_COMPOUND_MAPCOUNT,
  PG1_COMPOUND_NR,
  PG1_COMPOUND_PINCOUNT,
  SIZEOF_PAGE,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import { PG_head, PG_reserved } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { page_index, section_map } from './page.ts';
import { tail_head } from './page_list.ts';

// enum compound_dtor_id
export const COMPOUND_PAGE_DTOR = 1;
export const HUGETLB_PAGE_DTOR = 2;

// TAIL_MAPPING: what a tail page has as its mapping.
export const TAIL_MAPPING = 0x400;
export const TAIL_MAPPING_HI = 0xdead0000 | 0;
/** Bit 0 of compound_head: this is a tail page. */
const TAIL = 1;
const TWO_32 = 2 ** 32;

/** Makes the 2^order pages at `pfn` one compound page, for one who has a reference to it. */
export function prep_compound_page(k: Kernel, pfn: pfn_t, order: number, dtor: number): void {
  const head = pfn * SIZEOF_PAGE;
  const head_lo = (head | 0) + TAIL;
  const head_hi = VMEMMAP_HI + Math.floor(head / TWO_32);
  const nr_pages = 2 ** order;
  for (let n = 1; n < nr_pages; n++) {
    const m = section_map(k.mm, pfn + n);
    const i = page_index(pfn + n);
    m[i + PG_LRU_NEXT] = head_lo;
    m[i + PG_LRU_NEXT_HI] = head_hi;
    m[i + PG_MAPPING] = TAIL_MAPPING;
    m[i + PG_MAPPING_HI] = TAIL_MAPPING_HI;
    m[i + PG_PRIVATE] = 0;
    m[i + PG_PRIVATE_HI] = 0;
  }
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! | (1 << PG_head);
  const tail = i + PAGE_WORDS;
  m[tail + PG1_COMPOUND_DTOR_ORDER] = dtor | (order << 8);
  m[tail + PG1_COMPOUND_MAPCOUNT] = -1;
  m[tail + PG1_COMPOUND_PINCOUNT] = 0;
  m[tail + PG1_COMPOUND_NR] = nr_pages;
}

/**
 * The same of 2^order pages that were reserved. They are not any more, and no one has a reference.
 * Linux: prep_compound_gigantic_page().
 */
export function prep_compound_gigantic_page(k: Kernel, pfn: pfn_t, order: number, dtor: number): void {
  for (let n = 0; n < 2 ** order; n++) {
    const m = section_map(k.mm, pfn + n);
    const i = page_index(pfn + n);
    m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~(1 << PG_reserved);
    m[i + PG_REFCOUNT] = 0;
  }
  prep_compound_page(k, pfn, order, dtor);
}

/** compound_order(), of a head page whose words begin at m[i]. */
export const compound_order = (m: Int32Array, i: number): number =>
  (m[i + PAGE_WORDS + PG1_COMPOUND_DTOR_ORDER]! >>> 8) & 0xff;

/** compound_nr(). */
export function compound_nr(k: Kernel, pfn: pfn_t): number {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  return ((m[i + PG_FLAGS]! >>> PG_head) & 1) === 0 ? 1 : m[i + PAGE_WORDS + PG1_COMPOUND_NR]! >>> 0;
}

/** Whether the page is part of a page of hugetlb. */
export function PageHuge(k: Kernel, pfn: pfn_t): boolean {
  let m = section_map(k.mm, pfn);
  let i = page_index(pfn);
  if ((m[i + PG_LRU_NEXT]! & TAIL) !== 0) {
    const head = tail_head(k, m, i);
    m = section_map(k.mm, head);
    i = page_index(head);
  } else if (((m[i + PG_FLAGS]! >>> PG_head) & 1) === 0) {
    return false;
  }
  return (m[i + PAGE_WORDS + PG1_COMPOUND_DTOR_ORDER]! & 0xff) === HUGETLB_PAGE_DTOR;
}

/** The other pages of a compound page, whose words begin at m[i], are pages of their own again. */
export function clear_compound_tails(m: Int32Array, i: number, order: number): void {
  const end = i + (PAGE_WORDS << order);
  for (let at = i + PAGE_WORDS; at < end; at += PAGE_WORDS) {
    m[at + PG_MAPPING] = 0;
    m[at + PG_MAPPING_HI] = 0;
    m[at + PG_LRU_NEXT] = 0;
    m[at + PG_LRU_NEXT_HI] = 0;
  }
}
