// One running kernel: what Linux keeps in global variables, in one object that every function takes first, as `k`.
// So two kernels can live in one process, a test starts from nothing, and a function's reach can be read off its text.
//
// Each subsystem declares the state it owns in its own file; this file only puts them side by side.

import { AcpiState } from './arch/x86/acpi.ts';
import { CpuState } from './arch/x86/cpu.ts';
import { E820State } from './arch/x86/e820.ts';
import type { Hw } from './arch/x86/hw.ts';
import { NumaState } from './arch/x86/numa_state.ts';
import { BootState } from './arch/x86/setup_state.ts';
import { CpusetState } from './cgroup/cpuset.ts';
import type { KernelConfig } from './config.ts';
import { BlockState } from './drivers/block/disk.ts';
import { DropCachesState } from './fs/drop_caches.ts';
import { KEY_DEBUG_ATOMIC_SLEEP, KEY_DEBUG_VM } from './include/static_keys.ts';
import { CommandLine } from './init/params.ts';
import { nodes_none } from './lib/nodemask.ts';
import { Log } from './lib/printk.ts';
import { RandomState } from './lib/random.ts';
import { PanicState } from './lib/taint.ts';
import { CmaState } from './mm/cma.ts';
import { CompactionState } from './mm/compaction_state.ts';
import { FailPageAllocState } from './mm/fail_page_alloc.ts';
import { FilemapState } from './mm/filemap.ts';
import { FolioWaitState } from './mm/folio_lock.ts';
import { HugetlbState } from './mm/hugetlb.ts';
import { InitOnState } from './mm/init_on.ts';
import { KhugepagedState } from './mm/khugepaged.ts';
import { KswapdState } from './mm/kswapd_state.ts';
import { LruState } from './mm/lruvec.ts';
import { Memblock, type memblock_region } from './mm/memblock.ts';
import { MemcgState } from './mm/memcontrol.ts';
import { MmState } from './mm/mm_state.ts';
import { UserState } from './mm/mm_struct.ts';
import type { PgData } from './mm/mmzone.ts';
import { OomState } from './mm/oom_state.ts';
import { OvercommitState } from './mm/overcommit.ts';
import { no_struct_page } from './mm/page.ts';
import { PageAllocState } from './mm/page_alloc_state.ts';
import { PageDebugState } from './mm/page_debug.ts';
import { PageOwnerState } from './mm/page_owner.ts';
import { WritebackState } from './mm/page_writeback.ts';
import { PercpuState } from './mm/percpu.ts';
import { RmapState } from './mm/rmap.ts';
import { SwapBatchState } from './mm/swap.ts';
import { SwapState } from './mm/swap_info.ts';
import { SwiotlbState } from './mm/swiotlb.ts';
import { SystemHashState } from './mm/system_hash.ts';
import { VmEventState } from './mm/vm_event.ts';
import { VmscanState } from './mm/vmscan_state.ts';
import { WatermarkState } from './mm/watermark.ts';
import { ZonelistState } from './mm/zonelist.ts';
import { SchedState } from './sched/core.ts';
import { HungTaskState } from './sched/hung_task.ts';
import { PreemptState } from './sched/preempt.ts';
import { idle_task, type task_struct } from './sched/task.ts';
import { TraceState } from './trace/trace_state.ts';

/**
 * What another kernel had in memblock.reserved when it freed memory to the buddy allocator, to be put in place of
 * what this one reserves: two kernels then hand out the same page frames. A region's nid is set where it was reserved
 * before NUMA was initialised, NUMA_NO_NODE where it came later.
 */
export type RecordedReservations = readonly Readonly<memblock_region>[];

export class Kernel {
  readonly hw: Hw;
  readonly config: KernelConfig;
  readonly recorded: RecordedReservations | null;
  /** Called before and after each stage of start_kernel(): for measuring what a boot costs. */
  on_stage: ((name: string, phase: 'begin' | 'end') => void) | null = null;

  readonly log = new Log();
  readonly random = new RandomState();
  readonly panic_state = new PanicState();
  readonly cmdline = new CommandLine();
  /** The task that runs. */
  current: task_struct = idle_task();
  readonly preempt = new PreemptState();
  readonly sched = new SchedState();
  readonly hung_task = new HungTaskState();

  // arch/x86
  readonly boot = new BootState();
  readonly e820 = new E820State();
  readonly acpi = new AcpiState();
  readonly numa = new NumaState();
  readonly cpus: CpuState;

  // Nodes (mm/page_alloc.c: node_states[], node_data[])
  readonly node_possible_map = nodes_none();
  readonly node_online_map = nodes_none();
  /** N_MEMORY: nodes with memory of any kind. N_NORMAL_MEMORY: with memory below ZONE_MOVABLE. N_CPU: with CPUs. */
  readonly node_states = {
    N_MEMORY: nodes_none(),
    N_NORMAL_MEMORY: nodes_none(),
    N_CPU: nodes_none(),
    N_GENERIC_INITIATOR: nodes_none(),
  };
  nr_node_ids = 1;
  readonly node_data: PgData[] = [];

  // mm
  readonly memblock = new Memblock();
  readonly mm = new MmState((pfn) => no_struct_page(this, pfn));
  readonly page_alloc: PageAllocState;
  readonly percpu = new PercpuState();
  readonly vm_event: VmEventState;
  readonly zonelists = new ZonelistState();
  readonly watermark = new WatermarkState();
  readonly khugepaged: KhugepagedState;
  readonly init_on: InitOnState;
  readonly lru = new LruState();
  readonly lru_batches = new SwapBatchState();
  readonly user = new UserState();
  readonly filemap = new FilemapState();
  readonly rmap = new RmapState();
  readonly vmscan = new VmscanState();
  readonly kswapd = new KswapdState();
  readonly compaction = new CompactionState();
  readonly page_debug = new PageDebugState();
  readonly page_owner = new PageOwnerState();
  readonly cma = new CmaState();
  readonly hugetlb = new HugetlbState();
  readonly fail_page_alloc = new FailPageAllocState();
  readonly memcg = new MemcgState();
  readonly oom = new OomState();
  readonly writeback = new WritebackState();
  readonly drop_caches = new DropCachesState();
  readonly overcommit = new OvercommitState();
  readonly cpuset: CpusetState;
  readonly block = new BlockState();
  readonly folio_wait = new FolioWaitState();
  readonly swap = new SwapState();
  readonly swiotlb = new SwiotlbState();
  readonly system_hash = new SystemHashState();

  readonly trace = new TraceState();

  constructor(hw: Hw, config: KernelConfig, recorded: RecordedReservations | null = null) {
    this.hw = hw;
    this.config = config;
    this.cpus = new CpuState(config.NR_CPUS);
    this.recorded = recorded;
    this.cpuset = new CpusetState(this.cpus.cpu_online_mask.length);
    this.page_alloc = new PageAllocState(
      config.CMA,
      config.TRANSPARENT_HUGEPAGE !== false,
      config.INIT_ON_ALLOC_DEFAULT_ON,
    );
    if (config.DEBUG_VM) this.page_alloc.static_keys |= KEY_DEBUG_VM;
    if (config.DEBUG_ATOMIC_SLEEP || config.PROVE_LOCKING) this.page_alloc.static_keys |= KEY_DEBUG_ATOMIC_SLEEP;
    this.vm_event = new VmEventState(config.NR_CPUS);
    this.init_on = new InitOnState(config.INIT_ON_ALLOC_DEFAULT_ON);
    this.khugepaged = new KhugepagedState(config.TRANSPARENT_HUGEPAGE);
  }
}
