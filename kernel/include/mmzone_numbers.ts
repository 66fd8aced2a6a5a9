// Numbers of zones, nodes, migratetypes and per-cpu lists (Linux: include/linux/mmzone.h).
//
// They are apart from the layouts, in a file that imports nothing and holds literals only, because a bundler then writes
// each number into the code that uses it: the allocator's paths depend on it.

/** One more than the largest order, as in 6.1. */
export const MAX_ORDER = 11;
/** HUGETLB_PAGE_ORDER: a pageblock is 2 MiB. */
export const pageblock_order = 9;
export const pageblock_nr_pages = 512;
export const PAGE_ALLOC_COSTLY_ORDER = 3;

export const MIGRATE_UNMOVABLE = 0;
export const MIGRATE_MOVABLE = 1;
export const MIGRATE_RECLAIMABLE = 2;
/** Types that have per-cpu lists. */
export const MIGRATE_PCPTYPES = 3;
export const MIGRATE_HIGHATOMIC = 3;
export const MIGRATE_CMA = 4;
export const MIGRATE_ISOLATE = 5;
export const MIGRATE_TYPES = 6;

export const ZONE_DMA = 0;
export const ZONE_DMA32 = 1;
export const ZONE_NORMAL = 2;
export const ZONE_MOVABLE = 3;
export const ZONE_DEVICE = 4;
export const MAX_NR_ZONES = 5;

export const WMARK_MIN = 0;
export const WMARK_LOW = 1;
export const WMARK_HIGH = 2;
export const WMARK_PROMO = 3;
export const NR_WMARK = 4;

// enum zone_flags
export const ZONE_BOOSTED_WATERMARK = 0;
export const ZONE_RECLAIM_ACTIVE = 1;

/** Per-cpu lists: three types for each of the orders 0 to 3, then two for transparent huge pages. */
export const NR_LOWORDER_PCP_LISTS = 12;
export const NR_PCP_THP = 2;
export const NR_PCP_LISTS = 14;

// Sparse memory: sections of 128 MiB, subsections of 2 MiB.
export const SECTION_SIZE_BITS = 27;
export const PFN_SECTION_SHIFT = 15;
export const PAGES_PER_SECTION = 32768;
export const PAGES_PER_SUBSECTION = 512;
/** Bytes of memory map that a section takes: 2 MiB, one PMD. */
export const SECTION_MEMMAP_SIZE = 0x200000;

// enum pgdat_flags
export const PGDAT_DIRTY = 0;
export const PGDAT_WRITEBACK = 1;
export const PGDAT_RECLAIM_LOCKED = 2;

export const NR_VM_ZONE_STAT_ITEMS = 11;
export const NR_FREE_PAGES = 0;
export const NR_ZONE_INACTIVE_ANON = 1;
export const NR_ZONE_ACTIVE_ANON = 2;
export const NR_ZONE_INACTIVE_FILE = 3;
export const NR_ZONE_ACTIVE_FILE = 4;
export const NR_ZONE_UNEVICTABLE = 5;
export const NR_ZONE_WRITE_PENDING = 6;
export const NR_MLOCK = 7;
export const NR_BOUNCE = 8;
export const NR_ZSPAGES = 9;
export const NR_FREE_CMA_PAGES = 10;

// enum numa_stat_item
export const NUMA_HIT = 0;
export const NUMA_MISS = 1;
export const NUMA_FOREIGN = 2;
export const NUMA_INTERLEAVE_HIT = 3;
export const NUMA_LOCAL = 4;
export const NUMA_OTHER = 5;
export const NR_VM_NUMA_EVENT_ITEMS = 6;

// enum lru_list
export const LRU_INACTIVE_ANON = 0;
export const LRU_ACTIVE_ANON = 1;
export const LRU_INACTIVE_FILE = 2;
export const LRU_ACTIVE_FILE = 3;
export const LRU_UNEVICTABLE = 4;
export const NR_LRU_LISTS = 5;

// enum lruvec_flags
export const LRUVEC_CONGESTED = 0;

// enum node_stat_item, as far as someone asks; the first five are by lru_list
export const NR_INACTIVE_ANON = 0;
export const NR_ACTIVE_ANON = 1;
export const NR_INACTIVE_FILE = 2;
export const NR_ACTIVE_FILE = 3;
export const NR_UNEVICTABLE = 4;
export const NR_SLAB_RECLAIMABLE_B = 5;
export const NR_ISOLATED_ANON = 7;
export const WORKINGSET_REFAULT_BASE = 10;
export const WORKINGSET_ACTIVATE_BASE = 12;
export const WORKINGSET_RESTORE_BASE = 14;
export const NR_ANON_MAPPED = 17;
export const NR_FILE_MAPPED = 18;
export const NR_FILE_PAGES = 19;
export const NR_FILE_DIRTY = 20;
export const NR_WRITEBACK = 21;
export const NR_DIRTIED = 31;
export const NR_WRITTEN = 32;
export const NR_THROTTLED_WRITTEN = 33;
export const NR_PAGETABLE = 38;
export const NR_SWAPCACHE = 40;
export const NR_VMSCAN_WRITE = 29;
export const NR_VMSCAN_IMMEDIATE = 30;
/** enum node_stat_item has 43 members with SWAP and NUMA_BALANCING. */
export const NR_VM_NODE_STAT_ITEMS = 43;

export const MAX_NUMNODES = 1024;
/** Node order lists: fallback over all nodes, and this node alone (__GFP_THISNODE). */
export const ZONELIST_FALLBACK = 0;
export const ZONELIST_NOFALLBACK = 1;
export const MAX_ZONELISTS = 2;
export const MAX_ZONES_PER_ZONELIST = 5120;
