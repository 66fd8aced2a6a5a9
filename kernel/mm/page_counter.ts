// Pages counted in a tree, each counter with a limit (Linux: mm/page_counter.c): what one counts, those above it count too.

import { EBUSY } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';

/** LONG_MAX / PAGE_SIZE: no limit. */
export const PAGE_COUNTER_MAX = 2 ** 51 - 1;

export class page_counter {
  readonly parent: page_counter | null;
  usage = 0;
  max = PAGE_COUNTER_MAX;
  high = PAGE_COUNTER_MAX;
  /** What reclaim is to leave alone, and to leave alone as long as there is something else; as last found in the tree. */
  min = 0;
  low = 0;
  emin = 0;
  elow = 0;
  /** How much of that is in use, here and by children together. */
  min_usage = 0;
  low_usage = 0;
  children_min_usage = 0;
  children_low_usage = 0;
  /** The most that it ever was. */
  watermark = 0;
  /** How often a charge failed at this counter's limit. */
  failcnt = 0;

  constructor(parent: page_counter | null) {
    this.parent = parent;
  }
}

/** What is in use of what is protected counts for the one above. */
function propagate_protected_usage(c: page_counter): void {
  if (c.parent === null) return;
  const min_usage = Math.min(c.usage, c.min);
  const low_usage = Math.min(c.usage, c.low);
  c.parent.children_min_usage += min_usage - c.min_usage;
  c.parent.children_low_usage += low_usage - c.low_usage;
  c.min_usage = min_usage;
  c.low_usage = low_usage;
}

function page_counter_cancel(k: Kernel, counter: page_counter, nr_pages: number): void {
  const left = counter.usage - nr_pages;
  const text = `page_counter underflow: ${left} nr_pages=${nr_pages}`;
  counter.usage = WARN_ONCE(k, left < 0, 'mm/page_counter.c:55 page_counter_cancel', text) ? 0 : left;
  propagate_protected_usage(counter);
}

/** Whatever the limits say. */
export function page_counter_charge(counter: page_counter, nr_pages: number): void {
  for (let c: page_counter | null = counter; c !== null; c = c.parent) {
    c.usage += nr_pages;
    propagate_protected_usage(c);
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
    propagate_protected_usage(c);
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

export function page_counter_set_min(counter: page_counter, nr_pages: number): void {
  counter.min = nr_pages;
  for (let c: page_counter | null = counter; c !== null; c = c.parent) propagate_protected_usage(c);
}

export function page_counter_set_low(counter: page_counter, nr_pages: number): void {
  counter.low = nr_pages;
  for (let c: page_counter | null = counter; c !== null; c = c.parent) propagate_protected_usage(c);
}
