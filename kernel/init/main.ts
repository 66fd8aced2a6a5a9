// start_kernel(): the boot as a list of stages (Linux: init/main.c start_kernel(), mm_init(), kernel_init_freeable(),
// do_initcalls()).
//
// Left out: what has nothing to do with memory (interrupts, timers, the scheduler, file systems, drivers).

import { acpi_early_init } from '../arch/x86/acpi_tables.ts';
import { setup_early_printk } from '../arch/x86/early_printk.ts';
import { x86_64_start_kernel } from '../arch/x86/head64.ts';
import { free_initmem, mark_readonly, mem_init, populate_rootfs } from '../arch/x86/mem_init.ts';
import { setup_arch } from '../arch/x86/setup.ts';
import { cpuset_init_smp } from '../cgroup/cpuset.ts';
import { disk_init } from '../drivers/block/disk.ts';
import { do_sysctl_args } from '../fs/proc/proc_sysctl.ts';
import { __GFP_BITS_MASK } from '../include/gfp_types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_notice } from '../lib/printk.ts';
import { cma_init_reserved_areas } from '../mm/cma.ts';
import { fail_page_alloc_debugfs } from '../mm/fail_page_alloc.ts';
import { hugetlb_init } from '../mm/hugetlb.ts';
import { report_meminit } from '../mm/init_on.ts';
import { kcompactd_init } from '../mm/kcompactd.ts';
import { hugepage_init } from '../mm/khugepaged.ts';
import { kswapd_init } from '../mm/kswapd.ts';
import { oom_init } from '../mm/oom_reaper.ts';
import { init_user_reserve } from '../mm/overcommit.ts';
import { page_alloc_init_late } from '../mm/page_alloc_late.ts';
import { init_mem_debugging_and_hardening } from '../mm/page_debug.ts';
import { page_ext_init } from '../mm/page_ext.ts';
import { setup_per_cpu_pageset } from '../mm/pageset.ts';
import { setup_per_cpu_areas } from '../mm/percpu.ts';
import { mem_init_print_info } from '../mm/show_mem.ts';
import { swap_setup } from '../mm/swap_sysctl.ts';
import { pci_iommu_alloc, pci_iommu_init } from '../mm/swiotlb.ts';
import { vfs_caches_init_early } from '../mm/system_hash.ts';
import { init_mm_internals } from '../mm/vmstat.ts';
import { start_shepherd_timer } from '../mm/vmstat_shepherd.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { init_per_zone_wmark_min } from '../mm/watermark.ts';
import { build_all_zonelists } from '../mm/zonelist.ts';
import { hung_task_init } from '../sched/hung_task.ts';
import { SYSTEM_RUNNING, SYSTEM_SCHEDULING } from '../sched/preempt.ts';
import { trace_init } from '../trace/trace_events.ts';
import { parse_boot_params } from './bootoptions.ts';
import { check_panic_later, print_command_line, setup_command_line } from './command_line.ts';
import { arch_cpu_finalize_init, smp_init } from './smp.ts';

export interface Stage {
  readonly name: string;
  readonly run: (k: Kernel) => void;
}

const linux_banner = (k: Kernel): void => pr_notice(k, `Linux version ${k.config.version} (pgdat, ${k.config.name})`);

/** Until now the scheduler could not have put anyone to sleep. */
function allow_blocking_allocations(k: Kernel): void {
  k.preempt.system_state = SYSTEM_SCHEDULING;
  k.page_alloc.gfp_allowed_mask = __GFP_BITS_MASK;
}

function system_running(k: Kernel): void {
  k.preempt.system_state = SYSTEM_RUNNING;
}

export const stages: readonly Stage[] = [
  // head64.c, start_kernel()
  { name: 'x86_64_start_kernel', run: x86_64_start_kernel },
  { name: 'setup_early_printk', run: setup_early_printk },
  { name: 'linux_banner', run: linux_banner },
  { name: 'setup_arch', run: setup_arch },
  { name: 'setup_command_line', run: setup_command_line },
  { name: 'setup_per_cpu_areas', run: setup_per_cpu_areas },
  { name: 'build_all_zonelists', run: build_all_zonelists },
  { name: 'print_command_line', run: print_command_line },
  { name: 'parse_args', run: parse_boot_params },
  { name: 'vfs_caches_init_early', run: vfs_caches_init_early },
  // mm_init()
  { name: 'init_mem_debugging_and_hardening', run: init_mem_debugging_and_hardening },
  { name: 'report_meminit', run: report_meminit },
  { name: 'pci_iommu_alloc', run: pci_iommu_alloc },
  { name: 'mem_init', run: mem_init },
  { name: 'mem_init_print_info', run: mem_init_print_info },
  { name: 'trace_init', run: trace_init },
  { name: 'check_panic_later', run: check_panic_later },
  { name: 'setup_per_cpu_pageset', run: setup_per_cpu_pageset },
  { name: 'acpi_early_init', run: acpi_early_init },
  { name: 'arch_cpu_finalize_init', run: arch_cpu_finalize_init },
  // kernel_init_freeable()
  { name: 'allow_blocking_allocations', run: allow_blocking_allocations },
  { name: 'init_mm_internals', run: init_mm_internals },
  { name: 'start_shepherd_timer', run: start_shepherd_timer },
  { name: 'smp_init', run: smp_init },
  { name: 'page_alloc_init_late', run: page_alloc_init_late },
  { name: 'page_ext_init', run: page_ext_init },
  // do_basic_setup()
  { name: 'cpuset_init_smp', run: cpuset_init_smp },
  // initcalls: core, postcore, subsys, rootfs
  { name: 'cma_init_reserved_areas', run: cma_init_reserved_areas },
  { name: 'init_per_zone_wmark_min', run: init_per_zone_wmark_min },
  { name: 'hung_task_init', run: hung_task_init },
  { name: 'oom_init', run: oom_init },
  { name: 'kcompactd_init', run: kcompactd_init },
  { name: 'init_user_reserve', run: init_user_reserve },
  { name: 'hugetlb_init', run: hugetlb_init },
  { name: 'hugepage_init', run: hugepage_init },
  { name: 'pci_iommu_init', run: pci_iommu_init },
  { name: 'populate_rootfs', run: populate_rootfs },
  // device
  { name: 'disk_init', run: disk_init },
  { name: 'swap_setup', run: swap_setup },
  { name: 'kswapd_init', run: kswapd_init },
  // late
  { name: 'fail_page_alloc_debugfs', run: fail_page_alloc_debugfs },
  // kernel_init()
  { name: 'free_initmem', run: free_initmem },
  { name: 'mark_readonly', run: mark_readonly },
  { name: 'system_running', run: system_running },
  { name: 'do_sysctl_args', run: do_sysctl_args },
  { name: 'vmstat_update', run: vmstat_update },
];

/** Boots. A panic or a bug ends it as KernelPanic or KernelBug, for whoever runs the kernel to catch. */
export function start_kernel(k: Kernel): void {
  for (const { name, run } of stages) {
    k.on_stage?.(name, 'begin');
    run(k);
    k.on_stage?.(name, 'end');
  }
}
