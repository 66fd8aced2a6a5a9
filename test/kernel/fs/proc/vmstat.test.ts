// /proc/vmstat and /proc/meminfo: names, order and format of Debian 12's kernel 6.1.192, numbers of this kernel.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { debian, recorder } from '../../../../kernel/config.ts';
import { frag_show } from '../../../../kernel/fs/proc/buddyinfo.ts';
import { meminfo_proc_show } from '../../../../kernel/fs/proc/meminfo.ts';
import { proc_read } from '../../../../kernel/fs/proc/root.ts';
import { vmstat_show } from '../../../../kernel/fs/proc/vmstat.ts';
import { zoneinfo_show } from '../../../../kernel/fs/proc/zoneinfo.ts';
import { GFP_KERNEL } from '../../../../kernel/include/gfp_types.ts';
import { NR_FREE_PAGES, NUMA_HIT } from '../../../../kernel/include/mmzone.ts';
import { start_kernel } from '../../../../kernel/init/main.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { __alloc_pages, __free_pages } from '../../../../kernel/mm/page_alloc.ts';
import { global_dirty_limits } from '../../../../kernel/mm/page_writeback.ts';
import { bootKernel, pcMap } from '../../../support/boot.ts';

const recorded = (name: string): string =>
  readFileSync(new URL(`../../../golden/proc/debian-numa2-4g-${name}.txt`, import.meta.url), 'utf8');

function booted(config = debian, cmdline = '', bytes = 2 ** 30): Kernel {
  const k = bootKernel({ e820: pcMap(bytes), config, cmdline });
  start_kernel(k);
  return k;
}

const names = (text: string): string[] => text.split('\n').map((line) => line.split(/[ :]/)[0]!);
const stats = (k: Kernel): Map<string, number> =>
  new Map(
    vmstat_show(k)
      .trimEnd()
      .split('\n')
      .map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]),
  );
const kb = (k: Kernel, name: string): number =>
  Number(new RegExp(`^${name.replace(/[()]/g, '\\$&')}: +(\\d+)`, 'm').exec(meminfo_proc_show(k))![1]);

describe('/proc/vmstat', () => {
  it("has the recorded kernel's 173 lines, by name and order", () => {
    const text = vmstat_show(booted());
    expect(names(text)).toEqual(names(recorded('vmstat')));
    expect(text.trimEnd().split('\n')).toHaveLength(173);
    expect(text).toMatch(/^(\w+ \d+\n)+$/);
  });

  it('without zsmalloc, Device, KSM, zswap, balloons and NUMA balancing, but with CMA: the recorder', () => {
    const text = vmstat_show(booted(recorder));
    const gone = /^(nr_zspages|pgpromote|\w+_device|\w*ksm|zswp|balloon|numa_(pte|huge|hint|pages))/;
    const wanted = names(recorded('vmstat')).filter((name) => !gone.test(name));
    wanted.splice(wanted.indexOf('htlb_buddy_alloc_fail') + 1, 0, 'cma_alloc_success', 'cma_alloc_fail');
    expect(names(text)).toEqual(wanted);
  });

  it('nr_free_pages is what is on the lists', () => {
    const k = booted();
    let pages = 0;
    for (const line of frag_show(k).trimEnd().split('\n')) {
      for (const [order, count] of line.trim().split(/\s+/).slice(-11).entries()) pages += Number(count) * 2 ** order;
    }
    expect(stats(k).get('nr_free_pages')).toBe(pages);
    expect(kb(k, 'MemFree')).toBe(4 * pages);
  });

  it('counters change with what they count, and agree with /proc/zoneinfo', () => {
    const k = booted();
    const before = stats(k);
    const zone = k.node_data[0]!.node_zones.find((z) => z.name === 'DMA32')!;
    zone.add_vm_numa_event(NUMA_HIT, 5);
    k.node_data[0]!.add_vm_stat(28, 1025);
    zone.add_vm_stat(NR_FREE_PAGES, -7);
    k.mm.vm_zone_stat[NR_FREE_PAGES]! -= 7;
    const after = stats(k);
    expect(after.get('numa_hit')! - before.get('numa_hit')!).toBe(5);
    expect(after.get('nr_free_pages')! - before.get('nr_free_pages')!).toBe(-7);
    // In huge pages, of which the last is not whole.
    expect(after.get('nr_anon_transparent_hugepages')).toBe(2);
    const sum = (name: string): number =>
      [...zoneinfo_show(k).matchAll(new RegExp(`^ +${name} +(\\d+)$`, 'gm'))].reduce(
        (pages, m) => pages + Number(m[1]),
        0,
      );
    for (const name of ['nr_free_pages', 'numa_hit', 'numa_local', 'nr_anon_transparent_hugepages']) {
      expect([name, sum(name)]).toEqual([name, after.get(name)]);
    }
  });

  it("the dirty thresholds are the recorded machine's, given its free pages and reserves", () => {
    const k = booted();
    const numbers = new Map(
      recorded('vmstat')
        .split('\n')
        .map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]),
    );
    k.mm.vm_zone_stat[NR_FREE_PAGES] = numbers.get('nr_free_pages')!;
    // Of the last zones recorded: high watermarks, and the largest reserve of each.
    k.watermark.totalreserve_pages = recordedReserves();
    expect(global_dirty_limits(k)).toEqual({
      background: numbers.get('nr_dirty_background_threshold'),
      thresh: numbers.get('nr_dirty_threshold'),
    });
  });
});

