// The written-out paths where structures lie in more than one buffer of RAM: two nodes, one below and one above 4 GiB, a
// CPU on each.

import { expect, test } from 'vitest';
import { ArrayBacking, type Backing } from '../../../emu/memory.ts';
import { recorder } from '../../../kernel/config.ts';
import { __GFP_NOWARN, __GFP_THISNODE, GFP_ATOMIC } from '../../../kernel/include/gfp_types.ts';
import { PAGE_WORDS, PG_LRU_NEXT } from '../../../kernel/include/mm_types.ts';
import { MIGRATE_MOVABLE, PFN_SECTION_SHIFT, ZONE_DMA32, ZONE_NORMAL } from '../../../kernel/include/mmzone.ts';
import { type pfn_t, VMEMMAP_START } from '../../../kernel/include/types.ts';
import { PZS_NUMA_EVENT } from '../../../kernel/include/zone_words.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { alloc_contig_range } from '../../../kernel/mm/alloc_contig.ts';
import type { FastPaths } from '../../../kernel/mm/fast_paths.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { page_count, page_index, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { setup_per_cpu_pageset } from '../../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import { switch_to_cpu, type ZoneCpu } from '../../../kernel/mm/zone_cpu.ts';
import { build_all_zonelists } from '../../../kernel/mm/zonelist.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { bootTopology } from '../../support/allocator_machine.ts';
import { GiB, MiB } from '../../support/hw.ts';
import { drawnZones, printed } from '../../support/zoned.ts';

const GFP = GFP_ATOMIC | __GFP_THISNODE | __GFP_NOWARN;

/** One node and CPU: so many pages from address 0, and so many from 4 GiB up. */
const bootBoth = (low: number, high: number, backing?: Backing): Kernel =>
  bootTopology(
    {
      low: [{ nid: 0, hole: 0, pages: low }],
      high: [{ nid: 0, hole: 0, pages: high }],
      cpus: [0],
      cma: 0,
      movable: 0,
      huge_pages: false,
      init_on_alloc: false,
    },
    backing,
  );

/** Takes a pageblock, page by page, and gives its first two pages back: the written-out paths know its section then. */
function take(k: Kernel, pfn: pfn_t): void {
  expect(alloc_contig_range(k, pfn, pfn + 512, MIGRATE_MOVABLE)).toBe(0);
  for (const page of [pfn, pfn + 1]) __free_pages(k, page, 0);
}

function boot(bufferSize: number): Kernel {
  const topology = {
    low: [{ nid: 0, hole: 0, pages: 16384 }],
    high: [{ nid: 1, hole: 0, pages: 16384 }],
    cpus: [0, 1],
    cma: 0,
    movable: 0,
    huge_pages: false,
    init_on_alloc: false,
  };
  const k = bootTopology(topology, new ArrayBacking(5 * GiB, bufferSize));
  for (const nid of [0, 1]) __free_pages(k, __alloc_pages(k, GFP, 0, nid), 0);
  return k;
}

const preferred = (k: Kernel, nid: number): ZoneCpu => k.page_alloc.preferred[(((nid << 1) | 1) << 2) | ZONE_NORMAL]!;
const alloc = (k: Kernel, nid: number): pfn_t => {
  const c = preferred(k, nid);
  return c.paths.alloc_from_pcplist(k, c, GFP, 0, ZONE_NORMAL);
};
const free = (k: Kernel, pfn: pfn_t): boolean =>
  k.page_alloc.sections[pfn >>> PFN_SECTION_SHIFT]!.free_to_pcplist(k, pfn, 0, 1);
const buffers = (paths: FastPaths): number => new Set([paths.pages, paths.zones, paths.percpu]).size;

test('one buffer: one set of paths, for both nodes and from both CPUs', () => {
  const k = boot(8 * GiB);
  for (const cpu of [0, 1]) {
    switch_to_cpu(k, cpu);
    for (const nid of [0, 1]) __free_pages(k, __alloc_pages(k, GFP, 0, nid), 0);
  }
  expect(k.page_alloc.fast_paths).toHaveLength(1);
  expect(buffers(k.page_alloc.fast_paths[0]!)).toBe(1);
});

