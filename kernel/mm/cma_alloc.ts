// Pages out of a CMA area, and back (Linux: mm/cma.c cma_alloc(), cma_release(), cma_clear_bitmap(); lib/bitmap.c
// bitmap_find_next_zero_area_off()).
//
// Left out: counts in sysfs.

import { MIGRATE_CMA } from '../include/mmzone.ts';
import { EBUSY, ENOMEM, type pfn_t } from '../include/types.ts';
import { CMA_ALLOC_FAIL, CMA_ALLOC_SUCCESS } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { BUG } from '../lib/bug.ts';
import { pr_err } from '../lib/printk.ts';
import { __ratelimit } from '../lib/ratelimit.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { alloc_contig_range_sleeping, free_contig_range } from './alloc_contig.ts';
import type { cma } from './cma.ts';
import { __count_vm_events } from './vm_event.ts';

const cma_bitmap_maxno = (area: cma): number => Math.floor(area.count / 2 ** area.order_per_bit);
const cma_bitmap_pages_to_bits = (area: cma, pages: number): number => Math.ceil(pages / 2 ** area.order_per_bit);

function bitmap_change({ bitmap }: cma, start: number, nr: number, value: boolean): void {
  for (let bit = start; bit < start + nr; bit++) {
    const mask = 1 << (bit & 31);
    bitmap[bit >>> 5] = value ? bitmap[bit >>> 5]! | mask : bitmap[bit >>> 5]! & ~mask;
  }
}

/** @returns the first bit of [start, size) where `nr` are 0 and that lies at a multiple of `align`; -1: there is none */
function find_zero_area(
  { bitmap }: cma,
  size: number,
  start: number,
  nr: number,
  align: number,
  offset: number,
): number {
  const is_set = (bit: number): boolean => ((bitmap[bit >>> 5]! >>> (bit & 31)) & 1) !== 0;
  for (let index = start; ; ) {
    while (index < size && is_set(index)) index++;
    index = Math.ceil((index + offset) / align) * align - offset;
    if (index + nr > size) return -1;
    let taken = index;
    while (taken < index + nr && !is_set(taken)) taken++;
    if (taken === index + nr) return index;
    index = taken + 1;
  }
}

function cma_clear_bitmap(area: cma, pfn: pfn_t, count: number): void {
  const first = Math.floor((pfn - area.base_pfn) / 2 ** area.order_per_bit);
  bitmap_change(area, first, cma_bitmap_pages_to_bits(area, count), false);
}

/** @returns the first page, or -errno; null: it was not even tried */
function* find_and_take(k: Kernel, area: cma, count: number, align: number): Sleeping<pfn_t | null> {
  if (area.count === 0 || count === 0) return null;
  const per_bit = 2 ** area.order_per_bit;
  const align_bits = Math.max(1, 2 ** align / per_bit);
  const offset = Math.floor((area.base_pfn % 2 ** align) / per_bit);
  const bits = cma_bitmap_pages_to_bits(area, count);
  if (bits > cma_bitmap_maxno(area)) return null;
  let ret = -ENOMEM;
  for (let start = 0; ; ) {
    const bit = find_zero_area(area, cma_bitmap_maxno(area), start, bits, align_bits, offset);
    if (bit < 0) return ret;
    bitmap_change(area, bit, bits, true);
    const pfn = area.base_pfn + bit * per_bit;
    ret = yield* alloc_contig_range_sleeping(k, pfn, pfn + count, MIGRATE_CMA);
    if (ret === 0) return pfn;
    cma_clear_bitmap(area, pfn, count);
    if (ret !== -EBUSY) return ret;
    start = bit + align_bits;
  }
}

/**
 * Takes `count` pages that lie side by side, at a multiple of 2^align pages. What is in use there is moved; where it cannot
 * be, other pages are looked for.
 * @returns the first, or -1
 */
export function* cma_alloc_sleeping(
  k: Kernel,
  area: cma | null,
  count: number,
  align: number,
  no_warn: boolean,
): Sleeping<pfn_t> {
  const found = area === null ? null : yield* find_and_take(k, area, count, align);
  if (area !== null && found !== null && found < 0 && !no_warn && __ratelimit(k, k.cma.ratelimit, 'cma_alloc')) {
    pr_err(k, `cma: cma_alloc: ${area.name}: alloc failed, req-size: ${count} pages, ret: ${found}`);
  }
  const pfn = found === null || found < 0 ? -1 : found;
  __count_vm_events(k, pfn >= 0 ? CMA_ALLOC_SUCCESS : CMA_ALLOC_FAIL, 1);
  return pfn;
}

/** The same for whoever cannot wait: there must be nothing to wait for in the area. */
export const cma_alloc = (k: Kernel, area: cma | null, count: number, align: number, no_warn: boolean): pfn_t =>
  not_sleeping(cma_alloc_sleeping(k, area, count, align, no_warn), 'cma_alloc()');

/** Gives such pages back. @returns whether they are the area's */
export function cma_release(k: Kernel, area: cma | null, pfn: pfn_t, count: number): boolean {
  if (area === null || pfn < area.base_pfn || pfn >= area.base_pfn + area.count) return false;
  if (k.config.DEBUG_VM && pfn + count > area.base_pfn + area.count) BUG(k, 'mm/cma.c:563');
  free_contig_range(k, pfn, count);
  cma_clear_bitmap(area, pfn, count);
  return true;
}
