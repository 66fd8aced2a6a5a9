// Zones, nodes and per-cpu page lists (Linux: include/linux/mmzone.h): constants and layouts, no logic.
//
// Differs from Linux: one set of layouts serves every configuration. It is that of Debian's 6.1 with CMA on, so
// MAX_NR_ZONES is always 5 and a free_area always has six lists; a zone or a list that the chosen configuration lacks
// stays empty and is not printed.

import { aligned, array, assertLayout, bytes, list_head, pointer, struct, u8, u16, u32, u64 } from '../lib/struct.ts';
import {
  MAX_NR_ZONES,
  MAX_ORDER,
  MAX_ZONELISTS,
  MAX_ZONES_PER_ZONELIST,
  MIGRATE_TYPES,
  NR_LRU_LISTS,
  NR_PCP_LISTS,
  NR_VM_NODE_STAT_ITEMS,
  NR_VM_NUMA_EVENT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  NR_WMARK,
} from './mmzone_numbers.ts';

// What was one header in Linux stays one to those who import it.
export * from './mmzone_numbers.ts';

/** By migratetype. */
export const migratetype_names = ['Unmovable', 'Movable', 'Reclaimable', 'HighAtomic', 'CMA', 'Isolate'] as const;

export const zone_names = ['DMA', 'DMA32', 'Normal', 'Movable', 'Device'] as const;

/** enum zone_stat_item, in order. */
export const zone_stat_item = [
  'NR_FREE_PAGES',
  'NR_ZONE_INACTIVE_ANON',
  'NR_ZONE_ACTIVE_ANON',
  'NR_ZONE_INACTIVE_FILE',
  'NR_ZONE_ACTIVE_FILE',
  'NR_ZONE_UNEVICTABLE',
  'NR_ZONE_WRITE_PENDING',
  'NR_MLOCK',
  'NR_BOUNCE',
  'NR_ZSPAGES',
  'NR_FREE_CMA_PAGES',
] as const;

const spinlock_t = u32;
const seqlock_t = bytes(8, 4);
const wait_queue_head_t = bytes(24, 8);
const cacheline = (member: { size: number; align: number }) => aligned(64, member);

export const free_area = struct('free_area', { free_list: array(list_head, MIGRATE_TYPES), nr_free: u64 });

export const zone = struct(
  'zone',
  {
    _watermark: array(u64, NR_WMARK),
    watermark_boost: u64,
    nr_reserved_highatomic: u64,
    lowmem_reserve: array(u64, MAX_NR_ZONES),
    node: u32,
    zone_pgdat: pointer,
    per_cpu_pageset: pointer,
    per_cpu_zonestats: pointer,
    pageset_high: u32,
    pageset_batch: u32,
    zone_start_pfn: u64,
    managed_pages: u64,
    spanned_pages: u64,
    present_pages: u64,
    present_early_pages: u64,
    cma_pages: u64,
    name: pointer,
    nr_isolate_pageblock: u64,
    span_seqlock: seqlock_t,
    initialized: u32,
    free_area: cacheline(array(free_area, MAX_ORDER)),
    flags: u64,
    lock: spinlock_t,
    percpu_drift_mark: cacheline(u64),
    compact_cached_free_pfn: u64,
    compact_cached_migrate_pfn: array(u64, 2),
    compact_init_migrate_pfn: u64,
    compact_init_free_pfn: u64,
    compact_considered: u32,
    compact_defer_shift: u32,
    compact_order_failed: u32,
    compact_blockskip_flush: u8,
    contiguous: u8,
    vm_stat: cacheline(array(u64, NR_VM_ZONE_STAT_ITEMS)),
    vm_numa_event: array(u64, NR_VM_NUMA_EVENT_ITEMS),
  },
  64,
);

export const zoneref = struct('zoneref', { zone: pointer, zone_idx: u32 });
export const zonelist = struct('zonelist', { _zonerefs: array(zoneref, MAX_ZONES_PER_ZONELIST + 1) });

