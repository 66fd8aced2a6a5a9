// memory.min and memory.low in a tree: how much of each cgroup is protected when the one at the top is reclaimed.

import { describe, expect, test } from 'vitest';
import {
  mem_cgroup_below_low,
  mem_cgroup_below_min,
  mem_cgroup_calculate_protection,
} from '../../../kernel/mm/memcg_protection.ts';
import { mem_cgroup } from '../../../kernel/mm/memcontrol.ts';
import { page_counter_charge, page_counter_set_low, page_counter_set_min } from '../../../kernel/mm/page_counter.ts';

/** Pages: what a cgroup uses by itself, and its memory.low. */
type Row = readonly [usage: number, low: number];

/** root / top / a, b. @returns elow of top, a and b when the root is reclaimed */
function elow(top: Row, a: Row, b: Row): number[] {
  const root = new mem_cgroup('/', null);
  const memcgs = [new mem_cgroup('top', root)];
  memcgs.push(new mem_cgroup('a', memcgs[0]!), new mem_cgroup('b', memcgs[0]!));
  for (const [n, [usage, low]] of [top, a, b].entries()) {
    page_counter_set_low(memcgs[n]!.memory, low);
    page_counter_charge(memcgs[n]!.memory, usage);
  }
  for (const memcg of [root, ...memcgs]) mem_cgroup_calculate_protection(root, memcg);
  return memcgs.map(({ memory }) => memory.elow);
}

describe('what is protected of cgroups below one', () => {
  test.each<readonly [string, Row, Row, Row, readonly number[]]>([
    ['nothing, where nobody asks for it', [0, 0], [100, 0], [100, 0], [0, 0, 0]],
    ['what they ask for, if the one above has as much', [0, 200], [100, 60], [100, 40], [200, 60, 40]],
    ['no more than they use', [0, 200], [30, 60], [100, 40], [200, 30, 40]],
    ['a share by what they use of it, if it has less', [0, 50], [100, 60], [100, 40], [50, 30, 20]],
    ['nothing, if it has nothing', [0, 0], [100, 60], [100, 40], [0, 0, 0]],
  ])('%s', (_, top, a, b, wanted) => {
    expect(elow(top, a, b)).toEqual(wanted);
  });

  test('what is used of it follows charges, and changes of the setting', () => {
    const root = new mem_cgroup('/', null);
    const a = new mem_cgroup('a', root);
    page_counter_set_min(a.memory, 50);
    expect(root.memory.children_min_usage).toBe(0);
    page_counter_charge(a.memory, 30);
    expect(root.memory.children_min_usage).toBe(30);
    page_counter_charge(a.memory, 30);
    expect(root.memory.children_min_usage).toBe(50);
    page_counter_set_min(a.memory, 20);
    expect(root.memory.children_min_usage).toBe(20);
  });
});

test('a cgroup is passed over as long as all that it uses is protected', () => {
  const root = new mem_cgroup('/', null);
  const a = new mem_cgroup('a', root);
  page_counter_set_min(a.memory, 50);
  page_counter_set_low(a.memory, 80);
  const looks = (charge: number): boolean[] => {
    page_counter_charge(a.memory, charge);
    mem_cgroup_calculate_protection(root, a);
    return [mem_cgroup_below_min(a), mem_cgroup_below_low(a), mem_cgroup_below_min(root)];
  };
  expect([looks(50), looks(30), looks(1)]).toEqual([
    [true, true, false],
    [false, true, false],
    [false, false, false],
  ]);
});
