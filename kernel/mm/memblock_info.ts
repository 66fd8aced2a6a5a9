// Questions to memblock, its size limits and its dump (Linux: mm/memblock.c, "Remaining API functions").

import { MEMBLOCK_NOMAP, PHYS_ADDR_MAX } from '../include/memblock.ts';
import {
  type nid_t,
  PFN_DOWN,
  PFN_PHYS,
  type pfn_t,
  type phys_addr_t,
  round_down,
  round_up,
} from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { MAX_NUMNODES } from '../lib/nodemask.ts';
import { hex, pr_info, pr_warn } from '../lib/printk.ts';
import type { memblock_type } from './memblock.ts';
import { extent, pa_text } from './memblock_debug.ts';
import {
  first_region_above,
  memblock_cap_size,
  memblock_isolate_range,
  memblock_remove_range,
  memblock_remove_region,
} from './memblock_range.ts';

/** Bytes of memory. As in Linux, what memblock_trim_memory() shaved off a region still counts. */
export const memblock_phys_mem_size = (k: Kernel): number => k.memblock.memory.total_size;
export const memblock_reserved_size = (k: Kernel): number => k.memblock.reserved.total_size;
export const memblock_start_of_DRAM = (k: Kernel): phys_addr_t => k.memblock.memory.regions[0]!.base;
export const memblock_end_of_DRAM = (k: Kernel): phys_addr_t => {
  const last = k.memblock.memory.regions.at(-1)!;
  return last.base + last.size;
};

/** Index of the region that holds `addr`, or -1. */
function memblock_search(type: memblock_type, addr: phys_addr_t): number {
  const i = first_region_above(type, addr);
  return i < type.regions.length && type.regions[i]!.base <= addr ? i : -1;
}

export const memblock_is_reserved = (k: Kernel, addr: phys_addr_t): boolean =>
  memblock_search(k.memblock.reserved, addr) !== -1;

export const memblock_is_memory = (k: Kernel, addr: phys_addr_t): boolean =>
  memblock_search(k.memblock.memory, addr) !== -1;

/** Memory that is in the direct map. */
export function memblock_is_map_memory(k: Kernel, addr: phys_addr_t): boolean {
  const i = memblock_search(k.memblock.memory, addr);
  return i !== -1 && !(k.memblock.memory.regions[i]!.flags & MEMBLOCK_NOMAP);
}

/** The page frames of the region that holds `pfn`, and its node; null if it is not memory (Linux: -1). */
export function memblock_search_pfn_nid(
  k: Kernel,
  pfn: pfn_t,
): { nid: nid_t; start_pfn: pfn_t; end_pfn: pfn_t } | null {
  const i = memblock_search(k.memblock.memory, PFN_PHYS(pfn));
  if (i === -1) return null;
  const { base, size, nid } = k.memblock.memory.regions[i]!;
  return { nid, start_pfn: PFN_DOWN(base), end_pfn: PFN_DOWN(base + size) };
}

/** Whether one region of memory holds all of [base, base + size). */
export function memblock_is_region_memory(k: Kernel, base: phys_addr_t, size: number): boolean {
  const i = memblock_search(k.memblock.memory, base);
  if (i === -1) return false;
  const region = k.memblock.memory.regions[i]!;
  return region.base + region.size >= base + memblock_cap_size(base, size);
}

/** Whether any of [base, base + size) is reserved. */
export const memblock_is_region_reserved = (k: Kernel, base: phys_addr_t, size: number): boolean =>
  memblock_overlaps_region(k.memblock.reserved, base, size);

/** Whether any region of `type` overlaps [base, base + size). A range of size 0 inside a region does. */
export function memblock_overlaps_region(type: memblock_type, base: phys_addr_t, size: number): boolean {
  const end = base + memblock_cap_size(base, size);
  const region = type.regions[first_region_above(type, base)];
  return region !== undefined && region.base < end;
}

