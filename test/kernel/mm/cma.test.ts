import { expect, test } from 'vitest';
import { debian, recorder } from '../../../kernel/config.ts';
import { MIGRATE_CMA, MIGRATE_MOVABLE, NR_FREE_CMA_PAGES } from '../../../kernel/include/mmzone.ts';
import { EINVAL, PAGE_SIZE, SZ_1G } from '../../../kernel/include/types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { cma_init_reserved_areas, dma_contiguous_reserve, early_cma } from '../../../kernel/mm/cma.ts';
import { for_each_free_page } from '../../../kernel/mm/free_list.ts';
import { memblock_reserve } from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { free_area_init } from '../../../kernel/mm/mm_init.ts';
import { get_pageblock_migratetype } from '../../../kernel/mm/pageblock.ts';
import { setup_per_cpu_pageset } from '../../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import { sparse_init } from '../../../kernel/mm/sparse.ts';
import { zone_page_state } from '../../../kernel/mm/vmstat.ts';
import { build_all_zonelists } from '../../../kernel/mm/zonelist.ts';
import { MiB } from '../../support/hw.ts';
import { type Drawn, drawnMemory, printed } from '../../support/zoned.ts';

const small: Drawn = { memory: '0', unit: 256 * MiB, config: recorder };

/** What `cma=` reserves on a machine, as "base+size", and what is printed. */
function reserve(option: string, drawn: Drawn = small): { area: string | null; log: string | undefined; k: Kernel } {
  const k = drawnMemory(drawn);
  early_cma(k, option);
  dma_contiguous_reserve(k, k.memblock.memory.regions.at(-1)!.base + k.memblock.memory.regions.at(-1)!.size);
  const area = k.cma.dma_contiguous_default_area;
  const text = area && `0x${(area.base_pfn * PAGE_SIZE).toString(16)}+${(area.count * PAGE_SIZE) / MiB}M`;
  return { area: text, log: printed(k).at(-1), k };
}

test.each([
  // high in memory; the node's own structures are at the very top
  { option: '16M', area: '0xee00000+16M' },
  { option: '1', area: '0xfc00000+2M' },
  { option: '16M@0x4000000', area: '0x4000000+16M' },
  { option: '16M@0x4000000-0x8000000', area: '0x7000000+16M' },
  { option: '3M@0x4000000-0x4400000', area: '0x4000000+4M' },
  // rounded up it ends above base + size, which is the limit
  { option: '3M@0x4000000', area: null },
  { option: '0', area: null },
])('cma=$option is $area', ({ option, area }) => {
  expect(reserve(option).area).toBe(area);
});

test.each([
  { option: '16M@0x4100000', log: 'cma: Region at 0x0000000004100000 must be aligned to 0x0000000000200000 bytes' },
  {
    option: '1G',
    log: 'cma: Size (0x0000000040000000) of region at 0x0000000000000000 exceeds limit (0x0000000010000000)',
  },
])('cma=$option fails: $log', ({ option, log }) => {
  const { area, k } = reserve(option);
  expect(area).toBe(null);
  expect(printed(k).slice(-2)).toEqual([
    log,
    `cma: Failed to reserve ${Number.parseInt(option, 10) * (option === '1G' ? 1024 : 1)} MiB`,
  ]);
});

test('an area at a place that is reserved, or larger than any gap, is refused', () => {
  const k = drawnMemory(small);
  memblock_reserve(k, 0x4000000, 16 * MiB);
  early_cma(k, '8M@0x4000000');
  dma_contiguous_reserve(k, 256 * MiB);
  expect(printed(k).at(-1)).toBe('cma: Failed to reserve 8 MiB');
  early_cma(k, '200M');
  dma_contiguous_reserve(k, 256 * MiB);
  expect(k.cma.cma_areas).toEqual([]);
});

test('above 4 GiB it goes low on the memory there, not into the zones that devices need', () => {
  //  0     3 GiB  4 GiB   5 GiB
  //  | 000 |   .   |  0    |
  const high: Drawn = { memory: '000.0', unit: SZ_1G, config: recorder };
  expect(reserve('256M', high)).toMatchObject({
    area: '0x100000000+256M',
    log: 'cma: Reserved 256 MiB at 0x0000000100000000',
  });
});

test('a kernel without CMA ignores cma=, and cma without a value is an error', () => {
  expect(reserve('16M', { ...small, config: debian }).area).toBe(null);
  const k = drawnMemory(small);
  expect(early_cma(k, null)).toBe(-EINVAL);
  expect(printed(k).at(-1)).toBe('cma: Config string not provided');
});

function boot(k: Kernel): void {
  sparse_init(k);
  const end = Math.max(...k.memblock.memory.regions.map(({ base, size }) => (base + size) / PAGE_SIZE));
  free_area_init(k, [Math.min(0x1000, end), Math.min(0x100000, end), end, 0, 0]);
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
}

test('an area joins its zone: managed, counted as free CMA pages, on the CMA lists in whole blocks', () => {
  const { k } = reserve('16M@0x4000000');
  boot(k);
  const dma32 = k.node_data[0]!.node_zones[1]!;
  const before = dma32.managed_pages;
  const ram = k.mm.totalram_pages;
  expect(get_pageblock_migratetype(k, 0x4000)).toBe(MIGRATE_MOVABLE);
  cma_init_reserved_areas(k);
  expect(dma32.managed_pages - before).toBe(4096);
  expect(k.mm.totalram_pages - ram).toBe(4096);
  expect([dma32.cma_pages, zone_page_state(dma32, NR_FREE_CMA_PAGES)]).toEqual([4096, 4096]);
  expect([...for_each_free_page(k, dma32, 10, MIGRATE_CMA)].sort()).toEqual([0x4000, 0x4400, 0x4800, 0x4c00]);
  expect(get_pageblock_migratetype(k, 0x4e00)).toBe(MIGRATE_CMA);
  expect(get_pageblock_migratetype(k, 0x5000)).toBe(MIGRATE_MOVABLE);
});

test('an area across two zones is of no use: its pages are ordinary ones', () => {
  //  0        16 MiB
  //  |  DMA ..[....|....].. DMA32
  const { k } = reserve('8M@0xc00000');
  boot(k);
  const [dma, dma32] = k.node_data[0]!.node_zones;
  const before = dma!.managed_pages + dma32!.managed_pages;
  cma_init_reserved_areas(k);
  expect(printed(k).at(-1)).toBe('cma: CMA area reserved could not be activated');
  expect(dma!.managed_pages + dma32!.managed_pages - before).toBe(2048);
  expect([dma!.cma_pages, dma32!.cma_pages, k.cma.totalcma_pages]).toEqual([0, 0, 0]);
});

test('an area where there is no memory map is the end of init', () => {
  // A reservation needs no memory, and nothing looks before the area is to be used.
  const { area, k } = reserve('16M@0x18000000', { ...small, memory: '0.0' });
  expect(area).toBe('0x18000000+16M');
  sparse_init(k);
  free_area_init(k, [0x1000, 0x30000, 0x30000, 0, 0]);
  expect(() => cma_init_reserved_areas(k)).toThrow('Attempted to kill init! exitcode=0x00000009');
  expect(printed(k).filter((line) => /WARNING|BUG|PF/.test(line))).toEqual([
    'WARNING: CPU: 0 PID: 0 at mm/cma.c:110 cma_init_reserved_areas',
    'BUG: unable to handle page fault for address: ffffea0000600000',
    '#PF: supervisor read access in kernel mode',
    '#PF: error_code(0x0000) - not-present page',
  ]);
});
