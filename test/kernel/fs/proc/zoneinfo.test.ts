// /proc files against what Debian 12's kernel 6.1.192 printed on a machine of two nodes, 4 GiB and two CPUs.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { debian, type KernelConfig, recorder } from '../../../../kernel/config.ts';
import { frag_show } from '../../../../kernel/fs/proc/buddyinfo.ts';
import { pagetypeinfo_show } from '../../../../kernel/fs/proc/pagetypeinfo.ts';
import { zoneinfo_show } from '../../../../kernel/fs/proc/zoneinfo.ts';
import {
  per_cpu_pages,
  per_cpu_zonestat,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
} from '../../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { node_set } from '../../../../kernel/lib/nodemask.ts';
import { memblock_free_all } from '../../../../kernel/mm/memblock_free.ts';
import type { Zone } from '../../../../kernel/mm/mmzone.ts';
import { setup_per_cpu_pageset } from '../../../../kernel/mm/pageset.ts';
import { per_cpu_ptr, setup_per_cpu_areas } from '../../../../kernel/mm/percpu.ts';
import { build_all_zonelists } from '../../../../kernel/mm/zonelist.ts';
import { GiB } from '../../../support/hw.ts';
import { drawnZones } from '../../../support/zoned.ts';

const recorded = (name: string): string =>
  readFileSync(new URL(`../../../golden/proc/debian-numa2-4g-${name}.txt`, import.meta.url), 'utf8');

/**
 * Two CPUs, two nodes, zones where the recorded machine has them, free memory on the lists:
 *
 *   0        1 GiB     2 GiB     3 GiB     4 GiB     5 GiB
 *   | node 0          | node 1  |    -    | node 1   |
 */
function machine(config: KernelConfig): Kernel {
  const k = drawnZones({
    memory: '001.1',
    unit: GiB,
    config: { ...config, DEFERRED_STRUCT_PAGE_INIT: false },
    setup: ({ cpus }) => {
      cpus.nr_cpu_ids = 2;
      for (const cpu of [0, 1]) {
        for (const mask of [cpus.cpu_possible_mask, cpus.cpu_present_mask, cpus.cpu_online_mask]) node_set(cpu, mask);
        cpus.x86_cpu_to_node_map[cpu] = cpu;
      }
    },
  });
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  return k;
}

/** Writes into RAM each number that the recorded text shows. */
function setNumbers(k: Kernel, text: string): void {
  for (const block of text.split(/^(?=Node)/m)) {
    const [, nid, name] = /^Node (\d+), zone +(\w+)/.exec(block)!;
    const zone = k.node_data[Number(nid)]!.node_zones.find((z) => z.name === name)!;
    const [nodeStats, zoneStats] = splitStats(block);
    for (const [item, value] of nodeStats.entries()) {
      const pgdat = k.node_data[Number(nid)]!;
      pgdat.add_vm_stat(item, value - pgdat.vm_stat(item));
    }
    const field = (key: string): number => Number(new RegExp(`^ +${key} +(\\d+)$`, 'm').exec(block)![1]);
    zone.watermark_boost = field('boost');
    zone.set_watermark(WMARK_MIN, field('min'));
    zone.set_watermark(WMARK_LOW, field('low'));
    zone.set_watermark(WMARK_HIGH, field('high'));
    zone.spanned_pages = field('spanned');
    zone.present_pages = field('present');
    zone.managed_pages = field('managed');
    zone.cma_pages = field('cma');
    for (const [i, pages] of /protection: \((.*)\)/.exec(block)![1]!.split(', ').entries()) {
      zone.set_lowmem_reserve(i, Number(pages));
    }
    if (!zone.populated) continue;
    for (const [item, value] of zoneStats.slice(0, 11).entries()) zone.add_vm_stat(item, value - zone.vm_stat(item));
    for (const [item, value] of zoneStats.slice(11).entries()) zone.add_vm_numa_event(item, value);
    for (const cpu of block.split('    cpu: ').slice(1)) setCpu(k, zone, cpu);
  }
}

/** Numbers of the lines "      nr_something N", before and after the line "pages free". */
function splitStats(block: string): [number[], number[]] {
  const numbers = (text: string): number[] =>
    [...text.matchAll(/^ {6}(?:nr|numa|workingset|pgpromote)\w+ +(\d+)$/gm)].map((found) => Number(found[1]));
  const [before, after] = block.split('pages free');
  return [numbers(before!), numbers(after!)];
}

function setCpu(k: Kernel, zone: Zone, text: string): void {
  const [cpu, count, high, batch, threshold] = [...text.matchAll(/\d+/g)].map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const pcp = per_cpu_ptr(k, zone.per_cpu_pageset, cpu);
  k.hw.ram.set_u32(pcp + per_cpu_pages.offset.count, count);
  k.hw.ram.set_u32(pcp + per_cpu_pages.offset.high, high);
  k.hw.ram.set_u32(pcp + per_cpu_pages.offset.batch, batch);
  const stats = per_cpu_ptr(k, zone.per_cpu_zonestats, cpu);
  k.hw.ram.set_u8(stats + per_cpu_zonestat.offset.stat_threshold, threshold);
}

/** Every number as '#', with the spaces that pad it: what is left is the format and its widths. */
const shape = (text: string): string => text.replace(/ *\d+/g, (number) => '#'.repeat(number.length));

test('/proc/zoneinfo with the recorded numbers in RAM is the recorded text, byte for byte', () => {
  const k = machine(debian);
  const text = recorded('zoneinfo');
  setNumbers(k, text);
  expect(zoneinfo_show(k)).toBe(text);
});

test('/proc/buddyinfo has the recorded format', () => {
  expect(shape(frag_show(machine(debian)))).toBe(shape(recorded('buddyinfo')));
});

test('/proc/pagetypeinfo has the recorded format: a block of tables for each node, populated zones only', () => {
  expect(shape(pagetypeinfo_show(machine(debian)))).toBe(shape(recorded('pagetypeinfo')));
});

test('/proc/pagetypeinfo counts as many blocks on the lists as /proc/buddyinfo', () => {
  const k = machine(debian);
  const columns = (line: string): number[] => line.trim().split(/\s+/).slice(-11).map(Number);
  const sums = new Map<string, number[]>();
  for (const line of pagetypeinfo_show(k).split('\n')) {
    const zone = /^Node +(\d+), zone +(\w+), type/.exec(line);
    if (!zone) continue;
    const key = `${zone[1]} ${zone[2]}`;
    const before = sums.get(key) ?? new Array<number>(11).fill(0);
    sums.set(
      key,
      columns(line).map((count, order) => count + before[order]!),
    );
  }
  const wanted = frag_show(k).trim().split('\n').map(columns);
  expect([...sums.values()]).toEqual(wanted);
  expect(wanted.flat().some((count) => count > 0)).toBe(true);
});

test('the recorder has no Device zone and no zsmalloc, but CMA rows', () => {
  const k = machine(recorder);
  expect(zoneinfo_show(k)).not.toMatch(/Device|nr_zspages|pgpromote/);
  expect(zoneinfo_show(k)).toMatch(/protection: \(\d+, \d+, \d+, \d+\)\n/);
  expect(pagetypeinfo_show(k)).toMatch(/^Node +0, zone +DMA32, type +CMA +0 /m);
  expect(pagetypeinfo_show(k)).toMatch(/^Number of blocks type .* HighAtomic {10}CMA {6}Isolate $/m);
});
