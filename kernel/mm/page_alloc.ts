// The page allocator's entries: __alloc_pages(), alloc_pages_sleeping(), __free_pages() (Linux: mm/page_alloc.c), made of
//   get_page.ts  the walk over zones        slowpath.ts  what follows when that fails
//   pcp.ts       per-cpu lists              buddy.ts     the free lists      fallback.ts  other migratetypes
//   watermark_check.ts  highatomic.ts  page_check.ts  page_prep.ts
//
// __alloc_pages() is plain: it never waits. Tasks that can wait call alloc_pages_sleeping().

import { __kernel_map_pages } from '../arch/x86/pageattr.ts';
import {
  __GFP_ACCOUNT,
  __GFP_NOFAIL,
  __GFP_NOWARN,
  __GFP_THISNODE,
  __GFP_WRITE,
  GFP_ZONE_TABLE,
} from '../include/gfp_types.ts';
import { PAGE_WORDS, PG_FLAGS, PG_FLAGS_HI, PG_REFCOUNT } from '../include/mm_types.ts';
import {
  MAX_ORDER,
  MIGRATE_MOVABLE,
  PAGE_ALLOC_COSTLY_ORDER,
  PFN_SECTION_SHIFT,
  ZONE_DMA32,
  ZONE_NORMAL,
} from '../include/mmzone.ts';
import { PAGE_FLAGS_CHECK_AT_PREP, PG_head, PG_reserved } from '../include/page_flags.ts';
import { PF_MEMALLOC_SCOPES } from '../include/sched.ts';
import { KEY_DEBUG_PAGEALLOC, KEY_DEBUG_VM, KEY_MEMCG_KMEM, KEY_TRACE } from '../include/static_keys.ts';
import type { gfp_t, nid_t, pfn_t } from '../include/types.ts';
import { PGFREE } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug, WARN_ONCE } from '../lib/bug.ts';
import { node_isset, type nodemask_t } from '../lib/nodemask.ts';
import { pr_warn } from '../lib/printk.ts';
import { dump_stack_print_info } from '../lib/taint.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { trace_mm_page_alloc, trace_mm_page_free } from '../trace/events/kmem.ts';
import { explain, explain_fault, explain_request, explain_too_large, explaining } from '../trace/explain.ts';
import { alloc_context } from './alloc_context.ts';
import { __free_one_page, FPI_TO_TAIL, free_one_page } from './buddy.ts';
import { remember_section } from './fast_paths.ts';
import { get_page_from_freelist, get_page_sleeping } from './get_page.ts';
import { current_gfp_context, format_gfp, gfp_migratetype, gfp_zone, gfp_zonelist } from './gfp.ts';
import { ALLOC_KSWAPD, ALLOC_NOFRAGMENT, ALLOC_WMARK_LOW } from './internal.ts';
import { __memcg_kmem_charge_page, split_page_memcg } from './memcg_kmem.ts';
import { NO_WORDS } from './mm_state.ts';
import { VM_BUG_ON_PAGE } from './mmdebug.ts';
import type { Zone } from './mmzone.ts';
import { node_reclaim_enabled } from './node_reclaim.ts';
import { no_struct_page, page_cpupid_reset_last, page_index, page_zone, section_map, set_page_count } from './page.ts';
import { split_page_switched_on } from './page_hooks.ts';
import { free_pages_prepare } from './page_prep.ts';
import { get_pageblock_migratetype } from './pageblock.ts';
import { free_unref_page, pcp_allowed_order } from './pcp.ts';
import { first_zones_zonelist, prepare_switched_on } from './prepare_alloc.ts';
import { __alloc_pages_slowpath } from './slowpath.ts';
import { __count_vm_events } from './vm_event.ts';
import { zone_cpu } from './zone_cpu.ts';

