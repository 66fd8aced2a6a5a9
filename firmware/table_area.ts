// Where ACPI tables go: the top of RAM below 4 GiB, which the e820 map reports as reserved. QEMU hands SeaBIOS its tables
// in a file padded to a multiple of 128 KiB; on q35 another page goes to a hardware buffer below it.

import type { MachineType } from '../emu/config/machine_config.ts';
import type { AddressRange } from '../emu/memory.ts';
import { ONE_MIB } from './layout.ts';

const UNIT = 0x20000;
const Q35_BUFFER = 0x1000;

/** The reserved range at the top of low RAM; null where RAM is too small for any tables. */
export function tableArea(type: MachineType, below4g: number, tablesSize: number): AddressRange | null {
  const start = below4g - tablesRoom(tablesSize) - (type === 'q35' ? Q35_BUFFER : 0);
  return start < ONE_MIB ? null : { start, end: below4g };
}

/** Bytes kept for tables. */
export const tablesRoom = (tablesSize: number): number => Math.max(Math.ceil(tablesSize / UNIT), 1) * UNIT;
