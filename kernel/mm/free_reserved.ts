// Memory that boot is done with goes to the allocator (Linux: mm/page_alloc.c free_reserved_area(),
// adjust_managed_page_count(); include/linux/mm.h free_reserved_page()).

import { PAGE_SIZE, PFN_DOWN, PFN_UP, type pfn_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_info } from '../lib/printk.ts';
import { ClearPageReserved, page_zone, set_page_count } from './page.ts';
import { __free_pages } from './page_alloc.ts';

/** What free_reserved_area() fills freed init code with. */
export const POISON_FREE_INITMEM = 0xcc;

const K = (pages: number): number => pages * (PAGE_SIZE / 1024);

/** `count` pages, of the zone that `pfn` is in, come under the allocator's management, or leave it. */
export function adjust_managed_page_count(k: Kernel, pfn: pfn_t, count: number): void {
  page_zone(k, pfn).managed_pages += count;
  k.mm.totalram_pages += count;
}

/** Gives a reserved page to the allocator. */
export function free_reserved_page(k: Kernel, pfn: pfn_t): void {
  ClearPageReserved(k, pfn);
  set_page_count(k, pfn, 1);
  __free_pages(k, pfn, 0);
  adjust_managed_page_count(k, pfn, 1);
}

/**
 * Frees the whole pages of [start, end).
 * @param poison a byte to fill them with; -1: leave them
 * @param name for the log; null: silent
 * @returns how many
 */
export function free_reserved_area(
  k: Kernel,
  start: phys_addr_t,
  end: phys_addr_t,
  poison: number,
  name: string | null,
): number {
  const end_pfn = PFN_DOWN(end);
  let pages = 0;
  for (let pfn = PFN_UP(start); pfn < end_pfn; pfn++, pages++) {
    if (poison >= 0 && poison <= 0xff) k.hw.ram.fill(pfn * PAGE_SIZE, PAGE_SIZE, poison);
    free_reserved_page(k, pfn);
  }
  if (pages > 0 && name !== null) pr_info(k, `Freeing ${name} memory: ${K(pages)}K`);
  return pages;
}
