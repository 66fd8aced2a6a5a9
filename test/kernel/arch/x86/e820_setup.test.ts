import { expect, test } from 'vitest';
import {
  boot_params,
  for_each_setup_data,
  SETUP_E820_EXT,
  SETUP_INDIRECT,
} from '../../../../kernel/arch/x86/boot_params.ts';
import {
  e820__end_of_low_ram_pfn,
  e820__end_of_ram_pfn,
  e820__finish_early_params,
  e820__memblock_setup,
  e820__memory_setup,
  e820__memory_setup_extended,
  e820__register_nosave_regions,
  e820__reserve_setup_data,
  e820__setup_pci_gap,
} from '../../../../kernel/arch/x86/e820_setup.ts';
import { parse_early_param } from '../../../../kernel/init/bootoptions.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { type BootSpec, bootKernel, dmesg, type E820Line, pcMap } from '../../../support/boot.ts';

const SETUP_DATA = 0x40000;

/** As far as setup_arch() before the map is used. */
function booted(spec: BootSpec): Kernel {
  const k = bootKernel(spec);
  k.cmdline.boot_command_line = spec.cmdline ?? '';
  e820__memory_setup(k);
  for (const { pa, type, len } of for_each_setup_data(k.hw.ram, k.hw.boot_params)) {
    if (type === SETUP_E820_EXT) e820__memory_setup_extended(k, pa, len);
  }
  parse_early_param(k);
  e820__reserve_setup_data(k);
  e820__finish_early_params(k);
  return k;
}

const mapOf = (k: Kernel): string[] =>
  k.e820.e820_table.map(({ addr, size, type }) => `${addr.toString(16)}-${(addr + size).toString(16)} ${type}`);

test('the map of the boot loader, printed as it came out', () => {
  const k = booted({
    e820: [
      [0x100000, 0x2000000, 1],
      [0, 0x9fc00, 1],
      [0x1ff0000, 0x2010000, 3],
    ],
  });
  expect(dmesg(k)).toEqual([
    'BIOS-provided physical RAM map:',
    'BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable',
    'BIOS-e820: [mem 0x0000000000100000-0x0000000001feffff] usable',
    'BIOS-e820: [mem 0x0000000001ff0000-0x000000000200ffff] ACPI data',
  ]);
  expect(k.e820.e820_table_firmware).toEqual(k.e820.e820_table);
});

const fallback_rows: readonly (readonly [name: string, spec: BootSpec, who: string, end: string])[] = [
  ['no entry', { e820: [], alt_mem_k: 0x8000, ext_mem_k: 0x7000 }, 'BIOS-e801', '20fffff'],
  ['one entry', { e820: [[0, 0x2000000, 1]], alt_mem_k: 0x3c00, ext_mem_k: 0xfc00 }, 'BIOS-88', '3ffffff'],
  [
    'an entry that wraps',
    {
      e820: [
        [0, 0x9f000, 1],
        [0xfffffffffffff000n, 0x1000n, 1],
      ],
      alt_mem_k: 0x400,
    },
    'BIOS-e801',
    '1fffff',
  ],
];

test.each(fallback_rows)('%s: a map is made up from older BIOS calls', (_, spec, who, end) => {
  expect(dmesg(booted(spec)).slice(1)).toEqual([
    `${who}: [mem 0x0000000000000000-0x000000000009efff] usable`,
    `${who}: [mem 0x0000000000100000-0x${end.padStart(16, '0')}] usable`,
  ]);
});

test('with no memory size from anywhere, nothing above 1 MiB is left', () => {
  expect(mapOf(booted({ e820: [] }))).toEqual(['0-9f000 1']);
});

// 300 ranges of a page with a page between: more than boot_params holds.
const many: E820Line[] = Array.from({ length: 300 }, (_, i) => [0x100000 + i * 0x2000, 0x101000 + i * 0x2000, 1]);

