// The contiguous memory allocator's areas: reserved early, given to the buddy allocator as MIGRATE_CMA once it runs
// (Linux: mm/cma.c, kernel/dma/contiguous.c, mm/page_alloc.c init_cma_reserved_pageblock()).
//
// Handing out their pages: cma_alloc.ts.
//
// Left out: per-node areas. On x86-64 there is no high memory, so what Linux does about its border never happens.

import { bad_kernel_access } from '../arch/x86/fault.ts';
import { PAGE_WORDS, PG_FLAGS, PG_REFCOUNT } from '../include/mm_types.ts';
import { MIGRATE_CMA, pageblock_nr_pages, pageblock_order } from '../include/mmzone.ts';
import { PG_reserved } from '../include/page_flags.ts';
import {
  EBUSY,
  EINVAL,
  ENOMEM,
  ENOSPC,
  NUMA_NO_NODE,
  PAGE_SIZE,
  PFN_DOWN,
  type pfn_t,
  type phys_addr_t,
  round_down,
  round_up,
  SZ_1M,
  SZ_4G,
  VMEMMAP_START,
} from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';
import { memparse } from '../lib/memparse.ts';
import { hex, pr_err, pr_info } from '../lib/printk.ts';
import { RatelimitState } from '../lib/ratelimit.ts';
import { adjust_managed_page_count, free_reserved_page } from './free_reserved.ts';
import { memblock_bottom_up, memblock_phys_free, memblock_reserve, memblock_set_bottom_up } from './memblock.ts';
import { memblock_alloc_range_nid } from './memblock_alloc.ts';
import { memblock_end_of_DRAM, memblock_is_region_reserved } from './memblock_info.ts';
import type { Zone } from './mmzone.ts';
import { page_index, page_zone, pfn_valid, section_map } from './page.ts';
import { __free_pages } from './page_alloc.ts';
import { set_pageblock_migratetype } from './pageblock.ts';

/** CONFIG_CMA_AREAS of a kernel with NUMA, and one for the default area. */
const MAX_CMA_AREAS = 20;
const CMA_MIN_ALIGNMENT_BYTES = pageblock_nr_pages * PAGE_SIZE;

/** struct cma. */
export interface cma {
  readonly name: string;
  readonly base_pfn: pfn_t;
  /** In pages. 0 if it could not be activated. */
  count: number;
  readonly order_per_bit: number;
  /** A bit for each 2^order_per_bit pages that are allocated. */
  bitmap: Uint32Array;
}

export class CmaState {
  /** `cma=`: size, and where; null if not given. */
  cmdline: { readonly size: number; readonly base: phys_addr_t; readonly limit: phys_addr_t } | null = null;
  readonly cma_areas: cma[] = [];
  dma_contiguous_default_area: cma | null = null;
  totalcma_pages = 0;
  /** cma_alloc()'s reports: ten in five seconds. */
  readonly ratelimit = new RatelimitState(5e9, 10);
}

/** early_param("cma"): size[@base[-limit]]. */
export function early_cma(k: Kernel, value: string | null): number {
  if (!k.config.CMA) return 0;
  if (value === null) {
    pr_err(k, 'cma: Config string not provided');
    return -EINVAL;
  }
  const { value: size, rest } = memparse(value);
  let base = 0;
  let limit = 0;
  if (rest[0] === '@') {
    const start = memparse(rest.slice(1));
    base = start.value;
    limit = start.rest[0] === '-' ? memparse(start.rest.slice(1)).value : base + size;
  }
  k.cma.cmdline = { size, base, limit };
  return 0;
}

/** @param limit end of what may be taken; 0: anything */
export function dma_contiguous_reserve(k: Kernel, limit: phys_addr_t): void {
  const { cmdline, dma_contiguous_default_area } = k.cma;
  if (cmdline === null || cmdline.size === 0 || dma_contiguous_default_area) return;
  const min_not_zero = (a: number, b: number): number => (a === 0 ? b : b === 0 ? a : Math.min(a, b));
  const fixed = cmdline.base + cmdline.size === cmdline.limit;
  const area = cma_declare_contiguous_nid(
    k,
    cmdline.base,
    cmdline.size,
    min_not_zero(cmdline.limit, limit),
    0,
    0,
    fixed,
    'reserved',
    NUMA_NO_NODE,
  );
  if (typeof area !== 'number') k.cma.dma_contiguous_default_area = area;
}

/** Makes an area of reserved memory. @returns it, or -errno */
function cma_init_reserved_mem(
  k: Kernel,
  base: phys_addr_t,
  size: number,
  order_per_bit: number,
  name: string | null,
): cma | number {
  const { cma_areas } = k.cma;
  if (cma_areas.length === MAX_CMA_AREAS) {
    pr_err(k, 'cma: Not enough slots for CMA reserved regions!');
    return -ENOSPC;
  }
  if (size === 0 || !memblock_is_region_reserved(k, base, size)) return -EINVAL;
  if (base % CMA_MIN_ALIGNMENT_BYTES !== 0 || size % CMA_MIN_ALIGNMENT_BYTES !== 0) return -EINVAL;
  const area: cma = {
    name: name ?? `cma${cma_areas.length}\n`,
    base_pfn: PFN_DOWN(base),
    count: size / PAGE_SIZE,
    order_per_bit,
    bitmap: new Uint32Array(0),
  };
  cma_areas.push(area);
  k.cma.totalcma_pages += area.count;
  return area;
}

