import { expect, test } from 'vitest';
import { zonelists } from '../../../cli/oracle/kernel_view.ts';
import { numa_set_distance } from '../../../kernel/arch/x86/numa_distance.ts';
import { debian, type KernelConfig, recorder } from '../../../kernel/config.ts';
import { __GFP_NOWARN, __GFP_THISNODE } from '../../../kernel/include/gfp_types.ts';
import { ZONE_DMA32, ZONE_MOVABLE, ZONE_NORMAL, ZONELIST_FALLBACK } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_set, nodemask_of_node } from '../../../kernel/lib/nodemask.ts';
import { __alloc_pages } from '../../../kernel/mm/page_alloc.ts';
import { setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import { cmdline_parse_movablecore } from '../../../kernel/mm/zone_movable.ts';
import { build_all_zonelists, for_each_zone_zonelist, set_mminit_loglevel } from '../../../kernel/mm/zonelist.ts';
import { MiB } from '../../support/hw.ts';
import { type Drawn, drawnZones, printed } from '../../support/zoned.ts';

interface Machine extends Partial<Drawn> {
  /** Distance from node (row) to node (column); without it 10 and 20. */
  readonly slit?: readonly (readonly number[])[];
}

function machine({ slit = [], ...drawn }: Machine): Kernel {
  const k = drawnZones({
    memory: '0123',
    unit: 128 * MiB,
    config: recorder,
    ...drawn,
    setup: (k) => {
      drawn.setup?.(k);
      for (const nid of slit.keys()) node_set(nid, k.numa.numa_nodes_parsed);
    },
  });
  for (const [from, row] of slit.entries()) for (const [to, d] of row.entries()) numa_set_distance(k, from, to, d);
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  return k;
}

const orders = (k: Kernel): string[] =>
  printed(k)
    .filter((line) => line.startsWith('Fallback'))
    .map((line) => line.replace(/.*: /, '').trim());

test('at equal distances the next higher node follows, and the turns go round', () => {
  expect(orders(machine({}))).toEqual(['0 1 2 3', '1 2 3 0', '2 3 0 1', '3 0 1 2']);
});

test('nearer nodes come first', () => {
  //   two pairs: 0 and 1, 2 and 3
  const slit = [
    [10, 12, 40, 40],
    [12, 10, 40, 40],
    [40, 40, 10, 12],
    [40, 40, 12, 10],
  ];
  expect(orders(machine({ slit }))).toEqual(['0 1 2 3', '1 0 3 2', '2 3 0 1', '3 2 1 0']);
});

test('distances need not be the same both ways', () => {
  const slit = [
    [10, 30, 20, 25],
    [20, 10, 20, 20],
    [20, 20, 10, 20],
    [11, 12, 13, 10],
  ];
  const [first, , , last] = orders(machine({ slit }));
  expect([first, last]).toEqual(['0 2 3 1', '3 0 1 2']);
});

test('a memoryless node lists itself first and the others by distance; it has no zones to give', () => {
  const k = machine({ memory: '01', memoryless: [2], unit: 256 * MiB });
  expect(orders(k)).toEqual(['0 1', '1 0', '2 0 1']);
  const names = [...for_each_zone_zonelist(k, 2, ZONELIST_FALLBACK, ZONE_MOVABLE)].map((z) => `${z.nid}:${z.name}`);
  expect(names).toEqual(['0:DMA32', '0:DMA', '1:DMA32']);
  expect(printed(k)).toContainEqual(expect.stringMatching(/^Built \d zonelists/));
});

test('zones go from high to low on each node, and requests for lower zones skip the higher ones', () => {
  //  0     2 GiB   4 GiB  6 GiB
  //  |  0    |  1   |  1   |
  const k = machine({ memory: '011', unit: 2048 * MiB });
  const walk = (highest: number, nodes = null as Uint32Array | null) =>
    [...for_each_zone_zonelist(k, 0, ZONELIST_FALLBACK, highest, nodes)].map((z) => `${z.nid}:${z.name}`);
  expect(walk(ZONE_MOVABLE)).toEqual(['0:DMA32', '0:DMA', '1:Normal', '1:DMA32']);
  expect(walk(ZONE_DMA32)).toEqual(['0:DMA32', '0:DMA', '1:DMA32']);
  expect(walk(ZONE_NORMAL, nodemask_of_node(1))).toEqual(['1:Normal', '1:DMA32']);
});

test('the pointers in RAM say the same as the walk', () => {
  const k = machine({});
  set_mminit_loglevel(k, '4');
  build_all_zonelists(k);
  const lines = k.log.records.map(({ text }) => text).filter((text) => text.startsWith('mminit::zonelist'));
  expect(lines.map((line) => line.replace('mminit::zonelist ', '').trim())).toEqual(zonelists(k));
  expect(lines[0]).toBe('mminit::zonelist general 0:DMA = 0:DMA ');
});

test('the policy zone is the highest with memory, ZONE_MOVABLE apart', () => {
  const policy = (drawn: Machine) => printed(machine(drawn)).at(-1);
  expect(policy({ memory: '0', unit: 512 * MiB })).toBe('Policy zone: DMA32');
  const movable = (k: Kernel): number => cmdline_parse_movablecore(k, '256M');
  expect(policy({ memory: '0', unit: 512 * MiB, setup: movable })).toBe('Policy zone: DMA32');
  expect(policy({ memory: '0.....', unit: 8 * MiB })).toBe('Policy zone: DMA');
});

test.each([
  { config: debian, memory: '00', mobility: 'off' },
  { config: debian, memory: '000', mobility: 'on' },
])('$config.name with $memory of 4 MiB groups by mobility: $mobility', ({ config, memory, mobility }) => {
  const k = machine({ memory, unit: 4 * MiB, config });
  expect(printed(k).at(-2)).toMatch(`Built 1 zonelists, mobility grouping ${mobility}.  Total pages: `);
  expect(k.mm.page_group_by_mobility_disabled).toBe(mobility === 'off');
});

test('without NUMA there are no turns, no fallback lines and no policy zone', () => {
  const config: KernelConfig = { ...recorder, NUMA: false };
  const k = machine({ memory: '0', unit: 512 * MiB, config });
  expect(printed(k).filter((line) => /Fallback|Policy/.test(line))).toEqual([]);
  expect([...for_each_zone_zonelist(k, 0, ZONELIST_FALLBACK, ZONE_MOVABLE)].map((z) => z.name)).toEqual([
    'DMA32',
    'DMA',
  ]);
  // Nor is there a list of the node's own zones: a request for it goes to the one list there is.
  const pfn = __alloc_pages(k, __GFP_THISNODE | __GFP_NOWARN, 0, 0);
  expect([k.zonelists.views[ZONE_MOVABLE + 4]?.map((z) => z.name), pfn]).toEqual([['DMA32', 'DMA'], -1]);
});
