// Swap areas (Linux: include/linux/swap.h, swap_slots.h, mm/swap.h): numbers, flags, and the header that mkswap writes.

/** Five bits of an entry say the type; the uppermost mean something else than an area. */
export const MAX_SWAPFILES_SHIFT = 5;
const NR_SWAP_TYPES = 1 << MAX_SWAPFILES_SHIFT;

// Types above the areas, with DEVICE_PRIVATE, MIGRATION, MEMORY_FAILURE and PTE_MARKER as Debian has them.
const SWP_SWAPIN_ERROR_NUM = 1;
const SWP_PTE_MARKER_NUM = 1;
const SWP_DEVICE_NUM = 4;
const SWP_MIGRATION_NUM = 3;
const SWP_HWPOISON_NUM = 1;
export const MAX_SWAPFILES =
  NR_SWAP_TYPES - SWP_DEVICE_NUM - SWP_MIGRATION_NUM - SWP_HWPOISON_NUM - SWP_PTE_MARKER_NUM - SWP_SWAPIN_ERROR_NUM;
export const SWP_HWPOISON = MAX_SWAPFILES;
export const SWP_MIGRATION_READ = MAX_SWAPFILES + SWP_HWPOISON_NUM;
export const SWP_MIGRATION_READ_EXCLUSIVE = SWP_MIGRATION_READ + 1;
export const SWP_MIGRATION_WRITE = SWP_MIGRATION_READ + 2;
export const SWP_PTE_MARKER = SWP_MIGRATION_READ + SWP_MIGRATION_NUM + SWP_DEVICE_NUM;
export const SWP_SWAPIN_ERROR = SWP_PTE_MARKER + SWP_PTE_MARKER_NUM;

// swapon()'s flags.
export const SWAP_FLAG_PREFER = 0x8000;
export const SWAP_FLAG_PRIO_MASK = 0x7fff;
export const SWAP_FLAG_DISCARD = 0x10000;
export const SWAP_FLAG_DISCARD_ONCE = 0x20000;
export const SWAP_FLAG_DISCARD_PAGES = 0x40000;
export const SWAP_FLAGS_VALID = 0x7ffff;

// swap_info_struct.flags
export const SWP_USED = 1 << 0;
export const SWP_WRITEOK = 1 << 1;
export const SWP_SOLIDSTATE = 1 << 4;
export const SWP_CONTINUED = 1 << 5;
export const SWP_BLKDEV = 1 << 6;

/** A byte of swap_map: a count in the low bits, and these. */
export const SWAP_HAS_CACHE = 0x40;
export const COUNT_CONTINUED = 0x80;
export const SWAP_MAP_MAX = 0x3e;
export const SWAP_MAP_BAD = 0x3f;
export const SWAP_MAP_SHMEM = 0xbf;
/** Of a continuation. */
export const SWAP_CONT_MAX = 0x7f;

// struct swap_cluster_info.flags
export const CLUSTER_FLAG_FREE = 1;

export const SWAP_BATCH = 64;
export const SWAP_SLOTS_CACHE_SIZE = SWAP_BATCH;
export const THRESHOLD_ACTIVATE_SWAP_SLOTS_CACHE = 5 * SWAP_SLOTS_CACHE_SIZE;
export const THRESHOLD_DEACTIVATE_SWAP_SLOTS_CACHE = 2 * SWAP_SLOTS_CACHE_SIZE;

/** Pages of an area that one swap address space covers: 64 MiB. */
export const SWAP_ADDRESS_SPACE_SHIFT = 14;
export const SWAP_ADDRESS_SPACE_PAGES = 1 << SWAP_ADDRESS_SPACE_SHIFT;
export const SWAP_RA_ORDER_CEILING = 5;

/** union swap_header, in the first page of an area: offsets. What comes before `version` belongs to boot loaders. */
export const swap_header = {
  version: 1024,
  last_page: 1028,
  nr_badpages: 1032,
  sws_uuid: 1036,
  sws_volume: 1052,
  badpages: 1536,
  magic: 4086,
} as const;
export const SWAP_MAGIC = 'SWAPSPACE2';
export const MAX_SWAP_BADPAGES = 637;

/** Flags of a page table entry that holds a swap entry. */
export const _PAGE_SWP_SOFT_DIRTY = 1 << 1;
export const _PAGE_SWP_UFFD_WP = 1 << 2;
export const _PAGE_SWP_EXCLUSIVE = 1 << 3;
