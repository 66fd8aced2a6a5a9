import { describe, expect, it, test } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import {
  MEMBLOCK_ALLOC_ANYWHERE,
  MEMBLOCK_HOTPLUG,
  MEMBLOCK_MIRROR,
  MEMBLOCK_NOMAP,
  MEMBLOCK_NONE,
  PHYS_ADDR_MAX,
} from '../../../kernel/include/memblock.ts';
import { ENOMEM } from '../../../kernel/include/types.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { MAX_NUMNODES } from '../../../kernel/lib/nodemask.ts';
import {
  memblock_add,
  memblock_add_node,
  memblock_allow_resize,
  memblock_bottom_up,
  memblock_clear_hotplug,
  memblock_clear_nomap,
  memblock_mark_hotplug,
  memblock_mark_mirror,
  memblock_mark_nomap,
  memblock_phys_free,
  memblock_remove,
  memblock_replace_reserved,
  memblock_reserve,
  memblock_set_bottom_up,
  memblock_set_node,
  type memblock_type,
} from '../../../kernel/mm/memblock.ts';
import { MiB, testHw } from '../../support/hw.ts';
import { drawing, regionsOf, runs } from '../../support/regions.ts';

const newKernel = (config = debian): Kernel => new Kernel(testHw(), config);
const scale = { base: MiB, unit: 0x1000 };
const COLUMNS = 16;
const draw = (type: memblock_type): string => drawing(regionsOf(type), COLUMNS, scale);
const total = (type: memblock_type): number => regionsOf(type).reduce((sum, { size }) => sum + size, 0);
const warnings = (k: Kernel): string[] =>
  k.log.records.map(({ text }) => text).filter((text) => text.startsWith('WARNING'));

describe('a new memblock', () => {
  const { memblock } = newKernel();
  test.each([
    ['memory', memblock.memory],
    ['reserved', memblock.reserved],
  ])('%s is one empty region with room for 128', (name, type) => {
    expect(type).toMatchObject({ name, max: 128, total_size: 0 });
    expect(type.regions).toEqual([{ base: 0, size: 0, flags: 0, nid: 0 }]);
  });
  it('allocates top-down and anywhere', () => {
    expect(memblock.bottom_up).toBe(false);
    expect(memblock.current_limit).toBe(MEMBLOCK_ALLOC_ANYWHERE);
  });
  it('changes direction when told', () => {
    const k = newKernel();
    expect(memblock_bottom_up(k)).toBe(false);
    memblock_set_bottom_up(k, true);
    expect(memblock_bottom_up(k)).toBe(true);
    memblock_set_bottom_up(k, false);
    expect(memblock_bottom_up(k)).toBe(false);
  });
});

/** The two lists obey the same rules. */
const lists = [
  { list: 'memory', put: memblock_add, take: memblock_remove },
  { list: 'reserved', put: memblock_reserve, take: memblock_phys_free },
] as const;

