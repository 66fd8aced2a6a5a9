// What the firmware of a QEMU 7.2 guest reported for many command lines (test/golden/qemu/firmware.json, recorded by
// tools/qemu-firmware.mjs): the e820 map, INT 15h 88h and E801h, and every ACPI table but the DSDT, byte for byte. What
// depends on the size of QEMU's DSDT, the addresses of tables behind it, is compared as zero or not zero.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseQemuOptions, splitOptions } from '../../emu/config/qemu_options.ts';
import { CHECKSUM_OFFSET } from '../../firmware/acpi/header.ts';
import { acpiTables } from '../../firmware/acpi/tables.ts';
import { e820Entries, legacyMemory } from '../../firmware/e820.ts';

interface Row {
  readonly options: string;
  readonly e820: readonly string[];
  readonly legacy: object;
  readonly tables: readonly { readonly name: string; readonly address: string; readonly base64?: string }[];
}

const rows = JSON.parse(readFileSync(new URL('../golden/qemu/firmware.json', import.meta.url), 'utf8')) as Row[];

/** Offsets and sizes of addresses in the FADT: FACS and DSDT in 32 bits, and in 64 where the table has them. */
const FADT_ADDRESSES = [
  [36, 4],
  [40, 4],
  [132, 8],
  [140, 8],
] as const;

function comparable(name: string, bytes: Uint8Array): string {
  const copy = Buffer.from(bytes);
  if (name === 'FACP') {
    copy.fill(0, CHECKSUM_OFFSET, CHECKSUM_OFFSET + 1);
    for (const [from, size] of FADT_ADDRESSES) {
      const field = copy.subarray(from, from + size);
      field.fill(field.some((byte) => byte !== 0) ? 0xff : 0);
    }
  }
  return copy.toString('hex');
}

describe.each(rows)('$options', ({ options, e820, legacy, tables }) => {
  const parsed = parseQemuOptions(splitOptions(options));
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  const { config } = parsed;
  const acpi = acpiTables(config);

  test('e820 map', () => {
    const hex = (value: bigint) => `0x${value.toString(16)}`;
    const map = e820Entries(config, acpi.size).map(({ start, size, type }) => `${hex(start)} ${hex(size)} ${type}`);
    expect(map).toEqual(e820);
  });
  test('older calls for the size of memory', () => {
    expect(legacyMemory(config, acpi.size)).toEqual(legacy);
  });
  test('ACPI tables, in their order and from the same address on', () => {
    expect(acpi.tables.map(({ name }) => name)).toEqual(tables.map(({ name }) => name));
    expect(`0x${acpi.tables[0]!.address.toString(16)}`).toBe(tables[0]!.address);
    for (const [i, { name, base64 }] of tables.entries()) {
      if (base64 === undefined || name === 'RSDT') continue;
      const theirs = comparable(name, Buffer.from(base64, 'base64'));
      expect(comparable(name, acpi.tables[i]!.bytes), name).toBe(theirs);
    }
  });
});
