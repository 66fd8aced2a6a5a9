// What a request has come to, for those who look for its pages (Linux: mm/internal.h struct alloc_context).

import type { gfp_t, nid_t, pfn_t } from '../include/types.ts';
import type { nodemask_t } from '../lib/nodemask.ts';
import type { Zone } from './mmzone.ts';

const NO_ZONES: readonly Zone[] = [];

export class alloc_context {
  /** What the zones are asked with: the request's own flags, and those that cpusets add. */
  alloc_gfp: gfp_t = 0;
  /** Where the zonelist is that `zones` came from: preferred node, and which of its lists. */
  preferred_nid: nid_t = 0;
  list = 0;
  /** The zonelist up to highest_zoneidx. */
  zones: readonly Zone[] = NO_ZONES;
  /** null: every node. */
  nodemask: nodemask_t | null = null;
  /** preferred_zoneref: where in `zones` the search begins; zones.length if the mask leaves none. */
  preferred = 0;
  migratetype = 0;
  highest_zoneidx = 0;
  /** __GFP_WRITE: nodes over their share of dirty pages are passed over. */
  spread_dirty_pages = false;
  /** The block that direct compaction has caught for the request; -1: none. */
  captured: pfn_t = -1;
  /**
   * What came of node_reclaim() on the way over the zones, by place in the walk, where who asks can sleep (get_page.ts);
   * null: where he cannot.
   */
  node_reclaimed: Map<number, number> | null = null;
  /** The place in the walk where node_reclaim() is wanted; -1: nowhere. */
  wants_reclaim = -1;
}
