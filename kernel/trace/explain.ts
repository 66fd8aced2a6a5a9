// One request told check by check: what the allocator looked at, with the numbers that it saw, and what it decided. Linux
// has no such thing; every step is recorded by the code that takes it, where KEY_EXPLAIN is set.
//
// A step is a code and numbers, which stay as they are: explain_text.ts is one view of them.

import { MAX_ORDER } from '../include/mmzone.ts';
import { KEY_EXPLAIN } from '../include/static_keys.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { alloc_context } from '../mm/alloc_context.ts';
import { ALLOC_CMA, ALLOC_NO_WATERMARKS, ALLOC_RESERVES, ALLOC_WMARK_MASK } from '../mm/internal.ts';
import type { Zone } from '../mm/mmzone.ts';
import {
  __zone_watermark_unusable_free,
  has_free_block,
  watermark_least,
  zone_free_cma_pages,
  zone_free_pages,
} from '../mm/watermark_check.ts';

interface InZone {
  readonly nid: number;
  /** ZONE_*. */
  readonly zone: number;
}

export type Step =
  | {
      readonly code: 'request';
      readonly gfp: gfp_t;
      readonly order: number;
      readonly nid: number;
      readonly highest_zoneidx: number;
      readonly migratetype: number;
      /** The zonelist, as node and zone in turn. */
      readonly zones: readonly number[];
    }
  /** get_page_from_freelist() begins, with these flags. */
  | { readonly code: 'walk'; readonly alloc_flags: number }
  | ({ readonly code: 'skip'; readonly why: 'nodemask' | 'cpuset' | 'dirty' } & InZone)
  /** ALLOC_NOFRAGMENT: the next zone is on another node. */
  | ({ readonly code: 'stop' } & InZone)
  | ({
      readonly code: 'watermark';
      readonly order: number;
      readonly highest_zoneidx: number;
      readonly free: number;
      /** Of these, what the request may not have. */
      readonly highatomic: number;
      readonly cma: number;
      /** 2^order - 1: a block of the order takes that many more than one page. */
      readonly rest: number;
      /** WMARK_*, the mark itself, and the boost on top of it. */
      readonly level: number;
      readonly mark: number;
      readonly boost: number;
      /** What is left of mark and boost for a request that may use reserves. */
      readonly least: number;
      readonly lowmem_reserve: number;
      /** The largest order of which there is a block that the request may have; -1: none. */
      readonly largest: number;
      readonly ok: boolean;
    } & InZone)
  /** Watermarks do not count (ALLOC_NO_WATERMARKS). */
  | ({ readonly code: 'no_watermarks' } & InZone)
  | ({
      readonly code: 'pcp';
      readonly cpu: number;
      readonly order: number;
      readonly migratetype: number;
      /** Pages on all lists of the CPU and zone. */
      readonly count: number;
      /** Blocks to fill the empty list with; 0: it was not empty. */
      readonly wanted: number;
    } & InZone)
  | { readonly code: 'refilled'; readonly wanted: number; readonly got: number }
  | ({
      readonly code: 'lists';
      readonly order: number;
      readonly migratetype: number;
      /** The order of the block that was found, and its first page; -1: the lists from `order` up are empty. */
      readonly found: number;
      readonly pfn: pfn_t;
    } & InZone)
  | ({
      readonly code: 'fallback';
      readonly order: number;
      readonly migratetype: number;
      readonly min_order: number;
    } & InZone)
  /** One order of the search for another migratetype's block. */
  | {
      readonly code: 'fallback_order';
      readonly order: number;
      /** Whose block there is; -1: neither of the two that may be taken from. */
      readonly migratetype: number;
      readonly can_steal: boolean;
    }
  | {
      readonly code: 'steal';
      readonly pfn: pfn_t;
      readonly order: number;
      readonly migratetype: number;
      /** The pageblock's type before and after. */
      readonly before: number;
      readonly after: number;
      readonly boost: number;
    }
  | ({
      readonly code: 'reserve';
      readonly pfn: pfn_t;
      /** The zone's reserved pages before and after, and how many it may come to. */
      readonly before: number;
      readonly after: number;
      readonly most: number;
    } & InZone)
  | { readonly code: 'slowpath'; readonly gfp: gfp_t; readonly alloc_flags: number }
  /** A call to those who can free memory; `there`: this kernel has them. */
  | {
      readonly code: 'call';
      readonly what: 'kswapd' | 'compaction' | 'reclaim' | 'oom';
      readonly there: boolean;
    }
  /** The pages go back: they would take a memory cgroup over its limit. */
  | { readonly code: 'memcg'; readonly pfn: pfn_t }
  | { readonly code: 'result'; readonly order: number; readonly pfn: pfn_t };

export const explaining = (k: Kernel): boolean => (k.page_alloc.static_keys & KEY_EXPLAIN) !== 0;

export function explain(k: Kernel, step: Step): void {
  k.trace.steps.push(step);
}

/** Runs `what` with every step of its requests recorded. */
export function explained<T>(k: Kernel, what: () => T): { readonly result: T; readonly steps: readonly Step[] } {
  k.trace.steps = [];
  k.page_alloc.static_keys |= KEY_EXPLAIN;
  try {
    return { result: what(), steps: k.trace.steps };
  } finally {
    k.page_alloc.static_keys &= ~KEY_EXPLAIN;
  }
}

const of_zone = ({ nid, idx }: Zone): InZone => ({ nid, zone: idx });

export function explain_request(k: Kernel, gfp: gfp_t, order: number, nid: number, ac: alloc_context): void {
  const { highest_zoneidx, migratetype } = ac;
  const zones = ac.zones.slice(ac.preferred).flatMap((zone) => [zone.nid, zone.idx]);
  explain(k, { code: 'request', gfp, order, nid, highest_zoneidx, migratetype, zones });
}

export const explain_skip = (k: Kernel, zone: Zone, why: 'nodemask' | 'cpuset' | 'dirty'): void =>
  explain(k, { code: 'skip', why, ...of_zone(zone) });

export const explain_stop = (k: Kernel, zone: Zone): void => explain(k, { code: 'stop', ...of_zone(zone) });

/** @param ok what zone_watermark_fast() said */
export function explain_watermark(
  k: Kernel,
  zone: Zone,
  order: number,
  highest_zoneidx: number,
  alloc_flags: number,
  ok: boolean,
): void {
  if ((alloc_flags & ALLOC_NO_WATERMARKS) !== 0) explain(k, { code: 'no_watermarks', ...of_zone(zone) });
  const level = alloc_flags & ALLOC_WMARK_MASK;
  const mark = zone._watermark(level);
  const boost = zone.watermark_boost;
  const cma = (alloc_flags & ALLOC_CMA) === 0 ? zone_free_cma_pages(zone) : 0;
  const rest = 2 ** order - 1;
  let largest = MAX_ORDER - 1;
  while (largest >= 0 && !has_free_block(zone, largest, alloc_flags)) largest--;
  explain(k, {
    code: 'watermark',
    order,
    highest_zoneidx,
    free: zone_free_pages(zone),
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
  });
}

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

export const explain_reserve = (k: Kernel, zone: Zone, pfn: pfn_t, before: number, most: number): void =>
  explain(k, { code: 'reserve', pfn, before, after: zone.nr_reserved_highatomic, most, ...of_zone(zone) });

export const explain_call = (k: Kernel, what: 'kswapd' | 'compaction' | 'reclaim' | 'oom'): void =>
  explain(k, { code: 'call', what, there: k.page_alloc.reclaim !== null });
