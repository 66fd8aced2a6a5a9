// memblock's constants (Linux: include/linux/memblock.h), no logic.

import type { phys_addr_t } from './types.ts';

// enum memblock_flags
export const MEMBLOCK_NONE = 0x0;
/** May be unplugged later, says the firmware. */
export const MEMBLOCK_HOTPLUG = 0x1;
export const MEMBLOCK_MIRROR = 0x2;
/** Not in the direct map; its struct pages are reserved. */
export const MEMBLOCK_NOMAP = 0x4;
/** A driver found it; the firmware's map does not have it. */
export const MEMBLOCK_DRIVER_MANAGED = 0x8;

/**
 * The end of the physical address space.
 * Differs from Linux: 2^53 - 1 instead of 2^64 - 1, so that sums of a base and a capped size stay exact. No x86-64
 * machine has an address above 2^52. Printed as Linux prints it.
 */
export const PHYS_ADDR_MAX: phys_addr_t = Number.MAX_SAFE_INTEGER;

// Limits of an allocation
export const MEMBLOCK_LOW_LIMIT: phys_addr_t = 0;
/** As `max_addr`: up to memblock.current_limit. */
export const MEMBLOCK_ALLOC_ACCESSIBLE: phys_addr_t = 0;
/** As MEMBLOCK_ALLOC_ACCESSIBLE, and unknown to kmemleak, which we do not have. */
export const MEMBLOCK_ALLOC_NOLEAKTRACE: phys_addr_t = 1;
/** PHYS_ADDR_MAX. */
export const MEMBLOCK_ALLOC_ANYWHERE: phys_addr_t = Number.MAX_SAFE_INTEGER;
export const ARCH_LOW_ADDRESS_LIMIT: phys_addr_t = 0xffffffff;

export const SMP_CACHE_BYTES = 64;

export const INIT_MEMBLOCK_REGIONS = 128;
/** sizeof(struct memblock_region): base, size, flags, nid. */
export const MEMBLOCK_REGION_SIZE = 24;
