import { describe, expect, test } from 'vitest';
import { type KernelConfig, recorder } from '../../../kernel/config.ts';
import {
  __GFP_ATOMIC,
  __GFP_COMP,
  __GFP_DIRECT_RECLAIM,
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_MEMALLOC,
  __GFP_MOVABLE,
  __GFP_NOFAIL,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  GFP_KERNEL,
} from '../../../kernel/include/gfp_types.ts';
import { MIGRATE_UNMOVABLE, NR_MLOCK } from '../../../kernel/include/mmzone.ts';
import { PG_mlocked, PG_reserved, ZONES_PGSHIFT_HI } from '../../../kernel/include/page_flags.ts';
import { UNEVICTABLE_PGCLEARED } from '../../../kernel/include/vm_event_item.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { KernelBug } from '../../../kernel/lib/bug.ts';
import { move_freepages_block } from '../../../kernel/mm/move_freepages.ts';
import { page_count, page_index, page_zone, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages, split_page } from '../../../kernel/mm/page_alloc.ts';
import { pcp_count } from '../../../kernel/mm/pageset.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { __mod_zone_page_state, zone_page_state_snapshot } from '../../../kernel/mm/vmstat.ts';
import { drawnAllocator, pagesOnLists } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const debug_vm: KernelConfig = { ...recorder, DEBUG_VM: true };
const GFP = GFP_KERNEL | __GFP_NOWARN;
const machine = (config: KernelConfig = recorder): Kernel => drawnAllocator({ memory: '0', unit: 128 * MiB, config });
const words = (k: Kernel, pfn: number): Int32Array =>
  section_map(k.mm, pfn).subarray(page_index(pfn), page_index(pfn) + 16);
const REFCOUNT = 13;
const MAPCOUNT = 12;

const zones = (k: Kernel) => k.node_data[0]!.node_zones.filter((zone) => zone.populated);
/** Pages that the allocator could hand out. */
const free = (k: Kernel): number =>
  zones(k).reduce((sum, zone) => sum + pagesOnLists(k, zone) + pcp_count(k, zone, 0), 0);

/** What was reported, without the dumps. */
const reports = (k: Kernel, lines: number): string[] =>
  printed(k)
    .slice(lines)
    .filter((line) => /^(BUG|page dumped|kernel BUG|WARNING|Disabling)/.test(line));
const bad = (pfn: number, reason: string): string[] => [
  `BUG: Bad page state in process swapper/0  pfn:${pfn.toString(16).padStart(5, '0')}`,
  `page dumped because: ${reason}`,
];

/** Takes all there is, and counts how often each frame was handed out. */
function takeAll(k: Kernel): Map<number, number> {
  const owners = new Map<number, number>();
  drain_all_pages(k, null);
  for (let order = 10; order >= 0; order--) {
    for (;;) {
      const pfn = __alloc_pages(k, (GFP & ~__GFP_DIRECT_RECLAIM) | 0x20000, order, 0);
      if (pfn < 0) break;
      for (let p = pfn; p < pfn + (1 << order); p++) owners.set(p, (owners.get(p) ?? 0) + 1);
    }
  }
  return owners;
}

/** Every page is handed out once, but for `gone` of those that there were. */
function expectWhole(k: Kernel, before: number, gone: number): void {
  expect(free(k)).toBe(before - gone);
  const owners = takeAll(k);
  expect([...owners.values()].every((times) => times === 1)).toBe(true);
  expect(owners.size).toBe(before - gone);
}

