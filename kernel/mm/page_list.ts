// Lists of pages through their list_head in struct page (Linux: include/linux/list.h, lib/list_debug.c): rings of 64-bit
// pointers in RAM. A page's list_head is reached through the memory map at VMEMMAP_START, a list's own through the direct
// map, so code that runs on the machine can walk them, and damage them.
//
// Pointers are followed wherever they lead, as a CPU would: through the page tables where they are neither a page nor
// the structure that the list is in. CONFIG_DEBUG_LIST looks at both neighbours first. The written-out paths do neither:
// they go on only if both neighbours point back, and leave all else to the functions here.

import { general_protection_oops, page_fault_oops } from '../arch/x86/fault.ts';
import { _PAGE_RW, lookup_address } from '../arch/x86/pgtable.ts';
import {
  PAGE_LRU_OFFSET,
  PG_FLAGS,
  PG_INDEX,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  SIZEOF_PAGE,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import { LIST_POISON_HI, LIST_POISON1, LIST_POISON2 } from '../include/poison.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG, KernelBug, WARN_ON } from '../lib/bug.ts';
import { pr_err } from '../lib/printk.ts';
import { lru_pointer, lru_pointer_hi, lru_pointer_pfn, pfn_valid } from './page.ts';

/** What has lists in it: struct zone, struct per_cpu_pages. */
export interface ListOwner {
  /** The structure alone. */
  readonly view: Int32Array;
  /** The pointer to it. */
  readonly pointer_lo: number;
  readonly pointer_hi: number;
}

const NEXT = 0;
const PREV = 2;
/** Bits of an address above the one that all of them equal: 48 bits are in use, with five levels of tables 57. */
const CANONICAL_SHIFT = 15;
const CANONICAL_SHIFT_L5 = 24;

/**
 * Whether the high word of a pointer is one of the memory map's: of 8 TiB, all that page frame numbers of 31 bits reach.
 * One compare, and no bit of it that a program may have flipped goes unseen.
 */
export const is_page_pointer = (hi: number): boolean => (hi - VMEMMAP_HI) >>> 0 < 32;

/** A list_head whose words are wherever a pointer leads. One record, filled anew by each find(). */
const found: { words: Int32Array; at: number } = { words: new Int32Array(0), at: 0 };
const spill = new Int32Array(4);

const address = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
const px = (lo: number, hi: number): string => address(lo, hi).toString(16).padStart(16, '0');

/** @returns the words of a pointer that is no page's, or no whole one's: as the page tables have it, or an oops */
function translate(k: Kernel, lo: number, hi: number, word: number, write: boolean): number {
  const va = address(lo, hi) + BigInt(word * 4);
  const top = hi >> (k.hw.la57 === true ? CANONICAL_SHIFT_L5 : CANONICAL_SHIFT);
  if (top !== 0 && top !== -1) return general_protection_oops(k, va);
  const page = lookup_address(k, va);
  if (page === null) return page_fault_oops(k, va, write, false);
  if (write && (page.flags & _PAGE_RW) === 0) return page_fault_oops(k, va, true, true);
  return page.pa;
}

/** Whether a pointer is to a page's list_head, or into the structure that the list is in: then `found` is filled. */
function find(k: Kernel, owner: ListOwner, lo: number, hi: number): boolean {
  if (is_page_pointer(hi)) {
    const section = ((hi - VMEMMAP_HI) << 11) | (lo >>> 21);
    const map = k.mm.section_mem_map[section];
    if ((lo & 63) !== PAGE_LRU_OFFSET || map === undefined || map.length === 0) return false;
    found.words = map;
    found.at = (lo & 0x1fffff) >>> 2;
    return true;
  }
  const offset = (lo - owner.pointer_lo) | 0;
  if (hi !== (owner.pointer_hi | 0) || offset < 0 || offset >= owner.view.byteLength || (offset & 7) !== 0)
    return false;
  found.words = owner.view;
  found.at = offset >>> 2;
  return true;
}

/** Reads a link into spill[0] and spill[1]. */
function load(k: Kernel, owner: ListOwner, lo: number, hi: number, word: number): void {
  if (find(k, owner, lo, hi)) {
    spill[0] = found.words[found.at + word]!;
    spill[1] = found.words[found.at + word + 1]!;
    return;
  }
  const pa = translate(k, lo, hi, word, false);
  spill[0] = k.hw.ram.u32(pa);
  spill[1] = k.hw.ram.u32(pa + 4);
}

function store(k: Kernel, owner: ListOwner, lo: number, hi: number, word: number, to_lo: number, to_hi: number): void {
  if (find(k, owner, lo, hi)) {
    found.words[found.at + word] = to_lo;
    found.words[found.at + word + 1] = to_hi;
    return;
  }
  const pa = translate(k, lo, hi, word, true);
  k.hw.ram.set_u32(pa, to_lo >>> 0);
  k.hw.ram.set_u32(pa + 4, to_hi >>> 0);
}

/** CHECK_DATA_CORRUPTION(). @param where line and function in lib/list_debug.c */
function corruption(k: Kernel, line: number, name: string, text: string): false {
  if (k.config.BUG_ON_DATA_CORRUPTION) {
    pr_err(k, text);
    return BUG(k, `lib/list_debug.c:${line}`);
  }
  WARN_ON(k, true, `lib/list_debug.c:${line} ${name}`, text);
  return false;
}

function __list_add_valid(
  k: Kernel,
  owner: ListOwner,
  lo: number,
  hi: number,
  prev_lo: number,
  prev_hi: number,
  next_lo: number,
  next_hi: number,
): boolean {
  const twice = (lo === prev_lo && hi === prev_hi) || (lo === next_lo && hi === next_hi);
  if (!twice && (prev_lo | prev_hi) !== 0 && (next_lo | next_hi) !== 0) {
    load(k, owner, next_lo, next_hi, PREV);
    if (spill[0] === prev_lo && spill[1] === prev_hi) {
      load(k, owner, prev_lo, prev_hi, NEXT);
      if (spill[0] === next_lo && spill[1] === next_hi) return true;
    }
  }
  return list_add_corruption(k, owner, lo, hi, prev_lo, prev_hi, next_lo, next_hi);
}

/** Says what is wrong. @returns false */
function list_add_corruption(
  k: Kernel,
  owner: ListOwner,
  lo: number,
  hi: number,
  prev_lo: number,
  prev_hi: number,
  next_lo: number,
  next_hi: number,
): boolean {
  const bad = (line: number, text: string): false => corruption(k, line, '__list_add_valid', text);
  const prev = px(prev_lo, prev_hi);
  const next = px(next_lo, next_hi);
  if ((prev_lo | prev_hi) === 0) return bad(23, 'list_add corruption. prev is NULL.');
  if ((next_lo | next_hi) === 0) return bad(25, 'list_add corruption. next is NULL.');
  load(k, owner, next_lo, next_hi, PREV);
  if (spill[0] !== prev_lo || spill[1] !== prev_hi) {
    const was = px(spill[0]!, spill[1]!);
    return bad(27, `list_add corruption. next->prev should be prev (${prev}), but was ${was}. (next=${next}).`);
  }
  load(k, owner, prev_lo, prev_hi, NEXT);
  if (spill[0] !== next_lo || spill[1] !== next_hi) {
    const was = px(spill[0]!, spill[1]!);
    return bad(30, `list_add corruption. prev->next should be next (${next}), but was ${was}. (prev=${prev}).`);
  }
  if ((lo === prev_lo && hi === prev_hi) || (lo === next_lo && hi === next_hi)) {
    return bad(33, `list_add double add: new=${px(lo, hi)}, prev=${prev}, next=${next}.`);
  }
  return true;
}

function __list_del_entry_valid(
  k: Kernel,
  owner: ListOwner,
  lo: number,
  hi: number,
  prev_lo: number,
  prev_hi: number,
  next_lo: number,
  next_hi: number,
): boolean {
  const poisoned =
    (next_lo === LIST_POISON1 && next_hi === LIST_POISON_HI) ||
    (prev_lo === LIST_POISON2 && prev_hi === LIST_POISON_HI);
  if (!poisoned && (prev_lo | prev_hi) !== 0 && (next_lo | next_hi) !== 0) {
    load(k, owner, prev_lo, prev_hi, NEXT);
    if (spill[0] === lo && spill[1] === hi) {
      load(k, owner, next_lo, next_hi, PREV);
      if (spill[0] === lo && spill[1] === hi) return true;
    }
  }
  return list_del_corruption(k, owner, lo, hi, prev_lo, prev_hi, next_lo, next_hi);
}

/** Says what is wrong. @returns false */
function list_del_corruption(
  k: Kernel,
  owner: ListOwner,
  lo: number,
  hi: number,
  prev_lo: number,
  prev_hi: number,
  next_lo: number,
  next_hi: number,
): boolean {
  const bad = (line: number, text: string): false => corruption(k, line, '__list_del_entry_valid', text);
  const entry = px(lo, hi);
  if ((next_lo | next_hi) === 0) return bad(49, `list_del corruption, ${entry}->next is NULL`);
  if ((prev_lo | prev_hi) === 0) return bad(51, `list_del corruption, ${entry}->prev is NULL`);
  if (next_lo === LIST_POISON1 && next_hi === LIST_POISON_HI) {
    return bad(53, `list_del corruption, ${entry}->next is LIST_POISON1 (${px(next_lo, next_hi)})`);
  }
  if (prev_lo === LIST_POISON2 && prev_hi === LIST_POISON_HI) {
    return bad(56, `list_del corruption, ${entry}->prev is LIST_POISON2 (${px(prev_lo, prev_hi)})`);
  }
  load(k, owner, prev_lo, prev_hi, NEXT);
  if (spill[0] !== lo || spill[1] !== hi) {
    const was = px(spill[0]!, spill[1]!);
    const prev = px(prev_lo, prev_hi);
    return bad(59, `list_del corruption. prev->next should be ${entry}, but was ${was}. (prev=${prev})`);
  }
  load(k, owner, next_lo, next_hi, PREV);
  if (spill[0] !== lo || spill[1] !== hi) {
    const was = px(spill[0]!, spill[1]!);
    const next = px(next_lo, next_hi);
    return bad(62, `list_del corruption. next->prev should be ${entry}, but was ${was}. (next=${next})`);
  }
  return true;
}

/** INIT_LIST_HEAD(). */
export function init_list_head(words: Int32Array, head: number, head_lo: number, head_hi: number): void {
  words[head] = head_lo;
  words[head + 1] = head_hi;
  words[head + 2] = head_lo;
  words[head + 3] = head_hi;
}

function __list_add(
  k: Kernel,
  owner: ListOwner,
  lo: number,
  hi: number,
  prev_lo: number,
  prev_hi: number,
  next_lo: number,
  next_hi: number,
): void {
  if (k.config.DEBUG_LIST && !__list_add_valid(k, owner, lo, hi, prev_lo, prev_hi, next_lo, next_hi)) return;
  store(k, owner, next_lo, next_hi, PREV, lo, hi);
  store(k, owner, lo, hi, NEXT, next_lo, next_hi);
  store(k, owner, lo, hi, PREV, prev_lo, prev_hi);
  store(k, owner, prev_lo, prev_hi, NEXT, lo, hi);
}

/** The pointer's high word to a list's head, which may lie far outside of the structure, where an index was damaged. */
const head_pointer_hi = (owner: ListOwner, head: number): number =>
  (owner.pointer_hi + (head >>> 0 < 512 ? 0 : Math.floor(((owner.pointer_lo >>> 0) + head * 4) / 2 ** 32))) | 0;

/** The head's own link: NEXT or PREV, into spill. */
function load_head(k: Kernel, owner: ListOwner, head: number, word: number): void {
  load(k, owner, (owner.pointer_lo + (head << 2)) | 0, head_pointer_hi(owner, head), word);
}

/**
 * Puts a page first.
 * @param head word index of the list's head in owner.view
 */
export function list_add(k: Kernel, owner: ListOwner, head: number, pfn: pfn_t): void {
  load_head(k, owner, head, NEXT);
  const head_lo = (owner.pointer_lo + (head << 2)) | 0;
  const head_hi = head_pointer_hi(owner, head);
  __list_add(k, owner, lru_pointer(pfn), lru_pointer_hi(pfn), head_lo, head_hi, spill[0]!, spill[1]!);
}

/** Puts a page last. */
export function list_add_tail(k: Kernel, owner: ListOwner, head: number, pfn: pfn_t): void {
  load_head(k, owner, head, PREV);
  const head_lo = (owner.pointer_lo + (head << 2)) | 0;
  const head_hi = head_pointer_hi(owner, head);
  __list_add(k, owner, lru_pointer(pfn), lru_pointer_hi(pfn), spill[0]!, spill[1]!, head_lo, head_hi);
}

/** list_empty(). */
export const list_empty = (owner: ListOwner, head: number): boolean =>
  owner.view[head] === ((owner.pointer_lo + (head << 2)) | 0) && owner.view[head + 1] === (owner.pointer_hi | 0);

/** list_first_entry_or_null(). @returns -1: the list is empty */
export function list_first_page(k: Kernel, owner: ListOwner, head: number): pfn_t {
  load_head(k, owner, head, NEXT);
  return page_at(k, owner, head, spill[0]!, spill[1]!, NEXT);
}

/** list_last_entry(), of a list that is not empty, for one who reads the page's index first. */
export function list_last_page(k: Kernel, owner: ListOwner, head: number): pfn_t {
  load_head(k, owner, head, PREV);
  const pfn = page_at(k, owner, head, spill[0]!, spill[1]!, PG_INDEX - PG_LRU_NEXT);
  return pfn >= 0 ? pfn : no_page(k, spill[0]!, spill[1]!, 'a list of free pages');
}

/** The page that follows another on its list. @returns -1: it is the last */
export function list_next_page(k: Kernel, owner: ListOwner, head: number, pfn: pfn_t): pfn_t {
  load(k, owner, lru_pointer(pfn), lru_pointer_hi(pfn), NEXT);
  return page_at(k, owner, head, spill[0]!, spill[1]!, NEXT);
}

/** The page that comes before another on its list, or the last one (pfn -1). @returns -1: it is the first */
export function list_prev_page(k: Kernel, owner: ListOwner, head: number, pfn: pfn_t): pfn_t {
  if (pfn < 0) load_head(k, owner, head, PREV);
  else load(k, owner, lru_pointer(pfn), lru_pointer_hi(pfn), PREV);
  return page_at(k, owner, head, spill[0]!, spill[1]!, PREV);
}

/** Turns a ring so that one of its pages is the first, or the last: the head goes where that makes it so. */
export function list_rotate(k: Kernel, owner: ListOwner, head: number, pfn: pfn_t, first: boolean): void {
  const head_lo = (owner.pointer_lo + (head << 2)) | 0;
  const head_hi = owner.pointer_hi | 0;
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  unlink(k, owner, head_lo, head_hi);
  load(k, owner, lo, hi, first ? PREV : NEXT);
  const other_lo = spill[0]!;
  const other_hi = spill[1]!;
  if (first) __list_add(k, owner, head_lo, head_hi, other_lo, other_hi, lo, hi);
  else __list_add(k, owner, head_lo, head_hi, lo, hi, other_lo, other_hi);
}

/** @param word what of the list_head, or behind it, is read first */
function page_at(k: Kernel, owner: ListOwner, head: number, lo: number, hi: number, word: number): pfn_t {
  if (lo === ((owner.pointer_lo + (head << 2)) | 0) && hi === (owner.pointer_hi | 0)) return -1;
  if (is_page_pointer(hi) && find(k, owner, lo, hi)) return lru_pointer_pfn(lo, hi);
  // Where nothing is mapped, that is the end.
  translate(k, lo, hi, word, false);
  return no_page(k, lo, hi, 'a list of free pages');
}

/** compound_head of a tail page, whose words begin at m[i]: the page that it leads to. */
export function tail_head(k: Kernel, m: Int32Array, i: number): pfn_t {
  const lo = m[i + PG_LRU_NEXT]! & ~1;
  const hi = m[i + PG_LRU_NEXT_HI]!;
  const pfn = lru_pointer_pfn(lo, hi);
  if (is_page_pointer(hi) && (lo & (SIZEOF_PAGE - 1)) === 0 && pfn_valid(k.mm, pfn)) return pfn;
  translate(k, lo, hi, PG_FLAGS, false);
  return no_page(k, lo, hi, 'a tail page');
}

/** Differs from Linux, which takes whatever is there for a struct page, and hands out the memory that it would stand for. */
function no_page(k: Kernel, lo: number, hi: number, what: string): never {
  const text = `${what} leads to ${px(lo, hi)}, which is no struct page`;
  pr_err(k, `pgdat: ${text}`);
  throw new KernelBug(`kernel BUG: ${text}`);
}

/** Takes a page off its list and leaves its list_head as it is. */
export function __list_del_entry(k: Kernel, owner: ListOwner, pfn: pfn_t): void {
  unlink(k, owner, lru_pointer(pfn), lru_pointer_hi(pfn));
}

function unlink(k: Kernel, owner: ListOwner, lo: number, hi: number): void {
  load(k, owner, lo, hi, NEXT);
  const next_lo = spill[0]!;
  const next_hi = spill[1]!;
  load(k, owner, lo, hi, PREV);
  const prev_lo = spill[0]!;
  const prev_hi = spill[1]!;
  if (k.config.DEBUG_LIST && !__list_del_entry_valid(k, owner, lo, hi, prev_lo, prev_hi, next_lo, next_hi)) return;
  store(k, owner, next_lo, next_hi, PREV, prev_lo, prev_hi);
  store(k, owner, prev_lo, prev_hi, NEXT, next_lo, next_hi);
}

/** list_del(): as __list_del_entry(), and poisons the page's list_head. */
export function list_del(k: Kernel, owner: ListOwner, pfn: pfn_t): void {
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  unlink(k, owner, lo, hi);
  store(k, owner, lo, hi, NEXT, LIST_POISON1, LIST_POISON_HI);
  store(k, owner, lo, hi, PREV, LIST_POISON2, LIST_POISON_HI);
}
