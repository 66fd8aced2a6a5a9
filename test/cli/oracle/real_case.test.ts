// A real machine as a file, and the machine that is put together to boot in its place.

import { describe, expect, it } from 'vitest';
import { parseCase } from '../../../cli/oracle/case_file.ts';
import { type RealMachine, readRealMachine } from '../../../cli/oracle/real_case.ts';
import { realMachineCmdline, realMachineKernel } from '../../../cli/oracle/real_check.ts';
import { realMachineConfig, sratProcessors } from '../../../cli/oracle/real_config.ts';

const usable = (start: string, end: string) => ({ start, end, type: 'usable' });
const memory = (node: number, pxm: number, start: string, end: string, flags: string[] = []) => ({
  node,
  pxm,
  start,
  end,
  flags,
});

const plain = {
  name: 'm',
  kernel: '5.10.0-19-amd64',
  cmdline: 'mem=8G quiet memmap=1G!4G',
  e820: [usable('0x0', '0x9ffff'), usable('0x100000', '0xbfffffff'), usable('0x100000000', '0x13fffffff')],
  srat: { mem: [memory(0, 4, '0x0', '0xbfffffff'), memory(2, 7, '0x100000000', '0x13fffffff', ['hotplug'])], cpus: [] },
  expect: {} as Record<string, unknown>,
};
const read = (change: object = {}): RealMachine =>
  readRealMachine(parseCase(new TextEncoder().encode(JSON.stringify({ ...plain, ...change })), 'm.json').fields);

describe('reading', () => {
  it('keys that a log did not have are null', () => {
    const { expect: facts, version } = read();
    expect(version).toEqual([5, 10]);
    expect(Object.values(facts).every((value) => value === null)).toBe(true);
  });

  it.each([
    ['no addresses', { node: 1 }],
    ['[mem 0x0-0x0]', { node: 1, start: '0x0000000000000000', end: '0x0000000000000000' }],
    ['a word', { node: 1, start: 'memoryless', end: 'memoryless' }],
    ['null', { node: 1, start: null, end: null }],
  ])('a node without memory, said by %s', (_name, initmem) => {
    expect(read({ expect: { initmem: [initmem] } }).expect.initmem).toEqual([{ node: 1, span: null }]);
  });

  it.each([
    ['by node', { '1': '0x140000000' }],
    ['as a list', [{ node: 1, start: '0x140000000' }]],
  ])('the start of ZONE_MOVABLE %s', (_name, movable_start) => {
    expect(read({ expect: { movable_start } }).expect.movable_start).toEqual({ '1': 0x140000000 });
  });

  it('an empty zone has no span', () => {
    const zone_ranges = { DMA: ['0x1000', '0xffffff'], Normal: 'empty' };
    expect(read({ expect: { zone_ranges } }).expect.zone_ranges).toEqual({ DMA: [0x1000, 0xffffff], Normal: null });
  });

  it.each([
    ['a version that is none', { kernel: 'linux' }, 'kernel: wanted a version'],
    ['a PXM that is none', { srat: { mem: [{ ...plain.srat.mem[0], pxm: 'x' }] } }, 'srat.mem[0].pxm: wanted a number'],
    [
      'half a zone',
      { expect: { zone_ranges: { DMA: ['0x1000'] } } },
      'expect.zone_ranges.DMA: wanted a start and an end',
    ],
  ])('%s is refused', (_name, change, message) => {
    expect(() => read(change)).toThrow(message);
  });
});

