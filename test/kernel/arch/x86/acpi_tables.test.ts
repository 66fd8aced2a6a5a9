// Finding the tables, and the lines that they get: those of a real boot in QEMU (pc, 4 GiB, 2 nodes), whose tables lay
// at the same addresses.

import { describe, expect, it } from 'vitest';
import { acpi_boot_table_init, acpi_early_init } from '../../../../kernel/arch/x86/acpi_tables.ts';
import { boot_params } from '../../../../kernel/arch/x86/boot_params.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import {
  type Bytes,
  checksummed,
  facs,
  fadt,
  lines,
  type Machine,
  machine,
  rsdp,
  rsdp2,
  table,
  twoGiB,
  u16,
  u32,
  u64,
  zeros,
} from '../../../support/acpi.ts';
import { MiB } from '../../../support/hw.ts';

const find = (firmware: Machine['firmware'] & {}, setup?: Machine['setup']): Kernel => {
  const k = machine({ firmware, ...(setup === undefined ? {} : { setup }) });
  acpi_boot_table_init(k);
  return k;
};

const RSDT = 0x40001000;
const rsdt = (...entries: number[]): [number, Bytes] => [RSDT, table('RSDT', entries.flatMap(u32))];
const tableAt = 0x40002000;
const one: [number, Bytes][] = [rsdt(tableAt), [tableAt, table('WAET', u32(0))]];
/** Where the kernel found the RSDP, or null if it found none. */
const foundAt = (k: Kernel): number | null => {
  const line = lines(k).find((text) => text.startsWith('ACPI: RSDP'));
  return line === undefined ? null : Number(line.split(' ')[2]);
};

describe('the RSDP', () => {
  const EBDA = 0x9fc00;
  const ebda: [number, Bytes] = [0x40e, u16(EBDA >> 4)];

  it.each([
    ['at the beginning of the BIOS', [[0xe0000, rsdp(RSDT)]], 0xe0000],
    ['in its last paragraph', [[0xffff0, rsdp(RSDT)]], 0xffff0],
    ['between paragraphs', [[0xe0008, rsdp(RSDT)]], null],
    ['below the BIOS', [[0xdfff0, rsdp(RSDT)]], null],
    ['at the beginning of the EBDA', [ebda, [EBDA, rsdp(RSDT)]], EBDA],
    ['in the last paragraph of its first KiB', [ebda, [EBDA + 1008, rsdp(RSDT)]], EBDA + 1008],
    ['in its second KiB', [ebda, [EBDA + 1024, rsdp(RSDT)]], null],
    ['in an EBDA that nobody points to', [[EBDA, rsdp(RSDT)]], null],
    [
      'in an EBDA at 0x400',
      [
        [0x40e, u16(0x40)],
        [0x400, rsdp(RSDT)],
      ],
      null,
    ],
    ['in the EBDA and in the BIOS', [ebda, [EBDA, rsdp(RSDT)], [0xf0000, rsdp(RSDT)]], EBDA],
    [
      'with a bad checksum, before a good one',
      [
        [0xe0000, broken(rsdp(RSDT), 8)],
        [0xf0000, rsdp(RSDT)],
      ],
      0xf0000,
    ],
    ['of revision 2', [[0xe0000, rsdp2(RSDT, 0)]], 0xe0000],
    ['of revision 2 with a bad second checksum', [[0xe0000, broken(rsdp2(RSDT, 0), 32)]], null],
    [
      'with one character wrong',
      [[0xe0000, checksummed([...'RSD PTr '].map((c) => c.charCodeAt(0)).concat(rsdp(RSDT).slice(8)), 8)]],
      null,
    ],
  ] as [string, [number, Bytes][], number | null][])('%s', (_, firmware, wanted) => {
    expect(foundAt(find([...one, ...firmware]))).toBe(wanted);
  });

  it('that is nowhere turns ACPI off, with ACPICA’s words', () => {
    const k = find([]);
    expect(lines(k)).toEqual([
      'ACPI: Early table checksum verification disabled',
      'ACPI BIOS Error (bug): A valid RSDP was not found (20220331/tbxfroot-210)',
    ]);
    expect(k.acpi.acpi_disabled).toBe(true);
  });

  it('is taken from the boot loader unseen, and from the command line before that', () => {
    const told = (k: Kernel): void => k.hw.ram.set_u64(k.hw.boot_params + boot_params.acpi_rsdp_addr, 0x40000000);
    const bad = broken(rsdp(RSDT), 8);
    const firmware: [number, Bytes][] = [...one, [0x40000000, bad], [0x40000100, bad], [0xe0000, rsdp(RSDT)]];
    expect(foundAt(find(firmware, told))).toBe(0x40000000);
    const both = (k: Kernel): void => {
      told(k);
      k.acpi.acpi_rsdp = 0x40000100n;
    };
    expect(foundAt(find(firmware, both))).toBe(0x40000100);
  });
});

