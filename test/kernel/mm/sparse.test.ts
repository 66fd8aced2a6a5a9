import { expect, test } from 'vitest';
import { lookup_address, PMD_SIZE } from '../../../kernel/arch/x86/pgtable.ts';
import { debian } from '../../../kernel/config.ts';
import { PAGE_SIZE, VMEMMAP_START } from '../../../kernel/include/types.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import {
  memblock_add_node,
  memblock_reserve,
  memblock_set_current_limit,
  memblock_set_node,
} from '../../../kernel/mm/memblock.ts';
import { memblock_alloc } from '../../../kernel/mm/memblock_alloc.ts';
import { free_area_init } from '../../../kernel/mm/mm_init.ts';
import { PgData } from '../../../kernel/mm/mmzone.ts';
import { page_index, pfn_valid, section_map } from '../../../kernel/mm/page.ts';
import { sparse_init } from '../../../kernel/mm/sparse.ts';
import { GiB, MiB, testHw } from '../../support/hw.ts';
import { drawnMemory, printed } from '../../support/zoned.ts';

/**
 * Debian 12's 6.1.192 on QEMU's pc with 4 GiB and two nodes, when NODE_DATA is set up; its log is the yardstick below.
 *
 *     node   0                                1                        1
 *     0x1000-0x9f000 0x100000-0x80000000 | -0xbffe0000   0x100000000-0x140000000
 */
function debianAtSparseInit(): Kernel {
  const k = new Kernel(testHw(5 * GiB), debian);
  const memory = [
    [0x1000, 0x9f000, 0],
    [0x100000, 0x80000000, 0],
    [0x80000000, 0xbffe0000, 1],
    [0x100000000, 0x140000000, 1],
  ] as const;
  for (const [start, end, nid] of memory) memblock_add_node(k, start, end - start, nid, 0);
  const early = [
    [0, 0x100000, 0],
    [0x1000000, 0x4411000, 0],
    [0xbfee4000, 0xbffe1c2f, 1],
    [0x13fffd000, 0x140000000, 1],
  ] as const;
  for (const [start, end, nid] of early) {
    memblock_reserve(k, start, end - start);
    memblock_set_node(k, start, end - start, k.memblock.reserved, nid);
  }
  [0x7ffd5000, 0x13ffd2000].forEach((pa, nid) => {
    memblock_reserve(k, pa, 0x2b000);
    k.node_data[nid] = new PgData(k.hw.ram, pa, nid);
    node_set(nid, k.node_possible_map);
    node_set(nid, k.node_online_map);
  });
  k.boot.pgd = 0x2a10000;
  k.memblock.debug = true;
  return k;
}

test('takes the memory that Linux takes, in its order', () => {
  const k = debianAtSparseInit();
  sparse_init(k);
  const taken = printed(k).flatMap((line) => /^memblock_reserve: (\S+)/.exec(line)?.[1] ?? []);
  expect(taken).toEqual([
    '[0x000000013ffca000-0x000000013ffd1fff]', // mem_section: 4096 roots
    '[0x000000007ffd4000-0x000000007ffd4fff]', // the first root's 128 sections
    '[0x000000007ffd3c80-0x000000007ffd3fff]', // usemaps of node 0's 16 sections
    '[0x000000007de00000-0x000000007fdfffff]', // their memory map
    '[0x000000007ffd2000-0x000000007ffd2fff]', // PUD and PMD tables of the vmemmap
    '[0x000000007ffd1000-0x000000007ffd1fff]',
    '[0x000000013ffc9c80-0x000000013ffc9fff]', // node 1: usemaps, memory map
    '[0x000000013de00000-0x000000013fdfffff]',
  ]);
});

test('the log of zones is that of Linux', () => {
  const k = debianAtSparseInit();
  k.memblock.debug = false;
  sparse_init(k);
  free_area_init(k, [0x1000, 0x100000, 0x140000, 0, 0]);
  expect(printed(k)).toEqual([
    'Zone ranges:',
    '  DMA      [mem 0x0000000000001000-0x0000000000ffffff]',
    '  DMA32    [mem 0x0000000001000000-0x00000000ffffffff]',
    '  Normal   [mem 0x0000000100000000-0x000000013fffffff]',
    '  Device   empty',
    'Movable zone start for each node',
    'Early memory node ranges',
    '  node   0: [mem 0x0000000000001000-0x000000000009efff]',
    '  node   0: [mem 0x0000000000100000-0x000000007fffffff]',
    '  node   1: [mem 0x0000000080000000-0x00000000bffdffff]',
    '  node   1: [mem 0x0000000100000000-0x000000013fffffff]',
    'Initmem setup node 0 [mem 0x0000000000001000-0x000000007fffffff]',
    'Initmem setup node 1 [mem 0x0000000080000000-0x000000013fffffff]',
    'On node 0, zone DMA: 1 pages in unavailable ranges',
    'On node 0, zone DMA: 97 pages in unavailable ranges',
    'On node 1, zone Normal: 32 pages in unavailable ranges',
  ]);
});

test('the page tables lead from the virtual memory map to the memory map in RAM', () => {
  const k = debianAtSparseInit();
  sparse_init(k);
  for (const pfn of [0, 1, 0x7fff, 0x8000, 0x7ffff, 0x80000, 0xb8000, 0x100000, 0x13ffff]) {
    section_map(k.mm, pfn)[page_index(pfn) + 12] = pfn;
    const found = lookup_address(k, VMEMMAP_START + BigInt(pfn) * 64n)!;
    expect(found.size).toBe(PMD_SIZE);
    expect(k.hw.ram.u32(found.pa + 48)).toBe(pfn);
  }
  expect(lookup_address(k, VMEMMAP_START + 0xc0000n * 64n)).toBeNull();
});

