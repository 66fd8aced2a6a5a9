// memblock's hand-over to the buddy allocator (Linux: mm/memblock.c memblock_free_all(), mm/page_alloc.c
// reserve_bootmem_region() and memblock_free_pages()): what is reserved stays so for good, the rest is freed in the
// largest aligned blocks, from low to high, each to the tail of its list.

import { MEMBLOCK_NOMAP, MEMBLOCK_NONE, PHYS_ADDR_MAX } from '../include/memblock.ts';
import { PAGE_WORDS, PG_FLAGS } from '../include/mm_types.ts';
import { MAX_NR_ZONES, MAX_ORDER, PAGES_PER_SECTION, ZONE_NORMAL } from '../include/mmzone.ts';
import { PG_reserved } from '../include/page_flags.ts';
import { NUMA_NO_NODE, type nid_t, PFN_DOWN, PFN_UP, type pfn_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask, node_isset } from '../lib/nodemask.ts';
import { memblock_clear_hotplug } from './memblock.ts';
import { for_each_free_mem_range, for_each_mem_region, for_each_reserved_mem_range } from './memblock_iter.ts';
import { __init_pages, init_lru, page_index, pfn_valid, section_map } from './page.ts';
import { __free_pages_core } from './page_alloc.ts';
import { early_pfn_to_nid } from './sparse.ts';

/** Releases all free memory to the buddy allocator. */
export function memblock_free_all(k: Kernel): void {
  reset_all_zones_managed_pages(k);
  k.mm.totalram_pages += free_low_memory_core_early(k);
}

/** Zones begin to count afresh: until now managed_pages was an estimate. */
function reset_all_zones_managed_pages(k: Kernel): void {
  if (k.mm.reset_managed_pages_done) return;
  for (const nid of for_each_node_mask(k.node_online_map)) {
    for (const zone of k.node_data[nid]!.node_zones) zone.managed_pages = 0;
  }
  k.mm.reset_managed_pages_done = true;
}

function free_low_memory_core_early(k: Kernel): number {
  memblock_clear_hotplug(k, 0, PHYS_ADDR_MAX);
  for (const { start, end } of for_each_reserved_mem_range(k)) reserve_bootmem_region(k, start, end);
  for (const { base, size, flags } of for_each_mem_region(k)) {
    if (flags & MEMBLOCK_NOMAP) reserve_bootmem_region(k, base, base + size);
  }
  let count = 0;
  for (const { start, end } of for_each_free_mem_range(k, NUMA_NO_NODE, MEMBLOCK_NONE)) {
    count += __free_memory_core(k, start, end);
  }
  return count;
}

/** Whole pages of [start, end), up to max_low_pfn, which is where ZONE_NORMAL ends. */
function __free_memory_core(k: Kernel, start: phys_addr_t, end: phys_addr_t): number {
  const start_pfn = PFN_UP(start);
  const end_pfn = Math.min(PFN_DOWN(end), k.mm.arch_zone_highest_possible_pfn[ZONE_NORMAL]!);
  if (start_pfn >= end_pfn) return 0;
  for (let pfn = start_pfn; pfn < end_pfn; ) {
    // The largest order that the address is a multiple of, lowered until the block fits.
    let order = pfn === 0 ? MAX_ORDER - 1 : Math.min(MAX_ORDER - 1, 31 - Math.clz32(pfn & -pfn));
    while (pfn + (1 << order) > end_pfn) order--;
    if (!early_page_uninitialised(k, pfn)) __free_pages_core(k, pfn, order);
    pfn += 1 << order;
  }
  return end_pfn - start_pfn;
}

/** Whether the struct page for `pfn` is put off until page_alloc_init_late(). */
function early_page_uninitialised(k: Kernel, pfn: pfn_t): boolean {
  if (!k.mm.deferred_pages) return false;
  const nid = early_pfn_to_nid(k, pfn);
  return node_isset(nid, k.node_online_map) && pfn >= k.node_data[nid]!.first_deferred_pfn;
}

/** Marks the pages of [start, end), in part or whole, as reserved, as far as there are struct pages. */
export function reserve_bootmem_region(k: Kernel, start: phys_addr_t, end: phys_addr_t): void {
  const end_pfn = PFN_UP(end);
  for (let pfn = PFN_DOWN(start); pfn < end_pfn; ) {
    const section_end = pfn - (pfn % PAGES_PER_SECTION) + PAGES_PER_SECTION;
    let stop = Math.min(end_pfn, section_end);
    if (pfn_valid(k.mm, pfn)) {
      if (k.mm.deferred_pages) stop = init_reserved_pages(k, pfn, stop);
      else reserve_pages(k, pfn, stop);
    }
    pfn = stop;
  }
}

/** [start_pfn, end_pfn), all in one section: on no list, and reserved. */
function reserve_pages(k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t): void {
  const m = section_map(k.mm, start_pfn);
  const flag = 1 << PG_reserved;
  const step = PAGE_WORDS;
  let i = page_index(start_pfn);
  for (let pfn = start_pfn; pfn < end_pfn; pfn++, i += step) {
    init_lru(m, i, pfn);
    m[i + PG_FLAGS] = m[i + PG_FLAGS]! | flag;
  }
}

/**
 * reserve_pages(), and the struct pages first where they are put off; as far as node and zone are the same.
 * @returns where it stopped, at most `end_pfn`
 */
function init_reserved_pages(k: Kernel, pfn: pfn_t, end_pfn: pfn_t): pfn_t {
  const nid = early_pfn_to_nid(k, pfn);
  const { last_start, last_end } = k.mm.early_pfnnid_cache;
  const found = last_start <= pfn && pfn < last_end;
  let stop = found ? Math.min(end_pfn, last_end) : pfn + 1;
  if (!node_isset(nid, k.node_online_map)) {
    reserve_pages(k, pfn, stop);
    return stop;
  }
  const { first_deferred_pfn } = k.node_data[nid]!;
  if (pfn < first_deferred_pfn) {
    stop = Math.min(stop, first_deferred_pfn);
  } else {
    const zid = zone_spanning(k, nid, pfn);
    const zone = k.node_data[nid]!.node_zones[zid];
    if (zone !== undefined) stop = Math.min(stop, zone.zone_end_pfn);
    __init_pages(k.mm, pfn, stop, zid, nid, 0);
  }
  reserve_pages(k, pfn, stop);
  return stop;
}

/** The first zone of the node that spans `pfn`, or MAX_NR_ZONES. */
function zone_spanning(k: Kernel, nid: nid_t, pfn: pfn_t): number {
  const zid = k.node_data[nid]!.node_zones.findIndex((zone) => zone.zone_spans_pfn(pfn));
  return zid < 0 ? MAX_NR_ZONES : zid;
}
