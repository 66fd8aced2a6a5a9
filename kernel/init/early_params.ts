// Every parameter that the kernel knows, in one table (Linux: the early_param() and __setup() lines next to their
// handlers, collected by the linker). A handler is its owner's and carries Linux's name.
//
// An early row matches the whole name; a __setup row matches by prefix and gets what follows it.

import {
  acpi_force_32bit_fadt_addr,
  acpi_force_table_verification_setup,
  acpi_parse_apic_instance,
  parse_acpi,
  parse_acpi_skip_timer_override,
  parse_noapic,
  setup_acpi_rsdp,
  setup_acpi_sci,
} from '../arch/x86/acpi.ts';
import { _setup_possible_cpus, maxcpus, nosmp, nrcpus } from '../arch/x86/cpu.ts';
import { parse_memmap_opt, parse_memopt } from '../arch/x86/e820_params.ts';
import { parse_direct_gbpages_off, parse_direct_gbpages_on } from '../arch/x86/init_mem.ts';
import { set_debug_rodata } from '../arch/x86/mem_init.ts';
import { numa_setup } from '../arch/x86/numa.ts';
import { cgroup_disable } from '../cgroup/cgroup.ts';
import type { KernelConfig } from '../config.ts';
import type { Kernel } from '../kernel.ts';
import { debug_kernel, ignore_loglevel_setup, loglevel, quiet_kernel } from '../lib/loglevel.ts';
import { pr_warn } from '../lib/printk.ts';
import { early_cma } from '../mm/cma.ts';
import { setup_fail_page_alloc } from '../mm/fail_page_alloc.ts';
import { default_hugepagesz_setup, hugepages_setup, hugepagesz_setup } from '../mm/hugetlb_params.ts';
import { early_init_on_alloc, early_init_on_free } from '../mm/init_on.ts';
import { setup_transparent_hugepage } from '../mm/khugepaged.ts';
import { early_memblock } from '../mm/memblock.ts';
import { debug_guardpage_minorder_setup, early_debug_pagealloc, early_page_poison_param } from '../mm/page_debug.ts';
import { early_page_owner_param } from '../mm/page_owner.ts';
import { setup_io_tlb_npages } from '../mm/swiotlb.ts';
import { set_dhash_entries, set_hashdist, set_ihash_entries } from '../mm/system_hash.ts';
import { cmdline_parse_kernelcore, cmdline_parse_movable_node, cmdline_parse_movablecore } from '../mm/zone_movable.ts';
import { set_mminit_loglevel } from '../mm/zonelist.ts';
import { set_buf_size, setup_trace_event } from '../trace/trace_events.ts';

interface param {
  readonly name: string;
  /** The kernel was built without this parameter where the switch is off. */
  readonly config?: keyof KernelConfig;
}

export interface early_param extends param {
  /** @returns 0 if all is well; anything else prints "Malformed early option" */
  readonly setup: (k: Kernel, value: string | null) => number;
}

export interface setup_param extends param {
  /** @returns non-zero if the parameter was taken */
  readonly setup: (k: Kernel, value: string) => number;
}

/**
 * Of what is not here, this changes how much memory is left in Linux: the log says that it does not here.
 *
 * Differs from Linux: the line.
 */
const without_effect =
  (name: string) =>
  (k: Kernel): number => {
    pr_warn(k, `pgdat: ${name}= has no effect here`);
    return 0;
  };

