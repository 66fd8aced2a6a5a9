// Self tests of what happens when a migratetype has no free block: whose it takes, how much of it, and what becomes of
// the pageblock.

import { MIGRATE_MOVABLE, WMARK_HIGH, ZONE_BOOSTED_WATERMARK } from '../include/mmzone.ts';
import { PG_lru } from '../include/page_flags.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { __rmqueue } from '../mm/fallback.ts';
import { ALLOC_CMA, ALLOC_KSWAPD, ALLOC_NOFRAGMENT } from '../mm/internal.ts';
import type { Zone } from '../mm/mmzone.ts';
import { page_count, page_index, section_map } from '../mm/page.ts';
import { get_pageblock_migratetype } from '../mm/pageblock.ts';
import { BASE, empty_zone, free_block, lists_of, set_blocks } from './allocator.ts';
import type { Suite, Test, TestMachine } from './env.ts';

/** Free blocks "offset/order/migratetype" in pageblocks of these types, a digit each. */
function filled(test: Test, types: string, free: string): { k: Kernel; zone: Zone } {
  const { k, zone } = empty_zone(test);
  set_blocks(k, types);
  for (const block of free.split(' ')) {
    const [offset, order, type] = block.split('/').map(Number) as [number, number, number];
    free_block(k, offset, order, type);
  }
  return { k, zone };
}

interface WhoRow {
  readonly desc: string;
  /** Who asks, and which types have a free pageblock, at 1024 times their number. */
  readonly type: number;
  readonly have: string;
  readonly flags?: number;
  /** Whose is taken; -1: none. */
  readonly wanted: number;
}

const who_rows: readonly WhoRow[] = [
  { desc: 'unmovable has its own', type: 0, have: '012', wanted: 0 },
  { desc: 'unmovable: reclaimable first', type: 0, have: '12', wanted: 2 },
  { desc: 'unmovable: then movable', type: 0, have: '1', wanted: 1 },
  { desc: 'movable: reclaimable first', type: 1, have: '02', wanted: 2 },
  { desc: 'movable: then unmovable', type: 1, have: '0', wanted: 0 },
  { desc: 'reclaimable: unmovable first', type: 2, have: '01', wanted: 0 },
  { desc: 'reclaimable: then movable', type: 2, have: '1', wanted: 1 },
  { desc: 'no one takes highatomic', type: 1, have: '3', wanted: -1 },
  { desc: 'nor isolated', type: 1, have: '5', wanted: -1 },
  { desc: 'nor CMA', type: 0, have: '4', wanted: -1 },
  { desc: 'movable may take CMA if it says so', type: 1, have: '4', flags: ALLOC_CMA, wanted: 4 },
  { desc: 'CMA before other types', type: 1, have: '024', flags: ALLOC_CMA, wanted: 4 },
];

interface StealRow {
  readonly desc: string;
  readonly type: number;
  readonly order: number;
  readonly flags?: number;
  readonly blocks: string;
  readonly free: string;
  /** What is in use of the first pageblock is on an LRU list. */
  readonly lru?: boolean;
  /** The page taken (-1: none), the lists after, and the type of each pageblock. */
  readonly page: number;
  readonly lists: readonly string[];
  readonly types: string;
}

const steal_rows: readonly StealRow[] = [
  {
    desc: 'the largest block is taken, and its pageblock',
    type: 0,
    order: 0,
    blocks: '11',
    free: '0/8/1 512/9/1',
    page: 512,
    lists: [
      '0/0: 513',
      '1/0: 514',
      '2/0: 516',
      '3/0: 520',
      '4/0: 528',
      '5/0: 544',
      '6/0: 576',
      '7/0: 640',
      '8/0: 768',
      '8/1: 0',
    ],
    types: '10',
  },
  {
    // Half of the pageblock is free: 256 of 512.
    desc: 'half a pageblock: the pageblock too',
    type: 0,
    order: 8,
    blocks: '1',
    free: '0/8/1',
    page: 0,
    lists: [],
    types: '0',
  },
  {
    // What is in use and not movable is of a kind with what is to come.
    desc: 'less than half, but its pages in use are alike',
    type: 0,
    order: 2,
    blocks: '1',
    free: '0/2/1 8/3/1 16/4/1 64/6/1',
    page: 0,
    lists: ['3/0: 8', '4/0: 16', '6/0: 64'],
    types: '0',
  },
  {
    desc: 'less than half, the rest is movable: its free pages only',
    type: 0,
    order: 2,
    blocks: '1',
    free: '0/2/1 8/3/1 16/4/1 64/6/1',
    lru: true,
    page: 0,
    lists: ['3/0: 8', '4/0: 16', '6/0: 64'],
    types: '1',
  },
  {
    // Movable pages can go where they like later, so the others' pageblock is left alone.
    desc: 'movable takes the smallest block, and that alone',
    type: 1,
    order: 0,
    blocks: '00',
    free: '0/3/0 512/1/0 576/2/0',
    page: 512,
    lists: ['0/1: 513', '2/0: 576', '3/0: 0'],
    types: '00',
  },
  {
    desc: 'movable takes all of a pageblock from order 4 on',
    type: 1,
    order: 0,
    blocks: '00',
    free: '0/2/0 512/4/0 576/2/0',
    page: 576,
    lists: ['0/1: 577', '1/1: 578', '2/0: 0', '4/1: 512'],
    types: '00',
  },
  {
    desc: 'movable takes over a pageblock that is free by half',
    type: 1,
    order: 4,
    blocks: '0',
    free: '0/4/0 128/7/0 256/8/0',
    page: 0,
    lists: ['7/1: 128', '8/1: 256'],
    types: '1',
  },
  {
    desc: 'a block of several pageblocks changes them all',
    type: 2,
    order: 10,
    blocks: '11',
    free: '0/10/1',
    page: 0,
    lists: [],
    types: '22',
  },
  {
    desc: 'a highatomic pageblock gives the one block',
    type: 0,
    order: 0,
    blocks: '3',
    free: '0/1/1 8/3/1',
    page: 8,
    lists: ['0/0: 9', '1/0: 10', '1/1: 0', '2/0: 12'],
    types: '3',
  },
  {
    desc: 'without mixing: no block below a pageblock',
    type: 0,
    order: 0,
    flags: ALLOC_NOFRAGMENT,
    blocks: '1',
    free: '0/8/1',
    page: -1,
    lists: ['8/1: 0'],
    types: '1',
  },
  {
    desc: 'without mixing: a whole pageblock',
    type: 0,
    order: 8,
    flags: ALLOC_NOFRAGMENT,
    blocks: '1',
    free: '0/9/1',
    page: 0,
    lists: ['8/0: 256'],
    types: '0',
  },
];

