// What one run of reclaim is after, and how far it has come (Linux: mm/vmscan.c struct scan_control, struct
// reclaim_stat).
//
// Left out: demotion to slower memory, hibernation.

import type { gfp_t } from '../include/types.ts';
import type { nodemask_t } from '../lib/nodemask.ts';
import type { mem_cgroup } from './memcontrol.ts';

/** At priority p a 2^p-th part of each list is scanned. */
export const DEF_PRIORITY = 12;

// Bits of may_deactivate
export const DEACTIVATE_ANON = 1;
export const DEACTIVATE_FILE = 2;

/** Pages since the node was last begun with. */
class ScanCounts {
  dirty = 0;
  unqueued_dirty = 0;
  congested = 0;
  writeback = 0;
  immediate = 0;
  file_taken = 0;
  taken = 0;

  clear(): void {
    this.dirty = 0;
    this.unqueued_dirty = 0;
    this.congested = 0;
    this.writeback = 0;
    this.immediate = 0;
    this.file_taken = 0;
    this.taken = 0;
  }
}

export class scan_control {
  /** When so many pages are free, it is enough. */
  nr_to_reclaim = 0;
  nodemask: nodemask_t | null = null;
  /** Whose pages; null: anybody's. */
  target_mem_cgroup: mem_cgroup | null = null;
  anon_cost = 0;
  file_cost = 0;
  /** Which active lists may lose pages: DEACTIVATE_*. */
  may_deactivate = 0;
  force_deactivate = false;
  skipped_deactivate = false;
  may_writepage = false;
  may_unmap = false;
  may_swap = false;
  /** What memory.low protects has been passed over; it is not any more. */
  memcg_low_skipped = false;
  memcg_low_reclaim = false;
  /** A zone has enough free pages for compaction to go on instead. */
  compaction_ready = false;
  /** Enough inactive file pages that do not come back: they go first. */
  cache_trim_mode = false;
  /** Hardly any file pages are left: they stay. */
  file_is_tiny = false;
  order = 0;
  priority = 0;
  /** Zones up to this one. */
  reclaim_idx = 0;
  gfp_mask: gfp_t = 0;
  nr_scanned = 0;
  nr_reclaimed = 0;
  readonly nr = new ScanCounts();
}

/** What shrink_folio_list() found, in pages. */
export class reclaim_stat {
  nr_dirty = 0;
  nr_unqueued_dirty = 0;
  nr_congested = 0;
  nr_writeback = 0;
  nr_immediate = 0;
  nr_pageout = 0;
  nr_activate_anon = 0;
  nr_activate_file = 0;
  nr_ref_keep = 0;
  nr_unmap_fail = 0;
  nr_lazyfree_fail = 0;

  clear(): void {
    this.nr_dirty = 0;
    this.nr_unqueued_dirty = 0;
    this.nr_congested = 0;
    this.nr_writeback = 0;
    this.nr_immediate = 0;
    this.nr_pageout = 0;
    this.nr_activate_anon = 0;
    this.nr_activate_file = 0;
    this.nr_ref_keep = 0;
    this.nr_unmap_fail = 0;
    this.nr_lazyfree_fail = 0;
  }
}
