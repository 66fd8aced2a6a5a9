// Self tests of pages that are not what they should be: what is said of each, and that no one is given them.

import { __GFP_COMP, __GFP_NOWARN, GFP_KERNEL } from '../include/gfp_types.ts';
import { PG_FLAGS, PG_MAPCOUNT, PG_MAPPING, PG_MAPPING_HI, PG_MEMCG_DATA, PG_REFCOUNT } from '../include/mm_types.ts';
import { MIGRATE_UNMOVABLE } from '../include/mmzone.ts';
import {
  PG_active,
  PG_dirty,
  PG_hwpoison,
  PG_locked,
  PG_lru,
  PG_private,
  PG_reserved,
  PG_slab,
} from '../include/page_flags.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { page_index, section_map } from '../mm/page.ts';
import { __alloc_pages, __free_pages } from '../mm/page_alloc.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { BASE, empty_zone, free_block, lists_of, set_blocks } from './allocator.ts';
import type { Suite, Test, TestMachine } from './env.ts';

const QUIET = GFP_KERNEL | __GFP_NOWARN;

const machine = (test: Test, order: number): ReturnType<typeof empty_zone> => {
  const made = empty_zone(test);
  set_blocks(made.k, '0');
  free_block(made.k, 0, order, MIGRATE_UNMOVABLE);
  return made;
};
const word = (k: Kernel, pfn: number, at: number, value: number): void => {
  section_map(k.mm, pfn)[page_index(pfn) + at] = value;
};
const set_flag = (k: Kernel, pfn: number, bit: number): void => {
  section_map(k.mm, pfn)[page_index(pfn)]! |= 1 << bit;
};
const reasons = (k: Kernel): string[] =>
  k.log.records
    .map(({ text }) => text)
    .filter((text) => text.startsWith('BUG: Bad page state') || text.startsWith('page dumped because'))
    .map((text) => text.replace(/^.*pfn:/, '').replace('page dumped because: ', ''));

interface FreeRow {
  readonly desc: string;
  readonly damage: (k: Kernel, pfn: number) => void;
  /** What is said; null: nothing, and the block is free again. */
  readonly wanted: string | null;
}

const AT_FREE = 'PAGE_FLAGS_CHECK_AT_FREE flag(s) set';
const flag = (bit: number) => (k: Kernel, pfn: number) => set_flag(k, pfn, bit);
const free_rows: readonly FreeRow[] = [
  { desc: 'sound', damage: () => {}, wanted: null },
  { desc: 'dirty', damage: flag(PG_dirty), wanted: null },
  { desc: 'on an LRU list', damage: flag(PG_lru), wanted: AT_FREE },
  { desc: 'locked', damage: flag(PG_locked), wanted: AT_FREE },
  { desc: 'private', damage: flag(PG_private), wanted: AT_FREE },
  { desc: 'slab', damage: flag(PG_slab), wanted: AT_FREE },
  { desc: 'active', damage: flag(PG_active), wanted: AT_FREE },
  { desc: 'reserved', damage: flag(PG_reserved), wanted: AT_FREE },
  { desc: 'mapped', damage: (k, pfn) => word(k, pfn, PG_MAPCOUNT, 0), wanted: 'nonzero mapcount' },
  {
    desc: 'of a file',
    damage: (k, pfn) => {
      word(k, pfn, PG_MAPPING, 0x1000);
      word(k, pfn, PG_MAPPING_HI, 0xffff8880 | 0);
    },
    wanted: 'non-NULL mapping',
  },
  { desc: 'with a reference', damage: (k, pfn) => word(k, pfn, PG_REFCOUNT, 1), wanted: 'nonzero _refcount' },
  { desc: 'charged', damage: (k, pfn) => word(k, pfn, PG_MEMCG_DATA, 8), wanted: 'page still charged to cgroup' },
  {
    desc: 'several things: the last reason is named',
    damage: (k, pfn) => {
      word(k, pfn, PG_MAPCOUNT, 3);
      word(k, pfn, PG_REFCOUNT, 2);
    },
    wanted: 'nonzero _refcount',
  },
];

interface PrepRow {
  readonly desc: string;
  readonly damage: (k: Kernel, pfn: number) => void;
  readonly wanted: readonly string[];
}

