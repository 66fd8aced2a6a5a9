// Which areas have room, in the order in which each node tries them, and how full each is (Linux: mm/swapfile.c
// swap_avail_heads, swap_range_alloc(), swap_range_free()).

import { SWP_WRITEOK } from '../include/swap.ts';
import type { nid_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { swap_info_struct } from './swap_info.ts';
import { clear_shadow_from_swap_cache } from './swap_shadow.ts';

/** A list for each node that there may be. */
export function swap_avail_nodes(k: Kernel): swap_info_struct[][] {
  const heads = k.swap.swap_avail_heads;
  while (heads.length < k.nr_node_ids) heads.push([]);
  return heads;
}

/** Linux: plist_add(). Behind its equals. */
function plist_add(list: swap_info_struct[], si: swap_info_struct, prio: (of: swap_info_struct) => number): void {
  const at = list.findIndex((other) => prio(other) > prio(si));
  list.splice(at < 0 ? list.length : at, 0, si);
}

function plist_del(list: swap_info_struct[], si: swap_info_struct): void {
  const at = list.indexOf(si);
  if (at >= 0) list.splice(at, 1);
}

export function add_to_active_list(k: Kernel, si: swap_info_struct): void {
  plist_add(k.swap.swap_active_head, si, ({ prio }) => -prio);
}

export function del_from_active_list(k: Kernel, si: swap_info_struct): void {
  plist_del(k.swap.swap_active_head, si);
}

export function add_to_avail_list(k: Kernel, si: swap_info_struct): void {
  for (const [nid, list] of swap_avail_nodes(k).entries()) plist_add(list, si, (of) => of.avail_prio[nid]!);
}

export function del_from_avail_list(k: Kernel, si: swap_info_struct): void {
  for (const list of k.swap.swap_avail_heads) plist_del(list, si);
}

/** Areas of one priority take turns. Linux: plist_requeue(). */
export function requeue_avail(k: Kernel, si: swap_info_struct, nid: nid_t): void {
  const list = k.swap.swap_avail_heads[nid]!;
  if (list.length < 2) return;
  plist_del(list, si);
  plist_add(list, si, (of) => of.avail_prio[nid]!);
}

/** One page has been taken. */
export function swap_range_alloc(k: Kernel, si: swap_info_struct, offset: number): void {
  if (offset === si.lowest_bit) si.lowest_bit++;
  if (offset === si.highest_bit) si.highest_bit--;
  if (++si.inuse_pages === si.pages) {
    si.lowest_bit = si.max;
    si.highest_bit = 0;
    del_from_avail_list(k, si);
  }
}

/** One page has come back. */
export function swap_range_free(k: Kernel, si: swap_info_struct, offset: number): void {
  if (offset < si.lowest_bit) si.lowest_bit = offset;
  if (offset > si.highest_bit) {
    const was_full = si.highest_bit === 0;
    si.highest_bit = offset;
    if (was_full && (si.flags & SWP_WRITEOK) !== 0) add_to_avail_list(k, si);
  }
  k.swap.nr_swap_pages++;
  si.inuse_pages--;
  clear_shadow_from_swap_cache(si, offset);
}
