// Pages that the kernel asks for with __GFP_ACCOUNT are charged to whom it works for (Linux: mm/memcontrol.c
// get_obj_cgroup_from_current(), __memcg_kmem_charge_page(), __memcg_kmem_uncharge_page(), split_page_memcg()).
//
// Left out: objects of slabs.

import { PG_FLAGS_HI, PG_LRU_NEXT, PG_MEMCG_DATA, PG_MEMCG_DATA_HI } from '../include/mm_types.ts';
import { NODES_PGSHIFT_HI } from '../include/page_flags.ts';
import { PF_KTHREAD } from '../include/sched.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { in_task } from '../sched/preempt.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { mod_memcg_lruvec_state } from './lruvec.ts';
import { account_kmem, refill_stock, try_charge_memcg } from './memcg_charge.ts';
import { active_memcg, type mem_cgroup, mem_cgroup_from_task } from './memcontrol.ts';
import { type obj_cgroup, obj_cgroup_put, page_objcg, set_page_objcg } from './obj_cgroup.ts';
import { page_index, section_map } from './page.ts';
import { tail_head } from './page_list.ts';
import { __mod_node_page_state } from './vmstat.ts';

/** Whom a request is charged to; null: to no one. Interrupts and kernel threads are charged only on behalf of others. */
function get_obj_cgroup_from_current(k: Kernel): obj_cgroup | null {
  const active = active_memcg(k);
  if (active === null && (!in_task(k) || (k.current.flags & PF_KTHREAD) !== 0)) return null;
  for (
    let memcg: mem_cgroup | null = active ?? mem_cgroup_from_task(k, k.current);
    memcg !== null;
    memcg = memcg.parent
  ) {
    if (memcg.objcg !== null) return memcg.objcg;
  }
  return null;
}

/** Charges a block that was just handed out. @returns 0 or -ENOMEM */
export function* __memcg_kmem_charge_page(k: Kernel, pfn: pfn_t, gfp: gfp_t, order: number): Sleeping<number> {
  const objcg = get_obj_cgroup_from_current(k);
  if (objcg === null) return 0;
  const err = yield* try_charge_memcg(k, objcg.memcg, gfp, 1 << order);
  if (err < 0) return err;
  account_kmem(k, objcg.memcg, 1 << order);
  objcg.refcnt++;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  set_page_objcg(m, i, objcg);
  return 0;
}

/** Whom a page is charged to, whatever page it is. */
export function page_memcg_check(k: Kernel, pfn: pfn_t): mem_cgroup | null {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  return page_objcg(k, m, i)?.memcg ?? k.memcg.find(m[i + PG_MEMCG_DATA]!, m[i + PG_MEMCG_DATA_HI]!);
}

/** On the way back to the free lists. Of a tail page its head is looked at. */
export function __memcg_kmem_uncharge_page(k: Kernel, pfn: pfn_t, order: number): void {
  let m = section_map(k.mm, pfn);
  let i = page_index(pfn);
  if ((m[i + PG_LRU_NEXT]! & 1) !== 0) {
    const head = tail_head(k, m, i);
    m = section_map(k.mm, head);
    i = page_index(head);
  }
  const objcg = page_objcg(k, m, i);
  if (objcg === null) return;
  account_kmem(k, objcg.memcg, -(1 << order));
  refill_stock(k, objcg.memcg, 1 << order);
  m[i + PG_MEMCG_DATA] = 0;
  m[i + PG_MEMCG_DATA_HI] = 0;
  obj_cgroup_put(k, objcg);
}

/** __mod_lruvec_page_state() of a page of the kernel's: the node's counter, and that of whom it is charged to. */
export function mod_lruvec_kmem_state(k: Kernel, m: Int32Array, i: number, item: number, delta: number): void {
  const nid = m[i + PG_FLAGS_HI]! >>> NODES_PGSHIFT_HI;
  __mod_node_page_state(k, k.node_data[nid]!, item, delta);
  if (m[i + PG_MEMCG_DATA] === 0) return;
  const objcg = page_objcg(k, m, i);
  if (objcg !== null) mod_memcg_lruvec_state(objcg.memcg.lruvecs[nid]!, item, delta);
}

/** A block becomes single pages: each is charged as one. */
export function split_page_memcg(k: Kernel, pfn: pfn_t, nr: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const objcg = page_objcg(k, m, i);
  if (objcg === null) return;
  for (let p = 1; p < nr; p++) {
    m[i + (p << 4) + PG_MEMCG_DATA] = m[i + PG_MEMCG_DATA]!;
    m[i + (p << 4) + PG_MEMCG_DATA_HI] = m[i + PG_MEMCG_DATA_HI]!;
  }
  objcg.refcnt += nr - 1;
}
