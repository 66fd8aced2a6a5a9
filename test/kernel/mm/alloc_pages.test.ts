import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  __GFP_COMP,
  __GFP_DMA,
  __GFP_MEMALLOC,
  __GFP_NOFAIL,
  __GFP_NOWARN,
  __GFP_THISNODE,
  __GFP_ZERO,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
} from '../../../kernel/include/gfp_types.ts';
import {
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  MIGRATE_UNMOVABLE,
  NR_FREE_PAGES,
  NUMA_FOREIGN,
  NUMA_HIT,
  NUMA_LOCAL,
  NUMA_MISS,
  NUMA_OTHER,
} from '../../../kernel/include/mmzone.ts';
import { PAGE_MAPCOUNT_RESERVE, PG_private, PG_reserved } from '../../../kernel/include/page_flags.ts';
import { PGALLOC, PGFREE } from '../../../kernel/include/vm_event_item.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { nodemask_of_node } from '../../../kernel/lib/nodemask.ts';
import { page_count, page_flags, page_index, page_zone, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages, split_page } from '../../../kernel/mm/page_alloc.ts';
import { get_pageblock_migratetype } from '../../../kernel/mm/pageblock.ts';
import { pcp_count } from '../../../kernel/mm/pageset.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { fold_vm_zone_numa_events, zone_page_state_snapshot } from '../../../kernel/mm/vmstat.ts';
import { drawnAllocator, pagesOnLists } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const twoNodes = (): Kernel => drawnAllocator({ memory: '01', unit: 128 * MiB });
const dma32 = (k: Kernel, nid: number) => k.node_data[nid]!.node_zones[1]!;
const words = (k: Kernel, pfn: number): Int32Array =>
  section_map(k.mm, pfn).subarray(page_index(pfn), page_index(pfn) + 16);
const since = (k: Kernel, lines: number): string[] => printed(k).slice(lines);

describe('what is handed out', () => {
  test('2^order pages of the preferred node, with one reference', () => {
    const k = twoNodes();
    for (let order = 0; order <= 10; order++) {
      const pfn = __alloc_pages(k, GFP_KERNEL, order, 1);
      expect([pfn % (1 << order), page_zone(k, pfn).nid, page_count(k, pfn)]).toEqual([0, 1, 1]);
      __free_pages(k, pfn, order);
    }
  });

  test('zeroed pages where asked for', () => {
    const k = twoNodes();
    const pfn = __alloc_pages(k, GFP_KERNEL, 2, 0);
    k.hw.ram.fill(pfn * 4096, 4 * 4096, 0xaa);
    __free_pages(k, pfn, 2);
    expect(__alloc_pages(k, GFP_KERNEL | __GFP_ZERO, 2, 0)).toBe(pfn);
    expect(k.hw.ram.read(pfn * 4096, 4 * 4096).every((byte) => byte === 0)).toBe(true);
  });

  test('a compound page, whose tails point to its head until it is freed', () => {
    const k = twoNodes();
    const pfn = __alloc_pages(k, GFP_KERNEL | __GFP_COMP, 3, 0);
    const tails = [1, 2, 3, 4, 5, 6, 7].map((n) => words(k, pfn + n)[2]! >>> 0);
    expect(tails).toEqual(tails.map(() => pfn * 64 + 1));
    expect(page_flags(k, pfn) >>> 16).toBe(1);
    __free_pages(k, pfn, 3);
    expect([words(k, pfn + 1)[2], words(k, pfn + 7)[6], page_flags(k, pfn)]).toEqual([0, 0, 0]);
    expect(since(k, 0).filter((line) => line.startsWith('BUG'))).toEqual([]);
  });

  test('split_page(): pages that are freed one by one', () => {
    const k = twoNodes();
    drain_all_pages(k, null);
    const before = pagesOnLists(k, dma32(k, 0));
    const pfn = __alloc_pages(k, GFP_KERNEL, 4, 0);
    split_page(k, pfn, 4);
    for (let n = 0; n < 16; n++) __free_pages(k, pfn + n, 0);
    drain_all_pages(k, null);
    expect(pagesOnLists(k, dma32(k, 0))).toBe(before);
  });
});

