// A task's access to its own memory, as its instructions would make it: the tables are walked as the CPU walks them, the
// accessed and dirty bits set, and a fault taken where a page is missing.
//
// Differs from Linux, where machine code does this: here it is for tasks that are written in TypeScript.

import { FAULT_FLAG_USER, FAULT_FLAG_WRITE, VM_FAULT_ERROR, VM_FAULT_OOM, VM_FAULT_SIGBUS } from '../include/mm.ts';
import { EFAULT, EIO, ENOMEM, PAGE_SIZE, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import { exit_to_user_mode } from '../sched/fork.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { mem_cgroup_handle_over_high } from './memcg_high.ts';
import { do_user_addr_fault } from './memory.ts';
import type { mm_struct } from './mm_struct.ts';
import { pagefault_out_of_memory } from './oom_kill.ts';
import { PTE_ACCESSED, PTE_DIRTY, PTE_PRESENT, PTE_RW, pt_walk, pte_pfn } from './user_pgtable.ts';

/** What the exception costs, and what a byte does: about what a PC of today needs. */
const FAULT_NS = 500;
const BYTE_NS = 0.1;

/** Where `va` is in RAM, with its entry's bits set as the access sets them; -1: a fault. Good until something sleeps. */
export function user_translate(k: Kernel, mm: mm_struct, va: number, write: boolean): phys_addr_t {
  const at = pt_walk(k, mm, va);
  if (at < 0) return -1;
  const words = mm.walk_words;
  const lo = words[at]!;
  if ((lo & PTE_PRESENT) === 0 || (write && (lo & PTE_RW) === 0)) return -1;
  words[at] = lo | (write ? PTE_ACCESSED | PTE_DIRTY : PTE_ACCESSED);
  return pte_pfn(lo, words[at + 1]!) * PAGE_SIZE + (va % PAGE_SIZE);
}

/**
 * The same, with the faults that it takes; where it is preempted, or has been killed, the task learns of it here. @returns a
 * physical address, good until something sleeps; or what signal there is for the task: -EFAULT (SIGSEGV), -EIO (SIGBUS),
 * -ENOMEM
 */
export function* user_access(k: Kernel, mm: mm_struct, va: number, write: boolean): Sleeping<phys_addr_t> {
  for (;;) {
    if (should_resched(k)) yield* cond_resched(k);
    const pa = user_translate(k, mm, va, write);
    if (pa >= 0) return pa;
    charge(k, FAULT_NS);
    const flags = write ? FAULT_FLAG_USER | FAULT_FLAG_WRITE : FAULT_FLAG_USER;
    const fault = yield* do_user_addr_fault(k, mm, va, flags);
    if (k.current.fatal_signal_pending) yield* exit_to_user_mode(k);
    if (k.current.memcg_nr_pages_over_high > 0) yield* mem_cgroup_handle_over_high(k);
    if ((fault & VM_FAULT_ERROR) === 0) continue;
    if ((fault & VM_FAULT_OOM) !== 0) {
      // Differs from Linux: where there is no one to kill anybody, trying again helps nobody.
      if (k.page_alloc.reclaim === null) return -ENOMEM;
      pagefault_out_of_memory(k);
      continue;
    }
    return (fault & VM_FAULT_SIGBUS) !== 0 ? -EIO : -EFAULT;
  }
}

/** Stores bytes. @returns 0, or the error of user_access(): then those before the page in question are stored */
export function* user_write(k: Kernel, mm: mm_struct, va: number, bytes: Uint8Array): Sleeping<number> {
  for (let done = 0; done < bytes.length; ) {
    const pa = yield* user_access(k, mm, va + done, true);
    if (pa < 0) return pa;
    const end = Math.min(bytes.length, done + PAGE_SIZE - (pa % PAGE_SIZE));
    charge(k, (end - done) * BYTE_NS);
    k.hw.ram.write(pa, bytes.subarray(done, end));
    done = end;
  }
  return 0;
}

/** Loads as many bytes as `into` has room for. @returns 0, or the error of user_access() */
export function* user_read(k: Kernel, mm: mm_struct, va: number, into: Uint8Array): Sleeping<number> {
  for (let done = 0; done < into.length; ) {
    const pa = yield* user_access(k, mm, va + done, false);
    if (pa < 0) return pa;
    const end = Math.min(into.length, done + PAGE_SIZE - (pa % PAGE_SIZE));
    charge(k, (end - done) * BYTE_NS);
    k.hw.ram.copyOut(pa, into, done, end - done);
    done = end;
  }
  return 0;
}
