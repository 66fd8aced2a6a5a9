// Self tests of memblock: the behaviours that tools/testing/memblock of Linux 6.1 lists, as pictures.

import { MEMBLOCK_HOTPLUG, MEMBLOCK_LOW_LIMIT, MEMBLOCK_NONE, SMP_CACHE_BYTES } from '../include/memblock.ts';
import { NUMA_NO_NODE, SZ_1M } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import {
  KUNIT_ASSERT_TRUE,
  KUNIT_CASE,
  KUNIT_CASE_PARAM,
  KUNIT_EXPECT_EQ,
  KUNIT_EXPECT_FALSE,
  KUNIT_EXPECT_TRUE,
} from '../lib/kunit.ts';
import {
  memblock_add,
  memblock_add_node,
  memblock_bottom_up,
  memblock_phys_free,
  memblock_remove,
  memblock_reserve,
  memblock_set_bottom_up,
  memblock_set_current_limit,
} from '../mm/memblock.ts';
import { memblock_alloc, memblock_alloc_exact_nid_raw, memblock_alloc_try_nid } from '../mm/memblock_alloc.ts';
import { memblock_is_region_memory, memblock_is_region_reserved, memblock_trim_memory } from '../mm/memblock_info.ts';
import { for_each_free_mem_range, for_each_mem_pfn_range } from '../mm/memblock_iter.ts';
import type { Suite, Test, TestMachine } from './env.ts';
import { address_of, PICTURE_UNIT, picture_of, ranges_of } from './pictures.ts';

const COLUMNS = 16;
const RAM = [{ start: 0, end: 16 * SZ_1M }];
const kernel = (test: Test): Kernel => test.priv.kernel(RAM);

function each(picture: string, act: (base: number, size: number) => void): void {
  for (const { base, size } of ranges_of(picture)) act(base, size);
}

const lists = {
  memory: { put: memblock_add, take: memblock_remove },
  reserved: { put: memblock_reserve, take: memblock_phys_free },
} as const;

interface ListRow {
  readonly desc: string;
  readonly put: readonly string[];
  readonly take?: readonly string[];
  readonly wanted: string;
}

const put_rows: readonly ListRow[] = [
  { desc: 'simple', put: ['..xxxx..........'], wanted: '..aaaa..........' },
  { desc: 'disjoint', put: ['..xxx...........', '.........yyy....'], wanted: '..aaa....bbb....' },
  { desc: 'overlap top', put: ['.....xxxxx......', '..yyyyy.........'], wanted: '..aaaaaaaa......' },
  { desc: 'overlap bottom', put: ['..xxxxx.........', '.....yyyyy......'], wanted: '..aaaaaaaa......' },
  { desc: 'within', put: ['..xxxxxxxxxx....', '.....yyy........'], wanted: '..aaaaaaaaaa....' },
  { desc: 'twice', put: ['..xxxx..........', '..yyyy..........'], wanted: '..aaaa..........' },
  { desc: 'between', put: ['..xxx...........', '.......yyy......', '.....zz.........'], wanted: '..aaaaaaaa......' },
];

const take_rows: readonly ListRow[] = [
  { desc: 'simple', put: ['..xxx....yyy....'], take: ['.........zzz....'], wanted: '..aaa...........' },
  { desc: 'absent', put: ['..xxx...........'], take: ['.........zzz....'], wanted: '..aaa...........' },
  { desc: 'overlap top', put: ['....xxxxxx......'], take: ['..zzzz..........'], wanted: '......aaaa......' },
  { desc: 'overlap bottom', put: ['....xxxxxx......'], take: ['.......zzzzzz...'], wanted: '....aaa.........' },
  { desc: 'within', put: ['..xxxxxxxxxx....'], take: ['.....zzz........'], wanted: '..aaa...bbbb....' },
  { desc: 'only region', put: ['..xxx...........'], take: ['..zzz...........'], wanted: '................' },
  { desc: 'overlap two', put: ['..xxxx...yyyy...'], take: ['....zzzzzzz.....'], wanted: '..aa.......bb...' },
];

const list_case = (name: string, list: keyof typeof lists, rows: readonly ListRow[]) =>
  KUNIT_CASE_PARAM<TestMachine, ListRow>(name, rows, (test, { put, take = [], wanted }) => {
    const k = kernel(test);
    for (const picture of put) each(picture, (base, size) => lists[list].put(k, base, size));
    for (const picture of take) each(picture, (base, size) => lists[list].take(k, base, size));
    const type = k.memblock[list];
    KUNIT_EXPECT_EQ(test, list, picture_of(type, COLUMNS), wanted);
    const pages = [...wanted].filter((cell) => cell !== '.').length;
    KUNIT_EXPECT_EQ(test, 'total_size', type.total_size, pages * PICTURE_UNIT);
  });