test('a buffer for each node: pages of the own node and of the other come and go by the written-out paths', () => {
  const k = boot(GiB);
  for (const nid of [0, 1]) {
    const pfn = alloc(k, nid);
    expect(pfn).toBeGreaterThanOrEqual(nid === 0 ? 0 : 0x100000);
    expect(free(k, pfn)).toBe(true);
    expect(alloc(k, nid)).toBe(pfn);
  }
  expect(buffers(preferred(k, 0).paths)).toBe(1);
  expect(buffers(preferred(k, 1).paths)).toBe(2);
});

test('a zone whose pages are not where they were looked for: one request goes the general way, and the next ones not', () => {
  const k = boot(GiB);
  const c = preferred(k, 1);
  const { paths } = c;
  // As if the memory map were with node 0's.
  c.look_in(k, 0);
  expect(c.paths).not.toBe(paths);
  expect(alloc(k, 1)).toBe(-1);
  expect(c.paths).toBe(paths);
  expect(alloc(k, 1)).toBeGreaterThanOrEqual(0x100000);
});

test('a zone whose memory map lies in two buffers: pages of both are freed by the written-out paths', () => {
  const k = bootBoth(16384, (GiB + 8 * MiB) / 4096, new ArrayBacking(6 * GiB, GiB));
  const map_ends = k.mm.section_mem_map.findLastIndex(({ buffer, byteOffset, byteLength }) => {
    return byteLength > 0 && byteOffset + byteLength === buffer.byteLength;
  });
  const pfns = [map_ends, map_ends + 1].map((section) => section << PFN_SECTION_SHIFT);
  expect(new Set(pfns.map((pfn) => section_map(k.mm, pfn).buffer)).size).toBe(2);
  for (const pfn of pfns) {
    take(k, pfn);
    expect(free(k, pfn + 2)).toBe(true);
  }
});

test('a memory map that ends where 8 GiB do: that the last page is in use is seen', () => {
  const k = bootBoth(16384, (4 * GiB + 48 * MiB) / 4096);
  const section = k.mm.section_mem_map.findIndex((map) => map.byteOffset + map.byteLength === 8 * GiB);
  const end = (section + 1) << PFN_SECTION_SHIFT;
  take(k, end - 512);
  __free_pages(k, end - 2, 1);
  expect(printed(k)).toContain('page dumped because: nonzero _refcount');
  expect([page_count(k, end - 2), page_count(k, end - 1)]).toEqual([0, 1]);
});

test('a block from the last page of a section on: what follows that in RAM is not the next page', () => {
  const k = bootBoth(32768, 32768);
  const high = 0x100000;
  const [first, next] = [section_map(k.mm, 0), section_map(k.mm, high)];
  expect(next.byteOffset).toBe(first.byteOffset + first.byteLength);
  take(k, 32768 - 512);
  take(k, high);
  const fault = VMEMMAP_START + 32768n * 64n;
  expect(() => __free_pages(k, 32767, 1)).toThrow(`unable to handle page fault for address: ${fault.toString(16)}`);
});

test.each([3, 10])(
  'a block of order %i whose first page says that it is a tail: its other pages are none any more',
  (order) => {
    const k = drawnAllocator({ memory: '0', unit: 128 * MiB });
    __free_pages(k, __alloc_pages(k, GFP, order, 0), order);
    const pfn = __alloc_pages(k, GFP, order, 0);
    const m = section_map(k.mm, pfn);
    const next = page_index(pfn) + PG_LRU_NEXT;
    m[next] = 1;
    m[next + PAGE_WORDS] = 0x1000;
    __free_pages(k, pfn, order);
    expect(m[next + PAGE_WORDS]).toBe(0);
  },
);

test('a request before zones have pagesets of their own: later ones are counted in those', () => {
  const k = drawnZones({ memory: '0', unit: 64 * MiB, config: recorder });
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  memblock_free_all(k);
  __alloc_pages(k, GFP, 5, 0);
  setup_per_cpu_pageset(k);
  for (let n = 0; n < 4; n++) __alloc_pages(k, GFP, 5, 0);
  const { cpus } = k.node_data[0]!.node_zones[ZONE_DMA32]!;
  expect(cpus[0]!.stat[PZS_NUMA_EVENT]).toBe(4);
});

test('orders that are none', () => {
  const k = drawnAllocator({ memory: '0', unit: 64 * MiB });
  expect([-1, -32, 11, 32].map((order) => __alloc_pages(k, GFP, order, 0))).toEqual([-1, -1, -1, -1]);
});
