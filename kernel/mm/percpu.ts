// Per-cpu areas (Linux: mm/percpu.c pcpu_build_alloc_info(), pcpu_embed_first_chunk(), alloc_percpu();
// arch/x86/kernel/setup_percpu.c). Each possible CPU gets a unit of memory on its own node; a per-cpu pointer is an
// offset into all of them.
//
// Left out: the page-by-page first chunk, free_percpu(), the allocator's own tables.
// Differs from Linux: there is no second chunk, as that needs vmalloc. Instead the first one's dynamic part grows to
// what the machine's nodes and zones ask for.

import { for_each_possible_cpu } from '../arch/x86/cpu.ts';
import { early_cpu_to_node, setup_node_to_cpumask_map } from '../arch/x86/numa.ts';
import { percpu_load } from '../arch/x86/sections.ts';
import { MAX_NR_ZONES, per_cpu_nodestat, per_cpu_pages, per_cpu_zonestat } from '../include/mmzone.ts';
import {
  PCPU_MIN_UNIT_SIZE,
  PERCPU_ATOM_SIZE,
  PERCPU_DYNAMIC_RESERVE,
  PERCPU_MODULE_RESERVE,
  percpu_section,
} from '../include/percpu.ts';
import {
  ENOMEM,
  NUMA_NO_NODE,
  type nid_t,
  PAGE_OFFSET,
  PAGE_SIZE,
  PFN_DOWN,
  type phys_addr_t,
  round_up,
} from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON, panic } from '../lib/bug.ts';
import { for_each_node_mask, node_isset, nodes_weight } from '../lib/nodemask.ts';
import { pr_info, pr_warn } from '../lib/printk.ts';
import { memblock_phys_free } from './memblock.ts';
import { memblockAllocUncleared } from './memblock_alloc.ts';
import { forget_zone_cpus } from './zone_cpu.ts';

/** MAX_DMA_ADDRESS: per-cpu areas stay above it where they can. */
const GOAL = 16 << 20;

const offset = percpu_section.offset;
/** Per-cpu pointers to the image's own per-cpu variables. */
export const boot_pageset = offset.boot_pageset;
export const boot_zonestats = offset.boot_zonestats;
export const boot_nodestats = offset.boot_nodestats;

export class PercpuState {
  /** __per_cpu_offset[], as physical addresses. Empty until setup_per_cpu_areas(): every CPU then has the image's. */
  readonly base: phys_addr_t[] = [];
  /** The dynamic part of each unit that is still free: [dyn_next, dyn_end). */
  dyn_next = 0;
  dyn_end = 0;
  /** pcpu_nr_units: how many units the areas have room for, those of no CPU included. */
  nr_units = 0;
  /** numa_node of each CPU; the same as the per-cpu variable. */
  readonly numa_node: nid_t[] = [];
  /** The CPU that runs: switch_to_cpu() says which. Every one but the first is idle while the kernel boots. */
  readonly cpu: number = 0;
}

/** Pages of all units. Linux: pcpu_nr_pages(). */
export const pcpu_nr_pages = ({ percpu }: Kernel): number => PFN_DOWN(percpu.dyn_end) * percpu.nr_units;

export const smp_processor_id = (k: Kernel): number => k.percpu.cpu;
/** The node of the CPU that this runs on. */
export const numa_node_id = (k: Kernel): nid_t => k.percpu.numa_node[smp_processor_id(k)] ?? 0;

/** Physical address of `cpu`'s copy of a per-cpu variable. */
export const per_cpu_ptr = (k: Kernel, ptr: number, cpu: number): phys_addr_t =>
  (k.percpu.base[cpu] ?? percpu_load(k.config.image)) + ptr;

/** @returns a per-cpu pointer to zeroed memory, or 0 */
export function __alloc_percpu(k: Kernel, size: number, align: number): number {
  const { percpu } = k;
  const ptr = round_up(percpu.dyn_next, align);
  if (ptr + size > percpu.dyn_end) {
    pr_warn(k, `percpu: allocation failed, size=${size} align=${align} atomic=0, failed to allocate new chunk`);
    return 0;
  }
  percpu.dyn_next = ptr + size;
  for (const cpu of for_each_possible_cpu(k)) k.hw.ram.fill(per_cpu_ptr(k, ptr, cpu), size, 0);
  return ptr;
}

