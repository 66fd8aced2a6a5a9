// The software IO TLB: bounce buffers below 4 GiB for devices that reach no further (Linux: kernel/dma/swiotlb.c
// swiotlb_init(), arch/x86/kernel/pci-dma.c pci_iommu_alloc()).
//
// Left out: its use; there is no DMA. IOMMUs, encrypted memory.

import { ARCH_LOW_ADDRESS_LIMIT } from '../include/memblock.ts';
import { NUMA_NO_NODE, PAGE_SHIFT, PAGE_SIZE, type phys_addr_t, round_up, SZ_4G } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { simple_strtoull } from '../lib/memparse.ts';
import { nodes_weight } from '../lib/nodemask.ts';
import { hex, pr_info, pr_warn } from '../lib/printk.ts';
import { memblock_alloc, memblockAllocUncleared } from './memblock_alloc.ts';

const IO_TLB_SHIFT = 11;
const IO_TLB_SIZE = 1 << IO_TLB_SHIFT;
/** Slabs that are handed out together at most. */
const IO_TLB_SEGSIZE = 128;
const IO_TLB_DEFAULT_SLABS = (64 << 20) / IO_TLB_SIZE;
const IO_TLB_MIN_SLABS = (1 << 20) / IO_TLB_SIZE;
/** sizeof(struct io_tlb_slot): orig_addr, alloc_size, list. */
const SIZEOF_IO_TLB_SLOT = 24;
/** sizeof(struct io_tlb_area): used, index, lock. */
const SIZEOF_IO_TLB_AREA = 16;

/** struct io_tlb_mem, io_tlb_default_mem. */
export class SwiotlbState {
  force_bounce = false;
  force_disable = false;
  default_nslabs = IO_TLB_DEFAULT_SLABS;
  default_nareas = 0;
  /** [start, end); nslabs 0: there is none. */
  start: phys_addr_t = 0;
  end: phys_addr_t = 0;
  nslabs = 0;
  slots: phys_addr_t = 0;
  areas: phys_addr_t = 0;
}

const roundup_pow_of_two = (n: number): number => 2 ** Math.ceil(Math.log2(n));
const starts_with_digit = (text: string): boolean => text[0] !== undefined && text[0] >= '0' && text[0] <= '9';

function round_up_default_nslabs(state: SwiotlbState): boolean {
  if (state.default_nareas === 0) return false;
  const least = IO_TLB_SEGSIZE * state.default_nareas;
  if (state.default_nslabs < least) state.default_nslabs = least;
  else if (roundup_pow_of_two(state.default_nslabs) === state.default_nslabs) return false;
  state.default_nslabs = roundup_pow_of_two(state.default_nslabs);
  return true;
}

function swiotlb_adjust_nareas(k: Kernel, nareas: number): void {
  k.swiotlb.default_nareas = roundup_pow_of_two(Math.max(1, nareas));
  pr_info(k, `software IO TLB: area num ${k.swiotlb.default_nareas}.`);
  if (!round_up_default_nslabs(k.swiotlb)) return;
  const size = `${(k.swiotlb.default_nslabs * IO_TLB_SIZE) / 2 ** 20}MB`;
  pr_info(k, `software IO TLB: SWIOTLB bounce buffer size roundup to ${size}`);
}

/** early_param("swiotlb"): slabs[,areas][,force|,noforce]. */
export function setup_io_tlb_npages(k: Kernel, value: string | null): number {
  if (!k.config.SWIOTLB) return 0;
  let text = value ?? '';
  if (starts_with_digit(text)) {
    const { value: slabs, rest } = simple_strtoull(text);
    k.swiotlb.default_nslabs = round_up(Number(slabs), IO_TLB_SEGSIZE);
    text = rest;
  }
  if (text[0] === ',') text = text.slice(1);
  if (starts_with_digit(text)) {
    const { value: areas, rest } = simple_strtoull(text);
    swiotlb_adjust_nareas(k, Number(BigInt.asUintN(32, areas)));
    text = rest;
  }
  if (text[0] === ',') text = text.slice(1);
  if (text === 'force') k.swiotlb.force_bounce = true;
  else if (text === 'noforce') k.swiotlb.force_disable = true;
  return 0;
}

