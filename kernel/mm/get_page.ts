// The walk over zones (Linux: mm/page_alloc.c get_page_from_freelist(), rmqueue(), rmqueue_buddy()): the first zone of the
// zonelist with enough free pages gives the block.

import { __cpuset_node_allowed, cpusets_enabled } from '../cgroup/cpuset.ts';
import { __GFP_NOFAIL } from '../include/gfp_types.ts';
import { MIGRATE_HIGHATOMIC, MIGRATE_MOVABLE, ZONE_BOOSTED_WATERMARK } from '../include/mmzone.ts';
import { KEY_DEBUG_VM } from '../include/static_keys.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import { PGALLOC } from '../include/vm_event_item.ts';
import { Z_FLAGS } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { hard_lockup, WARN_ONCE } from '../lib/bug.ts';
import { node_isset } from '../lib/nodemask.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import {
  explain,
  explain_no_watermarks,
  explain_skip,
  explain_stop,
  explain_too_far,
  explain_watermark,
  explaining,
} from '../trace/explain.ts';
import type { alloc_context } from './alloc_context.ts';
import { __mod_zone_freepage_state, __rmqueue_smallest } from './buddy.ts';
import { deferred_grow_zone } from './deferred.ts';
import { __rmqueue } from './fallback.ts';
import { reserve_highatomic_pageblock } from './highatomic.ts';
import {
  ALLOC_CMA,
  ALLOC_CPUSET,
  ALLOC_HIGHATOMIC,
  ALLOC_NO_WATERMARKS,
  ALLOC_NOFRAGMENT,
  ALLOC_NON_BLOCK,
  ALLOC_OOM,
  ALLOC_WMARK_MASK,
} from './internal.ts';
import { bad_range, VM_BUG_ON_PAGE } from './mmdebug.ts';
import type { Zone } from './mmzone.ts';
import {
  NODE_RECLAIM_FULL,
  NODE_RECLAIM_NOSCAN,
  node_reclaim,
  node_reclaim_enabled,
  zone_allows_reclaim,
} from './node_reclaim.ts';
import { get_pcppage_migratetype } from './page.ts';
import { check_new_pages, MAX_BAD_PAGES } from './page_check.ts';
import { prep_new_page } from './page_prep.ts';
import { node_dirty_ok } from './page_writeback.ts';
import { pcp_allowed_order, rmqueue_pcplist } from './pcp.ts';
import { __count_vm_events } from './vm_event.ts';
import { zone_statistics } from './vmstat.ts';
import { wmark_pages, zone_watermark_fast, zone_watermark_ok } from './watermark_check.ts';

/** A block off the buddy lists, past the per-cpu lists. */
function rmqueue_buddy(
  k: Kernel,
  preferred_zone: Zone,
  zone: Zone,
  order: number,
  alloc_flags: number,
  migratetype: number,
): pfn_t {
  let pfn: pfn_t;
  let tries = 0;
  do {
    if (tries++ === MAX_BAD_PAGES) return hard_lockup(k);
    pfn = -1;
    if ((alloc_flags & ALLOC_HIGHATOMIC) !== 0) pfn = __rmqueue_smallest(k, zone, order, MIGRATE_HIGHATOMIC);
    if (pfn < 0) {
      pfn = __rmqueue(k, zone, order, migratetype, alloc_flags);
      // Rather than fail, those that cannot wait may have what is held back for larger blocks.
      if (pfn < 0 && (alloc_flags & (ALLOC_OOM | ALLOC_NON_BLOCK)) !== 0) {
        pfn = __rmqueue_smallest(k, zone, order, MIGRATE_HIGHATOMIC);
      }
      if (pfn < 0) return -1;
    }
    __mod_zone_freepage_state(k, zone, -(1 << order), get_pcppage_migratetype(k, pfn));
  } while (check_new_pages(k, pfn, order));
  __count_vm_events(k, PGALLOC + zone.idx, 1 << order);
  zone_statistics(k, preferred_zone, zone, 1);
  return pfn;
}

/** A block from this zone, whatever its watermarks say; or -1. */
function rmqueue(
  k: Kernel,
  preferred_zone: Zone,
  zone: Zone,
  order: number,
  gfp: gfp_t,
  alloc_flags: number,
  migratetype: number,
): pfn_t {
  if (order > 1 && (gfp & __GFP_NOFAIL) !== 0) WARN_ONCE(k, true, 'mm/page_alloc.c:3891 rmqueue');
  let pfn = -1;
  // The movable per-cpu list may hold CMA pages.
  const pcp =
    pcp_allowed_order(k, order) &&
    ((alloc_flags & ALLOC_CMA) !== 0 || migratetype !== MIGRATE_MOVABLE || !k.page_alloc.cma);
  if (pcp) pfn = rmqueue_pcplist(k, preferred_zone, zone, order, migratetype, alloc_flags);
  if (pfn < 0) pfn = rmqueue_buddy(k, preferred_zone, zone, order, alloc_flags, migratetype);
  if (((zone.words[zone.base + Z_FLAGS]! >>> ZONE_BOOSTED_WATERMARK) & 1) !== 0) {
    zone.flags &= ~(1 << ZONE_BOOSTED_WATERMARK);
    k.page_alloc.reclaim?.wakeup_kswapd(k, zone, 0, 0, zone.idx);
  }
  if ((k.page_alloc.static_keys & KEY_DEBUG_VM) !== 0 && pfn >= 0) {
    VM_BUG_ON_PAGE(k, bad_range(k, zone, pfn), 'page && bad_range(zone, page)', pfn, 'mm/page_alloc.c:3917');
  }
  return pfn;
}