describe('which zone', () => {
  test('the mask of nodes decides', () => {
    const k = twoNodes();
    const pfn = __alloc_pages(k, GFP_KERNEL, 0, 0, nodemask_of_node(1));
    expect(page_zone(k, pfn).nid).toBe(1);
  });

  test('__GFP_THISNODE rather fails than goes elsewhere; without it the other node gives', () => {
    const k = twoNodes();
    const gfp = GFP_KERNEL & ~0xc00;
    while (__alloc_pages(k, gfp | __GFP_THISNODE | __GFP_NOWARN, 10, 1) >= 0);
    while (__alloc_pages(k, gfp | __GFP_THISNODE | __GFP_NOWARN, 0, 1) >= 0);
    expect(page_zone(k, __alloc_pages(k, gfp, 0, 1)).nid).toBe(0);
    for (const nid of [0, 1]) fold_vm_zone_numa_events(k, dma32(k, nid));
    const events = (nid: number) =>
      [NUMA_HIT, NUMA_MISS, NUMA_FOREIGN, NUMA_LOCAL, NUMA_OTHER].map((e) => dma32(k, nid).vm_numa_event(e));
    expect(events(0)).toEqual([0, 1, 0, 1, 0]);
    const [hit, miss, foreign, local, other] = events(1);
    expect([miss, foreign, local, other]).toEqual([0, 1, 0, hit]);
  });

  test('__GFP_DMA stays below 16 MiB', () => {
    const k = twoNodes();
    expect(__alloc_pages(k, GFP_KERNEL | __GFP_DMA, 0, 1)).toBeLessThan(0x1000);
  });
});

describe('when memory runs out', () => {
  const gfp = GFP_KERNEL & ~0xc00;
  const exhaust = (k: Kernel, flags: number): void => {
    for (let order = 10; order >= 0; order--) while (__alloc_pages(k, flags | __GFP_NOWARN, order, 0) >= 0);
  };

  test('a request stops at the min mark, less of it for those that cannot wait, and at none with __GFP_MEMALLOC', () => {
    const k = drawnAllocator({ memory: '0', unit: 256 * MiB });
    const zone = dma32(k, 0);
    const min = zone._watermark(0);
    const left = (): number => zone_page_state_snapshot(k, zone, NR_FREE_PAGES) + pcp_count(k, zone, 0);
    exhaust(k, gfp);
    const plain = left();
    exhaust(k, GFP_ATOMIC);
    const atomic = left();
    exhaust(k, gfp | __GFP_MEMALLOC);
    expect(plain).toBeGreaterThanOrEqual(min);
    expect(plain).toBeLessThan(min + 200);
    expect(atomic).toBeLessThan(min / 2);
    expect(atomic).toBeGreaterThan(min / 4);
    // What is held back for high-order atomic requests is not for such a request.
    expect(left()).toBe(pagesOnLists(k, zone, MIGRATE_HIGHATOMIC));
  });

  test('the failure is reported once in a while, with order and flags', () => {
    const k = twoNodes();
    exhaust(k, gfp);
    const lines = printed(k).length;
    expect(__alloc_pages(k, GFP_NOWAIT, 3, 0)).toBe(-1);
    expect(__alloc_pages(k, GFP_NOWAIT, 3, 0)).toBe(-1);
    expect(since(k, lines).filter((line) => /failure|Mem-Info/.test(line))).toEqual([
      'swapper/0: page allocation failure: order:3, mode:0x800(GFP_NOWAIT), nodemask=(null),cpuset=/,mems_allowed=0-1',
      'Mem-Info:',
    ]);
  });

  test('without anyone to free memory, a request that must not fail ends the run', () => {
    const k = twoNodes();
    exhaust(k, gfp | __GFP_MEMALLOC);
    expect(() => __alloc_pages(k, GFP_KERNEL | __GFP_NOFAIL, 0, 0)).toThrow('System is deadlocked on memory');
  });
});

