// Memory cgroups: their tree, and pages that the kernel asks for with __GFP_ACCOUNT (Linux: mm/memcontrol.c
// mem_cgroup_css_alloc(), mem_cgroup_css_offline(), mem_cgroup_iter(), __memcg_kmem_charge_page()). Pages of users:
// memcg_folio.ts; charging: memcg_charge.ts; files: memcg_files.ts.
//
// page->memcg_data is a pointer as in Linux: to a mem_cgroup, or with MEMCG_DATA_KMEM to an obj_cgroup. There is no slab
// here: a mem_cgroup has a page, and one on each node; obj_cgroups have 64 bytes each of other ones. What they hold, but
// for the LRU lists, is kept outside.
//
// Left out: objects; moving charges; cgroup v1's counter of memory and swap. Differs from Linux: what belongs to the root
// cgroup has 0 in page->memcg_data.

import { __GFP_ZERO, GFP_KERNEL } from '../include/gfp_types.ts';
import { PG_FLAGS_HI, PG_LRU_NEXT, PG_MEMCG_DATA, PG_MEMCG_DATA_HI } from '../include/mm_types.ts';
import { NODES_PGSHIFT_HI } from '../include/page_flags.ts';
import { PF_KTHREAD } from '../include/sched.ts';
import { KEY_MEMCG_KMEM } from '../include/static_keys.ts';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  ENOMEM,
  type gfp_t,
  type nid_t,
  PAGE_OFFSET_HI,
  PAGE_SHIFT,
  PAGE_SIZE,
  type pfn_t,
  type phys_addr_t,
} from '../include/types.ts';
import { NR_VM_EVENT_ITEMS } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { in_task } from '../sched/preempt.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { Lruvec, mod_memcg_lruvec_state } from './lruvec.ts';
import { account_kmem, drain_all_stock, refill_stock, try_charge_memcg } from './memcg_charge.ts';
import { alloc_pages } from './mempolicy.ts';
import { page_index, section_map } from './page.ts';
import { __alloc_pages, __free_pages } from './page_alloc.ts';
import { page_counter, page_counter_set_low, page_counter_set_min } from './page_counter.ts';
import { tail_head } from './page_list.ts';
import { numa_node_id } from './percpu.ts';
import { page_word_index, page_words } from './user_pgtable.ts';
import { __mod_node_page_state } from './vmstat.ts';

const MEMCG_DATA_KMEM = 2;
const TWO_32 = 2 ** 32;
const OBJ_CGROUP_SIZE = 64;

/** MEM_CGROUP_ID_MAX; 1 is the root's. */
const FIRST_ID = 2;
const MEM_CGROUP_ID_MAX = 65535;

/** enum memcg_memory_event, in the order in which files show them. */
export interface memory_events {
  low: number;
  high: number;
  max: number;
  oom: number;
  oom_kill: number;
  oom_group_kill: number;
  swap_high: number;
  swap_max: number;
  swap_fail: number;
}

const no_events = (): memory_events => ({
  low: 0,
  high: 0,
  max: 0,
  oom: 0,
  oom_kill: 0,
  oom_group_kill: 0,
  swap_high: 0,
  swap_max: 0,
  swap_fail: 0,
});

export class mem_cgroup {
  readonly name: string;
  readonly parent: mem_cgroup | null;
  readonly children: mem_cgroup[] = [];
  readonly memory: page_counter;
  /** Counted with cgroup v2 only. */
  readonly swap: page_counter;
  /** Counted with cgroup v1 only. */
  readonly kmem: page_counter;
  /** MEMCG_KMEM: pages of the kernel's that are charged here, not those of children. */
  kmem_pages = 0;
  /** By node: its LRU lists, with what is counted of its pages and of those below. */
  readonly lruvecs: Lruvec[] = [];
  /** By vm_event_item: of this one and those below. */
  readonly vm_events = new Float64Array(NR_VM_EVENT_ITEMS);
  /** What shadows and swap areas know it by; 0: the root. */
  id = 0;
  /** Where it is, and its parts on the nodes; empty: the root. */
  readonly pages: pfn_t[] = [];
  /** Until it is removed. After that it stays while anything is charged to it, though nobody finds it by its name. */
  online = true;
  /** Pages, pages in swap, and whoever looks at it. */
  refcnt = 0;
  /** Its id is in use: while it is online, and by each page in swap. */
  id_refcnt = 1;
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
    this.swap = new page_counter(parent?.swap ?? null);
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
  /** Those with an id of their own. */
  readonly ids = new Map<number, mem_cgroup>();
  readonly objcgs = new Map<phys_addr_t, obj_cgroup>();
  /** Room for obj_cgroups in pages that they have already. */
  readonly free_slots: phys_addr_t[] = [];
  /** By their pages: all but the root. */
  readonly memcgs = new Map<pfn_t, mem_cgroup>();
  #last: mem_cgroup | null = null;
  #last_lo = 0;
  #last_hi = 0;

