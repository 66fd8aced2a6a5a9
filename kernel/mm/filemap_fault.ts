// Faults where a file is mapped (Linux: mm/filemap.c filemap_fault(); mm/memory.c do_read_fault(), do_cow_fault(),
// do_shared_fault(), wp_page_shared()).
//
// Left out: mapping what is in the cache around the fault as well (fault-around).
// Differs from Linux: mmap_lock is kept while the page is read.

import {
  FAULT_FLAG_WRITE,
  MM_ANONPAGES,
  MM_FILEPAGES,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
} from '../include/mm.ts';
import { PG_readahead, PG_uptodate } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import { PGMAJFAULT } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { anon_vma_prepare } from './anon_vma.ts';
import { balance_dirty_pages_ratelimited } from './balance_dirty.ts';
import { type file, filemap_get_folio, folio_mark_dirty, last_index, page_file_mapping } from './filemap.ts';
import { folio_get, folio_set, folio_test } from './folio.ts';
import { folio_lock, folio_unlock, folio_wait_locked } from './folio_lock.ts';
import { count_memcg_event_mm } from './memcg_stat.ts';
import { alloc_user_page, copy_page, map_new_page, pte_same } from './memory.ts';
import { mlock_vma_page } from './mlock.ts';
import type { vm_area_struct } from './mm_struct.ts';
import { page_index, section_map } from './page.ts';
import {
  filemap_create_folio,
  filemap_read_folio,
  mmap_readaround,
  page_cache_async_readahead,
  page_cache_sync_readahead,
} from './readahead.ts';
import { add_mm_counter, linear_page_index, page_add_file_rmap } from './rmap.ts';
import { folio_put } from './swap.ts';
import { PTE_ACCESSED, PTE_DIRTY, PTE_RW, pte_hi, pte_lo } from './user_pgtable.ts';
import { __count_vm_events } from './vm_event.ts';

/** So many faults that readahead did not foresee, and it is not tried any more; and what is counted at most. */
const MMAP_LOTSAMISS = 100;
const MMAP_MISS_MAX = 1000;

/** do_sync_mmap_readahead(). */
function* sync_readahead(k: Kernel, vma: vm_area_struct, f: file, index: number): Sleeping<void> {
  const { ra } = f;
  if ((vma.vm_flags & VM_RAND_READ) !== 0) return;
  if ((vma.vm_flags & VM_SEQ_READ) !== 0) {
    yield* page_cache_sync_readahead(k, f, index, ra.ra_pages);
    return;
  }
  if (ra.mmap_miss < MMAP_MISS_MAX) ra.mmap_miss++;
  if (ra.mmap_miss <= MMAP_LOTSAMISS) yield* mmap_readaround(k, f, index);
}

/** The page of the file, locked, up to date, with a reference; or -VM_FAULT_*. */
function* filemap_fault(k: Kernel, vma: vm_area_struct, f: file, index: number): Sleeping<pfn_t> {
  const mapping = f.f_inode.i_mapping;
  if (index > last_index(f.f_inode)) return -VM_FAULT_SIGBUS;
  let pfn = filemap_get_folio(k, mapping, index);
  if (pfn < 0) {
    __count_vm_events(k, PGMAJFAULT, 1);
    count_memcg_event_mm(k, vma.vm_mm, PGMAJFAULT);
    yield* sync_readahead(k, vma, f, index);
  } else if ((vma.vm_flags & VM_RAND_READ) === 0) {
    if (f.ra.mmap_miss > 0) f.ra.mmap_miss--;
    if (folio_test(k, pfn, PG_readahead)) yield* page_cache_async_readahead(k, f, pfn, index, f.ra.ra_pages);
  }
  for (let tried = false; ; ) {
    if (pfn < 0) pfn = filemap_get_folio(k, mapping, index);
    if (pfn < 0) {
      pfn = yield* filemap_create_folio(k, mapping, index, mapping.gfp_mask);
      if (pfn < 0 && mapping.i_pages.page(index) < 0) return -VM_FAULT_OOM;
      if (pfn < 0) continue;
    } else yield* folio_lock(k, pfn);
    const here = page_file_mapping(k, section_map(k.mm, pfn), page_index(pfn)) === mapping;
    if (here && folio_test(k, pfn, PG_uptodate)) return pfn;
    if (here && !tried) {
      tried = true;
      filemap_read_folio(k, mapping, pfn, false);
      yield* folio_wait_locked(k, pfn);
      continue;
    }
    folio_unlock(k, pfn);
    folio_put(k, pfn);
    if (here) return -VM_FAULT_SIGBUS;
    pfn = -1;
  }
}

