// Charging pages to a memory cgroup (Linux: mm/memcontrol.c try_charge_memcg(), consume_stock(), refill_stock(),
// drain_all_stock()): batches of them, of which each CPU keeps a stock for the cgroup that it charged last.
//
// Reclaim and the OOM killer are calls through k.page_alloc.reclaim. Left out: charges that are moved with tasks; cgroup
// v1's counter of memory and swap. Differs from Linux: other CPUs' stocks are drained at once, not by work that they do later.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_HIGH,
  __GFP_NOFAIL,
  __GFP_NORETRY,
  __GFP_RETRY_MAYFAIL,
} from '../include/gfp_types.ts';
import { PAGE_ALLOC_COSTLY_ORDER } from '../include/mmzone.ts';
import { PF_EXITING, PF_MEMALLOC } from '../include/sched.ts';
import { ENOMEM, type gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { mutex_lock_killable, mutex_unlock } from '../sched/mutex.ts';
import { answer_of, type Sleeping } from '../sched/sleeping.ts';
import { MAX_RECLAIM_RETRIES } from './internal.ts';
import { mem_cgroup_handle_over_high, note_over_high } from './memcg_high.ts';
import type { mem_cgroup, memcg_stock_pcp, memory_events } from './memcontrol.ts';
import {
  type page_counter,
  page_counter_charge,
  page_counter_try_charge,
  page_counter_uncharge,
} from './page_counter.ts';

/** Pages that are charged at a time. */
export const MEMCG_CHARGE_BATCH = 64;

function stock_of(k: Kernel, cpu: number): memcg_stock_pcp {
  const { stock } = k.memcg;
  stock[cpu] ??= { cached: null, nr_pages: 0 };
  return stock[cpu];
}

function consume_stock(k: Kernel, memcg: mem_cgroup, nr_pages: number): boolean {
  if (nr_pages > MEMCG_CHARGE_BATCH) return false;
  const stock = stock_of(k, k.percpu.cpu);
  if (stock.cached !== memcg || stock.nr_pages < nr_pages) return false;
  stock.nr_pages -= nr_pages;
  return true;
}

function drain_stock(k: Kernel, stock: memcg_stock_pcp): void {
  if (stock.cached === null) return;
  if (stock.nr_pages > 0) page_counter_uncharge(k, stock.cached.memory, stock.nr_pages);
  stock.nr_pages = 0;
  stock.cached = null;
}

/** What was charged and is not used any more stays with this CPU; too much of it goes back. */
export function refill_stock(k: Kernel, memcg: mem_cgroup, nr_pages: number): void {
  const stock = stock_of(k, k.percpu.cpu);
  if (stock.cached !== memcg) {
    drain_stock(k, stock);
    stock.cached = memcg;
  }
  stock.nr_pages += nr_pages;
  if (stock.nr_pages > MEMCG_CHARGE_BATCH) drain_stock(k, stock);
}

export function mem_cgroup_is_descendant(memcg: mem_cgroup, root: mem_cgroup): boolean {
  let at: mem_cgroup | null = memcg;
  while (at !== null && at !== root) at = at.parent;
  return at === root;
}

/** Of a cgroup and those below it. */
export function drain_all_stock(k: Kernel, root: mem_cgroup): void {
  for (const cpu of for_each_online_cpu(k)) {
    const stock = stock_of(k, cpu);
    if (stock.cached !== null && stock.nr_pages > 0 && mem_cgroup_is_descendant(stock.cached, root)) {
      drain_stock(k, stock);
    }
  }
}

/** Counts an event for the cgroup; with cgroup v2 for all above it as well, but for the root. */
export function memcg_memory_event(k: Kernel, memcg: mem_cgroup, event: keyof memory_events): void {
  memcg.events_local[event]++;
  for (let at: mem_cgroup | null = memcg; at !== null && at !== k.memcg.root_mem_cgroup; at = at.parent) {
    at.events[event]++;
    if (!k.memcg.on_dfl) break;
  }
}

/** @param nr_pages negative: no longer */
export function account_kmem(k: Kernel, memcg: mem_cgroup, nr_pages: number): void {
  memcg.kmem_pages += nr_pages;
  if (k.memcg.on_dfl) return;
  if (nr_pages > 0) page_counter_charge(memcg.kmem, nr_pages);
  else page_counter_uncharge(k, memcg.kmem, -nr_pages);
}

function mem_cgroup_from_counter(memcg: mem_cgroup, counter: page_counter): mem_cgroup {
  let at = memcg;
  while (at.memory !== counter) at = at.parent!;
  return at;
}

export const mem_cgroup_margin = ({ memory }: mem_cgroup): number => Math.max(0, memory.max - memory.usage);

/** @returns whether someone was killed, or is dying already; one who has to die meanwhile does not look for another */
export function* mem_cgroup_out_of_memory(
  k: Kernel,
  memcg: mem_cgroup,
  gfp: gfp_t,
  nr_pages: number,
): Sleeping<boolean> {
  const { oom_lock, reclaim } = k.page_alloc;
  if ((yield* mutex_lock_killable(k, oom_lock)) < 0) return true;
  const killed = yield* answer_of(reclaim?.mem_cgroup_out_of_memory(k, memcg, gfp, nr_pages) ?? false);
  mutex_unlock(k, oom_lock);
  return killed;
}

/** Linux: mem_cgroup_oom(). @returns whether someone was killed, or is dying already */
function* mem_cgroup_oom(k: Kernel, memcg: mem_cgroup, gfp: gfp_t, nr_pages: number): Sleeping<boolean> {
  if (nr_pages > 1 << PAGE_ALLOC_COSTLY_ORDER) return false;
  memcg_memory_event(k, memcg, 'oom');
  return yield* mem_cgroup_out_of_memory(k, memcg, gfp, nr_pages);
}

/**
 * A charge that met a limit.
 * @param over the cgroup whose limit it was
 * @returns whether there is room now, or may be: try again
 */
class slow_charge {
  private retries = MAX_RECLAIM_RETRIES;
  private drained = false;
  private passed_oom = false;
  raised_max_event = false;

  *make_room(k: Kernel, over: mem_cgroup, gfp: gfp_t, nr_pages: number): Sleeping<boolean> {
    if ((gfp & __GFP_DIRECT_RECLAIM) === 0) return false;
    memcg_memory_event(k, over, 'max');
    this.raised_max_event = true;
    const { reclaim } = k.page_alloc;
    const nr_reclaimed = yield* answer_of(reclaim?.try_to_free_mem_cgroup_pages(k, over, nr_pages, gfp) ?? 0);
    if (mem_cgroup_margin(over) >= nr_pages) return true;
    if (!this.drained) {
      drain_all_stock(k, over);
      this.drained = true;
      return true;
    }
    if ((gfp & __GFP_NORETRY) !== 0) return false;
    if (nr_reclaimed > 0 && nr_pages <= 1 << PAGE_ALLOC_COSTLY_ORDER) return true;
    if (this.retries-- > 0) return true;
    if ((gfp & __GFP_RETRY_MAYFAIL) !== 0) return false;
    const { oom_victim, flags, fatal_signal_pending } = k.current;
    if (this.passed_oom && (oom_victim || fatal_signal_pending || (flags & PF_EXITING) !== 0)) return false;
    if (!(yield* mem_cgroup_oom(k, over, gfp, nr_pages))) return false;
    this.passed_oom = true;
    this.retries = MAX_RECLAIM_RETRIES;
    return true;
  }
}

/**
 * Charges a cgroup and all above it. What must not fail, and what is urgent (__GFP_HIGH), is charged beyond the limit.
 * @returns 0 or -ENOMEM
 */
export function* try_charge_memcg(k: Kernel, memcg: mem_cgroup, gfp: gfp_t, nr_pages: number): Sleeping<number> {
  let batch = Math.max(MEMCG_CHARGE_BATCH, nr_pages);
  const slow = new slow_charge();
  for (;;) {
    if (consume_stock(k, memcg, nr_pages)) return 0;
    const counter = page_counter_try_charge(k, memcg.memory, batch);
    if (counter === null) break;
    if (batch > nr_pages) {
      batch = nr_pages;
      continue;
    }
    const over = mem_cgroup_from_counter(memcg, counter);
    const reclaims = (k.current.flags & PF_MEMALLOC) !== 0;
    if (!reclaims && (yield* slow.make_room(k, over, gfp, nr_pages))) continue;
    if (!reclaims && (gfp & (__GFP_NOFAIL | __GFP_HIGH)) === 0) return -ENOMEM;
    if (!slow.raised_max_event) memcg_memory_event(k, over, 'max');
    page_counter_charge(memcg.memory, nr_pages);
    return 0;
  }
  if (batch > nr_pages) refill_stock(k, memcg, batch - nr_pages);
  note_over_high(k, memcg, batch);
  const { memcg_nr_pages_over_high, flags } = k.current;
  const may_wait = (flags & PF_MEMALLOC) === 0 && (gfp & __GFP_DIRECT_RECLAIM) !== 0;
  if (memcg_nr_pages_over_high > MEMCG_CHARGE_BATCH && may_wait) yield* mem_cgroup_handle_over_high(k, gfp);
  return 0;
}
