// Self tests of the charge of kernel memory to memory cgroups: batches, limits, and who is charged.

import {
  __GFP_ACCOUNT,
  __GFP_NORETRY,
  __GFP_NOWARN,
  GFP_ATOMIC,
  GFP_KERNEL,
  GFP_KERNEL_ACCOUNT,
} from '../include/gfp_types.ts';
import { PF_KTHREAD, PF_MEMALLOC } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_ASSERT_TRUE, KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { drain_all_stock } from '../mm/memcg_charge.ts';
import { memory_max_write } from '../mm/memcg_files.ts';
import { mem_cgroup, mem_cgroup_attach, mem_cgroup_create } from '../mm/memcontrol.ts';
import { __alloc_pages, __free_pages, split_page } from '../mm/page_alloc.ts';
import { HARDIRQ_OFFSET } from '../sched/preempt.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { task_struct } from '../sched/task.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, Test, TestMachine } from './env.ts';

/** What a write to a file comes to. */
const written = (body: Sleeping<number>): number => not_sleeping(body, 'the write');

/** MEMCG_CHARGE_BATCH: pages that are charged at a time. */
const BATCH = 64;

/** A task in the inner of two cgroups: root / a / b. */
function machine(test: Test): { k: Kernel; a: mem_cgroup; b: mem_cgroup } {
  const k = running(test, nodes_of(1, 64));
  const made = (parent: mem_cgroup, name: string): mem_cgroup => {
    const memcg = not_sleeping(mem_cgroup_create(k, parent, name), 'mkdir');
    KUNIT_ASSERT_TRUE(test, `cgroup ${name}`, memcg instanceof mem_cgroup);
    return memcg as mem_cgroup;
  };
  const a = made(k.memcg.root_mem_cgroup, 'a');
  const b = made(a, 'b');
  k.current = new task_struct(42, 'job', 0);
  mem_cgroup_attach(k, b, k.current);
  return { k, a, b };
}

interface ChargeRow {
  readonly desc: string;
  readonly order: number;
  readonly times: number;
  /** Pages charged to each of the two; the CPU's stock has what is not in use. */
  readonly wanted: number;
}

const charge_rows: readonly ChargeRow[] = [
  { desc: 'one page: a batch', order: 0, times: 1, wanted: BATCH },
  { desc: 'a batch of pages', order: 0, times: BATCH, wanted: BATCH },
  { desc: 'one more', order: 0, times: BATCH + 1, wanted: 2 * BATCH },
  { desc: 'a block of a batch', order: 6, times: 1, wanted: 64 },
  { desc: 'a larger block: as it is', order: 7, times: 1, wanted: 128 },
];

interface WhoRow {
  readonly desc: string;
  readonly gfp: number;
  readonly prepare?: (k: Kernel) => void;
  readonly wanted: number;
}

const who_rows: readonly WhoRow[] = [
  { desc: 'a task', gfp: GFP_KERNEL_ACCOUNT, wanted: 1 },
  { desc: 'without __GFP_ACCOUNT', gfp: GFP_KERNEL, wanted: 0 },
  {
    desc: 'a kernel thread',
    gfp: GFP_KERNEL_ACCOUNT,
    prepare: (k) => {
      k.current.flags |= PF_KTHREAD;
    },
    wanted: 0,
  },
  {
    desc: 'an interrupt',
    gfp: GFP_ATOMIC | __GFP_ACCOUNT,
    prepare: (k) => {
      k.preempt.preempt_count = HARDIRQ_OFFSET;
    },
    wanted: 0,
  },
];

interface LimitRow {
  readonly desc: string;
  /** memory.max in pages: of the outer, of the inner cgroup. */
  readonly limits: readonly [number | null, number | null];
  readonly gfp: number;
  readonly prepare?: (k: Kernel) => void;
  /** How many of 100 single pages there are. */
  readonly wanted: number;
}

