// The parts of a machine file that are ACPI tables: SLIT and MADT by their contents, any table by its bytes, and damage.

import type { AddressRange } from '../memory.ts';
import { type JsonField, MAX_U8, MAX_U32 } from './json_fields.ts';
import type { Corruption, MachineConfig, MadtCpu } from './machine_config.ts';
import { FOUR_GIB } from './ram_layout.ts';

/** Where a BIOS has room: the end of what it does not use itself, and its own segment. */
const BIOS_ROOM_START = 0xa0000;
const BIOS_SEGMENT: AddressRange = { start: 0xf0000, end: 0x100000 };
const FIRST_X2APIC_ID = 255;

export function readSlit(field: JsonField): number[][] {
  const rows = field.elements('a matrix: a list of rows of numbers');
  return rows.map((row) => {
    const values = row.elements('a list of numbers').map((each) => each.number(MAX_U8) ?? 0);
    if (values.length !== rows.length) row.wrong(`${values.length} distances, wanted ${rows.length}, one for each row`);
    return values;
  });
}

/** An APIC ID; `x2apic` says which kind of entry holds it, by default the one that it fits. */
export function readApicId(apic: JsonField, x2apic: JsonField): { kind: 'apic' | 'x2apic'; apicId: number } {
  const apicId = apic.number(MAX_U32) ?? 0;
  const wide = x2apic.present ? x2apic.flag() === true : apicId >= FIRST_X2APIC_ID;
  if (!wide && apicId > Number(MAX_U8)) apic.wrong(`${apicId} is out of range, the limit without x2apic is ${MAX_U8}`);
  return { kind: wide ? 'x2apic' : 'apic', apicId };
}

export function readMadt(field: JsonField): MadtCpu[] {
  const { cpus } = field.members(['cpus']);
  return cpus.elements('a list of CPUs with apic, uid, flags, x2apic').map((each, i) => {
    const { apic, uid, flags, x2apic } = each.members(['apic', 'uid', 'flags', 'x2apic']);
    const { kind, apicId } = readApicId(apic, x2apic);
    const wide = kind === 'x2apic';
    return {
      kind,
      apicId,
      uid: uid.present ? (uid.number(wide ? MAX_U32 : MAX_U8) ?? 0) : i,
      flags: flags.present ? (flags.number(MAX_U32) ?? 0) : 1,
    };
  });
}

const ROOTS = ['RSDP', 'RSDT', 'XSDT'];

export function readTables(field: JsonField): Record<string, Uint8Array | null> {
  const tables: Record<string, Uint8Array | null> = {};
  for (const [name, table] of field.entries('an object: bytes by signature')) {
    if (!/^[A-Z0-9_]{4}$/.test(name)) table.wrong('a signature is four of A-Z, 0-9, _');
    else if (ROOTS.includes(name)) table.wrong('holds addresses that are worked out; see corrupt');
    else tables[name] = table.value === null ? null : readBytes(table);
  }
  return tables;
}

/** `{"hex": "..."}` or `{"base64": "..."}`. */
export function readBytes(field: JsonField): Uint8Array {
  const { hex, base64 } = field.members(['hex', 'base64']);
  if (hex.present === base64.present) {
    field.wrong('wanted either hex or base64');
    return new Uint8Array();
  }
  const text = (hex.present ? hex : base64).text()?.replace(/\s/g, '') ?? '';
  if (hex.present && !/^([0-9a-f]{2})*$/i.test(text)) hex.wrong('is not an even number of hexadecimal digits');
  if (base64.present && !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) base64.wrong('is not base64');
  return new Uint8Array(Buffer.from(text, hex.present ? 'hex' : 'base64'));
}

export function readTablesAt(field: JsonField, ram: readonly AddressRange[]): number | null {
  const at = field.number(BigInt(FOUR_GIB - 1));
  if (at === undefined) return null;
  const holder = ram.find(({ start, end }) => start <= at && at < end);
  if (holder === undefined) field.wrong(`there is no RAM at 0x${at.toString(16)}`);
  else if (at < BIOS_ROOM_START || (at >= BIOS_SEGMENT.start && at < BIOS_SEGMENT.end)) {
    field.wrong(`the BIOS works at 0x${at.toString(16)}; use 0xa0000 to 0xeffff or what is above 1 MiB`);
  }
  return at;
}

export function readCorruption(field: JsonField, config: MachineConfig): Corruption {
  const { noRsdp, checksum, length, truncate, signature } = field.members([
    'noRsdp',
    'checksum',
    'length',
    'truncate',
    'signature',
  ]);
  const isTable = (name: string, at: JsonField): boolean => {
    if (hasTable(config, name)) return true;
    at.wrong(`this machine has no table ${JSON.stringify(name)}`);
    return false;
  };
  const numbers = (by: JsonField): Record<string, number> => {
    const found: Record<string, number> = {};
    for (const [name, each] of by.present ? by.entries('an object: a number of bytes by table') : []) {
      const value = each.number(MAX_U32);
      if (isTable(name, each) && value !== undefined) found[name] = value;
    }
    return found;
  };
  const signatures: Record<string, string> = {};
  for (const [name, each] of signature.present ? signature.entries('an object: a signature by table') : []) {
    const text = each.text();
    const size = name === 'RSDP' ? 8 : 4;
    if (text !== undefined && !(text.length === size && /^[\x20-\x7e]*$/.test(text))) {
      each.wrong(`found ${JSON.stringify(text)}, wanted ${size} ASCII characters`);
    } else if (isTable(name, each) && text !== undefined) signatures[name] = text;
  }
  return {
    noRsdp: noRsdp.present && noRsdp.flag() === true,
    checksum: (checksum.present ? checksum.elements('a list of tables') : []).flatMap((each) => {
      const name = each.text();
      return name !== undefined && isTable(name, each) ? [name] : [];
    }),
    length: numbers(length),
    truncate: numbers(truncate),
    signature: signatures,
  };
}

/** Whether the firmware of this machine will have a table of that name. */
function hasTable(config: MachineConfig, name: string): boolean {
  if (Object.hasOwn(config.acpi, name)) return config.acpi[name] !== null;
  const present: Readonly<Record<string, boolean>> = {
    RSDP: true,
    RSDT: true,
    XSDT: config.xsdt,
    FACS: true,
    DSDT: true,
    FACP: true,
    APIC: true,
    HPET: config.hpet,
    SRAT: config.srat !== null || config.nodes.length > 0,
    SLIT: (config.slit ?? config.distances) !== null,
    HMAT: config.hmat !== null,
    MCFG: config.type === 'q35',
    WAET: true,
  };
  return Object.hasOwn(present, name) && present[name] === true;
}
