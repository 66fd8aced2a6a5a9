// Self tests of the buddy allocator's core: splitting and merging of blocks, and where a freed one goes in its list.

import { MIGRATE_ISOLATE, MIGRATE_MOVABLE, NR_FREE_PAGES } from '../include/mmzone.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { __rmqueue_smallest, FPI_NONE, FPI_TO_TAIL } from '../mm/buddy.ts';
import { nr_free } from '../mm/free_list.ts';
import { buddy_order, PageBuddy, page_private, page_zone } from '../mm/page.ts';
import { zone_page_state_snapshot } from '../mm/vmstat.ts';
import { BASE, empty_machine, empty_zone, free_block, lists_of, set_blocks } from './allocator.ts';
import type { Suite, TestMachine } from './env.ts';

interface SplitRow {
  readonly desc: string;
  /** The only free block, at BASE. */
  readonly have: number;
  readonly take: number;
  readonly wanted: readonly string[];
}

const split_rows: readonly SplitRow[] = [
  { desc: 'a block of the size asked for is not split', have: 3, take: 3, wanted: [] },
  // |01234567|  ->  |0|1|23|4567|
  { desc: 'a page of eight', have: 3, take: 0, wanted: ['0/1: 1', '1/1: 2', '2/1: 4'] },
  // |0123456789abcdef|  ->  |01|23|4567|89abcdef|
  { desc: 'two pages of sixteen', have: 4, take: 1, wanted: ['1/1: 2', '2/1: 4', '3/1: 8'] },
  {
    desc: 'a pageblock of the largest block',
    have: 10,
    take: 9,
    wanted: ['9/1: 512'],
  },
  { desc: 'nothing is large enough', have: 3, take: 4, wanted: ['3/1: 0'] },
];

interface MergeRow {
  readonly desc: string;
  /** Blocks that are freed one after another, "offset/order"; `t` behind it: to the tail. */
  readonly freed: string;
  readonly wanted: readonly string[];
}

const merge_rows: readonly MergeRow[] = [
  { desc: 'two buddies', freed: '0/0 1/0', wanted: ['1/1: 0'] },
  // |.|1|2|.|: side by side, but halves of different blocks
  { desc: 'neighbours that are no buddies', freed: '1/0 2/0', wanted: ['0/1: 2 1'] },
  { desc: 'a gap is filled, and all merge', freed: '8/3 4/2 2/1 1/0 0/0', wanted: ['4/1: 0'] },
  // |01|2|.|: the buddy of 0-1 is not free as a whole
  { desc: 'a buddy that is free in part', freed: '2/0 0/1', wanted: ['0/1: 2', '1/1: 0'] },
  { desc: 'the largest blocks stay apart', freed: '0/10 1024/10', wanted: ['10/1: 1024 0'] },
  { desc: 'a freed block goes to the head', freed: '0/0 4/0 8/0', wanted: ['0/1: 8 4 0'] },
  // |0|.|23|: with 1 all four would merge, so 0 is to be taken last
  { desc: 'to the tail where a merge is likely', freed: '8/0 2/1 0/0', wanted: ['0/1: 8 0', '1/1: 2'] },
  // |0123|.|8-15|: the buddy one order up is free, its half is not
  { desc: 'the likely buddy is one order up', freed: '32/2 8/3 0/2', wanted: ['2/1: 32 0', '3/1: 8'] },
  // |0|.|2|3..|: 2 alone is not the block that 0-1 would merge with
  { desc: 'half of that buddy does not count', freed: '8/0 2/0 0/0', wanted: ['0/1: 0 2 8'] },
  {
    desc: 'half of a largest block has nothing to hope for',
    freed: '2048/9 1024/10 0/9',
    wanted: ['9/1: 0 2048', '10/1: 1024'],
  },
  { desc: 'boot and putting back go to the tail', freed: '0/0 4/0t 8/0t', wanted: ['0/1: 0 4 8'] },
];

interface TypeRow {
  readonly desc: string;
  /** Types of two pageblocks that are buddies, both free. */
  readonly types: string;
  readonly wanted: readonly string[];
}

