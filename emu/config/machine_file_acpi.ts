// The ACPI half of a machine file: entries of the SRAT and the MADT, the SLIT's matrix, whole tables as bytes, and what
// is to be broken in the finished tables.

import type { JsonField } from './json_field.ts';
import type { Corruption, MachineConfig, MadtCpu, Srat, SratEntry } from './machine_config.ts';

// Tables made by the firmware, whether or not this machine has them (firmware/acpi/tables.ts).
const ROOTS = ['RSDP', 'RSDT', 'XSDT'];
const OWN_TABLES = ['FACS', 'DSDT', 'FACP', 'APIC', 'HPET', 'SRAT', 'SLIT', 'HMAT', 'MCFG', 'WAET'];
const SIGNATURE = /^[\x21-\x7e]{4}$/;

const U8 = 0xff;
const U32 = 0xffffffff;
/** PXM fields have 32 bits from revision 2 on. */
const SRAT_REVISION = 3;
/** Linux numbers 1024 nodes at most, and as many distances. */
const MAX_LOCALITIES = 1024;
const MAX_ENTRIES = 0x10000;
/** So that the ROM, 16 MiB, holds them with all else. */
export const MAX_TABLE_BYTES = 0x800000;

type Flags = Readonly<Record<string, number>>;
// ACPI 6.5, tables 5.21, 5.36, 5.57, 5.58, 5.59
const MADT_FLAGS: Flags = { enabled: 1, 'online-capable': 2 };
const SRAT_CPU_FLAGS: Flags = { enabled: 1 };
const SRAT_MEMORY_FLAGS: Flags = { enabled: 1, hotplug: 2, 'non-volatile': 4 };

export function readSrat(field: JsonField): Srat {
  if (field.isList) return { revision: SRAT_REVISION, entries: readSratEntries(field) };
  if (!field.isObject) field.expected('a list of entries, or an object with revision, entries');
  else if (field.object(['revision', 'entries'])) {
    const revision = field.member('revision');
    return {
      revision: revision.present ? revision.number(U8) : SRAT_REVISION,
      entries: readSratEntries(field.member('entries')),
    };
  }
  return { revision: SRAT_REVISION, entries: [] };
}

const readSratEntries = (field: JsonField): SratEntry[] => field.items(MAX_ENTRIES).map(readSratEntry);

const SRAT_FIELDS: Readonly<Record<SratEntry['kind'], readonly string[]>> = {
  apic: ['kind', 'pxm', 'apicId', 'flags'],
  x2apic: ['kind', 'pxm', 'apicId', 'flags'],
  memory: ['kind', 'pxm', 'start', 'size', 'flags'],
  raw: ['kind', 'hex', 'base64'],
};

function readSratEntry(field: JsonField): SratEntry {
  const kind = readKind(field, ['apic', 'x2apic', 'memory', 'raw']);
  if (kind === null || !field.object(SRAT_FIELDS[kind])) return { kind: 'raw', bytes: new Uint8Array() };
  if (kind === 'raw') return { kind, bytes: readBytes(field) };
  const pxm = field.member('pxm').number(U32);
  const flags = field.member('flags');
  if (kind === 'memory') {
    const [start, size] = [field.member('start').uint(), field.member('size').uint()];
    return { kind, pxm, start, size, flags: readFlags(flags, SRAT_MEMORY_FLAGS) };
  }
  const apicId = field.member('apicId').number(kind === 'apic' ? U8 : U32);
  return { kind, pxm, apicId, flags: readFlags(flags, SRAT_CPU_FLAGS) };
}

export const readMadtCpus = (field: JsonField): MadtCpu[] => field.items(MAX_ENTRIES).map(readMadtCpu);

function readMadtCpu(field: JsonField, index: number): MadtCpu {
  const kind = readKind(field, ['apic', 'x2apic']);
  if (kind === null || !field.object(['kind', 'apicId', 'uid', 'flags'])) {
    return { kind: 'apic', apicId: 0, uid: 0, flags: 0 };
  }
  const limit = kind === 'apic' ? U8 : U32;
  const uid = field.member('uid');
  return {
    kind,
    apicId: field.member('apicId').number(limit),
    uid: uid.present ? uid.number(limit) : index % (limit + 1),
    flags: readFlags(field.member('flags'), MADT_FLAGS),
  };
}

function readKind<K extends string>(field: JsonField, kinds: readonly K[]): K | null {
  if (!field.isObject) {
    field.expected(`an object with a kind, one of ${kinds.join(', ')}`);
    return null;
  }
  const member = field.member('kind');
  const kind = kinds.find((one) => member.isText && member.text() === one);
  if (kind === undefined) member.expected(`one of ${kinds.join(', ')}`);
  return kind ?? null;
}

/** Names, or the number itself. Without any an entry is enabled. */
function readFlags(field: JsonField, names: Flags): number {
  if (!field.present) return 1;
  if (!field.isList) return field.number(U32);
  return field.items(MAX_ENTRIES).reduce((flags, item) => {
    const name = item.text();
    if (item.isText && !Object.hasOwn(names, name)) item.expected(`one of ${Object.keys(names).join(', ')}`);
    return flags | (names[name] ?? 0);
  }, 0);
}

export function readSlit(field: JsonField): number[][] {
  const rows = field.items(MAX_LOCALITIES, 'a list of rows');
  return rows.map((row) => {
    const distances = row.items(MAX_LOCALITIES, 'a list of distances');
    if (row.isList && distances.length !== rows.length) {
      row.refuse(`${distances.length} distances, a matrix of ${rows.length} rows has ${rows.length}`);
    }
    return distances.map((distance) => distance.number(U8));
  });
}

