// Switching a swap area off (Linux: mm/swapfile.c SYSCALL swapoff(), try_to_unuse(), find_next_to_unuse()): what is on it
// comes back into memory first.

import { lookup_disk } from '../drivers/block/disk.ts';
import { SWAP_MAP_BAD, SWP_WRITEOK } from '../include/swap.ts';
import { EINTR, EINVAL, ENOENT, ENOMEM } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { cond_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { folio_get } from './folio.ts';
import { folio_lock, folio_unlock, folio_wait_writeback } from './folio_lock.ts';
import { __vm_enough_memory, vm_unacct_memory } from './overcommit.ts';
import { folio_put } from './swap.ts';
import { del_from_active_list, del_from_avail_list } from './swap_avail.ts';
import { free_swap_count_continuations, swap_count } from './swap_count.ts';
import type { swap_info_struct } from './swap_info.ts';
import { swap_cache_lookup } from './swap_shadow.ts';
import { disable_swap_slots_cache_lock, reenable_swap_slots_cache_unlock } from './swap_slots.ts';
import { folio_free_swap } from './swap_state.ts';
import { enable_swap_info, release_area, setup_swap_info } from './swapon.ts';

/** The next page after `prev` that is in use, or 0. */
function find_next_to_unuse(si: swap_info_struct, prev: number): number {
  for (let n = prev + 1; n < si.max; n++) {
    const count = si.swap_map[n]!;
    if (count !== 0 && swap_count(count) !== SWAP_MAP_BAD) return n;
  }
  return 0;
}

/** Until nothing of it is in use. @returns 0 or -errno */
function* try_to_unuse(k: Kernel, si: swap_info_struct): Sleeping<number> {
  while (si.inuse_pages > 0) {
    const error = k.swap.unuse === null ? 0 : yield* k.swap.unuse(k, si.type);
    if (error !== 0) return error;
    for (let n = find_next_to_unuse(si, 0); si.inuse_pages > 0 && n !== 0; n = find_next_to_unuse(si, n)) {
      const pfn = swap_cache_lookup(si, n);
      if (pfn < 0) continue;
      folio_get(k, pfn);
      yield* folio_lock(k, pfn);
      yield* folio_wait_writeback(k, pfn);
      folio_free_swap(k, pfn);
      folio_unlock(k, pfn);
      folio_put(k, pfn);
    }
    if (k.current.fatal_signal_pending) return si.inuse_pages > 0 ? -EINTR : 0;
    yield* cond_resched(k);
  }
  return 0;
}

/** Areas without a rank of their own that came later move up. */
function close_gap(k: Kernel, si: swap_info_struct): void {
  const { swap } = k;
  if (si.prio >= 0) return;
  for (const other of swap.swap_active_head.slice(swap.swap_active_head.indexOf(si) + 1)) {
    other.prio++;
    other.avail_prio = other.avail_prio.map((prio) => (prio === 1 ? 1 : prio - 1));
  }
  swap.least_priority++;
}

/** The system call. Context: a task that may sleep. */
export function* swapoff(k: Kernel, path: string): Sleeping<number> {
  const { swap } = k;
  const disk = lookup_disk(k, path);
  if (disk === null) return -ENOENT;
  const si = swap.swap_active_head.find((one) => one.disk === disk && (one.flags & SWP_WRITEOK) !== 0);
  if (si === undefined) return -EINVAL;
  // As if its pages were promised to somebody.
  if (__vm_enough_memory(k, k.current.mm, si.pages) < 0) return -ENOMEM;
  vm_unacct_memory(k, si.pages);
  del_from_avail_list(k, si);
  close_gap(k, si);
  del_from_active_list(k, si);
  swap.nr_swap_pages -= si.pages;
  swap.total_swap_pages -= si.pages;
  si.flags &= ~SWP_WRITEOK;

  disable_swap_slots_cache_lock(k);
  k.current.oom_flag_origin = true;
  const error = yield* try_to_unuse(k, si);
  k.current.oom_flag_origin = false;
  if (error !== 0) {
    setup_swap_info(k, si, si.prio);
    enable_swap_info(k, si);
    reenable_swap_slots_cache_unlock(k);
    return error;
  }
  reenable_swap_slots_cache_unlock(k);
  si.live = false;
  free_swap_count_continuations(k, si);
  if (!disk.nonrot) swap.nr_rotate_swap--;
  release_area(k, si);
  return 0;
}
