// How much of memory may be dirty, of all of it and of each node (Linux: mm/page-writeback.c global_dirty_limits(),
// node_dirty_ok(), domain_dirty_limits() of a memory cgroup, the vm.dirty_* sysctls).
//
// Who writes, and waits: balance_dirty.ts. Left out: what real-time tasks get beyond their fifth of the limit for a domain.

import { NR_ACTIVE_FILE, NR_FILE_DIRTY, NR_FREE_PAGES, NR_INACTIVE_FILE, NR_WRITEBACK } from '../include/mmzone.ts';
import { ERANGE, PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { type ctl_table, failed, proc_dointvec_minmax, type sysctl_result } from '../sysctl.ts';
import { memcg_page_state } from './memcg_stat.ts';
import type { mem_cgroup } from './memcontrol.ts';
import type { PgData } from './mmzone.ts';
import { global_node_page_state, global_zone_page_state, node_page_state_pages, zone_page_state } from './vmstat.ts';

const UINT_MAX = 0xffffffff;

export class WritebackState {
  /** In percent of dirtyable memory: where tasks are throttled, and where background writeback begins. */
  vm_dirty_ratio = 20;
  dirty_background_ratio = 10;
  /** The same in bytes; 0: the ratio counts. */
  vm_dirty_bytes = 0;
  dirty_background_bytes = 0;
  /** In hundredths of a second: how often old data is looked for, and what is old. */
  dirty_writeback_interval = 500;
  dirty_expire_interval = 3000;
}

/** Free memory and page cache, but for what is reserved for the kernel. Never 0. */
function global_dirtyable_memory(k: Kernel): number {
  const free = global_zone_page_state(k, NR_FREE_PAGES);
  const cache = global_node_page_state(k, NR_INACTIVE_FILE) + global_node_page_state(k, NR_ACTIVE_FILE);
  return free - Math.min(free, k.watermark.totalreserve_pages) + cache + 1;
}

/** Both in pages. Ratios are first made parts of PAGE_SIZE, which rounds them. */
export function global_dirty_limits(k: Kernel): { background: number; thresh: number } {
  const { vm_dirty_ratio, dirty_background_ratio, vm_dirty_bytes, dirty_background_bytes } = k.writeback;
  const available_memory = global_dirtyable_memory(k);
  const limit = (bytes: number, percent: number): number => {
    if (bytes > 0) return Math.ceil(bytes / PAGE_SIZE);
    return Math.floor((Math.floor((percent * PAGE_SIZE) / 100) * available_memory) / PAGE_SIZE);
  };
  let thresh = limit(vm_dirty_bytes, vm_dirty_ratio);
  let background = limit(dirty_background_bytes, dirty_background_ratio);
  if (k.current.rt) {
    thresh += Math.floor(thresh / 4);
    background += Math.floor(background / 4);
  }
  thresh = Math.min(thresh, UINT_MAX);
  return { background: background >= thresh ? Math.floor(thresh / 2) : background, thresh };
}

/** Of a cgroup's own pages: how many are dirty or being written, and how many may be. */
export function memcg_dirty_limits(
  k: Kernel,
  memcg: mem_cgroup,
): { reclaimable: number; dirty: number; background: number; thresh: number } {
  const { vm_dirty_ratio, dirty_background_ratio, vm_dirty_bytes, dirty_background_bytes } = k.writeback;
  const filepages = memcg_page_state(k, memcg, NR_INACTIVE_FILE) + memcg_page_state(k, memcg, NR_ACTIVE_FILE);
  const reclaimable = memcg_page_state(k, memcg, NR_FILE_DIRTY);
  let headroom = Number.POSITIVE_INFINITY;
  for (let { memory } = memcg; memory.parent !== null; memory = memory.parent) {
    headroom = Math.min(headroom, Math.max(0, Math.min(memory.max, memory.high) - memory.usage));
  }
  // It may take clean pages that others have, and free ones.
  const global_avail = global_dirtyable_memory(k);
  const global_clean = Math.max(0, global_avail - global_node_page_state(k, NR_FILE_DIRTY));
  const clean = Math.max(0, filepages - reclaimable);
  const available = filepages + Math.min(headroom, Math.max(0, global_clean - clean));
  const limit = (bytes: number, percent: number): number => {
    const ratio =
      bytes > 0 ? Math.min(Math.ceil(bytes / global_avail), PAGE_SIZE) : Math.floor((percent * PAGE_SIZE) / 100);
    return Math.floor((ratio * available) / PAGE_SIZE);
  };
  const thresh = limit(vm_dirty_bytes, vm_dirty_ratio);
  const background = limit(dirty_background_bytes, dirty_background_ratio);
  const dirty = reclaimable + memcg_page_state(k, memcg, NR_WRITEBACK);
  return { reclaimable, dirty, background: background >= thresh ? Math.floor(thresh / 2) : background, thresh };
}

function node_dirtyable_memory(pgdat: PgData): number {
  let free = 0;
  for (const zone of pgdat.node_zones) if (zone.populated) free += zone_page_state(zone, NR_FREE_PAGES);
  const cache = node_page_state_pages(pgdat, NR_INACTIVE_FILE) + node_page_state_pages(pgdat, NR_ACTIVE_FILE);
  return free - Math.min(free, pgdat.totalreserve_pages) + cache;
}

/** A node's share of the limit for all of memory, in pages. */
function node_dirty_limit(k: Kernel, pgdat: PgData): number {
  const { vm_dirty_ratio, vm_dirty_bytes } = k.writeback;
  const node_memory = node_dirtyable_memory(pgdat);
  const dirty =
    vm_dirty_bytes > 0
      ? Math.floor((Math.ceil(vm_dirty_bytes / PAGE_SIZE) * node_memory) / global_dirtyable_memory(k))
      : Math.floor((vm_dirty_ratio * node_memory) / 100);
  return Math.min(k.current.rt ? dirty + Math.floor(dirty / 4) : dirty, UINT_MAX);
}

/** Whether the node may take more pages that are about to be written to. */
export function node_dirty_ok(k: Kernel, pgdat: PgData): boolean {
  const dirty = node_page_state_pages(pgdat, NR_FILE_DIRTY) + node_page_state_pages(pgdat, NR_WRITEBACK);
  return dirty <= node_dirty_limit(k, pgdat);
}

/** A ratio and the bytes in its place: whichever was written last counts, the other becomes 0. */
function ratio_handler(
  bytes: 'vm_dirty_bytes' | 'dirty_background_bytes',
  ratio: 'vm_dirty_ratio' | 'dirty_background_ratio',
): (k: Kernel, table: ctl_table, buffer: string | null) => sysctl_result {
  return (k, table, buffer) => {
    const old = k.writeback[ratio];
    const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
    if (err !== 0) return failed(err);
    // dirty_background_ratio says so even if it stays the same.
    const changed = ratio === 'dirty_background_ratio' || k.writeback[ratio] !== old;
    if (buffer !== null && changed) k.writeback[bytes] = 0;
    return result;
  };
}

/** Bytes in place of a ratio. What is more pages than 32 bits count is refused. */
function bytes_handler(
  bytes: 'vm_dirty_bytes' | 'dirty_background_bytes',
  ratio: 'vm_dirty_ratio' | 'dirty_background_ratio',
): (k: Kernel, table: ctl_table, buffer: string | null) => sysctl_result {
  return (k, table, buffer) => {
    const old = k.writeback[bytes];
    const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
    if (err !== 0) return failed(err);
    const changed = bytes === 'dirty_background_bytes' || k.writeback[bytes] !== old;
    if (buffer === null || !changed) return result;
    if (Math.ceil(k.writeback[bytes] / PAGE_SIZE) > UINT_MAX) {
      k.writeback[bytes] = old;
      return failed(-ERANGE);
    }
    k.writeback[ratio] = 0;
    return result;
  };
}

export const writeback_table: readonly ctl_table[] = [
  {
    procname: 'dirty_background_ratio',
    data: ({ writeback }) => [writeback.dirty_background_ratio],
    store: ({ writeback }, _, value) => {
      writeback.dirty_background_ratio = value;
    },
    min: 0,
    max: 100,
    proc_handler: ratio_handler('dirty_background_bytes', 'dirty_background_ratio'),
  },
  {
    procname: 'dirty_ratio',
    data: ({ writeback }) => [writeback.vm_dirty_ratio],
    store: ({ writeback }, _, value) => {
      writeback.vm_dirty_ratio = value;
    },
    min: 0,
    max: 100,
    proc_handler: ratio_handler('vm_dirty_bytes', 'vm_dirty_ratio'),
  },
  {
    procname: 'dirty_background_bytes',
    data: ({ writeback }) => [writeback.dirty_background_bytes],
    store: ({ writeback }, _, value) => {
      writeback.dirty_background_bytes = value;
    },
    min: 1,
    long: true,
    proc_handler: bytes_handler('dirty_background_bytes', 'dirty_background_ratio'),
  },
  {
    procname: 'dirty_bytes',
    data: ({ writeback }) => [writeback.vm_dirty_bytes],
    store: ({ writeback }, _, value) => {
      writeback.vm_dirty_bytes = value;
    },
    min: 2 * PAGE_SIZE,
    long: true,
    proc_handler: bytes_handler('vm_dirty_bytes', 'vm_dirty_ratio'),
  },
];
