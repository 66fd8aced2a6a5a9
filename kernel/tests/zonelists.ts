// Self tests of zonelists: the order of nodes by distance and load, and the zones of each node.

import { numa_set_distance } from '../arch/x86/numa_distance.ts';
import { ZONELIST_FALLBACK, ZONELIST_NOFALLBACK } from '../include/mmzone.ts';
import { SZ_1M, SZ_4G } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { node_set } from '../lib/nodemask.ts';
import { build_all_zonelists, for_each_zone_zonelist } from '../mm/zonelist.ts';
import type { Suite, Test, TestMachine } from './env.ts';
import { lay_out, type NodeMemory } from './layout.ts';

const NODE_SIZE = 128 * SZ_1M;
const nodes = (count: number): NodeMemory[] =>
  Array.from({ length: count }, (_, nid) => ({ nid, start: nid * NODE_SIZE, end: (nid + 1) * NODE_SIZE }));

function built(test: Test, memory: readonly NodeMemory[], distances: readonly (readonly number[])[] | null): Kernel {
  const k = lay_out(test, memory, {
    prepare: (kernel) => {
      for (const { nid } of memory) node_set(nid, kernel.numa.numa_nodes_parsed);
      distances?.forEach((row, from) => {
        row.forEach((distance, to) => {
          numa_set_distance(kernel, from, to, distance);
        });
      });
    },
  });
  build_all_zonelists(k);
  return k;
}

const names = (k: Kernel, nid: number, list: number, highest: number): string[] =>
  [...for_each_zone_zonelist(k, nid, list, highest)].map((zone) => `${zone.nid}:${zone.name}`);

interface OrderRow {
  readonly desc: string;
  readonly count: number;
  readonly distances: readonly (readonly number[])[] | null;
  readonly wanted: readonly (readonly number[])[];
}

const order_rows: readonly OrderRow[] = [
  { desc: 'one node', count: 1, distances: null, wanted: [[0]] },
  {
    desc: 'two nodes',
    count: 2,
    distances: null,
    wanted: [
      [0, 1],
      [1, 0],
    ],
  },
  {
    // Each node's nearest is the next higher number; at equal distance the one that has led a list less often comes first.
    desc: 'four nodes, all alike',
    count: 4,
    distances: null,
    wanted: [
      [0, 1, 2, 3],
      [1, 2, 3, 0],
      [2, 3, 0, 1],
      [3, 0, 1, 2],
    ],
  },
  {
    // 0 -- 1 == 2 -- 3: two pairs. The far pair's first node changes with the load.
    desc: 'two pairs',
    count: 4,
    distances: [
      [10, 12, 32, 32],
      [12, 10, 32, 32],
      [32, 32, 10, 12],
      [32, 32, 12, 10],
    ],
    wanted: [
      [0, 1, 2, 3],
      [1, 0, 3, 2],
      [2, 3, 0, 1],
      [3, 2, 1, 0],
    ],
  },
  {
    desc: 'a line of three',
    count: 3,
    distances: [
      [10, 15, 30],
      [15, 10, 15],
      [30, 15, 10],
    ],
    wanted: [
      [0, 1, 2],
      [1, 2, 0],
      [2, 1, 0],
    ],
  },
  {
    desc: 'distances that are not symmetric',
    count: 3,
    distances: [
      [10, 40, 20],
      [20, 10, 40],
      [40, 20, 10],
    ],
    wanted: [
      [0, 2, 1],
      [1, 0, 2],
      [2, 1, 0],
    ],
  },
];

export const zonelists_suite: Suite = {
  name: 'zonelists',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, OrderRow>('node_order', order_rows, (test, { count, distances, wanted }) => {
      const k = built(test, nodes(count), distances);
      const found = Array.from({ length: count }, (_, nid) => [
        ...new Set([...for_each_zone_zonelist(k, nid, ZONELIST_FALLBACK, 4)].map((zone) => zone.nid)),
      ]);
      KUNIT_EXPECT_EQ(
        test,
        'fallback order',
        found,
        wanted.map((order) => [...order]),
      );
    }),
    KUNIT_CASE('highest_zone_first', (test) => {
      const memory = [...nodes(1), { nid: 0, start: SZ_4G, end: SZ_4G + NODE_SIZE }];
      const k = built(test, memory, null);
      KUNIT_EXPECT_EQ(test, 'up to Normal', names(k, 0, ZONELIST_FALLBACK, 2), ['0:Normal', '0:DMA32', '0:DMA']);
      KUNIT_EXPECT_EQ(test, 'up to DMA32', names(k, 0, ZONELIST_FALLBACK, 1), ['0:DMA32', '0:DMA']);
      KUNIT_EXPECT_EQ(test, 'up to DMA', names(k, 0, ZONELIST_FALLBACK, 0), ['0:DMA']);
    }),
    KUNIT_CASE('node_before_zone', (test) => {
      const k = built(test, nodes(2), null);
      KUNIT_EXPECT_EQ(test, 'from node 0', names(k, 0, ZONELIST_FALLBACK, 4), ['0:DMA32', '0:DMA', '1:DMA32']);
      KUNIT_EXPECT_EQ(test, 'from node 1', names(k, 1, ZONELIST_FALLBACK, 4), ['1:DMA32', '0:DMA32', '0:DMA']);
    }),
    KUNIT_CASE('this_node', (test) => {
      const k = built(test, nodes(2), null);
      KUNIT_EXPECT_EQ(test, 'node 0', names(k, 0, ZONELIST_NOFALLBACK, 4), ['0:DMA32', '0:DMA']);
      KUNIT_EXPECT_EQ(test, 'node 1', names(k, 1, ZONELIST_NOFALLBACK, 4), ['1:DMA32']);
    }),
    KUNIT_CASE('log', (test) => {
      const k = built(test, nodes(2), null);
      const lines = k.log.records.map((record) => record.text).filter((line) => line.startsWith('Fallback order'));
      KUNIT_EXPECT_EQ(test, 'lines', lines, ['Fallback order for Node 0: 0 1 ', 'Fallback order for Node 1: 1 0 ']);
    }),
  ],
};
