// struct boot_params as the boot stage leaves it (Linux: arch/x86/include/uapi/asm/bootparam.h, zero-page.rst): for a
// machine whose ROM does not run. bios/boot.asm and boot_e820.asm are the same in machine code; a test compares them.

import type { E820Entry } from '../emu/config/machine_config.ts';
import type { PhysicalMemory } from '../emu/memory.ts';
import type { LegacyMemory } from './e820.ts';
import {
  BOOT_PARAMS,
  BOOT_PARAMS_SIZE,
  bootParams,
  CMDLINE,
  E820_MAX_ENTRIES_ZEROPAGE,
  E820_SHORT_ENTRY_SIZE,
  SETUP_DATA,
  SETUP_DATA_HEADER_SIZE,
  SETUP_E820_EXT,
  setupHeader,
} from './layout.ts';

const KIB_TO_16_MIB = 15 * 1024;

export function writeBootParams(
  ram: PhysicalMemory,
  map: readonly E820Entry[],
  legacy: LegacyMemory,
  kernelLoad: number,
): void {
  const at = (field: keyof typeof bootParams): number => BOOT_PARAMS + bootParams[field];
  ram.fill(BOOT_PARAMS, BOOT_PARAMS_SIZE, 0);
  ram.set_u16(at('BP_BOOT_FLAG'), setupHeader.BOOT_FLAG);
  ram.set_u32(at('BP_HEADER'), setupHeader.HEADER_MAGIC);
  ram.set_u16(at('BP_VERSION'), setupHeader.BOOT_PROTOCOL);
  ram.set_u8(at('BP_TYPE_OF_LOADER'), setupHeader.LOADER_QEMU);
  ram.set_u8(at('BP_LOADFLAGS'), setupHeader.LOADED_HIGH);
  ram.set_u32(at('BP_CODE32_START'), kernelLoad);
  ram.set_u32(at('BP_CMD_LINE_PTR'), CMDLINE);
  ram.set_u32(at('BP_KERNEL_ALIGNMENT'), setupHeader.KERNEL_ALIGNMENT);
  ram.set_u32(at('BP_CMDLINE_SIZE'), setupHeader.CMDLINE_SIZE);

  ram.set_u16(at('BP_EXT_MEM_K'), legacy.extendedKib);
  // RAM above 16 MiB counts only if there is no hole below.
  const above = legacy.e801Low === KIB_TO_16_MIB ? legacy.e801High * 64 : 0;
  ram.set_u32(at('BP_ALT_MEM_K'), legacy.e801Low + above);

  const first = map.slice(0, E820_MAX_ENTRIES_ZEROPAGE);
  const rest = map.slice(E820_MAX_ENTRIES_ZEROPAGE);
  ram.set_u8(at('BP_E820_ENTRIES'), first.length);
  writeEntries(ram, at('BP_E820_TABLE'), first);
  if (rest.length === 0) return;
  ram.set_u32(at('BP_SETUP_DATA'), SETUP_DATA);
  ram.set_u64(SETUP_DATA, 0);
  ram.set_u32(SETUP_DATA + 8, SETUP_E820_EXT);
  ram.set_u32(SETUP_DATA + 12, rest.length * E820_SHORT_ENTRY_SIZE);
  writeEntries(ram, SETUP_DATA + SETUP_DATA_HEADER_SIZE, rest);
}

function writeEntries(ram: PhysicalMemory, table: number, entries: readonly E820Entry[]): void {
  for (const [i, { start, size, type }] of entries.entries()) {
    const entry = table + i * E820_SHORT_ENTRY_SIZE;
    ram.set_big64(entry, BigInt.asUintN(64, start));
    ram.set_big64(entry + 8, BigInt.asUintN(64, size));
    ram.set_u32(entry + 16, type);
  }
}
