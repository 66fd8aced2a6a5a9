// Where hot code finds the members of struct zone and of its per-cpu parts: word indices from the structure's base.
//
// Literals in a file that imports nothing, because a bundler then writes each number into the code that uses it, which the
// compiler can build on; zone_words_check.ts holds them against the layouts when the program is loaded. Counts of pages in
// one zone are below 2^31, so that the low word of a 64-bit member is the number.

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

/** Words of a list_head: next, next_hi, prev, prev_hi. */
export const LIST_WORDS = 4;
