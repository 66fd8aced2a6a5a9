// Hardware for tests of kernel code: RAM over plain ArrayBuffers, ports without devices, no CPU.

import type { DiskSpec } from '../../emu/devices/disk.ts';
import { createMachine } from '../../emu/machine.ts';
import { type AddressRange, type Backing, PhysicalMemory } from '../../emu/memory.ts';
import { Ports } from '../../emu/ports.ts';
import type { Hw } from '../../kernel/arch/x86/hw.ts';

export const MiB = 0x100000;
export const GiB = 0x40000000;

/** RAM from address 0 up to `layout`, or in the given ranges. */
const rangesOf = (layout: number | readonly AddressRange[]): readonly AddressRange[] =>
  typeof layout === 'number' ? [{ start: 0, end: layout }] : layout;

/** A machine without firmware; `boot_params` is the address that the kernel is told, nothing is there yet. */
export function testHw(
  layout: number | readonly AddressRange[] = 16 * MiB,
  boot_params = 0x10000,
  backing?: Backing,
): Hw {
  return { ram: new PhysicalMemory(rangesOf(layout), [], backing), ports: new Ports(), boot_params, cpu: null };
}

/** The same with disks. */
export function diskHw(layout: readonly AddressRange[], disks: readonly DiskSpec[], boot_params = 0x10000): Hw {
  const { ram, ports } = createMachine({ ram: layout, rom: [], backend: 'array', disks });
  return { ram, ports, boot_params, cpu: null };
}
