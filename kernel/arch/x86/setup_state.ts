// What x86's setup and memory map code keeps in global variables (Linux: arch/x86/kernel/setup.c, arch/x86/mm/init.c).

import type { pfn_t, phys_addr_t } from '../../include/types.ts';

/** Page frames [start, end) that the direct map covers. */
export interface mapped_range {
  start: pfn_t;
  end: pfn_t;
}

export class BootState {
  /** End of the last usable page; of the last below 4 GiB until init_mem_mapping() is done, then the same. */
  max_pfn: pfn_t = 0;
  max_low_pfn: pfn_t = 0;
  /** As max_pfn, or the end of what SRAT says may be plugged in. */
  max_possible_pfn: pfn_t = 0;

  /** cr3: physical address of init_top_pgt. */
  pgd: phys_addr_t = 0;
  min_pfn_mapped: pfn_t = 0;
  max_pfn_mapped: pfn_t = 0;
  max_low_pfn_mapped: pfn_t = 0;
  readonly pfn_mapped: mapped_range[] = [];
  /** Pages of 4 KiB, 2 MiB and 1 GiB in the direct map. */
  readonly direct_pages_count = { PG_LEVEL_4K: 0, PG_LEVEL_2M: 0, PG_LEVEL_1G: 0 };
  direct_gbpages = true;
  /** Page sizes in use, as bits 1 << PG_LEVEL_x. */
  page_size_mask = 0;

  /** The brk area of the kernel image, [start, end) taken so far; start is 0 once it is closed. */
  _brk_start: phys_addr_t = 0;
  _brk_end: phys_addr_t = 0;
  /** Early page tables: the part of the brk area put aside for them, as page frames. */
  pgt_buf_end: pfn_t = 0;
  pgt_buf_top: pfn_t = 0;
  can_use_brk_pgt = true;
  /** Table pages taken from the end of .bss (recorded reservations only). */
  nr_bss_tables = 0;

  /** Where the trampoline of secondary CPUs is; 0: nowhere. */
  real_mode_header: phys_addr_t = 0;
  /** Physical addresses; Linux has pointers. 0: no initrd. */
  initrd_start: phys_addr_t = 0;
  initrd_end: phys_addr_t = 0;

  /** rodata=: the kernel's text and read-only data become so at the end of boot. */
  rodata_enabled = true;
}
