// Self tests of the per-cpu page lists: how they are filled, in what order pages come off them, and when they give back.

import { __GFP_COMP, __GFP_NOWARN, __GFP_RECLAIMABLE, GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../include/gfp_types.ts';
import {
  MIGRATE_CMA,
  MIGRATE_HIGHATOMIC,
  NR_FREE_PAGES,
  per_cpu_pages,
  ZONE_RECLAIM_ACTIVE,
} from '../include/mmzone.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import type { Zone } from '../mm/mmzone.ts';
import { get_pcppage_migratetype } from '../mm/page.ts';
import { __alloc_pages, __free_pages } from '../mm/page_alloc.ts';
import { set_pageblock_migratetype } from '../mm/pageblock.ts';
import { pcp_count } from '../mm/pageset.ts';
import { drain_all_pages, order_to_pindex, pcp_allowed_order } from '../mm/pcp.ts';
import { per_cpu_ptr } from '../mm/percpu.ts';
import { zone_page_state_snapshot } from '../mm/vmstat.ts';
import { switch_to_cpu } from '../mm/zone_cpu.ts';
import { BASE, empty_zone, free_block, pages_of_type, set_blocks } from './allocator.ts';
import type { Suite, Test, TestMachine } from './env.ts';

const QUIET = GFP_KERNEL | __GFP_NOWARN;

/** A zone with pageblocks of the given types, all free, and per-cpu lists with this batch and high. */
function filled(test: Test, types: string, batch: number, high: number, cpus = [0]): { k: Kernel; zone: Zone } {
  const { k, zone } = empty_zone(test, 8192, { cpus });
  set_blocks(k, types);
  for (let n = types.length - 1; n >= 0; n--) free_block(k, 512 * n, 9, Number(types[n]));
  for (const cpu of cpus.keys()) {
    const pcp = per_cpu_ptr(k, zone.per_cpu_pageset, cpu);
    k.hw.ram.set_u32(pcp + per_cpu_pages.offset.batch, batch);
    k.hw.ram.set_u32(pcp + per_cpu_pages.offset.high, high);
  }
  return { k, zone };
}

const free_factor = (k: Kernel, zone: Zone): number =>
  k.hw.ram.u16(per_cpu_ptr(k, zone.per_cpu_pageset, 0) + per_cpu_pages.offset.free_factor);

interface FillRow {
  readonly desc: string;
  readonly order: number;
  readonly batch: number;
  /** Pages on the list once the first request is served. */
  readonly wanted: number;
}

const fill_rows: readonly FillRow[] = [
  { desc: 'single pages: a batch', order: 0, batch: 31, wanted: 30 },
  { desc: 'pairs: half as many', order: 1, batch: 31, wanted: 28 },
  { desc: 'order 3: an eighth', order: 3, batch: 31, wanted: 16 },
  { desc: 'two blocks at least', order: 3, batch: 7, wanted: 8 },
  { desc: 'a batch of 1 keeps nothing', order: 0, batch: 1, wanted: 0 },
  { desc: 'nor blocks', order: 2, batch: 1, wanted: 0 },
  { desc: 'order 4 has no list', order: 4, batch: 31, wanted: 0 },
];

const index_rows = [
  { desc: 'unmovable page', type: 0, order: 0, wanted: 0 },
  { desc: 'movable page', type: 1, order: 0, wanted: 1 },
  { desc: 'reclaimable pair', type: 2, order: 1, wanted: 5 },
  { desc: 'movable, order 3', type: 1, order: 3, wanted: 10 },
  { desc: 'movable huge page', type: 1, order: 9, wanted: 13 },
  { desc: 'other huge page', type: 0, order: 9, wanted: 12 },
];

interface FreeRow {
  readonly desc: string;
  readonly batch: number;
  readonly high: number;
  /** Pages that are taken first, then freed one by one. */
  readonly pages: number;
  /** Frees after which the lists give back, and how many pages stay each time. */
  readonly wanted: string;
}

const free_rows: readonly FreeRow[] = [
  { desc: 'below high nothing goes back', batch: 4, high: 40, pages: 36, wanted: '' },
  // The batch doubles with each time, up to high - batch.
  { desc: 'a batch, then two, then four', batch: 4, high: 40, pages: 80, wanted: '40:36 44:32 52:24 68:8' },
  { desc: 'never more than high - batch', batch: 4, high: 12, pages: 40, wanted: '12:8 16:4 24:4 32:4 40:4' },
  { desc: 'a high of 0 keeps nothing', batch: 4, high: 0, pages: 3, wanted: '1:0 2:0 3:0' },
];

/** Takes `count` pages; the batch is 1 meanwhile, so that none is left on the list. */
function take(k: Kernel, zone: Zone, count: number, gfp = QUIET): number[] {
  const batch = per_cpu_ptr(k, zone.per_cpu_pageset, k.percpu.cpu) + per_cpu_pages.offset.batch;
  const saved = k.hw.ram.u32(batch);
  k.hw.ram.set_u32(batch, 1);
  const pages = Array.from({ length: count }, () => __alloc_pages(k, gfp, 0, 0));
  k.hw.ram.set_u32(batch, saved);
  return pages;
}

export const pcp_suite: Suite = {
  name: 'pcp',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, FillRow>('fill', fill_rows, (test, { order, batch, wanted }) => {
      const { k, zone } = filled(test, '0', batch, 200);
      KUNIT_EXPECT_EQ(test, 'page', __alloc_pages(k, QUIET, order, 0), BASE);
      KUNIT_EXPECT_EQ(test, 'pages on the list', pcp_count(k, zone, 0), wanted);
      const free = zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
      KUNIT_EXPECT_EQ(test, 'free pages', free, 512 - wanted - (1 << order));
    }),
    KUNIT_CASE_PARAM<TestMachine, (typeof index_rows)[number]>('list', index_rows, (test, { type, order, wanted }) => {
      KUNIT_EXPECT_EQ(test, 'list', order_to_pindex(type, order), wanted);
    }),
    KUNIT_CASE('orders', (test) => {
      const { k } = filled(test, '0', 4, 40);
      const orders = Array.from({ length: 11 }, (_, order) => order).filter((order) => pcp_allowed_order(k, order));
      KUNIT_EXPECT_EQ(test, 'orders with lists', orders, [0, 1, 2, 3, 9]);
    }),
    KUNIT_CASE('ascending_then_last_freed_first', (test) => {
      const { k } = filled(test, '0', 8, 200);
      const pages = Array.from({ length: 4 }, () => __alloc_pages(k, QUIET, 0, 0) - BASE);
      KUNIT_EXPECT_EQ(test, 'as the buddy lists had them', pages, [0, 1, 2, 3]);
      for (const page of [2, 0, 3]) __free_pages(k, BASE + page, 0);
      const again = Array.from({ length: 4 }, () => __alloc_pages(k, QUIET, 0, 0) - BASE);
      KUNIT_EXPECT_EQ(test, 'what was freed last comes first', again, [3, 0, 2, 4]);
    }),
    KUNIT_CASE_PARAM<TestMachine, FreeRow>('give_back', free_rows, (test, { batch, high, pages, wanted }) => {
      const { k, zone } = filled(test, '0', batch, high);
      const seen: string[] = [];
      let before = 0;
      for (const [n, pfn] of take(k, zone, pages).entries()) {
        __free_pages(k, pfn, 0);
        const count = pcp_count(k, zone, 0);
        if (count !== before + 1) seen.push(`${n + 1}:${count}`);
        before = count;
      }
      KUNIT_EXPECT_EQ(test, 'frees:pages left', seen.join(' '), wanted);
    }),
    KUNIT_CASE('whoever_allocates_frees_less', (test) => {
      const { k, zone } = filled(test, '0', 4, 40);
      for (const pfn of take(k, zone, 60)) __free_pages(k, pfn, 0);
      KUNIT_EXPECT_EQ(test, 'free_factor after three times', free_factor(k, zone), 3);
      __alloc_pages(k, QUIET, 0, 0);
      KUNIT_EXPECT_EQ(test, 'after a request', free_factor(k, zone), 1);
      __alloc_pages(k, QUIET, 0, 0);
      KUNIT_EXPECT_EQ(test, 'after another', free_factor(k, zone), 0);
    }),
    // Small blocks that only come back are of more use merged.
    KUNIT_CASE('blocks_all_go_back', (test) => {
      const { k, zone } = filled(test, '0', 4, 40);
      const block = __alloc_pages(k, QUIET | __GFP_COMP, 2, 0);
      drain_all_pages(k, null);
      const pages = take(k, zone, 50);
      for (const pfn of pages.slice(0, 40)) __free_pages(k, pfn, 0);
      KUNIT_EXPECT_TRUE(test, 'pages have been freed in a row', free_factor(k, zone) > 0);
      __free_pages(k, block, 2);
      KUNIT_EXPECT_EQ(test, 'pages on the lists', pcp_count(k, zone, 0), 0);
    }),
    KUNIT_CASE('less_while_reclaiming', (test) => {
      const { k, zone } = filled(test, '0', 4, 40);
      const pages = take(k, zone, 20);
      zone.flags |= 1 << ZONE_RECLAIM_ACTIVE;
      for (const pfn of pages.slice(0, 15)) __free_pages(k, pfn, 0);
      KUNIT_EXPECT_EQ(test, 'below four batches', pcp_count(k, zone, 0), 15);
      __free_pages(k, pages[15]!, 0);
      KUNIT_EXPECT_EQ(test, 'at four batches', pcp_count(k, zone, 0), 12);
    }),
    KUNIT_CASE('types_apart', (test) => {
      const { k } = filled(test, '031323', 8, 200);
      const gfps = [GFP_KERNEL, GFP_HIGHUSER_MOVABLE, GFP_KERNEL | __GFP_RECLAIMABLE];
      const blocks = gfps.map((gfp) => (__alloc_pages(k, gfp | __GFP_NOWARN, 0, 0) - BASE) >> 9);
      KUNIT_EXPECT_EQ(test, 'pageblocks', blocks, [0, 2, 4]);
    }),
    KUNIT_CASE('cpus_apart', (test) => {
      const { k, zone } = filled(test, '0', 8, 200, [0, 0]);
      const pfn = __alloc_pages(k, QUIET, 0, 0);
      switch_to_cpu(k, 1);
      KUNIT_EXPECT_EQ(test, "not the other's", __alloc_pages(k, QUIET, 0, 0) - BASE, 8);
      __free_pages(k, pfn, 0);
      KUNIT_EXPECT_EQ(
        test,
        'freed where it is freed',
        [0, 1].map((cpu) => pcp_count(k, zone, cpu)),
        [7, 8],
      );
      drain_all_pages(k, null);
      KUNIT_EXPECT_EQ(
        test,
        'drained',
        [0, 1].map((cpu) => pcp_count(k, zone, cpu)),
        [0, 0],
      );
      KUNIT_EXPECT_EQ(test, 'free pages', zone_page_state_snapshot(k, zone, NR_FREE_PAGES), 511);
    }),
    // They have no lists of their own: their pages wait on the movable one, and go home with the type they had.
    KUNIT_CASE_PARAM(
      'movable_list',
      [
        { desc: 'highatomic', type: MIGRATE_HIGHATOMIC },
        { desc: 'cma', type: MIGRATE_CMA },
      ],
      (test, { type }) => {
        const { k, zone } = filled(test, '1', 4, 40);
        const pfn = take(k, zone, 1, GFP_HIGHUSER_MOVABLE | __GFP_NOWARN)[0]!;
        set_pageblock_migratetype(k, pfn, type);
        __free_pages(k, pfn, 0);
        KUNIT_EXPECT_EQ(test, 'type', get_pcppage_migratetype(k, pfn), type);
        KUNIT_EXPECT_EQ(test, 'the next movable page', __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 0), pfn);
        __free_pages(k, pfn, 0);
        drain_all_pages(k, null);
        KUNIT_EXPECT_EQ(test, 'pages on its lists', pages_of_type(k, zone, type) > 0, true);
      },
    ),
  ],
};
