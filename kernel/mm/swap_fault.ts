// A page that is in swap comes back into page tables (Linux: mm/memory.c do_swap_page()).
//
// Left out: synchronous swap devices, KSM. Differs from Linux: mmap_lock is kept while the page is read.

import { GFP_HIGHUSER_MOVABLE } from '../include/gfp_types.ts';
import {
  FAULT_FLAG_WRITE,
  MM_ANONPAGES,
  MM_SWAPENTS,
  VM_FAULT_ERROR,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_LOCKED,
} from '../include/mm.ts';
import { PG_FLAGS, PG_REFCOUNT } from '../include/mm_types.ts';
import { PG_lru, PG_mlocked, PG_uptodate } from '../include/page_flags.ts';
import { _PAGE_SWP_EXCLUSIVE, MAX_SWAPFILES } from '../include/swap.ts';
import type { pfn_t } from '../include/types.ts';
import { PGMAJFAULT } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { folio_test } from './folio.ts';
import { folio_lock, folio_unlock, migration_entry_wait_on_locked } from './folio_lock.ts';
import { count_memcg_event_mm } from './memcg_stat.ts';
import { mem_cgroup_swap_full } from './memcg_swap.ts';
import { do_wp_page, maybe_mkwrite, pte_same } from './memory.ts';
import { is_migration_entry, migration_entry_pfn } from './migration_ptes.ts';
import { mlock_vma_page } from './mlock.ts';
import type { vm_area_struct } from './mm_struct.ts';
import { page_index, section_map } from './page.ts';
import { add_mm_counter, page_add_anon_rmap } from './rmap.ts';
import { folio_put, lru_add_drain } from './swap.ts';
import { swap_cache_get_folio, swapin_readahead } from './swap_readahead.ts';
import { folio_free_swap, folio_swap_entry, folio_test_swapcache } from './swap_state.ts';
import { swap_free } from './swapfile.ts';
import { pte_to_swp_entry, swp_type } from './swapops.ts';
import { PTE_DIRTY, pte_hi, pte_lo } from './user_pgtable.ts';
import { __count_vm_events } from './vm_event.ts';

/** Whether the page's place in swap is given up at once, because it is needed, or would be when the page is written to. */
function should_try_to_free_swap(k: Kernel, pfn: pfn_t, vma: vm_area_struct, flags: number, refcount: number): boolean {
  if ((vma.vm_flags & VM_LOCKED) !== 0 || folio_test(k, pfn, PG_mlocked) || mem_cgroup_swap_full(k, pfn)) return true;
  return (flags & FAULT_FLAG_WRITE) !== 0 && refcount === 2;
}

/** @param lo,hi the entry as it was found. @returns VM_FAULT_* */
export function* do_swap_page(
  k: Kernel,
  vma: vm_area_struct,
  address: number,
  flags: number,
  lo: number,
  hi: number,
): Sleeping<number> {
  const mm = vma.vm_mm;
  const entry = pte_to_swp_entry(lo, hi);
  if (is_migration_entry(entry)) {
    yield* migration_entry_wait_on_locked(k, migration_entry_pfn(k, entry));
    return 0;
  }
  if (swp_type(entry) >= MAX_SWAPFILES) return VM_FAULT_SIGBUS;
  let fault = 0;
  let pfn = swap_cache_get_folio(k, entry, vma, address);
  if (pfn < 0) {
    pfn = yield* swapin_readahead(k, entry, GFP_HIGHUSER_MOVABLE, vma, address);
    // Without memory, or because another has brought it back.
    if (pfn < 0) return pte_same(k, mm, address, lo, hi) >= 0 ? VM_FAULT_OOM : 0;
    fault = VM_FAULT_MAJOR;
    __count_vm_events(k, PGMAJFAULT, 1);
    count_memcg_event_mm(k, mm, PGMAJFAULT);
  }
  yield* folio_lock(k, pfn);
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const ours = folio_test_swapcache(k, pfn) && folio_swap_entry(k, pfn) === entry;
  if (ours && (flags & FAULT_FLAG_WRITE) !== 0 && ((m[i + PG_FLAGS]! >>> PG_lru) & 1) === 0) lru_add_drain(k);
  const at = ours ? pte_same(k, mm, address, lo, hi) : -1;
  const uptodate = ((m[i + PG_FLAGS]! >>> PG_uptodate) & 1) !== 0;
  if (at < 0 || !uptodate) {
    folio_unlock(k, pfn);
    folio_put(k, pfn);
    return at < 0 ? fault : fault | VM_FAULT_SIGBUS;
  }
  swap_free(k, entry);
  if (should_try_to_free_swap(k, pfn, vma, flags, m[i + PG_REFCOUNT]!)) folio_free_swap(k, pfn);
  const exclusive = (lo & _PAGE_SWP_EXCLUSIVE) !== 0 || m[i + PG_REFCOUNT] === 1;
  const write = (flags & FAULT_FLAG_WRITE) !== 0;
  const writable = exclusive && write ? PTE_DIRTY | maybe_mkwrite(vma) : 0;
  map_swapped_page(k, vma, address, at, pfn, exclusive, vma.prot_lo | writable);
  folio_unlock(k, pfn);
  if (!write || exclusive) return fault;
  fault |= yield* do_wp_page(k, vma, address, at);
  return (fault & VM_FAULT_ERROR) !== 0 ? fault & VM_FAULT_ERROR : fault;
}

/** The mapping takes over the reference that the caller has. @param pte_flags the entry's low word without the page */
export function map_swapped_page(
  k: Kernel,
  vma: vm_area_struct,
  address: number,
  at: number,
  pfn: pfn_t,
  exclusive: boolean,
  pte_flags: number,
): void {
  const mm = vma.vm_mm;
  add_mm_counter(mm, MM_ANONPAGES, 1);
  add_mm_counter(mm, MM_SWAPENTS, -1);
  page_add_anon_rmap(k, pfn, vma, address, exclusive);
  mlock_vma_page(k, pfn, vma);
  mm.walk_words[at] = pte_lo(pfn, pte_flags);
  mm.walk_words[at + 1] = pte_hi(pfn, vma.prot_hi);
}
