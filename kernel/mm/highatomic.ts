// Pageblocks held back for high-order requests that cannot wait (Linux: mm/page_alloc.c reserve_highatomic_pageblock(),
// unreserve_highatomic_pageblock()).

import { MAX_ORDER, MIGRATE_HIGHATOMIC, MIGRATE_PCPTYPES, pageblock_nr_pages } from '../include/mmzone.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { node_isset } from '../lib/nodemask.ts';
import { explain_reserve, explaining } from '../trace/explain.ts';
import type { alloc_context } from './alloc_context.ts';
import { get_page_from_free_area } from './free_list.ts';
import type { Zone } from './mmzone.ts';
import { move_freepages_block } from './move_freepages.ts';
import { get_pageblock_migratetype, set_pageblock_migratetype } from './pageblock.ts';

/** Reserves the pageblock of a page that such a request was just given: one a zone, and more up to 1 % of it. */
export function reserve_highatomic_pageblock(k: Kernel, pfn: pfn_t, zone: Zone): void {
  const max_managed = Math.floor(zone.managed_pages / 100) + pageblock_nr_pages;
  const before = zone.nr_reserved_highatomic;
  const migratetype = get_pageblock_migratetype(k, pfn);
  reserve_pageblock(k, pfn, zone, max_managed, migratetype);
  if (explaining(k)) explain_reserve(k, zone, pfn, migratetype, before, max_managed);
}

function reserve_pageblock(k: Kernel, pfn: pfn_t, zone: Zone, max_managed: number, migratetype: number): void {
  if (zone.nr_reserved_highatomic >= max_managed || migratetype >= MIGRATE_PCPTYPES) return;
  zone.nr_reserved_highatomic += pageblock_nr_pages;
  set_pageblock_migratetype(k, pfn, MIGRATE_HIGHATOMIC);
  move_freepages_block(k, zone, pfn, MIGRATE_HIGHATOMIC);
}

/**
 * Gives up a reserved pageblock of the request's zones, for a request that is about to fail.
 * @param force also a zone's last one
 * @returns whether pages were freed for it
 */
export function unreserve_highatomic_pageblock(k: Kernel, ac: alloc_context, force: boolean): boolean {
  for (const zone of ac.zones) {
    if (ac.nodemask !== null && !node_isset(zone.nid, ac.nodemask)) continue;
    if (!force && zone.nr_reserved_highatomic <= pageblock_nr_pages) continue;
    for (let order = 0; order < MAX_ORDER; order++) {
      const pfn = get_page_from_free_area(k, zone, order, MIGRATE_HIGHATOMIC);
      if (pfn < 0) continue;
      // A block of the list may lie in a pageblock that is highatomic no more.
      if (get_pageblock_migratetype(k, pfn) === MIGRATE_HIGHATOMIC) {
        zone.nr_reserved_highatomic -= Math.min(pageblock_nr_pages, zone.nr_reserved_highatomic);
      }
      set_pageblock_migratetype(k, pfn, ac.migratetype);
      if (move_freepages_block(k, zone, pfn, ac.migratetype) > 0) return true;
    }
  }
  return false;
}
