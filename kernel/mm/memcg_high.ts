// memory.high and memory.swap.high: no charge fails there, but who makes them reclaims when his task goes back to what it
// was doing, and has to wait the longer the further it is beyond (Linux: mm/memcontrol.c mem_cgroup_handle_over_high(),
// reclaim_high(), calculate_high_delay(), the end of try_charge_memcg()).
//
// Left out: charges of interrupts, for which a work item reclaims; psi.

import { GFP_KERNEL } from '../include/gfp_types.ts';
import { HZ } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { in_task } from '../sched/preempt.ts';
import { answer_of, type Sleeping } from '../sched/sleeping.ts';
import { schedule_timeout_killable } from '../sched/timeout.ts';
import { MAX_RECLAIM_RETRIES } from './internal.ts';
import { SWAP_CLUSTER_MAX } from './isolate_lru.ts';
import { MEMCG_CHARGE_BATCH, memcg_memory_event } from './memcg_charge.ts';
import { mem_cgroup_from_mm } from './memcg_folio.ts';
import { type mem_cgroup, mem_cgroup_put } from './memcontrol.ts';
import type { page_counter } from './page_counter.ts';

const MEMCG_MAX_HIGH_DELAY_JIFFIES = 2 * HZ;
const MEMCG_DELAY_PRECISION_SHIFT = 20;
const MEMCG_DELAY_SCALING_SHIFT = 14;

/** Notes that the running task charged `batch` pages to a cgroup that is, or is below one that is, above its limit. */
export function note_over_high(k: Kernel, memcg: mem_cgroup, batch: number): void {
  if (!in_task(k)) return;
  for (let at: mem_cgroup | null = memcg; at !== null; at = at.parent) {
    if (at.memory.usage <= at.memory.high && at.swap.usage <= at.swap.high) continue;
    k.current.memcg_nr_pages_over_high += batch;
    return;
  }
}

function* reclaim_high(k: Kernel, memcg: mem_cgroup, nr_pages: number, gfp: gfp_t): Sleeping<number> {
  const { reclaim } = k.page_alloc;
  let nr_reclaimed = 0;
  for (let at = memcg; at.parent !== null; at = at.parent) {
    if (at.memory.usage <= at.memory.high) continue;
    memcg_memory_event(k, at, 'high');
    nr_reclaimed += yield* answer_of(reclaim?.try_to_free_mem_cgroup_pages(k, at, nr_pages, gfp) ?? 0);
  }
  return nr_reclaimed;
}

/** In 2^20ths of the limit. */
function calculate_overage({ usage, high }: page_counter): number {
  if (usage <= high) return 0;
  const limit = Math.max(high, 1);
  return Math.floor(((usage - limit) * 2 ** MEMCG_DELAY_PRECISION_SHIFT) / limit);
}

const find_max_overage = (memcg: mem_cgroup, of: (memcg: mem_cgroup) => number): number => {
  let most = 0;
  for (let at = memcg; at.parent !== null; at = at.parent) most = Math.max(most, of(at));
  return most;
};

/**
 * In jiffies: the square of the overage, and in proportion to what the task itself charged. In 64 bits, of which those that
 * come out too large are lost.
 */
export function calculate_high_delay(nr_pages: number, max_overage: number): number {
  const overage = BigInt(max_overage);
  const squared = BigInt.asUintN(64, overage * overage * BigInt(HZ));
  const penalty_jiffies = squared >> BigInt(MEMCG_DELAY_PRECISION_SHIFT + MEMCG_DELAY_SCALING_SHIFT);
  return Number(BigInt.asUintN(64, penalty_jiffies * BigInt(nr_pages)) / BigInt(MEMCG_CHARGE_BATCH));
}

function swap_overage(k: Kernel, memcg: mem_cgroup): number {
  const overage = calculate_overage(memcg.swap);
  if (overage > 0) memcg_memory_event(k, memcg, 'swap_high');
  return overage;
}

/** Where a task goes back to its program, or has charged a lot meanwhile. */
export function* mem_cgroup_handle_over_high(k: Kernel, gfp: gfp_t = GFP_KERNEL): Sleeping<void> {
  const { current } = k;
  const nr_pages = current.memcg_nr_pages_over_high;
  if (nr_pages === 0) return;
  current.memcg_nr_pages_over_high = 0;
  const memcg = current.mm === null ? k.memcg.root_mem_cgroup : mem_cgroup_from_mm(k, current.mm);
  memcg.refcnt++;
  yield* make_good(k, memcg, nr_pages, gfp);
  mem_cgroup_put(k, memcg);
}

function* make_good(k: Kernel, memcg: mem_cgroup, nr_pages: number, gfp: gfp_t): Sleeping<void> {
  let nr_retries = MAX_RECLAIM_RETRIES;
  for (let in_retry = false; ; in_retry = true) {
    const nr_reclaimed = yield* reclaim_high(k, memcg, in_retry ? SWAP_CLUSTER_MAX : nr_pages, gfp);
    const memory = find_max_overage(memcg, (at) => calculate_overage(at.memory));
    const swap = find_max_overage(memcg, (at) => swap_overage(k, at));
    const penalty_jiffies = Math.min(
      calculate_high_delay(nr_pages, memory) + calculate_high_delay(nr_pages, swap),
      MEMCG_MAX_HIGH_DELAY_JIFFIES,
    );
    // Less than that is not worth a sleep.
    if (penalty_jiffies <= HZ / 100) return;
    // As long as something can be reclaimed, that is better than to wait.
    if (nr_reclaimed > 0 || nr_retries-- > 0) continue;
    yield* schedule_timeout_killable(k, penalty_jiffies);
    return;
  }
}
