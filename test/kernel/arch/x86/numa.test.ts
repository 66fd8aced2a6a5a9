// Which node gets which memory and which CPU. Memory is drawn at 64 MiB a column: a digit is a node's by the SRAT, '-'
// is memory that the SRAT says nothing of, '.' is none.

import { describe, expect, it } from 'vitest';
import {
  cpumask_of_node,
  early_cpu_to_node,
  numa_add_cpu,
  setup_node_to_cpumask_map,
} from '../../../../kernel/arch/x86/numa.ts';
import { node_distance } from '../../../../kernel/arch/x86/numa_distance.ts';
import { phys_to_target_node } from '../../../../kernel/arch/x86/numa_meminfo.ts';
import { debian, recorder } from '../../../../kernel/config.ts';
import { MEMBLOCK_HOTPLUG } from '../../../../kernel/include/memblock.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { bitmap_list } from '../../../../kernel/lib/nodemask.ts';
import { memblock_bottom_up, memblock_set_bottom_up } from '../../../../kernel/mm/memblock.ts';
import {
  type Bytes,
  cpu,
  firmwareOf,
  HOTPLUG,
  initiator,
  lapic,
  type Machine,
  machine,
  madt,
  mem,
  NON_VOLATILE,
  said,
  setUp,
  slit,
  srat,
} from '../../../support/acpi.ts';
import { GiB, MiB } from '../../../support/hw.ts';
import { runs } from '../../../support/regions.ts';

const UNIT = 64 * MiB;
const SCALE = { base: 0, unit: UNIT };

interface Drawn extends Machine {
  readonly entries?: readonly Bytes[];
  /** Beside the SRAT. */
  readonly tables?: readonly Bytes[];
  /** SRAT flags of each node. */
  readonly flags?: Readonly<Record<string, number>>;
}

/** A machine with this memory, its SRAT saying the same after `entries`. The tables are in the BIOS's memory. */
function booted(drawing: string, { entries = [], tables = [], flags = {}, ...rest }: Drawn = {}): Kernel {
  const memory: [number, number][] = [];
  const owned: Bytes[] = [];
  for (const { letter, base, size } of runs(drawing, SCALE)) {
    const last = memory.at(-1);
    if (last?.[1] === base) last[1] = base + size;
    else memory.push([base, base + size]);
    if (letter !== '-') owned.push(mem(Number(letter), base, size, flags[letter]));
  }
  const bios = firmwareOf([srat([...entries, ...owned]), ...tables], { rsdp: 0xf59b0, at: 0xf6000 });
  return setUp(machine({ memory, ...bios, ...rest }));
}

/** memblock.memory with the nodes that it has been given to, and below it an 'h' where it is hotpluggable. */
function memoryOf(k: Kernel): [string, string] {
  const cells: string[] = [];
  const marks: string[] = [];
  for (const { base, size, nid, flags } of k.memblock.memory.regions) {
    for (let i = Math.floor(base / UNIT); i < Math.ceil((base + size) / UNIT); i++) {
      cells[i] = nid > 9 ? '-' : String(nid);
      marks[i] = flags & MEMBLOCK_HOTPLUG ? 'h' : ' ';
    }
  }
  const text = (from: string[], none: string): string => Array.from(from, (c) => c ?? none).join('');
  return [text(cells, '.'), text(marks, ' ').trimEnd()];
}

const nodesOf = (mask: Uint32Array): string => bitmap_list(mask);
/** Nodes that have a pg_data_t. */
const nodeData = (k: Kernel): number[] => Object.keys(k.node_data).map(Number);

describe('memory', () => {
  it.each([
    ['one node', '00000000'],
    ['two nodes', '00001111'],
    ['with a hole between them', '0000....1111'],
    ['with a hole in one', '000..0011'],
    ['interleaved', '00112200112'],
    ['nodes out of order', '11110000'],
  ])('of %s is given to them', (_, drawing) => {
    expect(memoryOf(booted(drawing))[0]).toBe(renumbered(drawing));
  });

  /** The node numbers of domains are in the order in which the SRAT names them: here, by address. */
  function renumbered(drawing: string): string {
    const order = [...new Set(drawing.replaceAll('.', ''))];
    return drawing.replace(/\d/g, (pxm) => String(order.indexOf(pxm)));
  }

  it('that the SRAT leaves out makes it useless from 1 MiB on', () => {
    expect(memoryOf(booted('0000-111'))[0]).toBe('00000000');
  });

  it('claimed by two nodes makes the SRAT useless', () => {
    expect(memoryOf(booted('00001111', { entries: [mem(5, 0, 2 * UNIT)] }))[0]).toBe('00000000');
  });

  it('named twice by one node is no matter', () => {
    expect(memoryOf(booted('00001111', { entries: [mem(0, 0, 2 * UNIT)] }))[0]).toBe('00001111');
  });

  it('above the last page frame is remembered for when it is plugged in', () => {
    const k = booted('00001111', { entries: [mem(0, 0, GiB / 4), mem(3, 64 * GiB, GiB, HOTPLUG)] });
    expect(memoryOf(k)[0]).toBe('00002222');
    expect(phys_to_target_node(k, 64 * GiB)).toBe(1);
    expect(phys_to_target_node(k, 0)).toBe(0);
    expect(phys_to_target_node(k, 65 * GiB)).toBe(-1);
    expect(k.boot.max_possible_pfn).toBe((65 * GiB) / 4096);
  });
});

