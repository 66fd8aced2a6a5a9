// The common case of a large block in one piece: off a free list of its own order and migratetype, and back onto one. As
// in pcp_fast.ts, nothing is changed until it is certain that this is the common case: no list is empty, no page looks
// odd, every pointer points back. The general paths (get_page.ts, buddy.ts) do all the rest.

import { __GFP_COMP, __GFP_ZERO, GFP_ZONE_TABLE } from '../include/gfp_types.ts';
import {
  PAGE_LRU_OFFSET,
  PAGE_WORDS,
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_INDEX,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_LRU_PREV,
  PG_LRU_PREV_HI,
  PG_MAPCOUNT,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_MEMCG_DATA,
  PG_MEMCG_DATA_HI,
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
import type { gfp_t, nid_t, pfn_t } from '../include/types.ts';
import { PGFREE } from '../include/vm_event_item.ts';
import {
  AREA_NR_FREE,
  AREA_WORDS,
  PZS_NUMA_EVENT,
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
import { COMPOUND_PAGE_DTOR, prep_compound_page } from './compound.ts';
import { find_unexpected } from './page_check.ts';
import { kernel_init_pages } from './page_prep.ts';
import type { ZoneCpu } from './zone_cpu.ts';

/**
 * Context: an order without per-cpu lists, any node allowed, no static key set.
 * @returns the first page; -1, and nothing has changed, if this is not the common case
 */
export function alloc_from_free_list(k: Kernel, gfp: gfp_t, order: number, nid: nid_t): pfn_t {
  const state = k.page_alloc;
  const highest_zoneidx = (GFP_ZONE_TABLE >>> ((gfp & 15) << 1)) & 3;
  const c = state.preferred[(((nid << 1) | ((gfp >>> 21) & 1)) << 2) | highest_zoneidx];
  if (c === undefined) return -1;
  const migratetype = (gfp >>> 3) & 3;
  const z = c.zone_words;
  // Where CMA's free pages count, they may have to go first; and CPUs may have counted more of them than the zone yet.
  const cma = z[Z_NR_FREE_CMA_PAGES]!;
  if (cma !== 0 && (cma < 0 || migratetype === MIGRATE_MOVABLE)) return -1;
  const nr_pages = 1 << order;
  const usable = (z[Z_VM_STAT]! - z[Z_NR_RESERVED_HIGHATOMIC]! - cma - nr_pages) | 0;
  const mark = (z[Z_WATERMARK + 2 * WMARK_LOW]! + z[Z_WATERMARK_BOOST]!) | 0;
  if (usable < ((mark + z[(Z_LOWMEM_RESERVE + 2 * highest_zoneidx) & 31]!) | 0)) return -1;
  if ((z[Z_FLAGS]! & (1 << ZONE_BOOSTED_WATERMARK)) !== 0) return -1;

  // The masks only say how large it can be.
  const area = (Z_FREE_AREA + Math.imul(order, AREA_WORDS)) & 511;
  const head = (area + (migratetype << 2)) & 511;
  const hi = z[head + 1]!;
  if ((hi - VMEMMAP_HI) >>> 0 >= 32) return -1;
  const lo = z[head]!;
  const { maps } = state;
  const section = ((hi - VMEMMAP_HI) << 11) | (lo >>> 21);
  const m = maps[section];
  if (m === undefined) return -1;
  const i = (lo & 0x1fffc0) >>> 2;
  const next_lo = m[i + PG_LRU_NEXT]!;
  const next_hi = m[i + PG_LRU_NEXT_HI]!;
  const head_lo = (c.zone.pointer_lo + (head << 2)) | 0;
  const head_hi = c.zone.pointer_hi;
  if (m[i + PG_LRU_PREV] !== head_lo || m[i + PG_LRU_PREV_HI] !== head_hi) return -1;
  if (m[i + PG_PRIVATE] !== order || m[i + PG_MAPCOUNT] !== ~PG_buddy) return -1;
  if (!unused_but_for_mapcount(m, i)) return -1;
  const f = state.maps_f64[section]!;
  if (find_unexpected(m, f, i + PAGE_WORDS, i + (PAGE_WORDS << order), CHECK_NEW_PAGE) >= 0) return -1;

  // Off the list: its next is the first now.
  if ((next_hi - VMEMMAP_HI) >>> 0 < 32) {
    const n = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)];
    if (n === undefined || (next_lo & 63) !== PAGE_LRU_OFFSET) return -1;
    const at = (next_lo & 0x1fffc0) >>> 2;
    if (n[at + PG_LRU_PREV] !== lo || n[at + PG_LRU_PREV_HI] !== hi) return -1;
    n[at + PG_LRU_PREV] = head_lo;
    n[at + PG_LRU_PREV_HI] = head_hi;
  } else {
    if (next_lo !== head_lo || next_hi !== head_hi || z[head + 2] !== lo || z[head + 3] !== hi) return -1;
    z[head + 2] = head_lo;
    z[head + 3] = head_hi;
  }
  z[head] = next_lo;
  z[head + 1] = next_hi;
  const nr_free = (area + AREA_NR_FREE) & 511;
  z[nr_free] = z[nr_free]! - 1;
  add_free_pages(k, c, -nr_pages);

  const { events, pgalloc, stat } = c;
  events[pgalloc] = events[pgalloc]! + nr_pages;
  // A hit, as this is the preferred zone; and of this CPU's node or not.
  const hits = (stat[PZS_NUMA_EVENT]! + 1) | 0;
  stat[PZS_NUMA_EVENT] = hits;
  if (hits === 0) stat[PZS_NUMA_EVENT + 1] = stat[PZS_NUMA_EVENT + 1]! + 1;
  const local = c.numa_local;
  const locals = (stat[local]! + 1) | 0;
  stat[local] = locals;
  if (locals === 0) stat[local + 1] = stat[local + 1]! + 1;

  m[i + PG_LRU_NEXT] = 0;
  m[i + PG_LRU_NEXT_HI] = 0;
  m[i + PG_LRU_PREV] = LIST_POISON2;
  m[i + PG_LRU_PREV_HI] = LIST_POISON_HI;
  m[i + PG_INDEX] = migratetype;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  m[i + PG_MAPCOUNT] = -1;
  m[i + PG_REFCOUNT] = 1;
  const pfn = ((hi - VMEMMAP_HI) << 26) | (lo >>> 6);
  const todo = (gfp | state.init_on_alloc) & (__GFP_COMP | __GFP_ZERO);
  if (todo !== 0) {
    if ((todo & __GFP_ZERO) !== 0) kernel_init_pages(k, pfn, order);
    if ((todo & __GFP_COMP) !== 0) prep_compound_page(k, pfn, order, COMPOUND_PAGE_DTOR);
  }
  return pfn;
}

