import { describe, expect, test } from 'vitest';
import {
  __GFP_NOFAIL,
  __GFP_NOWARN,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
} from '../../../kernel/include/gfp_types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { seed_random } from '../../../kernel/lib/random.ts';
import { __alloc_pages_bulk } from '../../../kernel/mm/bulk.ts';
import {
  fail_page_alloc_debugfs,
  fail_page_alloc_read,
  fail_page_alloc_write,
  set_fail_nth,
  setup_fail_page_alloc,
} from '../../../kernel/mm/fail_page_alloc.ts';
import { __alloc_pages } from '../../../kernel/mm/page_alloc.ts';
import { HARDIRQ_OFFSET } from '../../../kernel/sched/preempt.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

/** `fail_page_alloc=` as given; requests of order 0 count too. */
function failing(parameter: string, ...settings: (readonly [string, string])[]): { k: Kernel; said: () => string[] } {
  const k = drawnAllocator({ memory: '0', unit: 128 * MiB });
  const lines = printed(k).length;
  expect(setup_fail_page_alloc(k, parameter)).toBe(1);
  fail_page_alloc_debugfs(k);
  for (const [file, text] of [['min-order', '0'], ...settings] as const) {
    expect(fail_page_alloc_write(k, file, text)).toBe(text.length);
  }
  return { k, said: () => printed(k).slice(lines) };
}
/** Requests one after another: '.' where there are pages, 'F' where it fails. */
const requests = (k: Kernel, n: number, gfp = GFP_NOWAIT, order = 0): string =>
  Array.from({ length: n }, () => (__alloc_pages(k, gfp, order, 0) < 0 ? 'F' : '.')).join('');

describe('which requests fail', () => {
  test.each([
    ['every one', '1,100,0,-1', 'FFFFFFFF'],
    ['off', '1,0,0,-1', '........'],
    ['as many as there are times', '1,100,0,3', 'FFF.....'],
    ['every third', '3,100,0,-1', '..F..F..'],
    ['once so many pages have passed', '1,100,5,2', '....FF..'],
  ] as const)('%s', (_, parameter, wanted) => {
    expect(requests(failing(parameter).k, wanted.length)).toBe(wanted);
  });

  test('space is counted in pages: a block of four passes as four', () => {
    const { k } = failing('1,100,9,-1');
    // 9 is more than 4, then 5 is, then 1 is not.
    expect(requests(k, 4, GFP_NOWAIT, 2)).toBe('..FF');
  });

  test('probability is a chance of each; the same seed has the same failures', () => {
    const run = (seed: number): string => {
      const { k } = failing('1,30,0,-1', ['verbose', '0']);
      seed_random(k, seed);
      return requests(k, 400);
    };
    const failures = run(7).replaceAll('.', '').length;
    expect(failures).toBeGreaterThan(80);
    expect(failures).toBeLessThan(160);
    expect(run(7)).toBe(run(7));
    expect(run(7)).not.toBe(run(8));
  });

  test.each([
    ['what is below the order', GFP_NOWAIT, 2, ['min-order', '3']],
    ['what must not fail', GFP_KERNEL | __GFP_NOFAIL, 0, ['ignore-gfp-wait', 'N']],
    ['what may wait', GFP_KERNEL, 0, ['min-order', '0']],
    ['users pages', GFP_HIGHUSER_MOVABLE & ~0x400, 0, ['min-order', '0']],
  ] as const)('not %s', (_, gfp, order, setting) => {
    const { k } = failing('1,100,0,-1', setting);
    expect(requests(k, 3, gfp, order)).toBe('...');
  });

  test('what may wait and users pages too, if told so', () => {
    const { k } = failing('1,100,0,-1', ['ignore-gfp-wait', 'N'], ['ignore-gfp-highmem', '0']);
    expect(requests(k, 2, GFP_KERNEL)).toBe('FF');
    expect(requests(k, 2, GFP_HIGHUSER_MOVABLE)).toBe('FF');
  });

  test('by default single pages do not fail', () => {
    const k = drawnAllocator({ memory: '0', unit: 128 * MiB });
    setup_fail_page_alloc(k, '1,100,0,-1');
    expect([requests(k, 2), requests(k, 2, GFP_NOWAIT, 1)]).toEqual(['..', 'FF']);
  });

  test('with task-filter only tasks that are made to fail, and no interrupts', () => {
    const { k } = failing('1,100,0,-1', ['task-filter', 'Y']);
    expect(requests(k, 2)).toBe('..');
    k.current.make_it_fail = true;
    expect(requests(k, 2)).toBe('FF');
    k.preempt.preempt_count = HARDIRQ_OFFSET;
    expect(requests(k, 2, GFP_ATOMIC)).toBe('..');
  });

  test('a task s n-th, whatever else is set', () => {
    const { k } = failing('1,0,0,0');
    set_fail_nth(k, k.current, 4);
    expect(requests(k, 6)).toBe('...F..');
    expect(k.current.fail_nth).toBe(0);
    expect(k.fail_page_alloc.attr.times).toBe(0);
  });

  test('many at once get what they have', () => {
    const { k } = failing('1,100,0,-1');
    const pages: number[] = [];
    expect(__alloc_pages_bulk(k, GFP_NOWAIT, 0, null, 5, pages)).toBe(0);
    expect(pages).toEqual([]);
  });

  test('nothing is asked once it is off', () => {
    const { k } = failing('1,100,0,-1');
    expect(k.page_alloc.static_keys).not.toBe(0);
    fail_page_alloc_write(k, 'probability', '0\n');
    expect(k.page_alloc.static_keys).toBe(0);
    expect(requests(k, 3)).toBe('...');
  });
});

