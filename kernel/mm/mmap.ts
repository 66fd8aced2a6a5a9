// Address spaces and what is mapped in them (Linux: kernel/fork.c mm_alloc(), mmput(), dup_mmap(); mm/mmap.c mmap_region(),
// do_munmap(), exit_mmap(); mm/memory.c unmap_page_range()). fork() is in fork_mm.ts.
//
// Left out: merging areas, brk(), mprotect().

import { smp_locks } from '../arch/x86/sections.ts';
import {
  MM_ANONPAGES,
  MM_SWAPENTS,
  MMAP_BASE,
  TASK_SIZE,
  VM_ACCOUNT,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_SEQ_READ,
} from '../include/mm.ts';
import { MMF_OOM_SKIP } from '../include/oom.ts';
import { MAX_SWAPFILES } from '../include/swap.ts';
import { EINVAL, ENOMEM, PAGE_SIZE, PFN_DOWN, round_down, round_up } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { down_read, down_write, up_read, up_write } from '../locking/rwsem.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import { copy_process, type TaskBody, type TaskOptions, wake_up_new_task } from '../sched/fork.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { anon_vma_clone } from './anon_vma.ts';
import { type file, folio_mark_dirty } from './filemap.ts';
import { vm_normal_page } from './memory.ts';
import { is_migration_entry, migration_entry_pfn } from './migration_ptes.ts';
import { munlock_vma_page } from './mlock.ts';
import { find_vma_index, mm_struct, update_hiwater_rss, vm_area_struct } from './mm_struct.ts';
import { type mmu_gather, tlb_finish_mmu, tlb_flush_mmu, tlb_gather_mmu, tlb_remove_page } from './mmu_gather.ts';
import { __vm_enough_memory, accountable_mapping, OVERCOMMIT_NEVER, vm_unacct_memory } from './overcommit.ts';
import { page_index, section_map } from './page.ts';
import { add_mm_counter, mm_counter, page_remove_rmap } from './rmap.ts';
import { folio_mark_accessed } from './swap.ts';
import { unuse_all } from './swap_unuse.ts';
import { free_swap_and_cache } from './swapfile.ts';
import { pte_to_swp_entry, type swp_entry_t, swp_type } from './swapops.ts';
import { free_pgtables, PTE_ACCESSED, PTE_DIRTY, pgd_alloc, pgd_free, pt_walk, pte_present } from './user_pgtable.ts';
import { link_file, unlink_vma, vma_set_end } from './vma_links.ts';

export const PMD_SIZE = 2 ** 21;

/** An empty address space; null: no memory. */
export function* mm_alloc(k: Kernel): Sleeping<mm_struct | null> {
  // empty_zero_page: .bss begins with it.
  if (k.user.zero_pfn < 0) k.user.zero_pfn = PFN_DOWN(round_up(smp_locks(k.config.image).end, PAGE_SIZE));
  const pgd = yield* pgd_alloc(k);
  if (pgd === 0) return null;
  k.swap.unuse ??= unuse_all;
  const mm = new mm_struct(pgd);
  k.user.mms.add(mm);
  return mm;
}

// ---- areas

export function insert_vma(mm: mm_struct, vma: vm_area_struct): void {
  mm.vmas.splice(find_vma_index(mm, vma.vm_start), 0, vma);
  mm.total_vm += vma_pages(vma);
}

export const vma_pages = ({ vm_start, vm_end }: vm_area_struct): number => (vm_end - vm_start) / PAGE_SIZE;

/** What is promised with new areas' flags: VM_ACCOUNT among them says so. @returns the flags, or -ENOMEM */
function account_mapping(k: Kernel, mm: mm_struct, flags: number, length: number): number {
  const strict = k.overcommit.sysctl_overcommit_memory === OVERCOMMIT_NEVER;
  const vm_flags = strict ? flags & ~VM_NORESERVE : flags;
  if (!accountable_mapping(vm_flags)) return vm_flags;
  const err = __vm_enough_memory(k, mm, length / PAGE_SIZE);
  return err === 0 ? vm_flags | VM_ACCOUNT : err;
}

/** No promise is left of areas that go. */
function unaccount(k: Kernel, vmas: readonly vm_area_struct[]): void {
  for (const vma of vmas) if ((vma.vm_flags & VM_ACCOUNT) !== 0) vm_unacct_memory(k, vma_pages(vma));
}

/** The highest gap that is large enough. @returns its address, or -ENOMEM */
function get_unmapped_area(mm: mm_struct, size: number): number {
  let end = MMAP_BASE;
  for (let n = mm.vmas.length - 1; n >= 0; n--) {
    const vma = mm.vmas[n]!;
    if (vma.vm_start >= end) continue;
    if (end - vma.vm_end >= size) return end - size;
    end = vma.vm_start;
  }
  return end - size >= PAGE_SIZE ? end - size : -ENOMEM;
}

/**
 * mmap() of private anonymous memory.
 * @param addr 0: wherever there is room; else exactly there, in place of what was
 * @param flags VM_READ, VM_WRITE, VM_EXEC and the like
 * @returns the address, or -errno
 */
