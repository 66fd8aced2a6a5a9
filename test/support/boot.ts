// A machine as a boot loader leaves it, without firmware: RAM, struct boot_params, a command line, setup_data. What a
// test does not say is what QEMU's pc gives.

import { PhysicalMemory } from '../../emu/memory.ts';
import { Ports } from '../../emu/ports.ts';
import { boot_params, SETUP_E820_EXT } from '../../kernel/arch/x86/boot_params.ts';
import type { Hw, Ram } from '../../kernel/arch/x86/hw.ts';
import { debian, type KernelConfig } from '../../kernel/config.ts';
import { BOOT_E820_ENTRY_SIZE, E820_MAX_ENTRIES_ZEROPAGE } from '../../kernel/include/e820.ts';
import { Kernel, type RecordedReservations } from '../../kernel/kernel.ts';

/** [start, end), type. */
export type E820Line = readonly [start: number | bigint, end: number | bigint, type: number];

export interface BootSpec {
  readonly e820: readonly E820Line[];
  readonly cmdline?: string;
  readonly config?: KernelConfig;
  readonly recorded?: RecordedReservations;
  /** Kibibytes above 1 MiB, as INT 15h AX=E801h and AH=88h tell. */
  readonly alt_mem_k?: number;
  readonly ext_mem_k?: number;
  readonly gbpages?: boolean;
  /** RAM that the map does not call usable: where firmware keeps its tables. */
  readonly tables?: readonly { readonly start: number; readonly end: number }[];
}

/** Where the parts lie: within the first MiB, which the kernel keeps its hands off. */
const BOOT_PARAMS = 0x90000;
const CMDLINE = 0x92000;
const SETUP_DATA = 0x40000;

/** QEMU's pc with `bytes` of RAM (LINUX: at most 3 GiB below 4 GiB). */
export function pcMap(bytes: number): E820Line[] {
  const low = bytes < 0xe0000000 ? bytes : 0xc0000000;
  const lines: E820Line[] = [
    [0, 0x9fc00, 1],
    [0x9fc00, 0xa0000, 2],
    [0xf0000, 0x100000, 2],
    [0x100000, low - 0x20000, 1],
    [low - 0x20000, low, 2],
    [0xfffc0000, 0x100000000, 2],
  ];
  if (bytes > low) lines.push([0x100000000, 0x100000000 + bytes - low, 1]);
  lines.push([0xfd00000000, 0x10000000000, 2]);
  return lines;
}

/** Whole pages that some line says are RAM or ACPI's, and the first MiB. */
function ramOf(lines: readonly E820Line[], more: BootSpec['tables'] = []): PhysicalMemory {
  const ranges = lines
    .filter(([start, end, type]) => type !== 2 && start < end && end <= 2 ** 46)
    .map(([start, end]) => ({
      start: Math.ceil(Number(start) / 4096) * 4096,
      end: Math.floor(Number(end) / 4096) * 4096,
    }))
    .concat({ start: 0, end: 0x100000 }, more)
    .sort((a, b) => a.start - b.start);
  const joined: { start: number; end: number }[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else if (range.start < range.end) joined.push({ ...range });
  }
  return new PhysicalMemory(joined);
}

function writeEntry(ram: Ram, pa: number, [start, end, type]: E820Line): void {
  ram.set_big64(pa, BigInt(start));
  ram.set_big64(pa + 8, BigInt.asUintN(64, BigInt(end) - BigInt(start)));
  ram.set_u32(pa + 16, type);
}

export function bootHw(spec: BootSpec): Hw {
  const ram = ramOf(spec.e820, spec.tables);
  const listed = spec.e820.slice(0, E820_MAX_ENTRIES_ZEROPAGE);
  const more = spec.e820.slice(E820_MAX_ENTRIES_ZEROPAGE);
  ram.set_u8(BOOT_PARAMS + boot_params.e820_entries, listed.length);
  listed.forEach((line, i) => {
    writeEntry(ram, BOOT_PARAMS + boot_params.e820_table + i * BOOT_E820_ENTRY_SIZE, line);
  });
  if (more.length > 0) {
    ram.set_u64(BOOT_PARAMS + boot_params.hdr_setup_data, SETUP_DATA);
    ram.set_u32(SETUP_DATA + 8, SETUP_E820_EXT);
    ram.set_u32(SETUP_DATA + 12, more.length * BOOT_E820_ENTRY_SIZE);
    more.forEach((line, i) => {
      writeEntry(ram, SETUP_DATA + 16 + i * BOOT_E820_ENTRY_SIZE, line);
    });
  }
  ram.set_u32(BOOT_PARAMS + boot_params.alt_mem_k, spec.alt_mem_k ?? 0);
  ram.set_u16(BOOT_PARAMS + boot_params.screen_info_ext_mem_k, spec.ext_mem_k ?? 0);
  const cmdline = spec.cmdline ?? '';
  ram.write(
    CMDLINE,
    Uint8Array.from(`${cmdline}\0`, (c) => c.charCodeAt(0)),
  );
  ram.set_u32(BOOT_PARAMS + boot_params.hdr_cmd_line_ptr, CMDLINE);
  return { ram, ports: new Ports(), boot_params: BOOT_PARAMS, cpu: null, gbpages: spec.gbpages ?? false };
}

/** The kernel at its entry: nothing has run yet. */
export const bootKernel = (spec: BootSpec): Kernel =>
  new Kernel(bootHw(spec), spec.config ?? debian, spec.recorded ?? null);

/** All records of the log, whatever their level. */
export const dmesg = (k: Kernel): string[] => k.log.records.map(({ text }) => text);
