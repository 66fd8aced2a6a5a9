// CPUs come up, as far as memory management notices (Linux: kernel/smp.c smp_init(), arch/x86/kernel/cpu/common.c
// arch_cpu_finalize_init(), arch/x86/kernel/smpboot.c).

import { alternative_instructions } from '../arch/x86/alternative.ts';
import { bringup_nonboot_cpus } from '../arch/x86/cpu.ts';
import { numa_add_cpu } from '../arch/x86/numa.ts';
import type { Kernel } from '../kernel.ts';
import { nodes_weight } from '../lib/nodemask.ts';
import { pr_info } from '../lib/printk.ts';
import { page_alloc_cpu_online } from '../mm/pageset.ts';
import { vmstat_cpu_online } from '../mm/vmstat.ts';

/** The boot CPU joins its node; lock prefixes are settled for good. */
export function arch_cpu_finalize_init(k: Kernel): void {
  numa_add_cpu(k, 0);
  alternative_instructions(k);
}

export function smp_init(k: Kernel): void {
  pr_info(k, 'smp: Bringing up secondary CPUs ...');
  for (const cpu of bringup_nonboot_cpus(k)) {
    page_alloc_cpu_online(k);
    numa_add_cpu(k, cpu);
    vmstat_cpu_online(k, cpu);
  }
  const plural = (n: number, what: string): string => `${n} ${what}${n > 1 ? 's' : ''}`;
  const nodes = nodes_weight(k.node_online_map);
  const online = nodes_weight(k.cpus.cpu_online_mask);
  pr_info(k, `smp: Brought up ${plural(nodes, 'node')}, ${plural(online, 'CPU')}`);
}
