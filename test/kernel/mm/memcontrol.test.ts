import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cpuset_create } from '../../../kernel/cgroup/cpuset_write.ts';
import {
  __GFP_ACCOUNT,
  __GFP_COMP,
  __GFP_NOFAIL,
  __GFP_NORETRY,
  __GFP_RETRY_MAYFAIL,
  GFP_ATOMIC,
  GFP_KERNEL,
  GFP_KERNEL_ACCOUNT,
  GFP_NOWAIT,
} from '../../../kernel/include/gfp_types.ts';
import { PF_KTHREAD, PF_MEMALLOC } from '../../../kernel/include/sched.ts';
import { PAGE_OFFSET, PAGE_SIZE } from '../../../kernel/include/types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import { __alloc_pages_bulk } from '../../../kernel/mm/bulk.ts';
import { alloc_pages_exact, free_pages_exact } from '../../../kernel/mm/gfp_pages.ts';
import { drain_all_stock } from '../../../kernel/mm/memcg_charge.ts';
import { mem_cgroup_resize_max, memory_max_write } from '../../../kernel/mm/memcg_files.ts';
import { memcg_kmem_pages } from '../../../kernel/mm/memcg_stat.ts';
import {
  type mem_cgroup,
  mem_cgroup_attach,
  mem_cgroup_create,
  mem_cgroup_remove,
  set_active_memcg,
} from '../../../kernel/mm/memcontrol.ts';
import { page_index, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages, split_page } from '../../../kernel/mm/page_alloc.ts';
import type { ReclaimHooks } from '../../../kernel/mm/page_alloc_state.ts';
import { switch_to_cpu } from '../../../kernel/mm/zone_cpu.ts';
import { HARDIRQ_OFFSET } from '../../../kernel/sched/preempt.ts';
import { not_sleeping, type Sleeping } from '../../../kernel/sched/sleeping.ts';
import { task_struct } from '../../../kernel/sched/task.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const EBUSY = -16;
const EEXIST = -17;
const EINVAL = -22;
const BATCH = 64;

/** What a write to a file comes to. */
const written = (body: Sleeping<number>): number => not_sleeping(body, 'the write');

function created(k: Kernel, parent: mem_cgroup, name: string): mem_cgroup {
  const memcg = not_sleeping(mem_cgroup_create(k, parent, name), 'mkdir');
  if (typeof memcg === 'number') throw new Error(`mem_cgroup_create: ${memcg}`);
  return memcg;
}

/** A task in /a/b, on a machine with two CPUs. */
function machine(): { k: Kernel; a: mem_cgroup; b: mem_cgroup } {
  const k = drawnAllocator({
    memory: '0',
    unit: 128 * MiB,
    setup: ({ cpus }) => {
      for (const mask of [cpus.cpu_possible_mask, cpus.cpu_present_mask, cpus.cpu_online_mask]) node_set(1, mask);
      cpus.nr_cpu_ids = 2;
    },
  });
  const a = created(k, k.memcg.root_mem_cgroup, 'a');
  const b = created(k, a, 'b');
  k.current = new task_struct(42, 'job', 0);
  mem_cgroup_attach(k, b, k.current);
  return { k, a, b };
}
const data = (k: Kernel, pfn: number): bigint => {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  return (BigInt(m[i + 15]! >>> 0) << 32n) | BigInt(m[i + 14]! >>> 0);
};
const alloc = (k: Kernel, order = 0, gfp = GFP_KERNEL_ACCOUNT): number => __alloc_pages(k, gfp, order, 0);
const usage = (...groups: mem_cgroup[]): number[] => groups.map(({ memory }) => memory.usage);
const bugs = (k: Kernel): string[] => printed(k).filter((line) => line.startsWith('BUG'));

