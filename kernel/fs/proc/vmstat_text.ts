// The names of all counters, in the order of their numbers (Linux: mm/vmstat.c vmstat_text[]), and which of them a
// configuration has. Events: include/vm_event_item.ts; the events here are of parts that are not ported.

import type { KernelConfig } from '../../config.ts';

/** enum zone_stat_item. */
export const zone_stat_names = [
  'nr_free_pages',
  'nr_zone_inactive_anon',
  'nr_zone_active_anon',
  'nr_zone_inactive_file',
  'nr_zone_active_file',
  'nr_zone_unevictable',
  'nr_zone_write_pending',
  'nr_mlock',
  'nr_bounce',
  'nr_zspages',
  'nr_free_cma',
] as const;

/** enum numa_stat_item. */
export const numa_stat_names = [
  'numa_hit',
  'numa_miss',
  'numa_foreign',
  'numa_interleave',
  'numa_local',
  'numa_other',
] as const;

/** enum node_stat_item. */
export const node_stat_names = [
  'nr_inactive_anon',
  'nr_active_anon',
  'nr_inactive_file',
  'nr_active_file',
  'nr_unevictable',
  'nr_slab_reclaimable',
  'nr_slab_unreclaimable',
  'nr_isolated_anon',
  'nr_isolated_file',
  'workingset_nodes',
  'workingset_refault_anon',
  'workingset_refault_file',
  'workingset_activate_anon',
  'workingset_activate_file',
  'workingset_restore_anon',
  'workingset_restore_file',
  'workingset_nodereclaim',
  'nr_anon_pages',
  'nr_mapped',
  'nr_file_pages',
  'nr_dirty',
  'nr_writeback',
  'nr_writeback_temp',
  'nr_shmem',
  'nr_shmem_hugepages',
  'nr_shmem_pmdmapped',
  'nr_file_hugepages',
  'nr_file_pmdmapped',
  'nr_anon_transparent_hugepages',
  'nr_vmscan_write',
  'nr_vmscan_immediate_reclaim',
  'nr_dirtied',
  'nr_written',
  'nr_throttled_written',
  'nr_kernel_misc_reclaimable',
  'nr_foll_pin_acquired',
  'nr_foll_pin_released',
  'nr_kernel_stack',
  'nr_page_table_pages',
  'nr_sec_page_table_pages',
  'nr_swapcached',
  'pgpromote_success',
  'pgpromote_candidate',
] as const;
export type NodeStatName = (typeof node_stat_names)[number];

/**
 * Events that follow the last of vm_event_item: huge pages, balloons, swap, KSM, zswap, and splits of the direct map.
 * Nothing here can make one happen, so that they are 0, as on a Linux where nothing has.
 */
export const unported_event_names = [
  ...['thp_fault_alloc', 'thp_fault_fallback', 'thp_fault_fallback_charge', 'thp_collapse_alloc'],
  ...['thp_collapse_alloc_failed', 'thp_file_alloc', 'thp_file_fallback', 'thp_file_fallback_charge'],
  ...['thp_file_mapped', 'thp_split_page', 'thp_split_page_failed', 'thp_deferred_split_page', 'thp_split_pmd'],
  ...['thp_scan_exceed_none_pte', 'thp_scan_exceed_swap_pte', 'thp_scan_exceed_share_pte', 'thp_split_pud'],
  ...['thp_zero_page_alloc', 'thp_zero_page_alloc_failed', 'thp_swpout', 'thp_swpout_fallback'],
  ...['balloon_inflate', 'balloon_deflate', 'balloon_migrate', 'swap_ra', 'swap_ra_hit', 'ksm_swpin_copy'],
  ...['cow_ksm', 'zswpin', 'zswpout', 'direct_map_level2_splits', 'direct_map_level3_splits'],
] as const;

const needs: readonly (readonly [RegExp, keyof KernelConfig])[] = [
  [/^nr_zspages$/, 'ZSMALLOC'],
  [/^(pgpromote_|numa_(pte|huge_pte|hint|pages))/, 'NUMA_BALANCING'],
  [/^(numa_(hit|miss|foreign|interleave|local|other)|zone_reclaim_failed)$/, 'NUMA'],
  [/^(pgalloc|allocstall|pgskip)_dma$/, 'ZONE_DMA'],
  [/^(pgalloc|allocstall|pgskip)_device$/, 'ZONE_DEVICE'],
  [/^htlb_/, 'HUGETLB_PAGE'],
  [/^cma_/, 'CMA'],
  [/^thp_(?!migration)/, 'TRANSPARENT_HUGEPAGE'],
  [/^balloon_/, 'MEMORY_BALLOON'],
  [/ksm/, 'KSM'],
  [/^zswp/, 'ZSWAP'],
];

/** The configuration has the counter. */
export const is_configured = (config: KernelConfig, name: string): boolean =>
  needs.every(([pattern, option]) => !pattern.test(name) || config[option] !== false);

const in_thp: ReadonlySet<string> = new Set<NodeStatName>([
  'nr_shmem_hugepages',
  'nr_shmem_pmdmapped',
  'nr_file_hugepages',
  'nr_file_pmdmapped',
  'nr_anon_transparent_hugepages',
]);
const HPAGE_PMD_NR = 512;

/** What is printed of a node's counter: some are kept in pages and shown in huge pages (vmstat_item_print_in_thp()). */
export const shown_node_stat = (name: string, pages: number): number =>
  in_thp.has(name) ? Math.floor(pages / HPAGE_PMD_NR) : pages;
