// What must not be touched before memblock knows any memory (Linux: arch/x86/kernel/setup.c early_reserve_memory(),
// arch/x86/kernel/ebda.c reserve_bios_regions(), arch/x86/realmode/init.c reserve_real_mode()).
//
// Left out: iBFT, Sandy Bridge's bad pages, moving an initrd that is not mapped (all RAM is).

import { NUMA_NO_NODE, PAGE_SIZE, type phys_addr_t, round_up, SZ_1M } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { mem_range, pr_info } from '../../lib/printk.ts';
import { memblock_reserve } from '../../mm/memblock.ts';
import { memblock_phys_alloc_range } from '../../mm/memblock_alloc.ts';
import { boot_params, for_each_setup_data, SIZEOF_SETUP_DATA } from './boot_params.ts';

const SZ_64K = 0x10000;
/** Firmware is known to write to low memory behind the kernel's back. */
const RESERVE_LOW = SZ_64K;

/** Bytes of the code that starts secondary CPUs, in whole pages. */
const REAL_MODE_SIZE = 0x7000;

// The BIOS data area: segment of the extended one, and KiB of RAM below it.
const BIOS_EBDA_SEGMENT_PTR = 0x40e;
const BIOS_RAM_SIZE_KB_PTR = 0x413;
const BIOS_START_MIN = 0x20000;
const BIOS_START_MAX = 0x9f000;

/**
 * Differs from Linux: recorded reservations, where given, stand in for all of this. Those that have a node were made
 * before NUMA was set up, which is now.
 */
export function early_reserve_memory(k: Kernel): void {
  if (k.recorded !== null) {
    for (const { base, size, nid } of k.recorded) if (nid !== NUMA_NO_NODE) memblock_reserve(k, base, size);
    return;
  }
  const { text, brk_start } = k.config.image;
  memblock_reserve(k, text, brk_start - text, 'setup_arch');
  memblock_reserve(k, 0, RESERVE_LOW, 'setup_arch');
  const ramdisk = ramdisk_range(k);
  if (ramdisk !== null) memblock_reserve(k, ramdisk.start, ramdisk.end - ramdisk.start, 'setup_arch');
  for (const { pa, type, len, indirect } of for_each_setup_data(k.hw.ram, k.hw.boot_params)) {
    memblock_reserve(k, pa, SIZEOF_SETUP_DATA + len, 'setup_arch');
    if (indirect !== null && indirect.type !== type) memblock_reserve(k, indirect.addr, indirect.len, 'setup_arch');
  }
  reserve_bios_regions(k);
}

/** From the extended BIOS data area to 1 MiB. Firmware that gives no sensible start for it gets 0x9f000. */
function reserve_bios_regions(k: Kernel): void {
  const { ram } = k.hw;
  let bios_start = ram.u16(BIOS_RAM_SIZE_KB_PTR) << 10;
  if (bios_start < BIOS_START_MIN || bios_start > BIOS_START_MAX) bios_start = BIOS_START_MAX;
  const ebda_start = ram.u16(BIOS_EBDA_SEGMENT_PTR) << 4;
  if (ebda_start >= BIOS_START_MIN && ebda_start < bios_start) bios_start = ebda_start;
  memblock_reserve(k, bios_start, SZ_1M - bios_start, 'reserve_bios_regions');
}

/** Finds room below 1 MiB for the code that starts secondary CPUs, and keeps all of the rest from use. */
export function reserve_real_mode(k: Kernel): void {
  if (k.recorded !== null) return;
  const mem = memblock_phys_alloc_range(k, REAL_MODE_SIZE, PAGE_SIZE, 0, SZ_1M, 'reserve_real_mode');
  if (mem === 0) pr_info(k, 'No sub-1M memory is available for the trampoline');
  else k.boot.real_mode_header = mem;
  memblock_reserve(k, 0, SZ_1M, 'setup_arch');
}

/** The initrd's whole pages; null if the boot loader brought none. */
function ramdisk_range(k: Kernel): { start: phys_addr_t; size: number; end: phys_addr_t } | null {
  const { ram, boot_params: pa } = k.hw;
  const wide = (low: number, high: number): number => ram.u32(pa + low) + ram.u32(pa + high) * 2 ** 32;
  const start = wide(boot_params.hdr_ramdisk_image, boot_params.ext_ramdisk_image);
  const size = wide(boot_params.hdr_ramdisk_size, boot_params.ext_ramdisk_size);
  if (ram.u8(pa + boot_params.hdr_type_of_loader) === 0 || start === 0 || size === 0) return null;
  return { start, size, end: round_up(start + size, PAGE_SIZE) };
}

export function reserve_initrd(k: Kernel): void {
  const ramdisk = ramdisk_range(k);
  if (ramdisk === null) return;
  pr_info(k, `RAMDISK: ${mem_range(ramdisk.start, ramdisk.end - 1, 8)}`);
  k.boot.initrd_start = ramdisk.start;
  k.boot.initrd_end = ramdisk.start + ramdisk.size;
}
