// What the allocator does once the system is up (Linux: mm/page_alloc.c page_alloc_init_late(), set_zone_contiguous(),
// __pageblock_pfn_to_page()).
//
// Left out: shuffling.

import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import { deferred_init_memmap } from './deferred.ts';
import { memblock_discard } from './memblock_late.ts';
import type { Zone } from './mmzone.ts';
import { for_each_populated_zone } from './mmzone_iter.ts';
import { page_zone_id, pfn_valid } from './page.ts';
import { pageblock_end_pfn } from './pageblock.ts';

/** No struct page is put off after this, and zones without holes are known as such. */
export function page_alloc_init_late(k: Kernel): void {
  if (k.mm.deferred_pages) {
    for (const nid of for_each_node_mask(k.node_states.N_MEMORY)) deferred_init_memmap(k, k.node_data[nid]!);
    k.mm.deferred_pages = false;
  }
  memblock_discard(k);
  for (const zone of for_each_populated_zone(k)) set_zone_contiguous(k, zone);
}

/**
 * start_pfn, if [start_pfn, end_pfn), within a pageblock, is the zone's at both ends; else -1. Nodes may meet within a
 * pageblock, but never more than two.
 */
export function __pageblock_pfn_to_page(k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t, zone: Zone): pfn_t {
  if (!pfn_valid(k.mm, start_pfn) || !pfn_valid(k.mm, end_pfn - 1)) return -1;
  // Not the zones themselves: a page that is reserved and no memory may name one that its node has not.
  const both = page_zone_id(k, start_pfn) === zone.id && page_zone_id(k, end_pfn - 1) === zone.id;
  return both ? start_pfn : -1;
}

/** Whether compaction can go through the zone without looking whose pages it meets. */
export function set_zone_contiguous(k: Kernel, zone: Zone): void {
  const end_pfn = zone.zone_end_pfn;
  for (let start = zone.zone_start_pfn; start < end_pfn; ) {
    const end = Math.min(pageblock_end_pfn(start), end_pfn);
    if (__pageblock_pfn_to_page(k, start, end, zone) < 0) return;
    start = end;
  }
  zone.contiguous = true;
}
