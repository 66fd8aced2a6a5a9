// The lists that pages wait on to be reclaimed (Linux: struct lruvec, include/linux/mm_inline.h lruvec_add_folio() and
// kin; mm/mmzone.c lruvec_init()): five rings through struct page, their heads in pg_data_t or, of a memory cgroup, in a
// page of its own on the node (struct mem_cgroup_per_node).
//
// How many pages each list has is kept by zone, exactly, as struct mem_cgroup_per_node has it, which counts unless
// cgroup_disable=memory; the counters of node and zone that go with it lag behind by what CPUs hold in their diffs.
//
// Left out: large folios, the multi-generational LRU. Differs from Linux: the root cgroup's lists are those in pg_data_t;
// what a cgroup counts is added to those above it at once, and not when somebody asks.

import {
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_LRU_PREV,
  PG_LRU_PREV_HI,
  PG_MEMCG_DATA,
  PG_MEMCG_DATA_HI,
  VMEMMAP_HI,
} from '../include/mm_types.ts';
import {
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_UNEVICTABLE,
  lruvec as layout,
  MAX_NR_ZONES,
  NR_LRU_LISTS,
  NR_VM_NODE_STAT_ITEMS,
  NR_ZONE_INACTIVE_ANON,
  PFN_SECTION_SHIFT,
  pglist_data,
} from '../include/mmzone.ts';
import {
  NODES_PGSHIFT_HI,
  PG_active,
  PG_swapbacked,
  PG_unevictable,
  ZONES_MASK,
  ZONES_PGSHIFT_HI,
} from '../include/page_flags.ts';
import { LIST_POISON_HI, LIST_POISON1, LIST_POISON2 } from '../include/poison.ts';
import { PAGE_OFFSET_HI, type pfn_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { mem_cgroup } from './memcontrol.ts';
import { type PgData, read64, write64 } from './mmzone.ts';
import { lru_pointer, lru_pointer_hi, lru_pointer_pfn, page_index, section_map } from './page.ts';
import { init_list_head, is_page_pointer, type ListOwner, list_add, list_add_tail, list_del } from './page_list.ts';
import { __mod_node_page_state, __mod_zone_page_state, node_page_state_pages, zone_page_state } from './vmstat.ts';

/** Words of a list_head. */
const LIST_WORDS = 4;
const ANON_COST = layout.offset.anon_cost >> 2;
const FILE_COST = layout.offset.file_cost >> 2;
const NONRESIDENT_AGE = layout.offset.nonresident_age >> 2;
const REFAULTS = layout.offset.refaults >> 2;
const FLAGS = layout.offset.flags >> 2;

const NO_STATS = new Float64Array(0);

export class Lruvec implements ListOwner {
  readonly pgdat: PgData;
  /** Whose pages; null: those of the root cgroup, which are all that belong to no other. */
  readonly memcg: mem_cgroup | null;
  /** parent_lruvec(): that of the cgroup above, on the same node. */
  readonly parent: Lruvec | null;
  /** Of the cgroup and those below it, by node_stat_item. Those of the root are the node's. */
  readonly stats: Float64Array;
  readonly view: Int32Array;
  readonly pointer_lo: number;
  readonly pointer_hi: number;
  /** Pages on the lists, at zone * NR_LRU_LISTS + lru. */
  readonly lru_zone_size = new Int32Array(MAX_NR_ZONES * NR_LRU_LISTS);

  /** @param at the words of RAM where it is, at physical address `pa` */
  constructor(
    pgdat: PgData,
    memcg: mem_cgroup | null,
    parent: Lruvec | null,
    words: Int32Array,
    at: number,
    pa: phys_addr_t,
  ) {
    this.pgdat = pgdat;
    this.memcg = memcg;
    this.parent = parent;
    this.stats = memcg === null ? NO_STATS : new Float64Array(NR_VM_NODE_STAT_ITEMS);
    this.view = words.subarray(at, at + (layout.size >> 2));
    this.pointer_lo = pa | 0;
    this.pointer_hi = (PAGE_OFFSET_HI + Math.floor(pa / 2 ** 32)) | 0;
    for (let lru = 0; lru < NR_LRU_LISTS; lru++) {
      init_list_head(this.view, lru * LIST_WORDS, this.pointer_lo + lru * 16, this.pointer_hi);
    }
    this.view[layout.offset.pgdat >> 2] = pgdat.pa | 0;
    this.view[(layout.offset.pgdat >> 2) + 1] = (PAGE_OFFSET_HI + Math.floor(pgdat.pa / 2 ** 32)) | 0;
  }

  get anon_cost(): number {
    return read64(this.view, ANON_COST);
  }
  set anon_cost(cost: number) {
    write64(this.view, ANON_COST, cost);
  }
  get file_cost(): number {
    return read64(this.view, FILE_COST);
  }
  set file_cost(cost: number) {
    write64(this.view, FILE_COST, cost);
  }
  get nonresident_age(): number {
    return read64(this.view, NONRESIDENT_AGE);
  }
  set nonresident_age(pages: number) {
    write64(this.view, NONRESIDENT_AGE, pages);
  }
  /** Pages that came back too soon, until reclaim last looked. @param file 0: anonymous ones, 1: those of files */
  refaults(file: number): number {
    return read64(this.view, REFAULTS + 2 * file);
  }
  set_refaults(file: number, pages: number): void {
    write64(this.view, REFAULTS + 2 * file, pages);
  }
  /** enum lruvec_flags, as bits. */
  get flags(): number {
    return this.view[FLAGS]!;
  }
  set flags(bits: number) {
    this.view[FLAGS] = bits;
  }
}

export class LruState {
  /** By node: those of the root cgroup. */
  readonly lruvecs: Lruvec[] = [];
}

/** Of a node that boot has just found: all lists empty. */
export function lruvec_init(k: Kernel, pgdat: PgData): void {
  const offset = pglist_data.offset.__lruvec;
  const lruvec = new Lruvec(pgdat, null, null, pgdat.words, pgdat.base + (offset >> 2), pgdat.pa + offset);
  k.lru.lruvecs[pgdat.node_id] = lruvec;
  k.memcg.root_mem_cgroup.lruvecs[pgdat.node_id] = lruvec;
}

/** Where the page of these words belongs. */
export function lruvec_of(k: Kernel, m: Int32Array, i: number): Lruvec {
  const nid = m[i + PG_FLAGS_HI]! >>> NODES_PGSHIFT_HI;
  const memcg_data = m[i + PG_MEMCG_DATA]!;
  if (memcg_data === 0) return k.lru.lruvecs[nid]!;
  return (k.memcg.find(memcg_data, m[i + PG_MEMCG_DATA_HI]!) ?? k.memcg.root_mem_cgroup).lruvecs[nid]!;
}

export const folio_lruvec = (k: Kernel, pfn: pfn_t): Lruvec => lruvec_of(k, section_map(k.mm, pfn), page_index(pfn));

/** A counter of enum node_stat_item, of the cgroup's pages on the node and of those below it. */
export const lruvec_page_state = ({ memcg, stats, pgdat }: Lruvec, item: number): number =>
  memcg === null ? node_page_state_pages(pgdat, item) : stats[item]!;

/** @param memcg null: the root */
export const mem_cgroup_lruvec = (k: Kernel, memcg: mem_cgroup | null, pgdat: PgData): Lruvec =>
  memcg === null ? k.lru.lruvecs[pgdat.node_id]! : memcg.lruvecs[pgdat.node_id]!;

/** __mod_memcg_lruvec_state(): what the cgroup and those above count. */
export function mod_memcg_lruvec_state(lruvec: Lruvec, item: number, delta: number): void {
  for (let at = lruvec; at.memcg !== null; at = at.parent!) at.stats[item]! += delta;
}

/** The node's counter, and those of the lruvec's cgroup and of the ones above. */
export function __mod_lruvec_state(k: Kernel, lruvec: Lruvec, item: number, delta: number): void {
  __mod_node_page_state(k, lruvec.pgdat, item, delta);
  if (lruvec.memcg !== null) mod_memcg_lruvec_state(lruvec, item, delta);
}

/** __lruvec_stat_mod_folio(): the same of where a page belongs. */
export function mod_lruvec_folio_state(k: Kernel, m: Int32Array, i: number, item: number, delta: number): void {
  __mod_node_page_state(k, k.node_data[m[i + PG_FLAGS_HI]! >>> NODES_PGSHIFT_HI]!, item, delta);
  if (m[i + PG_MEMCG_DATA] !== 0) mod_memcg_lruvec_state(lruvec_of(k, m, i), item, delta);
}

/** The list that a page with these flags belongs on. */
export const folio_lru_list = (flags: number): number =>
  (flags & (1 << PG_unevictable)) !== 0
    ? LRU_UNEVICTABLE
    : ((flags & (1 << PG_swapbacked)) !== 0 ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE) + ((flags >>> PG_active) & 1);

export function update_lru_size(k: Kernel, lruvec: Lruvec, lru: number, zid: number, nr_pages: number): void {
  __mod_node_page_state(k, lruvec.pgdat, lru, nr_pages);
  if (lruvec.memcg !== null) mod_memcg_lruvec_state(lruvec, lru, nr_pages);
  __mod_zone_page_state(k, lruvec.pgdat.node_zones[zid]!, NR_ZONE_INACTIVE_ANON + lru, nr_pages);
  const at = zid * NR_LRU_LISTS + lru;
  lruvec.lru_zone_size[at] = lruvec.lru_zone_size[at]! + nr_pages;
}

/** Pages on a list, those of zones up to `zone_idx`. */
export function lruvec_lru_size(k: Kernel, lruvec: Lruvec, lru: number, zone_idx: number): number {
  const { node_zones } = lruvec.pgdat;
  let size = 0;
  for (let zid = 0; zid <= zone_idx && zid < MAX_NR_ZONES; zid++) {
    size += k.memcg.disabled
      ? zone_page_state(node_zones[zid]!, NR_ZONE_INACTIVE_ANON + lru)
      : lruvec.lru_zone_size[zid * NR_LRU_LISTS + lru]!;
  }
  return size;
}

/** Pages on a list, with those of cgroups below. */
export function lruvec_tree_size(k: Kernel, lruvec: Lruvec, lru: number): number {
  if (k.memcg.disabled) return node_page_state_pages(lruvec.pgdat, lru);
  if (lruvec.memcg !== null) return lruvec.stats[lru]!;
  let size = lruvec_lru_size(k, lruvec, lru, MAX_NR_ZONES - 1);
  for (const { lruvecs } of k.memcg.root_mem_cgroup.children) size += lruvecs[lruvec.pgdat.node_id]!.stats[lru]!;
  return size;
}

/** lru_to_folio(): the page at the end of a list; -1: it is empty, or what it points to is no page. */
export function lruvec_last(k: Kernel, lruvec: Lruvec, lru: number): pfn_t {
  const head = lru * LIST_WORDS;
  const hi = lruvec.view[head + 3]!;
  if (!is_page_pointer(hi)) return -1;
  const pfn = lru_pointer_pfn(lruvec.view[head + 2]!, hi);
  return k.mm.section_mem_map[pfn >>> PFN_SECTION_SHIFT] === undefined ? -1 : pfn;
}

/** Puts a page first, without counting it. list_add() is written out for a neighbour that points back. */
export function lruvec_list_add(k: Kernel, lruvec: Lruvec, lru: number, pfn: pfn_t): void {
  const maps = k.mm.section_mem_map;
  const head = lru * LIST_WORDS;
  const v = lruvec.view;
  const head_lo = (lruvec.pointer_lo + (head << 2)) | 0;
  const head_hi = lruvec.pointer_hi;
  const next_lo = v[head]!;
  const next_hi = v[head + 1]!;
  const is_page = is_page_pointer(next_hi);
  const n = is_page ? maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)] : v;
  const at = is_page ? (next_lo & 0x1fffff) >>> 2 : head;
  const good = is_page ? (next_lo & 63) === 8 : next_lo === head_lo && next_hi === head_hi;
  if (!good || n === undefined || n[at + 2] !== head_lo || n[at + 3] !== head_hi) {
    list_add(k, lruvec, head, pfn);
    return;
  }
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  n[at + 2] = lo;
  n[at + 3] = hi;
  m[i + PG_LRU_NEXT] = next_lo;
  m[i + PG_LRU_NEXT_HI] = next_hi;
  m[i + PG_LRU_PREV] = head_lo;
  m[i + PG_LRU_PREV_HI] = head_hi;
  v[head] = lo;
  v[head + 1] = hi;
}

