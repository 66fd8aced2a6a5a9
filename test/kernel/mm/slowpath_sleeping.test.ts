// Requests of tasks that sleep until somebody has memory for them.

import { describe, expect, test } from 'vitest';
import { __GFP_ACCOUNT, __GFP_NOWARN, __GFP_WRITE, GFP_ATOMIC, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { NR_INACTIVE_FILE } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { memory_max_write } from '../../../kernel/mm/memcg_files.ts';
import { mem_cgroup_attach, mem_cgroup_create } from '../../../kernel/mm/memcontrol.ts';
import { page_zone } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages, alloc_pages_sleeping } from '../../../kernel/mm/page_alloc.ts';
import type { ReclaimHooks } from '../../../kernel/mm/page_alloc_state.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { charge, jiffies } from '../../../kernel/sched/clock.ts';
import { user_mode_thread } from '../../../kernel/sched/fork.ts';
import { run } from '../../../kernel/sched/run.ts';
import { not_sleeping } from '../../../kernel/sched/sleeping.ts';
import { schedule_timeout_uninterruptible } from '../../../kernel/sched/timeout.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const helpers = (over: Partial<ReclaimHooks>): ReclaimHooks => ({
  wakeup_kswapd: () => {},
  try_to_free_pages: () => 0,
  try_to_compact_pages: () => 1,
  node_reclaim: () => false,
  try_to_free_mem_cgroup_pages: () => 0,
  mem_cgroup_out_of_memory: () => false,
  out_of_memory: () => false,
  ...over,
});

/** @returns the pages that someone holds: all that may be had */
function fill(k: Kernel): number[] {
  const pages: number[] = [];
  for (;;) {
    const pfn = __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 0, 0);
    if (pfn < 0) return pages;
    pages.push(pfn);
  }
}

function give_back(k: Kernel, pages: number[], count: number): number {
  for (const pfn of pages.splice(0, count)) __free_pages(k, pfn, 0);
  drain_all_pages(k, null);
  return count;
}

function machine(memory = '0'): { k: Kernel; pages: number[]; said: string[] } {
  const k = drawnAllocator({ memory, unit: 64 * MiB });
  k.watermark.watermark_boost_factor = 0;
  return { k, pages: fill(k), said: [] };
}

