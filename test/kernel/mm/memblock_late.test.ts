import { expect, it } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import {
  memblock_allow_resize,
  memblock_phys_free,
  memblock_replace_reserved,
  memblock_reserve,
} from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { memblock_discard, memblock_free_late } from '../../../kernel/mm/memblock_late.ts';
import { PageBuddy } from '../../../kernel/mm/page.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones } from '../../support/zoned.ts';

/** 64 MiB of one node, freed to the buddy allocator, with `crowd` single pages from 32 MiB on reserved before. */
function booted(crowd: number): Kernel {
  const k = drawnZones({
    memory: '00000000',
    unit: 8 * MiB,
    config: { ...debian, DEFERRED_STRUCT_PAGE_INIT: false },
    setup: memblock_allow_resize,
  });
  for (let i = 0; i < crowd; i++) memblock_reserve(k, 32 * MiB + i * 0x2000, 0x1000);
  memblock_free_all(k);
  return k;
}

const managed = (k: Kernel): number => k.node_data[0]!.node_zones.reduce((sum, zone) => sum + zone.managed_pages, 0);

it('a reserved block freed late is whole pages for the buddy allocator, and stays reserved in the list', () => {
  const k = booted(1);
  const before = [managed(k), k.mm.totalram_pages, k.memblock.reserved.total_size];
  expect(PageBuddy(k, (32 * MiB) / 0x1000)).toBe(false);
  memblock_free_late(k, 32 * MiB - 0x800, 0x1fff);
  expect([managed(k), k.mm.totalram_pages, k.memblock.reserved.total_size]).toEqual([
    before[0]! + 1,
    before[1]! + 1,
    before[2],
  ]);
});

it('the array of a list that grew is free memory in the end, once', () => {
  const k = booted(200);
  const { reserved } = k.memblock;
  expect(reserved.max).toBe(256);
  const [array, before] = [reserved.array_pa, managed(k)];
  memblock_discard(k);
  memblock_discard(k);
  expect(managed(k)).toBe(before + 2);
  expect(reserved.array_pa).toBe(0);
  expect(array).toBeGreaterThan(0);
  // The list itself can still be read.
  expect(reserved.regions.length).toBeGreaterThan(200);
});

it('lists that never grew give nothing back', () => {
  const k = booted(10);
  const before = managed(k);
  memblock_discard(k);
  expect(managed(k)).toBe(before);
});

it('an array that a recording of reservations took the place of is not freed', () => {
  const k = booted(200);
  memblock_replace_reserved(k, [{ base: 0, size: MiB, flags: 0, nid: 0 }]);
  const before = managed(k);
  memblock_discard(k);
  expect(managed(k)).toBe(before);
  expect(memblock_phys_free(k, 0, MiB)).toBe(0);
});
