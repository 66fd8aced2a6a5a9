// Where a block of memory could go (Linux: mm/memblock.c memblock_find_in_range_node() and kin): finds, takes nothing.

import {
  MEMBLOCK_ALLOC_ACCESSIBLE,
  MEMBLOCK_ALLOC_NOLEAKTRACE,
  MEMBLOCK_MIRROR,
  MEMBLOCK_NONE,
} from '../include/memblock.ts';
import { NUMA_NO_NODE, type nid_t, PAGE_SIZE, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { hex, pr_warn } from '../lib/printk.ts';
import { __next_mem_range, __next_mem_range_rev, mem_cursor, mem_cursor_rev } from './memblock_iter.ts';

export const choose_memblock_flags = (k: Kernel): number =>
  k.memblock.system_has_some_mirror ? MEMBLOCK_MIRROR : MEMBLOCK_NONE;

const clamp = (addr: phys_addr_t, start: phys_addr_t, end: phys_addr_t): phys_addr_t =>
  Math.min(Math.max(addr, start), end);

// An alignment is a power of two, so that these are exact; and many times as fast as %, which is fmod() above 2^31.
const align_down = (addr: phys_addr_t, align: number): phys_addr_t => Math.floor(addr / align) * align;
const align_up = (addr: phys_addr_t, align: number): phys_addr_t => Math.ceil(addr / align) * align;

function __memblock_find_range_bottom_up(
  k: Kernel,
  start: phys_addr_t,
  end: phys_addr_t,
  size: number,
  align: number,
  nid: nid_t,
  flags: number,
): phys_addr_t {
  const { memory, reserved } = k.memblock;
  const cursor = mem_cursor();
  while (__next_mem_range(k, cursor, nid, flags, memory, reserved)) {
    const this_start = clamp(cursor.start, start, end);
    const this_end = clamp(cursor.end, start, end);
    const candidate = align_up(this_start, align);
    if (candidate < this_end && this_end - candidate >= size) return candidate;
  }
  return 0;
}

function __memblock_find_range_top_down(
  k: Kernel,
  start: phys_addr_t,
  end: phys_addr_t,
  size: number,
  align: number,
  nid: nid_t,
  flags: number,
): phys_addr_t {
  const { memory, reserved } = k.memblock;
  const cursor = mem_cursor_rev(memory, reserved);
  while (__next_mem_range_rev(k, cursor, nid, flags, memory, reserved)) {
    const this_start = clamp(cursor.start, start, end);
    const this_end = clamp(cursor.end, start, end);
    const candidate = align_down(this_end - size, align);
    if (candidate >= this_start) return candidate;
  }
  return 0;
}

/** A free block within [start, end) that has `flags`, on `nid` or (NUMA_NO_NODE) any node; 0 if there is none. */
export function memblock_find_in_range_node(
  k: Kernel,
  size: number,
  align: number,
  start: phys_addr_t,
  end: phys_addr_t,
  nid: nid_t,
  flags: number,
): phys_addr_t {
  const limit =
    end === MEMBLOCK_ALLOC_ACCESSIBLE || end === MEMBLOCK_ALLOC_NOLEAKTRACE ? k.memblock.current_limit : end;
  // The first page is never given out: 0 says that nothing was found.
  const from = Math.max(start, PAGE_SIZE);
  const to = Math.max(from, limit);
  const find = k.memblock.bottom_up ? __memblock_find_range_bottom_up : __memblock_find_range_top_down;
  return find(k, from, to, size, align, nid, flags);
}

/** A free block on any node, mirrored where the machine has mirrored memory and enough of it. */
export function memblock_find_in_range(
  k: Kernel,
  start: phys_addr_t,
  end: phys_addr_t,
  size: number,
  align: number,
): phys_addr_t {
  const flags = choose_memblock_flags(k);
  const found = memblock_find_in_range_node(k, size, align, start, end, NUMA_NO_NODE, flags);
  if (found !== 0 || !(flags & MEMBLOCK_MIRROR)) return found;
  warn_no_mirror(k, 'memblock_find_in_range', size);
  return memblock_find_in_range_node(k, size, align, start, end, NUMA_NO_NODE, flags & ~MEMBLOCK_MIRROR);
}

/** DEFAULT_RATELIMIT_BURST: a printk site may say so much in five seconds, and jiffies stand still this early. */
const RATELIMIT_BURST = 10;

/** @param site the function that prints: each has its own rate limit */
export function warn_no_mirror(k: Kernel, site: string, size: number): void {
  const said = k.memblock.mirror_warnings.get(site) ?? 0;
  if (said === RATELIMIT_BURST) return;
  k.memblock.mirror_warnings.set(site, said + 1);
  pr_warn(k, `Could not allocate ${hex(size, 16)} bytes of mirrored memory`);
}