test('more than 128 entries come through setup_data, and the node that held them is kept', () => {
  const k = booted({ e820: [[0, 0x9f000, 1], ...many] });
  expect(k.e820.e820_table_firmware).toHaveLength(301);
  expect(k.e820.e820_table).toHaveLength(303);
  expect(mapOf(k).slice(0, 4)).toEqual(['0-40000 1', '40000-40d94 128', '40d94-9f000 1', '100000-101000 1']);
  const log = dmesg(k);
  expect(log.filter((line) => line.startsWith('BIOS-e820'))).toHaveLength(128);
  expect(log.filter((line) => line.startsWith('extended:'))).toHaveLength(301);
  expect(log.filter((line) => line === 'extended physical RAM map:')).toHaveLength(2);
  expect(log).toContain('e820: update [mem 0x00040000-0x00040d93] usable ==> usable');
  expect(log.at(-1)).toBe('reserve setup_data: [mem 0x0000000000356000-0x0000000000356fff] usable');
});

test('a setup_data list that bites its tail ends', () => {
  const k = bootKernel({ e820: pcMap(0x10000000) });
  k.hw.ram.set_u64(k.hw.boot_params + boot_params.hdr_setup_data, SETUP_DATA);
  k.hw.ram.set_u64(SETUP_DATA, SETUP_DATA + 0x1000);
  k.hw.ram.set_u64(SETUP_DATA + 0x1000, SETUP_DATA);
  expect([...for_each_setup_data(k.hw.ram, k.hw.boot_params)].map(({ pa }) => pa)).toEqual([
    SETUP_DATA,
    SETUP_DATA + 0x1000,
  ]);
});

test('a setup_data list that points nowhere does no harm', () => {
  const k = bootKernel({ e820: pcMap(0x10000000) });
  k.hw.ram.set_big64(k.hw.boot_params + boot_params.hdr_setup_data, 0xfffffffffffffff0n);
  e820__memory_setup(k);
  e820__reserve_setup_data(k);
  expect(mapOf(k)[0]).toBe('0-9fc00 1');
});

test('an extension of impossible length is passed over', () => {
  const k = bootKernel({ e820: pcMap(0x10000000) });
  e820__memory_setup(k);
  const before = mapOf(k);
  e820__memory_setup_extended(k, SETUP_DATA, 0xffffffff);
  expect(mapOf(k)).toEqual(before);
  expect(dmesg(k).at(-1)).toBe('pgdat: setup_data node at 0x40000 is too long (0xffffffff bytes), ignored');
});

test('what a setup_data node points to is kept as well', () => {
  const k = bootKernel({ e820: pcMap(0x10000000) });
  k.hw.ram.set_u64(k.hw.boot_params + boot_params.hdr_setup_data, SETUP_DATA);
  k.hw.ram.set_u32(SETUP_DATA + 8, SETUP_INDIRECT);
  k.hw.ram.set_u32(SETUP_DATA + 12, 24);
  k.hw.ram.set_u32(SETUP_DATA + 16, SETUP_E820_EXT);
  k.hw.ram.set_u64(SETUP_DATA + 24, 0x3000);
  k.hw.ram.set_u64(SETUP_DATA + 32, 0x1000000);
  e820__memory_setup(k);
  e820__reserve_setup_data(k);
  expect(mapOf(k)).toContain('1000000-1003000 128');
});

