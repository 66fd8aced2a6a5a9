// Events that are counted for each CPU (Linux: include/linux/vm_event_item.h), by the names that /proc/vmstat prints, in
// its order. As with zones, there is one list for every configuration: what a kernel lacks is not printed.

export const PGPGIN = 0;
export const PGPGOUT = 1;
export const PSWPIN = 2;
export const PSWPOUT = 3;
/** PGALLOC, ALLOCSTALL and PGSCAN_SKIP are the first of five, one for each zone. */
export const PGALLOC = 4;
export const ALLOCSTALL = 9;
export const PGSCAN_SKIP = 14;
export const PGFREE = 19;
export const PGACTIVATE = 20;
export const PGDEACTIVATE = 21;
export const PGLAZYFREE = 22;
export const PGFAULT = 23;
export const PGMAJFAULT = 24;
export const PGLAZYFREED = 25;
export const PGREFILL = 26;
export const PGREUSE = 27;
export const PGSTEAL_KSWAPD = 28;
export const PGSTEAL_DIRECT = 29;
export const PGSCAN_KSWAPD = 32;
export const PGSCAN_DIRECT = 33;
export const PGSCAN_DIRECT_THROTTLE = 34;
export const PGSCAN_ANON = 35;
export const PGSTEAL_ANON = 37;
export const PGSCAN_ZONE_RECLAIM_FAILED = 39;
export const SLABS_SCANNED = 41;
export const KSWAPD_LOW_WMARK_HIT_QUICKLY = 43;
export const KSWAPD_HIGH_WMARK_HIT_QUICKLY = 44;
export const PAGEOUTRUN = 45;
export const PGROTATED = 46;
export const DROP_PAGECACHE = 47;
export const DROP_SLAB = 48;
export const OOM_KILL = 49;
export const PGMIGRATE_SUCCESS = 55;
export const PGMIGRATE_FAIL = 56;
export const COMPACTMIGRATE_SCANNED = 60;
export const COMPACTFREE_SCANNED = 61;
export const COMPACTISOLATED = 62;
export const COMPACTSTALL = 63;
export const COMPACTFAIL = 64;
export const COMPACTSUCCESS = 65;
export const KCOMPACTD_WAKE = 66;
export const KCOMPACTD_MIGRATE_SCANNED = 67;
export const KCOMPACTD_FREE_SCANNED = 68;
export const HTLB_BUDDY_PGALLOC = 69;
export const HTLB_BUDDY_PGALLOC_FAIL = 70;
export const CMA_ALLOC_SUCCESS = 71;
export const CMA_ALLOC_FAIL = 72;
export const UNEVICTABLE_PGCULLED = 73;
export const UNEVICTABLE_PGRESCUED = 75;
export const UNEVICTABLE_PGMLOCKED = 76;
export const UNEVICTABLE_PGMUNLOCKED = 77;
export const UNEVICTABLE_PGCLEARED = 78;
export const UNEVICTABLE_PGSTRANDED = 79;
export const SWAP_RA = 104;
export const SWAP_RA_HIT = 105;

/** A CPU's counters begin at multiples of this. */
export const VM_EVENT_STRIDE = 128;

const for_all_zones = (what: string): string[] =>
  ['dma', 'dma32', 'normal', 'movable', 'device'].map((z) => `${what}_${z}`);

export const vm_event_item: readonly string[] = [
  ...['pgpgin', 'pgpgout', 'pswpin', 'pswpout'],
  ...for_all_zones('pgalloc'),
  ...for_all_zones('allocstall'),
  ...for_all_zones('pgskip'),
  ...['pgfree', 'pgactivate', 'pgdeactivate', 'pglazyfree', 'pgfault', 'pgmajfault', 'pglazyfreed', 'pgrefill'],
  ...['pgreuse', 'pgsteal_kswapd', 'pgsteal_direct', 'pgdemote_kswapd', 'pgdemote_direct', 'pgscan_kswapd'],
  ...['pgscan_direct', 'pgscan_direct_throttle', 'pgscan_anon', 'pgscan_file', 'pgsteal_anon', 'pgsteal_file'],
  ...['zone_reclaim_failed', 'pginodesteal', 'slabs_scanned', 'kswapd_inodesteal', 'kswapd_low_wmark_hit_quickly'],
  ...['kswapd_high_wmark_hit_quickly', 'pageoutrun', 'pgrotated', 'drop_pagecache', 'drop_slab', 'oom_kill'],
  ...['numa_pte_updates', 'numa_huge_pte_updates', 'numa_hint_faults', 'numa_hint_faults_local'],
  ...['numa_pages_migrated', 'pgmigrate_success', 'pgmigrate_fail', 'thp_migration_success', 'thp_migration_fail'],
  ...['thp_migration_split', 'compact_migrate_scanned', 'compact_free_scanned', 'compact_isolated', 'compact_stall'],
  ...['compact_fail', 'compact_success', 'compact_daemon_wake', 'compact_daemon_migrate_scanned'],
  ...['compact_daemon_free_scanned', 'htlb_buddy_alloc_success', 'htlb_buddy_alloc_fail', 'cma_alloc_success'],
  ...['cma_alloc_fail', 'unevictable_pgs_culled', 'unevictable_pgs_scanned', 'unevictable_pgs_rescued'],
  ...['unevictable_pgs_mlocked', 'unevictable_pgs_munlocked', 'unevictable_pgs_cleared', 'unevictable_pgs_stranded'],
  ...['thp_fault_alloc', 'thp_fault_fallback', 'thp_fault_fallback_charge', 'thp_collapse_alloc'],
  ...['thp_collapse_alloc_failed', 'thp_file_alloc', 'thp_file_fallback', 'thp_file_fallback_charge'],
  ...['thp_file_mapped', 'thp_split_page', 'thp_split_page_failed', 'thp_deferred_split_page', 'thp_split_pmd'],
  ...['thp_scan_exceed_none_pte', 'thp_scan_exceed_swap_pte', 'thp_scan_exceed_share_pte', 'thp_split_pud'],
  ...['thp_zero_page_alloc', 'thp_zero_page_alloc_failed', 'thp_swpout', 'thp_swpout_fallback'],
  ...['balloon_inflate', 'balloon_deflate', 'balloon_migrate', 'swap_ra', 'swap_ra_hit', 'ksm_swpin_copy'],
  ...['cow_ksm', 'zswpin', 'zswpout', 'direct_map_level2_splits', 'direct_map_level3_splits'],
];
export const NR_VM_EVENT_ITEMS = vm_event_item.length;

