import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { NR_FREE_PAGES } from '../../../kernel/include/mmzone.ts';
import { SZ_1G } from '../../../kernel/include/types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { hugetlb_init } from '../../../kernel/mm/hugetlb.ts';
import { default_hugepagesz_setup, hugepages_setup, hugepagesz_setup } from '../../../kernel/mm/hugetlb_params.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { page_index, section_map } from '../../../kernel/mm/page.ts';
import { pcp_count, setup_per_cpu_pageset } from '../../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import { zone_page_state } from '../../../kernel/mm/vmstat.ts';
import { init_per_zone_wmark_min } from '../../../kernel/mm/watermark.ts';
import { build_all_zonelists } from '../../../kernel/mm/zonelist.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones, printed } from '../../support/zoned.ts';

const handlers = {
  hugepages: hugepages_setup,
  hugepagesz: hugepagesz_setup,
  default_hugepagesz: default_hugepagesz_setup,
};

/** Boots with `options` on the command line. Where a column of `memory` is 1 GiB, the CPU has pages of 1 GiB. */
function boot(options: string, memory = '01', unit = 128 * MiB): Kernel {
  const k = drawnZones({ memory, unit, config: recorder });
  if (unit >= SZ_1G) Object.assign(k.hw, { gbpages: true });
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  for (const option of options.split(' ').filter((text) => text !== '')) {
    const [name, value] = option.split('=') as [keyof typeof handlers, string];
    expect(handlers[name](k, value)).toBe(1);
  }
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  init_per_zone_wmark_min(k);
  hugetlb_init(k);
  return k;
}

/** Pages of each size, in all and by node: "2.00 MiB: 8 (4 4)". */
const pools = (k: Kernel): string[] =>
  k.hugetlb.hstates.map((h) => `${h.name}: ${h.free_huge_pages} (${[...h.free_huge_pages_node].join(' ')})`);
const said = (k: Kernel): string[] =>
  printed(k)
    .filter((line) => line.startsWith('HugeTLB') && !/registered|vmemmap/.test(line))
    .map((line) => line.replace('HugeTLB: ', ''));

test.each([
  { options: 'hugepages=8', pool: '8 (4 4)' },
  { options: 'hugepagesz=2M hugepages=5', pool: '5 (3 2)' },
  { options: 'hugepages=0:3,1:1', pool: '4 (3 1)' },
  { options: 'hugepages=1:2', pool: '2 ( 2)' },
  { options: 'default_hugepagesz=2M hugepages=4', pool: '4 (2 2)' },
  { options: 'hugepages=2 default_hugepagesz=2M', pool: '2 (1 1)' },
])('$options fills a pool of $pool', ({ options, pool }) => {
  const k = boot(options);
  expect(pools(k)).toEqual([`hugepages-2048kB: ${pool}`]);
  expect(said(k)).toEqual([]);
});

test.each([
  {
    options: 'hugepages=2 hugepages=3',
    says: 'hugepages= specified twice without interleaving hugepagesz=, ignoring hugepages=3',
  },
  { options: 'hugepagesz=4M hugepages=3', says: 'unsupported hugepagesz=4M' },
  { options: 'hugepagesz=1G', says: 'unsupported hugepagesz=1G' },
  { options: 'default_hugepagesz=3M', says: 'unsupported default_hugepagesz=3M' },
  { options: 'hugepagesz=2M hugepages=1 hugepagesz=2M', says: 'hugepagesz=2M specified twice, ignoring' },
  {
    options: 'default_hugepagesz=2M default_hugepagesz=2M',
    says: 'default_hugepagesz previously specified, ignoring 2M',
  },
  { options: 'hugepages=some', says: 'Invalid hugepages parameter some' },
  { options: 'hugepages=7:1', says: 'Invalid hugepages parameter 7:1' },
  { options: 'hugepages=0:1,5', says: 'Invalid hugepages parameter 5' },
  { options: 'hugepages=3 hugepagesz=2M hugepages=1', says: 'Ignoring hugepages=1 associated with 2.00 MiB page size' },
])('$options: $says', ({ options, says }) => {
  expect(said(boot(options))[0]).toBe(says);
});

