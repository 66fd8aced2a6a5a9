// Every recorded boot: from what QEMU was told, our firmware reports the e820 map and the SRAT, SLIT and MADT that QEMU
// and SeaBIOS reported. Checksum, OEM and creator fields are not compared, nor tables that the recording had replaced.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseQemuOptions, splitOptions } from '../../emu/config/qemu_options.ts';
import { acpiTables } from '../../firmware/acpi/tables.ts';
import { e820Entries } from '../../firmware/e820.ts';

interface BootCase {
  readonly qemu: string;
  readonly cpus: number;
  readonly e820: readonly { start: string; end: string; type: string }[];
  readonly acpi: Readonly<Record<string, string>>;
  readonly acpi_overridden?: readonly string[];
}

const folder = new URL('../golden/boot/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
const TYPES: Readonly<Record<number, string>> = { 1: 'usable', 2: 'reserved' };
/** The header fields that say who made a table, and the checksum over them. */
const MAKER = { from: 9, to: 36 };

function boot(name: string) {
  const recorded = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as BootCase;
  const parsed = parseQemuOptions(splitOptions(recorded.qemu));
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return { recorded, config: parsed.config, acpi: acpiTables(parsed.config) };
}

const hex64 = (value: bigint): string => `0x${value.toString(16).padStart(16, '0')}`;

test.each(names)('%s: the e820 map', (name) => {
  const { recorded, config, acpi } = boot(name);
  const map = e820Entries(config, acpi.size).map(({ start, size, type }) => ({
    start: hex64(start),
    end: hex64(start + size - 1n),
    type: TYPES[type],
  }));
  expect(map).toEqual(recorded.e820);
});

test.each(names)('%s: SRAT, SLIT and MADT', (name) => {
  const { recorded, config, acpi } = boot(name);
  expect(config.cpus.filter(({ present }) => present)).toHaveLength(recorded.cpus);
  const comparable = (bytes: Uint8Array): string => Buffer.from(bytes).fill(0, MAKER.from, MAKER.to).toString('hex');
  for (const signature of ['SRAT', 'SLIT', 'APIC']) {
    if (recorded.acpi_overridden?.includes(signature)) continue;
    const ours = acpi.tables.find((table) => table.name === signature)?.bytes;
    const theirs = recorded.acpi[signature];
    expect(ours && comparable(ours), signature).toBe(theirs && comparable(Buffer.from(theirs, 'base64')));
  }
});
