// How pages get onto the LRU lists, move between them and leave them (Linux: mm/swap.c): each CPU collects pages in
// batches of fifteen for each kind of move; a full batch moves them all. A batch has a reference to each of its pages.
//
// Left out: large folios, pages of devices, mlock's own batches.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { PG_FLAGS, PG_MAPCOUNT, PG_MAPPING, PG_MEMCG_DATA, PG_REFCOUNT } from '../include/mm_types.ts';
import { NR_LRU_LISTS, PFN_SECTION_SHIFT } from '../include/mmzone.ts';
import {
  PG_active,
  PG_dirty,
  PG_locked,
  PG_lru,
  PG_mlocked,
  PG_owner_priv_1,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_unevictable,
  PG_writeback,
} from '../include/page_flags.ts';
import { KEY_TRACE } from '../include/static_keys.ts';
import type { pfn_t } from '../include/types.ts';
import {
  PGACTIVATE,
  PGDEACTIVATE,
  PGLAZYFREE,
  PGROTATED,
  UNEVICTABLE_PGCULLED,
  UNEVICTABLE_PGRESCUED,
} from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { folio_clear, folio_get } from './folio.ts';
import { free_unref_page_list } from './free_unref_list.ts';
import {
  folio_lruvec,
  type Lruvec,
  lruvec_add_folio,
  lruvec_add_folio_tail,
  lruvec_del_folio,
  lruvec_of,
  lruvec_tree_size,
} from './lruvec.ts';
import { mem_cgroup_uncharge } from './memcg_folio.ts';
import { count_lruvec_events } from './memcg_stat.ts';
import { page_index, section_map } from './page.ts';
import { __free_pages } from './page_alloc.ts';
import { PAGE_MAPPING_FLAGS } from './page_prep.ts';
import { __count_vm_events } from './vm_event.ts';
import { workingset_activation } from './workingset.ts';

const PAGEVEC_SIZE = 15;

// What a batch's pages wait for, in the order in which a CPU's batches are drained.
const LRU_ADD = 0;
const LRU_ROTATE = 1;
const LRU_DEACTIVATE_FILE = 2;
const LRU_DEACTIVATE = 3;
const LRU_LAZYFREE = 4;
const LRU_ACTIVATE = 5;
const NR_BATCHES = 6;

const bit = (flag: number): number => 1 << flag;
const UNEVICTABLE = bit(PG_unevictable);
const ACTIVE = bit(PG_active);
const REFERENCED = bit(PG_referenced);
const LRU = bit(PG_lru);

/** One CPU's batches: cpu_fbatches and lru_rotate. */
class CpuFbatches {
  readonly count = new Uint8Array(NR_BATCHES);
  /** Of each kind, from PAGEVEC_SIZE * kind on. */
  readonly folios = new Int32Array(NR_BATCHES * PAGEVEC_SIZE);
}

export class SwapBatchState {
  readonly cpus: CpuFbatches[] = [];
  /** lru_disable_count: while it is not 0, no batch keeps a page. */
  lru_disable_count = 0;
}

function cpu_fbatches(k: Kernel, cpu: number): CpuFbatches {
  const { cpus } = k.lru_batches;
  cpus[cpu] ??= new CpuFbatches();
  return cpus[cpu];
}

// ---- moves, each of a page that is off or on its list as the kind of batch has it

function lru_add_fn(k: Kernel, lruvec: Lruvec, pfn: pfn_t, m: Int32Array, i: number): void {
  const flags = m[i + PG_FLAGS]!;
  // Differs from Linux: an unevictable mapping (mapping_unevictable()) is no reason: there is none.
  if ((flags & bit(PG_mlocked)) === 0) {
    if ((flags & UNEVICTABLE) !== 0) __count_vm_events(k, UNEVICTABLE_PGRESCUED, 1);
    m[i + PG_FLAGS] = flags & ~UNEVICTABLE;
  } else {
    if ((flags & UNEVICTABLE) === 0) __count_vm_events(k, UNEVICTABLE_PGCULLED, 1);
    m[i + PG_FLAGS] = (flags & ~ACTIVE) | UNEVICTABLE;
  }
  lruvec_add_folio(k, lruvec, pfn);
}

