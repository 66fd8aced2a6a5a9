// numa=fake=: what nodes are made, what becomes of distances and CPUs. Memory is drawn at 64 MiB a column, a letter a
// node (a is node 0). What the log says is in firmware.test.ts.

import { describe, expect, it } from 'vitest';
import {
  cpumask_of_node,
  early_cpu_to_node,
  numa_add_cpu,
  numa_setup,
  setup_node_to_cpumask_map,
} from '../../../../kernel/arch/x86/numa.ts';
import { node_distance } from '../../../../kernel/arch/x86/numa_distance.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { bitmap_list } from '../../../../kernel/lib/nodemask.ts';
import { cpu, firmwareOf, lapic, machine, madt, mem, said, setUp, slit, srat } from '../../../support/acpi.ts';
import { MiB } from '../../../support/hw.ts';
import { runs } from '../../../support/regions.ts';

const UNIT = 64 * MiB;

/** A machine with CPUs 0 and 1 on its nodes 0 and 1, 31 apart one way and 21 the other. */
function faked(drawing: string, fake: string): Kernel {
  const parts = runs(drawing, { base: 0, unit: UNIT });
  const entries = [cpu(0, 0), cpu(1, 1), ...parts.map(({ letter, base, size }) => mem(Number(letter), base, size))];
  const distances = slit([
    [10, 21],
    [31, 10],
  ]);
  const tables = [srat(entries), distances, madt([lapic(0, 0), lapic(1, 1)])];
  const memory: [number, number][] = [];
  for (const { base, size } of parts) {
    if (memory.at(-1)?.[1] === base) memory.at(-1)![1] = base + size;
    else memory.push([base, base + size]);
  }
  const k = machine({ memory, ...firmwareOf(tables, { rsdp: 0xf59b0, at: 0xf6000 }) });
  expect(numa_setup(k, `fake=${fake}`)).toBe(0);
  return setUp(k);
}

function nodesOf(k: Kernel, columns: number): string {
  const cells = new Array<string>(columns).fill('.');
  for (const { base, size, nid } of k.memblock.memory.regions) {
    cells.fill(String.fromCharCode(97 + nid), Math.floor(base / UNIT), Math.ceil((base + size) / UNIT));
  }
  return cells.join('');
}

describe('nodes', () => {
  it.each([
    ['2', '0000000011111111', 'aaaaaaaabbbbbbbb'],
    ['4', '0000000011111111', 'aaaaccccbbbbdddd'],
    // Nodes take turns: nodes of the machine run dry at different times.
    ['4', '0000000000001111', 'aaaaccccddddbbbb'],
    // Page 0 is a hole: the first 256 MiB are not enough, and what then remains is not either.
    ['256M', '0000000011111111', 'aaaaaaaabbbbcccc'],
    ['256M', '0000..001111', 'aaaa..aabbbb'],
    ['200M', '000011111111', 'aaaabbbccccc'],
    ['2U', '000011111111', 'aabbccccdddd'],
    ['1U', '000011111111', 'aaaabbbbbbbb'],
  ])('of fake=%s on %s are %s', (fake, machineNodes, wanted) => {
    expect(nodesOf(faked(machineNodes, fake), wanted.length)).toBe(wanted);
  });

  it.each(['0', '-3', '5000M', '40U', 'nonsense'])('of fake=%s are the machine’s own', (fake) => {
    const k = faked('00001111', fake);
    expect(nodesOf(k, 8)).toBe('aaaabbbb');
    expect(node_distance(k, 0, 1)).toBe(21);
  });

  it('are not made where the SRAT turns out to be useless', () => {
    const uncovered = machine({
      memory: [[0, 8 * UNIT]],
      ...firmwareOf([srat([mem(0, 0, 4 * UNIT)])], { rsdp: 0xf59b0, at: 0xf6000 }),
    });
    numa_setup(uncovered, 'fake=4');
    setUp(uncovered);
    // The parameter has been read once and is not read again.
    expect(nodesOf(uncovered, 8)).toBe('aaaaaaaa');
    expect(said(uncovered, /^Faking node/)).toHaveLength(2);
  });
});

describe('distances', () => {
  const all = (k: Kernel, n: number): number[][] =>
    Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => node_distance(k, i, j)));

  it('are those of the nodes that the fake ones are made of', () => {
    expect(all(faked('0000000011111111', '4'), 4)).toEqual([
      [10, 21, 10, 21],
      [31, 10, 31, 10],
      [10, 21, 10, 21],
      [31, 10, 31, 10],
    ]);
  });

  it('are taken from the parameter, as far as a comma follows', () => {
    expect(all(faked('0000000011111111', '2:10,77,66,10'), 2)).toEqual([
      [10, 77],
      [66, 10],
    ]);
  });

  it('take no room in memory that is kept', () => {
    const { base } = faked('0000000011111111', '4').memblock.reserved.regions.at(-1)!;
    const k = faked('0000000011111111', '4');
    expect(k.memblock.reserved.regions.at(-1)!.base).toBe(base);
    expect(k.numa.numa_distance_cnt).toBe(4);
  });
});

describe('CPUs', () => {
  it('belong to the first of the nodes made of theirs, and count for all of them', () => {
    const k = faked('0000000011111111', '4');
    expect([early_cpu_to_node(k, 0), early_cpu_to_node(k, 1)]).toEqual([0, 1]);
    setup_node_to_cpumask_map(k);
    numa_add_cpu(k, 0);
    numa_add_cpu(k, 1);
    expect([0, 1, 2, 3].map((nid) => bitmap_list(cpumask_of_node(k, nid)))).toEqual(['0', '1', '0', '1']);
  });
});
