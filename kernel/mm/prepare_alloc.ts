// Before zones are asked: where the search begins, and what is switched on that has a say in every request (Linux:
// mm/page_alloc.c prepare_alloc_pages(), include/linux/mmzone.h first_zones_zonelist()).

import { KEY_DEBUG_ATOMIC_SLEEP } from '../include/static_keys.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { node_isset } from '../lib/nodemask.ts';
import { might_alloc } from '../sched/mm.ts';
import type { alloc_context } from './alloc_context.ts';

/** The first zone of the context's zonelist that its nodemask allows. */
export function first_zones_zonelist(ac: alloc_context): void {
  const { zones, nodemask } = ac;
  let i = 0;
  if (nodemask !== null) while (i < zones.length && !node_isset(zones[i]!.nid, nodemask)) i++;
  ac.preferred = i;
}

/** @returns more alloc_flags; -1: the request fails */
export function prepare_switched_on(k: Kernel, gfp: gfp_t, _order: number, _ac: alloc_context): number {
  const keys = k.page_alloc.static_keys;
  if ((keys & KEY_DEBUG_ATOMIC_SLEEP) !== 0) might_alloc(k, gfp);
  return 0;
}