/**
 * 2^order pages from the first zone that has enough, by the watermark that alloc_flags name.
 * @returns the first page, or -1
 */
export function get_page_from_freelist(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  alloc_flags: number,
  ac: alloc_context,
): pfn_t {
  const { zones, nodemask, highest_zoneidx, migratetype, preferred } = ac;
  if (preferred >= zones.length) return -1;
  const preferred_zone = zones[preferred]!;
  const cpusets = (alloc_flags & ALLOC_CPUSET) !== 0 && cpusets_enabled(k);
  const told = explaining(k);
  let last_nid = -1;
  let last_dirty_ok = false;
  for (;;) {
    const no_fallback = (alloc_flags & ALLOC_NOFRAGMENT) !== 0;
    if (told) explain(k, { code: 'walk', alloc_flags });
    for (let z = preferred; z < zones.length; z++) {
      const zone = zones[z]!;
      if (nodemask !== null && !node_isset(zone.nid, nodemask)) {
        if (told) explain_skip(k, zone, 'nodemask');
        continue;
      }
      if (cpusets && !__cpuset_node_allowed(k, zone.nid, gfp)) {
        if (told) explain_skip(k, zone, 'cpuset');
        continue;
      }
      // So that no node holds more than its share of all pages that may be dirty.
      if (ac.spread_dirty_pages) {
        if (zone.nid !== last_nid) {
          last_nid = zone.nid;
          last_dirty_ok = node_dirty_ok(k, k.node_data[zone.nid]!);
        }
        if (!last_dirty_ok) {
          if (told) explain_skip(k, zone, 'dirty');
          continue;
        }
      }
      // A page of this node in a mixed pageblock is better than one of another node.
      if (no_fallback && zone.nid !== preferred_zone.nid) {
        if (told) explain_stop(k, zone);
        break;
      }

      const mark = wmark_pages(zone, alloc_flags & ALLOC_WMARK_MASK);
      const ok = zone_watermark_fast(zone, order, mark, highest_zoneidx, alloc_flags, gfp);
      if (told) explain_watermark(k, zone, order, highest_zoneidx, alloc_flags, ok);
      if (!ok) {
        const grown = k.mm.deferred_pages && deferred_grow_zone(k, zone, order);
        if (!grown && (alloc_flags & ALLOC_NO_WATERMARKS) === 0) {
          if (!node_reclaim_enabled(k)) continue;
          if (!zone_allows_reclaim(k, preferred_zone, zone)) {
            if (told) explain_too_far(k, preferred_zone, zone);
            continue;
          }
          const place = z * 2 + (no_fallback ? 1 : 0);
          const pgdat = k.node_data[zone.nid]!;
          const reclaimed =
            ac.node_reclaimed === null
              ? not_sleeping(node_reclaim(k, pgdat, gfp, order), 'node_reclaim()')
              : ac.node_reclaimed.get(place);
          if (reclaimed === undefined) {
            ac.wants_reclaim = place;
            return -1;
          }
          if (reclaimed === NODE_RECLAIM_NOSCAN || reclaimed === NODE_RECLAIM_FULL) continue;
          const enough = zone_watermark_ok(zone, order, mark, highest_zoneidx, alloc_flags);
          if (told) explain_watermark(k, zone, order, highest_zoneidx, alloc_flags, enough);
          if (!enough) continue;
        } else if (told && !grown) explain_no_watermarks(k, zone);
      }
      do {
        const pfn = rmqueue(k, preferred_zone, zone, order, gfp, alloc_flags, migratetype);
        if (pfn >= 0) {
          prep_new_page(k, pfn, order, gfp, alloc_flags);
          if ((alloc_flags & ALLOC_HIGHATOMIC) !== 0) reserve_highatomic_pageblock(k, pfn, zone);
          return pfn;
        }
      } while (k.mm.deferred_pages && deferred_grow_zone(k, zone, order));
    }
    if (!no_fallback) return -1;
    alloc_flags &= ~ALLOC_NOFRAGMENT;
  }
}

/** The same for who can sleep: where a zone's node is to be reclaimed first, the walk begins again after that. */
export function* get_page_sleeping(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  alloc_flags: number,
  ac: alloc_context,
): Sleeping<pfn_t> {
  if (!node_reclaim_enabled(k)) return get_page_from_freelist(k, gfp, order, alloc_flags, ac);
  const done = new Map<number, number>();
  for (;;) {
    ac.node_reclaimed = done;
    ac.wants_reclaim = -1;
    const pfn = get_page_from_freelist(k, gfp, order, alloc_flags, ac);
    ac.node_reclaimed = null;
    if (pfn >= 0 || ac.wants_reclaim < 0) return pfn;
    const place = ac.wants_reclaim;
    const zone = ac.zones[place >>> 1]!;
    done.set(place, yield* node_reclaim(k, k.node_data[zone.nid]!, gfp, order));
  }
}
