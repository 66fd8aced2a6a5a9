// Swap charged to memory cgroups (Linux: mm/memcontrol.c __mem_cgroup_try_charge_swap(), __mem_cgroup_uncharge_swap(),
// mem_cgroup_get_nr_swap_pages(), mem_cgroup_swap_full(); mm/swap_cgroup.c): each page of an area knows by an id whose it
// is, from when a page gets its place there until the place is free again.
//
// Left out: cgroup v1's counter of memory and swap together: there nothing is charged here. Differs from Linux: the ids
// lie outside of the emulated RAM; the pages that they take there are taken. 0 is the root's.

import { ENOMEM, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { memcg_memory_event } from './memcg_charge.ts';
import { folio_memcg } from './memcg_folio.ts';
import { type mem_cgroup, mem_cgroup_id_put, mem_cgroup_put } from './memcontrol.ts';
import { page_index, section_map } from './page.ts';
import { page_counter_try_charge, page_counter_uncharge } from './page_counter.ts';
import { type swap_info_struct, vm_swap_full } from './swap_info.ts';
import { swp_swap_info } from './swap_lookup.ts';
import { type swp_entry_t, swp_offset } from './swapops.ts';

/** mem_cgroup_from_id(): null: it is gone. */
export const mem_cgroup_from_id = (k: Kernel, id: number): mem_cgroup | null =>
  id === 0 ? k.memcg.root_mem_cgroup : (k.memcg.ids.get(id) ?? null);

/** Whose a page in swap is; null: he is gone. */
export const lookup_swap_cgroup = (k: Kernel, entry: swp_entry_t): mem_cgroup | null =>
  mem_cgroup_from_id(k, swp_swap_info(k, entry)?.swap_cgroup?.[swp_offset(entry)] ?? 0);

/**
 * A page gets a place on an area, and whom it is charged to pays for that too.
 * @param entry 0: there was none. @returns 0 or -ENOMEM: it must not have it
 */
export function mem_cgroup_try_charge_swap(k: Kernel, pfn: pfn_t, entry: swp_entry_t): number {
  if (!k.memcg.on_dfl) return 0;
  let memcg = folio_memcg(k, section_map(k.mm, pfn), page_index(pfn));
  if (memcg === null) return 0;
  if (entry === 0) {
    memcg_memory_event(k, memcg, 'swap_fail');
    return 0;
  }
  // mem_cgroup_id_get_online(): one that is removed may have no id any more.
  while (memcg.id_refcnt === 0) memcg = memcg.parent!;
  if (memcg.parent === null) return 0;
  const over = page_counter_try_charge(k, memcg.swap, 1);
  if (over !== null) {
    memcg_memory_event(k, memcg, 'swap_max');
    memcg_memory_event(k, memcg, 'swap_fail');
    return -ENOMEM;
  }
  memcg.id_refcnt++;
  memcg.refcnt++;
  const si = swp_swap_info(k, entry)!;
  si.swap_cgroup ??= new Uint16Array(si.max);
  si.swap_cgroup[swp_offset(entry)] = memcg.id;
  return 0;
}

/** The place is free. */
export function mem_cgroup_uncharge_swap(k: Kernel, si: swap_info_struct, offset: number): void {
  const id = si.swap_cgroup?.[offset] ?? 0;
  if (id === 0) return;
  si.swap_cgroup![offset] = 0;
  const memcg = k.memcg.ids.get(id)!;
  page_counter_uncharge(k, memcg.swap, 1);
  mem_cgroup_id_put(k, memcg);
  mem_cgroup_put(k, memcg);
}

/** Pages of swap that the cgroup could still have. @param memcg null: the root */
export function mem_cgroup_get_nr_swap_pages(k: Kernel, memcg: mem_cgroup | null): number {
  let pages = k.swap.nr_swap_pages;
  if (memcg === null || !k.memcg.on_dfl) return pages;
  for (let { swap } = memcg; swap.parent !== null; swap = swap.parent) pages = Math.min(pages, swap.max - swap.usage);
  return pages;
}

/** vm_swap_full(), also of what the page's cgroup may have. */
export function mem_cgroup_swap_full(k: Kernel, pfn: pfn_t): boolean {
  if (vm_swap_full(k)) return true;
  const memcg = k.memcg.on_dfl ? folio_memcg(k, section_map(k.mm, pfn), page_index(pfn)) : null;
  if (memcg === null) return false;
  for (let { swap } = memcg; swap.parent !== null; swap = swap.parent) {
    if (swap.usage * 2 >= swap.high || swap.usage * 2 >= swap.max) return true;
  }
  return false;
}
