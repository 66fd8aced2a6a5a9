// fork(): an address space is copied, with all pages shared until one of the two writes to them (Linux: kernel/fork.c
// dup_mmap(), copy_process() as far as memory goes; mm/memory.c copy_page_range()).

import { GFP_KERNEL } from '../include/gfp_types.ts';
import {
  MM_ANONPAGES,
  MM_SWAPENTS,
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_LOCKED,
  VM_MAYWRITE,
  VM_SHARED,
  VM_WIPEONFORK,
} from '../include/mm.ts';
import { PG_MAPPING, PG_REFCOUNT } from '../include/mm_types.ts';
import { _PAGE_SWP_EXCLUSIVE, MAX_SWAPFILES } from '../include/swap.ts';
import { EINTR, EINVAL, ENOMEM, PAGE_SIZE, round_down } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { down_write, up_write } from '../locking/rwsem.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import type { TaskBody, TaskOptions } from '../sched/fork.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { anon_vma_fork, PAGE_MAPPING_ANON } from './anon_vma.ts';
import { vm_normal_page } from './memory.ts';
import { alloc_pages_task } from './mempolicy.ts';
import { is_migration_entry, readable_migration_entry } from './migration_ptes.ts';
import { type mm_struct, vm_area_struct } from './mm_struct.ts';
import {
  insert_vma,
  migrating_mm_counter,
  mm_alloc,
  mmput,
  PMD_SIZE,
  PTE_NS,
  start_process,
  vma_pages,
} from './mmap.ts';
import { __vm_enough_memory } from './overcommit.ts';
import { page_index, section_map } from './page.ts';
import { add_mm_counter, mm_counter, page_add_file_rmap, page_dup_anon_rmap } from './rmap.ts';
import { add_swap_count_continuation, swap_duplicate } from './swap_count.ts';
import { pte_to_swp_entry, swp_pte_hi, swp_pte_lo, swp_type } from './swapops.ts';
import { PTE_ACCESSED, PTE_RW, pt_walk, pte_alloc, pte_present } from './user_pgtable.ts';
import { link_file } from './vma_links.ts';

/** dup_mm(): a copy that shares all pages until one of the two writes to them. @returns null: no memory, or it was killed */
export function* dup_mm(k: Kernel, old: mm_struct): Sleeping<mm_struct | null> {
  const mm = yield* mm_alloc(k);
  if (mm === null) return null;
  yield* down_write(k, old.mmap_lock);
  for (const mpnt of old.vmas) {
    if ((mpnt.vm_flags & VM_DONTCOPY) !== 0) continue;
    // Of one who is to die the OOM killer's reaper may have taken pages away: no copy must show that.
    if (k.current.fatal_signal_pending || !promised(k, old, mpnt)) {
      up_write(k, old.mmap_lock);
      yield* mmput(k, mm);
      return null;
    }
    const vma = new vm_area_struct(mm, mpnt.vm_start, mpnt.vm_end, mpnt.vm_flags & ~VM_LOCKED, mpnt.vm_pgoff);
    const wipe = (mpnt.vm_flags & VM_WIPEONFORK) !== 0;
    link_file(vma, mpnt.vm_file);
    if (!wipe) anon_vma_fork(k, vma, mpnt);
    insert_vma(mm, vma);
    if (!wipe && !(yield* copy_page_range(k, vma, mpnt))) {
      up_write(k, old.mmap_lock);
      yield* mmput(k, mm);
      return null;
    }
  }
  up_write(k, old.mmap_lock);
  return mm;
}

const promised = (k: Kernel, mm: mm_struct, vma: vm_area_struct): boolean =>
  (vma.vm_flags & VM_ACCOUNT) === 0 || __vm_enough_memory(k, mm, vma_pages(vma)) === 0;

