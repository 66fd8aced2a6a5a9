// The virtual memory map (Linux: mm/sparse-vmemmap.c, arch/x86/mm/init_64.c vmemmap_populate_hugepages(), and the buffer
// of mm/sparse.c): page tables that make the memory maps of all sections one array of struct page at VMEMMAP_START.
//
// Left out: altmaps and compound device pages, which only ZONE_DEVICE has; the note on memory maps that lie on a
// distant node, which Linux makes for base pages only.

import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import {
  _PAGE_PSE,
  fill_table,
  PAGE_KERNEL,
  PMD_SIZE,
  pgd_index,
  pmd_index,
  pte_index,
  pud_index,
  set_entry,
} from '../arch/x86/pgtable.ts';
import { MEMBLOCK_ALLOC_ACCESSIBLE } from '../include/memblock.ts';
import { SIZEOF_PAGE } from '../include/mm_types.ts';
import { SECTION_MEMMAP_SIZE } from '../include/mmzone.ts';
import {
  type nid_t,
  PAGE_SIZE,
  type pfn_t,
  type phys_addr_t,
  round_up,
  SZ_1M,
  VMEMMAP_START,
} from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { memblock_phys_free } from './memblock.ts';
import { memblock_alloc_exact_nid_raw, memblock_alloc_try_nid_raw } from './memblock_alloc.ts';

/** __pa(MAX_DMA_ADDRESS): the memory map keeps out of ZONE_DMA where it can. */
const MAX_DMA_ADDRESS = 16 * SZ_1M;
const CHUNK = 2 ** RAM_CHUNK_SHIFT;

/** Whether no view can hold all of [pa, pa + size). */
export const straddles_chunk = (pa: phys_addr_t, size: number): boolean =>
  Math.floor(pa / CHUNK) !== Math.floor((pa + size - 1) / CHUNK);

/** `size` bytes of RAM from `pa` on, which must not straddle a chunk, as words. */
export function words_at(k: Kernel, pa: phys_addr_t, size: number): Int32Array {
  const first = (pa % CHUNK) >>> 2;
  return k.hw.ram.words(Math.floor(pa / CHUNK)).subarray(first, first + (size >>> 2));
}

/** Takes the memory for the memory map of many sections of a node at once. If there is none, each looks for its own. */
export function sparse_buffer_init(k: Kernel, size: number, nid: nid_t): void {
  const { mm } = k;
  mm.sparsemap_buf = memblock_alloc_exact_nid_raw(
    k,
    size,
    SECTION_MEMMAP_SIZE,
    MAX_DMA_ADDRESS,
    MEMBLOCK_ALLOC_ACCESSIBLE,
    nid,
    'sparse_init_nid',
  );
  mm.sparsemap_buf_end = mm.sparsemap_buf === 0 ? 0 : mm.sparsemap_buf + size;
}

/** Gives back what is left. */
export function sparse_buffer_fini(k: Kernel): void {
  const { mm } = k;
  const size = mm.sparsemap_buf_end - mm.sparsemap_buf;
  if (mm.sparsemap_buf !== 0 && size > 0) memblock_phys_free(k, mm.sparsemap_buf, size, 'sparse_buffer_fini');
  mm.sparsemap_buf = 0;
  mm.sparsemap_buf_end = 0;
}

/** @returns 0 when the buffer has no room, or there is none */
function sparse_buffer_alloc(k: Kernel, size: number): phys_addr_t {
  const { mm } = k;
  if (mm.sparsemap_buf === 0) return 0;
  const found = round_up(mm.sparsemap_buf, size);
  if (found + size > mm.sparsemap_buf_end) return 0;
  if (found > mm.sparsemap_buf) memblock_phys_free(k, mm.sparsemap_buf, found - mm.sparsemap_buf);
  mm.sparsemap_buf = found + size;
  return found;
}

function vmemmap_alloc_block(k: Kernel, size: number, align: number, nid: nid_t, caller: string): phys_addr_t {
  return memblock_alloc_try_nid_raw(k, size, align, MAX_DMA_ADDRESS, MEMBLOCK_ALLOC_ACCESSIBLE, nid, caller);
}

/**
 * Backs the struct pages of one section and maps them.
 * @returns where they lie, or 0 if there is no memory for them
 */
export function __populate_section_memmap(k: Kernel, pfn: pfn_t, nid: nid_t): phys_addr_t {
  const va = VMEMMAP_START + BigInt(pfn) * BigInt(SIZEOF_PAGE);
  const alloc_table = (): phys_addr_t => {
    const table = vmemmap_alloc_block(k, PAGE_SIZE, PAGE_SIZE, nid, 'vmemmap_alloc_block_zero.constprop.0');
    if (table !== 0) k.hw.ram.fill(table, PAGE_SIZE, 0);
    return table;
  };
  const pud = fill_table(k, k.boot.pgd, pgd_index(va), alloc_table);
  const pmd = pud === 0 ? 0 : fill_table(k, pud, pud_index(va), alloc_table);
  if (pmd === 0) return 0;

  const map =
    sparse_buffer_alloc(k, PMD_SIZE) || vmemmap_alloc_block(k, PMD_SIZE, PMD_SIZE, nid, 'vmemmap_alloc_block');
  if (map !== 0) {
    set_entry(k.hw.ram, pmd, pmd_index(va), map, PAGE_KERNEL + _PAGE_PSE);
    return map;
  }
  return vmemmap_populate_basepages(k, va, pmd, nid, alloc_table);
}

/**
 * For want of an aligned block: 512 page table entries.
 *
 * Differs from Linux: the pages are taken in one piece, since a section's memory map is one view of RAM.
 */
function vmemmap_populate_basepages(
  k: Kernel,
  va: bigint,
  pmd: phys_addr_t,
  nid: nid_t,
  alloc_table: () => phys_addr_t,
): phys_addr_t {
  const pte = fill_table(k, pmd, pmd_index(va), alloc_table);
  if (pte === 0) return 0;
  const map = vmemmap_alloc_block(k, SECTION_MEMMAP_SIZE, PAGE_SIZE, nid, 'vmemmap_alloc_block');
  if (map === 0) return 0;
  if (straddles_chunk(map, SECTION_MEMMAP_SIZE)) {
    memblock_phys_free(k, map, SECTION_MEMMAP_SIZE);
    return 0;
  }
  for (let at = 0; at < SECTION_MEMMAP_SIZE; at += PAGE_SIZE) {
    set_entry(k.hw.ram, pte, pte_index(va + BigInt(at)), map + at, PAGE_KERNEL);
  }
  return map;
}
