// Per-cpu page lists at work (Linux: mm/page_alloc.c rmqueue_pcplist(), free_unref_page(), free_pcppages_bulk(),
// drain_all_pages()): for each CPU and zone a list of free blocks for orders 0 to 3 by migratetype, and two for huge pages,
// filled from and emptied to the buddy lists in batches.
//
// Left out: trylock failing, as no interrupt comes between.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import {
  PAGE_LRU_OFFSET,
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_INDEX,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import {
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  NR_LOWORDER_PCP_LISTS,
  NR_PCP_LISTS,
  PAGE_ALLOC_COSTLY_ORDER,
  PFN_SECTION_SHIFT,
  pageblock_order,
  ZONE_RECLAIM_ACTIVE,
} from '../include/mmzone.ts';
import { CPUPID_NONE, CPUPID_NONE_HI, PAGE_FLAGS_CHECK_AT_PREP, ZONES_PGSHIFT_HI } from '../include/page_flags.ts';
import { LIST_POISON_HI, LIST_POISON1, LIST_POISON2 } from '../include/poison.ts';
import { KEY_DEBUG_VM, KEY_TRACE } from '../include/static_keys.ts';
import type { pfn_t } from '../include/types.ts';
import { PGALLOC, PGFREE } from '../include/vm_event_item.ts';
import {
  LIST_WORDS,
  PCP_BATCH,
  PCP_COUNT,
  PCP_FREE_FACTOR,
  PCP_HIGH,
  PCP_LISTS,
  Z_FLAGS,
  Z_NR_ISOLATE_PAGEBLOCK,
} from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { hard_lockup, soft_lockup } from '../lib/bug.ts';
import { trace_mm_page_pcpu_drain } from '../trace/events/kmem.ts';
import { explain, explain_pcp, explaining } from '../trace/explain.ts';
import { __free_one_page, FPI_NONE, free_one_page } from './buddy.ts';
import { __rmqueue } from './fallback.ts';
import { VM_BUG_ON_PAGE } from './mmdebug.ts';
import type { Zone } from './mmzone.ts';
import { for_each_populated_zone } from './mmzone_iter.ts';
import { add_to_zone_table, lru_pointer_pfn, page_index, section_map } from './page.ts';
import { bulkfree_pcp_prepare, check_new_pcp, check_pcp_refill, MAX_BAD_PAGES } from './page_check.ts';
import {
  is_page_pointer,
  list_add,
  list_add_tail,
  list_del,
  list_empty,
  list_first_page,
  list_last_page,
} from './page_list.ts';
import { free_pages_prepare, kernel_init_pages, PAGE_MAPPING_FLAGS } from './page_prep.ts';
import { get_pageblock_migratetype } from './pageblock.ts';
import { __count_vm_events } from './vm_event.ts';
import { __mod_zone_page_state, zone_statistics } from './vmstat.ts';
import { type ZoneCpu, zone_cpu } from './zone_cpu.ts';

/** CONFIG_PCP_BATCH_SCALE_MAX: a batch grows to 32 times its size at most. */
const CONFIG_PCP_BATCH_SCALE_MAX = 5;
const FREE_FACTOR_MASK = 0xffff;
/** PG_hwpoison and PG_mlocked. */
const ODD_PAGE = 0xa00000;

/** The list of blocks of an order and migratetype. */
export const order_to_pindex = (migratetype: number, order: number): number =>
  order > PAGE_ALLOC_COSTLY_ORDER
    ? NR_LOWORDER_PCP_LISTS + (migratetype === MIGRATE_MOVABLE ? 1 : 0)
    : MIGRATE_PCPTYPES * order + migratetype;

const pindex_to_order = (pindex: number): number =>
  pindex >= NR_LOWORDER_PCP_LISTS ? pageblock_order : (pindex / MIGRATE_PCPTYPES) | 0;

export const pcp_allowed_order = (k: Kernel, order: number): boolean =>
  order <= PAGE_ALLOC_COSTLY_ORDER || order === k.page_alloc.thp_order;

/** Word index of a list's head. */
const list_head = (c: ZoneCpu, pindex: number): number => c.base + PCP_LISTS + pindex * LIST_WORDS;

/**
 * Puts `count` blocks from the buddy lists on a per-cpu list, at the tail: so they come off it in their order.
 * @returns how many there were
 */
