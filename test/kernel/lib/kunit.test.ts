// KTAP as tools/testing/kunit/kunit.py of Linux 6.1 reads it. The parser here follows the KTAP text format, not our
// writer; what kunit.py itself makes of the output is in kunit_py.test.ts.

import { describe, expect, it } from 'vitest';
import { KernelBug, KernelPanic } from '../../../kernel/lib/bug.ts';
import {
  KUNIT_ASSERT_TRUE,
  KUNIT_CASE,
  KUNIT_CASE_PARAM,
  KUNIT_EXPECT_EQ,
  KUNIT_EXPECT_TRUE,
  kunit_check_names,
  kunit_filter_suites,
  kunit_run_tests,
  kunit_skip,
  type kunit_suite,
} from '../../../kernel/lib/kunit.ts';

function run(suites: readonly kunit_suite<number>[], env: () => number = () => 0) {
  const lines: string[] = [];
  const stats = kunit_run_tests(suites, env, (line) => lines.push(line));
  return { lines, stats };
}

const passes = KUNIT_CASE<number>('passes', (test) => KUNIT_EXPECT_EQ(test, 'sum', 1 + 1, 2));
const fails = KUNIT_CASE<number>('fails', (test) => KUNIT_EXPECT_EQ(test, 'pages', 4095, 3998));
const skips = KUNIT_CASE<number>('skips', () => kunit_skip('no engine'));

describe('KTAP output', () => {
  it('nests suites, cases and rows by four spaces, each level with its version, name and plan', () => {
    const rows = KUNIT_CASE_PARAM<number, { desc: string; order: number }>(
      'orders',
      [
        { desc: 'order 0', order: 0 },
        { desc: 'order 11', order: 11 },
      ],
      (test, { order }) => KUNIT_EXPECT_TRUE(test, 'order < MAX_ORDER', order < 11),
    );
    const { lines, stats } = run([{ name: 'demo', test_cases: [passes, rows, skips] }]);
    expect(lines).toEqual([
      'KTAP version 1',
      '1..1',
      '    KTAP version 1',
      '    # Subtest: demo',
      '    1..3',
      '    ok 1 passes',
      '        KTAP version 1',
      '        # Subtest: orders',
      '        1..2',
      '        ok 1 order 0',
      '            # orders: EXPECTATION FAILED',
      '            #     Expected order < MAX_ORDER to be true, but is false',
      '        not ok 2 order 11',
      '    # orders: pass:1 fail:1 skip:0 total:2',
      '    not ok 2 orders',
      '    ok 3 skips # SKIP no engine',
      '# demo: pass:1 fail:1 skip:1 total:3',
      '# Totals: pass:2 fail:1 skip:1 total:4',
      'not ok 1 demo',
    ]);
    expect(stats).toEqual({ passed: 2, failed: 1, skipped: 1 });
  });

  it('puts the diagnostics before the result, with the number in decimal and hex', () => {
    const { lines } = run([{ name: 'demo', test_cases: [fails] }]);
    expect(lines.slice(5)).toEqual([
      '        # fails: EXPECTATION FAILED',
      '        #     Expected pages == 3998 (0xf9e), but',
      '        #         pages == 4095 (0xfff)',
      '    not ok 1 fails',
      'not ok 1 demo',
    ]);
  });

  it('a suite of nothing but skipped cases is skipped', () => {
    expect(run([{ name: 'demo', test_cases: [skips] }]).lines.at(-1)).toBe('ok 1 demo # SKIP');
  });
});

