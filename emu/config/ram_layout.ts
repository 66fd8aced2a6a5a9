// Where QEMU 7.2's pc and q35 put RAM in the physical address space (hw/i386/pc_piix.c, pc_q35.c, pc.c):
//
//   0 ......... below4g   hole for PCI, APICs, ROM   4 GiB or 1 TiB ......... + above4g   DIMM slots
//
// The part above 4 GiB moves to 1 TiB where it would otherwise run into the HyperTransport range of AMD's CPUs.

import type { AddressRange } from '../memory.ts';
import type { MachineType } from './machine_config.ts';

const MiB = 2 ** 20;
const GiB = 2 ** 30;
export const FOUR_GIB = 4 * GiB;

/** The HyperTransport range: reserved on AMD's CPUs that can address it. */
export const HYPERTRANSPORT_START = 0xfd00000000;
export const HYPERTRANSPORT_SIZE = 0x300000000;
const ABOVE_1TB = 2 ** 40;

export interface RamLayout {
  readonly below4g: number;
  readonly above4g: number;
  readonly above4gStart: number;
  /** Addresses kept for memory devices (`slots=`, `maxmem=`), if any. */
  readonly devices: AddressRange | null;
  /** The HyperTransport range is reserved in the e820 map. */
  readonly hypertransport: boolean;
  /** RAM as the address decoder sees it, ascending. A machine file may put it elsewhere than the rule does. */
  readonly ram: readonly AddressRange[];
}

export interface RamRequest {
  readonly type: MachineType;
  readonly size: number;
  /** Largest size with all memory devices plugged in. */
  readonly maxSize: number;
  readonly slots: number;
  readonly maxBelow4g: number | null;
  readonly amd: boolean;
  readonly physBits: number;
}

/** Low RAM must end below the I/O APIC: QEMU 7.2 aborts where nothing is left for its PCI hole in between. */
export const LOW_RAM_LIMIT = 0xfec00000;

/** How much of `size` bytes lies below 4 GiB. */
export function lowRam(type: MachineType, size: number, maxBelow4g: number | null): number {
  if (type === 'q35') {
    const wanted = size >= 0xb0000000 ? 0x80000000 : 0xb0000000;
    return Math.min(size, wanted, maxBelow4g ?? FOUR_GIB);
  }
  let limit = maxBelow4g ?? 0xe0000000;
  if (size >= limit) limit = Math.min(limit, 0xc0000000);
  return Math.min(size, limit);
}

/** @returns the layout, and the highest address that the machine decodes (its PCI window above RAM included) */
export function layOutRam(request: RamRequest): { layout: RamLayout; maxUsedAddress: number } {
  const { type, size, amd, physBits } = request;
  const below4g = lowRam(type, size, request.maxBelow4g);
  const above4g = size - below4g;
  const place = (above4gStart: number) => {
    const end = above4gStart + above4g;
    const deviceBase = Math.ceil(end / GiB) * GiB;
    const deviceSize = request.maxSize - size + request.slots * GiB;
    const devices = request.maxSize > size ? { start: deviceBase, end: deviceBase + deviceSize } : null;
    const pciWindow = type === 'q35' ? 32 * GiB : 2 * GiB;
    const maxUsedAddress =
      physBits <= 32 ? 2 ** physBits - 1 : Math.ceil((devices?.end ?? end) / GiB) * GiB + pciWindow - 1;
    return { above4gStart, devices, maxUsedAddress };
  };
  let placed = place(FOUR_GIB);
  if (amd && placed.maxUsedAddress >= HYPERTRANSPORT_START) placed = place(ABOVE_1TB);
  // What shadows the ROM below 1 MiB is there in every PC.
  const ram = [{ start: 0, end: Math.max(below4g, MiB) }];
  if (above4g > 0) ram.push({ start: placed.above4gStart, end: placed.above4gStart + above4g });
  return {
    layout: {
      below4g,
      above4g,
      above4gStart: placed.above4gStart,
      devices: placed.devices,
      hypertransport: amd && physBits >= 40,
      ram,
    },
    maxUsedAddress: placed.maxUsedAddress,
  };
}

/** What QEMU says of a split that its default would not make. */
export function lowRamWarnings(type: MachineType, size: number, maxBelow4g: number | null): string[] {
  const warnings: string[] = [];
  if (maxBelow4g === null) return warnings;
  if (maxBelow4g < MiB) {
    warnings.push(`Only ${maxBelow4g} bytes of RAM below the 4GiB boundary,BIOS may not work with less than 1MiB`);
  }
  const low = lowRam(type, size, maxBelow4g);
  if (low < size && low % GiB !== 0) {
    warnings.push(`Large machine and max_ram_below_4g (${maxBelow4g}) not a multiple of 1G; possible bad performance.`);
  }
  return warnings;
}
