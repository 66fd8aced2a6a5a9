// Pageblocks that are not worth a look, and from where to go on (Linux: mm/compaction.c isolation_suitable(),
// update_pageblock_skip(), update_cached_migrate(), __reset_isolation_suitable()): a bit for each pageblock, and in each
// zone the place that either scanner had come to.

import { MIGRATE_ASYNC } from '../include/migrate_mode.ts';
import { PG_FLAGS, PG_LRU_NEXT } from '../include/mm_types.ts';
import { MIGRATE_MOVABLE, PAGE_ALLOC_COSTLY_ORDER, pageblock_nr_pages, pageblock_order } from '../include/mmzone.ts';
import { PG_head, PG_lru } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import {
  CACHED_FREE_PFN,
  CACHED_MIGRATE_PFN,
  compact_blockskip_flush,
  type compact_control,
  compact_pfn,
  INIT_FREE_PFN,
  INIT_MIGRATE_PFN,
  set_cached_migrate_pfns,
  set_compact_blockskip_flush,
  set_compact_pfn,
} from './compact_control.ts';
import { compound_order } from './compound.ts';
import type { PgData, Zone } from './mmzone.ts';
import { is_buddy, lru_pointer_pfn, page_index, page_zone, section_map } from './page.ts';
import { __pageblock_pfn_to_page } from './page_alloc_late.ts';
import { pfn_to_online_page } from './page_isolation.ts';
import {
  clear_pageblock_skip,
  get_pageblock_migratetype,
  get_pageblock_skip,
  pageblock_end_pfn,
  pageblock_start_pfn,
  set_pageblock_skip,
} from './pageblock.ts';

/** Bit 0 of compound_head, where lru.next is: a tail page. */
const TAIL = 1;

/** start_pfn, if [start_pfn, end_pfn), within a pageblock, is the zone's; else -1. */
export const pageblock_pfn_to_page = (k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t, zone: Zone): pfn_t =>
  zone.contiguous ? start_pfn : __pageblock_pfn_to_page(k, start_pfn, end_pfn, zone);

export const is_compound = (m: Int32Array, i: number): boolean =>
  ((m[i + PG_FLAGS]! >>> PG_head) & 1) !== 0 || (m[i + PG_LRU_NEXT]! & TAIL) !== 0;

/** compound_order() of a page that may be a tail page, which says 0. */
export const order_of_head = (m: Int32Array, i: number): number =>
  ((m[i + PG_FLAGS]! >>> PG_head) & 1) !== 0 ? compound_order(m, i) : 0;

export const isolation_suitable = (k: Kernel, cc: compact_control, pfn: pfn_t): boolean =>
  cc.ignore_skip_hint || !get_pageblock_skip(k, pfn);

/** Both scanners begin at their ends of the zone. */
export function reset_cached_positions(zone: Zone): void {
  set_cached_migrate_pfns(zone, zone.zone_start_pfn);
  set_compact_pfn(zone, CACHED_FREE_PFN, pageblock_start_pfn(zone.zone_end_pfn - 1));
}

/** A compound page that fills a pageblock or more: nothing is free there, and it is not moved, until it is freed. */
export function pageblock_skip_persistent(k: Kernel, pfn: pfn_t): boolean {
  let m = section_map(k.mm, pfn);
  let i = page_index(pfn);
  if (!is_compound(m, i)) return false;
  if ((m[i + PG_LRU_NEXT]! & TAIL) !== 0) {
    const head = lru_pointer_pfn(m[i + PG_LRU_NEXT]!, m[i + PG_LRU_NEXT + 1]!);
    m = section_map(k.mm, head);
    i = page_index(head);
  }
  return compound_order(m, i) >= pageblock_order;
}

