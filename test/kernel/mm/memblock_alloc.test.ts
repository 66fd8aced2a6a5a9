import { describe, expect, it, test } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import {
  MEMBLOCK_ALLOC_ACCESSIBLE,
  MEMBLOCK_ALLOC_ANYWHERE,
  MEMBLOCK_HOTPLUG,
  SMP_CACHE_BYTES,
} from '../../../kernel/include/memblock.ts';
import { NUMA_NO_NODE, SZ_4G } from '../../../kernel/include/types.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import {
  memblock_add,
  memblock_add_node,
  memblock_get_current_limit,
  memblock_mark_mirror,
  memblock_mark_nomap,
  memblock_reserve,
  memblock_set_bottom_up,
  memblock_set_current_limit,
} from '../../../kernel/mm/memblock.ts';
import {
  memblock_alloc,
  memblock_alloc_exact_nid_raw,
  memblock_alloc_from,
  memblock_alloc_low,
  memblock_alloc_node,
  memblock_alloc_range_nid,
  memblock_alloc_raw,
  memblock_alloc_try_nid,
  memblock_alloc_try_nid_raw,
  memblock_phys_alloc,
  memblock_phys_alloc_range,
  memblock_phys_alloc_try_nid,
  memblockAllocUncleared,
} from '../../../kernel/mm/memblock_alloc.ts';
import { GiB, MiB, testHw } from '../../support/hw.ts';
import { drawing, regionsOf, runs } from '../../support/regions.ts';

const KiB = 0x400;
const scale = { base: MiB, unit: KiB };

interface Case {
  name: string;
  /** Columns of 1 KiB: memory by node, '.' for a hole. */
  memory: string;
  /** What is reserved before. */
  reserved?: string;
  /** '[' is the column of min_addr, ')' that of max_addr, the first one not allowed. */
  limits?: string;
  size: number;
  align?: number;
  nid?: number;
  exact?: boolean;
  /** Where the block is put top-down and bottom-up; null: nowhere. */
  down: string | null;
  up: string | null;
}

const anywhere: Case[] = [
  {
    name: 'takes the end of memory that its direction starts from',
    memory: '0000000000000000',
    size: 2,
    down: '..............nn',
    up: 'nn..............',
  },
  {
    name: 'keeps to the alignment beside a reserved odd end',
    memory: '0000000000000000',
    reserved: 'r..............r',
    size: 1,
    align: 4,
    down: '............n...',
    up: '....n...........',
  },
  {
    name: 'takes the first fit',
    memory: '0000000000000000',
    reserved: '......rrrr......',
    size: 6,
    down: '..........nnnnnn',
    up: 'nnnnnn..........',
  },
  {
    name: 'goes to the other side of a reserved block when there is no room before it',
    memory: '0000000000000000',
    reserved: '..rr........rr..',
    size: 3,
    down: '.........nnn....',
    up: '....nnn.........',
  },
  {
    name: 'passes by a gap that is too small',
    memory: '0000000000000000',
    reserved: 'rr.rr......rr.rr',
    size: 2,
    down: '.........nn.....',
    up: '.....nn.........',
  },
  {
    name: 'fills a gap that just fits, making one region of three',
    memory: '0000000000000000',
    reserved: '.rrrrr....rrrrr.',
    size: 4,
    down: '......nnnn......',
    up: '......nnnn......',
  },
  {
    name: 'fails where every gap is too small',
    memory: '0000000000000000',
    reserved: '.rrr.rrr.rrr.rrr',
    size: 2,
    down: null,
    up: null,
  },
  {
    name: 'fails where all is reserved',
    memory: '0000000000000000',
    reserved: 'rrrrrrrrrrrrrrrr',
    size: 1,
    down: null,
    up: null,
  },
  {
    name: 'fails where the rest is too small',
    memory: '0000000000000000',
    reserved: 'rrrrrrrrrrrrr...',
    size: 4,
    down: null,
    up: null,
  },
  {
    name: 'takes the last bit',
    memory: '0000000000000000',
    reserved: 'rrrrrrrrrrrrr...',
    size: 3,
    down: '.............nnn',
    up: '.............nnn',
  },
  { name: 'fails without memory', memory: '................', size: 1, down: null, up: null },
  { name: 'fails where it is larger than memory', memory: '0000000000000000', size: 17, down: null, up: null },
  {
    name: 'takes nothing that is reserved but not memory',
    memory: '....00000000....',
    reserved: 'rrrr............',
    size: 8,
    down: '....nnnnnnnn....',
    up: '....nnnnnnnn....',
  },
  {
    name: 'does not reach over a hole',
    memory: '00000000..000000',
    size: 7,
    down: '.nnnnnnn........',
    up: 'nnnnnnn.........',
  },
];

