// How memblock's lists change (Linux: mm/memblock.c memblock_add_range(), memblock_isolate_range() and kin): sorted
// regions that never overlap, merged wherever two neighbours are alike, in an array that may grow.
//
// Differs from Linux: regions are objects, not words in RAM. An array that outgrows its 128 entries still takes the
// memory that Linux's would take.

import { MEMBLOCK_NONE, MEMBLOCK_REGION_SIZE, PHYS_ADDR_MAX } from '../include/memblock.ts';
import { ENOMEM, type nid_t, PAGE_SIZE, type phys_addr_t, round_up } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON, WARN_ON } from '../lib/bug.ts';
import { MAX_NUMNODES } from '../lib/nodemask.ts';
import { pr_err } from '../lib/printk.ts';
import type { memblock_type } from './memblock.ts';
import { extent, memblock_dbg } from './memblock_debug.ts';
import { memblock_find_in_range } from './memblock_find.ts';

/** Bytes of [base, base + size) that lie within the address space. */
export const memblock_cap_size = (base: phys_addr_t, size: number): number => Math.min(size, PHYS_ADDR_MAX - base);

/** Index of the first region that ends above `addr`: all before it are out of the way. */
export function first_region_above(type: memblock_type, addr: phys_addr_t): number {
  let left = 0;
  let right = type.regions.length;
  while (left < right) {
    const middle = (left + right) >>> 1;
    const region = type.regions[middle]!;
    if (region.base + region.size <= addr) left = middle + 1;
    else right = middle;
  }
  return left;
}

/** Without NUMA all memory is node 0's, whatever was asked for. */
export const node_of = (k: Kernel, nid: nid_t): nid_t => (k.config.NUMA ? nid : 0);

export function make_empty(k: Kernel, type: memblock_type): void {
  type.regions[0] = { base: 0, size: 0, flags: MEMBLOCK_NONE, nid: node_of(k, MAX_NUMNODES) };
}

/**
 * Adds [base, base + size). Where it overlaps regions that are there already, those stay as they are and only the
 * gaps are filled:
 *
 *     list      |--0--|     |--1--|
 *     new   |=======================|
 *     added |+++|     |+++++|     |+|
 */
export function memblock_add_range(
  k: Kernel,
  type: memblock_type,
  base: phys_addr_t,
  size: number,
  nid: nid_t,
  flags: number,
): number {
  const end = base + memblock_cap_size(base, size);
  if (end <= base) return 0;
  const node = node_of(k, nid);

  if (type.regions[0]!.size === 0) {
    WARN_ON(k, type.regions.length !== 1 || type.total_size !== 0, 'mm/memblock.c:593 memblock_add_range');
    type.regions[0] = { base, size: end - base, flags, nid: node };
    type.total_size = end - base;
    return 0;
  }

  // If even a gap before, between and after all regions would fit there is nothing to count first.
  if (type.regions.length * 2 + 1 >= type.max) {
    const nr_new = fill_gaps(k, type, base, end, node, flags, false);
    if (nr_new === 0) return 0;
    while (type.regions.length + nr_new > type.max) {
      if (memblock_double_array(k, type, base, end - base) < 0) return -ENOMEM;
    }
  }
  if (fill_gaps(k, type, base, end, node, flags, true) > 0) {
    memblock_merge_regions(type, first_region_above(type, base), first_region_above(type, end));
  }
  return 0;
}

/** Counts, or (`insert`) makes, the regions that memblock_add_range() needs. */
function fill_gaps(
  k: Kernel,
  type: memblock_type,
  start: phys_addr_t,
  end: phys_addr_t,
  nid: nid_t,
  flags: number,
  insert: boolean,
): number {
  let base = start;
  let nr_new = 0;
  let idx = first_region_above(type, base);
  for (; idx < type.regions.length; idx++) {
    const region = type.regions[idx]!;
    if (region.base >= end) break;
    if (region.base > base) {
      if (k.config.NUMA) WARN_ON(k, nid !== region.nid, 'mm/memblock.c:635 memblock_add_range');
      WARN_ON(k, flags !== region.flags, 'mm/memblock.c:637 memblock_add_range');
      nr_new++;
      if (insert) memblock_insert_region(type, idx++, base, region.base - base, nid, flags);
    }
    base = Math.min(region.base + region.size, end);
  }
  if (base < end) {
    nr_new++;
    if (insert) memblock_insert_region(type, idx, base, end - base, nid, flags);
  }
  return nr_new;
}

function memblock_insert_region(
  type: memblock_type,
  idx: number,
  base: phys_addr_t,
  size: number,
  nid: nid_t,
  flags: number,
): void {
  BUG_ON(type.regions.length >= type.max, 'mm/memblock.c:552 memblock_insert_region');
  type.regions.splice(idx, 0, { base, size, flags, nid });
  type.total_size += size;
}

/**
 * Joins neighbours that touch and are alike in node and flags, among regions [start_rgn, end_rgn) and the two beside.
 * Differs from Linux: 6.1 looks through the whole list, as later kernels no longer do. All else is merged already.
 */