describe('alloc_pages_sleeping()', () => {
  test('with memory to be had: the page that __alloc_pages() would give, at once', () => {
    const [a, b] = [machine(), machine()];
    for (const { k, pages } of [a, b]) give_back(k, pages, 500);
    const found: number[] = [];
    user_mode_thread(a.k, 'task', function* () {
      for (const gfp of [GFP_KERNEL, GFP_ATOMIC, GFP_KERNEL | __GFP_WRITE]) {
        found.push(yield* alloc_pages_sleeping(a.k, gfp, 0, 0));
      }
      found.push(yield* alloc_pages_sleeping(a.k, GFP_KERNEL, 11, 0));
    });
    run(a.k, {});
    const plain = [GFP_KERNEL, GFP_ATOMIC, GFP_KERNEL | __GFP_WRITE].map((gfp) => __alloc_pages(b.k, gfp, 0, 0));
    expect(found).toEqual([...plain, -1]);
    expect(jiffies(a.k)).toBe(0);
  });

  test('waits for reclaim, while another task runs', () => {
    const { k, pages, said } = machine();
    k.page_alloc.reclaim = helpers({
      *try_to_free_pages() {
        said.push(`${k.current.comm} reclaims`);
        yield* schedule_timeout_uninterruptible(k, 5);
        return give_back(k, pages, 100);
      },
    });
    user_mode_thread(k, 'hungry', function* () {
      const pfn = yield* alloc_pages_sleeping(k, GFP_KERNEL, 0, 0);
      said.push(`${k.current.comm} ${pfn >= 0} at ${jiffies(k)}`);
    });
    user_mode_thread(k, 'other', function* () {
      said.push(`other at ${jiffies(k)}`);
      yield* schedule_timeout_uninterruptible(k, 0);
    });
    expect(run(k, {})).toBe('idle');
    expect(said).toEqual(['hungry reclaims', 'other at 0', 'hungry true at 6']);
  });

  test('a plain request that comes to a sleep is a mistake of ours', () => {
    const { k } = machine();
    k.page_alloc.reclaim = helpers({
      *try_to_free_pages() {
        yield* schedule_timeout_uninterruptible(k, 5);
        return 0;
      },
    });
    user_mode_thread(k, 'plain', function* () {
      __alloc_pages(k, GFP_KERNEL, 0, 0);
      yield* schedule_timeout_uninterruptible(k, 5);
    });
    expect(() => run(k, {})).toThrow('__alloc_pages() came to where it has to sleep');
  });

  test('one at a time looks for someone to kill; the other waits a jiffy and finds what that freed', () => {
    const { k, pages, said } = machine();
    k.page_alloc.reclaim = helpers({
      *out_of_memory() {
        said.push(`${k.current.comm} kills`);
        yield* schedule_timeout_uninterruptible(k, 0);
        give_back(k, pages, 1000);
        return true;
      },
    });
    for (const name of ['a', 'b']) {
      user_mode_thread(k, name, function* () {
        const pfn = yield* alloc_pages_sleeping(k, GFP_KERNEL, 0, 0);
        said.push(`${name} ${pfn >= 0}`);
      });
    }
    run(k, {});
    expect(said).toEqual(['a kills', 'a true', 'b true']);
  });

  test('a node is reclaimed on the way over the zones, with sleep; then its own pages come first', () => {
    const { k, pages, said } = machine('01');
    k.page_alloc.node_reclaim_mode = 1;
    k.node_data[0]!.add_vm_stat(NR_INACTIVE_FILE, 10000);
    give_back(k, pages.filter((pfn) => page_zone(k, pfn).nid === 1).splice(0), 1000);
    const mine = pages.filter((pfn) => page_zone(k, pfn).nid === 0);
    k.page_alloc.reclaim = helpers({
      *node_reclaim(_, pgdat) {
        said.push(`node ${pgdat.node_id}`);
        yield* schedule_timeout_uninterruptible(k, 5);
        give_back(k, mine, 1000);
        return true;
      },
    });
    user_mode_thread(k, 'task', function* () {
      const pfn = yield* alloc_pages_sleeping(k, GFP_KERNEL | __GFP_WRITE, 0, 0);
      said.push(`from node ${page_zone(k, pfn).nid} at ${jiffies(k)}`);
    });
    run(k, {});
    expect(said).toEqual(['node 0', 'from node 0 at 6']);
  });

  test('the charge to a memory cgroup waits for its reclaim; without success the page is given back', () => {
    const { k, pages, said } = machine();
    give_back(k, pages, 2000);
    const memcg = not_sleeping(mem_cgroup_create(k, k.memcg.root_mem_cgroup, 'a'), 'mkdir');
    if (typeof memcg === 'number') throw new Error('mem_cgroup_create');
    k.page_alloc.reclaim = helpers({
      *try_to_free_mem_cgroup_pages() {
        yield* schedule_timeout_uninterruptible(k, 0);
        return 0;
      },
      *mem_cgroup_out_of_memory() {
        said.push('kill');
        yield* schedule_timeout_uninterruptible(k, 0);
        return false;
      },
    });
    const task = user_mode_thread(k, 'task', function* () {
      yield* memory_max_write(k, memcg, '0');
      const pfn = yield* alloc_pages_sleeping(k, GFP_KERNEL | __GFP_ACCOUNT | __GFP_NOWARN, 0, 0);
      said.push(`${pfn} at ${jiffies(k)}`);
      const free = yield* alloc_pages_sleeping(k, GFP_KERNEL, 0, 0);
      said.push(`${free >= 0}`);
    });
    mem_cgroup_attach(k, memcg, task);
    run(k, {});
    // As often as a charge tries again: 18 sleeps, and that of the OOM killer.
    expect(said).toEqual(['kill', '-1 at 19', 'true']);
    expect(memcg.memory.usage).toBe(0);
  });

  test('who gets nowhere lets others run, and fails in the end with a report', () => {
    const { k, said } = machine();
    const lines = printed(k).length;
    k.page_alloc.reclaim = helpers({
      try_to_free_pages: () => {
        charge(k, 1e6);
        return 0;
      },
    });
    for (const name of ['a', 'b']) {
      user_mode_thread(k, name, function* () {
        const pfn = yield* alloc_pages_sleeping(k, GFP_KERNEL, 0, 0);
        said.push(`${name} ${pfn}`);
      });
    }
    run(k, {});
    expect(said).toEqual(['a -1', 'b -1']);
    const reports = printed(k)
      .slice(lines)
      .filter((line) => /page allocation failure/.test(line));
    // One in ten seconds.
    expect(reports.map((line) => line.slice(0, 26))).toEqual(['a: page allocation failure']);
  });
});
