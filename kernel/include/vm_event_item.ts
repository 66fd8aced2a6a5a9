// Events that are counted for each CPU (Linux: include/linux/vm_event_item.h), by the names that /proc/vmstat prints, in
// its order. As with zones, there is one list for every configuration: what a kernel lacks is not printed.

/** The first of five, one for each zone. */
export const PGALLOC = 4;
export const ALLOCSTALL = 9;
export const PGFREE = 19;
export const PGSCAN_ZONE_RECLAIM_FAILED = 39;
export const COMPACTISOLATED = 62;
export const COMPACTSTALL = 63;
export const COMPACTFAIL = 64;
export const COMPACTSUCCESS = 65;
export const HTLB_BUDDY_PGALLOC = 69;
export const HTLB_BUDDY_PGALLOC_FAIL = 70;
export const CMA_ALLOC_SUCCESS = 71;
export const CMA_ALLOC_FAIL = 72;
export const UNEVICTABLE_PGCLEARED = 78;

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
];
export const NR_VM_EVENT_ITEMS = vm_event_item.length;

const checks: readonly (readonly [number, string])[] = [
  [PGALLOC, 'pgalloc_dma'],
  [ALLOCSTALL, 'allocstall_dma'],
  [PGFREE, 'pgfree'],
  [PGSCAN_ZONE_RECLAIM_FAILED, 'zone_reclaim_failed'],
  [COMPACTISOLATED, 'compact_isolated'],
  [COMPACTSTALL, 'compact_stall'],
  [COMPACTFAIL, 'compact_fail'],
  [COMPACTSUCCESS, 'compact_success'],
  [HTLB_BUDDY_PGALLOC, 'htlb_buddy_alloc_success'],
  [HTLB_BUDDY_PGALLOC_FAIL, 'htlb_buddy_alloc_fail'],
  [CMA_ALLOC_SUCCESS, 'cma_alloc_success'],
  [CMA_ALLOC_FAIL, 'cma_alloc_fail'],
  [UNEVICTABLE_PGCLEARED, 'unevictable_pgs_cleared'],
];
for (const [index, name] of checks) {
  if (vm_event_item[index] !== name) throw new Error(`vm_event_item: ${name} is ${vm_event_item.indexOf(name)}`);
}