describe('the machine', () => {
  it('has processors that give each proximity domain the node number of the log', () => {
    expect(sratProcessors(read().srat)).toEqual([
      { node: 0, pxm: 4, apic: 0 },
      { node: 1, pxm: 8, apic: 1 }, // nobody's domain: node 1 has no memory
      { node: 2, pxm: 7, apic: 2 },
    ]);
  });

  it('has the processors of the log where it printed them', () => {
    const cpus = [{ pxm: 9, apic: '0x12', node: 0 }];
    const { srat, madtCpus } = realMachineConfig(read({ srat: { ...plain.srat, cpus } }));
    expect(srat?.entries[0]).toEqual({ kind: 'apic', pxm: 9, apicId: 0x12, flags: 1 });
    expect(madtCpus).toEqual([{ kind: 'apic', apicId: 0x12, uid: 0, flags: 1 }]);
  });

  it('has one processor a domain, in order, where ids are beyond a local APIC', () => {
    const cpus = [7, 7, 4, 7, 4].map((pxm, i) => ({ pxm, apic: `0x10${i}`, node: pxm === 7 ? 0 : 1 }));
    const { srat } = realMachineConfig(read({ srat: { ...plain.srat, cpus } }));
    expect(srat?.entries.slice(0, 2)).toEqual([
      { kind: 'apic', pxm: 7, apicId: 0, flags: 1 },
      { kind: 'apic', pxm: 4, apicId: 1, flags: 1 },
    ]);
    expect(srat?.entries[2]?.kind).toBe('memory');
  });

  it('has the flags of the log', () => {
    const { srat } = realMachineConfig(read());
    expect(srat?.entries.at(-1)).toEqual({ kind: 'memory', pxm: 7, start: 0x100000000n, size: 0x40000000n, flags: 3 });
  });

  it('has no SRAT where the log spoke of none', () => {
    const { srat, acpi } = realMachineConfig(read({ srat: { mem: [], cpus: [] } }));
    expect([srat, acpi['SRAT']]).toEqual([null, null]);
  });

  // usable      |..|  |........|      |....||....|      |..|
  // RAM         |..............|      |..........|      |..|
  it('has RAM under all that is usable, holes below 4 GiB filled', () => {
    const e820 = [...plain.e820, usable('0x140000000', '0x14fffffff'), usable('0x200000000', '0x20fffffff')];
    const { layout } = realMachineConfig(read({ e820 }));
    expect(layout.ram).toEqual([
      { start: 0, end: 0xc0000000 },
      { start: 0x100000000, end: 0x150000000 },
      { start: 0x200000000, end: 0x210000000 },
    ]);
    expect([layout.below4g, layout.above4g]).toEqual([0xc0000000, 0x60000000]);
  });

  it('has the map as its kernel changed it early, and not what came late', () => {
    const e820_updates = [
      'e820: update [mem 0xb0000000-0xffffffff] usable ==> reserved',
      'e820: update [mem 0x00100000-0x001fffff] usable ==> reserved',
    ];
    const { e820 } = realMachineConfig(read({ expect: { e820_updates, e820_updates_late_from: 1 } }));
    expect(e820?.map(({ start, type }) => [Number(start), type])).toEqual([
      [0, 1],
      [0x100000, 1],
      [0xb0000000, 2],
      [0x100000000, 1],
    ]);
  });
});

describe('its kernel', () => {
  const ranges = { DMA32: ['0x1000', '0xffffffff'], Normal: 'empty' };
  it.each([
    ['says nothing', {}, true, true],
    ['has no DMA zone', { zone_ranges: ranges, zonelists: 2, policy_zone: 'DMA32' }, false, true],
    ['has no NUMA', { zone_ranges: { DMA: ['0x1000', '0xffffff'], ...ranges }, zonelists: 1 }, true, false],
  ])('%s', (_name, facts, ZONE_DMA, NUMA) => {
    expect(realMachineKernel(read({ expect: facts }))).toMatchObject({
      ZONE_DMA,
      NUMA,
      DEFERRED_STRUCT_PAGE_INIT: true,
    });
  });

  it('is told mem= and memmap= only where their effect is not in the map already', () => {
    expect(realMachineCmdline(read())).toBe('mem=8G quiet memmap=1G!4G');
    const e820_updates = ['user-defined physical RAM map:', 'user: [mem 0x0-0xfff] usable'];
    expect(realMachineCmdline(read({ expect: { e820_updates, e820_updates_late_from: 2 } }))).toBe('quiet');
  });
});
