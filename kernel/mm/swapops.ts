// Swap entries (Linux: include/linux/swapops.h, arch/x86/include/asm/pgtable_64.h): which area and which page of it, or
// for types above the areas something else that a page table entry says of a page that is not there.
//
// Differs from Linux: the type stands at bit 45, not 58, so that an entry is a number that JavaScript holds. What is
// stored, in page->private and in page tables, is Linux's.

import { SWP_SWAPIN_ERROR } from '../include/swap.ts';
import type { pfn_t } from '../include/types.ts';

/** 0: none. The first page of the first area holds its header. */
export type swp_entry_t = number & { readonly __flavour?: 'swp_entry_t' };

const TYPE_UNIT = 2 ** 45;
const TWO_32 = 2 ** 32;
/** Bits of a type in the high word: of the stored entry (58 and up), and of a page table entry (59 and up). */
const TYPE_SHIFT_HI = 26;
const PTE_TYPE_SHIFT_HI = 27;
/** In a page table entry the offset stands inverted from bit 9 up to bit 58, and never looks like a page that is there. */
const SWP_OFFSET_FIRST_BIT = 9;
const OFFSET_BITS = 50;

export const swp_entry = (type: number, offset: number): swp_entry_t => type * TYPE_UNIT + offset;
export const swp_type = (entry: swp_entry_t): number => (entry < TYPE_UNIT ? 0 : Math.floor(entry / TYPE_UNIT));
export const swp_offset = (entry: swp_entry_t): number => (entry < TYPE_UNIT ? entry : entry % TYPE_UNIT);

/** swp_entry_t.val as Linux stores it: low and high word, and as it prints it. */
export const swp_entry_lo = (entry: swp_entry_t): number => (entry % TWO_32) | 0;
export const swp_entry_hi = (entry: swp_entry_t): number =>
  (swp_type(entry) << TYPE_SHIFT_HI) | Math.floor(swp_offset(entry) / TWO_32);
export const swp_entry_of = (lo: number, hi: number): swp_entry_t =>
  (hi >>> TYPE_SHIFT_HI) * TYPE_UNIT + (hi & ((1 << TYPE_SHIFT_HI) - 1)) * TWO_32 + (lo >>> 0);
/** %08lx. */
export const swp_entry_text = (entry: swp_entry_t): string =>
  ((BigInt(swp_type(entry)) << 58n) | BigInt(swp_offset(entry))).toString(16).padStart(8, '0');

// As a page table entry. Bits 1 to 3 are flags that it may have beside the entry (include/swap.ts).
export const swp_pte_lo = (entry: swp_entry_t): number => ~swp_entry_lo(entry) << SWP_OFFSET_FIRST_BIT;
export function swp_pte_hi(entry: swp_entry_t): number {
  const offset_hi = Math.floor(swp_offset(entry) / TWO_32);
  const above = (~offset_hi & ((1 << (OFFSET_BITS - 32)) - 1)) << SWP_OFFSET_FIRST_BIT;
  return (swp_type(entry) << PTE_TYPE_SHIFT_HI) | above | (~swp_entry_lo(entry) >>> (32 - SWP_OFFSET_FIRST_BIT));
}
/** @param lo flags may be set in it */
export function pte_to_swp_entry(lo: number, hi: number): swp_entry_t {
  const offset_lo = ~((lo >>> SWP_OFFSET_FIRST_BIT) | (hi << (32 - SWP_OFFSET_FIRST_BIT))) >>> 0;
  const offset_hi = ~(hi >>> SWP_OFFSET_FIRST_BIT) & ((1 << (OFFSET_BITS - 32)) - 1);
  return (hi >>> PTE_TYPE_SHIFT_HI) * TYPE_UNIT + offset_hi * TWO_32 + offset_lo;
}

/** Left in a page table where a page could not be read back: who touches it gets SIGBUS. */
export const make_swapin_error_entry = (pfn: pfn_t): swp_entry_t => swp_entry(SWP_SWAPIN_ERROR, pfn);
export const is_swapin_error_entry = (entry: swp_entry_t): boolean => swp_type(entry) === SWP_SWAPIN_ERROR;
