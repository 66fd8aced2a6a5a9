// All that the firmware of one machine has to leave in RAM, worked out once: the ROM carries it as copies to make, and
// without a CPU it is written straight to its place.

import type { E820Entry, MachineConfig } from '../emu/config/machine_config.ts';
import type { AddressRange } from '../emu/memory.ts';
import { Bytes } from './acpi/bytes.ts';
import { acpiTables } from './acpi/tables.ts';
import { e820Entries, type LegacyMemory, legacyMemory } from './e820.ts';
import { BIOS_BASE, CMDLINE, E820_MAP, MAX_E820_ENTRIES, ONE_MIB, ROM_END, RSDP } from './layout.ts';
import { tableArea } from './table_area.ts';

export interface KernelPayload {
  /** Where it is loaded, and entered: below 4 GiB. */
  readonly load: number;
  readonly entry: number;
  readonly bytes: Uint8Array;
  /** First address after all that it takes for itself, .bss and brk too; without it, the end of its bytes. */
  readonly end?: number;
}

/** A kernel to boot and its command line. */
export interface Payload {
  readonly kernel: KernelPayload;
  readonly cmdline: string;
}

export const kernelEnd = ({ load, bytes, end }: KernelPayload): number => Math.max(load + bytes.length, end ?? 0);

/** Bytes that belong at a physical address. */
export interface Piece {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** How much RAM must be there, where that is more than the bytes. */
  readonly room?: number;
}

export interface FirmwareContents {
  /** RAM below 4 GiB, cut where the firmware's own share begins and ends: no piece may cross these borders. */
  readonly ram: readonly AddressRange[];
  readonly map: readonly E820Entry[];
  readonly legacy: LegacyMemory;
  /** What POST puts into RAM: the map in the BIOS's own form, tables, RSDP. */
  readonly post: readonly Piece[];
  /** What the boot stage puts into RAM: kernel, command line. */
  readonly boot: readonly Piece[];
}

/** Attributes of an e820 entry: enabled (ACPI 6.5, 15.1). */
const E820_ENABLED = 1;

export function firmwareContents(config: MachineConfig, payload: Payload): FirmwareContents {
  const acpi = acpiTables(config);
  const map = e820Entries(config, acpi.size);
  if (map.length > MAX_E820_ENTRIES) {
    throw new RangeError(`e820: ${map.length} entries, the BIOS has room for ${MAX_E820_ENTRIES}`);
  }
  const start = acpi.tables[0]?.address ?? ONE_MIB;
  if (start < ONE_MIB && start + acpi.size > BIOS_BASE) {
    throw new RangeError(
      `tablesAt: ${acpi.size} bytes of tables run into the BIOS at 0x${BIOS_BASE.toString(16)}; put them above 1 MiB`,
    );
  }
  const post: Piece[] = [{ address: BIOS_BASE + E820_MAP, bytes: biosMap(map) }];
  for (const { address, bytes } of acpi.tables) post.push({ address, bytes });
  if (acpi.rsdp !== null) post.push({ address: BIOS_BASE + RSDP, bytes: acpi.rsdp });
  const { load, bytes } = payload.kernel;
  const boot = [
    { address: load, bytes, room: kernelEnd(payload.kernel) - load },
    { address: CMDLINE, bytes: commandLine(payload.cmdline) },
  ];
  const taken = config.e820 === null ? tableArea(config, acpi.size) : null;
  const cuts = [taken?.start, taken?.end, start, start + acpi.size].filter((at) => at !== undefined);
  const ram = config.layout.ram
    .filter(({ start }) => start < ROM_END)
    .flatMap(({ start, end }) => cutAt({ start, end: Math.min(end, ROM_END) }, cuts));
  return { ram, map, legacy: legacyMemory(config, acpi.size), post, boot };
}

function cutAt(range: AddressRange, cuts: readonly number[]): AddressRange[] {
  const inside = cuts.filter((at) => range.start < at && at < range.end).sort((a, b) => a - b);
  const borders = [range.start, ...inside, range.end];
  return borders
    .slice(1)
    .map((end, i) => ({ start: borders[i]!, end }))
    .filter(({ start, end }) => start < end);
}

/** @throws RangeError if there is no RAM for the kernel, in words like the BIOS's own */
export function checkKernelFits({ ram }: FirmwareContents, { kernel }: Payload): void {
  const end = kernelEnd(kernel);
  if (ram.some((range) => range.start <= kernel.load && end <= range.end)) return;
  throw new RangeError(`the firmware cannot boot: the kernel needs free RAM up to 0x${end.toString(16)}`);
}

function biosMap(map: readonly E820Entry[]): Uint8Array {
  const bytes = new Bytes();
  for (const { start, size, type } of map) bytes.u64(start).u64(size).u32(type).u32(E820_ENABLED);
  return bytes.take();
}

/** One byte a character, zero at the end; characters beyond Latin-1 become question marks. */
const commandLine = (text: string): Uint8Array =>
  Uint8Array.from([...text].map((char) => (char.charCodeAt(0) < 0x100 ? char.charCodeAt(0) : 0x3f)).concat(0));
