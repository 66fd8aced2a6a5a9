// Requests that get no page, or get one the long way: each check that decided so is told, and what repeats is told once.

import { describe, expect, test } from 'vitest';
import { proc_sys_write } from '../../../kernel/fs/proc/proc_sysctl.ts';
import {
  __GFP_MEMALLOC,
  __GFP_MOVABLE,
  __GFP_NOFAIL,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  GFP_ATOMIC,
  GFP_DMA32,
  GFP_KERNEL,
} from '../../../kernel/include/gfp_types.ts';
import { MIGRATE_CMA, MIGRATE_HIGHATOMIC, MIGRATE_MOVABLE, MIGRATE_UNMOVABLE } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { KernelPanic } from '../../../kernel/lib/bug.ts';
import { setup_fail_page_alloc } from '../../../kernel/mm/fail_page_alloc.ts';
import { __alloc_pages } from '../../../kernel/mm/page_alloc.ts';
import { explained } from '../../../kernel/trace/explain.ts';
import type { Step } from '../../../kernel/trace/explain_step.ts';
import { explain_text } from '../../../kernel/trace/explain_text.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

const machine = (): Kernel => drawnAllocator({ memory: '0011', unit: 16 * MiB });
const told = (k: Kernel, gfp: number, order: number, nid = 0): readonly Step[] =>
  explained(k, () => __alloc_pages(k, gfp | __GFP_NOWARN, order, nid)).steps;
const codes = (steps: readonly Step[]): string[] => steps.map(({ code }) => code);
const of = <C extends Step['code']>(steps: readonly Step[], code: C) =>
  steps.filter((step): step is Extract<Step, { code: C }> => step.code === code);

function set(k: Kernel, name: string, value: number): void {
  expect(proc_sys_write(k, `sys/vm/${name}`, `${value}\n`)).toBeGreaterThan(0);
}

/** Every zone is below its marks, and would not be if twice as much were free. */
function low(): Kernel {
  const k = machine();
  set(k, 'min_free_kbytes', 80000);
  return k;
}

/** Far below. */
function lowest(): Kernel {
  const k = machine();
  set(k, 'min_free_kbytes', 800000);
  return k;
}

describe('what no zone is asked for', () => {
  test('an order above 10', () => {
    const steps = told(machine(), GFP_KERNEL, 11);
    expect(codes(steps)).toEqual(['request', 'too_large', 'result']);
    expect(steps[0]).toMatchObject({ order: 11, zones: [{ nid: 0 }, { nid: 0 }, { nid: 1 }] });
    expect(explain_text(steps)).toMatch(
      /^order 11, 0x2cc0 .*\n.*\n.*\norder 11 > 10: no block is that large, no zone is asked\nno page\n$/,
    );
    expect(explain_text(told(machine(), GFP_KERNEL, 4000))).not.toMatch(/Infinity|undefined/);
  });

  test('a request that fail_page_alloc lets fail', () => {
    const k = machine();
    setup_fail_page_alloc(k, '1,100,0,-1');
    const steps = told(k, GFP_ATOMIC, 1);
    expect(codes(steps)).toEqual(['request', 'fault', 'result']);
    expect(explain_text(steps)).toMatch(/\nfail_page_alloc: failed on purpose, no zone is asked\nno page\n$/);
  });
});

