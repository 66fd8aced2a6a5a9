// numa=fake=: nodes that the machine does not have, cut from those it has (Linux: arch/x86/mm/numa_emulation.c).
// Three forms: N nodes of equal size over all memory, nodes of a size (an M or G is in the text), N nodes from each
// node of the machine (a U is in it). A list of distances may follow a colon.

import {
  EINVAL,
  NUMA_NO_NODE,
  type nid_t,
  PAGE_SIZE,
  PFN_DOWN,
  PFN_PHYS,
  PFN_UP,
  type phys_addr_t,
  round_down,
  round_up,
} from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { WARN_ONCE } from '../../lib/bug.ts';
import { get_option, OPTION_COMMA } from '../../lib/cmdline.ts';
import { memparse, simple_strtoull } from '../../lib/memparse.ts';
import { for_each_node_mask, node_clear, node_set, nodes_clear, nodes_empty, nodes_none } from '../../lib/nodemask.ts';
import { mem_range, pr_err, pr_info, pr_warn } from '../../lib/printk.ts';
import { memblock_phys_free } from '../../mm/memblock.ts';
import { memblock_phys_alloc_range } from '../../mm/memblock_alloc.ts';
import { absent_pages_in_range } from '../../mm/zone_sizes.ts';
import { node_distance, numa_reset_distance, numa_set_distance } from './numa_distance.ts';
import { numa_cleanup_meminfo, numa_remove_memblk_from } from './numa_meminfo.ts';
import {
  LOCAL_DISTANCE,
  max_numnodes,
  NR_NODE_MEMBLKS,
  type numa_meminfo,
  numa_nodemask_from_meminfo,
  REMOTE_DISTANCE,
} from './numa_state.ts';

const FAKE_NODE_MIN_SIZE = 32 * 0x100000;
const DMA32_END: phys_addr_t = 0x100000000;

/** Bytes of [start, end) that no memory backs, whole pages only. */
function mem_hole_size(k: Kernel, start: phys_addr_t, end: phys_addr_t): number {
  const start_pfn = PFN_UP(start);
  const end_pfn = PFN_DOWN(end);
  return start_pfn < end_pfn ? PFN_PHYS(absent_pages_in_range(k, start_pfn, end_pfn)) : 0;
}

/** Gives the first `size` bytes of pi[phys_blk] to node `nid`. */
function emu_setup_memblk(
  k: Kernel,
  ei: numa_meminfo,
  pi: numa_meminfo,
  nid: nid_t,
  phys_blk: number,
  size: number,
): number {
  const { emu_nid_to_phys } = k.numa;
  if (ei.length >= NR_NODE_MEMBLKS(k)) {
    pr_err(k, 'NUMA: Too many emulated memblks, failing emulation');
    return -EINVAL;
  }
  const pb = pi[phys_blk]!;
  const start = pb.start;
  const end = start + size;
  ei.push({ start, end, nid });
  if (emu_nid_to_phys[nid] === NUMA_NO_NODE) emu_nid_to_phys[nid] = pb.nid;
  pb.start = end;
  if (pb.start >= pb.end) {
    WARN_ONCE(k, pb.start > pb.end, 'arch/x86/mm/numa_emulation.c:68 emu_setup_memblk');
    numa_remove_memblk_from(phys_blk, pi);
  }
  pr_info(k, `Faking node ${nid} at ${mem_range(start, end - 1)} (${Math.floor(size / 0x100000)}MB)`);
  return 0;
}

/** If ZONE_DMA32 has too little left above `end` for another node, this one takes it: its end is moved up. */
function not_a_sliver_of_dma32(k: Kernel, end: phys_addr_t): phys_addr_t {
  const left = DMA32_END - end - mem_hole_size(k, end, DMA32_END);
  return end < DMA32_END && left < FAKE_NODE_MIN_SIZE ? DMA32_END : end;
}

