// A zone with no free pages, to put blocks into; and free lists as text.

import { recorder } from '../../kernel/config.ts';
import { __GFP_BITS_MASK } from '../../kernel/include/gfp_types.ts';
import { PAGE_WORDS, PG_FLAGS, PG_REFCOUNT } from '../../kernel/include/mm_types.ts';
import { MAX_ORDER, MIGRATE_MOVABLE } from '../../kernel/include/mmzone.ts';
import { PG_reserved } from '../../kernel/include/page_flags.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { __free_one_page, FPI_NONE } from '../../kernel/mm/buddy.ts';
import { for_each_free_page } from '../../kernel/mm/free_list.ts';
import { memblock_reserve } from '../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../kernel/mm/memblock_free.ts';
import type { Zone } from '../../kernel/mm/mmzone.ts';
import { page_index, page_zone, section_map } from '../../kernel/mm/page.ts';
import { get_pageblock_migratetype, set_pageblock_migratetype } from '../../kernel/mm/pageblock.ts';
import { setup_per_cpu_pageset } from '../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../kernel/mm/percpu.ts';
import { build_all_zonelists } from '../../kernel/mm/zonelist.ts';
import { MiB } from './hw.ts';
import { drawnZones } from './zoned.ts';

/** Eight pageblocks from here on are nobody's; offsets are from here. */
export const BASE = 0x2000;
const BLOCKS = 8;

/** 64 MiB, DMA and DMA32, all of it taken. Watermarks are 0. */
export function emptyZone(): { k: Kernel; zone: Zone } {
  const k = drawnZones({ memory: '0000', unit: 16 * MiB, config: recorder });
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  memblock_reserve(k, 0, 64 * MiB);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  k.page_alloc.gfp_allowed_mask = __GFP_BITS_MASK;
  const m = section_map(k.mm, BASE);
  for (let p = 0; p < 512 * BLOCKS; p++) {
    const i = page_index(BASE + p);
    m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~(1 << PG_reserved);
    m[i + PG_REFCOUNT] = 0;
  }
  const zone = page_zone(k, BASE);
  zone.managed_pages = 512 * BLOCKS;
  return { k, zone };
}

/** Frees a block, to the list of `type`. */
export const freeBlock = (k: Kernel, offset: number, order: number, type = MIGRATE_MOVABLE): void =>
  __free_one_page(k, BASE + offset, page_zone(k, BASE + offset), order, type, FPI_NONE);

/** Migratetypes of the pageblocks from BASE on, a digit each. */
export function setTypes(k: Kernel, types: string): void {
  for (const [n, type] of [...types].entries()) set_pageblock_migratetype(k, BASE + 512 * n, Number(type));
}
export const types = (k: Kernel, count: number): string =>
  Array.from({ length: count }, (_, n) => get_pageblock_migratetype(k, BASE + 512 * n)).join('');

/** "order/type: offsets from BASE, head to tail" of every list that is not empty. */
export function lists(k: Kernel, zone: Zone): string[] {
  const found: string[] = [];
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let type = 0; type < 6; type++) {
      const pfns = [...for_each_free_page(k, zone, order, type)].map((pfn) => pfn - BASE);
      if (pfns.length > 0) found.push(`${order}/${type}: ${pfns.join(' ')}`);
    }
  }
  return found;
}

/** Word `word` of the struct page at an offset. */
export function pageWord(k: Kernel, offset: number, word: number): { m: Int32Array; i: number } {
  const page = Math.floor(word / PAGE_WORDS);
  return { m: section_map(k.mm, BASE + offset + page), i: page_index(BASE + offset + page) + (word % PAGE_WORDS) };
}
