// Ranges that are isolated, and free blocks that change lists, where a word of a struct page was damaged: what a CPU makes
// of the pointer or the order that stands there.

import { beforeEach, expect, test } from 'vitest';
import { __GFP_COMP, __GFP_NOWARN, GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { PG_LRU_NEXT, PG_LRU_NEXT_HI, PG_PRIVATE, PG1_COMPOUND_NR } from '../../../kernel/include/mm_types.ts';
import { MIGRATE_MOVABLE } from '../../../kernel/include/mmzone.ts';
import { Z_SPANNED_PAGES } from '../../../kernel/include/zone_words.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { alloc_contig_pages, alloc_contig_range } from '../../../kernel/mm/alloc_contig.ts';
import { for_each_free_page } from '../../../kernel/mm/free_list.ts';
import { page_index, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { start_isolate_page_range } from '../../../kernel/mm/page_isolation.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

let k: Kernel;
beforeEach(() => {
  k = drawnAllocator({ memory: '0', unit: 32 * MiB });
});

const write = (pfn: number, word: number, value: number): void => {
  section_map(k.mm, pfn)[page_index(pfn) + word] = value;
};
const isolate = (pfn: number): number => start_isolate_page_range(k, pfn, pfn + 512, MIGRATE_MOVABLE, 0);

/** A block of 512 pages that is in use. */
const taken = (): number => __alloc_pages(k, GFP_KERNEL, 9, 0);

test('a tail page whose head is where nothing is mapped faults when its range is isolated', () => {
  const pfn = taken();
  write(pfn, PG_LRU_NEXT, 0x12340001);
  write(pfn, PG_LRU_NEXT_HI, 0xffffea7f | 0);
  expect(() => isolate(pfn)).toThrow('BUG: unable to handle page fault for address: ffffea7f12340000');
});

test('a tail page whose head is no canonical address is a general protection fault', () => {
  const pfn = taken();
  write(pfn, PG_LRU_NEXT, 1);
  write(pfn, PG_LRU_NEXT_HI, 0x12345678);
  const text = 'general protection fault, probably for non-canonical address 0x1234567800000000';
  expect(() => isolate(pfn)).toThrow(text);
});

test('a compound page of a damaged size in front of an isolated pageblock leads back for ever', () => {
  const blocks = Array.from({ length: 4 }, () => __alloc_pages(k, GFP_HIGHUSER_MOVABLE | __GFP_COMP, 9, 0));
  // The block of 1024 pages that it is half of is looked at from its beginning, which is the page itself.
  const pfn = blocks.find((block) => block % 1024 === 0 && blocks.includes(block + 512))!;
  __free_pages(k, pfn + 512, 9);
  drain_all_pages(k, null);
  write(pfn + 1, PG1_COMPOUND_NR, 0);
  expect(() => isolate(pfn + 512)).toThrow('BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:0]');
});

test.each([
  ['23', 23],
  ['that is negative', -1],
  ['30', 30],
])(
  'a free block with an order %s, taken for another migratetype, gives pageblocks a type until memory ends',
  (_what, order) => {
    const zone = k.node_data[0]!.node_zones[1]!;
    for (const pfn of for_each_free_page(k, zone, 10, MIGRATE_MOVABLE)) write(pfn, PG_PRIVATE, order);
    expect(() => taken()).toThrow('BUG: kernel NULL pointer dereference, address: 0000000000000008');
  },
);

test('a free block with a damaged order in a range that is taken is split until memory ends', () => {
  const zone = k.node_data[0]!.node_zones[1]!;
  const [pfn] = for_each_free_page(k, zone, 10, MIGRATE_MOVABLE);
  write(pfn!, PG_PRIVATE, 20);
  expect(() => alloc_contig_range(k, pfn!, pfn! + 512, MIGRATE_MOVABLE)).toThrow('BUG: ');
});

test('pages side by side are looked for no further than there are pages, however large the zone says that it is', () => {
  for (const zone of k.node_data[0]!.node_zones) zone.view[Z_SPANNED_PAGES + 1] = 0x40000000;
  // A block of the machine's whole memory is nowhere.
  expect(alloc_contig_pages(k, 8192, GFP_KERNEL | __GFP_NOWARN, 0)).toBe(-1);
});

test('a range of two zones: as Linux, it goes round in circles where the second one begins', () => {
  expect(() => alloc_contig_range(k, 0x1000 - 512, 0x1000 + 512, MIGRATE_MOVABLE)).toThrow('BUG: soft lockup');
});
