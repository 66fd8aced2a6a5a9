// Self tests of CMA pageblocks in the allocator: for movable pages only, counted apart, and used in step with the others.

import { __GFP_NOWARN, GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../include/gfp_types.ts';
import { MIGRATE_CMA, MIGRATE_MOVABLE, NR_FREE_CMA_PAGES, NR_FREE_PAGES } from '../include/mmzone.ts';
import { SZ_1M } from '../include/types.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_FALSE, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { cma_alloc, cma_release } from '../mm/cma_alloc.ts';
import { __rmqueue } from '../mm/fallback.ts';
import { ALLOC_CMA } from '../mm/internal.ts';
import { __alloc_pages, __free_pages } from '../mm/page_alloc.ts';
import { get_pageblock_migratetype } from '../mm/pageblock.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { zone_page_state_snapshot } from '../mm/vmstat.ts';
import { BASE, empty_zone, free_block, nodes_of, pages_of_type, running, set_blocks } from './allocator.ts';
import type { Suite, TestMachine } from './env.ts';
import { zone_of } from './layout.ts';

interface ShareRow {
  readonly desc: string;
  /** Orders of the free blocks of the movable pageblock and the CMA pageblock. */
  readonly movable: readonly number[];
  readonly cma: readonly number[];
  readonly type: number;
  readonly flags: number;
  /** The type whose page is taken; -1: none. */
  readonly wanted: number;
}

const share_rows: readonly ShareRow[] = [
  { desc: 'more than half is CMA: CMA', movable: [4], cma: [5], type: 1, flags: ALLOC_CMA, wanted: 4 },
  { desc: 'half is CMA: not yet', movable: [5], cma: [5], type: 1, flags: ALLOC_CMA, wanted: 1 },
  { desc: 'less than half is CMA: not CMA', movable: [6], cma: [5], type: 1, flags: ALLOC_CMA, wanted: 1 },
  { desc: 'one who may not have CMA', movable: [4], cma: [5], type: 1, flags: 0, wanted: 1 },
  { desc: 'nothing else is left', movable: [], cma: [5], type: 1, flags: ALLOC_CMA, wanted: 4 },
  { desc: 'nothing else, for one who may not', movable: [], cma: [5], type: 1, flags: 0, wanted: -1 },
  { desc: 'nothing else, unmovable', movable: [], cma: [5], type: 0, flags: 0, wanted: -1 },
];

const SIZE = 16;
const machine = { cma: `${SIZE}M` };

export const cma_suite: Suite = {
  name: 'cma',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, ShareRow>('share', share_rows, (test, { movable, cma, type, flags, wanted }) => {
      const { k, zone } = empty_zone(test);
      set_blocks(k, '1144');
      for (const order of movable) free_block(k, 0, order, MIGRATE_MOVABLE);
      for (const order of cma) free_block(k, 1024, order, MIGRATE_CMA);
      // The counters that are looked at are those without what CPUs hold back.
      zone.add_vm_stat(NR_FREE_PAGES, zone_page_state_snapshot(k, zone, NR_FREE_PAGES) - zone.vm_stat(NR_FREE_PAGES));
      const free_cma = zone_page_state_snapshot(k, zone, NR_FREE_CMA_PAGES);
      zone.add_vm_stat(NR_FREE_CMA_PAGES, free_cma - zone.vm_stat(NR_FREE_CMA_PAGES));
      const pfn = __rmqueue(k, zone, 0, type, flags);
      KUNIT_EXPECT_EQ(test, 'type', pfn < 0 ? -1 : get_pageblock_migratetype(k, pfn), wanted);
    }),
    KUNIT_CASE('counted', (test) => {
      const k = running(test, nodes_of(1, 128), machine);
      const zone = zone_of(k, 0, 'DMA32');
      const pages = (SIZE * SZ_1M) / 4096;
      KUNIT_EXPECT_EQ(test, 'cma_pages', zone.cma_pages, pages);
      KUNIT_EXPECT_EQ(test, 'NR_FREE_CMA_PAGES', zone_page_state_snapshot(k, zone, NR_FREE_CMA_PAGES), pages);
      KUNIT_EXPECT_EQ(test, 'on its lists', pages_of_type(k, zone, MIGRATE_CMA), pages);
    }),
    KUNIT_CASE('movable_only', (test) => {
      const k = running(test, nodes_of(1, 128), machine);
      const zone = zone_of(k, 0, 'DMA32');
      const found = (gfp: number): number[] => {
        const types = new Set<number>();
        const taken: number[] = [];
        for (;;) {
          const pfn = __alloc_pages(k, (gfp & ~0xc00) | __GFP_NOWARN, 5, 0);
          if (pfn < 0) break;
          taken.push(pfn);
          if (get_pageblock_migratetype(k, pfn) === MIGRATE_CMA) types.add(MIGRATE_CMA);
        }
        for (const pfn of taken) __free_pages(k, pfn, 5);
        return [...types];
      };
      KUNIT_EXPECT_EQ(test, 'unmovable blocks', found(GFP_KERNEL), []);
      KUNIT_EXPECT_EQ(test, 'movable blocks', found(GFP_HIGHUSER_MOVABLE), [MIGRATE_CMA]);
      drain_all_pages(k, null);
      const back = zone_page_state_snapshot(k, zone, NR_FREE_CMA_PAGES);
      KUNIT_EXPECT_EQ(test, 'all back', [back, pages_of_type(k, zone, MIGRATE_CMA)], [zone.cma_pages, zone.cma_pages]);
    }),
    // A range out of the area, and back.
    KUNIT_CASE('alloc_and_release', (test) => {
      const k = running(test, nodes_of(1, 128), machine);
      const zone = zone_of(k, 0, 'DMA32');
      const area = k.cma.cma_areas[0]!;
      const free = (): number => zone_page_state_snapshot(k, zone, NR_FREE_CMA_PAGES);
      const before = free();
      KUNIT_EXPECT_EQ(test, 'from the start', cma_alloc(k, area, 100, 0, true), area.base_pfn);
      const pfn = cma_alloc(k, area, 700, 0, true);
      KUNIT_EXPECT_EQ(test, 'what follows', pfn, area.base_pfn + 100);
      KUNIT_EXPECT_EQ(test, 'free CMA pages less', before - free(), 800);
      KUNIT_EXPECT_EQ(test, 'pageblock', get_pageblock_migratetype(k, pfn), MIGRATE_CMA);
      KUNIT_EXPECT_EQ(test, 'aligned', cma_alloc(k, area, 1, 9, true), area.base_pfn + 1024);
      KUNIT_EXPECT_EQ(test, 'too much', cma_alloc(k, area, area.count, 0, true), -1);
      KUNIT_EXPECT_FALSE(test, 'not of the area', cma_release(k, area, area.base_pfn - 1, 1));
      KUNIT_EXPECT_TRUE(test, 'of the area', cma_release(k, area, pfn, 700));
      KUNIT_EXPECT_EQ(test, 'again', cma_alloc(k, area, 700, 0, true), pfn);
      for (const [start, count] of [
        [area.base_pfn, 800],
        [area.base_pfn + 1024, 1],
      ] as const) {
        cma_release(k, area, start, count);
      }
      drain_all_pages(k, null);
      KUNIT_EXPECT_EQ(test, 'free CMA pages', free(), before);
      KUNIT_EXPECT_EQ(test, 'outside of the area', get_pageblock_migratetype(k, BASE), MIGRATE_MOVABLE);
    }),
  ],
};
