// What SeaBIOS 1.16 takes from the top of RAM below 4 GiB, and reports as reserved, in a QEMU 7.2 guest. From the top down:
//
//   SMBIOS tables, if they do not fit below 1 MiB | ACPI tables, in a file of n x 128 KiB | q35: AHCI command buffers
//
// The start is rounded down to a page. Sizes of the first and the last were measured; only they are needed, not contents.

import type { MachineConfig, MachineType } from '../emu/config/machine_config.ts';
import type { AddressRange } from '../emu/memory.ts';
import { BIOS_BASE, ONE_MIB, ROM_END } from './layout.ts';

const PAGE_SIZE = 0x1000;
const ACPI_FILE_UNIT = 0x20000;
const ACPI_FILE_ALIGN = 64;
const AHCI_BUFFERS = 1536;

const SMBIOS_ALIGN = 16;
/** SMBIOS tables up to this size go below 1 MiB. */
const SMBIOS_LOW_LIMIT = 600;
/** SMBIOS tables of a machine with one socket, one DIMM and no RAM above 4 GiB; what another socket adds. */
const SMBIOS: Readonly<Record<MachineType, { base: number; socket: number }>> = {
  pc: { base: 388, socket: 68 },
  q35: { base: 376, socket: 65 },
};
const SMBIOS_SECOND_RANGE = 33;
/** Another DIMM, with a number of one digit. */
const SMBIOS_DIMM = 53;
const DIMM_SIZE = 2 ** 34;

export interface TableArea extends AddressRange {
  /** The first ACPI table. */
  readonly tables: number;
}

/** @returns null where RAM is too small for any tables */
export function tableArea(config: MachineConfig, tablesSize: number): TableArea | null {
  const end = config.layout.below4g;
  const smbios = smbiosSize(config);
  const acpiEnd = smbios > SMBIOS_LOW_LIMIT ? down(end - smbios, SMBIOS_ALIGN) : end;
  const acpiFile = Math.max(Math.ceil(tablesSize / ACPI_FILE_UNIT), 1) * ACPI_FILE_UNIT;
  const tables = down(acpiEnd - acpiFile, ACPI_FILE_ALIGN);
  const start = down(config.type === 'q35' ? tables - AHCI_BUFFERS : tables, PAGE_SIZE);
  return start < ONE_MIB ? null : { start, end, tables };
}

/** Types of e820 entries that tables may lie in, the likeliest first: ACPI data, ACPI NVS, reserved. */
const TABLE_TYPES = [3, 4, 2];
/** Upper memory that a BIOS keeps for itself: below its own segment, above the first page for the sake of scans. */
const UPPER_MEMORY: AddressRange = { start: 0xe1000, end: BIOS_BASE };

/** Where tables go in a machine whose map is its own: in a place that the map keeps from use, if it has one. */
export function placeInMap(config: MachineConfig, tablesSize: number): number | null {
  const { ram } = config.layout;
  const inRam = (start: number, end: number): boolean =>
    ram.some((range) => range.start <= start && end <= range.end && end <= ROM_END);
  for (const wanted of TABLE_TYPES) {
    const places = (config.e820 ?? [])
      .filter(({ type }) => type === wanted)
      .map(({ start, size }) => ({ start: up(Number(start), ACPI_FILE_ALIGN), end: Number(start + size) }))
      .filter(({ start, end }) => start >= ONE_MIB && start + tablesSize <= end && inRam(start, start + tablesSize));
    if (places.length > 0) return Math.max(...places.map(({ start }) => start));
  }
  if (UPPER_MEMORY.start + tablesSize <= UPPER_MEMORY.end) return UPPER_MEMORY.start;
  return tableArea(config, tablesSize)?.tables ?? null;
}

const up = (address: number, to: number): number => Math.ceil(address / to) * to;

const down = (address: number, to: number): number => address - (address % to);

function smbiosSize({ type, sockets, layout }: MachineConfig): number {
  const { base, socket } = SMBIOS[type];
  const dimms = Math.ceil((layout.below4g + layout.above4g) / DIMM_SIZE);
  let size = base + (sockets - 1) * socket + (layout.above4g > 0 ? SMBIOS_SECOND_RANGE : 0);
  for (let i = 1; i < dimms; i++) size += SMBIOS_DIMM + String(i).length - 1;
  return size;
}
