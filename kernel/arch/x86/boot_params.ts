// struct boot_params, the page that a boot loader hands to the kernel, and the setup_data list that hangs off it
// (Linux: arch/x86/include/uapi/asm/bootparam.h; Documentation/x86/boot.rst, zero-page.rst). Read in place, in RAM.

import type { phys_addr_t } from '../../include/types.ts';
import type { Ram } from './hw.ts';

/** Byte offsets of the fields that this kernel reads. */
export const boot_params = {
  screen_info_ext_mem_k: 0x002,
  acpi_rsdp_addr: 0x070,
  ext_ramdisk_image: 0x0c0,
  ext_ramdisk_size: 0x0c4,
  ext_cmd_line_ptr: 0x0c8,
  alt_mem_k: 0x1e0,
  e820_entries: 0x1e8,
  hdr_type_of_loader: 0x210,
  hdr_ramdisk_image: 0x218,
  hdr_ramdisk_size: 0x21c,
  hdr_cmd_line_ptr: 0x228,
  hdr_setup_data: 0x250,
  e820_table: 0x2d0,
} as const;

export const SETUP_E820_EXT = 1;
export const SETUP_EFI = 4;
export const SETUP_IMA = 8;
export const SETUP_RNG_SEED = 9;
export const SETUP_INDIRECT = 0x80000000;

/** struct setup_data: u64 next, u32 type, u32 len, then `len` bytes. */
export const SIZEOF_SETUP_DATA = 16;

export interface setup_data {
  readonly pa: phys_addr_t;
  readonly type: number;
  readonly len: number;
  /** SETUP_INDIRECT: what the node describes lies elsewhere. */
  readonly indirect: { readonly type: number; readonly addr: phys_addr_t; readonly len: number } | null;
}

/**
 * The list of setup_data nodes.
 *
 * Differs from Linux: a list that comes back to one of its own nodes ends there; Linux follows it for ever.
 */
export function* for_each_setup_data(ram: Ram, boot_params_pa: phys_addr_t): Generator<setup_data> {
  const seen = new Set<phys_addr_t>();
  let pa = ram.u64(boot_params_pa + boot_params.hdr_setup_data);
  while (pa !== 0 && !seen.has(pa)) {
    seen.add(pa);
    const type = ram.u32(pa + 8);
    const data = pa + SIZEOF_SETUP_DATA;
    yield {
      pa,
      type,
      len: ram.u32(pa + 12),
      indirect:
        type === SETUP_INDIRECT ? { type: ram.u32(data), addr: ram.u64(data + 16), len: ram.u64(data + 8) } : null,
    };
    pa = ram.u64(pa);
  }
}

/** The text at the boot loader's command line pointer, without the closing zero, at most `limit` - 1 bytes. */
export function read_cmdline(ram: Ram, boot_params_pa: phys_addr_t, limit: number): string {
  const pa =
    ram.u32(boot_params_pa + boot_params.hdr_cmd_line_ptr) +
    ram.u32(boot_params_pa + boot_params.ext_cmd_line_ptr) * 2 ** 32;
  if (pa === 0) return '';
  let text = '';
  for (let i = 0; i < limit - 1; i++) {
    const c = ram.u8(pa + i);
    if (c === 0) break;
    text += String.fromCharCode(c);
  }
  return text;
}
