// The scalar types that mm code speaks in (Linux: include/linux/types.h, arch/x86/include/asm/page_types.h).
//
// C's typedefs become flavoured numbers: a plain number flows into each of them, but a pfn_t does not flow into a
// phys_addr_t, which is the mistake worth catching. All of them stay below 2^53; what does not fit (a 64-bit word
// with its top bits set) is kept as two 32-bit words or, away from hot code, as a bigint.

type Flavoured<T, Name extends string> = T & { readonly __flavour?: Name };

/** Page frame number: physical address >> PAGE_SHIFT. */
export type pfn_t = Flavoured<number, 'pfn_t'>;
/** Physical address in bytes, below 2^52. */
export type phys_addr_t = Flavoured<number, 'phys_addr_t'>;
/** Allocation flags (include/linux/gfp_types.h). */
export type gfp_t = Flavoured<number, 'gfp_t'>;
/** NUMA node id, or NUMA_NO_NODE. */
export type nid_t = Flavoured<number, 'nid_t'>;
/** Logical CPU number. */
export type cpu_t = Flavoured<number, 'cpu_t'>;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const NUMA_NO_NODE: nid_t = -1;

export const SZ_1K = 0x400;
export const SZ_1M = 0x100000;
export const SZ_1G = 0x40000000;
export const SZ_4G = 0x100000000;

// arch/x86/include/asm/page_64_types.h and pgtable_64_types.h, 4-level paging, KASLR off.
/** Physical address width that the memory model covers: 64 TiB. */
export const MAX_PHYSMEM_BITS = 46;
/** The same with page tables of five levels. */
export const MAX_PHYSMEM_BITS_L5 = 52;
export const PAGE_OFFSET = 0xffff888000000000n;
export const VMEMMAP_START = 0xffffea0000000000n;
export const __START_KERNEL_map = 0xffffffff80000000n;
/** High words of the two pointers that kernel structures hold most: into the direct map and into the memory map. */
export const PAGE_OFFSET_HI = 0xffff8880;
export const VMEMMAP_START_HI = 0xffffea00;

// Error numbers (include/uapi/asm-generic/errno-base.h); functions return them negated, as Linux does.
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ERANGE = 34;
export const EOVERFLOW = 75;
export const ERESTARTSYS = 512;

export const PFN_UP = (addr: phys_addr_t): pfn_t => Math.ceil(addr / PAGE_SIZE);
export const PFN_DOWN = (addr: phys_addr_t): pfn_t => Math.floor(addr / PAGE_SIZE);
export const PFN_PHYS = (pfn: pfn_t): phys_addr_t => pfn * PAGE_SIZE;
/** `n` rounded down (up) to a multiple of `to`; both below 2^53, `to` need not be a power of two. */
export const round_down = (n: number, to: number): number => n - (n % to);
export const round_up = (n: number, to: number): number => round_down(n + to - 1, to);
