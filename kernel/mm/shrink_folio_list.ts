// What becomes of pages that reclaim has taken off the LRU lists (Linux: mm/vmscan.c shrink_folio_list(),
// folio_check_references(), pageout(), __remove_mapping()): each is given up, written first, or kept.
//
// Left out: large folios, demotion, buffers, pinned pages, cgroup v1's wait for writeback.
// Differs from Linux: pages are in an array, the first one to be looked at first.

import { blk_queue_full, blk_wait_for_tag } from '../drivers/block/blk.ts';
import { __GFP_FS, __GFP_IO } from '../include/gfp_types.ts';
import { VM_EXEC, VM_LOCKED } from '../include/mm.ts';
import { PG_FLAGS, PG_MAPCOUNT, PG_MAPPING, PG_REFCOUNT } from '../include/mm_types.ts';
import { NR_VMSCAN_IMMEDIATE, NR_VMSCAN_WRITE, PGDAT_DIRTY, PGDAT_WRITEBACK } from '../include/mmzone.ts';
import {
  PG_active,
  PG_dirty,
  PG_mlocked,
  PG_private,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_writeback,
} from '../include/page_flags.ts';
import { PF_KSWAPD } from '../include/sched.ts';
import type { pfn_t } from '../include/types.ts';
import { PGACTIVATE, PGLAZYFREED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { trace_mm_vmscan_write_folio } from '../trace/events/vmscan.ts';
import { PAGE_MAPPING_ANON } from './anon_vma.ts';
import { __filemap_remove_folio, folio_clear_dirty_for_io, page_file_mapping } from './filemap.ts';
import { filemap_writepage } from './filemap_io.ts';
import { folio_clear, folio_set, folio_test, folio_test_clear } from './folio.ts';
import { folio_trylock, folio_unlock } from './folio_lock.ts';
import { free_unref_pages } from './free_unref_list.ts';
import { type FolioBatch, give_batch, take_batch } from './isolate_lru.ts';
import { folio_lruvec, lruvec_of } from './lruvec.ts';
import { memcg_enabled } from './memcg_folio.ts';
import { count_lruvec_events } from './memcg_stat.ts';
import { mem_cgroup_swap_full } from './memcg_swap.ts';
import type { mem_cgroup } from './memcontrol.ts';
import type { PgData } from './mmzone.ts';
import { page_index, section_map } from './page.ts';
import { swap_write_congested, swap_write_wait, swap_writepage } from './page_io.ts';
import { CHECK_NS, FREE_NS, UNMAP_NS } from './reclaim_cost.ts';
import { folio_referenced, try_to_unmap } from './rmap.ts';
import type { reclaim_stat, scan_control } from './scan_control.ts';
import {
  __delete_from_swap_cache,
  add_to_swap,
  folio_free_swap,
  folio_swap_entry,
  folio_test_swapcache,
} from './swap_state.ts';
import { put_swap_folio } from './swapfile.ts';
import { __count_vm_events } from './vm_event.ts';
import { __mod_node_page_state } from './vmstat.ts';
import { workingset_eviction } from './workingset.ts';

const SWAPCACHE = (1 << PG_swapcache) | (1 << PG_swapbacked);
const SWAPBACKED = 1 << PG_swapbacked;

// folio_check_references()
const FOLIOREF_RECLAIM = 0;
const FOLIOREF_RECLAIM_CLEAN = 1;
const FOLIOREF_KEEP = 2;
const FOLIOREF_ACTIVATE = 3;

// What becomes of one page
const KEEP = 0;
const KEEP_LOCKED = 1;
const ACTIVATE_LOCKED = 2;
const FREE_IT = 3;
/** pageout(): it was clean after all, or is written already. */
const PAGE_CLEAN = 4;

/** One use since it was last looked at is not enough for a mapped page: it got there by being used. */
function folio_check_references(k: Kernel, pfn: pfn_t, target: mem_cgroup | null): number {
  const { rmap } = k;
  const referenced_ptes = folio_referenced(k, pfn, true, target);
  const referenced_folio = folio_test_clear(k, pfn, PG_referenced);
  if ((rmap.vm_flags & VM_LOCKED) !== 0) return FOLIOREF_ACTIVATE;
  const file = !folio_test(k, pfn, PG_swapbacked);
  if (referenced_ptes > 0) {
    folio_set(k, pfn, PG_referenced);
    if (referenced_folio || referenced_ptes > 1) return FOLIOREF_ACTIVATE;
    return (rmap.vm_flags & VM_EXEC) !== 0 && file ? FOLIOREF_ACTIVATE : FOLIOREF_KEEP;
  }
  return referenced_folio && file ? FOLIOREF_RECLAIM_CLEAN : FOLIOREF_RECLAIM;
}

/** Begins to write a dirty page. @returns KEEP_LOCKED, or KEEP: it is being written; or PAGE_CLEAN, and it is locked again */
function pageout(k: Kernel, pfn: pfn_t, pgdat: PgData, stat: reclaim_stat): number {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const flags = m[i + PG_FLAGS]!;
  const mapping = page_file_mapping(k, m, i);
  if (mapping === null && (flags & SWAPCACHE) !== SWAPCACHE) return KEEP_LOCKED;
  // One user is ours, one is the cache.
  if (m[i + PG_REFCOUNT]! - ((flags >>> PG_private) & 1) !== 2) return KEEP_LOCKED;
  if (mapping === null) {
    m[i + PG_FLAGS] = (flags & ~(1 << PG_dirty)) | (1 << PG_reclaim);
    swap_writepage(k, pfn);
  } else {
    if (!folio_clear_dirty_for_io(k, pfn)) return PAGE_CLEAN;
    folio_set(k, pfn, PG_reclaim);
    filemap_writepage(k, pfn);
  }
  if (!folio_test(k, pfn, PG_writeback)) folio_clear(k, pfn, PG_reclaim);
  if (k.trace.on) trace_mm_vmscan_write_folio(k, pfn);
  __mod_node_page_state(k, pgdat, NR_VMSCAN_WRITE, 1);
  stat.nr_pageout++;
  if ((m[i + PG_FLAGS]! & ((1 << PG_writeback) | (1 << PG_dirty))) !== 0 || !folio_trylock(k, pfn)) return KEEP;
  return PAGE_CLEAN;
}

/** Takes a page that nobody else uses out of its cache. @returns whether it could be: its count is 0 */
function __remove_mapping(k: Kernel, pfn: pfn_t, target: mem_cgroup | null): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const flags = m[i + PG_FLAGS]!;
  const swapcache = (flags & SWAPCACHE) === SWAPCACHE;
  if (!swapcache && page_file_mapping(k, m, i) === null) return false;
  if (m[i + PG_REFCOUNT] !== 2 || (flags & (1 << PG_dirty)) !== 0) return false;
  m[i + PG_REFCOUNT] = 0;
  const shadow = workingset_eviction(k, pfn, target);
  if (!swapcache) {
    __filemap_remove_folio(k, pfn, shadow);
    return true;
  }
  const entry = folio_swap_entry(k, pfn);
  __delete_from_swap_cache(k, pfn, entry, shadow);
  put_swap_folio(k, entry);
  return true;
}