const checks: readonly (readonly [number, string])[] = [
  [PGALLOC, 'pgalloc_dma'],
  [ALLOCSTALL, 'allocstall_dma'],
  [PGSCAN_SKIP, 'pgskip_dma'],
  [PGFREE, 'pgfree'],
  [PGACTIVATE, 'pgactivate'],
  [PGDEACTIVATE, 'pgdeactivate'],
  [PGLAZYFREE, 'pglazyfree'],
  [PGFAULT, 'pgfault'],
  [PGMAJFAULT, 'pgmajfault'],
  [PGLAZYFREED, 'pglazyfreed'],
  [PGREFILL, 'pgrefill'],
  [PGREUSE, 'pgreuse'],
  [PGSTEAL_KSWAPD, 'pgsteal_kswapd'],
  [PGSTEAL_DIRECT, 'pgsteal_direct'],
  [PGSCAN_KSWAPD, 'pgscan_kswapd'],
  [PGSCAN_DIRECT, 'pgscan_direct'],
  [PGSCAN_DIRECT_THROTTLE, 'pgscan_direct_throttle'],
  [PGSCAN_ANON, 'pgscan_anon'],
  [PGSTEAL_ANON, 'pgsteal_anon'],
  [PGSCAN_ZONE_RECLAIM_FAILED, 'zone_reclaim_failed'],
  [SLABS_SCANNED, 'slabs_scanned'],
  [KSWAPD_LOW_WMARK_HIT_QUICKLY, 'kswapd_low_wmark_hit_quickly'],
  [KSWAPD_HIGH_WMARK_HIT_QUICKLY, 'kswapd_high_wmark_hit_quickly'],
  [PAGEOUTRUN, 'pageoutrun'],
  [PGROTATED, 'pgrotated'],
  [DROP_PAGECACHE, 'drop_pagecache'],
  [DROP_SLAB, 'drop_slab'],
  [OOM_KILL, 'oom_kill'],
  [PGMIGRATE_SUCCESS, 'pgmigrate_success'],
  [PGMIGRATE_FAIL, 'pgmigrate_fail'],
  [COMPACTMIGRATE_SCANNED, 'compact_migrate_scanned'],
  [COMPACTFREE_SCANNED, 'compact_free_scanned'],
  [COMPACTISOLATED, 'compact_isolated'],
  [COMPACTSTALL, 'compact_stall'],
  [COMPACTFAIL, 'compact_fail'],
  [COMPACTSUCCESS, 'compact_success'],
  [KCOMPACTD_WAKE, 'compact_daemon_wake'],
  [KCOMPACTD_MIGRATE_SCANNED, 'compact_daemon_migrate_scanned'],
  [KCOMPACTD_FREE_SCANNED, 'compact_daemon_free_scanned'],
  [HTLB_BUDDY_PGALLOC, 'htlb_buddy_alloc_success'],
  [HTLB_BUDDY_PGALLOC_FAIL, 'htlb_buddy_alloc_fail'],
  [CMA_ALLOC_SUCCESS, 'cma_alloc_success'],
  [CMA_ALLOC_FAIL, 'cma_alloc_fail'],
  [UNEVICTABLE_PGCULLED, 'unevictable_pgs_culled'],
  [UNEVICTABLE_PGRESCUED, 'unevictable_pgs_rescued'],
  [UNEVICTABLE_PGMLOCKED, 'unevictable_pgs_mlocked'],
  [UNEVICTABLE_PGMUNLOCKED, 'unevictable_pgs_munlocked'],
  [UNEVICTABLE_PGCLEARED, 'unevictable_pgs_cleared'],
  [UNEVICTABLE_PGSTRANDED, 'unevictable_pgs_stranded'],
  [SWAP_RA, 'swap_ra'],
  [SWAP_RA_HIT, 'swap_ra_hit'],
];
for (const [index, name] of checks) {
  if (vm_event_item[index] !== name) throw new Error(`vm_event_item: ${name} is ${vm_event_item.indexOf(name)}`);
}