export function memblock_merge_regions(type: memblock_type, start_rgn: number, end_rgn: number): void {
  const { regions } = type;
  const stop = Math.min(end_rgn + 1, regions.length);
  let last = Math.max(start_rgn - 1, 0);
  for (let i = last + 1; i < stop; i++) {
    const region = regions[i]!;
    const before = regions[last]!;
    const end = before.base + before.size;
    if (end === region.base && before.nid === region.nid && before.flags === region.flags) {
      before.size += region.size;
      continue;
    }
    BUG_ON(end > region.base, 'mm/memblock.c:520 memblock_merge_regions');
    regions[++last] = region;
  }
  if (last + 1 < stop) regions.splice(last + 1, stop - last - 1);
}

/**
 * Splits regions at both ends of [base, base + size), so that none reaches across.
 * @returns the indices [start_rgn, end_rgn) of the regions inside, or null for -ENOMEM
 */
export function memblock_isolate_range(
  k: Kernel,
  type: memblock_type,
  base: phys_addr_t,
  size: number,
): { start_rgn: number; end_rgn: number } | null {
  const end = base + memblock_cap_size(base, size);
  if (end <= base) return { start_rgn: 0, end_rgn: 0 };

  while (type.regions.length + 2 > type.max) {
    if (memblock_double_array(k, type, base, end - base) < 0) return null;
  }

  let start_rgn = first_region_above(type, base);
  if (split_region(type, start_rgn, base)) start_rgn++;
  let end_rgn = first_region_above(type, end);
  if (split_region(type, end_rgn, end)) end_rgn++;
  return { start_rgn, end_rgn };
}

/** Cuts region `idx` in two at `addr`, if `addr` is inside it. */
function split_region(type: memblock_type, idx: number, addr: phys_addr_t): boolean {
  const region = type.regions[idx];
  if (region === undefined || region.base >= addr) return false;
  const below = addr - region.base;
  type.total_size -= below;
  const { base, nid, flags } = region;
  region.base = addr;
  region.size -= below;
  memblock_insert_region(type, idx, base, below, nid, flags);
  return true;
}

/** Removes [base, base + size) from `type`. */
export function memblock_remove_range(k: Kernel, type: memblock_type, base: phys_addr_t, size: number): number {
  const isolated = memblock_isolate_range(k, type, base, size);
  if (isolated === null) return -ENOMEM;
  for (let i = isolated.end_rgn - 1; i >= isolated.start_rgn; i--) memblock_remove_region(k, type, i);
  return 0;
}

export function memblock_remove_region(k: Kernel, type: memblock_type, r: number): void {
  type.total_size -= type.regions[r]!.size;
  type.regions.splice(r, 1);
  if (type.regions.length > 0) return;
  WARN_ON(k, type.total_size !== 0, 'mm/memblock.c:353 memblock_remove_region');
  make_empty(k, type);
}

/**
 * Doubles the room for regions. While the reserved array itself is full, [new_area_start, new_area_start +
 * new_area_size) is about to be reserved but is in no list yet: the new array must not land there.
 * @returns 0, or -1 on failure
 */
function memblock_double_array(
  k: Kernel,
  type: memblock_type,
  new_area_start: phys_addr_t,
  new_area_size: number,
): number {
  const { memblock } = k;
  if (!memblock.can_resize) return -1;

  const old_size = type.max * MEMBLOCK_REGION_SIZE;
  const new_size = old_size * 2;
  const old_alloc_size = round_up(old_size, PAGE_SIZE);
  const new_alloc_size = round_up(new_size, PAGE_SIZE);

  const avoid = type === memblock.reserved;
  const above = avoid ? new_area_start + new_area_size : 0;
  let addr = memblock_find_in_range(k, above, memblock.current_limit, new_alloc_size, PAGE_SIZE);
  if (addr === 0 && avoid && new_area_size !== 0) {
    const below = Math.min(new_area_start, memblock.current_limit);
    addr = memblock_find_in_range(k, 0, below, new_alloc_size, PAGE_SIZE);
  }
  if (addr === 0) {
    pr_err(k, `memblock: Failed to double ${type.name} array from ${type.max} to ${type.max * 2} entries !`);
    return -1;
  }
  if (memblock.debug) {
    memblock_dbg(k, `memblock: ${type.name} is doubled to ${type.max * 2} at ${extent(addr, new_size)}`, '');
  }

  const old_pa = type.array_pa;
  type.array_pa = addr;
  type.max *= 2;
  if (old_pa !== 0) {
    memblock_dbg(k, `memblock_phys_free: ${extent(old_pa, old_alloc_size)}`, 'memblock_double_array');
    memblock_remove_range(k, memblock.reserved, old_pa, old_alloc_size);
  }
  memblock_dbg(k, `memblock_reserve: ${extent(addr, new_alloc_size)}`, 'memblock_double_array');
  const failed = memblock_add_range(k, memblock.reserved, addr, new_alloc_size, MAX_NUMNODES, MEMBLOCK_NONE);
  BUG_ON(failed !== 0, 'mm/memblock.c:493 memblock_double_array');
  return 0;
}
