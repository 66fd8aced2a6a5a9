// What the log and /proc say of memory as a whole (Linux: mm/page_alloc.c mem_init_print_info(), si_mem_available(),
// include/linux/mm.h get_num_physpages()).

import { NR_FREE_PAGES, WMARK_LOW } from '../include/mmzone.ts';
import { PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_info } from '../lib/printk.ts';
import { for_each_online_pgdat, for_each_zone } from './mmzone_iter.ts';
import { global_node_page_state, global_zone_page_state } from './vmstat.ts';

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

const NR_INACTIVE_FILE = 2;
const NR_ACTIVE_FILE = 3;
const NR_SLAB_RECLAIMABLE = 5;
const NR_KERNEL_MISC_RECLAIMABLE = 34;

/** What processes could still get without swapping: half of cache and reclaimable slab are taken to stay, or less. */
export function si_mem_available(k: Kernel): number {
  let wmark_low = 0;
  for (const zone of for_each_zone(k)) wmark_low += zone._watermark(WMARK_LOW) + zone.watermark_boost;
  const reclaimed = (pages: number): number => pages - Math.min(Math.floor(pages / 2), wmark_low);
  const node = (item: number): number => global_node_page_state(k, item);
  const free = global_zone_page_state(k, NR_FREE_PAGES) - k.watermark.totalreserve_pages;
  const pagecache = node(NR_ACTIVE_FILE) + node(NR_INACTIVE_FILE);
  const reclaimable = node(NR_SLAB_RECLAIMABLE) + node(NR_KERNEL_MISC_RECLAIMABLE);
  return Math.max(0, free + reclaimed(pagecache) + reclaimed(reclaimable));
}
