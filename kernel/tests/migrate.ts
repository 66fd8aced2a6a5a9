// Self tests of migration: contents, page tables and the swap cache follow a page to where it is moved, and nothing
// changes where it cannot be.

import { recorder } from '../config.ts';
import { lookup_disk } from '../drivers/block/disk.ts';
import { GFP_HIGHUSER_MOVABLE } from '../include/gfp_types.ts';
import { MPOL_BIND } from '../include/mempolicy.ts';
import { MIGRATE_ASYNC, MIGRATE_SYNC, MIGRATE_SYNC_LIGHT, MR_COMPACTION } from '../include/migrate_mode.ts';
import { MM_ANONPAGES, VM_LOCKED, VM_READ, VM_SHARED, VM_WRITE } from '../include/mm.ts';
import { PG_MAPCOUNT } from '../include/mm_types.ts';
import {
  MIGRATE_MOVABLE,
  NR_ANON_MAPPED,
  NR_FILE_DIRTY,
  NR_FILE_MAPPED,
  NR_FILE_PAGES,
  NR_FREE_PAGES,
  NR_ISOLATED_ANON,
  NR_SWAPCACHE,
  NR_UNEVICTABLE,
  NR_WRITTEN,
  ZONE_MOVABLE,
} from '../include/mmzone.ts';
import { PG_active, PG_dirty, PG_lru, PG_mlocked, PG_unevictable, PG_workingset } from '../include/page_flags.ts';
import { EBUSY, NUMA_NO_NODE, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import { PGMIGRATE_FAIL, PGMIGRATE_SUCCESS } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { nodemask_of_node } from '../lib/nodemask.ts';
import { alloc_contig_range_sleeping, free_contig_range } from '../mm/alloc_contig.ts';
import { cma_alloc_sleeping, cma_release } from '../mm/cma_alloc.ts';
import { filemap_write_and_wait, generic_perform_write, openFile } from '../mm/filemap_io.ts';
import { folio_get, folio_set, folio_test } from '../mm/folio.ts';
import { folio_end_writeback, folio_lock, folio_start_writeback, folio_unlock } from '../mm/folio_lock.ts';
import { dup_mm } from '../mm/fork_mm.ts';
import { folio_isolate_lru } from '../mm/isolate_lru.ts';
import { IsolatedPages } from '../mm/isolated_pages.ts';
import { empty_pages, online_emptied_pages } from '../mm/memory_hotplug.ts';
import { set_mempolicy } from '../mm/mempolicy_set.ts';
import { AllocatedTarget, count_isolated, migrate_pages, putback_movable_pages } from '../mm/migrate.ts';
import { remove_migration_ptes, try_to_migrate } from '../mm/migration_ptes.ts';
import type { mm_struct } from '../mm/mm_struct.ts';
import { mm_alloc, mmput, vm_mmap, vm_mmap_file } from '../mm/mmap.ts';
import { page_count, page_index, section_map } from '../mm/page.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { folio_put, lru_add_drain } from '../mm/swap.ts';
import { swap_cache_lookup } from '../mm/swap_shadow.ts';
import { add_to_swap, folio_swap_entry, page_swap_info } from '../mm/swap_state.ts';
import { swp_offset } from '../mm/swapops.ts';
import { user_read, user_translate, user_write } from '../mm/uaccess.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { cmdline_parse_movablecore } from '../mm/zone_movable.ts';
import { kthread_run } from '../sched/kthread.ts';
import { run } from '../sched/run.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import { print_event } from '../trace/trace.ts';
import { ftrace_set_clr_event } from '../trace/trace_events.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, Test } from './env.ts';
import { disks_of, in_task, machine_with_area, swap_machine } from './swap_area.ts';

const AT = 0x10000000;
const finish = <T>(body: Sleeping<T>): T => not_sleeping(body, 'a test');

/** An address space with `pages` pages, whose first words say which page it is. */
function space(k: Kernel, pages: number): mm_struct {
  const mm = finish(mm_alloc(k))!;
  if (pages > 0) finish(vm_mmap(k, mm, AT, pages * PAGE_SIZE, VM_READ | VM_WRITE));
  for (let n = 0; n < pages; n++) store(k, mm, n, `page ${n}`);
  lru_add_drain(k);
  return mm;
}

const text = (value: string): Uint8Array => Uint8Array.from(value, (c) => c.charCodeAt(0));
const store = (k: Kernel, mm: mm_struct, n: number, value: string): number =>
  finish(user_write(k, mm, AT + n * PAGE_SIZE, text(value)));

function load(k: Kernel, mm: mm_struct, n: number, base = AT): string {
  const into = new Uint8Array(16);
  const err = finish(user_read(k, mm, base + n * PAGE_SIZE, into));
  return err < 0 ? String(err) : String.fromCharCode(...into.subarray(0, into.indexOf(0)));
}

const pfn_at = (k: Kernel, mm: mm_struct, n: number, write = false, base = AT): pfn_t =>
  Math.floor(user_translate(k, mm, base + n * PAGE_SIZE, write) / PAGE_SIZE);
const mapcount = (k: Kernel, pfn: pfn_t): number => section_map(k.mm, pfn)[page_index(pfn) + PG_MAPCOUNT]! + 1;
const events = (k: Kernel, item: number): number => all_vm_events(k)[item]!;

function node_stat(k: Kernel, item: number): number {
  vmstat_update(k);
  return k.node_data[0]!.vm_stat(item);
}

function free_pages(k: Kernel): number {
  lru_add_drain(k);
  drain_all_pages(k, null);
  vmstat_update(k);
  return k.mm.vm_zone_stat[NR_FREE_PAGES]!;
}

function isolated(k: Kernel, pages: readonly pfn_t[]): IsolatedPages {
  const list = new IsolatedPages();
  for (const pfn of pages) {
    if (!folio_isolate_lru(k, pfn)) continue;
    count_isolated(k, pfn, 1);
    list.push(pfn);
  }
  return list;
}

/** @returns what migrate_pages() says. Pages that stay are on the lists again */
function* move(k: Kernel, list: IsolatedPages, mode: number): Sleeping<number> {
  const target = new AllocatedTarget(GFP_HIGHUSER_MOVABLE, NUMA_NO_NODE, null);
  const left = yield* migrate_pages(k, list, new IsolatedPages(), target, mode, MR_COMPACTION);
  putback_movable_pages(k, list);
  return left;
}

const machine = (test: Test): Kernel => running(test, nodes_of(1, 64));

export const migrate_suite: Suite = {
  name: 'migrate',
  test_cases: [
    KUNIT_CASE('new_pages', (test) => {
      const k = machine(test);
      const mm = space(k, 1);
      const list = isolated(k, [pfn_at(k, mm, 0)]);
      ftrace_set_clr_event(k, 'kmem:mm_page_alloc', true);
      finish(move(k, list, MIGRATE_ASYNC));
      const flags = [...k.trace.buffer!.records()].map((one) => /gfp_flags=(\S+)/.exec(print_event(k, one))?.[1]);
      KUNIT_EXPECT_EQ(test, 'asked for as folios', flags, ['GFP_HIGHUSER_MOVABLE|__GFP_COMP']);
    }),
    KUNIT_CASE('anonymous_pages', (test) => {
      const k = machine(test);
      const mm = space(k, 4);
      const old = [0, 1, 2, 3].map((n) => pfn_at(k, mm, n));
      folio_set(k, old[1]!, PG_workingset);
      const list = isolated(k, old);
      KUNIT_EXPECT_EQ(test, 'isolated', node_stat(k, NR_ISOLATED_ANON), 4);
      const before = free_pages(k);
      KUNIT_EXPECT_EQ(test, 'left', finish(move(k, list, MIGRATE_ASYNC)), 0);
      const now = [0, 1, 2, 3].map((n) => pfn_at(k, mm, n));
      KUNIT_EXPECT_TRUE(
        test,
        'elsewhere',
        now.every((pfn, n) => pfn !== old[n]),
      );
      KUNIT_EXPECT_EQ(
        test,
        'contents',
        [0, 1, 2, 3].map((n) => load(k, mm, n)),
        ['page 0', 'page 1', 'page 2', 'page 3'],
      );
      KUNIT_EXPECT_EQ(
        test,
        'references',
        now.map((pfn) => page_count(k, pfn)),
        [1, 1, 1, 1],
      );
      KUNIT_EXPECT_TRUE(test, 'its past goes along', folio_test(k, now[1]!, PG_workingset));
      KUNIT_EXPECT_TRUE(test, 'on a list', folio_test(k, now[0]!, PG_lru));
      KUNIT_EXPECT_TRUE(test, 'may be written to as before', pfn_at(k, mm, 2, true) === now[2]!);
      KUNIT_EXPECT_EQ(test, 'free', free_pages(k), before);
      KUNIT_EXPECT_EQ(test, 'rss', mm.rss_stat[MM_ANONPAGES], 4);
      KUNIT_EXPECT_EQ(test, 'mapped', node_stat(k, NR_ANON_MAPPED), 4);
      KUNIT_EXPECT_EQ(test, 'isolated', node_stat(k, NR_ISOLATED_ANON), 0);
      KUNIT_EXPECT_EQ(test, 'counted', [events(k, PGMIGRATE_SUCCESS), events(k, PGMIGRATE_FAIL)], [4, 0]);
    }),
    KUNIT_CASE('active_pages_stay_active', (test) => {
      const k = machine(test);
      const mm = space(k, 1);
      const list = isolated(k, [pfn_at(k, mm, 0)]);
      folio_set(k, pfn_at(k, mm, 0), PG_active);
      finish(move(k, list, MIGRATE_ASYNC));
      KUNIT_EXPECT_TRUE(test, 'active', folio_test(k, pfn_at(k, mm, 0), PG_active));
    }),
    KUNIT_CASE('shared_pages', (test) => {
      const k = machine(test);
      const parent = space(k, 2);
      const child = finish(dup_mm(k, parent))!;
      const old = pfn_at(k, parent, 0);
      KUNIT_EXPECT_EQ(test, 'left', finish(move(k, isolated(k, [old]), MIGRATE_SYNC_LIGHT)), 0);
      const now = pfn_at(k, parent, 0);
      KUNIT_EXPECT_TRUE(test, 'moved', now !== old);
      KUNIT_EXPECT_EQ(test, 'in both', pfn_at(k, child, 0), now);
      KUNIT_EXPECT_EQ(test, 'mappings', mapcount(k, now), 2);
      KUNIT_EXPECT_EQ(test, 'read only', user_translate(k, parent, AT, true), -1);
      store(k, child, 0, 'child!');
      KUNIT_EXPECT_EQ(test, 'copied on write', [load(k, parent, 0), load(k, child, 0)], ['page 0', 'child!']);
      const before = free_pages(k);
      finish(mmput(k, child));
      KUNIT_EXPECT_TRUE(test, 'given back', free_pages(k) > before);
    }),
    KUNIT_CASE('freed_meanwhile', (test) => {
      const k = machine(test);
      const mm = space(k, 1);
      const list = isolated(k, [pfn_at(k, mm, 0)]);
      finish(mmput(k, mm));
      KUNIT_EXPECT_EQ(test, 'left', finish(move(k, list, MIGRATE_ASYNC)), 0);
      KUNIT_EXPECT_EQ(test, 'counts as moved', events(k, PGMIGRATE_SUCCESS), 1);
      KUNIT_EXPECT_EQ(test, 'isolated', node_stat(k, NR_ISOLATED_ANON), 0);
    }),
    KUNIT_CASE('held_pages_stay', (test) => {
      const k = machine(test);
      const mm = space(k, 3);
      const old = [0, 1, 2].map((n) => pfn_at(k, mm, n));
      const list = isolated(k, old);
      folio_get(k, old[1]!);
      const written = user_translate(k, mm, AT + PAGE_SIZE, true);
      KUNIT_EXPECT_EQ(test, 'left', finish(move(k, list, MIGRATE_ASYNC)), 1);
      KUNIT_EXPECT_EQ(test, 'where it was', user_translate(k, mm, AT + PAGE_SIZE, true), written);
      KUNIT_EXPECT_EQ(test, 'contents', load(k, mm, 1), 'page 1');
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'references', page_count(k, old[1]!), 2);
      KUNIT_EXPECT_TRUE(test, 'on its list', folio_test(k, old[1]!, PG_lru));
      KUNIT_EXPECT_EQ(test, 'counted', [events(k, PGMIGRATE_SUCCESS), events(k, PGMIGRATE_FAIL)], [2, 1]);
      KUNIT_EXPECT_EQ(test, 'isolated', node_stat(k, NR_ISOLATED_ANON), 0);
    }),
    KUNIT_CASE('swap_cache', (test) => {
      const k = machine_with_area(test, 64);
      const mm = space(k, 1);
      const old = pfn_at(k, mm, 0);
      in_task(k, function* () {
        yield* folio_lock(k, old);
      });
      KUNIT_EXPECT_TRUE(test, 'in the swap cache', add_to_swap(k, old));
      folio_unlock(k, old);
      const si = page_swap_info(k, old);
      const offset = swp_offset(folio_swap_entry(k, old));
      KUNIT_EXPECT_EQ(test, 'left', finish(move(k, isolated(k, [old]), MIGRATE_ASYNC)), 0);
      const now = pfn_at(k, mm, 0);
      KUNIT_EXPECT_TRUE(test, 'moved', now !== old);
      KUNIT_EXPECT_EQ(test, 'the cache has it', swap_cache_lookup(si, offset), now);
      KUNIT_EXPECT_EQ(test, 'its place', swp_offset(folio_swap_entry(k, now)), offset);
      KUNIT_EXPECT_TRUE(test, 'dirty', folio_test(k, now, PG_dirty));
      KUNIT_EXPECT_EQ(test, 'references', [page_count(k, old), page_count(k, now)], [0, 2]);
      KUNIT_EXPECT_EQ(test, 'counted', node_stat(k, NR_SWAPCACHE), 1);
      KUNIT_EXPECT_EQ(test, 'contents', load(k, mm, 0), 'page 0');
    }),
    KUNIT_CASE('pages_of_files', (test) => {
      const k = swap_machine(test, disks_of(64));
      const f = openFile(k, lookup_disk(k, '/dev/vda')!, 0, 16 * PAGE_SIZE);
      const { i_mapping } = f.f_inode;
      in_task(k, () => generic_perform_write(k, f, 0, text('clean')));
      in_task(k, () => filemap_write_and_wait(k, i_mapping));
      const { mm, at } = in_task(k, function* () {
        const made = (yield* mm_alloc(k))!;
        const address = yield* vm_mmap_file(k, made, f, 0, 2 * PAGE_SIZE, VM_READ | VM_WRITE | VM_SHARED);
        yield* user_write(k, made, address + PAGE_SIZE, text('dirty'));
        yield* user_read(k, made, address, new Uint8Array(1));
        return { mm: made, at: address };
      });
      lru_add_drain(k);
      const old = [0, 1].map((n) => i_mapping.i_pages.page(n));
      const before = [NR_FILE_DIRTY, NR_FILE_PAGES, NR_FILE_MAPPED].map((item) => node_stat(k, item));
      KUNIT_EXPECT_EQ(
        test,
        'left',
        in_task(k, () => move(k, isolated(k, old), MIGRATE_SYNC_LIGHT)),
        0,
      );
      const now = [0, 1].map((n) => i_mapping.i_pages.page(n));
      KUNIT_EXPECT_TRUE(test, 'moved', now[0] !== old[0] && now[1] !== old[1]);
      KUNIT_EXPECT_EQ(test, 'mapped', [pfn_at(k, mm, 0, false, at), pfn_at(k, mm, 1, false, at)], now);
      KUNIT_EXPECT_EQ(test, 'contents', [load(k, mm, 0, at), load(k, mm, 1, at)], ['clean', 'dirty']);
      KUNIT_EXPECT_EQ(
        test,
        'dirty',
        now.map((pfn) => folio_test(k, pfn, PG_dirty)),
        [false, true],
      );
      const after = [NR_FILE_DIRTY, NR_FILE_PAGES, NR_FILE_MAPPED].map((item) => node_stat(k, item));
      KUNIT_EXPECT_EQ(test, 'counted', after, before);
      const written = node_stat(k, NR_WRITTEN);
      KUNIT_EXPECT_EQ(
        test,
        'fsync',
        in_task(k, () => filemap_write_and_wait(k, i_mapping)),
        0,
      );
      KUNIT_EXPECT_EQ(test, 'still to be written', node_stat(k, NR_WRITTEN), written + 1);
      KUNIT_EXPECT_EQ(test, 'nothing is dirty', node_stat(k, NR_FILE_DIRTY), 0);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(
        test,
        'references',
        now.map((pfn) => page_count(k, pfn)),
        [2, 2],
      );
    }),
    KUNIT_CASE('locked_areas', (test) => {
      const k = machine(test);
      const mm = finish(mm_alloc(k))!;
      finish(vm_mmap(k, mm, AT, PAGE_SIZE, VM_READ | VM_WRITE | VM_LOCKED));
      store(k, mm, 0, 'page 0');
      lru_add_drain(k);
      const old = pfn_at(k, mm, 0);
      KUNIT_EXPECT_TRUE(test, 'unevictable', folio_test(k, old, PG_unevictable));
      KUNIT_EXPECT_EQ(test, 'left', finish(move(k, isolated(k, [old]), MIGRATE_ASYNC)), 0);
      const now = pfn_at(k, mm, 0);
      KUNIT_EXPECT_TRUE(test, 'moved', now !== old);
      KUNIT_EXPECT_TRUE(test, 'stays so', folio_test(k, now, PG_unevictable) && folio_test(k, now, PG_mlocked));
      KUNIT_EXPECT_EQ(test, 'on its list', node_stat(k, NR_UNEVICTABLE), 1);
    }),
    KUNIT_CASE_PARAM(
      'locked_pages',
      [
        { desc: 'are not waited for', mode: MIGRATE_ASYNC, left: 1 },
        { desc: 'are', mode: MIGRATE_SYNC_LIGHT, left: 0 },
      ],
      (test, { mode, left }) => {
        const k = machine(test);
        const mm = space(k, 1);
        const pfn = pfn_at(k, mm, 0);
        kthread_run(k, 'holder', function* () {
          yield* folio_lock(k, pfn);
          yield* schedule_timeout_uninterruptible(k, 10);
          folio_unlock(k, pfn);
        });
        run(k, { for_ns: 1e6 });
        const list = isolated(k, [pfn]);
        KUNIT_EXPECT_EQ(
          test,
          'left',
          in_task(k, () => move(k, list, mode)),
          left,
        );
        run(k, { for_ns: 1e9 });
        KUNIT_EXPECT_EQ(test, 'moved', pfn_at(k, mm, 0) !== pfn, left === 0);
        KUNIT_EXPECT_EQ(test, 'contents', load(k, mm, 0), 'page 0');
      },
    ),
    KUNIT_CASE_PARAM(
      'pages_under_writeback',
      [
        { desc: 'stay', mode: MIGRATE_SYNC_LIGHT, left: 1 },
        { desc: 'are waited for', mode: MIGRATE_SYNC, left: 0 },
      ],
      (test, { mode, left }) => {
        const k = machine(test);
        const mm = space(k, 1);
        const pfn = pfn_at(k, mm, 0);
        kthread_run(k, 'writer', function* () {
          folio_start_writeback(k, pfn);
          yield* schedule_timeout_uninterruptible(k, 10);
          folio_end_writeback(k, pfn);
        });
        run(k, { for_ns: 1e6 });
        const list = isolated(k, [pfn]);
        KUNIT_EXPECT_EQ(
          test,
          'left',
          in_task(k, () => move(k, list, mode)),
          left,
        );
        run(k, { for_ns: 1e9 });
        KUNIT_EXPECT_EQ(test, 'moved', pfn_at(k, mm, 0) !== pfn, left === 0);
      },
    ),
    KUNIT_CASE('memory_is_emptied', (test) => {
      const k = running(test, nodes_of(2, 64), { prepare: (kernel) => void cmdline_parse_movablecore(kernel, '64M') });
      const zone = k.node_data[1]!.node_zones[ZONE_MOVABLE]!;
      KUNIT_EXPECT_TRUE(test, 'movable memory', zone.populated);
      const mm = space(k, 0);
      set_mempolicy(k, MPOL_BIND, nodemask_of_node(1));
      finish(vm_mmap(k, mm, AT, 4096 * PAGE_SIZE, VM_READ | VM_WRITE));
      for (let n = 0; n < 4096; n++) store(k, mm, n, `page ${n}`);
      lru_add_drain(k);
      const start = zone.zone_start_pfn;
      // What boot has taken of the node lies at its end.
      const nr_pages = 6144;
      const inside = (): number[] =>
        Array.from({ length: 4096 }, (_, n) => pfn_at(k, mm, n)).filter(
          (pfn) => pfn >= start && pfn < start + nr_pages,
        );
      KUNIT_EXPECT_TRUE(test, 'in use', inside().length > 100);
      KUNIT_EXPECT_EQ(
        test,
        'emptied',
        in_task(k, () => empty_pages(k, start, nr_pages, zone)),
        0,
      );
      KUNIT_EXPECT_EQ(test, 'of the task nothing is there', inside().length, 0);
      const contents = Array.from({ length: 4096 }, (_, n) => load(k, mm, n) === `page ${n}`);
      KUNIT_EXPECT_TRUE(
        test,
        'contents',
        contents.every((same) => same),
      );
      const left = free_pages(k);
      online_emptied_pages(k, start, nr_pages);
      KUNIT_EXPECT_EQ(test, 'its pages are free', free_pages(k) - left, nr_pages);
    }),
    KUNIT_CASE('memory_that_is_held', (test) => {
      const k = running(test, nodes_of(1, 64), { prepare: (kernel) => void cmdline_parse_movablecore(kernel, '24M') });
      const zone = k.node_data[0]!.node_zones[ZONE_MOVABLE]!;
      const mm = space(k, 2500);
      const pfn = pfn_at(k, mm, 1500);
      KUNIT_EXPECT_TRUE(test, 'movable memory', zone.zone_spans_pfn(pfn));
      folio_get(k, pfn);
      const start = pfn - (pfn % 512);
      KUNIT_EXPECT_EQ(
        test,
        'busy',
        in_task(k, () => empty_pages(k, start, 512, zone)),
        -EBUSY,
      );
      KUNIT_EXPECT_EQ(test, 'where it was', [pfn_at(k, mm, 1500), load(k, mm, 1500)], [pfn, 'page 1500']);
      KUNIT_EXPECT_EQ(test, 'nothing is isolated', zone.nr_isolate_pageblock, 0);
      folio_put(k, pfn);
      KUNIT_EXPECT_EQ(
        test,
        'now it can',
        in_task(k, () => empty_pages(k, start, 512, zone)),
        0,
      );
    }),
    KUNIT_CASE('contiguous_range', (test) => {
      const k = running(test, nodes_of(1, 64), { prepare: (kernel) => void cmdline_parse_movablecore(kernel, '24M') });
      const mm = space(k, 2500);
      const start = Math.floor(pfn_at(k, mm, 1500) / 512) * 512;
      KUNIT_EXPECT_EQ(
        test,
        'taken',
        in_task(k, () => alloc_contig_range_sleeping(k, start, start + 512, MIGRATE_MOVABLE)),
        0,
      );
      const outside = Array.from({ length: 2500 }, (_, n) => pfn_at(k, mm, n)).every(
        (p) => p < start || p >= start + 512,
      );
      KUNIT_EXPECT_TRUE(test, 'moved out', outside);
      KUNIT_EXPECT_EQ(
        test,
        'contents',
        [load(k, mm, 0), load(k, mm, 1500), load(k, mm, 2499)],
        ['page 0', 'page 1500', 'page 2499'],
      );
      free_contig_range(k, start, 512);
    }),
    KUNIT_CASE('cma_pages_in_use', (test) => {
      const k = running(test, nodes_of(1, 64), { config: { ...recorder, CMA: true }, cma: '8M' });
      const area = k.cma.dma_contiguous_default_area!;
      const mm = space(k, 10000);
      const borrowed = (): number[] =>
        Array.from({ length: 10000 }, (_, n) => n).filter((n) => {
          const pfn = pfn_at(k, mm, n);
          return pfn >= area.base_pfn && pfn < area.base_pfn + area.count;
        });
      const lent = borrowed();
      KUNIT_EXPECT_TRUE(test, 'movable pages are there', lent.length > 500);
      const pfn = in_task(k, () => cma_alloc_sleeping(k, area, 512, 0, false));
      KUNIT_EXPECT_EQ(test, 'the first pages', pfn, area.base_pfn);
      KUNIT_EXPECT_TRUE(
        test,
        "are nobody else's",
        borrowed().every((n) => pfn_at(k, mm, n) >= pfn + 512),
      );
      KUNIT_EXPECT_TRUE(
        test,
        'contents',
        lent.every((n) => load(k, mm, n) === `page ${n}`),
      );
      KUNIT_EXPECT_TRUE(test, 'given back', cma_release(k, area, pfn, 512));
    }),
    KUNIT_CASE('faults_wait', (test) => {
      const k = machine(test);
      const mm = space(k, 1);
      const pfn = pfn_at(k, mm, 0);
      in_task(k, () => folio_lock(k, pfn));
      folio_get(k, pfn);
      try_to_migrate(k, pfn);
      KUNIT_EXPECT_EQ(test, 'out of the table', [mapcount(k, pfn), user_translate(k, mm, AT, false)], [0, -1]);
      const seen: string[] = [];
      kthread_run(k, 'reader', function* () {
        const into = new Uint8Array(6);
        yield* user_read(k, mm, AT, into);
        seen.push(String.fromCharCode(...into));
      });
      run(k, { for_ns: 1e9 });
      KUNIT_EXPECT_EQ(test, 'waits', seen, []);
      remove_migration_ptes(k, pfn, pfn);
      folio_unlock(k, pfn);
      folio_put(k, pfn);
      run(k, { for_ns: 1e9 });
      KUNIT_EXPECT_EQ(test, 'goes on', seen, ['page 0']);
      KUNIT_EXPECT_EQ(test, 'in the table', [mapcount(k, pfn), page_count(k, pfn)], [1, 1]);
    }),
  ],
};
