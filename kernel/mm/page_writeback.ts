// How much of memory may be dirty (Linux: mm/page-writeback.c global_dirtyable_memory(), global_dirty_limits()).
//
// Left out: writeback itself, limits in bytes, cgroups, the extra room of real-time tasks.

import { NR_FREE_PAGES } from '../include/mmzone.ts';
import { PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { global_node_page_state, global_zone_page_state } from './vmstat.ts';

/** In percent of dirtyable memory: where tasks are throttled, and where background writeback begins. */
const vm_dirty_ratio = 20;
const dirty_background_ratio = 10;

const NR_INACTIVE_FILE = 2;
const NR_ACTIVE_FILE = 3;
const UINT_MAX = 0xffffffff;

/** Free memory and page cache, but for what is reserved for the kernel. Never 0. */
function global_dirtyable_memory(k: Kernel): number {
  const free = global_zone_page_state(k, NR_FREE_PAGES);
  const cache = global_node_page_state(k, NR_INACTIVE_FILE) + global_node_page_state(k, NR_ACTIVE_FILE);
  return free - Math.min(free, k.watermark.totalreserve_pages) + cache + 1;
}

/** Both in pages. Ratios are first made parts of PAGE_SIZE, which rounds them. */
export function global_dirty_limits(k: Kernel): { background: number; thresh: number } {
  const available_memory = global_dirtyable_memory(k);
  const share = (percent: number): number =>
    Math.floor((Math.floor((percent * PAGE_SIZE) / 100) * available_memory) / PAGE_SIZE);
  const thresh = Math.min(share(vm_dirty_ratio), UINT_MAX);
  const background = share(dirty_background_ratio);
  return { background: background >= thresh ? Math.floor(thresh / 2) : background, thresh };
}