describe('a case', () => {
  const cases: readonly [string, () => never, string][] = [
    [
      'a panic',
      () => {
        throw new KernelPanic('no memory');
      },
      '# throws: Kernel panic - not syncing: no memory',
    ],
    [
      'a BUG',
      () => {
        throw new KernelBug('kernel BUG: order');
      },
      '# throws: kernel BUG: order',
    ],
    [
      'a mistake of ours',
      () => {
        throw new TypeError('x is undefined');
      },
      '# throws: TypeError: x is undefined',
    ],
  ];
  it.each(cases)('that ends in %s fails, says so, and the next one runs', (_name, run_case, text) => {
    const { lines, stats } = run([{ name: 'demo', test_cases: [KUNIT_CASE('throws', run_case), passes] }]);
    expect(lines.map((line) => line.trim())).toContain(text);
    expect(lines).toContain('    not ok 1 throws');
    expect(lines).toContain('    ok 2 passes');
    expect(stats).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it('ends at an assertion and goes on after an expectation', () => {
    const reached: string[] = [];
    run([
      {
        name: 'demo',
        test_cases: [
          KUNIT_CASE('expects', (test) => {
            KUNIT_EXPECT_EQ(test, 'x', 1, 2);
            reached.push('after expectation');
          }),
          KUNIT_CASE('asserts', (test) => {
            KUNIT_ASSERT_TRUE(test, 'x', false);
            reached.push('after assertion');
          }),
        ],
      },
    ]);
    expect(reached).toEqual(['after expectation']);
  });

  it('gets an environment of its own, rows included', () => {
    let made = 0;
    const seen: number[] = [];
    const rows = KUNIT_CASE_PARAM<number, { desc: string }>('rows', [{ desc: 'a' }, { desc: 'b' }], (test) =>
      seen.push(test.priv),
    );
    run([{ name: 'demo', test_cases: [rows, KUNIT_CASE('one', (test) => seen.push(test.priv))] }], () => made++);
    expect(seen).toEqual([0, 1, 2]);
  });

  it('is skipped where its environment says so', () => {
    const { lines } = run([{ name: 'demo', test_cases: [passes] }], () => kunit_skip('no engine'));
    expect(lines).toContain('    ok 1 passes # SKIP no engine');
  });

  it('fails where its environment cannot be made', () => {
    const { stats } = run([{ name: 'demo', test_cases: [passes] }], () => {
      throw new Error('no engine');
    });
    expect(stats).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe('what a glob selects', () => {
  const suites = [
    {
      name: 'memblock',
      test_cases: [
        { ...passes, name: 'add_simple' },
        { ...passes, name: 'remove_simple' },
      ],
    },
    { name: 'memmap', test_cases: [{ ...passes, name: 'add_simple' }] },
  ];
  it.each([
    ['*', ['memblock.add_simple', 'memblock.remove_simple', 'memmap.add_simple']],
    ['memblock', ['memblock.add_simple', 'memblock.remove_simple']],
    ['mem*', ['memblock.add_simple', 'memblock.remove_simple', 'memmap.add_simple']],
    ['*.add*', ['memblock.add_simple', 'memmap.add_simple']],
    ['memblock.?emove_*', ['memblock.remove_simple']],
    ['memblock.[!a]*', ['memblock.remove_simple']],
    ['block', []],
    ['memb.ock', []],
    ['[z-a]', []],
    ['memblock.', []],
  ])('%s', (glob, wanted) => {
    const found = kunit_filter_suites(suites, glob).flatMap((s) => s.test_cases.map((one) => `${s.name}.${one.name}`));
    expect(found).toEqual(wanted);
  });
});

describe('names that consumers would misread', () => {
  it.each([
    ['a hash sign', [{ name: 'demo', test_cases: [{ ...passes, name: 'a # b' }] }]],
    ['a case named like its suite', [{ name: 'demo', test_cases: [{ ...passes, name: 'demo' }] }]],
    ['a name twice', [{ name: 'demo', test_cases: [passes, passes] }]],
    ['a trailing blank', [{ name: 'demo ', test_cases: [passes] }]],
  ])('%s', (_name, suites) => {
    expect(kunit_check_names(suites)).toHaveLength(1);
  });
  it('others are fine', () => {
    expect(kunit_check_names([{ name: 'demo', test_cases: [passes, fails] }])).toEqual([]);
  });
});