/** Puts a page last, likewise. */
function lruvec_list_add_tail(k: Kernel, lruvec: Lruvec, lru: number, pfn: pfn_t): void {
  const maps = k.mm.section_mem_map;
  const head = lru * LIST_WORDS;
  const v = lruvec.view;
  const head_lo = (lruvec.pointer_lo + (head << 2)) | 0;
  const head_hi = lruvec.pointer_hi;
  const prev_lo = v[head + 2]!;
  const prev_hi = v[head + 3]!;
  const p = is_page_pointer(prev_hi) ? maps[((prev_hi - VMEMMAP_HI) << 11) | (prev_lo >>> 21)] : undefined;
  const at = (prev_lo & 0x1fffff) >>> 2;
  if (p === undefined || (prev_lo & 63) !== 8 || p[at] !== head_lo || p[at + 1] !== head_hi) {
    list_add_tail(k, lruvec, head, pfn);
    return;
  }
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  if (lo === prev_lo && hi === prev_hi) {
    list_add_tail(k, lruvec, head, pfn);
    return;
  }
  p[at] = lo;
  p[at + 1] = hi;
  m[i + PG_LRU_NEXT] = head_lo;
  m[i + PG_LRU_NEXT_HI] = head_hi;
  m[i + PG_LRU_PREV] = prev_lo;
  m[i + PG_LRU_PREV_HI] = prev_hi;
  v[head + 2] = lo;
  v[head + 3] = hi;
}

