// The common case of a large block in one piece: off a free list of its own order and migratetype, and back onto one. As
// in pcp_fast.ts, nothing is changed until it is certain that this is the common case: no list is empty, no page looks
// odd, every pointer points back. The general paths (get_page.ts, buddy.ts) do all the rest. Why these are closures:
// fast_paths.ts.

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
  PG_MAPCOUNT,
  PG_MAPPING,
  PG_MEMCG_DATA,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  PG_REFCOUNT,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import {
  MAX_ORDER,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  NR_FREE_PAGES,
  PAGES_PER_SECTION,
  PFN_SECTION_SHIFT,
  WMARK_LOW,
  ZONE_BOOSTED_WATERMARK,
} from '../include/mmzone.ts';
import {
  BUDDY_MASK,
  CHECK_NEW_PAGE,
  CPUPID_NONE,
  CPUPID_NONE_HI,
  PAGE_FLAGS_CHECK_AT_PREP,
  PAGE_TYPE_BASE_WORD,
  PG_buddy,
  PG_ODD_AT_FREE,
  ZONES_PGSHIFT_HI,
} from '../include/page_flags.ts';
import { LIST_POISON_HI, LIST_POISON2 } from '../include/poison.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import {
  AREA_NR_FREE,
  AREA_WORDS,
  PZS_STAT_THRESHOLD,
  Z_FLAGS,
  Z_FREE_AREA,
  Z_LOWMEM_RESERVE,
  Z_NR_FREE_CMA_PAGES,
  Z_NR_ISOLATE_PAGEBLOCK,
  Z_NR_RESERVED_HIGHATOMIC,
  Z_VM_STAT,
  Z_WATERMARK,
  Z_WATERMARK_BOOST,
} from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { type AllocPath, type FastMemory, type FreeBlockPath, prepared } from './fast_memory.ts';
import { double_of, find_unexpected } from './page_check.ts';
import type { ZoneCpu } from './zone_cpu.ts';

