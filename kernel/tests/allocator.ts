// Kernels whose page allocator runs, and zones filled by hand, for tests of it.
//
// Pages are drawn as text: one character a page, or a block; what is written about lists is "order/type: pages", the
// pages as offsets from BASE, head to tail.

import { cpuset_init_smp } from '../cgroup/cpuset.ts';
import { type KernelConfig, recorder } from '../config.ts';
import { disk_init } from '../drivers/block/disk.ts';
import { __GFP_BITS_MASK } from '../include/gfp_types.ts';
import {
  MAX_NR_ZONES,
  MAX_ORDER,
  MIGRATE_MOVABLE,
  MIGRATE_TYPES,
  pageblock_nr_pages,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
} from '../include/mmzone.ts';
import type { pfn_t } from '../include/types.ts';
import { SZ_1M } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { node_set } from '../lib/nodemask.ts';
import { __free_one_page, __mod_zone_freepage_state, __rmqueue_smallest, FPI_NONE } from '../mm/buddy.ts';
import { cma_init_reserved_areas, dma_contiguous_reserve, early_cma } from '../mm/cma.ts';
import { for_each_free_page } from '../mm/free_list.ts';
import { memblock_reserve } from '../mm/memblock.ts';
import { memblock_free_all } from '../mm/memblock_free.ts';
import { memblock_end_of_DRAM } from '../mm/memblock_info.ts';
import type { Zone } from '../mm/mmzone.ts';
import { page_zone, set_page_count } from '../mm/page.ts';
import { set_pageblock_migratetype } from '../mm/pageblock.ts';
import { setup_per_cpu_pageset } from '../mm/pageset.ts';
import { setup_per_cpu_areas } from '../mm/percpu.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { init_per_zone_wmark_min } from '../mm/watermark.ts';
import { build_all_zonelists } from '../mm/zonelist.ts';
import type { Test, TestDisk } from './env.ts';
import { lay_out, type NodeMemory } from './layout.ts';

export interface Running {
  readonly config?: KernelConfig;
  /** The node of each CPU. */
  readonly cpus?: readonly number[];
  /** The value of `cma=`. */
  readonly cma?: string;
  readonly disks?: readonly TestDisk[];
  readonly prepare?: (k: Kernel) => void;
}

/** What start_kernel() does up to where requests may sleep. */
export function running(test: Test, memory: readonly NodeMemory[], options: Running = {}): Kernel {
  const { config = recorder, cpus = [0], cma, disks = [], prepare } = options;
  const k = lay_out(test, memory, {
    config,
    disks,
    prepare: (kernel) => {
      online(kernel, cpus);
      prepare?.(kernel);
      if (cma === undefined) return;
      early_cma(kernel, cma);
      dma_contiguous_reserve(kernel, memblock_end_of_DRAM(kernel));
    },
  });
  setup_per_cpu_areas(k);
  for (const [cpu, nid] of cpus.entries()) node_set(cpu, k.numa.node_to_cpumask_map[nid]!);
  build_all_zonelists(k);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  cma_init_reserved_areas(k);
  init_per_zone_wmark_min(k);
  k.page_alloc.gfp_allowed_mask = __GFP_BITS_MASK;
  cpuset_init_smp(k);
  disk_init(k);
  return k;
}

function online({ cpus }: Kernel, nodes: readonly number[]): void {
  cpus.nr_cpu_ids = nodes.length;
  for (const [cpu, nid] of nodes.entries()) {
    for (const mask of [cpus.cpu_possible_mask, cpus.cpu_present_mask, cpus.cpu_online_mask]) node_set(cpu, mask);
    cpus.x86_cpu_to_node_map[cpu] = nid;
  }
}

/** `count` nodes of this many MiB each, side by side. */
export const nodes_of = (count: number, size: number): NodeMemory[] =>
  Array.from({ length: count }, (_, nid) => ({ nid, start: nid * size * SZ_1M, end: (nid + 1) * size * SZ_1M }));

/** Where pages begin that no one but the test has: a multiple of the largest block, in ZONE_DMA32. */
export const BASE: pfn_t = 0x2000;

/** A machine on whose lists nothing is left: what boot did not need either is taken. Memory is there up to 56 MiB. */
export function empty_machine(test: Test, memory: readonly NodeMemory[], options: Running = {}): Kernel {
  const k = running(test, memory, {
    ...options,
    prepare: (kernel) => {
      memblock_reserve(kernel, 0, 56 * SZ_1M);
      options.prepare?.(kernel);
    },
  });
  for (const { node_zones } of k.node_data) {
    for (const zone of node_zones.filter(({ populated }) => populated)) {
      for (let type = 0; type < MIGRATE_TYPES; type++) {
        while (__rmqueue_smallest(k, zone, 0, type) >= 0) __mod_zone_freepage_state(k, zone, -1, type);
      }
    }
  }
  vmstat_update(k);
  return k;
}

/**
 * The same with one zone behind BASE. It is said to manage `managed` pages, and its watermarks and reserves are 0; what
 * the test frees is all that there is.
 */
export function empty_zone(test: Test, managed = 8192, options: Running = {}): { k: Kernel; zone: Zone } {
  const k = empty_machine(test, nodes_of(1, 64), options);
  const zone = page_zone(k, BASE);
  zone.managed_pages = managed;
  for (const mark of [WMARK_MIN, WMARK_LOW, WMARK_HIGH]) zone.set_watermark(mark, 0);
  for (let idx = 0; idx < MAX_NR_ZONES; idx++) zone.set_lowmem_reserve(idx, 0);
  return { k, zone };
}

/** Frees a block at BASE + offset, past the checks. */
export function free_block(k: Kernel, offset: number, order: number, type = MIGRATE_MOVABLE, fpi = FPI_NONE): void {
  const pfn = BASE + offset;
  for (let p = pfn; p < pfn + (1 << order); p++) {
    set_page_count(k, p, 0);
    k.mm.section_mem_map[p >>> 15]![(p & 0x7fff) << 4]! &= ~(1 << 12);
  }
  __free_one_page(k, pfn, page_zone(k, pfn), order, type, fpi);
}

/** The pageblock types from BASE on, a digit each. */
export function set_blocks(k: Kernel, types: string): void {
  for (const [n, type] of [...types].entries()) {
    set_pageblock_migratetype(k, BASE + n * pageblock_nr_pages, Number(type));
  }
}

/** Every list of the zone that is not empty. */
export function lists_of(k: Kernel, zone: Zone): string[] {
  const found: string[] = [];
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      const pages = [...for_each_free_page(k, zone, order, type)].map((pfn) => pfn - BASE);
      if (pages.length > 0) found.push(`${order}/${type}: ${pages.join(' ')}`);
    }
  }
  return found;
}

/** Pages on the zone's lists of one migratetype. */
export function pages_of_type(k: Kernel, zone: Zone, type: number): number {
  let pages = 0;
  for (let order = 0; order < MAX_ORDER; order++) {
    for (const _ of for_each_free_page(k, zone, order, type)) pages += 1 << order;
  }
  return pages;
}
