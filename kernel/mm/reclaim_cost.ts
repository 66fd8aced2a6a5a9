// What reclaim takes of a CPU's time, in virtual nanoseconds: about what Linux needs on a machine of 3 GHz. kswapd and the
// tasks that reclaim for themselves pay it as they go, so that both get as far as they would beside each other there.
// A request to the disk is paid for where it is submitted.

/** A node's lists are asked how long they are, and per-cpu batches drained, whether there is anything on them or not. */
export const SHRINK_NODE_NS = 2_000;
/** Off its list and back, with a cache miss for its struct page. */
export const ISOLATE_NS = 50;
/** Locked and looked at; the entries that map it are found and their accessed bits cleared. */
export const CHECK_NS = 100;
/** A place in swap, and every entry that maps it changed, with its part of a flush of other CPUs' TLBs. */
export const UNMAP_NS = 500;
/** Out of its cache, with what is noted there of it, and back to a free list. */
export const FREE_NS = 150;