describe('a charged page', () => {
  test('points to its obj_cgroup, with MEMCG_DATA_KMEM, until it is freed', () => {
    const { k, a, b } = machine();
    const pfn = alloc(k);
    expect(data(k, pfn)).toBe((PAGE_OFFSET + BigInt(b.objcg!.pa)) | 2n);
    expect([b.kmem_pages, memcg_kmem_pages(a)]).toEqual([1, 1]);
    __free_pages(k, pfn, 0);
    expect([data(k, pfn), b.kmem_pages, b.objcg!.refcnt]).toEqual([0n, 0, 1]);
    expect(bugs(k)).toEqual([]);
  });

  test('pages are charged by the batch, for the cgroup and those above it; the stock of the CPU has the rest', () => {
    const { k, a, b } = machine();
    const root = k.memcg.root_mem_cgroup;
    alloc(k);
    expect(usage(b, a, root)).toEqual([BATCH, BATCH, BATCH]);
    for (let n = 1; n < BATCH; n++) alloc(k);
    expect(usage(b, a, root)).toEqual([BATCH, BATCH, BATCH]);
    alloc(k);
    expect(usage(b, a, root)).toEqual([2 * BATCH, 2 * BATCH, 2 * BATCH]);
    drain_all_stock(k, a);
    expect(usage(b, a, root)).toEqual([BATCH + 1, BATCH + 1, BATCH + 1]);
  });

  test('a block of more than a batch is charged as it is; what is freed fills the stock, too much of it goes back', () => {
    const { k, b } = machine();
    const pfn = alloc(k, 7);
    expect(usage(b)).toEqual([128]);
    __free_pages(k, pfn, 7);
    expect(usage(b)).toEqual([0]);
    const small = alloc(k, 5);
    expect(usage(b)).toEqual([64]);
    __free_pages(k, small, 5);
    expect(usage(b)).toEqual([64]);
  });

  test('compound pages, pages of isolated orders, split ones and exact ones are uncharged to the last', () => {
    const { k, a, b } = machine();
    const compound = alloc(k, 3, GFP_KERNEL_ACCOUNT | __GFP_COMP);
    const block = alloc(k, 2);
    split_page(k, block, 2);
    expect(b.objcg!.refcnt).toBe(1 + 1 + 4);
    const exact = alloc_pages_exact(k, 5 * PAGE_SIZE, GFP_KERNEL_ACCOUNT);
    expect(b.kmem_pages).toBe(8 + 4 + 5);
    __free_pages(k, compound, 3);
    for (let p = 0; p < 4; p++) __free_pages(k, block + p, 0);
    free_pages_exact(k, exact, 5 * PAGE_SIZE);
    drain_all_stock(k, a);
    expect([b.kmem_pages, b.objcg!.refcnt, ...usage(b, a)]).toEqual([0, 1, 0, 0]);
    expect(bugs(k)).toEqual([]);
  });

  test('many at once: page by page, as bulk allocation does not charge', () => {
    const { k, b } = machine();
    const pages: number[] = [];
    expect(__alloc_pages_bulk(k, GFP_KERNEL_ACCOUNT, 0, null, 20, pages)).toBe(1);
    expect(b.kmem_pages).toBe(1);
    expect(__alloc_pages_bulk(k, GFP_KERNEL, 0, null, 20, [])).toBe(20);
    expect(b.kmem_pages).toBe(1);
  });
});

describe('who is charged', () => {
  test('no one without __GFP_ACCOUNT, for kernel threads, in the root, or in interrupts', () => {
    const { k, a, b } = machine();
    alloc(k, 0, GFP_KERNEL);
    k.preempt.preempt_count = HARDIRQ_OFFSET;
    alloc(k, 0, GFP_ATOMIC | __GFP_ACCOUNT);
    k.preempt.preempt_count = 0;
    k.current.flags |= PF_KTHREAD;
    alloc(k);
    k.current = new task_struct(1, 'init', 0);
    alloc(k);
    expect([...usage(b, a), b.kmem_pages]).toEqual([0, 0, 0]);
  });

  test('whoever set_active_memcg() names, from kernel threads and interrupts too; scopes nest', () => {
    const { k, a, b } = machine();
    k.current.flags |= PF_KTHREAD;
    const old = set_active_memcg(k, a);
    const inner = set_active_memcg(k, b);
    alloc(k);
    set_active_memcg(k, inner);
    alloc(k);
    set_active_memcg(k, old);
    alloc(k);
    expect([a.kmem_pages, b.kmem_pages]).toEqual([1, 1]);
    k.preempt.preempt_count = HARDIRQ_OFFSET;
    set_active_memcg(k, a);
    alloc(k, 0, GFP_ATOMIC | __GFP_ACCOUNT);
    expect([a.kmem_pages, k.current.active_memcg]).toEqual([2, null]);
  });

  test('a cgroup that goes leaves its pages to its parent', () => {
    const { k, a, b } = machine();
    const pfn = alloc(k);
    const objcg = b.objcg!;
    expect(mem_cgroup_remove(k, b)).toBe(EBUSY);
    mem_cgroup_attach(k, a, k.current);
    expect(mem_cgroup_remove(k, b)).toBe(0);
    expect([objcg.memcg, objcg.refcnt, a.objcg_list.size]).toEqual([a, 1, 1]);
    __free_pages(k, pfn, 0);
    expect([a.objcg_list.size, k.memcg.objcgs.has(objcg.pa)]).toEqual([0, false]);
  });

  test('names are taken once', () => {
    const { k, a } = machine();
    expect([
      not_sleeping(mem_cgroup_create(k, a, 'b'), 'mkdir'),
      not_sleeping(mem_cgroup_create(k, a, 'x/y'), 'mkdir'),
    ]).toEqual([EEXIST, EINVAL]);
  });
});

