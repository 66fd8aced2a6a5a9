// What the swap cache has at each page of an area (Linux: the xarrays of mm/swap_state.c's address spaces): a page, the
// shadow of one that was reclaimed, or nothing.
//
// Differs from Linux: arrays for 64 MiB of an area each, made when first used, outside of the emulated RAM. So an entry
// never fails to be made for want of memory.

import { SWAP_ADDRESS_SPACE_PAGES, SWAP_ADDRESS_SPACE_SHIFT } from '../include/swap.ts';
import type { pfn_t } from '../include/types.ts';
import type { swap_info_struct } from './swap_info.ts';

const IN_SPACE = SWAP_ADDRESS_SPACE_PAGES - 1;

/** The page, or -1. Linux: filemap_get_folio() without its reference. */
export function swap_cache_lookup(si: swap_info_struct, offset: number): pfn_t {
  const value = si.spaces[offset >>> SWAP_ADDRESS_SPACE_SHIFT]?.[offset & IN_SPACE] ?? 0;
  return value > 0 ? value - 1 : -1;
}

/** The shadow, or -1. Linux: get_shadow_from_swap_cache(). */
export function swap_cache_shadow(si: swap_info_struct, offset: number): number {
  const value = si.spaces[offset >>> SWAP_ADDRESS_SPACE_SHIFT]?.[offset & IN_SPACE] ?? 0;
  return value < 0 ? -1 - value : -1;
}

/** @returns the shadow that was there, or -1 */
export function swap_cache_store(si: swap_info_struct, offset: number, pfn: pfn_t): number {
  const n = offset >>> SWAP_ADDRESS_SPACE_SHIFT;
  let space = si.spaces[n];
  if (space === undefined) {
    space = new Float64Array(SWAP_ADDRESS_SPACE_PAGES);
    si.spaces[n] = space;
  }
  const old = space[offset & IN_SPACE]!;
  space[offset & IN_SPACE] = pfn + 1;
  return old < 0 ? -1 - old : -1;
}

/** @param shadow -1: none is left */
export function swap_cache_erase(si: swap_info_struct, offset: number, shadow: number): void {
  const space = si.spaces[offset >>> SWAP_ADDRESS_SPACE_SHIFT];
  if (space !== undefined) space[offset & IN_SPACE] = shadow < 0 ? 0 : -1 - shadow;
}

/** The entry is free: nobody will ask again how long ago its page was reclaimed. */
export function clear_shadow_from_swap_cache(si: swap_info_struct, offset: number): void {
  const space = si.spaces[offset >>> SWAP_ADDRESS_SPACE_SHIFT];
  if (space !== undefined && space[offset & IN_SPACE]! < 0) space[offset & IN_SPACE] = 0;
}