/** By signature; null for a table that is to be left out. */
export function readTables(field: JsonField): Record<string, Uint8Array | null> {
  const tables: Record<string, Uint8Array | null> = {};
  for (const name of field.keys('an object of tables by signature')) {
    const table = field.member(name);
    if (ROOTS.includes(name)) table.refuse('the firmware makes it out of the others, it can only be corrupted');
    else if (!SIGNATURE.test(name)) table.refuse('a signature has four characters of ASCII');
    else if (!table.isNull) tables[name] = table.object(['hex', 'base64']) ? readBytes(table) : null;
    else if (OWN_TABLES.includes(name)) tables[name] = null;
    else table.refuse(`there is none to leave out, there are ${OWN_TABLES.join(', ')}`);
  }
  return tables;
}

/** `hex` or `base64` of an object: a string, or a list of strings that follow each other. Blanks do not count. */
function readBytes(field: JsonField): Uint8Array {
  const [hex, base64] = [field.member('hex'), field.member('base64')];
  const coded = hex.present ? hex : base64;
  if (hex.present === base64.present) {
    field.refuse('expected its bytes as either hex or base64');
    return new Uint8Array();
  }
  const parts = coded.isList ? coded.items(MAX_TABLE_BYTES).map((part) => part.text()) : [coded.text()];
  const text = parts.join('').replace(/\s/g, '');
  if (text.length > 2 * MAX_TABLE_BYTES) coded.refuse(`too long, all tables together have ${MAX_TABLE_BYTES} bytes`);
  else if (hex.present && !isHex(text)) coded.refuse('not pairs of hexadecimal digits');
  else if (base64.present && !isBase64(text)) coded.refuse('not base64');
  else return Uint8Array.from(Buffer.from(text, hex.present ? 'hex' : 'base64'));
  return new Uint8Array();
}

/** Length and characters apart: an expression that repeats a group overflows on long texts. */
const isHex = (text: string): boolean => text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text);
const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);

/** @param tables names that this machine has */
export function readCorruption(field: JsonField, config: MachineConfig): Corruption {
  const known = field.object(['noRsdp', 'checksum', 'length', 'truncate', 'signature']);
  const tables = tableNames(config);
  const has = (item: JsonField, name: string): boolean =>
    tables.includes(name) || item.refuse(`no such table, there are ${tables.join(', ')}`);
  const byTable = <T>(key: string, read: (item: JsonField) => T): Record<string, T> => {
    const values: Record<string, T> = {};
    const member = field.member(key);
    if (!known || !member.present) return values;
    for (const name of member.keys('an object by table')) {
      const item = member.member(name);
      if (has(item, name)) values[name] = read(item);
    }
    return values;
  };
  const checksum = field.member('checksum');
  const checksums = known && checksum.present ? checksum.items(MAX_ENTRIES) : [];
  for (const item of checksums) {
    if (item.isText && item.text() === 'FACS') item.refuse('it has no checksum');
    else if (item.isText) has(item, item.text());
  }
  const length = byTable('length', (item) => item.number(U32));
  if (Object.hasOwn(length, 'RSDP') && !config.xsdt) {
    field.member('length').member('RSDP').refuse('it has a length only with "xsdt": true');
  }
  return {
    noRsdp: field.member('noRsdp').flag(),
    checksum: checksums.map((item) => item.text()),
    length,
    truncate: byTable('truncate', (item) => item.number(U32)),
    signature: byTable('signature', (item) => {
      const text = item.text();
      const size = item.path.endsWith('.RSDP') ? 8 : 4;
      if (item.isText && !/^[\x20-\x7e]*$/.test(text)) item.refuse('not ASCII');
      else if (item.isText && text.length !== size) item.refuse(`${text.length} characters, a signature has ${size}`);
      return text;
    }),
  };
}

/** The tables that the firmware will make of `config`, and those it is given. */
export function tableNames(config: MachineConfig): string[] {
  const absent = [
    ...(config.xsdt ? [] : ['XSDT']),
    ...(config.hpet ? [] : ['HPET']),
    ...(config.srat !== null || config.nodes.length > 0 ? [] : ['SRAT']),
    ...(config.slit !== null || config.distances !== null ? [] : ['SLIT']),
    ...(config.hmat !== null ? [] : ['HMAT']),
    ...(config.type === 'q35' ? [] : ['MCFG']),
  ];
  const made = [...ROOTS, ...OWN_TABLES].filter((name) => !absent.includes(name));
  const names = new Set([...made, ...Object.keys(config.acpi)]);
  return [...names].filter((name) => config.acpi[name] !== null);
}

/** No less than the bytes of all tables together. */
export function tablesBound({ cpus, nodes, acpi, srat, slit, madtCpus, hmat }: MachineConfig): number {
  const given = Object.values(acpi).filter((bytes) => bytes !== null);
  const matrix = (rows: number) => rows * rows;
  let size = 4096 + given.length * 12 + given.reduce((sum, bytes) => sum + bytes.length, 0);
  size += 16 * (madtCpus ?? cpus).length;
  if (srat === null) size += 24 * cpus.length + 40 * (4 * nodes.length + 4);
  else for (const entry of srat.entries) size += entry.kind === 'raw' ? entry.bytes.length : 40;
  size += matrix(slit?.length ?? nodes.length);
  if (hmat !== null) {
    size += 40 * nodes.length + 32 * hmat.caches.length;
    size += hmat.localities.length * (32 + 8 * nodes.length + 2 * matrix(nodes.length));
  }
  return size;
}
