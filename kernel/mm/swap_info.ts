// What is known of each swap area, and of all of them (Linux: include/linux/swap.h struct swap_info_struct; the globals of
// mm/swapfile.c, mm/swap_slots.c and mm/swap_state.c).
//
// The map of an area and its cluster table lie outside the emulated RAM; the pages that they take there are taken, so that
// as much memory is free as on Linux.

import type { gendisk } from '../drivers/block/disk.ts';
import { SWAP_SLOTS_CACHE_SIZE } from '../include/swap.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { RatelimitState } from '../lib/ratelimit.ts';
import type { Sleeping } from '../sched/sleeping.ts';

/** A list of clusters by their numbers; each one's next is in the table. */
export interface swap_cluster_list {
  /** -1: the list is empty. */
  head: number;
  tail: number;
}

/** Of an area whose seeks are cheap: a cluster is 512 pages, and is given to one CPU at a time. */
export class swap_clusters {
  /** Pages in use, or of a free one the next on the list. */
  readonly data: Uint32Array;
  readonly flags: Uint8Array;
  readonly free: swap_cluster_list = { head: -1, tail: -1 };
  /** Per CPU: its cluster, -1 if it has none, and where to look in it next. */
  readonly percpu_index: Int32Array;
  readonly percpu_next: Float64Array;
  /** cluster_next_cpu: per CPU, where to look where there is no free cluster. */
  readonly next_cpu: Float64Array;

  constructor(nr_clusters: number, nr_cpus: number) {
    this.data = new Uint32Array(nr_clusters);
    this.flags = new Uint8Array(nr_clusters);
    this.percpu_index = new Int32Array(nr_cpus).fill(-1);
    this.percpu_next = new Float64Array(nr_cpus);
    this.next_cpu = new Float64Array(nr_cpus);
  }
}

export class swap_info_struct {
  readonly type: number;
  /** SWP_*. */
  flags = 0;
  prio = 0;
  /** Where it stands in swap_avail_heads, by node: low comes first. */
  avail_prio: number[] = [];
  /** get_swap_device() gets it. */
  live = false;
  disk: gendisk | null = null;
  /** What swapon() was given. */
  name = '';
  /** Pages of the map; those that can be used; those in use. */
  max = 0;
  pages = 0;
  inuse_pages = 0;
  swap_map: Uint8Array = new Uint8Array(0);
  clusters: swap_clusters | null = null;
  lowest_bit = 0;
  highest_bit = 0;
  /** Without clusters: where to look next, and how many pages of this run are left. */
  cluster_next = 0;
  cluster_nr = 0;
  /** What vmalloc gave for the map, and swap_cgroup_swapon() for who is charged. */
  map_pages: pfn_t[] = [];
  /** Pages of counts that do not fit into swap_map, by page of the map. */
  readonly continuations = new Map<number, pfn_t[]>();
  /** By offset >> SWAP_ADDRESS_SPACE_SHIFT: 1 + pfn of the page in the swap cache, -1 - shadow, or 0. */
  spaces: (Float64Array | undefined)[] = [];

  /** By page: the id of the memory cgroup that it is charged to; null: none has ever been. */
  swap_cgroup: Uint16Array | null = null;

  constructor(type: number) {
    this.type = type;
  }
}

/** What a CPU has taken from the areas in advance, and what it is to give back. */
export class swap_slots_cache {
  readonly slots = new Float64Array(SWAP_SLOTS_CACHE_SIZE);
  nr = 0;
  cur = 0;
  readonly slots_ret = new Float64Array(SWAP_SLOTS_CACHE_SIZE);
  n_ret = 0;
}

const HZ_NS = 1e9;

export class SwapState {
  readonly swap_info: swap_info_struct[] = [];
  /** Pages that are free, on all areas together. */
  nr_swap_pages = 0;
  total_swap_pages = 0;
  least_priority = -1;
  /** Highest priority first. */
  readonly swap_active_head: swap_info_struct[] = [];
  /** By node: those that are not full, in the order in which it tries them. */
  readonly swap_avail_heads: swap_info_struct[][] = [];
  /** Areas on disks whose seeks are dear. */
  nr_rotate_swap = 0;

  // mm/swap_slots.c
  swap_slot_cache_active = false;
  swap_slot_cache_enabled = false;
  swap_slot_cache_initialized = false;
  readonly swp_slots: (swap_slots_cache | undefined)[] = [];

  // mm/swap_state.c, mm/swap.c
  enable_vma_readahead = true;
  swapin_readahead_hits = 4;
  last_readahead_pages = 0;
  prev_offset = 0;
  page_cluster = 3;

  /** Has all page tables take back what they have on an area: set by whoever has some. @returns 0 or -errno */
  unuse: ((k: Kernel, type: number) => Sleeping<number>) | null = null;

  /** DEFAULT_RATELIMIT_INTERVAL and _BURST. */
  readonly write_error_rs = new RatelimitState(5 * HZ_NS, 10);
  readonly read_error_rs = new RatelimitState(5 * HZ_NS, 10);
  /** Where the search for a page goes on, and how long before it takes a break: scratch of scan_swap_map_slots(). */
  readonly scan = { offset: 0, base: 0, ration: 0, scanned_many: false };
  readonly one_slot = new Float64Array(1);
}

/** More than half is in use: pages that are in memory as well give up their place. */
export const vm_swap_full = ({ swap }: Kernel): boolean => swap.nr_swap_pages * 2 < swap.total_swap_pages;
