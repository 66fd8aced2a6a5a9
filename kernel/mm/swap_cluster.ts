// Clusters of swap areas whose seeks are cheap (Linux: mm/swapfile.c alloc_cluster(), free_cluster(),
// scan_swap_map_try_ssd_cluster() and what they call): each CPU fills one of its own from its first page to its last.
//
// Left out: discarding, and clusters that hold a huge page in one piece: there is nothing that would swap one.

import { CLUSTER_FLAG_FREE, SWAP_ADDRESS_SPACE_PAGES, SWAP_ADDRESS_SPACE_SHIFT } from '../include/swap.ts';
import type { Kernel } from '../kernel.ts';
import { prandom_u32_max } from '../lib/random.ts';
import type { swap_cluster_list, swap_clusters, swap_info_struct } from './swap_info.ts';

const HPAGE_PMD_NR = 512;
/** CONFIG_THP_SWAP. */
export const swapfile_cluster = (k: Kernel): number => (k.config.TRANSPARENT_HUGEPAGE !== false ? HPAGE_PMD_NR : 256);

function cluster_list_add_tail(clusters: swap_clusters, list: swap_cluster_list, idx: number): void {
  if (list.head < 0) list.head = idx;
  else clusters.data[list.tail] = idx;
  list.tail = idx;
}

function cluster_list_del_first(clusters: swap_clusters, list: swap_cluster_list): void {
  if (list.tail === list.head) {
    list.head = -1;
    list.tail = -1;
  } else list.head = clusters.data[list.head]!;
}

/** No page of it is in use any more. */
export function free_cluster(clusters: swap_clusters, idx: number): void {
  clusters.flags[idx] = CLUSTER_FLAG_FREE;
  cluster_list_add_tail(clusters, clusters.free, idx);
}

/** Context: while the area is set up, and later for the cluster in use or the first free one. */
export function inc_cluster_info_page(k: Kernel, clusters: swap_clusters | null, page_nr: number): void {
  if (clusters === null) return;
  const idx = Math.floor(page_nr / swapfile_cluster(k));
  if ((clusters.flags[idx]! & CLUSTER_FLAG_FREE) !== 0) {
    cluster_list_del_first(clusters, clusters.free);
    clusters.flags[idx] = 0;
    clusters.data[idx] = 0;
  }
  clusters.data[idx]!++;
}

export function dec_cluster_info_page(k: Kernel, clusters: swap_clusters | null, page_nr: number): void {
  if (clusters === null) return;
  const idx = Math.floor(page_nr / swapfile_cluster(k));
  if (--clusters.data[idx]! === 0) free_cluster(clusters, idx);
}

/** A page of a free cluster that is not the next one to be taken is left alone. */
export function scan_swap_map_ssd_cluster_conflict(k: Kernel, clusters: swap_clusters, offset: number): boolean {
  const idx = Math.floor(offset / swapfile_cluster(k));
  const { free } = clusters;
  if (free.head < 0 || idx === free.head || (clusters.flags[idx]! & CLUSTER_FLAG_FREE) === 0) return false;
  clusters.percpu_index[k.percpu.cpu] = -1;
  return true;
}

/** Goes on in this CPU's cluster, or in a new one: k.swap.scan is where. @returns false: no cluster is free */
export function scan_swap_map_try_ssd_cluster(k: Kernel, si: swap_info_struct, clusters: swap_clusters): boolean {
  const { cpu } = k.percpu;
  const size = swapfile_cluster(k);
  const { swap_map } = si;
  const { scan } = k.swap;
  for (;;) {
    let idx = clusters.percpu_index[cpu]!;
    if (idx < 0) {
      idx = clusters.free.head;
      if (idx < 0) return false;
      clusters.percpu_index[cpu] = idx;
      clusters.percpu_next[cpu] = idx * size;
    }
    const end = Math.min(si.max, (idx + 1) * size);
    let offset = clusters.percpu_next[cpu]!;
    while (offset < end && swap_map[offset] !== 0) offset++;
    if (offset < end) {
      clusters.percpu_next[cpu] = offset + 1;
      scan.offset = offset;
      scan.base = offset;
      return true;
    }
    clusters.percpu_index[cpu] = -1;
  }
}

/** Where the next search begins. CPUs that come to another address space's pages scatter, each to one by chance. */
export function set_cluster_next(k: Kernel, si: swap_info_struct, next: number): void {
  const { clusters } = si;
  if (clusters === null) {
    si.cluster_next = next;
    return;
  }
  const { cpu } = k.percpu;
  if (clusters.next_cpu[cpu]! >>> SWAP_ADDRESS_SPACE_SHIFT !== next >>> SWAP_ADDRESS_SPACE_SHIFT) {
    if (si.highest_bit <= si.lowest_bit) return;
    const chosen = si.lowest_bit + prandom_u32_max(k, si.highest_bit - si.lowest_bit + 1);
    clusters.next_cpu[cpu] = Math.max(chosen - (chosen % SWAP_ADDRESS_SPACE_PAGES), si.lowest_bit);
    return;
  }
  clusters.next_cpu[cpu] = next;
}

const L1_CACHE_BYTES = 64;
const SIZEOF_SWAP_CLUSTER_INFO = 8;

/** Lists the clusters that are free at first, in columns: neighbours on the list are far from each other on the area. */
export function list_free_clusters(k: Kernel, si: swap_info_struct, clusters: swap_clusters): void {
  const size = swapfile_cluster(k);
  const cols = Math.max(L1_CACHE_BYTES / SIZEOF_SWAP_CLUSTER_INFO, Math.ceil(SWAP_ADDRESS_SPACE_PAGES / size));
  const nr_clusters = clusters.data.length;
  const first_col = Math.floor(si.cluster_next / size) % cols;
  for (let n = 0; n < cols; n++) {
    for (let idx = (n + first_col) % cols; idx < nr_clusters; idx += cols) {
      if (clusters.data[idx] === 0) free_cluster(clusters, idx);
    }
  }
}