describe('a limit', () => {
  /** /a may have 100 pages, and b has taken them. */
  function full(): { k: Kernel; a: mem_cgroup; b: mem_cgroup } {
    const m = machine();
    expect(written(memory_max_write(m.k, m.a, '400K'))).toBe(0);
    for (let n = 0; n < 100; n++) expect(alloc(m.k)).toBeGreaterThan(0);
    expect(usage(m.b, m.a)).toEqual([100, 100]);
    return m;
  }

  test.each([
    ['GFP_KERNEL', GFP_KERNEL_ACCOUNT, { max: 18, oom: 1 }],
    ['GFP_NOWAIT', GFP_NOWAIT | __GFP_ACCOUNT, { max: 0, oom: 0 }],
    ['__GFP_NORETRY', GFP_KERNEL_ACCOUNT | __GFP_NORETRY, { max: 2, oom: 0 }],
    ['__GFP_RETRY_MAYFAIL', GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL, { max: 18, oom: 0 }],
  ] as const)('%s fails at it, and the page goes back', (_, gfp, events) => {
    const { k, a, b } = full();
    const before = { ...a.events };
    const failcnt = a.memory.failcnt;
    expect(alloc(k, 0, gfp)).toBe(-1);
    expect({ max: a.events.max - before.max, oom: a.events.oom - before.oom }).toEqual(events);
    expect(b.events).toMatchObject({ max: 0, oom: 0 });
    expect(a.memory.failcnt).toBeGreaterThan(failcnt);
    expect([...usage(b, a), b.kmem_pages]).toEqual([100, 100, 100]);
    expect(bugs(k)).toEqual([]);
  });

  test.each([
    ['__GFP_NOFAIL', GFP_KERNEL_ACCOUNT | __GFP_NOFAIL, 0],
    ['GFP_ATOMIC', GFP_ATOMIC | __GFP_ACCOUNT, 0],
    ['one who frees memory', GFP_KERNEL_ACCOUNT, PF_MEMALLOC],
  ] as const)('%s goes beyond it', (_, gfp, flags) => {
    const { k, a, b } = full();
    const before = a.events.max;
    k.current.flags |= flags;
    expect(alloc(k, 0, gfp)).toBeGreaterThan(0);
    expect(usage(b, a)).toEqual([101, 101]);
    expect(a.events.max).toBeGreaterThan(before);
  });

  test('of the cgroup itself or of one above, whichever is lower; failcnt says where', () => {
    const { k, a, b } = machine();
    written(memory_max_write(k, b, '80K'));
    written(memory_max_write(k, a, '400K'));
    for (let n = 0; n < 20; n++) alloc(k);
    expect(alloc(k, 0, GFP_NOWAIT | __GFP_ACCOUNT)).toBe(-1);
    expect(a.memory.failcnt).toBe(0);
    expect(b.memory.failcnt).toBeGreaterThan(0);
    expect(b.memory.watermark).toBe(20);
  });

  test('what other CPUs hold in stock is taken before anyone is killed', () => {
    const { k, a, b } = machine();
    written(memory_max_write(k, a, '400K'));
    for (let n = 0; n < 30; n++) alloc(k);
    switch_to_cpu(k, 1);
    for (let n = 0; n < 70; n++) expect(alloc(k)).toBeGreaterThan(0);
    expect([...usage(b), a.events.oom]).toEqual([100, 0]);
    expect(a.events.max).toBeGreaterThan(0);
  });

  test('reclaim and the OOM killer are asked, as long as they get on', () => {
    const { k, a } = full();
    const mine: number[] = [];
    let reclaims = 0;
    const hooks: ReclaimHooks = {
      wakeup_kswapd: () => {},
      try_to_free_pages: () => 0,
      try_to_compact_pages: () => 1,
      node_reclaim: () => false,
      out_of_memory: () => false,
      try_to_free_mem_cgroup_pages: (_, memcg, nr_pages) => {
        expect([memcg, nr_pages]).toEqual([a, 1]);
        reclaims++;
        return 0;
      },
      mem_cgroup_out_of_memory: () => {
        written(memory_max_write(k, a, '404K'));
        return true;
      },
    };
    k.page_alloc.reclaim = hooks;
    mine.push(alloc(k));
    expect(mine[0]).toBeGreaterThan(0);
    expect([reclaims, a.events.oom]).toEqual([18, 1]);
  });

  test('memory.max holds at once; memory.limit_in_bytes is refused where more is in use', () => {
    const { k, a } = full();
    expect(written(mem_cgroup_resize_max(k, a, '396K'))).toBe(EBUSY);
    expect(a.memory.max).toBe(100);
    expect(written(memory_max_write(k, a, '4096'))).toBe(0);
    expect([a.memory.max, ...usage(a)]).toEqual([1, 100]);
    expect(written(mem_cgroup_resize_max(k, a, '1M'))).toBe(0);
    expect(a.memory.max).toBe(256);
    expect(written(memory_max_write(k, a, 'max\n'))).toBe(0);
    expect(a.memory.max).toBe(2 ** 51 - 1);
    expect([
      written(memory_max_write(k, a, 'much')),
      written(mem_cgroup_resize_max(k, k.memcg.root_mem_cgroup, '1M')),
    ]).toEqual([EINVAL, EINVAL]);
  });

  test('a limit that nothing is above leaves the stocks of CPUs alone', () => {
    const { k, a, b } = machine();
    alloc(k);
    expect(written(memory_max_write(k, a, '256K'))).toBe(0);
    expect(usage(b, a)).toEqual([BATCH, BATCH]);
    expect(written(memory_max_write(k, a, '252K'))).toBe(0);
    expect(usage(b, a)).toEqual([1, 1]);
  });

  test('events count for those above, but for the root; with cgroup v1 for no one above', () => {
    for (const [on_dfl, above] of [
      [true, 1],
      [false, 0],
    ] as const) {
      const { k, a, b } = machine();
      k.memcg.on_dfl = on_dfl;
      written(memory_max_write(k, b, '4K'));
      alloc(k);
      alloc(k, 0, GFP_ATOMIC | __GFP_ACCOUNT);
      expect([b.events_local.max, b.events.max, a.events.max, a.events_local.max]).toEqual([1, 1, above, 0]);
      expect(k.memcg.root_mem_cgroup.events.max).toBe(0);
    }
  });

  test('what is charged for is asked with the request s own flags, whatever cpusets add for the search', () => {
    const { k } = full();
    const asked: number[] = [];
    k.page_alloc.reclaim = {
      wakeup_kswapd: () => {},
      try_to_free_pages: () => 0,
      try_to_compact_pages: () => 1,
      node_reclaim: () => false,
      out_of_memory: () => false,
      try_to_free_mem_cgroup_pages: (_k, _memcg, _nr_pages, gfp) => {
        asked.push(gfp);
        return 0;
      },
      mem_cgroup_out_of_memory: () => false,
    };
    cpuset_create(k, k.cpuset.top_cpuset, 'some');
    alloc(k, 0, GFP_KERNEL_ACCOUNT | __GFP_NORETRY);
    expect(new Set(asked)).toEqual(new Set([GFP_KERNEL_ACCOUNT | __GFP_NORETRY]));
  });

  test('with cgroup v1 the kernel s pages have a counter of their own', () => {
    const { k, a, b } = machine();
    k.memcg.on_dfl = false;
    const pfn = alloc(k, 2);
    expect([b.kmem.usage, a.kmem.usage]).toEqual([4, 4]);
    __free_pages(k, pfn, 2);
    expect([b.kmem.usage, a.kmem.usage, a.kmem.watermark]).toEqual([0, 0, 4]);
  });
});