const limited: Case[] = [
  {
    name: 'stays between min_addr and max_addr',
    memory: '0000000000000000',
    limits: '   [      )     ',
    size: 2,
    down: '........nn......',
    up: '...nn...........',
  },
  {
    name: 'keeps to the alignment between limits that are not aligned',
    memory: '0000000000000000',
    limits: '   [      )     ',
    size: 1,
    align: 4,
    down: '........n.......',
    up: '....n...........',
  },
  {
    name: 'may fill the whole range',
    memory: '0000000000000000',
    limits: '    [   )       ',
    size: 4,
    down: '....nnnn........',
    up: '....nnnn........',
  },
  {
    name: 'drops min_addr, never max_addr, where the range is too narrow',
    memory: '0000000000000000',
    limits: '      [ )       ',
    size: 4,
    down: '....nnnn........',
    up: 'nnnn............',
  },
  {
    name: 'fails where even memory below max_addr is too small',
    memory: '0000000000000000',
    limits: '[ )             ',
    size: 4,
    down: null,
    up: null,
  },
  {
    name: 'merges with what is reserved right below min_addr',
    memory: '0000000000000000',
    reserved: '..........rr....',
    limits: '            [   ',
    size: 4,
    down: '............nnnn',
    up: '............nnnn',
  },
  {
    name: 'merges with what is reserved right above max_addr',
    memory: '0000000000000000',
    reserved: '............rrrr',
    limits: '        [   )   ',
    size: 4,
    down: '........nnnn....',
    up: '........nnnn....',
  },
  {
    name: 'takes its side of a gap between two reserved blocks',
    memory: '0000000000000000',
    reserved: '..rrrr....rrrr..',
    limits: '      [   )     ',
    size: 2,
    down: '........nn......',
    up: '......nn........',
  },
  {
    name: 'fills the gap between two reserved blocks, making one region of three',
    memory: '0000000000000000',
    reserved: '..rrrr..rrrr....',
    limits: '      [ )       ',
    size: 2,
    down: '......nn........',
    up: '......nn........',
  },
  {
    name: 'goes below the lower reserved block where the gap is too small',
    memory: '0000000000000000',
    reserved: '......rrr.rrrr..',
    limits: '         [)     ',
    size: 2,
    down: '....nn..........',
    up: 'nn..............',
  },
  {
    name: 'fails where the gap is too small and all else is reserved',
    memory: '0000000000000000',
    reserved: 'rrrrrrr..rrrrrrr',
    limits: '       [ )      ',
    size: 3,
    down: null,
    up: null,
  },
  {
    name: 'does not mind a max_addr above memory',
    memory: '....00000000....',
    limits: '      [        )',
    size: 2,
    down: '..........nn....',
    up: '......nn........',
  },
  {
    name: 'does not mind a min_addr below memory',
    memory: '....00000000....',
    limits: '[               ',
    size: 2,
    down: '..........nn....',
    up: '....nn..........',
  },
];

