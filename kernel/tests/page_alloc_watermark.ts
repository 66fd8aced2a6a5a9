// Self tests of whether a zone has enough free pages for a request: marks, reserves, and blocks that are large enough.

import { GFP_ATOMIC, GFP_KERNEL } from '../include/gfp_types.ts';
import {
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  per_cpu_zonestat,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
} from '../include/mmzone.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import {
  ALLOC_CMA,
  ALLOC_HIGHATOMIC,
  ALLOC_MIN_RESERVE,
  ALLOC_NON_BLOCK,
  ALLOC_OOM,
  ALLOC_WMARK_LOW,
  ALLOC_WMARK_MIN,
} from '../mm/internal.ts';
import { per_cpu_ptr } from '../mm/percpu.ts';
import {
  __zone_watermark_ok,
  wmark_pages,
  zone_watermark_fast,
  zone_watermark_ok_safe,
} from '../mm/watermark_check.ts';
import { empty_zone, free_block, set_blocks } from './allocator.ts';
import type { Suite, TestMachine } from './env.ts';

interface Row {
  readonly desc: string;
  /** Blocks that are free, "order/migratetype". */
  readonly blocks?: string;
  readonly order?: number;
  readonly mark?: number;
  readonly flags?: number;
  /** lowmem_reserve against the request's highest zone. */
  readonly reserve?: number;
  readonly highatomic?: number;
  readonly cma?: number;
  /** The most free pages with which the answer is no. With one more it is yes; null: it is always no. */
  readonly wanted: number | null;
}

const rows: readonly Row[] = [
  { desc: 'the mark itself is not enough', mark: 100, wanted: 100 },
  { desc: 'no mark', mark: 0, wanted: 0 },
  { desc: 'the reserve for lower zones adds to it', mark: 100, reserve: 30, wanted: 130 },
  { desc: 'an urgent request: half of the mark', mark: 100, flags: ALLOC_MIN_RESERVE, wanted: 50 },
  { desc: 'that cannot wait: another quarter', mark: 100, flags: ALLOC_MIN_RESERVE | ALLOC_NON_BLOCK, wanted: 38 },
  { desc: 'not urgent, but cannot wait: all of it', mark: 100, flags: ALLOC_NON_BLOCK, wanted: 100 },
  { desc: 'one who is being killed: half', mark: 100, flags: ALLOC_OOM, wanted: 50 },
  { desc: 'all three', mark: 100, flags: ALLOC_MIN_RESERVE | ALLOC_NON_BLOCK | ALLOC_OOM, wanted: 19 },
  { desc: 'an odd mark rounds up', mark: 101, flags: ALLOC_MIN_RESERVE, wanted: 51 },
  { desc: 'the reserve is not halved', mark: 100, reserve: 30, flags: ALLOC_MIN_RESERVE, wanted: 80 },
  { desc: 'highatomic pages do not count', mark: 100, highatomic: 512, wanted: 612 },
  {
    desc: 'highatomic pages, for one who may have them',
    mark: 100,
    highatomic: 512,
    flags: ALLOC_HIGHATOMIC,
    wanted: 100,
  },
  { desc: 'highatomic pages and an urgent request', mark: 100, highatomic: 512, flags: ALLOC_MIN_RESERVE, wanted: 50 },
  { desc: 'CMA pages do not count', mark: 100, cma: 300, wanted: 400 },
  { desc: 'CMA pages, for one who may have them', mark: 100, cma: 300, flags: ALLOC_CMA, wanted: 100 },
  { desc: 'a larger block: all pages of it but one', blocks: '3/1', order: 3, mark: 100, wanted: 107 },
  { desc: 'a larger block than asked for', blocks: '5/0', order: 3, mark: 100, wanted: 107 },
  { desc: 'no block is large enough', blocks: '2/0 2/1', order: 3, mark: 100, wanted: null },
  { desc: 'single pages need no block', blocks: '', order: 0, mark: 100, wanted: 100 },
  { desc: 'a CMA block is none', blocks: '9/4', order: 3, mark: 100, wanted: null },
  { desc: 'a CMA block, for one who may have it', blocks: '9/4', order: 3, mark: 100, flags: ALLOC_CMA, wanted: 107 },
  { desc: 'a highatomic block is none', blocks: '9/3', order: 3, mark: 100, wanted: null },
  {
    desc: 'a highatomic block, for one who may have it',
    blocks: '9/3',
    order: 3,
    flags: ALLOC_HIGHATOMIC,
    mark: 100,
    wanted: 107,
  },
  {
    desc: 'a highatomic block for one who is being killed',
    blocks: '9/3',
    order: 3,
    flags: ALLOC_OOM,
    mark: 100,
    wanted: 57,
  },
  {
    desc: 'an isolated block is none',
    blocks: '9/5',
    order: 3,
    flags: ALLOC_CMA | ALLOC_HIGHATOMIC,
    mark: 100,
    wanted: null,
  },
];

interface FastRow {
  readonly desc: string;
  readonly gfp: number;
  readonly order?: number;
  readonly boost: number;
  readonly wmark: number;
  readonly free: number;
  readonly wanted: boolean;
}

