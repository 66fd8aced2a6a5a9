import { expect, test } from 'vitest';
import { bootLab } from '../../../cli/lab.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import { debian } from '../../../kernel/config.ts';
import { proc_sys_read, proc_sys_write } from '../../../kernel/fs/proc/proc_sysctl.ts';
import { proc_read } from '../../../kernel/fs/proc/root.ts';
import { GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { NR_FREE_PAGES, NR_MLOCK } from '../../../kernel/include/mmzone.ts';
import { EINVAL } from '../../../kernel/include/types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { page_zone } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { pcp_batch, pcp_count } from '../../../kernel/mm/pageset.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { zone_page_state_snapshot } from '../../../kernel/mm/vmstat.ts';
import { switch_to_cpu } from '../../../kernel/mm/zone_cpu.ts';

/** 4 GiB, 2 CPUs, 2 nodes: CPU 0 is of node 0, CPU 1 of node 1. */
function boot(cmdline = '') {
  const parsed = parseQemuOptions([]);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  const lab = bootLab({ machine: parsed.config, kernel: debian, cmdline, firmware: 'none' });
  const lines = (): string[] => lab.kernel.log.records.map(({ text }) => text);
  return { k: lab.kernel, lines };
}

const write = (k: Kernel, name: string, text: string): number => proc_sys_write(k, `sys/vm/${name}`, text);
const vmstat = (k: Kernel, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(proc_read(k, '/proc/vmstat')!)![1]);
const numa = (k: Kernel): number[] => ['numa_hit', 'numa_local', 'numa_other'].map((name) => vmstat(k, name));

test('vm.numa_stat=0 clears all NUMA events and counts no more, until it is 1 again', () => {
  const { k, lines } = boot();
  expect(proc_sys_read(k, 'sys/vm/numa_stat')).toBe('1\n');
  __alloc_pages(k, GFP_KERNEL, 0, 0);
  expect(numa(k)[0]).toBeGreaterThan(0);
  __alloc_pages(k, GFP_KERNEL, 0, 0);
  expect(write(k, 'numa_stat', '0\n')).toBe(2);
  expect(lines().at(-1)).toContain('disable numa statistics, and clear numa counters');
  __alloc_pages(k, GFP_KERNEL, 0, 0);
  expect(numa(k)).toEqual([0, 0, 0]);
  expect(proc_sys_read(k, 'sys/vm/numa_stat')).toBe('0\n');

  const before = lines().length;
  expect(write(k, 'numa_stat', '0\n')).toBe(2);
  expect(write(k, 'numa_stat', '2\n')).toBe(-EINVAL);
  expect(lines().length).toBe(before);
  expect(write(k, 'numa_stat', '1\n')).toBe(2);
  expect(lines().at(-1)).toContain('enable numa statistics');
  __alloc_pages(k, GFP_KERNEL, 0, 0);
  __alloc_pages(k, GFP_KERNEL, 0, 1);
  expect(numa(k)).toEqual([2, 1, 1]);
});

test("a CPU's pages of another node go back, a batch of them, after three updates without a change", () => {
  const { k } = boot();
  const list = (nid: number, cpu: number): number => pcp_count(k, zones[nid]!, cpu);
  const zones = [0, 1].map((nid) => page_zone(k, __alloc_pages(k, GFP_KERNEL, 0, nid)));
  drain_all_pages(k, null);
  for (const zone of zones) {
    const pages = Array.from({ length: 100 }, () => __alloc_pages(k, GFP_KERNEL, 0, zone.nid));
    for (const pfn of pages) __free_pages(k, pfn, 0);
  }
  const [local, remote] = [list(0, 0), list(1, 0)];
  const batch = pcp_batch(k, zones[1]!, 0);
  expect(remote).toBeGreaterThan(batch);
  const free = zone_page_state_snapshot(k, zones[1]!, NR_FREE_PAGES);
  const counts: number[][] = [];
  // An update that finds something to hand on starts anew, as that after a batch has gone back.
  for (let n = 0; n < 3; n++) {
    expect(write(k, 'stat_refresh', '1\n')).toBe(2);
    counts.push([list(0, 0), list(1, 0)]);
  }
  expect(counts).toEqual([
    [local, remote],
    [local, remote],
    [local, remote - batch],
  ]);
  expect(zone_page_state_snapshot(k, zones[1]!, NR_FREE_PAGES)).toBe(free + batch);
  for (let n = 0; n < 3; n++) expect(proc_sys_read(k, 'sys/vm/stat_refresh')).toBe('');
  expect([list(0, 0), list(1, 0)]).toEqual([local, Math.max(0, remote - 2 * batch)]);
});

test('it is the CPU that has the pages whose node counts', () => {
  const { k } = boot();
  switch_to_cpu(k, 1);
  const pages = Array.from({ length: 8 }, () => __alloc_pages(k, GFP_KERNEL, 0, 1));
  const zone = page_zone(k, pages[0]!);
  for (const pfn of pages) __free_pages(k, pfn, 0);
  switch_to_cpu(k, 0);
  const count = pcp_count(k, zone, 1);
  for (let n = 0; n < 6; n++) write(k, 'stat_refresh', '1');
  expect(pcp_count(k, zone, 1)).toBe(count);
  expect(k.percpu.cpu).toBe(0);
});

test('vm.stat_refresh names the counters that have fallen below 0', () => {
  const { k, lines } = boot();
  k.mm.vm_zone_stat[NR_MLOCK] = -3;
  proc_sys_read(k, 'sys/vm/stat_refresh');
  expect(lines().filter((line) => line.includes('vmstat_refresh'))).toEqual([
    expect.stringContaining('vmstat_refresh: nr_mlock -3'),
  ]);
});
