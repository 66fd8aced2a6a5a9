// What only memory management itself uses (Linux: mm/internal.h): alloc_flags, compaction's results.

/** The low bits name the watermark: WMARK_MIN, WMARK_LOW, WMARK_HIGH. */
export const ALLOC_WMARK_MIN = 0;
export const ALLOC_WMARK_LOW = 1;
export const ALLOC_WMARK_HIGH = 2;
/** Watermarks are not looked at. */
export const ALLOC_NO_WATERMARKS = 0x04;
export const ALLOC_WMARK_MASK = 0x03;
/** The task is being killed for memory. */
export const ALLOC_OOM = 0x08;
/** The caller cannot wait: a quarter of the min watermark, more together with ALLOC_MIN_RESERVE. */
export const ALLOC_NON_BLOCK = 0x10;
/** __GFP_HIGH: half of the min watermark. The two share a bit. */
export const ALLOC_MIN_RESERVE = 0x20;
export const ALLOC_CPUSET = 0x40;
/** Free CMA pages may be taken. */
export const ALLOC_CMA = 0x80;
/** Rather go to another zone of the node than mix migratetypes in a pageblock. */
export const ALLOC_NOFRAGMENT = 0x100;
/** May take from MIGRATE_HIGHATOMIC. */
export const ALLOC_HIGHATOMIC = 0x200;
/** May wake kswapd. Shares a bit with __GFP_KSWAPD_RECLAIM. */
export const ALLOC_KSWAPD = 0x800;
/** Any of these allows going below the min watermark. */
export const ALLOC_RESERVES = 0x238;

/** How often in a row direct reclaim may fail to make progress. */
export const MAX_RECLAIM_RETRIES = 16;
export const MAX_COMPACT_RETRIES = 16;

// enum compact_result and compact_priority
export const COMPACT_NOT_SUITABLE_ZONE = 0;
export const COMPACT_SKIPPED = 1;
export const COMPACT_DEFERRED = 2;
export const COMPACT_NO_SUITABLE_PAGE = 3;
export const COMPACT_CONTINUE = 4;
export const COMPACT_COMPLETE = 5;
export const COMPACT_PARTIAL_SKIPPED = 6;
export const COMPACT_CONTENDED = 7;
export const COMPACT_SUCCESS = 8;
export const MIN_COMPACT_PRIORITY = 0;
export const MIN_COMPACT_COSTLY_PRIORITY = 1;
export const DEF_COMPACT_PRIORITY = 1;
export const INIT_COMPACT_PRIORITY = 2;