function rmqueue_bulk(
  k: Kernel,
  zone: Zone,
  c: ZoneCpu,
  order: number,
  count: number,
  pindex: number,
  migratetype: number,
  alloc_flags: number,
): number {
  const head = list_head(c, pindex);
  let allocated = 0;
  let i = 0;
  for (; i < count; i++) {
    const pfn = __rmqueue(k, zone, order, migratetype, alloc_flags);
    if (pfn < 0) break;
    if (check_pcp_refill(k, pfn, order)) continue;
    list_add_tail(k, c, head - c.base, pfn);
    allocated++;
    if (section_map(k.mm, pfn)[page_index(pfn) + PG_INDEX] === MIGRATE_CMA) {
      __mod_zone_page_state(k, zone, NR_FREE_CMA_PAGES, -(1 << order));
    }
  }
  // Blocks that the checks took out of use are not free either.
  __mod_zone_page_state(k, zone, NR_FREE_PAGES, -(i << order));
  return allocated;
}

/** @returns the first page of a block off this CPU's list, which is filled first if it is empty; or -1 */
export function __rmqueue_pcplist(
  k: Kernel,
  zone: Zone,
  order: number,
  migratetype: number,
  alloc_flags: number,
  c: ZoneCpu,
): pfn_t {
  const pindex = order_to_pindex(migratetype, order);
  for (let tries = 0; ; tries++) {
    if (tries === MAX_BAD_PAGES) return hard_lockup(k);
    const pfn = take_first(k, zone, c, order, migratetype, alloc_flags, pindex);
    if (pfn < 0 || !check_new_pcp(k, pfn, order)) return pfn;
  }
}

function take_first(
  k: Kernel,
  zone: Zone,
  c: ZoneCpu,
  order: number,
  migratetype: number,
  alloc_flags: number,
  pindex: number,
): pfn_t {
  const w = c.words;
  const head = list_head(c, pindex);
  if (list_empty(c, head - c.base)) {
    let batch = w[c.base + PCP_BATCH]!;
    // A batch of 1 is that of boot's pagesets and small zones, which keep nothing.
    if (batch > 1) batch = Math.max(batch >> order, 2);
    if (explaining(k)) explain_pcp(k, zone, order, migratetype, w[c.base + PCP_COUNT]!, batch);
    const got = rmqueue_bulk(k, zone, c, order, batch, pindex, migratetype, alloc_flags);
    w[c.base + PCP_COUNT]! += got << order;
    if (explaining(k)) explain(k, { code: 'refilled', wanted: batch, got });
  } else if (explaining(k)) {
    explain_pcp(k, zone, order, migratetype, w[c.base + PCP_COUNT]!, 0);
  }
  const pfn = list_first_page(k, c, head - c.base);
  if (pfn < 0) return -1;
  list_del(k, c, pfn);
  w[c.base + PCP_COUNT]! -= 1 << order;
  return pfn;
}

export function rmqueue_pcplist(
  k: Kernel,
  preferred_zone: Zone,
  zone: Zone,
  order: number,
  migratetype: number,
  alloc_flags: number,
): pfn_t {
  const c = zone_cpu(k, zone, k.percpu.cpu);
  // Whoever allocates frees less at a time.
  const factor = c.words[c.base + PCP_FREE_FACTOR]!;
  if ((factor & FREE_FACTOR_MASK) !== 0) {
    c.words[c.base + PCP_FREE_FACTOR] = (factor & ~FREE_FACTOR_MASK) | ((factor & FREE_FACTOR_MASK) >>> 1);
  }
  const pfn = __rmqueue_pcplist(k, zone, order, migratetype, alloc_flags, c);
  if (pfn >= 0) {
    __count_vm_events(k, PGALLOC + zone.idx, 1 << order);
    zone_statistics(k, preferred_zone, zone, 1);
  }
  return pfn;
}

/** Takes the last page off a list that is not empty. It is written out for neighbours that both point back. */
function take_last(k: Kernel, c: ZoneCpu, head: number): pfn_t {
  const maps = k.mm.section_mem_map;
  const v = c.view;
  const head_lo = (c.pointer_lo + (head << 2)) | 0;
  const head_hi = c.pointer_hi;
  const lo = v[head + 2]!;
  const hi = v[head + 3]!;
  const m = is_page_pointer(hi) ? maps[((hi - VMEMMAP_HI) << 11) | (lo >>> 21)] : undefined;
  const at = (lo & 0x1fffff) >>> 2;
  if (m !== undefined && (lo & 63) === PAGE_LRU_OFFSET && m[at] === head_lo && m[at + 1] === head_hi) {
    const prev_lo = m[at + 2]!;
    const prev_hi = m[at + 3]!;
    const p = is_page_pointer(prev_hi) ? maps[((prev_hi - VMEMMAP_HI) << 11) | (prev_lo >>> 21)] : undefined;
    const p_at = (prev_lo & 0x1fffff) >>> 2;
    if (p !== undefined && (prev_lo & 63) === PAGE_LRU_OFFSET && p[p_at] === lo && p[p_at + 1] === hi) {
      p[p_at] = head_lo;
      p[p_at + 1] = head_hi;
      v[head + 2] = prev_lo;
      v[head + 3] = prev_hi;
      m[at] = LIST_POISON1;
      m[at + 1] = LIST_POISON_HI;
      m[at + 2] = LIST_POISON2;
      m[at + 3] = LIST_POISON_HI;
      return lru_pointer_pfn(lo, hi);
    }
  }
  const pfn = list_last_page(k, c, head);
  list_del(k, c, pfn);
  return pfn;
}