/** Clears the bit of a pageblock where a few samples say that it may be of use. @returns whether it is clear */
function __reset_isolation_pfn(
  k: Kernel,
  zone: Zone,
  pfn: pfn_t,
  check_source: boolean,
  check_target: boolean,
): boolean {
  if (!pfn_to_online_page(k, pfn) || page_zone(k, pfn) !== zone || pageblock_skip_persistent(k, pfn)) return false;
  if (check_source && check_target && !get_pageblock_skip(k, pfn)) return true;
  if (!check_source && check_target && get_pageblock_migratetype(k, pfn) !== MIGRATE_MOVABLE) return false;
  const first = Math.max(pageblock_start_pfn(pfn), zone.zone_start_pfn);
  const start = pfn_to_online_page(k, first) ? first : pfn;
  const last = Math.min(pageblock_end_pfn(start) - 1, zone.zone_end_pfn - 1);
  if (!pfn_to_online_page(k, last)) return false;
  for (let page = start; page <= last; page += 1 << PAGE_ALLOC_COSTLY_ORDER) {
    const m = section_map(k.mm, page);
    const i = page_index(page);
    const source = check_source && ((m[i + PG_FLAGS]! >>> PG_lru) & 1) !== 0;
    if (!source && !(check_target && is_buddy(m, i))) continue;
    clear_pageblock_skip(k, page);
    return true;
  }
  return false;
}

/** Forgets which blocks of a zone are not worth a look, from both ends, where a whole run has come to nothing. */
export function* __reset_isolation_suitable(k: Kernel, zone: Zone): Sleeping<void> {
  if (!compact_blockskip_flush(zone)) return;
  set_compact_blockskip_flush(zone, false);
  let migrate_pfn = zone.zone_start_pfn;
  let free_pfn = zone.zone_end_pfn - 1;
  let reset_migrate = free_pfn;
  let reset_free = migrate_pfn;
  let source_set = false;
  let free_set = false;
  for (; migrate_pfn < free_pfn; migrate_pfn += pageblock_nr_pages, free_pfn -= pageblock_nr_pages) {
    if (should_resched(k)) yield* cond_resched(k);
    if (__reset_isolation_pfn(k, zone, migrate_pfn, true, source_set) && migrate_pfn < reset_migrate) {
      source_set = true;
      reset_migrate = migrate_pfn;
      set_compact_pfn(zone, INIT_MIGRATE_PFN, reset_migrate);
      set_cached_migrate_pfns(zone, reset_migrate);
    }
    if (__reset_isolation_pfn(k, zone, free_pfn, free_set, true) && free_pfn > reset_free) {
      free_set = true;
      reset_free = free_pfn;
      set_compact_pfn(zone, INIT_FREE_PFN, reset_free);
      set_compact_pfn(zone, CACHED_FREE_PFN, reset_free);
    }
  }
  if (reset_migrate < reset_free) return;
  // Nothing is left to be looked at.
  set_cached_migrate_pfns(zone, migrate_pfn);
  set_compact_pfn(zone, CACHED_FREE_PFN, free_pfn);
}

/** Of a node's zones, where it is due: before kswapd goes to sleep. */
export function* reset_isolation_suitable(k: Kernel, pgdat: PgData): Sleeping<void> {
  for (const zone of pgdat.node_zones) {
    if (zone.populated && compact_blockskip_flush(zone)) yield* __reset_isolation_suitable(k, zone);
  }
}

/** Notes the block down as looked at. @returns whether somebody else had */
export function test_and_set_skip(k: Kernel, cc: compact_control, pfn: pfn_t): boolean {
  if (cc.ignore_skip_hint || pfn % pageblock_nr_pages !== 0) return false;
  const skip = get_pageblock_skip(k, pfn);
  if (!skip && !cc.no_set_skip_hint) set_pageblock_skip(k, pfn);
  return skip;
}

/** The migrate scanner goes on behind the block next time. */
export function update_cached_migrate(cc: compact_control, pfn: pfn_t): void {
  if (cc.no_set_skip_hint) return;
  const { zone } = cc;
  const end = pageblock_end_pfn(pfn);
  if (end > compact_pfn(zone, CACHED_MIGRATE_PFN)) set_compact_pfn(zone, CACHED_MIGRATE_PFN, end);
  const sync = CACHED_MIGRATE_PFN + 2;
  if (cc.mode !== MIGRATE_ASYNC && end > compact_pfn(zone, sync)) set_compact_pfn(zone, sync, end);
}

/** The free scanner is through with a block. */
export function update_pageblock_skip(k: Kernel, cc: compact_control, page: pfn_t, pfn: pfn_t): void {
  if (cc.no_set_skip_hint) return;
  set_pageblock_skip(k, page);
  if (pfn < compact_pfn(cc.zone, CACHED_FREE_PFN)) set_compact_pfn(cc.zone, CACHED_FREE_PFN, pfn);
}
