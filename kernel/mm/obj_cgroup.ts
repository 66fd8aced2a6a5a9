// What pages of the kernel's point to in place of a mem_cgroup, which may go before they do (Linux:
// include/linux/memcontrol.h struct obj_cgroup, mm/memcontrol.c obj_cgroup_alloc(), obj_cgroup_release()).
//
// There is no slab here: each has 64 bytes of a page, and its address stands for it; what it holds is kept outside.

import { __GFP_ZERO, GFP_KERNEL } from '../include/gfp_types.ts';
import { PG_MEMCG_DATA, PG_MEMCG_DATA_HI } from '../include/mm_types.ts';
import { PAGE_OFFSET_HI, PAGE_SIZE, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { mem_cgroup } from './memcontrol.ts';
import { alloc_pages_task } from './mempolicy.ts';

const OBJ_CGROUP_SIZE = 64;
const TWO_32 = 2 ** 32;
/** In page->memcg_data: it is an obj_cgroup. */
const MEMCG_DATA_KMEM = 2;

export class obj_cgroup {
  memcg: mem_cgroup;
  readonly pa: phys_addr_t;
  /** Its cgroup, while that lives, and every page. */
  refcnt = 1;

  constructor(memcg: mem_cgroup, pa: phys_addr_t) {
    this.memcg = memcg;
    this.pa = pa;
  }
}

/** One for a cgroup that is made. @returns null: no memory */
export function* obj_cgroup_alloc(k: Kernel, memcg: mem_cgroup): Sleeping<obj_cgroup | null> {
  const { free_slots, objcgs } = k.memcg;
  if (free_slots.length === 0) {
    const pfn = yield* alloc_pages_task(k, GFP_KERNEL | __GFP_ZERO, 0);
    if (pfn < 0) return null;
    for (let at = PAGE_SIZE - OBJ_CGROUP_SIZE; at >= 0; at -= OBJ_CGROUP_SIZE) free_slots.push(pfn * PAGE_SIZE + at);
  }
  const objcg = new obj_cgroup(memcg, free_slots.pop()!);
  objcgs.set(objcg.pa, objcg);
  return objcg;
}

/** One who points to it less; the last takes it away. */
export function obj_cgroup_put(k: Kernel, objcg: obj_cgroup): void {
  if (--objcg.refcnt > 0) return;
  objcg.memcg.objcg_list.delete(objcg);
  k.memcg.objcgs.delete(objcg.pa);
  k.memcg.free_slots.push(objcg.pa);
}

/** The obj_cgroup that a page points to; null: it is not charged, or what it holds is no such pointer. */
export function page_objcg(k: Kernel, m: Int32Array, i: number): obj_cgroup | null {
  const lo = m[i + PG_MEMCG_DATA]!;
  if ((lo & MEMCG_DATA_KMEM) === 0) return null;
  const hi = (m[i + PG_MEMCG_DATA_HI]! >>> 0) - PAGE_OFFSET_HI;
  return k.memcg.objcgs.get(hi * TWO_32 + ((lo & ~3) >>> 0)) ?? null;
}

export function set_page_objcg(m: Int32Array, i: number, objcg: obj_cgroup): void {
  m[i + PG_MEMCG_DATA] = (objcg.pa | 0) + MEMCG_DATA_KMEM;
  m[i + PG_MEMCG_DATA_HI] = (PAGE_OFFSET_HI + Math.floor(objcg.pa / TWO_32)) | 0;
}
