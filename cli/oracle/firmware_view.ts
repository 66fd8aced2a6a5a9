// What the firmware left in RAM, read as a kernel would but by other code than the kernel's: the e820 entries that
// boot_params holds, and ACPI tables found from the RSDP on. A check that used the kernel's reader would not see what
// that reader misses.

import type { Ram } from '../../kernel/arch/x86/hw.ts';
import type { E820Line } from './boot_case.ts';

// struct boot_params (Documentation/x86/zero-page.rst) and struct setup_data
const E820_ENTRIES = 0x1e8;
const SETUP_DATA = 0x250;
const E820_TABLE = 0x2d0;
const E820_ENTRY_SIZE = 20;
const SETUP_E820_EXT = 1;
const SETUP_DATA_HEADER = 16;

/** How the kernel prints the types of e820 entries. */
export const E820_TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'usable',
  2: 'reserved',
  3: 'ACPI data',
  4: 'ACPI NVS',
  5: 'unusable',
  7: 'persistent (type 7)',
  12: 'persistent (type 12)',
  4026531839: 'soft reserved',
};

export function e820Lines(ram: Ram, boot_params: number): E820Line[] {
  const lines: E820Line[] = [];
  const read = (table: number, count: number) => {
    for (let i = 0; i < count; i++) {
      const entry = table + i * E820_ENTRY_SIZE;
      const start = ram.big64(entry);
      const type = ram.u32(entry + 16);
      lines.push({ start, end: start + ram.big64(entry + 8) - 1n, type: E820_TYPE_NAMES[type] ?? `type ${type}` });
    }
  };
  read(boot_params + E820_TABLE, ram.u8(boot_params + E820_ENTRIES));
  let data = ram.u64(boot_params + SETUP_DATA);
  for (let seen = 0; data !== 0 && seen < 64; seen++) {
    if (ram.u32(data + 8) === SETUP_E820_EXT) {
      read(data + SETUP_DATA_HEADER, Math.floor(ram.u32(data + 12) / E820_ENTRY_SIZE));
    }
    data = ram.u64(data);
  }
  return lines;
}

const RSDP_SIGNATURE = 'RSD PTR ';
const HEADER_SIZE = 36;

/** The first table with this signature, or null. */
export function acpiTable(ram: Ram, signature: string): Uint8Array | null {
  for (const table of acpiTables(ram))
    if (text(ram, table, 4) === signature) return ram.read(table, ram.u32(table + 4));
  return null;
}

function acpiTables(ram: Ram): number[] {
  const rsdp = findRsdp(ram);
  if (rsdp === null) return [];
  const xsdt = ram.u8(rsdp + 15) >= 2 ? ram.u64(rsdp + 24) : 0;
  const root = xsdt !== 0 ? xsdt : ram.u32(rsdp + 16);
  const size = xsdt !== 0 ? 8 : 4;
  const tables: number[] = [];
  for (let at = root + HEADER_SIZE; at + size <= root + ram.u32(root + 4); at += size) {
    tables.push(size === 8 ? ram.u64(at) : ram.u32(at));
  }
  return tables;
}

/** ACPI 6.5, 5.2.5.1: the first KiB of the EBDA, then the BIOS read-only space, on 16-byte boundaries. */
function findRsdp(ram: Ram): number | null {
  const ebda = ram.u16(0x40e) * 16;
  const areas = [[ebda, ebda + 0x400] as const, [0xe0000, 0x100000] as const];
  for (const [start, end] of areas) {
    for (let at = start; at < end; at += 16) if (at !== 0 && text(ram, at, 8) === RSDP_SIGNATURE) return at;
  }
  return null;
}

const text = (ram: Ram, at: number, size: number): string => String.fromCharCode(...ram.read(at, size));
