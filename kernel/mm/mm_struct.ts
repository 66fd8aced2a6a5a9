// A task's address space and the areas in it (Linux: include/linux/mm_types.h struct mm_struct, vm_area_struct; mm/mmap.c
// find_vma()). The page tables are in RAM; these objects are not.
//
// Left out: the maple tree (areas are an array in order of address).

import { NR_MM_COUNTERS, VM_EXEC, VM_READ, VM_SHARED, VM_WRITE } from '../include/mm.ts';
import type { phys_addr_t } from '../include/types.ts';
import { rw_semaphore } from '../locking/rwsem.ts';
import type { task_struct } from '../sched/task.ts';
import type { anon_vma, anon_vma_chain } from './anon_vma.ts';
import type { file } from './filemap.ts';
import type { area_node } from './interval_tree.ts';
import type { mmu_gather } from './mmu_gather.ts';

/** Bits of an entry for a user's page, low word: present, user, accessed. */
const _PAGE_PRESENT_USER_ACCESSED = 0x025;
const _PAGE_RW = 0x002;
/** A page that nobody may touch: not present, but not nothing. */
const PAGE_NONE = 0x120;
const NX_HI = -0x80000000;

export class vm_area_struct {
  readonly vm_mm: mm_struct;
  vm_start: number;
  vm_end: number;
  /** VM_*. */
  vm_flags: number;
  /** What a page table entry gets beside the page: low word, and high word. */
  prot_lo = 0;
  prot_hi = 0;
  /** In pages: of the file, or where anonymous memory was first put. */
  vm_pgoff: number;
  /** What is mapped; null: anonymous memory. */
  vm_file: file | null = null;
  /** Where new anonymous pages belong; null: there has been none yet. */
  anon_vma: anon_vma | null = null;
  /** What swap_readahead.ts remembers of the last fault that brought a page back; NaN: there was none. */
  swap_readahead_info = Number.NaN;
  /** This area and each anon_vma that may have pages of it: its own, and those of the tasks that it was forked from. */
  readonly anon_vma_chain: anon_vma_chain[] = [];
  /** Among the areas of its file. */
  shared: area_node | null = null;

  constructor(mm: mm_struct, start: number, end: number, flags: number, pgoff: number) {
    this.vm_mm = mm;
    this.vm_start = start;
    this.vm_end = end;
    this.vm_flags = flags;
    this.vm_pgoff = pgoff;
    this.set_page_prot();
  }

  /** vma_set_page_prot(): protection_map[]. Private pages that may be written to are so only once they are the task's own. */
  set_page_prot(): void {
    const { vm_flags } = this;
    const access = vm_flags & (VM_READ | VM_WRITE | VM_EXEC);
    const shared_write = (vm_flags & (VM_SHARED | VM_WRITE)) === (VM_SHARED | VM_WRITE);
    // A page of a file becomes writable once it counts as dirty.
    const writable = shared_write && this.vm_file === null;
    this.prot_lo = access === 0 ? PAGE_NONE : _PAGE_PRESENT_USER_ACCESSED | (writable ? _PAGE_RW : 0);
    this.prot_hi = access === 0 || (vm_flags & VM_EXEC) !== 0 ? 0 : NX_HI;
  }
}

export class mm_struct {
  /** Physical address of the top table. */
  pgd: phys_addr_t;
  readonly mmap_lock = new rw_semaphore();
  /** MMF_*. */
  flags = 0;
  /** Whose memory cgroup pays for it. */
  owner: task_struct | null = null;
  /** Tasks that use it. Linux: mm_users. */
  mm_users = 1;
  /** In order of address. */
  readonly vmas: vm_area_struct[] = [];
  /** MM_*: pages, and swap entries. */
  readonly rss_stat = new Int32Array(NR_MM_COUNTERS);
  hiwater_rss = 0;
  /** Bytes of page tables. */
  pgtables_bytes = 0;
  /** Pages of all areas. */
  total_vm = 0;
  /** Where the last walk ended: the table for these 2 MiB of addresses; -1: forgotten. */
  walk_region = -1;
  walk_words: Int32Array = NOWHERE;
  walk_base = 0;
  /** find_vma()'s last answer. */
  vma_cache: vm_area_struct | null = null;

  constructor(pgd: phys_addr_t) {
    this.pgd = pgd;
  }
}

const NOWHERE = new Int32Array(0);

/** mm_struct and what belongs to all of them. */
export class UserState {
  /** The page that all anonymous memory reads as until it is written to; set when the first address space is made. */
  zero_pfn = -1;
  /** By the number that page->mapping holds. */
  readonly anon_vmas: (anon_vma | null)[] = [null];
  readonly free_anon_vmas: number[] = [];
  /** Those that are not in use. */
  readonly gathers: mmu_gather[] = [];
  /** Every address space that there is, in the order of their making. */
  readonly mms = new Set<mm_struct>();
}

/** Index of the first area that ends above `addr`. */
export function find_vma_index(mm: mm_struct, addr: number): number {
  const { vmas } = mm;
  let low = 0;
  let high = vmas.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (vmas[mid]!.vm_end > addr) high = mid;
    else low = mid + 1;
  }
  return low;
}

/** The area that `addr` is in; null: none. Linux: vma_lookup(). */
export function vma_lookup(mm: mm_struct, addr: number): vm_area_struct | null {
  const cached = mm.vma_cache;
  if (cached !== null && addr >= cached.vm_start && addr < cached.vm_end) return cached;
  const vma = mm.vmas[find_vma_index(mm, addr)];
  if (vma === undefined || addr < vma.vm_start) return null;
  mm.vma_cache = vma;
  return vma;
}

/** The sum of what is in memory, and the most that has ever been. */
export const get_mm_rss = ({ rss_stat }: mm_struct): number => rss_stat[0]! + rss_stat[1]! + rss_stat[3]!;

export function update_hiwater_rss(mm: mm_struct): void {
  const rss = get_mm_rss(mm);
  if (rss > mm.hiwater_rss) mm.hiwater_rss = rss;
}