test('an order that is too large is refused, with one warning', () => {
  const k = twoNodes();
  const lines = printed(k).length;
  expect(__alloc_pages(k, GFP_KERNEL, 11, 0)).toBe(-1);
  expect(__alloc_pages(k, GFP_KERNEL, 11, 0)).toBe(-1);
  expect(since(k, lines).filter((line) => line.startsWith('WARNING'))).toEqual([
    'WARNING: CPU: 0 PID: 0 at mm/page_alloc.c:5634 __alloc_pages',
  ]);
});

test('an atomic request above order 0 reserves its pageblock, and a failing one gets it back', () => {
  const k = drawnAllocator({ memory: '0', unit: 256 * MiB });
  const zone = dma32(k, 0);
  while (__alloc_pages(k, (GFP_KERNEL & ~0xc00) | __GFP_NOWARN, 10, 0) >= 0);
  while (__alloc_pages(k, (GFP_KERNEL & ~0xc00) | __GFP_NOWARN, 0, 0) >= 0);
  const pfn = __alloc_pages(k, GFP_ATOMIC, 3, 0);
  expect(get_pageblock_migratetype(k, pfn)).toBe(MIGRATE_HIGHATOMIC);
  expect(zone.nr_reserved_highatomic).toBe(512);
  expect(pagesOnLists(k, zone, MIGRATE_HIGHATOMIC)).toBeGreaterThan(0);
  // A request that may reclaim, and finds that nothing can be, gives up what was held back.
  __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 0, 0);
  expect(zone.nr_reserved_highatomic).toBe(0);
  expect(get_pageblock_migratetype(k, pfn)).toBe(MIGRATE_UNMOVABLE);
});

test('unmovable requests take over a whole movable pageblock, and free pages change lists with it', () => {
  const k = drawnAllocator({ memory: '0', unit: 256 * MiB });
  const pfn = __alloc_pages(k, GFP_KERNEL, 4, 0);
  expect([get_pageblock_migratetype(k, pfn), get_pageblock_migratetype(k, pfn ^ 512)]).toEqual([0, 0]);
  expect(get_pageblock_migratetype(k, __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 4, 0))).toBe(MIGRATE_MOVABLE);
});

describe('pages that are not what they should be', () => {
  /** Reports, without the dump that follows each. */
  const reports = (k: Kernel): string[] =>
    printed(k).filter((line) => line.startsWith('BUG') || line.startsWith('page dumped'));
  const report = (pfn: number, reason: string): string[] => [
    `BUG: Bad page state in process swapper/0  pfn:${pfn.toString(16).padStart(5, '0')}`,
    `page dumped because: ${reason}`,
  ];

  test.each([
    ['a flag', (w: Int32Array) => (w[0]! |= 1 << PG_private), 'PAGE_FLAGS_CHECK_AT_FREE flag(s) set'],
    ['reserved', (w: Int32Array) => (w[0]! |= 1 << PG_reserved), 'PAGE_FLAGS_CHECK_AT_FREE flag(s) set'],
    ['a mapping', (w: Int32Array) => (w[7] = 0xffff8880 | 0), 'non-NULL mapping'],
    ['mapped', (w: Int32Array) => (w[12] = 0), 'nonzero mapcount'],
    ['charged', (w: Int32Array) => (w[14] = 8), 'page still charged to cgroup'],
  ])('freed with %s: reported, and never handed out again', (_what, damage, reason) => {
    const k = twoNodes();
    const pfn = __alloc_pages(k, GFP_KERNEL, 5, 0);
    damage(words(k, pfn + 9));
    __free_pages(k, pfn, 5);
    expect(reports(k)).toEqual(report(pfn + 9, reason));
    for (let i = 0; i < 400; i++) {
      const next = __alloc_pages(k, GFP_KERNEL, 5, 0);
      expect(next).not.toBe(pfn);
    }
  });

  test('damaged while free: found when it is handed out, and passed over', () => {
    const k = twoNodes();
    const pfn = __alloc_pages(k, GFP_KERNEL, 6, 0);
    __free_pages(k, pfn, 6);
    words(k, pfn + 33)[13] = 1;
    const next = __alloc_pages(k, GFP_KERNEL, 6, 0);
    expect(next).not.toBe(pfn);
    expect(reports(k)).toEqual(report(pfn + 33, 'nonzero _refcount'));
  });

  test('a second free of a page has no reference to drop, and changes no list', () => {
    const k = twoNodes();
    const pfn = __alloc_pages(k, GFP_KERNEL, 0, 0);
    __free_pages(k, pfn, 0);
    const count = pcp_count(k, dma32(k, 0), 0);
    __free_pages(k, pfn, 0);
    expect([page_count(k, pfn), pcp_count(k, dma32(k, 0), 0)]).toEqual([-1, count]);
  });

  test('the dump says all of a struct page', () => {
    const k = twoNodes();
    const pfn = __alloc_pages(k, GFP_KERNEL, 4, 0);
    words(k, pfn + 1)[13] = 3;
    __free_pages(k, pfn, 4);
    const at = printed(k).findIndex((line) => line.startsWith('BUG'));
    const [, page, flags, raw] = printed(k).slice(at);
    const address = (0xffffea0000000000n + BigInt(pfn + 1) * 64n).toString(16);
    expect(page).toBe(
      `page:${address} refcount:3 mapcount:0 mapping:0000000000000000 index:0 pfn:0x${(pfn + 1).toString(16)}`,
    );
    expect(flags).toBe('flags: 0xfffffc0000000(node=0|zone=1|lastcpupid=0x1fffff)');
    expect(raw).toMatch(/^raw: 000fffffc0000000( [0-9a-f]{16}){3}$/);
  });

  test('sixty reports a minute', () => {
    const k = twoNodes();
    for (let i = 0; i < 70; i++) {
      const pfn = __alloc_pages(k, GFP_KERNEL, 4, 0);
      words(k, pfn)[12] = PAGE_MAPCOUNT_RESERVE;
      __free_pages(k, pfn, 4);
    }
    expect(reports(k).length).toBe(120);
  });
});