export const early_table: readonly early_param[] = [
  // init/main.c, kernel/printk/printk.c
  { name: 'debug', setup: debug_kernel },
  { name: 'rodata', setup: set_debug_rodata },
  { name: 'quiet', setup: quiet_kernel },
  { name: 'loglevel', setup: loglevel },
  { name: 'ignore_loglevel', setup: ignore_loglevel_setup },
  // kernel/smp.c, arch/x86/kernel/smpboot.c
  { name: 'nosmp', setup: nosmp },
  { name: 'nr_cpus', setup: nrcpus },
  { name: 'maxcpus', setup: maxcpus },
  { name: 'possible_cpus', setup: _setup_possible_cpus },
  // arch/x86/kernel/e820.c
  { name: 'mem', setup: parse_memopt },
  { name: 'memmap', setup: parse_memmap_opt },
  // arch/x86/mm/init.c
  { name: 'gbpages', setup: parse_direct_gbpages_on },
  { name: 'nogbpages', setup: parse_direct_gbpages_off },
  // arch/x86/kernel/acpi/boot.c, drivers/acpi/tables.c, drivers/acpi/osl.c
  { name: 'acpi', setup: parse_acpi },
  { name: 'acpi_rsdp', setup: setup_acpi_rsdp },
  { name: 'acpi_sci', setup: setup_acpi_sci },
  { name: 'acpi_skip_timer_override', setup: parse_acpi_skip_timer_override },
  { name: 'acpi_apic_instance', setup: acpi_parse_apic_instance },
  { name: 'acpi_force_table_verification', setup: acpi_force_table_verification_setup },
  { name: 'acpi_force_32bit_fadt_addr', setup: acpi_force_32bit_fadt_addr },
  { name: 'noapic', setup: parse_noapic },
  // arch/x86/mm/numa.c
  { name: 'numa', setup: numa_setup, config: 'NUMA' },
  // mm
  { name: 'memblock', setup: early_memblock },
  { name: 'mminit_loglevel', setup: set_mminit_loglevel },
  { name: 'kernelcore', setup: cmdline_parse_kernelcore },
  { name: 'movablecore', setup: cmdline_parse_movablecore },
  { name: 'movable_node', setup: cmdline_parse_movable_node },
  { name: 'init_on_alloc', setup: early_init_on_alloc },
  { name: 'init_on_free', setup: early_init_on_free },
  { name: 'page_poison', setup: early_page_poison_param, config: 'PAGE_POISONING' },
  { name: 'debug_pagealloc', setup: early_debug_pagealloc, config: 'DEBUG_PAGEALLOC' },
  { name: 'debug_guardpage_minorder', setup: debug_guardpage_minorder_setup, config: 'DEBUG_PAGEALLOC' },
  { name: 'page_owner', setup: early_page_owner_param, config: 'PAGE_OWNER' },
  // kernel/crash_core.c, mm/memtest.c
  { name: 'crashkernel', setup: without_effect('crashkernel') },
  { name: 'memtest', setup: without_effect('memtest') },
  // kernel/dma
  { name: 'cma', setup: early_cma, config: 'CMA' },
  { name: 'swiotlb', setup: setup_io_tlb_npages, config: 'SWIOTLB' },
];

export const setup_table: readonly setup_param[] = [
  { name: 'hugepages=', setup: hugepages_setup, config: 'HUGETLB_PAGE' },
  { name: 'hugepagesz=', setup: hugepagesz_setup, config: 'HUGETLB_PAGE' },
  { name: 'default_hugepagesz=', setup: default_hugepagesz_setup, config: 'HUGETLB_PAGE' },
  { name: 'hashdist=', setup: set_hashdist, config: 'NUMA' },
  { name: 'dhash_entries=', setup: set_dhash_entries },
  { name: 'ihash_entries=', setup: set_ihash_entries },
  { name: 'fail_page_alloc=', setup: setup_fail_page_alloc },
  { name: 'transparent_hugepage=', setup: setup_transparent_hugepage },
  { name: 'cgroup_disable=', setup: cgroup_disable },
  { name: 'trace_event=', setup: setup_trace_event },
  { name: 'trace_buf_size=', setup: set_buf_size },
];

/** The kernel that runs was built with the parameter. */
export const is_built = (k: Kernel, row: param): boolean => row.config === undefined || k.config[row.config] !== false;

/** fs/proc/proc_sysctl.c: parameters that are other names of sysctls. */
export const sysctl_aliases: ReadonlyMap<string, string> = new Map([
  ['hardlockup_all_cpu_backtrace', 'kernel.hardlockup_all_cpu_backtrace'],
  ['hung_task_panic', 'kernel.hung_task_panic'],
  ['numa_zonelist_order', 'vm.numa_zonelist_order'],
  ['softlockup_all_cpu_backtrace', 'kernel.softlockup_all_cpu_backtrace'],
]);