/** Whether the disk that a page under writeback goes to takes no more for now. */
function write_congested(k: Kernel, pfn: pfn_t): boolean {
  const mapping = page_file_mapping(k, section_map(k.mm, pfn), page_index(pfn));
  if (mapping !== null) return blk_queue_full(mapping.host.disk);
  return folio_test_swapcache(k, pfn) && swap_write_congested(k, pfn);
}

function write_wait(k: Kernel, pfn: pfn_t): Sleeping<void> {
  const mapping = page_file_mapping(k, section_map(k.mm, pfn), page_index(pfn));
  return mapping === null ? swap_write_wait(k, pfn) : blk_wait_for_tag(k, mapping.host.disk);
}

/** Swap does not go through a file system, so that __GFP_IO is enough. */
const may_enter_fs = (sc: scan_control, flags: number): boolean =>
  (sc.gfp_mask & __GFP_FS) !== 0 || ((flags & SWAPCACHE) === SWAPCACHE && (sc.gfp_mask & __GFP_IO) !== 0);

/** Dirty pages of files are left to the flushers, but for those that come round again when kswapd finds little else. */
function try_pageout(
  k: Kernel,
  pfn: pfn_t,
  references: number,
  pgdat: PgData,
  sc: scan_control,
  stat: reclaim_stat,
): number {
  const flags = section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]!;
  if ((flags & SWAPBACKED) === 0) {
    const kswapd = (k.current.flags & PF_KSWAPD) !== 0;
    if (!kswapd || (flags & (1 << PG_reclaim)) === 0 || (pgdat.flags & (1 << PGDAT_DIRTY)) === 0) {
      __mod_node_page_state(k, pgdat, NR_VMSCAN_IMMEDIATE, 1);
      folio_set(k, pfn, PG_reclaim);
      return ACTIVATE_LOCKED;
    }
  }
  if (references === FOLIOREF_RECLAIM_CLEAN || !may_enter_fs(sc, flags) || !sc.may_writepage) return KEEP_LOCKED;
  return pageout(k, pfn, pgdat, stat);
}

