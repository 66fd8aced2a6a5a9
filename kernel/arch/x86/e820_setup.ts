// From the boot loader's map to memblock (Linux: arch/x86/kernel/e820.c e820__memory_setup(), e820__memblock_setup() and
// what lies between).

import {
  BOOT_E820_ENTRY_SIZE,
  E820_MAX_ENTRIES_ZEROPAGE,
  E820_TYPE_RAM,
  E820_TYPE_RESERVED_KERN,
  E820_TYPE_SOFT_RESERVED,
  HIGH_MEMORY,
  LOWMEMSIZE,
} from '../../include/e820.ts';
import { PHYS_ADDR_MAX } from '../../include/memblock.ts';
import {
  MAX_PHYSMEM_BITS,
  MAX_PHYSMEM_BITS_L5,
  PAGE_SHIFT,
  PAGE_SIZE,
  type pfn_t,
  type phys_addr_t,
  SZ_1M,
} from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { panic } from '../../lib/bug.ts';
import { hex, mem_range, pr_err, pr_info, pr_warn } from '../../lib/printk.ts';
import { memblock_add, memblock_allow_resize, memblock_reserve } from '../../mm/memblock.ts';
import { memblock_dump_all, memblock_trim_memory } from '../../mm/memblock_info.ts';
import {
  boot_params,
  for_each_setup_data,
  SETUP_EFI,
  SETUP_IMA,
  SETUP_RNG_SEED,
  SIZEOF_SETUP_DATA,
} from './boot_params.ts';
import {
  copy_table,
  e820__print_table,
  e820__range_add,
  e820__range_update,
  e820__range_update_kexec,
  e820__update_table,
  entry_end,
} from './e820.ts';

/** MAXMEM >> PAGE_SHIFT. Differs from Linux: that is all that a CPU with five levels of page tables changes. */
const max_arch_pfn = (k: Kernel): pfn_t =>
  2 ** ((k.hw.la57 === true ? MAX_PHYSMEM_BITS_L5 : MAX_PHYSMEM_BITS) - PAGE_SHIFT);
/** Early mappings are at most this large: 64 slots of a page. */
const NR_FIX_BTMAPS_BYTES = 64 * PAGE_SIZE;

/** Appends firmware entries at `pa`. @returns -1 at the first that wraps around; those before it stay */
function __append_e820_table(k: Kernel, pa: phys_addr_t, nr_entries: number): number {
  const { ram } = k.hw;
  for (let i = 0; i < nr_entries; i++, pa += BOOT_E820_ENTRY_SIZE) {
    const start = ram.big64(pa);
    const size = ram.big64(pa + 8);
    if (size !== 0n && start > BigInt.asUintN(64, start + size - 1n)) return -1;
    e820__range_add(k, start, size, ram.u32(pa + 16));
  }
  return 0;
}

/** The map of boot_params; failing that, one made up from what older BIOS calls said. @returns its name in the log */
function e820__memory_setup_default(k: Kernel): string {
  const { ram, boot_params: pa } = k.hw;
  let who = 'BIOS-e820';
  // The count is a byte, so firmware can claim more than there is room for.
  const nr_entries = ram.u8(pa + boot_params.e820_entries);
  const listed = Math.min(nr_entries, E820_MAX_ENTRIES_ZEROPAGE);
  if (nr_entries < 2 || __append_e820_table(k, pa + boot_params.e820_table, listed) < 0) {
    const alt_mem_k = ram.u32(pa + boot_params.alt_mem_k);
    const ext_mem_k = ram.u16(pa + boot_params.screen_info_ext_mem_k);
    who = alt_mem_k < ext_mem_k ? 'BIOS-88' : 'BIOS-e801';
    k.e820.e820_table.length = 0;
    e820__range_add(k, 0n, BigInt(LOWMEMSIZE), E820_TYPE_RAM);
    e820__range_add(k, BigInt(HIGH_MEMORY), BigInt(Math.max(alt_mem_k, ext_mem_k)) << 10n, E820_TYPE_RAM);
  }
  e820__update_table(k, k.e820.e820_table);
  return who;
}