/** Linux: WARN_ON_ONCE_GFP(): not where the caller does not want to hear of failures. */
function too_large(k: Kernel, gfp: gfp_t, order: number, nid: nid_t): pfn_t {
  if ((gfp & __GFP_NOWARN) === 0) WARN_ONCE(k, true, 'mm/page_alloc.c:5634 __alloc_pages');
  if (explaining(k)) explain_too_large(k, gfp, order, nid);
  return -1;
}

function failed_on_purpose(k: Kernel, order: number): pfn_t {
  if (explaining(k)) explain_fault(k, order);
  return -1;
}

/** Shows the written-out paths the way to this CPU's part of a zonelist's first zone. */
function remember_preferred(k: Kernel, zonelist: number): void {
  const zone = k.zonelists.views[zonelist]![0];
  if (zone === undefined) return;
  const c = zone_cpu(k, zone, k.percpu.cpu);
  k.page_alloc.preferred[zonelist] = c;
  k.page_alloc.by_id[(zone.nid << 3) | zone.idx] = c;
}

/** What the request is, in terms of zones. @returns the flags of the first attempt; -1: it fails */
export function prepare_alloc_pages(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  preferred_nid: nid_t,
  nodemask: nodemask_t | null,
  ac: alloc_context,
): number {
  const highest_zoneidx = gfp_zone(gfp);
  const list = gfp_zonelist(gfp);
  const migratetype = gfp_migratetype(k, gfp);
  ac.highest_zoneidx = highest_zoneidx;
  ac.preferred_nid = preferred_nid;
  ac.list = list;
  ac.nodemask = nodemask;
  ac.migratetype = migratetype;
  ac.spread_dirty_pages = (gfp & __GFP_WRITE) !== 0;
  const zonelist = (preferred_nid * 2 + list) * 4 + highest_zoneidx;
  ac.zones = k.zonelists.views[zonelist]!;
  if (k.page_alloc.preferred[zonelist] === undefined) remember_preferred(k, zonelist);
  ac.preferred = 0;
  ac.alloc_gfp = gfp;
  let alloc_flags = ALLOC_WMARK_LOW | (migratetype === MIGRATE_MOVABLE ? k.page_alloc.alloc_cma : 0);
  if (k.page_alloc.static_keys !== 0) alloc_flags |= prepare_switched_on(k, gfp, order, ac);
  if (ac.nodemask !== null) first_zones_zonelist(ac);
  return alloc_flags;
}

/**
 * Rather than mix migratetypes in a pageblock, the first attempt goes on from ZONE_NORMAL to ZONE_DMA32, and no further:
 * ZONE_DMA is too small to be of help. The bit for waking kswapd is the same in both sets of flags.
 */
function alloc_flags_nofragment(k: Kernel, zone: Zone | undefined, gfp: gfp_t): number {
  const alloc_flags = gfp & ALLOC_KSWAPD;
  if (zone === undefined || zone.idx !== ZONE_NORMAL) return alloc_flags;
  if (k.zonelists.nr_online_nodes > 1 && !k.node_data[zone.nid]!.node_zones[ZONE_DMA32]!.populated) return alloc_flags;
  return alloc_flags | ALLOC_NOFRAGMENT;
}

/**
 * The heart of the zoned buddy allocator: 2^order pages that lie side by side, from the zones that `gfp` allows, near to
 * node `preferred_nid`.
 * @param nodemask the nodes to take them from; null: any
 * @returns the first page, or -1
 */
