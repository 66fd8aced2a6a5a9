import { describe, expect, it, test } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import {
  MEMBLOCK_DRIVER_MANAGED,
  MEMBLOCK_HOTPLUG,
  MEMBLOCK_MIRROR,
  MEMBLOCK_NOMAP,
  MEMBLOCK_NONE,
} from '../../../kernel/include/memblock.ts';
import { pglist_data } from '../../../kernel/include/mmzone.ts';
import { NUMA_NO_NODE } from '../../../kernel/include/types.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { MAX_NUMNODES } from '../../../kernel/lib/nodemask.ts';
import { memblock_add, memblock_add_node, memblock_reserve } from '../../../kernel/mm/memblock.ts';
import {
  __next_mem_pfn_range_in_zone,
  for_each_free_mem_pfn_range_in_zone,
  for_each_free_mem_range,
  for_each_free_mem_range_reverse,
  for_each_mem_pfn_range,
  for_each_mem_range,
  for_each_mem_range_rev,
  for_each_mem_region,
  for_each_reserved_mem_range,
  for_each_reserved_mem_region,
  mem_cursor,
  type mem_range,
} from '../../../kernel/mm/memblock_iter.ts';
import { PgData } from '../../../kernel/mm/mmzone.ts';
import { MiB, testHw } from '../../support/hw.ts';
import { drawing, runs } from '../../support/regions.ts';

const PAGE = 0x1000;
const scale = { base: MiB, unit: PAGE };

function setUp(memory: string, reserved = ''): Kernel {
  const k = new Kernel(testHw(), debian);
  for (const { letter, base, size } of runs(memory, scale)) memblock_add_node(k, base, size, Number(letter), 0);
  for (const { base, size } of runs(reserved, scale)) memblock_reserve(k, base, size);
  return k;
}

/** Ranges in the order they came: the first is a. */
const order = (ranges: Iterable<mem_range>, columns: number): string =>
  drawing(
    [...ranges].map(({ start, end }) => ({ base: start, size: end - start })),
    columns,
    scale,
  );

describe('free memory', () => {
  test.each([
    {
      name: 'is memory that nobody reserved, a node and a region at a time',
      memory: '0000001111..2222',
      reserved: '..rr............',
      forward: 'aa..bbcccc..dddd',
      backward: 'dd..ccbbbb..aaaa',
    },
    {
      name: 'leaves out a reserved block over a node border',
      memory: '0000000011111111',
      reserved: '......rrrr......',
      forward: 'aaaaaa....bbbbbb',
      backward: 'bbbbbb....aaaaaa',
    },
    {
      name: 'leaves out a reserved block over a hole',
      memory: '000000....111111',
      reserved: '....rrrrrrrr....',
      forward: 'aaaa........bbbb',
      backward: 'bbbb........aaaa',
    },
    {
      name: 'does not mind what is reserved outside memory',
      memory: '....00000000....',
      reserved: 'rr............rr',
      forward: '....aaaaaaaa....',
      backward: '....aaaaaaaa....',
    },
    {
      name: 'is nothing where all is reserved',
      memory: '0000..1111..2222',
      reserved: 'rrrrrrrrrrrrrrrr',
      forward: '................',
      backward: '................',
    },
    {
      name: 'is in many pieces',
      memory: '0011.22334455.66',
      reserved: '.r.r....r..r...r',
      forward: 'a.b..ccd.ee.f.g.',
      backward: 'g.f..eed.cc.b.a.',
    },
  ])('$name', ({ memory, reserved, forward, backward }) => {
    const k = setUp(memory, reserved);
    const columns = memory.length;
    expect(order(for_each_free_mem_range(k, NUMA_NO_NODE, MEMBLOCK_NONE), columns)).toBe(forward);
    expect(order(for_each_free_mem_range_reverse(k, NUMA_NO_NODE, MEMBLOCK_NONE), columns)).toBe(backward);
  });

  it('is given with its node, and by node', () => {
    const k = setUp('0000111122220000', '...rr.....r.....');
    const all = [...for_each_free_mem_range(k, NUMA_NO_NODE, MEMBLOCK_NONE)];
    expect(all.map(({ nid }) => nid)).toEqual([0, 1, 2, 2, 0]);
    expect(order(for_each_free_mem_range(k, 2, MEMBLOCK_NONE), 16)).toBe('........aa.b....');
    expect(order(for_each_free_mem_range_reverse(k, 0, MEMBLOCK_NONE), 16)).toBe('bbb.........aaaa');
    expect([...for_each_free_mem_range(k, 7, MEMBLOCK_NONE)]).toEqual([]);
  });

  it('of MAX_NUMNODES is of any node, with one warning', () => {
    const k = setUp('00001111');
    expect(order(for_each_free_mem_range(k, MAX_NUMNODES, MEMBLOCK_NONE), 8)).toBe('aaaabbbb');
    expect(k.log.records.map(({ text }) => text)).toEqual([
      '------------[ cut here ]------------',
      'Usage of MAX_NUMNODES is deprecated. Use NUMA_NO_NODE instead',
      'WARNING: CPU: 0 PID: 0 at mm/memblock.c:1051 __next_mem_range',
      '---[ end trace 0000000000000000 ]---',
    ]);
  });

  it('may be reserved on the way', () => {
    const k = setUp('0000111122220000');
    const seen: number[] = [];
    for (const { start } of for_each_free_mem_range(k, NUMA_NO_NODE, MEMBLOCK_NONE)) {
      seen.push((start - MiB) / PAGE);
      memblock_reserve(k, start, PAGE);
    }
    // Each region but the first is met without a page of it taken: what is reserved lies behind.
    expect(seen).toEqual([0, 4, 8, 12]);
  });
});

