// Self tests of nodemask_t (Linux: include/linux/nodemask.h, lib/test_bitmap.c).

import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_FALSE, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import {
  bitmap_list,
  first_node,
  for_each_node_mask,
  MAX_NUMNODES,
  next_node,
  node_clear,
  node_isset,
  node_set,
  nodemask_of_node,
  type nodemask_t,
  nodes_clear,
  nodes_empty,
  nodes_none,
  nodes_weight,
} from '../lib/nodemask.ts';
import type { Suite, TestMachine } from './env.ts';

function mask_of(nodes: readonly number[]): nodemask_t {
  const mask = nodes_none();
  for (const nid of nodes) node_set(nid, mask);
  return mask;
}

const rows = [
  { desc: 'empty', nodes: [], list: '' },
  { desc: 'first', nodes: [0], list: '0' },
  { desc: 'a run', nodes: [0, 1, 2, 3], list: '0-3' },
  { desc: 'a run and one', nodes: [0, 1, 2, 3, 8], list: '0-3,8' },
  { desc: 'over a word', nodes: [30, 31, 32, 33], list: '30-33' },
  { desc: 'bit 31 alone', nodes: [31], list: '31' },
  { desc: 'words apart', nodes: [5, 64, 200], list: '5,64,200' },
  { desc: 'last', nodes: [MAX_NUMNODES - 1], list: `${MAX_NUMNODES - 1}` },
];

export const nodemask_suite: Suite = {
  name: 'nodemask',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, (typeof rows)[number]>('list', rows, (test, { nodes, list }) => {
      KUNIT_EXPECT_EQ(test, '%*pbl', bitmap_list(mask_of(nodes)), list);
    }),
    KUNIT_CASE_PARAM<TestMachine, (typeof rows)[number]>('walk', rows, (test, { nodes }) => {
      const mask = mask_of(nodes);
      KUNIT_EXPECT_EQ(test, 'for_each_node_mask()', [...for_each_node_mask(mask)], [...nodes]);
      KUNIT_EXPECT_EQ(test, 'nodes_weight()', nodes_weight(mask), nodes.length);
      KUNIT_EXPECT_EQ(test, 'nodes_empty()', nodes_empty(mask), nodes.length === 0);
      KUNIT_EXPECT_EQ(test, 'first_node()', first_node(mask), nodes[0] ?? -1);
    }),
    KUNIT_CASE('set_and_clear', (test) => {
      const mask = nodemask_of_node(63);
      KUNIT_EXPECT_TRUE(test, 'node 63', node_isset(63, mask));
      KUNIT_EXPECT_FALSE(test, 'node 62', node_isset(62, mask));
      node_set(63, mask);
      KUNIT_EXPECT_EQ(test, 'set twice is set once', nodes_weight(mask), 1);
      node_clear(62, mask);
      KUNIT_EXPECT_EQ(test, 'clearing another changes nothing', nodes_weight(mask), 1);
      node_clear(63, mask);
      KUNIT_EXPECT_TRUE(test, 'nodes_empty()', nodes_empty(mask));
    }),
    KUNIT_CASE('clear_all', (test) => {
      const mask = mask_of([0, 31, 32, MAX_NUMNODES - 1]);
      nodes_clear(mask);
      KUNIT_EXPECT_TRUE(test, 'nodes_empty()', nodes_empty(mask));
    }),
    KUNIT_CASE('next_node_is_above', (test) => {
      const mask = mask_of([3, 40]);
      KUNIT_EXPECT_EQ(test, 'after 3', next_node(3, mask), 40);
      KUNIT_EXPECT_EQ(test, 'after the last', next_node(40, mask), -1);
      KUNIT_EXPECT_EQ(test, 'after the highest possible', next_node(MAX_NUMNODES - 1, mask), -1);
    }),
  ],
};
