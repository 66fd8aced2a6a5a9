// The pools of huge pages that boot fills (Linux: mm/hugetlb.c, arch/x86/mm/hugetlbpage.c): pages of 1 GiB from
// memblock while the command line is read, pages of 2 MiB from the buddy allocator once it runs.
// The command line is hugetlb_params.ts.
//
// Left out: reservations, faults, sysfs, cgroups, hugetlb_cma=, vmemmap optimisation (off unless asked for).
// Differs from Linux: a pool's free list is an array, not linked through the pages.

import {
  __GFP_COMP,
  __GFP_NOWARN,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  GFP_HIGHUSER_MOVABLE,
} from '../include/gfp_types.ts';
import { PG_PRIVATE, SIZEOF_PAGE } from '../include/mm_types.ts';
import { MAX_ORDER } from '../include/mmzone.ts';
import { NUMA_NO_NODE, type nid_t, PAGE_SIZE, PFN_DOWN, type pfn_t, SZ_1G, SZ_1K } from '../include/types.ts';
import { HTLB_BUDDY_PGALLOC, HTLB_BUDDY_PGALLOC_FAIL } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import {
  first_node,
  for_each_node_mask,
  next_node,
  node_isset,
  type nodemask_t,
  nodes_weight,
} from '../lib/nodemask.ts';
import { pr_info, pr_warn } from '../lib/printk.ts';
import { HUGETLB_PAGE_DTOR, prep_compound_gigantic_page } from './compound.ts';
import { adjust_managed_page_count } from './free_reserved.ts';
import { memblock_alloc_try_nid_raw } from './memblock_alloc.ts';
import { init_lru, page_index, page_to_nid, section_map } from './page.ts';
import { __alloc_pages } from './page_alloc.ts';
import { __count_vm_events } from './vm_event.ts';

export const HUGETLB_PAGE_ORDER = 9;
const PUD_ORDER = 18;
/** Of a huge page's part of the memory map, what could not be given back. */
const HUGETLB_VMEMMAP_RESERVE_SIZE = PAGE_SIZE;
/** HPG_freed, in page->private: the page is in its pool. */
const HPG_freed = 3;

/** One size of huge page. Arrays are by node. */
export class hstate {
  readonly order: number;
  readonly name: string;
  /** How many were asked for: in all, and of one node. */
  max_huge_pages = 0;
  readonly max_huge_pages_node: number[] = [];
  nr_huge_pages = 0;
  readonly nr_huge_pages_node: number[] = [];
  free_huge_pages = 0;
  readonly free_huge_pages_node: number[] = [];
  /** First page frames, the next to be used first. */
  readonly hugepage_freelists: pfn_t[][] = [];
  next_nid_to_alloc: nid_t;
  /** The order that a page can be split to; 0: none. */
  demote_order = 0;

  constructor(order: number, first_memory_node: nid_t) {
    this.order = order;
    this.name = `hugepages-${huge_page_size(order) / SZ_1K}kB`;
    this.next_nid_to_alloc = first_memory_node;
  }
}

export class HugetlbState {
  readonly hstates: hstate[] = [];
  default_hstate_idx = 0;
  /** Gigantic pages that memblock gave, newest first. */
  readonly huge_boot_pages: { readonly pfn: pfn_t; readonly h: hstate }[] = [];

  // While the command line is read:
  parsed_hstate: hstate | null = null;
  parsed_valid_hugepagesz = true;
  parsed_default_hugepagesz = false;
  /** hugepages= before any hugepagesz=. */
  default_hstate_max_huge_pages = 0;
  readonly default_hugepages_in_node: number[] = [];
  /** Whose number the last hugepages= set; null: no hugepages= yet. */
  last_mhp: hstate | 'default' | null = null;
}

export const huge_page_size = (order: number): number => PAGE_SIZE * 2 ** order;

/** Pages in all pools. */
export const hugetlb_total_pages = ({ hugetlb }: Kernel): number =>
  hugetlb.hstates.reduce((pages, { nr_huge_pages, order }) => pages + nr_huge_pages * 2 ** order, 0);
export const hstate_is_gigantic = (h: hstate): boolean => h.order >= MAX_ORDER;
export const default_hstate = (k: Kernel): hstate | undefined => k.hugetlb.hstates[k.hugetlb.default_hstate_idx];

export const size_to_hstate = (k: Kernel, size: number): hstate | undefined =>
  k.hugetlb.hstates.find((h) => huge_page_size(h.order) === size);