/** page_expected_state() of a free block's first page, whose mapcount says that it is one. */
const unused_but_for_mapcount = (m: Int32Array, i: number): boolean =>
  (m[i + PG_REFCOUNT]! |
    m[i + PG_MAPPING]! |
    m[i + PG_MAPPING_HI]! |
    m[i + PG_MEMCG_DATA]! |
    m[i + PG_MEMCG_DATA_HI]! |
    (m[i + PG_FLAGS]! & CHECK_NEW_PAGE)) ===
  0;

/** __mod_zone_page_state() of NR_FREE_PAGES. */
function add_free_pages(k: Kernel, c: ZoneCpu, nr_pages: number): void {
  const { stat } = c;
  const word = stat[0]!;
  const x = (((word << 24) >> 24) + nr_pages) | 0;
  const threshold = stat[PZS_STAT_THRESHOLD]! >> 24;
  if (x <= threshold && x >= -threshold) {
    stat[0] = (word & ~0xff) | (x & 0xff);
    return;
  }
  stat[0] = word & ~0xff;
  const z = c.zone_words;
  const pages = (z[Z_VM_STAT]! + x) | 0;
  z[Z_VM_STAT] = pages;
  z[Z_VM_STAT + 1] = pages >> 31;
  const { vm_zone_stat } = k.mm;
  vm_zone_stat[NR_FREE_PAGES] = vm_zone_stat[NR_FREE_PAGES]! + x;
}

/**
 * Context: an order without per-cpu lists, the last reference is gone, no static key set.
 * @param m i the first page's words
 * @returns false, and nothing has changed, if this is not the common case
 */
