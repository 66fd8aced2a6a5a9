// Bursts of requests from interrupts, which cannot wait, while a file is read that keeps memory full: as a network card asks
// for buffers. They live of what lies below the min watermark, until kswapd has made room.

import { __GFP_COMP, GFP_ATOMIC } from '../include/gfp_types.ts';
import { WMARK_MIN } from '../include/mmzone.ts';
import { for_each_populated_zone } from '../mm/mmzone_iter.ts';
import { __alloc_pages } from '../mm/page_alloc.ts';
import { numa_node_id } from '../mm/percpu.ts';
import { ktime_get } from '../sched/clock.ts';
import { call_at } from '../sched/timer.ts';
import { read_once } from './stream.ts';
import type { Workload } from './workload.ts';
import type { Actor, KernelBlock } from './workload_run.ts';

const STREAM = 1.5;
const INTERVAL_NS = 4e6;
/** After how many bursts its blocks are given back. */
const KEPT = 2;
const MAX_ORDER_ASKED = 4;
/** A burst, as a share of what the min watermarks of the node come to. */
const SHARE = 1;

class Bursts {
  readonly #actor: Actor;
  readonly #pages: number;
  readonly #goes_on: () => boolean;
  readonly #held: KernelBlock[][] = [];
  #asked = 0;
  #failed = 0;

  constructor(actor: Actor, goes_on: () => boolean) {
    const { k } = actor.run;
    let min = 0;
    for (const zone of for_each_populated_zone(k)) if (zone.nid === numa_node_id(k)) min += zone._watermark(WMARK_MIN);
    this.#actor = actor;
    this.#pages = Math.ceil(min * SHARE);
    this.#goes_on = goes_on;
    this.#arm();
  }

  #arm(): void {
    const { k } = this.#actor.run;
    call_at(k, ktime_get(k) + INTERVAL_NS, () => this.#burst());
  }

  /** Context: interrupt. */
  #burst(): void {
    const { run } = this.#actor;
    if (this.#held.length === KEPT) for (const block of this.#held.shift()!) run.give(block);
    if (!this.#goes_on()) {
      this.#actor.note = `${this.#failed} of ${this.#asked} requests failed`;
      run.end(this.#actor, 'finished');
      return;
    }
    const blocks: KernelBlock[] = [];
    for (let pages = 0; pages < this.#pages; ) {
      // Large ones are rare.
      const order = run.chance(16) < 12 ? 0 : run.chance(MAX_ORDER_ASKED);
      const pfn = __alloc_pages(run.k, GFP_ATOMIC | (order > 0 ? __GFP_COMP : 0), order, numa_node_id(run.k));
      this.#asked++;
      if (pfn < 0) this.#failed++;
      else blocks.push(run.took(this.#actor, pfn, order));
      pages += 1 << order;
    }
    this.#held.push(blocks);
    this.#arm();
  }
}

export const atomic: Workload = {
  name: 'atomic',
  shows:
    'interrupts ask for memory in bursts (GFP_ATOMIC) while files fill it: reserves below min, and kswapd after them',
  files: STREAM,
  *start(run) {
    const known = run.open(Math.floor(run.k.mm.totalram_pages * STREAM));
    const reader = yield* run.start('reader', (actor) => read_once(actor, known));
    new Bursts(run.actor('interrupts'), () => reader.state === 'running');
  },
};