test('mem_section in RAM has what a debugger looks for', () => {
  const k = debianAtSparseInit();
  sparse_init(k);
  free_area_init(k, [0x1000, 0x100000, 0x140000, 0, 0]);
  const { ram } = k.hw;
  const pointer = (pa: number): number => Number(ram.big64(pa) - 0xffff888000000000n);
  const root = pointer(k.mm.mem_section);
  // The last section below the hole: its map, coded, present, with memory map, online and early; 63.9 of 64 subsections.
  const ms = root + 0x17 * 32;
  expect(ram.big64(ms)).toBe(0xffffea000000000fn);
  const usage = pointer(ms + 8);
  expect(ram.big64(usage + 16)).toBe(0xffffffffffffffffn);
  expect(k.mm.section_usemap[0x17]![0]).toBe(0x11111111);
  expect(ram.u32(usage + 24)).toBe(0x11111111);
  // Nothing in the hole below 4 GiB.
  expect(ram.big64(root + 0x18 * 32)).toBe(0n);
});

// A column is 128 MiB, one section.
//     000..1    sections 3 and 4 are absent
test('pages of absent sections are not valid, pages of holes in present ones are', () => {
  const k = drawnMemory({ memory: '000..1', unit: 128 * MiB });
  sparse_init(k);
  const section = 0x8000;
  const valid = [0, 3 * section - 1, 3 * section, 5 * section - 1, 5 * section, 6 * section - 1, 6 * section, 2 ** 40];
  expect(valid.map((pfn) => pfn_valid(k.mm, pfn))).toEqual([true, true, false, false, true, true, false, false]);
});

test('without room for one large block each section finds its own', () => {
  // 256 MiB in two sections, and no 4 MiB in one piece: of every 8 MiB the first is free, of two of them the first two.
  const k = drawnMemory({ memory: '00', unit: 128 * MiB });
  for (let mib = 0; mib < 256; mib += 8) {
    const free = mib === 96 || mib === 200 ? 2 : 1;
    memblock_reserve(k, (mib + free) * MiB, (8 - free) * MiB);
  }
  sparse_init(k);
  const at = [0, 0x8000].map((pfn) => lookup_address(k, VMEMMAP_START + BigInt(pfn) * 64n)!);
  expect(at.map(({ pa, size }) => [pa / MiB, size])).toEqual([
    [200, PMD_SIZE],
    [96, PMD_SIZE],
  ]);
});

test('without an aligned block a section is mapped by 4 KiB pages', () => {
  // The only 2 MiB in one piece begin at 100.5 MiB.
  const k = drawnMemory({ memory: '0', unit: 128 * MiB });
  memblock_reserve(k, 0, 100.5 * MiB - 64 * 1024);
  memblock_reserve(k, 102.5 * MiB, 25.5 * MiB);
  sparse_init(k);
  const first = lookup_address(k, VMEMMAP_START)!;
  expect(first.size).toBe(PAGE_SIZE);
  for (let at = 0; at < 2 * MiB; at += PAGE_SIZE) {
    expect(lookup_address(k, VMEMMAP_START + BigInt(at))!.pa).toBe(first.pa + at);
  }
  expect(pfn_valid(k.mm, 0)).toBe(true);
});

test('a section whose memory map finds no room is not there, and Linux dies of it', () => {
  const k = drawnMemory({ memory: '00', unit: 128 * MiB });
  memblock_reserve(k, 3 * MiB, 253 * MiB);
  expect(memblock_alloc(k, MiB, PAGE_SIZE)).not.toBe(0);
  sparse_init(k);
  expect(printed(k).at(-1)).toBe(
    'sparse_init_nid: node[0] memory map backing failed. Some memory will not be available.',
  );
  expect(pfn_valid(k.mm, 0)).toBe(false);
  expect(() => free_area_init(k, [0x1000, 0x10000, 0x10000, 0, 0])).toThrow('Attempted to kill the idle task!');
  expect(printed(k).at(-3)).toBe('BUG: unable to handle page fault for address: ffffea0000000040');
});

test('memory above 8 TiB is left out, and says so', () => {
  const k = drawnMemory({ memory: '0', unit: 128 * MiB });
  memblock_set_current_limit(k, 128 * MiB);
  memblock_add_node(k, 8 * 1024 * GiB - 128 * MiB, 256 * MiB, 0, 0);
  sparse_init(k);
  expect(printed(k).at(-1)).toBe('pgdat: memory above 8 TiB is not used');
  expect(pfn_valid(k.mm, 2 ** 31 - 1)).toBe(true);
  expect(pfn_valid(k.mm, 2 ** 31)).toBe(false);
});

test('a section that begins with memory of no node has a memory map; Linux dies where the node is looked up', () => {
  // Up to 1 MiB that the SRAT leaves out passes.
  const k = drawnMemory({ memory: '00', unit: 128 * MiB });
  memblock_set_node(k, 128 * MiB, MiB, k.memblock.memory, 1024);
  sparse_init(k);
  expect(pfn_valid(k.mm, 0x8000)).toBe(true);
  expect(() => free_area_init(k, [0x1000, 0x10000, 0x10000, 0, 0])).toThrow('Attempted to kill the idle task!');
  expect(printed(k).at(-5)).toMatch(/^BUG: kernel NULL pointer dereference, address: 0/);
});
