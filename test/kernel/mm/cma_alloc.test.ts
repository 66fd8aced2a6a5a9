import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { vmstat_show } from '../../../kernel/fs/proc/vmstat.ts';
import { __GFP_NOWARN, GFP_HIGHUSER_MOVABLE } from '../../../kernel/include/gfp_types.ts';
import { KernelBug } from '../../../kernel/lib/bug.ts';
import { cma_init_reserved_areas, dma_contiguous_reserve, early_cma } from '../../../kernel/mm/cma.ts';
import { cma_alloc, cma_release } from '../../../kernel/mm/cma_alloc.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { free_area_init } from '../../../kernel/mm/mm_init.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { setup_per_cpu_pageset } from '../../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import { sparse_init } from '../../../kernel/mm/sparse.ts';
import { build_all_zonelists } from '../../../kernel/mm/zonelist.ts';
import { MiB } from '../../support/hw.ts';
import { drawnMemory, printed } from '../../support/zoned.ts';

/** An area of four pageblocks. */
function machine(config = recorder) {
  const k = drawnMemory({ memory: '0', unit: 64 * MiB, config });
  early_cma(k, '8M@0x2000000-0x2800000');
  dma_contiguous_reserve(k, 64 * MiB);
  sparse_init(k);
  free_area_init(k, [0x1000, 0x4000, 0x4000, 0, 0]);
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  cma_init_reserved_areas(k);
  const area = k.cma.dma_contiguous_default_area!;
  const counted = (): string[] => vmstat_show(k).match(/^cma_alloc_.*$/gm) ?? [];
  const reports = (): string[] => printed(k).filter((line) => line.includes('cma_alloc'));
  return { k, area, base: area.base_pfn, counted, reports };
}

test('first fit, at multiples of what is asked for; successes and failures are counted', () => {
  const { k, area, base, counted } = machine();
  expect([
    cma_alloc(k, area, 3, 0, false),
    cma_alloc(k, area, 4, 2, false),
    cma_alloc(k, area, 1, 0, false),
    cma_alloc(k, area, 2, 1, false),
  ]).toEqual([base, base + 4, base + 3, base + 8]);
  expect(cma_alloc(k, null, 1, 0, false)).toBe(-1);
  expect(counted()).toEqual(['cma_alloc_success 4', 'cma_alloc_fail 1']);
});

test('past a page in use', () => {
  const { k, area, base } = machine();
  const taken: number[] = [];
  while (!taken.includes(base + 10)) taken.push(__alloc_pages(k, GFP_HIGHUSER_MOVABLE | __GFP_NOWARN, 0, 0));
  for (const pfn of taken) if (pfn !== base + 10) __free_pages(k, pfn, 0);
  expect(cma_alloc(k, area, 16, 4, false)).toBe(base + 16);
});

test('what fails is reported, unless it is not to be; what cannot be is not', () => {
  const { k, area, counted, reports } = machine();
  cma_alloc(k, area, 1, 0, false);
  expect(cma_alloc(k, area, 2048, 0, true)).toBe(-1);
  expect(cma_alloc(k, area, 2049, 0, false)).toBe(-1);
  expect(cma_alloc(k, area, 0, 0, false)).toBe(-1);
  expect(reports()).toEqual([]);
  for (let n = 0; n < 12; n++) cma_alloc(k, area, 2048, 0, false);
  expect(reports()).toEqual(
    new Array(10).fill('cma: cma_alloc: reserved: alloc failed, req-size: 2048 pages, ret: -12'),
  );
  expect(counted()).toEqual(['cma_alloc_success 1', 'cma_alloc_fail 15']);
});

test('what lies outside of the area is not taken back; beyond its end is a bug', () => {
  const { k, area, base } = machine({ ...recorder, DEBUG_VM: true });
  const pfn = cma_alloc(k, area, 8, 0, false);
  expect([cma_release(k, area, base - 1, 1), cma_release(k, area, base + 2048, 1)]).toEqual([false, false]);
  expect(cma_release(k, null, pfn, 8)).toBe(false);
  expect(cma_release(k, area, pfn, 8)).toBe(true);
  expect(() => cma_release(k, area, base + 2047, 2)).toThrow(KernelBug);
});
