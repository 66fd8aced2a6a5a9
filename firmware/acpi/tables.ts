// All ACPI tables of a machine, each at its address: QEMU's order, one straight after the other, the FACS first because
// it alone needs alignment. Tables of a machine file take the places of ours; damage is done at the very end.

import type { Corruption, MachineConfig } from '../../emu/config/machine_config.ts';
import { placeInMap, tableArea } from '../table_area.ts';
import { dsdt } from './dsdt.ts';
import { FACS_ALIGN, facs, fadt } from './fadt.ts';
import { CHECKSUM_OFFSET, fixChecksum, HEADER_SIZE, LENGTH_OFFSET } from './header.ts';
import { hmat } from './hmat.ts';
import { madt } from './madt.ts';
import { rsdp, rsdt, xsdt } from './root.ts';
import { slit } from './slit.ts';
import { hpet, mcfg, waet } from './small_tables.ts';
import { srat } from './srat.ts';

export interface PlacedTable {
  /** The name that a machine file knows it by, whatever its signature says. */
  readonly name: string;
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface AcpiTables {
  /** In order of addresses; empty if the machine has no room for tables. */
  readonly tables: readonly PlacedTable[];
  /** The root pointer; null: there is none. */
  readonly rsdp: Uint8Array | null;
  /** Bytes from the first table to the end of the last. */
  readonly size: number;
}

/** Tables that the FADT points to and the RSDT does not. */
const NOT_IN_RSDT = ['FACS', 'DSDT'];
const RSDP_CHECKSUM = 8;

export function acpiTables(config: MachineConfig): AcpiTables {
  // The FADT's contents depend on addresses, its size does not: a first pass tells where everything goes.
  const sizes = contents(config, 0, 0);
  const size = totalSize(sizes, config.xsdt);
  const base = config.tablesAt ?? (config.e820 === null ? tableArea(config, size)?.tables : placeInMap(config, size));
  if (base === undefined || base === null) return { tables: [], rsdp: null, size: 0 };
  const start = Math.ceil(base / FACS_ALIGN) * FACS_ALIGN;
  const places = place(sizes, start);
  const addressOf = (name: string): number => places.find((table) => table.name === name)?.address ?? 0;

  const tables = place(contents(config, addressOf('FACS'), addressOf('DSDT')), start);
  const listed = tables.filter(({ name }) => !NOT_IN_RSDT.includes(name)).map(({ address }) => address);
  const append = (name: string, bytes: Uint8Array): number => {
    const last = tables.at(-1);
    const address = last === undefined ? start : last.address + last.bytes.length;
    tables.push({ name, address, bytes });
    return address;
  };
  const rsdtAt = append('RSDT', rsdt(listed));
  const xsdtAt = config.xsdt ? append('XSDT', xsdt(listed)) : null;
  const root = { name: 'RSDP', address: 0, bytes: rsdp(rsdtAt, xsdtAt) };
  return {
    tables: tables.map((table) => ({ ...table, bytes: damage(table, config.corrupt) })),
    rsdp: config.corrupt.noRsdp ? null : damage(root, config.corrupt),
    size,
  };
}

interface NamedTable {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The tables in QEMU's order, with what the machine's description puts in, leaves out or adds. */
function contents(config: MachineConfig, facsAt: number, dsdtAt: number): NamedTable[] {
  const ours: readonly (readonly [string, () => Uint8Array | null])[] = [
    ['FACS', facs],
    ['DSDT', () => dsdt(config.type)],
    ['FACP', () => fadt(config.type, config.cpus.length, facsAt, dsdtAt)],
    ['APIC', () => madt(config)],
    ['HPET', () => (config.hpet ? hpet() : null)],
    ['SRAT', () => srat(config)],
    ['SLIT', () => slit(config)],
    ['HMAT', () => hmat(config)],
    ['MCFG', () => (config.type === 'q35' ? mcfg() : null)],
    ['WAET', waet],
  ];
  const added = Object.keys(config.acpi).filter((name) => !ours.some(([own]) => own === name));
  const tables: NamedTable[] = [];
  for (const [name, make] of [...ours, ...added.map((name) => [name, () => null] as const)]) {
    const bytes = Object.hasOwn(config.acpi, name) ? config.acpi[name]! : make();
    if (bytes !== null) tables.push({ name, bytes });
  }
  return tables;
}

function totalSize(tables: readonly NamedTable[], withXsdt: boolean): number {
  const listed = tables.filter(({ name }) => !NOT_IN_RSDT.includes(name)).length;
  const roots = HEADER_SIZE + 4 * listed + (withXsdt ? HEADER_SIZE + 8 * listed : 0);
  return tables.reduce((sum, { bytes }) => sum + bytes.length, roots);
}

function place(tables: readonly NamedTable[], start: number): PlacedTable[] {
  let address = start;
  return tables.map((table) => {
    const placed = { ...table, address };
    address += table.bytes.length;
    return placed;
  });
}

/** Signature and length are changed with the checksum made right again, so that each fault shows alone. */
function damage({ name, bytes }: NamedTable, corrupt: Corruption): Uint8Array {
  const damaged = Uint8Array.from(bytes);
  const view = new DataView(damaged.buffer);
  const isRoot = name === 'RSDP';
  const signature = corrupt.signature[name];
  const length = corrupt.length[name];
  if (signature !== undefined) {
    for (let i = 0; i < signature.length && i < damaged.length; i++) damaged[i] = signature.charCodeAt(i);
  }
  const lengthAt = isRoot ? 20 : LENGTH_OFFSET;
  if (length !== undefined && damaged.length >= lengthAt + 4) view.setUint32(lengthAt, length, true);
  const checksum = isRoot ? RSDP_CHECKSUM : CHECKSUM_OFFSET;
  if (name !== 'FACS' && damaged.length > checksum) {
    if (signature !== undefined || length !== undefined) {
      fixChecksum(damaged, checksum, isRoot ? 20 : (length ?? damaged.length));
    }
    if (corrupt.checksum.includes(name)) damaged[checksum]! ^= 0xff;
  }
  const kept = corrupt.truncate[name];
  if (kept !== undefined) damaged.fill(0, kept);
  return damaged;
}
