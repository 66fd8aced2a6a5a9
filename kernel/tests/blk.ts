// The way of pages to a disk: what becomes one request, and when it goes (Linux: block/blk-merge.c, block/blk-core.c
// blk_start_plug()).

import {
  type bio_end_io,
  blk_finish_plug,
  blk_start_plug,
  REQ_OP_READ,
  REQ_OP_WRITE,
  submit_bio,
} from '../drivers/block/blk.ts';
import { disk_inject, type gendisk } from '../drivers/block/disk.ts';
import { PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { cond_resched } from '../sched/core.ts';
import { schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import type { Suite, Test } from './env.ts';
import { anonymous_page, disks_of, in_task, SECTORS_PER_PAGE, settle, swap_machine } from './swap_area.ts';

const nothing: bio_end_io = () => {};
const other: bio_end_io = () => {};

interface Machine {
  readonly k: Kernel;
  readonly disk: gendisk;
  readonly pfn: pfn_t;
  /** Submits a read of each of these pages of the disk. */
  readonly read: (pages: readonly number[], end_io?: bio_end_io) => void;
  /** Requests that the disk has. */
  readonly under_way: () => number;
}

function machine(test: Test): Machine {
  const k = swap_machine(test, disks_of(4000));
  const disk = k.block.disks[0]!;
  const pfn = anonymous_page(k);
  const tags = disk.nr_free_tags;
  return {
    k,
    disk,
    pfn,
    read: (pages, end_io = nothing) => {
      for (const page of pages) submit_bio(k, disk, REQ_OP_READ, page * SECTORS_PER_PAGE, pfn, end_io);
    },
    under_way: () => tags - disk.nr_free_tags,
  };
}

const from = (first: number, count: number): number[] => Array.from({ length: count }, (_, n) => first + n);
const every = (step: number, count: number): number[] => Array.from({ length: count }, (_, n) => n * step);

/** Does it as a task that collects what it submits. @returns what `look` sees before the plug is pulled, and then */
function under_plug(k: Kernel, submit: () => void, look: () => number = () => 0): [before: number, after: number] {
  return in_task(k, function* () {
    const plug = blk_start_plug(k);
    submit();
    const before = look();
    yield* cond_resched(k);
    blk_finish_plug(k, plug);
    return [before, look()];
  });
}

/** How many requests come of it: before the plug is pulled, and then. */
function plugged(test: Test, submit: (m: Machine) => void): [before: number, after: number] {
  const m = machine(test);
  return under_plug(m.k, () => submit(m), m.under_way);
}

export const blk_suite: Suite = {
  name: 'blk',
  test_cases: [
    KUNIT_CASE('what_becomes_one_request', (test) => {
      const count = (what: string, submit: (m: Machine) => void, expected: [number, number]): void =>
        KUNIT_EXPECT_EQ(test, what, plugged(test, submit), expected);
      count('pages in a row', ({ read }) => read(from(5, 32)), [0, 1]);
      count('a gap', ({ read }) => read([1, 2, 4, 5]), [0, 2]);
      count('backwards', ({ read }) => read([3, 2, 1]), [0, 3]);
      count('more than a request has room for', ({ read }) => read(from(0, 600)), [2, 3]);
      count('a plug is pulled when it has 32', ({ read }) => read(every(2, 33)), [32, 33]);
      count('and before more is put to one of 32 pages', ({ read }) => read([...from(0, 32), 100]), [1, 2]);
      count(
        'who waits for them differs',
        ({ read }) => {
          read([1]);
          read([2], other);
        },
        [0, 2],
      );
      count(
        'one is read, the next one written',
        ({ k, disk, pfn, read }) => {
          read([1]);
          submit_bio(k, disk, REQ_OP_WRITE, 2 * SECTORS_PER_PAGE, pfn, nothing);
        },
        [0, 2],
      );
    }),
    KUNIT_CASE('without_a_plug_each_goes_at_once', (test) => {
      const { read, under_way } = machine(test);
      read([1, 2, 3]);
      KUNIT_EXPECT_EQ(test, 'requests', under_way(), 3);
    }),
    KUNIT_CASE('only_the_outer_plug_counts', (test) => {
      const [before, after] = plugged(test, ({ k, read, under_way }) => {
        const inner = blk_start_plug(k);
        read([1]);
        blk_finish_plug(k, inner);
        KUNIT_EXPECT_EQ(test, 'still held back', under_way(), 0);
        read([2]);
      });
      KUNIT_EXPECT_EQ(test, 'together', [before, after], [0, 1]);
    }),
    KUNIT_CASE('who_goes_to_sleep_lets_go', (test) => {
      const { k, read, under_way } = machine(test);
      let done = 0;
      in_task(k, function* () {
        const plug = blk_start_plug(k);
        read([1, 2], () => done++);
        yield* cond_resched(k);
        KUNIT_EXPECT_EQ(test, 'still held back', under_way(), 0);
        yield* schedule_timeout_uninterruptible(k, 1);
        KUNIT_EXPECT_EQ(test, 'done meanwhile', done, 2);
        read([3]);
        KUNIT_EXPECT_EQ(test, 'the plug holds on', under_way(), 0);
        blk_finish_plug(k, plug);
        KUNIT_EXPECT_TRUE(test, 'no plug', k.current.plug === null);
        read([4]);
        KUNIT_EXPECT_EQ(test, 'requests', under_way(), 2);
      });
    }),
    KUNIT_CASE('each_page_has_its_own_contents', (test) => {
      const { k, disk } = machine(test);
      const byte = (n: number): number => (n * 7 + 1) & 0xff;
      const pages = from(0, 300).map((n) => anonymous_page(k, byte(n)));
      const all = (op: number): void => {
        under_plug(k, () => {
          for (const [n, pfn] of pages.entries()) submit_bio(k, disk, op, (n + 40) * SECTORS_PER_PAGE, pfn, nothing);
        });
      };
      all(REQ_OP_WRITE);
      settle(k);
      for (const pfn of pages) k.hw.ram.fill(pfn * PAGE_SIZE, PAGE_SIZE, 0);
      all(REQ_OP_READ);
      settle(k);
      const wrong = pages.filter((pfn, n) =>
        k.hw.ram.read(pfn * PAGE_SIZE, PAGE_SIZE).some((found) => found !== byte(n)),
      );
      KUNIT_EXPECT_EQ(test, 'pages with other contents', wrong, []);
    }),
    KUNIT_CASE('a_request_that_fails_fails_for_each_page', (test) => {
      const { k, disk, read } = machine(test);
      disk_inject(k, disk, { read: 1e6 });
      const told: string[] = [];
      under_plug(k, () => read([7, 8, 9], (_k, _disk, sector, _pfn, error) => told.push(`${sector}:${error}`)));
      settle(k);
      KUNIT_EXPECT_EQ(test, 'told', told, ['56:-5', '64:-5', '72:-5']);
      const text = 'I/O error, dev vda, sector 56 op 0x0:(READ) flags 0x0 phys_seg 3 prio class 2';
      KUNIT_EXPECT_EQ(test, 'log', k.log.records.at(-1)?.text, text);
    }),
  ],
};
