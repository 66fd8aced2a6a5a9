// How many pages each zone of a node spans, and how many of them are there (Linux: mm/page_alloc.c
// zone_spanned_pages_in_node() to calculate_node_totalpages(), get_pfn_range_for_nid()).

import { MEMBLOCK_MIRROR } from '../include/memblock.ts';
import { MAX_NR_ZONES, ZONE_MOVABLE, ZONE_NORMAL } from '../include/mmzone.ts';
import { type nid_t, PFN_DOWN, PFN_UP, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { MAX_NUMNODES } from '../lib/nodemask.ts';
import { pr_debug } from '../lib/printk.ts';
import { for_each_mem_pfn_range, for_each_mem_region } from './memblock_iter.ts';
import type { PgData } from './mmzone.ts';

export interface pfn_range {
  readonly start: pfn_t;
  readonly end: pfn_t;
}

const clamp = (pfn: pfn_t, low: pfn_t, high: pfn_t): pfn_t => Math.min(Math.max(pfn, low), high);

/** From the first to the last page frame of a node; 0 and 0 for a node without memory. */
export function get_pfn_range_for_nid(k: Kernel, nid: nid_t): pfn_range {
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const range of for_each_mem_pfn_range(k, nid)) {
    start = Math.min(start, range.start_pfn);
    end = Math.max(end, range.end_pfn);
  }
  return { start: start === Number.POSITIVE_INFINITY ? 0 : start, end };
}

/** The part of a zone's range, as the architecture has it, that the node reaches over, less what ZONE_MOVABLE took. */
function zone_range_in_node(k: Kernel, nid: nid_t, zone: number, node: pfn_range): pfn_range {
  const { mm } = k;
  const low = mm.arch_zone_lowest_possible_pfn[zone]!;
  const high = mm.arch_zone_highest_possible_pfn[zone]!;
  const start = clamp(node.start, low, high);
  const end = clamp(node.end, low, high);
  const movable = mm.zone_movable_pfn[nid]!;
  if (movable === 0) return { start, end };

  // ZONE_MOVABLE begins at `movable` and ends with the zone that it is taken from.
  if (zone === ZONE_MOVABLE) {
    return { start: movable, end: Math.min(node.end, mm.arch_zone_highest_possible_pfn[mm.movable_zone]!) };
  }
  // With mirrored memory the two zones interleave, and both keep the whole span.
  if (!mm.mirrored_kernelcore && start < movable && end > movable) return { start, end: movable };
  if (start >= movable) return { start: end, end };
  return { start, end };
}

/** The zone's span on the node, holes included; null where it has none. */
function zone_spanned_range(k: Kernel, nid: nid_t, zone: number, node: pfn_range): pfn_range | null {
  if (node.start === 0 && node.end === 0) return null;
  const { start, end } = zone_range_in_node(k, nid, zone, node);
  if (end < node.start || start > node.end) return null;
  const span = { start: Math.max(start, node.start), end: Math.min(end, node.end) };
  return span.end === span.start ? null : span;
}

/** Pages of [start, end) that are no memory of `nid`; MAX_NUMNODES: of any node. */
export function __absent_pages_in_range(k: Kernel, nid: nid_t, start: pfn_t, end: pfn_t): number {
  let nr_absent = end - start;
  for (const range of for_each_mem_pfn_range(k, nid)) {
    nr_absent -= clamp(range.end_pfn, start, end) - clamp(range.start_pfn, start, end);
  }
  return nr_absent;
}

export const absent_pages_in_range = (k: Kernel, start: pfn_t, end: pfn_t): number =>
  __absent_pages_in_range(k, MAX_NUMNODES, start, end);

function zone_absent_pages_in_node(k: Kernel, nid: nid_t, zone: number, node: pfn_range): number {
  if (node.start === 0 && node.end === 0) return 0;
  const { start, end } = zone_range_in_node(k, nid, zone, node);
  let nr_absent = __absent_pages_in_range(k, nid, start, end);
  if (!k.mm.mirrored_kernelcore || k.mm.zone_movable_pfn[nid] === 0) return nr_absent;

  // ZONE_NORMAL and ZONE_MOVABLE span the same: mirrored memory is the one's, the rest the other's.
  for (const { base, size, flags } of for_each_mem_region(k)) {
    const pages = clamp(PFN_DOWN(base + size), start, end) - clamp(PFN_UP(base), start, end);
    const mirror = (flags & MEMBLOCK_MIRROR) !== 0;
    if ((zone === ZONE_MOVABLE && mirror) || (zone === ZONE_NORMAL && !mirror)) nr_absent += pages;
  }
  return nr_absent;
}

/** Sets the spans of a node and of its zones. */
export function calculate_node_totalpages(k: Kernel, pgdat: PgData, node: pfn_range): void {
  let totalpages = 0;
  let realtotalpages = 0;
  for (let i = 0; i < MAX_NR_ZONES; i++) {
    const zone = pgdat.node_zones[i]!;
    const span = zone_spanned_range(k, pgdat.node_id, i, node);
    const size = span === null ? 0 : span.end - span.start;
    const real_size = size - zone_absent_pages_in_node(k, pgdat.node_id, i, node);
    zone.zone_start_pfn = span?.start ?? 0;
    zone.spanned_pages = size;
    zone.present_pages = real_size;
    zone.present_early_pages = real_size;
    totalpages += size;
    realtotalpages += real_size;
  }
  pgdat.node_spanned_pages = totalpages;
  pgdat.node_present_pages = realtotalpages;
  pr_debug(k, `On node ${pgdat.node_id} totalpages: ${realtotalpages}`);
}
