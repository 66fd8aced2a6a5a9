// What the page allocator keeps outside of the structures in RAM (Linux: globals of mm/page_alloc.c and mm/vmstat.c),
// and the calls it makes to those who can do something about a shortage.

import { __GFP_ZERO, GFP_BOOT_MASK } from '../include/gfp_types.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { mutex } from '../sched/mutex.ts';
import type { MaySleep } from '../sched/sleeping.ts';
import { alloc_context } from './alloc_context.ts';
import type { FastPaths } from './fast_paths.ts';
import type { mem_cgroup } from './memcontrol.ts';
import type { PgData, Zone } from './mmzone.ts';
import { CpuZones } from './zone_cpu.ts';

/** Reclaim, compaction and the OOM killer, as the slow path calls them: all but the first from where it may sleep. */
export interface ReclaimHooks {
  wakeup_kswapd(k: Kernel, zone: Zone, gfp: gfp_t, order: number, highest_zoneidx: number): void;
  /** @returns how many pages were freed */
  try_to_free_pages(k: Kernel, ac: alloc_context, order: number, gfp: gfp_t): MaySleep<number>;
  /** @returns a compact_result */
  try_to_compact_pages(
    k: Kernel,
    gfp: gfp_t,
    order: number,
    alloc_flags: number,
    ac: alloc_context,
    prio: number,
  ): MaySleep<number>;
  /** @returns whether enough was freed of a node, without asking others */
  node_reclaim(k: Kernel, pgdat: PgData, gfp: gfp_t, order: number): MaySleep<boolean>;
  /** The same of a memory cgroup's pages. @returns how many were freed */
  try_to_free_mem_cgroup_pages(k: Kernel, memcg: mem_cgroup, nr_pages: number, gfp: gfp_t): MaySleep<number>;
  mem_cgroup_out_of_memory(k: Kernel, memcg: mem_cgroup, gfp: gfp_t, nr_pages: number): MaySleep<boolean>;
  /** @returns whether someone was killed, or is dying already */
  out_of_memory(k: Kernel, ac: alloc_context, gfp: gfp_t, order: number): MaySleep<boolean>;
}

export class PageAllocState {
  /** What any request may ask for: less while the system boots. */
  gfp_allowed_mask: gfp_t = GFP_BOOT_MASK;
  /** Of the request on the fast path. Nothing on it sleeps, so there is never more than one; who may sleep copies it. */
  readonly ac = new alloc_context();
  /** KEY_*: what is switched on that the written-out paths do not know of. */
  static_keys = 0;
  /** The views that each CPU has of zones, and the tables of the one that runs (CpuZones). */
  readonly cpu_zones: CpuZones[] = [new CpuZones()];
  preferred = this.cpu_zones[0]!.preferred;
  by_id = this.cpu_zones[0]!.by_id;
  sections = this.cpu_zones[0]!.sections;
  /** The written-out paths that have been made so far. */
  readonly fast_paths: FastPaths[] = [];
  /** __GFP_ZERO if every page is to be cleared, asked for or not: init_on_alloc. */
  init_on_alloc: gfp_t;
  /** null: nothing can be reclaimed, compacted or killed. */
  reclaim: ReclaimHooks | null = null;
  /** ALLOC_CMA if there may be CMA pages, else 0. */
  readonly alloc_cma: number;
  readonly cma: boolean;
  /** The order of transparent huge pages, which have per-cpu lists; -1 without them. */
  readonly thp_order: number;
  /** oom_lock: one at a time looks for someone to kill. */
  readonly oom_lock = new mutex();
  /** sysctl vm.zone_reclaim_mode. */
  node_reclaim_mode = 0;
  /** RECLAIM_DISTANCE: nodes further away than this are not reclaimed from. */
  node_reclaim_distance = 30;
  /** pages_check reports so far, for bad_page()'s rate limit. */
  readonly bad_page = { resume: 0, nr_shown: 0, nr_unshown: 0 };
  /** warn_alloc()'s rate limit: start of the current interval in virtual nanoseconds, reports in it, reports withheld. */
  readonly nopage_rs = { begin: -1, printed: 0, missed: 0 };

  constructor(cma: boolean, thp: boolean, init_on_alloc: boolean) {
    this.init_on_alloc = init_on_alloc ? __GFP_ZERO : 0;
    this.cma = cma;
    this.alloc_cma = cma ? 0x80 : 0;
    this.thp_order = thp ? 9 : -1;
  }
}
