// Taking a block off the free lists, from another migratetype's where its own are empty (Linux: mm/page_alloc.c
// __rmqueue(), __rmqueue_fallback(), find_suitable_fallback(), steal_suitable_fallback(), boost_watermark()).
//
// Context: zone->lock held.

import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_UNMOVABLE,
  pageblock_nr_pages,
  pageblock_order,
  WMARK_HIGH,
  ZONE_BOOSTED_WATERMARK,
} from '../include/mmzone.ts';
import { KEY_TRACE } from '../include/static_keys.ts';
import type { pfn_t } from '../include/types.ts';
import { Z_NR_FREE_CMA_PAGES, Z_VM_STAT } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { hard_lockup } from '../lib/bug.ts';
import { trace_mm_page_alloc_extfrag } from '../trace/events/kmem.ts';
import { explain, explain_cma, explain_fallback, explaining } from '../trace/explain.ts';
import { __rmqueue_smallest } from './buddy.ts';
import { free_area_empty, get_page_from_free_area, move_to_free_list, nr_free } from './free_list.ts';
import { ALLOC_CMA, ALLOC_KSWAPD, ALLOC_NOFRAGMENT } from './internal.ts';
import type { Zone } from './mmzone.ts';
import { change_pageblock_range, move_freepages_block, moved } from './move_freepages.ts';
import { buddy_order } from './page.ts';
import { get_pageblock_migratetype, set_pageblock_migratetype } from './pageblock.ts';

/** By migratetype: the first and the second that it falls back to. */
export const fallbacks: readonly (readonly [number, number])[] = [
  [MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE], // MIGRATE_UNMOVABLE
  [MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE], // MIGRATE_MOVABLE
  [MIGRATE_UNMOVABLE, MIGRATE_MOVABLE], // MIGRATE_RECLAIMABLE
  // A request that is movable and reclaimable at once asks for this. It should have none, and its row is zeroes.
  // Differs from Linux: rows are read no further than they go, where the Unmovable list is empty too.
  [MIGRATE_UNMOVABLE, MIGRATE_UNMOVABLE], // MIGRATE_HIGHATOMIC
];

/**
 * Whether all free pages of the pageblock should come along: yes for large blocks, and for types whose pages would
 * pollute a movable pageblock for good.
 */
export const can_steal_fallback = (k: Kernel, order: number, start_mt: number): boolean =>
  order >= pageblock_order >> 1 ||
  start_mt === MIGRATE_RECLAIMABLE ||
  start_mt === MIGRATE_UNMOVABLE ||
  k.mm.page_group_by_mobility_disabled;

/** The migratetype to fall back to for a block of `order`, or -1. */
export function find_suitable_fallback(
  k: Kernel,
  zone: Zone,
  order: number,
  migratetype: number,
  only_stealable: boolean,
): number {
  if (nr_free(zone, order) === 0 || migratetype > MIGRATE_HIGHATOMIC) return -1;
  if (only_stealable && !can_steal_fallback(k, order, migratetype)) return -1;
  const [first, second] = fallbacks[migratetype]!;
  if (!free_area_empty(zone, order, first)) return first;
  if (!free_area_empty(zone, order, second)) return second;
  return -1;
}

/** Makes kswapd reclaim more than it would, as migratetypes are about to mix. @returns whether the zone takes part */
function boost_watermark(k: Kernel, zone: Zone): boolean {
  const { watermark_boost_factor } = k.watermark;
  if (watermark_boost_factor === 0) return false;
  if (pageblock_nr_pages * 4 > zone.managed_pages) return false;
  const max_boost = Math.floor((zone._watermark(WMARK_HIGH) * watermark_boost_factor) / 10000);
  // No high watermark yet: it is early in boot, and failing would be worse than mixing.
  if (max_boost === 0) return false;
  zone.watermark_boost = Math.min(zone.watermark_boost + pageblock_nr_pages, Math.max(pageblock_nr_pages, max_boost));
  return true;
}

/**
 * Brings a free block of another migratetype onto the lists of start_type, where it may with all other free pages of its
 * pageblock; then, if half of the pageblock is free or of a like kind, the pageblock as well.
 */
function steal_suitable_fallback(
  k: Kernel,
  zone: Zone,
  pfn: pfn_t,
  alloc_flags: number,
  start_type: number,
  whole_block: boolean,
): void {
  const current_order = buddy_order(k, pfn) >>> 0;
  const old_block_type = get_pageblock_migratetype(k, pfn);
  if (old_block_type === MIGRATE_HIGHATOMIC) {
    move_to_free_list(k, pfn, zone, current_order, start_type);
    return;
  }
  if (current_order >= pageblock_order) {
    change_pageblock_range(k, pfn, current_order, start_type);
    move_to_free_list(k, pfn, zone, current_order, start_type);
    return;
  }
  if (boost_watermark(k, zone) && (alloc_flags & ALLOC_KSWAPD) !== 0) zone.flags |= 1 << ZONE_BOOSTED_WATERMARK;

  // At a zone's border the block cannot move as a whole.
  const free_pages = whole_block ? move_freepages_block(k, zone, pfn, start_type) : 0;
  if (free_pages === 0) {
    move_to_free_list(k, pfn, zone, current_order, start_type);
    return;
  }
  let alike_pages = 0;
  if (start_type === MIGRATE_MOVABLE) alike_pages = moved.num_movable;
  else if (old_block_type === MIGRATE_MOVABLE) alike_pages = pageblock_nr_pages - (free_pages + moved.num_movable);
  if (free_pages + alike_pages >= 1 << (pageblock_order - 1) || k.mm.page_group_by_mobility_disabled) {
    set_pageblock_migratetype(k, pfn, start_type);
  }
}

