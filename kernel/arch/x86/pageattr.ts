// debug_pagealloc=on: free pages are taken out of the direct map (Linux: arch/x86/mm/pat/set_memory.c
// __kernel_map_pages()). With it the direct map has pages of 4 KiB only, so that one entry is one page.

import type { pfn_t, phys_addr_t } from '../../include/types.ts';
import { PAGE_SIZE } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import {
  __va,
  _PAGE_PRESENT,
  entry_large,
  get_entry,
  PAGE_KERNEL,
  pgd_index,
  pmd_index,
  pte_index,
  pud_index,
  set_entry,
} from './pgtable.ts';

/** The table of 4 KiB pages that maps `va`; 0: there is none. */
function pte_table(k: Kernel, va: bigint): phys_addr_t {
  let table = k.boot.pgd;
  for (const i of [pgd_index(va), pud_index(va), pmd_index(va)]) {
    const e = get_entry(k.hw.ram, table, i);
    if ((e.flags & _PAGE_PRESENT) === 0 || entry_large(e)) return 0;
    table = e.pa;
  }
  return table;
}

export function __kernel_map_pages(k: Kernel, pfn: pfn_t, nr_pages: number, enable: boolean): void {
  const end = pfn + nr_pages;
  let table: phys_addr_t = 0;
  for (let at = pfn; at < end; at++) {
    const va = __va(at * PAGE_SIZE);
    const i = pte_index(va);
    if (table === 0 || i === 0) table = pte_table(k, va);
    if (table === 0) continue;
    set_entry(k.hw.ram, table, i, at * PAGE_SIZE, enable ? PAGE_KERNEL : PAGE_KERNEL - _PAGE_PRESENT);
  }
}
