// Walking the entries of a table (Linux: drivers/acpi/tables.c acpi_parse_entries_array() and what calls it; the 6.1
// rules: an entry begins as long as its header ends before the table does, its handler decides about its length, a
// length of zero ends everything).

import { EINVAL, ENODEV } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_err } from '../../lib/printk.ts';
import type { AcpiMapping } from './acpi_map.ts';
import { acpi_get_table } from './acpi_tables.ts';

/** sizeof() of the tables' fixed parts: entries begin there. */
export const SIZEOF_MADT = 44;
export const SIZEOF_SRAT = 48;
export const SIZEOF_CEDT = 36;

/** One entry: a table and the offset at which the entry begins. */
export class Entry {
  readonly table: AcpiMapping;
  readonly start: number;
  /** Bytes from its beginning to the end of the table. */
  readonly room: number;

  constructor(table: AcpiMapping, start: number, room: number) {
    this.table = table;
    this.start = start;
    this.room = room;
  }

  u8(offset: number): number {
    return this.table.u8(this.start + offset);
  }
  u16(offset: number): number {
    return this.table.u16(this.start + offset);
  }
  u32(offset: number): number {
    return this.table.u32(this.start + offset);
  }
  u64(offset: number): bigint {
    return this.table.u64(this.start + offset);
  }
  text(offset: number, size: number): string {
    return this.table.text(this.start + offset, size);
  }
  get type(): number {
    return this.u8(0);
  }
  get length(): number {
    return this.u8(1);
  }
}

/** struct acpi_subtable_proc. @returns of the handler: 0, or -errno, after which no handler is called any more */
export interface acpi_subtable_proc {
  readonly id: number;
  readonly handler: (k: Kernel, entry: Entry) => number;
  count: number;
}

export const subtable_proc = (id: number, handler: acpi_subtable_proc['handler']): acpi_subtable_proc => ({
  id,
  handler,
  count: 0,
});

/** The entries of a table up to its end or to one of no length. */
export function* for_each_entry(table: AcpiMapping, table_size: number): Generator<Entry> {
  const table_end = table.u32(4);
  for (let at = table_size; at + 2 < table_end; ) {
    const entry = new Entry(table, at, table_end - at);
    yield entry;
    if (entry.length === 0) return;
    at += entry.length;
  }
}

const hex2 = (value: number): string => value.toString(16).padStart(2, '0');

/** @returns the number of entries that were handled, or -EINVAL */
function acpi_parse_entries_array(
  k: Kernel,
  id: string,
  table_size: number,
  table: AcpiMapping,
  proc: readonly acpi_subtable_proc[],
  max_entries: number,
): number {
  const table_end = table.u32(4);
  // Entries of the CEDT have a reserved byte after the type and a length of 16 bits.
  const cedt = id === 'CEDT';
  const header_length = cedt ? 4 : 2;
  let count = 0;
  let errs = 0;
  let at = table_size;
  while (at + header_length < table_end) {
    if (max_entries !== 0 && count >= max_entries) break;
    const entry = new Entry(table, at, table_end - at);
    for (const row of proc) {
      if (row.id !== entry.type) continue;
      if (errs === 0 && row.handler(k, entry) !== 0) {
        errs++;
        continue;
      }
      row.count++;
      count++;
      break;
    }
    const length = cedt ? entry.u16(2) : entry.length;
    if (length === 0) {
      pr_err(k, `ACPI: [${id}:0x${hex2(proc[0]!.id)}] Invalid zero length`);
      return -EINVAL;
    }
    at += length;
  }
  return errs !== 0 ? -EINVAL : count;
}

/** @returns the number of entries that were handled, -EINVAL, or -ENODEV without such a table */
export function acpi_table_parse_entries_array(
  k: Kernel,
  id: string,
  table_size: number,
  proc: readonly acpi_subtable_proc[],
  max_entries: number,
): number {
  if (k.acpi.acpi_disabled) return -ENODEV;
  const table = acpi_get_table(k, id, id === 'APIC' ? k.acpi.acpi_apic_instance : 0);
  if (table === null) return -ENODEV;
  return acpi_parse_entries_array(k, id, table_size, table, proc, max_entries);
}

export const acpi_table_parse_entries = (
  k: Kernel,
  id: string,
  table_size: number,
  entry_id: number,
  handler: acpi_subtable_proc['handler'],
  max_entries = 0,
): number => acpi_table_parse_entries_array(k, id, table_size, [subtable_proc(entry_id, handler)], max_entries);

/** Entries of one type of the MADT. */
export const acpi_table_parse_madt = (
  k: Kernel,
  entry_id: number,
  handler: acpi_subtable_proc['handler'],
  max_entries = 0,
): number => acpi_table_parse_entries(k, 'APIC', SIZEOF_MADT, entry_id, handler, max_entries);

/** Hands the table to `handler`. @returns whether there is one */
export function acpi_table_parse(k: Kernel, id: string, handler: (k: Kernel, table: AcpiMapping) => void): boolean {
  if (k.acpi.acpi_disabled) return false;
  const table = acpi_get_table(k, id, id === 'APIC' ? k.acpi.acpi_apic_instance : 0);
  if (table === null) return false;
  handler(k, table);
  return true;
}
