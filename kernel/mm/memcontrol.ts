// Memory cgroups, as far as pages that the kernel asks for with __GFP_ACCOUNT go (Linux: mm/memcontrol.c
// __memcg_kmem_charge_page(), get_obj_cgroup_from_current(), mem_cgroup_css_alloc()). Charging: memcg_charge.ts; limits:
// memcg_files.ts.
//
// page->memcg_data is a pointer to an obj_cgroup, as in Linux, with MEMCG_DATA_KMEM. There is no slab here: they have pages
// of their own, 64 bytes each, as from kmalloc-64, and what they hold is kept outside.
//
// Left out: pages of users and of the page cache, objects, swap, protection, memory.high; moving charges.

import { __GFP_ZERO, GFP_KERNEL } from '../include/gfp_types.ts';
import { PG_FLAGS_HI, PG_LRU_NEXT, PG_MEMCG_DATA, PG_MEMCG_DATA_HI } from '../include/mm_types.ts';
import { NODES_PGSHIFT_HI } from '../include/page_flags.ts';
import { KEY_MEMCG_KMEM } from '../include/static_keys.ts';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  ENOMEM,
  type gfp_t,
  PAGE_OFFSET_HI,
  PAGE_SIZE,
  type pfn_t,
  type phys_addr_t,
} from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { in_task } from '../sched/preempt.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { PF_KTHREAD, type task_struct } from '../sched/task.ts';
import { account_kmem, refill_stock, try_charge_memcg } from './memcg_charge.ts';
import { memcg_vmstats } from './memcg_stat.ts';
import { alloc_pages } from './mempolicy.ts';
import { page_index, section_map } from './page.ts';
import { page_counter } from './page_counter.ts';
import { tail_head } from './page_list.ts';
import { __mod_node_page_state } from './vmstat.ts';

const MEMCG_DATA_KMEM = 2;
const TWO_32 = 2 ** 32;
const OBJ_CGROUP_SIZE = 64;

/** enum memcg_memory_event, as far as charging goes. */
export interface memory_events {
  max: number;
  oom: number;
  oom_kill: number;
  oom_group_kill: number;
}

const no_events = (): memory_events => ({ max: 0, oom: 0, oom_kill: 0, oom_group_kill: 0 });

export class mem_cgroup {
  readonly name: string;
  readonly parent: mem_cgroup | null;
  readonly children: mem_cgroup[] = [];
  readonly memory: page_counter;
  /** Counted with cgroup v1 only. */
  readonly kmem: page_counter;
  /** MEMCG_KMEM: pages of the kernel's that are charged here, not those of children. */
  kmem_pages = 0;
  /** The same of other pages, by node_stat_item; and events by name. */
  readonly vmstats = memcg_vmstats();
  readonly vm_events = new Map<string, number>();
  /** Of this one and those below; of this one alone. */
  readonly events = no_events();
  readonly events_local = no_events();
  /** memory.oom.group: all of its tasks are killed together. */
  oom_group = false;
  readonly tasks = new Set<task_struct>();
  objcg: obj_cgroup | null = null;
  /** Those of children that are gone, whose pages are not. */
  readonly objcg_list = new Set<obj_cgroup>();

  constructor(name: string, parent: mem_cgroup | null) {
    this.name = name;
    this.parent = parent;
    this.memory = new page_counter(parent?.memory ?? null);
    this.kmem = new page_counter(parent?.kmem ?? null);
  }
}

/** What pages point to in place of a mem_cgroup, which may go before they do. */
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

/** What a CPU has charged in advance. */
export interface memcg_stock_pcp {
  cached: mem_cgroup | null;
  nr_pages: number;
}

export class MemcgState {
  readonly root_mem_cgroup = new mem_cgroup('/', null);
  /** Whether the controller is on the default hierarchy, cgroup v2. */
  on_dfl = true;
  /** set_active_memcg() in interrupts. */
  int_active_memcg: mem_cgroup | null = null;
  readonly stock: memcg_stock_pcp[] = [];
  readonly objcgs = new Map<phys_addr_t, obj_cgroup>();
  /** Room for obj_cgroups in pages that they have already. */
  readonly free_slots: phys_addr_t[] = [];
}

function obj_cgroup_alloc(k: Kernel, memcg: mem_cgroup): obj_cgroup | null {
  const { free_slots, objcgs } = k.memcg;
  if (free_slots.length === 0) {
    const pfn = alloc_pages(k, GFP_KERNEL | __GFP_ZERO, 0);
    if (pfn < 0) return null;
    for (let at = PAGE_SIZE - OBJ_CGROUP_SIZE; at >= 0; at -= OBJ_CGROUP_SIZE) free_slots.push(pfn * PAGE_SIZE + at);
  }
  const objcg = new obj_cgroup(memcg, free_slots.pop()!);
  objcgs.set(objcg.pa, objcg);
  return objcg;
}

