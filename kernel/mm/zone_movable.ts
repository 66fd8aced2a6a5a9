// Where ZONE_MOVABLE begins on each node (Linux: mm/page_alloc.c find_zone_movable_pfns_for_nodes() and the parameters
// kernelcore= and movablecore=; mm/memory_hotplug.c movable_node).

import { MEMBLOCK_HOTPLUG, MEMBLOCK_MIRROR } from '../include/memblock.ts';
import { MAX_NR_ZONES, MAX_ORDER, ZONE_MOVABLE } from '../include/mmzone.ts';
import { EINVAL, PAGE_SIZE, PFN_DOWN, PFN_UP, round_up, SZ_4G } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ON } from '../lib/bug.ts';
import { memparse, simple_strtoull } from '../lib/memparse.ts';
import { for_each_node_mask, MAX_NUMNODES, node_set, nodes_none, nodes_weight } from '../lib/nodemask.ts';
import { pr_warn } from '../lib/printk.ts';
import { for_each_mem_pfn_range, for_each_mem_region } from './memblock_iter.ts';
import { get_pfn_range_for_nid } from './zone_sizes.ts';

export const MAX_ORDER_NR_PAGES = 1 << (MAX_ORDER - 1);

// --- parameters ---

/** Bytes, or with a % a part of all memory. */
function cmdline_parse_core(k: Kernel, value: string | null): { pages: number; percent: number } | null {
  if (value === null) return null;
  const whole = simple_strtoull(value);
  if (!whole.rest.startsWith('%')) return { pages: Math.floor(memparse(value).value / PAGE_SIZE), percent: 0 };
  WARN_ON(k, whole.value > 100n, 'mm/page_alloc.c:8419 cmdline_parse_core');
  return { pages: 0, percent: Number(whole.value) };
}

/** early_param("kernelcore"): how much memory may hold what cannot be moved; `mirror`: all that is mirrored. */
export function cmdline_parse_kernelcore(k: Kernel, value: string | null): number {
  const { mm } = k;
  if (value?.split(',').includes('mirror')) {
    mm.mirrored_kernelcore = true;
    return 0;
  }
  const core = cmdline_parse_core(k, value);
  if (core === null) return -EINVAL;
  if (core.percent === 0) mm.required_kernelcore = core.pages;
  mm.required_kernelcore_percent = core.percent;
  return 0;
}

/** early_param("movablecore"): how much memory must not. */
export function cmdline_parse_movablecore(k: Kernel, value: string | null): number {
  const { mm } = k;
  const core = cmdline_parse_core(k, value);
  if (core === null) return -EINVAL;
  if (core.percent === 0) mm.required_movablecore = core.pages;
  mm.required_movablecore_percent = core.percent;
  return 0;
}

/** early_param("movable_node"): memory that the firmware calls hotpluggable becomes ZONE_MOVABLE. */
export function cmdline_parse_movable_node(k: Kernel, _value: string | null): number {
  k.mm.movable_node_enabled = true;
  return 0;
}

// --- at boot ---

/** Fills k.mm.zone_movable_pfn and k.mm.movable_zone. */
export function find_zone_movable_pfns_for_nodes(k: Kernel): void {
  const { mm } = k;
  find_usable_zone_for_movable(k);

  if (mm.movable_node_enabled) {
    for (const { base, flags, nid } of for_each_mem_region(k)) {
      if (flags & MEMBLOCK_HOTPLUG) lower_movable_pfn(k, nid, PFN_DOWN(base));
    }
    align_movable_pfns(k);
    return;
  }
  if (mm.mirrored_kernelcore) {
    let mem_below_4gb_not_mirrored = false;
    for (const { base, flags, nid } of for_each_mem_region(k)) {
      if (flags & MEMBLOCK_MIRROR) continue;
      if (PFN_UP(base) < SZ_4G / PAGE_SIZE) mem_below_4gb_not_mirrored = true;
      else lower_movable_pfn(k, nid, PFN_UP(base));
    }
    if (mem_below_4gb_not_mirrored) pr_warn(k, 'This configuration results in unmirrored kernel memory.');
    align_movable_pfns(k);
    return;
  }
  if (spread_kernelcore(k)) align_movable_pfns(k);
}