export function* vm_mmap(k: Kernel, mm: mm_struct, addr: number, size: number, flags: number): Sleeping<number> {
  const length = round_up(size, PAGE_SIZE);
  if (length === 0 || addr % PAGE_SIZE !== 0) return -EINVAL;
  if (addr < 0 || addr + length > TASK_SIZE) return -ENOMEM;
  yield* down_write(k, mm.mmap_lock);
  let start = addr === 0 ? get_unmapped_area(mm, length) : addr;
  if (addr !== 0) yield* do_munmap(k, mm, addr, addr + length);
  if (start >= 0) {
    const vm_flags = account_mapping(k, mm, flags | VM_MAYWRITE, length);
    if (vm_flags < 0) start = vm_flags;
    else insert_vma(mm, new vm_area_struct(mm, start, start + length, vm_flags, start / PAGE_SIZE));
  }
  up_write(k, mm.mmap_lock);
  return start;
}

/**
 * mmap() of a file, from its page `pgoff` on.
 * @param flags with VM_SHARED what is written goes to the file, else to pages of the task's own
 */
export function* vm_mmap_file(
  k: Kernel,
  mm: mm_struct,
  f: file,
  pgoff: number,
  size: number,
  flags: number,
): Sleeping<number> {
  const length = round_up(size, PAGE_SIZE);
  if (length === 0) return -EINVAL;
  yield* down_write(k, mm.mmap_lock);
  let start = get_unmapped_area(mm, length);
  const vm_flags = start < 0 ? start : account_mapping(k, mm, flags | VM_MAYWRITE, length);
  if (vm_flags < 0) start = vm_flags;
  else {
    const vma = new vm_area_struct(mm, start, start + length, vm_flags, pgoff);
    link_file(vma, f);
    insert_vma(mm, vma);
  }
  up_write(k, mm.mmap_lock);
  return start;
}

/** __split_vma(): what lies above `addr` becomes an area of its own. */
function split_vma(mm: mm_struct, vma: vm_area_struct, addr: number): void {
  const pgoff = vma.vm_pgoff + (addr - vma.vm_start) / PAGE_SIZE;
  const upper = new vm_area_struct(mm, addr, vma.vm_end, vma.vm_flags, pgoff);
  mm.total_vm -= (vma.vm_end - addr) / PAGE_SIZE;
  upper.anon_vma = vma.anon_vma;
  anon_vma_clone(upper, vma);
  link_file(upper, vma.vm_file);
  vma_set_end(vma, addr);
  insert_vma(mm, upper);
}

/** @returns 0, or -EINVAL */
export function* vm_munmap(k: Kernel, mm: mm_struct, addr: number, size: number): Sleeping<number> {
  const end = addr + round_up(size, PAGE_SIZE);
  if (addr % PAGE_SIZE !== 0 || size === 0 || end > TASK_SIZE) return -EINVAL;
  yield* down_write(k, mm.mmap_lock);
  yield* do_munmap(k, mm, addr, end);
  up_write(k, mm.mmap_lock);
  return 0;
}

/** Context: mmap_lock is held to write. */
function* do_munmap(k: Kernel, mm: mm_struct, addr: number, end: number): Sleeping<void> {
  let first = find_vma_index(mm, addr);
  if (first < mm.vmas.length && mm.vmas[first]!.vm_start < addr) split_vma(mm, mm.vmas[first++]!, addr);
  let last = first;
  while (last < mm.vmas.length && mm.vmas[last]!.vm_start < end) {
    if (mm.vmas[last]!.vm_end > end) split_vma(mm, mm.vmas[last]!, end);
    last++;
  }
  if (last === first) return;
  const floor = mm.vmas[first - 1]?.vm_end ?? 0;
  const ceiling = mm.vmas[last]?.vm_start ?? Number.POSITIVE_INFINITY;
  yield* unmap_region(k, mm, mm.vmas.splice(first, last - first), floor, ceiling);
}

function* unmap_region(
  k: Kernel,
  mm: mm_struct,
  vmas: readonly vm_area_struct[],
  floor: number,
  ceiling: number,
): Sleeping<void> {
  mm.vma_cache = null;
  const tlb = tlb_gather_mmu(k);
  update_hiwater_rss(mm);
  for (const vma of vmas) {
    yield* unmap_page_range(k, tlb, vma, vma.vm_start, vma.vm_end);
    mm.total_vm -= vma_pages(vma);
  }
  unaccount(k, vmas);
  for (const vma of vmas) unlink_vma(k, vma);
  tlb_finish_mmu(k, tlb);
  const start = vmas[0]!.vm_start;
  free_pgtables(k, mm, start, vmas[vmas.length - 1]!.vm_end, floor, ceiling);
}

// ---- taking away

/** Takes away whatever is mapped at [start, end) of an area. */
export function* unmap_page_range(
  k: Kernel,
  tlb: mmu_gather,
  vma: vm_area_struct,
  start: number,
  end: number,
): Sleeping<void> {
  for (let addr = start; addr < end; ) {
    const next = Math.min(end, round_down(addr, PMD_SIZE) + PMD_SIZE);
    const at = pt_walk(k, vma.vm_mm, addr);
    if (at >= 0) zap_pte_range(k, tlb, vma, at, at + (next - addr) / (PAGE_SIZE / 2));
    addr = next;
    if (should_resched(k)) yield* cond_resched(k);
  }
}

