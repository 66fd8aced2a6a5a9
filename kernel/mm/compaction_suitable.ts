// Whether compaction could help (Linux: mm/compaction.c compaction_suitable(), mm/vmstat.c fragmentation_index()): not where
// a block is there already, nor where there are too few free pages to move others to.

import { __GFP_IO } from '../include/gfp_types.ts';
import { MAX_ORDER, NR_FREE_PAGES, PAGE_ALLOC_COSTLY_ORDER, WMARK_LOW, WMARK_MIN } from '../include/mmzone.ts';
import type { gfp_t } from '../include/types.ts';
import { AREA_NR_FREE, AREA_WORDS, Z_FREE_AREA } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { trace_mm_compaction_suitable } from '../trace/events/compaction.ts';
import {
  ALLOC_CMA,
  ALLOC_WMARK_MASK,
  COMPACT_CONTINUE,
  COMPACT_NOT_SUITABLE_ZONE,
  COMPACT_SKIPPED,
  COMPACT_SUCCESS,
} from './internal.ts';
import type { Zone } from './mmzone.ts';
import { zone_page_state } from './vmstat.ts';
import { __zone_watermark_ok, wmark_pages, zone_watermark_ok } from './watermark_check.ts';

/** Room that compaction needs, in pages: twice the block. */
export const compact_gap = (order: number): number => 2 << order;

/** Compaction migrates pages, which may mean to write them. */
export const gfp_compaction_allowed = (gfp: gfp_t): boolean => (gfp & __GFP_IO) !== 0;

/** compact_memory asks for all that can be done. */
export const is_via_compact_memory = (order: number): boolean => order === -1;

/** @param wmark_target how many pages would be free */
export function __compaction_suitable(
  zone: Zone,
  order: number,
  alloc_flags: number,
  highest_zoneidx: number,
  wmark_target: number,
): number {
  if (is_via_compact_memory(order)) return COMPACT_CONTINUE;
  const mark = wmark_pages(zone, alloc_flags & ALLOC_WMARK_MASK);
  if (zone_watermark_ok(zone, order, mark, highest_zoneidx, alloc_flags)) return COMPACT_SUCCESS;
  const watermark = wmark_pages(zone, order > PAGE_ALLOC_COSTLY_ORDER ? WMARK_LOW : WMARK_MIN) + compact_gap(order);
  return __zone_watermark_ok(zone, 0, watermark, highest_zoneidx, ALLOC_CMA, wmark_target)
    ? COMPACT_CONTINUE
    : COMPACT_SKIPPED;
}

/** @returns COMPACT_SUCCESS: a block is there; COMPACT_CONTINUE: go on; COMPACT_SKIPPED: it would be of no use */
export function compaction_suitable(
  k: Kernel,
  zone: Zone,
  order: number,
  alloc_flags: number,
  highest_zoneidx: number,
): number {
  const free = zone_page_state(zone, NR_FREE_PAGES);
  const suitable = __compaction_suitable(zone, order, alloc_flags, highest_zoneidx, free);
  const costly = order > PAGE_ALLOC_COSTLY_ORDER;
  // Towards 0 it is memory that lacks, towards 1000 it is in pieces.
  const index = suitable === COMPACT_CONTINUE && costly ? fragmentation_index(zone, order) : -1;
  const lacks_memory = index >= 0 && index <= k.compaction.sysctl_extfrag_threshold;
  if (k.trace.on) {
    trace_mm_compaction_suitable(k, zone, order, lacks_memory ? COMPACT_NOT_SUITABLE_ZONE : suitable);
  }
  return lacks_memory ? COMPACT_SKIPPED : suitable;
}

/** @returns -1000 where a block of that order is free; else 0 to 1000: why there is none, from no memory to fragmentation */
export function fragmentation_index(zone: Zone, order: number): number {
  let free_pages = 0;
  let blocks_total = 0;
  let suitable = false;
  for (let o = 0; o < MAX_ORDER; o++) {
    const blocks = zone.view[Z_FREE_AREA + o * AREA_WORDS + AREA_NR_FREE]!;
    blocks_total += blocks;
    free_pages += blocks * 2 ** o;
    if (o >= order && blocks > 0) suitable = true;
  }
  if (blocks_total === 0) return 0;
  if (suitable) return -1000;
  return 1000 - Math.floor((1000 + Math.floor((free_pages * 1000) / 2 ** order)) / blocks_total);
}

/** Free pages of a zone, and those of them that are in blocks of that order or larger. Linux: fill_contig_page_info(). */
function free_and_suitable(zone: Zone, order: number): { readonly free_pages: number; readonly suitable: number } {
  let free_pages = 0;
  let suitable = 0;
  for (let o = 0; o < MAX_ORDER; o++) {
    const pages = zone.view[Z_FREE_AREA + o * AREA_WORDS + AREA_NR_FREE]! * 2 ** o;
    free_pages += pages;
    if (o >= order) suitable += pages;
  }
  return { free_pages, suitable };
}

/** How much of what is free is of no use for a block of that order, in percent. Linux: mm/vmstat.c. */
export function extfrag_for_order(zone: Zone, order: number): number {
  const { free_pages, suitable } = free_and_suitable(zone, order);
  return free_pages === 0 ? 0 : Math.floor(((free_pages - suitable) * 100) / free_pages);
}

/** The same in thousandths; all of nothing is of no use. Linux: mm/vmstat.c. */
export function unusable_free_index(zone: Zone, order: number): number {
  const { free_pages, suitable } = free_and_suitable(zone, order);
  return free_pages === 0 ? 1000 : Math.floor(((free_pages - suitable) * 1000) / free_pages);
}
