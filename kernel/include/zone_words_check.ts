// Stops the program at load if a word index is not where the layout has the member.

import { free_area, per_cpu_pages, per_cpu_zonestat, zone } from './mmzone.ts';
import {
  AREA_NR_FREE,
  AREA_WORDS,
  PCP_BATCH,
  PCP_COUNT,
  PCP_FREE_FACTOR,
  PCP_HIGH,
  PCP_LISTS,
  PZS_NUMA_EVENT,
  PZS_STAT_THRESHOLD,
  Z_FLAGS,
  Z_FREE_AREA,
  Z_LOWMEM_RESERVE,
  Z_MANAGED_PAGES,
  Z_NR_FREE_CMA_PAGES,
  Z_NR_ISOLATE_PAGEBLOCK,
  Z_NR_RESERVED_HIGHATOMIC,
  Z_SPANNED_PAGES,
  Z_VM_STAT,
  Z_WATERMARK,
  Z_WATERMARK_BOOST,
  Z_ZONE_START_PFN,
} from './zone_words.ts';

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
