// Tables of the direct map (Linux: arch/x86/mm/init.c init_memory_mapping(), split_mem_range(), alloc_low_pages();
// arch/x86/mm/init_64.c phys_pte_init(), phys_pmd_init(), phys_pud_init()).
//
// Differs from Linux: the three levels are one function. Where recorded reservations stand in for our own, tables come
// from the image's .bss, so that memblock.reserved stays the recorded one.

import { E820_TYPE_RAM, E820_TYPE_RESERVED_KERN } from '../../include/e820.ts';
import {
  PAGE_SHIFT,
  PAGE_SIZE,
  PFN_DOWN,
  PFN_PHYS,
  type pfn_t,
  type phys_addr_t,
  round_down,
  round_up,
} from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { panic } from '../../lib/bug.ts';
import { mem_range, pr_debug } from '../../lib/printk.ts';
import { memblock_phys_alloc_range } from '../../mm/memblock_alloc.ts';
import { memblock_is_region_memory } from '../../mm/memblock_info.ts';
import { extend_brk } from './brk.ts';
import { e820__mapped_any } from './e820.ts';
import { end_of_bss } from './head64.ts';
import {
  __va,
  _KERNPG_TABLE,
  _PAGE_PSE,
  clear_entry,
  entry_large,
  entry_none,
  get_entry,
  PAGE_KERNEL,
  PGDIR_SIZE,
  PMD_SIZE,
  PTE_SIZE,
  PTRS_PER_TABLE,
  PUD_SIZE,
  type page_size,
  pgd_index,
  set_entries,
  set_entry,
} from './pgtable.ts';
import { smp_locks } from './sections.ts';

// enum pg_level
const PG_LEVEL_4K = 1;
export const PG_LEVEL_2M = 2;
export const PG_LEVEL_1G = 3;

const SIZE_OF_LEVEL: readonly page_size[] = [PTE_SIZE, PTE_SIZE, PMD_SIZE, PUD_SIZE];
const COUNT_OF_LEVEL = ['PG_LEVEL_4K', 'PG_LEVEL_4K', 'PG_LEVEL_2M', 'PG_LEVEL_1G'] as const;

/** At most so many stretches of different page size in one range: small, 2M, 1G, 2M, small. */
const NR_RANGE_MR = 5;

interface map_range {
  start: phys_addr_t;
  end: phys_addr_t;
  page_size_mask: number;
}

const room_in_bss = (k: Kernel): boolean =>
  end_of_bss(k) - (k.boot.nr_bss_tables + 1) * PAGE_SIZE >= smp_locks(k.config.image).end;

/** A zeroed page for a table, from the brk area or from RAM that is mapped already. */
function alloc_low_page(k: Kernel): phys_addr_t {
  const { boot } = k;
  let pa: phys_addr_t = 0;
  if (boot.pgt_buf_end + 1 <= boot.pgt_buf_top && boot.can_use_brk_pgt) {
    pa = PFN_PHYS(boot.pgt_buf_end++);
  } else if (k.recorded !== null && room_in_bss(k)) {
    boot.nr_bss_tables++;
    pa = end_of_bss(k) - boot.nr_bss_tables * PAGE_SIZE;
  } else {
    if (boot.min_pfn_mapped < boot.max_pfn_mapped) {
      const [min, max] = [PFN_PHYS(boot.min_pfn_mapped), PFN_PHYS(boot.max_pfn_mapped)];
      pa = memblock_phys_alloc_range(k, PAGE_SIZE, PAGE_SIZE, min, max, 'alloc_low_pages');
    }
    if (pa === 0 && boot.can_use_brk_pgt) pa = extend_brk(k, PAGE_SIZE, PAGE_SIZE);
    if (pa === 0) panic(k, 'alloc_low_pages: can not alloc memory');
  }
  k.hw.ram.fill(pa, PAGE_SIZE, 0);
  return pa;
}

