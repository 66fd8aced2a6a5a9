// Whether a zone has enough free pages for a request (Linux: mm/page_alloc.c __zone_watermark_ok() and kin).
//
// Numbers of pages in one zone are below 2^31, and min / 2 of a non-negative number is a shift.

import { __GFP_ATOMIC } from '../include/gfp_types.ts';
import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_UNMOVABLE,
  NR_FREE_PAGES,
  WMARK_MIN,
} from '../include/mmzone.ts';
import type { gfp_t } from '../include/types.ts';
import {
  AREA_NR_FREE,
  AREA_WORDS,
  Z_FREE_AREA,
  Z_LOWMEM_RESERVE,
  Z_NR_FREE_CMA_PAGES,
  Z_NR_RESERVED_HIGHATOMIC,
  Z_VM_STAT,
  Z_WATERMARK,
  Z_WATERMARK_BOOST,
} from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { free_area_empty } from './free_list.ts';
import {
  ALLOC_CMA,
  ALLOC_HIGHATOMIC,
  ALLOC_MIN_RESERVE,
  ALLOC_NON_BLOCK,
  ALLOC_OOM,
  ALLOC_RESERVES,
  ALLOC_WMARK_MASK,
} from './internal.ts';
import type { Zone } from './mmzone.ts';
import { zone_page_state_snapshot } from './vmstat.ts';

/** Free pages by the zone's counter, without what CPUs have in their diffs. */
export function zone_free_pages(zone: Zone): number {
  const x = zone.words[zone.base + Z_VM_STAT]!;
  return Math.max(x, 0);
}

export function zone_free_cma_pages(zone: Zone): number {
  const x = zone.words[zone.base + Z_NR_FREE_CMA_PAGES]!;
  return Math.max(x, 0);
}

/** wmark_pages(): the mark that alloc_flags name, with the boost. */
export const wmark_pages = (zone: Zone, mark: number): number =>
  zone.words[zone.base + Z_WATERMARK + 2 * mark]! + zone.words[zone.base + Z_WATERMARK_BOOST]!;

/** Of the free pages, those that the request may not have or that are of no use to it. */
export function __zone_watermark_unusable_free(zone: Zone, order: number, alloc_flags: number): number {
  let unusable_free = (1 << order) - 1;
  if ((alloc_flags & ALLOC_RESERVES) === 0) unusable_free += zone.words[zone.base + Z_NR_RESERVED_HIGHATOMIC]!;
  if ((alloc_flags & ALLOC_CMA) === 0) unusable_free += zone_free_cma_pages(zone);
  return unusable_free;
}

/** What is left of a mark for a request that may use some of the reserves. */
export function watermark_least(mark: number, alloc_flags: number): number {
  let min = mark;
  if ((alloc_flags & ALLOC_MIN_RESERVE) !== 0) {
    min -= min >> 1;
    if ((alloc_flags & ALLOC_NON_BLOCK) !== 0) min -= min >> 2;
  }
  if ((alloc_flags & ALLOC_OOM) !== 0) min -= min >> 1;
  return min;
}

/**
 * Whether free_pages are more than `mark` and the reserve for lower zones, as far as the request has to respect them,
 * and there is a block that is large enough.
 */
export function __zone_watermark_ok(
  zone: Zone,
  order: number,
  mark: number,
  highest_zoneidx: number,
  alloc_flags: number,
  free_pages: number,
): boolean {
  const { words, base } = zone;
  free_pages -= __zone_watermark_unusable_free(zone, order, alloc_flags);
  const min = (alloc_flags & ALLOC_RESERVES) !== 0 ? watermark_least(mark, alloc_flags) : mark;
  if (free_pages <= min + words[base + Z_LOWMEM_RESERVE + 2 * highest_zoneidx]!) return false;
  return order === 0 || has_free_block(zone, order, alloc_flags);
}

/** Whether there is a free block of `order` or more on a list that the request may take from. */
export function has_free_block(zone: Zone, order: number, alloc_flags: number): boolean {
  const { words, base } = zone;
  for (let o = order; o < MAX_ORDER; o++) {
    if (words[base + Z_FREE_AREA + o * AREA_WORDS + AREA_NR_FREE] === 0) continue;
    if (!free_area_empty(zone, o, MIGRATE_UNMOVABLE)) return true;
    if (!free_area_empty(zone, o, MIGRATE_MOVABLE)) return true;
    if (!free_area_empty(zone, o, MIGRATE_RECLAIMABLE)) return true;
    if ((alloc_flags & ALLOC_CMA) !== 0 && !free_area_empty(zone, o, MIGRATE_CMA)) return true;
    if ((alloc_flags & (ALLOC_HIGHATOMIC | ALLOC_OOM)) !== 0 && !free_area_empty(zone, o, MIGRATE_HIGHATOMIC)) {
      return true;
    }
  }
  return false;
}

export const zone_watermark_ok = (
  zone: Zone,
  order: number,
  mark: number,
  highest_zoneidx: number,
  alloc_flags: number,
): boolean => __zone_watermark_ok(zone, order, mark, highest_zoneidx, alloc_flags, zone_free_pages(zone));

/** Decides single pages at a glance where it can. */
export function zone_watermark_fast(
  zone: Zone,
  order: number,
  mark: number,
  highest_zoneidx: number,
  alloc_flags: number,
  gfp: gfp_t,
): boolean {
  const free_pages = zone_free_pages(zone);
  if (order === 0) {
    const reserved = __zone_watermark_unusable_free(zone, 0, alloc_flags);
    const usable_free = free_pages > reserved ? free_pages - reserved : 0;
    if (usable_free > mark + zone.words[zone.base + Z_LOWMEM_RESERVE + 2 * highest_zoneidx]!) return true;
  }
  if (__zone_watermark_ok(zone, order, mark, highest_zoneidx, alloc_flags, free_pages)) return true;

  // A single page for one that cannot wait: the boost is there to wake kswapd, not to fail such requests.
  if (
    order === 0 &&
    (gfp & __GFP_ATOMIC) !== 0 &&
    zone.words[zone.base + Z_WATERMARK_BOOST] !== 0 &&
    (alloc_flags & ALLOC_WMARK_MASK) === WMARK_MIN
  ) {
    const min = zone.words[zone.base + Z_WATERMARK + 2 * WMARK_MIN]!;
    return __zone_watermark_ok(zone, order, min, highest_zoneidx, alloc_flags, free_pages);
  }
  return false;
}

/**
 * Adds up the CPUs' diffs where they could hide that the mark is breached.
 * @public
 */
export function zone_watermark_ok_safe(
  k: Kernel,
  zone: Zone,
  order: number,
  mark: number,
  highest_zoneidx: number,
): boolean {
  let free_pages = zone_free_pages(zone);
  if (zone.percpu_drift_mark !== 0 && free_pages < zone.percpu_drift_mark) {
    free_pages = zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
  }
  return __zone_watermark_ok(zone, order, mark, highest_zoneidx, 0, free_pages);
}