/** Linux: nr_cpumask_bits. Cpumasks that are allocated apart (CPUMASK_OFFSTACK) have room for nr_cpu_ids only. */
const nr_cpumask_bits = (k: Kernel): number => (k.config.NR_CPUS > 512 ? k.cpus.nr_cpu_ids : k.config.NR_CPUS);

/** How the first chunk is cut: pcpu_alloc_info. A group is the CPUs of one node. */
export interface pcpu_alloc_info {
  readonly static_size: number;
  readonly reserved_size: number;
  readonly dyn_size: number;
  readonly unit_size: number;
  readonly groups: readonly { readonly cpus: readonly number[]; readonly nr_units: number }[];
}

/**
 * Cuts the smallest multiple of `atom_size` that holds a unit into as many units as waste no more than a third of the
 * CPUs' number in all, and take the least memory.
 */
export function pcpu_build_alloc_info(
  static_size: number,
  reserved_size: number,
  min_dyn_size: number,
  atom_size: number,
  cpus: Iterable<number>,
  cpu_to_node: (cpu: number) => nid_t,
): pcpu_alloc_info {
  const size_sum = round_up(static_size + reserved_size + min_dyn_size, PAGE_SIZE);
  const dyn_size = size_sum - static_size - reserved_size;
  const min_unit_size = Math.max(size_sum, PCPU_MIN_UNIT_SIZE);
  const alloc_size = round_up(min_unit_size, atom_size);
  const fits = (upa: number): boolean => alloc_size % upa === 0 && (alloc_size / upa) % PAGE_SIZE === 0;

  const by_node = new Map<nid_t, number[]>();
  let nr_cpus = 0;
  for (const cpu of cpus) {
    const node = cpu_to_node(cpu);
    const group = by_node.get(node);
    if (group) group.push(cpu);
    else by_node.set(node, [cpu]);
    nr_cpus++;
  }
  const groups = [...by_node.values()];

  let last_allocs = Number.POSITIVE_INFINITY;
  let best_upa = 0;
  for (let upa = Math.floor(alloc_size / min_unit_size); upa > 0; upa--) {
    if (!fits(upa)) continue;
    let allocs = 0;
    let wasted = 0;
    for (const group of groups) {
      const this_allocs = Math.ceil(group.length / upa);
      allocs += this_allocs;
      wasted += this_allocs * upa - group.length;
    }
    if (wasted > Math.floor(nr_cpus / 3)) continue;
    if (allocs > last_allocs) break;
    last_allocs = allocs;
    best_upa = upa;
  }
  BUG_ON(best_upa === 0, 'mm/percpu.c: !best_upa');

  return {
    static_size,
    reserved_size,
    dyn_size,
    unit_size: alloc_size / best_upa,
    groups: groups.map((group) => ({ cpus: group, nr_units: round_up(group.length, best_upa) })),
  };
}

/** Bytes of dynamic per-cpu memory that the zones' pagesets and counters, and the nodes' counters, will ask for. */
function dyn_size_wanted(k: Kernel): number {
  let zones = 0;
  for (const nid of for_each_node_mask(k.node_online_map)) {
    const pgdat = k.node_data[nid]!;
    for (let i = 0; i < MAX_NR_ZONES; i++) if (pgdat.node_zones[i]!.populated) zones++;
  }
  const per_zone = round_up(per_cpu_zonestat.size, 64) + round_up(per_cpu_pages.size, 64);
  return zones * per_zone + nodes_weight(k.node_online_map) * round_up(per_cpu_nodestat.size, 64);
}

/**
 * Memory for one group, on the node of its first CPU.
 *
 * Differs from Linux: it is cleared only where a unit will be.
 */