export function __alloc_pages(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  preferred_nid: nid_t,
  nodemask: nodemask_t | null = null,
): pfn_t {
  if (order >>> 0 >= MAX_ORDER) return too_large(k, gfp, order, preferred_nid);
  const state = k.page_alloc;
  gfp &= state.gfp_allowed_mask;
  if ((k.current.flags & PF_MEMALLOC_SCOPES) !== 0) gfp = current_gfp_context(k, gfp);
  // What will be written to may have to come from a node that is less dirty; who must not fail may be warned.
  if (nodemask === null && ((gfp & (__GFP_WRITE | __GFP_NOFAIL)) | state.static_keys) === 0) {
    const highest_zoneidx = (GFP_ZONE_TABLE >>> ((gfp & 15) << 1)) & 3;
    const c = state.preferred[(((preferred_nid << 1) | ((gfp >>> 21) & 1)) << 2) | highest_zoneidx];
    if (c !== undefined) {
      const { paths } = c;
      const pfn =
        order <= PAGE_ALLOC_COSTLY_ORDER || order === state.thp_order
          ? paths.alloc_from_pcplist(k, c, gfp, order, highest_zoneidx)
          : paths.alloc_from_free_list(k, c, gfp, order, highest_zoneidx);
      if (pfn >= 0) return pfn;
    }
  }
  const alloc_flags = prepare_general(k, gfp, order, preferred_nid, nodemask);
  if (alloc_flags < 0) return failed_on_purpose(k, order);
  const { ac } = state;
  const { alloc_gfp, migratetype } = ac;
  const pfn = get_page_from_freelist(k, alloc_gfp, order, alloc_flags, ac);
  if (pfn >= 0) return allocated(k, pfn, order, gfp, alloc_gfp, migratetype);
  // Without what cpusets put in its place.
  ac.nodemask = nodemask;
  const found = not_sleeping(__alloc_pages_slowpath(k, gfp, order, ac), '__alloc_pages()');
  return allocated(k, found, order, gfp, gfp, migratetype);
}

/** A request that the written-out ways are not for, or have no page for. @returns the flags of the first attempt, or -1 */
function prepare_general(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  preferred_nid: nid_t,
  nodemask: nodemask_t | null,
): number {
  const { ac } = k.page_alloc;
  const alloc_flags = prepare_alloc_pages(k, gfp, order, preferred_nid, nodemask, ac);
  if (explaining(k)) explain_request(k, gfp, order, preferred_nid, ac);
  if (alloc_flags < 0) return -1;
  return alloc_flags | alloc_flags_nofragment(k, ac.zones[ac.preferred], gfp);
}

/**
 * __alloc_pages() for a task that can wait: where there are no pages it sleeps until there are. All requests of tasks
 * with __GFP_DIRECT_RECLAIM are to come this way; those that must not sleep may.
 */
export function* alloc_pages_sleeping(
  k: Kernel,
  gfp: gfp_t,
  order: number,
  preferred_nid: nid_t,
  nodemask: nodemask_t | null = null,
): Sleeping<pfn_t> {
  if (order >>> 0 >= MAX_ORDER) return too_large(k, gfp, order, preferred_nid);
  const state = k.page_alloc;
  gfp &= state.gfp_allowed_mask;
  if ((k.current.flags & PF_MEMALLOC_SCOPES) !== 0) gfp = current_gfp_context(k, gfp);
  // As in __alloc_pages(): with a function that both call an order-0 pair takes 1.5 ns longer there.
  if (nodemask === null && ((gfp & (__GFP_WRITE | __GFP_NOFAIL)) | state.static_keys) === 0) {
    const highest_zoneidx = (GFP_ZONE_TABLE >>> ((gfp & 15) << 1)) & 3;
    const c = state.preferred[(((preferred_nid << 1) | ((gfp >>> 21) & 1)) << 2) | highest_zoneidx];
    if (c !== undefined) {
      const { paths } = c;
      const pfn =
        order <= PAGE_ALLOC_COSTLY_ORDER || order === state.thp_order
          ? paths.alloc_from_pcplist(k, c, gfp, order, highest_zoneidx)
          : paths.alloc_from_free_list(k, c, gfp, order, highest_zoneidx);
      if (pfn >= 0) return pfn;
    }
  }
  const alloc_flags = prepare_general(k, gfp, order, preferred_nid, nodemask);
  if (alloc_flags < 0) return failed_on_purpose(k, order);
  // A context of its own where another task may make a request meanwhile.
  const ac = node_reclaim_enabled(k) ? Object.assign(new alloc_context(), state.ac) : state.ac;
  const { alloc_gfp, migratetype } = ac;
  let used_gfp = alloc_gfp;
  let pfn = yield* get_page_sleeping(k, alloc_gfp, order, alloc_flags, ac);
  if (pfn < 0) {
    ac.nodemask = nodemask;
    used_gfp = gfp;
    pfn = yield* __alloc_pages_slowpath(k, gfp, order, ac);
  }
  if (is_charged(k, pfn, gfp)) {
    pfn = charged(k, pfn, order, yield* __memcg_kmem_charge_page(k, pfn, gfp, order));
  }
  return ended(k, pfn, order, used_gfp, migratetype);
}

