// Per-cpu variables that the kernel image itself has (Linux: the .data..percpu section). A per-cpu pointer is an
// offset from a CPU's base, the same for every CPU; on x86-64 the section begins at 0.
//
// Only the variables that this kernel uses are placed; the section keeps the size that the configuration gives it.

import { aligned, assertLayout, bytes, struct, u32, u64 } from '../lib/struct.ts';
import { per_cpu_nodestat, per_cpu_pages, per_cpu_zonestat } from './mmzone.ts';

export const percpu_section = struct('percpu_section', {
  /** gs_base and the stack canary: the first 48 bytes, at which gcc looks. No other variable has offset 0. */
  fixed_percpu_data: bytes(48, 4096),
  this_cpu_off: u64,
  cpu_number: u32,
  numa_node: u32,
  boot_pageset: aligned(64, per_cpu_pages),
  boot_zonestats: aligned(64, per_cpu_zonestat),
  boot_nodestats: aligned(64, per_cpu_nodestat),
});

assertLayout(percpu_section, 4096, { this_cpu_off: 48, boot_pageset: 64 });

// include/linux/percpu.h
/** Room for the per-cpu variables of modules, between the image's own and the dynamic ones. */
export const PERCPU_MODULE_RESERVE = 8 << 10;
export const PERCPU_DYNAMIC_RESERVE = 28 << 10;
export const PCPU_MIN_UNIT_SIZE = 32 << 10;
/** Units start at multiples of this: PMD_SIZE. */
export const PERCPU_ATOM_SIZE = 2 << 20;