function lru_move_tail_fn(k: Kernel, lruvec: Lruvec, pfn: pfn_t, m: Int32Array, i: number): void {
  if ((m[i + PG_FLAGS]! & UNEVICTABLE) !== 0) return;
  lruvec_del_folio(k, lruvec, pfn);
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~ACTIVE;
  lruvec_add_folio_tail(k, lruvec, pfn);
  __count_vm_events(k, PGROTATED, 1);
}

/** File pages that could not be dropped: to where they are reclaimed soon, at the tail if they are clean. */
function lru_deactivate_file_fn(k: Kernel, lruvec: Lruvec, pfn: pfn_t, m: Int32Array, i: number): void {
  const flags = m[i + PG_FLAGS]!;
  if ((flags & UNEVICTABLE) !== 0 || m[i + PG_MAPCOUNT]! >= 0) return;
  lruvec_del_folio(k, lruvec, pfn);
  m[i + PG_FLAGS] = flags & ~(ACTIVE | REFERENCED);
  if ((flags & (bit(PG_writeback) | bit(PG_dirty))) !== 0) {
    lruvec_add_folio(k, lruvec, pfn);
    m[i + PG_FLAGS] = m[i + PG_FLAGS]! | bit(PG_reclaim);
  } else {
    lruvec_add_folio_tail(k, lruvec, pfn);
    __count_vm_events(k, PGROTATED, 1);
  }
  if ((flags & ACTIVE) === 0) return;
  __count_vm_events(k, PGDEACTIVATE, 1);
  count_lruvec_events(k, lruvec, PGDEACTIVATE, 1);
}

function lru_deactivate_fn(k: Kernel, lruvec: Lruvec, pfn: pfn_t, m: Int32Array, i: number): void {
  const flags = m[i + PG_FLAGS]!;
  if ((flags & (UNEVICTABLE | ACTIVE)) !== ACTIVE) return;
  lruvec_del_folio(k, lruvec, pfn);
  m[i + PG_FLAGS] = flags & ~(ACTIVE | REFERENCED);
  lruvec_add_folio(k, lruvec, pfn);
  __count_vm_events(k, PGDEACTIVATE, 1);
  count_lruvec_events(k, lruvec, PGDEACTIVATE, 1);
}

/** Anonymous, with swap to back it but not there yet: such pages can be given up. */
const can_be_lazyfree = (m: Int32Array, i: number): boolean =>
  (m[i + PG_MAPPING]! & PAGE_MAPPING_FLAGS) === 1 &&
  (m[i + PG_FLAGS]! & (bit(PG_swapbacked) | bit(PG_owner_priv_1) | UNEVICTABLE)) === bit(PG_swapbacked);

function lru_lazyfree_fn(k: Kernel, lruvec: Lruvec, pfn: pfn_t, m: Int32Array, i: number): void {
  if (!can_be_lazyfree(m, i)) return;
  lruvec_del_folio(k, lruvec, pfn);
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~(ACTIVE | REFERENCED | bit(PG_swapbacked));
  lruvec_add_folio(k, lruvec, pfn);
  __count_vm_events(k, PGLAZYFREE, 1);
  count_lruvec_events(k, lruvec, PGLAZYFREE, 1);
}

function folio_activate_fn(k: Kernel, lruvec: Lruvec, pfn: pfn_t, m: Int32Array, i: number): void {
  if ((m[i + PG_FLAGS]! & (ACTIVE | UNEVICTABLE)) !== 0) return;
  lruvec_del_folio(k, lruvec, pfn);
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! | ACTIVE;
  lruvec_add_folio(k, lruvec, pfn);
  __count_vm_events(k, PGACTIVATE, 1);
  count_lruvec_events(k, lruvec, PGACTIVATE, 1);
}

const move_fns = [
  lru_add_fn,
  lru_move_tail_fn,
  lru_deactivate_file_fn,
  lru_deactivate_fn,
  lru_lazyfree_fn,
  folio_activate_fn,
];

// ---- batches

function folio_batch_move_lru(k: Kernel, batches: CpuFbatches, kind: number): void {
  const { folios, count } = batches;
  const move_fn = move_fns[kind]!;
  const first = kind * PAGEVEC_SIZE;
  const end = first + count[kind]!;
  for (let at = first; at < end; at++) {
    const pfn = folios[at]!;
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    if (kind !== LRU_ADD) {
      if ((m[i + PG_FLAGS]! & LRU) === 0) continue;
      m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~LRU;
    }
    move_fn(k, lruvec_of(k, m, i), pfn, m, i);
    m[i + PG_FLAGS] = m[i + PG_FLAGS]! | LRU;
  }
  count[kind] = 0;
  release_pages(k, folios, first, end);
}

