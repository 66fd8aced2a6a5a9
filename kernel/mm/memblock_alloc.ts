// memblock's allocator (Linux: mm/memblock.c memblock_alloc_range_nid() and the API on top of it, memblock.h).
//
// All return a physical address, 0 on failure. What Linux calls _raw leaves memory as it is; the rest clears it.
// Left out: kmemleak, and slab taking over once it is up.

import {
  ARCH_LOW_ADDRESS_LIMIT,
  MEMBLOCK_ALLOC_ACCESSIBLE,
  MEMBLOCK_LOW_LIMIT,
  MEMBLOCK_MIRROR,
  SMP_CACHE_BYTES,
} from '../include/memblock.ts';
import { NUMA_NO_NODE, type nid_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { hex } from '../lib/printk.ts';
import { memblock_reserve } from './memblock.ts';
import { memblock_dbg, pa_text } from './memblock_debug.ts';
import { choose_memblock_flags, memblock_find_in_range_node, warn_no_mirror } from './memblock_find.ts';
import { memblock_nid_arg } from './memblock_iter.ts';

/**
 * Finds and reserves a block within [start, end); `end` 0 means up to memblock.current_limit. Tries, in this order:
 * node `nid`, then (unless `exact_nid`) any node; all of it in mirrored memory first, where the machine has some.
 */
export function memblock_alloc_range_nid(
  k: Kernel,
  size: number,
  align: number,
  start: phys_addr_t,
  end: phys_addr_t,
  nid: nid_t,
  exact_nid: boolean,
): phys_addr_t {
  const node = memblock_nid_arg(k, nid, 'mm/memblock.c:1381 memblock_alloc_range_nid');
  const alignment = align === 0 ? SMP_CACHE_BYTES : align;
  const take = (from: nid_t, flags: number): phys_addr_t => {
    const found = memblock_find_in_range_node(k, size, alignment, start, end, from, flags);
    return found !== 0 && memblock_reserve(k, found, size, 'memblock_alloc_range_nid') === 0 ? found : 0;
  };
  for (let flags = choose_memblock_flags(k); ; flags &= ~MEMBLOCK_MIRROR) {
    let found = take(node, flags);
    if (found === 0 && node !== NUMA_NO_NODE && !exact_nid) found = take(NUMA_NO_NODE, flags);
    if (found !== 0) return found;
    if (!(flags & MEMBLOCK_MIRROR)) return 0;
    warn_no_mirror(k, 'memblock_alloc_range_nid', size);
  }
}

export function memblock_phys_alloc_range(
  k: Kernel,
  size: number,
  align: number,
  start: phys_addr_t,
  end: phys_addr_t,
  caller = '',
): phys_addr_t {
  if (k.memblock.debug) {
    const limits = `from=${pa_text(start)} max_addr=${pa_text(end)}`;
    memblock_dbg(k, `memblock_phys_alloc_range: ${size} bytes align=${hex(align)} ${limits}`, caller);
  }
  return memblock_alloc_range_nid(k, size, align, start, end, NUMA_NO_NODE, false);
}

export const memblock_phys_alloc = (k: Kernel, size: number, align: number, caller = ''): phys_addr_t =>
  memblock_phys_alloc_range(k, size, align, 0, MEMBLOCK_ALLOC_ACCESSIBLE, caller);

/** On `nid` if there is room, else anywhere. Linux logs nothing here. */
export const memblock_phys_alloc_try_nid = (k: Kernel, size: number, align: number, nid: nid_t): phys_addr_t =>
  memblock_alloc_range_nid(k, size, align, 0, MEMBLOCK_ALLOC_ACCESSIBLE, nid, false);

/** `min_addr` is a wish that is dropped when it cannot be met; `max_addr` is a limit. */
function memblock_alloc_internal(
  k: Kernel,
  size: number,
  align: number,
  min_addr: phys_addr_t,
  max_addr: phys_addr_t,
  nid: nid_t,
  exact_nid: boolean,
): phys_addr_t {
  const end = Math.min(max_addr, k.memblock.current_limit);
  const found = memblock_alloc_range_nid(k, size, align, min_addr, end, nid, exact_nid);
  if (found !== 0 || min_addr === 0) return found;
  return memblock_alloc_range_nid(k, size, align, 0, end, nid, exact_nid);
}

function log_alloc(
  k: Kernel,
  func: string,
  size: number,
  align: number,
  min_addr: phys_addr_t,
  max_addr: phys_addr_t,
  nid: nid_t,
  caller: string,
): void {
  if (!k.memblock.debug) return;
  const limits = `from=${pa_text(min_addr)} max_addr=${pa_text(max_addr)}`;
  memblock_dbg(k, `${func}: ${size} bytes align=${hex(align)} nid=${nid} ${limits}`, caller);
}

/** On `nid` or not at all. */
export function memblock_alloc_exact_nid_raw(
  k: Kernel,
  size: number,
  align: number,
  min_addr: phys_addr_t,
  max_addr: phys_addr_t,
  nid: nid_t,
  caller = '',
): phys_addr_t {
  log_alloc(k, 'memblock_alloc_exact_nid_raw', size, align, min_addr, max_addr, nid, caller);
  return memblock_alloc_internal(k, size, align, min_addr, max_addr, nid, true);
}

export function memblock_alloc_try_nid_raw(
  k: Kernel,
  size: number,
  align: number,
  min_addr: phys_addr_t,
  max_addr: phys_addr_t,
  nid: nid_t,
  caller = '',
): phys_addr_t {
  log_alloc(k, 'memblock_alloc_try_nid_raw', size, align, min_addr, max_addr, nid, caller);
  return memblock_alloc_internal(k, size, align, min_addr, max_addr, nid, false);
}

export function memblock_alloc_try_nid(
  k: Kernel,
  size: number,
  align: number,
  min_addr: phys_addr_t,
  max_addr: phys_addr_t,
  nid: nid_t,
  caller = '',
): phys_addr_t {
  log_alloc(k, 'memblock_alloc_try_nid', size, align, min_addr, max_addr, nid, caller);
  const found = memblock_alloc_internal(k, size, align, min_addr, max_addr, nid, false);
  if (found !== 0) k.hw.ram.fill(found, size, 0);
  return found;
}

/**
 * memblock_alloc_try_nid(), log line and all, for large blocks that nobody reads as a whole.
 *
 * Differs from Linux: nothing is cleared, which would make the host's memory resident for nothing.
 */
export function memblockAllocUncleared(
  k: Kernel,
  size: number,
  align: number,
  min_addr: phys_addr_t,
  max_addr: phys_addr_t,
  nid: nid_t,
  caller = '',
): phys_addr_t {
  log_alloc(k, 'memblock_alloc_try_nid', size, align, min_addr, max_addr, nid, caller);
  return memblock_alloc_internal(k, size, align, min_addr, max_addr, nid, false);
}

export const memblock_alloc = (k: Kernel, size: number, align: number, caller = ''): phys_addr_t =>
  memblock_alloc_try_nid(k, size, align, MEMBLOCK_LOW_LIMIT, MEMBLOCK_ALLOC_ACCESSIBLE, NUMA_NO_NODE, caller);

export const memblock_alloc_raw = (k: Kernel, size: number, align: number, caller = ''): phys_addr_t =>
  memblock_alloc_try_nid_raw(k, size, align, MEMBLOCK_LOW_LIMIT, MEMBLOCK_ALLOC_ACCESSIBLE, NUMA_NO_NODE, caller);

/** At or above `min_addr` if possible. */
export const memblock_alloc_from = (
  k: Kernel,
  size: number,
  align: number,
  min_addr: phys_addr_t,
  caller = '',
): phys_addr_t => memblock_alloc_try_nid(k, size, align, min_addr, MEMBLOCK_ALLOC_ACCESSIBLE, NUMA_NO_NODE, caller);

/** Below 4 GiB. */
export const memblock_alloc_low = (k: Kernel, size: number, align: number, caller = ''): phys_addr_t =>
  memblock_alloc_try_nid(k, size, align, MEMBLOCK_LOW_LIMIT, ARCH_LOW_ADDRESS_LIMIT, NUMA_NO_NODE, caller);

/** On `nid` if possible. */
export const memblock_alloc_node = (k: Kernel, size: number, align: number, nid: nid_t, caller = ''): phys_addr_t =>
  memblock_alloc_try_nid(k, size, align, MEMBLOCK_LOW_LIMIT, MEMBLOCK_ALLOC_ACCESSIBLE, nid, caller);
