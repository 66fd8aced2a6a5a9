// Finding free pages of swap areas (Linux: mm/swapfile.c scan_swap_map_slots(), get_swap_pages()).
//
// Differs from Linux: a search does not give up its CPU in between. It takes its breaks all the same, as they decide how
// many pages one search brings.

import { SWAP_BATCH, SWAP_HAS_CACHE, SWP_WRITEOK } from '../include/swap.ts';
import type { Kernel } from '../kernel.ts';
import { pr_debug } from '../lib/printk.ts';
import { numa_node_id } from './percpu.ts';
import { requeue_avail, swap_avail_nodes, swap_range_alloc } from './swap_avail.ts';
import {
  inc_cluster_info_page,
  scan_swap_map_ssd_cluster_conflict,
  scan_swap_map_try_ssd_cluster,
  set_cluster_next,
  swapfile_cluster,
} from './swap_cluster.ts';
import { type swap_info_struct, vm_swap_full } from './swap_info.ts';
import { __try_to_reclaim_swap, TTRS_ANYWAY } from './swap_state.ts';
import { swp_entry } from './swapops.ts';

const LATENCY_LIMIT = 256;

/** A look at one more page of the map; a long search counts as one that was interrupted. */
function one_more(k: Kernel): void {
  const { scan } = k.swap;
  if (--scan.ration >= 0) return;
  scan.ration = LATENCY_LIMIT;
  scan.scanned_many = true;
}

/** Without clusters: a run of 512 (256) free pages every time the last one is used up, from the area's start on. */
function find_run(k: Kernel, si: swap_info_struct): void {
  const { scan } = k.swap;
  if (si.cluster_nr > 0) {
    si.cluster_nr--;
    return;
  }
  const size = swapfile_cluster(k);
  si.cluster_nr = size - 1;
  if (si.pages - si.inuse_pages < size) return;
  scan.base = si.lowest_bit;
  let last = si.lowest_bit + size - 1;
  for (let offset = si.lowest_bit; last <= si.highest_bit; offset++) {
    if (si.swap_map[offset] !== 0) last = offset + size;
    else if (offset === last) {
      si.cluster_next = offset - size + 1;
      scan.offset = si.cluster_next;
      return;
    }
    if (--scan.ration < 0) scan.ration = LATENCY_LIMIT;
  }
  scan.offset = scan.base;
}

function is_available(k: Kernel, si: swap_info_struct, offset: number): boolean {
  const count = si.swap_map[offset]!;
  return count === 0 || (count === SWAP_HAS_CACHE && vm_swap_full(k));
}

/** From behind k.swap.scan.offset to the end, then from the start up to where the search began. */
function look_on(k: Kernel, si: swap_info_struct): boolean {
  const { scan } = k.swap;
  while (++scan.offset <= si.highest_bit) {
    one_more(k);
    if (is_available(k, si, scan.offset)) return true;
  }
  for (scan.offset = si.lowest_bit; scan.offset < scan.base; scan.offset++) {
    one_more(k);
    if (is_available(k, si, scan.offset)) return true;
  }
  return false;
}

/** Where the next page of the same search may be, once one has been found. */
function find_next(k: Kernel, si: swap_info_struct): boolean {
  const { scan } = k.swap;
  if (si.clusters !== null) {
    if (scan_swap_map_try_ssd_cluster(k, si, si.clusters)) return true;
  } else if (si.cluster_nr > 0 && si.swap_map[++scan.offset] === 0) {
    si.cluster_nr--;
    return true;
  }
  if (scan.scanned_many) return false;
  const limit = scan.offset < scan.base ? scan.base : si.highest_bit;
  for (; scan.offset <= limit && --scan.ration > 0; scan.offset++) {
    if (si.swap_map[scan.offset] === 0) return true;
  }
  return false;
}

/** @returns how many of `nr` pages were found; `slots` has their entries, and swap_map says `usage` of each */
function scan_swap_map_slots(k: Kernel, si: swap_info_struct, usage: number, nr: number, slots: Float64Array): number {
  const { scan } = k.swap;
  const { clusters } = si;
  scan.ration = LATENCY_LIMIT;
  scan.scanned_many = false;
  scan.base = clusters === null ? si.cluster_next : clusters.next_cpu[k.percpu.cpu]!;
  scan.offset = scan.base;
  let found = true;
  if (clusters !== null) found = scan_swap_map_try_ssd_cluster(k, si, clusters);
  else find_run(k, si);

  let n = 0;
  for (;;) {
    if (!found && !look_on(k, si)) return n;
    found = false;
    if (clusters !== null && scan_swap_map_ssd_cluster_conflict(k, clusters, scan.offset)) {
      if (n > 0) break;
      found = scan_swap_map_try_ssd_cluster(k, si, clusters);
      continue;
    }
    if ((si.flags & SWP_WRITEOK) === 0 || si.highest_bit === 0) return n;
    if (scan.offset > si.highest_bit) {
      scan.base = si.lowest_bit;
      scan.offset = scan.base;
    }
    const count = si.swap_map[scan.offset]!;
    if (count === SWAP_HAS_CACHE && vm_swap_full(k)) {
      // Once freed, it is looked at once more: it may be free now, or in a CPU's cache of slots.
      found = __try_to_reclaim_swap(k, si, scan.offset, TTRS_ANYWAY);
      continue;
    }
    if (count !== 0) {
      if (n > 0) break;
      continue;
    }
    si.swap_map[scan.offset] = usage;
    inc_cluster_info_page(k, clusters, scan.offset);
    swap_range_alloc(k, si, scan.offset);
    slots[n++] = swp_entry(si.type, scan.offset);
    if (n === nr || scan.offset >= si.highest_bit || --scan.ration < 0 || !find_next(k, si)) break;
    found = true;
  }
  set_cluster_next(k, si, scan.offset + 1);
  return n;
}

/**
 * Takes up to `n_goal` pages from the areas of highest priority that have some. Each is marked as in the swap cache.
 * Left out: whole clusters, for huge pages.
 */
export function get_swap_pages(k: Kernel, n_goal: number, slots: Float64Array): number {
  const { swap } = k;
  const goal = Math.min(n_goal, SWAP_BATCH, swap.nr_swap_pages);
  if (goal <= 0) return 0;
  swap.nr_swap_pages -= goal;
  const nid = numa_node_id(k);
  let n = 0;
  for (const si of [...swap_avail_nodes(k)[nid]!]) {
    requeue_avail(k, si, nid);
    n = scan_swap_map_slots(k, si, SWAP_HAS_CACHE, goal, slots);
    if (n > 0) break;
    pr_debug(k, `scan_swap_map of si ${si.type} failed to find offset`);
  }
  swap.nr_swap_pages += goal - n;
  return n;
}