describe('frees that are wrong, without CONFIG_DEBUG_VM', () => {
  test('a page freed twice: what had no reference left is found on its way to the zone, and is out of use', () => {
    const k = machine();
    const before = free(k);
    const pfn = __alloc_pages(k, GFP, 0, 0);
    __free_pages(k, pfn, 0);
    const lines = printed(k).length;
    __free_pages(k, pfn, 0);
    expect([page_count(k, pfn), reports(k, lines)]).toEqual([-1, []]);
    drain_all_pages(k, null);
    expect(reports(k, lines)).toEqual([
      ...bad(pfn, 'nonzero _refcount'),
      'Disabling lock debugging due to kernel taint',
    ]);
    expect(printed(k).slice(lines)).toContain('CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1.192 #1');
    expectWhole(k, before, 1);
  });

  test('the second report knows that the kernel is tainted, and says it once', () => {
    const k = machine();
    const pfns = [0, 1].map(() => __alloc_pages(k, GFP, 4, 0));
    const lines = printed(k).length;
    for (const pfn of pfns) {
      words(k, pfn)[MAPCOUNT] = 3;
      __free_pages(k, pfn, 4);
    }
    expect(printed(k).slice(lines)).toContain('CPU: 0 PID: 0 Comm: swapper/0 Tainted: G    B              6.1.192 #1');
    expect(reports(k, lines).filter((line) => line.startsWith('Disabling'))).toHaveLength(1);
    expect(words(k, pfns[0]!)[MAPCOUNT]).toBe(-1);
  });

  test('a compound page freed twice: nobody but its head speaks for it, and nothing is freed again', () => {
    const k = machine();
    const before = free(k);
    const pfn = __alloc_pages(k, GFP | __GFP_COMP, 5, 0);
    words(k, pfn)[REFCOUNT] = 2;
    __free_pages(k, pfn, 5);
    expect(free(k)).toBe(before - 32);
    __free_pages(k, pfn, 5);
    expectWhole(k, before, 0);
  });

  test('a block freed twice: as Linux, its parts come back as blocks of their own', () => {
    const k = machine();
    const before = free(k);
    const pfn = __alloc_pages(k, GFP, 2, 0);
    const lines = printed(k).length;
    __free_pages(k, pfn, 2);
    __free_pages(k, pfn, 2);
    // The pages but the first are on two lists. Linux has no report for it, and neither have we.
    expect([free(k), reports(k, lines)]).toEqual([before + 3, []]);
  });

  test('of too large an order: the neighbours that are in use keep it from being freed', () => {
    const k = machine();
    const before = free(k);
    const pfn = __alloc_pages(k, GFP, 4, 0);
    split_page(k, pfn, 4);
    const lines = printed(k).length;
    __free_pages(k, pfn, 2);
    expect(reports(k, lines).filter((line) => line.startsWith('page'))).toEqual(
      Array(3).fill('page dumped because: nonzero _refcount'),
    );
    for (let p = 1; p < 16; p++) __free_pages(k, pfn + p, 0);
    drain_all_pages(k, null);
    expectWhole(k, before, 1);
  });

  // Sections of 32768 pages: |0 ... |1: free ... X|X ... |, and the pair across the border is freed as one block.
  test('of too large an order, across the border of two sections: the page beyond it is in use, and stays so', () => {
    const k = drawnAllocator({ memory: '000', unit: 128 * MiB, config: recorder });
    for (;;) if (__alloc_pages(k, (GFP & ~__GFP_DIRECT_RECLAIM) | __GFP_MEMALLOC, 0, 0) < 0) break;
    const border = 2 * 32768;
    expect([32768, border - 1, border].map((pfn) => page_count(k, pfn))).toEqual([1, 1, 1]);
    __free_pages(k, 32768, 0);
    const lines = printed(k).length;
    __free_pages(k, border - 1, 1);
    expect(reports(k, lines)).toEqual([
      ...bad(border, 'nonzero _refcount'),
      'Disabling lock debugging due to kernel taint',
    ]);
    expect(page_count(k, border)).toBe(1);
    expect(__alloc_pages(k, GFP | __GFP_MEMALLOC, 0, 0)).toBe(32768);
    expect(__alloc_pages(k, GFP | __GFP_MEMALLOC, 1, 0)).toBe(-1);
  });

  test('of too small an order: what was not freed is lost, as in Linux, and nothing is said', () => {
    const k = machine();
    const before = free(k);
    const pfn = __alloc_pages(k, GFP, 5, 0);
    const lines = printed(k).length;
    __free_pages(k, pfn, 4);
    expect(reports(k, lines)).toEqual([]);
    expectWhole(k, before, 16);
  });

  test('a compound page of too small an order: the tails that stay are lost', () => {
    const k = machine();
    const before = free(k);
    const pfn = __alloc_pages(k, GFP | __GFP_COMP, 5, 0);
    __free_pages(k, pfn, 4);
    expectWhole(k, before, 16);
  });

  test('a tail page has no reference of its own: the whole is lost when it is freed after that', () => {
    const k = machine();
    const before = free(k);
    const pfn = __alloc_pages(k, GFP | __GFP_COMP, 4, 0);
    const lines = printed(k).length;
    __free_pages(k, pfn + 5, 0);
    expect([page_count(k, pfn + 5), reports(k, lines)]).toEqual([-1, []]);
    __free_pages(k, pfn, 4);
    expect(reports(k, lines).slice(0, 2)).toEqual(bad(pfn + 5, 'nonzero _refcount'));
    expectWhole(k, before, 16);
  });

  test('a reserved page: a single one is taken as it is, a block of them is not', () => {
    const k = machine();
    // Page 16 of the first MiB is reserved and has its one reference.
    const before = free(k);
    const lines = printed(k).length;
    expect((words(k, 16)[0]! >>> PG_reserved) & 1).toBe(1);
    __free_pages(k, 16, 0);
    expect([free(k), reports(k, lines)]).toEqual([before + 1, []]);
    __free_pages(k, 32, 4);
    expect(reports(k, lines).filter((line) => line.startsWith('BUG'))).toHaveLength(16);
    expect(free(k)).toBe(before + 1);
  });

  test('a page that has no struct page: a page fault', () => {
    const k = machine();
    const pfn = 0x100000;
    const address = (0xffffea0000000000n + BigInt(pfn) * 64n).toString(16);
    expect(() => __free_pages(k, pfn, 0)).toThrow(`BUG: unable to handle page fault for address: ${address}`);
    expect(() => __free_pages(k, 0x7fffffff, 3)).toThrow(KernelBug);
  });

  test('a page in a hole of a section: reserved, so as above', () => {
    const k = drawnAllocator({ memory: '0', unit: 96 * MiB });
    const pfn = (100 * MiB) / 4096;
    const lines = printed(k).length;
    __free_pages(k, pfn, 5);
    expect(reports(k, lines)[0]).toMatch(/^BUG: Bad page state/);
  });

  test('a page whose flags name a node that there is not: a null pointer is followed', () => {
    const k = machine();
    const pfn = __alloc_pages(k, GFP, 0, 0);
    words(k, pfn)[1] = (words(k, pfn)[1]! & 0x3fffff) | (9 << 22);
    expect(() => __free_pages(k, pfn, 0)).toThrow('BUG: kernel NULL pointer dereference');
  });

  test('a page whose cached migratetype is none: the list that it would go to is followed, and is none', () => {
    const k = machine();
    const pfn = __alloc_pages(k, GFP, 0, 0);
    __free_pages(k, pfn, 0);
    words(k, pfn)[8] = 100;
    expect(() => drain_all_pages(k, null)).toThrow(KernelBug);
  });

  test('more pages on the per-cpu lists than there are: no endless loop', () => {
    const k = machine();
    const pfn = __alloc_pages(k, GFP, 0, 0);
    drain_all_pages(k, null);
    const zone = page_zone(k, pfn);
    zone.cpus[0]!.pcp[1] = 1000;
    expect(() => drain_all_pages(k, null)).toThrow(KernelBug);
  });
});

