import { expect, test } from 'vitest';
import { __GFP_NOWARN, GFP_ATOMIC, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { MIGRATE_HIGHATOMIC, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { nodes_none } from '../../../kernel/lib/nodemask.ts';
import { alloc_context } from '../../../kernel/mm/alloc_context.ts';
import { __rmqueue } from '../../../kernel/mm/fallback.ts';
import { reserve_highatomic_pageblock, unreserve_highatomic_pageblock } from '../../../kernel/mm/highatomic.ts';
import { __alloc_pages, prepare_alloc_pages } from '../../../kernel/mm/page_alloc.ts';
import { BASE, emptyZone, freeBlock, lists, setTypes, types } from '../../support/free_lists.ts';

const context = (k: Kernel): alloc_context => {
  const ac = new alloc_context();
  prepare_alloc_pages(k, GFP_KERNEL, 0, 0, null, ac);
  return ac;
};

test('a reserved pageblock takes its free pages along, and a zone has one and a hundredth of it at most', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '1111');
  freeBlock(k, 0, 3);
  freeBlock(k, 512, 9);
  reserve_highatomic_pageblock(k, BASE, zone);
  expect([types(k, 4), lists(k, zone), zone.nr_reserved_highatomic]).toEqual(['3111', ['3/3: 0', '9/1: 512'], 512]);
  // 4096 / 100 + 512 pages: the second is begun below that.
  reserve_highatomic_pageblock(k, BASE + 512, zone);
  reserve_highatomic_pageblock(k, BASE + 1024, zone);
  expect([types(k, 4), zone.nr_reserved_highatomic]).toEqual(['3311', 1024]);
});

test('pageblocks of CMA, isolated ones, and those that are reserved already are not reserved', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '453');
  for (const block of [0, 1, 2]) reserve_highatomic_pageblock(k, BASE + 512 * block, zone);
  expect([types(k, 3), zone.nr_reserved_highatomic]).toEqual(['453', 0]);
});

test("one pageblock is given up at a time, to the request's migratetype, and the last only under force", () => {
  const { k, zone } = emptyZone();
  setTypes(k, '33');
  zone.nr_reserved_highatomic = 1024;
  freeBlock(k, 0, 2, MIGRATE_HIGHATOMIC);
  freeBlock(k, 512, 4, MIGRATE_HIGHATOMIC);
  const ac = context(k);
  ac.migratetype = MIGRATE_RECLAIMABLE;
  // The smallest block says which.
  expect(unreserve_highatomic_pageblock(k, ac, false)).toBe(true);
  expect([types(k, 2), lists(k, zone), zone.nr_reserved_highatomic]).toEqual(['23', ['2/2: 0', '4/3: 512'], 512]);
  expect(unreserve_highatomic_pageblock(k, ac, false)).toBe(false);
  expect(unreserve_highatomic_pageblock(k, ac, true)).toBe(true);
  expect([types(k, 2), lists(k, zone), zone.nr_reserved_highatomic]).toEqual(['22', ['2/2: 0', '4/2: 512'], 0]);
  expect(unreserve_highatomic_pageblock(k, ac, true)).toBe(false);
});

test('a block that was left on the highatomic list by a pageblock that is no longer counts for nothing', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '1');
  zone.nr_reserved_highatomic = 1024;
  freeBlock(k, 0, 2, MIGRATE_HIGHATOMIC);
  expect(unreserve_highatomic_pageblock(k, context(k), false)).toBe(true);
  expect([types(k, 1), lists(k, zone), zone.nr_reserved_highatomic]).toEqual(['0', ['2/0: 0'], 1024]);
});

test('zones of nodes that the request may not use keep theirs', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '3');
  zone.nr_reserved_highatomic = 512;
  freeBlock(k, 0, 2, MIGRATE_HIGHATOMIC);
  const ac = context(k);
  ac.nodemask = nodes_none();
  expect(unreserve_highatomic_pageblock(k, ac, true)).toBe(false);
  expect(types(k, 1)).toBe('3');
});

test('of a highatomic pageblock no more is stolen than the one block, and it stays what it is', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '3');
  freeBlock(k, 0, 5, MIGRATE_MOVABLE);
  freeBlock(k, 64, 4, MIGRATE_MOVABLE);
  freeBlock(k, 128, 4, MIGRATE_HIGHATOMIC);
  expect(__rmqueue(k, zone, 5, MIGRATE_RECLAIMABLE, 0)).toBe(BASE);
  expect([types(k, 1), lists(k, zone)]).toEqual(['3', ['4/1: 64', '4/3: 128']]);
  expect(zone.watermark_boost).toBe(0);
});

test('a request that cannot wait has the reserve before it fails; one that can has not', () => {
  const { k } = emptyZone();
  setTypes(k, '3');
  freeBlock(k, 0, 4, MIGRATE_HIGHATOMIC);
  expect(__alloc_pages(k, (GFP_KERNEL & ~0xc00) | __GFP_NOWARN, 0, 0)).toBe(BASE);
});

test('a block of more than a page that cannot wait makes its pageblock a reserve', () => {
  const { k, zone } = emptyZone();
  setTypes(k, '11');
  freeBlock(k, 0, 10);
  // The first attempt, by the low watermark, is like any other's.
  zone.set_watermark(1, 1100);
  const pfn = __alloc_pages(k, GFP_ATOMIC, 2, 0);
  expect(pfn).toBeGreaterThanOrEqual(BASE);
  expect([types(k, 2).includes('3'), zone.nr_reserved_highatomic]).toEqual([true, 512]);
});
