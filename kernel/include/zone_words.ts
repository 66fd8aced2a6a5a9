// Where hot code finds the members of struct zone and of its per-cpu parts: word indices from the structure's base.
//
// Literals, because a bundler then writes each number into the code that uses it, which the compiler can build on; they
// are checked against the layouts when the program is loaded. Counts of pages in one zone are below 2^31, so that the
// low word of a 64-bit member is the number.

import { free_area, per_cpu_pages, per_cpu_zonestat, zone } from './mmzone.ts';

// struct zone
export const Z_WATERMARK = 0;
export const Z_WATERMARK_BOOST = 8;
export const Z_NR_RESERVED_HIGHATOMIC = 10;
export const Z_LOWMEM_RESERVE = 12;
export const Z_ZONE_START_PFN = 32;
export const Z_MANAGED_PAGES = 34;
export const Z_SPANNED_PAGES = 36;
export const Z_NR_ISOLATE_PAGEBLOCK = 46;
export const Z_FREE_AREA = 64;
export const Z_FLAGS = 350;
export const Z_VM_STAT = 384;
/** vm_stat[NR_FREE_CMA_PAGES]. */
export const Z_NR_FREE_CMA_PAGES = 404;

// struct free_area: six lists of four words, then nr_free
export const AREA_WORDS = 26;
export const AREA_NR_FREE = 24;

// struct per_cpu_pages
export const PCP_COUNT = 1;
export const PCP_HIGH = 2;
export const PCP_BATCH = 3;
/** In the low half of its word. */
export const PCP_FREE_FACTOR = 4;
export const PCP_LISTS = 6;

// struct per_cpu_zonestat: a byte of vm_stat_diff for each item, then stat_threshold in the third word's last byte
export const PZS_STAT_THRESHOLD = 2;
export const PZS_NUMA_EVENT = 4;

const checks: readonly (readonly [number, number])[] = [
  [Z_WATERMARK, zone.offset._watermark],
  [Z_WATERMARK_BOOST, zone.offset.watermark_boost],
  [Z_NR_RESERVED_HIGHATOMIC, zone.offset.nr_reserved_highatomic],
  [Z_LOWMEM_RESERVE, zone.offset.lowmem_reserve],
  [Z_ZONE_START_PFN, zone.offset.zone_start_pfn],
  [Z_MANAGED_PAGES, zone.offset.managed_pages],
  [Z_SPANNED_PAGES, zone.offset.spanned_pages],
  [Z_NR_ISOLATE_PAGEBLOCK, zone.offset.nr_isolate_pageblock],
  [Z_FREE_AREA, zone.offset.free_area],
  [Z_FLAGS, zone.offset.flags],
  [Z_VM_STAT, zone.offset.vm_stat],
  [Z_NR_FREE_CMA_PAGES, zone.offset.vm_stat + 80],
  [AREA_WORDS, free_area.size],
  [AREA_NR_FREE, free_area.offset.nr_free],
  [PCP_COUNT, per_cpu_pages.offset.count],
  [PCP_HIGH, per_cpu_pages.offset.high],
  [PCP_BATCH, per_cpu_pages.offset.batch],
  [PCP_FREE_FACTOR, per_cpu_pages.offset.free_factor],
  [PCP_LISTS, per_cpu_pages.offset.lists],
  [PZS_STAT_THRESHOLD, per_cpu_zonestat.offset.stat_threshold - 3],
  [PZS_NUMA_EVENT, per_cpu_zonestat.offset.vm_numa_event],
];
for (const [words, offset] of checks) {
  if (words * 4 !== offset) throw new Error(`zone_words.ts has ${words} words for byte offset ${offset}`);
}
