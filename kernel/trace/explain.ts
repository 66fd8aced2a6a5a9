// One request told check by check: what the allocator looked at, with the numbers that it saw, and what it decided. Linux
// has no such thing; every step (explain_step.ts) is recorded by the code that takes it, where KEY_EXPLAIN is set.

import { node_distance } from '../arch/x86/numa_distance.ts';
import { MAX_ORDER, WMARK_MIN } from '../include/mmzone.ts';
import { PF_MEMALLOC } from '../include/sched.ts';
import { KEY_EXPLAIN } from '../include/static_keys.ts';
import type { gfp_t, nid_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug, KernelPanic } from '../lib/bug.ts';
import type { alloc_context } from '../mm/alloc_context.ts';
import { gfp_migratetype, gfp_zone, gfp_zonelist } from '../mm/gfp.ts';
import { ALLOC_CMA, ALLOC_RESERVES, ALLOC_WMARK_MASK, MAX_RECLAIM_RETRIES } from '../mm/internal.ts';
import type { Zone } from '../mm/mmzone.ts';
import {
  __zone_watermark_unusable_free,
  has_free_block,
  watermark_least,
  zone_free_cma_pages,
  zone_free_pages,
} from '../mm/watermark_check.ts';
import { in_task } from '../sched/preempt.ts';
import type { GiveUp, Helper, InZone, Mark, Skip, Step } from './explain_step.ts';

export const explaining = (k: Kernel): boolean => (k.page_alloc.static_keys & KEY_EXPLAIN) !== 0;

export function explain(k: Kernel, step: Step): void {
  if (is_asked(k)) k.trace.steps.push(step);
}

/** Neither a request of another task meanwhile, or of an interrupt, nor one that is made to free memory for the first. */
function is_asked(k: Kernel): boolean {
  const { asking } = k.trace;
  return asking === null || (asking === k.current && in_task(k) && (asking.flags & PF_MEMALLOC) === 0);
}

export interface Explained {
  /** The first page, or -1. */
  readonly result: pfn_t;
  readonly steps: readonly Step[];
  /** What the kernel stopped with before there was a result. */
  readonly stopped: KernelPanic | KernelBug | null;
}

/** Makes a request with every step recorded, the kernel's last one too. */
export function explained(k: Kernel, request: () => pfn_t): Explained {
  const steps: Step[] = [];
  k.trace.steps = steps;
  k.page_alloc.static_keys |= KEY_EXPLAIN;
  try {
    return { result: request(), steps, stopped: null };
  } catch (error) {
    if (!(error instanceof KernelPanic || error instanceof KernelBug)) throw error;
    steps.push({ code: 'stopped', message: error.message });
    return { result: -1, steps, stopped: error };
  } finally {
    k.page_alloc.static_keys &= ~KEY_EXPLAIN;
    k.trace.steps = [];
    k.trace.asking = null;
  }
}

const of_zone = ({ nid, idx }: Zone): InZone => ({ nid, zone: idx });

export function explain_request(k: Kernel, gfp: gfp_t, order: number, nid: number, ac: alloc_context): void {
  const { highest_zoneidx, migratetype } = ac;
  const zones = ac.zones.slice(ac.preferred).map(of_zone);
  explain(k, { code: 'request', gfp, order, nid, highest_zoneidx, migratetype, zones });
}

/** A request that no zone is asked for. */
export function explain_too_large(k: Kernel, gfp: gfp_t, order: number, nid: nid_t): void {
  const highest_zoneidx = gfp_zone(gfp);
  const zones = k.zonelists.views[(nid * 2 + gfp_zonelist(gfp)) * 4 + highest_zoneidx]!.map(of_zone);
  explain(k, { code: 'request', gfp, order, nid, highest_zoneidx, migratetype: gfp_migratetype(k, gfp), zones });
  explain(k, { code: 'too_large', order, most: MAX_ORDER - 1 });
  explain(k, { code: 'result', order, pfn: -1 });
}

export function explain_fault(k: Kernel, order: number): void {
  explain(k, { code: 'fault' });
  explain(k, { code: 'result', order, pfn: -1 });
}

export const explain_skip = (k: Kernel, zone: Zone, why: Skip): void =>
  explain(k, { code: 'skip', why, ...of_zone(zone) });

export const explain_stop = (k: Kernel, zone: Zone): void => explain(k, { code: 'stop', ...of_zone(zone) });

/** @param local_zone the first of the zonelist */
export function explain_too_far(k: Kernel, local_zone: Zone, zone: Zone): void {
  const distance = node_distance(k, local_zone.nid, zone.nid);
  explain(k, { code: 'too_far', distance, most: k.page_alloc.node_reclaim_distance, ...of_zone(zone) });
}

