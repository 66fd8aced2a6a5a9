// struct page (Linux: include/linux/mm_types.h, CONFIG_MEMCG on): 64 bytes, one cache line a page.
// Word indices are for Int32Array views of the memory map: a page's words are m[i .. i + 15].

export const SIZEOF_PAGE = 64;
export const PAGE_WORDS_SHIFT = 4;
export const PAGE_WORDS = 16;
/** High word of VMEMMAP_START as Int32Array holds it. Pointers into the memory map are at or above it. */
export const VMEMMAP_HI = -0x1600;

/** Low and high word of `flags`. The high word holds node, zone and last_cpupid (page_flags.ts). */
export const PG_FLAGS = 0;
export const PG_FLAGS_HI = 1;
/** lru, buddy_list, pcp_list: next and prev, each a 64-bit pointer. Also compound_head of a tail page. */
export const PG_LRU_NEXT = 2;
export const PG_LRU_NEXT_HI = 3;
export const PG_LRU_PREV = 4;
export const PG_LRU_PREV_HI = 5;
/** mapping. */
export const PG_MAPPING = 6;
export const PG_MAPPING_HI = 7;
/** index; on the per-cpu lists, the migratetype cached at free time. */
export const PG_INDEX = 8;
export const PG_INDEX_HI = 9;
/** private; the order of a free buddy block. */
export const PG_PRIVATE = 10;
export const PG_PRIVATE_HI = 11;
/** _mapcount, or page_type: 0xf0000000 with PG_buddy and the like cleared. */
export const PG_MAPCOUNT = 12;
export const PG_REFCOUNT = 13;
export const PG_MEMCG_DATA = 14;
export const PG_MEMCG_DATA_HI = 15;

/** Byte offset of the list_head in struct page: a list pointer is page_address + 8. */
export const PAGE_LRU_OFFSET = 8;

// Compound pages: words of the first tail page.
/** compound_dtor (byte 16) and compound_order (byte 17) of page[1]. */
export const PG1_COMPOUND_DTOR_ORDER = 4;
/** compound_mapcount of page[1]. */
export const PG1_COMPOUND_MAPCOUNT = 5;
/** compound_pincount of page[1]. */
export const PG1_COMPOUND_PINCOUNT = 6;
/** compound_nr of page[1]. */
export const PG1_COMPOUND_NR = 7;
