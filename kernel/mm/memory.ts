// Page faults (Linux: mm/memory.c handle_mm_fault() and what it calls): a page appears where a task touches its address
// space for the first time, or writes to one that it shares.
//
// Whoever sleeps looks again at the entry that he found. Left out: huge pages, userfaultfd, NUMA hinting faults.
// Differs from Linux: mmap_lock is kept while a fault waits for storage.

import { __GFP_ZERO, GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../include/gfp_types.ts';
import {
  FAULT_FLAG_WRITE,
  MM_ANONPAGES,
  VM_EXEC,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from '../include/mm.ts';
import { PG_FLAGS, PG_MAPPING, PG_REFCOUNT } from '../include/mm_types.ts';
import { MMF_UNSTABLE } from '../include/oom.ts';
import { PG_anon_exclusive, PG_lru, PG_uptodate } from '../include/page_flags.ts';
import { PAGE_SIZE, type pfn_t, round_down } from '../include/types.ts';
import { PGFAULT, PGREUSE } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { down_read, up_read } from '../locking/rwsem.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { anon_vma_prepare, PAGE_MAPPING_ANON } from './anon_vma.ts';
import { do_fault, wp_page_shared } from './filemap_fault.ts';
import { folio_get, folio_set } from './folio.ts';
import { folio_trylock, folio_unlock } from './folio_lock.ts';
import { mem_cgroup_charge, memcg_enabled } from './memcg_folio.ts';
import { count_memcg_event_mm } from './memcg_stat.ts';
import { vma_alloc_folio } from './mempolicy.ts';
import { mlock_vma_page, munlock_vma_page } from './mlock.ts';
import { type mm_struct, type vm_area_struct, vma_lookup } from './mm_struct.ts';
import { page_index, section_map } from './page.ts';
import {
  add_mm_counter,
  linear_page_index,
  mm_counter,
  page_add_new_anon_rmap,
  page_move_anon_rmap,
  page_remove_rmap,
} from './rmap.ts';
import { folio_add_lru, folio_put, lru_add_drain } from './swap.ts';
import { do_swap_page } from './swap_fault.ts';
import { folio_free_swap, folio_test_swapcache, free_page_and_swap_cache } from './swap_state.ts';
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_RW,
  PTE_SPECIAL,
  page_word_index,
  page_words,
  pt_walk,
  pte_alloc,
  pte_hi,
  pte_lo,
  pte_pfn,
  pte_present,
} from './user_pgtable.ts';
import { __count_vm_events } from './vm_event.ts';

const PAGE_WORDS = PAGE_SIZE / 4;

/** maybe_mkwrite(): what an entry's low word gets if the area may be written to. */
export const maybe_mkwrite = (vma: vm_area_struct): number => ((vma.vm_flags & VM_WRITE) !== 0 ? PTE_RW : 0);

/** Where the entry of `address` is if it still holds what was found there; -1: another has been faster. */
export function pte_same(k: Kernel, mm: mm_struct, address: number, lo: number, hi: number): number {
  const at = pt_walk(k, mm, address);
  if (at < 0) return -1;
  return mm.walk_words[at] === lo && mm.walk_words[at + 1] === hi ? at : -1;
}

/** vm_normal_page(): -1 for a page that reverse mapping knows nothing of. */
export const vm_normal_page = (lo: number, hi: number): pfn_t => ((lo & PTE_SPECIAL) !== 0 ? -1 : pte_pfn(lo, hi));

/** Whether what it reads may be what the OOM killer's reaper has left. */
const check_stable_address_space = (mm: mm_struct): number => ((mm.flags & MMF_UNSTABLE) !== 0 ? VM_FAULT_SIGBUS : 0);

/** A page for the task's own contents, charged to its memory cgroup. @returns -1: no memory, or no more for that */
export function* alloc_user_page(k: Kernel, vma: vm_area_struct, address: number, zero: boolean): Sleeping<pfn_t> {
  const gfp = zero ? GFP_HIGHUSER_MOVABLE | __GFP_ZERO : GFP_HIGHUSER_MOVABLE;
  const pfn = yield* vma_alloc_folio(k, gfp, linear_page_index(vma, address));
  if (pfn < 0 || !memcg_enabled(k) || (yield* mem_cgroup_charge(k, pfn, vma.vm_mm, GFP_KERNEL)) === 0) return pfn;
  folio_put(k, pfn);
  return -1;
}

/** copy_user_highpage(). */
export function copy_page(k: Kernel, to: pfn_t, from: pfn_t): void {
  const source = page_words(k, from);
  const target = page_words(k, to);
  const first = page_word_index(from);
  if (source === target) target.copyWithin(page_word_index(to), first, first + PAGE_WORDS);
  else target.set(source.subarray(first, first + PAGE_WORDS), page_word_index(to));
}

/** A page that is the task's alone takes its place: mapped, on its way to the LRU lists. */
export function map_new_page(k: Kernel, vma: vm_area_struct, address: number, at: number, pfn: pfn_t): void {
  const words = vma.vm_mm.walk_words;
  page_add_new_anon_rmap(k, pfn, vma, address);
  mlock_vma_page(k, pfn, vma);
  folio_add_lru(k, pfn);
  const writable = (vma.vm_flags & VM_WRITE) !== 0 ? PTE_RW | PTE_DIRTY : 0;
  words[at] = pte_lo(pfn, vma.prot_lo | writable);
  words[at + 1] = pte_hi(pfn, vma.prot_hi);
}

/** Nothing is there yet. Who only reads gets the zero page. */
function* do_anonymous_page(k: Kernel, vma: vm_area_struct, address: number, flags: number): Sleeping<number> {
  const mm = vma.vm_mm;
  if ((vma.vm_flags & VM_SHARED) !== 0) return VM_FAULT_SIGBUS;
  if ((flags & FAULT_FLAG_WRITE) === 0) {
    const at = pte_same(k, mm, address, 0, 0);
    if (at < 0) return 0;
    const unstable = check_stable_address_space(mm);
    if (unstable !== 0) return unstable;
    mm.walk_words[at] = pte_lo(k.user.zero_pfn, vma.prot_lo | PTE_SPECIAL);
    mm.walk_words[at + 1] = pte_hi(k.user.zero_pfn, vma.prot_hi);
    return 0;
  }
  anon_vma_prepare(k, vma);
  const pfn = yield* alloc_user_page(k, vma, address, true);
  if (pfn < 0) return VM_FAULT_OOM;
  folio_set(k, pfn, PG_uptodate);
  const at = pte_same(k, mm, address, 0, 0);
  const unstable = check_stable_address_space(mm);
  if (at < 0 || unstable !== 0) {
    folio_put(k, pfn);
    return at < 0 ? 0 : unstable;
  }
  add_mm_counter(mm, MM_ANONPAGES, 1);
  map_new_page(k, vma, address, at, pfn);
  return 0;
}

/** The page is the task's alone: it may write to it as it is. */
function wp_page_reuse(k: Kernel, vma: vm_area_struct, at: number): number {
  const words = vma.vm_mm.walk_words;
  words[at] = words[at]! | PTE_ACCESSED | PTE_DIRTY | maybe_mkwrite(vma);
  __count_vm_events(k, PGREUSE, 1);
  return 0;
}

/** @param old the page that is copied, with a reference that is given up here; -1: the zero page */
function* wp_page_copy(
  k: Kernel,
  vma: vm_area_struct,
  address: number,
  lo: number,
  hi: number,
  old: pfn_t,
): Sleeping<number> {
  const mm = vma.vm_mm;
  anon_vma_prepare(k, vma);
  const pfn = yield* alloc_user_page(k, vma, address, old < 0);
  if (pfn < 0) {
    if (old >= 0) folio_put(k, old);
    return VM_FAULT_OOM;
  }
  if (old >= 0) copy_page(k, pfn, old);
  folio_set(k, pfn, PG_uptodate);
  const at = pte_same(k, mm, address, lo, hi);
  if (at < 0) {
    folio_put(k, pfn);
  } else {
    const counter = old < 0 ? -1 : mm_counter(section_map(k.mm, old), page_index(old));
    if (counter !== MM_ANONPAGES) {
      if (counter >= 0) add_mm_counter(mm, counter, -1);
      add_mm_counter(mm, MM_ANONPAGES, 1);
    }
    map_new_page(k, vma, address, at, pfn);
    if (old >= 0) {
      munlock_vma_page(k, old, vma);
      page_remove_rmap(k, old);
      folio_put(k, old);
    }
  }
  if (old >= 0) free_page_and_swap_cache(k, old);
  return 0;
}

/** Whether nobody else has the page: no other mapping, no one who holds it for a while, nobody in swap. */
function only_user(k: Kernel, pfn: pfn_t, vma: vm_area_struct): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (m[i + PG_REFCOUNT]! > 3) return false;
  if (((m[i + PG_FLAGS]! >>> PG_lru) & 1) === 0) lru_add_drain(k);
  if (m[i + PG_REFCOUNT]! > (folio_test_swapcache(k, pfn) ? 2 : 1) || !folio_trylock(k, pfn)) return false;
  folio_free_swap(k, pfn);
  const alone = m[i + PG_REFCOUNT] === 1;
  if (alone) page_move_anon_rmap(k, pfn, vma);
  folio_unlock(k, pfn);
  return alone;
}