export function hugetlb_add_hstate(k: Kernel, order: number): void {
  if (size_to_hstate(k, huge_page_size(order))) return;
  const h = new hstate(order, Math.max(0, first_node(k.node_states.N_MEMORY)));
  k.hugetlb.hstates.push(h);
  k.hugetlb.parsed_hstate = h;
}

/** string_get_size() with STRING_UNITS_2, of the sizes that there are. */
const size_text = (h: hstate): string => {
  const size = huge_page_size(h.order);
  return size >= SZ_1G ? `${size / SZ_1G}.00 GiB` : `${size / 2 ** 20}.00 MiB`;
};

/** The nodes of `mask`, each once, starting where the last page did not come from: pages spread over the nodes. */
function* for_each_node_mask_to_alloc(h: hstate, mask: nodemask_t): Generator<nid_t> {
  const next_in = (nid: nid_t): nid_t => (next_node(nid, mask) >= 0 ? next_node(nid, mask) : first_node(mask));
  for (let nr_nodes = nodes_weight(mask); nr_nodes > 0; nr_nodes--) {
    const nid = node_isset(h.next_nid_to_alloc, mask) ? h.next_nid_to_alloc : next_in(h.next_nid_to_alloc);
    h.next_nid_to_alloc = next_in(nid);
    yield nid;
  }
}

/**
 * Linux asks memblock for one node, and then for no other, unless that node has no room: memblock falls back itself.
 * @param nid NUMA_NO_NODE: the next node in turn
 */
function alloc_bootmem_huge_page(k: Kernel, h: hstate, nid: nid_t): boolean {
  const size = huge_page_size(h.order);
  const turns = nid === NUMA_NO_NODE ? for_each_node_mask_to_alloc(h, k.node_states.N_MEMORY) : [nid];
  for (const node of turns) {
    const pa = memblock_alloc_try_nid_raw(k, size, size, 0, 0, node, '__alloc_bootmem_huge_page');
    if (pa === 0) return false;
    k.hugetlb.huge_boot_pages.unshift({ pfn: PFN_DOWN(pa), h });
    return true;
  }
  return false;
}

/** Puts a new page of no one's into the pool. Linux: prep_new_huge_page(), free_huge_page(), enqueue_huge_page(). */
function add_to_pool(k: Kernel, h: hstate, pfn: pfn_t): void {
  prep_compound_gigantic_page(k, pfn, h.order, HUGETLB_PAGE_DTOR);
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  init_lru(m, i, pfn);
  m[i + PG_PRIVATE] = 1 << HPG_freed;

  const nid = page_to_nid(k, pfn);
  h.hugepage_freelists[nid] ??= [];
  h.hugepage_freelists[nid].unshift(pfn);
  h.nr_huge_pages++;
  h.nr_huge_pages_node[nid] = (h.nr_huge_pages_node[nid] ?? 0) + 1;
  h.free_huge_pages++;
  h.free_huge_pages_node[nid] = (h.free_huge_pages_node[nid] ?? 0) + 1;
}

/** Linux: htlb_alloc_mask() with what alloc_buddy_huge_page() adds to it. */
const HUGE_PAGE_GFP = GFP_HIGHUSER_MOVABLE | __GFP_THISNODE | __GFP_COMP | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;

function alloc_fresh_huge_page(k: Kernel, h: hstate, nid: nid_t): boolean {
  const pfn = __alloc_pages(k, HUGE_PAGE_GFP, h.order, nid);
  __count_vm_events(k, pfn >= 0 ? HTLB_BUDDY_PGALLOC : HTLB_BUDDY_PGALLOC_FAIL, 1);
  if (pfn < 0) return false;
  add_to_pool(k, h, pfn);
  return true;
}

function alloc_pool_huge_page(k: Kernel, h: hstate): boolean {
  for (const nid of for_each_node_mask_to_alloc(h, k.node_states.N_MEMORY)) {
    if (alloc_fresh_huge_page(k, h, nid)) return true;
  }
  return false;
}

function hugetlb_hstate_alloc_pages_onenode(k: Kernel, h: hstate, nid: nid_t): void {
  const wanted = h.max_huge_pages_node[nid]!;
  let i = 0;
  while (
    i < wanted &&
    (hstate_is_gigantic(h) ? alloc_bootmem_huge_page(k, h, nid) : alloc_fresh_huge_page(k, h, nid))
  ) {
    i++;
  }
  if (i === wanted) return;
  const result = `failed node${nid}.  Only allocated ${i} hugepages.`;
  pr_warn(k, `HugeTLB: allocating ${wanted} of page size ${size_text(h)} ${result}`);
  h.max_huge_pages -= wanted - i;
  h.max_huge_pages_node[nid] = i;
}

