// The memory map that the BIOS reports through INT 15h, and the older calls' answers that follow from it: as SeaBIOS 1.16
// reports them in a QEMU 7.2 guest, or what the machine's description says instead.

import type { E820Entry, MachineConfig } from '../emu/config/machine_config.ts';
import { HYPERTRANSPORT_SIZE, HYPERTRANSPORT_START } from '../emu/config/ram_layout.ts';
import { EBDA, ONE_MIB } from './layout.ts';
import { tableArea } from './table_area.ts';

export const E820_RAM = 1;
export const E820_RESERVED = 2;

/** Where q35's chipset decodes PCI configuration space, and its root complex registers. */
export const Q35_ECAM = { start: 0xb0000000, end: 0xc0000000 } as const;
const Q35_RCBA = { start: 0xfed1c000, end: 0xfed20000 } as const;
const FLASH = { start: 0xfffc0000, end: 0x100000000 } as const;
const BIOS_AREA = { start: 0xf0000, end: ONE_MIB } as const;
const VGA_START = 0xa0000;

/** @param tablesSize bytes of all ACPI tables together: they take the top of low RAM */
export function e820Entries(config: MachineConfig, tablesSize: number): readonly E820Entry[] {
  return config.e820 ?? seabiosMap(config, tablesSize);
}

function seabiosMap(config: MachineConfig, tablesSize: number): E820Entry[] {
  const { below4g, above4g, above4gStart, hypertransport } = config.layout;
  const entries: E820Entry[] = [];
  const add = (start: number, end: number, type: number) => {
    if (end > start) entries.push({ start: BigInt(start), size: BigInt(end - start), type });
  };
  const area = tableArea(config, tablesSize);
  add(0, EBDA, E820_RAM);
  add(EBDA, VGA_START, E820_RESERVED);
  add(BIOS_AREA.start, BIOS_AREA.end, E820_RESERVED);
  add(ONE_MIB, area?.start ?? below4g, E820_RAM);
  if (area !== null) add(area.start, area.end, E820_RESERVED);
  if (config.type === 'q35') {
    add(Q35_ECAM.start, Q35_ECAM.end, E820_RESERVED);
    add(Q35_RCBA.start, Q35_RCBA.end, E820_RESERVED);
  }
  add(FLASH.start, FLASH.end, E820_RESERVED);
  add(above4gStart, above4gStart + above4g, E820_RAM);
  if (hypertransport) add(HYPERTRANSPORT_START, HYPERTRANSPORT_START + HYPERTRANSPORT_SIZE, E820_RESERVED);
  return entries.sort((a, b) => (a.start < b.start ? -1 : 1));
}

/** The answers of INT 15h AH=88h and AX=E801h. */
export interface LegacyMemory {
  /** KiB above 1 MiB, 63 MiB at most. */
  readonly extendedKib: number;
  /** KiB between 1 and 16 MiB. */
  readonly e801Low: number;
  /** 64 KiB units above 16 MiB. */
  readonly e801High: number;
}

const SIXTEEN_MIB = 0x1000000;
const MAX_EXTENDED_KIB = 63 * 1024;

/** Both count the RAM that goes on from 1 MiB without a hole; a map without entries leaves what the chipset knows. */
export function legacyMemory(config: MachineConfig, tablesSize: number): LegacyMemory {
  const map = config.e820 === null || config.e820.length === 0 ? seabiosMap(config, tablesSize) : config.e820;
  const at = BigInt(ONE_MIB);
  const holder = map.find(({ start, size, type }) => type === E820_RAM && start <= at && start + size > at);
  const end = holder === undefined ? ONE_MIB : Math.min(Number(holder.start + holder.size), 0x100000000);
  return {
    extendedKib: Math.min(Math.floor((end - ONE_MIB) / 1024), MAX_EXTENDED_KIB),
    e801Low: Math.floor((Math.min(end, SIXTEEN_MIB) - ONE_MIB) / 1024),
    e801High: Math.floor(Math.max(end - SIXTEEN_MIB, 0) / 0x10000),
  };
}