/** What an entry costs to take away, or to copy. */
export const PTE_NS = 20;

/** Entries of one table: words from `at` up to `end`. */
function zap_pte_range(k: Kernel, tlb: mmu_gather, vma: vm_area_struct, at: number, end: number): void {
  const mm = vma.vm_mm;
  const words = mm.walk_words;
  for (let i = at; i < end; i += 2) {
    const lo = words[i]!;
    const hi = words[i + 1]!;
    if ((lo | hi) === 0) continue;
    words[i] = 0;
    words[i + 1] = 0;
    if (!pte_present(lo)) {
      zap_swap_entry(k, mm, pte_to_swp_entry(lo, hi));
      continue;
    }
    const pfn = vm_normal_page(lo, hi);
    if (pfn < 0) continue;
    charge(k, PTE_NS);
    const counter = mm_counter(section_map(k.mm, pfn), page_index(pfn));
    if (counter !== MM_ANONPAGES) {
      if ((lo & PTE_DIRTY) !== 0) folio_mark_dirty(k, pfn);
      if ((lo & PTE_ACCESSED) !== 0 && (vma.vm_flags & VM_SEQ_READ) === 0) folio_mark_accessed(k, pfn);
    }
    add_mm_counter(mm, counter, -1);
    munlock_vma_page(k, pfn, vma);
    page_remove_rmap(k, pfn);
    if (tlb_remove_page(tlb, pfn)) tlb_flush_mmu(k, tlb);
  }
}

/** mm_counter() of a page that is being moved. */
export function migrating_mm_counter(k: Kernel, entry: swp_entry_t): number {
  const pfn = migration_entry_pfn(k, entry);
  return mm_counter(section_map(k.mm, pfn), page_index(pfn));
}

function zap_swap_entry(k: Kernel, mm: mm_struct, entry: swp_entry_t): void {
  if (is_migration_entry(entry)) add_mm_counter(mm, migrating_mm_counter(k, entry), -1);
  if (swp_type(entry) >= MAX_SWAPFILES) return;
  add_mm_counter(mm, MM_SWAPENTS, -1);
  free_swap_and_cache(k, entry);
}

/** All of it goes. The OOM killer's reaper may be at it as well, for as long as there are pages. */
function* exit_mmap(k: Kernel, mm: mm_struct): Sleeping<void> {
  yield* down_read(k, mm.mmap_lock);
  const tlb = tlb_gather_mmu(k);
  for (const vma of mm.vmas) yield* unmap_page_range(k, tlb, vma, vma.vm_start, vma.vm_end);
  up_read(k, mm.mmap_lock);
  mm.flags |= MMF_OOM_SKIP;
  yield* down_write(k, mm.mmap_lock);
  const vmas = mm.vmas.splice(0);
  mm.vma_cache = null;
  unaccount(k, vmas);
  for (const vma of vmas) unlink_vma(k, vma);
  tlb_finish_mmu(k, tlb);
  free_pgtables(k, mm, vmas[0]!.vm_start, vmas[vmas.length - 1]!.vm_end, 0, Number.POSITIVE_INFINITY);
  mm.total_vm = 0;
  up_write(k, mm.mmap_lock);
}

/** mmput(): one user less; the last one takes the address space with him. */
export function* mmput(k: Kernel, mm: mm_struct): Sleeping<void> {
  if (--mm.mm_users > 0) return;
  if (mm.vmas.length > 0) yield* exit_mmap(k, mm);
  k.user.mms.delete(mm);
  pgd_free(k, mm.pgd);
}

// ---- tasks

/** exit_mm(). */
function* exit_mm(k: Kernel): Sleeping<void> {
  const { mm } = k.current;
  k.current.mm = null;
  if (mm !== null) {
    // mm_update_next_owner()
    if (mm.owner === k.current && mm.mm_users > 1) mm.owner = [...k.sched.tasks].find((task) => task.mm === mm) ?? null;
    yield* mmput(k, mm);
  }
  // exit_oom_victim()
  k.current.memdie = false;
}

/** A new process with an address space of its own: empty, as after execve(). @returns -ENOMEM: none */
export function* spawn_process(
  k: Kernel,
  comm: string,
  body: TaskBody,
  options: TaskOptions = {},
): Sleeping<task_struct | number> {
  const mm = yield* mm_alloc(k);
  return mm === null ? -ENOMEM : start_process(k, mm, comm, body, options);
}

/** Context: the address space is nobody else's. */
export function start_process(
  k: Kernel,
  mm: mm_struct,
  comm: string,
  body: TaskBody,
  options: TaskOptions,
): task_struct {
  const task = copy_process(k, comm, body, options);
  task.mm = mm;
  mm.owner = task;
  task.exit_work.push(exit_mm);
  wake_up_new_task(k, task);
  return task;
}
