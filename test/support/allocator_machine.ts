// Machines for properties of the page allocator: nodes of any size, with holes, without memory, with CPUs of their own,
// a CMA area or ZONE_MOVABLE; small enough that all of their state can be looked at after every step.

import fc from 'fast-check';
import type { Backing } from '../../emu/memory.ts';
import { alloc_node_data } from '../../kernel/arch/x86/node_data.ts';
import { percpu_load } from '../../kernel/arch/x86/sections.ts';
import { cpuset_init_smp } from '../../kernel/cgroup/cpuset.ts';
import { recorder } from '../../kernel/config.ts';
import { __GFP_BITS_MASK } from '../../kernel/include/gfp_types.ts';
import { PAGE_SIZE } from '../../kernel/include/types.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { KernelPanic } from '../../kernel/lib/bug.ts';
import { node_set } from '../../kernel/lib/nodemask.ts';
import { cma_init_reserved_areas, dma_contiguous_reserve, early_cma } from '../../kernel/mm/cma.ts';
import { memblock_add_node, memblock_phys_free, memblock_reserve } from '../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../kernel/mm/memblock_free.ts';
import { free_area_init } from '../../kernel/mm/mm_init.ts';
import { per_cpu_pages_init, setup_per_cpu_pageset } from '../../kernel/mm/pageset.ts';
import { boot_pageset, boot_zonestats, per_cpu_ptr, setup_per_cpu_areas } from '../../kernel/mm/percpu.ts';
import { sparse_init } from '../../kernel/mm/sparse.ts';
import { init_per_zone_wmark_min } from '../../kernel/mm/watermark.ts';
import { cmdline_parse_movablecore } from '../../kernel/mm/zone_movable.ts';
import { build_all_zonelists } from '../../kernel/mm/zonelist.ts';
import { plain } from './allocator_steps.ts';
import { MiB, testHw } from './hw.ts';

/** Pages of a node, after a hole of `hole` pages that no one has. */
interface Piece {
  readonly nid: number;
  readonly hole: number;
  readonly pages: number;
}

export interface Topology {
  /** From address 0 up. */
  readonly low: readonly Piece[];
  /** From 4 GiB up: ZONE_NORMAL. */
  readonly high: readonly Piece[];
  /** The node of each CPU. A node that has CPUs but no memory is online all the same. */
  readonly cpus: readonly number[];
  /** MiB of the area that `cma=` reserves; 0: built without CMA. */
  readonly cma: number;
  /** Percent of all memory, as `movablecore=` has it. */
  readonly movable: number;
  readonly huge_pages: boolean;
  readonly init_on_alloc: boolean;
}

const PFN_4G = 0x100000;
const MAX_DMA_PFN = 0x1000;
const BORDER = 64;

/** The pieces as page frames. */
export function memoryOf({ low, high }: Topology): { nid: number; start: number; end: number }[] {
  const place = (pieces: readonly Piece[], from: number) => {
    let at = from;
    return pieces.map(({ nid, hole, pages }) => {
      const start = at + hole;
      at = start + pages;
      return { nid, start, end: at };
    });
  };
  return [...place(low, 0), ...place(high, PFN_4G)];
}