describe('the slow path', () => {
  test('17 rounds in which nothing changes: why it goes on, and why no longer; told once', () => {
    const steps = told(low(), GFP_KERNEL, 0);
    const retries = of(steps, 'reclaim_retry');
    expect(retries.map(({ loops, again }) => [loops, again])).toEqual(
      Array.from({ length: 17 }, (_, i) => [i + 1, i < 16]),
    );
    const text = explain_text(steps);
    expect(text.split('\n').length).toBeLessThan(45);
    expect(text).toMatch(
      /with all that could be reclaimed, Node \d \w+: free (\d+) \+ \1 reclaimable = \d+; min mark .* enough\n {2}should_reclaim_retry: 1 round of at most 16 without progress: once more\n {2}\.\.\. the same again, 15 times\n/,
    );
    expect(text).toContain('  should_reclaim_retry: 17 rounds of at most 16 without progress: no more\n');
    expect(text).toMatch(/the OOM killer.*\n {2}no more is tried: nothing was freed, and nobody killed\nno page\n$/);
  });

  test('a round that would not help even if all were free is the last', () => {
    const steps = told(lowest(), GFP_KERNEL, 0);
    expect(of(steps, 'reclaim_retry')).toEqual([
      { code: 'reclaim_retry', loops: 1, most: 16, unreserved: false, again: false },
    ]);
    const checked = of(steps, 'reclaimable');
    expect(checked.length).toBe(3);
    for (const { free, reclaimable, least, lowmem_reserve, ok } of checked) {
      expect([ok, free + reclaimable <= least + lowmem_reserve]).toEqual([false, true]);
    }
  });

  test.each([
    ['GFP_ATOMIC', GFP_ATOMIC, 0, 'give_up', 'no_direct_reclaim'],
    ['__GFP_NORETRY', GFP_KERNEL | __GFP_NORETRY, 0, 'give_up', 'noretry'],
    ['order 4', GFP_KERNEL, 4, 'give_up', 'costly'],
    ['order 4 that compaction is skipped for', GFP_KERNEL | __GFP_NORETRY, 4, 'give_up', 'costly_compaction'],
    ['__GFP_RETRY_MAYFAIL', GFP_KERNEL | __GFP_RETRY_MAYFAIL, 0, 'no_oom', 'retry_mayfail'],
    ['__GFP_THISNODE', GFP_KERNEL | __GFP_THISNODE, 0, 'no_oom', 'thisnode'],
    ['GFP_DMA32', GFP_KERNEL | GFP_DMA32, 0, 'no_oom', 'lowmem'],
  ] as const)('%s: why no more is tried', (_name, gfp, order, code, why) => {
    const steps = told(lowest(), gfp, order);
    expect(steps).toContainEqual({ code, why });
    expect(explain_text(steps)).not.toContain('undefined');
  });

  test('a compaction that is made: what should_compact_retry() says', () => {
    const k = low();
    k.page_alloc.reclaim = {
      wakeup_kswapd: () => {},
      try_to_free_pages: () => 1,
      try_to_compact_pages: () => 5,
      out_of_memory: () => false,
      node_reclaim: () => false,
      try_to_free_mem_cgroup_pages: () => 0,
      mem_cgroup_out_of_memory: () => false,
    };
    set(k, 'min_free_kbytes', 800000);
    const retries = of(told(k, GFP_KERNEL, 2), 'compact_retry');
    expect(retries.map(({ result, priority, again }) => [result, priority, again])).toEqual([
      ['complete', 0, true],
      ['complete', 0, false],
    ]);
  });

  test('watermarks that do not hold are looked at first, and then passed over', () => {
    const text = explain_text(told(lowest(), GFP_KERNEL | __GFP_MEMALLOC, 0));
    expect(text).toMatch(/too few\n {4}ALLOC_NO_WATERMARKS: Node 0 \w+ is asked all the same\n {4}CPU 0's list/);
    expect(explain_text(told(machine(), GFP_KERNEL | __GFP_MEMALLOC, 0))).not.toContain('asked all the same');
  });

  test('a panic is the last step, and the steps before it are there', () => {
    const k = lowest();
    const k2 = drawnAllocator({ memory: '00', unit: 16 * MiB, memoryless: [1] });
    const { result, steps, stopped } = explained(k2, () =>
      __alloc_pages(k2, GFP_KERNEL | __GFP_NOFAIL | __GFP_THISNODE, 0, 1),
    );
    expect([result, stopped]).toEqual([-1, expect.any(KernelPanic)]);
    expect(codes(steps)).toEqual(['request', 'slowpath', 'give_up', 'nofail', 'stopped']);
    expect(explain_text(steps)).toMatch(
      /\n {2}zonelist: empty\n(.*\n)*the kernel stops: System is deadlocked on memory\n$/,
    );
    expect(() =>
      explained(k, () => {
        throw new TypeError('ours');
      }),
    ).toThrow(TypeError);
    expect(k.page_alloc.static_keys).toBe(0);
  });
});

test('vm.zone_reclaim_mode: what node_reclaim() found, of each zone', () => {
  const k = lowest();
  set(k, 'zone_reclaim_mode', 7);
  const steps = told(k, GFP_KERNEL, 0);
  expect(codes(steps).slice(1, 4)).toEqual(['walk', 'watermark', 'node_reclaim']);
  expect(steps[3]).toMatchObject({ nid: 0, result: 'full', pagecache: 0, slab: 0 });
  k.page_alloc.node_reclaim_distance = 15;
  const far = told(k, GFP_KERNEL, 0);
  expect(of(far, 'too_far')[0]).toEqual({ code: 'too_far', nid: 1, zone: 1, distance: 20, most: 15 });
  expect(explain_text(far)).toContain('    node_reclaim: Node 1 DMA32 is too far away, distance 20 > 15\n');
});

test('a request of two migratetypes has the Unmovable lists to fall back to, and orders without a block are one line', () => {
  const k = machine();
  __alloc_pages(k, GFP_KERNEL, 5, 0);
  const steps = told(k, GFP_KERNEL | __GFP_MOVABLE | __GFP_RECLAIMABLE, 5);
  expect(of(steps, 'steal')[0]).toMatchObject({ migratetype: MIGRATE_UNMOVABLE });
  expect(explain_text(steps)).toMatch(
    /HighAtomic lists: orders 5 to 10 empty\n {6}another migratetype's block, of orders 5 to 10, the largest first: Unmovable\n {8}order 10: none\n {8}order 9: Unmovable\n/,
  );
  const none = explain_text(told(machine(), GFP_KERNEL | __GFP_MOVABLE | __GFP_RECLAIMABLE, 5));
  expect(none).toMatch(/the largest first: Unmovable\n {8}orders 10 to 5: none\n/);
});

describe('pageblocks', () => {
  test('one that is HighAtomic already is not reserved again, whatever room there is', () => {
    const k = machine();
    set(k, 'min_free_kbytes', 60000);
    const reserves = [0, 1].flatMap(() => of(told(k, GFP_ATOMIC, 4, 1), 'reserve'));
    expect(reserves).toMatchObject([
      { migratetype: MIGRATE_UNMOVABLE, before: 0, after: 512 },
      { migratetype: MIGRATE_HIGHATOMIC, before: 512, after: 512 },
    ]);
    expect(explain_text(reserves.slice(1))).toMatch(
      /^ {4}no pageblock is reserved .*: that of 0x\w+ is HighAtomic already\n$/,
    );
    expect(explain_text([{ ...reserves[1]!, most: 512 }])).toContain(
      'has 512 reserved pages, which may be 512 at most',
    );
  });

  test('both pageblocks of a block of order 10 turn', () => {
    const k = machine();
    const [steal] = of(told(k, GFP_KERNEL, 10), 'steal');
    expect(steal).toMatchObject({
      before: [MIGRATE_MOVABLE, MIGRATE_MOVABLE],
      after: [MIGRATE_UNMOVABLE, MIGRATE_UNMOVABLE],
    });
    expect(explain_text([steal!])).toContain('its 2 pageblocks turn from Movable to Unmovable');
    expect(explain_text([{ ...steal!, before: [MIGRATE_CMA, MIGRATE_MOVABLE] }])).toContain(
      'turn from CMA and Movable to',
    );
  });
});

test('a list that is filled with many blocks: the first and the last, and how many of which order', () => {
  const k = drawnAllocator({ memory: '0', unit: 256 * MiB });
  const steps = told(k, GFP_KERNEL, 0);
  const { got } = of(steps, 'refilled')[0]!;
  expect(got).toBeGreaterThan(8);
  const text = explain_text(steps);
  expect(text.match(/lists: /g)!.length).toBeLessThan(6);
  const counted = [...text.matchAll(/(\d+) of order/g)].reduce((sum, [, n]) => sum + Number(n), 0);
  const runs = [...text.matchAll(/\.\.\. (\d+) more/g)].reduce((sum, [, n]) => sum + Number(n), 0);
  expect(counted).toBe(runs);
  expect(text).toMatch(/\npage frame 0x[0-9a-f]+\n$/);
});
