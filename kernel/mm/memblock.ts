// The early allocator (Linux: mm/memblock.c): what memory there is (`memory`) and what of it is taken (`reserved`), each
// a sorted list of regions that never overlap.
//
// Here: the state, and what adds, removes and marks. How a list does that is in memblock_range.ts, walks are in
// memblock_iter.ts, searches in memblock_find.ts, allocation in memblock_alloc.ts, questions, limits and the dump in
// memblock_info.ts, the hand-over to the buddy allocator in memblock_free.ts and memblock_late.ts.
// Left out: physmem (not on x86), kmemleak, debugfs, arrays in slab.

import {
  INIT_MEMBLOCK_REGIONS,
  MEMBLOCK_ALLOC_ANYWHERE,
  MEMBLOCK_HOTPLUG,
  MEMBLOCK_MIRROR,
  MEMBLOCK_NOMAP,
  MEMBLOCK_NONE,
} from '../include/memblock.ts';
import { ENOMEM, type nid_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { MAX_NUMNODES } from '../lib/nodemask.ts';
import { extent, memblock_dbg } from './memblock_debug.ts';
import {
  make_empty,
  memblock_add_range,
  memblock_isolate_range,
  memblock_merge_regions,
  memblock_remove_range,
  node_of,
} from './memblock_range.ts';

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
  // Where the recording's own arrays lie nobody knows; ours are reserved no more.
  type.array_pa = 0;
  k.memblock.memory.array_pa = 0;
  type.regions.length = 0;
  type.total_size = 0;
  for (const { base, size, flags, nid } of regions) {
    type.regions.push({ base, size, flags, nid: node_of(k, nid < 0 ? MAX_NUMNODES : nid) });
    type.total_size += size;
  }
  if (type.regions.length === 0) make_empty(k, type);
  while (type.max < type.regions.length) type.max *= 2;
}