test.each([
  ['a single page', 0, 0, 1],
  ['a compound page', 4, __GFP_COMP, 16],
  ['a block that is none, whose first page speaks for itself alone', 4, 0, 1],
])('mlocked when it is freed: %s', (_, order, gfp, counted) => {
  const k = machine();
  const before = free(k);
  const pfn = __alloc_pages(k, GFP | gfp, order, 0);
  words(k, pfn)[0]! |= 1 << PG_mlocked;
  const zone = page_zone(k, pfn);
  __mod_zone_page_state(k, zone, NR_MLOCK, counted);
  __free_pages(k, pfn, order);
  expect([zone_page_state_snapshot(k, zone, NR_MLOCK), all_vm_events(k)[UNEVICTABLE_PGCLEARED]]).toEqual([0, counted]);
  expect(zone.vm_stat(NR_MLOCK)).toBe(0);
  expectWhole(k, before, 0);
});

describe('CONFIG_DEBUG_VM', () => {
  const stops = (k: Kernel, run: () => void, where: string, what?: string): void => {
    const lines = printed(k).length;
    expect(run).toThrow(`kernel BUG at ${where}!`);
    if (what !== undefined) expect(reports(k, lines)[0]).toBe(`page dumped because: VM_BUG_ON_PAGE(${what})`);
  };

  test('requests and frees go on as ever', () => {
    const k = machine(debug_vm);
    const before = free(k);
    const taken = Array.from({ length: 300 }, (_, n) => ({ order: n % 6, gfp: n % 2 ? GFP : GFP | __GFP_COMP })).map(
      ({ order, gfp }) => ({ order, pfn: __alloc_pages(k, gfp, order, 0) }),
    );
    for (const { order, pfn } of taken) __free_pages(k, pfn, order);
    expect(reports(k, 0)).toEqual([]);
    expectWhole(k, before, 0);
  });

  test('a page freed twice', () => {
    const k = machine(debug_vm);
    const pfn = __alloc_pages(k, GFP, 0, 0);
    __free_pages(k, pfn, 0);
    stops(k, () => __free_pages(k, pfn, 0), 'include/linux/mm.h:780', 'page_ref_count(page) == 0');
  });

  test('a compound page of another order', () => {
    const k = machine(debug_vm);
    const pfn = __alloc_pages(k, GFP | __GFP_COMP, 4, 0);
    const what = 'compound && compound_order(page) != order';
    stops(k, () => __free_pages(k, pfn, 3), 'mm/page_alloc.c:1459', what);
  });

  test('a tail page that someone has a reference to', () => {
    const k = machine(debug_vm);
    const pfn = __alloc_pages(k, GFP | __GFP_COMP, 4, 0);
    words(k, pfn + 1)[REFCOUNT] = 1;
    stops(k, () => __free_pages(k, pfn + 1, 0), 'mm/page_alloc.c:1420', 'PageTail(page)');
  });

  test('a block that is not aligned', () => {
    const k = machine(debug_vm);
    const pfn = __alloc_pages(k, GFP, 5, 0);
    words(k, pfn + 1)[REFCOUNT] = 1;
    words(k, pfn + 16)[REFCOUNT] = 0;
    stops(k, () => __free_pages(k, pfn + 1, 4), 'mm/page_alloc.c:1140', 'pfn & ((1 << order) - 1)');
  });

  test('a reserved page is found when it is freed', () => {
    const k = machine(debug_vm);
    const lines = printed(k).length;
    __free_pages(k, 16, 0);
    expect(reports(k, lines).slice(0, 2)).toEqual(bad(16, 'PAGE_FLAGS_CHECK_AT_FREE flag(s) set'));
  });

  test.each([
    [1, 5, 0, 'nonzero compound_mapcount'],
    [3, 6, 0, 'corrupted mapping in tail page'],
    [4, 2, 0, 'PageTail not set'],
    [5, 3, 0x7fffffff, 'compound_head not consistent'],
  ])('a damaged tail page: page %i, word %i', (p, word, value, reason) => {
    const k = machine(debug_vm);
    const before = free(k);
    const pfn = __alloc_pages(k, GFP | __GFP_COMP, 4, 0);
    words(k, pfn + p)[word] = value;
    const lines = printed(k).length;
    __free_pages(k, pfn, 4);
    expect(reports(k, lines).slice(0, 2)).toEqual(bad(pfn + p, reason));
    expectWhole(k, before, 16);
  });

  test('splitting a compound page', () => {
    const k = machine(debug_vm);
    const pfn = __alloc_pages(k, GFP | __GFP_COMP, 4, 0);
    stops(k, () => split_page(k, pfn, 4), 'mm/page_alloc.c:3644', 'PageCompound(page)');
  });

  test('a page that was written to while on a per-cpu list is found when it is handed out', () => {
    const k = machine(debug_vm);
    const pfn = __alloc_pages(k, GFP, 0, 0);
    __free_pages(k, pfn, 0);
    words(k, pfn)[7] = 1;
    const lines = printed(k).length;
    expect(__alloc_pages(k, GFP, 0, 0)).not.toBe(pfn);
    expect(reports(k, lines).slice(0, 2)).toEqual(bad(pfn, 'non-NULL mapping'));
  });

  test('a block on the lists of a zone that it is not in', () => {
    const k = machine(debug_vm);
    const pfn = __alloc_pages(k, GFP, 5, 0);
    __free_pages(k, pfn, 5);
    words(k, pfn)[1]! ^= 1 << ZONES_PGSHIFT_HI;
    stops(k, () => __alloc_pages(k, GFP, 5, 0), 'mm/page_alloc.c:3917', 'page && bad_range(zone, page)');
  });

  test('a free block of another zone in the pageblock that is taken over', () => {
    const k = machine(debug_vm);
    const block = __alloc_pages(k, GFP | __GFP_MOVABLE, 9, 0);
    split_page(k, block, 9);
    for (let p = 0; p < 512; p++) if (p !== 8 && p !== 500) __free_pages(k, block + p, 0);
    drain_all_pages(k, null);
    const zone = page_zone(k, block);
    words(k, block + 256)[1]! ^= 1 << ZONES_PGSHIFT_HI;
    const move = (): unknown => move_freepages_block(k, zone, block, MIGRATE_UNMOVABLE);
    stops(k, move, 'mm/page_alloc.c:2669', 'page_zone(page) != zone');
  });

  test('flags of two zones', () => {
    const k = machine(debug_vm);
    stops(k, () => __alloc_pages(k, GFP | __GFP_DMA | __GFP_DMA32, 0, 0), 'include/linux/gfp.h:136');
  });

  test('flags of two migratetypes', () => {
    const k = machine(debug_vm);
    const lines = printed(k).length;
    __alloc_pages(k, GFP | __GFP_MOVABLE | __GFP_RECLAIMABLE, 5, 0);
    expect(reports(k, lines)[0]).toBe('WARNING: CPU: 0 PID: 0 at include/linux/gfp.h:18 gfp_migratetype');
  });
});

