// The common case in one piece: a small block off the first zone's per-cpu list while the zone is above its low
// watermark, and back onto such a list while that is not too long. The steps are those of get_page_from_freelist(),
// rmqueue_pcplist() and prep_new_page(), of free_unref_page() and free_pages_prepare(), which do all the rest; here they
// are written out, as each of them takes less time than a call.
//
// Nothing is changed until it is certain that this is the common case. So a list is not touched whose pointers do not
// point back: the general paths report that in Linux's words.

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
import type { gfp_t, nid_t, pfn_t } from '../include/types.ts';
import { PGFREE } from '../include/vm_event_item.ts';
import {
  AREA_NR_FREE,
  AREA_WORDS,
  LIST_WORDS,
  PCP_COUNT,
  PCP_FREE_FACTOR,
  PCP_HIGH,
  PCP_LISTS,
  PZS_NUMA_EVENT,
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
import { COMPOUND_PAGE_DTOR, prep_compound_page } from './compound.ts';
import { find_unexpected } from './page_check.ts';
import { kernel_init_pages } from './page_prep.ts';

/**
 * Context: an order that has per-cpu lists, any node allowed, no static key set.
 * @returns the first page; -1, and nothing has changed, if this is not the common case
 */
export function alloc_from_pcplist(k: Kernel, gfp: gfp_t, order: number, nid: nid_t): pfn_t {
  const state = k.page_alloc;
  const highest_zoneidx = (GFP_ZONE_TABLE >>> ((gfp & 15) << 1)) & 3;
  const c = state.preferred[(((nid << 1) | ((gfp >>> 21) & 1)) << 2) | highest_zoneidx];
  if (c === undefined) return -1;
  const migratetype = (gfp >>> 3) & 3;
  const z = c.zone_words;
  let usable = (z[Z_VM_STAT]! - z[Z_NR_RESERVED_HIGHATOMIC]! - (1 << order)) | 0;
  if (state.alloc_cma !== 0 && migratetype !== MIGRATE_MOVABLE && z[Z_NR_FREE_CMA_PAGES]! > 0) {
    usable = (usable - z[Z_NR_FREE_CMA_PAGES]!) | 0;
  }
  const mark = (z[Z_WATERMARK + 2 * WMARK_LOW]! + z[Z_WATERMARK_BOOST]!) | 0;
  if (usable < ((mark + z[(Z_LOWMEM_RESERVE + 2 * highest_zoneidx) & 31]!) | 0)) return -1;
  if ((z[Z_FLAGS]! & (1 << ZONE_BOOSTED_WATERMARK)) !== 0) return -1;
  if (order !== 0 && !has_block(z, order)) return -1;

  const w = c.pcp;
  let pindex = ((order << 1) + order + migratetype) | 0;
  if (order > PAGE_ALLOC_COSTLY_ORDER) pindex = NR_LOWORDER_PCP_LISTS + (migratetype === MIGRATE_MOVABLE ? 1 : 0);
  // The mask only says how large it can be.
  const head = (PCP_LISTS + (pindex << 2)) & 63;
  const hi = w[head + 1]!;
  if ((hi - VMEMMAP_HI) >>> 0 >= 32) return -1;
  const lo = w[head]!;

  // Off the list: its next is the first now.
  const { maps } = state;
  const m = maps[((hi - VMEMMAP_HI) << 11) | (lo >>> 21)];
  if (m === undefined) return -1;
  const i = (lo & 0x1fffc0) >>> 2;
  const next_lo = m[i + PG_LRU_NEXT]!;
  const next_hi = m[i + PG_LRU_NEXT_HI]!;
  const head_lo = (c.pointer_lo + (head << 2)) | 0;
  const head_hi = c.pointer_hi;
  if (m[i + PG_LRU_PREV] !== head_lo || m[i + PG_LRU_PREV_HI] !== head_hi) return -1;
  if ((next_hi - VMEMMAP_HI) >>> 0 < 32) {
    const n = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)];
    if (n === undefined || (next_lo & 63) !== PAGE_LRU_OFFSET) return -1;
    const at = (next_lo & 0x1fffc0) >>> 2;
    if (n[at + PG_LRU_PREV] !== lo || n[at + PG_LRU_PREV_HI] !== hi) return -1;
    n[at + PG_LRU_PREV] = head_lo;
    n[at + PG_LRU_PREV_HI] = head_hi;
  } else {
    if (next_lo !== head_lo || next_hi !== head_hi || w[head + 2] !== lo || w[head + 3] !== hi) return -1;
    w[head + 2] = head_lo;
    w[head + 3] = head_hi;
  }
  w[head] = next_lo;
  w[head + 1] = next_hi;
  w[PCP_COUNT] = w[PCP_COUNT]! - (1 << order);
  const factor = w[PCP_FREE_FACTOR]!;
  if ((factor & 0xffff) !== 0) w[PCP_FREE_FACTOR] = (factor & ~0xffff) | ((factor & 0xffff) >>> 1);

  const { events, pgalloc } = c;
  events[pgalloc] = events[pgalloc]! + (1 << order);
  // A hit, as this is the preferred zone; and of this CPU's node or not.
  const s = c.stat;
  const hits = (s[PZS_NUMA_EVENT]! + 1) | 0;
  s[PZS_NUMA_EVENT] = hits;
  if (hits === 0) s[PZS_NUMA_EVENT + 1] = s[PZS_NUMA_EVENT + 1]! + 1;
  const local = c.numa_local;
  const locals = (s[local]! + 1) | 0;
  s[local] = locals;
  if (locals === 0) s[local + 1] = s[local + 1]! + 1;

  m[i + PG_LRU_NEXT] = 0;
  m[i + PG_LRU_NEXT_HI] = 0;
  m[i + PG_LRU_PREV] = LIST_POISON2;
  m[i + PG_LRU_PREV_HI] = LIST_POISON_HI;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  m[i + PG_REFCOUNT] = 1;
  const pfn = ((hi - VMEMMAP_HI) << 26) | (lo >>> 6);
  const todo = (gfp | state.init_on_alloc) & (__GFP_COMP | __GFP_ZERO);
  if (todo !== 0) {
    if ((todo & __GFP_ZERO) !== 0) kernel_init_pages(k, pfn, order);
    if ((todo & __GFP_COMP) !== 0 && order !== 0) prep_compound_page(k, pfn, order, COMPOUND_PAGE_DTOR);
  }
  return pfn;
}