function obj_cgroup_put(k: Kernel, objcg: obj_cgroup): void {
  if (--objcg.refcnt > 0) return;
  objcg.memcg.objcg_list.delete(objcg);
  k.memcg.objcgs.delete(objcg.pa);
  k.memcg.free_slots.push(objcg.pa);
}

/** mkdir: a child without limits. From the first one on, requests with __GFP_ACCOUNT are charged. @returns it, or -errno */
export function mem_cgroup_create(k: Kernel, parent: mem_cgroup, name: string): mem_cgroup | number {
  if (name === '' || name.includes('/') || name.includes('\n')) return -EINVAL;
  if (parent.children.some((child) => child.name === name)) return -EEXIST;
  const memcg = new mem_cgroup(name, parent);
  memcg.objcg = obj_cgroup_alloc(k, memcg);
  if (memcg.objcg === null) return -ENOMEM;
  parent.children.push(memcg);
  k.page_alloc.static_keys |= KEY_MEMCG_KMEM;
  return memcg;
}

/** rmdir: its pages become its parent's. */
export function mem_cgroup_remove(k: Kernel, memcg: mem_cgroup): number {
  const { parent, objcg } = memcg;
  if (parent === null || objcg === null || memcg.tasks.size > 0 || memcg.children.length > 0) return -EBUSY;
  parent.children.splice(parent.children.indexOf(memcg), 1);
  memcg.objcg = null;
  memcg.objcg_list.add(objcg);
  parent.kmem_pages += memcg.kmem_pages;
  for (const [item, pages] of memcg.vmstats.entries()) parent.vmstats[item]! += pages;
  for (const orphan of memcg.objcg_list) {
    orphan.memcg = parent;
    parent.objcg_list.add(orphan);
  }
  obj_cgroup_put(k, objcg);
  return 0;
}

const mem_cgroup_from_task = (k: Kernel, task: task_struct): mem_cgroup => task.memcg ?? k.memcg.root_mem_cgroup;

/** A write of its pid to cgroup.procs. What it has been charged for stays where it is. */
export function mem_cgroup_attach(k: Kernel, memcg: mem_cgroup, task: task_struct): void {
  mem_cgroup_from_task(k, task).tasks.delete(task);
  memcg.tasks.add(task);
  task.memcg = memcg;
}

/** Charges someone else until it is called again. @returns who was charged before: to be put back, as scopes nest */
export function set_active_memcg(k: Kernel, memcg: mem_cgroup | null): mem_cgroup | null {
  const holder = in_task(k) ? k.current : null;
  const old = holder === null ? k.memcg.int_active_memcg : holder.active_memcg;
  if (holder === null) k.memcg.int_active_memcg = memcg;
  else holder.active_memcg = memcg;
  return old;
}

const active_memcg = (k: Kernel): mem_cgroup | null => (in_task(k) ? k.current.active_memcg : k.memcg.int_active_memcg);

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
  m[i + PG_MEMCG_DATA] = (objcg.pa | 0) + MEMCG_DATA_KMEM;
  m[i + PG_MEMCG_DATA_HI] = (PAGE_OFFSET_HI + Math.floor(objcg.pa / TWO_32)) | 0;
  return 0;
}

/** The obj_cgroup that a page points to; null: it is not charged, or what it holds is no such pointer. */
function page_objcg(k: Kernel, m: Int32Array, i: number): obj_cgroup | null {
  const lo = m[i + PG_MEMCG_DATA]!;
  if ((lo & MEMCG_DATA_KMEM) === 0) return null;
  const hi = (m[i + PG_MEMCG_DATA_HI]! >>> 0) - PAGE_OFFSET_HI;
  return k.memcg.objcgs.get(hi * TWO_32 + ((lo & ~3) >>> 0)) ?? null;
}

/** Whom a page is charged to, whatever page it is. */
export const page_memcg_check = (k: Kernel, pfn: pfn_t): mem_cgroup | null =>
  page_objcg(k, section_map(k.mm, pfn), page_index(pfn))?.memcg ?? null;

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

/** __mod_lruvec_page_state(): the node's counter, and that of whom the page is charged to. */
export function mod_lruvec_page_state(k: Kernel, m: Int32Array, i: number, item: number, delta: number): void {
  __mod_node_page_state(k, k.node_data[m[i + PG_FLAGS_HI]! >>> NODES_PGSHIFT_HI]!, item, delta);
  if (m[i + PG_MEMCG_DATA] === 0) return;
  const objcg = page_objcg(k, m, i);
  if (objcg !== null) objcg.memcg.vmstats[item]! += delta;
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