/** A page that is being written goes to the active list meanwhile, and comes back to the tail when that is done. */
function under_writeback(k: Kernel, pfn: pfn_t, flags: number, pgdat: PgData, stat: reclaim_stat): void {
  const again = (flags & (1 << PG_reclaim)) !== 0 && (pgdat.flags & (1 << PGDAT_WRITEBACK)) !== 0;
  if (again && (k.current.flags & PF_KSWAPD) !== 0) {
    stat.nr_immediate++;
    return;
  }
  folio_set(k, pfn, PG_reclaim);
  stat.nr_writeback++;
}

/** Counts dirty pages of files. Anonymous ones are written by reclaim alone, so that they say nothing of flushers. */
function count_dirty(flags: number, stat: reclaim_stat): void {
  const writeback = (flags & (1 << PG_writeback)) !== 0;
  const dirty = (flags & (1 << PG_dirty)) !== 0;
  if (dirty || writeback) stat.nr_dirty++;
  if (dirty && !writeback) stat.nr_unqueued_dirty++;
  if (writeback && (flags & (1 << PG_reclaim)) !== 0) stat.nr_congested++;
}

/** @returns KEEP, KEEP_LOCKED, ACTIVATE_LOCKED, or FREE_IT: nobody uses it any more, it is on no list and unlocked */
function shrink_folio(
  k: Kernel,
  pfn: pfn_t,
  pgdat: PgData,
  sc: scan_control,
  stat: reclaim_stat,
  ignore_references: boolean,
): number {
  if (!folio_trylock(k, pfn)) return KEEP;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const flags = m[i + PG_FLAGS]!;
  const anon = (m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0;
  sc.nr_scanned++;
  if ((flags & (1 << PG_mlocked)) !== 0) return ACTIVATE_LOCKED;
  if (!sc.may_unmap && m[i + PG_MAPCOUNT]! >= 0) return KEEP_LOCKED;
  if (!anon && (flags & SWAPBACKED) === 0) count_dirty(flags, stat);
  if ((flags & (1 << PG_writeback)) !== 0) {
    under_writeback(k, pfn, flags, pgdat, stat);
    return ACTIVATE_LOCKED;
  }

  const references = ignore_references ? FOLIOREF_RECLAIM : folio_check_references(k, pfn, sc.target_mem_cgroup);
  if (references === FOLIOREF_ACTIVATE) return ACTIVATE_LOCKED;
  if (references === FOLIOREF_KEEP) {
    stat.nr_ref_keep++;
    return KEEP_LOCKED;
  }
  if (anon && (flags & (SWAPBACKED | SWAPCACHE)) === SWAPBACKED) {
    if ((sc.gfp_mask & __GFP_IO) === 0) return KEEP_LOCKED;
    if (!add_to_swap(k, pfn)) return ACTIVATE_LOCKED;
  }
  if (m[i + PG_MAPCOUNT]! >= 0) {
    charge(k, UNMAP_NS);
    try_to_unmap(k, pfn, 0);
    if (m[i + PG_MAPCOUNT]! >= 0) {
      stat.nr_unmap_fail++;
      // It was to be dropped without being written, and has been written to.
      if ((flags & SWAPBACKED) === 0 && folio_test(k, pfn, PG_swapbacked)) stat.nr_lazyfree_fail++;
      return ACTIVATE_LOCKED;
    }
  }
  if (folio_test(k, pfn, PG_dirty)) {
    const result = try_pageout(k, pfn, references, pgdat, sc, stat);
    if (result !== PAGE_CLEAN) return result;
  }
  if (anon && !folio_test(k, pfn, PG_swapbacked)) {
    if (m[i + PG_REFCOUNT] !== 1) return KEEP_LOCKED;
    m[i + PG_REFCOUNT] = 0;
    __count_vm_events(k, PGLAZYFREED, 1);
    count_lruvec_events(k, lruvec_of(k, m, i), PGLAZYFREED, 1);
  } else if (!__remove_mapping(k, pfn, sc.target_mem_cgroup)) return KEEP_LOCKED;
  folio_unlock(k, pfn);
  return FREE_IT;
}

function activate(k: Kernel, pfn: pfn_t, stat: reclaim_stat): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const mlocked = (m[i]! & (1 << PG_mlocked)) !== 0;
  // It will not be swapped out soon, so that its place in swap may be of more use to others.
  if ((m[i]! & SWAPCACHE) === SWAPCACHE && (mlocked || mem_cgroup_swap_full(k, pfn))) folio_free_swap(k, pfn);
  if (mlocked) return;
  m[i] = m[i]! | (1 << PG_active);
  if (memcg_enabled(k)) count_lruvec_events(k, folio_lruvec(k, pfn), PGACTIVATE, 1);
  if ((m[i]! & SWAPBACKED) !== 0) stat.nr_activate_anon++;
  else stat.nr_activate_file++;
}

