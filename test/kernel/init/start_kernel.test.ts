import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseZoneinfo } from '../../../cli/oracle/zoneinfo_text.ts';
import { boot_params } from '../../../kernel/arch/x86/boot_params.ts';
import { zoneinfo_show } from '../../../kernel/fs/proc/zoneinfo.ts';
import { stages, start_kernel } from '../../../kernel/init/main.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { KernelPanic } from '../../../kernel/lib/bug.ts';
import * as acpi from '../../support/acpi.ts';
import { bootKernel, dmesg, pcMap } from '../../support/boot.ts';
import { GiB, MiB } from '../../support/hw.ts';

/** Boots to the end, or to the panic. */
function booted(k: Kernel): string[] {
  try {
    start_kernel(k);
  } catch (error) {
    if (!(error instanceof KernelPanic)) throw error;
  }
  return dmesg(k);
}

// QEMU's pc as Debian's kernel found it: two nodes of 2 GiB, SeaBIOS's tables at their places, an initrd.
function debianMachine(): Kernel {
  const k = bootKernel({
    e820: pcMap(4 * GiB),
    tables: [{ start: 0xbffe0000, end: 0xc0000000 }],
    cmdline: 'console=ttyS0 nokaslr memblock=debug mminit_loglevel=4',
  });
  const put = (pa: number, bytes: acpi.Bytes): void => k.hw.ram.write(pa, Uint8Array.from(bytes));
  put(0xf59b0, acpi.rsdp(0xbffe1c2f));
  put(0xbffe0000, acpi.facs());
  put(0xbffe0040, acpi.table('DSDT', acpi.zeros(0x19ab - 36)));
  put(0xbffe19eb, acpi.fadt(0xbffe0000, 0xbffe0040));
  put(0xbffe1a5f, acpi.qemuMadt(2));
  put(0xbffe1adf, acpi.table('HPET', acpi.zeros(0x38 - 36)));
  const memory = [
    acpi.mem(0, 0, 0xa0000),
    acpi.mem(0, 0x100000, 0x7ff00000),
    acpi.mem(1, 0x80000000, 0x40000000),
    acpi.mem(1, 0x100000000, 0x40000000),
  ];
  put(0xbffe1b17, acpi.srat([acpi.cpu(0, 0), acpi.cpu(1, 1), ...memory]));
  put(0xbffe1c07, acpi.table('WAET', acpi.zeros(4)));
  const tables = [0xbffe19eb, 0xbffe1a5f, 0xbffe1adf, 0xbffe1b17, 0xbffe1c07];
  put(0xbffe1c2f, acpi.table('RSDT', tables.flatMap(acpi.u32)));
  const { ram, boot_params: pa } = k.hw;
  ram.set_u8(pa + boot_params.hdr_type_of_loader, 0xb0);
  ram.set_u32(pa + boot_params.hdr_ramdisk_image, 0xbfee4000);
  ram.set_u32(pa + boot_params.hdr_ramdisk_size, 0xfbabc);
  return k;
}

test("logs what Debian's kernel logs, every reservation and allocation of memory included", () => {
  const file = new URL('../../golden/log/debian-6.1.192-pc-numa2-4g.txt', import.meta.url);
  const recorded = readFileSync(file, 'utf8').trimEnd().split('\n');
  // The recording is of the console, which does not show what is KERN_DEBUG.
  const log = booted(debianMachine()).filter((line) => !/^e820: (update|remove) /.test(line));
  const first = log.findIndex((line) => line.startsWith('Command line'));
  expect(log.slice(first, first + recorded.length)).toEqual(recorded);
});

test("ends with Debian's watermarks, reserves, per-cpu lists and thresholds in every zone", () => {
  const k = debianMachine();
  booted(k);
  const file = new URL('../../golden/proc/debian-numa2-4g-zoneinfo.txt', import.meta.url);
  const debian = parseZoneinfo(readFileSync(file, 'utf8'));
  // 20 KiB at the top of node 1: small allocations of subsystems that are not here (docs/boot.md, departures).
  const expected = debian.map((zone) => (zone.managed === 253638 ? { ...zone, managed: 253638 + 5 } : zone));
  expect(parseZoneinfo(zoneinfo_show(k))).toEqual(expected);
});

test("gives back what Debian's kernel gives back at the end of boot, in its words", () => {
  expect(booted(debianMachine()).filter((line) => /^(Freeing|Write protecting)/.test(line))).toEqual([
    'Freeing SMP alternatives memory: 36K',
    'Freeing initrd memory: 1008K',
    'Freeing unused decrypted memory: 2036K',
    'Freeing unused kernel image (initmem) memory: 2824K',
    'Write protecting the kernel read-only data: 26624k',
    'Freeing unused kernel image (text/rodata gap) memory: 2040K',
    'Freeing unused kernel image (rodata/data gap) memory: 1108K',
  ]);
});

