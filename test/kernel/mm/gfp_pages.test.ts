import { describe, expect, test } from 'vitest';
import {
  __GFP_COMP,
  __GFP_NOWARN,
  __GFP_THISNODE,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
} from '../../../kernel/include/gfp_types.ts';
import { MIGRATE_ISOLATE, NR_FREE_PAGES } from '../../../kernel/include/mmzone.ts';
import { PAGE_SIZE } from '../../../kernel/include/types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_clear } from '../../../kernel/lib/nodemask.ts';
import { free_unref_page_list } from '../../../kernel/mm/free_unref_list.ts';
import {
  __get_free_pages,
  alloc_pages_bulk_array,
  alloc_pages_bulk_array_node,
  alloc_pages_exact,
  alloc_pages_exact_nid,
  alloc_pages_node,
  free_pages,
  free_pages_exact,
  get_order,
  get_zeroed_page,
} from '../../../kernel/mm/gfp_pages.ts';
import { page_count, page_index, page_zone, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages_node } from '../../../kernel/mm/page_alloc.ts';
import { set_pageblock_migratetype } from '../../../kernel/mm/pageblock.ts';
import { pcp_count } from '../../../kernel/mm/pageset.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { zone_page_state_snapshot } from '../../../kernel/mm/vmstat.ts';
import { drawnAllocator, pagesOnLists } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const twoNodes = (): Kernel => drawnAllocator({ memory: '01', unit: 128 * MiB });
const dma32 = (k: Kernel, nid: number) => k.node_data[nid]!.node_zones[1]!;
const put = (k: Kernel, pfn: number): void => {
  section_map(k.mm, pfn)[page_index(pfn) + 13] = 0;
};
const free = (k: Kernel): number => {
  drain_all_pages(k, null);
  return k.node_data
    .flatMap((n) => n.node_zones)
    .reduce((sum, z) => sum + zone_page_state_snapshot(k, z, NR_FREE_PAGES), 0);
};

describe('by address', () => {
  test('blocks come and go as physical addresses; 0 is none', () => {
    const k = twoNodes();
    const before = free(k);
    const addr = __get_free_pages(k, GFP_KERNEL, 3);
    expect(addr % (8 * PAGE_SIZE)).toBe(0);
    expect(addr).toBeGreaterThan(0);
    free_pages(k, addr, 3);
    free_pages(k, 0, 3);
    expect(free(k)).toBe(before);
    expect(__get_free_pages(k, GFP_KERNEL, 11)).toBe(0);
  });

  test('get_zeroed_page(): nothing of its last owner is in it', () => {
    const k = twoNodes();
    const addr = get_zeroed_page(k, GFP_KERNEL);
    k.hw.ram.fill(addr, PAGE_SIZE, 0x5a);
    free_pages(k, addr, 0);
    expect(get_zeroed_page(k, GFP_KERNEL)).toBe(addr);
    expect(k.hw.ram.read(addr, PAGE_SIZE).every((byte) => byte === 0)).toBe(true);
  });
});

describe('by node', () => {
  test('-1 is the node of the CPU', () => {
    const k = twoNodes();
    expect([-1, 0, 1].map((nid) => page_zone(k, alloc_pages_node(k, nid, GFP_KERNEL, 0)).nid)).toEqual([0, 0, 1]);
  });

  test('many single pages from one node', () => {
    const k = twoNodes();
    const far: number[] = [];
    expect(alloc_pages_bulk_array_node(k, GFP_KERNEL, 1, 20, far)).toBe(20);
    expect(new Set(far.map((pfn) => page_zone(k, pfn).nid))).toEqual(new Set([1]));
    const near: number[] = [];
    expect(alloc_pages_bulk_array(k, GFP_KERNEL, 5, near)).toBe(5);
    expect(new Set([...far, ...near]).size).toBe(25);
  });
});