describe('kinds of memory', () => {
  //  |- plain -|- hotplug -|- mirror -|- nomap -|- driver -|   a MiB each from 1 MiB on
  function kinds(movable_node_enabled: boolean): Kernel {
    const k = new Kernel(testHw(), debian);
    k.mm.movable_node_enabled = movable_node_enabled;
    [MEMBLOCK_NONE, MEMBLOCK_HOTPLUG, MEMBLOCK_MIRROR, MEMBLOCK_NOMAP, MEMBLOCK_DRIVER_MANAGED].forEach((flags, i) => {
      memblock_add_node(k, (1 + i) * MiB, MiB, 0, flags);
    });
    return k;
  }
  test.each([
    { ask: 'nothing', flags: MEMBLOCK_NONE, movable: false, wanted: [1, 2, 3] },
    { ask: 'nothing', flags: MEMBLOCK_NONE, movable: true, wanted: [1, 3] },
    { ask: 'hotplug', flags: MEMBLOCK_HOTPLUG, movable: true, wanted: [1, 2, 3] },
    { ask: 'mirror', flags: MEMBLOCK_MIRROR, movable: false, wanted: [3] },
    { ask: 'nomap', flags: MEMBLOCK_NOMAP, movable: false, wanted: [1, 2, 3, 4] },
    { ask: 'driver managed', flags: MEMBLOCK_DRIVER_MANAGED, movable: false, wanted: [1, 2, 3, 5] },
  ])('asking for $ask, movable_node $movable, gives regions $wanted', ({ flags, movable, wanted }) => {
    const k = kinds(movable);
    const found = [...for_each_free_mem_range(k, NUMA_NO_NODE, flags)].map(({ start }) => start / MiB);
    expect(found).toEqual(wanted);
    const back = [...for_each_free_mem_range_reverse(k, NUMA_NO_NODE, flags)].map(({ start }) => start / MiB);
    expect(back).toEqual([...wanted].reverse());
  });
  it('for_each_mem_range gives all but what has no mapping', () => {
    for (const movable of [false, true]) {
      expect([...for_each_mem_range(kinds(movable))].map(({ start }) => start / MiB)).toEqual([1, 2, 3, 5]);
      expect([...for_each_mem_range_rev(kinds(movable))].map(({ start }) => start / MiB)).toEqual([5, 3, 2, 1]);
    }
  });
});

