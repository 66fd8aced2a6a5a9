// Build switches (CONFIG_*) as one typed object chosen at boot, and the two presets: Debian 12's 6.1, and the kernel
// that the recorded cases come from.

import type { TraceSystem } from './trace/event.ts';

/** Where the kernel image lies and what its parts weigh, in bytes: facts of a build, printed and reserved at boot. */
export interface KernelImage {
  /** Physical address of _text. */
  readonly text: number;
  /** __brk_base: [text, brk_start) is reserved first, the brk area when it is final. */
  readonly brk_start: number;
  /** Pages of the brk area that early page tables may take (INIT_PGD_PAGE_COUNT). */
  readonly pgt_buf_pages: number;
  /** First byte after the brk area: [text, end) is reserved. */
  readonly end: number;
  /** _end: how far the brk area might have grown. The kernel takes all up to here for itself. */
  readonly _end: number;
  /** _etext, __start_rodata, __end_rodata and _sdata. Boot frees the whole pages of the two gaps between them. */
  readonly etext: number;
  readonly start_rodata: number;
  readonly end_rodata: number;
  readonly sdata: number;
  /** __start_bss_decrypted: what follows up to brk_start, where .bss ends, is mapped apart on encrypted memory. */
  readonly start_bss_decrypted: number;
  /** __start_bss_decrypted_unused: boot frees the rest. */
  readonly start_bss_decrypted_unused: number;
  readonly code_size: number;
  readonly rwdata_size: number;
  readonly rodata_size: number;
  /** [__init_begin, __init_end), which boot frees at its end. Begins with the per-cpu section. */
  readonly init_size: number;
  readonly percpu_static_size: number;
  /** .smp_locks, which boot frees once it knows how many CPUs there are. */
  readonly smp_locks_size: number;
  /** .data_nosave, between .smp_locks and .bss. */
  readonly nosave_size: number;
  readonly bss_size: number;
  /** The IDs that the linker gives to the first tracepoint of each subsystem, and to writeback_dirty_folio's kind. */
  readonly event_ids: Readonly<Record<TraceSystem | 'writeback_folio', number>>;
}

export interface KernelConfig {
  readonly name: 'debian' | 'recorder';
  /** What `Linux version` calls it. */
  readonly version: string;
  readonly image: KernelImage;
  readonly NR_CPUS: number;
  readonly NODES_SHIFT: number;
  readonly NUMA: boolean;
  readonly NUMA_EMU: boolean;
  readonly ZONE_DMA: boolean;
  readonly ZONE_DEVICE: boolean;
  readonly CMA: boolean;
  readonly HUGETLB_PAGE: boolean;
  readonly TRANSPARENT_HUGEPAGE: 'always' | 'madvise' | 'never' | false;
  readonly DEFERRED_STRUCT_PAGE_INIT: boolean;
  readonly MEMORY_ISOLATION: boolean;
  readonly SWIOTLB: boolean;
  readonly ZSMALLOC: boolean;
  readonly ZSWAP: boolean;
  readonly KSM: boolean;
  readonly MEMORY_BALLOON: boolean;
  readonly MEMORY_FAILURE: boolean;
  readonly NUMA_BALANCING: boolean;
  readonly DEBUG_VM: boolean;
  readonly DEBUG_LIST: boolean;
  readonly BUG_ON_DATA_CORRUPTION: boolean;
  readonly PAGE_POISONING: boolean;
  readonly DEBUG_PAGEALLOC: boolean;
  readonly PAGE_OWNER: boolean;
  readonly MODULES: boolean;
  readonly PREEMPTION: boolean;
  readonly PAGE_TABLE_ISOLATION: boolean;
  readonly PREEMPT_RCU: boolean;
  /** Whoever may sleep is checked to be where that is allowed. */
  readonly DEBUG_ATOMIC_SLEEP: boolean;
  /** Requests are checked not to end in reclaim that asked for them. */
  readonly PROVE_LOCKING: boolean;
  readonly INIT_ON_ALLOC_DEFAULT_ON: boolean;
  /** Controllers of cgroups, in the order of cgroup_subsys.h; what of cgroups can be switched off besides. */
  readonly cgroup_subsys: readonly string[];
  readonly cgroup_features: readonly string[];
  readonly LOG_BUF_SHIFT: number;
}

const K = 1024;