/** Where memblock has room: low on a node above 4 GiB if there is enough, so that little has to move out of it. */
function find_room(k: Kernel, base: phys_addr_t, size: number, limit: phys_addr_t, align: number, nid: number): number {
  let addr = 0;
  if (!memblock_bottom_up(k) && memblock_end_of_DRAM(k) >= SZ_4G + size) {
    memblock_set_bottom_up(k, true);
    addr = memblock_alloc_range_nid(k, size, align, SZ_4G, limit, nid, true);
    memblock_set_bottom_up(k, false);
  }
  return addr !== 0 ? addr : memblock_alloc_range_nid(k, size, align, base, limit, nid, true);
}

/**
 * Reserves an area: at `base` if `fixed`, else anywhere in [base, limit).
 * @param limit 0: the end of memory
 * @returns it, or -errno
 */
function cma_declare_contiguous_nid(
  k: Kernel,
  base: phys_addr_t,
  size: number,
  limit: phys_addr_t,
  alignment: number,
  order_per_bit: number,
  fixed: boolean,
  name: string | null,
  nid: number,
): cma | number {
  if (k.cma.cma_areas.length === MAX_CMA_AREAS) {
    pr_err(k, 'cma: Not enough slots for CMA reserved regions!');
    return -ENOSPC;
  }
  if (size === 0) return -EINVAL;
  if (alignment !== 0 && 2 ** Math.round(Math.log2(alignment)) !== alignment) return -EINVAL;

  const failed = (error: number, why?: string): number => {
    if (why !== undefined) pr_err(k, `cma: ${why}`);
    pr_err(k, `cma: Failed to reserve ${Math.floor(size / SZ_1M)} MiB`);
    return error;
  };
  const align = Math.max(alignment, CMA_MIN_ALIGNMENT_BYTES);
  if (fixed && base % align !== 0) {
    return failed(-EINVAL, `Region at ${hex(base, 16)} must be aligned to ${hex(align, 16)} bytes`);
  }
  base = round_up(base, align);
  size = round_up(size, align);
  limit = round_down(limit, align);
  if (base === 0) fixed = false;
  if ((size / PAGE_SIZE) % 2 ** order_per_bit !== 0) return -EINVAL;

  const memblock_end = memblock_end_of_DRAM(k);
  if (limit === 0 || limit > memblock_end) limit = memblock_end;
  if (base + size > limit) {
    return failed(-EINVAL, `Size (${hex(size, 16)}) of region at ${hex(base, 16)} exceeds limit (${hex(limit, 16)})`);
  }

  if (fixed) {
    if (
      memblock_is_region_reserved(k, base, size) ||
      memblock_reserve(k, base, size, 'cma_declare_contiguous_nid') < 0
    ) {
      return failed(-EBUSY);
    }
  } else {
    base = find_room(k, base, size, limit, align, nid);
    if (base === 0) return failed(-ENOMEM);
  }

  const area = cma_init_reserved_mem(k, base, size, order_per_bit, name);
  if (typeof area === 'number') {
    memblock_phys_free(k, base, size, 'cma_declare_contiguous_nid');
    return failed(area);
  }
  pr_info(k, `cma: Reserved ${Math.floor(size / SZ_1M)} MiB at ${hex(base, 16)}`);
  return area;
}

/** Gives a reserved pageblock to the buddy allocator, for movable pages only. */
function init_cma_reserved_pageblock(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const first = page_index(pfn);
  for (let i = first; i < first + pageblock_nr_pages * PAGE_WORDS; i += PAGE_WORDS) {
    m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~(1 << PG_reserved);
    m[i + PG_REFCOUNT] = 0;
  }
  set_pageblock_migratetype(k, pfn, MIGRATE_CMA);
  m[first + PG_REFCOUNT] = 1;
  __free_pages(k, pfn, pageblock_order);
  adjust_managed_page_count(k, pfn, pageblock_nr_pages);
  page_zone(k, pfn).cma_pages += pageblock_nr_pages;
}

/** Virtual address of a page's struct page, there or not. */
const struct_page = (pfn: pfn_t): bigint => VMEMMAP_START + (BigInt(pfn) << 6n);

/** Linux warns where there is no struct page, and reads it all the same. */
function zone_of_area(k: Kernel, pfn: pfn_t, where: string): Zone {
  if (pfn_valid(k.mm, pfn)) return page_zone(k, pfn);
  WARN_ONCE(k, true, `${where} cma_init_reserved_areas`);
  return bad_kernel_access(k, struct_page(pfn), { init: true });
}

/** An area that is not all of one zone is of no use: its pages become ordinary ones. */
function cma_activate_area(k: Kernel, area: cma): void {
  const end = area.base_pfn + area.count;
  const zone = zone_of_area(k, area.base_pfn, 'mm/cma.c:110');
  let pfn = area.base_pfn + 1;
  while (pfn < end && zone_of_area(k, pfn, 'mm/cma.c:113') === zone) pfn++;
  if (pfn < end) {
    for (pfn = area.base_pfn; pfn < end; pfn++) {
      if (!pfn_valid(k.mm, pfn)) bad_kernel_access(k, struct_page(pfn), { write: true, init: true });
      free_reserved_page(k, pfn);
    }
    k.cma.totalcma_pages -= area.count;
    area.count = 0;
    pr_err(k, `cma: CMA area ${area.name} could not be activated`);
    return;
  }
  area.bitmap = new Uint32Array(Math.ceil(area.count / 2 ** area.order_per_bit / 32));
  for (pfn = area.base_pfn; pfn < end; pfn += pageblock_nr_pages) init_cma_reserved_pageblock(k, pfn);
}

/** Context: core_initcall. */
export function cma_init_reserved_areas(k: Kernel): void {
  for (const area of k.cma.cma_areas) cma_activate_area(k, area);
}