describe('regions', () => {
  it('come as they are, to be changed', () => {
    const k = setUp('0011', '..r.');
    for (const region of for_each_mem_region(k)) region.nid += 5;
    expect(k.memblock.memory.regions.map(({ nid }) => nid)).toEqual([5, 6]);
    expect([...for_each_reserved_mem_region(k)]).toEqual(k.memblock.reserved.regions);
  });
  it('reserved are given whatever movable_node and their node are', () => {
    const k = setUp('0011', 'r.r.');
    k.mm.movable_node_enabled = true;
    k.memblock.reserved.regions[0]!.flags = MEMBLOCK_HOTPLUG;
    expect(order(for_each_reserved_mem_range(k), 4)).toBe('a.b.');
  });
});

describe('page frames of memory', () => {
  //  frame     256    257    258    259    260
  //  memory  |  ..====|======|==..  | .==. |======|
  it('are the whole ones', () => {
    const k = new Kernel(testHw(), debian);
    memblock_add_node(k, MiB + 0x800, 0x2000, 1, 0);
    memblock_add_node(k, MiB + 0x3400, 0x800, 1, 0);
    memblock_add_node(k, MiB + 0x4000, 0x1000, 2, 0);
    const [a, b] = [
      { start_pfn: 257, end_pfn: 258, nid: 1 },
      { start_pfn: 260, end_pfn: 261, nid: 2 },
    ];
    expect([...for_each_mem_pfn_range(k, MAX_NUMNODES)]).toEqual([a, b]);
    expect([...for_each_mem_pfn_range(k, 2)]).toEqual([b]);
    expect([...for_each_mem_pfn_range(k, 0)]).toEqual([]);
  });
  it('are none without memory', () => {
    expect([...for_each_mem_pfn_range(new Kernel(testHw(), debian), MAX_NUMNODES)]).toEqual([]);
  });
});

describe('free page frames of a zone', () => {
  //  frame      256   260   264   268   272
  //  node       |000000000000|1111|0000|
  //  zone         [---------------)         frames 258 to 273
  //  reserved    r rr    r         r
  function zoned() {
    const k = setUp('000000000000111100000000', '.r.rr.....r..........r..');
    memblock_add(k, 4 * MiB, MiB);
    const zone = new PgData(k.hw.ram, 8 * MiB, 0).node_zones[2]!;
    zone.zone_start_pfn = 258;
    zone.spanned_pages = 16;
    return { k, zone };
  }
  const wanted = [
    { start_pfn: 258, end_pfn: 259, nid: 0 },
    { start_pfn: 261, end_pfn: 266, nid: 0 },
    { start_pfn: 267, end_pfn: 268, nid: 0 },
    { start_pfn: 272, end_pfn: 274, nid: 0 },
  ];
  it('are cut to the zone and of its node', () => {
    const { k, zone } = zoned();
    expect(pglist_data.size).toBeLessThan(8 * MiB);
    expect([...for_each_free_mem_pfn_range_in_zone(k, zone)]).toEqual(wanted);
  });
  it('can be walked again from where one was', () => {
    const { k, zone } = zoned();
    const cursor = mem_cursor();
    expect(__next_mem_pfn_range_in_zone(k, cursor, zone)).toEqual(wanted[0]);
    const here = { ...cursor };
    for (const from of [cursor, here]) {
      expect(__next_mem_pfn_range_in_zone(k, from, zone)).toEqual(wanted[1]);
      expect(__next_mem_pfn_range_in_zone(k, from, zone)).toEqual(wanted[2]);
    }
  });
  it('end for good at the end of the zone', () => {
    const { k, zone } = zoned();
    const cursor = mem_cursor();
    for (const range of wanted) expect(__next_mem_pfn_range_in_zone(k, cursor, zone)).toEqual(range);
    expect(__next_mem_pfn_range_in_zone(k, cursor, zone)).toBeNull();
    expect(__next_mem_pfn_range_in_zone(k, cursor, zone)).toBeNull();
  });
});
