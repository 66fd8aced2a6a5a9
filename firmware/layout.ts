// Every physical address that the firmware uses, and the offsets that its machine code and its TypeScript share.
// bios/layout.asm is made from this file (tools/bios-layout.mjs; a test compares them).
//
//   0x00000000  interrupt vectors            0x000f0000  e820 entries that INT 15h reports   \
//   0x00000400  BIOS data area               0x000f59b0  RSDP                                 | copy of the ROM's last
//   0x00007c00  top of the BIOS's stack      0x000fd000  settings, from the ROM's last 64 KiB | 64 KiB: reset copies it,
//   0x00010000  struct boot_params           0x000fe000  BIOS code                           /  POST adds to it
//   0x00020000  kernel command line          low RAM's end - 128 KiB (q35: 132): ACPI tables
//   0x00030000  setup_data: more e820        ROM, 4 GiB - its size: what POST copies to RAM: tables, e820, kernel
//   0x00070000  page tables of the boot stage  0xffff0000  the same 64 KiB as at 0xf0000
//   0x0009fc00  extended BIOS data area      0xfffffff0  reset vector

export const IVT = 0;
export const BDA = 0x400;
export const STACK_TOP = 0x7c00;
export const BOOT_PARAMS = 0x10000;
export const CMDLINE = 0x20000;
export const SETUP_DATA = 0x30000;
export const PAGE_TABLES = 0x70000;
export const EBDA = 0x9fc00;
export const BASE_MEMORY_KIB = 639;
export const ONE_MIB = 0x100000;

/** The BIOS's segment. Addresses in it below are offsets. */
export const BIOS_SEGMENT = 0xf000;
export const BIOS_BASE = 0xf0000;
export const BIOS_SIZE = 0x10000;
export const E820_MAP = 0x0000;
/** Where SeaBIOS has it in a QEMU guest of 4 GiB. */
export const RSDP = 0x59b0;
export const SETTINGS = 0xd000;
export const CODE = 0xe000;
export const RESET_VECTOR = 0xfff0;

/** ROM ends here; it is a power of two and begins at least MIN_ROM_SIZE below. */
export const ROM_END = 0x100000000;
export const MIN_ROM_SIZE = 0x40000;
export const MAX_ROM_SIZE = 0x1000000;

// An entry of the BIOS's e820 map: u64 start, u64 size, u32 type, u32 attributes (ACPI 6.5, 15.1).
export const E820_ENTRY_SIZE = 24;
/** What boot_params holds of it, and callers that know nothing of attributes get. */
export const E820_SHORT_ENTRY_SIZE = 20;
export const MAX_E820_ENTRIES = 900;

/** The settings: what this machine's ROM is told of its machine. Offsets from SETTINGS. */
export const settings = {
  /** u32, u32: copies that POST makes, see COPY_SIZE. */
  COPIES: 0x00,
  NR_COPIES: 0x04,
  /** u32, u32: copies that the boot stage makes: kernel and command line. */
  BOOT_COPIES: 0x08,
  NR_BOOT_COPIES: 0x0c,
  /** u32: where the kernel is entered. */
  KERNEL_ENTRY: 0x10,
  /** u32: where it is loaded. */
  KERNEL_LOAD: 0x14,
  /** u32, u32: where RAM is below 4 GiB, see RAM_RANGE_SIZE. */
  RAM_RANGES: 0x18,
  NR_RAM_RANGES: 0x1c,
  /** u16 */
  NR_E820: 0x20,
  /** u16: INT 15h AH=88h, KiB above 1 MiB. */
  EXTENDED_KIB: 0x22,
  /** u16, u16: INT 15h AX=E801h, KiB from 1 to 16 MiB and 64 KiB units above. */
  E801_LOW: 0x24,
  E801_HIGH: 0x26,
  /** u32: where all that the kernel takes for itself ends. */
  KERNEL_END: 0x28,
} as const;

/** A copy: u32 source, u32 destination, u32 length, u32 bytes of RAM that there must be; flat addresses. */
export const COPY_SIZE = 16;
/** A range of RAM: u32 first byte, u32 last byte. */
export const RAM_RANGE_SIZE = 8;

/** struct boot_params (Linux: arch/x86/include/uapi/asm/bootparam.h), the fields that a boot loader sets. */
export const bootParams = {
  BP_EXT_MEM_K: 0x002,
  BP_ALT_MEM_K: 0x1e0,
  BP_E820_ENTRIES: 0x1e8,
  BP_BOOT_FLAG: 0x1fe,
  BP_HEADER: 0x202,
  BP_VERSION: 0x206,
  BP_TYPE_OF_LOADER: 0x210,
  BP_LOADFLAGS: 0x211,
  BP_CODE32_START: 0x214,
  BP_CMD_LINE_PTR: 0x228,
  BP_KERNEL_ALIGNMENT: 0x230,
  BP_CMDLINE_SIZE: 0x238,
  BP_SETUP_DATA: 0x250,
  BP_E820_TABLE: 0x2d0,
} as const;

export const BOOT_PARAMS_SIZE = 0x1000;
/** What boot_params.e820_table holds; the rest goes to a setup_data node. */
export const E820_MAX_ENTRIES_ZEROPAGE = 128;
export const SETUP_DATA_HEADER_SIZE = 16;
export const SETUP_E820_EXT = 1;

/** Values of struct setup_header. */
export const setupHeader = {
  BOOT_FLAG: 0xaa55,
  /** "HdrS" */
  HEADER_MAGIC: 0x53726448,
  BOOT_PROTOCOL: 0x020f,
  /** QEMU's number among boot loaders. */
  LOADER_QEMU: 0xb0,
  LOADED_HIGH: 0x01,
  KERNEL_ALIGNMENT: 0x200000,
  CMDLINE_SIZE: 2047,
} as const;

/** What bios/layout.asm defines, in its order. */
export const sharedWithAssembly: Readonly<Record<string, number>> = {
  IVT,
  BDA,
  STACK_TOP,
  BOOT_PARAMS,
  CMDLINE,
  SETUP_DATA,
  PAGE_TABLES,
  EBDA,
  BASE_MEMORY_KIB,
  BIOS_SEGMENT,
  BIOS_BASE,
  BIOS_SIZE,
  E820_MAP,
  E820_ENTRY_SIZE,
  E820_SHORT_ENTRY_SIZE,
  SETTINGS,
  CODE,
  RESET_VECTOR,
  ...Object.fromEntries(Object.entries(settings).map(([name, offset]) => [name, SETTINGS + offset])),
  COPY_SIZE,
  RAM_RANGE_SIZE,
  ...bootParams,
  BOOT_PARAMS_SIZE,
  E820_MAX_ENTRIES_ZEROPAGE,
  SETUP_DATA_HEADER_SIZE,
  SETUP_E820_EXT,
  ...setupHeader,
};

/** The text of bios/layout.asm. */
export const layoutAsm = (): string =>
  [
    '; Made from firmware/layout.ts by tools/bios-layout.mjs. Do not edit.',
    '',
    ...Object.entries(sharedWithAssembly).map(([name, value]) => `${name.padEnd(26)} equ 0x${value.toString(16)}`),
    '',
  ].join('\n');
