// CPUs as the firmware lists them, and their numbers (Linux: arch/x86/kernel/apic/apic.c generic_processor_info(),
// arch/x86/kernel/smpboot.c prefill_possible_map(), kernel/smp.c, kernel/cpu.c boot_cpu_init()).
//
// Left out: bringing CPUs up; the local APIC itself, which has nothing to say about memory. See register_lapic_address()
// for what is taken for granted of it.

import { EINVAL, ENODEV, NUMA_NO_NODE } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { WARN_ONCE } from '../../lib/bug.ts';
import { get_option, OPTION_NONE } from '../../lib/cmdline.ts';
import { type cpumask_t, for_each_node_mask, node_isset, node_set } from '../../lib/nodemask.ts';
import { pr_info, pr_warn } from '../../lib/printk.ts';

export const MAX_LOCAL_APIC = 32768;
export const BAD_APICID = 0xffff;
export const MAX_NR_CPUS = 8192;

const cpumask = (): cpumask_t => new Uint32Array(MAX_NR_CPUS / 32);

export class CpuState {
  /** CPU numbers are below this. NR_CPUS until prefill_possible_map() knows better. */
  nr_cpu_ids: number;
  /** As the MADT lists them: enabled ones, and ones that may be plugged in later. */
  num_processors = 0;
  disabled_cpus = 0;
  total_cpus = 0;
  setup_max_cpus: number;
  setup_possible_cpus = -1;
  readonly cpu_possible_mask = cpumask();
  readonly cpu_present_mask = cpumask();
  readonly cpu_online_mask = cpumask();
  /** By CPU number; BAD_APICID where the CPU has none. */
  readonly x86_cpu_to_apicid: Uint16Array;
  readonly x86_cpu_to_acpiid: Uint32Array;
  /** By CPU number: NUMA_NO_NODE, or a node that is online. */
  readonly x86_cpu_to_node_map: Int16Array;
  /** -1 until the boot CPU's local APIC has been asked. */
  boot_cpu_physical_apicid = -1;
  readonly phys_cpu_present_map = new Set<number>();
  /** APIC ids in the order of logical CPU numbers; 0 is the boot CPU's. */
  readonly cpuid_to_apicid: number[] = [-1];
  /**
   * The firmware has left the local APICs in x2APIC mode: APIC ids of 255 and more are valid.
   * Linux reads it off an MSR. Whoever composes a machine with such firmware sets it.
   */
  x2apic_mode = false;

  constructor(NR_CPUS: number) {
    this.nr_cpu_ids = NR_CPUS;
    this.setup_max_cpus = NR_CPUS;
    this.x86_cpu_to_apicid = new Uint16Array(NR_CPUS).fill(BAD_APICID);
    this.x86_cpu_to_acpiid = new Uint32Array(NR_CPUS).fill(0xffffffff);
    this.x86_cpu_to_node_map = new Int16Array(NR_CPUS).fill(NUMA_NO_NODE);
    // boot_cpu_init(): the CPU that runs this is CPU 0.
    for (const mask of [this.cpu_possible_mask, this.cpu_present_mask, this.cpu_online_mask]) node_set(0, mask);
  }
}

/** CPUs that may ever run, ascending. */
export const for_each_possible_cpu = (k: Kernel): Generator<number> => for_each_node_mask(k.cpus.cpu_possible_mask);
export const for_each_online_cpu = (k: Kernel): Generator<number> => for_each_node_mask(k.cpus.cpu_online_mask);

/** Linux: apic->apic_id_valid(). */
export const apic_id_valid = (k: Kernel, apicid: number): boolean => k.cpus.x2apic_mode || apicid < 255;

/**
 * Learns the boot CPU's APIC id.
 * Differs from Linux: there is no local APIC to read it from. It is 0, as on every machine of QEMU's, unless the MADT
 * lists CPUs but not that one: then it is the first enabled one, where ACPI 6.5 section 5.2.12.1 puts the boot CPU.
 */
export function register_lapic_address(k: Kernel, apicids: readonly number[]): void {
  if (k.cpus.boot_cpu_physical_apicid !== -1) return;
  k.cpus.boot_cpu_physical_apicid = apicids.includes(0) ? 0 : (apicids[0] ?? 0);
}

/** The logical CPU number of an APIC id, a new one if it has none. -EINVAL: no more numbers. */
function allocate_logical_cpuid(k: Kernel, apicid: number): number {
  const { cpuid_to_apicid, nr_cpu_ids } = k.cpus;
  const known = cpuid_to_apicid.indexOf(apicid);
  if (known >= 0) return known;
  const cpu = cpuid_to_apicid.length;
  if (cpu >= nr_cpu_ids) {
    const message =
      `APIC: NR_CPUS/possible_cpus limit of ${nr_cpu_ids} reached. ` +
      `Processor ${cpu}/0x${apicid.toString(16)} and the rest are ignored.`;
    WARN_ONCE(k, true, 'arch/x86/kernel/apic/apic.c:2437 allocate_logical_cpuid', message);
    return -EINVAL;
  }
  cpuid_to_apicid.push(apicid);
  return cpu;
}

