// Self tests of the sysctls that the page cache and reclaim obey: vm.drop_caches, vm.swappiness, vm.dirty_*_centisecs.

import { lookup_disk } from '../drivers/block/disk.ts';
import { proc_sys_read, proc_sys_write } from '../fs/proc/proc_sysctl.ts';
import { VM_READ, VM_WRITE } from '../include/mm.ts';
import { NR_FILE_DIRTY, NR_FILE_PAGES, NR_WRITTEN, WORKINGSET_REFAULT_BASE } from '../include/mmzone.ts';
import { HZ } from '../include/sched.ts';
import { EINVAL, PAGE_SIZE } from '../include/types.ts';
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
import { kswapd_init } from '../mm/kswapd.ts';
import { mm_alloc, vm_mmap } from '../mm/mmap.ts';
import { start_reclaim } from '../mm/reclaim.ts';
import { register_shrinker, shrinker } from '../mm/shrinker.ts';
import { folio_put, lru_add_drain_all } from '../mm/swap.ts';
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
        __filemap_remove_folio(k, pfn, workingset_eviction(k, pfn));
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
