// memblock after the buddy allocator has taken over (Linux: mm/memblock.c memblock_free_late(), memblock_discard()).
//
// Differs from Linux: the lists stay readable after memblock_discard(); only the memory of their arrays goes.

import { MEMBLOCK_REGION_SIZE } from '../include/memblock.ts';
import { PAGE_SIZE, PFN_DOWN, PFN_UP, type phys_addr_t, round_up } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { extent, memblock_dbg } from './memblock_debug.ts';
import { __free_pages_core } from './page_alloc.ts';

/**
 * Gives the whole pages of a reserved block to the buddy allocator, one by one. The reservation itself stays.
 * Context: after memblock_free_all(), with every struct page of the block initialised.
 */
export function memblock_free_late(k: Kernel, base: phys_addr_t, size: number, caller = ''): void {
  if (k.memblock.debug) memblock_dbg(k, `memblock_free_late: ${extent(base, size)}`, caller);
  const end = PFN_DOWN(base + size);
  for (let pfn = PFN_UP(base); pfn < end; pfn++) {
    __free_pages_core(k, pfn, 0);
    k.mm.totalram_pages++;
  }
}

/** Frees the arrays of lists that have outgrown the kernel image's own. Context: page_alloc_init_late(). */
export function memblock_discard(k: Kernel): void {
  for (const type of [k.memblock.reserved, k.memblock.memory]) {
    if (type.array_pa === 0) continue;
    const size = round_up(type.max * MEMBLOCK_REGION_SIZE, PAGE_SIZE);
    memblock_free_late(k, type.array_pa, size, 'page_alloc_init_late');
    type.array_pa = 0;
  }
}
