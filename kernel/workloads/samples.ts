// Looks at zones again and again while workloads run: how many pages are free, where the watermarks are, whether kswapd is
// awake, what has been reclaimed since. A run may be of any length, so when there are too many looks each two become one,
// and from then on there are half as many; those of a span that is asked for stay as they were.

import { MAX_NR_ZONES, NR_FREE_PAGES, WMARK_HIGH, WMARK_LOW, WMARK_MIN } from '../include/mmzone.ts';
import {
  ALLOCSTALL,
  PGSCAN_DIRECT,
  PGSCAN_KSWAPD,
  PGSTEAL_DIRECT,
  PGSTEAL_KSWAPD,
  PSWPIN,
  PSWPOUT,
} from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { node_reclaim_state } from '../mm/kswapd_state.ts';
import type { Zone } from '../mm/mmzone.ts';
import { for_each_populated_zone } from '../mm/mmzone_iter.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { zone_page_state } from '../mm/vmstat.ts';
import { ktime_get } from '../sched/clock.ts';
import { defer_at } from '../sched/timer.ts';
import { waitqueue_active } from '../sched/wait.ts';

const FIRST_INTERVAL_NS = 100_000;
const MAX_SAMPLES = 1024;

/** What a sample counts: how often since the one before. */
export interface Counts {
  readonly scan_kswapd: number;
  readonly scan_direct: number;
  readonly steal_kswapd: number;
  readonly steal_direct: number;
  /** Requests that had to reclaim for themselves. */
  readonly allocstall: number;
  readonly swap_out: number;
  readonly swap_in: number;
}

export interface Sample {
  readonly time_ns: number;
  /** By zone, in the sampler's order: free pages now, and the fewest of the samples that have become this one. */
  readonly free: readonly number[];
  readonly lowest: readonly number[];
  /** By zone: what a fallback has put on top of the watermarks. */
  readonly boost: readonly number[];
  /** By node: whether kswapd is at work, or has been since the sample before. */
  readonly kswapd: readonly boolean[];
  readonly counts: Counts;
}

export interface SampledZone {
  readonly node: number;
  readonly zone: string;
  readonly managed: number;
  readonly min: number;
  readonly low: number;
  readonly high: number;
  /** Held back, on top of the watermarks, from requests that any zone could serve. */
  readonly protection: number;
}

function events(k: Kernel): Counts {
  const all = all_vm_events(k);
  let allocstall = 0;
  for (let zone = 0; zone < MAX_NR_ZONES; zone++) allocstall += all[ALLOCSTALL + zone]!;
  return {
    scan_kswapd: all[PGSCAN_KSWAPD]!,
    scan_direct: all[PGSCAN_DIRECT]!,
    steal_kswapd: all[PGSTEAL_KSWAPD]!,
    steal_direct: all[PGSTEAL_DIRECT]!,
    allocstall,
    swap_out: all[PSWPOUT]!,
    swap_in: all[PSWPIN]!,
  };
}

function combine(a: Counts, b: Counts, sign: number): Counts {
  return {
    scan_kswapd: a.scan_kswapd + sign * b.scan_kswapd,
    scan_direct: a.scan_direct + sign * b.scan_direct,
    steal_kswapd: a.steal_kswapd + sign * b.steal_kswapd,
    steal_direct: a.steal_direct + sign * b.steal_direct,
    allocstall: a.allocstall + sign * b.allocstall,
    swap_out: a.swap_out + sign * b.swap_out,
    swap_in: a.swap_in + sign * b.swap_in,
  };
}

function merge(a: Sample, b: Sample): Sample {
  return {
    time_ns: b.time_ns,
    free: b.free,
    lowest: b.lowest.map((pages, n) => Math.min(pages, a.lowest[n]!)),
    boost: b.boost.map((pages, n) => Math.max(pages, a.boost[n]!)),
    kswapd: b.kswapd.map((awake, n) => awake || a.kswapd[n]!),
    counts: combine(a.counts, b.counts, 1),
  };
}

/** A part of a run, since the first task's start. */
export interface Span {
  readonly from_ns: number;
  readonly to_ns: number;
}

export class Sampler {
  readonly zones: readonly SampledZone[];
  samples: Sample[] = [];
  readonly span: Span | null;
  /** All looks of the span. */
  readonly #closeup: Sample[] = [];
  readonly start_ns: number;
  readonly #k: Kernel;
  readonly #zones: readonly Zone[];
  /** By node: what its kswapd had run at the last look, in ns. */
  readonly #ran: number[] = [];
  readonly #first: Counts;
  #seen: Counts;
  #interval_ns = FIRST_INTERVAL_NS;
  #running = true;

  constructor(k: Kernel, span: Span | null) {
    this.#k = k;
    this.span = span;
    this.#zones = [...for_each_populated_zone(k)];
    this.zones = this.#zones.map((zone) => ({
      node: zone.nid,
      zone: zone.name,
      managed: zone.managed_pages,
      min: zone._watermark(WMARK_MIN),
      low: zone._watermark(WMARK_LOW),
      high: zone._watermark(WMARK_HIGH),
      protection: zone.lowmem_reserve(MAX_NR_ZONES - 1),
    }));
    this.start_ns = ktime_get(k);
    this.#first = events(k);
    this.#seen = this.#first;
    this.#kswapd();
    this.#arm();
  }

  /** No more looks but a last one. */
  stop(): void {
    this.#running = false;
    this.#look();
  }

  /** Those of the span that was asked for, or of the whole run. */
  wanted(): readonly Sample[] {
    return this.span === null ? this.samples : this.#closeup;
  }

  /** Since the first look. */
  totals(): Counts {
    return combine(this.#seen, this.#first, -1);
  }

  #arm(): void {
    defer_at(this.#k, ktime_get(this.#k) + this.#interval_ns, () => {
      if (!this.#running) return;
      this.#look();
      this.#arm();
    });
  }

  /** By node: whether kswapd is awake, or has run since the last look. */
  #kswapd(): boolean[] {
    return this.#k.node_data.map((pgdat, nid) => {
      const { kswapd, kswapd_wait } = node_reclaim_state(this.#k, pgdat);
      const ran = kswapd?.sum_exec_runtime ?? 0;
      const awake = kswapd !== null && (!waitqueue_active(kswapd_wait) || ran !== this.#ran[nid]);
      this.#ran[nid] = ran;
      return awake;
    });
  }

  #look(): void {
    const now = events(this.#k);
    const free = this.#zones.map((zone) => zone_page_state(zone, NR_FREE_PAGES));
    const sample: Sample = {
      time_ns: ktime_get(this.#k) - this.start_ns,
      free,
      lowest: free,
      boost: this.#zones.map((zone) => zone.watermark_boost),
      kswapd: this.#kswapd(),
      counts: combine(now, this.#seen, -1),
    };
    this.samples.push(sample);
    if (this.span !== null && sample.time_ns >= this.span.from_ns && sample.time_ns <= this.span.to_ns) {
      this.#closeup.push(sample);
    }
    this.#seen = now;
    if (this.samples.length < MAX_SAMPLES) return;
    this.samples = Array.from({ length: MAX_SAMPLES / 2 }, (_, n) =>
      merge(this.samples[2 * n]!, this.samples[2 * n + 1]!),
    );
    this.#interval_ns *= 2;
  }
}