/** Maps [start, end) and notes it as mapped. */
export function init_memory_mapping(k: Kernel, start: phys_addr_t, end: phys_addr_t): void {
  pr_debug(k, `init_memory_mapping: ${mem_range(start, end - 1, 8)}`);
  let last = 0;
  for (const range of split_mem_range(k, start, end)) last = kernel_physical_mapping_init(k, range);
  add_pfn_range_mapped(k, PFN_DOWN(start), PFN_DOWN(last));
}

/**
 * Cuts [start, end) into stretches by the largest page that is aligned in them:
 *
 *     | 4K | 2M   2M | 1G         1G | 2M    2M | 4K |
 */
export function split_mem_range(k: Kernel, start: phys_addr_t, end: phys_addr_t): map_range[] {
  const { page_size_mask } = k.boot;
  const mr: map_range[] = [];
  const limit = round_down(end, PAGE_SIZE);
  let at = round_down(start, PAGE_SIZE);
  const save = (from: phys_addr_t, to: phys_addr_t, mask: number): void => {
    if (from >= to) return;
    if (mr.length >= NR_RANGE_MR) panic(k, 'run out of range for init_memory_mapping');
    mr.push({ start: from, end: to, page_size_mask: mask });
    at = to;
  };
  const huge = page_size_mask & (1 << PG_LEVEL_2M);
  save(at, Math.min(round_up(at, PMD_SIZE), limit), 0);
  save(round_up(at, PMD_SIZE), Math.min(round_up(at, PUD_SIZE), round_down(limit, PMD_SIZE)), huge);
  save(round_up(at, PUD_SIZE), round_down(limit, PUD_SIZE), page_size_mask & ((1 << PG_LEVEL_2M) | (1 << PG_LEVEL_1G)));
  save(round_up(at, PMD_SIZE), round_down(limit, PMD_SIZE), huge);
  save(at, limit, 0);

  adjust_range_page_size_mask(k, mr);
  for (let i = 0; i + 1 < mr.length; ) {
    const [range, next] = [mr[i]!, mr[i + 1]!];
    if (range.end === next.start && range.page_size_mask === next.page_size_mask) {
      next.start = range.start;
      mr.splice(i, 1);
    } else {
      i++;
    }
  }
  for (const range of mr) pr_debug(k, ` ${mem_range(range.start, range.end - 1, 8)} page ${page_size_string(range)}`);
  return mr;
}

/** A small stretch takes large pages if all around it is RAM too. */
function adjust_range_page_size_mask(k: Kernel, mr: map_range[]): void {
  for (const range of mr) {
    for (const level of [PG_LEVEL_2M, PG_LEVEL_1G]) {
      if ((k.boot.page_size_mask & ~range.page_size_mask & (1 << level)) === 0) continue;
      const start = round_down(range.start, SIZE_OF_LEVEL[level]!);
      const end = round_up(range.end, SIZE_OF_LEVEL[level]!);
      if (memblock_is_region_memory(k, start, end - start)) range.page_size_mask |= 1 << level;
    }
  }
}

function page_size_string(range: map_range): string {
  if ((range.page_size_mask & (1 << PG_LEVEL_1G)) !== 0) return '1G';
  return (range.page_size_mask & (1 << PG_LEVEL_2M)) !== 0 ? '2M' : '4k';
}

/** @returns end of the last page mapped, which may lie beyond the range */
function kernel_physical_mapping_init(k: Kernel, range: map_range): phys_addr_t {
  const { ram } = k.hw;
  let last = range.end;
  for (let at = range.start; at < range.end; at = round_down(at, PGDIR_SIZE) + PGDIR_SIZE) {
    const i = pgd_index(__va(at));
    const found = get_entry(ram, k.boot.pgd, i);
    const fresh = entry_none(found);
    const pud = fresh ? alloc_low_page(k) : found.pa;
    last = phys_table_init(k, pud, PG_LEVEL_1G, at, range.end, range.page_size_mask, fresh);
    if (fresh) set_entry(ram, k.boot.pgd, i, pud, _KERNPG_TABLE);
  }
  return last;
}

