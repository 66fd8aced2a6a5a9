// A recorded boot played again from memblock on, without firmware: memory, nodes, CPUs, distances and reservations are
// what the recording says that Linux had.

import { readdirSync, readFileSync } from 'node:fs';
import { alloc_node_data } from '../../kernel/arch/x86/node_data.ts';
import { numa_set_distance } from '../../kernel/arch/x86/numa_distance.ts';
import { memblock_find_dma_reserve } from '../../kernel/arch/x86/zones.ts';
import { recorder } from '../../kernel/config.ts';
import { MEMBLOCK_HOTPLUG } from '../../kernel/include/memblock.ts';
import { NUMA_NO_NODE, PAGE_SIZE } from '../../kernel/include/types.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { node_set } from '../../kernel/lib/nodemask.ts';
import { dma_contiguous_reserve, early_cma } from '../../kernel/mm/cma.ts';
import { memblock_add_node, memblock_reserve } from '../../kernel/mm/memblock.ts';
import { free_area_init } from '../../kernel/mm/mm_init.ts';
import { sparse_init } from '../../kernel/mm/sparse.ts';
import {
  cmdline_parse_kernelcore,
  cmdline_parse_movable_node,
  cmdline_parse_movablecore,
} from '../../kernel/mm/zone_movable.ts';
import { testHw } from './hw.ts';

interface Region {
  readonly base: string;
  readonly size: string;
  readonly nid: number | null;
  readonly flags: number;
}

export interface Recording {
  readonly cmdline: string;
  readonly cpus: number;
  readonly acpi: { readonly SLIT?: string };
  readonly memblock_reserved_at_free: readonly Region[];
  readonly expect: {
    readonly dmesg: readonly string[];
    readonly memblock_memory: readonly Region[];
    readonly after_memblock_free_all: readonly { readonly node: number }[];
    readonly zonelists: readonly string[];
    readonly zoneinfo_after_boot: readonly { readonly node: number; readonly zone: string; readonly managed: number }[];
  };
}

const folder = new URL('../golden/boot/', import.meta.url);

/** Names of all recorded boots. */
export const recordings = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.json'));

export const readRecording = (name: string): Recording =>
  JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Recording;

const DMA_END = 0x1000;
const DMA32_END = 0x100000;

/** Up to and with free_area_init(). */
export function replayZones(recording: Recording): Kernel {
  const memory = recording.expect.memblock_memory;
  const reserved = recording.memblock_reserved_at_free.map(({ base, size, nid, flags }) => ({
    base: Number(base),
    size: Number(size),
    nid: nid ?? NUMA_NO_NODE,
    flags,
  }));
  const end = Math.max(...memory.map(({ base, size }) => Number(base) + Number(size)));
  const max_pfn = Math.floor(end / PAGE_SIZE);
  const k = new Kernel(testHw(Math.ceil(end / PAGE_SIZE) * PAGE_SIZE), recorder, reserved);

  for (const option of recording.cmdline.split(' ')) {
    const [name, value] = option.split('=');
    if (name === 'kernelcore') cmdline_parse_kernelcore(k, value ?? null);
    if (name === 'movablecore') cmdline_parse_movablecore(k, value ?? null);
    if (name === 'movable_node') cmdline_parse_movable_node(k, null);
    if (name === 'cma') early_cma(k, value ?? null);
  }
  // The marks of hotpluggable memory are gone in the recording. They are what ZONE_MOVABLE was made of, and a node
  // that had an early reservation lost them.
  for (const { base, size, nid, flags } of memory) {
    const marked = k.mm.movable_node_enabled && !reserved.some((r) => r.nid === nid);
    memblock_add_node(k, Number(base), Number(size), nid!, marked ? MEMBLOCK_HOTPLUG : flags);
  }
  for (const { base, size, nid } of reserved) if (nid >= 0) memblock_reserve(k, base, size);

  for (const { node } of recording.expect.after_memblock_free_all) node_set(node, k.node_possible_map);
  for (const node of new Set(recording.expect.after_memblock_free_all.map((zone) => zone.node))) {
    alloc_node_data(k, node);
  }
  k.boot.pgd = 0x1001000;
  k.boot.max_possible_pfn = max_pfn;
  setDistances(k, recording);
  setCpus(k, recording);
  dma_contiguous_reserve(k, end);
  memblock_find_dma_reserve(k);

  sparse_init(k);
  free_area_init(k, [Math.min(DMA_END, max_pfn), Math.min(DMA32_END, max_pfn), max_pfn, 0, 0]);
  return k;
}

const emulated = (recording: Recording): boolean => recording.expect.dmesg.some((line) => /^Faking node \d/.test(line));

/** Node of each proximity domain, and of each APIC id, as the recording's log names them. */
function firmwareNodes(recording: Recording): { pxm: Map<number, number>; apic: Map<number, number> } {
  const pxm = new Map<number, number>();
  const apic = new Map<number, number>();
  for (const line of recording.expect.dmesg) {
    const cpu = /^SRAT: PXM (\d+) -> APIC 0x([0-9a-f]+) -> Node (\d+)/.exec(line);
    if (cpu) {
      pxm.set(Number(cpu[1]), Number(cpu[3]));
      apic.set(Number.parseInt(cpu[2]!, 16), Number(cpu[3]));
    }
    const memory = /^ACPI: SRAT: Node (\d+) PXM (\d+) /.exec(line);
    if (memory) pxm.set(Number(memory[2]), Number(memory[1]));
  }
  return { pxm, apic };
}

function setDistances(k: Kernel, recording: Recording): void {
  const nodes = [...new Set(recording.expect.after_memblock_free_all.map(({ node }) => node))];
  k.nr_node_ids = Math.max(...nodes) + 1;
  for (const nid of nodes) node_set(nid, k.numa.numa_nodes_parsed);
  if (emulated(recording)) {
    // All on one node of the machine, so as near to each other as a node is to itself.
    for (const from of nodes) for (const to of nodes) numa_set_distance(k, from, to, 10);
    return;
  }
  const refused = recording.expect.dmesg.some((line) => line.includes('SLIT table looks invalid'));
  if (recording.acpi.SLIT === undefined || refused || recording.cmdline.includes('numa=off')) return;
  const { pxm } = firmwareNodes(recording);
  const slit = Buffer.from(recording.acpi.SLIT, 'base64');
  const n = Number(slit.readBigUInt64LE(36));
  for (const [p, from] of pxm) for (const [q, to] of pxm) numa_set_distance(k, from, to, slit[44 + p * n + q]!);
}

function setCpus(k: Kernel, recording: Recording): void {
  const { apic } = firmwareNodes(recording);
  k.cpus.nr_cpu_ids = recording.cpus;
  for (let cpu = 0; cpu < recording.cpus; cpu++) {
    node_set(cpu, k.cpus.cpu_possible_mask);
    node_set(cpu, k.cpus.cpu_present_mask);
    k.cpus.x86_cpu_to_node_map[cpu] = apic.get(cpu) ?? 0;
  }
  const nid = (node: number): number => (emulated(recording) ? 0 : node);
  for (const { node } of recording.expect.after_memblock_free_all) k.numa.emu_nid_to_phys[node] = nid(node);
}
