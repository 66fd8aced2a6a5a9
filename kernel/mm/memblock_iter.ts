// Walks over memblock's lists (Linux: mm/memblock.c __next_mem_range() and kin, include/linux/memblock.h for_each_*).
//
// As in Linux a walk is a pair of indices, looked up afresh at each step: regions may be added or removed on the way.
// The generators are what most callers want; a mem_cursor is for those who stop and go on later, and for hot code.

import {
  MEMBLOCK_DRIVER_MANAGED,
  MEMBLOCK_HOTPLUG,
  MEMBLOCK_MIRROR,
  MEMBLOCK_NOMAP,
  MEMBLOCK_NONE,
  PHYS_ADDR_MAX,
} from '../include/memblock.ts';
import { NUMA_NO_NODE, type nid_t, PFN_DOWN, PFN_UP, type pfn_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';
import { MAX_NUMNODES } from '../lib/nodemask.ts';
import type { memblock_region, memblock_type } from './memblock.ts';
import type { Zone } from './mmzone.ts';

/** [start, end) on node `nid`. */
export interface mem_range {
  start: phys_addr_t;
  end: phys_addr_t;
  nid: nid_t;
}

/** [start_pfn, end_pfn) on node `nid`. */
export interface mem_pfn_range {
  start_pfn: pfn_t;
  end_pfn: pfn_t;
  nid: nid_t;
}

/** Where a walk is: the next region of type_a, the next gap of type_b, and the range it last found. */
export interface mem_cursor extends mem_range {
  idx_a: number;
  idx_b: number;
}

/** A cursor before the first range. */
export const mem_cursor = (): mem_cursor => ({ idx_a: 0, idx_b: 0, start: 0, end: 0, nid: 0 });

/** A cursor after the last range, for __next_mem_range_rev(). */
export const mem_cursor_rev = (type_a: memblock_type, type_b: memblock_type | null): mem_cursor => ({
  idx_a: type_a.regions.length - 1,
  idx_b: type_b === null ? 0 : type_b.regions.length,
  start: 0,
  end: 0,
  nid: 0,
});

/** `nid` as asked for; MAX_NUMNODES, once the way to say "any", still means that but earns a warning. */
export const memblock_nid_arg = (k: Kernel, nid: nid_t, where: string): nid_t =>
  WARN_ONCE(k, nid === MAX_NUMNODES, where, 'Usage of MAX_NUMNODES is deprecated. Use NUMA_NO_NODE instead')
    ? NUMA_NO_NODE
    : nid;

function should_skip_region(k: Kernel, type: memblock_type, m: memblock_region, nid: nid_t, flags: number): boolean {
  // Only memory has nodes and flags worth asking for.
  if (type !== k.memblock.memory) return false;
  if (nid !== NUMA_NO_NODE && nid !== m.nid) return true;
  const unwanted = m.flags & ~flags;
  if (unwanted & MEMBLOCK_HOTPLUG && k.mm.movable_node_enabled) return true;
  if (flags & MEMBLOCK_MIRROR && !(m.flags & MEMBLOCK_MIRROR)) return true;
  return (unwanted & (MEMBLOCK_NOMAP | MEMBLOCK_DRIVER_MANAGED)) !== 0;
}

/**
 * Moves `cursor` to the next range that is in type_a and not in type_b (null: nothing to leave out).
 *
 * Both lists are sorted, so the walk goes through the regions of A and the gaps of B side by side, and each step
 * leaves behind whichever ends first:
 *
 *     A    |====0====|    |=====1=====|
 *     B  ---gap 0---|res 0|--gap 1--|res 1|--gap 2-->
 *          ^^^^^^^^^       ^^^^^^^^^^
 *
 * @returns false at the end
 */
export function __next_mem_range(
  k: Kernel,
  cursor: mem_cursor,
  nid: nid_t,
  flags: number,
  type_a: memblock_type,
  type_b: memblock_type | null,
): boolean {
  const node = memblock_nid_arg(k, nid, 'mm/memblock.c:1051 __next_mem_range');
  const reserved = type_b?.regions;
  for (; cursor.idx_a < type_a.regions.length; cursor.idx_a++) {
    const m = type_a.regions[cursor.idx_a]!;
    if (should_skip_region(k, type_a, m, node, flags)) continue;
    const m_end = m.base + m.size;
    cursor.nid = m.nid;
    if (reserved === undefined) {
      cursor.start = m.base;
      cursor.end = m_end;
      cursor.idx_a++;
      return true;
    }
    for (; cursor.idx_b <= reserved.length; cursor.idx_b++) {
      const gap_start = cursor.idx_b === 0 ? 0 : end_of(reserved[cursor.idx_b - 1]!);
      const gap_end = cursor.idx_b < reserved.length ? reserved[cursor.idx_b]!.base : PHYS_ADDR_MAX;
      if (gap_start >= m_end) break;
      if (m.base >= gap_end) continue;
      cursor.start = Math.max(m.base, gap_start);
      cursor.end = Math.min(m_end, gap_end);
      if (m_end <= gap_end) cursor.idx_a++;
      else cursor.idx_b++;
      return true;
    }
  }
  return false;
}

/** __next_mem_range() from high to low addresses. */
export function __next_mem_range_rev(
  k: Kernel,
  cursor: mem_cursor,
  nid: nid_t,
  flags: number,
  type_a: memblock_type,
  type_b: memblock_type | null,
): boolean {
  const node = memblock_nid_arg(k, nid, 'mm/memblock.c:1148 __next_mem_range_rev');
  const reserved = type_b?.regions;
  for (; cursor.idx_a >= 0; cursor.idx_a--) {
    const m = type_a.regions[cursor.idx_a]!;
    if (should_skip_region(k, type_a, m, node, flags)) continue;
    const m_end = m.base + m.size;
    cursor.nid = m.nid;
    if (reserved === undefined) {
      cursor.start = m.base;
      cursor.end = m_end;
      cursor.idx_a--;
      return true;
    }
    for (; cursor.idx_b >= 0; cursor.idx_b--) {
      const gap_start = cursor.idx_b === 0 ? 0 : end_of(reserved[cursor.idx_b - 1]!);
      const gap_end = cursor.idx_b < reserved.length ? reserved[cursor.idx_b]!.base : PHYS_ADDR_MAX;
      if (gap_end <= m.base) break;
      if (m_end <= gap_start) continue;
      cursor.start = Math.max(m.base, gap_start);
      cursor.end = Math.min(m_end, gap_end);
      if (m.base >= gap_start) cursor.idx_a--;
      else cursor.idx_b--;
      return true;
    }
  }
  return false;
}

const end_of = (region: memblock_region): phys_addr_t => region.base + region.size;
const range = ({ start, end, nid }: mem_cursor): mem_range => ({ start, end, nid });

function* ranges(
  k: Kernel,
  nid: nid_t,
  flags: number,
  type_a: memblock_type,
  type_b: memblock_type | null,
): Generator<mem_range> {
  const cursor = mem_cursor();
  while (__next_mem_range(k, cursor, nid, flags, type_a, type_b)) yield range(cursor);
}

function* ranges_rev(
  k: Kernel,
  nid: nid_t,
  flags: number,
  type_a: memblock_type,
  type_b: memblock_type | null,
): Generator<mem_range> {
  const cursor = mem_cursor_rev(type_a, type_b);
  while (__next_mem_range_rev(k, cursor, nid, flags, type_a, type_b)) yield range(cursor);
}

/** The regions of memory themselves, low to high. They may be changed in place. */
export function* for_each_mem_region(k: Kernel): Generator<memblock_region> {
  for (let i = 0; i < k.memblock.memory.regions.length; i++) yield k.memblock.memory.regions[i]!;
}

/** The reserved regions themselves, low to high. */
export function* for_each_reserved_mem_region(k: Kernel): Generator<memblock_region> {
  for (let i = 0; i < k.memblock.reserved.regions.length; i++) yield k.memblock.reserved.regions[i]!;
}

const MAPPED = MEMBLOCK_HOTPLUG | MEMBLOCK_DRIVER_MANAGED;

/** Memory of any node, without what is not mapped. */
export const for_each_mem_range = (k: Kernel): Generator<mem_range> =>
  ranges(k, NUMA_NO_NODE, MAPPED, k.memblock.memory, null);

export const for_each_mem_range_rev = (k: Kernel): Generator<mem_range> =>
  ranges_rev(k, NUMA_NO_NODE, MAPPED, k.memblock.memory, null);

export const for_each_reserved_mem_range = (k: Kernel): Generator<mem_range> =>
  ranges(k, NUMA_NO_NODE, MEMBLOCK_NONE, k.memblock.reserved, null);

/** Memory that is not reserved, on `nid` or (NUMA_NO_NODE) any node. */
export const for_each_free_mem_range = (k: Kernel, nid: nid_t, flags: number): Generator<mem_range> =>
  ranges(k, nid, flags, k.memblock.memory, k.memblock.reserved);

export const for_each_free_mem_range_reverse = (k: Kernel, nid: nid_t, flags: number): Generator<mem_range> =>
  ranges_rev(k, nid, flags, k.memblock.memory, k.memblock.reserved);

/** Whole page frames of memory, on `nid` or (MAX_NUMNODES) any node. Regions without a whole frame are left out. */
export function* for_each_mem_pfn_range(k: Kernel, nid: nid_t): Generator<mem_pfn_range> {
  const { memory } = k.memblock;
  for (let i = 0; i < memory.regions.length; i++) {
    const r = memory.regions[i]!;
    const start_pfn = PFN_UP(r.base);
    const end_pfn = PFN_DOWN(r.base + r.size);
    if (start_pfn < end_pfn && (nid === MAX_NUMNODES || nid === r.nid)) yield { start_pfn, end_pfn, nid: r.nid };
  }
}

/**
 * The next free page frames within `zone`, or null. `cursor` may be copied to come back to this point
 * (Linux: for_each_free_mem_pfn_range_in_zone_from()).
 */
export function __next_mem_pfn_range_in_zone(k: Kernel, cursor: mem_cursor, zone: Zone): mem_pfn_range | null {
  const { memory, reserved } = k.memblock;
  const zone_start_pfn = zone.zone_start_pfn;
  const zone_end_pfn = zone.zone_end_pfn;
  while (__next_mem_range(k, cursor, zone.nid, MEMBLOCK_NONE, memory, reserved)) {
    const spfn = PFN_UP(cursor.start);
    const epfn = PFN_DOWN(cursor.end);
    if (zone_start_pfn >= epfn || spfn >= epfn) continue;
    if (zone_end_pfn <= spfn) break;
    return {
      start_pfn: Math.max(zone_start_pfn, spfn),
      end_pfn: Math.min(zone_end_pfn, epfn),
      nid: zone.nid,
    };
  }
  return null;
}

export function* for_each_free_mem_pfn_range_in_zone(k: Kernel, zone: Zone): Generator<mem_pfn_range> {
  const cursor = mem_cursor();
  for (;;) {
    const found = __next_mem_pfn_range_in_zone(k, cursor, zone);
    if (found === null) return;
    yield found;
  }
}
