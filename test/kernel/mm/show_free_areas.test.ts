// The Mem-Info block against what Debian's 6.1.192 and the recording kernel printed on sysrq-m, on pc with 4 GiB, two nodes
// and two CPUs.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bootLab } from '../../../cli/lab.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import { presets, recorder } from '../../../kernel/config.ts';
import {
  __GFP_NOWARN,
  GFP_ATOMIC,
  GFP_DMA,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
} from '../../../kernel/include/gfp_types.ts';
import { MIGRATE_HIGHATOMIC } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { nodemask_of_node } from '../../../kernel/lib/nodemask.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { SHOW_MEM_FILTER_NODES, show_mem } from '../../../kernel/mm/show_free_areas.ts';
import { drawnAllocator, pagesOnLists } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const golden = (name: string): string[] =>
  readFileSync(new URL(`../../golden/log/mem-info-${name}.txt`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n');

function shown(k: Kernel, filter = 0, nid?: number): string[] {
  const before = printed(k).length;
  show_mem(k, filter, nid === undefined ? null : nodemask_of_node(nid));
  return printed(k).slice(before);
}

describe.each([
  ['debian', 'hugepages=4'],
  ['recorder', 'movablecore=1G cma=64M'],
] as const)('%s', (name, cmdline) => {
  const options =
    '-M pc -m 4G -smp 2 -object memory-backend-ram,size=2G,id=a -object memory-backend-ram,size=2G,id=b -numa node,nodeid=0,memdev=a,cpus=0 -numa node,nodeid=1,memdev=b,cpus=1';
  const parsed = parseQemuOptions(options.split(' '), () => '');
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  const lab = bootLab({ machine: parsed.config, kernel: presets[name], cmdline, firmware: 'none' });
  const lines = shown(lab.kernel);

  test('every line has the form of what Linux printed', () => {
    // What is free depends on what ran: numbers, and the letters of lists, are left out.
    const form = (line: string): string => line.replaceAll(/ \([UMEHCI]+\)/g, '').replaceAll(/\d+/g, '#');
    // In how many columns a number stands is not: none is padded.
    expect(lines.map(form)).toEqual(golden(name).map(form));
  });

  test('what boot alone decides has the numbers of Linux', () => {
    const decided = (line: string): string[] =>
      line.match(
        /^Node \d \w+|boost:\d+kB|present:\d+kB|hugepages_.*|^\d+ pages (RAM|High.*|cma.*|hwp.*)|.* swap.*/g,
      ) ?? [];
    expect(lines.flatMap(decided)).toEqual(golden(name).flatMap(decided));
  });

  test('lists add up to what is free', () => {
    const total = lines.flatMap((line) => /= (\d+)kB$/.exec(line)?.[1] ?? []).reduce((sum, kb) => sum + Number(kb), 0);
    const free = /free:(\d+) /.exec(lines.find((line) => line.startsWith(' free:'))!)!;
    expect(total).toBe(Number(free[1]) * 4);
  });
});

const twoNodes = (): Kernel => drawnAllocator({ memory: '01', unit: 64 * MiB });

describe('live state', () => {
  test('per-cpu lists, boost and reserves are those of the moment', () => {
    const k = twoNodes();
    const zone = k.node_data[1]!.node_zones[1]!;
    const line = (): string => shown(k).find((one) => one.startsWith('Node 1 DMA32 free:'))!;
    expect(line()).toContain(' free_pcp:0kB local_pcp:0kB ');
    __free_pages(k, __alloc_pages(k, GFP_KERNEL, 0, 1), 0);
    zone.watermark_boost = 5;
    zone.nr_reserved_highatomic = 512;
    const [, pcp] = / free_pcp:(\d+)kB local_pcp:(\d+)kB /.exec(line())!;
    expect(Number(pcp)).toBeGreaterThan(0);
    expect(line()).toContain(` local_pcp:${pcp}kB `);
    const min = zone._watermark(0) + 5;
    expect(line()).toContain(` boost:20kB min:${4 * min}kB `);
    expect(line()).toContain(' reserved_highatomic:2048KB ');
  });

  test('letters say whose blocks there are', () => {
    const k = twoNodes();
    for (let pfn = 0; pfn >= 0; ) pfn = __alloc_pages(k, GFP_ATOMIC | __GFP_NOWARN, 3, 0);
    const zone = k.node_data[1]!.node_zones[1]!;
    expect(pagesOnLists(k, zone, MIGRATE_HIGHATOMIC)).toBeGreaterThan(0);
    expect(shown(k).find((one) => one.startsWith('Node 1 DMA32: '))).toMatch(/\d+\*\d+kB \([UME]*H\) /);
  });

  test('nodes that the mask leaves out are left out, their totals too', () => {
    const k = twoNodes();
    const lines = shown(k, SHOW_MEM_FILTER_NODES, 1);
    expect(lines.filter((one) => one.startsWith('Node 0'))).toEqual([]);
    expect(lines.filter((one) => one.startsWith('Node 1 DMA32'))).toHaveLength(2);
    k.current.mems_allowed = nodemask_of_node(0);
    show_mem(k, SHOW_MEM_FILTER_NODES, null);
    const again = printed(k).slice(printed(k).lastIndexOf('Mem-Info:'));
    expect(again.some((one) => one.startsWith('Node 1'))).toBe(false);
  });
});

describe('a request that fails', () => {
  const report = (k: Kernel, gfp: number): string[] => {
    for (let pfn = 0; pfn >= 0; ) pfn = __alloc_pages(k, gfp | __GFP_NOWARN, 10, 0);
    const before = printed(k).length;
    __alloc_pages(k, gfp, 10, 0);
    return printed(k).slice(before);
  };

  test('says who asked for what, on which CPU, and what there is', () => {
    const lines = report(twoNodes(), GFP_HIGHUSER_MOVABLE);
    expect(lines.slice(0, 3)).toEqual([
      'swapper/0: page allocation failure: order:10, mode:0x100cca(GFP_HIGHUSER_MOVABLE), nodemask=(null),cpuset=/,mems_allowed=0-1',
      `CPU: 0 PID: 0 Comm: swapper/0 Not tainted ${recorder.version} #1`,
      'Mem-Info:',
    ]);
    expect(lines.at(-1)).toMatch(/^\d+ pages cma reserved$/);
  });

  test('leaves out zones that it could not have used', () => {
    const lines = report(twoNodes(), GFP_DMA);
    expect(lines.some((one) => one.startsWith('Node 0 DMA free:'))).toBe(true);
    expect(lines.some((one) => one.includes('DMA32'))).toBe(false);
    // Node 1 has no such zone.
    expect(lines.some((one) => one.startsWith('Node 1 active_anon:'))).toBe(false);
  });
});
