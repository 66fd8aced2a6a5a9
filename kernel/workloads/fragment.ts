// Blocks of many orders that the kernel takes and gives back in no order, a cache of the kernel's that can shrink, and a task's
// pages between them: what is free ends up in small pieces.

import { __GFP_COMP, __GFP_NORETRY, __GFP_NOWARN, __GFP_RECLAIMABLE, GFP_KERNEL } from '../include/gfp_types.ts';
import { PAGE_ALLOC_COSTLY_ORDER } from '../include/mmzone.ts';
import type { Kernel } from '../kernel.ts';
import { register_shrinker, SHRINK_STOP, type shrink_control, shrinker, unregister_shrinker } from '../mm/shrinker.ts';
import { cond_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { Workload } from './workload.ts';
import type { Actor, KernelBlock, WorkloadRun } from './workload_run.ts';

/** Of memory: what the kernel holds at most, and what the task has. */
const KERNEL_SHARE = 0.4;
const USER_SHARE = 0.5;
const MAX_BLOCK_ORDER = 6;
const CACHE_ORDER = 3;
/** What is asked for at the end. */
const PROBES = 32;
const PROBE_ORDERS = [3, 9] as const;

/** As a file system's cache of inodes: the oldest go first. */
class Cache extends shrinker {
  readonly #run: WorkloadRun;
  #blocks: KernelBlock[] = [];
  #given = 0;

  constructor(run: WorkloadRun) {
    super();
    this.#run = run;
  }

  add(block: KernelBlock): void {
    this.#blocks.push(block);
  }

  /** Its blocks are given back by others; whoever is at it still finds nothing. */
  clear(): void {
    this.#blocks = [];
    this.#given = 0;
  }

  override count_objects(): number {
    return this.#blocks.length - this.#given;
  }

  override scan_objects(_k: Kernel, { nr_to_scan }: shrink_control): number {
    const count = Math.min(nr_to_scan, this.count_objects());
    if (count === 0) return SHRINK_STOP;
    for (let n = 0; n < count; n++) this.#run.give(this.#blocks[this.#given++]!);
    if (this.#given * 2 > this.#blocks.length) {
      this.#blocks = this.#blocks.slice(this.#given);
      this.#given = 0;
    }
    return count;
  }
}

/** Each order half as often as the one below it. */
function some_order(run: WorkloadRun, max: number): number {
  let order = 0;
  while (order < max && run.chance(2) === 0) order++;
  return order;
}

const gfp_of = (order: number): number =>
  GFP_KERNEL | (order > 0 ? __GFP_COMP : 0) | (order > PAGE_ALLOC_COSTLY_ORDER ? __GFP_NORETRY | __GFP_NOWARN : 0);

function* body(actor: Actor, cache: Cache): Sleeping<void> {
  const { run } = actor;
  const { totalram_pages } = run.k.mm;
  const region = yield* actor.map(Math.floor(totalram_pages * USER_SHARE));
  const pages = region.keys.length;
  const held: KernelBlock[] = [];
  let holds = 0;
  for (let step = 0; step < totalram_pages; step++) {
    const what = run.chance(8);
    if (what < 4) yield* actor.write(region, run.chance(2) === 0 ? run.chance(pages) : step % pages);
    else if (what < 6) {
      const order = some_order(run, CACHE_ORDER);
      const block = yield* actor.take(gfp_of(order) | __GFP_RECLAIMABLE, order);
      if (block !== null) cache.add(block);
    } else {
      const order = some_order(run, MAX_BLOCK_ORDER);
      const block = yield* actor.take(gfp_of(order), order);
      if (block !== null) {
        held.push(block);
        holds += 1 << order;
      }
    }
    while (holds > totalram_pages * KERNEL_SHARE) {
      const at = run.chance(held.length);
      const block = held[at]!;
      held[at] = held[held.length - 1]!;
      held.pop();
      holds -= 1 << block.order;
      run.give(block);
    }
  }
  actor.note = (yield* probe(actor)).join(', ');
  for (let page = 0; page < pages; page++) yield* actor.check(region, page);
}

function* probe(actor: Actor): Sleeping<string[]> {
  const texts: string[] = [];
  for (const order of PROBE_ORDERS) {
    let got = 0;
    for (let n = 0; n < PROBES; n++) {
      const block = yield* actor.take(GFP_KERNEL | __GFP_COMP | __GFP_NORETRY | __GFP_NOWARN, order);
      if (block !== null) got++;
    }
    texts.push(`${got} of ${PROBES} blocks of order ${order} could be had`);
  }
  return texts;
}

export const fragment: Workload = {
  name: 'fragment',
  shows:
    'the kernel takes and frees blocks of orders 0 to 6 among movable and reclaimable ones: fallbacks, shrinkers, compaction',
  files: 0,
  *start(run) {
    const cache = new Cache(run);
    register_shrinker(run.k, cache);
    const actor = yield* run.start('fragment', (one) => body(one, cache));
    actor.task?.exit_work.unshift(function* (k) {
      unregister_shrinker(k, cache);
      cache.clear();
      yield* cond_resched(k);
    });
  },
};
