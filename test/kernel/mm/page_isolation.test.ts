import { expect, test } from 'vitest';
import { PG_FLAGS, PG_MAPCOUNT, PG_REFCOUNT } from '../../../kernel/include/mm_types.ts';
import { NR_FREE_PAGES, WMARK_MIN } from '../../../kernel/include/mmzone.ts';
import { PG_lru, PG_offline } from '../../../kernel/include/page_flags.ts';
import { EBUSY } from '../../../kernel/include/types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { HUGETLB_PAGE_DTOR, prep_compound_page } from '../../../kernel/mm/compound.ts';
import { __free_pages } from '../../../kernel/mm/page_alloc.ts';
import {
  __isolate_free_page,
  MEMORY_OFFLINE,
  REPORT_FAILURE,
  start_isolate_page_range,
  test_pages_isolated,
  undo_isolate_page_range,
} from '../../../kernel/mm/page_isolation.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { zone_page_state_snapshot } from '../../../kernel/mm/vmstat.ts';
import { BASE, emptyZone, freeBlock, lists, pageWord, setTypes, types } from '../../support/free_lists.ts';
import { printed } from '../../support/zoned.ts';

const isolate = (k: Kernel, from: number, to: number, flags = 0): number =>
  start_isolate_page_range(k, BASE + from, BASE + to, 1, flags);
const undo = (k: Kernel, from: number, to: number): void => undo_isolate_page_range(k, BASE + from, BASE + to, 1);
const set = (k: Kernel, offset: number, word: number, value: number): void => {
  const { m, i } = pageWord(k, offset, word);
  m[i] = value;
};

// Free: |        0-1023        |     isolated: |   512-1023 |
test('isolating half of a free block splits it; undone, it is whole again', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '11');
  freeBlock(k, 0, 10);
  expect(isolate(k, 512, 1024)).toBe(0);
  expect([types(k, 2), lists(k, zone)]).toEqual(['15', ['9/1: 0', '9/5: 512']]);
  expect(zone_page_state_snapshot(k, zone, NR_FREE_PAGES)).toBe(512);
  undo(k, 512, 1024);
  expect([types(k, 2), lists(k, zone)]).toEqual(['11', ['10/1: 0']]);
  expect(zone_page_state_snapshot(k, zone, NR_FREE_PAGES)).toBe(1024);
});

test('a page of an isolated pageblock that is freed is not free to be had, also by way of a per-cpu list', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '1');
  zone.pageset_high = 0;
  for (const offset of [0, 4]) {
    set(k, offset, PG_REFCOUNT, 1);
    set(k, offset, PG_FLAGS, pageWord(k, offset, PG_FLAGS).m[pageWord(k, offset, PG_FLAGS).i]! | (1 << PG_lru));
  }
  const unuse = (offset: number): void => {
    const { m, i } = pageWord(k, offset, PG_FLAGS);
    m[i] = m[i]! & ~(1 << PG_lru);
    __free_pages(k, BASE + offset, 0);
  };
  unuse(0);
  expect(isolate(k, 0, 512)).toBe(0);
  unuse(4);
  drain_all_pages(k, null);
  expect(lists(k, zone)).toEqual(['0/5: 0 4']);
  expect(zone_page_state_snapshot(k, zone, NR_FREE_PAGES)).toBe(0);
});

test('where one pageblock cannot be isolated none of the range is', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '1111');
  freeBlock(k, 0, 10);
  freeBlock(k, 1024, 9);
  freeBlock(k, 1536, 9);
  expect(isolate(k, 512, 1024)).toBe(0);
  expect(isolate(k, 0, 2048)).toBe(-EBUSY);
  // What was isolated in the range before stays so, and a block that was split does not merge across it.
  expect([types(k, 4), lists(k, zone)]).toEqual(['1511', ['9/1: 0', '9/5: 512', '10/1: 1024']]);
  expect(zone.nr_isolate_pageblock).toBe(1);
});

test('the page in the way is reported if asked for', () => {
  const { k } = emptyZone();
  setTypes(k, '1');
  set(k, 7, PG_REFCOUNT, 1);
  expect(isolate(k, 0, 512)).toBe(-EBUSY);
  expect(printed(k).filter((text) => text.includes('unmovable'))).toEqual([]);
  expect(isolate(k, 0, 512, REPORT_FAILURE)).toBe(-EBUSY);
  expect(printed(k).at(-1)).toBe('page dumped because: unmovable page');
  expect(printed(k).some((text) => text.includes(`pfn:0x${(BASE + 7).toString(16)}`))).toBe(true);
});

test('a page that a driver took offline is in the way, unless the memory is to go offline', () => {
  const { k } = emptyZone();
  setTypes(k, '1');
  set(k, 7, PG_REFCOUNT, 1);
  set(k, 7, PG_MAPCOUNT, -1 & ~PG_offline);
  expect(isolate(k, 0, 512)).toBe(-EBUSY);
  expect(isolate(k, 0, 512, MEMORY_OFFLINE)).toBe(0);
  for (let p = 0; p < 512; p++) if (p !== 7) freeBlock(k, p, 0, 5);
  expect(test_pages_isolated(k, BASE, BASE + 512, MEMORY_OFFLINE)).toBe(-EBUSY);
  set(k, 7, PG_REFCOUNT, 0);
  expect(test_pages_isolated(k, BASE, BASE + 512, MEMORY_OFFLINE)).toBe(0);
  expect(test_pages_isolated(k, BASE, BASE + 512, 0)).toBe(-EBUSY);
});

test('a page of hugetlb could be moved, another compound page that is on no list could not', () => {
  const { k } = emptyZone();
  setTypes(k, '11');
  prep_compound_page(k, BASE, 9, HUGETLB_PAGE_DTOR);
  set(k, 512, PG_REFCOUNT, 1);
  prep_compound_page(k, BASE + 512, 4, 1);
  expect(isolate(k, 0, 512)).toBe(0);
  expect(isolate(k, 512, 1024)).toBe(-EBUSY);
});

test('where there is no memory nothing is isolated', () => {
  const { k } = emptyZone();
  expect(test_pages_isolated(k, 0x100000, 0x100200, 0)).toBe(-EBUSY);
});

test('a block is taken off its list only if that leaves the min watermark; half a pageblock makes it movable', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '00');
  freeBlock(k, 0, 8, 0);
  freeBlock(k, 512, 7, 0);
  zone.set_watermark(WMARK_MIN, 200);
  expect(__isolate_free_page(k, BASE, 8)).toBe(0);
  expect(types(k, 2)).toBe('00');
  zone.set_watermark(WMARK_MIN, 100);
  expect(__isolate_free_page(k, BASE, 8)).toBe(256);
  expect([types(k, 2), lists(k, zone)]).toEqual(['10', ['7/0: 512']]);
});