/** Whether the block has to be charged to a memory cgroup. */
const is_charged = (k: Kernel, pfn: pfn_t, gfp: gfp_t): boolean =>
  (k.page_alloc.static_keys & KEY_MEMCG_KMEM) !== 0 && (gfp & __GFP_ACCOUNT) !== 0 && pfn >= 0;

/** @param err what came of the charge */
function charged(k: Kernel, pfn: pfn_t, order: number, err: number): pfn_t {
  if (err === 0) return pfn;
  __free_pages(k, pfn, order);
  if (explaining(k)) explain(k, { code: 'memcg', pfn });
  return -1;
}

/**
 * Tells those who want to know of every request's end.
 * @param alloc_gfp what zones were asked with
 */
function ended(k: Kernel, pfn: pfn_t, order: number, alloc_gfp: gfp_t, migratetype: number): pfn_t {
  if ((k.page_alloc.static_keys & KEY_TRACE) !== 0) trace_mm_page_alloc(k, pfn, order, alloc_gfp, migratetype);
  if (explaining(k)) explain(k, { code: 'result', order, pfn });
  return pfn;
}

/** What is switched on that has a say at the end of a request. */
function allocated(k: Kernel, pfn: pfn_t, order: number, gfp: gfp_t, alloc_gfp: gfp_t, migratetype: number): pfn_t {
  if (is_charged(k, pfn, gfp)) {
    pfn = charged(k, pfn, order, not_sleeping(__memcg_kmem_charge_page(k, pfn, gfp, order), '__alloc_pages()'));
  }
  return ended(k, pfn, order, alloc_gfp, migratetype);
}

/**
 * The name that it had before 5.13.
 * @public
 */
export const __alloc_pages_nodemask = (
  k: Kernel,
  gfp: gfp_t,
  order: number,
  preferred_nid: nid_t,
  nodemask: nodemask_t | null,
): pfn_t => __alloc_pages(k, gfp, order, preferred_nid, nodemask);

/**
 * From a node that is online, or near to it.
 * @public
 */
export function __alloc_pages_node(k: Kernel, nid: nid_t, gfp: gfp_t, order: number): pfn_t {
  if (k.node_data[nid] === undefined) throw new KernelBug(`kernel BUG: __alloc_pages_node: no node ${nid}`);
  const quiet = (gfp & (__GFP_THISNODE | __GFP_NOWARN)) === (__GFP_THISNODE | __GFP_NOWARN);
  if (quiet && !node_isset(nid, k.node_online_map)) {
    pr_warn(k, `${format_gfp(gfp)} allocation from offline node ${nid}`);
    dump_stack_print_info(k);
  }
  return __alloc_pages(k, gfp, order, nid);
}

/** Past the per-cpu lists. Context: takes zone->lock. */
export function __free_pages_ok(k: Kernel, pfn: pfn_t, order: number, fpi_flags: number): void {
  if (!free_pages_prepare(k, pfn, order, true)) return;
  free_one_page(k, page_zone(k, pfn), pfn, order, get_pageblock_migratetype(k, pfn), fpi_flags);
  __count_vm_events(k, PGFREE, 1 << order);
}

function free_the_page(k: Kernel, pfn: pfn_t, order: number): void {
  if (pcp_allowed_order(k, order)) free_unref_page(k, pfn, order);
  else __free_pages_ok(k, pfn, order, 0);
}

