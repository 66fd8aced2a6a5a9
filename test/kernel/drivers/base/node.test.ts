// /sys/devices/system/node/nodeN: the lines that 6.1's drivers/base/node.c prints, and numbers that come to /proc's.

import { describe, expect, it } from 'vitest';
import { node_of_file, node_read } from '../../../../kernel/drivers/base/node.ts';
import { vmstat_show } from '../../../../kernel/fs/proc/vmstat.ts';
import { __GFP_THISNODE, GFP_KERNEL } from '../../../../kernel/include/gfp_types.ts';
import { __alloc_pages } from '../../../../kernel/mm/page_alloc.ts';
import { booted } from '../../../support/pressure.ts';

const k = booted(
  '-m 384M -smp 2 -object memory-backend-ram,id=m0,size=128M -object memory-backend-ram,id=m1,size=256M -numa node,memdev=m0,cpus=0 -numa node,memdev=m1,cpus=1 -numa dist,src=0,dst=1,val=21',
  [],
);
const read = (nid: number, name: string): string => node_read(k, `/sys/devices/system/node/node${nid}/${name}`)!;
const stats = (text: string): Map<string, number> =>
  new Map(
    text
      .trimEnd()
      .split('\n')
      .map((line): [string, number] => [line.split(' ')[0]!, Number(line.split(' ')[1])]),
  );

const KB = ' kB';
/** As the format strings have them; the number is at least 8 wide, those of HugePages 5. */
const meminfo_heads = [
  ...['MemTotal:       ', 'MemFree:        ', 'MemUsed:        ', 'SwapCached:     ', 'Active:         '],
  ...['Inactive:       ', 'Active(anon):   ', 'Inactive(anon): ', 'Active(file):   ', 'Inactive(file): '],
  ...['Unevictable:    ', 'Mlocked:        ', 'Dirty:          ', 'Writeback:      ', 'FilePages:      '],
  ...['Mapped:         ', 'AnonPages:      ', 'Shmem:          ', 'KernelStack:    ', 'PageTables:     '],
  ...['SecPageTables:  ', 'NFS_Unstable:   ', 'Bounce:         ', 'WritebackTmp:   ', 'KReclaimable:   '],
  ...['Slab:           ', 'SReclaimable:   ', 'SUnreclaim:     ', 'AnonHugePages:  ', 'ShmemHugePages: '],
  ...['ShmemPmdMapped: ', 'FileHugePages: ', 'FilePmdMapped: '],
];
const huge_heads = ['HugePages_Total: ', 'HugePages_Free:  ', 'HugePages_Surp:  '];

describe('/sys/devices/system/node', () => {
  it('meminfo, with what the node has, and has free', () => {
    const lines = read(1, 'meminfo').split('\n');
    const shown = (head: string, width: number, unit: string, n: number): string => {
      const value = /(\d+)( kB)?$/.exec(lines[n]!)![1]!;
      return `Node 1 ${head}${value.padStart(width)}${unit}`;
    };
    expect(lines).toEqual([
      ...meminfo_heads.map((head, n) => shown(head, 8, KB, n)),
      ...huge_heads.map((head, n) => shown(head, 5, '', meminfo_heads.length + n)),
      '',
    ]);
    const kb = (n: number): number => Number(/(\d+) kB$/.exec(lines[n]!)![1]);
    const zones = k.node_data[1]!.node_zones;
    expect(kb(0)).toBe(zones.reduce((sum, zone) => sum + 4 * zone.managed_pages, 0));
    expect(kb(0)).toBeGreaterThan(200 * 1024);
    expect(kb(1)).toBe(4 * stats(read(1, 'vmstat')).get('nr_free_pages')!);
    expect(kb(2)).toBe(kb(0) - kb(1));
  });

  it('vmstat: counters of zones, NUMA events and of the node, which come to those of /proc/vmstat', () => {
    const [first, second] = [stats(read(0, 'vmstat')), stats(read(1, 'vmstat'))];
    const all = stats(vmstat_show(k));
    const names = [...all.keys()];
    expect([...first.keys()]).toEqual(names.slice(0, names.indexOf('nr_dirty_threshold')));
    for (const [name, count] of first) expect([name, count + second.get(name)!]).toEqual([name, all.get(name)]);
    expect(second.get('nr_free_pages')).toBeGreaterThan(first.get('nr_free_pages')!);
  });

  it('numastat: under names of its own, what /proc calls numa_interleave, numa_local and numa_other', () => {
    const counts = () => [0, 1].map((nid) => [...stats(read(nid, 'numastat')).values()]);
    expect([...stats(read(0, 'numastat')).keys()]).toEqual([
      'numa_hit',
      'numa_miss',
      'numa_foreign',
      'interleave_hit',
      'local_node',
      'other_node',
    ]);
    const before = counts();
    for (let n = 0; n < 3; n++) __alloc_pages(k, GFP_KERNEL | __GFP_THISNODE, 0, 1);
    const gained = counts().map((now, nid) => now.map((count, item) => count - before[nid]![item]!));
    expect(gained).toEqual([
      [0, 0, 0, 0, 0, 0],
      [3, 0, 0, 0, 0, 3],
    ]);
    expect(stats(read(1, 'vmstat')).get('numa_other')).toBe(counts()[1]![5]);
  });

  it('distance to each node', () => {
    expect([read(0, 'distance'), read(1, 'distance')]).toEqual(['10 21\n', '21 10\n']);
  });

  it('nothing of nodes and files that are not there', () => {
    const paths = ['node2/meminfo', 'node0/frob', 'node/meminfo', 'node01x/vmstat'];
    expect(paths.map((path) => node_read(k, `/sys/devices/system/node/${path}`))).toEqual([null, null, null, null]);
    expect(paths.map((path) => node_of_file(`/sys/devices/system/node/${path}`))).toEqual([2, null, null, null]);
  });
});