describe('requests that contradict themselves', () => {
  const warnings = (k: Kernel, gfp: number, order: number): string[] => {
    const lines = printed(k).length;
    __alloc_pages(k, gfp, order, 0);
    __alloc_pages(k, gfp, order, 0);
    return reports(k, lines);
  };
  const WARNING = 'WARNING: CPU: 0 PID: 0 at';

  test('too large: one warning, none with __GFP_NOWARN', () => {
    expect(warnings(machine(), GFP_KERNEL, 11)).toEqual([`${WARNING} mm/page_alloc.c:5634 __alloc_pages`]);
    expect(warnings(machine(), GFP, 11)).toEqual([]);
  });

  test('a block of four pages that must not fail: one warning', () => {
    expect(warnings(machine(), GFP_KERNEL | __GFP_NOFAIL, 2)).toEqual([`${WARNING} mm/page_alloc.c:3891 rmqueue`]);
    expect(warnings(machine(), GFP_KERNEL | __GFP_NOFAIL, 1)).toEqual([]);
  });

  test('flags of two zones: without CONFIG_DEBUG_VM it is a request for ZONE_DMA', () => {
    const k = machine();
    const pfn = __alloc_pages(k, GFP | __GFP_DMA | __GFP_DMA32, 0, 0);
    expect(page_zone(k, pfn).name).toBe('DMA');
  });

  test('atomic and able to wait, where memory is short: one warning', () => {
    const k = machine();
    while (__alloc_pages(k, GFP & ~__GFP_DIRECT_RECLAIM, 0, 0) >= 0);
    expect(warnings(k, GFP | __GFP_ATOMIC, 0)).toEqual([`${WARNING} mm/page_alloc.c:5118 __alloc_pages_slowpath`]);
  });
});