function keep_copies(k: Kernel): void {
  k.e820.e820_table_kexec = copy_table(k.e820.e820_table);
  k.e820.e820_table_firmware = copy_table(k.e820.e820_table);
}

export function e820__memory_setup(k: Kernel): void {
  const who = e820__memory_setup_default(k);
  keep_copies(k);
  pr_info(k, 'BIOS-provided physical RAM map:');
  e820__print_table(k, who);
}

/** SETUP_E820_EXT: the entries that found no room in boot_params. */
export function e820__memory_setup_extended(k: Kernel, pa: phys_addr_t, len: number): void {
  // Differs from Linux: it cannot map a node of more than 256 KiB and dies of it; here the node is passed over.
  if (len + SIZEOF_SETUP_DATA > NR_FIX_BTMAPS_BYTES) {
    pr_warn(k, `pgdat: setup_data node at ${hex(pa)} is too long (${hex(len)} bytes), ignored`);
    return;
  }
  __append_e820_table(k, pa + SIZEOF_SETUP_DATA, Math.floor(len / BOOT_E820_ENTRY_SIZE));
  e820__update_table(k, k.e820.e820_table);
  keep_copies(k);
  pr_info(k, 'extended physical RAM map:');
  e820__print_table(k, 'extended');
}

/** Keeps the nodes themselves: RAM, but not to be used. */
export function e820__reserve_setup_data(k: Kernel): void {
  let found = false;
  for (const { pa, type, len, indirect } of for_each_setup_data(k.hw.ram, k.hw.boot_params)) {
    found = true;
    const start = BigInt(pa);
    const size = BigInt(SIZEOF_SETUP_DATA + len);
    e820__range_update(k, start, size, E820_TYPE_RAM, E820_TYPE_RESERVED_KERN);
    // kexec supplies these itself.
    if (type !== SETUP_EFI && type !== SETUP_IMA && type !== SETUP_RNG_SEED) {
      e820__range_update_kexec(k, start, size, E820_TYPE_RAM, E820_TYPE_RESERVED_KERN);
    }
    if (indirect === null || indirect.type === type) continue;
    const range = [BigInt(indirect.addr), BigInt(indirect.len)] as const;
    e820__range_update(k, ...range, E820_TYPE_RAM, E820_TYPE_RESERVED_KERN);
    e820__range_update_kexec(k, ...range, E820_TYPE_RAM, E820_TYPE_RESERVED_KERN);
  }
  if (!found) return;
  e820__update_table(k, k.e820.e820_table);
  e820__update_table(k, k.e820.e820_table_kexec);
  pr_info(k, 'extended physical RAM map:');
  e820__print_table(k, 'reserve setup_data');
}

/** Sorts out and prints what mem= and memmap= made of the map. */
export function e820__finish_early_params(k: Kernel): void {
  if (!k.e820.userdef) return;
  if (e820__update_table(k, k.e820.e820_table) < 0) panic(k, 'Invalid user supplied memory map');
  pr_info(k, 'user-defined physical RAM map:');
  e820__print_table(k, 'user');
}

/** End of the last RAM page below `limit_pfn`. The table is sorted. */
function e820_end_pfn(k: Kernel, limit_pfn: pfn_t): pfn_t {
  let last_pfn: pfn_t = 0;
  for (const entry of k.e820.e820_table) {
    if (entry.type !== E820_TYPE_RAM) continue;
    const start_pfn = Number(entry.addr >> BigInt(PAGE_SHIFT));
    const end_pfn = Number(entry_end(entry) >> BigInt(PAGE_SHIFT));
    if (start_pfn >= limit_pfn) continue;
    if (end_pfn > limit_pfn) {
      last_pfn = limit_pfn;
      break;
    }
    last_pfn = Math.max(last_pfn, end_pfn);
  }
  const most = max_arch_pfn(k);
  last_pfn = Math.min(last_pfn, most);
  pr_info(k, `last_pfn = ${hex(last_pfn)} max_arch_pfn = ${hex(most)}`);
  return last_pfn;
}

