// Self tests of address spaces: page tables in RAM, anonymous faults, fork and copy-on-write, reverse mapping.

import { MM_ANONPAGES, VM_ACCOUNT, VM_LOCKED, VM_READ, VM_SEQ_READ, VM_WRITE } from '../include/mm.ts';
import { PG_MAPCOUNT } from '../include/mm_types.ts';
import {
  NR_ANON_MAPPED,
  NR_FREE_PAGES,
  NR_INACTIVE_ANON,
  NR_MLOCK,
  NR_PAGETABLE,
  NR_UNEVICTABLE,
} from '../include/mmzone.ts';
import { PG_anon_exclusive, PG_dirty, PG_swapbacked } from '../include/page_flags.ts';
import { SIGKILL } from '../include/sched.ts';
import { EFAULT, EINTR, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import { PGFAULT, PGREUSE, UNEVICTABLE_PGMUNLOCKED, UNEVICTABLE_PGSTRANDED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import {
  KUNIT_ASSERT_TRUE,
  KUNIT_CASE,
  KUNIT_CASE_PARAM,
  KUNIT_EXPECT_EQ,
  KUNIT_EXPECT_FALSE,
  KUNIT_EXPECT_TRUE,
} from '../lib/kunit.ts';
import { down_read, down_read_trylock, down_write, rw_semaphore, up_read, up_write } from '../locking/rwsem.ts';
import { folio_clear, folio_get, folio_test } from '../mm/folio.ts';
import { dup_mm, fork_process } from '../mm/fork_mm.ts';
import { folio_isolate_lru } from '../mm/isolate_lru.ts';
import { munlock_vma_page } from '../mm/mlock.ts';
import type { mm_struct } from '../mm/mm_struct.ts';
import { get_mm_rss } from '../mm/mm_struct.ts';
import { mm_alloc, mmput, spawn_process, vm_mmap, vm_munmap } from '../mm/mmap.ts';
import { page_count, page_index, section_map } from '../mm/page.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { folio_referenced, try_to_unmap } from '../mm/rmap.ts';
import { folio_put, lru_add_drain } from '../mm/swap.ts';
import { user_read, user_translate, user_write } from '../mm/uaccess.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { kthread_run } from '../sched/kthread.ts';
import { run } from '../sched/run.ts';
import { send_sig } from '../sched/signal.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, Test } from './env.ts';

const RW = VM_READ | VM_WRITE;
const AT = 0x10000000;
/** Where no scheduler runs, and nothing has to wait. */
const finish = <T>(body: Sleeping<T>): T => not_sleeping(body, 'a test');
const text = (value: string): Uint8Array => Uint8Array.from(value, (c) => c.charCodeAt(0));

interface Space {
  readonly k: Kernel;
  readonly mm: mm_struct;
}

function space(test: Test, pages = 16, flags = RW): Space {
  const k = running(test, nodes_of(1, 64));
  const mm = finish(mm_alloc(k));
  KUNIT_ASSERT_TRUE(test, 'an address space', mm !== null);
  finish(vm_mmap(k, mm!, AT, pages * PAGE_SIZE, flags));
  return { k, mm: mm! };
}

const write = (k: Kernel, mm: mm_struct, va: number, value: string): number =>
  finish(user_write(k, mm, va, text(value)));

function read(k: Kernel, mm: mm_struct, va: number, size: number): string {
  const into = new Uint8Array(size);
  const err = finish(user_read(k, mm, va, into));
  return err < 0 ? String(err) : String.fromCharCode(...into);
}

const fork = (k: Kernel, mm: mm_struct): mm_struct => finish(dup_mm(k, mm))!;
const pfn_at = (k: Kernel, mm: mm_struct, va: number): pfn_t =>
  Math.floor(user_translate(k, mm, va, false) / PAGE_SIZE);
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

export const mm_suite: Suite = {
  name: 'mm',
  test_cases: [
    KUNIT_CASE('contents', (test) => {
      const { k, mm } = space(test);
      KUNIT_EXPECT_EQ(test, 'written', write(k, mm, AT + PAGE_SIZE - 3, 'across two pages'), 0);
      KUNIT_EXPECT_EQ(test, 'read back', read(k, mm, AT + PAGE_SIZE - 3, 16), 'across two pages');
      KUNIT_EXPECT_EQ(test, 'the rest is zero', read(k, mm, AT + 100, 2), '\0\0');
      KUNIT_EXPECT_EQ(test, 'faults', events(k, PGFAULT), 2);
      KUNIT_EXPECT_EQ(test, 'pages', mm.rss_stat[MM_ANONPAGES], 2);
      KUNIT_EXPECT_EQ(test, 'mapped', node_stat(k, NR_ANON_MAPPED), 2);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'on the list', node_stat(k, NR_INACTIVE_ANON), 2);
      // One table of the last level, one above it; the next one up is not counted.
      KUNIT_EXPECT_EQ(test, 'tables', node_stat(k, NR_PAGETABLE), 2);
      KUNIT_EXPECT_EQ(test, 'bytes of tables', mm.pgtables_bytes, 3 * PAGE_SIZE);
    }),
    KUNIT_CASE_PARAM(
      'outside',
      [
        { desc: 'below the area', va: AT - 1, flags: RW },
        { desc: 'above the area', va: AT + 16 * PAGE_SIZE, flags: RW },
        { desc: 'not writable', va: AT, flags: VM_READ },
        { desc: 'nobody may', va: AT, flags: 0 },
      ],
      (test, { va, flags }) => {
        const { k, mm } = space(test, 16, flags);
        KUNIT_EXPECT_EQ(test, 'error', write(k, mm, va, 'x'), -EFAULT);
        KUNIT_EXPECT_EQ(test, 'pages', mm.rss_stat[MM_ANONPAGES], 0);
      },
    ),
    KUNIT_CASE('zero_page', (test) => {
      const { k, mm } = space(test);
      KUNIT_EXPECT_EQ(test, 'reads as zero', read(k, mm, AT, 4), '\0\0\0\0');
      KUNIT_EXPECT_EQ(test, 'the zero page', pfn_at(k, mm, AT), k.user.zero_pfn);
      KUNIT_EXPECT_EQ(test, 'no page of its own', get_mm_rss(mm), 0);
      write(k, mm, AT, 'a');
      KUNIT_EXPECT_TRUE(test, 'replaced', pfn_at(k, mm, AT) !== k.user.zero_pfn);
      KUNIT_EXPECT_EQ(test, 'pages', get_mm_rss(mm), 1);
      KUNIT_EXPECT_EQ(test, 'still zero', k.hw.ram.u32(k.user.zero_pfn * PAGE_SIZE), 0);
    }),
    KUNIT_CASE('munmap', (test) => {
      const { k, mm } = space(test, 1024);
      write(k, mm, AT, 'table');
      finish(vm_munmap(k, mm, AT, PAGE_SIZE));
      const before = free_pages(k);
      for (let n = 1; n < 1024; n++) write(k, mm, AT + n * PAGE_SIZE, 'x');
      finish(vm_munmap(k, mm, AT + 100 * PAGE_SIZE, 50 * PAGE_SIZE));
      KUNIT_EXPECT_EQ(
        test,
        'areas',
        mm.vmas.map((vma) => (vma.vm_end - vma.vm_start) / PAGE_SIZE),
        [99, 874],
      );
      KUNIT_EXPECT_EQ(test, 'pages', mm.rss_stat[MM_ANONPAGES], 973);
      KUNIT_EXPECT_EQ(test, 'the hole', write(k, mm, AT + 100 * PAGE_SIZE, 'x'), -EFAULT);
      KUNIT_EXPECT_EQ(test, 'beside it', read(k, mm, AT + 150 * PAGE_SIZE, 1), 'x');
      KUNIT_EXPECT_EQ(test, 'total', mm.total_vm, 973);
      finish(vm_munmap(k, mm, AT, 1024 * PAGE_SIZE));
      // The first table was there before, and its two above.
      KUNIT_EXPECT_EQ(test, 'free again', free_pages(k), before + 3);
      KUNIT_EXPECT_EQ(test, 'tables', node_stat(k, NR_PAGETABLE), 0);
      KUNIT_EXPECT_EQ(test, 'anon_vmas', k.user.anon_vmas.filter((av) => av !== null).length, 0);
    }),
    KUNIT_CASE('exit', (test) => {
      const { k, mm } = space(test, 3000);
      const other = finish(mm_alloc(k))!;
      finish(mmput(k, other));
      const before = free_pages(k);
      for (let n = 0; n < 3000; n++) write(k, mm, AT + n * PAGE_SIZE, 'x');
      finish(mmput(k, mm));
      const pgd = k.config.PAGE_TABLE_ISOLATION ? 2 : 1;
      KUNIT_EXPECT_EQ(test, 'free again, with the top table', free_pages(k), before + pgd);
      KUNIT_EXPECT_EQ(test, 'spaces', k.user.mms.size, 0);
      KUNIT_EXPECT_EQ(test, 'mapped', node_stat(k, NR_ANON_MAPPED), 0);
    }),
    KUNIT_CASE('fork', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'parent');
      const pfn = pfn_at(k, mm, AT);
      const child = fork(k, mm);
      KUNIT_EXPECT_EQ(test, 'shared', pfn_at(k, child, AT), pfn);
      KUNIT_EXPECT_EQ(test, 'mapped twice', mapcount(k, pfn), 2);
      KUNIT_EXPECT_FALSE(test, 'exclusive', folio_test(k, pfn, PG_anon_exclusive));
      KUNIT_EXPECT_EQ(test, 'counted once', node_stat(k, NR_ANON_MAPPED), 1);
      write(k, child, AT, 'child ');
      KUNIT_EXPECT_EQ(test, "the child's", read(k, child, AT, 6), 'child ');
      KUNIT_EXPECT_EQ(test, "the parent's", read(k, mm, AT, 6), 'parent');
      KUNIT_EXPECT_TRUE(test, 'two pages', pfn_at(k, child, AT) !== pfn);
      KUNIT_EXPECT_EQ(test, 'mapped once', mapcount(k, pfn), 1);
      lru_add_drain(k);
      write(k, mm, AT, 'PARENT');
      KUNIT_EXPECT_EQ(test, 'the last one keeps the page', pfn_at(k, mm, AT), pfn);
      KUNIT_EXPECT_EQ(test, 'reused', events(k, PGREUSE), 1);
      KUNIT_EXPECT_TRUE(test, 'exclusive again', folio_test(k, pfn, PG_anon_exclusive));
      finish(mmput(k, mm));
      KUNIT_EXPECT_EQ(test, 'the child lives on', read(k, child, AT, 6), 'child ');
      finish(mmput(k, child));
      KUNIT_EXPECT_EQ(test, 'nothing left', node_stat(k, NR_ANON_MAPPED), 0);
      KUNIT_EXPECT_EQ(test, 'anon_vmas', k.user.anon_vmas.filter((av) => av !== null).length, 0);
    }),
    KUNIT_CASE('fork_of_fork', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'a');
      const first = fork(k, mm);
      write(k, first, AT + PAGE_SIZE, 'b');
      const second = fork(k, first);
      const [a, b] = [pfn_at(k, second, AT), pfn_at(k, second, AT + PAGE_SIZE)];
      KUNIT_EXPECT_EQ(test, 'mapped by all, and by two', [mapcount(k, a), mapcount(k, b)], [3, 2]);
      for (const one of [mm, first, second]) user_translate(k, one, AT, false);
      KUNIT_EXPECT_EQ(test, 'all found', folio_referenced(k, a, true, null), 3);
      user_translate(k, first, AT + PAGE_SIZE, false);
      KUNIT_EXPECT_EQ(test, 'only who touched it', folio_referenced(k, b, true, null), 2);
      finish(mmput(k, first));
      user_translate(k, second, AT + PAGE_SIZE, false);
      KUNIT_EXPECT_EQ(test, 'the middle one gone', folio_referenced(k, b, true, null), 1);
      finish(mmput(k, second));
      finish(mmput(k, mm));
      KUNIT_EXPECT_EQ(test, 'anon_vmas', k.user.anon_vmas.filter((av) => av !== null).length, 0);
    }),
    KUNIT_CASE_PARAM(
      'referenced',
      [
        { desc: 'plain', flags: RW, wanted: 1, vm_flags: RW },
        { desc: 'read once', flags: RW | VM_SEQ_READ, wanted: 0, vm_flags: 0 },
        { desc: 'locked in memory', flags: RW | VM_LOCKED, wanted: 0, vm_flags: VM_LOCKED },
      ],
      (test, { flags, wanted, vm_flags }) => {
        const { k, mm } = space(test, 1, flags);
        write(k, mm, AT, 'x');
        const pfn = pfn_at(k, mm, AT);
        KUNIT_EXPECT_EQ(test, 'touched', folio_referenced(k, pfn, true, null), wanted);
        KUNIT_EXPECT_EQ(test, 'area', k.rmap.vm_flags & (RW | VM_LOCKED), vm_flags);
        KUNIT_EXPECT_EQ(test, 'not since', folio_referenced(k, pfn, true, null), 0);
      },
    ),
    KUNIT_CASE('mlock', (test) => {
      const { k, mm } = space(test, 4, RW | VM_LOCKED);
      for (let n = 0; n < 4; n++) write(k, mm, AT + n * PAGE_SIZE, 'x');
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'unevictable', [node_stat(k, NR_UNEVICTABLE), k.mm.vm_zone_stat[NR_MLOCK]], [4, 4]);
      const child = fork(k, mm);
      KUNIT_EXPECT_EQ(test, "the child's areas", child.vmas[0]!.vm_flags & VM_LOCKED, 0);
      finish(vm_munmap(k, mm, AT, 2 * PAGE_SIZE));
      KUNIT_EXPECT_EQ(test, 'two of them the child has still', node_stat(k, NR_INACTIVE_ANON), 2);
      finish(mmput(k, mm));
      finish(mmput(k, child));
      KUNIT_EXPECT_EQ(test, 'nothing left', [node_stat(k, NR_UNEVICTABLE), k.mm.vm_zone_stat[NR_MLOCK]], [0, 0]);
    }),
    // The first area that goes takes the page's mark with it. Reclaim finds that another one locks the page.
    KUNIT_CASE_PARAM(
      'mlock_which_got_missed',
      [
        { desc: 'aged', look: (k: Kernel, pfn: pfn_t) => folio_referenced(k, pfn, true, null) },
        { desc: 'unmapped', look: (k: Kernel, pfn: pfn_t) => try_to_unmap(k, pfn, 0) },
      ],
      (test, { look }) => {
        const { k, mm } = space(test, 1, RW | VM_LOCKED);
        write(k, mm, AT, 'x');
        lru_add_drain(k);
        const pfn = pfn_at(k, mm, AT);
        munlock_vma_page(k, pfn, mm.vmas[0]!);
        KUNIT_EXPECT_EQ(test, 'like any other', [node_stat(k, NR_INACTIVE_ANON), node_stat(k, NR_UNEVICTABLE)], [1, 0]);
        look(k, pfn);
        KUNIT_EXPECT_EQ(test, 'unevictable', [node_stat(k, NR_UNEVICTABLE), k.mm.vm_zone_stat[NR_MLOCK]], [1, 1]);
        KUNIT_EXPECT_EQ(test, 'mapped', mapcount(k, pfn), 1);
      },
    ),
    KUNIT_CASE('munlock_of_one_taken_off', (test) => {
      const { k, mm } = space(test, 1, RW | VM_LOCKED);
      write(k, mm, AT, 'x');
      lru_add_drain(k);
      const pfn = pfn_at(k, mm, AT);
      KUNIT_EXPECT_TRUE(test, 'off its list', folio_isolate_lru(k, pfn));
      finish(mmput(k, mm));
      const counted = [UNEVICTABLE_PGMUNLOCKED, UNEVICTABLE_PGSTRANDED].map((item) => events(k, item));
      KUNIT_EXPECT_EQ(test, 'unlocked, stranded', counted, [0, 1]);
      KUNIT_EXPECT_EQ(test, 'locked pages', k.mm.vm_zone_stat[NR_MLOCK], 0);
      folio_put(k, pfn);
    }),
    // As MADV_FREE leaves pages: without PG_swapbacked.
    KUNIT_CASE_PARAM(
      'unmap_lazyfree',
      [
        { desc: 'clean', dirty: false, gone: true },
        { desc: 'written to since', dirty: true, gone: false },
      ],
      (test, { dirty, gone }) => {
        const { k, mm } = space(test, 1);
        write(k, mm, AT, 'x');
        lru_add_drain(k);
        const pfn = pfn_at(k, mm, AT);
        folio_clear(k, pfn, PG_swapbacked);
        mm.walk_words[mm.walk_base]! &= ~0x40;
        if (dirty) user_translate(k, mm, AT, true);
        folio_get(k, pfn);
        try_to_unmap(k, pfn, 0);
        KUNIT_EXPECT_EQ(test, 'mapped', mapcount(k, pfn), gone ? 0 : 1);
        KUNIT_EXPECT_EQ(test, 'pages', mm.rss_stat[MM_ANONPAGES], gone ? 0 : 1);
        KUNIT_EXPECT_EQ(test, 'backed by swap', folio_test(k, pfn, PG_swapbacked), !gone);
        KUNIT_EXPECT_EQ(test, 'dirty', folio_test(k, pfn, PG_dirty), dirty);
        KUNIT_EXPECT_EQ(test, 'references', page_count(k, pfn), gone ? 1 : 2);
        folio_put(k, pfn);
        KUNIT_EXPECT_EQ(test, 'reads', read(k, mm, AT, 1), gone ? '\0' : 'x');
      },
    ),
    KUNIT_CASE('processes', (test) => {
      const k = running(test, nodes_of(1, 64), { cpus: [0, 0] });
      const said: string[] = [];
      const say = (kernel: Kernel, va: number): void => {
        said.push(`${kernel.current.comm} ${read(kernel, kernel.current.mm!, va, 1)}`);
      };
      function* child(kernel: Kernel): Sleeping<void> {
        const mm = kernel.current.mm!;
        yield* user_write(kernel, mm, AT, text('c'));
        yield* schedule_timeout_uninterruptible(kernel, 10);
        say(kernel, AT);
        say(kernel, AT + PAGE_SIZE);
      }
      function* parent(kernel: Kernel): Sleeping<void> {
        const mm = kernel.current.mm!;
        yield* vm_mmap(kernel, mm, AT, 4 * PAGE_SIZE, RW);
        yield* user_write(kernel, mm, AT, text('p'));
        yield* user_write(kernel, mm, AT + PAGE_SIZE, text('q'));
        yield* fork_process(kernel, 'child', child);
        yield* user_write(kernel, mm, AT + PAGE_SIZE, text('r'));
        yield* schedule_timeout_uninterruptible(kernel, 5);
        say(kernel, AT);
        say(kernel, AT + PAGE_SIZE);
      }
      finish(spawn_process(k, 'parent', parent));
      KUNIT_EXPECT_EQ(test, 'end', run(k, {}), 'idle');
      KUNIT_EXPECT_EQ(test, 'each its own', said, ['parent p', 'parent r', 'child c', 'child q']);
      KUNIT_EXPECT_EQ(test, 'spaces', k.user.mms.size, 0);
      KUNIT_EXPECT_EQ(test, 'mapped', node_stat(k, NR_ANON_MAPPED), 0);
    }),
    // Its pages may be gone already.
    KUNIT_CASE('fork_of_the_killed', (test) => {
      const k = running(test, nodes_of(1, 64), { cpus: [0, 0] });
      const said: string[] = [];
      function* parent(kernel: Kernel): Sleeping<void> {
        const mm = kernel.current.mm!;
        yield* vm_mmap(kernel, mm, AT, 4 * PAGE_SIZE, RW | VM_ACCOUNT);
        yield* user_write(kernel, mm, AT, text('p'));
        send_sig(kernel, SIGKILL, kernel.current);
        const made = yield* fork_process(kernel, 'child', function* (one) {
          yield* schedule_timeout_uninterruptible(one, 1);
          said.push(read(one, one.current.mm!, AT, 1));
        });
        said.push(String(made));
      }
      finish(spawn_process(k, 'parent', parent));
      KUNIT_EXPECT_EQ(test, 'end', run(k, {}), 'idle');
      KUNIT_EXPECT_EQ(test, 'answer', said, [String(-EINTR)]);
      KUNIT_EXPECT_EQ(test, 'spaces', k.user.mms.size, 0);
      KUNIT_EXPECT_EQ(test, 'promised', k.overcommit.committed, 0);
    }),
    // A reader who comes after a writer waits for him, though other readers have the lock.
    KUNIT_CASE('mmap_lock', (test) => {
      const k = running(test, nodes_of(1, 64), { cpus: [0, 0] });
      const sem = new rw_semaphore();
      const said: string[] = [];
      const start = (name: string, after: number, hold: number, write: boolean): void => {
        kthread_run(k, name, function* (kernel) {
          yield* schedule_timeout_uninterruptible(kernel, after);
          yield* write ? down_write(kernel, sem) : down_read(kernel, sem);
          said.push(`${name} ${sem.readers}`);
          yield* schedule_timeout_uninterruptible(kernel, hold);
          if (write) up_write(kernel, sem);
          else up_read(kernel, sem);
        });
      };
      start('a', 1, 50, false);
      start('b', 5, 50, false);
      start('writer', 10, 50, true);
      start('c', 15, 50, false);
      start('d', 20, 50, false);
      KUNIT_EXPECT_EQ(test, 'end', run(k, {}), 'idle');
      KUNIT_EXPECT_EQ(test, 'in turn', said, ['a 1', 'b 2', 'writer 0', 'c 1', 'd 2']);
      KUNIT_EXPECT_TRUE(test, 'free', down_read_trylock(sem));
    }),
  ],
};
