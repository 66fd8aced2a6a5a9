// Boot memory becomes the buddy allocator's, and what only boot needed goes the same way (Linux: arch/x86/mm/init_64.c
// mem_init(), mark_rodata_ro(), arch/x86/mm/init.c free_initmem(), free_kernel_image_pages(),
// arch/x86/mm/mem_encrypt_amd.c mem_encrypt_free_decrypted_mem(), init/main.c mark_readonly(), init/initramfs.c
// populate_rootfs()).
//
// Left out: what is in the initrd, retain_initrd, access rights. The image stays mapped writable and executable: guest
// programs run in its text.

import { PAGE_SIZE, round_up } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_info, pr_warn } from '../../lib/printk.ts';
import { free_reserved_area, POISON_FREE_INITMEM } from '../../mm/free_reserved.ts';
import { memblock_replace_reserved } from '../../mm/memblock.ts';
import { memblock_free_all } from '../../mm/memblock_free.ts';
import { PMD_SIZE } from './pgtable.ts';
import { init_section, rodata_data_gap, type Section, text_rodata_gap, unused_decrypted } from './sections.ts';

export function mem_init(k: Kernel): void {
  if (k.recorded !== null) memblock_replace_reserved(k, k.recorded);
  memblock_free_all(k);
}

function free_init_pages(k: Kernel, what: string, { start, end }: Section): void {
  if (start < end) free_reserved_area(k, start, end, POISON_FREE_INITMEM, what);
}

/** Nothing is in the initrd for us: its memory goes at once. */
export function populate_rootfs(k: Kernel): void {
  const { initrd_start: start, initrd_end } = k.boot;
  if (start !== 0) free_init_pages(k, 'initrd', { start, end: round_up(initrd_end, PAGE_SIZE) });
  k.boot.initrd_start = 0;
  k.boot.initrd_end = 0;
}

export function free_initmem(k: Kernel): void {
  const { image } = k.config;
  free_init_pages(k, 'unused decrypted', unused_decrypted(image));
  free_init_pages(k, 'unused kernel image (initmem)', init_section(image));
}

/** early_param("rodata"). */
export function set_debug_rodata(k: Kernel, value: string | null): number {
  if (value === 'on') k.boot.rodata_enabled = true;
  else if (value === 'off') k.boot.rodata_enabled = false;
  else pr_warn(k, `Invalid option string for rodata: '${value ?? '(null)'}'`);
  return 0;
}

/** The gaps between sections are of use to nobody; only a kernel that keeps its sections writable keeps them too. */
export function mark_readonly(k: Kernel): void {
  const { image } = k.config;
  if (!k.boot.rodata_enabled) {
    pr_info(k, 'Kernel memory protection disabled.');
    return;
  }
  const size = round_up(image.end_rodata, PMD_SIZE) - image.text;
  pr_info(k, `Write protecting the kernel read-only data: ${size / 1024}k`);
  free_init_pages(k, 'unused kernel image (text/rodata gap)', text_rodata_gap(image));
  free_init_pages(k, 'unused kernel image (rodata/data gap)', rodata_data_gap(image));
}
