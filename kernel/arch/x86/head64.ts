// What runs before start_kernel(): the boot loader's data, and the page tables that are part of the kernel image
// (Linux: arch/x86/kernel/head64.c, head_64.S).

import { __START_KERNEL_map, PAGE_SIZE, type phys_addr_t, round_up } from '../../include/types.ts';
import { COMMAND_LINE_SIZE } from '../../init/params.ts';
import type { Kernel } from '../../kernel.ts';
import { read_cmdline } from './boot_params.ts';
import { init_brk } from './brk.ts';
import {
  _KERNPG_TABLE,
  _PAGE_PSE,
  PAGE_KERNEL_EXEC,
  PMD_SIZE,
  pgd_index,
  pmd_index,
  pud_index,
  set_entries,
  set_entry,
} from './pgtable.ts';

/** Pages of .bss, below what is decrypted, that hold the image's own page tables. */
const INIT_TOP_PGT = 1;
const LEVEL3_KERNEL_PGT = 2;
const LEVEL2_KERNEL_PGT = 3;
const NR_STATIC_TABLES = 3;

const static_table = (k: Kernel, which: number): phys_addr_t => k.config.image.start_bss_decrypted - which * PAGE_SIZE;
/** The end of what is left of .bss below the static tables. */
export const end_of_bss = (k: Kernel): phys_addr_t => static_table(k, NR_STATIC_TABLES);

/** The kernel image at __START_KERNEL_map + its physical address, in 2 MiB pages up to the end of the brk area. */
function map_kernel_image(k: Kernel): void {
  const { ram } = k.hw;
  const { text, end } = k.config.image;
  const [pgd, level3, level2] = [INIT_TOP_PGT, LEVEL3_KERNEL_PGT, LEVEL2_KERNEL_PGT].map((n) => static_table(k, n));
  ram.fill(end_of_bss(k), NR_STATIC_TABLES * PAGE_SIZE, 0);
  k.boot.pgd = pgd!;
  set_entry(ram, pgd!, pgd_index(__START_KERNEL_map), level3!, _KERNPG_TABLE);
  set_entry(ram, level3!, pud_index(__START_KERNEL_map), level2!, _KERNPG_TABLE);
  const start = text - (text % PMD_SIZE);
  const first = pmd_index(__START_KERNEL_map + BigInt(start));
  const count = (round_up(end, PMD_SIZE) - start) / PMD_SIZE;
  set_entries(ram, level2!, first, count, start, PMD_SIZE, PAGE_KERNEL_EXEC | _PAGE_PSE);
}

export function x86_64_start_kernel(k: Kernel): void {
  init_brk(k);
  map_kernel_image(k);
  k.cmdline.boot_command_line = read_cmdline(k.hw.ram, k.hw.boot_params, COMMAND_LINE_SIZE);
}
