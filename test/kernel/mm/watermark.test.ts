import { expect, test } from 'vitest';
import { debian, type KernelConfig } from '../../../kernel/config.ts';
import { WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { hugepage_init, setup_transparent_hugepage } from '../../../kernel/mm/khugepaged.ts';
import {
  pcp_batch,
  pcp_high,
  setup_per_cpu_pageset,
  zone_batchsize,
  zone_pcp_update,
} from '../../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import { calculate_normal_threshold } from '../../../kernel/mm/vmstat.ts';
import {
  calculate_min_free_kbytes,
  init_per_zone_wmark_min,
  setup_per_zone_lowmem_reserve,
  setup_per_zone_wmarks,
} from '../../../kernel/mm/watermark.ts';
import { build_all_zonelists } from '../../../kernel/mm/zonelist.ts';
import { GiB } from '../../support/hw.ts';
import { drawnZones, printed } from '../../support/zoned.ts';

/** 2 GiB on one node, of which DMA manages 3840 pages and DMA32 500000. No CPU of the node is up. */
function machine(config: KernelConfig = debian, dma32_pages = 500000): Kernel {
  const k = drawnZones({ memory: '00', unit: GiB, config });
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  const [dma, dma32] = k.node_data[0]!.node_zones;
  dma!.managed_pages = 3840;
  dma32!.managed_pages = dma32_pages;
  k.mm.totalram_pages = 3840 + dma32_pages;
  setup_per_cpu_pageset(k);
  return k;
}

const marks = (k: Kernel, idx: number): number[] =>
  [WMARK_MIN, WMARK_LOW, WMARK_HIGH, WMARK_PROMO].map((mark) => k.node_data[0]!.node_zones[idx]!._watermark(mark));

test('min_free_kbytes is four times the square root of the memory in KiB, shared out by size', () => {
  const k = machine();
  init_per_zone_wmark_min(k);
  expect(k.watermark.min_free_kbytes).toBe(Math.floor(Math.sqrt(503840 * 4 * 16)));
  // 5678 KiB are 1419 pages; the gap between marks is 1/1000 of DMA32, a quarter of min where that is more
  expect(marks(k, 0)).toEqual([10, 13, 16, 19]);
  expect(marks(k, 1)).toEqual([1408, 1908, 2408, 2908]);
});

test('min_free_kbytes stays between 128 KiB and 256 MiB', () => {
  const small = machine(debian, 100);
  calculate_min_free_kbytes(small);
  expect(small.watermark.min_free_kbytes).toBe(502);
  small.node_data[0]!.node_zones[0]!.managed_pages = 100;
  calculate_min_free_kbytes(small);
  expect(small.watermark.min_free_kbytes).toBe(128);
  const large = machine(debian, 2 ** 34);
  calculate_min_free_kbytes(large);
  expect(large.watermark.min_free_kbytes).toBe(262144);
});

test('a value that the user has set is not lowered', () => {
  const k = machine();
  k.watermark.user_min_free_kbytes = 60000;
  k.watermark.min_free_kbytes = 60000;
  calculate_min_free_kbytes(k);
  expect(k.watermark.min_free_kbytes).toBe(60000);
  expect(printed(k).at(-1)).toBe(
    'min_free_kbytes is not updated to 5678 because user defined value 60000 is preferred',
  );
});

test('a zone reserves a 256th of the zones above it, and nothing for itself or where it is empty', () => {
  const k = machine();
  init_per_zone_wmark_min(k);
  const reserves = (idx: number) => [0, 1, 2, 3, 4].map((j) => k.node_data[0]!.node_zones[idx]!.lowmem_reserve(j));
  expect(reserves(0)).toEqual([0, 1953, 1953, 1953, 1953]);
  expect(reserves(1)).toEqual([0, 0, 0, 0, 0]);
  expect(reserves(2)).toEqual([0, 0, 0, 0, 0]);
  // high mark and largest reserve of each zone
  expect(k.watermark.totalreserve_pages).toBe(16 + 1953 + 2408);
  expect(k.node_data[0]!.totalreserve_pages).toBe(k.watermark.totalreserve_pages);
});

test.each([
  { name: 'always: eleven pageblocks of each zone', thp: 'always', kbytes: 4 * 512 * 2 * 11 },
  { name: 'madvise: the same', thp: 'madvise', kbytes: 4 * 512 * 2 * 11 },
  // recomputed, with the high watermarks taken off
  {
    name: 'never: as before, of a little less',
    thp: 'never',
    kbytes: Math.floor(Math.sqrt((503840 - 16 - 2408) * 64)),
  },
])('transparent_hugepage=$name', ({ thp, kbytes }) => {
  const k = machine();
  expect(setup_transparent_hugepage(k, thp)).toBe(1);
  init_per_zone_wmark_min(k);
  hugepage_init(k);
  expect(k.watermark.min_free_kbytes).toBe(kbytes);
});

test('huge pages never take more than a twentieth of memory, and are off below 512 MiB', () => {
  const small = machine(debian, 150000);
  init_per_zone_wmark_min(small);
  const beyond_high = 153840 - marks(small, 0)[2]! - marks(small, 1)[2]!;
  hugepage_init(small);
  expect(small.watermark.min_free_kbytes).toBe(4 * Math.floor(beyond_high / 20));

  const smaller = machine(debian, 131072 - 3840 - 1);
  init_per_zone_wmark_min(smaller);
  const before = smaller.watermark.min_free_kbytes;
  hugepage_init(smaller);
  expect([smaller.watermark.min_free_kbytes, smaller.khugepaged.enabled]).toEqual([before, 'never']);
});

test('raising what the user has set is said', () => {
  const k = machine();
  k.watermark.user_min_free_kbytes = 9000;
  k.watermark.min_free_kbytes = 9000;
  setup_per_zone_wmarks(k);
  hugepage_init(k);
  expect(printed(k).at(-1)).toBe(
    'khugepaged: raising min_free_kbytes from 9000 to 45056 to help transparent hugepage allocations',
  );
});

test('a value of transparent_hugepage= that is none is refused', () => {
  const k = machine();
  expect(setup_transparent_hugepage(k, 'sometimes')).toBe(0);
  expect(printed(k).at(-1)).toBe('huge_memory: transparent_hugepage= cannot parse, ignored');
  expect(k.khugepaged.enabled).toBe('always');
});

test.each([
  [0, 1],
  [3840, 1],
  [16 * 1024, 3],
  [64 * 1024, 15],
  [200 * 1024, 63],
  [2 ** 30, 63],
])('a zone of %i managed pages moves %i at a time', (managed, batch) => {
  expect(Math.max(1, zone_batchsize(managed))).toBe(batch);
});

test("a CPU's lists may hold the low watermark divided by the node's CPUs, at least four batches", () => {
  const k = machine();
  init_per_zone_wmark_min(k);
  const [dma, dma32] = k.node_data[0]!.node_zones;
  expect([pcp_high(k, dma!, 0), pcp_batch(k, dma!, 0)]).toEqual([13, 1]);
  expect([pcp_high(k, dma32!, 0), pcp_batch(k, dma32!, 0)]).toEqual([1908, 63]);
  dma!.managed_pages = 0;
  dma32!.managed_pages = 40;
  setup_per_zone_wmarks(k);
  expect(pcp_high(k, dma32!, 0)).toBe(1419 + Math.floor(1419 / 4));
});

// 128 MiB are 32768 pages.
test.each([
  { cpus: 1, managed: 3840, threshold: 2 },
  { cpus: 2, managed: 3840, threshold: 4 },
  { cpus: 2, managed: 250000, threshold: 16 },
  { cpus: 2, managed: 500573, threshold: 20 },
  { cpus: 16, managed: 3840, threshold: 10 },
  { cpus: 64, managed: 1000000, threshold: 84 },
  { cpus: 1024, managed: 4000000, threshold: 125 },
])('$cpus CPUs, $managed pages: diffs up to $threshold', ({ cpus, managed, threshold }) => {
  expect(calculate_normal_threshold(managed, cpus)).toBe(threshold);
});

test('while a watermark is boosted, per-cpu lists may hold more, and more of the zone counts as reserved', () => {
  const k = machine();
  init_per_zone_wmark_min(k);
  const dma32 = k.node_data[0]!.node_zones[1]!;
  dma32.watermark_boost = 512;
  zone_pcp_update(k, dma32, 0);
  expect(pcp_high(k, dma32, 0)).toBe(1908 + 512);
  setup_per_zone_lowmem_reserve(k);
  expect(k.watermark.totalreserve_pages).toBe(16 + 1953 + 2408 + 512);
});

test('new watermarks end a boost', () => {
  const k = machine();
  init_per_zone_wmark_min(k);
  const dma32 = k.node_data[0]!.node_zones[1]!;
  dma32.watermark_boost = 512;
  zone_pcp_update(k, dma32, 0);
  setup_per_zone_wmarks(k);
  expect([dma32.watermark_boost, pcp_high(k, dma32, 0)]).toEqual([0, 1908]);
});