export function free_to_free_list(k: Kernel, pfn: pfn_t, order: number, m: Int32Array, i: number): boolean {
  const state = k.page_alloc;
  const flags_hi = m[i + PG_FLAGS_HI]!;
  const zone_id = flags_hi >>> ZONES_PGSHIFT_HI;
  const c = state.by_id[zone_id];
  if (c === undefined) return false;
  const z = c.zone_words;
  if (z[Z_NR_ISOLATE_PAGEBLOCK] !== 0) return false;
  const section = pfn >>> PFN_SECTION_SHIFT;
  const migratetype = (state.usemaps[section]![(pfn >>> 12) & 7]! >>> ((pfn >>> 7) & 28)) & 7;
  if (migratetype >= MIGRATE_PCPTYPES) return false;
  // A block whose buddy is free grows.
  let b = i ^ (PAGE_WORDS << order);
  if (order < MAX_ORDER - 1 && (m[b + PG_MAPCOUNT]! & BUDDY_MASK) === PAGE_TYPE_BASE_WORD) {
    if (m[b + PG_PRIVATE] === order && m[b + PG_FLAGS_HI]! >>> ZONES_PGSHIFT_HI === zone_id) return false;
  }
  const f = state.maps_f64[section]!;
  if (find_unexpected(m, f, i, i + (PAGE_WORDS << order), PAGE_FLAGS_CHECK_AT_PREP | PG_ODD_AT_FREE) >= 0) return false;

  // To the tail, if the buddy of the block that it is half of is free.
  let to_tail = false;
  if (order < MAX_ORDER - 2) {
    b = (i & b) ^ (PAGE_WORDS << (order + 1));
    to_tail =
      (m[b + PG_MAPCOUNT]! & BUDDY_MASK) === PAGE_TYPE_BASE_WORD &&
      m[b + PG_PRIVATE] === order + 1 &&
      m[b + PG_FLAGS_HI]! >>> ZONES_PGSHIFT_HI === zone_id;
  }
  const area = (Z_FREE_AREA + Math.imul(order, AREA_WORDS)) & 511;
  const head = (area + (migratetype << 2)) & 511;
  const head_lo = (c.zone.pointer_lo + (head << 2)) | 0;
  const head_hi = c.zone.pointer_hi;
  const lo = (pfn << 6) | PAGE_LRU_OFFSET;
  const hi = VMEMMAP_HI + (pfn >>> 26);
  // The end of the list: next of its head, or prev; and that of the block there that leads back.
  const end = to_tail ? head + 2 : head;
  const back = to_tail ? PG_LRU_NEXT : PG_LRU_PREV;
  const first_lo = z[end]!;
  const first_hi = z[end + 1]!;
  if ((first_hi - VMEMMAP_HI) >>> 0 < 32) {
    const n = state.maps[((first_hi - VMEMMAP_HI) << 11) | (first_lo >>> 21)];
    if (n === undefined || (first_lo & 63) !== PAGE_LRU_OFFSET) return false;
    const at = ((first_lo & 0x1fffc0) >>> 2) + back;
    if (n[at] !== head_lo || n[at + 1] !== head_hi || first_lo === lo) return false;
    n[at] = lo;
    n[at + 1] = hi;
  } else {
    const at = to_tail ? head : head + 2;
    if (first_lo !== head_lo || first_hi !== head_hi || z[at] !== head_lo || z[at + 1] !== head_hi) return false;
    z[at] = lo;
    z[at + 1] = hi;
  }
  z[end] = lo;
  z[end + 1] = hi;
  m[i + PG_LRU_NEXT] = to_tail ? head_lo : first_lo;
  m[i + PG_LRU_NEXT_HI] = to_tail ? head_hi : first_hi;
  m[i + PG_LRU_PREV] = to_tail ? first_lo : head_lo;
  m[i + PG_LRU_PREV_HI] = to_tail ? first_hi : head_hi;
  const nr_free = (area + AREA_NR_FREE) & 511;
  z[nr_free] = z[nr_free]! + 1;
  add_free_pages(k, c, 1 << order);
  const { events } = c;
  events[PGFREE] = events[PGFREE]! + (1 << order);
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! | CPUPID_NONE;
  m[i + PG_FLAGS_HI] = flags_hi | CPUPID_NONE_HI;
  m[i + PG_PRIVATE] = order;
  m[i + PG_PRIVATE_HI] = 0;
  m[i + PG_MAPCOUNT] = ~PG_buddy;
  return true;
}
