// Tasks (Linux: include/linux/sched.h struct task_struct, struct sched_entity). The one that runs is k.current: before the
// scheduler has begun, the boot CPU's idle task.

import type { cpuset } from '../cgroup/cpuset.ts';
import type { blk_plug } from '../drivers/block/blk.ts';
import { PF_KTHREAD, TASK_RUNNING } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { type cpumask_t, NODE_MASK_ALL, type nodemask_t } from '../lib/nodemask.ts';
import type { capture_control } from '../mm/compact_control.ts';
import type { mem_cgroup } from '../mm/memcontrol.ts';
import type { mempolicy } from '../mm/mempolicy_set.ts';
import type { mm_struct } from '../mm/mm_struct.ts';
import type { completion } from './completion.ts';
import type { Sleeping } from './sleeping.ts';
import type { wait_queue_entry } from './wait.ts';

/** With the 0 at its end. */
const TASK_COMM_LEN = 16;

export class task_struct {
  pid: number;
  comm: string;
  /** PF_*. */
  flags: number;
  /** Of a real-time scheduling class. */
  rt = false;
  /** non_block_start(): sections that must not sleep though preemption is enabled. */
  non_block_count = 0;
  /** /proc/PID/make-it-fail, /proc/PID/fail-nth: lib/fault_inject.ts. */
  make_it_fail = false;
  fail_nth = 0;
  /** How often fs_reclaim is held: mm/fs_reclaim.ts. */
  fs_reclaim_depth = 0;
  /** The nodes that its cpuset allows. Every node until cpuset_init_smp(). */
  mems_allowed: nodemask_t = NODE_MASK_ALL();
  /** Counts changes of mems_allowed, by two; odd while one is under way. */
  mems_allowed_seq = 0;
  /** null: the top one. */
  cpuset: cpuset | null = null;
  /** Its address space; null: a kernel thread, or it has given it up. */
  mm: mm_struct | null = null;
  /** null: its pages come from the CPU's own node. */
  mempolicy: mempolicy | null = null;
  /** While it compacts for a request. */
  capture_control: capture_control | null = null;
  /** null: the root. */
  memcg: mem_cgroup | null = null;
  /** set_active_memcg(): charged in its place. */
  active_memcg: mem_cgroup | null = null;
  /** Pages charged above memory.high, to be made good. */
  memcg_nr_pages_over_high = 0;
  /** MPOL_INTERLEAVE: the node that its last page came from. */
  il_prev = 0;
  /** Has been killed, and does not know yet. */
  fatal_signal_pending = false;
  /** Chosen by the OOM killer. */
  oom_victim = false;
  /** What it had when it was chosen, though it may have given that up by now. Linux: signal->oom_mm. */
  oom_mm: mm_struct | null = null;
  /** TIF_MEMDIE: until it has given up its memory. */
  memdie = false;
  /** /proc/PID/oom_score_adj, and the least that has been set by one who may. */
  oom_score_adj = 0;
  oom_score_adj_min = 0;
  /** It does what may take all memory: it is the one to be killed if so. */
  oom_flag_origin = false;
  uid = 0;

  /** TASK_*. */
  __state = TASK_RUNNING;
  /** What it does; null: it runs in no scheduler. */
  body: Sleeping<void> | null = null;
  /** Where it runs, or ran last. */
  cpu = 0;
  /** Where it may run; null: on any CPU. */
  cpus_ptr: cpumask_t | null = null;
  /** Runs, or waits for its turn to. */
  on_rq = false;
  /** Waits for storage. */
  in_iowait = false;
  /** What it has submitted to disks that do not have it yet; null: nothing is held back. */
  plug: blk_plug | null = null;
  /** What it has run, in virtual nanoseconds; on its CPU's scale of who comes next. */
  sum_exec_runtime = 0;
  vruntime = 0;
  /** Among equals, who came first. */
  queued_seq = 0;
  /** How often it gave up its CPU, how often it was taken from it. */
  nvcsw = 0;
  nivcsw = 0;
  /** For khungtaskd: sched/hung_task.ts. */
  last_switch_count = 0;
  last_switch_time = 0;
  /** When it last said that it gets on: sched/watchdog.ts. */
  progress_at = 0;
  /** Its entry on the queue that it waits on. */
  wait: wait_queue_entry | null = null;
  /** kthread_stop() has been called. */
  should_stop = false;
  exit_code = 0;
  /** Run when it exits, by itself: what it holds is given back. */
  readonly exit_work: ((k: Kernel) => Sleeping<void>)[] = [];
  /** Done once it has exited; null: it has none. */
  exited: completion | null = null;
  parent: task_struct | null = null;

  constructor(pid: number, comm: string, flags: number) {
    this.pid = pid;
    this.comm = comm.slice(0, TASK_COMM_LEN - 1);
    this.flags = flags;
  }
}

/** Linux: init_task. */
export const idle_task = (): task_struct => new task_struct(0, 'swapper/0', PF_KTHREAD);
