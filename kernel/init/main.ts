// start_kernel(): the boot as a list of stages (Linux: init/main.c start_kernel(), mm_init(), kernel_init_freeable(),
// do_initcalls()).
//
// Left out: what has nothing to do with memory (interrupts, timers, the scheduler, file systems, drivers).

import { init_cpu } from '../arch/x86/cpu.ts';
import { setup_early_printk } from '../arch/x86/early_printk.ts';
import { copy_bootdata } from '../arch/x86/head64.ts';
import { free_initmem, mem_init } from '../arch/x86/mem_init.ts';
import { setup_arch } from '../arch/x86/setup.ts';
import type { Kernel } from '../kernel.ts';
import { pr_notice } from '../lib/printk.ts';
import { cma_init_reserved_areas } from '../mm/cma.ts';
import { hugetlb_init } from '../mm/hugetlb.ts';
import { hugepage_init } from '../mm/khugepaged.ts';
import { page_alloc_init_late } from '../mm/page_alloc_late.ts';
import { setup_per_cpu_pageset } from '../mm/pageset.ts';
import { setup_per_cpu_areas } from '../mm/percpu.ts';
import { mem_init_print_info, report_meminit } from '../mm/show_mem.ts';
import { init_per_zone_wmark_min } from '../mm/watermark.ts';
import { build_all_zonelists } from '../mm/zonelist.ts';
import { parse_boot_params } from './bootoptions.ts';
import { check_panic_later, setup_command_line } from './command_line.ts';

export interface Stage {
  readonly name: string;
  readonly run: (k: Kernel) => void;
}

const linux_banner = (k: Kernel): void => pr_notice(k, `Linux version ${k.config.version} (pgdat) ${k.config.name}`);

export const stages: readonly Stage[] = [
  { name: 'copy_bootdata', run: copy_bootdata },
  { name: 'setup_early_printk', run: setup_early_printk },
  { name: 'linux_banner', run: linux_banner },
  { name: 'setup_arch', run: setup_arch },
  { name: 'setup_command_line', run: setup_command_line },
  { name: 'setup_nr_cpu_ids', run: init_cpu },
  { name: 'setup_per_cpu_areas', run: setup_per_cpu_areas },
  { name: 'build_all_zonelists', run: build_all_zonelists },
  { name: 'parse_args', run: parse_boot_params },
  { name: 'report_meminit', run: report_meminit },
  { name: 'mem_init', run: mem_init },
  { name: 'mem_init_print_info', run: mem_init_print_info },
  { name: 'check_panic_later', run: check_panic_later },
  { name: 'setup_per_cpu_pageset', run: setup_per_cpu_pageset },
  { name: 'page_alloc_init_late', run: page_alloc_init_late },
  { name: 'cma_init_reserved_areas', run: cma_init_reserved_areas },
  { name: 'init_per_zone_wmark_min', run: init_per_zone_wmark_min },
  { name: 'hugetlb_init', run: hugetlb_init },
  { name: 'hugepage_init', run: hugepage_init },
  { name: 'free_initmem', run: free_initmem },
];

/** Boots. A panic or a bug ends it as KernelPanic or KernelBug, for whoever runs the kernel to catch. */
export function start_kernel(k: Kernel): void {
  for (const { name, run } of stages) {
    k.on_stage?.(name, 'begin');
    run(k);
    k.on_stage?.(name, 'end');
  }
}
