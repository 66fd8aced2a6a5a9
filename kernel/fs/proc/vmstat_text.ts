// The names of all counters, in the order of their numbers (Linux: mm/vmstat.c vmstat_text[]), and which of them a
// configuration has. Events: include/vm_event_item.ts.

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
