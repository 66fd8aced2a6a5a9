import { expect, test } from 'vitest';
import * as gfp from '../../../kernel/include/gfp_types.ts';
import { ZONE_DMA, ZONE_DMA32, ZONE_MOVABLE, ZONE_NORMAL } from '../../../kernel/include/mmzone.ts';
import { format_gfp, gfp_zone, gfp_zone_bad } from '../../../kernel/mm/gfp.ts';

const { __GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM, __GFP_MOVABLE } = gfp;

test.each([
  [0, ZONE_NORMAL],
  [__GFP_DMA, ZONE_DMA],
  [__GFP_HIGHMEM, ZONE_NORMAL],
  [__GFP_DMA32, ZONE_DMA32],
  [__GFP_MOVABLE, ZONE_NORMAL],
  [__GFP_MOVABLE | __GFP_DMA, ZONE_DMA],
  [__GFP_MOVABLE | __GFP_HIGHMEM, ZONE_MOVABLE],
  [__GFP_MOVABLE | __GFP_DMA32, ZONE_DMA32],
  [gfp.GFP_KERNEL, ZONE_NORMAL],
  [gfp.GFP_HIGHUSER_MOVABLE, ZONE_MOVABLE],
])('zone bits %i allow zones up to %i', (flags, zone) => {
  expect([gfp_zone(flags), gfp_zone_bad(flags)]).toEqual([zone, false]);
});

test.each([3, 5, 6, 7, 11, 13, 14, 15])('zone bits %i contradict each other', (flags) => {
  expect([gfp_zone(flags), gfp_zone_bad(flags)]).toEqual([ZONE_DMA, true]);
});

test.each([
  [gfp.GFP_KERNEL, 'GFP_KERNEL'],
  [gfp.GFP_ATOMIC, 'GFP_ATOMIC'],
  [gfp.GFP_KERNEL | gfp.__GFP_NOWARN | gfp.__GFP_COMP, 'GFP_KERNEL|__GFP_NOWARN|__GFP_COMP'],
  [gfp.GFP_HIGHUSER_MOVABLE | gfp.__GFP_ZERO, 'GFP_HIGHUSER_MOVABLE|__GFP_ZERO'],
  [gfp.GFP_TRANSHUGE, 'GFP_TRANSHUGE'],
  [gfp.GFP_NOWAIT | gfp.GFP_DMA32, 'GFP_NOWAIT|GFP_DMA32'],
  [gfp.__GFP_HIGH | 0x4000000, '__GFP_HIGH|0x4000000'],
])('%i prints as %s', (flags, text) => {
  expect(format_gfp(flags)).toBe(text);
});