/**
 * Gives up one reference to 2^order pages; the last one frees them. That `order` is the right one is not checked.
 *
 * Where another still has a reference to the first page, and the pages are no compound page, all but the first are freed
 * now: whoever drops the last reference to that frees no more than that.
 */
export function __free_pages(k: Kernel, pfn: pfn_t, order: number): void {
  const state = k.page_alloc;
  const paths = state.sections[pfn >>> PFN_SECTION_SHIFT];
  if (paths !== undefined && state.static_keys === 0) {
    const freed =
      order <= PAGE_ALLOC_COSTLY_ORDER || order === state.thp_order
        ? paths.free_to_pcplist(k, pfn, order, 1)
        : paths.free_to_free_list(k, pfn, order);
    if (freed) return;
  }
  put_pages(k, pfn, order);
}

function put_pages(k: Kernel, pfn: pfn_t, order: number): void {
  const state = k.page_alloc;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (m === NO_WORDS) no_struct_page(k, pfn);
  const head = m[i + PG_FLAGS]! & (1 << PG_head);
  if ((state.static_keys & KEY_DEBUG_VM) !== 0) {
    VM_BUG_ON_PAGE(k, m[i + PG_REFCOUNT] === 0, 'page_ref_count(page) == 0', pfn, 'include/linux/mm.h:780');
  }
  const refcount = (m[i + PG_REFCOUNT]! - 1) | 0;
  m[i + PG_REFCOUNT] = refcount;
  if (refcount === 0) {
    remember_section(k, pfn, m[i + PG_FLAGS_HI]!);
    free_the_page(k, pfn, order);
  } else if (head === 0) while (order-- > 0) free_the_page(k, pfn + (1 << order), order);
}

/** A block that is no compound page becomes 2^order pages that are freed one by one. */
export function split_page(k: Kernel, pfn: pfn_t, order: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (k.page_alloc.static_keys !== 0) split_page_switched_on(k, pfn, order);
  const here = Math.min(1 << order, (m.length - i) / PAGE_WORDS);
  for (let p = 1; p < here; p++) m[i + p * PAGE_WORDS + PG_REFCOUNT] = 1;
  // Of an order that was damaged.
  for (let p = here; p < 1 << order; p++) set_page_count(k, pfn + p, 1);
  split_page_memcg(k, pfn, 1 << order);
}

/**
 * Hands a block that boot had, or memory that was just brought online, to the allocator for the first time: to the
 * tail of its list.
 *
 * Differs from Linux: the pages are not checked for signs of use (free_page_is_bad()): nobody has had them yet.
 */
export function __free_pages_core(k: Kernel, pfn: pfn_t, order: number): void {
  if ((k.page_alloc.static_keys & KEY_TRACE) !== 0) trace_mm_page_free(k, pfn, order);
  const m = section_map(k.mm, pfn);
  const first = page_index(pfn);
  const end = first + (PAGE_WORDS << order);
  const keep = ~(1 << PG_reserved);
  const step = PAGE_WORDS;
  const refcount = PG_REFCOUNT - PG_FLAGS;
  for (let i = first + PG_FLAGS; i < end; i += step) {
    m[i] = m[i]! & keep;
    m[i + refcount] = 0;
  }
  if ((k.page_alloc.static_keys & KEY_DEBUG_PAGEALLOC) !== 0) __kernel_map_pages(k, pfn, 1 << order, false);
  const zone = page_zone(k, pfn);
  zone.managed_pages += 1 << order;
  page_cpupid_reset_last(m, first);
  m[first + PG_FLAGS] = m[first + PG_FLAGS]! & ~PAGE_FLAGS_CHECK_AT_PREP;
  __free_one_page(k, pfn, zone, order, get_pageblock_migratetype(k, pfn), FPI_TO_TAIL);
  __count_vm_events(k, PGFREE, 1 << order);
}
