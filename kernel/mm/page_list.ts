// Lists of pages through their list_head in struct page (Linux: include/linux/list.h): rings of 64-bit pointers in RAM.
// A page's list_head is reached through the memory map at VMEMMAP_START, a list's own through the direct map, so code
// that runs on the machine can walk them. What a list belongs to (struct zone, struct per_cpu_pages) is given by the
// words it lies in, the index of its list_head there, and the pointer to that.

import { PG_LRU_NEXT, PG_LRU_NEXT_HI, PG_LRU_PREV, PG_LRU_PREV_HI, VMEMMAP_HI } from '../include/mm_types.ts';
import { LIST_POISON_HI, LIST_POISON1, LIST_POISON2 } from '../include/poison.ts';
import type { pfn_t } from '../include/types.ts';
import type { MmState } from './mm_state.ts';
import { lru_pointer, lru_pointer_hi, page_index, section_map } from './page.ts';

const NEXT = 0;
const PREV = 2;

/**
 * Sets the two words at `word` of the list_head that a pointer leads to. A memory map begins at a multiple of 2 MiB and
 * a chunk of RAM at one of 1 GiB, so the pointer's low bits are the place in it.
 * @param words where the list's own head lies
 */
function set_link(
  mm: MmState,
  words: Int32Array,
  at_lo: number,
  at_hi: number,
  word: number,
  lo: number,
  hi: number,
): void {
  if (at_hi >= VMEMMAP_HI) {
    const m = mm.section_mem_map[((at_hi - VMEMMAP_HI) << 11) | (at_lo >>> 21)]!;
    const i = ((at_lo & 0x1fffff) >>> 2) + word;
    m[i] = lo;
    m[i + 1] = hi;
  } else {
    const i = ((at_lo & 0x3fffffff) >>> 2) + word;
    words[i] = lo;
    words[i + 1] = hi;
  }
}

/** INIT_LIST_HEAD(). */
export function init_list_head(words: Int32Array, head: number, head_lo: number, head_hi: number): void {
  words[head] = head_lo;
  words[head + 1] = head_hi;
  words[head + 2] = head_lo;
  words[head + 3] = head_hi;
}

/** Puts a page last. */
export function list_add_tail(
  mm: MmState,
  words: Int32Array,
  head: number,
  head_lo: number,
  head_hi: number,
  pfn: pfn_t,
): void {
  const prev_lo = words[head + 2]!;
  const prev_hi = words[head + 3]!;
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  const m = section_map(mm, pfn);
  const i = page_index(pfn);
  m[i + PG_LRU_NEXT] = head_lo;
  m[i + PG_LRU_NEXT_HI] = head_hi;
  m[i + PG_LRU_PREV] = prev_lo;
  m[i + PG_LRU_PREV_HI] = prev_hi;
  words[head + 2] = lo;
  words[head + 3] = hi;
  set_link(mm, words, prev_lo, prev_hi, NEXT, lo, hi);
}

/** Takes a page, whose words begin at m[i], off its list and leaves its list_head as it is. */
export function __list_del_entry(mm: MmState, words: Int32Array, m: Int32Array, i: number): void {
  const next_lo = m[i + PG_LRU_NEXT]!;
  const next_hi = m[i + PG_LRU_NEXT_HI]!;
  const prev_lo = m[i + PG_LRU_PREV]!;
  const prev_hi = m[i + PG_LRU_PREV_HI]!;
  set_link(mm, words, next_lo, next_hi, PREV, prev_lo, prev_hi);
  set_link(mm, words, prev_lo, prev_hi, NEXT, next_lo, next_hi);
}

/** list_del(). */
export function list_del(mm: MmState, words: Int32Array, m: Int32Array, i: number): void {
  __list_del_entry(mm, words, m, i);
  m[i + PG_LRU_NEXT] = LIST_POISON1;
  m[i + PG_LRU_NEXT_HI] = LIST_POISON_HI;
  m[i + PG_LRU_PREV] = LIST_POISON2;
  m[i + PG_LRU_PREV_HI] = LIST_POISON_HI;
}
