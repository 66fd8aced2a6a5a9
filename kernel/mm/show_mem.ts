// What the log says of memory as a whole (Linux: mm/page_alloc.c mem_init_print_info(), include/linux/mm.h
// get_num_physpages()).

import { NR_FREE_PAGES } from '../include/mmzone.ts';
import { PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_info } from '../lib/printk.ts';
import { for_each_online_pgdat } from './mmzone_iter.ts';
import { global_zone_page_state } from './vmstat.ts';

const K = (pages: number): number => pages * (PAGE_SIZE / 1024);

/** Pages that the machine has, whether or not the allocator manages them. */
export function get_num_physpages(k: Kernel): number {
  let pages = 0;
  for (const pgdat of for_each_online_pgdat(k)) pages += pgdat.node_present_pages;
  return pages;
}

/** The "Memory:" line. */
export function mem_init_print_info(k: Kernel): void {
  const { image } = k.config;
  const physpages = get_num_physpages(k);
  const totalcma_pages = k.cma.totalcma_pages;
  const kib = (bytes: number, what: string): string => `${Math.floor(bytes / 1024)}K ${what}`;
  const parts = [
    kib(image.code_size, 'kernel code'),
    kib(image.rwdata_size, 'rwdata'),
    kib(image.rodata_size, 'rodata'),
    kib(image.init_size, 'init'),
    kib(image.bss_size, 'bss'),
    `${K(physpages - k.mm.totalram_pages - totalcma_pages)}K reserved`,
    `${K(totalcma_pages)}K cma-reserved`,
  ];
  const free = K(global_zone_page_state(k, NR_FREE_PAGES));
  pr_info(k, `Memory: ${free}K/${K(physpages)}K available (${parts.join(', ')})`);
}