/** Shrinks each region of memory to multiples of `align`, and drops those with nothing left. */
export function memblock_trim_memory(k: Kernel, align: number): void {
  const type = k.memblock.memory;
  for (let i = 0; i < type.regions.length; i++) {
    const region = type.regions[i]!;
    const region_end = region.base + region.size;
    const start = round_up(region.base, align);
    const end = round_down(region_end, align);
    if (start === region.base && end === region_end) continue;
    if (start < end) {
      region.base = start;
      region.size = end - start;
    } else {
      memblock_remove_region(k, type, i--);
    }
  }
}

/** The address that has `limit` bytes of memory below it; PHYS_ADDR_MAX if there is less memory than that. */
function __find_max_addr(k: Kernel, limit: number): phys_addr_t {
  let left = limit;
  for (const { base, size } of k.memblock.memory.regions) {
    if (left <= size) return base + left;
    left -= size;
  }
  return PHYS_ADDR_MAX;
}

/** Keeps the lowest `limit` bytes of memory (0: all) and no reservation above them. */
export function memblock_enforce_memory_limit(k: Kernel, limit: number): void {
  if (limit === 0) return;
  const max_addr = __find_max_addr(k, limit);
  if (max_addr === PHYS_ADDR_MAX) return;
  memblock_remove_range(k, k.memblock.memory, max_addr, PHYS_ADDR_MAX);
  memblock_remove_range(k, k.memblock.reserved, max_addr, PHYS_ADDR_MAX);
}

/** Keeps memory within [base, base + size), and unmapped memory anywhere. */
export function memblock_cap_memory_range(k: Kernel, base: phys_addr_t, size: number): void {
  if (size === 0) return;
  const { memory, reserved } = k.memblock;
  if (memory.total_size === 0) {
    pr_warn(k, 'memblock_cap_memory_range: No memory registered yet');
    return;
  }
  const isolated = memblock_isolate_range(k, memory, base, size);
  if (isolated === null) return;
  const drop = (i: number): void => {
    if (!(memory.regions[i]!.flags & MEMBLOCK_NOMAP)) memblock_remove_region(k, memory, i);
  };
  for (let i = memory.regions.length - 1; i >= isolated.end_rgn; i--) drop(i);
  for (let i = isolated.start_rgn - 1; i >= 0; i--) drop(i);

  memblock_remove_range(k, reserved, 0, base);
  memblock_remove_range(k, reserved, base + memblock_cap_size(base, size), PHYS_ADDR_MAX);
}

/** memblock_enforce_memory_limit() that leaves unmapped memory alone. */
export function memblock_mem_limit_remove_map(k: Kernel, limit: number): void {
  if (limit === 0) return;
  const max_addr = __find_max_addr(k, limit);
  if (max_addr !== PHYS_ADDR_MAX) memblock_cap_memory_range(k, 0, max_addr);
}

/** Prints both lists, under memblock=debug. */
export function memblock_dump_all(k: Kernel): void {
  if (k.memblock.debug) __memblock_dump_all(k);
}

export function __memblock_dump_all(k: Kernel): void {
  const { memory, reserved } = k.memblock;
  pr_info(k, 'MEMBLOCK configuration:');
  pr_info(k, ` memory size = ${pa_text(memory.total_size)} reserved size = ${pa_text(reserved.total_size)}`);
  memblock_dump(k, memory);
  memblock_dump(k, reserved);
}

function memblock_dump(k: Kernel, type: memblock_type): void {
  pr_info(k, ` ${type.name}.cnt  = ${hex(type.regions.length)}`);
  type.regions.forEach(({ base, size, flags, nid }, i) => {
    const node = k.config.NUMA && nid !== MAX_NUMNODES ? ` on node ${nid}` : '';
    pr_info(k, ` ${type.name}[${hex(i)}]\t${extent(base, size)}, ${pa_text(size)} bytes${node} flags: ${hex(flags)}`);
  });
}
