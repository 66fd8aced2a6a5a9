import { describe, expect, it, test } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import { MEMBLOCK_HOTPLUG, MEMBLOCK_NOMAP, PHYS_ADDR_MAX } from '../../../kernel/include/memblock.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { memblock_add, memblock_add_node, memblock_reserve } from '../../../kernel/mm/memblock.ts';
import {
  __memblock_dump_all,
  memblock_cap_memory_range,
  memblock_end_of_DRAM,
  memblock_enforce_memory_limit,
  memblock_is_map_memory,
  memblock_is_memory,
  memblock_is_region_memory,
  memblock_is_region_reserved,
  memblock_is_reserved,
  memblock_mem_limit_remove_map,
  memblock_overlaps_region,
  memblock_phys_mem_size,
  memblock_reserved_size,
  memblock_search_pfn_nid,
  memblock_start_of_DRAM,
  memblock_trim_memory,
} from '../../../kernel/mm/memblock_info.ts';
import { MiB, testHw } from '../../support/hw.ts';
import { drawing, regionsOf, runs } from '../../support/regions.ts';

const scale = { base: 0, unit: 0x1000 };
const COLUMNS = 16;
const newKernel = (): Kernel => new Kernel(testHw(), debian);

/** Memory of letters m, or N for what is not mapped; reserved of letters r. */
function setUp(memory: string, reserved = ''): Kernel {
  const k = newKernel();
  for (const { letter, base, size } of runs(memory, scale)) {
    memblock_add_node(k, base, size, 0, letter === 'N' ? MEMBLOCK_NOMAP : 0);
  }
  for (const { base, size } of runs(reserved, scale)) memblock_reserve(k, base, size);
  return k;
}
const seen = (k: Kernel): { memory: string; reserved: string } => ({
  memory: drawing(regionsOf(k.memblock.memory), COLUMNS, scale),
  reserved: drawing(regionsOf(k.memblock.reserved), COLUMNS, scale),
});

describe('sizes and ends', () => {
  it('are those of the lists', () => {
    const k = setUp('..mmmm..mm......', '...rr...........');
    expect(memblock_start_of_DRAM(k)).toBe(0x2000);
    expect(memblock_end_of_DRAM(k)).toBe(0xa000);
    expect(memblock_phys_mem_size(k)).toBe(0x6000);
    expect(memblock_reserved_size(k)).toBe(0x2000);
  });
  it('are 0 without memory', () => {
    const k = newKernel();
    expect([memblock_start_of_DRAM(k), memblock_end_of_DRAM(k)]).toEqual([0, 0]);
  });
});

describe('questions', () => {
  //           0         8
  //  memory   ..mmmmNN..mmmm..
  //  reserved ...rr......r....
  const k = setUp('..mmmmNN..mmmm..', '...rr......r....');
  test.each([
    { address: 0x1fff, memory: false, mapped: false, reserved: false },
    { address: 0x2000, memory: true, mapped: true, reserved: false },
    { address: 0x3000, memory: true, mapped: true, reserved: true },
    { address: 0x4fff, memory: true, mapped: true, reserved: true },
    { address: 0x5000, memory: true, mapped: true, reserved: false },
    { address: 0x6000, memory: true, mapped: false, reserved: false },
    { address: 0x8000, memory: false, mapped: false, reserved: false },
    { address: 0xdfff, memory: true, mapped: true, reserved: false },
    { address: 0xe000, memory: false, mapped: false, reserved: false },
  ])('$address: memory $memory, mapped $mapped, reserved $reserved', ({ address, memory, mapped, reserved }) => {
    expect(memblock_is_memory(k, address)).toBe(memory);
    expect(memblock_is_map_memory(k, address)).toBe(mapped);
    expect(memblock_is_reserved(k, address)).toBe(reserved);
  });
  test.each([
    { base: 0x2000, size: 0x4000, memory: true, reserved: true },
    { base: 0x2000, size: 0x1000, memory: true, reserved: false },
    { base: 0x2000, size: 0x1001, memory: true, reserved: true },
    { base: 0x5000, size: 0x2000, memory: false, reserved: false },
    { base: 0x1000, size: 0x2000, memory: false, reserved: false },
    { base: 0xa000, size: PHYS_ADDR_MAX, memory: false, reserved: true },
    { base: 0xb800, size: 0, memory: true, reserved: true },
    { base: 0xb000, size: 0, memory: true, reserved: false },
  ])('$base + $size: all one region of memory $memory, any reserved $reserved', ({ base, size, memory, reserved }) => {
    expect(memblock_is_region_memory(k, base, size)).toBe(memory);
    expect(memblock_is_region_reserved(k, base, size)).toBe(reserved);
    expect(memblock_overlaps_region(k.memblock.reserved, base, size)).toBe(reserved);
  });
  it('find the region and node of a page frame', () => {
    const k = newKernel();
    memblock_add_node(k, 0x10800, 0x4000, 1, 0);
    memblock_add_node(k, 0x20000, 0x4000, 2, MEMBLOCK_HOTPLUG);
    expect(memblock_search_pfn_nid(k, 0x11)).toEqual({ nid: 1, start_pfn: 0x10, end_pfn: 0x14 });
    expect(memblock_search_pfn_nid(k, 0x10)).toBeNull();
    expect(memblock_search_pfn_nid(k, 0x23)).toEqual({ nid: 2, start_pfn: 0x20, end_pfn: 0x24 });
    expect(memblock_search_pfn_nid(k, 0x24)).toBeNull();
  });
  it('find nothing in empty lists', () => {
    const k = newKernel();
    expect(memblock_is_memory(k, 0)).toBe(false);
    expect(memblock_is_region_reserved(k, 0, PHYS_ADDR_MAX)).toBe(false);
    expect(memblock_search_pfn_nid(k, 0)).toBeNull();
  });
});

