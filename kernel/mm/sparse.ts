// Sparse memory (Linux: mm/sparse.c): which sections of 128 MiB have memory, and for each of them a memory map, a map of
// its subsections and its pageblock flags. The mem_section tables lie in RAM as Linux lays them out
// (SPARSEMEM_EXTREME); beside them k.mm keeps views by section number for those who read often.
//
// Left out: hotplug of sections.

import { MEMBLOCK_ALLOC_ACCESSIBLE, SMP_CACHE_BYTES } from '../include/memblock.ts';
import {
  mem_section,
  mem_section_usage,
  PAGES_PER_SECTION,
  PAGES_PER_SUBSECTION,
  PFN_SECTION_SHIFT,
  pageblock_order,
  SECTION_MEMMAP_SIZE,
  SECTION_SIZE_BITS,
} from '../include/mmzone.ts';
import {
  MAX_PHYSMEM_BITS,
  type nid_t,
  PAGE_OFFSET,
  PAGE_SIZE,
  PFN_PHYS,
  type pfn_t,
  type phys_addr_t,
  VMEMMAP_START,
} from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { panic } from '../lib/bug.ts';
import { first_node, MAX_NUMNODES } from '../lib/nodemask.ts';
import { pr_err, pr_info, pr_warn } from '../lib/printk.ts';
import { memblock_phys_free, memblock_remove } from './memblock.ts';
import { memblock_alloc, memblock_alloc_node, memblock_alloc_try_nid } from './memblock_alloc.ts';
import { memblock_end_of_DRAM, memblock_search_pfn_nid } from './memblock_info.ts';
import { for_each_mem_pfn_range } from './memblock_iter.ts';
import { NO_DOUBLES, NO_WORDS } from './mm_state.ts';
import { NR_PAGEBLOCK_BITS } from './pageblock.ts';
import {
  __populate_section_memmap,
  sparse_buffer_fini,
  sparse_buffer_init,
  straddles_chunk,
  words_at,
} from './sparse_vmemmap.ts';

const SECTIONS_PER_ROOT = PAGE_SIZE / mem_section.size;
const NR_MEM_SECTIONS = 2 ** (MAX_PHYSMEM_BITS - SECTION_SIZE_BITS);
const NR_SECTION_ROOTS = NR_MEM_SECTIONS / SECTIONS_PER_ROOT;
const SECTION_SIZE = 2 ** SECTION_SIZE_BITS;

// Low bits of mem_section.section_mem_map
const SECTION_MARKED_PRESENT = 1n << 0n;
const SECTION_HAS_MEM_MAP = 1n << 1n;
const SECTION_IS_ONLINE = 1n << 2n;
const SECTION_IS_EARLY = 1n << 3n;
/** Above them: the memory map, or before there is one the section's node. */
const SECTION_NID_SHIFT = 5n;
const SECTION_MAP_MASK = ~((1n << SECTION_NID_SHIFT) - 1n);

/** SECTION_BLOCKFLAGS_BITS, in bytes. */
const USEMAP_SIZE = (2 ** (PFN_SECTION_SHIFT - pageblock_order) * NR_PAGEBLOCK_BITS) / 8;
const mem_section_usage_size = mem_section_usage.size + USEMAP_SIZE;

/**
 * Differs from Linux: page frame numbers are 31 bits wide, so that they stay small integers; that is 8 TiB of
 * addresses, where Linux has 64.
 */
const MAX_PFN = 2 ** 31;

/**
 * Physical address that Linux works out for the pg_data_t of memory without a node. It is no goal for an allocation;
 * the boot goes on until memmap_init() follows the pointer.
 */
const NULL_PGDAT: phys_addr_t = 2 ** 64 - Number(PAGE_OFFSET);

const pfn_to_section_nr = (pfn: pfn_t): number => Math.floor(pfn / PAGES_PER_SECTION);
const section_nr_to_pfn = (nr: number): pfn_t => nr * PAGES_PER_SECTION;

/** Sets up every section that has memory. */
export function sparse_init(k: Kernel): void {
  const limit = PFN_PHYS(MAX_PFN);
  if (memblock_end_of_DRAM(k) > limit) {
    pr_warn(k, 'pgdat: memory above 8 TiB is not used');
    memblock_remove(k, limit, memblock_end_of_DRAM(k) - limit);
  }
  const present = memblocks_present(k);
  k.mm.__highest_present_section_nr = present.at(-1)?.nr ?? 0;
  for (let nr = 0; nr <= k.mm.__highest_present_section_nr; nr++) {
    k.mm.section_mem_map[nr] = NO_WORDS;
    k.mm.section_mem_map_f64[nr] = NO_DOUBLES;
    k.mm.section_usemap[nr] = NO_WORDS;
  }
  // Neighbouring sections of one node are done together: their memory maps come from one block.
  for (let from = 0; from < present.length; ) {
    const { nid } = present[from]!;
    let to = from + 1;
    while (to < present.length && present[to]!.nid === nid) to++;
    sparse_init_nid(
      k,
      nid,
      present.slice(from, to).map(({ nr }) => nr),
    );
    from = to;
  }
}