/**
 * Gives up as many of the pages as it can.
 * @param folios in: pages that are on no list, each with a reference; out: those that are kept
 * @param stat out
 * @returns how many pages were freed
 */
export function* shrink_folio_list(
  k: Kernel,
  folios: FolioBatch,
  pgdat: PgData,
  sc: scan_control,
  stat: reclaim_stat,
  ignore_references: boolean,
): Sleeping<number> {
  const { pages, nr } = folios;
  const free = take_batch(k);
  stat.clear();
  folios.nr = 0;
  if (should_resched(k)) yield* cond_resched(k);
  for (let at = 0; at < nr; at++) {
    if (should_resched(k)) yield* cond_resched(k);
    const pfn = pages[at]!;
    charge(k, CHECK_NS);
    const result = shrink_folio(k, pfn, pgdat, sc, stat, ignore_references);
    if (result === FREE_IT) {
      free.add(pfn);
      continue;
    }
    if (result === ACTIVATE_LOCKED) activate(k, pfn, stat);
    if (result !== KEEP) folio_unlock(k, pfn);
    folios.add(pfn);
    if (result === KEEP && folio_test(k, pfn, PG_writeback) && write_congested(k, pfn)) yield* write_wait(k, pfn);
  }
  charge(k, free.nr * FREE_NS);
  free_unref_pages(k, free.pages, free.nr);
  const nr_activate = stat.nr_activate_anon + stat.nr_activate_file;
  __count_vm_events(k, PGACTIVATE, nr_activate);
  if (!memcg_enabled(k)) count_lruvec_events(k, k.lru.lruvecs[pgdat.node_id]!, PGACTIVATE, nr_activate);
  give_batch(k, free);
  return free.nr;
}
