// A kernel with memory, nodes and zones but no firmware: memblock is filled from a drawing, then sparse_init() and
// free_area_init() run. One column is `unit` bytes; a digit is memory of that node, '.' is nothing.

import { alloc_node_data } from '../../kernel/arch/x86/node_data.ts';
import { debian, type KernelConfig } from '../../kernel/config.ts';
import { MEMBLOCK_HOTPLUG, MEMBLOCK_MIRROR } from '../../kernel/include/memblock.ts';
import { PAGE_SIZE } from '../../kernel/include/types.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { node_set } from '../../kernel/lib/nodemask.ts';
import { memblock_add_node, memblock_reserve } from '../../kernel/mm/memblock.ts';
import { free_area_init } from '../../kernel/mm/mm_init.ts';
import { per_cpu_pages_init } from '../../kernel/mm/pageset.ts';
import { boot_pageset, boot_zonestats, per_cpu_ptr } from '../../kernel/mm/percpu.ts';
import { sparse_init } from '../../kernel/mm/sparse.ts';
import { MiB, testHw } from './hw.ts';

export interface Drawn {
  /** Nodes of memory, column by column. */
  readonly memory: string;
  /** Below it: 'h' hotpluggable, 'm' mirrored. */
  readonly marks?: string;
  readonly unit: number;
  readonly config?: KernelConfig;
  /** Nodes that have no memory but may be there: online or only possible. */
  readonly memoryless?: readonly number[];
  readonly possible?: readonly number[];
  /** Runs before any zone is made: parameters. */
  readonly setup?: (k: Kernel) => void;
}

const FLAGS: Readonly<Record<string, number>> = { h: MEMBLOCK_HOTPLUG, m: MEMBLOCK_MIRROR };

/** memblock as drawn, every node's NODE_DATA, and a page for the top page table. Page 0 is not memory. */
export function drawnMemory(drawn: Drawn): Kernel {
  const { memory, marks = '', unit, memoryless = [], possible = [] } = drawn;
  const columns = [...memory].map((letter, i) => ({ letter, start: i * unit, flags: FLAGS[marks[i] ?? ''] ?? 0 }));
  const there = columns.filter(({ letter }) => letter !== '.');
  const k = new Kernel(testHw(there.map(({ start }) => ({ start, end: start + unit }))), drawn.config ?? debian);
  drawn.setup?.(k);
  for (const { letter, start, flags } of there) {
    const from = Math.max(start, PAGE_SIZE);
    memblock_add_node(k, from, start + unit - from, Number(letter), flags);
  }
  memblock_reserve(k, 0, MiB);
  const online = new Set([...there.map(({ letter }) => Number(letter)), ...memoryless]);
  for (const nid of [...online, ...possible]) node_set(nid, k.node_possible_map);
  for (const nid of [...online].sort()) alloc_node_data(k, nid);
  k.boot.pgd = PAGE_SIZE;
  return k;
}

/** drawnMemory() and its zones: DMA to 16 MiB, DMA32 to 4 GiB, Normal above. */
export function drawnZones(drawn: Drawn): Kernel {
  const k = drawnMemory(drawn);
  sparse_init(k);
  const max_pfn = Math.max(...k.memblock.memory.regions.map(({ base, size }) => (base + size) / PAGE_SIZE));
  free_area_init(k, [Math.min(0x1000, max_pfn), Math.min(0x100000, max_pfn), max_pfn, 0, 0]);
  // As build_all_zonelists() does: what is freed to the boot CPU's lists goes on to the zone.
  per_cpu_pages_init(k, per_cpu_ptr(k, boot_pageset, 0), per_cpu_ptr(k, boot_zonestats, 0));
  return k;
}

/** "0 DMA32 0x1000-0x80000 523264": node, zone, span and present pages of each zone that has a span. */
export const spans = (k: Kernel): string[] =>
  k.node_data.flatMap(({ node_zones }) =>
    node_zones
      .filter((zone) => !zone.is_empty)
      .map((zone) => {
        const span = `0x${zone.zone_start_pfn.toString(16)}-0x${zone.zone_end_pfn.toString(16)}`;
        return `${zone.nid} ${zone.name} ${span} ${zone.present_pages}`;
      }),
  );

/** What was printed, without debug messages. */
export const printed = (k: Kernel): string[] => k.log.records.filter(({ level }) => level < 7).map(({ text }) => text);