/** A write to a page that is mapped for reading. */
export function* do_wp_page(k: Kernel, vma: vm_area_struct, address: number, at: number): Sleeping<number> {
  const words = vma.vm_mm.walk_words;
  const lo = words[at]!;
  const hi = words[at + 1]!;
  const pfn = vm_normal_page(lo, hi);
  if (pfn < 0) return yield* wp_page_copy(k, vma, address, lo, hi, -1);
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if ((m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0) {
    const exclusive = ((m[i + PG_FLAGS]! >>> PG_anon_exclusive) & 1) !== 0;
    if (exclusive || only_user(k, pfn, vma)) return wp_page_reuse(k, vma, at);
  } else if ((vma.vm_flags & (VM_SHARED | VM_WRITE)) === (VM_SHARED | VM_WRITE)) {
    return yield* wp_page_shared(k, vma, address, lo, hi, pfn);
  }
  folio_get(k, pfn);
  return yield* wp_page_copy(k, vma, address, lo, hi, pfn);
}

/**
 * Makes `address` accessible as asked, if the area allows it.
 * @returns VM_FAULT_*; 0: the task may try again
 */
export function* handle_mm_fault(k: Kernel, vma: vm_area_struct, address: number, flags: number): Sleeping<number> {
  const mm = vma.vm_mm;
  const page = round_down(address, PAGE_SIZE);
  __count_vm_events(k, PGFAULT, 1);
  count_memcg_event_mm(k, mm, PGFAULT);
  let at = pt_walk(k, mm, page);
  if (at < 0) {
    if (!(yield* pte_alloc(k, mm, page))) return VM_FAULT_OOM;
    at = pt_walk(k, mm, page);
  }
  const words = mm.walk_words;
  const lo = words[at]!;
  if ((lo | words[at + 1]!) === 0) {
    if (vma.vm_file !== null) return yield* do_fault(k, vma, vma.vm_file, page, flags);
    return yield* do_anonymous_page(k, vma, page, flags);
  }
  if (!pte_present(lo)) return yield* do_swap_page(k, vma, page, flags, lo, words[at + 1]!);
  if ((flags & FAULT_FLAG_WRITE) !== 0 && (lo & PTE_RW) === 0) return yield* do_wp_page(k, vma, page, at);
  words[at] = lo | PTE_ACCESSED | ((flags & FAULT_FLAG_WRITE) !== 0 ? PTE_DIRTY : 0);
  return 0;
}

/** What the CPU's fault comes to (Linux: arch/x86/mm/fault.c do_user_addr_fault()). @returns VM_FAULT_* */
export function* do_user_addr_fault(k: Kernel, mm: mm_struct, address: number, flags: number): Sleeping<number> {
  yield* down_read(k, mm.mmap_lock);
  const vma = vma_lookup(mm, address);
  const needed = (flags & FAULT_FLAG_WRITE) !== 0 ? VM_WRITE : VM_READ | VM_EXEC | VM_WRITE;
  const allowed = vma !== null && (vma.vm_flags & needed) !== 0;
  const fault = allowed ? yield* handle_mm_fault(k, vma, address, flags) : VM_FAULT_SIGSEGV;
  up_read(k, mm.mmap_lock);
  return fault;
}