/**
 * Parameters of parts of Linux that are not here: known, so that nobody is told they are not, and without effect.
 * Same matching as above.
 */
export const known_elsewhere = {
  early: words(`
    apic apic_extnmi boot_delay bootconfig coherent_pool debug_boot_weak_hash debug_objects
    debugfs disable_mtrr_cleanup disable_mtrr_trim disableapic early_ioremap_debug earlycon earlyprintk edd efi
    efi_fake_mem elfcorehdr enable_mtrr_cleanup gather_data_sampling hostname idle initrd initrdmem intel_pstate
    intremap io_delay iommu kasan hugetlb_cma hugetlb_free_vmemmap keep_bootcon kgdboc_earlycon kgdbwait kmemleak l1d_flush l1tf lapic lockdown
    log_buf_len mds memory_corruption_check memory_corruption_check_period memory_corruption_check_size mitigations
    mmio_stale_data mtrr_chunk_size mtrr_cleanup_debug mtrr_gran_size mtrr_spare_reg_nr nmi_backtrace no-kvmapf
    no-kvmclock no-steal-acc no_hash_pointers noapictimer noefi noexec nohugeiomap nohugevmalloc nointremap
    nolapic_timer nopat nopcid nopti nopv nopvspin nosgx nosmap nosmep nosmt nospectre_v1 nospectre_v2 nox2apic oops
    panic_on_taint pci percpu_alloc pti randomize_kstack_offset rdrand retbleed skew_tick
    spec_rstack_overflow spec_store_bypass_disable spectre_bhi spectre_v2 srbds sysfs.deprecated threadirqs
    tsc_early_khz tsx tsx_async_abort userpte vmalloc vsyscall x2apic_phys
  `),
  setup: words(`
    acpi_backlight= acpi_enforce_resources= acpi_osi= acpi_sleep= agp= amd_iommu= apparmor= apicpmtimer audit=
    audit_backlog_limit= cgroup.memory= cgroup_no_v1= checkreqprot= clearcpuid= clocksource= console=
    coredump_filter= cpu0_hotplug deferred_probe_timeout= delayacct elevator= enforcing= evm= fbcon=
    fips= ftrace= ftrace_dump_on_oops hardened_usercopy= hest_disable hibernate= highres= hpet= ima_hash=
    ima_policy= init= initcall_blacklist= initcall_debug initramfs_async= intel_idle intel_iommu= iomem= ip=
    irqaffinity= irqfixup irqpoll isolcpus= keepinitrd load_ramdisk= lpj= lsm= max_loop= mce mem_sleep_default=
    memhp_default_state= mhash_entries= mphash_entries= netdev= nfsaddrs= nfsroot= nmi_watchdog= no_console_suspend
    no_timer_check nohibernate nohlt nohpet nohz= nohz_full= noinitrd noirqdebug nomce nomodeset norandmaps noresume
    noreplace-smp nosoftlockup notsc nowatchdog numa_balancing= panic= panic_on_oom= panic_on_warn parport=
    pcie_aspm= pcie_ports= pm_debug_messages preempt= print-fatal-signals= printk.devkmsg= profile= psi=
    ramdisk_size= rcu_nocbs rdinit= reboot= reset_devices resume= resume_offset= resumewait retain_initrd ro root=
    rootdelay= rootflags= rootfstype= rootwait rw schedstats= security= selinux= serialnumber show_lapic= slab_nomerge
    slub_debug slub_max_order= slub_min_objects= slub_min_order= slub_nomerge softlockup_panic= stack_guard_gap=
    swapaccount= sysrq_always_enabled thash_entries= trace_clock= trace_options=
    traceoff_on_warning tsc= uhash_entries= unknown_nmi_panic vdso= vm_debug video= watchdog_thresh=
  `),
};

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