describe('alloc_pages_exact()', () => {
  test('the order that holds a size', () => {
    expect([1, 4096, 4097, 8192, 8193, 40000].map(get_order)).toEqual([0, 0, 1, 1, 2, 4]);
  });

  test('nothing at all is more than there can be', () => {
    const k = twoNodes();
    const lines = printed(k).length;
    const before = free(k);
    expect([get_order(0), alloc_pages_exact(k, 0, GFP_KERNEL), free(k)]).toEqual([52, 0, before]);
    expect(printed(k)[lines + 1]).toBe('WARNING: CPU: 0 PID: 0 at mm/page_alloc.c:5634 __alloc_pages');
  });

  test('five pages of a block of eight are the caller s, three go back', () => {
    const k = twoNodes();
    const before = free(k);
    const addr = alloc_pages_exact(k, 5 * PAGE_SIZE - 100, GFP_KERNEL);
    expect(before - free(k)).toBe(5);
    expect([0, 1, 2, 3, 4].map((n) => page_count(k, addr / PAGE_SIZE + n))).toEqual([1, 1, 1, 1, 1]);
    free_pages_exact(k, addr, 5 * PAGE_SIZE - 100);
    expect(free(k)).toBe(before);
    expect(printed(k).filter((line) => line.startsWith('BUG'))).toEqual([]);
  });

  test('from a node', () => {
    const k = twoNodes();
    expect(page_zone(k, alloc_pages_exact_nid(k, 1, 3 * PAGE_SIZE, GFP_KERNEL) / PAGE_SIZE).nid).toBe(1);
  });

  test('a compound page cannot be cut: a warning, and single pages', () => {
    const k = twoNodes();
    const addr = alloc_pages_exact(k, 3 * PAGE_SIZE, GFP_KERNEL | __GFP_COMP);
    expect(printed(k)).toContain('WARNING: CPU: 0 PID: 0 at mm/page_alloc.c:5930 alloc_pages_exact');
    free_pages_exact(k, addr, 3 * PAGE_SIZE);
  });
});

describe('free_unref_page_list()', () => {
  test('pages go to the per-cpu lists of their zones, the last one first on its list', () => {
    const k = twoNodes();
    drain_all_pages(k, null);
    const pages = [0, 1, 0, 1].map((nid) => alloc_pages_node(k, nid, GFP_KERNEL, 0));
    drain_all_pages(k, null);
    for (const pfn of pages) put(k, pfn);
    free_unref_page_list(k, pages);
    expect([0, 1].map((nid) => pcp_count(k, dma32(k, nid), 0))).toEqual([2, 2]);
    expect(alloc_pages_node(k, 0, GFP_KERNEL, 0)).toBe(pages[2]);
  });

  test('a page of an isolated pageblock goes to the buddy lists at once, a bad one nowhere', () => {
    const k = twoNodes();
    const [isolated, bad, good] = [0, 0, 0].map(() => alloc_pages_node(k, 1, GFP_KERNEL, 9)) as [
      number,
      number,
      number,
    ];
    const zone = dma32(k, 1);
    drain_all_pages(k, null);
    set_pageblock_migratetype(k, isolated, MIGRATE_ISOLATE);
    zone.nr_isolate_pageblock = 1;
    put(k, isolated);
    put(k, good);
    section_map(k.mm, bad)[page_index(bad)]! |= 1 << 23;
    free_unref_page_list(k, [isolated, bad, good]);
    expect(pagesOnLists(k, zone, MIGRATE_ISOLATE)).toBe(1);
    expect(pcp_count(k, zone, 0)).toBe(1);
  });
});

describe('__alloc_pages_node()', () => {
  const GFP = GFP_HIGHUSER_MOVABLE | __GFP_THISNODE | __GFP_NOWARN;

  test('a node that is not online, of which nothing else may be said: all flags, and who asked', () => {
    const k = twoNodes();
    node_clear(1, k.node_online_map);
    const lines = printed(k).length;
    __alloc_pages_node(k, 1, GFP, 0);
    expect(printed(k).slice(lines)).toEqual([
      'GFP_HIGHUSER_MOVABLE|__GFP_NOWARN|__GFP_THISNODE allocation from offline node 1',
      'CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1.192 #1',
    ]);
  });

  test('silence where failures are spoken of, and where the node is online', () => {
    const k = twoNodes();
    const lines = printed(k).length;
    __alloc_pages_node(k, 1, GFP, 0);
    node_clear(1, k.node_online_map);
    __alloc_pages_node(k, 1, GFP & ~__GFP_NOWARN, 0);
    expect(printed(k).slice(lines)).toEqual([]);
  });
});
