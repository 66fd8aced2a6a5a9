// Nodes and zones without firmware: for tests of what comes after memblock knows the nodes.

import { x86_64_start_kernel } from '../arch/x86/head64.ts';
import { alloc_node_data } from '../arch/x86/node_data.ts';
import { type KernelConfig, recorder } from '../config.ts';
import { MEMBLOCK_NONE } from '../include/memblock.ts';
import type { nid_t, pfn_t, phys_addr_t } from '../include/types.ts';
import { PFN_DOWN, SZ_1M } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { node_set } from '../lib/nodemask.ts';
import { memblock_add_node, memblock_reserve } from '../mm/memblock.ts';
import { memblock_end_of_DRAM } from '../mm/memblock_info.ts';
import { free_area_init } from '../mm/mm_init.ts';
import type { Zone } from '../mm/mmzone.ts';
import { sparse_init } from '../mm/sparse.ts';
import type { Test, TestDisk } from './env.ts';

export interface NodeMemory {
  readonly nid: nid_t;
  readonly start: phys_addr_t;
  readonly end: phys_addr_t;
}

export interface LayOut {
  readonly config?: KernelConfig;
  readonly disks?: readonly TestDisk[];
  readonly prepare?: (k: Kernel) => void;
}

const MAX_DMA_PFN: pfn_t = 0x1000;
const MAX_DMA32_PFN: pfn_t = 0x100000;

/**
 * A kernel whose nodes have the given memory, up to and with free_area_init(). Memory below 1 MiB is there but reserved.
 * @param prepare runs once memblock knows the nodes
 */
export function lay_out(
  test: Test,
  memory: readonly NodeMemory[],
  { config = recorder, disks = [], prepare = () => {} }: LayOut = {},
): Kernel {
  const k = test.priv.kernel(memory, { config, disks });
  x86_64_start_kernel(k);
  const { text, end } = config.image;
  memblock_reserve(k, 0, SZ_1M);
  memblock_reserve(k, text, end - text);
  for (const { nid, start, end } of memory) memblock_add_node(k, start, end - start, nid, MEMBLOCK_NONE);
  for (const { nid } of memory) node_set(nid, k.node_possible_map);
  k.nr_node_ids = Math.max(...memory.map(({ nid }) => nid)) + 1;
  prepare(k);
  for (const nid of new Set(memory.map((one) => one.nid))) alloc_node_data(k, nid);
  const max_pfn = PFN_DOWN(memblock_end_of_DRAM(k));
  k.boot.max_pfn = max_pfn;
  k.boot.max_low_pfn = max_pfn;
  sparse_init(k);
  free_area_init(k, [MAX_DMA_PFN, Math.min(MAX_DMA32_PFN, max_pfn), max_pfn]);
  return k;
}

export function zone_of(k: Kernel, nid: nid_t, name: string): Zone {
  return k.node_data[nid]!.node_zones.find((zone) => zone.name === name)!;
}

export const populated_zones = (k: Kernel): Zone[] =>
  k.node_data.flatMap((pgdat) => pgdat?.node_zones.filter((zone) => zone.populated) ?? []);