describe.each(lists)('adding to memblock.$list', ({ list, put }) => {
  // Ranges are added in the order x, y, z.
  test.each([
    { name: 'one range', add: ['..xxxx..........'], wanted: '..aaaa..........' },
    { name: 'apart', add: ['..xxx...........', '.........yyy....'], wanted: '..aaa....bbb....' },
    { name: 'apart, the lower one last', add: ['.........xxx....', '..yyy...........'], wanted: '..aaa....bbb....' },
    { name: 'over the beginning', add: ['.....xxxxx......', '..yyyyy.........'], wanted: '..aaaaaaaa......' },
    { name: 'over the end', add: ['..xxxxx.........', '.....yyyyy......'], wanted: '..aaaaaaaa......' },
    { name: 'within', add: ['..xxxxxxxxxx....', '.....yyy........'], wanted: '..aaaaaaaaaa....' },
    { name: 'twice', add: ['..xxxx..........', '..yyyy..........'], wanted: '..aaaa..........' },
    { name: 'around', add: ['.....xxx........', '..yyyyyyyyyy....'], wanted: '..aaaaaaaaaa....' },
    { name: 'just below', add: ['.....xxx........', '..yyy...........'], wanted: '..aaaaaa........' },
    { name: 'just above', add: ['..xxx...........', '.....yyy........'], wanted: '..aaaaaa........' },
    {
      name: 'exactly between two',
      add: ['..xxx...........', '.......yyy......', '.....zz.........'],
      wanted: '..aaaaaaaa......',
    },
    {
      name: 'over two and all gaps',
      add: ['..xx............', '.......yy.......', 'zzzzzzzzzzzz....'],
      wanted: 'aaaaaaaaaaaa....',
    },
    {
      name: 'from inside one to inside the next',
      add: ['..xxxx..........', '.........yyyy...', '....zzzzzzz.....'],
      wanted: '..aaaaaaaaaaa...',
    },
  ])('$name', ({ add, wanted }) => {
    const k = newKernel();
    for (const picture of add) {
      for (const { base, size } of runs(picture, scale)) expect(put(k, base, size)).toBe(0);
    }
    const type = k.memblock[list];
    expect(draw(type)).toBe(wanted);
    expect(type.total_size).toBe(total(type));
    expect(type.regions.length).toBe(regionsOf(type).length);
  });

  it('adds nothing for a size of 0', () => {
    const k = newKernel();
    expect(put(k, MiB, 0)).toBe(0);
    expect(regionsOf(k.memblock[list])).toEqual([]);
  });

  //            |--- range ---|
  //  ----------------|  end of the address space
  it('ends at the end of the address space', () => {
    const k = newKernel();
    expect(put(k, PHYS_ADDR_MAX - MiB, 2 * MiB)).toBe(0);
    expect(regionsOf(k.memblock[list])).toMatchObject([{ base: PHYS_ADDR_MAX - MiB, size: MiB }]);
    expect(k.memblock[list].total_size).toBe(MiB);
  });
});

describe.each(lists)('taking from memblock.$list', ({ list, put, take }) => {
  test.each([
    { name: 'a whole region', before: '..xx....yyyy....', take: '..tt............', wanted: '........aaaa....' },
    { name: 'what is not there', before: '..xx............', take: '.......ttt......', wanted: '..aa............' },
    { name: 'a gap', before: '..xx...yy.......', take: '....ttt.........', wanted: '..aa...bb.......' },
    { name: 'over the beginning', before: '.....xxxxxx.....', take: '...tttt.........', wanted: '.......aaaa.....' },
    { name: 'over the end', before: '...xxxxxx.......', take: '......tttttt....', wanted: '...aaa..........' },
    { name: 'the middle', before: '...xxxxxxxx.....', take: '......tt........', wanted: '...aaa..bbb.....' },
    { name: 'up to the end exactly', before: '...xxxxxxxx.....', take: '........ttt.....', wanted: '...aaaaa........' },
    { name: 'parts of two', before: '..xxxx...yyyyy..', take: '....ttttttt.....', wanted: '..aa.......bbb..' },
    {
      name: 'one of three and parts',
      before: '.xxx..yy..zzz...',
      take: '..ttttttttt.....',
      wanted: '.a.........bb...',
    },
    { name: 'everything', before: '.xxx..yy..zzz...', take: 'tttttttttttttttt', wanted: '................' },
  ])('$name', ({ before, take: taken, wanted }) => {
    const k = newKernel();
    for (const { base, size } of runs(before, scale)) put(k, base, size);
    for (const { base, size } of runs(taken, scale)) expect(take(k, base, size)).toBe(0);
    const type = k.memblock[list];
    expect(draw(type)).toBe(wanted);
    expect(type.total_size).toBe(total(type));
  });

  it('leaves one empty region of no node where the last went', () => {
    const k = newKernel();
    put(k, MiB, MiB);
    expect(take(k, MiB, MiB)).toBe(0);
    expect(k.memblock[list].regions).toEqual([{ base: 0, size: 0, flags: 0, nid: MAX_NUMNODES }]);
    expect(k.memblock[list].total_size).toBe(0);
  });

  it('ends at the end of the address space', () => {
    const k = newKernel();
    put(k, PHYS_ADDR_MAX - 2 * MiB, 2 * MiB);
    expect(take(k, PHYS_ADDR_MAX - MiB, 2 * MiB)).toBe(0);
    expect(regionsOf(k.memblock[list])).toMatchObject([{ base: PHYS_ADDR_MAX - 2 * MiB, size: MiB }]);
  });
});

