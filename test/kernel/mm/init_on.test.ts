import { describe, expect, test } from 'vitest';
import { __GFP_MOVABLE, __GFP_NOWARN, __GFP_ZERO, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { early_init_on_free } from '../../../kernel/mm/init_on.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

const GFP = GFP_KERNEL | __GFP_NOWARN;
/** What firmware has left everywhere in memory. */
const machine = (): Kernel =>
  drawnAllocator({
    memory: '0',
    unit: 32 * MiB,
    setup: (k) => {
      k.hw.ram.fill(MiB, 31 * MiB, 0x5a);
      early_init_on_free(k, '1');
    },
  });
const bytes = (k: Kernel, pfn: number, order: number): Uint8Array => k.hw.ram.read(pfn * 4096, 4096 << order);
const isZero = (k: Kernel, pfn: number, order: number): boolean => bytes(k, pfn, order).every((byte) => byte === 0);

describe('init_on_free=1', () => {
  test.each([
    ['a page', GFP, 0],
    ['a page that is asked to be zero', GFP | __GFP_ZERO, 0],
    ['a block of a per-cpu list', GFP | __GFP_MOVABLE, 3],
    ['a large one', GFP, 10],
  ] as const)('%s holds nothing of what was there before boot', (_, gfp, order) => {
    const k = machine();
    expect(isZero(k, __alloc_pages(k, gfp, order, 0), order)).toBe(true);
  });

  test('nor of its last owner, as soon as it is free', () => {
    const k = machine();
    const pfn = __alloc_pages(k, GFP, 2, 0);
    k.hw.ram.fill(pfn * 4096, 4 * 4096, 0x11);
    __free_pages(k, pfn, 2);
    expect(isZero(k, pfn, 2)).toBe(true);
  });

  test('what is written to a free page is there when it is handed out, asked to be zero or not: nothing is cleared twice', () => {
    const k = machine();
    const pfn = __alloc_pages(k, GFP, 0, 0);
    __free_pages(k, pfn, 0);
    k.hw.ram.set_u8(pfn * 4096 + 9, 7);
    expect(__alloc_pages(k, GFP | __GFP_ZERO, 0, 0)).toBe(pfn);
    expect(bytes(k, pfn, 0)[9]).toBe(7);
  });
});