/** Context: an order without per-cpu lists, any node allowed, no static key set. */
export function free_list_paths(memory: FastMemory): { alloc: AllocPath; free: FreeBlockPath } {
  const { pages, doubles, zones, percpu, maps, usemaps, events, count, cma } = memory;
  /** _mapcount and _refcount of a free block, and of one that is about to be: as doubles. */
  const free_block = double_of(~PG_buddy, 0);
  const last_reference = double_of(-1, 1);

  function alloc_from_free_list(k: Kernel, c: ZoneCpu, gfp: gfp_t, order: number, highest_zoneidx: number): pfn_t {
    const migratetype = (gfp >>> 3) & 3;
    const z = c.zone_base;
    // Where CMA's free pages they may have to go first; and CPUs may have counted more of them than the zone yet.
    const free_cma = cma ? zones[(z + Z_NR_FREE_CMA_PAGES) | 0]! : 0;
    if (free_cma !== 0 && (free_cma < 0 || migratetype === MIGRATE_MOVABLE)) return -1;
    const nr_pages = 1 << order;
    const usable = (zones[(z + Z_VM_STAT) | 0]! - zones[(z + Z_NR_RESERVED_HIGHATOMIC) | 0]! - free_cma - nr_pages) | 0;
    const mark = (zones[(z + Z_WATERMARK + 2 * WMARK_LOW) | 0]! + zones[(z + Z_WATERMARK_BOOST) | 0]!) | 0;
    if (usable < ((mark + zones[(z + Z_LOWMEM_RESERVE + 2 * highest_zoneidx) | 0]!) | 0)) return -1;
    if ((zones[(z + Z_FLAGS) | 0]! & (1 << ZONE_BOOSTED_WATERMARK)) !== 0) return -1;

    const area = (Z_FREE_AREA + Math.imul(order, AREA_WORDS)) | 0;
    const offset = (area + (migratetype << 2)) | 0;
    const head = (z + offset) | 0;
    const hi = zones[(head + 1) | 0]!;
    if ((hi - VMEMMAP_HI) >>> 0 >= 32) return -1;
    const lo = zones[head]!;
    const section = ((hi - VMEMMAP_HI) << 11) | (lo >>> 21);
    const map = maps[section]!;
    if (!(map >= 0)) return c.look_in(k, section);
    const i = (map + ((lo & 0x1fffc0) >>> 2)) | 0;
    const next_lo = pages[(i + PG_LRU_NEXT) | 0]!;
    const next_hi = pages[(i + PG_LRU_NEXT_HI) | 0]!;
    const head_lo = (c.zone_pointer_lo + (offset << 2)) | 0;
    const head_hi = c.zone_pointer_hi;
    if (pages[(i + PG_LRU_PREV) | 0] !== head_lo || pages[(i + PG_LRU_PREV_HI) | 0] !== head_hi) return -1;
    if (pages[(i + PG_PRIVATE) | 0] !== order || (pages[(i + PG_FLAGS) | 0]! & CHECK_NEW_PAGE) !== 0) return -1;
    if (!is_unmapped(i, free_block)) return -1;
    const tail = (i + PAGE_WORDS) | 0;
    const end = (i + (PAGE_WORDS << order)) | 0;
    if (find_unexpected(pages, doubles, tail, end, CHECK_NEW_PAGE) >= 0) return -1;

    // Off the list: its next is the first now.
    if ((next_hi - VMEMMAP_HI) >>> 0 < 32) {
      const next_map = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)]!;
      if (!(next_map >= 0) || (next_lo & 63) !== PAGE_LRU_OFFSET) return -1;
      const at = (next_map + ((next_lo & 0x1fffc0) >>> 2)) | 0;
      if (pages[(at + PG_LRU_PREV) | 0] !== lo || pages[(at + PG_LRU_PREV_HI) | 0] !== hi) return -1;
      pages[(at + PG_LRU_PREV) | 0] = head_lo;
      pages[(at + PG_LRU_PREV_HI) | 0] = head_hi;
    } else {
      if (next_lo !== head_lo || next_hi !== head_hi) return -1;
      if (zones[(head + 2) | 0] !== lo || zones[(head + 3) | 0] !== hi) return -1;
      zones[(head + 2) | 0] = head_lo;
      zones[(head + 3) | 0] = head_hi;
    }
    zones[head] = next_lo;
    zones[(head + 1) | 0] = next_hi;
    const nr_free = (z + area + AREA_NR_FREE) | 0;
    zones[nr_free] = zones[nr_free]! - 1;
    add_free_pages(k, c, -nr_pages);

    const { pgalloc } = c;
    events[pgalloc] = events[pgalloc]! + nr_pages;
    // A hit, as this is the preferred zone; and of this CPU's node or not.
    count(c.numa_hit);
    count(c.numa_local);

    pages[(i + PG_LRU_NEXT) | 0] = 0;
    pages[(i + PG_LRU_NEXT_HI) | 0] = 0;
    pages[(i + PG_LRU_PREV) | 0] = LIST_POISON2;
    pages[(i + PG_LRU_PREV_HI) | 0] = LIST_POISON_HI;
    pages[(i + PG_INDEX) | 0] = migratetype;
    pages[(i + PG_PRIVATE) | 0] = 0;
    pages[(i + PG_PRIVATE_HI) | 0] = 0;
    pages[(i + PG_MAPCOUNT) | 0] = -1;
    pages[(i + PG_REFCOUNT) | 0] = 1;
    const pfn = ((hi - VMEMMAP_HI) << 26) | (lo >>> 6);
    const todo = (gfp | k.page_alloc.init_on_alloc) & (__GFP_COMP | __GFP_ZERO);
    return todo === 0 ? pfn : prepared(k, pfn, order, todo);
  }

  /** __mod_zone_page_state() of NR_FREE_PAGES. */
  function add_free_pages(k: Kernel, c: ZoneCpu, nr_pages: number): void {
    const s = c.zonestat_base;
    const word = percpu[s]!;
    const x = (((word << 24) >> 24) + nr_pages) | 0;
    const threshold = percpu[(s + PZS_STAT_THRESHOLD) | 0]! >> 24;
    if (x <= threshold && x >= -threshold) {
      percpu[s] = (word & ~0xff) | (x & 0xff);
      return;
    }
    percpu[s] = word & ~0xff;
    const count = (c.zone_base + Z_VM_STAT) | 0;
    const sum = (zones[count]! + x) | 0;
    zones[count] = sum;
    zones[(count + 1) | 0] = sum >> 31;
    const { vm_zone_stat } = k.mm;
    vm_zone_stat[NR_FREE_PAGES] = vm_zone_stat[NR_FREE_PAGES]! + x;
  }

  function free_to_free_list(k: Kernel, pfn: pfn_t, order: number): boolean {
    const map = maps[pfn >>> PFN_SECTION_SHIFT]!;
    const p = (pfn & (PAGES_PER_SECTION - 1)) << PAGE_WORDS_SHIFT;
    const i = (map + p) | 0;
    const flags = pages[(i + PG_FLAGS) | 0]!;
    const flags_hi = pages[(i + PG_FLAGS_HI) | 0]!;
    const zone_id = flags_hi >>> ZONES_PGSHIFT_HI;
    const c = k.page_alloc.by_id[zone_id];
    if (c === undefined || c.paths.zones !== zones) return false;
    const z = c.zone_base;
    if (zones[(z + Z_NR_ISOLATE_PAGEBLOCK) | 0] !== 0) return false;
    const block = (usemaps[pfn >>> PFN_SECTION_SHIFT]! + ((pfn >>> 12) & 7)) | 0;
    const migratetype = (zones[block]! >>> ((pfn >>> 7) & 28)) & 7;
    if (migratetype >= MIGRATE_PCPTYPES) return false;
    // A block whose buddy is free grows.
    let buddy = (map + (p ^ (PAGE_WORDS << order))) | 0;
    if (order < MAX_ORDER - 1 && is_free_block(buddy, order, zone_id)) return false;
    if ((flags & (PAGE_FLAGS_CHECK_AT_PREP | PG_ODD_AT_FREE)) !== 0 || !is_unmapped(i, last_reference)) return false;
    // Part of a compound page, or not where a block of its size begins: it may lie in two sections.
    if (((pages[(i + PG_LRU_NEXT) | 0]! & 1) | (pfn & ((1 << order) - 1))) !== 0) return false;
    const tail = (i + PAGE_WORDS) | 0;
    const end = (i + (PAGE_WORDS << order)) | 0;
    if (find_unexpected(pages, doubles, tail, end, PAGE_FLAGS_CHECK_AT_PREP | PG_ODD_AT_FREE) >= 0) return false;

    // To the tail, if the buddy of the block that it is half of is free.
    let to_tail = false;
    if (order < MAX_ORDER - 2) {
      buddy = (map + ((p & ~(PAGE_WORDS << order)) ^ (PAGE_WORDS << (order + 1)))) | 0;
      to_tail = is_free_block(buddy, order + 1, zone_id);
    }
    const area = (Z_FREE_AREA + Math.imul(order, AREA_WORDS)) | 0;
    const offset = (area + (migratetype << 2)) | 0;
    const head = (z + offset) | 0;
    const head_lo = (c.zone_pointer_lo + (offset << 2)) | 0;
    const head_hi = c.zone_pointer_hi;
    const lo = (pfn << 6) | PAGE_LRU_OFFSET;
    const hi = (VMEMMAP_HI + (pfn >>> 26)) | 0;
    // The end of the list: next of its head, or prev; and that of the block there that leads back.
    const list_end = to_tail ? (head + 2) | 0 : head;
    const back = to_tail ? PG_LRU_NEXT : PG_LRU_PREV;
    const first_lo = zones[list_end]!;
    const first_hi = zones[(list_end + 1) | 0]!;
    if ((first_hi - VMEMMAP_HI) >>> 0 < 32) {
      const first_map = maps[((first_hi - VMEMMAP_HI) << 11) | (first_lo >>> 21)]!;
      if (!(first_map >= 0) || (first_lo & 63) !== PAGE_LRU_OFFSET || first_lo === lo) return false;
      const at = (first_map + ((first_lo & 0x1fffc0) >>> 2) + back) | 0;
      if (pages[at] !== head_lo || pages[(at + 1) | 0] !== head_hi) return false;
      pages[at] = lo;
      pages[(at + 1) | 0] = hi;
    } else {
      const at = to_tail ? head : (head + 2) | 0;
      if (first_lo !== head_lo || first_hi !== head_hi) return false;
      if (zones[at] !== head_lo || zones[(at + 1) | 0] !== head_hi) return false;
      zones[at] = lo;
      zones[(at + 1) | 0] = hi;
    }
    zones[list_end] = lo;
    zones[(list_end + 1) | 0] = hi;
    pages[(i + PG_LRU_NEXT) | 0] = to_tail ? head_lo : first_lo;
    pages[(i + PG_LRU_NEXT_HI) | 0] = to_tail ? head_hi : first_hi;
    pages[(i + PG_LRU_PREV) | 0] = to_tail ? first_lo : head_lo;
    pages[(i + PG_LRU_PREV_HI) | 0] = to_tail ? first_hi : head_hi;
    const nr_free = (z + area + AREA_NR_FREE) | 0;
    zones[nr_free] = zones[nr_free]! + 1;
    add_free_pages(k, c, 1 << order);
    const { pgfree } = c;
    events[pgfree] = events[pgfree]! + (1 << order);
    pages[(i + PG_FLAGS) | 0] = flags | CPUPID_NONE;
    pages[(i + PG_FLAGS_HI) | 0] = flags_hi | CPUPID_NONE_HI;
    pages[(i + PG_PRIVATE) | 0] = order;
    pages[(i + PG_PRIVATE_HI) | 0] = 0;
    pages[(i + PG_MAPCOUNT) | 0] = ~PG_buddy;
    pages[(i + PG_REFCOUNT) | 0] = 0;
    return true;
  }

  /** Whether the page has no mapping and no memcg, and these counts. */
  const is_unmapped = (i: number, counts: number): boolean => {
    const j = i >>> 1;
    return (
      doubles[j + (PG_MAPCOUNT >> 1)] === counts &&
      doubles[j + (PG_MAPPING >> 1)]! + doubles[j + (PG_MEMCG_DATA >> 1)]! === 0
    );
  };

  /** page_is_buddy(). */
  const is_free_block = (i: number, order: number, zone_id: number): boolean =>
    (pages[(i + PG_MAPCOUNT) | 0]! & BUDDY_MASK) === PAGE_TYPE_BASE_WORD &&
    pages[(i + PG_PRIVATE) | 0] === order &&
    pages[(i + PG_FLAGS_HI) | 0]! >>> ZONES_PGSHIFT_HI === zone_id;

  return { alloc: alloc_from_free_list, free: free_to_free_list };
}
