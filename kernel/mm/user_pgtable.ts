// The page tables of address spaces (Linux: arch/x86/mm/pgtable.c pgd_alloc(), mm/memory.c __pte_alloc(), free_pgtables()):
// four levels of real entries in RAM, which the CPU walks. The upper half of the top table is the kernel's.
//
// An entry is two words: pt_walk() says where the last level's is. Left out: huge pages, a fifth level.

import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import { __GFP_ACCOUNT, __GFP_ZERO, GFP_KERNEL } from '../include/gfp_types.ts';
import { PG_MAPCOUNT } from '../include/mm_types.ts';
import { NR_PAGETABLE } from '../include/mmzone.ts';
import { PG_table } from '../include/page_flags.ts';
import { PAGE_SHIFT, PAGE_SIZE, type pfn_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { mod_lruvec_kmem_state } from './memcg_kmem.ts';
import { alloc_pages_task } from './mempolicy.ts';
import type { mm_struct } from './mm_struct.ts';
import { page_index, section_map } from './page.ts';
import { __free_pages } from './page_alloc.ts';

// Bits of an entry's low word.
export const PTE_PRESENT = 0x001;
export const PTE_RW = 0x002;
export const PTE_ACCESSED = 0x020;
export const PTE_DIRTY = 0x040;
/** A page that nobody may touch: not present for the CPU. */
export const PTE_PROTNONE = 0x100;
/** _PAGE_SPECIAL: a page that has no place in reverse mapping: the zero page. */
export const PTE_SPECIAL = 0x200;
/** Present, writable, for users, accessed, dirty. */
const _PAGE_TABLE = 0x067;
const PTRS = 512;
const HALF_OF_PGD = 256;

const PMD_SIZE = 2 ** 21;
const PUD_SIZE = 2 ** 30;
const PGDIR_SIZE = 2 ** 39;
const CHUNK_PFN_MASK = 2 ** (RAM_CHUNK_SHIFT - PAGE_SHIFT) - 1;
const GFP_PGTABLE_USER = GFP_KERNEL | __GFP_ZERO | __GFP_ACCOUNT;

/** Whether there is a page behind an entry, or one that is only kept from being touched. */
export const pte_present = (lo: number): boolean => (lo & (PTE_PRESENT | PTE_PROTNONE)) !== 0;
export const pte_pfn = (lo: number, hi: number): pfn_t => ((hi & 0xfffff) << 20) | (lo >>> PAGE_SHIFT);
export const pte_lo = (pfn: pfn_t, flags: number): number => (pfn << PAGE_SHIFT) | flags;
export const pte_hi = (pfn: pfn_t, prot_hi: number): number => (pfn >>> 20) | prot_hi;

/** The words that a page lies in, and where it begins there. */
export const page_words = (k: Kernel, pfn: pfn_t): Int32Array => k.hw.ram.words(pfn >>> (RAM_CHUNK_SHIFT - PAGE_SHIFT));
export const page_word_index = (pfn: pfn_t): number => (pfn & CHUNK_PFN_MASK) << (PAGE_SHIFT - 2);

/** The table that entry `i` of the table in page `pfn` points to; -1: there is none. */
function next_table(k: Kernel, pfn: pfn_t, i: number): pfn_t {
  const words = page_words(k, pfn);
  const at = page_word_index(pfn) + 2 * i;
  const lo = words[at]!;
  return (lo & PTE_PRESENT) === 0 ? -1 : pte_pfn(lo, words[at + 1]!);
}

/** Finds the last level's table for `va` and remembers it in `mm`. */
function walk(k: Kernel, mm: mm_struct, va: number, region: number): boolean {
  const pud = next_table(k, mm.pgd / PAGE_SIZE, Math.floor(va / PGDIR_SIZE));
  const pmd = pud < 0 ? -1 : next_table(k, pud, Math.floor(va / PUD_SIZE) & (PTRS - 1));
  const pte = pmd < 0 ? -1 : next_table(k, pmd, region & (PTRS - 1));
  if (pte < 0) return false;
  mm.walk_region = region;
  mm.walk_words = page_words(k, pte);
  mm.walk_base = page_word_index(pte);
  return true;
}

/** Where in mm.walk_words the entry of `va` is; -1: there is no table for it. Good until something sleeps. */
export function pt_walk(k: Kernel, mm: mm_struct, va: number): number {
  const region = Math.floor(va / PMD_SIZE);
  if (mm.walk_region !== region && !walk(k, mm, va, region)) return -1;
  return mm.walk_base + ((Math.floor(va / PAGE_SIZE) & (PTRS - 1)) << 1);
}

/** pgtable_pte_page_ctor() and the like: the page is a table, and counted as one. */
function pgtable_page_ctor(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_MAPCOUNT;
  m[i] = m[i]! & ~PG_table;
  mod_lruvec_kmem_state(k, m, page_index(pfn), NR_PAGETABLE, 1);
}

function pgtable_page_dtor(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_MAPCOUNT;
  m[i] = m[i]! | PG_table;
  mod_lruvec_kmem_state(k, m, page_index(pfn), NR_PAGETABLE, -1);
}

/** The table below entry `i`, made if there is none. @returns -1: no memory */
function* alloc_table(k: Kernel, mm: mm_struct, pfn: pfn_t, i: number, counted: boolean): Sleeping<pfn_t> {
  const found = next_table(k, pfn, i);
  if (found >= 0) return found;
  const table = yield* alloc_pages_task(k, GFP_PGTABLE_USER, 0);
  if (table < 0) return -1;
  // Someone else may have been faster.
  const other = next_table(k, pfn, i);
  if (other >= 0) {
    __free_pages(k, table, 0);
    return other;
  }
  if (counted) pgtable_page_ctor(k, table);
  mm.pgtables_bytes += PAGE_SIZE;
  const words = page_words(k, pfn);
  const at = page_word_index(pfn) + 2 * i;
  words[at] = pte_lo(table, _PAGE_TABLE);
  words[at + 1] = pte_hi(table, 0);
  return table;
}

/** Makes the tables for `va`. @returns whether there are all of them; else there is no memory */
export function* pte_alloc(k: Kernel, mm: mm_struct, va: number): Sleeping<boolean> {
  const pgd = mm.pgd / PAGE_SIZE;
  const pud = yield* alloc_table(k, mm, pgd, Math.floor(va / PGDIR_SIZE), false);
  const pmd = pud < 0 ? -1 : yield* alloc_table(k, mm, pud, Math.floor(va / PUD_SIZE) & (PTRS - 1), true);
  const pte = pmd < 0 ? -1 : yield* alloc_table(k, mm, pmd, Math.floor(va / PMD_SIZE) & (PTRS - 1), true);
  return pte >= 0;
}

/** A top table whose upper half maps the kernel. @returns its physical address, or 0 */
export function* pgd_alloc(k: Kernel): Sleeping<phys_addr_t> {
  const pfn = yield* alloc_pages_task(k, GFP_PGTABLE_USER, k.config.PAGE_TABLE_ISOLATION ? 1 : 0);
  if (pfn < 0) return 0;
  const kernel = k.boot.pgd / PAGE_SIZE;
  const from = page_word_index(kernel) + 2 * HALF_OF_PGD;
  page_words(k, pfn).set(
    page_words(k, kernel).subarray(from, from + 2 * HALF_OF_PGD),
    page_word_index(pfn) + 2 * HALF_OF_PGD,
  );
  return pfn * PAGE_SIZE;
}

export const pgd_free = (k: Kernel, pgd: phys_addr_t): void =>
  __free_pages(k, pgd / PAGE_SIZE, k.config.PAGE_TABLE_ISOLATION ? 1 : 0);

/**
 * free_pgd_range(): gives back the tables that only addresses of [floor, ceiling) have used, and that nothing is mapped
 * through any more.
 * @param start where mappings were taken away: tables are looked for from here to `end`
 */
export function free_pgtables(
  k: Kernel,
  mm: mm_struct,
  start: number,
  end: number,
  floor: number,
  ceiling: number,
): void {
  mm.walk_region = -1;
  free_level(k, mm, mm.pgd / PAGE_SIZE, 0, PGDIR_SIZE, start, end, floor, ceiling);
}

/** Frees what hangs below one table, entry by entry. @param size bytes of addresses that an entry stands for */
function free_level(
  k: Kernel,
  mm: mm_struct,
  pfn: pfn_t,
  base: number,
  size: number,
  start: number,
  end: number,
  floor: number,
  ceiling: number,
): void {
  const words = page_words(k, pfn);
  const first = Math.max(0, Math.floor((start - base) / size));
  const last = Math.min(PTRS - 1, Math.floor((end - 1 - base) / size));
  for (let i = first; i <= last; i++) {
    const table = next_table(k, pfn, i);
    if (table < 0) continue;
    const from = base + i * size;
    if (size > PMD_SIZE) free_level(k, mm, table, from, size / PTRS, start, end, floor, ceiling);
    if (from < floor || from + size > ceiling) continue;
    const at = page_word_index(pfn) + 2 * i;
    words[at] = 0;
    words[at + 1] = 0;
    if (size < PGDIR_SIZE) pgtable_page_dtor(k, table);
    mm.pgtables_bytes -= PAGE_SIZE;
    __free_pages(k, table, 0);
  }
}
