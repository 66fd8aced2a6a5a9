// ACPI tables in RAM for self tests: SRAT and SLIT as firmware would leave them, right or wrong (ACPI 6.5, 5.2).

import type { Ram } from '../arch/x86/hw.ts';

const HEADER_SIZE = 36;
const RSDP_AT = 0xf0000;
const TABLES_AT = 0xe0000;

/** The low `size` bytes of a number, least significant first. */
const le = (value: number, size: number): number[] =>
  Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);
const ascii = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));
const zeros = (count: number): number[] => new Array<number>(count).fill(0);

function with_checksum(bytes: readonly number[], at: number): number[] {
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  return bytes.map((byte, i) => (i === at ? -sum & 0xff : byte));
}

export function table(signature: string, body: readonly number[]): number[] {
  const length = le(HEADER_SIZE + body.length, 4);
  const maker = [...ascii('PGDAT SELFTEST'), ...le(1, 4), ...ascii('PGDT'), ...le(1, 4)];
  return with_checksum([...ascii(signature), ...length, 3, 0, ...maker, ...body], 9);
}

export const SRAT_ENABLED = 1;
export const SRAT_HOTPLUG = 2;

/** Processor local APIC affinity. */
export const cpu_entry = (pxm: number, apic: number, flags = SRAT_ENABLED): number[] => [
  ...[0, 16, pxm & 0xff, apic],
  ...le(flags, 4),
  ...[0, ...le(pxm >>> 8, 3)],
  ...zeros(4),
];

/** Memory affinity. */
export const memory_entry = (pxm: number, start: number, end: number, flags = SRAT_ENABLED): number[] => [
  ...[1, 40],
  ...le(pxm, 4),
  ...zeros(2),
  ...le(start, 8),
  ...le(end - start, 8),
  ...zeros(4),
  ...le(flags, 4),
  ...zeros(8),
];

export const srat = (entries: readonly (readonly number[])[]): number[] =>
  table('SRAT', [...le(1, 4), ...zeros(8), ...entries.flat()]);

export const slit = (rows: readonly (readonly number[])[]): number[] =>
  table('SLIT', [...le(rows.length, 8), ...rows.flat()]);

/** Writes the tables, an RSDT that lists them, and the root pointer. */
export function place_tables(ram: Ram, tables: readonly (readonly number[])[]): void {
  let next = TABLES_AT;
  const put = (bytes: readonly number[]): number => {
    const at = next;
    ram.write(at, Uint8Array.from(bytes));
    next = Math.ceil((at + bytes.length) / 64) * 64;
    return at;
  };
  const rsdt = put(
    table(
      'RSDT',
      tables.map(put).flatMap((at) => le(at, 4)),
    ),
  );
  const rsdp = [...ascii('RSD PTR '), 0, ...ascii('PGDAT '), 0, ...le(rsdt, 4)];
  ram.write(RSDP_AT, Uint8Array.from(with_checksum(rsdp, 8)));
}
