// Self tests of isolated pageblocks, and of ranges of pages that are taken by their numbers.

import { __GFP_NOWARN, GFP_KERNEL } from '../include/gfp_types.ts';
import { MIGRATE_CMA, MIGRATE_ISOLATE, MIGRATE_MOVABLE, NR_FREE_PAGES } from '../include/mmzone.ts';
import { PG_lru, PG_reserved } from '../include/page_flags.ts';
import { EBUSY } from '../include/types.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { alloc_contig_range, free_contig_range } from '../mm/alloc_contig.ts';
import { page_count, page_index, section_map } from '../mm/page.ts';
import { __alloc_pages, __free_pages } from '../mm/page_alloc.ts';
import { start_isolate_page_range, test_pages_isolated, undo_isolate_page_range } from '../mm/page_isolation.ts';
import { get_pageblock_migratetype } from '../mm/pageblock.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { zone_page_state_snapshot } from '../mm/vmstat.ts';
import { BASE, empty_zone, free_block, lists_of, set_blocks } from './allocator.ts';
import type { Suite, TestMachine } from './env.ts';

interface IsolateRow {
  readonly desc: string;
  /** Free blocks "offset/order"; all are movable. */
  readonly free: string;
  /** Pageblocks: the first, and the one behind the last. */
  readonly range: readonly [number, number];
  readonly lists: readonly string[];
  /** Pages that count as free. */
  readonly counted: number;
  /** The lists once the range is free for all again. */
  readonly after: readonly string[];
}

const isolate_rows: readonly IsolateRow[] = [
  { desc: 'a free pageblock', free: '0/9', range: [0, 1], lists: ['9/5: 0'], counted: 0, after: ['9/1: 0'] },
  {
    desc: 'half of the largest block',
    free: '0/10',
    range: [0, 1],
    lists: ['9/1: 512', '9/5: 0'],
    counted: 512,
    after: ['10/1: 0'],
  },
  {
    desc: 'its other half',
    free: '0/10',
    range: [1, 2],
    lists: ['9/1: 0', '9/5: 512'],
    counted: 512,
    after: ['10/1: 0'],
  },
  { desc: 'all of it', free: '0/10', range: [0, 2], lists: ['10/5: 0'], counted: 0, after: ['10/1: 0'] },
  {
    desc: 'from the middle of one block to that of the next',
    free: '0/10 1024/10',
    range: [1, 3],
    lists: ['9/1: 1536 0', '9/5: 1024 512'],
    counted: 1024,
    after: ['10/1: 0 1024'],
  },
];

const busy_rows = [
  { desc: 'free pages only', flag: -1, refs: 0, type: MIGRATE_MOVABLE, as: MIGRATE_MOVABLE, wanted: 0 },
  { desc: 'a page in use', flag: -1, refs: 1, type: MIGRATE_MOVABLE, as: MIGRATE_MOVABLE, wanted: -EBUSY },
  { desc: 'a page that could be moved', flag: PG_lru, refs: 1, type: MIGRATE_MOVABLE, as: MIGRATE_MOVABLE, wanted: 0 },
  { desc: 'a reserved page', flag: PG_reserved, refs: 1, type: MIGRATE_MOVABLE, as: MIGRATE_MOVABLE, wanted: -EBUSY },
  { desc: 'CMA, for CMA', flag: -1, refs: 1, type: MIGRATE_CMA, as: MIGRATE_CMA, wanted: 0 },
  { desc: 'CMA, for others', flag: -1, refs: 0, type: MIGRATE_CMA, as: MIGRATE_MOVABLE, wanted: -EBUSY },
  { desc: 'isolated already', flag: -1, refs: 0, type: MIGRATE_ISOLATE, as: MIGRATE_MOVABLE, wanted: -EBUSY },
];

interface ContigRow {
  readonly desc: string;
  readonly start: number;
  readonly pages: number;
  /** Free pages to begin with: pageblocks 0 to 3, as two of the largest blocks; a page in use, or -1. */
  readonly used: number;
  readonly wanted: number;
}

const contig_rows: readonly ContigRow[] = [
  { desc: 'a pageblock', start: 512, pages: 512, used: -1, wanted: 0 },
  { desc: 'a few pages', start: 700, pages: 5, used: -1, wanted: 0 },
  { desc: 'across largest blocks', start: 900, pages: 500, used: -1, wanted: 0 },
  { desc: 'all', start: 0, pages: 2048, used: -1, wanted: 0 },
  { desc: 'a page in use in the range', start: 512, pages: 512, used: 600, wanted: -EBUSY },
  { desc: 'a page in use beside it', start: 512, pages: 100, used: 1600, wanted: 0 },
];