export const lruvec = struct('lruvec', {
  lists: array(list_head, NR_LRU_LISTS),
  lru_lock: spinlock_t,
  anon_cost: u64,
  file_cost: u64,
  nonresident_age: u64,
  refaults: array(u64, 2),
  flags: u64,
  // struct lru_gen_struct, struct lru_gen_mm_state: of the multi-generational LRU.
  lrugen: bytes(1448, 8),
  pgdat: pointer,
});

export const pglist_data = struct(
  'pglist_data',
  {
    node_zones: cacheline(array(zone, MAX_NR_ZONES)),
    node_zonelists: array(zonelist, MAX_ZONELISTS),
    nr_zones: u32,
    node_size_lock: spinlock_t,
    node_start_pfn: u64,
    node_present_pages: u64,
    node_spanned_pages: u64,
    node_id: u32,
    kswapd_wait: wait_queue_head_t,
    pfmemalloc_wait: wait_queue_head_t,
    reclaim_wait: array(wait_queue_head_t, 4),
    nr_writeback_throttled: u32,
    nr_reclaim_start: u64,
    kswapd_lock: bytes(32, 8),
    kswapd: pointer,
    kswapd_order: u32,
    kswapd_highest_zoneidx: u32,
    kswapd_failures: u32,
    kcompactd_max_order: u32,
    kcompactd_highest_zoneidx: u32,
    kcompactd_wait: wait_queue_head_t,
    kcompactd: pointer,
    proactive_compact_trigger: u8,
    totalreserve_pages: u64,
    min_unmapped_pages: u64,
    min_slab_pages: u64,
    first_deferred_pfn: cacheline(u64),
    deferred_split_queue: bytes(32, 8),
    nbp_rl_start: u32,
    nbp_rl_nr_cand: u64,
    nbp_threshold: u32,
    nbp_th_start: u32,
    nbp_th_nr_cand: u64,
    __lruvec: lruvec,
    flags: u64,
    mm_walk: bytes(216, 8),
    per_cpu_nodestats: cacheline(pointer),
    vm_stat: array(u64, NR_VM_NODE_STAT_ITEMS),
    memtier: pointer,
  },
  64,
);

export const per_cpu_pages = struct(
  'per_cpu_pages',
  {
    lock: spinlock_t,
    count: u32,
    high: u32,
    batch: u32,
    free_factor: u16,
    expire: u16,
    lists: array(list_head, NR_PCP_LISTS),
  },
  64,
);

export const per_cpu_zonestat = struct('per_cpu_zonestat', {
  vm_stat_diff: array(u8, NR_VM_ZONE_STAT_ITEMS),
  stat_threshold: u8,
  vm_numa_event: array(u64, NR_VM_NUMA_EVENT_ITEMS),
});

export const per_cpu_nodestat = struct('per_cpu_nodestat', {
  stat_threshold: u8,
  vm_node_stat_diff: array(u8, NR_VM_NODE_STAT_ITEMS),
});

export const mem_section = struct('mem_section', {
  section_mem_map: u64,
  usage: pointer,
  page_ext: pointer,
  pad: u64,
});

/** Fixed part; one 64-bit word of pageblock bits for every 16 pageblocks of the section follows. */
export const mem_section_usage = struct('mem_section_usage', { rcu: array(u64, 2), subsection_map: u64 });

assertLayout(zone, 1728, { zone_start_pfn: 128, free_area: 256, flags: 1400, vm_stat: 1536 });
assertLayout(lruvec, 1592, { lru_lock: 80, pgdat: 1584 });
assertLayout(pglist_data, 175168, { nr_zones: 172512, node_id: 172544, __lruvec: 172936 });
assertLayout(per_cpu_pages, 256, { lists: 24 });
assertLayout(per_cpu_zonestat, 64, { vm_numa_event: 16 });
