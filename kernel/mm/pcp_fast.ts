// The common case of a request in one piece: a small block of the first zone's per-cpu list, while the zone is above its
// low watermark. The steps are those of get_page_from_freelist(), rmqueue_pcplist() and prep_new_page(), which do the
// rest; here they are written out, as each of them takes less time than a call.

import { __GFP_COMP, __GFP_ZERO } from '../include/gfp_types.ts';
import {
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_LRU_PREV,
  PG_LRU_PREV_HI,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  PG_REFCOUNT,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import { WMARK_LOW, ZONE_BOOSTED_WATERMARK } from '../include/mmzone.ts';
import { LIST_POISON_HI, LIST_POISON2 } from '../include/poison.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import { PGALLOC } from '../include/vm_event_item.ts';
import {
  PCP_COUNT,
  PCP_FREE_FACTOR,
  PCP_LISTS,
  PZS_NUMA_EVENT,
  Z_FLAGS,
  Z_LOWMEM_RESERVE,
  Z_NR_FREE_CMA_PAGES,
  Z_NR_RESERVED_HIGHATOMIC,
  Z_VM_STAT,
  Z_WATERMARK,
  Z_WATERMARK_BOOST,
} from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { COMPOUND_PAGE_DTOR, prep_compound_page } from './compound.ts';
import type { Zone } from './mmzone.ts';
import { kernel_init_pages } from './page_prep.ts';
import { has_free_block } from './watermark_check.ts';

/**
 * Context: order 0 to 3, any node allowed.
 * @param zone the zone that is tried first
 * @param alloc_cma ALLOC_CMA or 0
 * @returns the first page; -1, and nothing has changed, if this is not the common case
 */
export function alloc_from_pcplist(
  k: Kernel,
  zone: Zone,
  gfp: gfp_t,
  order: number,
  highest_zoneidx: number,
  migratetype: number,
  alloc_cma: number,
): pfn_t {
  const z = zone.view;
  let usable = (z[Z_VM_STAT]! - z[Z_NR_RESERVED_HIGHATOMIC]! - (1 << order)) | 0;
  if (alloc_cma === 0) usable = (usable - z[Z_NR_FREE_CMA_PAGES]!) | 0;
  const mark = (z[Z_WATERMARK + 2 * WMARK_LOW]! + z[Z_WATERMARK_BOOST]!) | 0;
  if (usable < ((mark + z[(Z_LOWMEM_RESERVE + 2 * highest_zoneidx) & 31]!) | 0)) return -1;
  if ((z[Z_FLAGS]! & (1 << ZONE_BOOSTED_WATERMARK)) !== 0) return -1;
  if (order !== 0 && !has_free_block(zone, order, alloc_cma)) return -1;

  const cpu = k.percpu.cpu;
  const c = zone.cpus[cpu];
  if (c === undefined) return -1;
  const w = c.pcp;
  // The mask only says how large it can be.
  const head = (PCP_LISTS + (((order << 1) + order + migratetype) << 2)) & 63;
  const hi = w[head + 1]!;
  if (hi < VMEMMAP_HI) return -1;
  const lo = w[head]!;

  // Off the list: its next is the first now.
  const maps = k.mm.section_mem_map;
  const m = maps[((hi - VMEMMAP_HI) << 11) | (lo >>> 21)]!;
  const i = (lo & 0x1fffc0) >>> 2;
  const next_lo = m[i + PG_LRU_NEXT]!;
  const next_hi = m[i + PG_LRU_NEXT_HI]!;
  w[head] = next_lo;
  w[head + 1] = next_hi;
  const head_lo = (c.pointer_lo + (head << 2)) | 0;
  if (next_hi >= VMEMMAP_HI) {
    const n = maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)]!;
    const at = (next_lo & 0x1fffc0) >>> 2;
    n[at + PG_LRU_PREV] = head_lo;
    n[at + PG_LRU_PREV_HI] = c.pointer_hi;
  } else {
    w[head + 2] = head_lo;
    w[head + 3] = c.pointer_hi;
  }
  w[PCP_COUNT] = w[PCP_COUNT]! - (1 << order);
  const factor = w[PCP_FREE_FACTOR]!;
  if ((factor & 0xffff) !== 0) w[PCP_FREE_FACTOR] = (factor & ~0xffff) | ((factor & 0xffff) >>> 1);

  const events = c.events;
  const event = PGALLOC + zone.idx;
  events[event] = events[event]! + (1 << order);
  if (k.page_alloc.vm_numa_stat) {
    // A hit, as this is the preferred zone; and of this CPU's node or not.
    const s = c.stat;
    const hits = (s[PZS_NUMA_EVENT]! + 1) | 0;
    s[PZS_NUMA_EVENT] = hits;
    if (hits === 0) s[PZS_NUMA_EVENT + 1] = s[PZS_NUMA_EVENT + 1]! + 1;
    const local = PZS_NUMA_EVENT + (zone.nid === c.cpu_node ? 8 : 10);
    const locals = (s[local]! + 1) | 0;
    s[local] = locals;
    if (locals === 0) s[local + 1] = s[local + 1]! + 1;
  }

  m[i + PG_LRU_NEXT] = 0;
  m[i + PG_LRU_NEXT_HI] = 0;
  m[i + PG_LRU_PREV] = LIST_POISON2;
  m[i + PG_LRU_PREV_HI] = LIST_POISON_HI;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  m[i + PG_REFCOUNT] = 1;
  const pfn = ((hi - VMEMMAP_HI) << 26) | (lo >>> 6);
  if (k.init_on.init_on_alloc || (gfp & (__GFP_COMP | __GFP_ZERO)) !== 0) finish(k, pfn, order, gfp);
  return pfn;
}

/** What else there may be to do for a new block. */
function finish(k: Kernel, pfn: pfn_t, order: number, gfp: gfp_t): void {
  const { init_on } = k;
  if (!init_on.init_on_free && (init_on.init_on_alloc || (gfp & __GFP_ZERO) !== 0)) kernel_init_pages(k, pfn, order);
  if (order === 0 || (gfp & __GFP_COMP) === 0) return;
  prep_compound_page(k, pfn, order, COMPOUND_PAGE_DTOR);
}