/** Context: the caller's reference to the page is his no more. */
function folio_batch_add_and_move(k: Kernel, pfn: pfn_t, kind: number): void {
  const batches = cpu_fbatches(k, k.percpu.cpu);
  const nr = batches.count[kind]!;
  batches.folios[kind * PAGEVEC_SIZE + nr] = pfn;
  batches.count[kind] = nr + 1;
  if (nr + 1 < PAGEVEC_SIZE && k.lru_batches.lru_disable_count === 0) return;
  folio_batch_move_lru(k, batches, kind);
}

/** Queues a page for the list that its flags name by then. */
export function folio_add_lru(k: Kernel, pfn: pfn_t): void {
  folio_get(k, pfn);
  folio_batch_add_and_move(k, pfn, LRU_ADD);
}

/** Writeback of a page that reclaim waits for has ended: if it still can be reclaimed, it is next. */
export function folio_rotate_reclaimable(k: Kernel, pfn: pfn_t): void {
  const flags = section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]!;
  if ((flags & (bit(PG_locked) | bit(PG_dirty) | UNEVICTABLE | LRU)) !== LRU) return;
  folio_get(k, pfn);
  folio_batch_add_and_move(k, pfn, LRU_ROTATE);
}

export function folio_activate(k: Kernel, pfn: pfn_t): void {
  const flags = section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]!;
  if ((flags & (LRU | ACTIVE | UNEVICTABLE)) !== LRU) return;
  folio_get(k, pfn);
  folio_batch_add_and_move(k, pfn, LRU_ACTIVATE);
}

/** A file page that could not be dropped from the cache. */
export function deactivate_file_folio(k: Kernel, pfn: pfn_t): void {
  if ((section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! & UNEVICTABLE) !== 0) return;
  folio_get(k, pfn);
  folio_batch_add_and_move(k, pfn, LRU_DEACTIVATE_FILE);
}

/** MADV_COLD. */
export function deactivate_page(k: Kernel, pfn: pfn_t): void {
  const flags = section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]!;
  if ((flags & (LRU | ACTIVE | UNEVICTABLE)) !== (LRU | ACTIVE)) return;
  folio_get(k, pfn);
  folio_batch_add_and_move(k, pfn, LRU_DEACTIVATE);
}

/** MADV_FREE: to the inactive file list, from where it is given up unless it is written to before. */
export function mark_page_lazyfree(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if ((m[i + PG_FLAGS]! & LRU) === 0 || !can_be_lazyfree(m, i)) return;
  folio_get(k, pfn);
  folio_batch_add_and_move(k, pfn, LRU_LAZYFREE);
}

/** A page that this CPU is about to add becomes an active one. */
function __lru_cache_activate_folio(k: Kernel, pfn: pfn_t): void {
  const { folios, count } = cpu_fbatches(k, k.percpu.cpu);
  for (let at = count[LRU_ADD]! - 1; at >= 0; at--) {
    if (folios[at] !== pfn) continue;
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    m[i + PG_FLAGS] = m[i + PG_FLAGS]! | ACTIVE;
    return;
  }
}

/** mark_page_accessed(): inactive pages become referenced, then active; active ones referenced. */
export function folio_mark_accessed(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const flags = m[i + PG_FLAGS]!;
  if ((flags & REFERENCED) === 0) m[i + PG_FLAGS] = flags | REFERENCED;
  else if ((flags & (UNEVICTABLE | ACTIVE)) === 0) {
    if ((flags & LRU) !== 0) folio_activate(k, pfn);
    else __lru_cache_activate_folio(k, pfn);
    folio_clear(k, pfn, PG_referenced);
    workingset_activation(k, pfn);
  }
}

export function lru_add_drain_cpu(k: Kernel, cpu: number): void {
  const batches = cpu_fbatches(k, cpu);
  for (let kind = 0; kind < NR_BATCHES; kind++) if (batches.count[kind] !== 0) folio_batch_move_lru(k, batches, kind);
}