const nodes: Case[] = [
  {
    name: 'takes the wanted node',
    memory: '000000112222334444445555',
    nid: 2,
    size: 2,
    down: '..........nn............',
    up: '........nn..............',
  },
  {
    name: 'goes to any node where the wanted one is too small',
    memory: '000000112222334444445555',
    nid: 1,
    size: 4,
    down: '....................nnnn',
    up: 'nnnn....................',
  },
  {
    name: 'goes to the nearest end that is large enough',
    memory: '001122223333334444445566',
    nid: 1,
    size: 5,
    down: '...............nnnnn....',
    up: '........nnnnn...........',
  },
  {
    name: 'goes to any node where the wanted one is reserved',
    memory: '000000112222334444445555',
    reserved: '........rrrr............',
    nid: 2,
    size: 2,
    down: '......................nn',
    up: 'nn......................',
  },
  {
    name: 'takes what is left of the wanted node',
    memory: '000000112222334444445555',
    reserved: '..............rrr.......',
    nid: 4,
    size: 2,
    down: '..................nn....',
    up: '.................nn.....',
  },
  {
    name: 'goes to any node where no piece of the wanted one is large enough',
    memory: '000000112222334444445555',
    reserved: '................rr......',
    nid: 4,
    size: 3,
    down: '.....................nnn',
    up: 'nnn.....................',
  },
  {
    name: 'drops min_addr to stay on the wanted node, where that is the lower one of the range',
    memory: '000000112222334444445555',
    limits: '          [  )          ',
    nid: 2,
    size: 3,
    down: '.........nnn............',
    up: '........nnn.............',
  },
  {
    name: 'leaves the wanted node where the range holds only its beginning',
    memory: '000000112222334444445555',
    limits: '          [    )        ',
    nid: 4,
    size: 4,
    down: '........nnnn............',
    up: 'nnnn....................',
  },
  {
    name: 'drops min_addr to reach the wanted node, where no node of the range has room',
    memory: '000000112222334444445555',
    limits: '            [  )        ',
    nid: 0,
    size: 3,
    down: '...nnn..................',
    up: 'nnn.....................',
  },
  {
    name: 'takes any node of the range rather than the wanted one below it',
    memory: '000000112222334444445555',
    limits: '        [           )   ',
    nid: 0,
    size: 2,
    down: '..................nn....',
    up: '........nn..............',
  },
  {
    name: 'takes any node of the range where the wanted one is above it',
    memory: '000000112222334444445555',
    limits: '      [     )           ',
    nid: 4,
    size: 2,
    down: '..........nn............',
    up: '......nn................',
  },
  {
    name: 'fails where no node is large enough: a block never lies on two nodes',
    memory: '001100112211001122',
    nid: 0,
    size: 3,
    down: null,
    up: null,
  },
  {
    name: 'fails without a wish for a node where the range lies on two and the rest is reserved',
    memory: '000000001111111111111111',
    reserved: 'rrrrrr....rrrrrrrrrrrrrr',
    limits: '      [   )             ',
    size: 4,
    down: null,
    up: null,
  },
  {
    name: 'fills the wanted node between two reserved ends, making one region of three',
    memory: '000000112222334444445555',
    reserved: '......rr....rr..........',
    limits: '        [   )           ',
    nid: 2,
    size: 4,
    down: '........nnnn............',
    up: '........nnnn............',
  },
  {
    name: 'fails on an exact node that is too small',
    memory: '000000112222334444445555',
    nid: 1,
    exact: true,
    size: 3,
    down: null,
    up: null,
  },
  {
    name: 'drops min_addr on an exact node',
    memory: '000000112222334444445555',
    limits: '              [         ',
    nid: 2,
    exact: true,
    size: 2,
    down: '..........nn............',
    up: '........nn..............',
  },
];

/** A kernel with the case's memory, every byte of it 0xff, and its reservations. */
function setUp(row: Pick<Case, 'memory' | 'reserved'>): Kernel {
  const k = new Kernel(testHw(), debian);
  for (const { letter, base, size } of runs(row.memory, scale)) memblock_add_node(k, base, size, Number(letter), 0);
  for (const { base, size } of runs(row.reserved ?? '', scale)) memblock_reserve(k, base, size);
  k.hw.ram.fill(scale.base, row.memory.length * KiB, 0xff);
  return k;
}