/** From `end` up, in steps, until [start, end) has `size` bytes of memory; at most up to `limit`. */
function grow_over_holes(
  k: Kernel,
  start: phys_addr_t,
  end: phys_addr_t,
  limit: phys_addr_t,
  size: number,
): phys_addr_t {
  while (end - start - mem_hole_size(k, start, end) < size) {
    end += FAKE_NODE_MIN_SIZE;
    if (end > limit) return limit;
  }
  return end;
}

/**
 * Takes a node from each node in `physnode_mask` in turn until none has memory left.
 * @param end_of where a node that starts at `start`, the `nid`th, is to end; `limit` is the end of the range
 * @param number nid of the `nid`th node
 * @returns how many were made, or -errno
 */
function deal_out(
  k: Kernel,
  ei: numa_meminfo,
  pi: numa_meminfo,
  physnode_mask: Uint32Array,
  first: number,
  end_of: (start: phys_addr_t, limit: phys_addr_t, nid: number) => phys_addr_t,
  number: (nid: number) => nid_t,
): number {
  let nid = first;
  while (!nodes_empty(physnode_mask)) {
    for (const i of for_each_node_mask(physnode_mask)) {
      const phys_blk = pi.findIndex((blk) => blk.nid === i);
      if (phys_blk < 0) {
        node_clear(i, physnode_mask);
        continue;
      }
      const { start, end: limit } = pi[phys_blk]!;
      const end = Math.min(end_of(start, limit, nid), limit);
      const ret = emu_setup_memblk(k, ei, pi, number(nid), phys_blk, end - start);
      if (ret < 0) return ret;
      nid++;
    }
  }
  return nid;
}

/** numa=fake=N: nr_nodes nodes of about equal size over all memory. */
function split_nodes_interleave(
  k: Kernel,
  ei: numa_meminfo,
  pi: numa_meminfo,
  max_addr: phys_addr_t,
  nr_nodes: number,
): number {
  if (nr_nodes <= 0) return -1;
  if (nr_nodes > max_numnodes(k)) {
    pr_info(k, `numa=fake=${nr_nodes} too large, reducing to ${max_numnodes(k)}`);
    nr_nodes = max_numnodes(k);
  }
  const pages = Math.floor((max_addr - mem_hole_size(k, 0, max_addr)) / PAGE_SIZE);
  const share = PFN_PHYS(Math.floor(pages / nr_nodes));
  // What is lost by rounding down makes this many nodes one step bigger.
  const big = Math.floor(((share % FAKE_NODE_MIN_SIZE) * nr_nodes) / FAKE_NODE_MIN_SIZE);
  const size = round_down(share, FAKE_NODE_MIN_SIZE);
  if (size === 0) {
    pr_err(k, 'Not enough memory for each node.  NUMA emulation disabled.');
    return -1;
  }
  const end_of = (start: phys_addr_t, limit: phys_addr_t, nid: number): phys_addr_t => {
    let end = start + size + (nid < big ? FAKE_NODE_MIN_SIZE : 0);
    end = not_a_sliver_of_dma32(k, grow_over_holes(k, start, end, limit, size));
    return limit - end - mem_hole_size(k, end, limit) < size ? limit : end;
  };
  return deal_out(k, ei, pi, k.numa.numa_nodes_parsed.slice(), 0, end_of, (nid) => nid % nr_nodes);
}

/** What fake=SIZE and fake=NU do with a size that is too small: says so, and takes the smallest that will do. */
function checked_size(k: Kernel, size: number, min_size: number): number {
  const least = round_up(Math.max(min_size, FAKE_NODE_MIN_SIZE), FAKE_NODE_MIN_SIZE);
  const mb = (bytes: number) => Math.floor(bytes / 0x100000);
  if (size < least) {
    pr_err(k, `Fake node size ${mb(size)}MB too small, increasing to ${mb(least)}MB`);
    size = least;
  }
  return round_down(size, FAKE_NODE_MIN_SIZE);
}

