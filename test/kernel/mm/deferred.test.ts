import { expect, test } from 'vitest';
import { debian, type KernelConfig } from '../../../kernel/config.ts';
import { NR_FREE_PAGES, PAGES_PER_SECTION } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { deferred_grow_zone } from '../../../kernel/mm/deferred.ts';
import { for_each_free_page } from '../../../kernel/mm/free_list.ts';
import { memblock_reserve } from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { PageReserved, page_count, page_zone } from '../../../kernel/mm/page.ts';
import { page_alloc_init_late } from '../../../kernel/mm/page_alloc_late.ts';
import { get_pageblock_migratetype } from '../../../kernel/mm/pageblock.ts';
import { GiB, MiB } from '../../support/hw.ts';
import { drawnZones, printed } from '../../support/zoned.ts';

const deferring = debian;
const not: KernelConfig = { ...debian, DEFERRED_STRUCT_PAGE_INIT: false };

/** Reserved in node 1's put-off part: three pages, and 3 MiB that cover one pageblock and a half. */
const HELD = { start: 1536 * MiB + 0x5000, end: 1536 * MiB + 0x8000 };
const LARGE = { start: 1600 * MiB, end: 1603 * MiB };

// A column is 256 MiB, two sections.
//
//     0000 1111    2 GiB; node 1's first section and the low zone are done at once, the rest of the nodes is put off
//     no                                                       |  HELD  LARGE
function boot(config: KernelConfig): Kernel {
  const k = drawnZones({ memory: '00001111', unit: GiB / 4, config });
  for (const { start, end } of [HELD, LARGE]) memblock_reserve(k, start, end - start);
  memblock_free_all(k);
  return k;
}

const zone1 = (k: Kernel) => k.node_data[1]!.node_zones[1]!;
const free_pages = (k: Kernel): number => k.mm.vm_zone_stat[NR_FREE_PAGES]!;

test('the highest zone of a node gets its first section, low zones get all', () => {
  const k = boot(deferring);
  // DMA ends at 16 MiB, DMA32 is node 0's highest: it begins in section 0, so one whole section more is done.
  expect(k.node_data.map(({ first_deferred_pfn }) => first_deferred_pfn / PAGES_PER_SECTION)).toEqual([2, 9]);
  expect(boot(not).node_data[1]!.first_deferred_pfn).toBe(Number.POSITIVE_INFINITY);
});

test('what is put off is not free yet, but counts as memory that the system has', () => {
  const k = boot(deferring);
  const full = boot(not);
  expect(zone1(k).managed_pages).toBe(PAGES_PER_SECTION);
  expect(k.mm.totalram_pages).toBe(full.mm.totalram_pages);
  expect(free_pages(k)).toBeLessThan(free_pages(full));
});

test('reserved pages in the put-off part have their struct page at once', () => {
  const k = boot(deferring);
  for (let pfn = HELD.start / 4096; pfn < HELD.end / 4096; pfn++) {
    expect([PageReserved(k, pfn), page_count(k, pfn), page_zone(k, pfn)]).toEqual([true, 1, zone1(k)]);
  }
  expect(page_count(k, HELD.end / 4096)).toBe(0);
});

test('once the system is up nothing is missing', () => {
  const k = boot(deferring);
  const full = boot(not);
  page_alloc_init_late(k);
  page_alloc_init_late(full);
  expect(k.node_data.flatMap(({ node_zones }) => node_zones.map((zone) => zone.managed_pages))).toEqual(
    full.node_data.flatMap(({ node_zones }) => node_zones.map((zone) => zone.managed_pages)),
  );
  expect(free_pages(k)).toBe(free_pages(full));
  expect(printed(k).slice(-2)).toEqual([
    'node 0 deferred pages initialised in 0ms',
    'node 1 deferred pages initialised in 0ms',
  ]);
  expect(zone1(k).contiguous).toBe(true);
});

test('pageblocks without a free first page stay unmovable', () => {
  const k = boot(deferring);
  page_alloc_init_late(k);
  const type = (mib: number): number => get_pageblock_migratetype(k, mib * 256);
  expect([1534, 1536, 1598, 1600, 1602, 1604].map(type)).toEqual([1, 1, 1, 0, 0, 1]);
  // Not put off, every block of memory is movable.
  expect(get_pageblock_migratetype(boot(not), 1600 * 256)).toBe(1);
});

test('every free page is in one block, no reserved page is in any', () => {
  const k = boot(deferring);
  page_alloc_init_late(k);
  const owners = new Uint8Array(1 << 20);
  for (let order = 0; order <= 10; order++) {
    for (const type of [0, 1]) {
      for (const pfn of for_each_free_page(k, zone1(k), order, type)) {
        expect(pfn % 2 ** order).toBe(0);
        for (let i = pfn; i < pfn + 2 ** order; i++) owners[i]!++;
      }
    }
  }
  expect(owners.every((count) => count <= 1)).toBe(true);
  expect(owners.filter((count) => count === 1)).toHaveLength(zone1(k).vm_stat(NR_FREE_PAGES));
  for (const { start, end } of [HELD, LARGE]) {
    expect(owners.subarray(start / 4096, end / 4096).every((count) => count === 0)).toBe(true);
  }
});

test('a zone grows by whole sections until it has nothing more', () => {
  const k = boot(deferring);
  const zone = zone1(k);
  expect(deferred_grow_zone(k, k.node_data[0]!.node_zones[0]!, 0)).toBe(false);
  const steps: number[] = [];
  while (deferred_grow_zone(k, zone, 10)) steps.push(k.node_data[1]!.first_deferred_pfn / PAGES_PER_SECTION);
  // The section with HELD and LARGE has less than 32768 free pages: the next one comes with it.
  expect(steps).toEqual([10, 11, 12, 14, 15, Number.POSITIVE_INFINITY]);
  expect(zone.managed_pages).toBe(zone1(boot(not)).managed_pages);
});
