// Self tests of memory cgroups under pressure: who pays for pages of users and files, what is reclaimed at limits, what is
// protected, swap, groups that are removed while they have pages.

import { cgroup_mkdir, cgroup_read } from '../cgroup/memory_files.ts';
import { lookup_disk } from '../drivers/block/disk.ts';
import { GFP_HIGHUSER_MOVABLE } from '../include/gfp_types.ts';
import { MIGRATE_SYNC, MR_COMPACTION } from '../include/migrate_mode.ts';
import { VM_READ, VM_SHARED } from '../include/mm.ts';
import { PG_MEMCG_DATA } from '../include/mm_types.ts';
import {
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  NR_ANON_MAPPED,
  NR_FILE_DIRTY,
  NR_FILE_PAGES,
  WORKINGSET_ACTIVATE_BASE,
  WORKINGSET_REFAULT_BASE,
} from '../include/mmzone.ts';
import { SIGKILL } from '../include/sched.ts';
import { EAGAIN, EBUSY, EINVAL, NUMA_NO_NODE, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import { PGFAULT, PGSCAN_DIRECT, PGSTEAL_DIRECT } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { type file, filemap_get_folio } from '../mm/filemap.ts';
import { filemap_read, generic_perform_write, openFile } from '../mm/filemap_io.ts';
import { fork_process } from '../mm/fork_mm.ts';
import { folio_isolate_lru } from '../mm/isolate_lru.ts';
import { IsolatedPages } from '../mm/isolated_pages.ts';
import { lruvec_page_state } from '../mm/lruvec.ts';
import { page_memcg_check } from '../mm/memcg_kmem.ts';
import { mem_cgroup, mem_cgroup_attach, mem_cgroup_remove } from '../mm/memcontrol.ts';
import { AllocatedTarget, count_isolated, migrate_pages } from '../mm/migrate.ts';
import { vm_mmap_file } from '../mm/mmap.ts';
import { page_index, section_map } from '../mm/page.ts';
import { memcg_dirty_limits } from '../mm/page_writeback.ts';
import { page_cache_sync_readahead } from '../mm/readahead.ts';
import { folio_referenced } from '../mm/rmap.ts';
import { folio_put, lru_add_drain_all } from '../mm/swap.ts';
import { disable_swap_slots_cache_lock, reenable_swap_slots_cache_unlock } from '../mm/swap_slots.ts';
import { swapoff } from '../mm/swapoff.ts';
import { user_access, user_read } from '../mm/uaccess.ts';
import { workingset_eviction, workingset_refault } from '../mm/workingset.ts';
import { jiffies } from '../sched/clock.ts';
import { run } from '../sched/run.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { schedule_timeout_interruptible } from '../sched/timeout.ts';
import type { Suite, TestMachine } from './env.ts';
import { group, memcg_machine, put, usage, Worker } from './memcg_worker.ts';
import { in_task, SECTORS_PER_PAGE } from './swap_area.ts';

const stat = ({ lruvecs }: mem_cgroup, item: number): number =>
  lruvecs.reduce((sum, lruvec) => sum + lruvec_page_state(lruvec, item), 0);
const anon = (memcg: mem_cgroup): number => stat(memcg, NR_ANON_MAPPED);
/** Pages that are not page tables. */
const users = (k: Kernel, memcg: mem_cgroup): number => usage(k, memcg) - memcg.kmem_pages;
/** What is charged of swap, without what CPUs are still to give back. */
function swapped(k: Kernel, memcg: mem_cgroup): number {
  disable_swap_slots_cache_lock(k);
  reenable_swap_slots_cache_unlock(k);
  return memcg.swap.usage;
}

const whose = (k: Kernel, pfn: pfn_t): string | undefined => page_memcg_check(k, pfn)?.name;

const open = (k: Kernel, pages: number, at = 0): file =>
  openFile(k, lookup_disk(k, '/dev/vda')!, at * SECTORS_PER_PAGE, pages * PAGE_SIZE);

/** Reads all of a file. @returns how many bytes it had, or -errno */
function* read_all(k: Kernel, f: file): Sleeping<number> {
  let size = 0;
  const into = new Uint8Array(PAGE_SIZE);
  for (let pos = 0; pos < f.f_inode.i_size; pos += PAGE_SIZE) {
    const got = yield* filemap_read(k, f, pos, into);
    if (got < 0) return got;
    size += got;
  }
  return size;
}

interface ProtectRow {
  readonly desc: string;
  /** Pages that the first of two groups is to keep. */
  readonly file: 'memory.min' | 'memory.low';
  readonly pages: number;
  /** How many are to be reclaimed from both. */
  readonly reclaim: number;
  /** At least so many of its 200 pages are still in memory. */
  readonly keeps: number;
  /** At most so many. */
  readonly most: number;
  readonly low_events: boolean;
}

const protect_rows: readonly ProtectRow[] = [
  { desc: 'nothing', file: 'memory.min', pages: 0, reclaim: 150, keeps: 60, most: 190, low_events: false },
  { desc: 'min', file: 'memory.min', pages: 300, reclaim: 150, keeps: 200, most: 200, low_events: false },
  { desc: 'low', file: 'memory.low', pages: 300, reclaim: 150, keeps: 200, most: 200, low_events: false },
  // The other group has no more than 200.
  {
    desc: 'low, when there is no one else',
    file: 'memory.low',
    pages: 300,
    reclaim: 300,
    keeps: 0,
    most: 150,
    low_events: true,
  },
];

export const memcg_user_suite: Suite = {
  name: 'memcg_user',
  test_cases: [
    KUNIT_CASE('anonymous_pages', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a');
      const b = group(k, 'a/b');
      const worker = new Worker(k, 'worker', b);
      KUNIT_EXPECT_TRUE(test, 'written', worker.write(0, 100));
      KUNIT_EXPECT_EQ(test, 'pages', [users(k, b), anon(b), anon(a)], [100, 100, 100]);
      KUNIT_EXPECT_EQ(test, 'on its lists', b.lruvecs[0]!.stats[LRU_INACTIVE_ANON]!, 100);
      const pfn = worker.pfn(7);
      KUNIT_EXPECT_EQ(test, 'whose', whose(k, pfn), 'b');
      const data = section_map(k.mm, pfn)[page_index(pfn) + PG_MEMCG_DATA]!;
      KUNIT_EXPECT_EQ(test, 'a pointer, and no flags', [data !== 0, data & 3], [true, 0]);
      KUNIT_EXPECT_TRUE(test, 'faults', b.vm_events[PGFAULT]! >= 100);
      worker.end();
      KUNIT_EXPECT_EQ(test, 'when it has ended', [usage(k, a), usage(k, b), anon(b), b.refcnt], [0, 0, 0, 0]);
    }),
    KUNIT_CASE('no_group_no_charge', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a');
      const worker = new Worker(k, 'worker', k.memcg.root_mem_cgroup);
      worker.write(0, 10);
      KUNIT_EXPECT_EQ(test, 'charged', [usage(k, a), whose(k, worker.pfn(0))], [0, undefined]);
    }),
    // What is shared stays whose it was; a copy is whose it is.
    KUNIT_CASE('copied_on_write', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a');
      const b = group(k, 'b');
      const worker = new Worker(k, 'worker', a);
      worker.write(0, 8);
      let copy = -1;
      worker.do(() =>
        fork_process(k, 'child', function* () {
          mem_cgroup_attach(k, b, k.current);
          for (let page = 0; page < 2; page++) {
            const pa = yield* user_access(k, k.current.mm!, worker.address(page), true);
            copy = Math.floor(pa / PAGE_SIZE);
          }
          for (;;) yield* schedule_timeout_interruptible(k, 1000);
        }),
      );
      run(k, { for_ns: 1e9 });
      KUNIT_EXPECT_EQ(test, 'the copy', whose(k, copy), 'b');
      KUNIT_EXPECT_EQ(test, 'the others', whose(k, worker.pfn(5)), 'a');
      KUNIT_EXPECT_EQ(test, 'pages', [users(k, a), anon(b)], [8, 2]);
    }),
    KUNIT_CASE('page_cache', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a');
      const b = group(k, 'b');
      const first = new Worker(k, 'first', a);
      const second = new Worker(k, 'second', b);
      const f = open(k, 60);
      KUNIT_EXPECT_EQ(
        test,
        'read',
        first.do(() => read_all(k, f)),
        60 * PAGE_SIZE,
      );
      second.do(() => read_all(k, f));
      KUNIT_EXPECT_EQ(test, 'who was first pays', [users(k, a), users(k, b)], [60, 0]);
      KUNIT_EXPECT_EQ(test, 'file', [stat(a, NR_FILE_PAGES), stat(b, NR_FILE_PAGES)], [60, 0]);
      first.end();
      KUNIT_EXPECT_EQ(test, 'it stays when he ends', usage(k, a), 60);
      KUNIT_EXPECT_EQ(test, 'reclaimed', put(k, a, 'memory.reclaim', '1M'), -EAGAIN);
      KUNIT_EXPECT_EQ(test, 'nothing is left', [usage(k, a), stat(a, NR_FILE_PAGES)], [0, 0]);
    }),
    // When a group is reclaimed, it does not help a page that somebody else uses it.
    KUNIT_CASE('touched_by_another_group', (test) => {
      const k = memcg_machine(test, 0);
      const [a, b] = [group(k, 'a'), group(k, 'b')];
      const f = open(k, 1);
      const user = new Worker(k, 'user', b);
      const { mm } = user.task;
      user.do(function* () {
        const at = yield* vm_mmap_file(k, mm!, f, 0, PAGE_SIZE, VM_READ | VM_SHARED);
        yield* user_read(k, mm!, at, new Uint8Array(1));
      });
      const pfn = filemap_get_folio(k, f.f_inode.i_mapping, 0);
      const touched = [a, b, b, null].map((memcg) => folio_referenced(k, pfn, true, memcg));
      KUNIT_EXPECT_EQ(test, "touched: a's, b's, not since", touched, [0, 1, 0, 0]);
      folio_put(k, pfn);
    }),
    KUNIT_CASE('limit_on_page_cache', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a', { 'memory.max': 100 });
      const worker = new Worker(k, 'worker', a);
      const f = open(k, 1000);
      for (let round = 0; round < 2; round++) {
        KUNIT_EXPECT_EQ(
          test,
          'read',
          worker.do(() => read_all(k, f)),
          1000 * PAGE_SIZE,
        );
      }
      KUNIT_EXPECT_TRUE(test, 'limit', a.memory.watermark <= 100 && a.events.max > 0);
      KUNIT_EXPECT_EQ(test, 'killed', [a.events.oom, worker.alive], [0, true]);
      KUNIT_EXPECT_TRUE(test, 'refaults', stat(a, WORKINGSET_REFAULT_BASE + 1) >= 900);
    }),
    KUNIT_CASE('limit_with_swap', (test) => {
      const k = memcg_machine(test, 2000);
      const limited = group(k, 'limited', { 'memory.max': 100 });
      const free = group(k, 'free');
      const other = new Worker(k, 'other', free);
      const worker = new Worker(k, 'worker', limited);
      other.write(0, 400);
      KUNIT_EXPECT_TRUE(test, 'written', worker.write(0, 400));
      KUNIT_EXPECT_EQ(test, 'contents', worker.read(0, 400), 400);
      KUNIT_EXPECT_TRUE(test, 'limit', limited.memory.watermark <= 100);
      KUNIT_EXPECT_TRUE(test, 'in swap', limited.swap.usage >= 300 && limited.swap.usage <= 400);
      KUNIT_EXPECT_EQ(test, 'killed', limited.events.oom, 0);
      KUNIT_EXPECT_TRUE(test, 'scanned', limited.vm_events[PGSCAN_DIRECT]! >= 300);
      KUNIT_EXPECT_EQ(
        test,
        'the other one',
        [free.vm_events[PGSCAN_DIRECT]!, free.swap.usage, anon(free)],
        [0, 0, 400],
      );
      worker.end();
      KUNIT_EXPECT_EQ(test, 'its swap comes back', [swapped(k, limited), usage(k, limited)], [0, 0]);
    }),
    // A page that may not be charged does not end the window: the next one is tried as well.
    KUNIT_CASE('readahead_at_the_limit', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a', { 'memory.max': 40 });
      const worker = new Worker(k, 'worker', a);
      while (users(k, a) + a.kmem_pages < 40) worker.write(0, users(k, a) + 1);
      const f = open(k, 64);
      const refused = (pages: number): number => {
        const before = a.events.max;
        worker.do(() => page_cache_sync_readahead(k, f, 0, pages));
        return a.events.max - before;
      };
      KUNIT_EXPECT_EQ(test, 'refused', [refused(1), refused(4)], [8, 16]);
      KUNIT_EXPECT_EQ(test, 'pages', [f.f_inode.i_mapping.nrpages, a.events.oom_kill], [0, 0]);
    }),
    KUNIT_CASE('limit_of_the_parent', (test) => {
      const k = memcg_machine(test, 2000);
      const a = group(k, 'a', { 'memory.max': 400 });
      const [b, c] = [group(k, 'a/b'), group(k, 'a/c')];
      const workers = [new Worker(k, 'b', b), new Worker(k, 'c', c)];
      for (const worker of workers) worker.write(0, 350);
      KUNIT_EXPECT_TRUE(test, 'limit', a.memory.watermark <= 400);
      KUNIT_EXPECT_TRUE(test, 'both', b.vm_events[PGSTEAL_DIRECT]! > 0 && c.vm_events[PGSTEAL_DIRECT]! > 0);
      KUNIT_EXPECT_EQ(
        test,
        'together',
        a.vm_events[PGSTEAL_DIRECT],
        b.vm_events[PGSTEAL_DIRECT]! + c.vm_events[PGSTEAL_DIRECT]!,
      );
      KUNIT_EXPECT_EQ(test, 'events', [a.events_local.max > 0, b.events_local.max, c.events_local.max], [true, 0, 0]);
      KUNIT_EXPECT_EQ(
        test,
        'contents',
        workers.map((worker) => worker.read(0, 350)),
        [350, 350],
      );
    }),
    KUNIT_CASE('limit_without_swap', (test) => {
      const k = memcg_machine(test, 0);
      const limited = group(k, 'limited', { 'memory.max': 100 });
      const free = group(k, 'free');
      const other = new Worker(k, 'other', free);
      const worker = new Worker(k, 'worker', limited);
      other.write(0, 400);
      KUNIT_EXPECT_EQ(test, 'written', worker.write(0, 400), false);
      KUNIT_EXPECT_EQ(test, 'its end', [worker.alive, worker.task.exit_code], [false, SIGKILL]);
      const { oom, oom_kill } = limited.events;
      KUNIT_EXPECT_EQ(test, 'events', [oom > 0, oom_kill, free.events.oom_kill], [true, 1, 0]);
      KUNIT_EXPECT_EQ(test, 'the other one', [other.alive, other.read(0, 400)], [true, 400]);
      KUNIT_EXPECT_EQ(test, 'usage', usage(k, limited), 0);
    }),
    // Of the group, whoever uses most, though it is another one who asks for more.
    KUNIT_CASE('victim', (test) => {
      const k = memcg_machine(test, 0);
      const limited = group(k, 'limited', { 'memory.max': 200 });
      const [large, small] = [new Worker(k, 'large', limited), new Worker(k, 'small', limited)];
      const outside = new Worker(k, 'outside', k.memcg.root_mem_cgroup);
      outside.write(0, 500);
      large.write(0, 120);
      KUNIT_EXPECT_TRUE(test, 'written', small.write(0, 100));
      KUNIT_EXPECT_EQ(test, 'alive', [large.alive, small.alive, outside.alive], [false, true, true]);
    }),
    KUNIT_CASE_PARAM<TestMachine, ProtectRow>('protection', protect_rows, (test, row) => {
      const k = memcg_machine(test, 2000);
      const top = group(k, 'top');
      const kept = group(k, 'top/kept', { [row.file]: row.pages });
      put(k, top, row.file, `${row.pages * PAGE_SIZE}`);
      const workers = [new Worker(k, 'kept', kept), new Worker(k, 'other', group(k, 'top/other'))];
      for (const [n, worker] of workers.entries()) worker.do(() => read_all(k, open(k, 200, n * 200)));
      lru_add_drain_all(k);
      KUNIT_EXPECT_EQ(test, 'reclaimed', put(k, top, 'memory.reclaim', `${row.reclaim * PAGE_SIZE}`), 0);
      const left = stat(kept, NR_FILE_PAGES);
      KUNIT_EXPECT_TRUE(test, `of 200 pages ${left} are left`, left >= row.keeps && left <= row.most);
      KUNIT_EXPECT_EQ(test, 'low events', kept.events.low > 0, row.low_events);
    }),
    KUNIT_CASE('high_with_swap', (test) => {
      const k = memcg_machine(test, 2000);
      const a = group(k, 'a', { 'memory.high': 200 });
      const worker = new Worker(k, 'worker', a);
      const start = jiffies(k);
      KUNIT_EXPECT_TRUE(test, 'written', worker.write(0, 800));
      KUNIT_EXPECT_TRUE(test, 'at most two batches beyond', a.memory.watermark <= 200 + 2 * 64);
      KUNIT_EXPECT_EQ(test, 'events', [a.events.high > 0, a.events.max, a.events.oom], [true, 0, 0]);
      KUNIT_EXPECT_TRUE(test, 'hardly slowed down', jiffies(k) - start < 250);
    }),
    KUNIT_CASE('high_set_by_two', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a');
      new Worker(k, 'worker', a).write(0, 300);
      let rounds = 0;
      // While the first write is reclaimed for, in vain, another one takes its limit back.
      const in_vain = (): number => {
        rounds++;
        a.memory.high = 1000;
        return 0;
      };
      k.page_alloc.reclaim = { ...k.page_alloc.reclaim!, try_to_free_mem_cgroup_pages: in_vain };
      put(k, a, 'memory.high', `${200 * PAGE_SIZE}`);
      KUNIT_EXPECT_EQ(test, 'rounds', rounds, 1);
    }),
    KUNIT_CASE('high_without_swap', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a', { 'memory.high': 200 });
      const worker = new Worker(k, 'worker', a);
      const start = jiffies(k);
      KUNIT_EXPECT_TRUE(test, 'written', worker.write(0, 800));
      KUNIT_EXPECT_EQ(test, 'nobody is killed', [worker.alive, a.events.oom], [true, 0]);
      // Ten batches, each two seconds at most.
      const waited = jiffies(k) - start;
      KUNIT_EXPECT_TRUE(test, `waited ${waited} ticks`, waited > 5 * 250 && waited <= 10 * 2 * 250 + 250);
    }),
    KUNIT_CASE('swap_limit', (test) => {
      const k = memcg_machine(test, 2000);
      const a = group(k, 'a', { 'memory.max': 100, 'memory.swap.max': 50 });
      const worker = new Worker(k, 'worker', a);
      KUNIT_EXPECT_EQ(test, 'written', worker.write(0, 400), false);
      KUNIT_EXPECT_EQ(test, 'swap', [a.swap.watermark, a.events.swap_max > 0, a.events.oom_kill], [50, true, 1]);
    }),
    // A page that comes back is charged to whom it was, wherever its task is by then.
    KUNIT_CASE('back_from_swap', (test) => {
      const k = memcg_machine(test, 2000);
      const [a, b] = [group(k, 'a'), group(k, 'b')];
      const worker = new Worker(k, 'worker', a);
      worker.write(0, 64);
      lru_add_drain_all(k);
      put(k, a, 'memory.reclaim', `${64 * PAGE_SIZE}`);
      run(k, { for_ns: 1e9 });
      put(k, a, 'memory.reclaim', `${64 * PAGE_SIZE}`);
      KUNIT_EXPECT_EQ(test, 'out', [anon(a), a.swap.usage], [0, 64]);
      mem_cgroup_attach(k, b, worker.task);
      KUNIT_EXPECT_EQ(test, 'contents', worker.read(0, 64), 64);
      KUNIT_EXPECT_EQ(test, 'whose', [users(k, a), users(k, b), whose(k, worker.pfn(0))], [64, 0, 'a']);
      worker.write(64, 65);
      KUNIT_EXPECT_EQ(test, 'a new one', whose(k, worker.pfn(64)), 'b');
    }),
    // Its anonymous pages count as room for a page of a file only where they could be swapped out.
    KUNIT_CASE_PARAM(
      'refault_beside_anonymous_pages',
      [
        { desc: 'with swap', swap: 1000, activated: 1 },
        { desc: 'without', swap: 0, activated: 0 },
      ],
      (test, { swap, activated }) => {
        const k = memcg_machine(test, 2000);
        const a = group(k, 'a', { 'memory.swap.max': swap });
        const worker = new Worker(k, 'worker', a);
        worker.write(0, 64);
        lru_add_drain_all(k);
        const f = open(k, 1);
        worker.do(() => read_all(k, f));
        const pfn = filemap_get_folio(k, f.f_inode.i_mapping, 0);
        const shadow = workingset_eviction(k, pfn, null);
        for (let n = 0; n < 16; n++) workingset_eviction(k, pfn, null);
        workingset_refault(k, pfn, shadow);
        KUNIT_EXPECT_EQ(test, 'refaults', stat(a, WORKINGSET_REFAULT_BASE + 1), 1);
        KUNIT_EXPECT_EQ(test, 'activated', stat(a, WORKINGSET_ACTIVATE_BASE + 1), activated);
        folio_put(k, pfn);
      },
    ),
    KUNIT_CASE('swapoff', (test) => {
      const k = memcg_machine(test, 2000);
      const a = group(k, 'a', { 'memory.max': 100 });
      const worker = new Worker(k, 'worker', a);
      worker.write(0, 150);
      KUNIT_EXPECT_TRUE(test, 'out', a.swap.usage >= 50);
      // Whoever switches it off pays for nothing.
      put(k, a, 'memory.max', 'max');
      KUNIT_EXPECT_EQ(
        test,
        'off',
        in_task(k, () => swapoff(k, '/dev/vdb')),
        0,
      );
      KUNIT_EXPECT_EQ(test, 'pages', [users(k, a), anon(a), a.swap.usage, a.id_refcnt], [150, 150, 0, 1]);
      KUNIT_EXPECT_EQ(test, 'contents', worker.read(0, 150), 150);
    }),
    KUNIT_CASE('removed_with_pages', (test) => {
      const k = memcg_machine(test, 2000);
      const top = group(k, 'top');
      const gone = group(k, 'top/gone', { 'memory.min': 500 });
      const worker = new Worker(k, 'worker', gone);
      worker.write(0, 50);
      KUNIT_EXPECT_EQ(test, 'busy', mem_cgroup_remove(k, gone), -EBUSY);
      mem_cgroup_attach(k, top, worker.task);
      KUNIT_EXPECT_EQ(test, 'removed', mem_cgroup_remove(k, gone), 0);
      KUNIT_EXPECT_EQ(test, 'by its name', cgroup_read(k, '/sys/fs/cgroup/top/gone/memory.current'), null);
      KUNIT_EXPECT_EQ(test, 'another of the name', group(k, 'top/gone') === gone, false);
      KUNIT_EXPECT_EQ(test, 'its pages', [whose(k, worker.pfn(3)), anon(top), top.children.length], ['gone', 50, 2]);
      put(k, top, 'memory.reclaim', `${40 * PAGE_SIZE}`);
      run(k, { for_ns: 1e9 });
      // One that is gone has no id for swap: the one above pays.
      KUNIT_EXPECT_TRUE(test, 'reclaimed like others', top.swap.usage >= 40 && gone.swap.usage === 0);
      KUNIT_EXPECT_EQ(test, 'contents', worker.read(0, 50), 50);
      worker.end();
      run(k, { for_ns: 1e9 });
      KUNIT_EXPECT_EQ(test, 'nothing is left of it', [top.children.length, gone.pages.length], [1, 0]);
      KUNIT_EXPECT_EQ(test, 'of its pages', [usage(k, top), swapped(k, top)], [0, 0]);
    }),
    KUNIT_CASE('migration', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a');
      const worker = new Worker(k, 'worker', a);
      worker.write(0, 10);
      lru_add_drain_all(k);
      const old = worker.pfn(4);
      const list = new IsolatedPages();
      KUNIT_EXPECT_TRUE(test, 'isolated', folio_isolate_lru(k, old));
      count_isolated(k, old, 1);
      list.push(old);
      const target = new AllocatedTarget(GFP_HIGHUSER_MOVABLE, NUMA_NO_NODE, null);
      in_task(k, () => migrate_pages(k, list, new IsolatedPages(), target, MIGRATE_SYNC, MR_COMPACTION));
      const now = worker.pfn(4);
      KUNIT_EXPECT_EQ(test, 'moved', [now !== old, whose(k, now), whose(k, old)], [true, 'a', undefined]);
      KUNIT_EXPECT_EQ(test, 'pages', [users(k, a), anon(a), a.refcnt], [10, 10, 10]);
      KUNIT_EXPECT_EQ(test, 'on its lists', a.lruvecs[0]!.stats[LRU_INACTIVE_ANON]!, 10);
    }),
    // Memory as a whole is short: all groups give, by what they have.
    KUNIT_CASE('global_reclaim', (test) => {
      const k = memcg_machine(test, 12_000);
      const [a, b] = [group(k, 'a'), group(k, 'b')];
      const workers = [new Worker(k, 'a', a), new Worker(k, 'b', b)];
      for (const worker of workers) KUNIT_EXPECT_TRUE(test, 'written', worker.write(0, 9000));
      KUNIT_EXPECT_TRUE(test, 'both', a.swap.usage > 500 && b.swap.usage > 500);
      KUNIT_EXPECT_EQ(test, 'events', [a.events.max, b.events.max, a.events.oom], [0, 0, 0]);
      KUNIT_EXPECT_EQ(
        test,
        'contents',
        workers.map((worker) => worker.read(0, 9000)),
        [9000, 9000],
      );
    }),
    // Whoever makes a cgroup waits until others' pages have gone to swap.
    KUNIT_CASE('made_while_memory_is_short', (test) => {
      const k = memcg_machine(test, 12_000);
      const worker = new Worker(k, 'worker', k.memcg.root_mem_cgroup);
      KUNIT_EXPECT_TRUE(test, 'written', worker.write(0, 14_000));
      const { root_mem_cgroup } = k.memcg;
      const in_swap = (): number => k.swap.total_swap_pages - k.swap.nr_swap_pages;
      const before = in_swap();
      const made = worker.do(function* () {
        let groups = 0;
        while (groups < 2000 && (yield* cgroup_mkdir(k, root_mem_cgroup, `${groups}`)) instanceof mem_cgroup) groups++;
        return groups;
      });
      KUNIT_EXPECT_EQ(test, 'cgroups', [made, root_mem_cgroup.children.length], [2000, 2000]);
      KUNIT_EXPECT_TRUE(test, 'pages that made room', in_swap() - before > 3000);
    }),
    KUNIT_CASE('dirty_pages', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a', { 'memory.max': 100 });
      const worker = new Worker(k, 'worker', a);
      const f = open(k, 2000);
      let most = 0;
      const bytes = new Uint8Array(PAGE_SIZE).fill(7);
      const wrote = worker.do(function* () {
        for (let page = 0; page < 2000; page++) {
          const put = yield* generic_perform_write(k, f, page * PAGE_SIZE, bytes);
          if (put < 0) return put;
          most = Math.max(most, stat(a, NR_FILE_DIRTY));
        }
        return 0;
      });
      KUNIT_EXPECT_EQ(test, 'written', [wrote, a.events.oom], [0, 0]);
      KUNIT_EXPECT_TRUE(test, `at most ${most} of 100 dirty`, most <= 30 && most > 5);
      KUNIT_EXPECT_TRUE(test, 'a fifth', memcg_dirty_limits(k, a).thresh <= 20);
    }),
    KUNIT_CASE('files', (test) => {
      const k = memcg_machine(test, 0);
      const a = group(k, 'a', { 'memory.max': 1000, 'memory.low': 10 });
      const worker = new Worker(k, 'worker', a);
      worker.write(0, 64);
      worker.do(() => read_all(k, open(k, 32)));
      usage(k, a);
      const read = (name: string): string => cgroup_read(k, `/sys/fs/cgroup/a/${name}`) ?? '';
      const line = (name: string): string | undefined =>
        read('memory.stat')
          .split('\n')
          .find((text) => text.startsWith(`${name} `));
      KUNIT_EXPECT_EQ(test, 'memory.current', read('memory.current'), `${a.memory.usage * PAGE_SIZE}\n`);
      KUNIT_EXPECT_EQ(
        test,
        'limits',
        [read('memory.max'), read('memory.high'), read('memory.low')],
        ['4096000\n', 'max\n', '40960\n'],
      );
      KUNIT_EXPECT_EQ(
        test,
        'memory.stat',
        [line('anon'), line('file'), line('inactive_file')],
        [`anon ${64 * PAGE_SIZE}`, `file ${32 * PAGE_SIZE}`, `inactive_file ${stat(a, LRU_INACTIVE_FILE) * PAGE_SIZE}`],
      );
      KUNIT_EXPECT_EQ(test, 'memory.numa_stat', read('memory.numa_stat').split('\n')[0], `anon N0=${64 * PAGE_SIZE}`);
      KUNIT_EXPECT_EQ(test, 'cgroup.procs', read('cgroup.procs'), `${worker.task.pid}\n`);
      KUNIT_EXPECT_EQ(
        test,
        'refused',
        [put(k, a, 'memory.max', 'lots'), put(k, a, 'memory.stat', '1')],
        [-EINVAL, -EINVAL],
      );
      KUNIT_EXPECT_EQ(
        test,
        'of the root',
        [
          cgroup_read(k, '/sys/fs/cgroup/memory.max'),
          cgroup_read(k, '/sys/fs/cgroup/memory.stat')?.startsWith('anon '),
        ],
        [null, true],
      );
    }),
  ],
};
