// Pages that have been unmapped and wait to be freed together (Linux: mm/mmu_gather.c): once no CPU can reach them through
// its translations any more.
//
// Left out: the flush itself, as no CPU keeps translations of these tables. Differs from Linux: the pages that hold the
// list, which are not asked for where memory is short, are not of the emulated RAM.

import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { lru_add_drain, release_pages } from './swap.ts';
import { free_swap_cache } from './swap_state.ts';

/** MMU_GATHER_BUNDLE: what struct mmu_gather itself holds. Then as many as fit into a page, and 19 pages in all. */
const BUNDLE = 8;
const MAX_GATHER_BATCH = 510;
const MAX_PAGES = BUNDLE + 19 * MAX_GATHER_BATCH;

export class mmu_gather {
  nr = 0;
  readonly pages = new Int32Array(MAX_PAGES);
}

export const tlb_gather_mmu = (k: Kernel): mmu_gather => k.user.gathers.pop() ?? new mmu_gather();

/** tlb_finish_mmu(). */
export function tlb_finish_mmu(k: Kernel, tlb: mmu_gather): void {
  tlb_flush_mmu(k, tlb);
  k.user.gathers.push(tlb);
}

/** @returns whether there is room for no more: tlb_flush_mmu() is due */
export function tlb_remove_page(tlb: mmu_gather, pfn: pfn_t): boolean {
  tlb.pages[tlb.nr++] = pfn;
  return tlb.nr === MAX_PAGES;
}

/** free_pages_and_swap_cache(), batch by batch. */
export function tlb_flush_mmu(k: Kernel, tlb: mmu_gather): void {
  const { nr } = tlb;
  for (let from = 0; from < nr; ) {
    const end = Math.min(nr, from === 0 ? BUNDLE : from + MAX_GATHER_BATCH);
    lru_add_drain(k);
    for (let at = from; at < end; at++) free_swap_cache(k, tlb.pages[at]!);
    release_pages(k, tlb.pages, from, end);
    from = end;
  }
  tlb.nr = 0;
}