/** Gigantic pages while the command line is read, others in hugetlb_init(). */
export function hugetlb_hstate_alloc_pages(k: Kernel, h: hstate): void {
  if (h.max_huge_pages === 0) return;
  let node_specific_alloc = false;
  for (const nid of for_each_node_mask(k.node_online_map)) {
    if ((h.max_huge_pages_node[nid] ?? 0) === 0) continue;
    hugetlb_hstate_alloc_pages_onenode(k, h, nid);
    node_specific_alloc = true;
  }
  if (node_specific_alloc) return;

  const wanted = h.max_huge_pages;
  const alloc = (): boolean =>
    hstate_is_gigantic(h) ? alloc_bootmem_huge_page(k, h, NUMA_NO_NODE) : alloc_pool_huge_page(k, h);
  let i = 0;
  while (i < wanted && alloc()) i++;
  if (i === wanted) return;
  const result = `failed.  Only allocated ${i} hugepages.`;
  pr_warn(k, `HugeTLB: allocating ${wanted} of page size ${size_text(h)} ${result}`);
  h.max_huge_pages = i;
}

function hugetlb_init_hstates(k: Kernel): void {
  const { hstates } = k.hugetlb;
  for (const h of hstates) {
    if (!hstate_is_gigantic(h)) hugetlb_hstate_alloc_pages(k, h);
    for (const h2 of hstates) if (h2.order < h.order && h2.order > h.demote_order) h.demote_order = h2.order;
  }
}

/** The gigantic pages were reserved memory till now. */
function gather_bootmem_prealloc(k: Kernel): void {
  for (const { pfn, h } of k.hugetlb.huge_boot_pages) {
    add_to_pool(k, h, pfn);
    adjust_managed_page_count(k, pfn, 2 ** h.order);
  }
  k.hugetlb.huge_boot_pages.length = 0;
}

function report_hugepages(k: Kernel): void {
  for (const h of k.hugetlb.hstates) {
    const size = size_text(h);
    const vmemmap = 2 ** h.order * SIZEOF_PAGE - HUGETLB_VMEMMAP_RESERVE_SIZE;
    pr_info(k, `HugeTLB: registered ${size} page size, pre-allocated ${h.free_huge_pages} pages`);
    pr_info(k, `HugeTLB: ${vmemmap / SZ_1K} KiB vmemmap can be freed for a ${size} page`);
  }
}

/** Without hugepagesz= or default_hugepagesz=, hugepages= is about pages of 2 MiB. */
function settle_default_hstate(k: Kernel): void {
  const state = k.hugetlb;
  const h = size_to_hstate(k, huge_page_size(HUGETLB_PAGE_ORDER))!;
  state.default_hstate_idx = state.hstates.indexOf(h);
  if (state.default_hstate_max_huge_pages === 0) return;
  if (h.max_huge_pages !== 0) {
    pr_warn(k, `HugeTLB: Ignoring hugepages=${h.max_huge_pages} associated with ${size_text(h)} page size`);
    const wanted = state.default_hstate_max_huge_pages;
    pr_warn(k, `HugeTLB: Using hugepages=${wanted} for number of default huge pages`);
  }
  take_default_numbers(k, h);
}

/** Gives `h` the numbers of the hugepages= that came before any size. */
export function take_default_numbers(k: Kernel, h: hstate): void {
  h.max_huge_pages = k.hugetlb.default_hstate_max_huge_pages;
  for (const nid of for_each_node_mask(k.node_online_map)) {
    h.max_huge_pages_node[nid] = k.hugetlb.default_hugepages_in_node[nid] ?? 0;
  }
}

/** Context: arch_initcall, then subsys_initcall. */
export function hugetlb_init(k: Kernel): void {
  if (!k.config.HUGETLB_PAGE) return;
  if (k.hw.gbpages === true) hugetlb_add_hstate(k, PUD_ORDER);
  hugetlb_add_hstate(k, HUGETLB_PAGE_ORDER);
  if (!k.hugetlb.parsed_default_hugepagesz) settle_default_hstate(k);
  hugetlb_init_hstates(k);
  gather_bootmem_prealloc(k);
  report_hugepages(k);
}
