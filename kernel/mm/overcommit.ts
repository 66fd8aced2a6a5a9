// How much memory may be promised to address spaces (Linux: mm/util.c __vm_enough_memory(), vm_commit_limit(),
// vm_memory_committed(), the vm.overcommit_* sysctls; mm/mmap.c accountable_mapping(), init_user_reserve()): each private
// mapping that may be written to counts with all its pages, whether it has them yet or not.
//
// Left out: vm.admin_reserve_kbytes, which root may use, as everybody here is. Differs from Linux: one counter, where
// each CPU has a part that the check does not see.

import { VM_NORESERVE, VM_SHARED, VM_WRITE } from '../include/mm.ts';
import { NR_FREE_PAGES } from '../include/mmzone.ts';
import { ENOMEM, PAGE_SHIFT } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_warn } from '../lib/printk.ts';
import { __ratelimit, RatelimitState } from '../lib/ratelimit.ts';
import { type ctl_table, failed, proc_dointvec_minmax, proc_handler_minmax, type sysctl_result } from '../sysctl.ts';
import { hugetlb_total_pages } from './hugetlb.ts';
import type { mm_struct } from './mm_struct.ts';
import { global_zone_page_state } from './vmstat.ts';

// vm.overcommit_memory
const OVERCOMMIT_GUESS = 0;
const OVERCOMMIT_ALWAYS = 1;
export const OVERCOMMIT_NEVER = 2;

const KB_SHIFT = PAGE_SHIFT - 10;
const MAX_USER_RESERVE_KB = 2 ** 17;

export class OvercommitState {
  sysctl_overcommit_memory: number = OVERCOMMIT_GUESS;
  /** In percent of memory; or KiB, unless these are 0. */
  sysctl_overcommit_ratio = 50;
  sysctl_overcommit_kbytes = 0;
  /** What one task leaves for others, at most a 32nd of what it has. */
  sysctl_user_reserve_kbytes = 0;
  /** vm_committed_as: pages. */
  committed = 0;
  readonly ratelimit = new RatelimitState(5e9, 10);
}

export function init_user_reserve(k: Kernel): void {
  const free_kbytes = global_zone_page_state(k, NR_FREE_PAGES) * 2 ** KB_SHIFT;
  k.overcommit.sysctl_user_reserve_kbytes = Math.min(Math.floor(free_kbytes / 32), MAX_USER_RESERVE_KB);
}

/** In pages. */
export function vm_commit_limit(k: Kernel): number {
  const { sysctl_overcommit_kbytes, sysctl_overcommit_ratio } = k.overcommit;
  const pages =
    sysctl_overcommit_kbytes > 0
      ? sysctl_overcommit_kbytes / 2 ** KB_SHIFT
      : ((k.mm.totalram_pages - hugetlb_total_pages(k)) * sysctl_overcommit_ratio) / 100;
  return Math.floor(pages) + k.swap.total_swap_pages;
}

export const vm_unacct_memory = (k: Kernel, pages: number): void => {
  k.overcommit.committed -= pages;
};

/** Promises so many pages more. @returns 0, or -ENOMEM: it does not */
export function __vm_enough_memory(k: Kernel, mm: mm_struct | null, pages: number): number {
  const { overcommit } = k;
  overcommit.committed += pages;
  if (may_commit(k, mm, pages)) return 0;
  const who = '__vm_enough_memory';
  if (__ratelimit(k, overcommit.ratelimit, who)) {
    pr_warn(k, `${who}: pid: ${k.current.pid}, comm: ${k.current.comm}, no enough memory for the allocation`);
  }
  vm_unacct_memory(k, pages);
  return -ENOMEM;
}

function may_commit(k: Kernel, mm: mm_struct | null, pages: number): boolean {
  const { sysctl_overcommit_memory, sysctl_user_reserve_kbytes, committed } = k.overcommit;
  if (sysctl_overcommit_memory === OVERCOMMIT_ALWAYS) return true;
  if (sysctl_overcommit_memory === OVERCOMMIT_GUESS) return pages <= k.mm.totalram_pages + k.swap.total_swap_pages;
  const reserve = Math.floor(sysctl_user_reserve_kbytes / 2 ** KB_SHIFT);
  const left_to_others = mm === null ? 0 : Math.min(Math.floor(mm.total_vm / 32), reserve);
  return committed < vm_commit_limit(k) - left_to_others;
}

/** The area will have pages of the task's own. */
export const accountable_mapping = (vm_flags: number): boolean =>
  (vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE;

type Share = 'sysctl_overcommit_ratio' | 'sysctl_overcommit_kbytes';

/** A ratio, or KiB in its place: whichever was written last counts. */
const share_handler =
  (other: Share) =>
  (k: Kernel, table: ctl_table, buffer: string | null): sysctl_result => {
    const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
    if (err !== 0) return failed(err);
    if (buffer !== null) k.overcommit[other] = 0;
    return result;
  };

export const overcommit_table: readonly ctl_table[] = [
  {
    procname: 'overcommit_memory',
    data: ({ overcommit }) => [overcommit.sysctl_overcommit_memory],
    store: ({ overcommit }, _, value) => {
      overcommit.sysctl_overcommit_memory = value;
    },
    min: 0,
    max: 2,
    proc_handler: proc_handler_minmax,
  },
  {
    procname: 'overcommit_ratio',
    data: ({ overcommit }) => [overcommit.sysctl_overcommit_ratio],
    store: ({ overcommit }, _, value) => {
      overcommit.sysctl_overcommit_ratio = value;
    },
    proc_handler: share_handler('sysctl_overcommit_kbytes'),
  },
  {
    procname: 'overcommit_kbytes',
    data: ({ overcommit }) => [overcommit.sysctl_overcommit_kbytes],
    store: ({ overcommit }, _, value) => {
      overcommit.sysctl_overcommit_kbytes = value;
    },
    min: 0,
    long: true,
    proc_handler: share_handler('sysctl_overcommit_ratio'),
  },
  {
    procname: 'user_reserve_kbytes',
    data: ({ overcommit }) => [overcommit.sysctl_user_reserve_kbytes],
    store: ({ overcommit }, _, value) => {
      overcommit.sysctl_user_reserve_kbytes = value;
    },
    min: 0,
    long: true,
    proc_handler: proc_handler_minmax,
  },
];
