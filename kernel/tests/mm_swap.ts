// Self tests of pages that leave for swap and come back: what page tables hold meanwhile, who shares them then, and what
// happens where they cannot be read.

import { disk_inject, lookup_disk } from '../drivers/block/disk.ts';
import { MM_ANONPAGES, MM_SWAPENTS, VM_READ, VM_WRITE } from '../include/mm.ts';
import { PG_MAPCOUNT } from '../include/mm_types.ts';
import { NR_ANON_MAPPED, NR_SWAPCACHE } from '../include/mmzone.ts';
import { PG_anon_exclusive, PG_mlocked } from '../include/page_flags.ts';
import { EIO, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import { PGMAJFAULT } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_EXPECT_EQ, KUNIT_EXPECT_FALSE, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { fail_page_alloc_write } from '../mm/fail_page_alloc.ts';
import { folio_set, folio_test } from '../mm/folio.ts';
import { dup_mm } from '../mm/fork_mm.ts';
import type { mm_struct } from '../mm/mm_struct.ts';
import { mm_alloc, mmput, vm_mmap } from '../mm/mmap.ts';
import { page_index, section_map } from '../mm/page.ts';
import { folio_referenced } from '../mm/rmap.ts';
import { folio_put } from '../mm/swap.ts';
import { si_swapinfo } from '../mm/swapfile.ts';
import { swapoff } from '../mm/swapoff.ts';
import { user_access, user_read, user_write } from '../mm/uaccess.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { global_node_page_state } from '../mm/vmstat.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import type { Suite, Test } from './env.ts';
import { page_out, write_out } from './page_out.ts';
import { in_task, machine_with_area } from './swap_area.ts';

const AT = 0x10000000;
const AREA = 256;

interface Space {
  readonly k: Kernel;
  readonly mm: mm_struct;
}

/** A machine with a swap area, and an address space of 64 pages. */
function space(test: Test): Space {
  const k = machine_with_area(test, AREA);
  const mm = in_task(k, function* () {
    const made = (yield* mm_alloc(k))!;
    yield* vm_mmap(k, made, AT, 64 * PAGE_SIZE, VM_READ | VM_WRITE);
    return made;
  });
  return { k, mm };
}

const text = (value: string): Uint8Array => Uint8Array.from(value, (c) => c.charCodeAt(0));
const write = (k: Kernel, mm: mm_struct, va: number, value: string): number =>
  in_task(k, () => user_write(k, mm, va, text(value)));

function read(k: Kernel, mm: mm_struct, va: number, size: number): string {
  const into = new Uint8Array(size);
  const err = in_task(k, () => user_read(k, mm, va, into));
  return err < 0 ? String(err) : String.fromCharCode(...into);
}

const page_at = (k: Kernel, mm: mm_struct, va: number): pfn_t =>
  Math.floor(in_task(k, () => user_access(k, mm, va, false)) / PAGE_SIZE);

const out = (k: Kernel, pfn: pfn_t): void => in_task(k, () => page_out(k, pfn));
const mapcount = (k: Kernel, pfn: pfn_t): number => section_map(k.mm, pfn)[page_index(pfn) + PG_MAPCOUNT]! + 1;
const rss = ({ rss_stat }: mm_struct): number[] => [rss_stat[MM_ANONPAGES]!, rss_stat[MM_SWAPENTS]!];
const fork = (k: Kernel, mm: mm_struct): mm_struct => in_task(k, () => dup_mm(k, mm))!;
const used = (k: Kernel): number => {
  const { totalswap, freeswap } = si_swapinfo(k);
  return totalswap - freeswap;
};

function node_stat(k: Kernel, item: number): number {
  vmstat_update(k);
  return global_node_page_state(k, item);
}

export const mm_swap_suite: Suite = {
  name: 'mm_swap',
  test_cases: [
    KUNIT_CASE('out_and_in', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'kept in swap');
      out(k, page_at(k, mm, AT));
      KUNIT_EXPECT_EQ(test, 'pages and entries', rss(mm), [0, 1]);
      KUNIT_EXPECT_EQ(test, 'mapped', node_stat(k, NR_ANON_MAPPED), 0);
      KUNIT_EXPECT_EQ(test, 'read back', read(k, mm, AT, 12), 'kept in swap');
      KUNIT_EXPECT_EQ(test, 'major faults', all_vm_events(k)[PGMAJFAULT], 1);
      KUNIT_EXPECT_EQ(test, 'again pages', rss(mm), [1, 0]);
      KUNIT_EXPECT_TRUE(test, 'still its own', folio_test(k, page_at(k, mm, AT), PG_anon_exclusive));
      KUNIT_EXPECT_EQ(test, 'in the swap cache', node_stat(k, NR_SWAPCACHE), 1);
      write(k, mm, AT, 'KEPT');
      KUNIT_EXPECT_EQ(test, 'written', read(k, mm, AT, 12), 'KEPT in swap');
    }),
    // Who writes first, and has the page alone, takes its place in swap away.
    KUNIT_CASE('written_at_once', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'abc');
      out(k, page_at(k, mm, AT));
      write(k, mm, AT, 'x');
      KUNIT_EXPECT_EQ(test, 'contents', read(k, mm, AT, 3), 'xbc');
      KUNIT_EXPECT_EQ(test, 'in the swap cache', node_stat(k, NR_SWAPCACHE), 0);
    }),
    KUNIT_CASE('still_in_the_cache', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'a');
      const pfn = page_at(k, mm, AT);
      in_task(k, () => write_out(k, pfn));
      folio_put(k, pfn);
      KUNIT_EXPECT_EQ(test, 'mapped', mapcount(k, pfn), 0);
      KUNIT_EXPECT_EQ(test, 'the same page', page_at(k, mm, AT), pfn);
      KUNIT_EXPECT_EQ(test, 'no major fault', all_vm_events(k)[PGMAJFAULT], 0);
    }),
    // Of what stays in memory, because another address space locks it, the place in swap is of no use.
    KUNIT_CASE('back_and_locked_by_another', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'a');
      const pfn = page_at(k, mm, AT);
      in_task(k, () => write_out(k, pfn));
      folio_put(k, pfn);
      folio_set(k, pfn, PG_mlocked);
      KUNIT_EXPECT_EQ(test, 'contents', read(k, mm, AT, 1), 'a');
      KUNIT_EXPECT_EQ(test, 'in the swap cache', node_stat(k, NR_SWAPCACHE), 0);
    }),
    KUNIT_CASE('fork_of_swapped', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'both');
      out(k, page_at(k, mm, AT));
      const child = fork(k, mm);
      KUNIT_EXPECT_EQ(
        test,
        'entries',
        [rss(mm), rss(child)],
        [
          [0, 1],
          [0, 1],
        ],
      );
      KUNIT_EXPECT_EQ(test, "the child's", read(k, child, AT, 4), 'both');
      KUNIT_EXPECT_FALSE(test, 'nobody has it alone', folio_test(k, page_at(k, child, AT), PG_anon_exclusive));
      KUNIT_EXPECT_EQ(test, 'one page', page_at(k, mm, AT), page_at(k, child, AT));
      write(k, child, AT, 'mine');
      KUNIT_EXPECT_EQ(test, 'each its own', [read(k, mm, AT, 4), read(k, child, AT, 4)], ['both', 'mine']);
    }),
    // The 63rd entry takes a page to count on, which may be had only by waiting for it.
    KUNIT_CASE('forks_of_swapped', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'all');
      write(k, mm, AT + PAGE_SIZE, 'of it');
      for (const va of [AT, AT + PAGE_SIZE]) out(k, page_at(k, mm, va));
      fail_page_alloc_write(k, 'min-order', '0');
      fail_page_alloc_write(k, 'ignore-gfp-wait', '1');
      fail_page_alloc_write(k, 'verbose', '0');
      fail_page_alloc_write(k, 'times', '-1');
      fail_page_alloc_write(k, 'probability', '100');
      const children = Array.from({ length: 70 }, () => fork(k, mm));
      fail_page_alloc_write(k, 'probability', '0');
      const last = children[children.length - 1]!;
      KUNIT_EXPECT_EQ(test, 'entries', rss(last), [0, 2]);
      KUNIT_EXPECT_EQ(test, 'contents', read(k, last, AT, 3) + read(k, last, AT + PAGE_SIZE, 5), 'allof it');
      for (const child of [...children, mm]) in_task(k, () => mmput(k, child));
      KUNIT_EXPECT_EQ(test, 'in use', used(k), 0);
    }),
    // All mappings of a shared page go, and come back one by one.
    KUNIT_CASE('swapped_while_shared', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'ours');
      const child = fork(k, mm);
      const pfn = page_at(k, mm, AT);
      out(k, pfn);
      KUNIT_EXPECT_EQ(
        test,
        'entries',
        [rss(mm), rss(child)],
        [
          [0, 1],
          [0, 1],
        ],
      );
      write(k, mm, AT, 'O');
      KUNIT_EXPECT_EQ(test, 'contents', [read(k, mm, AT, 4), read(k, child, AT, 4)], ['Ours', 'ours']);
    }),
    KUNIT_CASE('exit', (test) => {
      const { k, mm } = space(test);
      for (let n = 0; n < 8; n++) write(k, mm, AT + n * PAGE_SIZE, 'x');
      for (let n = 0; n < 8; n++) out(k, page_at(k, mm, AT + n * PAGE_SIZE));
      KUNIT_EXPECT_TRUE(test, 'in use', used(k) >= 8);
      // Some in swap, some in the swap cache, some back for good.
      read(k, mm, AT, 1);
      write(k, mm, AT + PAGE_SIZE, 'y');
      in_task(k, () => mmput(k, mm));
      KUNIT_EXPECT_EQ(test, 'in the swap cache', node_stat(k, NR_SWAPCACHE), 0);
      const areas = in_task(k, () => swapoff(k, '/dev/vda'));
      KUNIT_EXPECT_EQ(test, 'nothing left on the area', [areas, used(k)], [0, 0]);
    }),
    KUNIT_CASE('cannot_be_read', (test) => {
      const { k, mm } = space(test);
      write(k, mm, AT, 'lost');
      out(k, page_at(k, mm, AT));
      disk_inject(k, lookup_disk(k, '/dev/vda')!, { read: 1000000 });
      KUNIT_EXPECT_EQ(test, 'SIGBUS', read(k, mm, AT, 4), String(-EIO));
      KUNIT_EXPECT_EQ(test, 'the entry stays', rss(mm), [0, 1]);
    }),
    KUNIT_CASE('swapoff', (test) => {
      const { k, mm } = space(test);
      for (let n = 0; n < 20; n++) write(k, mm, AT + n * PAGE_SIZE, `page ${n}`);
      for (let n = 0; n < 20; n++) out(k, page_at(k, mm, AT + n * PAGE_SIZE));
      const child = fork(k, mm);
      KUNIT_EXPECT_EQ(
        test,
        'swapoff',
        in_task(k, () => swapoff(k, '/dev/vda')),
        0,
      );
      KUNIT_EXPECT_EQ(
        test,
        'pages',
        [rss(mm), rss(child)],
        [
          [20, 0],
          [20, 0],
        ],
      );
      const pfn = page_at(k, mm, AT + 3 * PAGE_SIZE);
      KUNIT_EXPECT_EQ(test, 'touched since, in one of the two', folio_referenced(k, pfn, true, null), 1);
      KUNIT_EXPECT_EQ(test, 'contents', read(k, child, AT + 7 * PAGE_SIZE, 6), 'page 7');
      KUNIT_EXPECT_EQ(test, 'in use', used(k), 0);
    }),
  ],
};