function done(k: Kernel, pfn: pfn_t): void {
  folio_unlock(k, pfn);
  folio_put(k, pfn);
}

/** Maps a locked page of a file where nothing is; the mapping takes the reference over. */
function map_file_page(k: Kernel, vma: vm_area_struct, address: number, pfn: pfn_t, pte_flags: number): void {
  const mm = vma.vm_mm;
  const at = pte_same(k, mm, address, 0, 0);
  if (at < 0) {
    done(k, pfn);
    return;
  }
  page_add_file_rmap(k, pfn);
  mlock_vma_page(k, pfn, vma);
  add_mm_counter(mm, MM_FILEPAGES, 1);
  mm.walk_words[at] = pte_lo(pfn, vma.prot_lo | pte_flags);
  mm.walk_words[at + 1] = pte_hi(pfn, vma.prot_hi);
  folio_unlock(k, pfn);
}

/** A write to a private mapping of a file: a copy of the page, at once. */
function* do_cow_fault(k: Kernel, vma: vm_area_struct, f: file, address: number): Sleeping<number> {
  anon_vma_prepare(k, vma);
  const copy = yield* alloc_user_page(k, vma, address, false);
  if (copy < 0) return VM_FAULT_OOM;
  const pfn = yield* filemap_fault(k, vma, f, linear_page_index(vma, address));
  if (pfn < 0) {
    folio_put(k, copy);
    return -pfn;
  }
  copy_page(k, copy, pfn);
  folio_set(k, copy, PG_uptodate);
  const at = pte_same(k, vma.vm_mm, address, 0, 0);
  if (at < 0) folio_put(k, copy);
  else {
    add_mm_counter(vma.vm_mm, MM_ANONPAGES, 1);
    map_new_page(k, vma, address, at, copy);
  }
  done(k, pfn);
  return 0;
}

/** Nothing is there yet. @returns VM_FAULT_* */
export function* do_fault(k: Kernel, vma: vm_area_struct, f: file, address: number, flags: number): Sleeping<number> {
  const write = (flags & FAULT_FLAG_WRITE) !== 0;
  if (write && (vma.vm_flags & VM_SHARED) === 0) return yield* do_cow_fault(k, vma, f, address);
  const pfn = yield* filemap_fault(k, vma, f, linear_page_index(vma, address));
  if (pfn < 0) return -pfn;
  if (write) folio_mark_dirty(k, pfn);
  map_file_page(k, vma, address, pfn, write ? PTE_RW | PTE_DIRTY : 0);
  if (write) yield* balance_dirty_pages_ratelimited(k);
  return 0;
}

/** The first write to a page of a shared mapping since it was clean. */
export function* wp_page_shared(
  k: Kernel,
  vma: vm_area_struct,
  address: number,
  lo: number,
  hi: number,
  pfn: pfn_t,
): Sleeping<number> {
  folio_get(k, pfn);
  yield* folio_lock(k, pfn);
  const at = pte_same(k, vma.vm_mm, address, lo, hi);
  if (at >= 0) {
    folio_mark_dirty(k, pfn);
    vma.vm_mm.walk_words[at] = lo | PTE_RW | PTE_DIRTY | PTE_ACCESSED;
  }
  done(k, pfn);
  if (at >= 0) yield* balance_dirty_pages_ratelimited(k);
  return 0;
}
