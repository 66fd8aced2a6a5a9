// Memory cgroups, their tree, and who is in them (Linux: mm/memcontrol.c mem_cgroup_css_alloc(), mem_cgroup_css_offline(),
// mem_cgroup_iter(), set_active_memcg()). Pages of users: memcg_folio.ts; of the kernel: memcg_kmem.ts; charging:
// memcg_charge.ts; files: memcg_files.ts.
//
// page->memcg_data is a pointer as in Linux: to a mem_cgroup, or to an obj_cgroup. There is no slab here: a mem_cgroup has a
// page, and one on each node. What it holds, but for the LRU lists, is kept outside.
//
// Left out: moving charges; cgroup v1's counter of memory and swap. Differs from Linux: what belongs to the root
// cgroup has 0 in page->memcg_data.

import { __GFP_ZERO, GFP_KERNEL } from '../include/gfp_types.ts';
import { KEY_MEMCG_KMEM } from '../include/static_keys.ts';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOMEM,
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
import { Lruvec } from './lruvec.ts';
import { drain_all_stock } from './memcg_charge.ts';
import { type obj_cgroup, obj_cgroup_alloc, obj_cgroup_put } from './obj_cgroup.ts';
import { __free_pages, alloc_pages_sleeping } from './page_alloc.ts';
import { page_counter, page_counter_set_low, page_counter_set_min } from './page_counter.ts';
import { numa_node_id } from './percpu.ts';
import { page_word_index, page_words } from './user_pgtable.ts';

const TWO_32 = 2 ** 32;

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

/** What a CPU has charged in advance. */
export interface memcg_stock_pcp {
  cached: mem_cgroup | null;
  nr_pages: number;
}

export class MemcgState {
  readonly root_mem_cgroup = new mem_cgroup('/', null);
  /** cgroup_disable=memory */
  disabled = false;
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

const zeroed_page = (k: Kernel, nid: nid_t): Sleeping<pfn_t> =>
  alloc_pages_sleeping(k, GFP_KERNEL | __GFP_ZERO, 0, nid);

/** alloc_mem_cgroup_per_node_info(). @returns false: no memory */
function* alloc_lruvec(k: Kernel, memcg: mem_cgroup, nid: nid_t): Sleeping<boolean> {
  const pfn = yield* zeroed_page(k, nid);
  if (pfn < 0) return false;
  const above = memcg.parent!.lruvecs[nid]!;
  const at = page_word_index(pfn);
  memcg.pages.push(pfn);
  memcg.lruvecs[nid] = new Lruvec(above.pgdat, memcg, above, page_words(k, pfn), at, pfn * PAGE_SIZE);
  return true;
}

/** mem_cgroup_alloc(). @returns false: no memory, and nothing is taken */
function* alloc_mem_cgroup(k: Kernel, memcg: mem_cgroup): Sleeping<boolean> {
  const pfn = yield* zeroed_page(k, numa_node_id(k));
  let whole = pfn >= 0;
  if (whole) memcg.pages.push(pfn);
  for (const nid of Object.keys(memcg.parent!.lruvecs)) whole &&= yield* alloc_lruvec(k, memcg, Number(nid));
  if (whole) memcg.objcg = yield* obj_cgroup_alloc(k, memcg);
  if (memcg.objcg !== null) return true;
  for (const page of memcg.pages) __free_pages(k, page, 0);
  return false;
}

/** The lowest that is free; 0: all are in use. */
function new_id({ memcg: { ids } }: Kernel): number {
  for (let id = FIRST_ID; id <= MEM_CGROUP_ID_MAX; id++) if (!ids.has(id)) return id;
  return 0;
}

/** The child of that name that has not been removed; null: there is none. */
export const mem_cgroup_child = ({ children }: mem_cgroup, name: string): mem_cgroup | null =>
  children.find((child) => child.online && child.name === name) ?? null;

/**
 * mkdir: a child without limits. From the first one on, tasks' pages are charged.
 * Context: nobody else makes or removes cgroups meanwhile.
 *
 * Differs from Linux: there are no cgroups at all where memory is not among their controllers.
 * @returns it, or -errno
 */
export function* mem_cgroup_create(k: Kernel, parent: mem_cgroup, name: string): Sleeping<mem_cgroup | number> {
  if (k.memcg.disabled) return -ENODEV;
  if (name === '' || name.includes('/') || name.includes('\n')) return -EINVAL;
  if (mem_cgroup_child(parent, name) !== null) return -EEXIST;
  const memcg = new mem_cgroup(name, parent);
  memcg.id = new_id(k);
  if (memcg.id === 0 || !(yield* alloc_mem_cgroup(k, memcg))) return -ENOMEM;
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
