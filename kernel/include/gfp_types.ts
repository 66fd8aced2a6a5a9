// Allocation flags (Linux: include/linux/gfp_types.h, without KASAN and lockdep).

import type { gfp_t } from './types.ts';

// Where from
export const __GFP_DMA: gfp_t = 0x01;
export const __GFP_HIGHMEM: gfp_t = 0x02;
export const __GFP_DMA32: gfp_t = 0x04;
export const __GFP_MOVABLE: gfp_t = 0x08;
export const GFP_ZONEMASK: gfp_t = 0x0f;
/**
 * Two bits for each combination of __GFP_MOVABLE, __GFP_DMA32, __GFP_HIGHMEM and __GFP_DMA: the highest zone that may be
 * used. What contradicts itself has 0, as in Linux: without DEBUG_VM it comes out as ZONE_DMA.
 *
 *   -  D  H  HD 32 +D +H +HD M  MD MH .. M32
 *   N  A  N  .  32 .  .  .   N  A  M  .. 32     N Normal, A DMA, 32 DMA32, M Movable (there is no high memory)
 */
export const GFP_ZONE_TABLE = 0x1320122;
export const __GFP_RECLAIMABLE: gfp_t = 0x10;
export const __GFP_WRITE: gfp_t = 0x1000;
export const __GFP_HARDWALL: gfp_t = 0x100000;
export const __GFP_THISNODE: gfp_t = 0x200000;
export const __GFP_ACCOUNT: gfp_t = 0x400000;

// How far into the reserves
export const __GFP_HIGH: gfp_t = 0x20;
export const __GFP_ATOMIC: gfp_t = 0x200;
export const __GFP_MEMALLOC: gfp_t = 0x20000;
export const __GFP_NOMEMALLOC: gfp_t = 0x80000;

// What may be done to get it
export const __GFP_IO: gfp_t = 0x40;
export const __GFP_FS: gfp_t = 0x80;
export const __GFP_DIRECT_RECLAIM: gfp_t = 0x400;
export const __GFP_KSWAPD_RECLAIM: gfp_t = 0x800;
export const __GFP_RECLAIM: gfp_t = 0xc00;
export const __GFP_RETRY_MAYFAIL: gfp_t = 0x4000;
export const __GFP_NOFAIL: gfp_t = 0x8000;
export const __GFP_NORETRY: gfp_t = 0x10000;

// What is handed out
export const __GFP_NOWARN: gfp_t = 0x2000;
export const __GFP_COMP: gfp_t = 0x40000;
export const __GFP_ZERO: gfp_t = 0x100;
export const __GFP_ZEROTAGS: gfp_t = 0x800000;

export const __GFP_BITS_SHIFT = 27;
export const __GFP_BITS_MASK: gfp_t = (1 << __GFP_BITS_SHIFT) - 1;

// The combinations that callers use
export const GFP_ATOMIC: gfp_t = __GFP_HIGH | __GFP_ATOMIC | __GFP_KSWAPD_RECLAIM;
export const GFP_KERNEL: gfp_t = __GFP_RECLAIM | __GFP_IO | __GFP_FS;
export const GFP_KERNEL_ACCOUNT: gfp_t = GFP_KERNEL | __GFP_ACCOUNT;
export const GFP_NOWAIT: gfp_t = __GFP_KSWAPD_RECLAIM;
export const GFP_NOIO: gfp_t = __GFP_RECLAIM;
export const GFP_NOFS: gfp_t = __GFP_RECLAIM | __GFP_IO;
export const GFP_USER: gfp_t = __GFP_RECLAIM | __GFP_IO | __GFP_FS | __GFP_HARDWALL;
export const GFP_DMA: gfp_t = __GFP_DMA;
export const GFP_DMA32: gfp_t = __GFP_DMA32;
export const GFP_HIGHUSER: gfp_t = GFP_USER | __GFP_HIGHMEM;
export const GFP_HIGHUSER_MOVABLE: gfp_t = GFP_HIGHUSER | __GFP_MOVABLE;
export const GFP_TRANSHUGE_LIGHT: gfp_t =
  (GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN) & ~__GFP_RECLAIM;
