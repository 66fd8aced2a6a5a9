// The numbers of `pgdat bench`: medians and what they are made of. Whole runs are the benchmark's own business.

import { describe, expect, it } from 'vitest';
import { benchCommand } from '../../cli/bench.ts';
import { dispatch } from '../../cli/main.ts';
import { spread } from '../../cli/spread.ts';
import { Captured } from '../support/capture.ts';

describe('spread', () => {
  it.each([
    ['one', [5], { median: 5, min: 5, max: 5 }],
    ['an odd number, not sorted', [9, 1, 100], { median: 9, min: 1, max: 100 }],
    ['an even number', [4, 1, 2, 100], { median: 3, min: 1, max: 100 }],
  ])('of %s', (_name, values, wanted) => {
    expect(spread(values)).toEqual(wanted);
  });
});

describe('what cannot be measured', () => {
  it.each([
    [['walk'], "cannot measure 'walk'; what can be measured: boot, alloc, reclaim"],
    [['boot', '--runs', '0'], "--runs is a number from 1 to 1000, found '0'"],
    [['boot', '--runs', 'x'], "--runs is a number from 1 to 1000, found 'x'"],
    [['alloc', '--firmware', 'none'], '--firmware is not for bench alloc'],
    [['boot', '--linux', 'true'], '--linux is not for bench boot'],
    [['reclaim', '--firmware', 'none'], '--firmware is not for bench reclaim'],
    [['reclaim', '--linux', 'true'], '--linux is not for bench reclaim'],
    [[], 'needs boot|alloc|reclaim'],
  ])('%j', async (argv, text) => {
    const output = new Captured();
    expect(await dispatch([benchCommand], ['bench', ...argv], output)).toBe(2);
    expect(output.stderr).toBe(`pgdat bench: ${text}\n`);
  });
});
