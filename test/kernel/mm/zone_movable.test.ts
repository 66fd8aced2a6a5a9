import { expect, test } from 'vitest';
import type { Kernel } from '../../../kernel/kernel.ts';
import {
  cmdline_parse_kernelcore,
  cmdline_parse_movable_node,
  cmdline_parse_movablecore,
} from '../../../kernel/mm/zone_movable.ts';
import { GiB } from '../../support/hw.ts';
import { type Drawn, drawnZones, printed, spans } from '../../support/zoned.ts';

const both =
  (...steps: ((k: Kernel) => void)[]) =>
  (k: Kernel) => {
    for (const step of steps) step(k);
  };
const core = (value: string) => (k: Kernel) => void cmdline_parse_kernelcore(k, value);
const movable = (value: string) => (k: Kernel) => void cmdline_parse_movablecore(k, value);

// Two nodes, 4 GiB each; RAM has the usual hole below 4 GiB, so node 0 has 1 GiB above it:
//
//     0    1    2    3    4    5    6    7    8 GiB
//     |000 |000 |000 |    |000 |111 |111 |111 |111 |
const two: Drawn = { memory: '000.01111', unit: GiB };

/** 4 MiB, in GiB. */
const MB4 = 1 / 256;

/** Start of ZONE_MOVABLE by node, in GiB. */
const starts = (k: Kernel): Record<number, number> =>
  Object.fromEntries([...k.mm.zone_movable_pfn].flatMap((pfn, nid) => (pfn > 0 ? [[nid, pfn / 0x40000]] : [])));

test.each<[string, (k: Kernel) => void, Record<number, number>]>([
  ['nothing asked for: none', () => {}, {}],
  // 2 GiB each, and node 0's low 3 GiB are the kernel's anyway, so 1 GiB is left to find. Half of it comes from node 1,
  // whose share is cut to what is left over two nodes; the rest from node 0 in the second pass.
  ['movablecore is the complement of kernelcore', movable('4G'), { 0: 4.5, 1: 5.5 }],
  ['a percentage of all memory', core('50%'), { 0: 4.5, 1: 5.5 }],
  // 1 GiB each: node 0's low 3 GiB are more than both shares.
  ['low memory alone may do', core('2G'), { 0: 4, 1: 5 }],
  // 3 GiB each: node 0 has them below 4 GiB, but for page 0.
  ['movablecore as a percentage', movable('25%'), { 0: 4, 1: 8 }],
  ['the larger kernel part wins; ends are rounded up to 4 MiB', both(core('6G'), movable('4G')), { 0: 4 + MB4, 1: 8 }],
  ['what is movable is spread too', movable('64M'), { 0: 5 - 8 * MB4, 1: 9 - 8 * MB4 }],
  ['nothing is left of 2 MiB a node', movable('4K'), {}],
  ['more than there is: none', core('64G'), {}],
  ['garbage is 0: none', core('x'), {}],
])('%s', (_name, setup, expected) => {
  expect(starts(drawnZones({ ...two, setup }))).toEqual(expected);
});

test('a node too small for its share makes the others give more', () => {
  // Node 0 has 1 GiB less page 0, node 1 has 7; 4 GiB less a page for the kernel: 2 each, then node 0's missing 1 GiB.
  const k = drawnZones({ memory: '0...1111111', unit: GiB, setup: core('4194300K') });
  expect(starts(k)).toEqual({ 1: 7 });
});

test('ZONE_MOVABLE takes its pages from the highest zone', () => {
  const k = drawnZones({ ...two, setup: movable('25%') });
  expect(spans(k)).toEqual([
    '0 DMA 0x1-0x1000 4095',
    '0 DMA32 0x1000-0x100000 782336',
    '0 Movable 0x100000-0x140000 262144',
    '1 Normal 0x140000-0x200000 786432',
    '1 Movable 0x200000-0x240000 262144',
  ]);
  expect(printed(k)).toContain('  Node 1: 0x0000000200000000');
});

test('movable_node: hotpluggable memory moves, whatever kernelcore says', () => {
  const k = drawnZones({
    memory: '000.01111',
    marks: '......hhh',
    unit: GiB,
    setup: (k) => {
      cmdline_parse_movable_node(k, null);
      core('7G')(k);
    },
  });
  expect(starts(k)).toEqual({ 1: 6 });
});

test('movable_node: below 4 GiB too, where everything above follows', () => {
  const k = drawnZones({
    memory: '0011.1',
    marks: '..hh.h',
    unit: GiB,
    setup: (k) => void cmdline_parse_movable_node(k, null),
  });
  expect(spans(k)).toEqual([
    '0 DMA 0x1-0x1000 4095',
    '0 DMA32 0x1000-0x80000 520192',
    '1 Movable 0x80000-0x180000 786432',
  ]);
});

test('kernelcore=mirror: both zones span the memory, each counts its own', () => {
  const k = drawnZones({ memory: '000.00000', marks: 'mmm.m.m..', unit: GiB, setup: core('mirror') });
  // 4 GiB is mirrored, 5 not, 6 mirrored, 7 and 8 not.
  expect(spans(k)).toEqual([
    '0 DMA 0x1-0x1000 4095',
    '0 DMA32 0x1000-0x100000 782336',
    '0 Normal 0x100000-0x240000 524288',
    '0 Movable 0x140000-0x240000 786432',
  ]);
  expect(printed(k)).not.toContain('This configuration results in unmirrored kernel memory.');
});

test('kernelcore=mirror warns of memory below 4 GiB that is not mirrored', () => {
  const k = drawnZones({ memory: '000.00', marks: 'm.m.m.', unit: GiB, setup: core('mirror') });
  expect(printed(k)).toContain('This configuration results in unmirrored kernel memory.');
});
