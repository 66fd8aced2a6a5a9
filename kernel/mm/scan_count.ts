// How many pages of which list to scan (Linux: mm/vmscan.c prepare_scan_count(), get_scan_count(), inactive_is_low()):
// by what it costs to bring pages of either kind back, by swappiness, and by how near the end is.
//
// Left out: cgroup v1's swappiness of a group.

import {
  LRU_ACTIVE_ANON,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  MAX_NR_ZONES,
  NR_ACTIVE_FILE,
  NR_FREE_PAGES,
  NR_INACTIVE_ANON,
  NR_INACTIVE_FILE,
  NR_LRU_LISTS,
  WORKINGSET_ACTIVATE_BASE,
} from '../include/mmzone.ts';
import { PAGE_SHIFT } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { SWAP_CLUSTER_MAX } from './isolate_lru.ts';
import { type Lruvec, lruvec_lru_size, lruvec_page_state } from './lruvec.ts';
import { mem_cgroup_get_nr_swap_pages } from './memcg_swap.ts';
import type { mem_cgroup } from './memcontrol.ts';
import { DEACTIVATE_ANON, DEACTIVATE_FILE, type scan_control } from './scan_control.ts';
import { node_page_state_pages, zone_page_state } from './vmstat.ts';

/** Lists that reclaim looks at: all but the unevictable one. */
export const NR_EVICTABLE_LRU = NR_LRU_LISTS - 1;

export const is_file_lru = (lru: number): boolean => lru >= LRU_INACTIVE_FILE;

/** Whether there is anywhere to put anonymous pages. @param memcg whose; null: anybody's */
export const can_reclaim_anon_pages = (k: Kernel, memcg: mem_cgroup | null): boolean =>
  mem_cgroup_get_nr_swap_pages(k, memcg) > 0;

/** The more memory, the smaller the part of it that needs to be inactive. */
export function inactive_is_low(lruvec: Lruvec, inactive_lru: number): boolean {
  const inactive = lruvec_page_state(lruvec, inactive_lru);
  const active = lruvec_page_state(lruvec, inactive_lru + LRU_ACTIVE_ANON);
  const gb = Math.floor((inactive + active) / 2 ** (30 - PAGE_SHIFT));
  const inactive_ratio = gb > 0 ? Math.floor(Math.sqrt(10 * gb)) : 1;
  return inactive * inactive_ratio < active;
}

/** A list is aged where it has too few inactive pages, or where active ones come back soon after they went. */
function may_deactivate(lruvec: Lruvec, sc: scan_control): number {
  if (sc.force_deactivate) return DEACTIVATE_ANON | DEACTIVATE_FILE;
  let bits = 0;
  for (const file of [0, 1]) {
    const refaults = lruvec_page_state(lruvec, WORKINGSET_ACTIVATE_BASE + file);
    const inactive_lru = file === 0 ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;
    if (refaults !== lruvec.refaults(file) || inactive_is_low(lruvec, inactive_lru)) bits |= DEACTIVATE_ANON << file;
  }
  return bits;
}

/** Whether so few file pages are left that scanning them is of no use, while there are anonymous ones to be had. */
function file_is_tiny(lruvec: Lruvec, sc: scan_control): boolean {
  const { pgdat } = lruvec;
  let free = 0;
  let total_high_wmark = 0;
  for (let i = 0; i < MAX_NR_ZONES; i++) {
    const zone = pgdat.node_zones[i]!;
    free += zone_page_state(zone, NR_FREE_PAGES);
    if (zone.managed_pages > 0) total_high_wmark += zone.high_wmark_pages;
  }
  const file = node_page_state_pages(pgdat, NR_ACTIVE_FILE) + node_page_state_pages(pgdat, NR_INACTIVE_FILE);
  const anon = node_page_state_pages(pgdat, NR_INACTIVE_ANON);
  return file + free <= total_high_wmark && (sc.may_deactivate & DEACTIVATE_ANON) === 0 && anon >>> sc.priority > 0;
}

