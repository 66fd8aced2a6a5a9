// The early allocator's lists of memory (Linux: mm/memblock.c): what there is (`memory`) and what is taken
// (`reserved`), each a sorted array of regions that never overlap, merged wherever two neighbours are alike.
//
// Here: the lists, and what adds to them, removes from them and marks them. Walks are in memblock_iter.ts, searches in
// memblock_find.ts, allocation in memblock_alloc.ts, questions, limits and the dump in memblock_info.ts, the hand-over
// to the buddy allocator in memblock_free.ts. Left out: physmem (no x86), kmemleak, debugfs, slab's arrays.
//
// Differs from Linux: regions are objects, not words in RAM. An array that outgrows its 128 entries still takes the
// memory that Linux's would take.

import {
  INIT_MEMBLOCK_REGIONS,
  MEMBLOCK_ALLOC_ANYWHERE,
  MEMBLOCK_HOTPLUG,
  MEMBLOCK_MIRROR,
  MEMBLOCK_NOMAP,
  MEMBLOCK_NONE,
  MEMBLOCK_REGION_SIZE,
  PHYS_ADDR_MAX,
} from '../include/memblock.ts';
import { ENOMEM, type nid_t, PAGE_SIZE, type phys_addr_t, round_up } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON, WARN_ON } from '../lib/bug.ts';
import { MAX_NUMNODES } from '../lib/nodemask.ts';
import { hex, pr_err, pr_info } from '../lib/printk.ts';
import { memblock_find_in_range } from './memblock_find.ts';

export interface memblock_region {
  base: phys_addr_t;
  size: number;
  /** MEMBLOCK_HOTPLUG and the like. */
  flags: number;
  /** MAX_NUMNODES: none given yet. */
  nid: nid_t;
}

/**
 * One list. `regions` is never empty: a list of nothing holds one region of size 0, as in Linux, and `cnt` of Linux is
 * regions.length.
 */
export interface memblock_type {
  readonly name: string;
  readonly regions: memblock_region[];
  total_size: number;
  /** Entries that the array has room for. */
  max: number;
  /** Where the array lies once it has outgrown the one in the kernel image; 0 before. */
  array_pa: phys_addr_t;
}

const empty_type = (name: string): memblock_type => ({
  name,
  regions: [{ base: 0, size: 0, flags: MEMBLOCK_NONE, nid: 0 }],
  total_size: 0,
  max: INIT_MEMBLOCK_REGIONS,
  array_pa: 0,
});

export class Memblock {
  bottom_up = false;
  current_limit: phys_addr_t = MEMBLOCK_ALLOC_ANYWHERE;
  readonly memory = empty_type('memory');
  readonly reserved = empty_type('reserved');
  /** memblock_debug: `memblock=debug` was given. */
  debug = false;
  can_resize = false;
  system_has_some_mirror = false;
  /** How often each site has warned that mirrored memory ran out. */
  readonly mirror_warnings = new Map<string, number>();
}

// --- what Linux calls from everywhere ---

/** @returns 0 or -ENOMEM, as all of these do */
export function memblock_add_node(
  k: Kernel,
  base: phys_addr_t,
  size: number,
  nid: nid_t,
  flags: number,
  caller = '',
): number {
  if (k.memblock.debug) {
    memblock_dbg(k, `memblock_add_node: ${extent(base, size)} nid=${nid} flags=${flags.toString(16)}`, caller);
  }
  return memblock_add_range(k, k.memblock.memory, base, size, nid, flags);
}

export function memblock_add(k: Kernel, base: phys_addr_t, size: number, caller = ''): number {
  if (k.memblock.debug) memblock_dbg(k, `memblock_add: ${extent(base, size)}`, caller);
  return memblock_add_range(k, k.memblock.memory, base, size, MAX_NUMNODES, MEMBLOCK_NONE);
}

export function memblock_reserve(k: Kernel, base: phys_addr_t, size: number, caller = ''): number {
  if (k.memblock.debug) memblock_dbg(k, `memblock_reserve: ${extent(base, size)}`, caller);
  return memblock_add_range(k, k.memblock.reserved, base, size, MAX_NUMNODES, MEMBLOCK_NONE);
}

export function memblock_remove(k: Kernel, base: phys_addr_t, size: number, caller = ''): number {
  if (k.memblock.debug) memblock_dbg(k, `memblock_remove: ${extent(base, size)}`, caller);
  return memblock_remove_range(k, k.memblock.memory, base, size);
}

/** Takes back a reservation. The memory goes to nobody: see memblock_free_late() for that. */
export function memblock_phys_free(k: Kernel, base: phys_addr_t, size: number, caller = ''): number {
  if (k.memblock.debug) memblock_dbg(k, `memblock_phys_free: ${extent(base, size)}`, caller);
  return memblock_remove_range(k, k.memblock.reserved, base, size);
}

export const memblock_mark_hotplug = (k: Kernel, base: phys_addr_t, size: number): number =>
  memblock_setclr_flag(k, base, size, true, MEMBLOCK_HOTPLUG);

export const memblock_clear_hotplug = (k: Kernel, base: phys_addr_t, size: number): number =>
  memblock_setclr_flag(k, base, size, false, MEMBLOCK_HOTPLUG);

