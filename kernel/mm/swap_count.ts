// How many page table entries name a page of a swap area (Linux: mm/swapfile.c __swap_duplicate(), swap_duplicate(),
// swap_count_continued(), add_swap_count_continuation(), __swap_entry_free_locked()). A byte counts up to 62; what goes
// beyond has its higher digits, of seven bits each, in pages of their own: those are in the emulated RAM.

import { GFP_ATOMIC } from '../include/gfp_types.ts';
import {
  COUNT_CONTINUED,
  SWAP_CONT_MAX,
  SWAP_HAS_CACHE,
  SWAP_MAP_BAD,
  SWAP_MAP_MAX,
  SWAP_MAP_SHMEM,
  SWP_CONTINUED,
} from '../include/swap.ts';
import { EEXIST, EINVAL, ENOENT, ENOMEM, PAGE_SIZE, type pfn_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { alloc_pages } from './mempolicy.ts';
import { __free_pages } from './page_alloc.ts';
import type { swap_info_struct } from './swap_info.ts';
import { _swap_info_get, get_swap_device } from './swap_lookup.ts';
import { type swp_entry_t, swp_offset } from './swapops.ts';

/** May include COUNT_CONTINUED. */
export const swap_count = (ent: number): number => ent & ~SWAP_HAS_CACHE;

/** Where the higher digits of a count are, lowest first. */
function digits_of(si: swap_info_struct, offset: number): phys_addr_t[] {
  const pages = si.continuations.get(Math.floor(offset / PAGE_SIZE)) ?? [];
  return pages.map((pfn) => pfn * PAGE_SIZE + (offset % PAGE_SIZE));
}

/** Carries one into the higher digits. @returns false: there is no room, add_swap_count_continuation() makes some */
function carry(k: Kernel, digits: readonly phys_addr_t[], count: number): boolean {
  const { ram } = k.hw;
  if (digits.length === 0) return false;
  let n = 0;
  if (count === SWAP_MAP_MAX) ram.set_u8(digits[0]!, 0);
  else {
    while (ram.u8(digits[n]!) === (SWAP_CONT_MAX | COUNT_CONTINUED)) n++;
    if (ram.u8(digits[n]!) === SWAP_CONT_MAX) {
      if (++n === digits.length) return false;
      ram.set_u8(digits[n]!, 0);
    }
  }
  ram.set_u8(digits[n]!, ram.u8(digits[n]!) + 1);
  for (let low = 0; low < n; low++) ram.set_u8(digits[low]!, COUNT_CONTINUED);
  return true;
}

/** Borrows one from the higher digits. @returns whether they still hold more */
function borrow(k: Kernel, digits: readonly phys_addr_t[]): boolean {
  const { ram } = k.hw;
  let n = 0;
  while (ram.u8(digits[n]!) === COUNT_CONTINUED) n++;
  const left = ram.u8(digits[n]!) - 1;
  ram.set_u8(digits[n]!, left);
  let continued = left === 0 ? 0 : COUNT_CONTINUED;
  for (let low = n - 1; low >= 0; low--) {
    ram.set_u8(digits[low]!, SWAP_CONT_MAX | continued);
    continued = COUNT_CONTINUED;
  }
  return continued !== 0;
}

/** @param usage 1, SWAP_HAS_CACHE or SWAP_MAP_SHMEM. @returns 0 or -errno */
function __swap_duplicate(k: Kernel, entry: swp_entry_t, usage: number): number {
  const si = get_swap_device(k, entry);
  if (si === null) return -EINVAL;
  const offset = swp_offset(entry);
  const ent = si.swap_map[offset]!;
  const count = swap_count(ent);
  const has_cache = ent & SWAP_HAS_CACHE;
  if (count === SWAP_MAP_BAD) return -ENOENT;
  if (usage === SWAP_HAS_CACHE) {
    if (has_cache !== 0) return -EEXIST;
    if (count === 0) return -ENOENT;
    si.swap_map[offset] = count | SWAP_HAS_CACHE;
    return 0;
  }
  if (ent === 0) return -ENOENT;
  const low = count & ~COUNT_CONTINUED;
  if (low > SWAP_MAP_MAX) return -EINVAL;
  if (low < SWAP_MAP_MAX) si.swap_map[offset] = (count + usage) | has_cache;
  else if (carry(k, digits_of(si, offset), count)) si.swap_map[offset] = COUNT_CONTINUED | has_cache;
  else return -ENOMEM;
  return 0;
}

/** One more page table entry names it. @returns -ENOMEM: there was no page for a count that large; else 0 */
export function swap_duplicate(k: Kernel, entry: swp_entry_t): number {
  let err = 0;
  while (err === 0 && __swap_duplicate(k, entry, 1) === -ENOMEM) {
    err = add_swap_count_continuation(k, entry, alloc_pages(k, GFP_ATOMIC, 0));
  }
  return err;
}

/** Someone is going to put a page into the swap cache. @returns 0; -EEXIST: there is one; -ENOENT: the entry is free */
export const swapcache_prepare = (k: Kernel, entry: swp_entry_t): number => __swap_duplicate(k, entry, SWAP_HAS_CACHE);

/**
 * Makes room for a count that no longer fits. Whoever holds no page tables may wait for the page.
 * @param page a fresh one, which is freed if it is not needed, or -1. @returns 0 or -ENOMEM
 */
export function add_swap_count_continuation(k: Kernel, entry: swp_entry_t, page: pfn_t): number {
  const si = get_swap_device(k, entry);
  let err = 0;
  let used = false;
  if (si !== null && needs_continuation(k, si, swp_offset(entry))) {
    if (page < 0) err = -ENOMEM;
    else {
      const n = Math.floor(swp_offset(entry) / PAGE_SIZE);
      const pages = si.continuations.get(n) ?? [];
      pages.push(page);
      si.continuations.set(n, pages);
      si.flags |= SWP_CONTINUED;
      used = true;
    }
  }
  if (page >= 0 && !used) __free_pages(k, page, 0);
  return err;
}

/** Every digit that the count has is at its limit. */
function needs_continuation(k: Kernel, si: swap_info_struct, offset: number): boolean {
  let count = swap_count(si.swap_map[offset]!);
  if ((count & ~COUNT_CONTINUED) !== SWAP_MAP_MAX) return false;
  for (const digit of digits_of(si, offset)) {
    if ((count & COUNT_CONTINUED) === 0) return false;
    count = k.hw.ram.u8(digit);
    if ((count & ~COUNT_CONTINUED) !== SWAP_CONT_MAX) return false;
  }
  return true;
}

/** swapoff: nothing counts any more. */
export function free_swap_count_continuations(k: Kernel, si: swap_info_struct): void {
  for (const pages of si.continuations.values()) for (const pfn of pages) __free_pages(k, pfn, 0);
  si.continuations.clear();
}

/** One user less, or with SWAP_HAS_CACHE the swap cache. @returns what is left; at 0 the entry waits to be freed */
export function __swap_entry_free_locked(k: Kernel, si: swap_info_struct, offset: number, usage: number): number {
  const ent = si.swap_map[offset]!;
  let count = swap_count(ent);
  let has_cache = ent & SWAP_HAS_CACHE;
  if (usage === SWAP_HAS_CACHE) has_cache = 0;
  else if (count === SWAP_MAP_SHMEM) count = 0;
  else if ((count & ~COUNT_CONTINUED) <= SWAP_MAP_MAX) {
    if (count !== COUNT_CONTINUED) count--;
    else count = SWAP_MAP_MAX | (borrow(k, digits_of(si, offset)) ? COUNT_CONTINUED : 0);
  }
  const left = count | has_cache;
  si.swap_map[offset] = left === 0 ? SWAP_HAS_CACHE : left;
  return left;
}

/** The exact count. */
export function swp_swapcount(k: Kernel, entry: swp_entry_t): number {
  const si = _swap_info_get(k, entry);
  if (si === null) return 0;
  const ent = swap_count(si.swap_map[swp_offset(entry)]!);
  if ((ent & COUNT_CONTINUED) === 0) return ent;
  let count = ent & ~COUNT_CONTINUED;
  let unit = SWAP_MAP_MAX + 1;
  for (const digit of digits_of(si, swp_offset(entry))) {
    const value = k.hw.ram.u8(digit);
    count += (value & ~COUNT_CONTINUED) * unit;
    unit *= SWAP_CONT_MAX + 1;
    if ((value & COUNT_CONTINUED) === 0) break;
  }
  return count;
}

/** Whether any page table entry names it. Linux: folio_swapped(). */
export function entry_swapped(k: Kernel, entry: swp_entry_t): boolean {
  const si = _swap_info_get(k, entry);
  return si !== null && swap_count(si.swap_map[swp_offset(entry)]!) !== 0;
}