describe('nodes and flags', () => {
  it('are kept with the region', () => {
    const k = newKernel();
    expect(memblock_add_node(k, MiB, 16 * MiB, 1, MEMBLOCK_HOTPLUG)).toBe(0);
    expect(k.memblock.memory.regions).toEqual([{ base: MiB, size: 16 * MiB, nid: 1, flags: MEMBLOCK_HOTPLUG }]);
  });

  it('are MAX_NUMNODES and none where nobody said', () => {
    const k = newKernel();
    memblock_add(k, MiB, MiB);
    memblock_reserve(k, MiB, MiB);
    expect(k.memblock.memory.regions).toMatchObject([{ nid: MAX_NUMNODES, flags: MEMBLOCK_NONE }]);
    expect(k.memblock.reserved.regions).toMatchObject([{ nid: MAX_NUMNODES, flags: MEMBLOCK_NONE }]);
  });

  //  |---- 0 ----|---- 1 ----|
  test.each([
    { name: 'touching regions of one node merge', second: [0, 0], count: 1 },
    { name: 'of two nodes do not', second: [1, 0], count: 2 },
    { name: 'of different flags do not', second: [0, MEMBLOCK_HOTPLUG], count: 2 },
  ] as const)('$name', ({ second, count }) => {
    const k = newKernel();
    memblock_add_node(k, MiB, MiB, 0, 0);
    memblock_add_node(k, 2 * MiB, MiB, second[0], second[1]);
    expect(k.memblock.memory.regions.length).toBe(count);
    expect(k.memblock.memory.total_size).toBe(2 * MiB);
  });

  //  before  ....|--- node 1 ---|....      added on node 0
  //  after   |0 0|--- node 1 ---|0 0|      what is there keeps its node, and Linux warns
  it('of what is there stay when a range is added around it', () => {
    const k = newKernel();
    memblock_add_node(k, 2 * MiB, MiB, 1, 0);
    memblock_add_node(k, MiB, 3 * MiB, 0, 0);
    expect(k.memblock.memory.regions).toEqual([
      { base: MiB, size: MiB, nid: 0, flags: 0 },
      { base: 2 * MiB, size: MiB, nid: 1, flags: 0 },
      { base: 3 * MiB, size: MiB, nid: 0, flags: 0 },
    ]);
    expect(warnings(k)).toEqual(['WARNING: CPU: 0 PID: 0 at mm/memblock.c:635 memblock_add_range']);
  });

  //  before  |------ no node ------|
  //  set        |- 3 -|
  //  after   |--|- 3 -|------------|
  it('are set on exactly the range, splitting what crosses its ends', () => {
    const k = newKernel();
    memblock_add(k, MiB, 8 * MiB);
    expect(memblock_set_node(k, 2 * MiB, 2 * MiB, k.memblock.memory, 3)).toBe(0);
    expect(k.memblock.memory.regions).toEqual([
      { base: MiB, size: MiB, nid: MAX_NUMNODES, flags: 0 },
      { base: 2 * MiB, size: 2 * MiB, nid: 3, flags: 0 },
      { base: 4 * MiB, size: 5 * MiB, nid: MAX_NUMNODES, flags: 0 },
    ]);
    expect(k.memblock.memory.total_size).toBe(8 * MiB);
  });

  it('that become alike merge their regions again', () => {
    const k = newKernel();
    memblock_reserve(k, MiB, 8 * MiB);
    memblock_set_node(k, 2 * MiB, 2 * MiB, k.memblock.reserved, 3);
    memblock_set_node(k, 0, PHYS_ADDR_MAX, k.memblock.reserved, 5);
    expect(k.memblock.reserved.regions).toEqual([{ base: MiB, size: 8 * MiB, nid: 5, flags: 0 }]);
  });

  it('are node 0 and cannot be set in a kernel without NUMA', () => {
    const k = newKernel({ ...debian, NUMA: false });
    memblock_add_node(k, MiB, MiB, 1, 0);
    memblock_add(k, 2 * MiB, MiB);
    expect(memblock_set_node(k, 0, PHYS_ADDR_MAX, k.memblock.memory, 1)).toBe(0);
    expect(k.memblock.memory.regions).toEqual([{ base: MiB, size: 2 * MiB, nid: 0, flags: 0 }]);
  });

  //  memory  |--------------|
  //  mark       |- flag -|
  test.each([
    { name: 'hotplug', mark: memblock_mark_hotplug, clear: memblock_clear_hotplug, flag: MEMBLOCK_HOTPLUG },
    { name: 'nomap', mark: memblock_mark_nomap, clear: memblock_clear_nomap, flag: MEMBLOCK_NOMAP },
  ])('$name marks a range and clears again', ({ mark, clear, flag }) => {
    const k = newKernel();
    memblock_add(k, MiB, 4 * MiB);
    expect(mark(k, 2 * MiB, MiB)).toBe(0);
    expect(k.memblock.memory.regions.map((r) => [r.base, r.size, r.flags])).toEqual([
      [MiB, MiB, 0],
      [2 * MiB, MiB, flag],
      [3 * MiB, 2 * MiB, 0],
    ]);
    expect(clear(k, 0, PHYS_ADDR_MAX)).toBe(0);
    expect(k.memblock.memory.regions.map((r) => [r.base, r.size, r.flags])).toEqual([[MiB, 4 * MiB, 0]]);
  });

  it('keep other marks when one is cleared', () => {
    const k = newKernel();
    memblock_add(k, MiB, MiB);
    memblock_mark_hotplug(k, MiB, MiB);
    memblock_mark_nomap(k, MiB, MiB);
    memblock_clear_hotplug(k, MiB, MiB);
    expect(k.memblock.memory.regions[0]!.flags).toBe(MEMBLOCK_NOMAP);
  });

  test.each([
    { name: 'mirror is not marked without kernelcore=mirror', mirrored_kernelcore: false, flags: 0 },
    { name: 'mirror is marked with it', mirrored_kernelcore: true, flags: MEMBLOCK_MIRROR },
  ])('$name', ({ mirrored_kernelcore, flags }) => {
    const k = newKernel();
    k.mm.mirrored_kernelcore = mirrored_kernelcore;
    memblock_add(k, MiB, MiB);
    expect(memblock_mark_mirror(k, MiB, MiB)).toBe(0);
    expect(k.memblock.memory.regions[0]!.flags).toBe(flags);
    expect(k.memblock.system_has_some_mirror).toBe(mirrored_kernelcore);
  });
});

