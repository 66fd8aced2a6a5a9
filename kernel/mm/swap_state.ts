// The swap cache: pages that are in memory and have a place on a swap area as well (Linux: mm/swap_state.c
// add_to_swap(), add_to_swap_cache(), delete_from_swap_cache(), free_swap_cache(); mm/swapfile.c folio_free_swap(),
// __try_to_reclaim_swap()). Such a page has its entry in page->private.

import { PG_FLAGS, PG_MAPCOUNT, PG_PRIVATE, PG_PRIVATE_HI, PG_REFCOUNT } from '../include/mm_types.ts';
import { NR_FILE_PAGES, NR_SWAPCACHE } from '../include/mmzone.ts';
import { PG_dirty, PG_locked, PG_swapbacked, PG_swapcache, PG_uptodate, PG_writeback } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { folio_get } from './folio.ts';
import { folio_trylock, folio_unlock } from './folio_lock.ts';
import { mod_lruvec_folio_state } from './lruvec.ts';
import { mem_cgroup_swap_full } from './memcg_swap.ts';
import { VM_BUG_ON_PAGE } from './mmdebug.ts';
import { page_index, section_map } from './page.ts';
import { folio_put } from './swap.ts';
import { entry_swapped } from './swap_count.ts';
import type { swap_info_struct } from './swap_info.ts';
import { swp_swap_info } from './swap_lookup.ts';
import { swap_cache_erase, swap_cache_lookup, swap_cache_store } from './swap_shadow.ts';
import { folio_alloc_swap } from './swap_slots.ts';
import { put_swap_folio } from './swapfile.ts';
import { swp_entry_hi, swp_entry_lo, swp_entry_of, type swp_entry_t, swp_offset } from './swapops.ts';

const SWAPCACHE = (1 << PG_swapcache) | (1 << PG_swapbacked);

/** Whether page->private is an entry: the flag means something else on a page that is not backed by swap. */
export function folio_test_swapcache(k: Kernel, pfn: pfn_t): boolean {
  return (section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! & SWAPCACHE) === SWAPCACHE;
}

export function folio_swap_entry(k: Kernel, pfn: pfn_t): swp_entry_t {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  return swp_entry_of(m[i + PG_PRIVATE]!, m[i + PG_PRIVATE_HI]!);
}

/** The area that a page of the swap cache is on. */
export const page_swap_info = (k: Kernel, pfn: pfn_t): swap_info_struct => swp_swap_info(k, folio_swap_entry(k, pfn))!;

function check(k: Kernel, condition: boolean, what: string, pfn: pfn_t, line: number): void {
  if (k.config.DEBUG_VM) VM_BUG_ON_PAGE(k, condition, what, pfn, `mm/swap_state.c:${line}`);
}

function count(k: Kernel, m: Int32Array, i: number, delta: number): void {
  mod_lruvec_folio_state(k, m, i, NR_FILE_PAGES, delta);
  mod_lruvec_folio_state(k, m, i, NR_SWAPCACHE, delta);
}

/** Context: the page is locked; the entry is marked SWAP_HAS_CACHE for it. @returns the shadow that was there, or -1 */
export function add_to_swap_cache(k: Kernel, pfn: pfn_t, entry: swp_entry_t): number {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const flags = m[i + PG_FLAGS]!;
  check(k, (flags & (1 << PG_locked)) === 0, '!folio_test_locked(folio)', pfn, 97);
  check(k, (flags & SWAPCACHE) === SWAPCACHE, 'folio_test_swapcache(folio)', pfn, 98);
  check(k, (flags & (1 << PG_swapbacked)) === 0, '!folio_test_swapbacked(folio)', pfn, 99);
  m[i + PG_REFCOUNT]!++;
  m[i + PG_FLAGS] = flags | (1 << PG_swapcache);
  m[i + PG_PRIVATE] = swp_entry_lo(entry);
  m[i + PG_PRIVATE_HI] = swp_entry_hi(entry);
  count(k, m, i, 1);
  return swap_cache_store(swp_swap_info(k, entry)!, swp_offset(entry), pfn);
}

