// What SeaBIOS 1.16 takes from the top of RAM below 4 GiB, and reports as reserved, in a QEMU 7.2 guest. From the top down:
//
//   SMBIOS tables, if they do not fit below 1 MiB | ACPI tables, in a file of n x 128 KiB | q35: AHCI command buffers
//
// The start is rounded down to a page. Sizes of the first and the last were measured; only they are needed, not contents.

import type { MachineConfig, MachineType } from '../emu/config/machine_config.ts';
import type { AddressRange } from '../emu/memory.ts';
import { ONE_MIB } from './layout.ts';

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

const down = (address: number, to: number): number => address - (address % to);

function smbiosSize({ type, sockets, layout }: MachineConfig): number {
  const { base, socket } = SMBIOS[type];
  const dimms = Math.ceil((layout.below4g + layout.above4g) / DIMM_SIZE);
  let size = base + (sockets - 1) * socket + (layout.above4g > 0 ? SMBIOS_SECOND_RANGE : 0);
  for (let i = 1; i < dimms; i++) size += SMBIOS_DIMM + String(i).length - 1;
  return size;
}
