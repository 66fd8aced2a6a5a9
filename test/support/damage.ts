// Histories of requests in which words of the allocator's own structures are overwritten now and then, as a program on
// the machine could. All of them lie in RAM: struct page, struct zone, what CPUs have of a zone, pageblock flags.

import fc from 'fast-check';
import { debian, type KernelConfig, recorder } from '../../kernel/config.ts';
import { proc_read } from '../../kernel/fs/proc/root.ts';
import {
  __GFP_COMP,
  __GFP_DIRECT_RECLAIM,
  __GFP_HIGH,
  __GFP_NOWARN,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
} from '../../kernel/include/gfp_types.ts';
import { PAGE_WORDS, PG_LRU_NEXT, PG_REFCOUNT } from '../../kernel/include/mm_types.ts';
import { MIGRATE_MOVABLE } from '../../kernel/include/mmzone.ts';
import { PAGE_SIZE } from '../../kernel/include/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { KernelBug, KernelPanic } from '../../kernel/lib/bug.ts';
import { alloc_contig_range } from '../../kernel/mm/alloc_contig.ts';
import { __alloc_pages_bulk } from '../../kernel/mm/bulk.ts';
import { page_index, section_map } from '../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages, split_page } from '../../kernel/mm/page_alloc.ts';
import { start_isolate_page_range, undo_isolate_page_range } from '../../kernel/mm/page_isolation.ts';
import { drain_all_pages } from '../../kernel/mm/pcp.ts';
import { vmstat_update } from '../../kernel/mm/vmstat_update.ts';
import { zone_cpu } from '../../kernel/mm/zone_cpu.ts';
import { drawnAllocator } from './allocator.ts';
import { plain } from './allocator_steps.ts';
import { MiB } from './hw.ts';

const DMA32_START = 0x1000;
const UNIT = 32 * MiB;
const NR_PAGES = UNIT / PAGE_SIZE;

const looks: KernelConfig = { ...debian, DEFERRED_STRUCT_PAGE_INIT: false };
const configs = {
  recorder,
  debian: looks,
  'debian, which goes on': { ...looks, BUG_ON_DATA_CORRUPTION: false },
  'debian with DEBUG_VM': { ...looks, DEBUG_VM: true },
} satisfies Record<string, KernelConfig>;

