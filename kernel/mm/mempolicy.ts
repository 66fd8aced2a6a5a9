// Which nodes a task's pages come from (Linux: mm/mempolicy.c alloc_pages(), policy_nodemask(), interleave_nodes(),
// alloc_pages_bulk_array_mempolicy()). How it gets a policy: mempolicy_set.ts.

import { __GFP_COMP, __GFP_DIRECT_RECLAIM, __GFP_NOFAIL, __GFP_NOWARN, __GFP_THISNODE } from '../include/gfp_types.ts';
import { MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED, MPOL_PREFERRED_MANY } from '../include/mempolicy.ts';
import { NUMA_INTERLEAVE_HIT, ZONE_MOVABLE } from '../include/mmzone.ts';
import { KEY_NO_NUMA_STAT } from '../include/static_keys.ts';
import type { gfp_t, nid_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';
import { first_node, next_node, type nodemask_t, nodes_intersects, nodes_weight } from '../lib/nodemask.ts';
import { in_interrupt } from '../sched/preempt.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { __alloc_pages_bulk } from './bulk.ts';
import { gfp_zone } from './gfp.ts';
import type { mempolicy } from './mempolicy_set.ts';
import { page_zone } from './page.ts';
import { __alloc_pages, alloc_pages_sleeping } from './page_alloc.ts';
import { numa_node_id } from './percpu.ts';
import { __count_numa_events } from './vmstat.ts';

/** Lower zones than the policy zone are too scarce to be bound. A policy of movable nodes alone binds movable pages. */
function apply_policy_zone(k: Kernel, policy: mempolicy, zone: number): boolean {
  const movable_only = !nodes_intersects(policy.nodes, k.node_states.N_NORMAL_MEMORY);
  return zone >= (movable_only ? ZONE_MOVABLE : k.zonelists.policy_zone);
}

/** The nodes that a request may be met from; null: any. */
function policy_nodemask(k: Kernel, gfp: gfp_t, policy: mempolicy): nodemask_t | null {
  if (policy.mode !== MPOL_BIND) return null;
  const applies = apply_policy_zone(k, policy, gfp_zone(gfp));
  return applies && nodes_intersects(policy.nodes, k.current.mems_allowed) ? policy.nodes : null;
}

/** The node whose zonelist is searched. */
function policy_node(k: Kernel, gfp: gfp_t, policy: mempolicy): nid_t {
  if (policy.mode === MPOL_PREFERRED) return first_node(policy.nodes);
  const bound_here = policy.mode === MPOL_BIND && (gfp & __GFP_THISNODE) !== 0;
  WARN_ONCE(k, bound_here, 'mm/mempolicy.c:1877 policy_node');
  return numa_node_id(k);
}

/** The task's next node in turn. */
function interleave_nodes(k: Kernel, policy: mempolicy): nid_t {
  const { current } = k;
  const next = next_node(current.il_prev, policy.nodes);
  current.il_prev = next >= 0 ? next : first_node(policy.nodes);
  return current.il_prev;
}

function alloc_page_interleave(k: Kernel, gfp: gfp_t, order: number, nid: nid_t): pfn_t {
  const pfn = __alloc_pages(k, gfp, order, nid);
  if (pfn < 0 || (k.page_alloc.static_keys & KEY_NO_NUMA_STAT) !== 0) return pfn;
  const zone = page_zone(k, pfn);
  if (zone.nid === nid) __count_numa_events(k, zone, NUMA_INTERLEAVE_HIT, 1);
  return pfn;
}

/** What the first search, of the preferred nodes alone, asks for: without waiting for anything, and without a word. */
const preferred_gfp = (gfp: gfp_t): gfp_t => (gfp | __GFP_NOWARN) & ~(__GFP_DIRECT_RECLAIM | __GFP_NOFAIL);

function alloc_pages_preferred_many(k: Kernel, gfp: gfp_t, order: number, nid: nid_t, pol: mempolicy): pfn_t {
  const pfn = __alloc_pages(k, preferred_gfp(gfp), order, nid, pol.nodes);
  return pfn >= 0 ? pfn : __alloc_pages(k, gfp, order, nid);
}

/** An interrupt's requests, and those for one node, are not the task's to place. */
const task_policy = (k: Kernel, gfp: gfp_t): mempolicy | null =>
  in_interrupt(k) || (gfp & __GFP_THISNODE) !== 0 ? null : k.current.mempolicy;

/** 2^order pages by the policy of the task that runs. @returns the first one, or -1 */
export function alloc_pages(k: Kernel, gfp: gfp_t, order: number): pfn_t {
  const pol = k.current.mempolicy === null ? null : task_policy(k, gfp);
  if (pol === null) return __alloc_pages(k, gfp, order, numa_node_id(k));
  if (pol.mode === MPOL_INTERLEAVE) return alloc_page_interleave(k, gfp, order, interleave_nodes(k, pol));
  const nid = policy_node(k, gfp, pol);
  if (pol.mode === MPOL_PREFERRED_MANY) return alloc_pages_preferred_many(k, gfp, order, nid, pol);
  return __alloc_pages(k, gfp, order, nid, policy_nodemask(k, gfp, pol));
}

/** @param nid MPOL_INTERLEAVE: the node whose turn it is */
function* alloc_by_policy(k: Kernel, gfp: gfp_t, order: number, pol: mempolicy, nid: nid_t): Sleeping<pfn_t> {
  if (pol.mode === MPOL_INTERLEAVE) {
    const pfn = yield* alloc_pages_sleeping(k, gfp, order, nid);
    if (pfn < 0 || (k.page_alloc.static_keys & KEY_NO_NUMA_STAT) !== 0) return pfn;
    const zone = page_zone(k, pfn);
    if (zone.nid === nid) __count_numa_events(k, zone, NUMA_INTERLEAVE_HIT, 1);
    return pfn;
  }
  const node = policy_node(k, gfp, pol);
  if (pol.mode === MPOL_PREFERRED_MANY) {
    const pfn = __alloc_pages(k, preferred_gfp(gfp), order, node, pol.nodes);
    return pfn >= 0 ? pfn : yield* alloc_pages_sleeping(k, gfp, order, node);
  }
  return yield* alloc_pages_sleeping(k, gfp, order, node, policy_nodemask(k, gfp, pol));
}

/** alloc_pages() for a task that can wait. */
export function* alloc_pages_task(k: Kernel, gfp: gfp_t, order: number): Sleeping<pfn_t> {
  const pol = k.current.mempolicy === null ? null : task_policy(k, gfp);
  if (pol === null) return yield* alloc_pages_sleeping(k, gfp, order, numa_node_id(k));
  return yield* alloc_by_policy(k, gfp, order, pol, pol.mode === MPOL_INTERLEAVE ? interleave_nodes(k, pol) : -1);
}

/** Linux: offset_il_node(). The node of an area's page: the same each time. */
function offset_il_node(policy: mempolicy, n: number): nid_t {
  let nid = first_node(policy.nodes);
  for (let left = n % nodes_weight(policy.nodes); left > 0; left--) nid = next_node(nid, policy.nodes);
  return nid;
}

/** vma_alloc_folio(): a page for the contents of an area. @param pgoff the page of what the area maps */
export function* vma_alloc_folio(k: Kernel, flags: gfp_t, pgoff: number): Sleeping<pfn_t> {
  // Without a meaning for a single page, but there to be seen in reports.
  const gfp = flags | __GFP_COMP;
  const pol = k.current.mempolicy;
  if (pol === null) return yield* alloc_pages_sleeping(k, gfp, 0, numa_node_id(k));
  return yield* alloc_by_policy(k, gfp, 0, pol, pol.mode === MPOL_INTERLEAVE ? offset_il_node(pol, pgoff) : -1);
}

/**
 * The name that it had before 5.15.
 * @public
 */
export const alloc_pages_current = (k: Kernel, gfp: gfp_t, order: number): pfn_t => alloc_pages(k, gfp, order);

/** As many on each node; what does not go into that evenly, one each, on the first ones in turn. */
function bulk_interleave(k: Kernel, gfp: gfp_t, pol: mempolicy, nr_pages: number, pages: pfn_t[]): number {
  const nodes = nodes_weight(pol.nodes);
  const nr_pages_per_node = Math.floor(nr_pages / nodes);
  const delta = nr_pages - nodes * nr_pages_per_node;
  let total = 0;
  for (let i = 0; i < nodes; i++) {
    const part: pfn_t[] = pages.slice(total);
    const wanted = nr_pages_per_node + (i < delta ? 1 : 0);
    const got = __alloc_pages_bulk(k, gfp, interleave_nodes(k, pol), null, wanted, part);
    for (let n = 0; n < got; n++) pages[total + n] = part[n]!;
    total += got;
  }
  return total;
}

function bulk_preferred_many(k: Kernel, gfp: gfp_t, pol: mempolicy, nr_pages: number, pages: pfn_t[]): number {
  const nid = numa_node_id(k);
  const got = __alloc_pages_bulk(k, preferred_gfp(gfp), nid, pol.nodes, nr_pages, pages);
  if (got >= nr_pages) return got;
  const rest = pages.slice(got);
  const more = __alloc_pages_bulk(k, gfp, nid, null, nr_pages - got, rest);
  for (let n = 0; n < more; n++) pages[got + n] = rest[n]!;
  return got + more;
}

/** Many single pages by the policy of the task. Fills the places of `pages` as __alloc_pages_bulk() does. */
export function alloc_pages_bulk_array_mempolicy(k: Kernel, gfp: gfp_t, nr_pages: number, pages: pfn_t[]): number {
  const pol = task_policy(k, gfp);
  if (pol === null) return __alloc_pages_bulk(k, gfp, numa_node_id(k), null, nr_pages, pages);
  if (pol.mode === MPOL_INTERLEAVE) return bulk_interleave(k, gfp, pol, nr_pages, pages);
  if (pol.mode === MPOL_PREFERRED_MANY) return bulk_preferred_many(k, gfp, pol, nr_pages, pages);
  return __alloc_pages_bulk(k, gfp, policy_node(k, gfp, pol), policy_nodemask(k, gfp, pol), nr_pages, pages);
}