/** numa=fake=SIZE: nodes with at least `size` bytes of memory each. */
function split_nodes_size_interleave(
  k: Kernel,
  ei: numa_meminfo,
  pi: numa_meminfo,
  max_addr: phys_addr_t,
  asked: number,
): number {
  if (asked === 0) return -1;
  const pages = PFN_DOWN(max_addr) - PFN_DOWN(mem_hole_size(k, 0, max_addr));
  const size = checked_size(k, asked, PFN_PHYS(Math.floor(pages / max_numnodes(k))));
  const end_of = (start: phys_addr_t, limit: phys_addr_t): phys_addr_t => {
    const end = not_a_sliver_of_dma32(k, grow_over_holes(k, start, start + size, limit, size));
    return limit - end - mem_hole_size(k, end, limit) < size ? limit : end;
  };
  return deal_out(k, ei, pi, k.numa.numa_nodes_parsed.slice(), 0, end_of, (nid) => nid % max_numnodes(k));
}

/** One node of numa=fake=NU: cuts it into nr_nodes by size, holes counting as memory. Numbers go on from `nid`. */
function split_nodes_uniform(k: Kernel, ei: numa_meminfo, pi: numa_meminfo, nr_nodes: number, nid: number): number {
  if (nr_nodes === 0) return -1;
  const pblk = pi[0];
  if (pblk === undefined) return nid;
  const share = PFN_PHYS(Math.floor((PFN_DOWN(pblk.end) - PFN_DOWN(pblk.start)) / nr_nodes));
  const size = checked_size(k, share, share);
  const physnode_mask = nodes_none();
  node_set(pblk.nid, physnode_mask);
  const end_of = (start: phys_addr_t): phys_addr_t => not_a_sliver_of_dma32(k, start + size);
  return deal_out(k, ei, pi, physnode_mask, nid, end_of, (n) => n % max_numnodes(k));
}

function split_each_node(k: Kernel, ei: numa_meminfo, pi: numa_meminfo, n: bigint): number {
  let nid = 0;
  let ret = -1;
  for (const i of for_each_node_mask(k.numa.numa_nodes_parsed.slice())) {
    ret = split_nodes_uniform(k, ei, pi, Number(BigInt.asIntN(32, n)), nid);
    if (ret < 0) return ret;
    if (ret === nid) continue;
    const nr_created = ret - nid;
    if (nr_created < n) {
      pr_info(k, `numa_emulation: phys: ${i} only got ${nr_created} of ${BigInt.asIntN(64, n)} nodes, failing`);
      return -1;
    }
    nid = ret;
  }
  return ret;
}

/** Reads the size or number off emu_cmdline and makes the nodes. @returns below 0: it cannot be done */
function split_nodes(k: Kernel, ei: numa_meminfo, pi: numa_meminfo): number {
  const text = k.numa.emu_cmdline!;
  const max_addr = PFN_PHYS(k.boot.max_pfn);
  let ret: number;
  if (!text.includes('U') && /[MG]/.test(text)) {
    const { value: size, rest } = memparse(text);
    k.numa.emu_cmdline = rest;
    ret = split_nodes_size_interleave(k, ei, pi, max_addr, size);
  } else {
    const { value: n, rest } = simple_strtoull(text);
    k.numa.emu_cmdline = rest;
    ret = text.includes('U')
      ? split_each_node(k, ei, pi, n)
      : split_nodes_interleave(k, ei, pi, max_addr, Number(BigInt.asIntN(32, n)));
  }
  if (k.numa.emu_cmdline.startsWith(':')) k.numa.emu_cmdline = k.numa.emu_cmdline.slice(1);
  return ret;
}