test('more than there is: as many as the watermarks allow, and Linux says how many', () => {
  const k = boot('hugepages=200');
  const [h] = k.hugetlb.hstates;
  expect(h!.max_huge_pages).toBe(h!.nr_huge_pages);
  expect(h!.nr_huge_pages).toBeGreaterThan(90);
  expect(said(k)).toEqual([
    `allocating 200 of page size 2.00 MiB failed.  Only allocated ${h!.nr_huge_pages} hugepages.`,
  ]);
  const node = boot('hugepages=1:200');
  expect(said(node)[0]).toMatch(
    /^allocating 200 of page size 2.00 MiB failed node1. {2}Only allocated \d+ hugepages.$/,
  );
});

test('a huge page is off the free lists, compound, and no one has a reference to it', () => {
  const empty = boot('');
  const k = boot('hugepages=1:1');
  const dma32 = (of: Kernel) => of.node_data[1]!.node_zones[1]!;
  // Two are taken off the free lists at a time: one is on the CPU's list of huge pages.
  expect(zone_page_state(dma32(empty), NR_FREE_PAGES) - zone_page_state(dma32(k), NR_FREE_PAGES)).toBe(1024);
  expect(pcp_count(k, dma32(k), 0)).toBe(pcp_count(empty, dma32(empty), 0) + 512);
  expect(dma32(k).managed_pages).toBe(dma32(empty).managed_pages);

  const [pfn] = k.hugetlb.hstates[0]!.hugepage_freelists[1]!;
  const words = (n: number) => section_map(k.mm, n).slice(page_index(n), page_index(n) + 16);
  const head = words(pfn!);
  const tail = words(pfn! + 1);
  expect(pfn! % 512).toBe(0);
  expect([(head[0]! >>> 16) & 1, head[13]]).toEqual([1, 0]);
  // compound_head: the head's address and bit 0; dtor 2 and order 9; 512 pages
  const address = 0xffffea0000000000n + BigInt(pfn!) * 64n;
  expect((BigInt(tail[3]! >>> 0) << 32n) | BigInt(tail[2]! >>> 0)).toBe(address + 1n);
  expect([tail[4], tail[7], tail[13]]).toEqual([2 | (9 << 8), 512, 0]);
  expect(words(pfn! + 511)[2]).toBe(tail[2]);
});

test('gigantic pages come from memblock, one node after the other, and count as managed', () => {
  //  0  1  2  3  4  5  6 GiB
  //  |*  0   *|   1   *|      *: in use
  const options = 'hugepagesz=1G hugepages=2';
  const k = boot(options, '000111', SZ_1G);
  expect(pools(k)).toEqual(['hugepages-1048576kB: 2 (1 1)', 'hugepages-2048kB: 0 ()']);
  expect(k.hugetlb.hstates[0]!.hugepage_freelists.map(([pfn]) => (pfn! * 4096) / SZ_1G)).toEqual([1, 4]);
  const without = boot('', '000111', SZ_1G);
  const managed = (of: Kernel) => of.node_data.map(({ node_zones }) => node_zones.map((zone) => zone.managed_pages));
  expect(managed(k)).toEqual(managed(without));
  expect(k.mm.totalram_pages).toBe(without.mm.totalram_pages);
  expect(printed(k).slice(-4)).toEqual([
    'HugeTLB: registered 1.00 GiB page size, pre-allocated 2 pages',
    'HugeTLB: 16380 KiB vmemmap can be freed for a 1.00 GiB page',
    'HugeTLB: registered 2.00 MiB page size, pre-allocated 0 pages',
    'HugeTLB: 28 KiB vmemmap can be freed for a 2.00 MiB page',
  ]);
});

test('pages of both sizes, each with its own number', () => {
  const k = boot('default_hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=6', '000111', SZ_1G);
  expect(pools(k)).toEqual(['hugepages-1048576kB: 1 (1)', 'hugepages-2048kB: 6 (3 3)']);
  expect(k.hugetlb.hstates[k.hugetlb.default_hstate_idx]!.order).toBe(18);
});
