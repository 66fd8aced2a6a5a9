// The direct map: all RAM at PAGE_OFFSET, in the largest pages that fit (Linux: arch/x86/mm/init.c init_mem_mapping();
// the tables: direct_map.ts).
//
// Pages for tables must be mapped before they can be written, so the map is built in steps that grow: each step's
// tables are taken from what the steps before have mapped, the first step's from the brk area.
//
// Left out: PAT and cache modes, PCID, PTI, the trampoline's own tables, memtest.

import { ISA_END_ADDRESS } from '../../include/e820.ts';
import { PAGE_SIZE, PFN_PHYS, type phys_addr_t, round_down, round_up } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { MAX_NUMNODES } from '../../lib/nodemask.ts';
import { pr_info, pr_warn } from '../../lib/printk.ts';
import { memblock_bottom_up, memblock_phys_free } from '../../mm/memblock.ts';
import { memblock_phys_alloc_range } from '../../mm/memblock_alloc.ts';
import { for_each_mem_pfn_range } from '../../mm/memblock_iter.ts';
import { extend_brk } from './brk.ts';
import { init_memory_mapping, PG_LEVEL_1G, PG_LEVEL_2M } from './direct_map.ts';
import { PMD_SIZE } from './pgtable.ts';

export function parse_direct_gbpages_on(k: Kernel): number {
  k.boot.direct_gbpages = true;
  return 0;
}

export function parse_direct_gbpages_off(k: Kernel): number {
  k.boot.direct_gbpages = false;
  return 0;
}

/**
 * Puts part of the brk area aside for tables: its end. What lies before is taken too, as copies of the firmware's DMI
 * strings take it in Linux, so that [text, end) is what the image keeps.
 */
export function early_alloc_pgt_buf(k: Kernel): void {
  const { brk_start, end, pgt_buf_pages: pages } = k.config.image;
  extend_brk(k, end - brk_start - pages * PAGE_SIZE, PAGE_SIZE);
  const base = extend_brk(k, pages * PAGE_SIZE, PAGE_SIZE);
  k.boot.pgt_buf_end = base / PAGE_SIZE;
  k.boot.pgt_buf_top = base / PAGE_SIZE + pages;
}

function probe_page_size_mask(k: Kernel): void {
  if (!k.page_debug.debug_pagealloc_early) k.boot.page_size_mask |= 1 << PG_LEVEL_2M;
  if (k.boot.direct_gbpages && k.hw.gbpages === true) {
    pr_info(k, 'Using GB pages for direct mapping');
    k.boot.page_size_mask |= 1 << PG_LEVEL_1G;
  } else {
    k.boot.direct_gbpages = false;
  }
}

/** Maps the RAM within [r_start, r_end). @returns how much that was */
function init_range_memory_mapping(k: Kernel, r_start: phys_addr_t, r_end: phys_addr_t): number {
  const clamp = (pa: phys_addr_t): phys_addr_t => Math.min(Math.max(pa, r_start), r_end);
  let mapped_ram_size = 0;
  for (const { start_pfn, end_pfn } of for_each_mem_pfn_range(k, MAX_NUMNODES)) {
    const start = clamp(PFN_PHYS(start_pfn));
    const end = clamp(PFN_PHYS(end_pfn));
    if (start >= end) continue;
    // Tables that map the brk area's own free pages cannot come from them.
    const { pgt_buf_end, pgt_buf_top } = k.boot;
    k.boot.can_use_brk_pgt = Math.max(start, PFN_PHYS(pgt_buf_end)) >= Math.min(end, PFN_PHYS(pgt_buf_top));
    init_memory_mapping(k, start, end);
    mapped_ram_size += end - start;
    k.boot.can_use_brk_pgt = true;
  }
  return mapped_ram_size;
}

/** Steps grow by what one page of tables maps at most, less one bit for safety. */
const get_new_step_size = (step: number): number => Math.min(step * 256, Number.MAX_SAFE_INTEGER);

/** From the end of memory downwards: tables end up high. */
function memory_map_top_down(k: Kernel, map_start: phys_addr_t, map_end: phys_addr_t): void {
  // A first step that surely is free RAM, all of it.
  let real_end: phys_addr_t;
  const addr = memblock_phys_alloc_range(k, PMD_SIZE, PMD_SIZE, map_start, map_end, 'init_mem_mapping');
  if (addr === 0) {
    pr_warn(k, 'Failed to release memory for alloc_low_pages()');
    real_end = Math.max(map_start, round_down(map_end, PMD_SIZE));
  } else {
    memblock_phys_free(k, addr, PMD_SIZE, 'init_mem_mapping');
    real_end = addr + PMD_SIZE;
  }

  let step_size: number = PMD_SIZE;
  let mapped_ram_size = 0;
  k.boot.max_pfn_mapped = 0;
  k.boot.min_pfn_mapped = real_end / PAGE_SIZE;
  for (let last_start = real_end; last_start > map_start; ) {
    const start = last_start > step_size ? Math.max(round_down(last_start - 1, step_size), map_start) : map_start;
    mapped_ram_size += init_range_memory_mapping(k, start, last_start);
    last_start = start;
    k.boot.min_pfn_mapped = last_start / PAGE_SIZE;
    if (mapped_ram_size >= step_size) step_size = get_new_step_size(step_size);
  }
  if (real_end < map_end) init_range_memory_mapping(k, real_end, map_end);
}

/** From `map_start` upwards: tables end up just above the kernel. */
function memory_map_bottom_up(k: Kernel, map_start: phys_addr_t, map_end: phys_addr_t): void {
  let step_size: number = PMD_SIZE;
  let mapped_ram_size = 0;
  k.boot.min_pfn_mapped = Math.floor(map_start / PAGE_SIZE);
  for (let start = map_start; start < map_end; ) {
    const next = map_end - start > step_size ? Math.min(round_up(start + 1, step_size), map_end) : map_end;
    mapped_ram_size += init_range_memory_mapping(k, start, next);
    start = next;
    if (mapped_ram_size >= step_size) step_size = get_new_step_size(step_size);
  }
}

export function init_mem_mapping(k: Kernel): void {
  probe_page_size_mask(k);
  const end = PFN_PHYS(k.boot.max_pfn);
  // Always mapped, RAM or not: BIOS data is there.
  init_memory_mapping(k, 0, ISA_END_ADDRESS);
  if (memblock_bottom_up(k)) {
    const kernel_end = k.config.image._end;
    memory_map_bottom_up(k, kernel_end, end);
    memory_map_bottom_up(k, ISA_END_ADDRESS, kernel_end);
  } else {
    memory_map_top_down(k, ISA_END_ADDRESS, end);
  }
  k.boot.max_low_pfn = Math.max(k.boot.max_low_pfn, k.boot.max_pfn);
}