export const e820__end_of_ram_pfn = (k: Kernel): pfn_t => e820_end_pfn(k, max_arch_pfn(k));
export const e820__end_of_low_ram_pfn = (k: Kernel): pfn_t => e820_end_pfn(k, 2 ** (32 - PAGE_SHIFT));

/** An e820 address for memblock, which counts below 2^53. */
const clamp = (value: bigint): number => Number(value < BigInt(PHYS_ADDR_MAX) ? value : BigInt(PHYS_ADDR_MAX));

/** Hands the usable ranges, whole pages of them, to memblock. */
export function e820__memblock_setup(k: Kernel): void {
  // EFI may list more ranges than memblock's first array holds; the reservations that growing must avoid are known.
  memblock_allow_resize(k);
  for (const entry of k.e820.e820_table) {
    const base = clamp(entry.addr);
    const size = clamp(entry_end(entry)) - base;
    if (entry.type === E820_TYPE_SOFT_RESERVED) memblock_reserve(k, base, size, 'e820__memblock_setup');
    if (entry.type !== E820_TYPE_RAM && entry.type !== E820_TYPE_RESERVED_KERN) continue;
    memblock_add(k, base, size, 'e820__memblock_setup');
  }
  memblock_trim_memory(k, PAGE_SIZE);
  memblock_dump_all(k);
}

/** Notes what is not RAM, for hibernation. Only the lines in the log come of it here. */
export function e820__register_nosave_regions(k: Kernel, limit_pfn: pfn_t): void {
  let last = 0n;
  for (const entry of k.e820.e820_table) {
    if (entry.type !== E820_TYPE_RAM && entry.type !== E820_TYPE_RESERVED_KERN) continue;
    if (last < entry.addr) register_nosave_region(k, pfn_down(last), pfn_up(entry.addr));
    last = entry_end(entry);
  }
  register_nosave_region(k, pfn_down(last), limit_pfn);
}

const pfn_down = (addr: bigint): pfn_t => Number(addr >> 12n);
const pfn_up = (addr: bigint): pfn_t => Number((addr + 0xfffn) >> 12n);

function register_nosave_region(k: Kernel, start: pfn_t, end: pfn_t): void {
  if (start >= end) return;
  const region = k.e820.nosave_regions.at(-1);
  if (region?.end === start) region.end = end;
  else k.e820.nosave_regions.push({ start, end });
  const range = mem_range(start * PAGE_SIZE, end * PAGE_SIZE - 1, 8);
  pr_info(k, `PM: hibernation: Registered nosave memory: ${range}`);
}

const MAX_GAP_END = 0x100000000n;

/** The largest gap below 4 GiB (the lower of two equals), of 4 MiB at least; null if there is none. */
function e820_search_gap(k: Kernel): { start: bigint; size: bigint } | null {
  let gap: { start: bigint; size: bigint } | null = null;
  let last = MAX_GAP_END;
  for (const entry of k.e820.e820_table.toReversed()) {
    const end = entry_end(entry);
    if (last > end && last - end >= (gap?.size ?? 0x400000n)) gap = { start: end, size: last - end };
    if (entry.addr < last) last = entry.addr;
  }
  return gap;
}

/** Finds room for PCI devices. */
export function e820__setup_pci_gap(k: Kernel): void {
  let gap = e820_search_gap(k);
  if (gap === null) {
    gap = { start: BigInt(k.boot.max_pfn * PAGE_SIZE + SZ_1M), size: 0x400000n };
    pr_err(k, 'Cannot find an available gap in the 32-bit address range');
    pr_err(k, 'PCI devices with unassigned 32-bit BARs may not work!');
  }
  k.e820.pci_mem_start = gap.start;
  pr_info(k, `${mem_range(gap.start, gap.start + gap.size - 1n, 8)} available for PCI devices`);
}