/** Takes a page off its list, without counting. list_del() is written out for neighbours that both point back. */
export function lruvec_list_del(k: Kernel, lruvec: Lruvec, pfn: pfn_t): void {
  const maps = k.mm.section_mem_map;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const v = lruvec.view;
  const lo = lru_pointer(pfn);
  const hi = lru_pointer_hi(pfn);
  const next_lo = m[i + PG_LRU_NEXT]!;
  const next_hi = m[i + PG_LRU_NEXT_HI]!;
  const prev_lo = m[i + PG_LRU_PREV]!;
  const prev_hi = m[i + PG_LRU_PREV_HI]!;
  const next_is_page = is_page_pointer(next_hi);
  const prev_is_page = is_page_pointer(prev_hi);
  const n = next_is_page ? maps[((next_hi - VMEMMAP_HI) << 11) | (next_lo >>> 21)] : v;
  const p = prev_is_page ? maps[((prev_hi - VMEMMAP_HI) << 11) | (prev_lo >>> 21)] : v;
  const n_at = (next_is_page ? next_lo & 0x1fffff : (next_lo - lruvec.pointer_lo) | 0) >>> 2;
  const p_at = (prev_is_page ? prev_lo & 0x1fffff : (prev_lo - lruvec.pointer_lo) | 0) >>> 2;
  if (
    n === undefined ||
    p === undefined ||
    !(next_is_page || next_hi === lruvec.pointer_hi) ||
    !(prev_is_page || prev_hi === lruvec.pointer_hi) ||
    ((next_lo | prev_lo) & 7) !== 0 ||
    n[n_at + 2] !== lo ||
    n[n_at + 3] !== hi ||
    p[p_at] !== lo ||
    p[p_at + 1] !== hi
  ) {
    list_del(k, lruvec, pfn);
    return;
  }
  n[n_at + 2] = prev_lo;
  n[n_at + 3] = prev_hi;
  p[p_at] = next_lo;
  p[p_at + 1] = next_hi;
  m[i + PG_LRU_NEXT] = LIST_POISON1;
  m[i + PG_LRU_NEXT_HI] = LIST_POISON_HI;
  m[i + PG_LRU_PREV] = LIST_POISON2;
  m[i + PG_LRU_PREV_HI] = LIST_POISON_HI;
}

