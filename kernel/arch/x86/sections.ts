// Where the parts of the kernel image lie that boot uses or gives back (Linux: arch/x86/kernel/vmlinux.lds.S):
//
//   text ... | .data..percpu | rest of init ... | .smp_locks | .data_nosave | .bss | brk
//            ^ __init_begin           __init_end ^                                 ^ __brk_base
//
// All follows from the sizes in KernelImage. Physical addresses, ends exclusive.

import type { KernelImage } from '../../config.ts';
import type { phys_addr_t } from '../../include/types.ts';

export interface Section {
  readonly start: phys_addr_t;
  readonly end: phys_addr_t;
}

/** Which instructions carry a lock prefix: of use only to a kernel that may turn out to have one CPU. */
export function smp_locks(image: KernelImage): Section {
  const end = image.brk_start - image.bss_size - image.nosave_size;
  return { start: end - image.smp_locks_size, end };
}

/** Code and data that only boot needs. */
export function init_section(image: KernelImage): Section {
  const end = smp_locks(image).start;
  return { start: end - image.init_size, end };
}

/** __per_cpu_load: initial values of per-cpu variables, and the variables themselves until each CPU has its own. */
export const percpu_load = (image: KernelImage): phys_addr_t => init_section(image).start;