/**
 * has_free_block(), as far as lists go that every request may take from. Whether there is a block is the same whichever
 * order is looked at first, and where most of a zone is free it is the largest.
 */
function has_block(z: Int32Array, order: number): boolean {
  const least = (Z_FREE_AREA + Math.imul(order, AREA_WORDS)) | 0;
  for (let area = Z_FREE_AREA + (MAX_ORDER - 1) * AREA_WORDS; area >= least; area -= AREA_WORDS) {
    const a = area & 511;
    if (z[a + AREA_NR_FREE] === 0) continue;
    for (let list = a; list < a + MIGRATE_PCPTYPES * LIST_WORDS; list += LIST_WORDS) {
      if ((z[list + 1]! - VMEMMAP_HI) >>> 0 < 32) return true;
    }
  }
  return false;
}

/**
 * Context: an order that has per-cpu lists, the last reference is gone, no static key set.
 * @param m i the page's words
 * @returns false, and nothing has changed, if this is not the common case
 */
export function free_to_pcplist(k: Kernel, pfn: pfn_t, order: number, m: Int32Array, i: number): boolean {
  const state = k.page_alloc;
  const flags = m[i + PG_FLAGS]!;
  const flags_hi = m[i + PG_FLAGS_HI]!;
  const c = state.by_id[flags_hi >>> ZONES_PGSHIFT_HI];
  if (c === undefined || (flags & PG_ODD_AT_FREE) !== 0 || (m[i + PG_MAPPING]! & 3) !== 0) return false;
  const w = c.pcp;
  const count = (w[PCP_COUNT]! + (1 << order)) | 0;
  if (count >= w[PCP_HIGH]! || (c.zone_words[Z_FLAGS]! & (1 << ZONE_RECLAIM_ACTIVE)) !== 0) return false;
  const migratetype = (state.usemaps[pfn >>> 15]![(pfn >>> 12) & 7]! >>> ((pfn >>> 7) & 28)) & 7;
  if (migratetype === MIGRATE_ISOLATE) return false;
  // Highatomic and CMA pages are on the movable list, and go home from there in time.
  const list = migratetype < MIGRATE_PCPTYPES ? migratetype : MIGRATE_MOVABLE;
  let pindex = ((order << 1) + order + list) | 0;
  if (order !== 0) {
    if (order > PAGE_ALLOC_COSTLY_ORDER) pindex = NR_LOWORDER_PCP_LISTS + (list === MIGRATE_MOVABLE ? 1 : 0);
    // Small blocks of more than a page that only pile up make for fragmentation: all goes back.
    else if ((w[PCP_FREE_FACTOR]! & 0xffff) !== 0) return false;
    const f = state.maps_f64[pfn >>> 15]!;
    if (find_unexpected(m, f, i + PAGE_WORDS, i + (PAGE_WORDS << order), PAGE_FLAGS_CHECK_AT_PREP) >= 0) return false;
  }

  const head = (PCP_LISTS + (pindex << 2)) & 63;
  const next_lo = w[head]!;
  const next_hi = w[head + 1]!;
  const head_lo = (c.pointer_lo + (head << 2)) | 0;
  const head_hi = c.pointer_hi;
  const lo = (pfn << 6) | PAGE_LRU_OFFSET;
  const hi = VMEMMAP_HI + (pfn >>> 26);
  if ((next_hi - VMEMMAP_HI) >>> 0 < 32) {
    const n = state.maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)];
    if (n === undefined || (next_lo & 63) !== PAGE_LRU_OFFSET) return false;
    const at = (next_lo & 0x1fffc0) >>> 2;
    if (n[at + PG_LRU_PREV] !== head_lo || n[at + PG_LRU_PREV_HI] !== head_hi || next_lo === lo) return false;
    n[at + PG_LRU_PREV] = lo;
    n[at + PG_LRU_PREV_HI] = hi;
  } else {
    if (next_lo !== head_lo || next_hi !== head_hi || w[head + 2] !== head_lo || w[head + 3] !== head_hi) return false;
    w[head + 2] = lo;
    w[head + 3] = hi;
  }
  w[head] = lo;
  w[head + 1] = hi;
  w[PCP_COUNT] = count;
  const { events } = c;
  events[PGFREE] = events[PGFREE]! + (1 << order);
  m[i + PG_FLAGS] = (flags | CPUPID_NONE) & ~PAGE_FLAGS_CHECK_AT_PREP;
  m[i + PG_FLAGS_HI] = flags_hi | CPUPID_NONE_HI;
  m[i + PG_LRU_NEXT] = next_lo;
  m[i + PG_LRU_NEXT_HI] = next_hi;
  m[i + PG_LRU_PREV] = head_lo;
  m[i + PG_LRU_PREV_HI] = head_hi;
  m[i + PG_INDEX] = migratetype;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  return true;
}
