// `pgdat bench alloc`: what requests cost on this host, in a booted kernel, in nanoseconds of this process's time.
//
// Pairs of an allocation and a free are measured as the recorder measures Linux: a loop of GFP_ATOMIC on one CPU. As in
// a system that has run, free lists of most orders hold a block whose buddy is in use, so a pair neither splits nor
// merges. The mixes are about whole zones: filled and emptied, fragmented, and with a node that is full.

import { parseQemuOptions } from '../emu/config/qemu_options.ts';
import { type KernelConfig, recorder } from '../kernel/config.ts';
import {
  __GFP_BITS_MASK,
  __GFP_MOVABLE,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  __GFP_THISNODE,
  GFP_ATOMIC,
  GFP_NOWAIT,
} from '../kernel/include/gfp_types.ts';
import { MAX_ORDER } from '../kernel/include/mmzone.ts';
import type { gfp_t } from '../kernel/include/types.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { buddy_order, PageBuddy } from '../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../kernel/mm/page_alloc.ts';
import { UsageError } from './command.ts';
import { bootLab } from './lab.ts';
import { processTime } from './process_time.ts';
import { type Spread, spread } from './spread.ts';

export interface PairResult {
  readonly order: number;
  /** Median of the rounds. */
  readonly ns: number;
  readonly min: number;
  readonly max: number;
  /** What a pair left on the JavaScript heap. */
  readonly garbage_bytes: number;
}

export interface MixResult {
  readonly name: string;
  /** What one operation is. */
  readonly what: string;
  readonly ns: number;
  readonly min: number;
  readonly max: number;
}

const GFP = GFP_ATOMIC | __GFP_NOWARN;

/** A kernel of the default machine, or of the one that QEMU's options describe. */
export function benchKernel(qemu: readonly string[] = [], config: KernelConfig = recorder): Kernel {
  const parsed = parseQemuOptions(qemu);
  if ('errors' in parsed) throw new UsageError(parsed.errors);
  const { kernel, stopped } = bootLab({ machine: parsed.config, kernel: config, cmdline: '', firmware: 'none' });
  if (stopped !== null) throw stopped;
  kernel.page_alloc.gfp_allowed_mask = __GFP_BITS_MASK;
  return kernel;
}

function pairs(k: Kernel, order: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const pfn = __alloc_pages(k, GFP, order, 0, null);
    if (pfn >= 0) __free_pages(k, pfn, order);
  }
}

/** Brings free lists to where those of a system are that has run: of each order a block is free whose buddy is in use. */
function age(k: Kernel): void {
  // Per-cpu lists take what they want first.
  for (const order of [0, 1, 2, 3, 9]) pairs(k, order, 1);
  for (let order = 4; order < MAX_ORDER - 1; order++) {
    const pfn = __alloc_pages(k, GFP, order, 0, null);
    const buddy = pfn ^ (1 << order);
    const buddy_is_free = PageBuddy(k, buddy) && buddy_order(k, buddy) === order;
    if (!buddy_is_free) __free_pages(k, pfn, order);
  }
}

/** ns a pair, of each round. Orders take turns, so that what else the host does meets all of them. */
export function benchPairs(k: Kernel, rounds: number): PairResult[] {
  age(k);
  const counts = Array.from({ length: MAX_ORDER }, (_, order) => (order <= 3 ? 100_000 : 200_000 >> (order - 3)));
  const found: number[][] = counts.map(() => []);
  for (let round = -2; round < rounds; round++) {
    for (let order = 0; order < MAX_ORDER; order++) {
      const begun = processTime();
      pairs(k, order, counts[order]!);
      const ns = (processTime() - begun) / counts[order]!;
      if (round >= 0) found[order]!.push(ns);
    }
  }
  return found.map((ns, order) => {
    const { median, min, max }: Spread = spread(ns);
    return { order, ns: median, min, max, garbage_bytes: garbage(k, order, counts[order]!) };
  });
}

/** Growth of the heap over `count` pairs; the least of some tries, as others' garbage may be collected meanwhile. */
function garbage(k: Kernel, order: number, count: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const before = process.memoryUsage().heapUsed;
    pairs(k, order, count);
    const grown = process.memoryUsage().heapUsed - before;
    if (grown >= 0) least = Math.min(least, grown);
  }
  // Asking costs some bytes itself.
  return Math.floor(least / count);
}

/** Shuffled the same way each time. */
function shuffle(list: number[]): void {
  let seed = 1;
  for (let i = list.length - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1);
    const kept = list[i]!;
    list[i] = list[j]!;
    list[j] = kept;
  }
}

