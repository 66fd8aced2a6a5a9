// Pages of users, anonymous ones and those of files, charged to memory cgroups (Linux: mm/memcontrol.c
// __mem_cgroup_charge(), mem_cgroup_swapin_charge_folio(), __mem_cgroup_uncharge(), mem_cgroup_migrate()): when a fault or
// the page cache takes one, until nobody uses it.
//
// Left out: large folios; pages uncharged in batches; moving charges.

import { PG_MEMCG_DATA, PG_MEMCG_DATA_HI } from '../include/mm_types.ts';
import { KEY_MEMCG_KMEM } from '../include/static_keys.ts';
import { type gfp_t, PAGE_OFFSET_HI, PAGE_SHIFT, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { mem_cgroup_is_descendant, try_charge_memcg } from './memcg_charge.ts';
import { lookup_swap_cgroup } from './memcg_swap.ts';
import { active_memcg, type mem_cgroup, mem_cgroup_from_task, mem_cgroup_put } from './memcontrol.ts';
import type { mm_struct } from './mm_struct.ts';
import { page_index, section_map } from './page.ts';
import { page_counter_charge, page_counter_uncharge } from './page_counter.ts';
import type { swp_entry_t } from './swapops.ts';

/** Whether there is any cgroup but the root. */
export const memcg_enabled = (k: Kernel): boolean => (k.page_alloc.static_keys & KEY_MEMCG_KMEM) !== 0;

/** Whose an address space is: its owner's. */
export function mem_cgroup_from_mm(k: Kernel, mm: mm_struct): mem_cgroup {
  const owner = mm.owner ?? (k.current.mm === mm ? k.current : null);
  return owner === null ? k.memcg.root_mem_cgroup : mem_cgroup_from_task(k, owner);
}

/** Whether an address space is of the cgroup, or of one below it. */
export const mm_match_cgroup = (k: Kernel, mm: mm_struct, memcg: mem_cgroup): boolean =>
  mem_cgroup_is_descendant(mem_cgroup_from_mm(k, mm), memcg);

/** get_mem_cgroup_from_mm(). @param mm null: whoever set_active_memcg() names, or the running task's */
function get_mem_cgroup_from_mm(k: Kernel, mm: mm_struct | null): mem_cgroup {
  if (mm !== null) return mem_cgroup_from_mm(k, mm);
  const active = active_memcg(k);
  if (active !== null) return active;
  return k.current.mm === null ? k.memcg.root_mem_cgroup : mem_cgroup_from_mm(k, k.current.mm);
}

/** folio_memcg(): null: the root's, or nobody's. */
export const folio_memcg = (k: Kernel, m: Int32Array, i: number): mem_cgroup | null =>
  m[i + PG_MEMCG_DATA] === 0 ? null : k.memcg.find(m[i + PG_MEMCG_DATA]!, m[i + PG_MEMCG_DATA_HI]!);

/** The page has been charged. */
function commit_charge(k: Kernel, pfn: pfn_t, memcg: mem_cgroup): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const at = memcg.pages[0]!;
  m[i + PG_MEMCG_DATA] = at << PAGE_SHIFT;
  m[i + PG_MEMCG_DATA_HI] = (PAGE_OFFSET_HI + (at >>> (32 - PAGE_SHIFT))) | 0;
}

function* charge_memcg(k: Kernel, pfn: pfn_t, memcg: mem_cgroup, gfp: gfp_t): Sleeping<number> {
  if (memcg.parent === null) return 0;
  memcg.refcnt++;
  const err = yield* try_charge_memcg(k, memcg, gfp, 1);
  if (err < 0) mem_cgroup_put(k, memcg);
  else commit_charge(k, pfn, memcg);
  return err;
}

/**
 * Charges a page that nobody else knows of yet. Context: memcg_enabled().
 * @param mm whose it will be; null: the running task's
 * @returns 0 or -ENOMEM
 */
export const mem_cgroup_charge = (k: Kernel, pfn: pfn_t, mm: mm_struct | null, gfp: gfp_t): Sleeping<number> =>
  charge_memcg(k, pfn, get_mem_cgroup_from_mm(k, mm), gfp);

/** The same of one that an entry of swap is read into: it is charged to whom it was when it went, if that is still there. */
export function mem_cgroup_swapin_charge_folio(
  k: Kernel,
  pfn: pfn_t,
  gfp: gfp_t,
  entry: swp_entry_t,
): Sleeping<number> {
  const memcg = lookup_swap_cgroup(k, entry);
  return charge_memcg(k, pfn, memcg?.online === true ? memcg : get_mem_cgroup_from_mm(k, null), gfp);
}

/** Nobody uses the page of these words any more. Pages of the kernel's are left to free_pages_prepare(). */
export function mem_cgroup_uncharge(k: Kernel, m: Int32Array, i: number): void {
  const memcg = k.memcg.find(m[i + PG_MEMCG_DATA]!, m[i + PG_MEMCG_DATA_HI]!);
  if (memcg === null) return;
  page_counter_uncharge(k, memcg.memory, 1);
  m[i + PG_MEMCG_DATA] = 0;
  m[i + PG_MEMCG_DATA_HI] = 0;
  mem_cgroup_put(k, memcg);
}

/** `dst` takes the place of `src`, which is charged as well until it is freed. Whatever the limit says. */
export function mem_cgroup_migrate(k: Kernel, dst: pfn_t, src: pfn_t): void {
  const m = section_map(k.mm, src);
  const memcg = folio_memcg(k, m, page_index(src));
  if (memcg === null) return;
  page_counter_charge(memcg.memory, 1);
  memcg.refcnt++;
  commit_charge(k, dst, memcg);
}