/** calculate_totalreserve_pages() on the zones of the recording's last step. */
function recordedReserves(): number {
  const last = recorded('sysctl')
    .split(/^(?=READ|WRITE)/m)
    .at(-1)!;
  let pages = 0;
  for (const zone of last.split(/^(?=Node)/m).slice(1)) {
    const field = (key: string): number => Number(new RegExp(`^ {8}${key} +(\\d+)$`, 'm').exec(zone)![1]);
    const reserves = /protection: \((.*)\)/.exec(zone)![1]!.split(', ').map(Number);
    pages += Math.min(field('managed'), field('high') + Math.max(...reserves));
  }
  return pages;
}

it('a page allocated and freed: events, the per-cpu list and the lists of /proc agree at each point', () => {
  const k = booted();
  const event = (name: string): number => stats(k).get(name)!;
  const on_pcp = (): number =>
    [...zoneinfo_show(k).matchAll(/^ +count: (\d+)$/gm)].reduce((pages, found) => pages + Number(found[1]), 0);
  const on_lists = (): number =>
    frag_show(k)
      .trimEnd()
      .split('\n')
      .flatMap((line) => line.trim().split(/\s+/).slice(-11))
      .reduce((pages, count, i) => pages + Number(count) * 2 ** (i % 11), 0);
  const state = () => ({ freed: event('pgfree'), hit: event('numa_hit'), pages: on_lists() + on_pcp() });
  const before = state();
  const allocated = event('pgalloc_dma32');
  const page = __alloc_pages(k, GFP_KERNEL, 0, 0, null);
  expect(page).toBeGreaterThan(0);
  expect(on_pcp()).toBeGreaterThan(0);
  expect(event('pgalloc_dma32') - allocated).toBe(1);
  expect(state()).toEqual({ freed: before.freed, hit: before.hit + 1, pages: before.pages - 1 });
  __free_pages(k, page, 0);
  expect(state()).toEqual({ freed: before.freed + 1, hit: before.hit + 1, pages: before.pages });
});

describe('/proc/meminfo', () => {
  /** Numbers as '#', with the spaces that pad them. */
  const shape = (text: string): string => text.replace(/ *\d+(?= kB$|$)/gm, (number) => '#'.repeat(number.length));

  it('has the recorded lines and widths', () => {
    expect(shape(meminfo_proc_show(booted()))).toBe(shape(recorded('meminfo')));
  });

  it('adds up', () => {
    const k = booted();
    expect(kb(k, 'MemTotal')).toBe(4 * k.mm.totalram_pages);
    expect(kb(k, 'MemAvailable')).toBe(kb(k, 'MemFree') - 4 * k.watermark.totalreserve_pages);
    expect(kb(k, 'CommitLimit')).toBe(4 * Math.floor(k.mm.totalram_pages / 2));
    expect(kb(k, 'DirectMap4k') + kb(k, 'DirectMap2M')).toBeGreaterThan(kb(k, 'MemTotal'));
  });

  it('huge pages are taken off what may be committed', () => {
    const k = booted(debian, 'hugepages=10');
    expect(meminfo_proc_show(k)).toContain(
      'HugePages_Total:      10\nHugePages_Free:       10\nHugePages_Rsvd:        0\n',
    );
    expect(kb(k, 'Hugetlb')).toBe(20480);
    expect(kb(k, 'CommitLimit')).toBe(4 * Math.floor((k.mm.totalram_pages - 5120) / 2));
  });

  it('CMA where it is configured', () => {
    const k = booted(recorder, 'cma=32M');
    expect([kb(k, 'CmaTotal'), kb(k, 'CmaFree')]).toEqual([32768, 32768]);
  });
});

it('/proc: files by their paths', () => {
  const k = booted(debian, 'numa=off');
  expect(proc_read(k, '/proc/cmdline')).toBe('numa=off\n');
  expect(proc_read(k, '/proc/buddyinfo')).toBe(frag_show(k));
  expect(proc_read(k, '/proc/sys/vm/watermark_scale_factor')).toBe('10\n');
  for (const path of ['/proc/nosuch', '/proc/', 'buddyinfo', '/sys/vm/watermark_scale_factor', '/proc/sys/vm']) {
    expect([path, proc_read(k, path)]).toEqual([path, null]);
  }
});