/** @param lruvec of the node, or of the memory cgroup at whose pages reclaim is aimed */
export function prepare_scan_count(lruvec: Lruvec, sc: scan_control): void {
  sc.anon_cost = lruvec.anon_cost;
  sc.file_cost = lruvec.file_cost;
  sc.may_deactivate = may_deactivate(lruvec, sc);
  const file = lruvec_page_state(lruvec, NR_INACTIVE_FILE);
  sc.cache_trim_mode = file >>> sc.priority > 0 && (sc.may_deactivate & DEACTIVATE_FILE) === 0;
  if (sc.target_mem_cgroup === null) sc.file_is_tiny = file_is_tiny(lruvec, sc);
}

// Which lists are scanned
const SCAN_EQUAL = 0;
const SCAN_FRACT = 1;
const SCAN_ANON = 2;
const SCAN_FILE = 3;

function scan_balance(k: Kernel, { memcg }: Lruvec, sc: scan_control, swappiness: number): number {
  if (!sc.may_swap || !can_reclaim_anon_pages(k, memcg)) return SCAN_FILE;
  if (sc.target_mem_cgroup !== null && swappiness === 0) return SCAN_FILE;
  // Near the end there is no time for balance.
  if (sc.priority === 0 && swappiness !== 0) return SCAN_EQUAL;
  if (sc.file_is_tiny) return SCAN_ANON;
  return sc.cache_trim_mode ? SCAN_FILE : SCAN_FRACT;
}

/** A list's pages, less those that memory.min and memory.low protect of the cgroup: pressure on what is above them only. */
function unprotected(lruvec_size: number, { memcg }: Lruvec, sc: scan_control): number {
  if (memcg === null || memcg === sc.target_mem_cgroup) return lruvec_size;
  const { emin, elow, usage } = memcg.memory;
  if (emin === 0 && elow === 0) return lruvec_size;
  const low = !sc.memcg_low_reclaim && elow > emin;
  if (low) sc.memcg_low_skipped = true;
  const protection = low ? elow : emin;
  const cgroup_size = Math.max(usage, protection);
  return Math.max(lruvec_size - Math.floor((lruvec_size * protection) / (cgroup_size + 1)), SWAP_CLUSTER_MAX);
}

/**
 * How many pages to scan.
 * @param nr out: by list
 */
export function get_scan_count(k: Kernel, lruvec: Lruvec, sc: scan_control, nr: Float64Array): void {
  const { swappiness } = k.vmscan;
  const balance = scan_balance(k, lruvec, sc, swappiness);
  // Pressure on a list goes against what its pages cost; each gets a third of it at least, before swappiness.
  const total_cost = sc.anon_cost + sc.file_cost;
  const anon_cost = total_cost + sc.anon_cost;
  const file_cost = total_cost + sc.file_cost;
  const both = anon_cost + file_cost + 1;
  const ap = Math.floor((swappiness * both) / (anon_cost + 1));
  const fp = Math.floor(((200 - swappiness) * both) / (file_cost + 1));
  const online = lruvec.memcg === null || lruvec.memcg.online;
  for (let lru = 0; lru < NR_EVICTABLE_LRU; lru++) {
    const file = is_file_lru(lru);
    const lruvec_size = lruvec_lru_size(k, lruvec, lru, sc.reclaim_idx);
    let scan = Math.floor(unprotected(lruvec_size, lruvec, sc) / 2 ** sc.priority);
    // What is left of a group that is gone goes first.
    if (scan === 0 && !online) scan = Math.min(lruvec_size, SWAP_CLUSTER_MAX);
    if (balance === SCAN_FRACT) {
      const share = (scan * (file ? fp : ap)) / (ap + fp);
      scan = online ? Math.floor(share) : Math.ceil(share);
    }
    if (balance === (file ? SCAN_ANON : SCAN_FILE)) scan = 0;
    nr[lru] = scan;
  }
}