/**
 * Half as much each time there is no room.
 *
 * Differs from Linux: the buffer is not cleared, which would make 64 MiB of the host's memory resident for nothing.
 */
function swiotlb_memblock_alloc(k: Kernel): { tlb: phys_addr_t; nslabs: number } | null {
  let nslabs = k.swiotlb.default_nslabs;
  for (;;) {
    const bytes = round_up(nslabs * IO_TLB_SIZE, PAGE_SIZE);
    const tlb = memblockAllocUncleared(
      k,
      bytes,
      PAGE_SIZE,
      0,
      ARCH_LOW_ADDRESS_LIMIT,
      NUMA_NO_NODE,
      'swiotlb_init_remap',
    );
    if (tlb !== 0) return { tlb, nslabs };
    pr_warn(k, `software IO TLB: swiotlb_memblock_alloc: Failed to allocate ${bytes} bytes tlb structure`);
    if (nslabs <= IO_TLB_MIN_SLABS) return null;
    nslabs = round_up(Math.floor(nslabs / 2), IO_TLB_SEGSIZE);
  }
}

/** Context: mem_init(), memblock still gives memory. */
function swiotlb_init(k: Kernel, addressing_limit: boolean): void {
  const state = k.swiotlb;
  if (!addressing_limit && !state.force_bounce) return;
  if (state.force_disable) return;
  if (state.default_nareas === 0) swiotlb_adjust_nareas(k, nodes_weight(k.cpus.cpu_possible_mask));

  const found = swiotlb_memblock_alloc(k);
  if (found === null) return;
  const { tlb, nslabs } = found;
  if (nslabs !== state.default_nslabs) {
    const change = `${state.default_nslabs} -> ${nslabs} slabs`;
    pr_info(k, `software IO TLB: SWIOTLB bounce buffer size adjusted ${change}`);
    state.default_nslabs = nslabs;
  }
  const alloc_size = round_up(SIZEOF_IO_TLB_SLOT * nslabs, PAGE_SIZE);
  state.slots = memblock_alloc(k, alloc_size, PAGE_SIZE, 'swiotlb_init_remap');
  if (state.slots === 0) {
    const size = `${alloc_size} bytes align=${hex(PAGE_SIZE)}`;
    pr_warn(k, `software IO TLB: swiotlb_init_remap: Failed to allocate ${size}`);
    return;
  }
  state.areas = memblock_alloc(k, SIZEOF_IO_TLB_AREA * state.default_nareas, 64, 'swiotlb_init_remap');
  if (state.areas === 0) {
    pr_warn(k, 'software IO TLB: swiotlb_init_remap: Failed to allocate mem->areas.');
    return;
  }
  state.nslabs = nslabs;
  state.start = tlb;
  state.end = tlb + nslabs * IO_TLB_SIZE;
}

/** Some device may not reach all of memory if memory ends above 4 GiB. Linux: x86_swiotlb_enable. */
const addressing_limit = (k: Kernel): boolean => k.boot.max_possible_pfn > SZ_4G / 2 ** PAGE_SHIFT;

/** Context: mem_init(). */
export function pci_iommu_alloc(k: Kernel): void {
  if (k.config.SWIOTLB) swiotlb_init(k, addressing_limit(k));
}

/** Context: rootfs_initcall. */
export function pci_iommu_init(k: Kernel): void {
  if (!k.config.SWIOTLB || !addressing_limit(k)) return;
  pr_info(k, 'PCI-DMA: Using software bounce buffering for IO (SWIOTLB)');
  const { start, end, nslabs } = k.swiotlb;
  if (nslabs === 0) {
    pr_warn(k, 'software IO TLB: No low mem');
    return;
  }
  const where = `[mem ${hex(start, 16)}-${hex(end, 16)}]`;
  pr_info(k, `software IO TLB: mapped ${where} (${(nslabs * IO_TLB_SIZE) / 2 ** 20}MB)`);
}