function broken(bytes: Bytes, at: number): number[] {
  const copy = [...bytes];
  copy[at] = copy[at]! ^ 0xff;
  return copy;
}

it('prints the lines of a real boot and reserves each table', () => {
  const sized = (signature: string, size: number): number[] => table(signature, zeros(size - 36));
  const memory = [...twoGiB.slice(0, 2), [0x40200000, 0xc0000000]] as const;
  const k = machine({
    memory: memory.map(([start, end]) => [start, end]),
    firmware: [
      [0xf59b0, rsdp(0xbffe1c2f)],
      [0xbffe1c2f, table('RSDT', [0xbffe19eb, 0xbffe1a5f, 0xbffe1adf, 0xbffe1b17, 0xbffe1c07].flatMap(u32))],
      [0xbffe19eb, fadt(0xbffe0000, 0xbffe0040)],
      [0xbffe0040, sized('DSDT', 0x19ab)],
      [0xbffe0000, facs()],
      [0xbffe1a5f, sized('APIC', 0x80)],
      [0xbffe1adf, sized('HPET', 0x38)],
      [0xbffe1b17, sized('SRAT', 0xf0)],
      [0xbffe1c07, sized('WAET', 0x28)],
    ],
  });
  acpi_boot_table_init(k);
  expect(lines(k)).toEqual([
    'ACPI: Early table checksum verification disabled',
    'ACPI: RSDP 0x00000000000F59B0 000014 (v00 BOCHS )',
    'ACPI: RSDT 0x00000000BFFE1C2F 000038 (v01 BOCHS  BXPC     00000001 BXPC 00000001)',
    'ACPI: FACP 0x00000000BFFE19EB 000074 (v01 BOCHS  BXPC     00000001 BXPC 00000001)',
    'ACPI: DSDT 0x00000000BFFE0040 0019AB (v01 BOCHS  BXPC     00000001 BXPC 00000001)',
    'ACPI: FACS 0x00000000BFFE0000 000040',
    'ACPI: APIC 0x00000000BFFE1A5F 000080 (v01 BOCHS  BXPC     00000001 BXPC 00000001)',
    'ACPI: HPET 0x00000000BFFE1ADF 000038 (v01 BOCHS  BXPC     00000001 BXPC 00000001)',
    'ACPI: SRAT 0x00000000BFFE1B17 0000F0 (v01 BOCHS  BXPC     00000001 BXPC 00000001)',
    'ACPI: WAET 0x00000000BFFE1C07 000028 (v01 BOCHS  BXPC     00000001 BXPC 00000001)',
    'ACPI: Reserving FACP table memory at [mem 0xbffe19eb-0xbffe1a5e]',
    'ACPI: Reserving DSDT table memory at [mem 0xbffe0040-0xbffe19ea]',
    'ACPI: Reserving FACS table memory at [mem 0xbffe0000-0xbffe003f]',
    'ACPI: Reserving APIC table memory at [mem 0xbffe1a5f-0xbffe1ade]',
    'ACPI: Reserving HPET table memory at [mem 0xbffe1adf-0xbffe1b16]',
    'ACPI: Reserving SRAT table memory at [mem 0xbffe1b17-0xbffe1c06]',
    'ACPI: Reserving WAET table memory at [mem 0xbffe1c07-0xbffe1c2e]',
  ]);
  const reserved = k.memblock.reserved.regions.map(({ base, size }) => [base, base + size]);
  expect(reserved).toEqual([
    [0x1000000, 0x2000000],
    [0xbffe0000, 0xbffe1c2f],
  ]);
});

