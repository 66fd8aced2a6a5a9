import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { MAX_ORDER, MIGRATE_MOVABLE, MIGRATE_UNMOVABLE, NR_FREE_PAGES } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { __free_one_page, __rmqueue_smallest, FPI_NONE } from '../../../kernel/mm/buddy.ts';
import { for_each_free_page, move_to_free_list, nr_free } from '../../../kernel/mm/free_list.ts';
import { memblock_reserve } from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import type { Zone } from '../../../kernel/mm/mmzone.ts';
import { buddy_order, PageBuddy, page_count, page_flags, page_zone } from '../../../kernel/mm/page.ts';
import { __free_pages_core } from '../../../kernel/mm/page_alloc.ts';
import { set_pageblock_migratetype } from '../../../kernel/mm/pageblock.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones } from '../../support/zoned.ts';

/** A zone with no free pages: 64 MiB of memory, all of it reserved. Pages from BASE on are ours to free. */
const BASE = 0x2000;
function emptyZone(): { k: Kernel; zone: Zone } {
  const k = drawnZones({ memory: '0000', unit: 16 * MiB, config: recorder });
  memblock_reserve(k, 0, 64 * MiB);
  memblock_free_all(k);
  return { k, zone: page_zone(k, BASE) };
}

const free = (k: Kernel, pfn: number, order: number, type = MIGRATE_MOVABLE): void =>
  __free_one_page(k, BASE + pfn, page_zone(k, BASE + pfn), order, type, FPI_NONE);

/** "order/type: offsets from BASE, head to tail" of every list that is not empty. */
function lists(k: Kernel, zone: Zone): string[] {
  const found: string[] = [];
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let type = 0; type < 6; type++) {
      const pfns = [...for_each_free_page(k, zone, order, type)].map((pfn) => pfn - BASE);
      if (pfns.length > 0) found.push(`${order}/${type}: ${pfns.join(' ')}`);
    }
  }
  return found;
}

test('a freed block goes to the head of its list', () => {
  const { k, zone } = emptyZone();
  free(k, 0, 0);
  free(k, 4, 0);
  free(k, 8, 0);
  expect(lists(k, zone)).toEqual(['0/1: 8 4 0']);
  expect(zone.vm_stat(NR_FREE_PAGES)).toBe(3);
});

// Freed: page 0. The block that it is half of, 0-1, has its own buddy 2-3 free: once page 1 comes too, all four merge.
//     |0|.|2-3|    so page 0 waits at the tail
test('a block goes to the tail where the buddy one order up is free', () => {
  const { k, zone } = emptyZone();
  free(k, 8, 0);
  free(k, 2, 1);
  free(k, 0, 0);
  expect(lists(k, zone)).toEqual(['0/1: 8 0', '1/1: 2']);
});

// The same at the top: a block of 2 MiB whose other half is not free, next to 4 MiB that are. Nothing can become of
// 4 MiB and 4 MiB, so there is no hope to wait for.
test('half a largest block goes to the head whatever is free next to it', () => {
  const { k, zone } = emptyZone();
  free(k, 2048, 9);
  free(k, 1024, 10);
  free(k, 0, 9);
  expect(lists(k, zone)).toEqual(['9/1: 0 2048', '10/1: 1024']);
});

test('buddies merge as far up as they are free', () => {
  const { k, zone } = emptyZone();
  free(k, 512, 9);
  for (let order = 8; order >= 0; order--) free(k, 1 << order, order);
  expect(lists(k, zone)).toHaveLength(10);
  free(k, 0, 0);
  expect(lists(k, zone)).toEqual(['10/1: 0']);
  expect(PageBuddy(k, BASE)).toBe(true);
  expect(buddy_order(k, BASE)).toBe(10);
  expect(PageBuddy(k, BASE + 512)).toBe(false);
});

test.each([
  // Two pageblocks, each free as one block of order 9, of types a and b: do they merge?
  { a: 0, b: 1, list: ['10/0: 0'] },
  { a: 1, b: 2, list: ['10/1: 0'] },
  { a: 3, b: 3, list: ['10/3: 0'] },
  { a: 3, b: 1, list: ['9/1: 512', '9/3: 0'] },
  { a: 1, b: 3, list: ['9/1: 0', '9/3: 512'] },
  { a: 4, b: 1, list: ['9/1: 512', '9/4: 0'] },
  { a: 5, b: 0, list: ['9/0: 512', '9/5: 0'] },
])('across a pageblock border types $a and $b', ({ a, b, list }) => {
  const { k, zone } = emptyZone();
  set_pageblock_migratetype(k, BASE, a);
  set_pageblock_migratetype(k, BASE + 512, b);
  free(k, 512, 9, b);
  free(k, 0, 9, a);
  expect(lists(k, zone)).toEqual(list);
});