/** ZONE_MOVABLE is cut from the highest zone that the machine has memory for. */
function find_usable_zone_for_movable(k: Kernel): void {
  const { mm } = k;
  for (let zone = MAX_NR_ZONES - 1; zone >= 0; zone--) {
    if (zone === ZONE_MOVABLE) continue;
    mm.movable_zone = zone;
    if (mm.arch_zone_highest_possible_pfn[zone]! > mm.arch_zone_lowest_possible_pfn[zone]!) return;
  }
}

function lower_movable_pfn(k: Kernel, nid: number, pfn: number): void {
  const at = k.mm.zone_movable_pfn;
  at[nid] = at[nid] === 0 ? pfn : Math.min(pfn, at[nid]!);
}

/** Whole order-10 blocks; a node that has nothing from there on has no ZONE_MOVABLE. */
function align_movable_pfns(k: Kernel): void {
  const at = k.mm.zone_movable_pfn;
  for (let nid = 0; nid < MAX_NUMNODES; nid++) {
    if (at[nid] === 0) continue;
    at[nid] = round_up(at[nid]!, MAX_ORDER_NR_PAGES);
    if (at[nid]! >= get_pfn_range_for_nid(k, nid).end) at[nid] = 0;
  }
}

/**
 * kernelcore= and movablecore=: the same amount of kernel memory on each node, more on others where a node is too
 * small.
 * @returns false: no ZONE_MOVABLE was asked for, or there is no room for one
 */
function spread_kernelcore(k: Kernel): boolean {
  const { mm } = k;
  const nodes = nodes_none();
  let totalpages = 0;
  for (const { start_pfn, end_pfn, nid } of for_each_mem_pfn_range(k, MAX_NUMNODES)) {
    totalpages += end_pfn - start_pfn;
    node_set(nid, nodes);
  }
  const part = (percent: number): number => Math.floor((totalpages * 100 * percent) / 10000);
  if (mm.required_kernelcore_percent !== 0) mm.required_kernelcore = part(mm.required_kernelcore_percent);
  if (mm.required_movablecore_percent !== 0) mm.required_movablecore = part(mm.required_movablecore_percent);

  // The larger kernel part wins where both are given.
  if (mm.required_movablecore !== 0) {
    mm.required_movablecore = Math.min(totalpages, round_up(mm.required_movablecore, MAX_ORDER_NR_PAGES));
    mm.required_kernelcore = Math.max(mm.required_kernelcore, totalpages - mm.required_movablecore);
  }
  if (mm.required_kernelcore === 0 || mm.required_kernelcore >= totalpages) return false;

  // Passes go on as long as nodes that still have memory must make up for those that had too little.
  let usable_nodes = nodes_weight(nodes);
  do {
    spread_pass(k, nodes, usable_nodes);
    usable_nodes--;
  } while (usable_nodes > 0 && mm.required_kernelcore > usable_nodes);
  return true;
}

function spread_pass(k: Kernel, nodes: Uint32Array, usable_nodes: number): void {
  const { mm } = k;
  const usable_startpfn = mm.arch_zone_lowest_possible_pfn[mm.movable_zone]!;
  let kernelcore_node = Math.floor(mm.required_kernelcore / usable_nodes);
  for (const nid of for_each_node_mask(nodes)) {
    if (mm.required_kernelcore < kernelcore_node) kernelcore_node = Math.floor(mm.required_kernelcore / usable_nodes);
    let kernelcore_remaining = kernelcore_node;
    for (const range of for_each_mem_pfn_range(k, nid)) {
      const { end_pfn } = range;
      let start_pfn = Math.max(range.start_pfn, mm.zone_movable_pfn[nid]!);
      if (start_pfn >= end_pfn) continue;

      // Below the zone that ZONE_MOVABLE comes from all memory is the kernel's anyway.
      if (start_pfn < usable_startpfn) {
        const kernel_pages = Math.min(end_pfn, usable_startpfn) - start_pfn;
        kernelcore_remaining -= Math.min(kernel_pages, kernelcore_remaining);
        mm.required_kernelcore -= Math.min(kernel_pages, mm.required_kernelcore);
        if (end_pfn <= usable_startpfn) {
          // Not to be counted again in the next pass.
          mm.zone_movable_pfn[nid] = end_pfn;
          continue;
        }
        start_pfn = usable_startpfn;
      }
      const size_pages = Math.min(end_pfn - start_pfn, kernelcore_remaining);
      mm.zone_movable_pfn[nid] = start_pfn + size_pages;
      mm.required_kernelcore -= Math.min(mm.required_kernelcore, size_pages);
      kernelcore_remaining -= size_pages;
      if (kernelcore_remaining === 0) break;
    }
  }
}
