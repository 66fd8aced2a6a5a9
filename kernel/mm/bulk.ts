// Many single pages at once (Linux: mm/page_alloc.c __alloc_pages_bulk()): from the per-cpu list of the first zone that has
// enough for all of them.

import { __cpuset_node_allowed, cpusets_enabled } from '../cgroup/cpuset.ts';
import { __GFP_ACCOUNT } from '../include/gfp_types.ts';
import { KEY_MEMCG_KMEM, KEY_PAGE_OWNER } from '../include/static_keys.ts';
import type { gfp_t, nid_t, pfn_t } from '../include/types.ts';
import { PGALLOC } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { node_isset, type nodemask_t } from '../lib/nodemask.ts';
import type { alloc_context } from './alloc_context.ts';
import { ALLOC_CPUSET, ALLOC_WMARK_MASK } from './internal.ts';
import type { Zone } from './mmzone.ts';
import { __alloc_pages, prepare_alloc_pages } from './page_alloc.ts';
import { prep_new_page } from './page_prep.ts';
import { __rmqueue_pcplist } from './pcp.ts';
import { __count_vm_events } from './vm_event.ts';
import { zone_statistics } from './vmstat.ts';
import { wmark_pages, zone_watermark_fast } from './watermark_check.ts';
import { zone_cpu } from './zone_cpu.ts';

/** A zone of the preferred node with `nr_pages` above its watermark, or null. */
function find_zone(k: Kernel, gfp: gfp_t, nr_pages: number, alloc_flags: number, ac: alloc_context): Zone | null {
  const preferred_zone = ac.zones[ac.preferred];
  if (preferred_zone === undefined) return null;
  const cpusets = (alloc_flags & ALLOC_CPUSET) !== 0 && cpusets_enabled(k);
  for (let z = ac.preferred; z < ac.zones.length; z++) {
    const zone = ac.zones[z]!;
    if (ac.nodemask !== null && !node_isset(zone.nid, ac.nodemask)) continue;
    if (cpusets && !__cpuset_node_allowed(k, zone.nid, gfp)) continue;
    if (k.zonelists.nr_online_nodes > 1 && zone !== preferred_zone && zone.nid !== preferred_zone.nid) return null;
    const mark = wmark_pages(zone, alloc_flags & ALLOC_WMARK_MASK) + nr_pages;
    // The reserve is the one against the preferred zone's index, not the highest's that the request may use.
    if (zone_watermark_fast(zone, 0, mark, preferred_zone.idx, alloc_flags, gfp)) return zone;
  }
  return null;
}

/**
 * Fills those places of `pages` that hold -1, from the first on, as far as there are pages.
 * @param nr_pages how many places there are
 * @returns how many places from the first on are filled
 */
export function __alloc_pages_bulk(
  k: Kernel,
  gfp: gfp_t,
  preferred_nid: nid_t,
  nodemask: nodemask_t | null,
  nr_pages: number,
  pages: pfn_t[],
): number {
  const empty = (n: number): boolean => (pages[n] ?? -1) < 0;
  let nr_populated = 0;
  while (nr_populated < nr_pages && !empty(nr_populated)) nr_populated++;
  if (nr_populated >= nr_pages) return nr_populated;

  // What is charged is charged page by page, and an owner may need memory to be noted down.
  const keys = k.page_alloc.static_keys;
  const charged = (keys & KEY_MEMCG_KMEM) !== 0 && (gfp & __GFP_ACCOUNT) !== 0;
  const one_by_one = charged || (keys & KEY_PAGE_OWNER) !== 0;
  if (!one_by_one && nr_pages - nr_populated > 1) {
    gfp &= k.page_alloc.gfp_allowed_mask;
    const { ac } = k.page_alloc;
    const alloc_flags = prepare_alloc_pages(k, gfp, 0, preferred_nid, nodemask, ac);
    if (alloc_flags < 0) return nr_populated;
    gfp = ac.alloc_gfp;
    const zone = find_zone(k, gfp, nr_pages, alloc_flags, ac);
    if (zone !== null) {
      const { migratetype } = ac;
      const preferred_zone = ac.zones[ac.preferred]!;
      const c = zone_cpu(k, zone, k.percpu.cpu);
      let nr_account = 0;
      for (; nr_populated < nr_pages; nr_populated++) {
        if (!empty(nr_populated)) continue;
        const pfn = __rmqueue_pcplist(k, zone, 0, migratetype, alloc_flags, c);
        if (pfn < 0) break;
        nr_account++;
        prep_new_page(k, pfn, 0, gfp, 0);
        pages[nr_populated] = pfn;
      }
      if (nr_account > 0) {
        __count_vm_events(k, PGALLOC + zone.idx, nr_account);
        zone_statistics(k, preferred_zone, zone, nr_account);
        return nr_populated;
      }
    }
  }
  // One at least, by every means that there is.
  const pfn = __alloc_pages(k, gfp, 0, preferred_nid, nodemask);
  if (pfn >= 0) pages[nr_populated++] = pfn;
  return nr_populated;
}
