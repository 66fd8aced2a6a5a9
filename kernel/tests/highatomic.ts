// Self tests of pageblocks that are held back for high-order requests that cannot wait.

import { __GFP_NORETRY, __GFP_NOWARN, GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT } from '../include/gfp_types.ts';
import { MIGRATE_HIGHATOMIC, MIGRATE_MOVABLE, WMARK_HIGH, WMARK_LOW, WMARK_MIN } from '../include/mmzone.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { alloc_context } from '../mm/alloc_context.ts';
import { reserve_highatomic_pageblock, unreserve_highatomic_pageblock } from '../mm/highatomic.ts';
import { __alloc_pages } from '../mm/page_alloc.ts';
import { get_pageblock_migratetype } from '../mm/pageblock.ts';
import { BASE, empty_zone, free_block, lists_of, set_blocks } from './allocator.ts';
import type { Suite, TestMachine } from './env.ts';

interface ReserveRow {
  readonly desc: string;
  readonly managed: number;
  /** Pageblock types; a page of each is given out, in turn. */
  readonly types: string;
  readonly wanted: string;
}

const reserve_rows: readonly ReserveRow[] = [
  { desc: 'unmovable', managed: 100000, types: '0', wanted: '3' },
  { desc: 'movable and reclaimable', managed: 100000, types: '12', wanted: '33' },
  { desc: 'CMA and isolated ones cannot be', managed: 100000, types: '45', wanted: '45' },
  { desc: 'one that is, is not counted again', managed: 100000, types: '3', wanted: '3' },
  { desc: 'one in a small zone', managed: 8192, types: '111', wanted: '331' },
  // 51200 / 100 + 512 = 1024: two, as the limit is looked at before.
  { desc: 'one per cent more', managed: 51200, types: '1111', wanted: '3311' },
  { desc: 'three from 51300 pages on', managed: 51300, types: '1111', wanted: '3331' },
];

interface RequestRow {
  readonly desc: string;
  readonly gfp: number;
  readonly order: number;
  /** Pages to the min mark of 200, from what is free. */
  readonly above_min: number;
  readonly got: boolean;
  readonly reserved: number;
}

const request_rows: readonly RequestRow[] = [
  { desc: 'an atomic pair below the mark', gfp: GFP_ATOMIC, order: 1, above_min: -50, got: true, reserved: 512 },
  { desc: 'an atomic page below the mark', gfp: GFP_ATOMIC, order: 0, above_min: -50, got: true, reserved: 0 },
  { desc: 'an atomic pair above it', gfp: GFP_ATOMIC, order: 1, above_min: 300, got: true, reserved: 0 },
  { desc: 'one who may wait', gfp: GFP_KERNEL, order: 1, above_min: -50, got: false, reserved: 0 },
  { desc: 'one who is not urgent', gfp: GFP_NOWAIT, order: 1, above_min: -50, got: false, reserved: 0 },
];

const context = (zone: alloc_context['zones'][number], migratetype: number): alloc_context =>
  Object.assign(new alloc_context(), { zones: [zone], migratetype, highest_zoneidx: 3 });

export const highatomic_suite: Suite = {
  name: 'highatomic',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, ReserveRow>('reserve', reserve_rows, (test, { managed, types, wanted }) => {
      const { k, zone } = empty_zone(test, managed);
      set_blocks(k, types);
      for (const n of [...types].keys()) reserve_highatomic_pageblock(k, BASE + 512 * n + 7, zone);
      const found = [...types].map((_, n) => get_pageblock_migratetype(k, BASE + 512 * n)).join('');
      KUNIT_EXPECT_EQ(test, 'pageblocks', found, wanted);
      const fresh = [...wanted].filter((type, n) => type === '3' && types[n] !== '3').length;
      KUNIT_EXPECT_EQ(test, 'nr_reserved_highatomic', zone.nr_reserved_highatomic, 512 * fresh);
    }),
    KUNIT_CASE('free_pages_come_along', (test) => {
      const { k, zone } = empty_zone(test);
      set_blocks(k, '11');
      for (const [offset, order] of [
        [8, 3],
        [64, 5],
        [512, 4],
      ] as const) {
        free_block(k, offset, order);
      }
      reserve_highatomic_pageblock(k, BASE, zone);
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), ['3/3: 8', '4/1: 512', '5/3: 64']);
    }),
    KUNIT_CASE_PARAM<TestMachine, RequestRow>('who', request_rows, (test, row) => {
      const { k, zone } = empty_zone(test);
      set_blocks(k, '1');
      free_block(k, 0, 8);
      const free = 256;
      zone.set_watermark(WMARK_MIN, free - row.above_min);
      for (const mark of [WMARK_LOW, WMARK_HIGH]) zone.set_watermark(mark, free - row.above_min + 10);
      const pfn = __alloc_pages(k, row.gfp | __GFP_NOWARN, row.order, 0);
      KUNIT_EXPECT_EQ(test, 'got it', pfn >= 0, row.got);
      KUNIT_EXPECT_EQ(test, 'nr_reserved_highatomic', zone.nr_reserved_highatomic, row.reserved);
    }),
    // Only highatomic blocks are left.
    KUNIT_CASE('who_may_have_them', (test) => {
      const { k } = empty_zone(test);
      set_blocks(k, '3');
      free_block(k, 0, 9, MIGRATE_HIGHATOMIC);
      const ask = (gfp: number, order: number): boolean => __alloc_pages(k, gfp | __GFP_NOWARN, order, 0) >= 0;
      KUNIT_EXPECT_EQ(test, 'one who may wait', ask(GFP_KERNEL | __GFP_NORETRY, 0), false);
      KUNIT_EXPECT_EQ(test, 'a page for one who cannot', ask(GFP_NOWAIT, 0), true);
      KUNIT_EXPECT_EQ(test, 'but no larger block', ask(GFP_NOWAIT, 1), false);
      KUNIT_EXPECT_EQ(test, 'an atomic block', ask(GFP_ATOMIC, 4), true);
    }),
    KUNIT_CASE('give_up', (test) => {
      const { k, zone } = empty_zone(test, 100000);
      set_blocks(k, '331');
      zone.nr_reserved_highatomic = 1024;
      free_block(k, 512, 4, MIGRATE_HIGHATOMIC);
      free_block(k, 8, 3, MIGRATE_HIGHATOMIC);
      const ac = context(zone, MIGRATE_MOVABLE);
      const types = (): string => [0, 1, 2].map((n) => get_pageblock_migratetype(k, BASE + 512 * n)).join('');
      // The smallest block says which pageblock goes first.
      KUNIT_EXPECT_EQ(test, 'the first', unreserve_highatomic_pageblock(k, ac, false), true);
      KUNIT_EXPECT_EQ(test, 'pageblocks', types(), '131');
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), ['3/1: 8', '4/3: 512']);
      KUNIT_EXPECT_EQ(test, 'nr_reserved_highatomic', zone.nr_reserved_highatomic, 512);
      KUNIT_EXPECT_EQ(test, 'the last one stays', unreserve_highatomic_pageblock(k, ac, false), false);
      KUNIT_EXPECT_EQ(test, 'unless all else failed', unreserve_highatomic_pageblock(k, ac, true), true);
      KUNIT_EXPECT_EQ(test, 'pageblocks', types(), '111');
      KUNIT_EXPECT_EQ(test, 'nr_reserved_highatomic', zone.nr_reserved_highatomic, 0);
    }),
  ],
};