/**
 * Gives `count` pages of the per-cpu lists back, from the list `pindex` on, a list at a time: of each those that were
 * freed first.
 */
function free_pcppages_bulk(k: Kernel, zone: Zone, count: number, c: ZoneCpu, pindex: number): void {
  const w = c.words;
  let min_pindex = 0;
  let max_pindex = NR_PCP_LISTS - 1;
  count = Math.min(w[c.base + PCP_COUNT]!, count);
  const isolated_pageblocks = zone.words[zone.base + Z_NR_ISOLATE_PAGEBLOCK] !== 0;
  pindex--;
  while (count > 0) {
    let head: number;
    for (;;) {
      if (++pindex > max_pindex) pindex = min_pindex;
      head = list_head(c, pindex);
      if (!list_empty(c, head - c.base)) break;
      if (pindex === max_pindex) max_pindex--;
      if (pindex === min_pindex) min_pindex++;
    }
    const order = pindex_to_order(pindex);
    do {
      const pfn = take_last(k, c, head - c.base);
      const m = section_map(k.mm, pfn);
      const i = page_index(pfn);
      let mt = m[i + PG_INDEX]!;
      count -= 1 << order;
      w[c.base + PCP_COUNT]! -= 1 << order;
      if (bulkfree_pcp_prepare(k, m, i, pfn)) continue;
      if ((k.page_alloc.static_keys & KEY_DEBUG_VM) !== 0) {
        VM_BUG_ON_PAGE(k, mt === MIGRATE_ISOLATE, 'is_migrate_isolate(mt)', pfn, 'mm/page_alloc.c:1632');
      }
      if (isolated_pageblocks) mt = get_pageblock_migratetype(k, pfn);
      __free_one_page(k, pfn, zone, order, mt, FPI_NONE);
      if ((k.page_alloc.static_keys & KEY_TRACE) !== 0) trace_mm_page_pcpu_drain(k, pfn, order, mt);
    } while (count > 0 && !list_empty(c, head - c.base));
  }
}

/** How many pages may stay on the lists. */
function nr_pcp_high(zone: Zone, c: ZoneCpu, free_high: boolean): number {
  const high = c.words[c.base + PCP_HIGH]!;
  if (high === 0 || free_high) return 0;
  if (((zone.words[zone.base + Z_FLAGS]! >>> ZONE_RECLAIM_ACTIVE) & 1) === 0) return high;
  return Math.min(c.words[c.base + PCP_BATCH]! << 2, high);
}

/** How many pages go back when they are too many: twice as many each time while nothing is allocated. */
function nr_pcp_free(c: ZoneCpu, high: number, batch: number, free_high: boolean): number {
  const w = c.words;
  if (free_high) return w[c.base + PCP_COUNT]!;
  if (high < batch) return 1;
  const min_nr_free = batch;
  const max_nr_free = high - batch;
  const free_factor = w[c.base + PCP_FREE_FACTOR]! & FREE_FACTOR_MASK;
  batch <<= free_factor;
  if (batch < max_nr_free && free_factor < CONFIG_PCP_BATCH_SCALE_MAX) w[c.base + PCP_FREE_FACTOR]!++;
  if (batch >= max_nr_free) return max_nr_free;
  return Math.max(batch, min_nr_free);
}

/** A block whose pages are nothing but free: to this CPU's list, and some back to the zone where that is too long. */
export function free_unref_page_commit(
  k: Kernel,
  zone: Zone,
  c: ZoneCpu,
  pfn: pfn_t,
  migratetype: number,
  order: number,
): void {
  const w = c.pcp;
  __count_vm_events(k, PGFREE, 1 << order);

  const pindex = order_to_pindex(migratetype, order);
  list_add(k, c, PCP_LISTS + pindex * LIST_WORDS, pfn);
  const count = (w[PCP_COUNT]! + (1 << order)) | 0;
  w[PCP_COUNT] = count;

  // Small blocks of more than a page that only pile up make for fragmentation: all goes back.
  const free_high = order !== 0 && order <= PAGE_ALLOC_COSTLY_ORDER && (w[PCP_FREE_FACTOR]! & FREE_FACTOR_MASK) !== 0;
  if (count < w[PCP_HIGH]! && !free_high && (zone.view[Z_FLAGS]! & (1 << ZONE_RECLAIM_ACTIVE)) === 0) return;
  const high = nr_pcp_high(zone, c, free_high);
  if (count >= high) free_pcppages_bulk(k, zone, nr_pcp_free(c, high, w[PCP_BATCH]!, free_high), c, pindex);
}