function pcpu_fc_alloc(k: Kernel, cpu: number, size: number, align: number): phys_addr_t {
  const node = early_cpu_to_node(k, cpu);
  if (node >= 0 && node_isset(node, k.node_online_map) && k.node_data[node]) {
    return memblockAllocUncleared(k, size, align, GOAL, 0, node, 'pcpu_fc_alloc');
  }
  const pa = memblockAllocUncleared(k, size, align, GOAL, 0, NUMA_NO_NODE, 'pcpu_fc_alloc');
  pr_info(k, `percpu: cpu ${cpu} has no node ${node} or node-local memory`);
  return pa;
}

function pcpu_embed_first_chunk(k: Kernel): number {
  const { hw, percpu, config } = k;
  const ai = pcpu_build_alloc_info(
    config.image.percpu_static_size,
    PERCPU_MODULE_RESERVE,
    Math.max(PERCPU_DYNAMIC_RESERVE, dyn_size_wanted(k)),
    PERCPU_ATOM_SIZE,
    for_each_possible_cpu(k),
    (cpu) => early_cpu_to_node(k, cpu),
  );
  const { unit_size, groups } = ai;
  const size_sum = ai.static_size + ai.reserved_size + ai.dyn_size;

  const areas: phys_addr_t[] = [];
  for (const group of groups) {
    const pa = pcpu_fc_alloc(k, group.cpus[0]!, group.nr_units * unit_size, PERCPU_ATOM_SIZE);
    if (pa === 0) {
      for (const [i, area] of areas.entries()) memblock_phys_free(k, area, groups[i]!.nr_units * unit_size);
      return -ENOMEM;
    }
    areas.push(pa);
  }

  // Only now, as units are given back in part: memblock could put one group into another's unused end.
  const image = hw.ram.read(percpu_load(config.image), percpu_section.size);
  for (const [g, group] of groups.entries()) {
    for (let i = 0; i < group.nr_units; i++) {
      const pa = areas[g]! + i * unit_size;
      const cpu = group.cpus[i];
      if (cpu === undefined) {
        memblock_phys_free(k, pa, unit_size, 'pcpu_embed_first_chunk');
        continue;
      }
      hw.ram.fill(pa, size_sum, 0);
      hw.ram.write(pa, image);
      percpu.base[cpu] = pa;
      if (unit_size > size_sum) memblock_phys_free(k, pa + size_sum, unit_size - size_sum, 'pcpu_embed_first_chunk');
    }
  }
  const sizes = `s${ai.static_size} r${ai.reserved_size} d${ai.dyn_size} u${unit_size}`;
  pr_info(k, `percpu: Embedded ${PFN_DOWN(size_sum)} pages/cpu ${sizes}`);
  percpu.dyn_next = ai.static_size + ai.reserved_size;
  percpu.dyn_end = size_sum;
  percpu.nr_units = groups.reduce((sum, { nr_units }) => sum + nr_units, 0);
  return 0;
}

export function setup_per_cpu_areas(k: Kernel): void {
  const { percpu, hw } = k;
  const cpus = `nr_cpumask_bits:${nr_cpumask_bits(k)} nr_cpu_ids:${k.cpus.nr_cpu_ids}`;
  pr_info(k, `setup_percpu: NR_CPUS:${k.config.NR_CPUS} ${cpus} nr_node_ids:${k.nr_node_ids}`);

  const rc = pcpu_embed_first_chunk(k);
  if (rc < 0) {
    pr_warn(k, `setup_percpu: auto allocator failed (${rc}), falling back to page size`);
    panic(k, `cannot initialize percpu area (err=${rc})`);
  }
  for (const cpu of for_each_possible_cpu(k)) {
    const base = percpu.base[cpu]!;
    const node = k.config.NUMA ? Math.max(early_cpu_to_node(k, cpu), 0) : 0;
    hw.ram.set_big64(base + offset.this_cpu_off, pointer(base));
    hw.ram.set_u32(base + offset.cpu_number, cpu);
    hw.ram.set_u32(base + offset.numa_node, node);
    percpu.numa_node[cpu] = node;
  }
  forget_zone_cpus(k);
  setup_node_to_cpumask_map(k);
}

/** What gs holds: __per_cpu_offset. The section starts at 0, so that a CPU's base is its offset. */
const pointer = (base: phys_addr_t): bigint => PAGE_OFFSET + BigInt(base);
