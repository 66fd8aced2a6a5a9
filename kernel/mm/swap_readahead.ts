// Pages come back from swap, and with them those that may be wanted next (Linux: mm/swap_state.c swap_cache_get_folio(),
// __read_swap_cache_async(), swap_vma_readahead(), swap_cluster_readahead()). Where seeks are cheap, pages next to each
// other in the address space; else pages next to each other on the area.
//
// Left out: polling for a page that is read alone.

import { blk_finish_plug, blk_start_plug } from '../drivers/block/blk.ts';
import { PG_FLAGS } from '../include/mm_types.ts';
import { PG_locked, PG_readahead, PG_swapbacked } from '../include/page_flags.ts';
import { MAX_SWAPFILES, SWAP_RA_ORDER_CEILING } from '../include/swap.ts';
import { EEXIST, type gfp_t, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import { SWAP_RA, SWAP_RA_HIT } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import { folio_get, folio_set } from './folio.ts';
import { folio_unlock } from './folio_lock.ts';
import { mem_cgroup_swapin_charge_folio, memcg_enabled } from './memcg_folio.ts';
import { vma_alloc_folio } from './mempolicy.ts';
import type { vm_area_struct } from './mm_struct.ts';
import { page_index, section_map } from './page.ts';
import { swap_readpage } from './page_io.ts';
import { folio_add_lru, folio_put, lru_add_drain } from './swap.ts';
import { swap_count, swapcache_prepare } from './swap_count.ts';
import { get_swap_device, swp_swap_info } from './swap_lookup.ts';
import { swap_cache_lookup } from './swap_shadow.ts';
import { add_to_swap_cache } from './swap_state.ts';
import { put_swap_folio } from './swapfile.ts';
import { pte_to_swp_entry, swp_entry, type swp_entry_t, swp_offset, swp_type } from './swapops.ts';
import { pt_walk, pte_present } from './user_pgtable.ts';
import { __count_vm_events } from './vm_event.ts';
import { workingset_refault } from './workingset.ts';

// vm_area_struct.swap_readahead_info: the page of the last fault, the window then, and how many of its pages were used.
const SWAP_RA_HITS_MAX = 63;
const SWAP_RA_WIN_UNIT = 64;
/** At first: as if four pages had been used. */
const SWAP_RA_START = 4;
const PMD_SIZE = 2 ** 21;

const swap_ra_val = (addr: number, win: number, hits: number): number =>
  addr - (addr % PAGE_SIZE) + win * SWAP_RA_WIN_UNIT + hits;
const swap_ra_win = (val: number): number => Math.floor((val % PAGE_SIZE) / SWAP_RA_WIN_UNIT);
const swap_ra_hits = (val: number): number => val % SWAP_RA_WIN_UNIT;

const swap_use_vma_readahead = ({ swap }: Kernel): boolean => swap.enable_vma_readahead && swap.nr_rotate_swap === 0;

/** A page of the swap cache, with a reference, or -1. That it was read ahead, and is wanted now, is noted. */
export function swap_cache_get_folio(k: Kernel, entry: swp_entry_t, vma: vm_area_struct, addr: number): pfn_t {
  const si = get_swap_device(k, entry);
  const pfn = si === null ? -1 : swap_cache_lookup(si, swp_offset(entry));
  if (pfn < 0) return -1;
  folio_get(k, pfn);
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const readahead = (m[i]! & (1 << PG_readahead)) !== 0;
  if (readahead) m[i] = m[i]! & ~(1 << PG_readahead);
  const by_vma = swap_use_vma_readahead(k);
  if (by_vma) {
    const val = vma.swap_readahead_info || SWAP_RA_START;
    const hits = Math.min(swap_ra_hits(val) + (readahead ? 1 : 0), SWAP_RA_HITS_MAX);
    vma.swap_readahead_info = swap_ra_val(addr, swap_ra_win(val), hits);
  }
  if (readahead) {
    __count_vm_events(k, SWAP_RA_HIT, 1);
    if (!by_vma) k.swap.swapin_readahead_hits++;
  }
  return pfn;
}

/**
 * The page of an entry, with a reference: the one that is in the swap cache, or a new one, for which a read is started.
 * @param ahead nobody has asked for it yet. @returns -1: no memory, or nobody names the entry
 */
function* read_swap_cache_async(
  k: Kernel,
  entry: swp_entry_t,
  gfp: gfp_t,
  vma: vm_area_struct,
  addr: number,
  ahead: boolean,
): Sleeping<pfn_t> {
  let pfn: pfn_t;
  for (;;) {
    const si = get_swap_device(k, entry);
    if (si === null) return -1;
    const cached = swap_cache_lookup(si, swp_offset(entry));
    if (cached >= 0) {
      folio_get(k, cached);
      return cached;
    }
    if (swap_count(si.swap_map[swp_offset(entry)]!) === 0 && k.swap.swap_slot_cache_enabled) return -1;
    const pgoff = vma.vm_pgoff + Math.floor((addr - vma.vm_start) / PAGE_SIZE);
    pfn = yield* vma_alloc_folio(k, gfp, pgoff);
    if (pfn < 0) return -1;
    const err = swapcache_prepare(k, entry);
    if (err === 0) break;
    folio_put(k, pfn);
    if (err !== -EEXIST) return -1;
    // Another is about to put a page there, or to take the mark away.
    yield* schedule_timeout_uninterruptible(k, 1);
  }
  folio_set(k, pfn, PG_locked);
  folio_set(k, pfn, PG_swapbacked);
  if (memcg_enabled(k) && (yield* mem_cgroup_swapin_charge_folio(k, pfn, gfp, entry)) < 0) {
    put_swap_folio(k, entry);
    folio_unlock(k, pfn);
    folio_put(k, pfn);
    return -1;
  }
  const shadow = add_to_swap_cache(k, pfn, entry);
  if (shadow >= 0) workingset_refault(k, pfn, shadow);
  folio_add_lru(k, pfn);
  swap_readpage(k, pfn);
  if (ahead) {
    folio_set(k, pfn, PG_readahead);
    __count_vm_events(k, SWAP_RA, 1);
  }
  return pfn;
}

/** How many pages to read: by how many of the last ones were used, and whether faults follow each other. */
function __swapin_nr_pages(prev: number, offset: number, hits: number, max_pages: number, prev_win: number): number {
  let pages = hits + 2;
  if (pages === 2) {
    if (offset !== prev + 1 && offset !== prev - 1) pages = 1;
  } else {
    let rounded = 4;
    while (rounded < pages) rounded *= 2;
    pages = rounded;
  }
  return Math.max(Math.min(pages, max_pages), Math.floor(prev_win / 2));
}

function swapin_nr_pages({ swap }: Kernel, offset: number): number {
  const max_pages = 2 ** swap.page_cluster;
  if (max_pages <= 1) return 1;
  const hits = swap.swapin_readahead_hits;
  swap.swapin_readahead_hits = 0;
  const pages = __swapin_nr_pages(swap.prev_offset, offset, hits, max_pages, swap.last_readahead_pages);
  if (hits === 0) swap.prev_offset = offset;
  swap.last_readahead_pages = pages;
  return pages;
}

/** The aligned run of pages of the area that the entry is in. */
function* swap_cluster_readahead(
  k: Kernel,
  entry: swp_entry_t,
  gfp: gfp_t,
  vma: vm_area_struct,
  addr: number,
): Sleeping<void> {
  const type = swp_type(entry);
  const entry_offset = swp_offset(entry);
  const pages = swapin_nr_pages(k, entry_offset);
  if (pages === 1) return;
  const first = entry_offset - (entry_offset % pages);
  const last = Math.min(first + pages, swp_swap_info(k, entry)!.max) - 1;
  const plug = blk_start_plug(k);
  for (let offset = Math.max(first, 1); offset <= last; offset++) {
    const pfn = yield* read_swap_cache_async(k, swp_entry(type, offset), gfp, vma, addr, offset !== entry_offset);
    if (pfn >= 0) folio_put(k, pfn);
  }
  blk_finish_plug(k, plug);
  lru_add_drain(k);
}

/** The pages of the address space around the fault, which may be on any area. */
function* swap_vma_readahead(k: Kernel, gfp: gfp_t, vma: vm_area_struct, addr: number): Sleeping<void> {
  const max_win = 2 ** Math.min(k.swap.page_cluster, SWAP_RA_ORDER_CEILING);
  if (max_win === 1) return;
  const val = vma.swap_readahead_info || SWAP_RA_START;
  const fpfn = Math.floor(addr / PAGE_SIZE);
  const prev = Math.floor(val / PAGE_SIZE);
  const win = __swapin_nr_pages(prev, fpfn, swap_ra_hits(val), max_win, swap_ra_win(val));
  vma.swap_readahead_info = swap_ra_val(addr, win, 0);
  if (win === 1) return;

  // Forwards or backwards if that is how faults go, else on both sides; not beyond the table that the fault is in.
  let left = Math.floor((win - 1) / 2);
  if (fpfn === prev + 1) left = 0;
  else if (prev === fpfn + 1) left = win - 1;
  const table = Math.floor(addr / PMD_SIZE) * PMD_SIZE;
  const start = Math.max(fpfn - left, vma.vm_start / PAGE_SIZE, table / PAGE_SIZE);
  const end = Math.min(fpfn - left + win, vma.vm_end / PAGE_SIZE, (table + PMD_SIZE) / PAGE_SIZE);
  const plug = blk_start_plug(k);
  for (let page = start; page < end; page++) {
    const at = pt_walk(k, vma.vm_mm, page * PAGE_SIZE);
    if (at < 0) break;
    const lo = vma.vm_mm.walk_words[at]!;
    const hi = vma.vm_mm.walk_words[at + 1]!;
    if ((lo | hi) === 0 || pte_present(lo)) continue;
    const entry = pte_to_swp_entry(lo, hi);
    if (swp_type(entry) >= MAX_SWAPFILES) continue;
    const pfn = yield* read_swap_cache_async(k, entry, gfp, vma, addr, page !== fpfn);
    if (pfn >= 0) folio_put(k, pfn);
  }
  blk_finish_plug(k, plug);
  lru_add_drain(k);
}

/**
 * Reads a page back, and others with it. Context: a task that has faulted at `addr`.
 * @returns the page, with a reference; locked until it is read. -1: no memory, or the entry is no longer in use
 */
export function* swapin_readahead(
  k: Kernel,
  entry: swp_entry_t,
  gfp: gfp_t,
  vma: vm_area_struct,
  addr: number,
): Sleeping<pfn_t> {
  if (swap_use_vma_readahead(k)) yield* swap_vma_readahead(k, gfp, vma, addr);
  else yield* swap_cluster_readahead(k, entry, gfp, vma, addr);
  return yield* read_swap_cache_async(k, entry, gfp, vma, addr, false);
}
