// Entries of swap areas given back (Linux: mm/swapfile.c swap_free(), put_swap_folio(), swapcache_free_entries(),
// free_swap_and_cache()), and how much swap there is. Taking them: swap_slots.ts, swap_scan.ts; counting who names them:
// swap_count.ts; areas switched on and off: swapon.ts, swapoff.ts.

import { MAX_SWAPFILES, SWAP_HAS_CACHE, SWP_USED, SWP_WRITEOK } from '../include/swap.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ON } from '../lib/bug.ts';
import { mem_cgroup_uncharge_swap } from './memcg_swap.ts';
import { swap_range_free } from './swap_avail.ts';
import { dec_cluster_info_page } from './swap_cluster.ts';
import { __swap_entry_free_locked, swap_count } from './swap_count.ts';
import type { swap_info_struct } from './swap_info.ts';
import { _swap_info_get, get_swap_device } from './swap_lookup.ts';
import { free_swap_slot } from './swap_slots.ts';
import { __try_to_reclaim_swap, TTRS_FULL, TTRS_UNMAPPED } from './swap_state.ts';
import { type swp_entry_t, swp_offset, swp_type } from './swapops.ts';

/** Nobody names the page, and the swap cache does not have it. */
function swap_entry_free(k: Kernel, si: swap_info_struct, offset: number): void {
  si.swap_map[offset] = 0;
  dec_cluster_info_page(k, si.clusters, offset);
  if (si.swap_cgroup !== null) mem_cgroup_uncharge_swap(k, si, offset);
  swap_range_free(k, si, offset);
}

/** Of entries[from .. to - 1], area by area. The array is sorted if there is more than one. */
export function swapcache_free_entries(k: Kernel, entries: Float64Array, from: number, to: number): void {
  if (k.swap.swap_info.length > 1 && to - from > 1) {
    entries.set(
      [...entries.subarray(from, to)].sort((a, b) => swp_type(a) - swp_type(b)),
      from,
    );
  }
  for (let n = from; n < to; n++) {
    const si = _swap_info_get(k, entries[n]!);
    if (si !== null) swap_entry_free(k, si, swp_offset(entries[n]!));
  }
}

function __swap_entry_free(k: Kernel, si: swap_info_struct, entry: swp_entry_t): number {
  const usage = __swap_entry_free_locked(k, si, swp_offset(entry), 1);
  if (usage === 0) free_swap_slot(k, entry);
  return usage;
}

/** A page table entry names it no longer: the page has been read in, and stays in the swap cache as long as it likes. */
export function swap_free(k: Kernel, entry: swp_entry_t): void {
  const si = _swap_info_get(k, entry);
  if (si !== null) __swap_entry_free(k, si, entry);
}

/** The swap cache has it no longer. */
export function put_swap_folio(k: Kernel, entry: swp_entry_t): void {
  const si = _swap_info_get(k, entry);
  if (si !== null && __swap_entry_free_locked(k, si, swp_offset(entry), SWAP_HAS_CACHE) === 0) free_swap_slot(k, entry);
}

/** Like swap_free(), and drops a page of the swap cache that was there for this entry alone. @returns 0: no such entry */
export function free_swap_and_cache(k: Kernel, entry: swp_entry_t): number {
  if (swp_type(entry) >= MAX_SWAPFILES) return 1;
  const si = get_swap_device(k, entry);
  if (si === null) return 0;
  const offset = swp_offset(entry);
  if (WARN_ON(k, si.swap_map[offset] === 0, 'mm/swapfile.c:1640 free_swap_and_cache')) return 0;
  const count = __swap_entry_free(k, si, entry);
  if (count === SWAP_HAS_CACHE && swap_count(si.swap_map[offset]!) === 0) {
    __try_to_reclaim_swap(k, si, offset, TTRS_UNMAPPED | TTRS_FULL);
  }
  return 1;
}

/** Pages: all of them, and those that are free. What an area that is being switched off still holds counts in both. */
export function si_swapinfo(k: Kernel): { totalswap: number; freeswap: number } {
  const { swap } = k;
  let nr_to_be_unused = 0;
  for (const si of swap.swap_info) {
    if ((si.flags & (SWP_USED | SWP_WRITEOK)) === SWP_USED) nr_to_be_unused += si.inuse_pages;
  }
  return {
    totalswap: swap.total_swap_pages + nr_to_be_unused,
    freeswap: swap.nr_swap_pages + nr_to_be_unused,
  };
}
