// Self tests of memory policies: which nodes the pages of a task come from.

import { __GFP_NOWARN, __GFP_THISNODE, GFP_HIGHUSER_MOVABLE } from '../include/gfp_types.ts';
import {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_RELATIVE_NODES,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
} from '../include/mempolicy.ts';
import { EINVAL } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { node_set, nodes_none } from '../lib/nodemask.ts';
import { alloc_pages } from '../mm/mempolicy.ts';
import { set_mempolicy } from '../mm/mempolicy_set.ts';
import { page_zone } from '../mm/page.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, TestMachine } from './env.ts';

export function node_mask(nodes: readonly number[]): Uint32Array {
  const mask = nodes_none();
  for (const nid of nodes) node_set(nid, mask);
  return mask;
}

/** The nodes of `count` blocks, or of all that there are. */
export function nodes_taken(k: Kernel, gfp: number, order: number, count = Number.POSITIVE_INFINITY): number[] {
  const seen: number[] = [];
  while (seen.length < count) {
    const pfn = alloc_pages(k, gfp | __GFP_NOWARN, order);
    if (pfn < 0) break;
    seen.push(page_zone(k, pfn).nid);
  }
  return seen;
}

interface Row {
  readonly desc: string;
  readonly mode: number;
  readonly nodes: readonly number[];
  readonly gfp?: number;
  /** The nodes in the order in which they come first, when all of memory is taken. The CPU is of node 1, which others
   * therefore have last. */
  readonly wanted: readonly number[];
}

const rows: readonly Row[] = [
  { desc: 'default: the CPU, then the others', mode: MPOL_DEFAULT, nodes: [], wanted: [1, 2, 0] },
  { desc: 'local', mode: MPOL_LOCAL, nodes: [], wanted: [1, 2, 0] },
  { desc: 'preferred: that one, then the others', mode: MPOL_PREFERRED, nodes: [2], wanted: [2, 0, 1] },
  { desc: 'preferred: the first of several', mode: MPOL_PREFERRED, nodes: [0, 2], wanted: [0, 2, 1] },
  { desc: 'preferred, none given', mode: MPOL_PREFERRED, nodes: [], wanted: [1, 2, 0] },
  { desc: 'bind: these, nearest first, and no other', mode: MPOL_BIND, nodes: [0, 2], wanted: [2, 0] },
  { desc: 'preferred many: these, then any', mode: MPOL_PREFERRED_MANY, nodes: [0, 2], wanted: [2, 0, 1] },
  {
    desc: 'a request for this node is none of its business',
    mode: MPOL_BIND,
    nodes: [0],
    gfp: __GFP_THISNODE,
    wanted: [1],
  },
];

const refused_rows = [
  { desc: 'default with nodes', mode: MPOL_DEFAULT, nodes: [0], wanted: -EINVAL },
  { desc: 'bind without', mode: MPOL_BIND, nodes: [], wanted: -EINVAL },
  { desc: 'interleave without', mode: MPOL_INTERLEAVE, nodes: [], wanted: -EINVAL },
  { desc: 'local with nodes', mode: MPOL_LOCAL, nodes: [0], wanted: -EINVAL },
  { desc: 'nodes that are not there', mode: MPOL_BIND, nodes: [7], wanted: -EINVAL },
  { desc: 'no such mode', mode: 6, nodes: [0], wanted: -EINVAL },
  {
    desc: 'static and relative',
    mode: MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES,
    nodes: [0],
    wanted: -EINVAL,
  },
  { desc: 'some that are there', mode: MPOL_BIND, nodes: [1, 7], wanted: 0 },
];

const CPU_OF_NODE_1 = { cpus: [1] };

export const mempolicy_suite: Suite = {
  name: 'mempolicy',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, Row>('nodes', rows, (test, { mode, nodes, gfp = 0, wanted }) => {
      const k = running(test, nodes_of(3, 64), CPU_OF_NODE_1);
      KUNIT_EXPECT_EQ(test, 'set_mempolicy', set_mempolicy(k, mode, node_mask(nodes)), 0);
      const taken = nodes_taken(k, GFP_HIGHUSER_MOVABLE | gfp, 9);
      KUNIT_EXPECT_EQ(test, 'nodes', [...new Set(taken)], [...wanted]);
    }),
    KUNIT_CASE('interleave', (test) => {
      const k = running(test, nodes_of(3, 64), CPU_OF_NODE_1);
      set_mempolicy(k, MPOL_INTERLEAVE, node_mask([0, 2]));
      KUNIT_EXPECT_EQ(test, 'nodes', nodes_taken(k, GFP_HIGHUSER_MOVABLE, 0, 5), [0, 2, 0, 2, 0]);
      set_mempolicy(k, MPOL_INTERLEAVE, node_mask([0, 1, 2]));
      KUNIT_EXPECT_EQ(test, 'from the first again', nodes_taken(k, GFP_HIGHUSER_MOVABLE, 3, 4), [0, 1, 2, 0]);
    }),
    KUNIT_CASE_PARAM<TestMachine, (typeof refused_rows)[number]>('refused', refused_rows, (test, row) => {
      const k = running(test, nodes_of(3, 64), CPU_OF_NODE_1);
      KUNIT_EXPECT_EQ(test, 'set_mempolicy', set_mempolicy(k, row.mode, node_mask(row.nodes)), row.wanted);
      KUNIT_EXPECT_EQ(test, 'a policy', k.current.mempolicy !== null, row.wanted === 0);
    }),
  ],
};
