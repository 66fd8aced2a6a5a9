// How long a task that is beyond memory.high has to wait, in jiffies, of which Linux reckons in 64 bits.

import { expect, it } from 'vitest';
import { calculate_high_delay } from '../../../kernel/mm/memcg_high.ts';

const TIMES = 2 ** 20;

it.each([
  ['a tenth beyond the limit', 64, TIMES / 10, 159],
  ['the same, half a batch', 32, TIMES / 10, 79],
  ['as much again', 64, TIMES, 16_000],
  ['the most that fits into 64 bits', 64, 259 * TIMES, 1_073_296_000],
  ['one more, and the top is lost', 64, 260 * TIMES, 7_858_176],
  ['all is lost', 64, 4096 * TIMES, 0],
])('%s', (_what, nr_pages, overage, jiffies) => {
  expect(calculate_high_delay(nr_pages, Math.floor(overage))).toBe(jiffies);
});
