// The steps of an explained request: a code and the numbers that were looked at. explain_text.ts is one view of them,
// docs/json.md describes the other.

import type { gfp_t, pfn_t } from '../include/types.ts';

export interface InZone {
  readonly nid: number;
  /** ZONE_*. */
  readonly zone: number;
}

/** What zone_watermark_ok() compares, and what it came to. */
export interface Mark extends InZone {
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
}

export type Skip = 'nodemask' | 'cpuset' | 'dirty';

/** Who can free memory. */
export type Helper = 'kswapd' | 'compaction' | 'reclaim' | 'oom';

/** Why the slow path tries no more, or why nobody is killed for a request. */
export type GiveUp =
  | 'no_zones'
  | 'no_direct_reclaim'
  | 'memalloc'
  | 'noretry'
  | 'costly'
  | 'costly_compaction'
  | 'no_progress'
  | 'dumpcore'
  | 'retry_mayfail'
  | 'thisnode'
  | 'lowmem';

export type Step =
  | {
      readonly code: 'request';
      readonly gfp: gfp_t;
      readonly order: number;
      readonly nid: number;
      readonly highest_zoneidx: number;
      readonly migratetype: number;
      /** The zonelist. */
      readonly zones: readonly InZone[];
    }
  /** No zone is asked: no block is that large. */
  | { readonly code: 'too_large'; readonly order: number; readonly most: number }
  /** fail_page_alloc=. */
  | { readonly code: 'fault' }
  /** get_page_from_freelist() begins, with these flags. */
  | { readonly code: 'walk'; readonly alloc_flags: number }
  | ({ readonly code: 'skip'; readonly why: Skip } & InZone)
  /** ALLOC_NOFRAGMENT: the next zone is on another node. */
  | ({ readonly code: 'stop' } & InZone)
  | ({ readonly code: 'watermark' } & Mark)
  /** There are too few, and the request may have them nevertheless (ALLOC_NO_WATERMARKS). */
  | ({ readonly code: 'no_watermarks' } & InZone)
  /** vm.zone_reclaim_mode: whether the node is reclaimed from before the next zone is asked. */
  | {
      readonly code: 'node_reclaim';
      readonly nid: number;
      /** NODE_RECLAIM_*. */
      readonly result: 'noscan' | 'full' | 'some' | 'success';
      /** What could be reclaimed, and what is too little to begin with. */
      readonly pagecache: number;
      readonly min_unmapped: number;
      readonly slab: number;
      readonly min_slab: number;
    }
  /** The same, of a node that is further away than that is worth. */
  | ({ readonly code: 'too_far'; readonly distance: number; readonly most: number } & InZone)
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
  /** A request that may have CMA's pages: whether they go first, being more than half of all that is free. */
  | ({ readonly code: 'cma'; readonly free: number; readonly free_cma: number; readonly first: boolean } & InZone)
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
      /** Migratetypes of the pageblocks that the block lies in or fills, before and after. */
      readonly before: readonly number[];
      readonly after: readonly number[];
      readonly boost: number;
    }
  | ({
      readonly code: 'reserve';
      readonly pfn: pfn_t;
      /** The migratetype of its pageblock before. */
      readonly migratetype: number;
      /** The zone's reserved pages before and after, and how many they may come to before no more are added. */
      readonly before: number;
      readonly after: number;
      readonly most: number;
    } & InZone)
  | { readonly code: 'slowpath'; readonly gfp: gfp_t; readonly alloc_flags: number }
  /** A call to those who can free memory; `there`: this kernel has them. */
  | { readonly code: 'call'; readonly what: Helper; readonly there: boolean }
  /** should_reclaim_retry(): would it be enough if all that can be reclaimed were free? */
  | ({ readonly code: 'reclaimable'; readonly reclaimable: number } & Mark)
  | {
      readonly code: 'reclaim_retry';
      /** Rounds in a row without progress, and how many there may be. */
      readonly loops: number;
      readonly most: number;
      /** A HighAtomic pageblock was given up for the request. */
      readonly unreserved: boolean;
      readonly again: boolean;
    }
  | {
      readonly code: 'compact_retry';
      /** COMPACT_*. */
      readonly result: string;
      readonly retries: number;
      readonly priority: number;
      readonly again: boolean;
    }
  | { readonly code: 'no_oom'; readonly why: GiveUp }
  | { readonly code: 'give_up'; readonly why: GiveUp }
  /** __GFP_NOFAIL: what is tried when nothing is left to try. */
  | { readonly code: 'nofail' }
  /** Cpusets or zonelists have changed: from the start. */
  | { readonly code: 'restart' }
  /** The pages go back: they would take a memory cgroup over its limit. */
  | { readonly code: 'memcg'; readonly pfn: pfn_t }
  | { readonly code: 'result'; readonly order: number; readonly pfn: pfn_t }
  /** The kernel stopped, and the request with it. */
  | { readonly code: 'stopped'; readonly message: string };
