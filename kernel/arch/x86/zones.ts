// Zone limits of x86-64, and how much of ZONE_DMA is taken before it exists (Linux: arch/x86/mm/init.c
// zone_sizes_init(), memblock_find_dma_reserve(); arch/x86/mm/init_64.c paging_init()).

import { MEMBLOCK_NONE } from '../../include/memblock.ts';
import { MAX_NR_ZONES, ZONE_DMA, ZONE_DMA32, ZONE_NORMAL } from '../../include/mmzone.ts';
import { NUMA_NO_NODE, PFN_DOWN, PFN_UP, type pfn_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { MAX_NUMNODES, node_clear } from '../../lib/nodemask.ts';
import { for_each_free_mem_range, for_each_mem_pfn_range } from '../../mm/memblock_iter.ts';
import { free_area_init } from '../../mm/mm_init.ts';
import { sparse_init } from '../../mm/sparse.ts';

/** 16 MiB: what ISA devices reach. */
const MAX_DMA_PFN: pfn_t = 0x1000;
/** 4 GiB. */
export const MAX_DMA32_PFN: pfn_t = 0x100000;

/** Counts page frames below 16 MiB that are memory and not free: watermarks leave them out. */
export function memblock_find_dma_reserve(k: Kernel): void {
  const low = (pfn: pfn_t): pfn_t => Math.min(pfn, MAX_DMA_PFN);
  let nr_pages = 0;
  for (const { start_pfn, end_pfn } of for_each_mem_pfn_range(k, MAX_NUMNODES))
    nr_pages += low(end_pfn) - low(start_pfn);
  let nr_free_pages = 0;
  for (const { start, end } of for_each_free_mem_range(k, NUMA_NO_NODE, MEMBLOCK_NONE)) {
    nr_free_pages += Math.max(low(PFN_DOWN(end)) - low(PFN_UP(start)), 0);
  }
  k.mm.dma_reserve = nr_pages - nr_free_pages;
}

function zone_sizes_init(k: Kernel): void {
  const { max_low_pfn } = k.boot;
  const max_zone_pfns = new Float64Array(MAX_NR_ZONES);
  if (k.config.ZONE_DMA) max_zone_pfns[ZONE_DMA] = Math.min(MAX_DMA_PFN, max_low_pfn);
  max_zone_pfns[ZONE_DMA32] = Math.min(MAX_DMA32_PFN, max_low_pfn);
  max_zone_pfns[ZONE_NORMAL] = max_low_pfn;
  free_area_init(k, max_zone_pfns);
}

export function paging_init(k: Kernel): void {
  sparse_init(k);
  // Node 0 counted as having memory until now.
  node_clear(0, k.node_states.N_MEMORY);
  node_clear(0, k.node_states.N_NORMAL_MEMORY);
  zone_sizes_init(k);
}