/** Debian 12's linux-image-6.1.0-amd64 (6.1.192). Sizes as its "Memory:" line prints them. */
export const debian: KernelConfig = {
  name: 'debian',
  version: '6.1.192',
  image: {
    text: 0x1000000,
    brk_start: 0x4400000,
    pgt_buf_pages: 12,
    end: 0x4411000,
    _end: 0x4430000,
    etext: 0x1e01d32,
    start_rodata: 0x2000000,
    end_rodata: 0x28eb000,
    sdata: 0x2a00000,
    start_bss_decrypted: 0x4200000,
    start_bss_decrypted_unused: 0x4203000,
    code_size: 14343 * K,
    rwdata_size: 2338 * K,
    rodata_size: 9132 * K,
    init_size: 2824 * K,
    percpu_static_size: 212 * K,
    smp_locks_size: 36 * K,
    nosave_size: 4 * K,
    bss_size: 17344 * K,
    event_ids: {
      oom: 506,
      vmscan: 520,
      kmem: 543,
      compaction: 554,
      migrate: 605,
      writeback: 832,
      writeback_folio: 862,
    },
  },
  NR_CPUS: 8192,
  NODES_SHIFT: 10,
  NUMA: true,
  NUMA_EMU: true,
  ZONE_DMA: true,
  ZONE_DEVICE: true,
  CMA: false,
  HUGETLB_PAGE: true,
  TRANSPARENT_HUGEPAGE: 'always',
  DEFERRED_STRUCT_PAGE_INIT: true,
  MEMORY_ISOLATION: true,
  SWIOTLB: true,
  ZSMALLOC: true,
  ZSWAP: true,
  KSM: true,
  MEMORY_BALLOON: true,
  MEMORY_FAILURE: true,
  NUMA_BALANCING: true,
  DEBUG_VM: false,
  DEBUG_LIST: true,
  BUG_ON_DATA_CORRUPTION: true,
  PAGE_POISONING: true,
  DEBUG_PAGEALLOC: false,
  PAGE_OWNER: false,
  MODULES: true,
  PREEMPTION: true,
  PAGE_TABLE_ISOLATION: true,
  PREEMPT_RCU: true,
  DEBUG_ATOMIC_SLEEP: false,
  PROVE_LOCKING: false,
  INIT_ON_ALLOC_DEFAULT_ON: true,
  cgroup_subsys: [
    ...['cpuset', 'cpu', 'cpuacct', 'io', 'memory', 'devices', 'freezer'],
    ...['net_cls', 'perf_event', 'net_prio', 'hugetlb', 'pids', 'rdma', 'misc'],
  ],
  cgroup_features: ['pressure'],
  LOG_BUF_SHIFT: 17,
};

/** The kernel of the recorded cases: Debian's source with a small configuration (docs/oracle.md). */
export const recorder: KernelConfig = {
  ...debian,
  name: 'recorder',
  image: {
    text: 0x1000000,
    brk_start: 0x1e00000,
    pgt_buf_pages: 8,
    end: 0x1e08000,
    _end: 0x1e18000,
    etext: 0x1600b08,
    start_rodata: 0x1800000,
    end_rodata: 0x190f000,
    sdata: 0x1a00000,
    // Built without AMD_MEM_ENCRYPT: nothing is decrypted, nothing is unused.
    start_bss_decrypted: 0x1e00000,
    start_bss_decrypted_unused: 0x1e00000,
    code_size: 6146 * K,
    rwdata_size: 1119 * K,
    rodata_size: 1084 * K,
    init_size: 844 * K,
    percpu_static_size: 156 * K,
    smp_locks_size: 12 * K,
    nosave_size: 0,
    bss_size: 1036 * K,
    event_ids: {
      oom: 186,
      vmscan: 196,
      kmem: 219,
      compaction: 230,
      migrate: 251,
      writeback: 270,
      writeback_folio: 296,
    },
  },
  NR_CPUS: 64,
  NODES_SHIFT: 6,
  ZONE_DEVICE: false,
  CMA: true,
  TRANSPARENT_HUGEPAGE: 'madvise',
  DEFERRED_STRUCT_PAGE_INIT: false,
  cgroup_subsys: ['cpuset', 'memory'],
  cgroup_features: [],
  ZSMALLOC: false,
  ZSWAP: false,
  KSM: false,
  MEMORY_BALLOON: false,
  MEMORY_FAILURE: false,
  NUMA_BALANCING: false,
  DEBUG_LIST: false,
  BUG_ON_DATA_CORRUPTION: false,
  PAGE_POISONING: false,
  MODULES: false,
  PREEMPTION: false,
  PAGE_TABLE_ISOLATION: false,
  PREEMPT_RCU: false,
  INIT_ON_ALLOC_DEFAULT_ON: false,
};

export const presets: Readonly<Record<KernelConfig['name'], KernelConfig>> = { debian, recorder };
