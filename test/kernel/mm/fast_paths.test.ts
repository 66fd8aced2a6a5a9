// The written-out paths where structures lie in more than one buffer of RAM: two nodes, one below and one above 4 GiB, a
// CPU on each.

import { expect, test } from 'vitest';
import { ArrayBacking } from '../../../emu/memory.ts';
import { __GFP_NOWARN, __GFP_THISNODE, GFP_ATOMIC } from '../../../kernel/include/gfp_types.ts';
import { PFN_SECTION_SHIFT, ZONE_NORMAL } from '../../../kernel/include/mmzone.ts';
import type { pfn_t } from '../../../kernel/include/types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import type { FastPaths } from '../../../kernel/mm/fast_paths.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { switch_to_cpu, type ZoneCpu } from '../../../kernel/mm/zone_cpu.ts';
import { bootTopology } from '../../support/allocator_machine.ts';
import { GiB } from '../../support/hw.ts';

const GFP = GFP_ATOMIC | __GFP_THISNODE | __GFP_NOWARN;

function boot(bufferSize: number): Kernel {
  const topology = {
    low: [{ nid: 0, hole: 0, pages: 16384 }],
    high: [{ nid: 1, hole: 0, pages: 16384 }],
    cpus: [0, 1],
    cma: 0,
    movable: 0,
    huge_pages: false,
    init_on_alloc: false,
  };
  const k = bootTopology(topology, new ArrayBacking(5 * GiB, bufferSize));
  for (const nid of [0, 1]) __free_pages(k, __alloc_pages(k, GFP, 0, nid), 0);
  return k;
}

const preferred = (k: Kernel, nid: number): ZoneCpu => k.page_alloc.preferred[(((nid << 1) | 1) << 2) | ZONE_NORMAL]!;
const alloc = (k: Kernel, nid: number): pfn_t => {
  const c = preferred(k, nid);
  return c.paths.alloc_from_pcplist(k, c, GFP, 0, ZONE_NORMAL);
};
const free = (k: Kernel, pfn: pfn_t): boolean =>
  k.page_alloc.sections[pfn >>> PFN_SECTION_SHIFT]!.free_to_pcplist(k, pfn, 0, 1);
const buffers = (paths: FastPaths): number => new Set([paths.pages, paths.zones, paths.percpu]).size;

test('one buffer: one set of paths, for both nodes and from both CPUs', () => {
  const k = boot(8 * GiB);
  for (const cpu of [0, 1]) {
    switch_to_cpu(k, cpu);
    for (const nid of [0, 1]) __free_pages(k, __alloc_pages(k, GFP, 0, nid), 0);
  }
  expect(k.page_alloc.fast_paths).toHaveLength(1);
  expect(buffers(k.page_alloc.fast_paths[0]!)).toBe(1);
});

test('a buffer for each node: pages of the own node and of the other come and go by the written-out paths', () => {
  const k = boot(GiB);
  for (const nid of [0, 1]) {
    const pfn = alloc(k, nid);
    expect(pfn).toBeGreaterThanOrEqual(nid === 0 ? 0 : 0x100000);
    expect(free(k, pfn)).toBe(true);
    expect(alloc(k, nid)).toBe(pfn);
  }
  expect(buffers(preferred(k, 0).paths)).toBe(1);
  expect(buffers(preferred(k, 1).paths)).toBe(2);
});

test('a zone whose pages are not where they were looked for: one request goes the general way, and the next ones not', () => {
  const k = boot(GiB);
  const c = preferred(k, 1);
  const { paths } = c;
  // As if the memory map were with node 0's.
  c.look_in(k, 0);
  expect(c.paths).not.toBe(paths);
  expect(alloc(k, 1)).toBe(-1);
  expect(c.paths).toBe(paths);
  expect(alloc(k, 1)).toBeGreaterThanOrEqual(0x100000);
});