/** A copy of the machine's distance table in memory of its own; null: no room. Address 0: there is no table. */
function copy_distances(k: Kernel): phys_addr_t | null {
  const cnt = k.numa.numa_distance_cnt;
  if (cnt === 0) return 0;
  const phys = memblock_phys_alloc_range(k, cnt * cnt, PAGE_SIZE, 0, PFN_PHYS(k.boot.max_pfn_mapped));
  if (phys === 0) {
    pr_warn(k, "NUMA: Warning: can't allocate copy of distance table, disabling emulation");
    return null;
  }
  for (let i = 0; i < cnt; i++) {
    for (let j = 0; j < cnt; j++) k.hw.ram.set_u8(phys + i * cnt + j, node_distance(k, i, j));
  }
  return phys;
}

/** Emulates what emu_cmdline asks for. If that cannot be done, the machine's own nodes stay. */
export function numa_emulation(k: Kernel): void {
  if (!k.config.NUMA_EMU || !emulate(k))
    k.numa.emu_nid_to_phys.forEach((_, i, map) => {
      map[i] = i;
    });
}

function emulate(k: Kernel): boolean {
  const { numa } = k;
  const { emu_nid_to_phys } = numa;
  if (numa.emu_cmdline === null) return false;
  const ei: numa_meminfo = [];
  const pi = numa.numa_meminfo.map((blk) => ({ ...blk }));
  emu_nid_to_phys.fill(NUMA_NO_NODE);
  if (split_nodes(k, ei, pi) < 0) return false;
  if (numa_cleanup_meminfo(k, ei) < 0) {
    pr_warn(k, 'NUMA: Warning: constructed meminfo invalid, disabling emulation');
    return false;
  }
  const dist_cnt = numa.numa_distance_cnt;
  const phys_dist = copy_distances(k);
  if (phys_dist === null) return false;

  // From here on it is done.
  numa.numa_meminfo = ei;
  nodes_clear(numa.numa_nodes_parsed);
  numa_nodemask_from_meminfo(numa.numa_nodes_parsed, ei);
  const max_emu_nid = emu_nid_to_phys.findLastIndex((phys) => phys !== NUMA_NO_NODE);
  const dfl_phys_nid = emu_nid_to_phys.find((phys) => phys !== NUMA_NO_NODE) ?? NUMA_NO_NODE;
  // A CPU's node becomes the first of those made from it.
  const apicid_to_node = numa.__apicid_to_node;
  for (let i = 0; i < apicid_to_node.length; i++) {
    if (apicid_to_node[i] === NUMA_NO_NODE) continue;
    apicid_to_node[i] = Math.max(emu_nid_to_phys.indexOf(apicid_to_node[i]!), 0);
  }
  for (let i = 0; i < emu_nid_to_phys.length; i++) {
    if (emu_nid_to_phys[i] === NUMA_NO_NODE) emu_nid_to_phys[i] = dfl_phys_nid;
  }
  emulate_distances(k, max_emu_nid, phys_dist, dist_cnt);
  if (phys_dist !== 0) memblock_phys_free(k, phys_dist, dist_cnt * dist_cnt);
  return true;
}

/** Fake nodes are as far apart as the nodes they are made of, or as the command line says. */
function emulate_distances(k: Kernel, max_emu_nid: number, phys_dist: phys_addr_t, dist_cnt: number): void {
  const { numa } = k;
  numa_reset_distance(k);
  for (let i = 0; i <= max_emu_nid; i++) {
    for (let j = 0; j <= max_emu_nid; j++) {
      const physi = numa.emu_nid_to_phys[i]!;
      const physj = numa.emu_nid_to_phys[j]!;
      const option = get_option(numa.emu_cmdline!);
      numa.emu_cmdline = option.rest;
      let dist = physi === physj ? LOCAL_DISTANCE : REMOTE_DISTANCE;
      if (option.result === OPTION_COMMA) dist = option.value;
      else if (physi < dist_cnt && physj < dist_cnt) dist = k.hw.ram.u8(phys_dist + physi * dist_cnt + physj);
      numa_set_distance(k, i, j, dist);
    }
  }
}
