// setup_arch(): from boot_params to zones (Linux: arch/x86/kernel/setup.c), in Linux's order.
//
// Left out: what does not touch memory, and devices that are not there (EFI, DMI, PCI quirks, hypervisors, MTRR).

import { parse_early_param } from '../../init/bootoptions.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_info } from '../../lib/printk.ts';
import { dma_contiguous_reserve } from '../../mm/cma.ts';
import { memblock_set_bottom_up, memblock_set_current_limit } from '../../mm/memblock.ts';
import { acpi_boot_init, early_acpi_boot_init } from './acpi_boot.ts';
import { acpi_boot_table_init } from './acpi_tables.ts';
import { init_cpu_to_node, prefill_possible_map } from './cpu.ts';
import {
  e820__end_of_low_ram_pfn,
  e820__end_of_ram_pfn,
  e820__finish_early_params,
  e820__memblock_setup,
  e820__memory_setup,
  e820__reserve_setup_data,
  e820__setup_pci_gap,
} from './e820.ts';
import { init_mem_mapping } from './init_mem.ts';
import { initmem_init } from './numa.ts';

export function setup_arch(k: Kernel): void {
  pr_info(k, `Command line: ${k.cmdline.boot_command_line}`);
  e820__memory_setup(k);
  parse_early_param(k);
  e820__reserve_setup_data(k);
  e820__finish_early_params(k);
  k.boot.max_pfn = e820__end_of_ram_pfn(k);
  k.boot.max_low_pfn = e820__end_of_low_ram_pfn(k);
  memblock_set_bottom_up(k, false);
  memblock_set_current_limit(k, 0x100000);
  e820__memblock_setup(k);
  init_mem_mapping(k);
  acpi_boot_table_init(k);
  early_acpi_boot_init(k);
  initmem_init(k);
  dma_contiguous_reserve(k, 0);
  acpi_boot_init(k);
  prefill_possible_map(k);
  init_cpu_to_node(k);
  e820__setup_pci_gap(k);
}