// Node 0 ends and node 1 begins inside a block of 4 MiB: both halves are free, but of two zones.
//     0 .......|1
test('buddies of two zones do not merge', () => {
  const k = drawnZones({ memory: '0001', unit: 18 * MiB, config: recorder });
  memblock_reserve(k, 0, 72 * MiB);
  memblock_free_all(k);
  const border = (54 * MiB) / 4096;
  for (const pfn of [border, border - 512]) __free_one_page(k, pfn, page_zone(k, pfn), 9, MIGRATE_MOVABLE, FPI_NONE);
  expect(page_zone(k, border - 512) === page_zone(k, border)).toBe(false);
  expect([...for_each_free_page(k, page_zone(k, border), 9, 1)]).toEqual([border]);
  expect([...for_each_free_page(k, page_zone(k, border - 512), 9, 1)]).toEqual([border - 512]);
});

test('taking a small block splits a large one; upper halves stay', () => {
  const { k, zone } = emptyZone();
  free(k, 0, 4);
  expect(__rmqueue_smallest(k, zone, 1, MIGRATE_MOVABLE)).toBe(BASE);
  expect(lists(k, zone)).toEqual(['1/1: 2', '2/1: 4', '3/1: 8']);
  expect(__rmqueue_smallest(k, zone, 0, MIGRATE_UNMOVABLE)).toBe(-1);
});

test('memory that boot frees goes to the tail, unreserved and without references', () => {
  const { k, zone } = emptyZone();
  expect(page_count(k, BASE + 17)).toBe(1);
  __free_pages_core(k, BASE, 5);
  __free_pages_core(k, BASE + 64, 5);
  expect(lists(k, zone)).toEqual(['5/1: 0 64']);
  expect([page_count(k, BASE + 17), page_flags(k, BASE + 17)]).toEqual([0, 0]);
  expect(zone.managed_pages).toBe(64);
});

test('a block moves to the tail of another list', () => {
  const { k, zone } = emptyZone();
  free(k, 0, 3);
  free(k, 16, 3, MIGRATE_UNMOVABLE);
  move_to_free_list(k, BASE, zone, 3, MIGRATE_UNMOVABLE);
  expect(lists(k, zone)).toEqual(['3/0: 16 0']);
  expect(nr_free(zone, 3)).toBe(2);
});

/** Taking and freeing on plain arrays: what the lists in RAM must hold after each step. */
class Model {
  readonly lists: number[][] = Array.from({ length: MAX_ORDER }, () => []);

  private has = (order: number, pfn: number): boolean => this.lists[order]!.includes(pfn);

  free(pfn: number, order: number): void {
    while (order < MAX_ORDER - 1 && this.has(order, pfn ^ (1 << order))) {
      this.lists[order] = this.lists[order]!.filter((p) => p !== (pfn ^ (1 << order)));
      pfn &= ~(1 << order);
      order++;
    }
    const parent = pfn & ~(1 << order);
    const tail = order < MAX_ORDER - 2 && this.has(order + 1, parent ^ (2 << order));
    if (tail) this.lists[order]!.push(pfn);
    else this.lists[order]!.unshift(pfn);
  }

  take(order: number): number {
    const from = this.lists.findIndex((list, o) => o >= order && list.length > 0);
    if (from < 0) return -1;
    const pfn = this.lists[from]!.shift()!;
    for (let o = from - 1; o >= order; o--) this.lists[o]!.unshift(pfn + (1 << o));
    return pfn;
  }
}

test('any run of taking and freeing leaves the lists as a plain model has them', () => {
  const step = fc.record({ take: fc.boolean(), order: fc.integer({ min: 0, max: 10 }), pick: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { k, zone } = shared;
      for (let order = 0; order < MAX_ORDER; order++) {
        while (__rmqueue_smallest(k, zone, order, MIGRATE_MOVABLE) >= 0);
      }
      const model = new Model();
      const taken: { pfn: number; order: number }[] = [0, 1024, 2048, 3072].map((pfn) => ({ pfn, order: 10 }));
      for (const { take, order, pick } of steps) {
        if (take || taken.length === 0) {
          const pfn = model.take(order);
          expect(__rmqueue_smallest(k, zone, order, MIGRATE_MOVABLE)).toBe(pfn < 0 ? -1 : BASE + pfn);
          if (pfn >= 0) taken.push({ pfn, order });
        } else {
          const [block] = taken.splice(pick % taken.length, 1);
          model.free(block!.pfn, block!.order);
          free(k, block!.pfn, block!.order);
        }
        model.lists.forEach((list, o) => {
          expect([...for_each_free_page(k, zone, o, MIGRATE_MOVABLE)]).toEqual(list.map((pfn) => BASE + pfn));
          expect(nr_free(zone, o)).toBe(list.length);
        });
      }
    }),
    { numRuns: 40 },
  );
});
const shared = emptyZone();