export const explain_no_watermarks = (k: Kernel, zone: Zone): void =>
  explain(k, { code: 'no_watermarks', ...of_zone(zone) });

function mark_of(
  zone: Zone,
  order: number,
  highest_zoneidx: number,
  alloc_flags: number,
  level: number,
  free: number,
  ok: boolean,
): Mark {
  const mark = zone._watermark(level);
  const boost = zone.watermark_boost;
  const cma = (alloc_flags & ALLOC_CMA) === 0 ? zone_free_cma_pages(zone) : 0;
  const rest = 2 ** order - 1;
  let largest = MAX_ORDER - 1;
  while (largest >= 0 && !has_free_block(zone, largest, alloc_flags)) largest--;
  return {
    order,
    highest_zoneidx,
    free,
    highatomic: __zone_watermark_unusable_free(zone, order, alloc_flags) - cma - rest,
    cma,
    rest,
    level,
    mark,
    boost,
    least: (alloc_flags & ALLOC_RESERVES) === 0 ? mark + boost : watermark_least(mark + boost, alloc_flags),
    lowmem_reserve: zone.lowmem_reserve(highest_zoneidx),
    largest,
    ok,
    ...of_zone(zone),
  };
}

/** @param ok what zone_watermark_fast() said */
export function explain_watermark(
  k: Kernel,
  zone: Zone,
  order: number,
  highest_zoneidx: number,
  alloc_flags: number,
  ok: boolean,
): void {
  const level = alloc_flags & ALLOC_WMARK_MASK;
  const free = zone_free_pages(zone);
  explain(k, { code: 'watermark', ...mark_of(zone, order, highest_zoneidx, alloc_flags, level, free, ok) });
}

/** @param free all pages that are, the CPUs' diffs too */
export function explain_reclaimable(
  k: Kernel,
  zone: Zone,
  order: number,
  highest_zoneidx: number,
  alloc_flags: number,
  free: number,
  reclaimable: number,
  ok: boolean,
): void {
  const mark = mark_of(zone, order, highest_zoneidx, alloc_flags, WMARK_MIN, free, ok);
  explain(k, { code: 'reclaimable', reclaimable, ...mark });
}

/** @param loops rounds in a row without progress */
export const explain_reclaim_retry = (k: Kernel, loops: number, unreserved: boolean, again: boolean): void =>
  explain(k, { code: 'reclaim_retry', loops, most: MAX_RECLAIM_RETRIES, unreserved, again });

/** enum compact_result */
const compact_results = [
  ...['not_suitable_zone', 'skipped', 'deferred', 'no_suitable_page', 'continue'],
  ...['complete', 'partial_skipped', 'contended', 'success'],
];

export const explain_compact_retry = (
  k: Kernel,
  compact_result: number,
  retries: number,
  priority: number,
  again: boolean,
): void =>
  explain(k, { code: 'compact_retry', result: compact_results[compact_result] ?? '', retries, priority, again });

/** @param wanted see Step */
export const explain_pcp = (
  k: Kernel,
  zone: Zone,
  order: number,
  migratetype: number,
  count: number,
  wanted: number,
): void => explain(k, { code: 'pcp', cpu: k.percpu.cpu, order, migratetype, count, wanted, ...of_zone(zone) });

export const explain_lists = (
  k: Kernel,
  zone: Zone,
  order: number,
  migratetype: number,
  found: number,
  pfn: pfn_t,
): void => explain(k, { code: 'lists', order, migratetype, found, pfn, ...of_zone(zone) });

export const explain_fallback = (k: Kernel, zone: Zone, order: number, migratetype: number, min_order: number): void =>
  explain(k, { code: 'fallback', order, migratetype, min_order, ...of_zone(zone) });

export function explain_cma(k: Kernel, zone: Zone, free: number, free_cma: number, first: boolean): void {
  explain(k, { code: 'cma', free, free_cma, first, ...of_zone(zone) });
}

/** @param migratetype its pageblock's until now */
export function explain_reserve(
  k: Kernel,
  zone: Zone,
  pfn: pfn_t,
  migratetype: number,
  before: number,
  most: number,
): void {
  const after = zone.nr_reserved_highatomic;
  explain(k, { code: 'reserve', pfn, migratetype, before, after, most, ...of_zone(zone) });
}

export const explain_call = (k: Kernel, what: Helper): void =>
  explain(k, { code: 'call', what, there: k.page_alloc.reclaim !== null });

export const explain_give_up = (k: Kernel, code: 'give_up' | 'no_oom', why: GiveUp): void => explain(k, { code, why });