describe('trimming to multiples of 4 pages', () => {
  test.each([
    { name: 'aligned memory stays', before: '....mmmm........', after: '....aaaa........' },
    { name: 'what is too small goes', before: '....mmmm.....mm.', after: '....aaaa........' },
    { name: 'an odd beginning goes', before: '....mmmm.mmmmmmm', after: '....aaaa....bbbb' },
    { name: 'an odd end goes', before: '....mmmmmmm.mmmm', after: '....aaaa....bbbb' },
    { name: 'both go', before: '...mmmmmmmmmm...', after: '....aaaaaaaa....' },
    { name: 'two in a row go', before: '.mm..mm.mmmm....', after: '........aaaa....' },
    { name: 'all goes', before: '.mm..mm...mm....', after: '................' },
  ])('$name', ({ before, after }) => {
    const k = setUp(before);
    memblock_trim_memory(k, 0x4000);
    expect(seen(k).memory).toBe(after);
  });
  it('leaves the total as it was for regions that only shrink, as Linux does', () => {
    const k = setUp('...mmmmmmmmmm...');
    memblock_trim_memory(k, 0x4000);
    expect(memblock_phys_mem_size(k)).toBe(10 * 0x1000);
  });
});

describe('limits', () => {
  test.each([
    {
      name: 'cuts in the first region',
      memory: '..mmmmmm..mmmm..',
      reserved: '...r...r...r....',
      limit: 3,
      wanted: { memory: '..aaa...........', reserved: '...a............' },
    },
    {
      name: 'counts memory, not holes',
      memory: '..mmmmmm..mmmm..',
      reserved: '...r...r..rrrr..',
      limit: 8,
      wanted: { memory: '..aaaaaa..bb....', reserved: '...a...b..cc....' },
    },
    {
      name: 'keeps all at exactly the size of memory, and drops reservations above it',
      memory: '..mmmmmm..mmmm..',
      reserved: '...r..........rr',
      limit: 10,
      wanted: { memory: '..aaaaaa..bbbb..', reserved: '...a............' },
    },
    {
      name: 'does nothing where there is less memory',
      memory: '..mmmmmm..mmmm..',
      reserved: '...r..........rr',
      limit: 11,
      wanted: { memory: '..aaaaaa..bbbb..', reserved: '...a..........bb' },
    },
    {
      name: 'does nothing for 0',
      memory: '..mmmmmm..mmmm..',
      reserved: '...r............',
      limit: 0,
      wanted: { memory: '..aaaaaa..bbbb..', reserved: '...a............' },
    },
  ])('memblock_enforce_memory_limit $name', ({ memory, reserved, limit, wanted }) => {
    const k = setUp(memory, reserved);
    memblock_enforce_memory_limit(k, limit * 0x1000);
    expect(seen(k)).toEqual(wanted);
    // The other function does the same where all memory is mapped.
    const other = setUp(memory, reserved);
    memblock_mem_limit_remove_map(other, limit * 0x1000);
    expect(seen(other)).toEqual(wanted);
  });

  it('memblock_mem_limit_remove_map keeps what is not mapped', () => {
    const k = setUp('..mmmm..NNmmmmNN', '.r........r.....');
    memblock_mem_limit_remove_map(k, 3 * 0x1000);
    expect(seen(k)).toEqual({ memory: '..aaa...bb....cc', reserved: '.a..............' });
  });

  test.each([
    {
      name: 'keeps the range',
      memory: 'mmmmmm..mmmmmmmm',
      reserved: '.rrrrr....r.rrrr',
      keep: '...kkkkkkkkkk...',
      wanted: { memory: '...aaa..bbbbb...', reserved: '...aaa....b.c...' },
    },
    {
      name: 'keeps what is not mapped outside too, cut at the ends of the range',
      memory: 'mmNNNNmmmmNNNNmm',
      reserved: '................',
      keep: '....kkkkkkkk....',
      wanted: { memory: '..aabbccccddee..', reserved: '................' },
    },
    {
      name: 'keeps nothing where the range has no memory',
      memory: 'mmmm........mmmm',
      reserved: 'r..............r',
      keep: '.....kkkkk......',
      wanted: { memory: '................', reserved: '................' },
    },
  ])('memblock_cap_memory_range $name', ({ memory, reserved, keep, wanted }) => {
    const k = setUp(memory, reserved);
    const range = runs(keep, scale)[0]!;
    memblock_cap_memory_range(k, range.base, range.size);
    expect(seen(k)).toEqual(wanted);
  });
  it('memblock_cap_memory_range of size 0 changes nothing', () => {
    const k = setUp('mmmm............');
    memblock_cap_memory_range(k, 0x1000, 0);
    expect(seen(k).memory).toBe('aaaa............');
  });
  it('memblock_cap_memory_range complains without memory', () => {
    const k = newKernel();
    memblock_cap_memory_range(k, 0, MiB);
    expect(k.log.records.map(({ text }) => text)).toEqual(['memblock_cap_memory_range: No memory registered yet']);
  });
});