const STOP = GFP_KERNEL_ACCOUNT | __GFP_NORETRY;
const limit_rows: readonly LimitRow[] = [
  { desc: 'none', limits: [null, null], gfp: STOP, wanted: 100 },
  { desc: 'of its own', limits: [null, 70], gfp: STOP, wanted: 70 },
  { desc: 'of the one above', limits: [40, null], gfp: STOP, wanted: 40 },
  { desc: 'the lower of both', limits: [80, 70], gfp: STOP, wanted: 70 },
  { desc: 'no charge, no limit', limits: [10, 10], gfp: GFP_KERNEL, wanted: 100 },
  // Whoever cannot wait may go beyond it, rather than break what must not fail.
  {
    desc: 'one who frees memory goes beyond it',
    limits: [null, 70],
    gfp: STOP,
    prepare: (k) => {
      k.current.flags |= PF_MEMALLOC;
    },
    wanted: 100,
  },
];

export const memcg_suite: Suite = {
  name: 'memcg',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, ChargeRow>('charge', charge_rows, (test, { order, times, wanted }) => {
      const { k, a, b } = machine(test);
      const blocks = Array.from({ length: times }, () => __alloc_pages(k, GFP_KERNEL_ACCOUNT, order, 0));
      KUNIT_EXPECT_EQ(test, 'usage', [a.memory.usage, b.memory.usage], [wanted, wanted]);
      drain_all_stock(k, a);
      const pages = times << order;
      KUNIT_EXPECT_EQ(test, 'usage without the stock', [a.memory.usage, b.memory.usage], [pages, pages]);
      for (const pfn of blocks) __free_pages(k, pfn, order);
      drain_all_stock(k, a);
      KUNIT_EXPECT_EQ(test, 'usage when all is free', [a.memory.usage, b.memory.usage], [0, 0]);
    }),
    KUNIT_CASE_PARAM<TestMachine, WhoRow>('who', who_rows, (test, { gfp, prepare, wanted }) => {
      const { k, b } = machine(test);
      prepare?.(k);
      __alloc_pages(k, gfp, 0, 0);
      KUNIT_EXPECT_EQ(test, 'kernel pages', b.kmem_pages, wanted);
    }),
    KUNIT_CASE_PARAM<TestMachine, LimitRow>('limit', limit_rows, (test, { limits, gfp, prepare, wanted }) => {
      const { k, a, b } = machine(test);
      for (const [n, memcg] of [a, b].entries()) {
        const pages = limits[n];
        if (pages !== null && pages !== undefined) written(memory_max_write(k, memcg, String(pages * 4096)));
      }
      prepare?.(k);
      let got = 0;
      while (got < 100 && __alloc_pages(k, gfp | __GFP_NOWARN, 0, 0) >= 0) got++;
      KUNIT_EXPECT_EQ(test, 'pages', got, wanted);
    }),
    // What could not be charged is not lost.
    KUNIT_CASE('a_failed_charge_frees', (test) => {
      const { k, b } = machine(test);
      written(memory_max_write(k, b, '0'));
      const first = __alloc_pages(k, GFP_KERNEL, 4, 0);
      __free_pages(k, first, 4);
      KUNIT_EXPECT_EQ(test, 'block', __alloc_pages(k, STOP | __GFP_NOWARN, 4, 0), -1);
      KUNIT_EXPECT_EQ(test, 'the next one gets it', __alloc_pages(k, GFP_KERNEL, 4, 0), first);
    }),
    KUNIT_CASE('split', (test) => {
      const { k, a, b } = machine(test);
      const pfn = __alloc_pages(k, GFP_KERNEL_ACCOUNT, 3, 0);
      split_page(k, pfn, 3);
      for (let n = 0; n < 8; n++) {
        KUNIT_EXPECT_EQ(test, `kernel pages before page ${n} is freed`, b.kmem_pages, 8 - n);
        __free_pages(k, pfn + n, 0);
      }
      drain_all_stock(k, a);
      KUNIT_EXPECT_EQ(test, 'usage', b.memory.usage, 0);
    }),
  ],
};