/**
 * Fills the part of one table of `level` that covers [start, end), tables below it included.
 * @param fresh nothing is in the table yet
 * @returns end of the last page mapped
 */
function phys_table_init(
  k: Kernel,
  table: phys_addr_t,
  level: number,
  start: phys_addr_t,
  end: phys_addr_t,
  page_size_mask: number,
  fresh: boolean,
): phys_addr_t {
  const { ram } = k.hw;
  const size = SIZE_OF_LEVEL[level]!;
  const is_leaf = level === PG_LEVEL_4K || (page_size_mask & (1 << level)) !== 0;
  const flags = level === PG_LEVEL_4K ? PAGE_KERNEL : PAGE_KERNEL + _PAGE_PSE;
  let paddr = start;
  let i = Math.floor(start / size) % PTRS_PER_TABLE;
  let last = end;
  let pages = 0;

  if (fresh && is_leaf) {
    const base = round_down(start, size);
    pages = Math.min(PTRS_PER_TABLE - i, Math.ceil((end - base) / size));
    set_entries(ram, table, i, pages, base, size, flags);
    k.boot.direct_pages_count[COUNT_OF_LEVEL[level]!] += pages;
    return base + pages * size;
  }

  for (; i < PTRS_PER_TABLE; i++) {
    const next = round_down(paddr, size) + size;
    const found = get_entry(ram, table, i);
    if (paddr >= end) {
      // Linux clears what lies past the end and is not RAM; a fresh table has nothing there.
      if (fresh) break;
      if (!entry_none(found) && !is_ram(k, round_down(paddr, size), next)) clear_entry(ram, table, i);
    } else if (level === PG_LEVEL_4K) {
      pages++;
      if (entry_none(found)) {
        set_entry(ram, table, i, round_down(paddr, size), flags);
        last = next;
      }
    } else if (!entry_none(found) && !entry_large(found)) {
      last = phys_table_init(k, found.pa, level - 1, paddr, end, page_size_mask, false);
    } else if (is_leaf) {
      pages++;
      if (entry_none(found)) set_entry(ram, table, i, round_down(paddr, size), flags);
      last = next;
    } else {
      const below = alloc_low_page(k);
      last = phys_table_init(k, below, level - 1, paddr, end, page_size_mask, true);
      set_entry(ram, table, i, below, _KERNPG_TABLE);
    }
    paddr = next;
  }
  k.boot.direct_pages_count[COUNT_OF_LEVEL[level]!] += pages;
  return last;
}

const is_ram = (k: Kernel, start: phys_addr_t, end: phys_addr_t): boolean =>
  e820__mapped_any(k, BigInt(start), BigInt(end), E820_TYPE_RAM) ||
  e820__mapped_any(k, BigInt(start), BigInt(end), E820_TYPE_RESERVED_KERN);

/** Joins the range to those it touches; the list stays sorted. */
function add_pfn_range_mapped(k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t): void {
  const { boot } = k;
  let [start, end] = [start_pfn, end_pfn];
  if (start < end) {
    for (let i = boot.pfn_mapped.length - 1; i >= 0; i--) {
      const range = boot.pfn_mapped[i]!;
      if (Math.max(range.start, start) > Math.min(range.end, end)) continue;
      start = Math.min(range.start, start);
      end = Math.max(range.end, end);
      boot.pfn_mapped.splice(i, 1);
    }
    boot.pfn_mapped.push({ start, end });
    boot.pfn_mapped.sort((a, b) => a.start - b.start);
  }
  const four_gib = 2 ** (32 - PAGE_SHIFT);
  boot.max_pfn_mapped = Math.max(boot.max_pfn_mapped, end_pfn);
  if (start_pfn < four_gib) boot.max_low_pfn_mapped = Math.max(boot.max_low_pfn_mapped, Math.min(end_pfn, four_gib));
}

export const pfn_range_is_mapped = (k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t): boolean =>
  k.boot.pfn_mapped.some((range) => start_pfn >= range.start && end_pfn <= range.end);
