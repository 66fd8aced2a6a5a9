// How pages are moved, and why (Linux: include/linux/migrate_mode.h, migrate.h, mmzone.h isolate_mode_t).

// enum migrate_mode
/** Never waits. */
export const MIGRATE_ASYNC = 0;
/** Waits, but not for storage. */
export const MIGRATE_SYNC_LIGHT = 1;
export const MIGRATE_SYNC = 2;
export const migrate_mode_names = ['MIGRATE_ASYNC', 'MIGRATE_SYNC_LIGHT', 'MIGRATE_SYNC'] as const;

// enum migrate_reason
export const MR_COMPACTION = 0;
export const MR_MEMORY_HOTPLUG = 2;
export const MR_CONTIG_RANGE = 6;
export const migrate_reason_names = [
  'compaction',
  'memory_failure',
  'memory_hotplug',
  'syscall_or_cpuset',
  'mempolicy_mbind',
  'numa_misplaced',
  'contig_range',
  'longterm_pin',
  'demotion',
] as const;

// isolate_mode_t
/** Pages that could be moved only by waiting stay. */
export const ISOLATE_ASYNC_MIGRATE = 0x4;
/** Unevictable pages are taken too. */
export const ISOLATE_UNEVICTABLE = 0x8;

export const MIGRATEPAGE_SUCCESS = 0;
/** It is unmapped, and both pages are locked: its contents can be moved. */
export const MIGRATEPAGE_UNMAP = 1;
