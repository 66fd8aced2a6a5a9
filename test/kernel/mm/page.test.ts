import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { memblock_reserve } from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import {
  __init_pages,
  lru_pointer,
  lru_pointer_hi,
  lru_pointer_pfn,
  PageBuddy,
  PageReserved,
  page_index,
  page_to_nid,
  page_zone_id,
  page_zonenum,
  section_map,
} from '../../../kernel/mm/page.ts';
import { get_pageblock_migratetype, set_pageblock_migratetype } from '../../../kernel/mm/pageblock.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones } from '../../support/zoned.ts';

// A column is 64 MiB, half a section; the hole's struct pages are there, the hole's memory is not.
//     0.11
const holed = { memory: '0.11', unit: 64 * MiB, config: recorder };

const words = (k: ReturnType<typeof drawnZones>, pfn: number): string[] => {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  return Array.from({ length: 8 }, (_, n) => {
    const word = (BigInt(m[i + 2 * n + 1]! >>> 0) << 32n) | BigInt(m[i + 2 * n]! >>> 0);
    return word.toString(16);
  });
};

test('a struct page has the words that Linux gives it', () => {
  const k = drawnZones(holed);
  __init_pages(k.mm, 0x8123, 0x8124, 2, 1, 0);
  // dump_page() would say flags: 0x57ffffc0000000(node=1|zone=2|lastcpupid=0x1fffff)
  const lru = (0xffffea0000000008n + 0x8123n * 64n).toString(16);
  expect(words(k, 0x8123)).toEqual(['57ffffc0000000', lru, lru, '0', '0', '0', '1ffffffff', '0']);
  expect([page_to_nid(k, 0x8123), page_zonenum(k, 0x8123)]).toEqual([1, 2]);
});

test('nodes up to 1023 fit', () => {
  const k = drawnZones(holed);
  __init_pages(k.mm, 0x8000, 0x8001, 4, 1023, 0);
  __init_pages(k.mm, 0x8001, 0x8002, 4, 1022, 0);
  expect([page_to_nid(k, 0x8000), page_zonenum(k, 0x8000)]).toEqual([1023, 4]);
  expect(page_zone_id(k, 0x8000)).not.toBe(page_zone_id(k, 0x8001));
});

test.each([0, 1, 0x7fff, 0x3ffffff, 0x4000000, 0x7fffffff])('a list pointer leads back to page %i', (pfn) => {
  const pointer = 0xffffea0000000008n + BigInt(pfn) * 64n;
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  expect((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toBe(pointer);
  expect(lru_pointer_pfn(lo, hi)).toBe(pfn);
});

test('pages of a hole are reserved and belong to the zone above it', () => {
  const k = drawnZones(holed);
  expect(k.log.records.map(({ text }) => text)).toContain('On node 1, zone DMA32: 16384 pages in unavailable ranges');
  expect([PageReserved(k, 0x4000), page_to_nid(k, 0x4000), page_zonenum(k, 0x4000)]).toEqual([true, 1, 1]);
  expect([PageReserved(k, 0x3fff), page_to_nid(k, 0x3fff)]).toEqual([false, 0]);
});

test('holes and reserved memory never reach a free list', () => {
  const k = drawnZones(holed);
  memblock_reserve(k, 0x2000000, 0x1801);
  memblock_free_all(k);
  expect([0x1fff, 0x2000, 0x2001, 0x2002].map((pfn) => PageReserved(k, pfn))).toEqual([false, true, true, false]);
  for (let pfn = 0x4000; pfn < 0x8000; pfn++) if (PageBuddy(k, pfn)) expect.fail(`page ${pfn}`);
});

test('pageblocks have a type each, and holes none of their own', () => {
  const k = drawnZones(holed);
  expect(get_pageblock_migratetype(k, 0x3e00)).toBe(1);
  expect(get_pageblock_migratetype(k, 0x4000)).toBe(0);
  // Page 0 is no memory: the first block's first page is not there.
  expect([0, 511, 512].map((pfn) => get_pageblock_migratetype(k, pfn))).toEqual([0, 0, 1]);
  for (let block = 0; block < 64; block++) set_pageblock_migratetype(k, 0x8000 + block * 512, block % 6);
  for (let block = 0; block < 64; block++) {
    expect(get_pageblock_migratetype(k, 0x8000 + block * 512 + 511)).toBe(block % 6);
  }
});

test('with mobility grouping off all blocks are unmovable but those of CMA and isolation', () => {
  const k = drawnZones(holed);
  k.mm.page_group_by_mobility_disabled = true;
  for (const [i, type] of [1, 2, 4, 5].entries()) set_pageblock_migratetype(k, 0x8000 + i * 512, type);
  expect([0, 1, 2, 3].map((i) => get_pageblock_migratetype(k, 0x8000 + i * 512))).toEqual([0, 0, 4, 5]);
});
