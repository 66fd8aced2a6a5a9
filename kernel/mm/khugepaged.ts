// Transparent huge pages, as far as they bear on watermarks (Linux: mm/khugepaged.c set_recommended_min_free_kbytes(),
// mm/huge_memory.c hugepage_init()).
//
// Left out: huge pages themselves.

import type { KernelConfig } from '../config.ts';
import { MIGRATE_PCPTYPES, pageblock_nr_pages, ZONE_NORMAL } from '../include/mmzone.ts';
import { PAGE_SHIFT, SZ_1M } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_info, pr_warn } from '../lib/printk.ts';
import { for_each_populated_zone } from './mmzone_iter.ts';
import { calculate_min_free_kbytes, nr_free_buffer_pages, setup_per_zone_wmarks } from './watermark.ts';

/** Machines with less than this have them off at boot. */
const SMALL_MACHINE_PAGES = (512 * SZ_1M) >> PAGE_SHIFT;

export class KhugepagedState {
  /** transparent_hugepage/enabled; false: not configured. */
  enabled: KernelConfig['TRANSPARENT_HUGEPAGE'];
  /** The kernel thread runs. */
  khugepaged_thread = false;

  constructor(enabled: KernelConfig['TRANSPARENT_HUGEPAGE']) {
    this.enabled = enabled;
  }
}

/** Linux: hugepage_flags_enabled(). */
const hugepage_flags_enabled = (k: Kernel): boolean =>
  k.khugepaged.enabled === 'always' || k.khugepaged.enabled === 'madvise';

/** __setup("transparent_hugepage="). */
export function setup_transparent_hugepage(k: Kernel, value: string): number {
  if (k.khugepaged.enabled === false) return 0;
  if (value === 'always' || value === 'madvise' || value === 'never') {
    k.khugepaged.enabled = value;
    return 1;
  }
  pr_warn(k, 'huge_memory: transparent_hugepage= cannot parse, ignored');
  return 0;
}

/**
 * Raises min_free_kbytes so that every zone can keep two pageblocks free, and about as many of each migratetype for
 * each to fall back to; at most 5 % of memory.
 */
function set_recommended_min_free_kbytes(k: Kernel): void {
  const { watermark } = k;
  if (!hugepage_flags_enabled(k)) {
    calculate_min_free_kbytes(k);
    setup_per_zone_wmarks(k);
    return;
  }
  let nr_zones = 0;
  for (const zone of for_each_populated_zone(k)) if (zone.idx <= ZONE_NORMAL) nr_zones++;

  const blocks = nr_zones * (2 + MIGRATE_PCPTYPES * MIGRATE_PCPTYPES);
  const five_percent = Math.floor(nr_free_buffer_pages(k) / 20);
  const recommended_min = Math.min(pageblock_nr_pages * blocks, five_percent) * 2 ** (PAGE_SHIFT - 10);
  if (recommended_min > watermark.min_free_kbytes) {
    if (watermark.user_min_free_kbytes >= 0) {
      const change = `from ${watermark.min_free_kbytes} to ${recommended_min}`;
      pr_info(k, `khugepaged: raising min_free_kbytes ${change} to help transparent hugepage allocations`);
    }
    watermark.min_free_kbytes = recommended_min;
  }
  setup_per_zone_wmarks(k);
}

/** Linux: start_stop_khugepaged(). */
function start_stop_khugepaged(k: Kernel): void {
  k.khugepaged.khugepaged_thread = hugepage_flags_enabled(k);
  set_recommended_min_free_kbytes(k);
}

export function khugepaged_min_free_kbytes_update(k: Kernel): void {
  if (hugepage_flags_enabled(k) && k.khugepaged.khugepaged_thread) set_recommended_min_free_kbytes(k);
}

/** Context: subsys_initcall. */
export function hugepage_init(k: Kernel): void {
  if (k.khugepaged.enabled === false) return;
  if (k.mm.totalram_pages < SMALL_MACHINE_PAGES) {
    k.khugepaged.enabled = 'never';
    return;
  }
  start_stop_khugepaged(k);
}