const prep_rows: readonly PrepRow[] = [
  { desc: 'a reference', damage: (k, pfn) => word(k, pfn, PG_REFCOUNT, 1), wanted: ['nonzero _refcount'] },
  { desc: 'a flag', damage: flag(PG_dirty), wanted: ['PAGE_FLAGS_CHECK_AT_PREP flag(s) set'] },
  // Memory that is known to be bad is passed over without a word.
  { desc: 'bad memory', damage: flag(PG_hwpoison), wanted: [] },
];

const hex = (pfn: number): string => pfn.toString(16).padStart(5, '0');

export const bad_page_suite: Suite = {
  name: 'bad_page',
  test_cases: [
    // A block of 32 pages, one of which is damaged while it is in use.
    KUNIT_CASE_PARAM<TestMachine, FreeRow>('freed', free_rows, (test, { damage, wanted }) => {
      const { k, zone } = machine(test, 5);
      const pfn = __alloc_pages(k, QUIET, 5, 0);
      damage(k, pfn + 9);
      __free_pages(k, pfn, 5);
      KUNIT_EXPECT_EQ(test, 'said', reasons(k), wanted === null ? [] : [hex(pfn + 9), wanted]);
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), wanted === null ? ['5/0: 0'] : []);
      KUNIT_EXPECT_EQ(test, 'to be had', __alloc_pages(k, QUIET & ~0xc00, 5, 0), wanted === null ? BASE : -1);
    }),
    // The same while it is free: two blocks, and the first is passed over.
    KUNIT_CASE_PARAM<TestMachine, PrepRow>('handed_out', prep_rows, (test, { damage, wanted }) => {
      const { k, zone } = machine(test, 5);
      free_block(k, 64, 5, MIGRATE_UNMOVABLE);
      damage(k, BASE + 64 + 9);
      KUNIT_EXPECT_EQ(test, 'page', __alloc_pages(k, QUIET, 5, 0), BASE);
      KUNIT_EXPECT_EQ(test, 'said', reasons(k), wanted.length === 0 ? [] : [hex(BASE + 64 + 9), ...wanted]);
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), []);
    }),
    // On its way to a per-cpu list a page is not looked at, but when it leaves it for the zone.
    KUNIT_CASE('single_page', (test) => {
      const { k, zone } = machine(test, 5);
      const pfn = __alloc_pages(k, QUIET, 0, 0);
      __free_pages(k, pfn, 0);
      word(k, pfn, PG_MAPCOUNT, 0);
      KUNIT_EXPECT_EQ(test, 'said', reasons(k), []);
      drain_all_pages(k, null);
      KUNIT_EXPECT_EQ(test, 'said when drained', reasons(k), [hex(pfn), 'nonzero mapcount']);
      const pages = lists_of(k, zone).flatMap((line) => line.split(': ')[1]!.split(' ').map(Number));
      KUNIT_EXPECT_EQ(test, 'free', pages.includes(pfn - BASE), false);
    }),
    KUNIT_CASE('compound_is_taken_apart', (test) => {
      const { k, zone } = machine(test, 5);
      const pfn = __alloc_pages(k, QUIET | __GFP_COMP, 5, 0);
      __free_pages(k, pfn, 5);
      KUNIT_EXPECT_EQ(test, 'said', reasons(k), []);
      KUNIT_EXPECT_EQ(test, 'lists', lists_of(k, zone), ['5/0: 0']);
      const flags = section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! & 0x1ffffff;
      KUNIT_EXPECT_EQ(test, 'flags of the head', flags, 0);
    }),
    KUNIT_CASE('sixty_a_minute', (test) => {
      const { k } = machine(test, 9);
      for (let n = 0; n < 32; n++) {
        const pfn = __alloc_pages(k, QUIET, 4, 0);
        word(k, pfn, PG_MAPCOUNT, 1);
        word(k, pfn + 1, PG_MAPCOUNT, 1);
        word(k, pfn + 2, PG_MAPCOUNT, 1);
        __free_pages(k, pfn, 4);
      }
      KUNIT_EXPECT_EQ(test, 'reports', reasons(k).length / 2, 60);
    }),
  ],
};
