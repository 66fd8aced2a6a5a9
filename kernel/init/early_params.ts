// Every parameter that the kernel knows, in one table (Linux: the early_param() and __setup() lines next to their
// handlers, collected by the linker). A handler is its owner's and carries Linux's name.
//
// An early row matches the whole name; a __setup row matches by prefix and gets what follows it.

import { parse_memmap_opt, parse_memopt } from '../arch/x86/e820_params.ts';
import { parse_direct_gbpages_off, parse_direct_gbpages_on } from '../arch/x86/init_mem.ts';
import type { Kernel } from '../kernel.ts';
import { debug_kernel, ignore_loglevel_setup, loglevel, quiet_kernel } from '../lib/loglevel.ts';
import { early_memblock } from '../mm/memblock.ts';

/** @returns 0 if all is well; anything else prints "Malformed early option" */
export interface early_param {
  readonly name: string;
  readonly setup: (k: Kernel, value: string | null) => number;
}

/** @returns non-zero if the parameter was taken */
export interface setup_param {
  readonly name: string;
  readonly setup: (k: Kernel, value: string) => number;
}

export const early_table: readonly early_param[] = [
  // arch/x86/kernel/e820.c
  { name: 'mem', setup: parse_memopt },
  { name: 'memmap', setup: parse_memmap_opt },
  // arch/x86/mm/init.c
  { name: 'gbpages', setup: parse_direct_gbpages_on },
  { name: 'nogbpages', setup: parse_direct_gbpages_off },
  // mm/memblock.c
  { name: 'memblock', setup: early_memblock },
  // init/main.c, kernel/printk/printk.c
  { name: 'debug', setup: debug_kernel },
  { name: 'quiet', setup: quiet_kernel },
  { name: 'loglevel', setup: loglevel },
  { name: 'ignore_loglevel', setup: ignore_loglevel_setup },
];

export const setup_table: readonly setup_param[] = [];

/** fs/proc/proc_sysctl.c: parameters that are other names of sysctls. */
export const sysctl_aliases: readonly string[] = [
  'hardlockup_all_cpu_backtrace',
  'hung_task_panic',
  'numa_zonelist_order',
  'softlockup_all_cpu_backtrace',
];

/**
 * Parameters of parts of Linux that are not here: known, so that nobody is told they are not, and without effect.
 * Same matching as above.
 */
export const known_elsewhere = {
  early: words(`
    acpi_rsdp apic apic_extnmi boot_delay bootconfig coherent_pool crashkernel debug_boot_weak_hash debug_objects
    debugfs disable_mtrr_cleanup disable_mtrr_trim disableapic early_ioremap_debug earlycon earlyprintk edd efi
    efi_fake_mem elfcorehdr enable_mtrr_cleanup gather_data_sampling hostname idle initrd initrdmem intel_pstate
    intremap io_delay iommu kasan keep_bootcon kgdboc_earlycon kgdbwait kmemleak l1d_flush l1tf lapic lockdown
    log_buf_len mds memory_corruption_check memory_corruption_check_period memory_corruption_check_size mitigations
    mmio_stale_data mtrr_chunk_size mtrr_cleanup_debug mtrr_gran_size mtrr_spare_reg_nr nmi_backtrace no-kvmapf
    no-kvmclock no-steal-acc no_hash_pointers noapic noapictimer noefi noexec nohugeiomap nohugevmalloc nointremap
    nolapic_timer nopat nopcid nopti nopv nopvspin nosgx nosmap nosmep nosmt nospectre_v1 nospectre_v2 nox2apic oops
    page_owner panic_on_taint pci pti randomize_kstack_offset rdrand retbleed rodata skew_tick
    spec_rstack_overflow spec_store_bypass_disable spectre_bhi spectre_v2 srbds sysfs.deprecated threadirqs
    tsc_early_khz tsx tsx_async_abort userpte vmalloc vsyscall x2apic_phys
  `),
  setup: words(`
    acpi_backlight= acpi_enforce_resources= acpi_osi= acpi_sleep= agp= amd_iommu= apparmor= apicpmtimer audit=
    audit_backlog_limit= cgroup.memory= cgroup_disable= cgroup_no_v1= checkreqprot= clearcpuid= clocksource= console=
    coredump_filter= cpu0_hotplug deferred_probe_timeout= delayacct dhash_entries= elevator= enforcing= evm= fbcon=
    fips= ftrace= ftrace_dump_on_oops hardened_usercopy= hashdist= hest_disable hibernate= highres= hpet= ima_hash=
    ima_policy= init= initcall_blacklist= initcall_debug initramfs_async= intel_idle intel_iommu= iomem= ip=
    irqaffinity= irqfixup irqpoll isolcpus= keepinitrd load_ramdisk= lpj= lsm= max_loop= mce mem_sleep_default=
    memhp_default_state= mhash_entries= mphash_entries= netdev= nfsaddrs= nfsroot= nmi_watchdog= no_console_suspend
    no_timer_check nohibernate nohlt nohpet nohz= nohz_full= noinitrd noirqdebug nomce nomodeset norandmaps noresume
    noreplace-smp nosoftlockup notsc nowatchdog numa_balancing= panic= panic_on_oom= panic_on_warn parport=
    pcie_aspm= pcie_ports= pm_debug_messages preempt= print-fatal-signals= printk.devkmsg= profile= psi=
    ramdisk_size= rcu_nocbs rdinit= reboot= reset_devices resume= resume_offset= resumewait retain_initrd ro root=
    rootdelay= rootflags= rootfstype= rootwait rw schedstats= security= selinux= serialnumber show_lapic= slab_nomerge
    slub_debug slub_max_order= slub_min_objects= slub_min_order= slub_nomerge softlockup_panic= stack_guard_gap=
    swapaccount= sysrq_always_enabled thash_entries= trace_buf_size= trace_clock= trace_event= trace_options=
    traceoff_on_warning tsc= uhash_entries= unknown_nmi_panic vdso= video= watchdog_thresh=
  `),
};

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