describe('the dump', () => {
  const dump = (k: Kernel): string[] => {
    __memblock_dump_all(k);
    return k.log.records.map(({ text }) => text);
  };
  it('names index in hex, extent, size, node if any, and flags', () => {
    const k = newKernel();
    for (let i = 0; i < 11; i++) memblock_add_node(k, i * 0x2000, 0x1000, 3, i === 10 ? MEMBLOCK_HOTPLUG : 0);
    memblock_reserve(k, 0x1234, 1);
    const text = dump(k);
    expect(text.slice(0, 4)).toEqual([
      'MEMBLOCK configuration:',
      ' memory size = 0x000000000000b000 reserved size = 0x0000000000000001',
      ' memory.cnt  = 0xb',
      ' memory[0x0]\t[0x0000000000000000-0x0000000000000fff], 0x0000000000001000 bytes on node 3 flags: 0x0',
    ]);
    expect(text.slice(13)).toEqual([
      ' memory[0xa]\t[0x0000000000014000-0x0000000000014fff], 0x0000000000001000 bytes on node 3 flags: 0x1',
      ' reserved.cnt  = 0x1',
      ' reserved[0x0]\t[0x0000000000001234-0x0000000000001234], 0x0000000000000001 bytes flags: 0x0',
    ]);
  });
  it('shows an empty list as one empty region', () => {
    expect(dump(newKernel()).slice(2, 4)).toEqual([
      ' memory.cnt  = 0x1',
      ' memory[0x0]\t[0x0000000000000000-0xffffffffffffffff], 0x0000000000000000 bytes on node 0 flags: 0x0',
    ]);
  });
  it('has no nodes in a kernel without NUMA', () => {
    const k = new Kernel(testHw(), { ...debian, NUMA: false });
    memblock_add(k, 0x1000, 0x1000);
    expect(dump(k)[3]).toBe(
      ' memory[0x0]\t[0x0000000000001000-0x0000000000001fff], 0x0000000000001000 bytes flags: 0x0',
    );
  });
});
