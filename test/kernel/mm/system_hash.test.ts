import { describe, expect, test } from 'vitest';
import { start_kernel } from '../../../kernel/init/main.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { KernelPanic } from '../../../kernel/lib/bug.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import { vfs_caches_init_early } from '../../../kernel/mm/system_hash.ts';
import { bootKernel, dmesg, pcMap } from '../../support/boot.ts';
import { GiB, MiB } from '../../support/hw.ts';
import { drawnZones, printed } from '../../support/zoned.ts';

const tables = (log: string[]): string[] => log.filter((line) => line.includes('hash table'));

function booted(memory: number, cmdline: string): string[] {
  const k = bootKernel({ e820: pcMap(memory), cmdline });
  start_kernel(k);
  return dmesg(k);
}

test('1 GiB, one node: the tables of Debian, allocated as there and before the memory line', () => {
  const log = booted(GiB, 'memblock=debug');
  const wanted = /alloc_large_system_hash$|hash table|^Memory:|pcpu_fc_alloc$/;
  expect(
    log.filter((line) => wanted.test(line)).map((line) => line.replace(/ available .*| from=.*max_addr=0x0+/, '')),
  ).toEqual([
    'memblock_alloc_try_nid: 2097152 bytes align=0x200000 nid=0 pcpu_fc_alloc',
    'memblock_alloc_try_nid: 1048576 bytes align=0x40 nid=-1 alloc_large_system_hash',
    'Dentry cache hash table entries: 131072 (order: 8, 1048576 bytes, linear)',
    'memblock_alloc_try_nid: 524288 bytes align=0x40 nid=-1 alloc_large_system_hash',
    'Inode-cache hash table entries: 65536 (order: 7, 524288 bytes, linear)',
    expect.stringMatching(/^Memory: \d+K\/1048056K$/),
  ]);
});

test('the bounce buffer is asked for as Linux asks', () => {
  const line =
    'memblock_alloc_try_nid: 67108864 bytes align=0x1000 nid=-1 from=0x0000000000000000 max_addr=0x00000000ffffffff';
  expect(booted(5 * GiB, 'memblock=debug')).toContain(`${line} swiotlb_init_remap`);
});

test.each([
  { cmdline: 'dhash_entries=1000', sizes: [1024, 65536], why: 'rounded up to a power of two' },
  { cmdline: 'dhash_entries=1 ihash_entries=1', sizes: [2, 1], why: 'no fewer than two dentry buckets' },
  { cmdline: 'ihash_entries=0x100000000', sizes: [131072, 4194304], why: 'at most 1/16 of memory' },
  { cmdline: 'hashdist=1', sizes: [], why: 'spread over nodes: later, and so not here' },
  { cmdline: 'hashdist=0', sizes: [131072, 65536], why: 'as it is on one node' },
])('$cmdline: $why', ({ cmdline, sizes }) => {
  const log = tables(booted(GiB, cmdline));
  expect(log.map((line) => Number(/entries: (\d+)/.exec(line)![1]))).toEqual(sizes);
});

describe('sizes follow memory', () => {
  // Nothing but the number of pages counts.
  function sized(pages: number): Kernel {
    const k = drawnZones({ memory: '0', unit: 512 * MiB });
    k.mm.nr_kernel_pages = pages;
    k.mm.nr_all_pages = pages;
    return k;
  }
  test.each([
    { gib: 4, dentries: 2 ** 19 },
    { gib: 16, dentries: 2 ** 21 },
    { gib: 64, dentries: 2 ** 23, why: 'the last without a larger scale' },
    { gib: 96, dentries: 2 ** 23, why: 'scale + 1' },
    { gib: 256, dentries: 2 ** 24 },
    { gib: 257, dentries: 2 ** 24, why: 'scale + 2, rounded up' },
  ])('$gib GiB: $dentries dentry buckets', ({ gib, dentries }) => {
    const k = sized((gib * GiB) / 4096);
    vfs_caches_init_early(k);
    const found = tables(printed(k))[0]!;
    const entries = Number(/entries: (\d+)/.exec(found)![1]);
    expect(entries).toBe(dentries);
  });

  test('no room: half as much', () => {
    const k = sized((1024 * GiB) / 4096);
    vfs_caches_init_early(k);
    const [dentry, inode] = tables(printed(k));
    expect(dentry).toBe('Dentry cache hash table entries: 33554432 (order: 16, 268435456 bytes, linear)');
    expect(inode).toBe('Inode-cache hash table entries: 16777216 (order: 15, 134217728 bytes, linear)');
  });
});

test('several nodes with memory: nothing before the buddy allocator is up', () => {
  const k = drawnZones({ memory: '0', unit: 512 * MiB });
  node_set(1, k.node_states.N_MEMORY);
  vfs_caches_init_early(k);
  expect(tables(printed(k))).toEqual([]);
});

test('no memory at all is the end', () => {
  const k = drawnZones({ memory: '0', unit: 64 * MiB });
  k.memblock.current_limit = 0x1000;
  expect(() => vfs_caches_init_early(k)).toThrow(KernelPanic);
});
