// Self tests of the page cache: reading and readahead, writing and writeback, mapped files, errors of the disk.

import { disk_inject, lookup_disk } from '../drivers/block/disk.ts';
import { MM_ANONPAGES, MM_FILEPAGES, VM_EXEC, VM_READ, VM_SHARED, VM_WRITE } from '../include/mm.ts';
import { PG_REFCOUNT } from '../include/mm_types.ts';
import {
  MIGRATE_MOVABLE,
  MIGRATE_UNMOVABLE,
  NR_FILE_DIRTY,
  NR_FILE_MAPPED,
  NR_FILE_PAGES,
  NR_WRITEBACK,
  NR_WRITTEN,
  WORKINGSET_REFAULT_BASE,
} from '../include/mmzone.ts';
import { PG_readahead, PG_reclaim, PG_writeback } from '../include/page_flags.ts';
import { HZ } from '../include/sched.ts';
import { EIO, PAGE_SIZE } from '../include/types.ts';
import { PGACTIVATE, PGMAJFAULT, PGPGIN, PGSTEAL_ANON } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { __filemap_remove_folio, type file, filemap_get_folio } from '../mm/filemap.ts';
import {
  filemap_read,
  filemap_write_and_wait,
  generic_perform_write,
  invalidate_mapping_pages,
  openDisk,
  openFile,
  truncate_inode_pages,
} from '../mm/filemap_io.ts';
import { folio_clear, folio_set, folio_test } from '../mm/folio.ts';
import { folio_lock, folio_unlock } from '../mm/folio_lock.ts';
import { kswapd_init } from '../mm/kswapd.ts';
import type { mm_struct } from '../mm/mm_struct.ts';
import { mm_alloc, mmput, vm_mmap_file } from '../mm/mmap.ts';
import { page_index, section_map } from '../mm/page.ts';
import { global_dirty_limits } from '../mm/page_writeback.ts';
import { get_pageblock_migratetype } from '../mm/pageblock.ts';
import { start_reclaim } from '../mm/reclaim.ts';
import { folio_referenced, try_to_unmap } from '../mm/rmap.ts';
import { folio_put, lru_add_drain_all } from '../mm/swap.ts';
import { user_access, user_read, user_write } from '../mm/uaccess.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { global_node_page_state } from '../mm/vmstat.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { workingset_eviction } from '../mm/workingset.ts';
import { schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import { print_event } from '../trace/trace.ts';
import { ftrace_set_clr_event } from '../trace/trace_events.ts';
import type { Suite, Test } from './env.ts';
import { disks_of, in_task, swap_machine } from './swap_area.ts';

const PAGES = 4096;
const RW = VM_READ | VM_WRITE;
const text = (value: string): Uint8Array => Uint8Array.from(value, (c) => c.charCodeAt(0));

function machine(test: Test, pages = 256): { k: Kernel; f: file } {
  const k = swap_machine(test, disks_of(PAGES));
  return { k, f: openFile(k, lookup_disk(k, '/dev/vda')!, 0, pages * PAGE_SIZE) };
}

const put = (k: Kernel, f: file, pos: number, value: string): number =>
  in_task(k, () => generic_perform_write(k, f, pos, text(value)));
const sync = (k: Kernel, f: file): number => in_task(k, () => filemap_write_and_wait(k, f.f_inode.i_mapping));
const drop = (k: Kernel, f: file): number => in_task(k, () => invalidate_mapping_pages(k, f.f_inode.i_mapping));

function get(k: Kernel, f: file, pos: number, size: number): string {
  const into = new Uint8Array(size);
  const got = in_task(k, () => filemap_read(k, f, pos, into));
  return got < 0 ? String(got) : String.fromCharCode(...into.subarray(0, got));
}

function stat(k: Kernel, item: number): number {
  vmstat_update(k);
  return global_node_page_state(k, item);
}

const fail = (k: Kernel, faults: { read?: number; write?: number }): void =>
  disk_inject(k, lookup_disk(k, '/dev/vda')!, faults);

function map(k: Kernel, f: file, flags: number): { mm: mm_struct; at: number } {
  return in_task(k, function* () {
    const mm = (yield* mm_alloc(k))!;
    return { mm, at: yield* vm_mmap_file(k, mm, f, 0, 16 * PAGE_SIZE, flags) };
  });
}

const poke = (k: Kernel, mm: mm_struct, va: number, value: string): number =>
  in_task(k, () => user_write(k, mm, va, text(value)));

function peek(k: Kernel, mm: mm_struct, va: number, size: number): string {
  const into = new Uint8Array(size);
  const err = in_task(k, () => user_read(k, mm, va, into));
  return err < 0 ? String(err) : String.fromCharCode(...into);
}

export const filemap_suite: Suite = {
  name: 'filemap',
  test_cases: [
    KUNIT_CASE('through_the_disk', (test) => {
      const { k, f } = machine(test);
      KUNIT_EXPECT_EQ(test, 'written', put(k, f, 3 * PAGE_SIZE - 4, 'over a border'), 13);
      KUNIT_EXPECT_EQ(test, 'dirty', stat(k, NR_FILE_DIRTY), 2);
      KUNIT_EXPECT_EQ(test, 'not dropped', [drop(k, f) >= 0, stat(k, NR_FILE_DIRTY)], [true, 2]);
      KUNIT_EXPECT_EQ(test, 'fsync', sync(k, f), 0);
      KUNIT_EXPECT_EQ(
        test,
        'dirty, writeback, written',
        [NR_FILE_DIRTY, NR_WRITEBACK, NR_WRITTEN].map((n) => stat(k, n)),
        [0, 0, 2],
      );
      lru_add_drain_all(k);
      drop(k, f);
      KUNIT_EXPECT_EQ(test, 'nothing in memory', [f.f_inode.i_mapping.nrpages, stat(k, NR_FILE_PAGES)], [0, 0]);
      KUNIT_EXPECT_EQ(test, 'read back', get(k, f, 3 * PAGE_SIZE - 4, 13), 'over a border');
      const read = all_vm_events(k)[PGPGIN];
      get(k, f, 3 * PAGE_SIZE - 4, 13);
      KUNIT_EXPECT_EQ(test, 'the second time from memory', all_vm_events(k)[PGPGIN], read);
      KUNIT_EXPECT_EQ(test, 'up to the end', get(k, f, 256 * PAGE_SIZE - 2, 10), '\0\0');
    }),
    // A read that goes on where the last one ended is another access; one within the page that was read last is not.
    KUNIT_CASE('a_second_read_activates', (test) => {
      const { k, f } = machine(test);
      const activated = (): number => {
        lru_add_drain_all(k);
        return all_vm_events(k)[PGACTIVATE]!;
      };
      for (let page = 0; page < 64; page += 16) get(k, f, page * PAGE_SIZE, 16 * PAGE_SIZE);
      KUNIT_EXPECT_EQ(test, 'read once', activated(), 0);
      for (let page = 0; page < 64; page += 16) get(k, f, page * PAGE_SIZE, 16 * PAGE_SIZE);
      KUNIT_EXPECT_EQ(test, 'read twice', activated(), 64);
      for (let part = 0; part < 8; part++) get(k, f, 200 * PAGE_SIZE + part * 512, 512);
      KUNIT_EXPECT_EQ(test, 'a page read bit by bit', activated(), 64);
    }),
    // The window doubles, and the next one is begun where a quarter of it has been read.
    KUNIT_CASE('readahead', (test) => {
      const { k, f } = machine(test);
      const pages = (): number => f.f_inode.i_mapping.nrpages;
      get(k, f, 0, 1);
      KUNIT_EXPECT_EQ(test, 'first', pages(), 4);
      get(k, f, PAGE_SIZE, 1);
      KUNIT_EXPECT_EQ(test, 'marked page', pages(), 12);
      get(k, f, 2 * PAGE_SIZE, 1);
      KUNIT_EXPECT_EQ(test, 'not marked', pages(), 12);
      get(k, f, 4 * PAGE_SIZE, 1);
      KUNIT_EXPECT_EQ(test, 'next window', pages(), 28);
      get(k, f, 200 * PAGE_SIZE, 1);
      KUNIT_EXPECT_EQ(test, 'a read somewhere', pages(), 29);
    }),
    // Where the file ends there is no next window.
    KUNIT_CASE('last_window', (test) => {
      const { k, f } = machine(test, 6);
      get(k, f, 0, 1);
      get(k, f, PAGE_SIZE, 1);
      const marked = (index: number): boolean => folio_test(k, f.f_inode.i_mapping.i_pages.page(index), PG_readahead);
      KUNIT_EXPECT_EQ(test, 'pages', f.f_inode.i_mapping.nrpages, 6);
      KUNIT_EXPECT_EQ(test, 'marked', [0, 1, 2, 3, 4, 5].map(marked), Array<boolean>(6).fill(false));
    }),
    // Of pages that are all there already, the last one begins the next window.
    KUNIT_CASE('marked_among_pages_that_are_there', (test) => {
      const { k, f } = machine(test);
      const { i_pages } = f.f_inode.i_mapping;
      for (let page = 99; page < 140; page++) put(k, f, page * PAGE_SIZE, 'x'.repeat(PAGE_SIZE));
      sync(k, f);
      folio_set(k, i_pages.page(100), PG_readahead);
      get(k, f, 100 * PAGE_SIZE, 1);
      KUNIT_EXPECT_EQ(
        test,
        'read on',
        [163, 164].map((page) => i_pages.page(page) >= 0),
        [true, false],
      );
    }),
    // PG_readahead is PG_reclaim: reclaim waits for the page, which was not read ahead.
    KUNIT_CASE('read_under_writeback', (test) => {
      const { k, f } = machine(test);
      put(k, f, 0, 'x'.repeat(PAGE_SIZE));
      sync(k, f);
      const pfn = f.f_inode.i_mapping.i_pages.page(0);
      for (const flag of [PG_writeback, PG_reclaim]) folio_set(k, pfn, flag);
      get(k, f, 0, 1);
      KUNIT_EXPECT_EQ(test, 'pages', f.f_inode.i_mapping.nrpages, 1);
      KUNIT_EXPECT_TRUE(test, 'is waited for', folio_test(k, pfn, PG_reclaim));
      for (const flag of [PG_writeback, PG_reclaim]) folio_clear(k, pfn, flag);
    }),
    // Reclaim must not wait for pages that are locked, and whose requests are still to be sent.
    KUNIT_CASE('readahead_is_no_reason_to_enter_a_file_system', (test) => {
      const { k, f } = machine(test);
      ftrace_set_clr_event(k, 'kmem:mm_page_alloc', true);
      get(k, f, 0, 1);
      const flags = [...k.trace.buffer!.records()].map((one) => /gfp_flags=(\S+)/.exec(print_event(k, one))?.[1]);
      const wanted = 'GFP_NOFS|__GFP_HIGHMEM|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_HARDWALL|__GFP_MOVABLE';
      KUNIT_EXPECT_EQ(test, 'requests', flags.slice(-4), Array<string>(4).fill(wanted));
    }),
    KUNIT_CASE('flusher', (test) => {
      const { k, f } = machine(test);
      put(k, f, 0, 'old');
      const wait = (seconds: number): void => void in_task(k, () => schedule_timeout_uninterruptible(k, seconds * HZ));
      wait(20);
      KUNIT_EXPECT_EQ(test, 'not yet', stat(k, NR_FILE_DIRTY), 1);
      wait(20);
      KUNIT_EXPECT_EQ(test, 'after half a minute', [stat(k, NR_FILE_DIRTY), stat(k, NR_WRITTEN)], [0, 1]);
    }),
    KUNIT_CASE('too_much_dirty', (test) => {
      const { k, f } = machine(test, PAGES);
      const { thresh } = global_dirty_limits(k);
      KUNIT_EXPECT_TRUE(test, 'fewer than the file has', thresh < PAGES - 512);
      let most = 0;
      in_task(k, function* () {
        const page = new Uint8Array(PAGE_SIZE).fill(7);
        for (let n = 0; n < thresh + 512; n++) {
          yield* generic_perform_write(k, f, n * PAGE_SIZE, page);
          most = Math.max(most, global_node_page_state(k, NR_FILE_DIRTY) + global_node_page_state(k, NR_WRITEBACK));
        }
      });
      // What CPUs keep in their diffs is not seen.
      KUNIT_EXPECT_TRUE(test, `held back: ${most} of ${thresh}`, most <= thresh + 64);
      KUNIT_EXPECT_TRUE(test, 'written', stat(k, NR_WRITTEN) > 0);
      KUNIT_EXPECT_EQ(test, 'contents', get(k, f, (thresh + 100) * PAGE_SIZE, 2), '\x07\x07');
    }),
    KUNIT_CASE('errors', (test) => {
      const { k, f } = machine(test);
      fail(k, { read: 1000000 });
      KUNIT_EXPECT_EQ(test, 'read', get(k, f, 0, 4), String(-EIO));
      fail(k, { read: 0, write: 1000000 });
      put(k, f, 10 * PAGE_SIZE, 'lost');
      KUNIT_EXPECT_EQ(test, 'fsync', sync(k, f), -EIO);
      KUNIT_EXPECT_EQ(test, 'told once', sync(k, f), 0);
    }),
    KUNIT_CASE('truncate', (test) => {
      const { k, f } = machine(test);
      put(k, f, 0, 'gone');
      get(k, f, 20 * PAGE_SIZE, 1);
      in_task(k, () => truncate_inode_pages(k, f.f_inode.i_mapping));
      KUNIT_EXPECT_EQ(test, 'pages, dirty', [stat(k, NR_FILE_PAGES), stat(k, NR_FILE_DIRTY)], [0, 0]);
      KUNIT_EXPECT_EQ(test, 'never written', get(k, f, 0, 4), '\0\0\0\0');
    }),
    KUNIT_CASE('shared_mapping', (test) => {
      const { k, f } = machine(test);
      const { mm, at } = map(k, f, RW | VM_SHARED);
      KUNIT_EXPECT_EQ(test, 'read', peek(k, mm, at, 2), '\0\0');
      KUNIT_EXPECT_EQ(test, 'major faults', all_vm_events(k)[PGMAJFAULT], 1);
      KUNIT_EXPECT_EQ(test, 'clean', stat(k, NR_FILE_DIRTY), 0);
      poke(k, mm, at, 'ab');
      KUNIT_EXPECT_EQ(test, 'dirty', stat(k, NR_FILE_DIRTY), 1);
      KUNIT_EXPECT_EQ(test, 'seen by readers', get(k, f, 0, 2), 'ab');
      KUNIT_EXPECT_EQ(test, 'mapped', [mm.rss_stat[MM_FILEPAGES]!, stat(k, NR_FILE_MAPPED)], [1, 1]);
      sync(k, f);
      poke(k, mm, at, 'c');
      KUNIT_EXPECT_EQ(test, 'dirty again', stat(k, NR_FILE_DIRTY), 1);
      KUNIT_EXPECT_EQ(test, 'contents', peek(k, mm, at, 1), 'c');
      in_task(k, () => mmput(k, mm));
      KUNIT_EXPECT_EQ(test, 'not mapped', stat(k, NR_FILE_MAPPED), 0);
      sync(k, f);
      lru_add_drain_all(k);
      drop(k, f);
      KUNIT_EXPECT_EQ(test, 'in the file', get(k, f, 0, 2), 'cb');
    }),
    KUNIT_CASE('private_mapping', (test) => {
      const { k, f } = machine(test);
      put(k, f, 0, 'file');
      const { mm, at } = map(k, f, RW);
      KUNIT_EXPECT_EQ(test, 'read', peek(k, mm, at, 4), 'file');
      poke(k, mm, at, 'mine');
      poke(k, mm, at + PAGE_SIZE, 'too');
      KUNIT_EXPECT_EQ(test, 'its own', peek(k, mm, at, 4), 'mine');
      KUNIT_EXPECT_EQ(test, 'of the file', get(k, f, 0, 4), 'file');
      KUNIT_EXPECT_EQ(test, 'counters', [mm.rss_stat[MM_FILEPAGES]!, mm.rss_stat[MM_ANONPAGES]!], [0, 2]);
    }),
    KUNIT_CASE('beyond_the_end', (test) => {
      const { k, f } = machine(test, 2);
      const { mm, at } = map(k, f, RW | VM_SHARED);
      KUNIT_EXPECT_EQ(test, 'last page', peek(k, mm, at + PAGE_SIZE, 1), '\0');
      KUNIT_EXPECT_EQ(test, 'SIGBUS', peek(k, mm, at + 2 * PAGE_SIZE, 1), String(-EIO));
    }),
    KUNIT_CASE('reverse_mapping', (test) => {
      const { k, f } = machine(test);
      const [a, b] = [map(k, f, RW | VM_SHARED), map(k, f, VM_READ)];
      poke(k, a.mm, a.at, 'x');
      peek(k, b.mm, b.at, 1);
      lru_add_drain_all(k);
      const pfn = filemap_get_folio(k, f.f_inode.i_mapping, 0);
      KUNIT_EXPECT_EQ(
        test,
        'touched by',
        [folio_referenced(k, pfn, true, null), folio_referenced(k, pfn, true, null)],
        [2, 0],
      );
      in_task(k, () => folio_lock(k, pfn));
      try_to_unmap(k, pfn, 0);
      folio_unlock(k, pfn);
      KUNIT_EXPECT_EQ(test, 'mapped', [stat(k, NR_FILE_MAPPED), a.mm.rss_stat[MM_FILEPAGES]!], [0, 0]);
      KUNIT_EXPECT_EQ(test, 'references', section_map(k.mm, pfn)[page_index(pfn) + PG_REFCOUNT], 2);
      folio_put(k, pfn);
      KUNIT_EXPECT_EQ(test, 'contents', peek(k, b.mm, b.at, 1), 'x');
    }),
    // Nobody waits for the lock of a page that is to grow old.
    KUNIT_CASE('touched_while_locked', (test) => {
      const { k, f } = machine(test);
      const { mm, at } = map(k, f, VM_READ | VM_EXEC);
      peek(k, mm, at, 1);
      const pfn = filemap_get_folio(k, f.f_inode.i_mapping, 0);
      in_task(k, () => folio_lock(k, pfn));
      KUNIT_EXPECT_EQ(test, 'by another', [folio_referenced(k, pfn, false, null), k.rmap.vm_flags], [1, 0]);
      folio_unlock(k, pfn);
      const found = [folio_referenced(k, pfn, false, null), k.rmap.vm_flags & VM_EXEC];
      KUNIT_EXPECT_EQ(test, 'its accessed bit is as it was', found, [1, VM_EXEC]);
      KUNIT_EXPECT_EQ(test, 'not since', folio_referenced(k, pfn, false, null), 0);
      folio_put(k, pfn);
    }),
    // What will be written over does not tell which pages are needed.
    KUNIT_CASE_PARAM(
      'refault',
      [
        { desc: 'read', back: (k: Kernel, f: file) => get(k, f, 0, 1), refaults: 1 },
        { desc: 'written', back: (k: Kernel, f: file) => put(k, f, 0, 'x'.repeat(PAGE_SIZE)), refaults: 0 },
      ],
      (test, { back, refaults }) => {
        const { k, f } = machine(test);
        get(k, f, 0, 1);
        lru_add_drain_all(k);
        const pfn = filemap_get_folio(k, f.f_inode.i_mapping, 0);
        in_task(k, () => folio_lock(k, pfn));
        __filemap_remove_folio(k, pfn, workingset_eviction(k, pfn, null));
        folio_unlock(k, pfn);
        folio_put(k, pfn);
        folio_put(k, pfn);
        back(k, f);
        KUNIT_EXPECT_EQ(test, 'refaults', stat(k, WORKINGSET_REFAULT_BASE + 1), refaults);
      },
    ),
    KUNIT_CASE('larger_than_memory', (test) => {
      const pages = 17_000;
      const k = swap_machine(test, disks_of(pages));
      kswapd_init(k);
      start_reclaim(k);
      const f = openFile(k, lookup_disk(k, '/dev/vda')!, 0, 0);
      KUNIT_EXPECT_TRUE(test, 'larger', pages > k.mm.totalram_pages);
      const wrong = in_task(k, function* () {
        const page = new Uint8Array(PAGE_SIZE);
        const words = new Uint32Array(page.buffer);
        for (let n = 0; n < pages; n++) {
          words[n % 1024] = n;
          yield* generic_perform_write(k, f, n * PAGE_SIZE, page);
          words[n % 1024] = 0;
        }
        let bad = 0;
        for (let n = 0; n < pages; n++) {
          yield* filemap_read(k, f, n * PAGE_SIZE, page);
          if (words[n % 1024] !== n) bad++;
        }
        return bad;
      });
      KUNIT_EXPECT_EQ(test, 'pages with wrong contents', wrong, 0);
      KUNIT_EXPECT_TRUE(test, 'all written', stat(k, NR_WRITTEN) >= pages - stat(k, NR_FILE_DIRTY));
      KUNIT_EXPECT_TRUE(test, 'reclaimed', all_vm_events(k)[PGSTEAL_ANON + 1]! > pages / 2);
      KUNIT_EXPECT_EQ(test, 'fsync', sync(k, f), 0);
      in_task(k, () => truncate_inode_pages(k, f.f_inode.i_mapping));
      KUNIT_EXPECT_EQ(test, 'pages left', stat(k, NR_FILE_PAGES), 0);
    }),
    KUNIT_CASE('a_disk_is_not_movable', (test) => {
      const { k, f } = machine(test);
      const disk = openDisk(k, lookup_disk(k, '/dev/vda')!);
      const block_of = (one: file): number => {
        get(k, one, 0, 1);
        return get_pageblock_migratetype(k, one.f_inode.i_mapping.i_pages.page(0));
      };
      KUNIT_EXPECT_EQ(test, 'size', disk.f_inode.i_size, PAGES * PAGE_SIZE);
      KUNIT_EXPECT_EQ(test, 'a file, a disk', [f, disk].map(block_of), [MIGRATE_MOVABLE, MIGRATE_UNMOVABLE]);
      put(k, disk, PAGE_SIZE, 'through the disk');
      sync(k, disk);
      lru_add_drain_all(k);
      drop(k, f);
      KUNIT_EXPECT_EQ(test, 'the same sectors', get(k, f, PAGE_SIZE, 16), 'through the disk');
    }),
    // A mapped file that does not fit: what is written through the mapping is not lost when pages are taken away.
    KUNIT_CASE('mapped_and_larger_than_memory', (test) => {
      const pages = 17_000;
      const k = swap_machine(test, disks_of(pages));
      kswapd_init(k);
      start_reclaim(k);
      const f = openFile(k, lookup_disk(k, '/dev/vda')!, 0, pages * PAGE_SIZE);
      const wrong = in_task(k, function* () {
        const mm = (yield* mm_alloc(k))!;
        const at = yield* vm_mmap_file(k, mm, f, 0, pages * PAGE_SIZE, RW | VM_SHARED);
        for (let n = 0; n < pages; n++) {
          const pa = yield* user_access(k, mm, at + n * PAGE_SIZE, true);
          if (pa < 0) return pa;
          k.hw.ram.set_u32(pa, n + 1);
        }
        let bad = 0;
        for (let n = 0; n < pages; n++) {
          const pa = yield* user_access(k, mm, at + n * PAGE_SIZE, false);
          if (pa < 0) return pa;
          if (k.hw.ram.u32(pa) !== n + 1) bad++;
        }
        yield* mmput(k, mm);
        return bad;
      });
      KUNIT_EXPECT_EQ(test, 'pages with wrong contents', wrong, 0);
      KUNIT_EXPECT_EQ(test, 'mapped', stat(k, NR_FILE_MAPPED), 0);
    }),
  ],
};
