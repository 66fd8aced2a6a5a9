// Page flags (Linux: include/linux/page-flags.h, page-flags-layout.h), with Debian's MEMORY_FAILURE and 64BIT, without
// PAGE_IDLE_FLAG: bit numbers in the low word of page->flags, and the node, zone and cpupid fields in the high word.

export const PG_locked = 0;
export const PG_referenced = 1;
export const PG_uptodate = 2;
export const PG_dirty = 3;
export const PG_lru = 4;
export const PG_active = 5;
export const PG_workingset = 6;
export const PG_waiters = 7;
export const PG_error = 8;
export const PG_slab = 9;
export const PG_owner_priv_1 = 10;
export const PG_arch_1 = 11;
export const PG_reserved = 12;
export const PG_private = 13;
export const PG_private_2 = 14;
export const PG_writeback = 15;
export const PG_head = 16;
export const PG_mappedtodisk = 17;
export const PG_reclaim = 18;
export const PG_swapbacked = 19;
export const PG_unevictable = 20;
export const PG_mlocked = 21;
export const PG_uncached = 22;
export const PG_hwpoison = 23;
export const PG_arch_2 = 24;
export const __NR_PAGEFLAGS = 25;

/** An anonymous page that one address space alone maps, and may write to. */
export const PG_anon_exclusive = PG_mappedtodisk;
/** An anonymous page that has a place in swap: page->private says where. */
export const PG_swapcache = PG_owner_priv_1;

/** Pages the memory-hotplug and free-page-reporting code marks; never two meanings on one page at a time. */
export const PG_reported = PG_uptodate;

/** Read ahead, and not asked for yet; only of a page that is not being written. */
export const PG_readahead = PG_reclaim;

/** Flags that a page about to be handed out must not have, PG_hwpoison apart; LRU_GEN_MASK is bits 27 to 29. */
export const PAGE_FLAGS_CHECK_AT_PREP = 0x3f7fffff;
/** The same with PG_hwpoison. */
export const CHECK_NEW_PAGE = 0x3fffffff;
/** lru, locked, private, private_2, writeback, reserved, slab, active, unevictable, mlocked, and LRU_GEN_MASK. */
export const PAGE_FLAGS_CHECK_AT_FREE = 0x3830f231;
/** head, mlocked and hwpoison: what makes a page more than a page, or less, when it is freed. */
export const PG_ODD_AT_FREE = 0xa10000;

// page_type: these bits are set in a page that is none of the types and cleared in one that is.
export const PAGE_TYPE_BASE = 0xf0000000;
export const PAGE_MAPCOUNT_RESERVE = -128;
export const PG_buddy = 0x00000080;
export const PG_offline = 0x00000100;
export const PG_table = 0x00000200;
export const PG_guard = 0x00000400;

// | NODE 10 | ZONE 3 | LAST_CPUPID 21 | ... | FLAGS |, SECTIONS_WIDTH 0 as the memory map is virtually contiguous.
// Shifts are within the high word.
export const NODES_PGSHIFT_HI = 22;
export const NODES_MASK = 0x3ff;
export const ZONES_PGSHIFT_HI = 19;
export const ZONES_MASK = 7;
/** LAST_CPUPID_MASK starts at bit 30 of flags: two bits in the low word, nineteen in the high one. */
export const LAST_CPUPID_PGSHIFT = 30;
export const LAST_CPUPID_WIDTH = 21;
/** No CPU: bits 30 and 31 of the low word, 0 to 18 of the high one. */
export const CPUPID_NONE = -0x40000000;
export const CPUPID_NONE_HI = 0x7ffff;

/** PAGE_TYPE_BASE as Int32Array holds it, and with PG_buddy: what is_buddy() looks at. */
export const PAGE_TYPE_BASE_WORD = -0x10000000;
export const BUDDY_MASK = -0xfffff80;

/** In the order in which %pGp prints them (include/trace/events/mmflags.h). */
export const pageflag_names: readonly (readonly [number, string])[] = [
  [PG_locked, 'locked'],
  [PG_waiters, 'waiters'],
  [PG_error, 'error'],
  [PG_referenced, 'referenced'],
  [PG_uptodate, 'uptodate'],
  [PG_dirty, 'dirty'],
  [PG_lru, 'lru'],
  [PG_active, 'active'],
  [PG_workingset, 'workingset'],
  [PG_slab, 'slab'],
  [PG_owner_priv_1, 'owner_priv_1'],
  [PG_arch_1, 'arch_1'],
  [PG_reserved, 'reserved'],
  [PG_private, 'private'],
  [PG_private_2, 'private_2'],
  [PG_writeback, 'writeback'],
  [PG_head, 'head'],
  [PG_mappedtodisk, 'mappedtodisk'],
  [PG_reclaim, 'reclaim'],
  [PG_swapbacked, 'swapbacked'],
  [PG_unevictable, 'unevictable'],
  [PG_mlocked, 'mlocked'],
  [PG_uncached, 'uncached'],
  [PG_hwpoison, 'hwpoison'],
  [PG_arch_2, 'arch_2'],
];