interface AllocRow {
  readonly desc: string;
  readonly memory: string;
  readonly reserved: string;
  readonly bottom_up?: boolean;
  readonly pages: number;
  /** Column of min_addr and max_addr; none: no limit. */
  readonly min?: number;
  readonly max?: number;
  /** Column of the block that is wanted; null: none can be had. */
  readonly wanted: number | null;
}

const alloc_rows: readonly AllocRow[] = [
  { desc: 'top down simple', memory: 'mmmmmmmm........', reserved: '................', pages: 2, wanted: 6 },
  { desc: 'top down disjoint', memory: 'mmmmmmmm........', reserved: '....r...........', pages: 1, wanted: 7 },
  { desc: 'top down before', memory: 'mmmmmmmm........', reserved: '......rr........', pages: 2, wanted: 4 },
  { desc: 'top down after', memory: 'mmmmmmmm........', reserved: 'rrrr............', pages: 2, wanted: 6 },
  { desc: 'top down second fit', memory: 'mmmmmmmm........', reserved: '...rrr.r........', pages: 2, wanted: 1 },
  { desc: 'top down in between', memory: 'mmmmmmmm........', reserved: '..rr..rr........', pages: 2, wanted: 4 },
  { desc: 'top down over a hole', memory: 'mmmm....mm......', reserved: '................', pages: 3, wanted: 1 },
  { desc: 'small gaps', memory: 'mmmmmmmm........', reserved: '.r.r.r.r........', pages: 2, wanted: null },
  { desc: 'all reserved', memory: 'mmmmmmmm........', reserved: 'rrrrrrrr........', pages: 1, wanted: null },
  { desc: 'no space', memory: 'mmmmmmmm........', reserved: 'rrrrrrr.........', pages: 2, wanted: null },
  { desc: 'limited space', memory: 'mmmmmmmm........', reserved: 'rrrrrr..........', pages: 2, wanted: 6 },
  { desc: 'no memory', memory: '................', reserved: '................', pages: 1, wanted: null },
  { desc: 'too large', memory: 'mmmmmmmm........', reserved: '................', pages: 9, wanted: null },
  {
    desc: 'bottom up simple',
    memory: 'mmmmmmmm........',
    reserved: '................',
    bottom_up: true,
    pages: 2,
    wanted: 0,
  },
  {
    desc: 'bottom up disjoint',
    memory: 'mmmmmmmm........',
    reserved: 'rr..r...........',
    bottom_up: true,
    pages: 3,
    wanted: 5,
  },
  {
    desc: 'bottom up second fit',
    memory: 'mmmmmmmm........',
    reserved: 'r.rrr...........',
    bottom_up: true,
    pages: 2,
    wanted: 5,
  },
  { desc: 'range', memory: 'mmmmmmmm........', reserved: '................', pages: 2, min: 1, max: 5, wanted: 3 },
  {
    desc: 'range bottom up',
    memory: 'mmmmmmmm........',
    reserved: '................',
    bottom_up: true,
    pages: 2,
    min: 1,
    max: 5,
    wanted: 1,
  },
  {
    desc: 'range reserved below',
    memory: 'mmmmmmmm........',
    reserved: '.rr.............',
    pages: 2,
    min: 1,
    max: 5,
    wanted: 3,
  },
  {
    desc: 'range too small, below min',
    memory: 'mmmmmmmm........',
    reserved: '................',
    pages: 4,
    min: 3,
    max: 5,
    wanted: 1,
  },
  {
    desc: 'min beyond memory falls back below it',
    memory: 'mmmmmmmm........',
    reserved: '................',
    pages: 2,
    min: 12,
    wanted: 6,
  },
  {
    desc: 'max caps below all memory',
    memory: '....mmmm........',
    reserved: '................',
    pages: 1,
    max: 4,
    wanted: null,
  },
];

const alloc_cases = KUNIT_CASE_PARAM<TestMachine, AllocRow>('alloc', alloc_rows, (test, row) => {
  const k = kernel(test);
  each(row.memory, (base, size) => memblock_add(k, base, size));
  each(row.reserved, (base, size) => memblock_reserve(k, base, size));
  memblock_set_bottom_up(k, row.bottom_up ?? false);
  const before = k.memblock.reserved.total_size;
  const size = row.pages * PICTURE_UNIT;
  const min = row.min === undefined ? MEMBLOCK_LOW_LIMIT : address_of(row.min);
  const max = row.max === undefined ? 0 : address_of(row.max);
  const found = memblock_alloc_try_nid(k, size, SMP_CACHE_BYTES, min, max, NUMA_NO_NODE);
  KUNIT_EXPECT_EQ(test, 'address', found, row.wanted === null ? 0 : address_of(row.wanted));
  KUNIT_EXPECT_EQ(test, 'reserved', k.memblock.reserved.total_size - before, found === 0 ? 0 : size);
  if (found !== 0) KUNIT_EXPECT_TRUE(test, 'all of it is reserved', memblock_is_region_reserved(k, found, size));
});

