// Self tests of the sysctls that the page cache, reclaim and mmap() obey: vm.drop_caches, vm.swappiness,
// vm.dirty_*_centisecs, vm.overcommit_*.

import { lookup_disk } from '../drivers/block/disk.ts';
import { meminfo_proc_show } from '../fs/proc/meminfo.ts';
import { proc_sys_read, proc_sys_write } from '../fs/proc/proc_sysctl.ts';
import { VM_NORESERVE, VM_READ, VM_SHARED, VM_WRITE } from '../include/mm.ts';
import { NR_FILE_DIRTY, NR_FILE_PAGES, NR_WRITTEN, WORKINGSET_REFAULT_BASE } from '../include/mmzone.ts';
import { HZ } from '../include/sched.ts';
import { EINVAL, ENOMEM, PAGE_SIZE } from '../include/types.ts';
import {
  DROP_PAGECACHE,
  DROP_SLAB,
  PGROTATED,
  PGSCAN_ANON,
  PGSTEAL_DIRECT,
  PGSTEAL_KSWAPD,
} from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { __filemap_remove_folio, type file, filemap_get_folio } from '../mm/filemap.ts';
import { filemap_read, filemap_write_and_wait, generic_perform_write, openFile } from '../mm/filemap_io.ts';
import { dup_mm } from '../mm/fork_mm.ts';
import { kswapd_init } from '../mm/kswapd.ts';
import { mm_alloc, mmput, vm_mmap, vm_mmap_file, vm_munmap } from '../mm/mmap.ts';
import { vm_commit_limit } from '../mm/overcommit.ts';
import { start_reclaim } from '../mm/reclaim.ts';
import { register_shrinker, shrinker } from '../mm/shrinker.ts';
import { folio_put, lru_add_drain_all } from '../mm/swap.ts';
import { swapoff } from '../mm/swapoff.ts';
import { user_write } from '../mm/uaccess.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { global_node_page_state } from '../mm/vmstat.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { workingset_eviction } from '../mm/workingset.ts';
import { run } from '../sched/run.ts';
import { schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import type { Suite, Test, TestMachine } from './env.ts';
import { disks_of, in_task, machine_with_area, swap_machine } from './swap_area.ts';

const FILE_PAGES = 64;

const write = (k: Kernel, name: string, value: string): number => proc_sys_write(k, `sys/vm/${name}`, value);
const read = (k: Kernel, name: string): string => proc_sys_read(k, `sys/vm/${name}`)!;
const wait = (k: Kernel, seconds: number): void =>
  void in_task(k, () => schedule_timeout_uninterruptible(k, seconds * HZ));

function machine(test: Test): { k: Kernel; f: file } {
  const k = swap_machine(test, disks_of(1024));
  return { k, f: openFile(k, lookup_disk(k, '/dev/vda')!, 0, FILE_PAGES * PAGE_SIZE) };
}

/** So many pages of the file from `index` on are read, and what readahead brings; all are on LRU lists. */
function read_pages(k: Kernel, f: file, index: number, pages: number): void {
  in_task(k, () => filemap_read(k, f, index * PAGE_SIZE, new Uint8Array(pages * PAGE_SIZE)));
  run(k, { for_ns: 1e9 });
  lru_add_drain_all(k);
}
function dirty_pages(k: Kernel, f: file, index: number, pages: number): void {
  in_task(k, () => generic_perform_write(k, f, index * PAGE_SIZE, new Uint8Array(pages * PAGE_SIZE).fill(7)));
}

function stat(k: Kernel, item: number): number {
  vmstat_update(k);
  return global_node_page_state(k, item);
}

/** What the log has of drop_caches, without who it was. */
const said = (k: Kernel): string[] =>
  k.log.records.flatMap(({ text }) => /^sysctl \(\d+\): (drop_caches: \d)$/.exec(text)?.[1] ?? []);

/** Objects that go when asked. */
class some_objects extends shrinker {
  left = 1000;
  override count_objects(): number {
    return this.left;
  }
  override scan_objects(_k: Kernel, sc: { nr_to_scan: number }): number {
    const freed = Math.min(this.left, sc.nr_to_scan);
    this.left -= freed;
    return freed;
  }
}

interface RangeRow {
  readonly desc: string;
  readonly name: string;
  readonly value: string;
  /** What write() returns, and what the file says then; the default if nothing was taken. */
  readonly wanted: readonly [taken: number, now: string];
}
const range_rows: readonly RangeRow[] = [
  { desc: 'swappiness least', name: 'swappiness', value: '0', wanted: [1, '0\n'] },
  { desc: 'swappiness most', name: 'swappiness', value: '200', wanted: [3, '200\n'] },
  { desc: 'swappiness more', name: 'swappiness', value: '201', wanted: [-EINVAL, '60\n'] },
  { desc: 'swappiness negative', name: 'swappiness', value: '-1', wanted: [-EINVAL, '60\n'] },
  { desc: 'expire negative', name: 'dirty_expire_centisecs', value: '-1', wanted: [-EINVAL, '3000\n'] },
  { desc: 'expire at once', name: 'dirty_expire_centisecs', value: '0', wanted: [1, '0\n'] },
  { desc: 'writeback of any kind', name: 'dirty_writeback_centisecs', value: '-1', wanted: [2, '-1\n'] },
  { desc: 'writeback no number', name: 'dirty_writeback_centisecs', value: 'x', wanted: [-EINVAL, '500\n'] },
  { desc: 'drop nothing', name: 'drop_caches', value: '0', wanted: [-EINVAL, ''] },
  { desc: 'drop too much', name: 'drop_caches', value: '5', wanted: [-EINVAL, ''] },
  { desc: 'proactiveness', name: 'compaction_proactiveness', value: '101', wanted: [-EINVAL, '20\n'] },
  { desc: 'extfrag', name: 'extfrag_threshold', value: '1001', wanted: [-EINVAL, '500\n'] },
  { desc: 'unevictable', name: 'compact_unevictable_allowed', value: '2', wanted: [-EINVAL, '1\n'] },
  { desc: 'overcommit', name: 'overcommit_memory', value: '3', wanted: [-EINVAL, '0\n'] },
  { desc: 'ratio', name: 'overcommit_ratio', value: '80', wanted: [2, '80\n'] },
  { desc: 'compact anything', name: 'compact_memory', value: 'yes', wanted: [3, ''] },
];

export const pressure_sysctl_suite: Suite = {
  name: 'pressure_sysctl',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, RangeRow>('range', range_rows, (test, { name, value, wanted }) => {
      const { k } = machine(test);
      KUNIT_EXPECT_EQ(test, 'taken, and what it says', [write(k, name, value), read(k, name)], wanted);
      KUNIT_EXPECT_EQ(test, 'log', said(k), []);
    }),
    KUNIT_CASE('drop_pagecache', (test) => {
      const { k, f } = machine(test);
      read_pages(k, f, 0, 16);
      dirty_pages(k, f, 40, 3);
      lru_add_drain_all(k);
      const clean = stat(k, NR_FILE_PAGES) - 3;
      KUNIT_EXPECT_TRUE(test, 'there is something', clean >= 16);
      KUNIT_EXPECT_EQ(test, 'taken', write(k, 'drop_caches', '1\n'), 2);
      KUNIT_EXPECT_EQ(test, 'dirty ones stay', [stat(k, NR_FILE_PAGES), stat(k, NR_FILE_DIRTY)], [3, 3]);
      KUNIT_EXPECT_EQ(test, 'log', said(k), ['drop_caches: 1']);
      const events = all_vm_events(k);
      KUNIT_EXPECT_EQ(test, 'counted', [events[DROP_PAGECACHE], events[DROP_SLAB]], [1, 0]);
      in_task(k, () => filemap_write_and_wait(k, f.f_inode.i_mapping));
      lru_add_drain_all(k);
      write(k, 'drop_caches', '1');
      KUNIT_EXPECT_EQ(test, 'written, they go', stat(k, NR_FILE_PAGES), 0);
    }),
    KUNIT_CASE('in_use', (test) => {
      const { k, f } = machine(test);
      read_pages(k, f, 0, 1);
      const held = filemap_get_folio(k, f.f_inode.i_mapping, 0);
      write(k, 'drop_caches', '1');
      KUNIT_EXPECT_EQ(test, 'stays', stat(k, NR_FILE_PAGES), 1);
      lru_add_drain_all(k);
      KUNIT_EXPECT_EQ(test, 'is the next to be reclaimed', all_vm_events(k)[PGROTATED], 1);
      folio_put(k, held);
    }),
    KUNIT_CASE('shadows_go', (test) => {
      const { k, f } = machine(test);
      const mapping = f.f_inode.i_mapping;
      const reclaim_first = (): void => {
        const pfn = filemap_get_folio(k, mapping, 0);
        __filemap_remove_folio(k, pfn, workingset_eviction(k, pfn, null));
        folio_put(k, pfn);
        folio_put(k, pfn);
      };
      read_pages(k, f, 0, 1);
      reclaim_first();
      read_pages(k, f, 0, 1);
      KUNIT_EXPECT_EQ(test, 'a refault', stat(k, WORKINGSET_REFAULT_BASE + 1), 1);
      reclaim_first();
      write(k, 'drop_caches', '1');
      KUNIT_EXPECT_TRUE(test, 'nothing is known of the file', mapping.i_pages.empty);
      read_pages(k, f, 0, 1);
      KUNIT_EXPECT_EQ(test, 'no other', stat(k, WORKINGSET_REFAULT_BASE + 1), 1);
    }),
    KUNIT_CASE('drop_slab', (test) => {
      const { k, f } = machine(test);
      const objects = new some_objects();
      register_shrinker(k, objects);
      read_pages(k, f, 0, 4);
      const pages = stat(k, NR_FILE_PAGES);
      write(k, 'drop_caches', '2');
      KUNIT_EXPECT_EQ(test, 'objects', objects.left, 0);
      KUNIT_EXPECT_EQ(test, 'pages', stat(k, NR_FILE_PAGES), pages);
      const events = all_vm_events(k);
      KUNIT_EXPECT_EQ(test, 'counted', [events[DROP_PAGECACHE], events[DROP_SLAB]], [0, 1]);
      write(k, 'drop_caches', '4');
      write(k, 'drop_caches', '3');
      KUNIT_EXPECT_EQ(test, 'quiet after it said so', said(k), ['drop_caches: 2', 'drop_caches: 4']);
      KUNIT_EXPECT_EQ(test, 'but done', stat(k, NR_FILE_PAGES), 0);
    }),
    KUNIT_CASE('writeback_intervals', (test) => {
      const { k, f } = machine(test);
      write(k, 'dirty_writeback_centisecs', '100');
      write(k, 'dirty_expire_centisecs', '200');
      dirty_pages(k, f, 0, 1);
      wait(k, 1);
      KUNIT_EXPECT_EQ(test, 'young', stat(k, NR_WRITTEN), 0);
      wait(k, 3);
      KUNIT_EXPECT_EQ(test, 'old', [stat(k, NR_WRITTEN), stat(k, NR_FILE_DIRTY)], [1, 0]);
      write(k, 'dirty_writeback_centisecs', '0');
      dirty_pages(k, f, 0, 1);
      wait(k, 100);
      KUNIT_EXPECT_EQ(test, 'nobody looks', [stat(k, NR_WRITTEN), stat(k, NR_FILE_DIRTY)], [1, 1]);
      write(k, 'dirty_writeback_centisecs', '3000');
      wait(k, 1);
      KUNIT_EXPECT_EQ(test, 'at once on a change', [stat(k, NR_WRITTEN), stat(k, NR_FILE_DIRTY)], [2, 0]);
    }),
    KUNIT_CASE('committed', (test) => {
      const { k, f } = machine(test);
      const committed = (): number => Number(/^Committed_AS: +(\d+) kB$/m.exec(meminfo_proc_show(k))![1]) / 4;
      const RW = VM_READ | VM_WRITE;
      in_task(k, function* () {
        const mm = (yield* mm_alloc(k))!;
        const at = yield* vm_mmap(k, mm, 0, 100 * PAGE_SIZE, RW);
        KUNIT_EXPECT_EQ(test, 'untouched memory', committed(), 100);
        yield* vm_mmap(k, mm, 0, 100 * PAGE_SIZE, VM_READ);
        yield* vm_mmap(k, mm, 0, 100 * PAGE_SIZE, RW | VM_NORESERVE);
        yield* vm_mmap_file(k, mm, f, 0, 10 * PAGE_SIZE, RW | VM_SHARED);
        KUNIT_EXPECT_EQ(test, 'what nobody is promised', committed(), 100);
        yield* vm_mmap_file(k, mm, f, 0, 10 * PAGE_SIZE, RW);
        KUNIT_EXPECT_EQ(test, 'a private file', committed(), 110);
        yield* vm_munmap(k, mm, at + 10 * PAGE_SIZE, 20 * PAGE_SIZE);
        KUNIT_EXPECT_EQ(test, 'a hole', committed(), 90);
        const child = (yield* dup_mm(k, mm))!;
        KUNIT_EXPECT_EQ(test, 'forked', committed(), 180);
        yield* mmput(k, mm);
        KUNIT_EXPECT_EQ(test, 'one of them has gone', committed(), 90);
        yield* mmput(k, child);
      });
      KUNIT_EXPECT_EQ(test, 'none is left', committed(), 0);
    }),
    KUNIT_CASE('overcommit', (test) => {
      const { k } = machine(test);
      const all = k.mm.totalram_pages;
      const RW = VM_READ | VM_WRITE;
      const refused = (pages: number): boolean =>
        in_task(k, function* () {
          const mm = (yield* mm_alloc(k))!;
          const at = yield* vm_mmap(k, mm, 0, pages * PAGE_SIZE, RW);
          const twice = at < 0 ? at : yield* vm_mmap(k, mm, 0, pages * PAGE_SIZE, RW);
          yield* mmput(k, mm);
          return twice === -ENOMEM;
        });
      KUNIT_EXPECT_EQ(test, 'a guess: each alone', [refused(all), refused(all + 1)], [false, true]);
      const [warning] = k.log.records.map(({ text }) => text).filter((text) => text.includes('__vm_enough_memory'));
      KUNIT_EXPECT_TRUE(
        test,
        `log: ${warning}`,
        /^__vm_enough_memory: pid: \d+, comm: task, no enough memory for the allocation$/.test(warning!),
      );
      write(k, 'overcommit_memory', '1');
      KUNIT_EXPECT_TRUE(test, 'always', !refused(2 * all));
      write(k, 'overcommit_memory', '2');
      const limit = vm_commit_limit(k);
      KUNIT_EXPECT_EQ(test, 'half of memory', limit, Math.floor(all / 2));
      KUNIT_EXPECT_EQ(test, 'never', [refused(limit >> 2), refused(limit >> 1)], [false, true]);
      write(k, 'overcommit_kbytes', String(8 * all));
      KUNIT_EXPECT_EQ(
        test,
        'in place of the ratio',
        [read(k, 'overcommit_ratio'), vm_commit_limit(k)],
        ['0\n', 2 * all],
      );
      KUNIT_EXPECT_TRUE(test, 'with more', !refused(limit >> 1));
    }),
    KUNIT_CASE('swapoff_of_what_is_promised', (test) => {
      const k = machine_with_area(test, 8192);
      write(k, 'overcommit_memory', '2');
      const limit = vm_commit_limit(k);
      in_task(k, function* () {
        const mm = (yield* mm_alloc(k))!;
        yield* vm_mmap(k, mm, 0, (limit - 1000) * PAGE_SIZE, VM_READ | VM_WRITE);
        KUNIT_EXPECT_EQ(test, 'swapoff', yield* swapoff(k, '/dev/vda'), -ENOMEM);
        yield* mmput(k, mm);
        KUNIT_EXPECT_EQ(test, 'when it is not', yield* swapoff(k, '/dev/vda'), 0);
      });
      KUNIT_EXPECT_EQ(test, 'promised', k.overcommit.committed, 0);
    }),
    KUNIT_CASE('swappiness', (test) => {
      const scanned = (swappiness: string): [anon: number, reclaimed: number] => {
        const k = machine_with_area(test, 8192);
        kswapd_init(k);
        start_reclaim(k);
        write(k, 'swappiness', swappiness);
        const f = openFile(k, lookup_disk(k, '/dev/vda')!, 0, 8192 * PAGE_SIZE);
        in_task(k, function* () {
          const mm = (yield* mm_alloc(k))!;
          const at = yield* vm_mmap(k, mm, 0, 4000 * PAGE_SIZE, VM_READ | VM_WRITE);
          const word = Uint8Array.of(1);
          for (let n = 0; n < 4000; n++) yield* user_write(k, mm, at + n * PAGE_SIZE, word);
          const page = new Uint8Array(PAGE_SIZE);
          // Twice, as what has been read twice is not the first to go.
          for (let n = 0; n < 16_000; n++) yield* filemap_read(k, f, (n % 8000) * 2 * PAGE_SIZE, page);
        });
        const events = all_vm_events(k);
        return [events[PGSCAN_ANON]!, events[PGSTEAL_KSWAPD]! + events[PGSTEAL_DIRECT]!];
      };
      const [none, without] = scanned('0');
      KUNIT_EXPECT_TRUE(test, 'there was reclaim', without > 1000);
      KUNIT_EXPECT_EQ(test, 'anonymous pages that were looked at', none, 0);
      const [some] = scanned('200');
      KUNIT_EXPECT_TRUE(test, 'now they are', some > 0);
    }),
  ],
};
