// The firmware's memory map: types of its entries and sizes of its tables (Linux: arch/x86/include/asm/e820/types.h).

export const E820_TYPE_RAM = 1;
export const E820_TYPE_RESERVED = 2;
export const E820_TYPE_ACPI = 3;
export const E820_TYPE_NVS = 4;
export const E820_TYPE_UNUSABLE = 5;
export const E820_TYPE_PMEM = 7;
export const E820_TYPE_PRAM = 12;
export const E820_TYPE_SOFT_RESERVED = 0xefffffff;
/** RAM, but what the boot loader put there must stay. */
export const E820_TYPE_RESERVED_KERN = 128;

/** Entries in struct boot_params. */
export const E820_MAX_ENTRIES_ZEROPAGE = 128;
/** Bytes of one of them: u64 address, u64 size, u32 type. */
export const BOOT_E820_ENTRY_SIZE = 20;

/** The kernel's own tables leave room for three changes per node. */
export const e820_max_entries = (nodes_shift: number): number => E820_MAX_ENTRIES_ZEROPAGE + 3 * 2 ** nodes_shift;

export const ISA_END_ADDRESS = 0x00100000;
export const BIOS_BEGIN = 0x000a0000;
export const BIOS_END = 0x00100000;
export const HIGH_MEMORY = 0x00100000;
/** What a PC without a map is taken to have below 1 MiB. */
export const LOWMEMSIZE = 0x9f000;