/** @returns whether there was memory for the tables */
function* copy_page_range(k: Kernel, dst: vm_area_struct, src: vm_area_struct): Sleeping<boolean> {
  // What faults could bring back is not copied.
  if (src.anon_vma === null) return true;
  for (let addr = src.vm_start; addr < src.vm_end; ) {
    const next = Math.min(src.vm_end, round_down(addr, PMD_SIZE) + PMD_SIZE);
    if (pt_walk(k, src.vm_mm, addr) >= 0) {
      if (pt_walk(k, dst.vm_mm, addr) < 0 && !(yield* pte_alloc(k, dst.vm_mm, addr))) return false;
      const stuck = copy_pte_range(k, dst, src, addr, next);
      if (stuck >= 0) {
        const at = pt_walk(k, src.vm_mm, stuck);
        const entry = pte_to_swp_entry(src.vm_mm.walk_words[at]!, src.vm_mm.walk_words[at + 1]!);
        const page = yield* alloc_pages_task(k, GFP_KERNEL, 0);
        if (add_swap_count_continuation(k, entry, page) < 0) return false;
        addr = stuck;
        continue;
      }
      if (should_resched(k)) yield* cond_resched(k);
    }
    addr = next;
  }
  return true;
}

/** @returns -1; or the address of an entry that is named too often: it takes a page to count on, and those before are done */
function copy_pte_range(k: Kernel, dst: vm_area_struct, src: vm_area_struct, addr: number, end: number): number {
  const from = pt_walk(k, src.vm_mm, addr);
  const to = pt_walk(k, dst.vm_mm, addr);
  if (from < 0 || to < 0) return -1;
  const source = src.vm_mm.walk_words;
  const target = dst.vm_mm.walk_words;
  const cow = (src.vm_flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
  const size = (end - addr) / (PAGE_SIZE / 2);
  for (let i = 0; i < size; i += 2) {
    let lo = source[from + i]!;
    const hi = source[from + i + 1]!;
    if ((lo | hi) === 0) continue;
    charge(k, PTE_NS);
    if (!pte_present(lo)) {
      if (!copy_swap_entry(k, dst.vm_mm, source, from + i, target, to + i)) return addr + i * (PAGE_SIZE / 2);
      continue;
    }
    const pfn = vm_normal_page(lo, hi);
    if (pfn >= 0) {
      const m = section_map(k.mm, pfn);
      const p = page_index(pfn);
      m[p + PG_REFCOUNT] = m[p + PG_REFCOUNT]! + 1;
      if ((m[p + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0) {
        page_dup_anon_rmap(m, p);
        add_mm_counter(dst.vm_mm, MM_ANONPAGES, 1);
      } else {
        page_add_file_rmap(k, pfn);
        add_mm_counter(dst.vm_mm, mm_counter(m, p), 1);
      }
    }
    if (cow && (lo & PTE_RW) !== 0) {
      lo &= ~PTE_RW;
      source[from + i] = lo;
    }
    target[to + i] = lo & ~PTE_ACCESSED;
    target[to + i + 1] = hi;
  }
  return -1;
}

/** Both have the page in swap now, and neither has it alone. @returns false: there is no page to count that on */
function copy_swap_entry(
  k: Kernel,
  mm: mm_struct,
  source: Int32Array,
  from: number,
  target: Int32Array,
  to: number,
): boolean {
  let lo = source[from]! & ~_PAGE_SWP_EXCLUSIVE;
  const entry = pte_to_swp_entry(lo, source[from + 1]!);
  if (is_migration_entry(entry)) {
    const shared = readable_migration_entry(entry);
    add_mm_counter(mm, migrating_mm_counter(k, entry), 1);
    lo = swp_pte_lo(shared);
    source[from + 1] = swp_pte_hi(shared);
  } else if (swp_type(entry) < MAX_SWAPFILES) {
    if (swap_duplicate(k, entry) < 0) return false;
    add_mm_counter(mm, MM_SWAPENTS, 1);
  }
  source[from] = lo;
  target[to] = lo;
  target[to + 1] = source[from + 1]!;
  return true;
}

/**
 * fork(): the running task's address space is copied for a new process, which runs `body`.
 * @returns -ENOMEM; -EINTR: it was killed
 */
export function* fork_process(
  k: Kernel,
  comm: string,
  body: TaskBody,
  options: TaskOptions = {},
): Sleeping<task_struct | number> {
  const { mm } = k.current;
  if (mm === null) return -EINVAL;
  const copy = k.current.fatal_signal_pending ? null : yield* dup_mm(k, mm);
  if (!k.current.fatal_signal_pending) {
    return copy === null ? -ENOMEM : start_process(k, copy, comm, body, options);
  }
  if (copy !== null) yield* mmput(k, copy);
  return -EINTR;
}