const page_zid = (flags_hi: number): number => (flags_hi >>> ZONES_PGSHIFT_HI) & ZONES_MASK;

/** To the head of the list that its flags name. Pages on the unevictable list are on no list: nobody walks it. */
export function lruvec_add_folio(k: Kernel, lruvec: Lruvec, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const lru = folio_lru_list(m[i + PG_FLAGS]!);
  update_lru_size(k, lruvec, lru, page_zid(m[i + PG_FLAGS_HI]!), 1);
  if (lru !== LRU_UNEVICTABLE) lruvec_list_add(k, lruvec, lru, pfn);
}

/** To its tail: what is reclaimed next. Not for unevictable pages. */
export function lruvec_add_folio_tail(k: Kernel, lruvec: Lruvec, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const lru = folio_lru_list(m[i + PG_FLAGS]!);
  update_lru_size(k, lruvec, lru, page_zid(m[i + PG_FLAGS_HI]!), 1);
  lruvec_list_add_tail(k, lruvec, lru, pfn);
}

export function lruvec_del_folio(k: Kernel, lruvec: Lruvec, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const lru = folio_lru_list(m[i + PG_FLAGS]!);
  if (lru !== LRU_UNEVICTABLE) lruvec_list_del(k, lruvec, pfn);
  update_lru_size(k, lruvec, lru, page_zid(m[i + PG_FLAGS_HI]!), -1);
}
