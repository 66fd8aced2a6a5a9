// Page tables in emulated RAM: 4 levels, real entries (Linux: arch/x86/include/asm/pgtable*.h, arch/x86/mm/init_64.c
// fill_pud() and the like). The CPU walks what is written here.
//
// A table is known by its physical address. Hot code writes entries as words of the chunk; a table never straddles a
// chunk, being a page.

import { PAGE_OFFSET, type phys_addr_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { RAM_CHUNK_SHIFT, type Ram } from './hw.ts';

// Intel SDM volume 3, 4.5: bits of an entry.
export const _PAGE_PRESENT = 0x001;
export const _PAGE_RW = 0x002;
export const _PAGE_ACCESSED = 0x020;
export const _PAGE_DIRTY = 0x040;
/** The entry is a page, not a table: at the PUD and PMD levels. */
export const _PAGE_PSE = 0x080;
export const _PAGE_GLOBAL = 0x100;
/** Bit 63 of an entry, which a number cannot hold beside bit 0: flags carry it as bit 31. */
export const _PAGE_NX = 0x80000000;

/** Entries that point to a table. */
export const _KERNPG_TABLE = _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY;
/** Kernel data, 4 KiB; larger pages add _PAGE_PSE, which the functions here do. */
export const PAGE_KERNEL = (_KERNPG_TABLE | _PAGE_GLOBAL) + _PAGE_NX;
export const PAGE_KERNEL_EXEC = _KERNPG_TABLE | _PAGE_GLOBAL;

export const PTE_SIZE = 0x1000;
export const PMD_SIZE = 0x200000;
export const PUD_SIZE = 0x40000000;
export const PGDIR_SIZE = 0x8000000000;
export const PTRS_PER_TABLE = 512;

export type page_size = typeof PTE_SIZE | typeof PMD_SIZE | typeof PUD_SIZE;

/** Where an entry's page table page comes from: a zeroed page, or 0 when there is none. */
export type alloc_table = (k: Kernel) => phys_addr_t;

const TWO_32 = 2 ** 32;
const CHUNK = 2 ** RAM_CHUNK_SHIFT;

export const pgd_index = (va: bigint): number => Number((va >> 39n) & 511n);
export const pud_index = (va: bigint): number => Number((va >> 30n) & 511n);
export const pmd_index = (va: bigint): number => Number((va >> 21n) & 511n);
export const pte_index = (va: bigint): number => Number((va >> 12n) & 511n);
export const __va = (pa: phys_addr_t): bigint => PAGE_OFFSET + BigInt(pa);

/** Writes entry `i` of `table`. */
export function set_entry(ram: Ram, table: phys_addr_t, i: number, pa: phys_addr_t, flags: number): void {
  const words = ram.words(Math.floor(table / CHUNK));
  const at = ((table % CHUNK) >>> 2) + 2 * i;
  words[at] = (pa | (flags & 0xfff)) >>> 0;
  words[at + 1] = (Math.floor(pa / TWO_32) | (flags >= _PAGE_NX ? 0x80000000 : 0)) >>> 0;
}

/** `count` entries from `i` on, each one `step` further in physical memory: what maps a stretch of a direct map. */
export function set_entries(
  ram: Ram,
  table: phys_addr_t,
  i: number,
  count: number,
  pa: phys_addr_t,
  step: page_size,
  flags: number,
): void {
  const words = ram.words(Math.floor(table / CHUNK));
  const low_flags = flags & 0xfff;
  const high_flags = flags >= _PAGE_NX ? 0x80000000 : 0;
  let at = ((table % CHUNK) >>> 2) + 2 * i;
  for (let n = 0; n < count; n++, at += 2, pa += step) {
    words[at] = pa | low_flags;
    words[at + 1] = (pa / TWO_32) | high_flags;
  }
}

export const clear_entry = (ram: Ram, table: phys_addr_t, i: number): void => set_entry(ram, table, i, 0, 0);

export interface entry {
  /** Physical address of the table or page, without flags. */
  readonly pa: phys_addr_t;
  /** Low 12 bits, and _PAGE_NX. */
  readonly flags: number;
}

export function get_entry(ram: Ram, table: phys_addr_t, i: number): entry {
  const words = ram.words(Math.floor(table / CHUNK));
  const at = ((table % CHUNK) >>> 2) + 2 * i;
  const low = words[at]! >>> 0;
  const high = words[at + 1]! >>> 0;
  const pa = (high & 0xfffff) * TWO_32 + (low - (low & 0xfff));
  return { pa, flags: (low & 0xfff) + (high >= 0x80000000 ? _PAGE_NX : 0) };
}

/** Nothing is written there (Linux: pud_none() and the like; any bit counts). */
export const entry_none = (e: entry): boolean => e.pa === 0 && e.flags === 0;
export const entry_large = (e: entry): boolean =>
  (e.flags & (_PAGE_PSE | _PAGE_PRESENT)) === (_PAGE_PSE | _PAGE_PRESENT);

/** The table that entry `i` of `table` points to, made if there is none; 0 if there is no page for it. */
export function fill_table(k: Kernel, table: phys_addr_t, i: number, alloc: alloc_table): phys_addr_t {
  const found = get_entry(k.hw.ram, table, i);
  if (!entry_none(found)) return found.pa;
  const page = alloc(k);
  if (page !== 0) set_entry(k.hw.ram, table, i, page, _KERNPG_TABLE);
  return page;
}

/**
 * Maps one page of `size` at `va` to `pa`. Tables that are missing on the way come from `alloc`.
 * @returns false: `alloc` had no page
 */
export function map_page(
  k: Kernel,
  va: bigint,
  pa: phys_addr_t,
  size: page_size,
  flags: number,
  alloc: alloc_table,
): boolean {
  const pud = fill_table(k, k.boot.pgd, pgd_index(va), alloc);
  if (pud === 0) return false;
  if (size === PUD_SIZE) {
    set_entry(k.hw.ram, pud, pud_index(va), pa, flags + _PAGE_PSE);
    return true;
  }
  const pmd = fill_table(k, pud, pud_index(va), alloc);
  if (pmd === 0) return false;
  if (size === PMD_SIZE) {
    set_entry(k.hw.ram, pmd, pmd_index(va), pa, flags + _PAGE_PSE);
    return true;
  }
  const pte = fill_table(k, pmd, pmd_index(va), alloc);
  if (pte === 0) return false;
  set_entry(k.hw.ram, pte, pte_index(va), pa, flags);
  return true;
}

/** What the CPU would find at `va`: the physical address, the size of its page and the flags; null: nothing mapped. */
export function lookup_address(
  k: Kernel,
  va: bigint,
): { readonly pa: phys_addr_t; readonly size: page_size; readonly flags: number } | null {
  const { ram } = k.hw;
  const steps = [
    { i: pgd_index(va), size: null },
    { i: pud_index(va), size: PUD_SIZE },
    { i: pmd_index(va), size: PMD_SIZE },
    { i: pte_index(va), size: PTE_SIZE },
  ] as const;
  let table = k.boot.pgd;
  for (const { i, size } of steps) {
    const e = get_entry(ram, table, i);
    if ((e.flags & _PAGE_PRESENT) === 0) return null;
    if (size !== null && (size === PTE_SIZE || entry_large(e))) {
      return { pa: e.pa + Number(va & BigInt(size - 1)), size, flags: e.flags };
    }
    table = e.pa;
  }
  return null;
}