export const page_isolation_suite: Suite = {
  name: 'page_isolation',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, IsolateRow>('isolate', isolate_rows, (test, row) => {
      const { k, zone } = empty_zone(test);
      set_blocks(k, '1111');
      for (const block of row.free.split(' ')) {
        const [offset, order] = block.split('/').map(Number) as [number, number];
        free_block(k, offset, order);
      }
      const [from, to] = row.range.map((n) => BASE + 512 * n) as [number, number];
      const free = (): number => zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
      const before = free();
      KUNIT_EXPECT_EQ(test, 'result', start_isolate_page_range(k, from, to, MIGRATE_MOVABLE, 0), 0);
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), [...row.lists]);
      KUNIT_EXPECT_EQ(test, 'free pages', free(), row.counted);
      KUNIT_EXPECT_EQ(test, 'nr_isolate_pageblock', zone.nr_isolate_pageblock, (to - from) / 512);
      KUNIT_EXPECT_EQ(test, 'all isolated', test_pages_isolated(k, from, to, 0), 0);
      undo_isolate_page_range(k, from, to, MIGRATE_MOVABLE);
      KUNIT_EXPECT_EQ(test, 'lists after', lists_of(k, zone), [...row.after]);
      KUNIT_EXPECT_EQ(test, 'free pages after', free(), before);
      KUNIT_EXPECT_EQ(test, 'nr_isolate_pageblock after', zone.nr_isolate_pageblock, 0);
    }),
    KUNIT_CASE_PARAM<TestMachine, (typeof busy_rows)[number]>('busy', busy_rows, (test, row) => {
      const { k, zone } = empty_zone(test);
      set_blocks(k, '1111');
      for (let pfn = 0; pfn < 512; pfn += 256) free_block(k, pfn, 8);
      if (row.refs > 0) {
        const pfn = __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 4, 0);
        if (row.flag >= 0) {
          for (let p = pfn; p < pfn + 16; p++) {
            section_map(k.mm, p)[page_index(p)]! |= 1 << row.flag;
            section_map(k.mm, p)[page_index(p) + 13] = 1;
          }
        }
      }
      set_blocks(k, `${row.type}111`);
      if (row.type === MIGRATE_ISOLATE) zone.nr_isolate_pageblock = 1;
      const ret = start_isolate_page_range(k, BASE, BASE + 512, row.as, 0);
      KUNIT_EXPECT_EQ(test, 'result', ret, row.wanted);
      const type = ret === 0 ? MIGRATE_ISOLATE : row.type;
      KUNIT_EXPECT_EQ(test, 'pageblock', get_pageblock_migratetype(k, BASE), type);
    }),
    KUNIT_CASE('freed_while_isolated', (test) => {
      const { k, zone } = empty_zone(test);
      set_blocks(k, '14');
      free_block(k, 0, 9);
      const pfn = __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 0, 0);
      drain_all_pages(k, null);
      section_map(k.mm, pfn)[page_index(pfn)]! |= 1 << PG_lru;
      start_isolate_page_range(k, BASE, BASE + 512, MIGRATE_MOVABLE, 0);
      KUNIT_EXPECT_EQ(test, 'not all is free', test_pages_isolated(k, BASE, BASE + 512, 0), -EBUSY);
      section_map(k.mm, pfn)[page_index(pfn)]! &= ~(1 << PG_lru);
      __free_pages(k, pfn, 0);
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), ['9/5: 0']);
      KUNIT_EXPECT_EQ(test, 'free pages', zone_page_state_snapshot(k, zone, NR_FREE_PAGES), 0);
      KUNIT_EXPECT_EQ(test, 'nothing to be had', __alloc_pages(k, (GFP_KERNEL & ~0xc00) | __GFP_NOWARN, 0, 0), -1);
    }),
    KUNIT_CASE_PARAM<TestMachine, ContigRow>('contig', contig_rows, (test, { start, pages, used, wanted }) => {
      const { k, zone } = empty_zone(test);
      set_blocks(k, '1111');
      if (used < 0) {
        free_block(k, 0, 10);
        free_block(k, 1024, 10);
      } else {
        for (let pfn = 0; pfn < 2048; pfn++) if (pfn !== used) free_block(k, pfn, 0);
      }
      const before = lists_of(k, zone).map((line) => line.split(':')[0]);
      const free = (): number => zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
      const had = free();
      const ret = alloc_contig_range(k, BASE + start, BASE + start + pages, MIGRATE_MOVABLE);
      KUNIT_EXPECT_EQ(test, 'result', ret, wanted);
      if (ret === 0) {
        let references = 0;
        for (let pfn = BASE + start; pfn < BASE + start + pages; pfn++) references += page_count(k, pfn);
        KUNIT_EXPECT_EQ(test, 'references', references, pages);
        drain_all_pages(k, null);
        KUNIT_EXPECT_EQ(test, 'free pages less', had - free(), pages);
        free_contig_range(k, BASE + start, pages);
      }
      drain_all_pages(k, null);
      KUNIT_EXPECT_EQ(test, 'free pages', free(), had);
      KUNIT_EXPECT_EQ(
        test,
        'lists',
        lists_of(k, zone).map((line) => line.split(':')[0]),
        before,
      );
      KUNIT_EXPECT_EQ(test, 'nr_isolate_pageblock', zone.nr_isolate_pageblock, 0);
    }),
  ],
};
