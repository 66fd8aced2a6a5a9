// Requests told check by check: that what is told is what happened, and how it reads.

import { describe, expect, test } from 'vitest';
import {
  __GFP_MEMALLOC,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  GFP_ATOMIC,
  GFP_DMA32,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
} from '../../../kernel/include/gfp_types.ts';
import { KEY_EXPLAIN } from '../../../kernel/include/static_keys.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { nodemask_of_node } from '../../../kernel/lib/nodemask.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { explained } from '../../../kernel/trace/explain.ts';
import type { Step } from '../../../kernel/trace/explain_step.ts';
import { explain_text } from '../../../kernel/trace/explain_text.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

const machine = (): Kernel => drawnAllocator({ memory: '0011', unit: 16 * MiB });
const told = (k: Kernel, gfp: number, order: number, nid = 0): readonly Step[] =>
  explained(k, () => __alloc_pages(k, gfp | __GFP_NOWARN, order, nid)).steps;
const codes = (steps: readonly Step[]): string[] => steps.map(({ code }) => code);

const kinds = [
  GFP_KERNEL,
  GFP_ATOMIC,
  GFP_NOWAIT,
  GFP_DMA32,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL | __GFP_RECLAIMABLE,
  GFP_KERNEL | __GFP_MEMALLOC,
];

/** Requests and frees by a small generator, until memory has run out more than once. */
function run(k: Kernel, each: (k: Kernel, gfp: number, order: number, nid: number) => number): number[] {
  let seed = 7;
  const below = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  const live: [pfn: number, order: number][] = [];
  const answers: number[] = [];
  for (let i = 0; i < 2400; i++) {
    const growing = Math.floor(i / 800) % 2 === 0;
    if (live.length > 0 && below(100) < (growing ? 10 : 90)) {
      const [pfn, order] = live.splice(below(live.length), 1)[0]!;
      __free_pages(k, pfn, order);
      continue;
    }
    const order = below(2) === 0 ? below(11) : below(4);
    const pfn = each(k, kinds[below(kinds.length)]! | __GFP_NOWARN, order, below(2));
    answers.push(pfn);
    if (pfn >= 0) live.push([pfn, order]);
  }
  return answers;
}

describe('over a long run', () => {
  const steps: Step[] = [];
  const explainedAnswers = run(machine(), (k, gfp, order, nid) => {
    const one = explained(k, () => __alloc_pages(k, gfp, order, nid));
    expect(one.steps.at(-1)).toEqual({ code: 'result', order, pfn: one.result });
    steps.push(...one.steps);
    return one.result;
  });

  test('explaining changes no answer', () => {
    expect(explainedAnswers).toEqual(run(machine(), (k, gfp, order, nid) => __alloc_pages(k, gfp, order, nid)));
    expect(explainedAnswers.filter((pfn) => pfn < 0).length).toBeGreaterThan(50);
  });

  test('the numbers of a watermark bear out what was decided', () => {
    const marks = steps.flatMap((step) => (step.code === 'watermark' ? [step] : []));
    for (const s of marks) {
      const usable = s.free - s.highatomic - s.cma - s.rest;
      const enough = usable > s.least + s.lowmem_reserve && s.largest >= s.order;
      expect(enough || (s.order === 0 && s.boost > 0 && s.ok), JSON.stringify(s)).toBe(s.ok);
    }
    expect(marks.some(({ ok }) => ok) && marks.some(({ ok }) => !ok)).toBe(true);
  });

  test('every kind of step is taken that such a run can take, and each has its text', () => {
    expect([...new Set(codes(steps))].sort()).toEqual(
      [
        'call',
        'fallback',
        'fallback_order',
        'lists',
        'give_up',
        'no_watermarks',
        'pcp',
        'reclaim_retry',
        'reclaimable',
        'refilled',
        'request',
        'reserve',
        'result',
        'slowpath',
        'steal',
        'walk',
        'watermark',
      ].sort(),
    );
    expect(explain_text(steps)).not.toMatch(/undefined|NaN|type -|zone -/);
  });
});

test('a zone that the nodemask leaves out is passed over', () => {
  const k = machine();
  const { steps } = explained(k, () => __alloc_pages(k, GFP_KERNEL, 0, 0, nodemask_of_node(1)));
  // The search begins at the first zone that the mask allows.
  expect(codes(steps)).toEqual(['request', 'walk', 'watermark', 'pcp', ...codes(steps).slice(4)]);
  expect(steps[2]).toMatchObject({ nid: 1, ok: true });
});

test('a block on the per-cpu list is taken as it is', () => {
  const k = machine();
  __free_pages(k, __alloc_pages(k, GFP_KERNEL, 1, 1), 1);
  const steps = told(k, GFP_KERNEL, 1, 1);
  expect(codes(steps)).toEqual(['request', 'walk', 'watermark', 'pcp', 'result']);
  expect(steps[3]).toMatchObject({ cpu: 0, order: 1, wanted: 0 });
});

test('stealing: each order that was looked at, what was taken, what became of its pageblock', () => {
  const k = machine();
  // Unmovable and reclaimable blocks are gone once all but the movable ones have been asked for.
  const text = (): string => explain_text(told(k, GFP_KERNEL | __GFP_RECLAIMABLE, 4));
  let found = '';
  for (let i = 0; i < 200 && found === ''; i++) {
    const one = text();
    if (one.includes('is taken over')) found = one;
  }
  expect(found).toMatch(
    /Reclaimable lists: orders 4 to 10 empty\n {6}another migratetype's block, of orders 4 to 10, the largest first: Unmovable or Movable\n {8}order 10: Movable\n {8}Movable block of order 10 at 0x[0-9a-f]+ is taken over; its 2 pageblocks turn from Movable to Reclaimable; watermark_boost 0\n {6}Reclaimable lists: orders 4 to 9 empty, order 10 has page frame 0x[0-9a-f]+, split down to order 4\n/,
  );
});

test('afterwards nothing is recorded any more', () => {
  const k = machine();
  const { steps } = explained(k, () => __alloc_pages(k, GFP_KERNEL, 0, 0));
  const length = steps.length;
  __alloc_pages(k, GFP_KERNEL, 0, 0);
  expect(steps).toHaveLength(length);
  expect(k.page_alloc.static_keys & KEY_EXPLAIN).toBe(0);
});