/** Registers an enabled CPU. @returns its logical number, or -errno */
export function generic_processor_info(k: Kernel, apicid: number): number {
  const { cpus } = k;
  const max = cpus.nr_cpu_ids;
  const boot_cpu_detected = cpus.phys_cpu_present_map.has(cpus.boot_cpu_physical_apicid);
  const limit = `APIC: NR_CPUS/possible_cpus limit of ${max}`;
  const processor = (thiscpu: number) => `Processor ${thiscpu}/0x${apicid.toString(16)} ignored.`;

  if (!boot_cpu_detected && cpus.num_processors >= max - 1 && apicid !== cpus.boot_cpu_physical_apicid) {
    const thiscpu = max + cpus.disabled_cpus - 1;
    pr_warn(k, `${limit} almost reached. Keeping one slot for boot cpu.  ${processor(thiscpu)}`);
    cpus.disabled_cpus++;
    return -ENODEV;
  }
  if (cpus.num_processors >= max) {
    pr_warn(k, `${limit} reached. ${processor(max + cpus.disabled_cpus)}`);
    cpus.disabled_cpus++;
    return -EINVAL;
  }

  let cpu = 0;
  if (apicid === cpus.boot_cpu_physical_apicid) {
    cpus.cpuid_to_apicid[0] = apicid;
  } else {
    cpu = allocate_logical_cpuid(k, apicid);
    if (cpu < 0) {
      cpus.disabled_cpus++;
      return -EINVAL;
    }
  }
  cpus.x86_cpu_to_apicid[cpu] = apicid;
  cpus.phys_cpu_present_map.add(apicid);
  node_set(cpu, cpus.cpu_possible_mask);
  node_set(cpu, cpus.cpu_present_mask);
  cpus.num_processors++;
  return cpu;
}

/** Decides how many CPUs may ever run, and so nr_cpu_ids. */
export function prefill_possible_map(k: Kernel): void {
  const { cpus } = k;
  if (cpus.num_processors === 0) {
    const id = Math.max(cpus.boot_cpu_physical_apicid, 0);
    pr_warn(k, `smpboot: Boot CPU (id ${id}) not listed by BIOS`);
    cpus.boot_cpu_physical_apicid = id;
    if (cpus.x86_cpu_to_apicid[0] === BAD_APICID) generic_processor_info(k, id);
    if (cpus.num_processors === 0) cpus.num_processors = 1;
  }
  const { num_processors, disabled_cpus, setup_max_cpus } = cpus;

  let possible = cpus.setup_possible_cpus;
  if (possible === -1) possible = num_processors + (setup_max_cpus !== 0 ? disabled_cpus : 0);
  cpus.total_cpus = Math.max(possible, num_processors + disabled_cpus);

  if (possible > cpus.nr_cpu_ids) {
    pr_warn(k, `smpboot: ${possible} Processors exceeds NR_CPUS limit of ${cpus.nr_cpu_ids}`);
    possible = cpus.nr_cpu_ids;
  }
  if (setup_max_cpus === 0 && possible > 1) {
    pr_warn(k, `smpboot: ${possible} Processors exceeds max_cpus limit of ${setup_max_cpus}`);
    possible = 1;
  }
  // Differs from Linux: possible_cpus=0 leaves one CPU, the one that runs this; Linux does not survive it.
  possible = Math.max(possible, 1);
  cpus.nr_cpu_ids = possible;
  const hotplug = Math.max(possible - num_processors, 0);
  pr_info(k, `smpboot: Allowing ${possible} CPUs, ${hotplug} hotplug CPUs`);
  cpus.cpu_possible_mask.fill(0);
  for (let cpu = 0; cpu < possible; cpu++) node_set(cpu, cpus.cpu_possible_mask);
}

/**
 * Linux: smp_init(), bringup_nonboot_cpus(): marks present CPUs online, up to setup_max_cpus of them.
 * @returns those that came up, CPU 0 left out
 */
export function bringup_nonboot_cpus(k: Kernel): number[] {
  const { cpus } = k;
  const brought: number[] = [];
  let online = 1;
  for (const cpu of for_each_node_mask(cpus.cpu_present_mask)) {
    // nr_cpumask_bits is nr_cpu_ids: present CPUs beyond it are not looked at.
    if (cpu >= cpus.nr_cpu_ids || online >= cpus.setup_max_cpus) break;
    if (node_isset(cpu, cpus.cpu_online_mask)) continue;
    node_set(cpu, cpus.cpu_online_mask);
    brought.push(cpu);
    online++;
  }
  return brought;
}

/** early_param("nr_cpus"): the hard limit. */
export function nrcpus(k: Kernel, value: string | null): number {
  const { result, value: nr_cpus } = get_option(value ?? '');
  if (result !== OPTION_NONE && nr_cpus > 0 && nr_cpus < k.cpus.nr_cpu_ids) k.cpus.nr_cpu_ids = nr_cpus;
  return 0;
}

/** early_param("maxcpus"): how many are brought up. 0 turns SMP off. */
export function maxcpus(k: Kernel, value: string | null): number {
  const { result, value: max } = get_option(value ?? '');
  if (result !== OPTION_NONE) k.cpus.setup_max_cpus = max;
  return 0;
}

/** early_param("nosmp"). */
export function nosmp(k: Kernel): number {
  k.cpus.setup_max_cpus = 0;
  return 0;
}

/** early_param("possible_cpus"). */
export function _setup_possible_cpus(k: Kernel, value: string | null): number {
  const { result, value: possible } = get_option(value ?? '');
  if (result !== OPTION_NONE) k.cpus.setup_possible_cpus = possible;
  return 0;
}