  /** folio_memcg(): the one that page->memcg_data points to; null: it points to none. */
  find(lo: number, hi: number): mem_cgroup | null {
    if (lo === this.#last_lo && hi === this.#last_hi) return this.#last;
    const pfn = ((hi >>> 0) - PAGE_OFFSET_HI) * (TWO_32 / PAGE_SIZE) + (lo >>> PAGE_SHIFT);
    const memcg = lo % PAGE_SIZE === 0 ? (this.memcgs.get(pfn) ?? null) : null;
    if (memcg === null) return null;
    this.#last = memcg;
    this.#last_lo = lo;
    this.#last_hi = hi;
    return memcg;
  }

  forget(memcg: mem_cgroup): void {
    this.memcgs.delete(memcg.pages[0]!);
    if (this.#last !== memcg) return;
    this.#last = null;
    this.#last_lo = 0;
    this.#last_hi = 0;
  }
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

const zeroed_page = (k: Kernel, nid: nid_t): pfn_t => __alloc_pages(k, GFP_KERNEL | __GFP_ZERO, 0, nid);

/** alloc_mem_cgroup_per_node_info(). @returns false: no memory */
function alloc_lruvec(k: Kernel, memcg: mem_cgroup, nid: nid_t): boolean {
  const pfn = zeroed_page(k, nid);
  if (pfn < 0) return false;
  const above = memcg.parent!.lruvecs[nid]!;
  const at = page_word_index(pfn);
  memcg.pages.push(pfn);
  memcg.lruvecs[nid] = new Lruvec(above.pgdat, memcg, above, page_words(k, pfn), at, pfn * PAGE_SIZE);
  return true;
}

/** mem_cgroup_alloc(). @returns false: no memory, and nothing is taken */
function alloc_mem_cgroup(k: Kernel, memcg: mem_cgroup): boolean {
  const pfn = zeroed_page(k, numa_node_id(k));
  if (pfn >= 0) memcg.pages.push(pfn);
  const whole = pfn >= 0 && Object.keys(memcg.parent!.lruvecs).every((nid) => alloc_lruvec(k, memcg, Number(nid)));
  if (whole) memcg.objcg = obj_cgroup_alloc(k, memcg);
  if (memcg.objcg !== null) return true;
  for (const page of memcg.pages) __free_pages(k, page, 0);
  return false;
}

/** The lowest that is free; 0: all are in use. */
function new_id({ memcg: { ids } }: Kernel): number {
  for (let id = FIRST_ID; id <= MEM_CGROUP_ID_MAX; id++) if (!ids.has(id)) return id;
  return 0;
}

/** mkdir: a child without limits. From the first one on, tasks' pages are charged. @returns it, or -errno */
export function mem_cgroup_create(k: Kernel, parent: mem_cgroup, name: string): mem_cgroup | number {
  if (name === '' || name.includes('/') || name.includes('\n')) return -EINVAL;
  if (parent.children.some((child) => child.online && child.name === name)) return -EEXIST;
  const memcg = new mem_cgroup(name, parent);
  memcg.id = new_id(k);
  if (memcg.id === 0 || !alloc_mem_cgroup(k, memcg)) return -ENOMEM;
  k.memcg.ids.set(memcg.id, memcg);
  k.memcg.memcgs.set(memcg.pages[0]!, memcg);
  parent.children.push(memcg);
  parent.refcnt++;
  k.page_alloc.static_keys |= KEY_MEMCG_KMEM;
  return memcg;
}

/** rmdir: the kernel's pages become its parent's; those of users stay, and with them what is left of it. */
export function mem_cgroup_remove(k: Kernel, memcg: mem_cgroup): number {
  const { parent, objcg } = memcg;
  if (parent === null || objcg === null || memcg.tasks.size > 0) return -EBUSY;
  if (memcg.children.some(({ online }) => online)) return -EBUSY;
  memcg.refcnt++;
  memcg.online = false;
  page_counter_set_min(memcg.memory, 0);
  page_counter_set_low(memcg.memory, 0);
  memcg.objcg = null;
  memcg.objcg_list.add(objcg);
  parent.kmem_pages += memcg.kmem_pages;
  memcg.kmem_pages = 0;
  for (const orphan of memcg.objcg_list) {
    orphan.memcg = parent;
    parent.objcg_list.add(orphan);
  }
  obj_cgroup_put(k, objcg);
  drain_all_stock(k, memcg);
  mem_cgroup_id_put(k, memcg);
  mem_cgroup_put(k, memcg);
  return 0;
}

/** One that looks at it less, or one page. Context: there is another who does, or it is online, or he forgets it here. */
export function mem_cgroup_put(k: Kernel, memcg: mem_cgroup): void {
  if (--memcg.refcnt > 0 || memcg.online) return;
  const { parent } = memcg;
  parent!.children.splice(parent!.children.indexOf(memcg), 1);
  // Removed children go before it does.
  k.memcg.forget(memcg);
  for (const page of memcg.pages.splice(0)) __free_pages(k, page, 0);
  mem_cgroup_put(k, parent!);
}

/** Its id is no longer its own once nobody uses it. */
export function mem_cgroup_id_put(k: Kernel, memcg: mem_cgroup): void {
  if (--memcg.id_refcnt === 0) k.memcg.ids.delete(memcg.id);
}

/**
 * mem_cgroup_iter(): `root` and all below it, each one before its children, those that are removed but not gone among them.
 * @param prev null: begin; else what was returned before
 * @returns null: that was the last. Else it stays until it is given back as `prev`
 */
export function mem_cgroup_iter(k: Kernel, root: mem_cgroup, prev: mem_cgroup | null): mem_cgroup | null {
  const next = prev === null ? root : next_descendant_pre(root, prev);
  if (next !== null) next.refcnt++;
  if (prev !== null) mem_cgroup_put(k, prev);
  return next;
}

function next_descendant_pre(root: mem_cgroup, prev: mem_cgroup): mem_cgroup | null {
  if (prev.children.length > 0) return prev.children[0]!;
  for (let at = prev; at !== root; at = at.parent!) {
    const siblings = at.parent!.children;
    const next = siblings[siblings.indexOf(at) + 1];
    if (next !== undefined) return next;
  }
  return null;
}

export const mem_cgroup_from_task = (k: Kernel, task: task_struct): mem_cgroup => task.memcg ?? k.memcg.root_mem_cgroup;

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

export const active_memcg = (k: Kernel): mem_cgroup | null =>
  in_task(k) ? k.current.active_memcg : k.memcg.int_active_memcg;

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
