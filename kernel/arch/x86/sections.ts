// Where the parts of the kernel image lie that boot uses or gives back (Linux: arch/x86/kernel/vmlinux.lds.S):
//
//   text | gap | rodata | gap | data | init | .smp_locks | .data_nosave | .bss | .bss..decrypted | unused | brk
//
// init begins with .data..percpu. All follows from KernelImage. Physical addresses, ends exclusive.

import type { KernelImage } from '../../config.ts';
import { PAGE_SIZE, type phys_addr_t, round_up } from '../../include/types.ts';

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

/** What alignment leaves between text and read-only data, which have different rights and so no 2 MiB page in common. */
export const text_rodata_gap = (image: KernelImage): Section => ({
  start: round_up(image.etext, PAGE_SIZE),
  end: round_up(image.start_rodata, PAGE_SIZE),
});

/** The same between read-only data and data. */
export const rodata_data_gap = (image: KernelImage): Section => ({
  start: round_up(image.end_rodata, PAGE_SIZE),
  end: image.sdata,
});

/** The end of .bss that only encrypted memory needs. */
export const unused_decrypted = (image: KernelImage): Section => ({
  start: image.start_bss_decrypted_unused,
  end: image.brk_start,
});

/** What boot frees of the image, from low to high, but .smp_locks. The rest stays the kernel's. */
export const freed_sections = (image: KernelImage): readonly Section[] => [
  text_rodata_gap(image),
  rodata_data_gap(image),
  init_section(image),
  unused_decrypted(image),
];

/** __per_cpu_load: initial values of per-cpu variables, and the variables themselves until each CPU has its own. */
export const percpu_load = (image: KernelImage): phys_addr_t => init_section(image).start;