/** Marks the sections of all memory and returns them, ascending, each with the node of its first memory. */
function memblocks_present(k: Kernel): { nr: number; nid: nid_t }[] {
  const { ram } = k.hw;
  const present: { nr: number; nid: nid_t }[] = [];
  for (const { start_pfn, end_pfn, nid } of for_each_mem_pfn_range(k, MAX_NUMNODES)) {
    if (k.mm.mem_section === 0) alloc_section_roots(k);
    for (let nr = pfn_to_section_nr(start_pfn); section_nr_to_pfn(nr) < end_pfn; nr++) {
      sparse_index_init(k, nr, nid);
      const ms = __nr_to_section(k, nr);
      if (ram.big64(ms) !== 0n) continue;
      ram.set_big64(ms, (BigInt(nid) << SECTION_NID_SHIFT) | SECTION_IS_ONLINE | SECTION_MARKED_PRESENT);
      present.push({ nr, nid });
    }
  }
  return present;
}

function alloc_section_roots(k: Kernel): void {
  const size = 8 * NR_SECTION_ROOTS;
  k.mm.mem_section = memblock_alloc(k, size, SMP_CACHE_BYTES, 'sparse_init');
  if (k.mm.mem_section === 0) panic(k, `memory_present: Failed to allocate ${size} bytes align=0x40`);
}

const root_slot = (k: Kernel, nr: number): phys_addr_t => k.mm.mem_section + 8 * Math.floor(nr / SECTIONS_PER_ROOT);

/** Makes the table that section `nr` has its entry in. */
function sparse_index_init(k: Kernel, nr: number, nid: nid_t): void {
  const slot = root_slot(k, nr);
  if (k.hw.ram.big64(slot) !== 0n) return;
  const size = SECTIONS_PER_ROOT * mem_section.size;
  const table = memblock_alloc_node(k, size, SMP_CACHE_BYTES, nid, 'sparse_index_alloc');
  if (table === 0) panic(k, `sparse_index_alloc: Failed to allocate ${size} bytes nid=${nid}`);
  k.hw.ram.set_big64(slot, PAGE_OFFSET + BigInt(table));
}

/** Where struct mem_section of section `nr` lies; its root must be there. */
function __nr_to_section(k: Kernel, nr: number): phys_addr_t {
  const table = Number(k.hw.ram.big64(root_slot(k, nr)) - PAGE_OFFSET);
  return table + (nr % SECTIONS_PER_ROOT) * mem_section.size;
}

/** The sections in `present` are `nid`'s. */
function sparse_init_nid(k: Kernel, nid: nid_t, present: readonly number[]): void {
  const usages = sparse_early_usemaps_alloc_pgdat_section(k, nid, mem_section_usage_size * present.length);
  let done = 0;
  if (usages === 0) {
    pr_err(k, `sparse_init_nid: node[${nid}] usemap allocation failed`);
  } else {
    sparse_buffer_init(k, present.length * SECTION_MEMMAP_SIZE, nid);
    for (; done < present.length; done++) {
      const nr = present[done]!;
      const map = __populate_section_memmap(k, section_nr_to_pfn(nr), nid);
      if (map === 0) {
        pr_err(k, `sparse_init_nid: node[${nid}] memory map backing failed. Some memory will not be available.`);
        break;
      }
      const usage = usages + done * mem_section_usage_size;
      check_usemap_section_nr(k, nid, usage);
      sparse_init_one_section(k, nr, map, usage);
    }
    sparse_buffer_fini(k);
  }
  for (; done < present.length; done++) k.hw.ram.set_big64(__nr_to_section(k, present[done]!), 0n);
}

function sparse_init_one_section(k: Kernel, nr: number, map: phys_addr_t, usage: phys_addr_t): void {
  const { ram } = k.hw;
  const ms = __nr_to_section(k, nr);
  const old = ram.big64(ms) & ~SECTION_MAP_MASK;
  // Coded so that adding a page frame number gives its struct page: with a vmemmap, the same for every section.
  ram.set_big64(ms + mem_section.offset.section_mem_map, old | VMEMMAP_START | SECTION_HAS_MEM_MAP | SECTION_IS_EARLY);
  ram.set_big64(ms + mem_section.offset.usage, PAGE_OFFSET + BigInt(usage));
  const words = words_at(k, map, SECTION_MEMMAP_SIZE);
  k.mm.section_mem_map[nr] = words;
  k.mm.section_mem_map_f64[nr] = new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
  k.mm.section_usemap[nr] = words_at(k, usage + mem_section_usage.size, USEMAP_SIZE);
}

