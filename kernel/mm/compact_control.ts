// One run of compaction (Linux: mm/internal.h struct compact_control, capture_control), and what zones remember of
// earlier ones (struct zone's compact_* members).

import { MIGRATE_SYNC_LIGHT } from '../include/migrate_mode.ts';
import { zone as layout } from '../include/mmzone.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import { IsolatedPages } from './isolated_pages.ts';
import { read64, write64, type Zone } from './mmzone.ts';

/** COMPACT_CLUSTER_MAX: pages that are isolated before they are moved. */
export const COMPACT_CLUSTER_MAX = 32;

export class compact_control {
  zone: Zone;
  /** -1: all that can be done. */
  readonly order: number;
  readonly gfp_mask: gfp_t;
  /** MIGRATE_ASYNC and so on. */
  mode = MIGRATE_SYNC_LIGHT;
  migratetype = 0;
  alloc_flags = 0;
  highest_zoneidx = 0;
  /** Somebody waits for the block. */
  direct_compaction = false;
  /** Until the zone is in fewer pieces than it may be in. */
  proactive_compaction = false;
  /** From one end to the other. */
  whole_zone = false;
  /** Blocks are looked at though nothing was found there lately; what is found is not noted down. */
  ignore_skip_hint = false;
  no_set_skip_hint = false;
  /** Pages may go to blocks of any migratetype. */
  ignore_block_suitable = false;
  /** For alloc_contig_range(). */
  alloc_contig = false;

  /** Free single pages to move others to. While they are being isolated, blocks: block_orders says of what order. */
  readonly freepages = new IsolatedPages();
  readonly block_orders: number[] = [];
  readonly migratepages = new IsolatedPages();
  /** migrate_pages() works with it. */
  readonly batch = new IsolatedPages();
  nr_freepages = 0;
  nr_migratepages = 0;
  /** Where the two scanners are. */
  free_pfn: pfn_t = 0;
  migrate_pfn: pfn_t = 0;
  /** The lowest block that a search of the free lists came to: 0: none yet; -1: it has been gone back to. */
  fast_start_pfn: pfn_t = 0;
  fast_search_fail = 0;
  search_order = 0;
  total_migrate_scanned = 0;
  total_free_scanned = 0;
  /** The block that was migrated from last is looked at again. */
  rescan = false;
  /** The task has to die. */
  contended = false;

  constructor(zone: Zone, order: number, gfp_mask: gfp_t) {
    this.zone = zone;
    this.order = order;
    this.gfp_mask = gfp_mask;
    this.search_order = Math.max(0, order);
  }
}

/** What a task that compacts takes for itself as soon as it is free. */
export class capture_control {
  readonly zone: Zone;
  readonly order: number;
  page: pfn_t = -1;

  constructor(zone: Zone, order: number) {
    this.zone = zone;
    this.order = order;
  }
}

const Z = layout.offset;
export const CACHED_FREE_PFN = Z.compact_cached_free_pfn >> 2;
/** By whether migration is synchronous: + 2. */
export const CACHED_MIGRATE_PFN = Z.compact_cached_migrate_pfn >> 2;
export const INIT_MIGRATE_PFN = Z.compact_init_migrate_pfn >> 2;
export const INIT_FREE_PFN = Z.compact_init_free_pfn >> 2;
/** Words of struct zone that are ints. */
export const COMPACT_CONSIDERED = Z.compact_considered >> 2;
export const COMPACT_DEFER_SHIFT = Z.compact_defer_shift >> 2;
export const COMPACT_ORDER_FAILED = Z.compact_order_failed >> 2;
const BLOCKSKIP_FLUSH = Z.compact_blockskip_flush >> 2;
const BLOCKSKIP_FLUSH_SHIFT = (Z.compact_blockskip_flush & 3) << 3;

export const compact_pfn = (zone: Zone, member: number): pfn_t => read64(zone.view, member);
export const set_compact_pfn = (zone: Zone, member: number, pfn: pfn_t): void => write64(zone.view, member, pfn);

export function set_cached_migrate_pfns(zone: Zone, pfn: pfn_t): void {
  set_compact_pfn(zone, CACHED_MIGRATE_PFN, pfn);
  set_compact_pfn(zone, CACHED_MIGRATE_PFN + 2, pfn);
}

/** Skip hints are to be cleared: a whole zone was gone through in vain. */
export const compact_blockskip_flush = (zone: Zone): boolean =>
  ((zone.view[BLOCKSKIP_FLUSH]! >>> BLOCKSKIP_FLUSH_SHIFT) & 0xff) !== 0;

export function set_compact_blockskip_flush(zone: Zone, flush: boolean): void {
  const rest = zone.view[BLOCKSKIP_FLUSH]! & ~(0xff << BLOCKSKIP_FLUSH_SHIFT);
  zone.view[BLOCKSKIP_FLUSH] = rest | (Number(flush) << BLOCKSKIP_FLUSH_SHIFT);
}