describe('hotpluggable memory', () => {
  it('is marked, except on nodes that hold something reserved', () => {
    // The kernel's image is at 16 MiB, node 0. The last node is not hotpluggable.
    const k = booted('000011112222', { flags: { 0: HOTPLUG, 1: HOTPLUG } });
    expect(memoryOf(k)).toEqual(['000011112222', '    hhhh']);
  });

  it('is none on the kernel’s node, however far from the kernel', () => {
    const k = booted('001100', { flags: { 0: HOTPLUG, 1: HOTPLUG } });
    expect(memoryOf(k)).toEqual(['001100', '  hh']);
  });

  it('loses its marks where the SRAT is not used', () => {
    const k = booted('000011111---', { flags: { 1: HOTPLUG } });
    expect(memoryOf(k)).toEqual(['000000000000', '']);
  });

  it('ends allocating from the bottom', () => {
    const k = booted('0011', { setup: (kernel) => memblock_set_bottom_up(kernel, true) });
    expect(memblock_bottom_up(k)).toBe(false);
  });

  it('has its own word in the log, as non-volatile memory has', () => {
    const k = booted('001122', { flags: { 1: HOTPLUG, 2: HOTPLUG | NON_VOLATILE } });
    expect(said(k, /SRAT: Node .* (hotplug|non-)/)).toEqual([
      'ACPI: SRAT: Node 1 PXM 1 [mem 0x08000000-0x0fffffff] hotplug',
      'ACPI: SRAT: Node 2 PXM 2 [mem 0x10000000-0x17ffffff] hotplug non-volatile',
    ]);
  });
});

describe('nodes', () => {
  it('get their numbers from the CPUs first, then from the memory', () => {
    const k = booted('331177', { entries: [cpu(7, 0), cpu(3, 1)] });
    expect(memoryOf(k)[0]).toBe('112200');
    expect([...k.acpi.pxm_to_node_map]).toEqual([
      [7, 0],
      [3, 1],
      [1, 2],
    ]);
  });

  it('with CPUs only are online, but have no pg_data_t yet', () => {
    const k = booted('0011', { entries: [cpu(0, 0), cpu(5, 1)], tables: [madt([lapic(0, 0), lapic(1, 1)])] });
    expect(nodesOf(k.node_possible_map)).toBe('0-2');
    expect(nodesOf(k.node_online_map)).toBe('0-2');
    expect(nodeData(k)).toEqual([0, 2]);
    expect(k.nr_node_ids).toBe(3);
  });

  it('of a CPU that is not there are possible only', () => {
    const k = booted('0011', { entries: [cpu(0, 0), cpu(1, 1), cpu(5, 9)], tables: [madt([lapic(0, 0)])] });
    expect(nodesOf(k.node_possible_map)).toBe('0-2');
    expect(nodesOf(k.node_online_map)).toBe('0-1');
  });

  it('with initiators only are online', () => {
    const k = booted('0011', { entries: [initiator(9)] });
    expect(nodesOf(k.node_online_map)).toBe('0-2');
    expect(nodesOf(k.node_states.N_GENERIC_INITIATOR)).toBe('0');
  });

  it('have their pg_data_t in their own memory, in whole pages', () => {
    const k = booted('0000111122');
    expect(k.node_data.map(({ pa }) => pa)).toEqual([4 * UNIT - 0x2b000, 8 * UNIT - 0x2b000, 10 * UNIT - 0x2b000]);
    expect(said(k, /^NODE_DATA\(1\)/)).toEqual(['NODE_DATA(1) allocated [mem 0x1ffd5000-0x1fffffff]']);
  });

  it('have it elsewhere if they have no room', () => {
    const full: [number, number][] = [
      [16 * MiB, 32 * MiB],
      [4 * UNIT, 8 * UNIT],
    ];
    const k = booted('00001111', { reserved: full });
    expect(said(k, /NODE_DATA\(1\)/)).toEqual([
      'NODE_DATA(1) allocated [mem 0x0ffaa000-0x0ffd4fff]',
      '    NODE_DATA(1) on node 0',
    ]);
  });

  it('have it within one GiB of RAM', () => {
    // Free memory of node 1: from 128 KiB below the first GiB to 128 KiB above it.
    const k = booted(`${'0'.repeat(8)}${'1'.repeat(16)}`, {
      reserved: [
        [16 * MiB, 32 * MiB],
        [8 * UNIT + 2 * MiB, GiB - 0x20000],
        [GiB + 0x20000, 24 * UNIT],
      ],
    });
    expect(k.node_data[1]!.pa).toBeLessThan(8 * UNIT + 2 * MiB);
  });
});