export const GFP_TRANSHUGE: gfp_t = GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM;

/** What early boot may do: not sleep, not start input or output (include/linux/gfp.h GFP_BOOT_MASK). */
export const GFP_BOOT_MASK: gfp_t = __GFP_BITS_MASK & ~(__GFP_RECLAIM | __GFP_IO | __GFP_FS);

/** As %pGg prints them: the first that fits is printed and taken away (include/trace/events/mmflags.h). */
export const gfpflag_names: readonly (readonly [gfp_t, string])[] = [
  [GFP_TRANSHUGE, 'GFP_TRANSHUGE'],
  [GFP_TRANSHUGE_LIGHT, 'GFP_TRANSHUGE_LIGHT'],
  [GFP_HIGHUSER_MOVABLE, 'GFP_HIGHUSER_MOVABLE'],
  [GFP_HIGHUSER, 'GFP_HIGHUSER'],
  [GFP_USER, 'GFP_USER'],
  [GFP_KERNEL_ACCOUNT, 'GFP_KERNEL_ACCOUNT'],
  [GFP_KERNEL, 'GFP_KERNEL'],
  [GFP_NOFS, 'GFP_NOFS'],
  [GFP_ATOMIC, 'GFP_ATOMIC'],
  [GFP_NOIO, 'GFP_NOIO'],
  [GFP_NOWAIT, 'GFP_NOWAIT'],
  [GFP_DMA, 'GFP_DMA'],
  [__GFP_HIGHMEM, '__GFP_HIGHMEM'],
  [GFP_DMA32, 'GFP_DMA32'],
  [__GFP_HIGH, '__GFP_HIGH'],
  [__GFP_ATOMIC, '__GFP_ATOMIC'],
  [__GFP_IO, '__GFP_IO'],
  [__GFP_FS, '__GFP_FS'],
  [__GFP_NOWARN, '__GFP_NOWARN'],
  [__GFP_RETRY_MAYFAIL, '__GFP_RETRY_MAYFAIL'],
  [__GFP_NOFAIL, '__GFP_NOFAIL'],
  [__GFP_NORETRY, '__GFP_NORETRY'],
  [__GFP_COMP, '__GFP_COMP'],
  [__GFP_ZERO, '__GFP_ZERO'],
  [__GFP_NOMEMALLOC, '__GFP_NOMEMALLOC'],
  [__GFP_MEMALLOC, '__GFP_MEMALLOC'],
  [__GFP_HARDWALL, '__GFP_HARDWALL'],
  [__GFP_THISNODE, '__GFP_THISNODE'],
  [__GFP_RECLAIMABLE, '__GFP_RECLAIMABLE'],
  [__GFP_MOVABLE, '__GFP_MOVABLE'],
  [__GFP_ACCOUNT, '__GFP_ACCOUNT'],
  [__GFP_WRITE, '__GFP_WRITE'],
  [__GFP_RECLAIM, '__GFP_RECLAIM'],
  [__GFP_DIRECT_RECLAIM, '__GFP_DIRECT_RECLAIM'],
  [__GFP_KSWAPD_RECLAIM, '__GFP_KSWAPD_RECLAIM'],
  [__GFP_ZEROTAGS, '__GFP_ZEROTAGS'],
];

/** How much may be done for a request, as reclaim sees it. */
export const GFP_RECLAIM_MASK: gfp_t =
  __GFP_RECLAIM |
  __GFP_HIGH |
  __GFP_IO |
  __GFP_FS |
  __GFP_NOWARN |
  __GFP_RETRY_MAYFAIL |
  __GFP_NOFAIL |
  __GFP_NORETRY |
  __GFP_MEMALLOC |
  __GFP_NOMEMALLOC |
  __GFP_ATOMIC;
