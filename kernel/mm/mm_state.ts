// What memory management keeps outside of the structures in RAM: the globals of mm/page_alloc.c, mm/sparse.c and
// mm/memory_hotplug.c. Tables that hot code indexes by page frame number are typed arrays over RAM, made once.

import { MAX_NR_ZONES, NR_VM_ZONE_STAT_ITEMS } from '../include/mmzone.ts';
import type { pfn_t, phys_addr_t } from '../include/types.ts';
import { MAX_NUMNODES } from '../lib/nodemask.ts';
import type { Zone } from './mmzone.ts';

/** What a section without memory map has in section_mem_map and section_usemap. */
export const NO_WORDS = new Int32Array(0);
export const NO_DOUBLES = new Float64Array(0);

export class MmState {
  /** What becomes of it where there is no struct page for `pfn`. */
  readonly no_struct_page: (pfn: pfn_t) => never;

  constructor(no_struct_page: (pfn: pfn_t) => never) {
    this.no_struct_page = no_struct_page;
  }

  // --- sparse.ts ---

  /** mem_section[]: where the table of roots lies in RAM. */
  mem_section: phys_addr_t = 0;
  __highest_present_section_nr = 0;
  /**
   * The memory map of each section, by pfn >>> PFN_SECTION_SHIFT: 2 MiB of RAM, 16 words a page. NO_WORDS where the
   * section is absent. A buddy of order 10 or less lies in its page's own section.
   */
  readonly section_mem_map: Int32Array[] = [];
  /** The same memory, two words at a time. */
  readonly section_mem_map_f64: Float64Array[] = [];
  /** Zones by what page->flags has above ZONES_PGSHIFT: filled as they are asked for. */
  readonly zone_table: (Zone | undefined)[] = [];
  /** The pageblock flags of each section, 64 times 4 bits; NO_WORDS where the section is absent. */
  readonly section_usemap: Int32Array[] = [];
  /** What is left of the block that a node's memory map is cut from: [sparsemap_buf, sparsemap_buf_end). */
  sparsemap_buf: phys_addr_t = 0;
  sparsemap_buf_end: phys_addr_t = 0;
  /** The sections that check_usemap_section_nr() last spoke of. */
  old_usemap_snr = -1;
  old_pgdat_snr = -1;

  // --- mm_init.ts, zone_sizes.ts, zone_movable.ts ---

  readonly arch_zone_lowest_possible_pfn = new Float64Array(MAX_NR_ZONES);
  readonly arch_zone_highest_possible_pfn = new Float64Array(MAX_NR_ZONES);
  /** Where ZONE_MOVABLE begins on each node; 0: the node has none. */
  readonly zone_movable_pfn = new Float64Array(MAX_NUMNODES);
  /** The zone that ZONE_MOVABLE is taken from. */
  movable_zone = 0;
  /** In pages, as `kernelcore=` and `movablecore=` ask; percentages of all memory where they ask for those. */
  required_kernelcore = 0;
  required_kernelcore_percent = 0;
  required_movablecore = 0;
  required_movablecore_percent = 0;
  /** `kernelcore=mirror`. */
  mirrored_kernelcore = false;
  /** `movable_node`. */
  movable_node_enabled = false;
  /** Pages below 16 MiB that are never free. */
  dma_reserve = 0;
  /** `mminit_loglevel=`: how much of its own checks boot prints. */
  mminit_loglevel = 0;
  nr_kernel_pages = 0;
  nr_all_pages = 0;

  // --- memmap_init.ts, deferred.ts ---

  highest_memmap_pfn: pfn_t = 0;
  /** defer_init(): the zone end it last saw, and how many pages it let through since. */
  prev_end_pfn: pfn_t = 0;
  nr_initialised = 0;
  /** Static key deferred_pages: struct pages may be missing until page_alloc_init_late(). */
  deferred_pages = false;
  /** The memory region that early_pfn_to_nid() found last. */
  readonly early_pfnnid_cache = { last_start: 0, last_end: 0, last_nid: 0 };

  // --- memblock_free.ts, page_alloc.ts ---

  reset_managed_pages_done = false;
  page_group_by_mobility_disabled = false;
  totalram_pages = 0;
  /** vm_zone_stat[]: the sum over zones of each zone_stat_item, without what CPUs hold in their diffs. */
  readonly vm_zone_stat = new Float64Array(NR_VM_ZONE_STAT_ITEMS);
}