export const lru_add_drain = (k: Kernel): void => lru_add_drain_cpu(k, k.percpu.cpu);

/** Differs from Linux, where a work item on each CPU does this, and the caller waits for them. */
export function lru_add_drain_all(k: Kernel): void {
  for (const cpu of for_each_online_cpu(k)) lru_add_drain_cpu(k, cpu);
}

/** From now on pages go to the lists at once: whoever isolates pages must find all of them there. */
export function lru_cache_disable(k: Kernel): void {
  k.lru_batches.lru_disable_count++;
  lru_add_drain_all(k);
}

export function lru_cache_enable(k: Kernel): void {
  k.lru_batches.lru_disable_count--;
}

/** What reclaiming from one kind of list costs, here or in faults that follow, decides from which more is taken. */
export function lru_note_cost(k: Kernel, lruvec: Lruvec, file: boolean, nr_pages: number): void {
  for (let at: Lruvec | null = lruvec; at !== null; at = at.parent) {
    if (file) at.file_cost += nr_pages;
    else at.anon_cost += nr_pages;
    let lrusize = 0;
    for (let lru = 0; lru < NR_LRU_LISTS - 1; lru++) lrusize += lruvec_tree_size(k, at, lru);
    if (at.file_cost + at.anon_cost <= Math.floor(lrusize / 4)) continue;
    at.file_cost = Math.floor(at.file_cost / 2);
    at.anon_cost = Math.floor(at.anon_cost / 2);
  }
}

export const lru_note_cost_folio = (k: Kernel, pfn: pfn_t): void =>
  lru_note_cost(
    k,
    folio_lruvec(k, pfn),
    (section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! & bit(PG_swapbacked)) === 0,
    1,
  );

// ---- references

/** Off its list, as nobody uses it any more. */
function __page_cache_release(k: Kernel, pfn: pfn_t, m: Int32Array, i: number): void {
  lruvec_del_folio(k, lruvec_of(k, m, i), pfn);
  const flags = m[i + PG_FLAGS]! & ~LRU;
  // Both at once cannot be: bad_page() will say so.
  m[i + PG_FLAGS] =
    (flags & (ACTIVE | UNEVICTABLE)) === (ACTIVE | UNEVICTABLE) ? flags : flags & ~(ACTIVE | UNEVICTABLE);
}

/** put_page(): one user less; the last one frees the page. */
export function folio_put(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const refcount = m[i + PG_REFCOUNT]!;
  if (refcount !== 1) {
    m[i + PG_REFCOUNT] = refcount - 1;
    return;
  }
  if ((m[i + PG_FLAGS]! & LRU) !== 0) __page_cache_release(k, pfn, m, i);
  if (m[i + PG_MEMCG_DATA] !== 0) mem_cgroup_uncharge(k, m, i);
  __free_pages(k, pfn, 0);
}

/**
 * folio_put() of pages[first .. end - 1], which are free then in Linux's order: those that come last, first.
 *
 * Context: the array may be used for other pages meanwhile by nobody.
 */
export function release_pages(k: Kernel, pages: Int32Array, first: number, end: number): void {
  const maps = k.mm.section_mem_map;
  let nr = first;
  for (let at = first; at < end; at++) {
    const pfn = pages[at]!;
    const m = maps[pfn >>> PFN_SECTION_SHIFT]!;
    const i = page_index(pfn);
    const refcount = m[i + PG_REFCOUNT]!;
    if (refcount !== 1) {
      m[i + PG_REFCOUNT] = refcount - 1;
      continue;
    }
    if ((m[i + PG_FLAGS]! & LRU) !== 0) __page_cache_release(k, pfn, m, i);
    if (m[i + PG_MEMCG_DATA] !== 0) mem_cgroup_uncharge(k, m, i);
    pages[nr++] = pfn;
  }
  if (nr === first) return;
  if ((k.page_alloc.static_keys & KEY_TRACE) !== 0) {
    for (let at = first; at < nr; at++) section_map(k.mm, pages[at]!)[page_index(pages[at]!) + PG_REFCOUNT] = 0;
    free_unref_page_list(k, Array.from(pages.subarray(first, nr)).reverse());
    return;
  }
  for (let at = nr - 1; at >= first; at--) __free_pages(k, pages[at]!, 0);
}