/** Of the pageblock that a block lies in, or of all that it fills. */
const pageblock_types = (k: Kernel, pfn: pfn_t, order: number): number[] =>
  Array.from({ length: Math.max(1, 2 ** (order - pageblock_order)) }, (_, i) =>
    get_pageblock_migratetype(k, pfn + i * pageblock_nr_pages),
  );

/**
 * Brings a block of another migratetype onto the lists of start_migratetype: the largest there is, which comes near to
 * the pageblock with the most free pages; or the smallest that does, where a pageblock cannot be taken over.
 * @returns whether there was one
 */
function __rmqueue_fallback(
  k: Kernel,
  zone: Zone,
  order: number,
  start_migratetype: number,
  alloc_flags: number,
): boolean {
  const min_order = order < pageblock_order && (alloc_flags & ALLOC_NOFRAGMENT) !== 0 ? pageblock_order : order;
  const told = explaining(k);
  if (told) explain_fallback(k, zone, order, start_migratetype, min_order);
  for (let current_order = MAX_ORDER - 1; current_order >= min_order; current_order--) {
    let fallback_mt = find_suitable_fallback(k, zone, current_order, start_migratetype, false);
    let can_steal = can_steal_fallback(k, current_order, start_migratetype);
    if (told) explain(k, { code: 'fallback_order', order: current_order, migratetype: fallback_mt, can_steal });
    if (fallback_mt < 0) continue;
    if (!can_steal && start_migratetype === MIGRATE_MOVABLE && current_order > order) {
      for (current_order = order; current_order < MAX_ORDER; current_order++) {
        fallback_mt = find_suitable_fallback(k, zone, current_order, start_migratetype, false);
        if (told) explain(k, { code: 'fallback_order', order: current_order, migratetype: fallback_mt, can_steal });
        if (fallback_mt >= 0) break;
      }
      can_steal = can_steal_fallback(k, current_order, start_migratetype);
    }
    const pfn = get_page_from_free_area(k, zone, current_order, fallback_mt);
    const before = told ? pageblock_types(k, pfn, current_order) : [];
    steal_suitable_fallback(k, zone, pfn, alloc_flags, start_migratetype, can_steal);
    if (told) {
      const after = pageblock_types(k, pfn, current_order);
      const boost = zone.watermark_boost;
      explain(k, { code: 'steal', pfn, order: current_order, migratetype: fallback_mt, before, after, boost });
    }
    if ((k.page_alloc.static_keys & KEY_TRACE) !== 0) {
      trace_mm_page_alloc_extfrag(k, pfn, order, current_order, start_migratetype, fallback_mt);
    }
    return true;
  }
  return false;
}

/** What fallback has brought onto a list is there the next time. */
const MAX_TRIES = 10000;

/** Takes a block of `order` off the free lists. @returns its first page, or -1 */
export function __rmqueue(k: Kernel, zone: Zone, order: number, migratetype: number, alloc_flags: number): pfn_t {
  // Where more than half of what is free is CMA's, that goes first: else it lies idle until all else is gone.
  if ((alloc_flags & ALLOC_CMA) !== 0) {
    const free = zone.words[zone.base + Z_VM_STAT]!;
    const free_cma = zone.words[zone.base + Z_NR_FREE_CMA_PAGES]!;
    const first = free_cma > 0 && free_cma > (free > 0 ? free >> 1 : 0);
    if (free_cma > 0 && explaining(k)) explain_cma(k, zone, free, free_cma, first);
    if (first) {
      const pfn = __rmqueue_smallest(k, zone, order, MIGRATE_CMA);
      if (pfn >= 0) return pfn;
    }
  }
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    let pfn = __rmqueue_smallest(k, zone, order, migratetype);
    if (pfn < 0 && (alloc_flags & ALLOC_CMA) !== 0) pfn = __rmqueue_smallest(k, zone, order, MIGRATE_CMA);
    if (pfn >= 0) return pfn;
    if (!__rmqueue_fallback(k, zone, order, migratetype, alloc_flags)) return -1;
  }
  // A block that fallback names and cannot move, for it is damaged: Linux does not get out of here either.
  return hard_lockup(k);
}