it('uses an XSDT only where the RSDP has revision 2, and not if told not to', () => {
  const XSDT = 0x40003000;
  const firmware = (revision: 0 | 2): [number, Bytes][] => [
    ...one,
    [0xe0000, revision === 2 ? rsdp2(RSDT, XSDT) : rsdp(RSDT)],
    [XSDT, table('XSDT', u64(tableAt))],
  ];
  const rootOf = (k: Kernel): string => lines(k)[2]!.slice(6, 10);
  const rsdtOnly = (k: Kernel): void => {
    k.acpi.do_not_use_xsdt = true;
  };
  expect(rootOf(find(firmware(2)))).toBe('XSDT');
  expect(rootOf(find(firmware(0)))).toBe('RSDT');
  expect(rootOf(find(firmware(2), rsdtOnly))).toBe('RSDT');
});

it('takes tables at any 64-bit address: where nothing answers, all bits are ones', () => {
  const k = find([
    [0xe0000, rsdp2(0, RSDT)],
    [RSDT, table('XSDT', [...u64(0x7fffffff0000n), ...u64(0xfffffffffffff000n), ...u64(tableAt)])],
    [tableAt, table('WAET', u32(0))],
  ]);
  expect(k.acpi.initial_tables.map(({ length }) => length)).toEqual([0xffffffff, 0xffffffff, 40]);
  expect(lines(k)[4]).toMatch(/^ACPI: ÿÿÿÿ 0xFFFFFFFFFFFFF000 FFFFFFFF \(v255 /);
});

it('says later that a table has a bad checksum, unless it has said so', () => {
  const bad: [number, Bytes] = [tableAt, broken(table('WAET', u32(0)), 9)];
  const warning = /^ACPI BIOS Warning \(bug\): Incorrect checksum in table \[WAET\] - 0x../;
  const late = find([[0xe0000, rsdp(RSDT)], rsdt(tableAt), bad]);
  expect(lines(late).filter((line) => warning.test(line))).toEqual([]);
  acpi_early_init(late);
  expect(lines(late).slice(-2)).toEqual(['ACPI: Core revision 20220331', expect.stringMatching(warning)]);

  const early = find([[0xe0000, rsdp(RSDT)], rsdt(tableAt), bad], (k) => {
    k.acpi.acpi_verify_table_checksum = true;
  });
  acpi_early_init(early);
  expect(lines(early).filter((line) => warning.test(line))).toHaveLength(1);
});

it('does nothing with acpi=off', () => {
  const k = find([...one, [0xe0000, rsdp(RSDT)]], (kernel) => {
    kernel.acpi.acpi_disabled = true;
  });
  acpi_early_init(k);
  expect(lines(k)).toEqual([]);
});

it('finds a root table where nothing answers too long to be mapped, and turns ACPI off', () => {
  const k = machine({ firmware: [[0xe0000, rsdp(RSDT)]], memory: [[0, 64 * MiB]] });
  acpi_boot_table_init(k);
  expect(lines(k)[2]).toMatch(/^ACPI: ÿÿÿÿ 0x0000000040001000 FFFFFFFF /);
  expect(lines(k)).toContain('WARNING: CPU: 0 PID: 0 at mm/early_ioremap.c:141 __early_ioremap');
  expect(k.acpi.acpi_disabled).toBe(true);
});