/** Letters are nodes: a is node 0, b node 1, c node 2. */
const NODES = 'aaaabbbbccccbb..';

interface NumaRow {
  readonly desc: string;
  readonly nid: number;
  readonly pages: number;
  readonly exact: boolean;
  readonly reserved: string;
  readonly bottom_up?: boolean;
  readonly wanted: number | null;
}

const numa_rows: readonly NumaRow[] = [
  { desc: 'on its node', nid: 0, pages: 2, exact: false, reserved: '................', wanted: 2 },
  {
    desc: 'on its node, bottom up',
    nid: 0,
    pages: 2,
    exact: false,
    reserved: '................',
    bottom_up: true,
    wanted: 0,
  },
  {
    desc: 'highest part of a node in two parts',
    nid: 1,
    pages: 2,
    exact: false,
    reserved: '................',
    wanted: 12,
  },
  {
    desc: 'large part of a node in two parts',
    nid: 1,
    pages: 3,
    exact: false,
    reserved: '................',
    wanted: 5,
  },
  {
    desc: 'falls back where the node is full',
    nid: 2,
    pages: 2,
    exact: false,
    reserved: '........rrrr....',
    wanted: 12,
  },
  { desc: 'does not fall back when exact', nid: 2, pages: 2, exact: true, reserved: '........rrrr....', wanted: null },
  { desc: 'split reserved', nid: 0, pages: 2, exact: true, reserved: '.r..............', wanted: 2 },
  { desc: 'any node', nid: NUMA_NO_NODE, pages: 3, exact: false, reserved: '................', wanted: 9 },
];

const numa_cases = KUNIT_CASE_PARAM<TestMachine, NumaRow>('alloc_nid', numa_rows, (test, row) => {
  const k = kernel(test);
  for (const { base, size, letter } of ranges_of(NODES)) {
    memblock_add_node(k, base, size, letter.charCodeAt(0) - 97, MEMBLOCK_NONE);
  }
  each(row.reserved, (base, size) => memblock_reserve(k, base, size));
  memblock_set_bottom_up(k, row.bottom_up ?? false);
  const alloc = row.exact ? memblock_alloc_exact_nid_raw : memblock_alloc_try_nid;
  const found = alloc(k, row.pages * PICTURE_UNIT, SMP_CACHE_BYTES, MEMBLOCK_LOW_LIMIT, 0, row.nid);
  KUNIT_EXPECT_EQ(test, 'address', found, row.wanted === null ? 0 : address_of(row.wanted));
});

const trim_rows = [
  { desc: 'aligned', base: 0, size: 4, wanted: 'aaaa............' },
  { desc: 'unaligned base', base: 0.5, size: 3.5, wanted: '.aaa............' },
  { desc: 'unaligned end', base: 1, size: 2.5, wanted: '.aa.............' },
  { desc: 'too small', base: 1.25, size: 0.5, wanted: '................' },
];

