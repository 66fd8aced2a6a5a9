// Pageblock flags: four bits for each 2 MiB, three of them its migratetype (Linux: mm/page_alloc.c
// get_pfnblock_flags_mask() and kin, include/linux/pageblock-flags.h). They lie in the section's usemap, so a block that
// two zones share has one type.

import { page_fault_oops } from '../arch/x86/fault.ts';
import { MIGRATE_PCPTYPES, MIGRATE_UNMOVABLE, PFN_SECTION_SHIFT, pageblock_nr_pages } from '../include/mmzone.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { NO_WORDS } from './mm_state.ts';

export const MIGRATETYPE_MASK = 7;
/** Three of migratetype, and PB_migrate_skip, by which compaction will pass a block over. */
export const NR_PAGEBLOCK_BITS = 4;
const PB_MIGRATE_SKIP_MASK = 8;

export const pageblock_start_pfn = (pfn: pfn_t): pfn_t => pfn - (pfn % pageblock_nr_pages);
export const pageblock_end_pfn = (pfn: pfn_t): pfn_t => pageblock_start_pfn(pfn) + pageblock_nr_pages;

// Eight blocks a word: bits 9 to 11 of the pfn say which nibble, bits 12 to 14 which word.

function usemap_of(k: Kernel, pfn: pfn_t): Int32Array {
  const usemap = k.mm.section_usemap[pfn >>> PFN_SECTION_SHIFT];
  if (usemap !== undefined && usemap !== NO_WORDS) return usemap;
  // No section: a null pointer is followed to its member `usage`.
  return page_fault_oops(k, 8n, false, false);
}

export function get_pfnblock_flags_mask(k: Kernel, pfn: pfn_t, mask: number): number {
  return (usemap_of(k, pfn)[(pfn >>> 12) & 7]! >>> ((pfn >>> 7) & 28)) & mask;
}

export function set_pfnblock_flags_mask(k: Kernel, flags: number, pfn: pfn_t, mask: number): void {
  const usemap = usemap_of(k, pfn);
  const word = (pfn >>> 12) & 7;
  const shift = (pfn >>> 7) & 28;
  usemap[word] = (usemap[word]! & ~(mask << shift)) | (flags << shift);
}

export const get_pageblock_migratetype = (k: Kernel, pfn: pfn_t): number =>
  get_pfnblock_flags_mask(k, pfn, MIGRATETYPE_MASK);

export function set_pageblock_migratetype(k: Kernel, pfn: pfn_t, migratetype: number): void {
  const type = k.mm.page_group_by_mobility_disabled && migratetype < MIGRATE_PCPTYPES ? MIGRATE_UNMOVABLE : migratetype;
  set_pfnblock_flags_mask(k, type, pfn, MIGRATETYPE_MASK);
}

/** Nothing was found in the block that could be moved. */
export const set_pageblock_skip = (k: Kernel, pfn: pfn_t): void =>
  set_pfnblock_flags_mask(k, PB_MIGRATE_SKIP_MASK, pfn, PB_MIGRATE_SKIP_MASK);

export const get_pageblock_skip = (k: Kernel, pfn: pfn_t): boolean =>
  get_pfnblock_flags_mask(k, pfn, PB_MIGRATE_SKIP_MASK) !== 0;
export const clear_pageblock_skip = (k: Kernel, pfn: pfn_t): void =>
  set_pfnblock_flags_mask(k, 0, pfn, PB_MIGRATE_SKIP_MASK);
