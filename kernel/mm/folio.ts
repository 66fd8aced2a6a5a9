// One page's flags and references (Linux: include/linux/page-flags.h, page_ref.h, mm.h folio_get()). A folio is a page
// here: what is on the LRU lists, in page tables and in the page cache is never compound.
//
// Code that looks at several words of a page takes section_map() once instead.

import { PG_FLAGS, PG_REFCOUNT } from '../include/mm_types.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { page_index, section_map } from './page.ts';

/** folio_test_lru() and its kin: whether the page has the flag PG_*. */
export const folio_test = (k: Kernel, pfn: pfn_t, flag: number): boolean =>
  ((section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! >>> flag) & 1) !== 0;

export function folio_set(k: Kernel, pfn: pfn_t, flag: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  m[i] = m[i]! | (1 << flag);
}

export function folio_clear(k: Kernel, pfn: pfn_t, flag: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  m[i] = m[i]! & ~(1 << flag);
}

/** One more user, of a page that has one. */
export function folio_get(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_REFCOUNT;
  m[i] = m[i]! + 1;
}

/** @returns whether it had the flag */
export function folio_test_clear(k: Kernel, pfn: pfn_t, flag: number): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const flags = m[i]!;
  m[i] = flags & ~(1 << flag);
  return ((flags >>> flag) & 1) !== 0;
}
