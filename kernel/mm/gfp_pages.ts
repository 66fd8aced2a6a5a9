// The allocator as most of the kernel calls it (Linux: include/linux/gfp.h alloc_pages_node(), alloc_pages_bulk_array();
// mm/page_alloc.c __get_free_pages(), alloc_pages_exact() and kin).
//
// Differs from Linux: what is an address there is the physical one here, and 0 for none as there.

import { __GFP_COMP, __GFP_HIGHMEM, __GFP_ZERO } from '../include/gfp_types.ts';
import { PAGE_WORDS, PG_REFCOUNT } from '../include/mm_types.ts';
import {
  type gfp_t,
  NUMA_NO_NODE,
  type nid_t,
  PAGE_SHIFT,
  PAGE_SIZE,
  type pfn_t,
  type phys_addr_t,
} from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';
import { FPI_TO_TAIL } from './buddy.ts';
import { __alloc_pages_bulk } from './bulk.ts';
import { split_page_memcg } from './memcg_kmem.ts';
import { alloc_pages } from './mempolicy.ts';
import { page_index, section_map } from './page.ts';
import { __alloc_pages_node, __free_pages, __free_pages_ok } from './page_alloc.ts';
import { split_page_switched_on } from './page_hooks.ts';
import { numa_node_id } from './percpu.ts';

const address = (pfn: pfn_t): phys_addr_t => (pfn < 0 ? 0 : pfn * PAGE_SIZE);

/** @param nid NUMA_NO_NODE: the CPU's own */
export const alloc_pages_node = (k: Kernel, nid: nid_t, gfp: gfp_t, order: number): pfn_t =>
  __alloc_pages_node(k, nid === NUMA_NO_NODE ? numa_node_id(k) : nid, gfp, order);

export const alloc_pages_bulk_array = (k: Kernel, gfp: gfp_t, nr_pages: number, pages: pfn_t[]): number =>
  __alloc_pages_bulk(k, gfp, numa_node_id(k), null, nr_pages, pages);

export const alloc_pages_bulk_array_node = (
  k: Kernel,
  gfp: gfp_t,
  nid: nid_t,
  nr_pages: number,
  pages: pfn_t[],
): number => __alloc_pages_bulk(k, gfp, nid === NUMA_NO_NODE ? numa_node_id(k) : nid, null, nr_pages, pages);

export const __get_free_pages = (k: Kernel, gfp: gfp_t, order: number): phys_addr_t =>
  address(alloc_pages(k, gfp & ~__GFP_HIGHMEM, order));

export const get_zeroed_page = (k: Kernel, gfp: gfp_t): phys_addr_t => __get_free_pages(k, gfp | __GFP_ZERO, 0);

export function free_pages(k: Kernel, addr: phys_addr_t, order: number): void {
  if (addr !== 0) __free_pages(k, Math.floor(addr / PAGE_SIZE), order);
}

/** The order of the smallest block that holds `size` bytes. Of 0 it is one that there is not: 0 - 1 is the largest number. */
export function get_order(size: number): number {
  if (size === 0) return 64 - PAGE_SHIFT;
  let order = 0;
  while (2 ** order * PAGE_SIZE < size) order++;
  return order;
}

/** The pages up to `size` become single ones of the caller's; what is left of the block goes back. */
function make_alloc_exact(k: Kernel, addr: phys_addr_t, order: number, size: number): phys_addr_t {
  if (addr === 0) return 0;
  const pfn = Math.floor(addr / PAGE_SIZE);
  const nr = Math.ceil(size / PAGE_SIZE);
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  for (let p = 1; p < nr; p++) m[i + p * PAGE_WORDS + PG_REFCOUNT] = 1;
  if (k.page_alloc.static_keys !== 0) split_page_switched_on(k, pfn, order);
  split_page_memcg(k, pfn, 1 << order);
  for (let p = nr; p < 1 << order; p++) __free_pages_ok(k, pfn + p, 0, FPI_TO_TAIL);
  return addr;
}

function exact_gfp(k: Kernel, gfp: gfp_t, where: string): gfp_t {
  const wrong = __GFP_COMP | __GFP_HIGHMEM;
  return WARN_ONCE(k, (gfp & wrong) !== 0, where) ? gfp & ~wrong : gfp;
}

/** As many pages as `size` bytes take, and no more, side by side. For free_pages_exact(). */
export function alloc_pages_exact(k: Kernel, size: number, gfp: gfp_t): phys_addr_t {
  const order = get_order(size);
  gfp = exact_gfp(k, gfp, 'mm/page_alloc.c:5930 alloc_pages_exact');
  return make_alloc_exact(k, __get_free_pages(k, gfp, order), order, size);
}

/** The same from node `nid`, or near to it. */
export function alloc_pages_exact_nid(k: Kernel, nid: nid_t, size: number, gfp: gfp_t): phys_addr_t {
  const order = get_order(size);
  gfp = exact_gfp(k, gfp, 'mm/page_alloc.c:5955 alloc_pages_exact_nid');
  return make_alloc_exact(k, address(alloc_pages_node(k, nid, gfp, order)), order, size);
}

export function free_pages_exact(k: Kernel, addr: phys_addr_t, size: number): void {
  const end = addr + Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
  for (let at = addr; at < end; at += PAGE_SIZE) free_pages(k, at, 0);
}
