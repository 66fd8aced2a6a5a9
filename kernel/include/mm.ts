// Flags of virtual memory areas, of page faults and of their results (Linux: include/linux/mm.h, mm_types.h).

// vm_flags
export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
export const VM_MAYWRITE = 0x20;
export const VM_LOCKED = 0x2000;
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x10000;
export const VM_DONTCOPY = 0x20000;
export const VM_ACCOUNT = 0x100000;
export const VM_NORESERVE = 0x200000;
export const VM_WIPEONFORK = 0x2000000;

// enum fault_flag
export const FAULT_FLAG_WRITE = 1;
export const FAULT_FLAG_USER = 0x40;

// vm_fault_t
export const VM_FAULT_OOM = 0x1;
export const VM_FAULT_SIGBUS = 0x2;
export const VM_FAULT_MAJOR = 0x4;
export const VM_FAULT_SIGSEGV = 0x40;
/** What the task is told of. */
export const VM_FAULT_ERROR = 0x43;

// mm_struct.rss_stat
export const MM_FILEPAGES = 0;
export const MM_ANONPAGES = 1;
export const MM_SWAPENTS = 2;
export const MM_SHMEMPAGES = 3;
export const NR_MM_COUNTERS = 4;

/** The end of a task's addresses: 128 TiB less a page. */
export const TASK_SIZE = 0x7ffffffff000;
/** Where mappings are put, from there down. */
export const MMAP_BASE = 0x7ffff7fff000;