test('whatever is taken and given back: usage is what is charged and what CPUs hold, limits are kept', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(2), fc.nat(7), fc.nat(1), fc.nat(9)), { minLength: 20, maxLength: 150 }),
      (steps) => {
        const { k, a, b } = machine();
        const c = created(k, a, 'c');
        written(memory_max_write(k, a, '2M'));
        written(memory_max_write(k, c, '600K'));
        const held: { pfn: number; order: number; who: mem_cgroup }[] = [];
        for (const [who, order, cpu, free] of steps) {
          switch_to_cpu(k, cpu);
          if (free < 4 && held.length > 0) {
            const [block] = held.splice(free % held.length, 1);
            __free_pages(k, block!.pfn, block!.order);
          } else {
            const memcg = [a, b, c][who]!;
            set_active_memcg(k, memcg);
            const pfn = alloc(k, order);
            if (pfn >= 0) held.push({ pfn, order, who: memcg });
          }
          const of = (...groups: mem_cgroup[]): number =>
            held.reduce((sum, block) => sum + (groups.includes(block.who) ? 1 << block.order : 0), 0) +
            k.memcg.stock.reduce(
              (sum, s) => sum + (s.cached !== null && groups.includes(s.cached) ? s.nr_pages : 0),
              0,
            );
          expect(usage(a, b, c)).toEqual([of(a, b, c), of(b), of(c)]);
          expect([a.memory.usage <= 512, c.memory.usage <= 150]).toEqual([true, true]);
        }
        expect(bugs(k)).toEqual([]);
      },
    ),
    { numRuns: 15 },
  );
});
