// Before zones are asked: where the search begins, and what is switched on that has a say in every request (Linux:
// mm/page_alloc.c prepare_alloc_pages(), include/linux/mmzone.h first_zones_zonelist()).

import { __GFP_HARDWALL, __GFP_MOVABLE, __GFP_RECLAIMABLE } from '../include/gfp_types.ts';
import { KEY_CPUSETS, KEY_DEBUG_ATOMIC_SLEEP, KEY_DEBUG_VM, KEY_FAIL_PAGE_ALLOC } from '../include/static_keys.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG, WARN_ON } from '../lib/bug.ts';
import { node_isset, type nodemask_t } from '../lib/nodemask.ts';
import { might_alloc } from '../sched/mm.ts';
import { in_task } from '../sched/preempt.ts';
import type { alloc_context } from './alloc_context.ts';
import { should_fail_alloc_page } from './fail_page_alloc.ts';
import { gfp_zone_bad } from './gfp.ts';
import { ALLOC_CPUSET } from './internal.ts';
import type { Zone } from './mmzone.ts';

/** The zones of the context's zonelist, as it is now. */
export const zones_of = (k: Kernel, ac: alloc_context): readonly Zone[] =>
  k.zonelists.views[(ac.preferred_nid * 2 + ac.list) * 4 + ac.highest_zoneidx]!;

/** @returns the place of the first of `zones` on a node of the mask; zones.length if there is none */
export function first_zone_of(zones: readonly Zone[], nodemask: nodemask_t | null): number {
  let i = 0;
  if (nodemask !== null) while (i < zones.length && !node_isset(zones[i]!.nid, nodemask)) i++;
  return i;
}

/** preferred_zoneref, by what the context's nodemask is now. */
export function first_zones_zonelist(ac: alloc_context): void {
  ac.preferred = first_zone_of(ac.zones, ac.nodemask);
}

/** CONFIG_DEBUG_VM: flags that contradict each other (Linux: gfp_zone(), gfp_migratetype()). */
function check_gfp(k: Kernel, gfp: gfp_t): void {
  if (gfp_zone_bad(gfp)) BUG(k, 'include/linux/gfp.h:136');
  const both = __GFP_RECLAIMABLE | __GFP_MOVABLE;
  WARN_ON(k, (gfp & both) === both, 'include/linux/gfp.h:18 gfp_migratetype');
}

/** @returns more alloc_flags; -1: the request fails */
export function prepare_switched_on(k: Kernel, gfp: gfp_t, order: number, ac: alloc_context): number {
  const keys = k.page_alloc.static_keys;
  let alloc_flags = 0;
  if ((keys & KEY_CPUSETS) !== 0) {
    ac.alloc_gfp |= __GFP_HARDWALL;
    // An interrupt's requests have nothing to do with the task that it interrupts.
    if (in_task(k) && ac.nodemask === null) ac.nodemask = k.current.mems_allowed;
    else alloc_flags |= ALLOC_CPUSET;
  }
  if ((keys & KEY_DEBUG_VM) !== 0) check_gfp(k, gfp);
  if ((keys & KEY_DEBUG_ATOMIC_SLEEP) !== 0) might_alloc(k, gfp);
  if ((keys & KEY_FAIL_PAGE_ALLOC) !== 0 && should_fail_alloc_page(k, gfp, order)) return -1;
  return alloc_flags;
}