const type_rows: readonly TypeRow[] = [
  { desc: 'movable and movable', types: '11', wanted: ['10/1: 0'] },
  { desc: 'unmovable and reclaimable', types: '02', wanted: ['10/0: 0'] },
  { desc: 'highatomic and movable', types: '31', wanted: ['9/1: 512', '9/3: 0'] },
  { desc: 'movable and highatomic', types: '13', wanted: ['9/1: 0', '9/3: 512'] },
  { desc: 'highatomic and highatomic', types: '33', wanted: ['10/3: 0'] },
  { desc: 'cma and movable', types: '41', wanted: ['9/1: 512', '9/4: 0'] },
  { desc: 'cma and cma', types: '44', wanted: ['10/4: 0'] },
  { desc: 'isolated and movable', types: '51', wanted: ['9/1: 512', '9/5: 0'] },
];

export const buddy_suite: Suite = {
  name: 'buddy',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, SplitRow>('split', split_rows, (test, { have, take, wanted }) => {
      const { k, zone } = empty_zone(test);
      free_block(k, 0, have);
      const pfn = __rmqueue_smallest(k, zone, take, MIGRATE_MOVABLE);
      KUNIT_EXPECT_EQ(test, 'page', pfn, take > have ? -1 : BASE);
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), [...wanted]);
      if (pfn < 0) return;
      KUNIT_EXPECT_EQ(test, 'PageBuddy, private', [PageBuddy(k, pfn), page_private(k, pfn)], [false, 0]);
      for (let order = take; order < have; order++) {
        KUNIT_EXPECT_EQ(test, `upper half of order ${order}`, buddy_order(k, BASE + (1 << order)), order);
        KUNIT_EXPECT_EQ(test, `nr_free of order ${order}`, nr_free(zone, order), 1);
      }
      KUNIT_EXPECT_EQ(test, `nr_free of order ${have}`, nr_free(zone, have), 0);
    }),
    KUNIT_CASE_PARAM<TestMachine, MergeRow>('merge', merge_rows, (test, { freed, wanted }) => {
      const { k, zone } = empty_zone(test);
      let pages = 0;
      for (const [, offset, order, tail] of freed.matchAll(/(\d+)\/(\d+)(t?)/g)) {
        free_block(k, Number(offset), Number(order), MIGRATE_MOVABLE, tail === 't' ? FPI_TO_TAIL : FPI_NONE);
        pages += 1 << Number(order);
      }
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), [...wanted]);
      KUNIT_EXPECT_EQ(test, 'NR_FREE_PAGES', zone_page_state_snapshot(k, zone, NR_FREE_PAGES), pages);
    }),
    KUNIT_CASE_PARAM<TestMachine, TypeRow>('pageblock_types', type_rows, (test, { types, wanted }) => {
      const { k, zone } = empty_zone(test);
      set_blocks(k, types);
      free_block(k, 512, 9, Number(types[1]));
      free_block(k, 0, 9, Number(types[0]));
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), [...wanted]);
      const isolated = [...types].filter((type) => Number(type) === MIGRATE_ISOLATE).length;
      KUNIT_EXPECT_EQ(test, 'NR_FREE_PAGES', zone_page_state_snapshot(k, zone, NR_FREE_PAGES), (2 - isolated) * 512);
    }),
    // Node 0 ends in the middle of what would be a block of 4 MiB:   ..0000|1111..
    KUNIT_CASE('zone_border', (test) => {
      const memory = [
        { nid: 0, start: 0, end: (BASE + 512) * 4096 },
        { nid: 1, start: (BASE + 512) * 4096, end: (BASE + 8192) * 4096 },
      ];
      const k = empty_machine(test, memory);
      free_block(k, 0, 9);
      free_block(k, 512, 9);
      KUNIT_EXPECT_EQ(test, 'node 0', lists_of(k, page_zone(k, BASE)), ['9/1: 0']);
      KUNIT_EXPECT_EQ(test, 'node 1', lists_of(k, page_zone(k, BASE + 512)), ['9/1: 512']);
    }),
    KUNIT_CASE('smallest_first', (test) => {
      const { k, zone } = empty_zone(test);
      for (const [offset, order] of [
        [0, 10],
        [1024, 4],
        [2048, 6],
      ] as const) {
        free_block(k, offset, order);
      }
      const taken = [3, 5, 5, 6].map((order) => __rmqueue_smallest(k, zone, order, MIGRATE_MOVABLE) - BASE);
      KUNIT_EXPECT_EQ(test, 'pages', taken, [1024, 2048, 2080, 0]);
    }),
  ],
};