/** What start_kernel() does with such a machine, up to where requests may sleep. One that is too small is passed over. */
export function bootTopology(topology: Topology, backing?: Backing): Kernel {
  const memory = memoryOf(topology);
  const { cpus, cma, huge_pages, init_on_alloc } = topology;
  const config = {
    ...recorder,
    CMA: cma > 0,
    TRANSPARENT_HUGEPAGE: huge_pages ? ('madvise' as const) : (false as const),
    INIT_ON_ALLOC_DEFAULT_ON: init_on_alloc,
  };
  const ram = memory.map(({ start, end }) => ({ start: start * PAGE_SIZE, end: end * PAGE_SIZE }));
  const k = new Kernel(testHw(ram, 0, backing), config);
  k.cpus.nr_cpu_ids = cpus.length;
  for (const [cpu, nid] of cpus.entries()) {
    const { cpu_possible_mask, cpu_present_mask, cpu_online_mask } = k.cpus;
    for (const mask of [cpu_possible_mask, cpu_present_mask, cpu_online_mask]) node_set(cpu, mask);
    k.cpus.x86_cpu_to_node_map[cpu] = nid;
  }
  if (topology.movable > 0) cmdline_parse_movablecore(k, `${topology.movable}%`);

  for (const { nid, start, end } of memory) {
    const from = Math.max(start, 1);
    memblock_add_node(k, from * PAGE_SIZE, (end - from) * PAGE_SIZE, nid, 0);
  }
  memblock_reserve(k, 0, MiB);
  // The image's own per-cpu variables, which boot uses before there are per-cpu areas.
  memblock_reserve(k, percpu_load(config.image), config.image.percpu_static_size);
  // Boot takes what it needs from the top. Borders of nodes are to lie between pages that are free.
  const tops = memory.map(({ end }) => (end - BORDER) * PAGE_SIZE);
  for (const top of tops) memblock_reserve(k, top, BORDER * PAGE_SIZE);
  const nodes = [...new Set([...memory.map(({ nid }) => nid), ...cpus])].sort();
  for (const nid of nodes) node_set(nid, k.node_possible_map);
  k.nr_node_ids = nodes.at(-1)! + 1;
  for (const nid of nodes) alloc_node_data(k, nid);
  k.boot.pgd = PAGE_SIZE;

  const max_pfn = memory.at(-1)!.end;
  if (cma > 0) {
    early_cma(k, `${cma}M`);
    dma_contiguous_reserve(k, max_pfn * PAGE_SIZE);
  }
  sparse_init(k);
  free_area_init(k, [Math.min(MAX_DMA_PFN, max_pfn), Math.min(PFN_4G, max_pfn), max_pfn, 0, 0]);
  per_cpu_pages_init(k, per_cpu_ptr(k, boot_pageset, 0), per_cpu_ptr(k, boot_zonestats, 0));
  try {
    setup_per_cpu_areas(k);
  } catch (error) {
    // Each node's CPUs take 2 MiB: more than there is.
    fc.pre(!(error instanceof KernelPanic));
    throw error;
  }
  for (const [cpu, nid] of cpus.entries()) node_set(cpu, k.numa.node_to_cpumask_map[nid]!);
  build_all_zonelists(k);
  for (const top of tops) memblock_phys_free(k, top, BORDER * PAGE_SIZE);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  cma_init_reserved_areas(k);
  init_per_zone_wmark_min(k);
  k.page_alloc.gfp_allowed_mask = __GFP_BITS_MASK;
  cpuset_init_smp(k);
  return k;
}

const MAX_NODES = 3;
const SMALLEST = 14 * (MiB / PAGE_SIZE);

/** Of single pages, so that nodes meet inside a pageblock and holes begin and end anywhere. */
const anySize = (max: number) => fc.integer({ min: 600, max });
const anyHole = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  fc.integer({ min: 1, max: 1500 }),
  fc.constantFrom(512, 1024, 4096),
);

/** Nodes in ascending order, or node 0 once more behind the others. */
const anyLow = (max: number): fc.Arbitrary<Piece[]> =>
  plain({
    first: fc.integer({ min: SMALLEST, max: SMALLEST + max }),
    rest: fc.array(plain({ hole: anyHole, pages: anySize(max) }), { maxLength: MAX_NODES - 1 }),
    again: fc.boolean(),
  }).map(({ first, rest, again }) => {
    const pieces = [{ nid: 0, hole: 0, pages: first }, ...rest.map((one, i) => ({ nid: i + 1, ...one }))];
    return again && pieces.length > 1 ? [...pieces, { nid: 0, hole: 0, pages: 600 }] : pieces;
  });

/** Whether a node has memory on both sides of another's. Its zones then span what is between. */
const takesTurns = (low: readonly Piece[], high: readonly Piece[]): boolean => {
  const nids = [...low, ...high].map(({ nid }) => nid);
  return nids.some((nid, i) => nids.indexOf(nid) < i && nids[i - 1] !== nid);
};

/** To whole pageblocks. */
const rounded = (pieces: readonly Piece[]): Piece[] =>
  pieces.map(({ nid, hole, pages }) => ({
    nid,
    hole: Math.ceil(hole / 512) * 512,
    pages: Math.ceil(pages / 512) * 512,
  }));

/**
 * Where zones span each other's memory, borders are those of pageblocks: Linux takes it for granted that the pages of a
 * pageblock that a zone spans are of that zone, and without DEBUG_VM puts another's on its lists.
 * @param max pages of a piece
 */
export const anyTopology = (max: number): fc.Arbitrary<Topology> =>
  plain({
    low: anyLow(max),
    high: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      plain({ nid: fc.nat(1), pages: anySize(max) }).map(({ nid, pages }) => [{ nid, hole: 0, pages }]),
    ),
    cpus: fc.array(fc.nat(MAX_NODES - 1), { minLength: 1, maxLength: 4 }),
    cma: fc.constantFrom(0, 0, 2, 4, 6),
    movable: fc.constantFrom(0, 0, 0, 25, 50),
    huge_pages: fc.boolean(),
    init_on_alloc: fc.constantFrom(false, false, true),
  }).map((one) => (takesTurns(one.low, one.high) ? { ...one, low: rounded(one.low), high: rounded(one.high) } : one));