describe('CPUs', () => {
  const tables = [madt([lapic(0, 0), lapic(1, 1), lapic(2, 2), lapic(3, 3)])];

  it('belong to the node that the SRAT gives them', () => {
    const entries = [cpu(0, 0), cpu(1, 1), cpu(0, 2), cpu(1, 3)];
    const k = booted('00001111', { entries, tables });
    expect([0, 1, 2, 3].map((n) => early_cpu_to_node(k, n))).toEqual([0, 1, 0, 1]);
  });

  it('without one are dealt out to the nodes that are online', () => {
    const k = booted('001122', { tables });
    expect([0, 1, 2, 3].map((n) => early_cpu_to_node(k, n))).toEqual([0, 1, 2, 0]);
  });

  it('count for their node once they are online', () => {
    const k = booted('00001111', { entries: [cpu(0, 0), cpu(1, 1), cpu(0, 2), cpu(1, 3)], tables });
    setup_node_to_cpumask_map(k);
    expect(nodesOf(cpumask_of_node(k, 1))).toBe('');
    for (const n of [0, 1, 2, 3]) numa_add_cpu(k, n);
    expect(nodesOf(cpumask_of_node(k, 0))).toBe('0,2');
    expect(nodesOf(cpumask_of_node(k, 1))).toBe('1,3');
    expect(nodesOf(cpumask_of_node(k, 7))).toBe('');
  });
});

describe('distances', () => {
  const all = (k: Kernel, n: number): number[][] =>
    Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => node_distance(k, i, j)));

  it('are 10 and 20 without a SLIT', () => {
    expect(all(booted('0011'), 2)).toEqual([
      [10, 20],
      [20, 10],
    ]);
  });

  it('are given by domain, so turn with the numbers of nodes', () => {
    const rows = [
      [10, 12, 13],
      [21, 10, 23],
      [31, 32, 10],
    ];
    const k = booted('001122', { entries: [cpu(2, 0), cpu(0, 1)], tables: [slit(rows)] });
    expect(memoryOf(k)[0]).toBe('112200');
    expect(all(k, 3)).toEqual([
      [10, 31, 32],
      [13, 10, 12],
      [23, 21, 10],
    ]);
    expect(said(k, /^NUMA: Init/)).toEqual(['NUMA: Initialized distance table, cnt=3']);
  });

  it('to nodes that no one has heard of are 20', () => {
    const k = booted('0011', {
      tables: [
        slit([
          [10, 30],
          [30, 10],
        ]),
      ],
    });
    expect([node_distance(k, 0, 1), node_distance(k, 0, 5), node_distance(k, 5, 5)]).toEqual([30, 20, 10]);
  });
});

describe('configurations', () => {
  it('with few nodes refuse domains beyond 255 and nodes beyond their number', () => {
    const entries = Array.from({ length: 66 }, (_, i) => cpu(i + 10, i));
    const k = booted('0000', { entries, config: recorder });
    expect(said(k, /Too many|not used/)).toEqual(['SRAT: Too many proximity domains 4a', 'ACPI: SRAT: SRAT not used.']);
    expect(nodesOf(k.node_possible_map)).toBe('0');
  });

  it('without NUMA have node 0 and say nothing', () => {
    const k = booted('00001111', { config: { ...debian, NUMA: false } });
    expect(memoryOf(k)[0]).toBe('00000000');
    expect(said(k, /NUMA|SRAT:|NODE_DATA/)).toEqual([]);
    expect(nodeData(k)).toEqual([0]);
  });
});