// min 100, low 125.
const fast_rows: readonly FastRow[] = [
  { desc: 'above the low mark', gfp: GFP_KERNEL, boost: 0, wmark: ALLOC_WMARK_LOW, free: 126, wanted: true },
  { desc: 'at the low mark', gfp: GFP_KERNEL, boost: 0, wmark: ALLOC_WMARK_LOW, free: 125, wanted: false },
  { desc: 'boosted', gfp: GFP_KERNEL, boost: 512, wmark: ALLOC_WMARK_LOW, free: 637, wanted: false },
  { desc: 'above the boost', gfp: GFP_KERNEL, boost: 512, wmark: ALLOC_WMARK_LOW, free: 638, wanted: true },
  {
    desc: 'the boost does not hold against an atomic page',
    gfp: GFP_ATOMIC,
    boost: 512,
    wmark: ALLOC_WMARK_MIN,
    free: 101,
    wanted: true,
  },
  { desc: 'but the mark does', gfp: GFP_ATOMIC, boost: 512, wmark: ALLOC_WMARK_MIN, free: 100, wanted: false },
  { desc: 'it holds at the low mark', gfp: GFP_ATOMIC, boost: 512, wmark: ALLOC_WMARK_LOW, free: 300, wanted: false },
  {
    desc: 'and against larger blocks',
    gfp: GFP_ATOMIC,
    order: 1,
    boost: 512,
    wmark: ALLOC_WMARK_MIN,
    free: 300,
    wanted: false,
  },
  {
    desc: 'and against those that may wait',
    gfp: GFP_KERNEL,
    boost: 512,
    wmark: ALLOC_WMARK_MIN,
    free: 300,
    wanted: false,
  },
];

export const page_alloc_watermark_suite: Suite = {
  name: 'page_alloc_watermark',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, Row>('enough', rows, (test, row) => {
      const { blocks = '9/0 9/1', order = 0, mark = 0, flags = 0, reserve = 0, highatomic = 0, cma = 0, wanted } = row;
      const { k, zone } = empty_zone(test);
      for (const [n, block] of blocks.split(' ').filter(Boolean).entries()) {
        const [of, type] = block.split('/').map(Number) as [number, number];
        set_blocks(k, `${'1'.repeat(2 * n)}${type}`);
        free_block(k, 1024 * n, of, type);
      }
      zone.nr_reserved_highatomic = highatomic;
      zone.add_vm_stat(NR_FREE_CMA_PAGES, cma - zone.vm_stat(NR_FREE_CMA_PAGES));
      zone.set_lowmem_reserve(2, reserve);
      const ok = (free: number) => __zone_watermark_ok(zone, order, mark, 2, flags, free);
      if (wanted === null) {
        KUNIT_EXPECT_EQ(test, 'with very many', ok(1000000), false);
        return;
      }
      KUNIT_EXPECT_EQ(test, `with ${wanted}`, ok(wanted), false);
      KUNIT_EXPECT_EQ(test, `with ${wanted + 1}`, ok(wanted + 1), true);
    }),
    KUNIT_CASE_PARAM<TestMachine, FastRow>(
      'fast',
      fast_rows,
      (test, { gfp, order = 0, boost, wmark, free, wanted }) => {
        const { k, zone } = empty_zone(test);
        free_block(k, 0, 9);
        zone.add_vm_stat(NR_FREE_PAGES, free - zone.vm_stat(NR_FREE_PAGES));
        zone.set_watermark(WMARK_MIN, 100);
        zone.set_watermark(WMARK_LOW, 125);
        zone.watermark_boost = boost;
        const mark = wmark_pages(zone, wmark);
        KUNIT_EXPECT_EQ(test, 'enough', zone_watermark_fast(zone, order, mark, 2, wmark, gfp), wanted);
      },
    ),
    // The counter says 200, a CPU holds back 100 less: below the drift mark what all CPUs have is added up.
    KUNIT_CASE('drift', (test) => {
      const { k, zone } = empty_zone(test);
      zone.add_vm_stat(NR_FREE_PAGES, 200 - zone.vm_stat(NR_FREE_PAGES));
      const stats = per_cpu_ptr(k, zone.per_cpu_zonestats, 0) + per_cpu_zonestat.offset.vm_stat_diff;
      k.hw.ram.set_u8(stats + NR_FREE_PAGES, -100 & 0xff);
      zone.set_watermark(WMARK_HIGH, 150);
      KUNIT_EXPECT_EQ(test, 'without a drift mark', zone_watermark_ok_safe(k, zone, 0, 150, 2), true);
      zone.percpu_drift_mark = 201;
      KUNIT_EXPECT_EQ(test, 'below the drift mark', zone_watermark_ok_safe(k, zone, 0, 150, 2), false);
      zone.percpu_drift_mark = 200;
      KUNIT_EXPECT_EQ(test, 'not below it', zone_watermark_ok_safe(k, zone, 0, 150, 2), true);
    }),
  ],
};
