// Reclaim of the node at hand before another node is asked (Linux: mm/vmscan.c node_reclaim(), mm/page_alloc.c
// zone_allows_reclaim()): off unless vm.zone_reclaim_mode says so.
//
// Left out: the reclaim itself, which is a call through k.page_alloc.reclaim.

import { node_distance } from '../arch/x86/numa_distance.ts';
import { __GFP_DIRECT_RECLAIM } from '../include/gfp_types.ts';
import {
  NR_ACTIVE_FILE,
  NR_FILE_DIRTY,
  NR_FILE_MAPPED,
  NR_FILE_PAGES,
  NR_INACTIVE_FILE,
  NR_SLAB_RECLAIMABLE_B,
  PGDAT_RECLAIM_LOCKED,
} from '../include/mmzone.ts';
import { PF_MEMALLOC } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import { PGSCAN_ZONE_RECLAIM_FAILED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { node_isset } from '../lib/nodemask.ts';
import { answer_of, type Sleeping } from '../sched/sleeping.ts';
import { explain, explaining } from '../trace/explain.ts';
import type { PgData, Zone } from './mmzone.ts';
import { numa_node_id } from './percpu.ts';
import { __count_vm_events } from './vm_event.ts';
import { node_page_state_pages } from './vmstat.ts';

// vm.zone_reclaim_mode
const RECLAIM_ZONE = 1;
export const RECLAIM_WRITE = 2;
export const RECLAIM_UNMAP = 4;

// What node_reclaim() comes to
export const NODE_RECLAIM_NOSCAN = -2;
export const NODE_RECLAIM_FULL = -1;

export const node_reclaim_enabled = (k: Kernel): boolean =>
  (k.page_alloc.node_reclaim_mode & (RECLAIM_ZONE | RECLAIM_WRITE | RECLAIM_UNMAP)) !== 0;

/** Nodes that are far away are not worth reclaiming from. */
export const zone_allows_reclaim = (k: Kernel, local_zone: Zone, zone: Zone): boolean =>
  !k.config.NUMA || node_distance(k, local_zone.nid, zone.nid) <= k.page_alloc.node_reclaim_distance;

/** Page cache that could go: what is mapped stays unless RECLAIM_UNMAP is set, what is dirty unless RECLAIM_WRITE is. */
function node_pagecache_reclaimable(k: Kernel, pgdat: PgData): number {
  const mode = k.page_alloc.node_reclaim_mode;
  const pages = (item: number): number => node_page_state_pages(pgdat, item);
  const file_lru = pages(NR_INACTIVE_FILE) + pages(NR_ACTIVE_FILE);
  const unmapped = Math.max(0, file_lru - pages(NR_FILE_MAPPED));
  const reclaimable = (mode & RECLAIM_UNMAP) !== 0 ? pages(NR_FILE_PAGES) : unmapped;
  return (mode & RECLAIM_WRITE) !== 0 ? reclaimable : Math.max(0, reclaimable - pages(NR_FILE_DIRTY));
}

/** @returns NODE_RECLAIM_NOSCAN, NODE_RECLAIM_FULL; else 1 if enough was freed, 0 if not */
export function* node_reclaim(k: Kernel, pgdat: PgData, gfp: gfp_t, order: number): Sleeping<number> {
  const pagecache = node_pagecache_reclaimable(k, pgdat);
  const slab = node_page_state_pages(pgdat, NR_SLAB_RECLAIMABLE_B);
  const { node_id: nid, min_unmapped_pages: min_unmapped, min_slab_pages: min_slab } = pgdat;
  const too_little = pagecache <= min_unmapped && slab <= min_slab;
  const reclaimed = too_little ? NODE_RECLAIM_FULL : yield* reclaim_from(k, pgdat, gfp, order);
  if (explaining(k)) {
    const result = (['noscan', 'full', 'some', 'success'] as const)[reclaimed - NODE_RECLAIM_NOSCAN]!;
    explain(k, { code: 'node_reclaim', nid, result, pagecache, min_unmapped, slab, min_slab });
  }
  return reclaimed;
}

function* reclaim_from(k: Kernel, pgdat: PgData, gfp: gfp_t, order: number): Sleeping<number> {
  if ((gfp & __GFP_DIRECT_RECLAIM) === 0 || (k.current.flags & PF_MEMALLOC) !== 0) return NODE_RECLAIM_NOSCAN;
  // A node with CPUs of its own is theirs to reclaim.
  const nid = pgdat.node_id;
  if (node_isset(nid, k.node_states.N_CPU) && nid !== numa_node_id(k)) return NODE_RECLAIM_NOSCAN;
  if ((pgdat.flags & (1 << PGDAT_RECLAIM_LOCKED)) !== 0) return NODE_RECLAIM_NOSCAN;

  pgdat.flags |= 1 << PGDAT_RECLAIM_LOCKED;
  const enough = yield* answer_of(k.page_alloc.reclaim?.node_reclaim(k, pgdat, gfp, order) ?? false);
  pgdat.flags &= ~(1 << PGDAT_RECLAIM_LOCKED);
  if (!enough) __count_vm_events(k, PGSCAN_ZONE_RECLAIM_FAILED, 1);
  return enough ? 1 : 0;
}