// A pc of 4 GiB: RAM 0-9fc00, 100000-bffe0000 and 100000000-140000000.
const G1 = '40000000';
const param_rows: readonly (readonly [cmdline: string, wanted: string[] | null])[] = [
  ['mem=1G', ['0-9fc00 1', `100000-${G1} 1`]],
  ['mem=0x80000000', ['0-9fc00 1', '100000-80000000 1']],
  ['mem=5G', ['0-9fc00 1', '100000-bffe0000 1', '100000000-140000000 1']],
  ['mem=640K', ['0-9fc00 1']],
  ['memmap=1G', ['0-9fc00 1', `100000-${G1} 1`]],
  ['memmap=64M@6G', ['0-9fc00 1', '100000-bffe0000 1', '100000000-140000000 1', '180000000-184000000 1']],
  [
    'memmap=64M#1G',
    ['0-9fc00 1', '100000-40000000 1', '40000000-44000000 3', '44000000-bffe0000 1', '100000000-140000000 1'],
  ],
  [
    'memmap=64M$1G',
    ['0-9fc00 1', '100000-40000000 1', '40000000-44000000 2', '44000000-bffe0000 1', '100000000-140000000 1'],
  ],
  [
    'memmap=64M!1G',
    ['0-9fc00 1', '100000-40000000 1', '40000000-44000000 12', '44000000-bffe0000 1', '100000000-140000000 1'],
  ],
  ['memmap=64M%1G-1', ['0-9fc00 1', '100000-40000000 1', '44000000-bffe0000 1', '100000000-140000000 1']],
  ['memmap=64M%1G-2', ['0-9fc00 1', '100000-bffe0000 1', '100000000-140000000 1']],
  [
    'memmap=64M%1G+7',
    ['0-9fc00 1', '100000-40000000 1', '40000000-44000000 7', '44000000-bffe0000 1', '100000000-140000000 1'],
  ],
  [
    'memmap=64M%1G-1+5',
    ['0-9fc00 1', '100000-40000000 1', '40000000-44000000 5', '44000000-bffe0000 1', '100000000-140000000 1'],
  ],
  [
    'memmap=64M%1G-0x1+0x5',
    ['0-9fc00 1', '100000-40000000 1', '40000000-44000000 5', '44000000-bffe0000 1', '100000000-140000000 1'],
  ],
  ['memmap=64M%1G', ['0-9fc00 1', '100000-40000000 1', '44000000-bffe0000 1', '100000000-140000000 1']],
  ['memmap=64M%1G-1+5x', ['0-9fc00 1', '100000-bffe0000 1', '100000000-140000000 1']],
  ['memmap=exactmap memmap=640K@0 memmap=1G@1M', ['0-a0000 1', '100000-40100000 1']],
  ['memmap=exactmap,640K@0,1G@1M,1M$2M', ['0-a0000 1', '100000-200000 1', '200000-300000 2', '300000-40100000 1']],
  [
    'memmap=64M$1G,64M$2G',
    [
      '0-9fc00 1',
      '100000-40000000 1',
      '40000000-44000000 2',
      '44000000-80000000 1',
      '80000000-84000000 2',
      '84000000-bffe0000 1',
      '100000000-140000000 1',
    ],
  ],
  ['mem=2G memmap=64M@3G', ['0-9fc00 1', '100000-80000000 1', 'c0000000-c4000000 1']],
  ['mem=0', ['0-9fc00 1', '100000-bffe0000 1', '100000000-140000000 1']],
  ['memmap=x', null],
  ['memmap', null],
];

const usable = (k: Kernel): string[] =>
  mapOf(k).filter((line) => !/^(9fc00|f0000|bffe0000|fffc0000|fd00000000)-.* 2$/.test(line));

test.each(param_rows)('%s', (cmdline, wanted) => {
  const k = booted({ e820: pcMap(0x100000000), cmdline });
  expect(usable(k)).toEqual(wanted ?? ['0-9fc00 1', '100000-bffe0000 1', '100000000-140000000 1']);
  expect(dmesg(k).includes('user-defined physical RAM map:')).toBe(wanted !== null);
});

test('what mem= takes away is logged with an end of its own, and the new map follows', () => {
  const k = booted({ e820: pcMap(0x100000000), cmdline: 'mem=3G memmap=64M$0x40000000' });
  expect(dmesg(k).slice(9)).toEqual([
    'e820: remove [mem 0xc0000000-0xfffffffffffffffe] usable',
    'user-defined physical RAM map:',
    'user: [mem 0x0000000000000000-0x000000000009fbff] usable',
    'user: [mem 0x000000000009fc00-0x000000000009ffff] reserved',
    'user: [mem 0x00000000000f0000-0x00000000000fffff] reserved',
    'user: [mem 0x0000000000100000-0x000000003fffffff] usable',
    'user: [mem 0x0000000040000000-0x0000000043ffffff] reserved',
    'user: [mem 0x0000000044000000-0x00000000bffdffff] usable',
    'user: [mem 0x00000000bffe0000-0x00000000bfffffff] reserved',
    'user: [mem 0x00000000fffc0000-0x00000000ffffffff] reserved',
    'user: [mem 0x000000fd00000000-0x000000ffffffffff] reserved',
  ]);
});

