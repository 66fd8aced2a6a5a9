// Each CPU takes pages of swap areas 64 at a time, and gives them back 64 at a time (Linux: mm/swap_slots.c). An entry in
// a cache is marked as in the swap cache, so that nobody takes it.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import {
  SWAP_SLOTS_CACHE_SIZE,
  THRESHOLD_ACTIVATE_SWAP_SLOTS_CACHE,
  THRESHOLD_DEACTIVATE_SWAP_SLOTS_CACHE,
} from '../include/swap.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { nodes_weight } from '../lib/nodemask.ts';
import { memcg_enabled } from './memcg_folio.ts';
import { mem_cgroup_try_charge_swap } from './memcg_swap.ts';
import { swap_slots_cache } from './swap_info.ts';
import { get_swap_pages } from './swap_scan.ts';
import { put_swap_folio, swapcache_free_entries } from './swapfile.ts';
import type { swp_entry_t } from './swapops.ts';

const use_swap_slot_cache = ({ swap }: Kernel): boolean => swap.swap_slot_cache_active && swap.swap_slot_cache_enabled;

const has_usable_swap = ({ swap }: Kernel): boolean => swap.swap_active_head.length > 0;

/** Everything that CPUs hold goes back to the areas. */
function __drain_swap_slots_cache(k: Kernel): void {
  for (const cpu of for_each_online_cpu(k)) {
    const cache = k.swap.swp_slots[cpu];
    if (cache === undefined) continue;
    swapcache_free_entries(k, cache.slots, cache.cur, cache.cur + cache.nr);
    cache.cur = 0;
    cache.nr = 0;
    swapcache_free_entries(k, cache.slots_ret, 0, cache.n_ret);
    cache.n_ret = 0;
  }
}

/** Until reenable_swap_slots_cache_unlock() every entry comes from the areas, and goes to them, by itself. */
export function disable_swap_slots_cache_lock(k: Kernel): void {
  k.swap.swap_slot_cache_enabled = false;
  if (k.swap.swap_slot_cache_initialized) __drain_swap_slots_cache(k);
}

export function reenable_swap_slots_cache_unlock(k: Kernel): void {
  k.swap.swap_slot_cache_enabled = has_usable_swap(k);
}

export function enable_swap_slots_cache(k: Kernel): void {
  const { swap } = k;
  if (!swap.swap_slot_cache_initialized) {
    for (const cpu of for_each_online_cpu(k)) swap.swp_slots[cpu] = new swap_slots_cache();
    swap.swap_slot_cache_initialized = true;
  }
  reenable_swap_slots_cache_unlock(k);
}

/** Where little swap is left, no CPU may sit on some of it. */
function check_cache_active(k: Kernel): boolean {
  const { swap } = k;
  if (!swap.swap_slot_cache_enabled) return false;
  // Far from either threshold, whatever CPUs are online.
  if (swap.swap_slot_cache_active && swap.nr_swap_pages >= k.cpus.nr_cpu_ids * THRESHOLD_DEACTIVATE_SWAP_SLOTS_CACHE) {
    return true;
  }
  const cpus = nodes_weight(k.cpus.cpu_online_mask);
  if (!swap.swap_slot_cache_active) {
    if (swap.nr_swap_pages > cpus * THRESHOLD_ACTIVATE_SWAP_SLOTS_CACHE) swap.swap_slot_cache_active = true;
  } else if (swap.nr_swap_pages < cpus * THRESHOLD_DEACTIVATE_SWAP_SLOTS_CACHE) {
    swap.swap_slot_cache_active = false;
    __drain_swap_slots_cache(k);
  }
  return swap.swap_slot_cache_active;
}

/** An entry that nobody uses any more. */
export function free_swap_slot(k: Kernel, entry: swp_entry_t): void {
  const { swap } = k;
  const cache = swap.swp_slots[k.percpu.cpu];
  if (cache === undefined || !use_swap_slot_cache(k)) {
    swap.one_slot[0] = entry;
    swapcache_free_entries(k, swap.one_slot, 0, 1);
    return;
  }
  if (cache.n_ret >= SWAP_SLOTS_CACHE_SIZE) {
    swapcache_free_entries(k, cache.slots_ret, 0, cache.n_ret);
    cache.n_ret = 0;
  }
  cache.slots_ret[cache.n_ret++] = entry;
}

/** An entry for a page, or 0: there is none left, or not for whom it is charged to. */
export function folio_alloc_swap(k: Kernel, pfn: pfn_t): swp_entry_t {
  const entry = next_entry(k);
  if (!memcg_enabled(k) || mem_cgroup_try_charge_swap(k, pfn, entry) === 0) return entry;
  put_swap_folio(k, entry);
  return 0;
}

function next_entry(k: Kernel): swp_entry_t {
  const { swap } = k;
  const cache = swap.swp_slots[k.percpu.cpu];
  if (check_cache_active(k) && cache !== undefined) {
    if (cache.nr === 0) {
      cache.cur = 0;
      cache.nr = get_swap_pages(k, SWAP_SLOTS_CACHE_SIZE, cache.slots);
    }
    if (cache.nr > 0) {
      const entry = cache.slots[cache.cur]!;
      cache.slots[cache.cur++] = 0;
      cache.nr--;
      return entry;
    }
  }
  return get_swap_pages(k, 1, swap.one_slot) === 0 ? 0 : swap.one_slot[0]!;
}
