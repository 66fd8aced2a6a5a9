import { expect, test } from 'vitest';
import { __GFP_NOWARN, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { WMARK_LOW } from '../../../kernel/include/mmzone.ts';
import { KEY_PAGE_OWNER } from '../../../kernel/include/static_keys.ts';
import { PGALLOC } from '../../../kernel/include/vm_event_item.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { __alloc_pages_bulk } from '../../../kernel/mm/bulk.ts';
import { page_count, page_zone } from '../../../kernel/mm/page.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

const gfp = GFP_KERNEL | __GFP_NOWARN;
const oneNode = (): Kernel => drawnAllocator({ memory: '0000', unit: 32 * MiB });
const pgalloc = (k: Kernel): number => [0, 1, 2, 3].reduce((sum, z) => sum + k.vm_event.counts[PGALLOC + z]!, 0);

test('only places that are empty are filled', () => {
  const k = oneNode();
  const [a, b] = [0x1234, 0x1236];
  const pages = [a, -1, b, -1, -1];
  expect(__alloc_pages_bulk(k, gfp, 0, null, 5, pages)).toBe(5);
  expect([pages[0], pages[2]]).toEqual([a, b]);
  const got = [1, 3, 4].map((n) => pages[n]!);
  expect(new Set(got).size).toBe(3);
  for (const pfn of got) expect(page_count(k, pfn)).toBe(1);
  expect(pgalloc(k)).toBe(3);
});

test('nothing is asked for where all places are full, or there are none', () => {
  const k = oneNode();
  expect(__alloc_pages_bulk(k, gfp, 0, null, 2, [1, 2])).toBe(2);
  expect(__alloc_pages_bulk(k, gfp, 0, null, 0, [])).toBe(0);
  expect(pgalloc(k)).toBe(0);
});

test('where no zone has as many above its low watermark there is one page', () => {
  const k = oneNode();
  const dma32 = k.node_data[0]!.node_zones[1]!;
  const dma = k.node_data[0]!.node_zones[0]!;
  for (const zone of [dma, dma32]) zone.set_watermark(WMARK_LOW, zone.managed_pages - 50);
  const pages: number[] = [];
  expect(__alloc_pages_bulk(k, gfp, 0, null, 100, pages)).toBe(1);
  expect(pages.length).toBe(1);
});

test('another node is not asked for many, but for one', () => {
  const k = drawnAllocator({ memory: '0011', unit: 32 * MiB });
  for (const zone of k.node_data[1]!.node_zones) zone.set_watermark(WMARK_LOW, zone.managed_pages);
  const pages: number[] = [];
  expect(__alloc_pages_bulk(k, gfp, 1, null, 20, pages)).toBe(1);
  expect(page_zone(k, pages[0]!).nid).toBe(0);
  expect(__alloc_pages_bulk(k, gfp, 0, null, 20, pages)).toBe(20);
});

test('while it is noted who has which page they come one by one', () => {
  const k = oneNode();
  k.page_alloc.static_keys |= KEY_PAGE_OWNER;
  const pages: number[] = [];
  expect(__alloc_pages_bulk(k, gfp, 0, null, 20, pages)).toBe(1);
  expect(pages.length).toBe(1);
});
