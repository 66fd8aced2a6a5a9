// A swap area is switched off: all page tables take back what they have there (Linux: mm/swapfile.c try_to_unuse(),
// unuse_mm(), unuse_pte()).

import { GFP_HIGHUSER_MOVABLE } from '../include/gfp_types.ts';
import { MM_SWAPENTS } from '../include/mm.ts';
import { PG_FLAGS, PG_REFCOUNT } from '../include/mm_types.ts';
import { PG_uptodate } from '../include/page_flags.ts';
import { _PAGE_SWP_EXCLUSIVE } from '../include/swap.ts';
import { EINTR, ENOMEM, PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { down_read, up_read } from '../locking/rwsem.ts';
import { cond_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { folio_lock, folio_unlock, folio_wait_writeback } from './folio_lock.ts';
import { pte_same } from './memory.ts';
import type { mm_struct, vm_area_struct } from './mm_struct.ts';
import { mmput } from './mmap.ts';
import { page_index, section_map } from './page.ts';
import { add_mm_counter } from './rmap.ts';
import { folio_put } from './swap.ts';
import { map_swapped_page } from './swap_fault.ts';
import { swap_cache_get_folio, swapin_readahead } from './swap_readahead.ts';
import { folio_free_swap } from './swap_state.ts';
import { swap_free } from './swapfile.ts';
import { make_swapin_error_entry, pte_to_swp_entry, swp_pte_hi, swp_pte_lo, swp_type } from './swapops.ts';
import { PTE_ACCESSED, pt_walk, pte_present } from './user_pgtable.ts';

/** One entry of the area that goes: its page comes back, or what says that it could not be read. */
function* unuse_pte(k: Kernel, vma: vm_area_struct, address: number, lo: number, hi: number): Sleeping<number> {
  const mm = vma.vm_mm;
  const entry = pte_to_swp_entry(lo, hi);
  let pfn = swap_cache_get_folio(k, entry, vma, address);
  if (pfn < 0) pfn = yield* swapin_readahead(k, entry, GFP_HIGHUSER_MOVABLE, vma, address);
  if (pfn < 0) return pte_same(k, mm, address, lo, hi) >= 0 ? -ENOMEM : 0;
  yield* folio_lock(k, pfn);
  yield* folio_wait_writeback(k, pfn);
  const at = pte_same(k, mm, address, lo, hi);
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (at >= 0 && ((m[i + PG_FLAGS]! >>> PG_uptodate) & 1) === 0) {
    add_mm_counter(mm, MM_SWAPENTS, -1);
    const error = make_swapin_error_entry(pfn);
    mm.walk_words[at] = swp_pte_lo(error);
    mm.walk_words[at + 1] = swp_pte_hi(error);
    swap_free(k, entry);
  } else if (at >= 0) {
    m[i + PG_REFCOUNT] = m[i + PG_REFCOUNT]! + 1;
    // Nobody has asked for it.
    const old = vma.prot_lo & ~PTE_ACCESSED;
    map_swapped_page(k, vma, address, at, pfn, (lo & _PAGE_SWP_EXCLUSIVE) !== 0, old);
    swap_free(k, entry);
  }
  folio_free_swap(k, pfn);
  folio_unlock(k, pfn);
  folio_put(k, pfn);
  return 0;
}

function* unuse_vma(k: Kernel, vma: vm_area_struct, type: number): Sleeping<number> {
  for (let address = vma.vm_start; address < vma.vm_end; address += PAGE_SIZE) {
    const at = pt_walk(k, vma.vm_mm, address);
    if (at < 0) {
      // The next table.
      address = Math.floor(address / 2 ** 21) * 2 ** 21 + 2 ** 21 - PAGE_SIZE;
      continue;
    }
    const lo = vma.vm_mm.walk_words[at]!;
    const hi = vma.vm_mm.walk_words[at + 1]!;
    if ((lo | hi) === 0 || pte_present(lo) || swp_type(pte_to_swp_entry(lo, hi)) !== type) continue;
    const error = yield* unuse_pte(k, vma, address, lo, hi);
    if (error !== 0) return error;
  }
  return 0;
}

function* unuse_mm(k: Kernel, mm: mm_struct, type: number): Sleeping<number> {
  let error = 0;
  yield* down_read(k, mm.mmap_lock);
  for (const vma of mm.vmas) {
    if (vma.anon_vma !== null) error = yield* unuse_vma(k, vma, type);
    if (error !== 0) break;
    yield* cond_resched(k);
  }
  up_read(k, mm.mmap_lock);
  return error;
}

/** All page tables take back what they have on an area. @returns 0 or -errno */
export function* unuse_all(k: Kernel, type: number): Sleeping<number> {
  for (const mm of k.user.mms) {
    if (mm.mm_users === 0 || mm.rss_stat[MM_SWAPENTS] === 0) continue;
    // A task that ends meanwhile must not take it away.
    mm.mm_users++;
    const error = yield* unuse_mm(k, mm, type);
    yield* mmput(k, mm);
    if (error !== 0) return error;
    if (k.current.fatal_signal_pending) return -EINTR;
  }
  return 0;
}
