// The common case in one piece: a small block off the first zone's per-cpu list while the zone is above its low
// watermark, and back onto such a list while that is not too long. The steps are those of get_page_from_freelist(),
// rmqueue_pcplist() and prep_new_page(), of free_unref_page() and free_pages_prepare(), which do all the rest; here they
// are written out, as each of them takes less time than a call.
//
// Nothing is changed until it is certain that this is the common case. So a list is not touched whose pointers do not
// point back: the general paths report that in Linux's words. Why these are closures: fast_paths.ts.

import { __GFP_COMP, __GFP_ZERO } from '../include/gfp_types.ts';
import {
  PAGE_LRU_OFFSET,
  PAGE_WORDS,
  PAGE_WORDS_SHIFT,
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_INDEX,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_LRU_PREV,
  PG_LRU_PREV_HI,
  PG_MAPPING,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  PG_REFCOUNT,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import {
  MAX_ORDER,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  NR_LOWORDER_PCP_LISTS,
  PAGE_ALLOC_COSTLY_ORDER,
  PAGES_PER_SECTION,
  PFN_SECTION_SHIFT,
  WMARK_LOW,
  ZONE_BOOSTED_WATERMARK,
  ZONE_RECLAIM_ACTIVE,
} from '../include/mmzone.ts';
import {
  CPUPID_NONE,
  CPUPID_NONE_HI,
  PAGE_FLAGS_CHECK_AT_PREP,
  PG_ODD_AT_FREE,
  ZONES_PGSHIFT_HI,
} from '../include/page_flags.ts';
import { LIST_POISON_HI, LIST_POISON2 } from '../include/poison.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import {
  AREA_NR_FREE,
  AREA_WORDS,
  LIST_WORDS,
  PCP_COUNT,
  PCP_FREE_FACTOR,
  PCP_HIGH,
  PCP_LISTS,
  Z_FLAGS,
  Z_FREE_AREA,
  Z_LOWMEM_RESERVE,
  Z_NR_FREE_CMA_PAGES,
  Z_NR_RESERVED_HIGHATOMIC,
  Z_VM_STAT,
  Z_WATERMARK,
  Z_WATERMARK_BOOST,
} from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { type AllocPath, type FastMemory, type FreePath, prepared } from './fast_memory.ts';
import { find_unexpected } from './page_check.ts';
import type { ZoneCpu } from './zone_cpu.ts';