describe('what is said', () => {
  const report = (k: Kernel, numbers: string): string[] => [
    'FAULT_INJECTION: forcing a failure.',
    `name fail_page_alloc, ${numbers}`,
    `CPU: 0 PID: 0 Comm: swapper/0 Not tainted ${k.config.version} #1`,
  ];

  test('each failure, with what is left before it', () => {
    const { k, said } = failing('1,100,0,2');
    requests(k, 3);
    const numbers = (times: number): string => `interval 1, probability 100, space 0, times ${times}`;
    expect(said()).toEqual([...report(k, numbers(2)), ...report(k, numbers(1))]);
  });

  test('without the stack, or not at all; nothing where the caller does not want to hear of it', () => {
    const { k, said } = failing('1,100,0,-1', ['verbose', '1']);
    requests(k, 1);
    expect(said()).toEqual(report(k, 'interval 1, probability 100, space 0, times -1').slice(0, 2));
    fail_page_alloc_write(k, 'verbose', '0');
    requests(k, 1);
    fail_page_alloc_write(k, 'verbose', '2');
    requests(k, 1, GFP_NOWAIT | __GFP_NOWARN);
    expect(said()).toHaveLength(2);
  });

  test('at most so many in so many jiffies', () => {
    const { k, said } = failing(
      '1,100,0,-1',
      ['verbose', '1'],
      ['verbose_ratelimit_interval_ms', '250'],
      ['verbose_ratelimit_burst', '2'],
    );
    let now = 1e9;
    k.log.now = () => now;
    requests(k, 5);
    expect(said()).toHaveLength(4);
    now += 1.1e9;
    requests(k, 1);
    expect(said()[4]).toBe('fail_dump: 3 callbacks suppressed');
    expect(said()).toHaveLength(7);
  });

  test('a parameter that is none', () => {
    const k = drawnAllocator({ memory: '0', unit: 64 * MiB });
    expect(setup_fail_page_alloc(k, '1,100')).toBe(0);
    expect(printed(k).at(-1)).toBe('FAULT_INJECTION: failed to parse arguments');
    expect(k.page_alloc.static_keys).toBe(0);
  });
});

describe('files', () => {
  test('as they are at boot, and what they take', () => {
    const k = drawnAllocator({ memory: '0', unit: 64 * MiB });
    const read = (...names: string[]): (string | null)[] => names.map((name) => fail_page_alloc_read(k, name));
    expect(read('probability', 'interval', 'times', 'space', 'verbose')).toEqual(['0\n', '1\n', '1\n', '0\n', '2\n']);
    expect(read('task-filter', 'ignore-gfp-wait', 'ignore-gfp-highmem', 'min-order', 'stacktrace-depth')).toEqual([
      'N\n',
      'Y\n',
      'Y\n',
      '1\n',
      null,
    ]);
    expect(['-1', '0x10\n', 'x', '', '1 2'].map((text) => fail_page_alloc_write(k, 'times', text))).toEqual([
      2, 5, -22, -22, -22,
    ]);
    expect(read('times')).toEqual(['16\n']);
    expect(fail_page_alloc_write(k, 'interval', '-1')).toBe(-22);
    expect(fail_page_alloc_write(k, 'task-filter', 'maybe')).toBe(5);
    expect(fail_page_alloc_write(k, 'nothing', '1')).toBe(-2);
  });
});