export const memblock_suite: Suite = {
  name: 'memblock',
  test_cases: [
    KUNIT_CASE('initialization', (test) => {
      const { memory, reserved, bottom_up } = kernel(test).memblock;
      KUNIT_EXPECT_EQ(test, 'memory', [memory.total_size, memory.max], [0, 128]);
      KUNIT_EXPECT_EQ(test, 'reserved', [reserved.total_size, reserved.max], [0, 128]);
      KUNIT_EXPECT_FALSE(test, 'bottom_up', bottom_up);
    }),
    list_case('add', 'memory', put_rows),
    list_case('reserve', 'reserved', put_rows),
    list_case('remove', 'memory', take_rows),
    list_case('free', 'reserved', take_rows),
    KUNIT_CASE('add_node', (test) => {
      const k = kernel(test);
      memblock_add_node(k, address_of(0), 4 * PICTURE_UNIT, 1, MEMBLOCK_HOTPLUG);
      memblock_add_node(k, address_of(4), 4 * PICTURE_UNIT, 2, MEMBLOCK_HOTPLUG);
      const wanted = [
        { base: address_of(0), size: 4 * PICTURE_UNIT, flags: MEMBLOCK_HOTPLUG, nid: 1 },
        { base: address_of(4), size: 4 * PICTURE_UNIT, flags: MEMBLOCK_HOTPLUG, nid: 2 },
      ];
      const found = k.memblock.memory.regions.map(({ base, size, flags, nid }) => ({ base, size, flags, nid }));
      KUNIT_EXPECT_EQ(test, 'regions of two nodes stay apart', found, wanted);
    }),
    KUNIT_CASE('add_many', (test) => {
      const k = kernel(test);
      // Apart from each other, so that nothing merges: the array is full at 128 and may not grow yet.
      for (let i = 0; i < 128; i++) memblock_add(k, SZ_1M + 2 * i * PICTURE_UNIT, PICTURE_UNIT);
      KUNIT_EXPECT_EQ(test, 'regions', k.memblock.memory.regions.length, 128);
      KUNIT_EXPECT_EQ(test, 'total_size', k.memblock.memory.total_size, 128 * PICTURE_UNIT);
    }),
    KUNIT_CASE('bottom_up', (test) => {
      const k = kernel(test);
      memblock_set_bottom_up(k, true);
      KUNIT_EXPECT_TRUE(test, 'memblock_bottom_up()', memblock_bottom_up(k));
      memblock_set_bottom_up(k, false);
      KUNIT_EXPECT_FALSE(test, 'memblock_bottom_up()', memblock_bottom_up(k));
    }),
    KUNIT_CASE_PARAM<TestMachine, (typeof trim_rows)[number]>('trim_memory', trim_rows, (test, row) => {
      const k = kernel(test);
      memblock_add(k, address_of(row.base), row.size * PICTURE_UNIT);
      memblock_trim_memory(k, PICTURE_UNIT);
      KUNIT_EXPECT_EQ(test, 'memory', picture_of(k.memblock.memory, COLUMNS), row.wanted);
    }),
    alloc_cases,
    numa_cases,
    KUNIT_CASE('alloc_is_zeroed', (test) => {
      const k = kernel(test);
      memblock_add(k, address_of(0), PICTURE_UNIT);
      k.hw.ram.fill(address_of(0), PICTURE_UNIT, 0xa5);
      const found = memblock_alloc(k, PICTURE_UNIT, SMP_CACHE_BYTES);
      KUNIT_ASSERT_TRUE(test, 'there is memory', found !== 0);
      KUNIT_EXPECT_TRUE(
        test,
        'all bytes are 0',
        k.hw.ram.read(found, PICTURE_UNIT).every((byte) => byte === 0),
      );
    }),
    KUNIT_CASE('alloc_aligned', (test) => {
      const k = kernel(test);
      memblock_add(k, address_of(0), 8 * PICTURE_UNIT);
      KUNIT_EXPECT_EQ(test, 'address', memblock_alloc(k, 100, 4 * PICTURE_UNIT), address_of(4));
    }),
    KUNIT_CASE('current_limit', (test) => {
      const k = kernel(test);
      memblock_add(k, address_of(0), 8 * PICTURE_UNIT);
      memblock_set_current_limit(k, address_of(4));
      KUNIT_EXPECT_EQ(test, 'address', memblock_alloc(k, PICTURE_UNIT, SMP_CACHE_BYTES), address_of(3));
    }),
    KUNIT_CASE('free_ranges', (test) => {
      const k = kernel(test);
      each('mmmmmmmm..mmmm..', (base, size) => memblock_add(k, base, size));
      each('..rr......rr....', (base, size) => memblock_reserve(k, base, size));
      const found = [...for_each_free_mem_range(k, NUMA_NO_NODE, MEMBLOCK_NONE)].map(({ start, end }) => [start, end]);
      const wanted = ranges_of('ff..ffff....ff..').map(({ base, size }) => [base, base + size]);
      KUNIT_EXPECT_EQ(test, 'what is memory and not reserved', found, wanted);
    }),
    KUNIT_CASE('whole_pages', (test) => {
      const k = kernel(test);
      memblock_add_node(k, address_of(0.5), 3 * PICTURE_UNIT, 0, MEMBLOCK_NONE);
      const found = [...for_each_mem_pfn_range(k, 0)].map(({ start_pfn, end_pfn }) => [start_pfn, end_pfn]);
      KUNIT_EXPECT_EQ(test, 'pages that are whole', found, [[0x101, 0x103]]);
    }),
    KUNIT_CASE('is_region_memory', (test) => {
      const k = kernel(test);
      each('..mmmm..........', (base, size) => memblock_add(k, base, size));
      KUNIT_EXPECT_TRUE(test, 'inside', memblock_is_region_memory(k, address_of(3), 2 * PICTURE_UNIT));
      KUNIT_EXPECT_FALSE(test, 'over its end', memblock_is_region_memory(k, address_of(4), 3 * PICTURE_UNIT));
      KUNIT_EXPECT_FALSE(test, 'outside', memblock_is_region_memory(k, address_of(8), PICTURE_UNIT));
    }),
  ],
};
