// Whether pages come back too soon after they were reclaimed (Linux: mm/workingset.c): what is left of a page in its
// cache, a shadow, says when it went, in pages that were reclaimed or activated until then. A page that would have stayed
// had the active list been shorter is made active at once.
//
// Left out: nodes of the page cache that hold nothing but shadows are not shrunk.
// Differs from Linux: a shadow is a number below 2^53, so that its time has 26 bits where Linux has 36 (16 are for a
// memory cgroup's id): on machines of more than 256 GiB it counts in buckets of pages.

import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  WORKINGSET_ACTIVATE_BASE,
  WORKINGSET_REFAULT_BASE,
  WORKINGSET_RESTORE_BASE,
} from '../include/mmzone.ts';
import { PG_active, PG_swapbacked, PG_workingset } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { folio_set, folio_test } from './folio.ts';
import { __mod_lruvec_state, folio_lruvec, type Lruvec, lruvec_tree_size, mem_cgroup_lruvec } from './lruvec.ts';
import { folio_memcg } from './memcg_folio.ts';
import { mem_cgroup_from_id, mem_cgroup_get_nr_swap_pages } from './memcg_swap.ts';
import type { mem_cgroup } from './memcontrol.ts';
import { page_index, page_to_nid, section_map } from './page.ts';
import { lru_note_cost_folio } from './swap.ts';

const TIMESTAMP_BITS = 26;
const EVICTION_RANGE = 2 ** TIMESTAMP_BITS;
/** NODES_SHIFT, MEM_CGROUP_ID_SHIFT. */
const NODES = 1024;
const IDS = 65536;

/** Pages of memory that one tick of a shadow's time stands for. */
const bucket_size = (k: Kernel): number =>
  2 ** Math.max(0, Math.ceil(Math.log2(Math.max(1, k.mm.totalram_pages))) - TIMESTAMP_BITS);

/** Pages leave the inactive list, by whichever end: what is not in memory grows older by so much. */
export function workingset_age_nonresident(lruvec: Lruvec, nr_pages: number): void {
  for (let at: Lruvec | null = lruvec; at !== null; at = at.parent) at.nonresident_age += nr_pages;
}

/** A page has become active. */
export function workingset_activation(k: Kernel, pfn: pfn_t): void {
  workingset_age_nonresident(folio_lruvec(k, pfn), 1);
}

/**
 * A page is about to go.
 * @param target the cgroup that is reclaimed: in its time, and not in that of its children, the page's absence is measured
 * @returns the shadow to leave in its place: 0 or more
 */
export function workingset_eviction(k: Kernel, pfn: pfn_t, target: mem_cgroup | null): number {
  const nid = page_to_nid(k, pfn);
  const lruvec = mem_cgroup_lruvec(k, target, k.node_data[nid]!);
  const eviction = Math.floor(lruvec.nonresident_age / bucket_size(k)) % EVICTION_RANGE;
  workingset_age_nonresident(lruvec, 1);
  const where = (target?.id ?? 0) * NODES + nid;
  return (eviction * IDS * NODES + where) * 2 + (folio_test(k, pfn, PG_workingset) ? 1 : 0);
}

/** A page is back, where `shadow` was. Context: it is on no list yet. */
export function workingset_refault(k: Kernel, pfn: pfn_t, shadow: number): void {
  const workingset = shadow % 2 === 1;
  const nid = Math.floor(shadow / 2) % NODES;
  const evicted_at = Math.floor(shadow / (2 * NODES * IDS));
  const eviction_memcg = mem_cgroup_from_id(k, Math.floor(shadow / (2 * NODES)) % IDS);
  const eviction_lruvec = eviction_memcg?.lruvecs[nid];
  if (eviction_lruvec === undefined) return;
  const file = folio_test(k, pfn, PG_swapbacked) ? 0 : 1;
  const bucket = bucket_size(k);
  const range = EVICTION_RANGE * bucket;
  // Until then so many pages have been reclaimed or activated as an inactive list longer by that would have kept it.
  const refault_distance = (((eviction_lruvec.nonresident_age - evicted_at * bucket) % range) + range) % range;
  // Whose the page is now counts it, on the node that it went from.
  const memcg = folio_memcg(k, section_map(k.mm, pfn), page_index(pfn));
  const lruvec = mem_cgroup_lruvec(k, memcg, eviction_lruvec.pgdat);
  const count = (item: number): void => __mod_lruvec_state(k, lruvec, item + file, 1);
  count(WORKINGSET_REFAULT_BASE);

  const pages = (lru: number): number => lruvec_tree_size(k, eviction_lruvec, lru);
  let workingset_size = pages(LRU_ACTIVE_FILE);
  if (file === 0) workingset_size += pages(LRU_INACTIVE_FILE);
  if (mem_cgroup_get_nr_swap_pages(k, memcg) > 0) {
    workingset_size += pages(LRU_ACTIVE_ANON);
    if (file === 1) workingset_size += pages(LRU_INACTIVE_ANON);
  }
  if (refault_distance > workingset_size) return;
  folio_set(k, pfn, PG_active);
  workingset_age_nonresident(lruvec, 1);
  count(WORKINGSET_ACTIVATE_BASE);
  if (!workingset) return;
  // It has been active before, and reclaimed nevertheless.
  folio_set(k, pfn, PG_workingset);
  lru_note_cost_folio(k, pfn);
  count(WORKINGSET_RESTORE_BASE);
}