interface BoostRow {
  readonly desc: string;
  readonly managed?: number;
  readonly high: number;
  readonly factor: number;
  readonly times: number;
  readonly flags?: number;
  readonly wanted: number;
  /** Whether kswapd is to be woken. */
  readonly wake?: boolean;
}

const boost_rows: readonly BoostRow[] = [
  { desc: 'a pageblock each time', high: 2000, factor: 15000, times: 2, wanted: 1024 },
  { desc: 'up to 150 % of the high mark', high: 500, factor: 15000, times: 3, wanted: 750 },
  { desc: 'a pageblock at least', high: 100, factor: 15000, times: 3, wanted: 512 },
  { desc: 'switched off', high: 2000, factor: 0, times: 1, wanted: 0 },
  { desc: 'no mark yet', high: 0, factor: 15000, times: 1, wanted: 0 },
  { desc: 'a zone of less than four pageblocks', managed: 2047, high: 2000, factor: 15000, times: 1, wanted: 0 },
  { desc: 'and of four', managed: 2048, high: 2000, factor: 15000, times: 1, wanted: 512 },
  {
    desc: 'one who may wake kswapd does',
    high: 2000,
    factor: 15000,
    times: 1,
    flags: ALLOC_KSWAPD,
    wanted: 512,
    wake: true,
  },
  { desc: 'switched off, and nobody is woken', high: 2000, factor: 0, times: 1, flags: ALLOC_KSWAPD, wanted: 0 },
];

export const fallback_suite: Suite = {
  name: 'fallback',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, WhoRow>('whose', who_rows, (test, { type, have, flags = 0, wanted }) => {
      const free = [...have].map((one) => `${1024 * Number(one)}/9/${one}`).join(' ');
      const { k, zone } = filled(test, '001122334455', free);
      const pfn = __rmqueue(k, zone, 9, type, flags);
      KUNIT_EXPECT_EQ(test, 'type', pfn < 0 ? -1 : (pfn - BASE) / 1024, wanted);
    }),
    KUNIT_CASE_PARAM<TestMachine, StealRow>('steal', steal_rows, (test, row) => {
      const { k, zone } = filled(test, row.blocks, row.free);
      if (row.lru) {
        for (let pfn = BASE; pfn < BASE + 512; pfn++) {
          if (page_count(k, pfn) > 0) section_map(k.mm, pfn)[page_index(pfn)]! |= 1 << PG_lru;
        }
      }
      const pfn = __rmqueue(k, zone, row.order, row.type, row.flags ?? 0);
      KUNIT_EXPECT_EQ(test, 'page', pfn < 0 ? -1 : pfn - BASE, row.page);
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), [...row.lists]);
      const types = [...row.blocks].map((_, n) => get_pageblock_migratetype(k, BASE + 512 * n)).join('');
      KUNIT_EXPECT_EQ(test, 'pageblocks', types, row.types);
    }),
    KUNIT_CASE_PARAM<TestMachine, BoostRow>('boost', boost_rows, (test, row) => {
      const { managed = 8192, high, factor, times, flags = 0, wanted, wake = false } = row;
      const { k, zone } = empty_zone(test, managed);
      k.watermark.watermark_boost_factor = factor;
      zone.set_watermark(WMARK_HIGH, high);
      for (let n = 0; n < times; n++) {
        free_block(k, 512 * n, 4, MIGRATE_MOVABLE);
        __rmqueue(k, zone, 4, 0, flags);
      }
      KUNIT_EXPECT_EQ(test, 'watermark_boost', zone.watermark_boost, wanted);
      KUNIT_EXPECT_EQ(test, 'to be woken', ((zone.flags >>> ZONE_BOOSTED_WATERMARK) & 1) === 1, wake);
    }),
  ],
};
