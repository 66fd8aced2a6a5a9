// All that the firmware of one machine has to leave in RAM, worked out once: the ROM carries it as copies to make, and
// without a CPU it is written straight to its place.

import type { E820Entry, MachineConfig } from '../emu/config/machine_config.ts';
import type { AddressRange } from '../emu/memory.ts';
import { Bytes } from './acpi/bytes.ts';
import { acpiTables } from './acpi/tables.ts';
import { e820Entries, type LegacyMemory, legacyMemory } from './e820.ts';
import { BIOS_BASE, CMDLINE, E820_MAP, MAX_E820_ENTRIES, ONE_MIB, ROM_END, RSDP } from './layout.ts';

/** A kernel to boot: bytes and where they are loaded and entered (below 4 GiB), and its command line. */
export interface Payload {
  readonly kernel: { readonly load: number; readonly bytes: Uint8Array; readonly entry: number };
  readonly cmdline: string;
}

/** Bytes that belong at a physical address. */
export interface Piece {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface FirmwareContents {
  /** RAM below 4 GiB. */
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
    { address: load, bytes },
    { address: CMDLINE, bytes: commandLine(payload.cmdline) },
  ];
  const ram = config.layout.ram
    .filter(({ start }) => start < ROM_END)
    .map(({ start, end }) => ({ start, end: Math.min(end, ROM_END) }));
  return { ram, map, legacy: legacyMemory(config, acpi.size), post, boot };
}

function biosMap(map: readonly E820Entry[]): Uint8Array {
  const bytes = new Bytes();
  for (const { start, size, type } of map) bytes.u64(start).u64(size).u32(type).u32(E820_ENABLED);
  return bytes.take();
}

/** One byte a character, zero at the end; characters beyond Latin-1 become question marks. */
const commandLine = (text: string): Uint8Array =>
  Uint8Array.from([...text].map((char) => (char.charCodeAt(0) < 0x100 ? char.charCodeAt(0) : 0x3f)).concat(0));