test.each([
  ['mem', ["Malformed early option 'mem'"]],
  ['mem=0', ["Malformed early option 'mem'"]],
  ['mem=lots', ["Malformed early option 'mem'"]],
  ['mem=nopentium', ['mem=nopentium ignored! (only supported on x86_32)', "Malformed early option 'mem'"]],
  ['memmap=1Q', ['e820: remove [mem 0x00000001-0xfffffffffffffffe] usable']],
])('%s is taken as Linux takes it', (cmdline, wanted) => {
  const k = booted({ e820: pcMap(0x100000000), cmdline });
  expect(dmesg(k).slice(9, 9 + wanted.length)).toEqual(wanted);
});

test.each(['memmap=exactmap', 'memmap=exactmap memmap=1G@0'])('%s leaves less than a map', (cmdline) => {
  expect(() => booted({ e820: pcMap(0x100000000), cmdline })).toThrow('Invalid user supplied memory map');
});

test('a conversion to the type that it is from stops the kernel', () => {
  expect(() => booted({ e820: pcMap(0x10000000), cmdline: 'memmap=1M%1M-1+1' })).toThrow('kernel BUG');
});

test('the last page frame, of all memory and below 4 GiB', () => {
  const k = booted({ e820: pcMap(0x100000000) });
  expect(e820__end_of_ram_pfn(k)).toBe(0x140000);
  expect(e820__end_of_low_ram_pfn(k)).toBe(0xbffe0);
  expect(dmesg(k).slice(-2)).toEqual([
    'last_pfn = 0x140000 max_arch_pfn = 0x400000000',
    'last_pfn = 0xbffe0 max_arch_pfn = 0x400000000',
  ]);
});

test('memory beyond 64 TiB is beyond the last page frame', () => {
  const k = booted({
    e820: [
      [0, 0x9f000, 1],
      [0x3fff00000000, 0x400100000000, 1],
    ],
  });
  expect(e820__end_of_ram_pfn(k)).toBe(0x400000000);
});

//  RAM  |--1--|  |--128--|  |--1 (no whole page)--|  soft reserved |---|
test('memblock gets whole pages of what is usable', () => {
  const k = booted({
    e820: [
      [0x1800, 0x5800, 1],
      [0x6000, 0x8000, 128],
      [0x9100, 0x9f00, 1],
      [0x20000, 0x30000, 0xefffffff],
    ],
  });
  e820__memblock_setup(k);
  const regions = (type: { regions: readonly { base: number; size: number }[] }) =>
    type.regions.filter(({ size }) => size > 0).map(({ base, size }) => [base, base + size]);
  expect(regions(k.memblock.memory)).toEqual([
    [0x2000, 0x5000],
    [0x6000, 0x8000],
  ]);
  expect(regions(k.memblock.reserved)).toEqual([[0x20000, 0x30000]]);
});

test('what hibernation leaves out', () => {
  const k = booted({ e820: pcMap(0x100000000) });
  e820__register_nosave_regions(k, 0x140000);
  expect(dmesg(k).slice(-2)).toEqual([
    'PM: hibernation: Registered nosave memory: [mem 0x0009f000-0x000fffff]',
    'PM: hibernation: Registered nosave memory: [mem 0xbffe0000-0xffffffff]',
  ]);
});

const gap_rows: readonly (readonly [name: string, lines: readonly E820Line[], wanted: string[]])[] = [
  ['the largest gap', pcMap(0x100000000), ['[mem 0xc0000000-0xfffbffff] available for PCI devices']],
  [
    'the lower of two',
    [
      [0, 0x40000000, 1],
      [0x80000000, 0xc0000000, 1],
    ],
    ['[mem 0x40000000-0x7fffffff] available for PCI devices'],
  ],
  [
    'no gap',
    [
      [0, 0x80000000, 1],
      [0x80000000, 0x100000000, 2],
    ],
    [
      'Cannot find an available gap in the 32-bit address range',
      'PCI devices with unassigned 32-bit BARs may not work!',
      '[mem 0x80100000-0x804fffff] available for PCI devices',
    ],
  ],
];

test.each(gap_rows)('room for PCI: %s', (_, e820, wanted) => {
  const k = booted({ e820 });
  k.boot.max_pfn = 0x80000;
  e820__setup_pci_gap(k);
  expect(dmesg(k).slice(-wanted.length)).toEqual(wanted);
});
