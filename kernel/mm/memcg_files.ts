// The limits of memory cgroups, as their files take them (Linux: mm/memcontrol.c memory_min_write() to
// memory_max_write(), memory_reclaim(), swap_max_write(), mem_cgroup_write(); mm/page_counter.c page_counter_memparse()).
// Which file shows what: kernel/cgroup/memory_files.ts.

import { GFP_KERNEL } from '../include/gfp_types.ts';
import { EAGAIN, EBUSY, EINTR, EINVAL, PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { memparse64 } from '../lib/memparse.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched } from '../sched/core.ts';
import { answer_of, type Sleeping } from '../sched/sleeping.ts';
import { MAX_RECLAIM_RETRIES } from './internal.ts';
import { drain_all_stock, mem_cgroup_out_of_memory, memcg_memory_event } from './memcg_charge.ts';
import type { mem_cgroup } from './memcontrol.ts';
import { PAGE_COUNTER_MAX, page_counter_set_low, page_counter_set_max, page_counter_set_min } from './page_counter.ts';
import { lru_add_drain_all } from './swap.ts';

/** What a look for somebody to kill takes. While one who was chosen is slow to die, ever more looks count as one. */
const OOM_NS = 5000;
const MAX_OOM_NS = 256 * OOM_NS;

/** @param max the word for no limit. @returns pages, or -EINVAL */
function page_counter_memparse(text: string, max: string): number {
  if (text === max) return PAGE_COUNTER_MAX;
  const { value, rest } = memparse64(text);
  if (rest !== '') return -EINVAL;
  return Math.min(Number(value / BigInt(PAGE_SIZE)), PAGE_COUNTER_MAX);
}

/** What a write to a file that limits is understood as. @returns pages, or -EINVAL */
export const memcg_limit_parse = (text: string): number => page_counter_memparse(text.trim(), 'max');

/** What a write to memory.reclaim is understood as. @returns pages, or -EINVAL */
export const memory_reclaim_parse = (text: string): number => page_counter_memparse(text.trim(), '');

const reclaim = (k: Kernel, memcg: mem_cgroup, nr_pages: number): Sleeping<number> =>
  answer_of(k.page_alloc.reclaim?.try_to_free_mem_cgroup_pages(k, memcg, nr_pages, GFP_KERNEL) ?? 0);

/** A write of a number of pages to a file. @returns 0 or -EINVAL */
const tunable = (set: (k: Kernel, memcg: mem_cgroup, pages: number) => void) =>
  // biome-ignore lint/correctness/useYield: other files' writes wait
  function* write(k: Kernel, memcg: mem_cgroup, text: string): Sleeping<number> {
    const pages = memcg_limit_parse(text);
    if (pages < 0) return pages;
    set(k, memcg, pages);
    return 0;
  };

export const memory_min_write = tunable((_k, { memory }, pages) => page_counter_set_min(memory, pages));
export const memory_low_write = tunable((_k, { memory }, pages) => page_counter_set_low(memory, pages));
export const swap_high_write = tunable((_k, { swap }, pages) => {
  swap.high = pages;
});
/** What is in swap above it stays. */
export const swap_max_write = tunable((_k, { swap }, pages) => {
  swap.max = pages;
});

/** A write to memory.high: what is above it is reclaimed, and if it cannot be nobody is killed for that. */
export function* memory_high_write(k: Kernel, memcg: mem_cgroup, text: string): Sleeping<number> {
  const high = memcg_limit_parse(text);
  if (high < 0) return high;
  memcg.memory.high = high;
  let nr_retries = MAX_RECLAIM_RETRIES;
  let drained = false;
  // Somebody may set another one meanwhile.
  while (memcg.memory.high === high && memcg.memory.usage > high && !k.current.fatal_signal_pending) {
    if (!drained) {
      drain_all_stock(k, memcg);
      drained = true;
      continue;
    }
    if ((yield* reclaim(k, memcg, memcg.memory.usage - high)) === 0 && nr_retries-- === 0) break;
  }
  return 0;
}

/** A write to memory.reclaim: so many bytes, whatever the limits. @returns 0, -EAGAIN: there were less, or -EINTR */
export function* memory_reclaim(k: Kernel, memcg: mem_cgroup, text: string): Sleeping<number> {
  const nr_to_reclaim = memory_reclaim_parse(text);
  if (nr_to_reclaim < 0) return nr_to_reclaim;
  let nr_retries = MAX_RECLAIM_RETRIES;
  for (let nr_reclaimed = 0; nr_reclaimed < nr_to_reclaim; ) {
    if (k.current.fatal_signal_pending) return -EINTR;
    if (nr_retries === 0) lru_add_drain_all(k);
    const reclaimed = yield* reclaim(k, memcg, nr_to_reclaim - nr_reclaimed);
    if (reclaimed === 0 && nr_retries-- === 0) return -EAGAIN;
    nr_reclaimed += reclaimed;
  }
  return 0;
}

/** A write to memory.max (cgroup v2): it holds at once, and what is above it is reclaimed as far as can be. */
export function* memory_max_write(k: Kernel, memcg: mem_cgroup, text: string): Sleeping<number> {
  const max = memcg_limit_parse(text);
  if (max < 0) return max;
  memcg.memory.max = max;
  let drained = false;
  let nr_reclaims = MAX_RECLAIM_RETRIES;
  let look_ns = OOM_NS;
  // Somebody may set another one meanwhile.
  while (memcg.memory.max === max && memcg.memory.usage > max && !k.current.fatal_signal_pending) {
    if (!drained) {
      drain_all_stock(k, memcg);
      drained = true;
      continue;
    }
    if (nr_reclaims > 0) {
      if ((yield* reclaim(k, memcg, memcg.memory.usage - max)) === 0) nr_reclaims--;
      continue;
    }
    memcg_memory_event(k, memcg, 'oom');
    if (!(yield* mem_cgroup_out_of_memory(k, memcg, GFP_KERNEL, 1))) break;
    // Who has been chosen may need time to die, or this CPU.
    charge(k, look_ns);
    look_ns = Math.min(look_ns * 2, MAX_OOM_NS);
    yield* cond_resched(k);
  }
  return 0;
}

/** A write to memory.limit_in_bytes (cgroup v1): refused where more is in use and cannot be reclaimed. */
export function* mem_cgroup_resize_max(k: Kernel, memcg: mem_cgroup, text: string): Sleeping<number> {
  const max = page_counter_memparse(text.trim(), '-1');
  if (max < 0) return max;
  if (memcg.parent === null) return -EINVAL;
  for (let drained = false; page_counter_set_max(memcg.memory, max) < 0; ) {
    if (!drained) drain_all_stock(k, memcg);
    else if ((yield* reclaim(k, memcg, 1)) === 0) return -EBUSY;
    drained = true;
  }
  return 0;
}
