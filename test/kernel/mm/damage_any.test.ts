// Words of the allocator's own structures are overwritten between requests, as a program on the machine could. Whatever
// comes of it is an end that Linux has words for, or none at all: no exception of the host's, and no endless loop.
//
// PGDAT_SOAK=1: some minutes of it. PGDAT_SEED=N: the histories of that seed.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { proc_read } from '../../../kernel/fs/proc/root.ts';
import { GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { PG_FLAGS_HI } from '../../../kernel/include/mm_types.ts';
import { PCP_BATCH, PCP_COUNT, Z_SPANNED_PAGES } from '../../../kernel/include/zone_words.ts';
import { page_index, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { anyDamaged, play } from '../../support/damage.ts';
import { MiB } from '../../support/hw.ts';

const soak = process.env['PGDAT_SOAK'] !== undefined;

test('no damage makes anything but an end that Linux has words for', { timeout: 1_200_000 }, () => {
  const ends = new Set<string | null>();
  fc.assert(
    fc.property(anyDamaged, (damaged) => {
      ends.add(play(damaged));
    }),
    {
      numRuns: soak ? 2000 : 12,
      seed: Number(process.env['PGDAT_SEED'] ?? 1),
      ...(soak ? { endOnFailure: true } : {}),
    },
  );
  // Some of it goes unseen and some does not, or nothing was damaged at all.
  expect(ends).toContain(null);
  expect(ends.size).toBeGreaterThan(1);
});

test.each([
  ['no batch', PCP_BATCH, 0],
  ['a negative batch', PCP_BATCH, -1],
])('draining with %s goes round in circles', (_what, word, value) => {
  const k = drawnAllocator({ memory: '0', unit: 32 * MiB });
  __free_pages(k, __alloc_pages(k, GFP_KERNEL, 0, 0), 0);
  const { pcp } = k.node_data[0]!.node_zones[1]!.cpus[0]!;
  expect(pcp[PCP_COUNT]).toBeGreaterThan(0);
  pcp[word] = value;
  expect(() => drain_all_pages(k, null)).toThrow('BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:0]');
});

test('what /proc/pagetypeinfo shows of a zone whose span was damaged ends, and so it does of pages of no zone', () => {
  const k = drawnAllocator({ memory: '0', unit: 32 * MiB });
  const shown = proc_read(k, '/proc/pagetypeinfo')!;
  const zone = k.node_data[0]!.node_zones[1]!;
  zone.view[Z_SPANNED_PAGES + 1] = 0x40000000;
  expect(proc_read(k, '/proc/pagetypeinfo')).toBe(shown);
  // The first page of a pageblock: of a node that is not there, then of a migratetype that is none.
  section_map(k.mm, 0x1200)[page_index(0x1200) + PG_FLAGS_HI] = -1;
  k.mm.section_usemap[0]![1]! |= 7 << 8;
  const row = (text: string): number[] => text.trimEnd().split('\n').at(-1)!.trim().split(/\s+/).slice(4).map(Number);
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  expect(sum(row(shown)) - sum(row(proc_read(k, '/proc/pagetypeinfo')!))).toBe(2);
});
