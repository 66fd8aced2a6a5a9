// setup_arch(): from boot_params to zones (Linux: arch/x86/kernel/setup.c), in Linux's order.
//
// Left out: what does not touch memory, and what is not there: EFI, DMI, MTRR, PCI quirks, hypervisors, MP tables.

import { BIOS_BEGIN, BIOS_END, E820_TYPE_RAM, E820_TYPE_RESERVED, ISA_END_ADDRESS } from '../../include/e820.ts';
import { PAGE_SIZE, PFN_PHYS } from '../../include/types.ts';
import { parse_early_param } from '../../init/bootoptions.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_info, pr_warn } from '../../lib/printk.ts';
import { dma_contiguous_reserve } from '../../mm/cma.ts';
import { memblock_set_bottom_up, memblock_set_current_limit } from '../../mm/memblock.ts';
import { acpi_boot_init, early_acpi_boot_init } from './acpi_boot.ts';
import { acpi_boot_table_init } from './acpi_tables.ts';
import { for_each_setup_data, SETUP_E820_EXT } from './boot_params.ts';
import { reserve_brk } from './brk.ts';
import { prefill_possible_map } from './cpu.ts';
import {
  e820__mapped_all,
  e820__range_add,
  e820__range_remove,
  e820__range_update,
  e820__update_table,
} from './e820.ts';
import {
  e820__end_of_low_ram_pfn,
  e820__end_of_ram_pfn,
  e820__finish_early_params,
  e820__memblock_setup,
  e820__memory_setup,
  e820__memory_setup_extended,
  e820__register_nosave_regions,
  e820__reserve_setup_data,
  e820__setup_pci_gap,
} from './e820_setup.ts';
import { early_reserve_memory, reserve_initrd, reserve_real_mode } from './early_reserve.ts';
import { early_alloc_pgt_buf, init_mem_mapping } from './init_mem.ts';
import { init_cpu_to_node, init_gi_nodes, initmem_init } from './numa.ts';
import { MAX_DMA32_PFN, memblock_find_dma_reserve, paging_init } from './zones.ts';

export function setup_arch(k: Kernel): void {
  const { boot } = k;
  pr_info(k, `Command line: ${k.cmdline.boot_command_line}`);

  early_reserve_memory(k);
  e820__memory_setup(k);
  parse_setup_data(k);
  parse_early_param(k);
  // Until SRAT has said what may be unplugged, memory near the kernel is the safest.
  if (k.mm.movable_node_enabled) memblock_set_bottom_up(k, true);
  pr_info(k, 'NX (Execute Disable) protection: active');

  e820__reserve_setup_data(k);
  e820__finish_early_params(k);
  e820_add_kernel_range(k);
  trim_bios_range(k);

  boot.max_pfn = e820__end_of_ram_pfn(k);
  boot.max_possible_pfn = boot.max_pfn;
  boot.max_low_pfn = boot.max_pfn > MAX_DMA32_PFN ? e820__end_of_low_ram_pfn(k) : boot.max_pfn;

  early_alloc_pgt_buf(k);
  reserve_brk(k);
  memblock_set_current_limit(k, ISA_END_ADDRESS);
  e820__memblock_setup(k);
  reserve_real_mode(k);
  init_mem_mapping(k);
  memblock_set_current_limit(k, PFN_PHYS(boot.max_pfn_mapped));

  reserve_initrd(k);
  acpi_boot_table_init(k);
  early_acpi_boot_init(k);
  initmem_init(k);
  dma_contiguous_reserve(k, PFN_PHYS(boot.max_pfn_mapped));
  memblock_find_dma_reserve(k);
  paging_init(k);

  acpi_boot_init(k);
  prefill_possible_map(k);
  init_cpu_to_node(k);
  init_gi_nodes(k);
  e820__register_nosave_regions(k, boot.max_pfn);
  e820__setup_pci_gap(k);
}

function parse_setup_data(k: Kernel): void {
  for (const { pa, type, len } of for_each_setup_data(k.hw.ram, k.hw.boot_params)) {
    if (type === SETUP_E820_EXT) e820__memory_setup_extended(k, pa, len);
  }
}

/** The kernel is where it is: if the map says that this is not RAM, the map is wrong. */
function e820_add_kernel_range(k: Kernel): void {
  const start = BigInt(k.config.image.text);
  const end = BigInt(k.config.image._end);
  if (e820__mapped_all(k, start, end, E820_TYPE_RAM)) return;
  pr_warn(k, '.text .data .bss are not marked as E820_TYPE_RAM!');
  e820__range_remove(k, start, end - start, E820_TYPE_RAM, false);
  e820__range_add(k, start, end - start, E820_TYPE_RAM);
}

/** Page 0 is the BIOS's, and so is 640 KiB to 1 MiB, whatever the map says. */
function trim_bios_range(k: Kernel): void {
  e820__range_update(k, 0n, BigInt(PAGE_SIZE), E820_TYPE_RAM, E820_TYPE_RESERVED);
  e820__range_remove(k, BigInt(BIOS_BEGIN), BigInt(BIOS_END - BIOS_BEGIN), E820_TYPE_RAM, true);
  e820__update_table(k, k.e820.e820_table);
}
