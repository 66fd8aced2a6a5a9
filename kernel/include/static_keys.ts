// What may be switched on around the allocator (Linux: static keys and early_param switches): a bit each in
// k.page_alloc.static_keys. The written-out paths know of none of them, so while any is set every request and every free
// takes the general paths, which do. While none is, all of them together cost one test.

/** More than one cpuset: mm/page_alloc.c asks them which nodes a task may use. */
export const KEY_CPUSETS = 1 << 0;
/** memcg_kmem_enabled_key: there is a memory cgroup that pages may be charged to. */
export const KEY_MEMCG_KMEM = 1 << 1;
/** A tracepoint of the allocator is on. */
export const KEY_TRACE = 1 << 2;
/** fail_page_alloc=: requests fail on purpose. */
export const KEY_FAIL_PAGE_ALLOC = 1 << 3;
/** page_owner=on. */
export const KEY_PAGE_OWNER = 1 << 4;
/** page_poison=on. */
export const KEY_PAGE_POISONING = 1 << 5;
/** debug_pagealloc=on, debug_guardpage_minorder=. */
export const KEY_DEBUG_PAGEALLOC = 1 << 6;
/** CONFIG_DEBUG_ATOMIC_SLEEP, CONFIG_PROVE_LOCKING: might_alloc() looks at its context. */
export const KEY_DEBUG_ATOMIC_SLEEP = 1 << 7;
/** CONFIG_DEBUG_VM: VM_BUG_ON_PAGE() and check_pages on the per-cpu lists. */
export const KEY_DEBUG_VM = 1 << 8;
/** init_on_free=1: pages are cleared when they come back. */
export const KEY_INIT_ON_FREE = 1 << 9;
/** page_group_by_mobility_disabled: too little memory to keep migratetypes apart. */
export const KEY_MOBILITY_DISABLED = 1 << 10;
/** vm_numa_stat_key is off: sysctl vm.numa_stat=0. */
export const KEY_NO_NUMA_STAT = 1 << 11;
/** A task that compacts memory catches the block that it waits for as it comes free. */
export const KEY_CAPTURE = 1 << 14;
/** A request's steps are recorded: kernel/trace/explain.ts. */
export const KEY_EXPLAIN = 1 << 30;
