// Swap entries as they are stored: against values written out by hand from the layout of 6.1 for x86-64.

import { expect, test } from 'vitest';
import { MAX_SWAPFILES, SWP_MIGRATION_READ, SWP_SWAPIN_ERROR } from '../../../kernel/include/swap.ts';
import {
  is_swapin_error_entry,
  make_swapin_error_entry,
  pte_to_swp_entry,
  swp_entry,
  swp_entry_hi,
  swp_entry_lo,
  swp_entry_of,
  swp_entry_text,
  swp_offset,
  swp_pte_hi,
  swp_pte_lo,
  swp_type,
} from '../../../kernel/mm/swapops.ts';

const u64 = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

test('types above the areas are where 6.1 with DEVICE_PRIVATE, MEMORY_FAILURE and PTE_MARKER has them', () => {
  expect([MAX_SWAPFILES, SWP_MIGRATION_READ, SWP_SWAPIN_ERROR]).toEqual([22, 23, 31]);
});

test.each([
  [0, 1],
  [0, 0x12345],
  [3, 0xffffffff],
  [21, 0x7fffffff],
  [1, 0x80000000],
  [31, 0x123456789],
])('type %i, offset 0x%x', (type, offset) => {
  const entry = swp_entry(type, offset);
  expect([swp_type(entry), swp_offset(entry)]).toEqual([type, offset]);
  const val = (BigInt(type) << 58n) | BigInt(offset);
  expect(u64(swp_entry_lo(entry), swp_entry_hi(entry))).toBe(val);
  expect(swp_entry_of(swp_entry_lo(entry), swp_entry_hi(entry))).toBe(entry);
  expect(swp_entry_text(entry)).toBe(val.toString(16).padStart(8, '0'));
  const pte = u64(swp_pte_lo(entry), swp_pte_hi(entry));
  expect(pte).toBe((BigInt(type) << 59n) | (BigInt.asUintN(50, ~BigInt(offset)) << 9n));
  // Flags that it may carry are no part of it; PRESENT and PROTNONE are never among them.
  expect(pte & 0x1ffn).toBe(0n);
  expect(pte_to_swp_entry(Number(pte & 0xffffffffn) | 0xe, Number(pte >> 32n) | 0)).toBe(entry);
});

test('a page that could not be read back leaves an entry of its own', () => {
  expect(is_swapin_error_entry(make_swapin_error_entry(0x1234))).toBe(true);
  expect(is_swapin_error_entry(swp_entry(0, 0x1234))).toBe(false);
});