/**
 * In the section that holds the node's pg_data_t, so that unplugging never has two sections wait for each other; else
 * anywhere.
 */
function sparse_early_usemaps_alloc_pgdat_section(k: Kernel, nid: nid_t, size: number): phys_addr_t {
  const caller = 'sparse_init_nid';
  const pgdat = k.node_data[nid]?.pa ?? NULL_PGDAT;
  const goal = pgdat - (pgdat % SECTION_SIZE);
  const goal_nid = early_pfn_to_nid(k, goal / PAGE_SIZE);
  const usage = memblock_alloc_try_nid(k, size, SMP_CACHE_BYTES, goal, goal + SECTION_SIZE, goal_nid, caller);
  if (usage !== 0) return usage;
  const anywhere = (align: number): phys_addr_t =>
    memblock_alloc_try_nid(k, size, align, goal, MEMBLOCK_ALLOC_ACCESSIBLE, goal_nid, caller);
  const found = anywhere(SMP_CACHE_BYTES);
  if (found === 0 || !straddles_chunk(found, size)) return found;
  // Differs from Linux: another try, aligned so that it cannot straddle a chunk of RAM and each usemap is one view.
  memblock_phys_free(k, found, size);
  return anywhere(2 ** Math.ceil(Math.log2(size)));
}

/** Says so where memory can only be unplugged in a certain order, or not at all. */
function check_usemap_section_nr(k: Kernel, nid: nid_t, usage: phys_addr_t): void {
  const { mm } = k;
  const usemap_snr = Math.floor(usage / SECTION_SIZE);
  const pgdat_snr = Math.floor((k.node_data[nid]?.pa ?? NULL_PGDAT) / SECTION_SIZE);
  if (usemap_snr === pgdat_snr) return;
  if (mm.old_usemap_snr === usemap_snr && mm.old_pgdat_snr === pgdat_snr) return;
  mm.old_usemap_snr = usemap_snr;
  mm.old_pgdat_snr = pgdat_snr;

  // Linux cuts the word to an int: that is node 0 for a section that has its memory map already.
  const coded = k.hw.ram.big64(__nr_to_section(k, usemap_snr));
  const usemap_nid = Number(BigInt.asIntN(32, coded >> SECTION_NID_SHIFT));
  if (usemap_nid !== nid) {
    pr_info(k, `node ${nid} must be removed before remove section ${usemap_snr}`);
    return;
  }
  const sections = `Section ${usemap_snr} and ${pgdat_snr} (node ${nid})`;
  pr_info(k, `${sections} have a circular dependency on usemap and pgdat allocations`);
}

/** Marks the 2 MiB subsections of [pfn, pfn + nr_pages) as having memory. */
export function subsection_map_init(k: Kernel, pfn: pfn_t, nr_pages: number): void {
  const { ram } = k.hw;
  while (nr_pages > 0) {
    const offset = pfn % PAGES_PER_SECTION;
    const pages = Math.min(nr_pages, PAGES_PER_SECTION - offset);
    const usage = ram.big64(__nr_to_section(k, pfn_to_section_nr(pfn)) + mem_section.offset.usage);
    if (usage !== 0n) {
      const first = BigInt(Math.floor(offset / PAGES_PER_SUBSECTION));
      const last = BigInt(Math.floor((offset + pages - 1) / PAGES_PER_SUBSECTION));
      const map = Number(usage - PAGE_OFFSET) + mem_section_usage.offset.subsection_map;
      ram.set_big64(map, ram.big64(map) | (((1n << (last - first + 1n)) - 1n) << first));
    }
    pfn += pages;
    nr_pages -= pages;
  }
}

/** The node of the memory at `pfn`; the first node online where there is none. */
export function early_pfn_to_nid(k: Kernel, pfn: pfn_t): nid_t {
  const cache = k.mm.early_pfnnid_cache;
  if (cache.last_start <= pfn && pfn < cache.last_end) return cache.last_nid;
  const found = memblock_search_pfn_nid(k, pfn);
  if (found === null || found.nid === MAX_NUMNODES) return Math.max(0, first_node(k.node_online_map));
  cache.last_start = found.start_pfn;
  cache.last_end = found.end_pfn;
  cache.last_nid = found.nid;
  return found.nid;
}