const gfps = [
  GFP_KERNEL,
  GFP_HIGHUSER_MOVABLE,
  GFP_ATOMIC,
  GFP_KERNEL | __GFP_COMP,
  (GFP_ATOMIC & ~__GFP_DIRECT_RECLAIM) | __GFP_HIGH,
].map((gfp) => (gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN);

interface Step {
  readonly what: number;
  readonly order: number;
  readonly gfp: number;
  readonly pick: number;
}
const step: fc.Arbitrary<Step> = plain({
  what: fc.nat(99),
  order: fc.oneof(fc.nat(3), fc.nat(10)),
  gfp: fc.nat(gfps.length - 1),
  pick: fc.nat(0xffff),
});

interface Damage {
  readonly where: 'page' | 'zone' | 'pcp' | 'stat' | 'usemap';
  readonly pick: number;
  readonly word: number;
  /** What becomes of the word: another, itself with a bit turned over, or one that stands elsewhere. */
  readonly change: 'set' | 'flip' | 'copy';
  readonly value: number;
  /** What is asked for after it. */
  readonly steps: readonly Step[];
}
const damage: fc.Arbitrary<Damage> = plain({
  where: fc.constantFrom('page', 'page', 'page', 'page', 'zone', 'pcp', 'stat', 'usemap'),
  pick: fc.nat(0xffff),
  word: fc.nat(0xffff),
  value: fc.oneof(fc.constantFrom(0, -1, 0x40, 0x7fffffff), fc.nat(40), fc.integer()),
  change: fc.constantFrom('set', 'flip', 'flip', 'copy'),
  steps: fc.array(step, { minLength: 40, maxLength: 40 }),
});

export interface Damaged {
  readonly config: keyof typeof configs;
  readonly first: readonly Step[];
  readonly damages: readonly Damage[];
}
export const anyDamaged: fc.Arbitrary<Damaged> = plain({
  config: fc.constantFrom(...(Object.keys(configs) as (keyof typeof configs)[])),
  first: fc.array(step, { minLength: 60, maxLength: 60 }),
  damages: fc.array(damage, { minLength: 1, maxLength: 4 }),
});

interface Block {
  readonly pfn: number;
  readonly order: number;
  readonly compound: boolean;
}

function run(k: Kernel, taken: Block[], { what, order, gfp, pick }: Step): void {
  if (what < 50) {
    const pfn = __alloc_pages(k, gfps[gfp]!, order, 0);
    if (pfn >= 0) taken.push({ pfn, order, compound: (gfps[gfp]! & __GFP_COMP) !== 0 });
  } else if (what < 90 && taken.length > 0) {
    const [{ pfn, order: size }] = taken.splice(pick % taken.length, 1) as [Block];
    __free_pages(k, pfn, size);
  } else if (what < 92 && taken.length > 0) {
    const [{ pfn, order: size, compound }] = taken.splice(pick % taken.length, 1) as [Block];
    if (compound) {
      __free_pages(k, pfn, size);
      return;
    }
    split_page(k, pfn, size);
    for (let p = 0; p < 1 << size; p++) __free_pages(k, pfn + p, 0);
  } else if (what < 93) {
    const start = (pick % 32) * 256;
    const pages = 512 << (pick & 1);
    // Callers see to it that the range is of one zone: else Linux looks for pages to migrate for ever.
    if (start < DMA32_START && start + pages > DMA32_START) return;
    if (alloc_contig_range(k, start, start + pages, MIGRATE_MOVABLE) === 0) {
      for (let pfn = start; pfn < start + pages; pfn++) taken.push({ pfn, order: 0, compound: false });
    }
  } else if (what < 94) {
    const start = (pick % 16) * 512;
    if (start_isolate_page_range(k, start, start + 512, MIGRATE_MOVABLE, pick & 3) === 0) {
      undo_isolate_page_range(k, start, start + 512, MIGRATE_MOVABLE);
    }
  } else if (what < 95) {
    const pages: number[] = [];
    __alloc_pages_bulk(k, gfps[gfp]!, 0, null, 1 + (pick % 40), pages);
    for (const pfn of pages) taken.push({ pfn, order: 0, compound: false });
  } else if (what < 96) {
    drain_all_pages(k, null);
  } else if (what < 97) {
    vmstat_update(k);
  } else {
    const files = ['buddyinfo', 'meminfo', 'pagetypeinfo', 'vmstat', 'zoneinfo'];
    proc_read(k, `/proc/${files[pick % files.length]!}`);
  }
}

/** Pages that are in use here, or that are free and on a list. */
function pagesOf(k: Kernel, taken: readonly Block[]): number[] {
  const pages = taken.map(({ pfn }) => pfn);
  for (let pfn = 0; pfn < NR_PAGES; pfn++) {
    const i = page_index(pfn);
    const m = section_map(k.mm, pfn);
    if (m[i + PG_REFCOUNT] === 0 && m[i + PG_LRU_NEXT] !== 0) pages.push(pfn);
  }
  return pages;
}

/** The words that the damage is done to. */
function target(k: Kernel, where: Damage['where'], pick: number, taken: readonly Block[]): Int32Array {
  const zone = k.node_data[0]!.node_zones[pick & 1]!;
  if (where === 'zone') return zone.view;
  if (where === 'pcp') return zone_cpu(k, zone, 0).pcp;
  if (where === 'stat') return zone_cpu(k, zone, 0).stat;
  if (where === 'usemap') return k.mm.section_usemap[0]!;
  const pages = pagesOf(k, taken);
  // The second page of a compound page says how large it is.
  const pfn = (pages[pick % pages.length] ?? 0) + (pick % 5 === 0 ? 1 : 0);
  return section_map(k.mm, pfn).subarray(page_index(pfn), page_index(pfn) + PAGE_WORDS);
}

function harm(k: Kernel, { where, pick, word, change, value }: Damage, taken: readonly Block[]): void {
  const words = target(k, where, pick, taken);
  const at = word % words.length;
  if (change === 'set') words[at] = value;
  else if (change === 'flip') words[at]! ^= 1 << (value & 31);
  else {
    const from = target(k, where, pick + (value & 7), taken);
    // Most words of a page that matter are pointers: those of pages and of lists, low and high.
    words[at] = from[((at & 1) + 2 * ((value >>> 3) & 0xff)) % from.length]!;
  }
}

/** @returns what the kernel ended with, or null */
export function play({ config, first, damages }: Damaged): string | null {
  const k = drawnAllocator({ memory: '0', unit: UNIT, config: configs[config] });
  const taken: Block[] = [];
  for (const one of first) run(k, taken, one);
  try {
    for (const one of damages) {
      harm(k, one, taken);
      for (const then of one.steps) run(k, taken, then);
    }
  } catch (error) {
    if (error instanceof KernelBug || error instanceof KernelPanic) return error.message;
    throw error;
  }
  return null;
}
