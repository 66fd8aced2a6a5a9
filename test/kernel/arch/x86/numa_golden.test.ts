// What a real 6.1 made of SRAT, SLIT and MADT, case by case: its log lines on nodes, and its memory by node.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { numa_setup } from '../../../../kernel/arch/x86/numa.ts';
import { recorder } from '../../../../kernel/config.ts';
import { PHYS_ADDR_MAX } from '../../../../kernel/include/memblock.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { memblock_clear_hotplug, memblock_set_bottom_up } from '../../../../kernel/mm/memblock.ts';
import { aboutNodes, firmwareOf, machine, setUp } from '../../../support/acpi.ts';

interface Region {
  readonly base: string;
  readonly size: string;
  readonly nid: number | null;
  readonly flags: number;
}
interface Case {
  readonly cmdline: string;
  readonly cpus: number;
  readonly acpi: Readonly<Record<string, string>>;
  readonly memblock_reserved_at_free: readonly Region[];
  readonly expect: { readonly dmesg: readonly string[]; readonly memblock_memory: readonly Region[] };
}

const folder = new URL('../../../golden/boot/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));

const range = ({ base, size }: Region): [number, number] => [Number(base), Number(base) + Number(size)];

/** What the memory map had before it was given to nodes: neighbours are one. */
function withoutNodes(regions: readonly Region[]): [number, number][] {
  const merged: [number, number][] = [];
  for (const [start, end] of regions.map(range)) {
    const last = merged.at(-1);
    if (last?.[1] === start) last[1] = end;
    else merged.push([start, end]);
  }
  return merged;
}

function setParameters(k: Kernel, cmdline: string): void {
  for (const word of cmdline.split(' ')) {
    if (word.startsWith('numa=')) numa_setup(k, word.slice('numa='.length));
    if (word === 'movable_node') memblock_set_bottom_up(k, true);
  }
}

function bootCase(golden: Case): Kernel {
  const tables = Object.values(golden.acpi).map((text) => [...Buffer.from(text, 'base64')]);
  const k = machine({
    // In the BIOS's memory, where nothing else is.
    ...firmwareOf(tables, { rsdp: 0xf59b0, at: 0xf6000 }),
    config: recorder,
    memory: withoutNodes(golden.expect.memblock_memory),
    reserved: golden.memblock_reserved_at_free.filter(({ nid }) => nid !== null).map(range),
    setup: (kernel) => setParameters(kernel, golden.cmdline),
  });
  return setUp(k);
}

const ABOUT_NODES = /^(SRAT:|ACPI: S|NUMA|node \d|No NUMA|Fak)/;

describe('the recorded machines', () => {
  it('are there', () => expect(names.length).toBeGreaterThan(20));

  it.each(names)('%s', (name) => {
    const golden = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Case;
    const k = bootCase(golden);
    expect(aboutNodes(k)).toEqual(golden.expect.dmesg.filter((line) => ABOUT_NODES.test(line)));
    // The recording is of the moment when memory is handed over, which is when hotpluggable ceases to matter.
    memblock_clear_hotplug(k, 0, PHYS_ADDR_MAX);
    const memory = k.memblock.memory.regions.map(({ base, size, nid, flags }) => ({
      base: `0x${base.toString(16)}`,
      size: `0x${size.toString(16)}`,
      nid,
      flags,
    }));
    expect(memory).toEqual(golden.expect.memblock_memory);
    expect(k.cpus.num_processors).toBe(golden.cpus);
  });
});