/** Does nothing unless `kernelcore=mirror` was given. */
export function memblock_mark_mirror(k: Kernel, base: phys_addr_t, size: number): number {
  if (!k.mm.mirrored_kernelcore) return 0;
  k.memblock.system_has_some_mirror = true;
  return memblock_setclr_flag(k, base, size, true, MEMBLOCK_MIRROR);
}

export const memblock_mark_nomap = (k: Kernel, base: phys_addr_t, size: number): number =>
  memblock_setclr_flag(k, base, size, true, MEMBLOCK_NOMAP);

export const memblock_clear_nomap = (k: Kernel, base: phys_addr_t, size: number): number =>
  memblock_setclr_flag(k, base, size, false, MEMBLOCK_NOMAP);

/** Gives the regions of `type` within [base, base + size) to node `nid`, splitting those that reach out of it. */
export function memblock_set_node(k: Kernel, base: phys_addr_t, size: number, type: memblock_type, nid: nid_t): number {
  if (!k.config.NUMA) return 0;
  const isolated = memblock_isolate_range(k, type, base, size);
  if (isolated === null) return -ENOMEM;
  for (let i = isolated.start_rgn; i < isolated.end_rgn; i++) type.regions[i]!.nid = nid;
  memblock_merge_regions(type, isolated.start_rgn, isolated.end_rgn);
  return 0;
}

export const memblock_bottom_up = (k: Kernel): boolean => k.memblock.bottom_up;
export const memblock_set_bottom_up = (k: Kernel, enable: boolean): void => {
  k.memblock.bottom_up = enable;
};
export const memblock_get_current_limit = (k: Kernel): phys_addr_t => k.memblock.current_limit;
export const memblock_set_current_limit = (k: Kernel, limit: phys_addr_t): void => {
  k.memblock.current_limit = limit;
};
/** From here on the arrays may grow: whatever must not be overwritten is reserved by now. */
export const memblock_allow_resize = (k: Kernel): void => {
  k.memblock.can_resize = true;
};

/** early_param("memblock"). */
export function early_memblock(k: Kernel, value: string | null): number {
  if (value?.includes('debug')) k.memblock.debug = true;
  return 0;
}

/**
 * Puts another kernel's reservations in place of what this one has reserved (k.recorded). Not in Linux.
 * The recording's NUMA_NO_NODE becomes MAX_NUMNODES, as a region is that was reserved after NUMA was set up.
 */
export function memblock_replace_reserved(k: Kernel, regions: readonly Readonly<memblock_region>[]): void {
  const type = k.memblock.reserved;
  type.regions.length = 0;
  type.total_size = 0;
  for (const { base, size, flags, nid } of regions) {
    type.regions.push({ base, size, flags, nid: node_of(k, nid < 0 ? MAX_NUMNODES : nid) });
    type.total_size += size;
  }
  if (type.regions.length === 0) make_empty(k, type);
  while (type.max < type.regions.length) type.max *= 2;
}

// --- the lists ---

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
const node_of = (k: Kernel, nid: nid_t): nid_t => (k.config.NUMA ? nid : 0);

function make_empty(k: Kernel, type: memblock_type): void {
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
function memblock_add_range(
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
function memblock_merge_regions(type: memblock_type, start_rgn: number, end_rgn: number): void {
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

function memblock_setclr_flag(k: Kernel, base: phys_addr_t, size: number, set: boolean, flag: number): number {
  const type = k.memblock.memory;
  const isolated = memblock_isolate_range(k, type, base, size);
  if (isolated === null) return -ENOMEM;
  for (let i = isolated.start_rgn; i < isolated.end_rgn; i++) {
    const region = type.regions[i]!;
    region.flags = set ? region.flags | flag : region.flags & ~flag;
  }
  memblock_merge_regions(type, isolated.start_rgn, isolated.end_rgn);
  return 0;
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
  if (old_pa !== 0) memblock_phys_free(k, old_pa, old_alloc_size, 'memblock_double_array');
  BUG_ON(
    memblock_reserve(k, addr, new_alloc_size, 'memblock_double_array') !== 0,
    'mm/memblock.c:493 memblock_double_array',
  );
  return 0;
}

// --- memblock=debug ---

/** @param caller what Linux prints with %pS; nothing is printed for it when it is empty */
export function memblock_dbg(k: Kernel, text: string, caller: string): void {
  if (k.memblock.debug) pr_info(k, caller === '' ? text : `${text} ${caller}`);
}

const ULLONG_MAX = 0xffffffffffffffffn;
const wide = (n: number): bigint => (n === PHYS_ADDR_MAX ? ULLONG_MAX : BigInt(n));

/** `%pa`, with PHYS_ADDR_MAX as Linux's. */
export const pa_text = (addr: phys_addr_t): string => hex(wide(addr), 16);

/** `[%pa-%pa]` of [base, base + size), the end inclusive and wrapping around as it does in 64 bits. */
export const extent = (base: phys_addr_t, size: number): string =>
  `[${pa_text(base)}-${hex(BigInt.asUintN(64, wide(base) + wide(size) - 1n), 16)}]`;