/** Single pages of one node, until there are no more. */
function fill(k: Kernel, gfp: gfp_t, nid: number, pages: number[]): void {
  for (;;) {
    const pfn = __alloc_pages(k, gfp | __GFP_THISNODE | __GFP_NOWARN, 0, nid, null);
    if (pfn < 0) return;
    pages.push(pfn);
  }
}

function empty(k: Kernel, pages: number[]): void {
  for (const pfn of pages) __free_pages(k, pfn, 0);
  pages.length = 0;
}

interface Mix {
  readonly name: string;
  readonly what: string;
  /** @returns ns an operation */
  readonly run: (k: Kernel) => number;
}

/** Two steps of one round that are measured apart. */
function timed(count: number, step: () => void): number {
  const begun = processTime();
  step();
  return (processTime() - begun) / count;
}

const mixes: readonly Mix[] = [
  {
    name: 'fill',
    what: 'a page of a node that is filled page by page',
    run: (k) => {
      const pages: number[] = [];
      const begun = processTime();
      fill(k, GFP_NOWAIT, 1, pages);
      const ns = (processTime() - begun) / pages.length;
      empty(k, pages);
      return ns;
    },
  },
  {
    name: 'random free',
    what: 'a page of a full node, freed in random order',
    run: (k) => {
      const pages: number[] = [];
      fill(k, GFP_NOWAIT, 1, pages);
      shuffle(pages);
      return timed(pages.length, () => empty(k, pages));
    },
  },
  {
    name: 'fallback',
    what: 'an unmovable or reclaimable page among movable ones, every other of which was freed',
    run: (k) => {
      const movable: number[] = [];
      fill(k, GFP_NOWAIT | __GFP_MOVABLE, 1, movable);
      const kept = movable.filter((pfn) => (pfn & 1) !== 0);
      for (const pfn of movable) if ((pfn & 1) === 0) __free_pages(k, pfn, 0);
      const others: number[] = [];
      const begun = processTime();
      for (let i = 0; i < kept.length >> 1; i++) {
        const gfp = GFP_NOWAIT | __GFP_THISNODE | __GFP_NOWARN | ((i & 1) === 0 ? 0 : __GFP_RECLAIMABLE);
        const pfn = __alloc_pages(k, gfp, 0, 1, null);
        if (pfn < 0) break;
        others.push(pfn);
      }
      const ns = (processTime() - begun) / others.length;
      empty(k, others);
      empty(k, kept);
      return ns;
    },
  },
  {
    name: 'cross-node',
    what: 'a pair whose preferred node is full, so that it is served by another',
    run: (k) => {
      const pages: number[] = [];
      fill(k, GFP_NOWAIT, 1, pages);
      const count = 200_000;
      const ns = timed(count, () => {
        for (let i = 0; i < count; i++) {
          const pfn = __alloc_pages(k, GFP_NOWAIT | __GFP_NOWARN, 0, 1, null);
          if (pfn >= 0) __free_pages(k, pfn, 0);
        }
      });
      empty(k, pages);
      return ns;
    },
  },
];

export function benchMixes(k: Kernel, rounds: number): MixResult[] {
  return mixes.map(({ name, what, run }) => {
    const found: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const ns = run(k);
      if (round >= 0) found.push(ns);
    }
    const { median, min, max } = spread(found);
    return { name, what, ns: median, min, max };
  });
}

const range = (min: number, max: number): string => `(${min.toFixed(1)} to ${max.toFixed(1)})`;

/** @param linux Linux's ns a pair by order, where they were measured; null: they were not */
export function pairsText(results: readonly PairResult[], linux: readonly number[] | null): string {
  return results
    .map(({ order, ns, min, max, garbage_bytes }) => {
      const its = linux?.[order];
      const beside = its === undefined ? '' : `, Linux ${its.toFixed(1)}, ratio ${(ns / its).toFixed(2)}`;
      const line = `order ${String(order).padStart(2)}  ${ns.toFixed(1).padStart(8)} ns per alloc+free pair`;
      return `${line}  ${range(min, max)}, ${garbage_bytes} bytes of garbage${beside}`;
    })
    .join('\n');
}

export const mixesText = (results: readonly MixResult[]): string =>
  results
    .map(({ name, what, ns, min, max }) => {
      return `${name.padEnd(12)} ${ns.toFixed(1).padStart(7)} ns for ${what}  ${range(min, max)}`;
    })
    .join('\n');
