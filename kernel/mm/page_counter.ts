// Pages counted in a tree, each counter with a limit (Linux: mm/page_counter.c): what one counts, those above it count too.
//
// Left out: protection (min, low), which is reclaim's.

import { EBUSY } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';

/** LONG_MAX / PAGE_SIZE: no limit. */
export const PAGE_COUNTER_MAX = 2 ** 51 - 1;

export class page_counter {
  readonly parent: page_counter | null;
  usage = 0;
  max = PAGE_COUNTER_MAX;
  /** The most that it ever was. */
  watermark = 0;
  /** How often a charge failed at this counter's limit. */
  failcnt = 0;

  constructor(parent: page_counter | null) {
    this.parent = parent;
  }
}

function page_counter_cancel(k: Kernel, counter: page_counter, nr_pages: number): void {
  const left = counter.usage - nr_pages;
  const text = `page_counter underflow: ${left} nr_pages=${nr_pages}`;
  counter.usage = WARN_ONCE(k, left < 0, 'mm/page_counter.c:55 page_counter_cancel', text) ? 0 : left;
}

/** Whatever the limits say. */
export function page_counter_charge(counter: page_counter, nr_pages: number): void {
  for (let c: page_counter | null = counter; c !== null; c = c.parent) {
    c.usage += nr_pages;
    c.watermark = Math.max(c.watermark, c.usage);
  }
}

/** @returns null, or the counter whose limit was in the way: then nothing is charged */
export function page_counter_try_charge(k: Kernel, counter: page_counter, nr_pages: number): page_counter | null {
  for (let c: page_counter | null = counter; c !== null; c = c.parent) {
    if (c.usage + nr_pages > c.max) {
      c.failcnt++;
      for (let d = counter; d !== c; d = d.parent!) page_counter_cancel(k, d, nr_pages);
      return c;
    }
    c.usage += nr_pages;
    c.watermark = Math.max(c.watermark, c.usage);
  }
  return null;
}

export function page_counter_uncharge(k: Kernel, counter: page_counter, nr_pages: number): void {
  for (let c: page_counter | null = counter; c !== null; c = c.parent) page_counter_cancel(k, c, nr_pages);
}

/** @returns 0, or -EBUSY where more is in use */
export function page_counter_set_max(counter: page_counter, nr_pages: number): number {
  if (counter.usage > nr_pages) return -EBUSY;
  counter.max = nr_pages;
  return 0;
}