describe.each([
  ['anywhere', anywhere],
  ['within limits', limited],
  ['by node', nodes],
])('a block %s', (_, rows) => {
  describe.each(['down', 'up'] as const)('%s', (direction) => {
    test.each(rows)('$name', (row) => {
      const k = setUp(row);
      memblock_set_bottom_up(k, direction === 'up');
      const limit = (bracket: string, none: number): number => {
        const column = row.limits?.indexOf(bracket) ?? -1;
        return column < 0 ? none : scale.base + column * KiB;
      };
      const [align, nid] = [(row.align ?? 0) * KiB || SMP_CACHE_BYTES, row.nid ?? NUMA_NO_NODE];
      const min_addr = limit('[', 0);
      const max_addr = limit(')', MEMBLOCK_ALLOC_ACCESSIBLE);
      const alloc = row.exact ? memblock_alloc_exact_nid_raw : memblock_alloc_try_nid;
      const size = row.size * KiB;
      const found = alloc(k, size, align, min_addr, max_addr, nid);

      const columns = row.memory.length;
      const seen = found === 0 ? null : drawing([{ base: found, size }], columns, scale).replaceAll('a', 'n');
      expect(seen).toBe(row[direction]);

      // Reserved is now what was, and the block, as few regions as can be.
      const taken = [...(row.reserved ?? '').padEnd(columns, '.')]
        .map((c, i) => (seen?.[i] === 'n' ? 'r' : c))
        .join('');
      const wanted = runs(taken, scale);
      expect(drawing(regionsOf(k.memblock.reserved), columns, scale)).toBe(drawing(wanted, columns, scale));
      expect(k.memblock.reserved.total_size).toBe(wanted.reduce((sum, run) => sum + run.size, 0));
    });
  });
});

describe('what is in the memory', () => {
  const all = (k: Kernel, pa: number, byte: number): boolean => k.hw.ram.read(pa, KiB).every((b) => b === byte);
  test.each([
    { name: 'memblock_alloc', run: (k: Kernel) => memblock_alloc(k, KiB, 64) },
    { name: 'memblock_alloc_from', run: (k: Kernel) => memblock_alloc_from(k, KiB, 64, MiB) },
    { name: 'memblock_alloc_low', run: (k: Kernel) => memblock_alloc_low(k, KiB, 64) },
    { name: 'memblock_alloc_node', run: (k: Kernel) => memblock_alloc_node(k, KiB, 64, 0) },
    { name: 'memblock_alloc_try_nid', run: (k: Kernel) => memblock_alloc_try_nid(k, KiB, 64, 0, 0, 0) },
  ])('$name clears it, and not a byte more', ({ run }) => {
    const k = setUp({ memory: '....0000....' });
    const pa = run(k);
    expect(all(k, pa, 0)).toBe(true);
    expect(all(k, pa - KiB, 0xff)).toBe(true);
    expect(all(k, pa + KiB, 0xff)).toBe(true);
  });
  test.each([
    { name: 'memblock_alloc_raw', run: (k: Kernel) => memblock_alloc_raw(k, KiB, 64) },
    { name: 'memblock_alloc_try_nid_raw', run: (k: Kernel) => memblock_alloc_try_nid_raw(k, KiB, 64, 0, 0, 0) },
    { name: 'memblockAllocUncleared', run: (k: Kernel) => memblockAllocUncleared(k, KiB, 64, 0, 0, 0) },
    { name: 'memblock_alloc_exact_nid_raw', run: (k: Kernel) => memblock_alloc_exact_nid_raw(k, KiB, 64, 0, 0, 0) },
    { name: 'memblock_phys_alloc', run: (k: Kernel) => memblock_phys_alloc(k, KiB, 64) },
    { name: 'memblock_phys_alloc_try_nid', run: (k: Kernel) => memblock_phys_alloc_try_nid(k, KiB, 64, 0) },
  ])('$name leaves it as it is', ({ run }) => {
    const k = setUp({ memory: '....0000....' });
    expect(all(k, run(k), 0xff)).toBe(true);
  });
});