/** Frees a block to this CPU's list. */
export function free_unref_page(k: Kernel, pfn: pfn_t, order: number): void {
  const { mm } = k;
  const m = mm.section_mem_map[pfn >>> PFN_SECTION_SHIFT]!;
  const i = page_index(pfn);
  const flags = m[i + PG_FLAGS]!;
  if (order === 0 && (flags & ODD_PAGE) === 0 && k.page_alloc.static_keys === 0) {
    // free_pages_prepare() of a single page with nothing out of the ordinary.
    if ((m[i + PG_MAPPING]! & PAGE_MAPPING_FLAGS) !== 0) {
      m[i + PG_MAPPING] = 0;
      m[i + PG_MAPPING_HI] = 0;
    }
    m[i + PG_FLAGS] = (flags | CPUPID_NONE) & ~PAGE_FLAGS_CHECK_AT_PREP;
    m[i + PG_FLAGS_HI] = m[i + PG_FLAGS_HI]! | CPUPID_NONE_HI;
    m[i + PG_PRIVATE] = 0;
    m[i + PG_PRIVATE_HI] = 0;
    if (k.init_on.init_on_free) kernel_init_pages(k, pfn, 0);
  } else if (!free_pages_prepare(k, pfn, order, false)) {
    return;
  }
  const zone_id = m[i + PG_FLAGS_HI]! >>> ZONES_PGSHIFT_HI;
  const zone = mm.zone_table[zone_id] ?? add_to_zone_table(k, zone_id);
  let migratetype = (mm.section_usemap[pfn >>> PFN_SECTION_SHIFT]![(pfn >>> 12) & 7]! >>> ((pfn >>> 7) & 28)) & 7;
  m[i + PG_INDEX] = migratetype;
  if (migratetype >= MIGRATE_PCPTYPES) {
    if (migratetype === MIGRATE_ISOLATE) {
      free_one_page(k, zone, pfn, order, migratetype, FPI_NONE);
      return;
    }
    // Highatomic and CMA pages are on the movable list, and go home from there in time.
    migratetype = MIGRATE_MOVABLE;
  }
  const c = zone_cpu(k, zone, k.percpu.cpu);
  // The written-out paths know the zone from now on, also where pages only come from it when others have none.
  if (c.pcp[PCP_HIGH]! > 0) k.page_alloc.by_id[zone_id] ??= c;
  free_unref_page_commit(k, zone, c, pfn, migratetype, order);
}

/** Takes a batch off the lists that the CPU which runs has of a zone. */
export function drain_zone_pages(k: Kernel, zone: Zone, cpu: number): void {
  const c = zone_cpu(k, zone, cpu);
  const to_drain = Math.min(c.pcp[PCP_COUNT]!, c.pcp[PCP_BATCH]!);
  if (to_drain > 0) free_pcppages_bulk(k, zone, to_drain, c, 0);
}

/** Empties a CPU's lists of a zone. */
export function drain_pages_zone(k: Kernel, cpu: number, zone: Zone): void {
  const c = zone_cpu(k, zone, cpu);
  const w = c.words;
  for (let count = w[c.base + PCP_COUNT]!; count > 0; ) {
    const to_drain = Math.min(count, w[c.base + PCP_BATCH]! << CONFIG_PCP_BATCH_SCALE_MAX);
    // A damaged batch: nothing is drained, for ever.
    if (to_drain <= 0) soft_lockup(k);
    free_pcppages_bulk(k, zone, to_drain, c, 0);
    count -= to_drain;
  }
}

function drain_pages(k: Kernel, cpu: number): void {
  for (const zone of for_each_populated_zone(k)) drain_pages_zone(k, cpu, zone);
}

/** Empties this CPU's lists; null: of all zones. */
export function drain_local_pages(k: Kernel, zone: Zone | null): void {
  if (zone !== null) drain_pages_zone(k, k.percpu.cpu, zone);
  else drain_pages(k, k.percpu.cpu);
}

/** Empties every CPU's lists; null: of all zones. */
export function drain_all_pages(k: Kernel, zone: Zone | null): void {
  for (const cpu of for_each_online_cpu(k)) {
    if (zone !== null) drain_pages_zone(k, cpu, zone);
    else drain_pages(k, cpu);
  }
}
