// The ranges that the firmware gives to nodes, and making sense of them (Linux: arch/x86/mm/numa.c
// numa_add_memblk() to numa_cleanup_meminfo(), numa_meminfo_cover_memory(), numa_fill_memblks()).
//
// Firmware says 64-bit numbers. They are compared and printed as such on the way in and rounded to doubles then: a
// range that a double cannot hold is far above all memory, and how far does not matter.

import { PHYS_ADDR_MAX } from '../../include/memblock.ts';
import { EINVAL, NUMA_NO_NODE, type nid_t, PAGE_SHIFT, PFN_PHYS, type phys_addr_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { mem_range, pr_err, pr_info, pr_warn } from '../../lib/printk.ts';
import { memblock_overlaps_region } from '../../mm/memblock_info.ts';
import { __absent_pages_in_range, absent_pages_in_range } from '../../mm/zone_sizes.ts';
import { max_numnodes, NR_NODE_MEMBLKS, type numa_meminfo } from './numa_state.ts';

/** `[mem %#010Lx-%#010Lx]` of [start, end), as u64: an end of 0 is 2^64. */
export const range_text = (start: number | bigint, end: number | bigint): string =>
  mem_range(BigInt(start), BigInt.asUintN(64, BigInt(end) - 1n), 8);

function numa_add_memblk_to(k: Kernel, nid: nid_t, start: bigint, end: bigint, mi: numa_meminfo): number {
  if (start === end) return 0;
  if (start > end || nid < 0 || nid >= max_numnodes(k)) {
    pr_warn(k, `Warning: invalid memblk node ${nid} ${range_text(start, end)}`);
    return 0;
  }
  if (mi.length >= NR_NODE_MEMBLKS(k)) {
    pr_err(k, 'too many memblk ranges');
    return -EINVAL;
  }
  mi.push({ start: Number(start), end: Number(end), nid });
  return 0;
}

/** Adds a range to the firmware's. An empty or backward one is ignored. */
export const numa_add_memblk = (k: Kernel, nid: nid_t, start: bigint, end: bigint): number =>
  numa_add_memblk_to(k, nid, start, end, k.numa.numa_meminfo);

export function numa_remove_memblk_from(idx: number, mi: numa_meminfo): void {
  mi.splice(idx, 1);
}

/** Does memblock.memory have any of [start, end)? */
function has_memory(k: Kernel, start: phys_addr_t, end: phys_addr_t): boolean {
  const base = Math.min(start, PHYS_ADDR_MAX);
  return memblock_overlaps_region(k.memblock.memory, base, Math.min(end, PHYS_ADDR_MAX) - base);
}

/** Moves what is no memory to numa_reserved_meminfo and cuts the rest at max_pfn. */
function trim_meminfo(k: Kernel, mi: numa_meminfo): void {
  const high = PFN_PHYS(k.boot.max_pfn);
  const reserved = k.numa.numa_reserved_meminfo;
  for (let i = 0; i < mi.length; i++) {
    const bi = mi[i]!;
    if (!has_memory(k, bi.start, bi.end)) {
      reserved.push(bi);
      numa_remove_memblk_from(i--, mi);
      continue;
    }
    if (bi.end > high) {
      numa_add_memblk_to(k, bi.nid, BigInt(high), BigInt(bi.end), reserved);
      bi.end = high;
    }
    if (bi.start >= bi.end) numa_remove_memblk_from(i--, mi);
  }
}

/** Is any of [start, end) another node's than `nid`? */
function others_within(mi: numa_meminfo, nid: nid_t, start: phys_addr_t, end: phys_addr_t): boolean {
  for (let i = 0; i < mi.length; i++) {
    const bk = mi[i]!;
    if (bk.nid !== nid && start < bk.end && end > bk.start) return true;
  }
  return false;
}

/**
 * Cuts the ranges to memory that exists and joins those of a node between which no other node has any.
 * @returns -EINVAL if two nodes claim the same memory
 */
export function numa_cleanup_meminfo(k: Kernel, mi: numa_meminfo): number {
  trim_meminfo(k, mi);
  for (let i = 0; i < mi.length; i++) {
    const bi = mi[i]!;
    for (let j = i + 1; j < mi.length; j++) {
      const bj = mi[j]!;
      const bi_text = () => range_text(bi.start, bi.end);
      const bj_text = range_text;
      if (bi.end > bj.start && bi.start < bj.end) {
        if (bi.nid !== bj.nid) {
          pr_err(k, `node ${bi.nid} ${bi_text()} overlaps with node ${bj.nid} ${bj_text(bj.start, bj.end)}`);
          return -EINVAL;
        }
        pr_warn(k, `Warning: node ${bi.nid} ${bi_text()} overlaps with itself ${bj_text(bj.start, bj.end)}`);
      }
      if (bi.nid !== bj.nid) continue;
      const start = Math.min(bi.start, bj.start);
      const end = Math.max(bi.end, bj.end);
      if (others_within(mi, bi.nid, start, end)) continue;
      pr_info(k, `NUMA: Node ${bi.nid} ${bi_text()} + ${bj_text(bj.start, bj.end)} -> ${range_text(start, end)}`);
      bi.start = start;
      bi.end = end;
      numa_remove_memblk_from(j--, mi);
    }
  }
  return 0;
}

/** Does the firmware's word on nodes cover what the memory map has, but for a MiB? */
export function numa_meminfo_cover_memory(k: Kernel, mi: numa_meminfo): boolean {
  const { max_pfn } = k.boot;
  let numaram = 0;
  for (const { start, end, nid } of mi) {
    const s = Math.floor(start / 2 ** PAGE_SHIFT);
    const e = Math.floor(end / 2 ** PAGE_SHIFT);
    numaram = Math.max(0, numaram + (e - s) - __absent_pages_in_range(k, nid, s, e));
  }
  const e820ram = max_pfn - absent_pages_in_range(k, 0, max_pfn);
  if (e820ram - numaram < 1 << (20 - PAGE_SHIFT)) return true;
  const mb = (pages: number) => Math.floor(pages / 256);
  pr_err(k, `NUMA: nodes only cover ${mb(numaram)}MB of your ${mb(e820ram)}MB e820 RAM. Not used.`);
  return false;
}

/**
 * Stretches the ranges that overlap [start, end) until they cover it.
 * @returns whether there were any
 */
export function numa_fill_memblks(k: Kernel, start: phys_addr_t, end: phys_addr_t): boolean {
  const blk = k.numa.numa_meminfo.filter((bi) => start < bi.end && bi.start < end);
  const first = blk[0];
  if (first === undefined) return false;
  blk.sort((a, b) => a.start - b.start);
  const low = blk[0]!;
  const high = blk[blk.length - 1]!;
  low.start = Math.min(low.start, start);
  high.end = Math.max(high.end, end);
  let prev_end = low.end;
  for (const curr of blk.slice(1)) {
    if (prev_end < curr.start) {
      curr.start = prev_end;
      prev_end = curr.end;
    } else if (prev_end < curr.end) {
      prev_end = curr.end;
    }
  }
  return true;
}

function meminfo_to_nid(mi: numa_meminfo, start: phys_addr_t): nid_t {
  return mi.find((bi) => bi.start <= start && bi.end > start)?.nid ?? NUMA_NO_NODE;
}

/** The node that memory plugged in at `start` would belong to. */
export function phys_to_target_node(k: Kernel, start: phys_addr_t): nid_t {
  const nid = meminfo_to_nid(k.numa.numa_meminfo, start);
  return nid !== NUMA_NO_NODE ? nid : meminfo_to_nid(k.numa.numa_reserved_meminfo, start);
}
