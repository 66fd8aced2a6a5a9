import { expect, test } from 'vitest';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { PG_REFCOUNT } from '../../../kernel/include/mm_types.ts';
import { MIGRATE_CMA, MIGRATE_MOVABLE, NR_FREE_CMA_PAGES, NR_FREE_PAGES } from '../../../kernel/include/mmzone.ts';
import { EBUSY } from '../../../kernel/include/types.ts';
import { COMPACTISOLATED } from '../../../kernel/include/vm_event_item.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { alloc_contig_pages, alloc_contig_range, free_contig_range } from '../../../kernel/mm/alloc_contig.ts';
import { HUGETLB_PAGE_DTOR, prep_compound_page } from '../../../kernel/mm/compound.ts';
import { page_count } from '../../../kernel/mm/page.ts';
import { get_pfnblock_flags_mask } from '../../../kernel/mm/pageblock.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { zone_page_state_snapshot } from '../../../kernel/mm/vmstat.ts';
import { BASE, emptyZone, freeBlock, lists, pageWord, setTypes, types } from '../../support/free_lists.ts';
import { printed } from '../../support/zoned.ts';

const range = (k: Kernel, from: number, to: number, type = MIGRATE_MOVABLE): number =>
  alloc_contig_range(k, BASE + from, BASE + to, type);
const isolated = (k: Kernel): number => k.vm_event.counts[COMPACTISOLATED]!;

// Free: |          0-1023          |     taken: 700-704
test('a range is taken out of the middle of a free block, as single pages', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '11');
  freeBlock(k, 0, 10);
  expect(range(k, 700, 705)).toBe(0);
  drain_all_pages(k, null);
  expect([700, 701, 702, 703, 704].map((p) => page_count(k, BASE + p))).toEqual([1, 1, 1, 1, 1]);
  expect([page_count(k, BASE + 699), page_count(k, BASE + 705)]).toEqual([0, 0]);
  expect(types(k, 2)).toBe('11');
  expect(zone_page_state_snapshot(k, zone, NR_FREE_PAGES)).toBe(1019);
  // The whole block that the range lies in was taken, and what was too much given back.
  expect(isolated(k)).toBe(512);
  free_contig_range(k, BASE + 700, 5);
  drain_all_pages(k, null);
  expect(lists(k, zone)).toEqual(['10/1: 0']);
});

test('a range across pageblocks of CMA stays CMA, and is not free CMA while it is taken', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '44');
  freeBlock(k, 0, 9, MIGRATE_CMA);
  freeBlock(k, 512, 9, MIGRATE_CMA);
  expect(range(k, 500, 520, MIGRATE_CMA)).toBe(0);
  drain_all_pages(k, null);
  expect(types(k, 2)).toBe('44');
  expect(zone_page_state_snapshot(k, zone, NR_FREE_CMA_PAGES)).toBe(1004);
  expect(range(k, 500, 520, MIGRATE_MOVABLE)).toBe(-EBUSY);
});

test('compaction need not look at the pageblocks that were looked through from their start on', () => {
  const { k } = emptyZone();
  setTypes(k, '1111');
  for (let block = 0; block < 4; block++) freeBlock(k, 512 * block, 9);
  const skip = (): boolean[] => [0, 1, 2, 3].map((b) => get_pfnblock_flags_mask(k, BASE + 512 * b, 8) !== 0);
  expect(range(k, 300, 1100)).toBe(0);
  expect(skip()).toEqual([false, true, true, false]);
  expect(types(k, 4)).toBe('1111');
  // What is in the way is found before that.
  expect(range(k, 1099, 2048)).toBe(-EBUSY);
  expect(skip()).toEqual([false, true, true, false]);
});

test('with a page of the range in use nothing is taken, and all is free as before', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '11');
  freeBlock(k, 512, 9);
  for (const [offset, order] of [
    [0, 8],
    [256, 7],
  ] as const) {
    freeBlock(k, offset, order);
  }
  const before = zone_page_state_snapshot(k, zone, NR_FREE_PAGES);
  pageWord(k, 400, PG_REFCOUNT).m[pageWord(k, 400, PG_REFCOUNT).i] = 1;
  expect(range(k, 300, 600)).toBe(-EBUSY);
  expect(types(k, 2)).toBe('11');
  expect([zone.nr_isolate_pageblock, zone_page_state_snapshot(k, zone, NR_FREE_PAGES)]).toEqual([0, before]);
  expect(lists(k, zone)).toEqual(['7/1: 256', '8/1: 0', '9/1: 512']);
  expect(isolated(k)).toBe(0);
});

test('giving back a page that someone else still has is reported, and it is not freed', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '11');
  freeBlock(k, 0, 10);
  range(k, 0, 4);
  const { m, i } = pageWord(k, 2, PG_REFCOUNT);
  m[i] = 2;
  free_contig_range(k, BASE, 4);
  drain_all_pages(k, null);
  expect(printed(k).slice(-4, -1)).toEqual([
    '------------[ cut here ]------------',
    '1 pages are still in use!',
    'WARNING: CPU: 0 PID: 0 at mm/page_alloc.c:9508 free_contig_range',
  ]);
  expect(page_count(k, BASE + 2)).toBe(1);
  expect(zone_page_state_snapshot(k, zone, NR_FREE_PAGES)).toBe(1023);
});

test('pages side by side are looked for at multiples of their number, from the highest zone down', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '1111');
  freeBlock(k, 512, 9);
  freeBlock(k, 1024, 10);
  expect(alloc_contig_pages(k, 1024, GFP_KERNEL, 0)).toBe(BASE + 1024);
  expect(alloc_contig_pages(k, 1024, GFP_KERNEL, 0)).toBe(-1);
  expect(alloc_contig_pages(k, 256, GFP_HIGHUSER_MOVABLE, 0)).toBe(BASE + 512);
  drain_all_pages(k, null);
  expect(lists(k, zone)).toEqual(['8/1: 768']);
});

// A hugetlb page is left alone; any other range is isolated first, which the order of lists would show.
test('a range with a page of hugetlb in it is passed over', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '11');
  prep_compound_page(k, BASE, 8, HUGETLB_PAGE_DTOR);
  freeBlock(k, 256, 6);
  freeBlock(k, 384, 6);
  expect(lists(k, zone)).toEqual(['6/1: 384 256']);
  expect(alloc_contig_pages(k, 512, GFP_KERNEL, 0)).toBe(-1);
  expect(lists(k, zone)).toEqual(['6/1: 384 256']);
});