/** Context: an order that has per-cpu lists, any node allowed, no static key set. */
export function pcp_paths(memory: FastMemory): { alloc: AllocPath; free: FreePath } {
  const { pages, doubles, zones, percpu, maps, usemaps, events, count, cma } = memory;

  function alloc_from_pcplist(k: Kernel, c: ZoneCpu, gfp: gfp_t, order: number, highest_zoneidx: number): pfn_t {
    const migratetype = (gfp >>> 3) & 3;
    const z = c.zone_base;
    const no_cma = cma && migratetype !== MIGRATE_MOVABLE;
    if (!is_above_low(z, order, highest_zoneidx, no_cma) || (order !== 0 && !has_block(z, order))) return -1;

    const w = c.pcp_base;
    let pindex = (Math.imul(order, 3) + migratetype) | 0;
    if (order > PAGE_ALLOC_COSTLY_ORDER) pindex = NR_LOWORDER_PCP_LISTS + (migratetype === MIGRATE_MOVABLE ? 1 : 0);
    const offset = (PCP_LISTS + (pindex << 2)) | 0;
    const head = (w + offset) | 0;
    const hi = percpu[(head + 1) | 0]!;
    if ((hi - VMEMMAP_HI) >>> 0 >= 32) return -1;
    const lo = percpu[head]!;

    // Off the list: its next is the first now.
    const section = ((hi - VMEMMAP_HI) << 11) | (lo >>> 21);
    const map = maps[section]!;
    if (!(map >= 0)) return c.look_in(k, section);
    const i = (map + ((lo & 0x1fffc0) >>> 2)) | 0;
    const next_lo = pages[(i + PG_LRU_NEXT) | 0]!;
    const next_hi = pages[(i + PG_LRU_NEXT_HI) | 0]!;
    const head_lo = (c.pointer_lo + (offset << 2)) | 0;
    const head_hi = c.pointer_hi;
    if (pages[(i + PG_LRU_PREV) | 0] !== head_lo || pages[(i + PG_LRU_PREV_HI) | 0] !== head_hi) return -1;
    if ((next_hi - VMEMMAP_HI) >>> 0 < 32) {
      const next_map = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)]!;
      if (!(next_map >= 0) || (next_lo & 63) !== PAGE_LRU_OFFSET) return -1;
      const at = (next_map + ((next_lo & 0x1fffc0) >>> 2)) | 0;
      if (pages[(at + PG_LRU_PREV) | 0] !== lo || pages[(at + PG_LRU_PREV_HI) | 0] !== hi) return -1;
      pages[(at + PG_LRU_PREV) | 0] = head_lo;
      pages[(at + PG_LRU_PREV_HI) | 0] = head_hi;
    } else {
      if (next_lo !== head_lo || next_hi !== head_hi) return -1;
      if (percpu[(head + 2) | 0] !== lo || percpu[(head + 3) | 0] !== hi) return -1;
      percpu[(head + 2) | 0] = head_lo;
      percpu[(head + 3) | 0] = head_hi;
    }
    percpu[head] = next_lo;
    percpu[(head + 1) | 0] = next_hi;
    percpu[(w + PCP_COUNT) | 0] = percpu[(w + PCP_COUNT) | 0]! - (1 << order);
    const factor = percpu[(w + PCP_FREE_FACTOR) | 0]!;
    if ((factor & 0xffff) !== 0) {
      percpu[(w + PCP_FREE_FACTOR) | 0] = (factor & ~0xffff) | ((factor & 0xffff) >>> 1);
    }

    const { pgalloc } = c;
    events[pgalloc] = events[pgalloc]! + (1 << order);
    // A hit, as this is the preferred zone; and of this CPU's node or not.
    count(c.numa_hit);
    count(c.numa_local);

    pages[(i + PG_LRU_NEXT) | 0] = 0;
    pages[(i + PG_LRU_NEXT_HI) | 0] = 0;
    pages[(i + PG_LRU_PREV) | 0] = LIST_POISON2;
    pages[(i + PG_LRU_PREV_HI) | 0] = LIST_POISON_HI;
    pages[(i + PG_PRIVATE) | 0] = 0;
    pages[(i + PG_PRIVATE_HI) | 0] = 0;
    pages[(i + PG_REFCOUNT) | 0] = 1;
    const pfn = ((hi - VMEMMAP_HI) << 26) | (lo >>> 6);
    const todo = (gfp | k.page_alloc.init_on_alloc) & (__GFP_COMP | __GFP_ZERO);
    return todo === 0 ? pfn : prepared(k, pfn, order, todo);
  }

  /** zone_watermark_fast(), as far as numbers of pages go; false as well if the zone's watermark is boosted. */
  function is_above_low(z: number, order: number, highest_zoneidx: number, no_cma: boolean): boolean {
    let usable = (zones[(z + Z_VM_STAT) | 0]! - zones[(z + Z_NR_RESERVED_HIGHATOMIC) | 0]! - (1 << order)) | 0;
    if (no_cma) {
      const free_cma = zones[(z + Z_NR_FREE_CMA_PAGES) | 0]!;
      if (free_cma > 0) usable = (usable - free_cma) | 0;
    }
    const mark = (zones[(z + Z_WATERMARK + 2 * WMARK_LOW) | 0]! + zones[(z + Z_WATERMARK_BOOST) | 0]!) | 0;
    if (usable < ((mark + zones[(z + Z_LOWMEM_RESERVE + 2 * highest_zoneidx) | 0]!) | 0)) return false;
    return (zones[(z + Z_FLAGS) | 0]! & (1 << ZONE_BOOSTED_WATERMARK)) === 0;
  }

  /**
   * has_free_block(), as far as lists go that every request may take from. Whether there is a block is the same
   * whichever order is looked at first, and where most of a zone is free it is the largest.
   */
  function has_block(z: number, order: number): boolean {
    const least = (z + Z_FREE_AREA + Math.imul(order, AREA_WORDS)) | 0;
    for (
      let area = (z + Z_FREE_AREA + (MAX_ORDER - 1) * AREA_WORDS) | 0;
      area >= least;
      area = (area - AREA_WORDS) | 0
    ) {
      if (zones[(area + AREA_NR_FREE) | 0] === 0) continue;
      for (let list = 0; list < MIGRATE_PCPTYPES * LIST_WORDS; list += LIST_WORDS) {
        if ((zones[(area + list + 1) | 0]! - VMEMMAP_HI) >>> 0 < 32) return true;
      }
    }
    return false;
  }

  function free_to_pcplist(k: Kernel, pfn: pfn_t, order: number, refs: number): boolean {
    const i = (maps[pfn >>> PFN_SECTION_SHIFT]! + ((pfn & (PAGES_PER_SECTION - 1)) << PAGE_WORDS_SHIFT)) | 0;
    const flags = pages[(i + PG_FLAGS) | 0]!;
    const flags_hi = pages[(i + PG_FLAGS_HI) | 0]!;
    const c = k.page_alloc.by_id[flags_hi >>> ZONES_PGSHIFT_HI];
    if (c === undefined || c.paths.zones !== zones || pages[(i + PG_REFCOUNT) | 0] !== refs) return false;
    if ((flags & PG_ODD_AT_FREE) !== 0 || (pages[(i + PG_MAPPING) | 0]! & 3) !== 0) return false;
    const w = c.pcp_base;
    const nr_pages = (percpu[(w + PCP_COUNT) | 0]! + (1 << order)) | 0;
    if (nr_pages >= percpu[(w + PCP_HIGH) | 0]!) return false;
    if ((zones[(c.zone_base + Z_FLAGS) | 0]! & (1 << ZONE_RECLAIM_ACTIVE)) !== 0) return false;
    const block = (usemaps[pfn >>> PFN_SECTION_SHIFT]! + ((pfn >>> 12) & 7)) | 0;
    const migratetype = (zones[block]! >>> ((pfn >>> 7) & 28)) & 7;
    if (migratetype === MIGRATE_ISOLATE) return false;
    // Highatomic and CMA pages are on the movable list, and go home from there in time.
    const list = migratetype < MIGRATE_PCPTYPES ? migratetype : MIGRATE_MOVABLE;
    let pindex = (Math.imul(order, 3) + list) | 0;
    if (order !== 0) {
      if (order > PAGE_ALLOC_COSTLY_ORDER) pindex = NR_LOWORDER_PCP_LISTS + (list === MIGRATE_MOVABLE ? 1 : 0);
      // Small blocks of more than a page that only pile up make for fragmentation: all goes back.
      else if ((percpu[(w + PCP_FREE_FACTOR) | 0]! & 0xffff) !== 0) return false;
      if (!is_whole(pfn, i, order) || !are_tails_unused(i, order)) return false;
    }

    const offset = (PCP_LISTS + (pindex << 2)) | 0;
    const head = (w + offset) | 0;
    const next_lo = percpu[head]!;
    const next_hi = percpu[(head + 1) | 0]!;
    const head_lo = (c.pointer_lo + (offset << 2)) | 0;
    const head_hi = c.pointer_hi;
    const lo = (pfn << 6) | PAGE_LRU_OFFSET;
    const hi = (VMEMMAP_HI + (pfn >>> 26)) | 0;
    if ((next_hi - VMEMMAP_HI) >>> 0 < 32) {
      const next_map = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)]!;
      if (!(next_map >= 0) || (next_lo & 63) !== PAGE_LRU_OFFSET || next_lo === lo) return false;
      const at = (next_map + ((next_lo & 0x1fffc0) >>> 2)) | 0;
      if (pages[(at + PG_LRU_PREV) | 0] !== head_lo || pages[(at + PG_LRU_PREV_HI) | 0] !== head_hi) return false;
      pages[(at + PG_LRU_PREV) | 0] = lo;
      pages[(at + PG_LRU_PREV_HI) | 0] = hi;
    } else {
      if (next_lo !== head_lo || next_hi !== head_hi) return false;
      if (percpu[(head + 2) | 0] !== head_lo || percpu[(head + 3) | 0] !== head_hi) return false;
      percpu[(head + 2) | 0] = lo;
      percpu[(head + 3) | 0] = hi;
    }
    percpu[head] = lo;
    percpu[(head + 1) | 0] = hi;
    percpu[(w + PCP_COUNT) | 0] = nr_pages;
    const { pgfree } = c;
    events[pgfree] = events[pgfree]! + (1 << order);
    pages[(i + PG_FLAGS) | 0] = (flags | CPUPID_NONE) & ~PAGE_FLAGS_CHECK_AT_PREP;
    pages[(i + PG_FLAGS_HI) | 0] = flags_hi | CPUPID_NONE_HI;
    pages[(i + PG_LRU_NEXT) | 0] = next_lo;
    pages[(i + PG_LRU_NEXT_HI) | 0] = next_hi;
    pages[(i + PG_LRU_PREV) | 0] = head_lo;
    pages[(i + PG_LRU_PREV_HI) | 0] = head_hi;
    pages[(i + PG_INDEX) | 0] = migratetype;
    pages[(i + PG_PRIVATE) | 0] = 0;
    pages[(i + PG_PRIVATE_HI) | 0] = 0;
    pages[(i + PG_REFCOUNT) | 0] = 0;
    return true;
  }

  /** Not part of a compound page, and the block where one of its size begins: then it lies in one section. */
  const is_whole = (pfn: pfn_t, i: number, order: number): boolean =>
    ((pages[(i + PG_LRU_NEXT) | 0]! & 1) | (pfn & ((1 << order) - 1))) === 0;

  const are_tails_unused = (i: number, order: number): boolean =>
    find_unexpected(pages, doubles, (i + PAGE_WORDS) | 0, (i + (PAGE_WORDS << order)) | 0, PAGE_FLAGS_CHECK_AT_PREP) <
    0;

  return { alloc: alloc_from_pcplist, free: free_to_pcplist };
}