/** Leaves the shadow in its place; -1: none. The entry is still marked, and the cache's reference is the caller's. */
export function __delete_from_swap_cache(k: Kernel, pfn: pfn_t, entry: swp_entry_t, shadow: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const flags = m[i + PG_FLAGS]!;
  check(k, (flags & (1 << PG_locked)) === 0, '!folio_test_locked(folio)', pfn, 148);
  check(k, (flags & SWAPCACHE) !== SWAPCACHE, '!folio_test_swapcache(folio)', pfn, 149);
  check(k, (flags & (1 << PG_writeback)) !== 0, 'folio_test_writeback(folio)', pfn, 150);
  swap_cache_erase(swp_swap_info(k, entry)!, swp_offset(entry), shadow);
  m[i + PG_FLAGS] = flags & ~(1 << PG_swapcache);
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  count(k, m, i, -1);
}

/** Context: the page is locked, and the caller has a reference of his own. */
export function delete_from_swap_cache(k: Kernel, pfn: pfn_t): void {
  const entry = folio_swap_entry(k, pfn);
  __delete_from_swap_cache(k, pfn, entry, -1);
  put_swap_folio(k, entry);
  section_map(k.mm, pfn)[page_index(pfn) + PG_REFCOUNT]!--;
}

/** Gives an anonymous page a place on a swap area. Context: it is locked. @returns false: there is no room */
export function add_to_swap(k: Kernel, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  check(k, (m[i]! & (1 << PG_uptodate)) === 0, '!folio_test_uptodate(folio)', pfn, 180);
  const entry = folio_alloc_swap(k, pfn);
  if (entry === 0) return false;
  add_to_swap_cache(k, pfn, entry);
  m[i] = m[i]! | (1 << PG_dirty);
  return true;
}

/** Gives the place up, unless somebody names it or it is being written. Context: locked. @returns whether it did */
export function folio_free_swap(k: Kernel, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  if ((m[i]! & SWAPCACHE) !== SWAPCACHE || (m[i]! & (1 << PG_writeback)) !== 0) return false;
  if (entry_swapped(k, folio_swap_entry(k, pfn))) return false;
  delete_from_swap_cache(k, pfn);
  m[i] = m[i]! | (1 << PG_dirty);
  return true;
}

const folio_mapped = (k: Kernel, pfn: pfn_t): boolean => section_map(k.mm, pfn)[page_index(pfn) + PG_MAPCOUNT]! >= 0;

/** For a page that is about to lose a user: if that is the last one, its place on the area goes as well. */
export function free_swap_cache(k: Kernel, pfn: pfn_t): void {
  if (!folio_test_swapcache(k, pfn) || folio_mapped(k, pfn) || !folio_trylock(k, pfn)) return;
  folio_free_swap(k, pfn);
  folio_unlock(k, pfn);
}

export function free_page_and_swap_cache(k: Kernel, pfn: pfn_t): void {
  free_swap_cache(k, pfn);
  folio_put(k, pfn);
}

/** Whatever there is; if no page table has the page; if swap is getting full. */
export const TTRS_ANYWAY = 1;
export const TTRS_UNMAPPED = 2;
export const TTRS_FULL = 4;

/** Takes the place on the area away from a page of the swap cache that nobody names there. @returns whether it did */
export function __try_to_reclaim_swap(k: Kernel, si: swap_info_struct, offset: number, flags: number): boolean {
  const pfn = swap_cache_lookup(si, offset);
  if (pfn < 0) return false;
  folio_get(k, pfn);
  let freed = false;
  if (folio_trylock(k, pfn)) {
    const wanted =
      (flags & TTRS_ANYWAY) !== 0 ||
      ((flags & TTRS_UNMAPPED) !== 0 && !folio_mapped(k, pfn)) ||
      ((flags & TTRS_FULL) !== 0 && mem_cgroup_swap_full(k, pfn));
    if (wanted) freed = folio_free_swap(k, pfn);
    folio_unlock(k, pfn);
  }
  folio_put(k, pfn);
  return freed;
}