describe('a list that is full', () => {
  /** Memory of 16 MiB and 127 single reserved pages, 8 KiB apart from 1 MiB on; the last entry is left free. */
  function crowded(): Kernel {
    const k = newKernel();
    memblock_add(k, 0, 16 * MiB);
    for (let i = 0; i < 127; i++) memblock_reserve(k, MiB + i * 0x2000, 0x1000);
    return k;
  }

  it('takes the 128th region but refuses the 129th before it may grow', () => {
    const k = crowded();
    expect(memblock_reserve(k, 8 * MiB, 0x1000)).toBe(0);
    expect(memblock_reserve(k, 9 * MiB, 0x1000)).toBe(-ENOMEM);
    expect(k.memblock.reserved.regions.length).toBe(128);
    expect(memblock_remove(k, 8 * MiB, MiB)).toBe(0);
  });

  it('still takes a range that needs no region of its own', () => {
    const k = crowded();
    memblock_reserve(k, 8 * MiB, 0x1000);
    expect(memblock_reserve(k, MiB, 0x1000)).toBe(0);
    expect(memblock_phys_free(k, MiB + 0x400, 0x100)).toBe(-ENOMEM);
  });

  // The reserved list's new array: 256 entries of 24 bytes, so two pages, from the top of memory, reserved like any.
  //
  //  memory    0 |----------------------------------| 16 MiB
  //  reserved         r r r r ... r     x         |a|
  it('grows to twice its size at the top of memory once it may', () => {
    const k = crowded();
    memblock_allow_resize(k);
    memblock_reserve(k, 8 * MiB, 0x1000);
    expect(memblock_reserve(k, 9 * MiB, 0x1000)).toBe(0);
    const { reserved } = k.memblock;
    expect(reserved.max).toBe(256);
    expect(reserved.array_pa).toBe(16 * MiB - 0x2000);
    expect(reserved.regions.at(-1)).toMatchObject({ base: 16 * MiB - 0x2000, size: 0x2000 });
    expect(reserved.regions.length).toBe(130);
  });

  //  memory    0 |----------------------------------| 16 MiB
  //  reserved         r r r r ... r            |xxxx|   about to be reserved: in no list yet
  //                                          |a|        so the array goes below it
  it('does not put its array where the range about to be reserved lies', () => {
    const k = crowded();
    memblock_allow_resize(k);
    memblock_reserve(k, 8 * MiB, 0x1000);
    expect(memblock_reserve(k, 15 * MiB, MiB)).toBe(0);
    const { reserved } = k.memblock;
    expect(reserved.array_pa).toBe(15 * MiB - 0x2000);
    expect(reserved.regions.at(-1)).toMatchObject({ base: 15 * MiB - 0x2000, size: MiB + 0x2000 });
  });

  it('gives its old array back when it grows again', () => {
    const k = crowded();
    memblock_allow_resize(k);
    for (let i = 127; i < 300; i++) expect(memblock_reserve(k, MiB + i * 0x2000, 0x1000)).toBe(0);
    const { reserved } = k.memblock;
    // 128 -> 256 took 2 pages, 256 -> 512 took 3 below them, then the 2 went back.
    expect(reserved.max).toBe(512);
    expect(reserved.array_pa).toBe(16 * MiB - 0x5000);
    expect(reserved.regions.at(-1)).toMatchObject({ base: 16 * MiB - 0x5000, size: 0x3000 });
    expect(reserved.regions.length).toBe(301);
  });

  it('grows memory too, with an array in what is free', () => {
    const k = newKernel();
    memblock_allow_resize(k);
    memblock_add(k, 0, MiB);
    memblock_reserve(k, 0, MiB - 0x8000);
    for (let i = 1; i < 129; i++) expect(memblock_add(k, MiB + i * 0x2000, 0x1000)).toBe(0);
    const { memory, reserved } = k.memblock;
    expect(memory).toMatchObject({ max: 256, array_pa: MiB - 0x2000 });
    expect(reserved.regions).toMatchObject([
      { base: 0, size: MiB - 0x8000 },
      { base: MiB - 0x2000, size: 0x2000 },
    ]);
  });

  it('says so in the words of Linux when there is no room to grow', () => {
    const k = newKernel();
    memblock_allow_resize(k);
    for (let i = 0; i < 128; i++) memblock_reserve(k, MiB + i * 0x2000, 0x1000);
    expect(memblock_reserve(k, 9 * MiB, 0x1000)).toBe(-ENOMEM);
    expect(k.log.records.at(-1)!.text).toBe('memblock: Failed to double reserved array from 128 to 256 entries !');
  });
});

describe('reservations of another kernel', () => {
  const recording = [
    { base: 0, size: 0x10000, flags: 0, nid: 0 },
    { base: 0x20000, size: 0x1000, flags: 0, nid: -1 },
  ];
  it('take the place of all there are', () => {
    const k = newKernel();
    memblock_reserve(k, 8 * MiB, MiB);
    memblock_replace_reserved(k, recording);
    expect(k.memblock.reserved).toMatchObject({
      total_size: 0x11000,
      regions: [recording[0], { ...recording[1], nid: MAX_NUMNODES }],
    });
  });
  it('may be none', () => {
    const k = newKernel();
    memblock_replace_reserved(k, []);
    expect(k.memblock.reserved).toMatchObject({ total_size: 0, regions: [{ base: 0, size: 0 }] });
  });
  it('may be more than 128', () => {
    const k = newKernel();
    memblock_replace_reserved(
      k,
      Array.from({ length: 200 }, (_, i) => ({ base: i * 0x2000, size: 0x1000, flags: 0, nid: -1 })),
    );
    expect(memblock_reserve(k, 0x1000, 0x1000)).toBe(0);
    expect(k.memblock.reserved.regions.length).toBe(199);
  });
});