test('any run of requests and frees: every frame has one owner, and the counters agree with the lists', () => {
  const gfps = [GFP_KERNEL, GFP_HIGHUSER_MOVABLE, GFP_ATOMIC, GFP_NOWAIT | __GFP_COMP].map(
    (g) => (g & ~0x400) | __GFP_NOWARN,
  );
  const step = fc.record({
    free: fc.boolean(),
    order: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 1, 2, 3) }, fc.integer({ min: 0, max: 10 })),
    gfp: fc.constantFrom(...gfps),
    nid: fc.constantFrom(0, 1),
    pick: fc.nat(),
  });
  const k = drawnAllocator({ memory: '01', unit: 64 * MiB });
  const owner = new Uint8Array((128 * MiB) / 4096);
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 400 }), (steps) => {
      const taken: { pfn: number; order: number }[] = [];
      for (const { free, order, gfp, nid, pick } of steps) {
        if (free && taken.length > 0) {
          const [block] = taken.splice(pick % taken.length, 1);
          owner.fill(0, block!.pfn, block!.pfn + (1 << block!.order));
          __free_pages(k, block!.pfn, block!.order);
          continue;
        }
        const pfn = __alloc_pages(k, gfp, order, nid);
        if (pfn < 0) continue;
        expect(pfn % (1 << order)).toBe(0);
        expect(owner.subarray(pfn, pfn + (1 << order)).every((one) => one === 0)).toBe(true);
        owner.fill(1, pfn, pfn + (1 << order));
        taken.push({ pfn, order });
      }
      for (const { pfn, order } of taken) {
        owner.fill(0, pfn, pfn + (1 << order));
        __free_pages(k, pfn, order);
      }
      for (const nid of [0, 1]) {
        const zone = dma32(k, nid);
        expect(zone_page_state_snapshot(k, zone, NR_FREE_PAGES)).toBe(pagesOnLists(k, zone));
        expect(pagesOnLists(k, zone) + pcp_count(k, zone, 0)).toBe(zone.managed_pages);
      }
    }),
    { numRuns: 25 },
  );
  const events = all_vm_events(k);
  const allocated = [0, 1, 2, 3, 4].map((zone) => events[PGALLOC + zone]!).reduce((a, b) => a + b);
  const boot = k.node_data.flatMap(({ node_zones }) => node_zones).reduce((sum, zone) => sum + zone.managed_pages, 0);
  expect(events[PGFREE]! - boot).toBe(allocated);
});