describe('limits', () => {
  /** 8 GiB of memory without a hole. */
  function large(): Kernel {
    const k = new Kernel(testHw([{ start: 0, end: 8 * GiB }]), debian);
    memblock_add(k, 0, 8 * GiB);
    return k;
  }

  it('current_limit holds for whoever gives none', () => {
    const k = large();
    memblock_set_current_limit(k, GiB);
    expect(memblock_get_current_limit(k)).toBe(GiB);
    expect(memblock_phys_alloc(k, 0x1000, 0x1000)).toBe(GiB - 0x1000);
    expect(memblock_alloc_raw(k, 0x1000, 0x1000)).toBe(GiB - 0x2000);
  });
  it('memblock_alloc_*() stay below current_limit whatever they ask for', () => {
    const k = large();
    memblock_set_current_limit(k, GiB);
    expect(memblock_alloc_try_nid_raw(k, 0x1000, 0x1000, 0, 2 * GiB, 0)).toBe(GiB - 0x1000);
    expect(memblock_alloc_try_nid_raw(k, 0x1000, 0x1000, 0, MEMBLOCK_ALLOC_ANYWHERE, 0)).toBe(GiB - 0x2000);
  });
  it('memblock_phys_alloc_range() goes above current_limit when asked to', () => {
    const k = large();
    memblock_set_current_limit(k, GiB);
    expect(memblock_phys_alloc_range(k, 0x1000, 0x1000, 0, 2 * GiB)).toBe(2 * GiB - 0x1000);
    expect(memblock_phys_alloc_range(k, 0x1000, 0x1000, 0, MEMBLOCK_ALLOC_ANYWHERE)).toBe(8 * GiB - 0x1000);
  });
  it('memblock_phys_alloc_range() does not drop its lower limit', () => {
    const k = large();
    expect(memblock_phys_alloc_range(k, 2 * GiB, 0x1000, 7 * GiB, 8 * GiB)).toBe(0);
  });
  it('memblock_alloc_low() stays below 4 GiB', () => {
    // 0xffffffff is the limit, so the last page of the 4 GiB is out of reach.
    expect(memblock_alloc_low(large(), 0x1000, 0x1000)).toBe(SZ_4G - 0x2000);
  });
  it('the first page of memory is never given out', () => {
    const k = large();
    memblock_set_bottom_up(k, true);
    expect(memblock_alloc_raw(k, 64, 64)).toBe(0x1000);
    memblock_reserve(k, 0x1000, 8 * GiB);
    expect(memblock_alloc_raw(k, 64, 64)).toBe(0);
  });
  it('an alignment of 0 means a cache line', () => {
    const k = large();
    expect(memblock_alloc_range_nid(k, 8, 0, 0, 0, NUMA_NO_NODE, false)).toBe(8 * GiB - 64);
  });
});

describe('kinds of memory', () => {
  //          0         1 MiB      2 MiB      3 MiB
  //  memory  |---------|  special |----------|
  const mixed = (): Kernel => {
    const k = new Kernel(testHw(), debian);
    memblock_add(k, 0, 3 * MiB);
    return k;
  };
  const take = (k: Kernel): number => memblock_alloc_raw(k, MiB, MiB);

  it('hotpluggable memory is taken like any without movable_node, and never with it', () => {
    for (const movable_node_enabled of [false, true]) {
      const k = new Kernel(testHw(), debian);
      k.mm.movable_node_enabled = movable_node_enabled;
      memblock_add_node(k, MiB, MiB, 0, MEMBLOCK_HOTPLUG);
      expect(take(k)).toBe(movable_node_enabled ? 0 : MiB);
    }
  });
  it('memory without a mapping is never taken', () => {
    const k = mixed();
    memblock_mark_nomap(k, MiB, MiB);
    expect(take(k)).toBe(2 * MiB);
    expect(take(k)).toBe(0);
  });

  describe('mirrored memory', () => {
    const mirrored = (): Kernel => {
      const k = mixed();
      k.mm.mirrored_kernelcore = true;
      memblock_mark_mirror(k, MiB, MiB);
      return k;
    };
    const texts = (k: Kernel): string[] => k.log.records.map(({ text }) => text);

    it('is taken first', () => {
      const k = mirrored();
      expect(take(k)).toBe(MiB);
      expect(texts(k)).toEqual([]);
    });
    it('gives way to the rest, with a message, when there is no more', () => {
      const k = mirrored();
      take(k);
      expect(take(k)).toBe(2 * MiB);
      expect(texts(k)).toEqual(['Could not allocate 0x0000000000100000 bytes of mirrored memory']);
    });
    it('comes before the wanted node', () => {
      const k = new Kernel(testHw(), debian);
      k.mm.mirrored_kernelcore = true;
      memblock_add_node(k, MiB, MiB, 0, 0);
      memblock_add_node(k, 2 * MiB, MiB, 1, 0);
      memblock_mark_mirror(k, MiB, MiB);
      expect(memblock_alloc_try_nid_raw(k, MiB, MiB, 0, 0, 1)).toBe(MiB);
    });
    it('is missed aloud ten times and no more: jiffies stand still', () => {
      const k = mirrored();
      take(k);
      for (let i = 0; i < 20; i++) memblock_alloc_raw(k, 64, 64);
      expect(texts(k).length).toBe(10);
    });
  });
});
