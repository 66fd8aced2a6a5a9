// Whether this host has room for a machine. RAM that nobody touches costs nothing, so what counts is the memory map: the
// kernel writes a struct page for every page of RAM, all of them by the end of the boot.

import { freemem } from 'node:os';
import type { MachineConfig } from '../emu/config/machine_config.ts';

const PAGE_SIZE = 4096;
const STRUCT_PAGE_SIZE = 64;
const E820_USABLE = 1;
const MIB = 2 ** 20;
/** The program, the emulated CPU, and what of RAM the firmware and the kernel touch besides. */
const BESIDES = 200 * MIB;

/** Bytes that the host can give away, no more than a container's limit. */
export function hostMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(freemem(), limit) : freemem();
}

/** Bytes that booting this machine takes of the host. */
function bootCost({ layout, e820 }: MachineConfig): number {
  const ram = layout.ram.reduce((sum, { start, end }) => sum + end - start, 0);
  const usable = e820?.reduce((sum, { size, type }) => (type === E820_USABLE ? sum + Number(size) : sum), 0) ?? ram;
  return (Math.min(ram, usable) / PAGE_SIZE) * STRUCT_PAGE_SIZE + BESIDES;
}

const mib = (bytes: number): string => `${Math.ceil(bytes / MIB)} MiB`;

/**
 * One line for the user, or null if there is room.
 * @param cmdline who takes memory from the kernel himself (mem=, memmap=) knows how much is left
 */
export function hostMemoryProblem(machine: MachineConfig, cmdline: string, available: number): string | null {
  if (/(^|\s)(mem|memmap)=/.test(cmdline)) return null;
  const cost = bootCost(machine);
  if (cost <= available) return null;
  return (
    `this machine's memory map and the rest take ${mib(cost)}, the host has ${mib(available)} available: ` +
    'give the machine less RAM, or the kernel less of it with -append mem='
  );
}