test.each([
  { option: 'rodata=off', says: 'Kernel memory protection disabled.', freed: 0 },
  { option: 'rodata=on', says: 'Write protecting the kernel read-only data: 26624k', freed: 2 },
  { option: 'rodata=full', says: "Invalid option string for rodata: 'full'", freed: 2 },
])('$option', ({ option, says, freed }) => {
  const log = booted(bootKernel({ e820: pcMap(256 * MiB), cmdline: option }));
  expect(log).toContain(says);
  expect(log.filter((line) => line.includes(' gap) memory'))).toHaveLength(freed);
});

test.each(['crashkernel=256M', 'memtest=1'])('%s: known, and said to do nothing', (option) => {
  const log = booted(bootKernel({ e820: pcMap(256 * MiB), cmdline: option }));
  expect(log).toContain(`pgdat: ${option.split('=')[0]}= has no effect here`);
  expect(log.filter((line) => line.startsWith('Unknown kernel command line'))).toEqual([]);
  const plain = booted(bootKernel({ e820: pcMap(256 * MiB) }));
  const memory = (lines: string[]) => lines.find((line) => line.startsWith('Memory:'));
  expect(memory(log)).toBe(memory(plain));
});

test('stages run in order, each told when it begins and ends', () => {
  const k = bootKernel({ e820: pcMap(256 * MiB) });
  const told: string[] = [];
  k.on_stage = (name, phase) => told.push(`${phase} ${name}`);
  start_kernel(k);
  expect(told).toEqual(stages.flatMap(({ name }) => [`begin ${name}`, `end ${name}`]));
});

test('two boots of one machine are one', () => {
  const once = () => booted(bootKernel({ e820: pcMap(256 * MiB), cmdline: 'memblock=debug' }));
  expect(once()).toEqual(once());
});

test.each([
  [
    'no usable memory',
    'memmap=exactmap memmap=1M$2M memmap=1M$4M',
    [
      '.text .data .bss are not marked as E820_TYPE_RAM!',
      'last_pfn = 0x4430 max_arch_pfn = 0x400000000',
      'No sub-1M memory is available for the trampoline',
      'Failed to release memory for alloc_low_pages()',
      'Kernel panic - not syncing: alloc_low_pages: can not alloc memory',
    ],
  ],
  [
    'memory below 1 MiB only',
    'memmap=exactmap memmap=640K@0 memmap=64K$1M',
    [
      '.text .data .bss are not marked as E820_TYPE_RAM!',
      'last_pfn = 0x4430 max_arch_pfn = 0x400000000',
      'Failed to release memory for alloc_low_pages()',
      'Kernel panic - not syncing: alloc_low_pages: can not alloc memory',
    ],
  ],
  [
    'a map of one range',
    'memmap=exactmap memmap=1G@0',
    ['Kernel panic - not syncing: Invalid user supplied memory map'],
  ],
  [
    'the kernel outside of memory',
    'mem=16M',
    [
      '.text .data .bss are not marked as E820_TYPE_RAM!',
      'last_pfn = 0x4430 max_arch_pfn = 0x400000000',
      'Faking a node at [mem 0x0000000000000000-0x000000000442ffff]',
      'NODE_DATA(0) allocated [mem 0x00fd4000-0x00ffefff]',
      '  node   0: [mem 0x0000000000100000-0x000000000442ffff]',
      'On node 0, zone DMA32: 15312 pages in unavailable ranges',
      'Built 1 zonelists, mobility grouping on.  Total pages: 16883',
    ],
  ],
  [
    'just enough memory',
    'mem=70M',
    [
      'NODE_DATA(0) allocated [mem 0x045d5000-0x045fffff]',
      'On node 0, zone DMA32: 14848 pages in unavailable ranges',
      'Built 1 zonelists, mobility grouping on.  Total pages: 17384',
    ],
  ],
  [
    'the kernel half outside of memory, which goes on elsewhere',
    'memmap=exactmap memmap=640K@0 memmap=48M@16M memmap=512M@1G',
    [
      '.text .data .bss are not marked as E820_TYPE_RAM!',
      'NODE_DATA(0) allocated [mem 0x5ffd4000-0x5fffefff]',
      '  node   0: [mem 0x0000000001000000-0x000000000442ffff]',
      '  node   0: [mem 0x0000000040000000-0x000000005fffffff]',
      'On node 0, zone DMA32: 3936 pages in unavailable ranges',
      'On node 0, zone DMA32: 15312 pages in unavailable ranges',
      '[mem 0x60000000-0xffffffff] available for PCI devices',
      'Built 1 zonelists, mobility grouping on.  Total pages: 142331',
    ],
  ],
])("%s: the words of Debian's kernel in the same place", (_, cmdline, wanted) => {
  const log = booted(bootKernel({ e820: pcMap(4 * GiB), cmdline }));
  expect(log.filter((line) => wanted.includes(line))).toEqual(wanted);
});
