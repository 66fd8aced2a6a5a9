// Self tests of what allocation flags mean: zone, migratetype, reserves, and which zone of which node a page comes from.

import {
  __GFP_DIRECT_RECLAIM,
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_IO,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  __GFP_THISNODE,
  GFP_ATOMIC,
  GFP_HIGHUSER,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOFS,
  GFP_NOIO,
  GFP_NOWAIT,
} from '../include/gfp_types.ts';
import { PF_MEMALLOC_NOFS, PF_MEMALLOC_NOIO, PF_MEMALLOC_PIN } from '../include/sched.ts';
import { SZ_1M, SZ_4G } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { node_set, nodes_none } from '../lib/nodemask.ts';
import { current_gfp_context, gfp_migratetype, gfp_zone, gfp_zone_bad } from '../mm/gfp.ts';
import {
  ALLOC_CMA,
  ALLOC_CPUSET,
  ALLOC_HIGHATOMIC,
  ALLOC_KSWAPD,
  ALLOC_MIN_RESERVE,
  ALLOC_NON_BLOCK,
} from '../mm/internal.ts';
import { page_zone } from '../mm/page.ts';
import { __alloc_pages } from '../mm/page_alloc.ts';
import { gfp_to_alloc_flags } from '../mm/slowpath.ts';
import { cmdline_parse_kernelcore } from '../mm/zone_movable.ts';
import { empty_zone, running } from './allocator.ts';
import type { Suite, Test, TestMachine } from './env.ts';

interface ZoneRow {
  readonly desc: string;
  readonly gfp: number;
  readonly zone: string;
}

const zones = ['DMA', 'DMA32', 'Normal', 'Movable'];
const zone_rows: readonly ZoneRow[] = [
  { desc: 'GFP_KERNEL', gfp: GFP_KERNEL, zone: 'Normal' },
  { desc: 'GFP_ATOMIC', gfp: GFP_ATOMIC, zone: 'Normal' },
  { desc: 'GFP_DMA', gfp: GFP_KERNEL | __GFP_DMA, zone: 'DMA' },
  { desc: 'GFP_DMA32', gfp: GFP_KERNEL | __GFP_DMA32, zone: 'DMA32' },
  { desc: 'GFP_HIGHUSER', gfp: GFP_HIGHUSER, zone: 'Normal' },
  { desc: 'GFP_HIGHUSER_MOVABLE', gfp: GFP_HIGHUSER_MOVABLE, zone: 'Movable' },
  // The movable zone may be high memory, which only __GFP_HIGHMEM allows.
  { desc: 'movable, not high', gfp: GFP_KERNEL | __GFP_MOVABLE, zone: 'Normal' },
  { desc: 'movable and DMA', gfp: __GFP_MOVABLE | __GFP_DMA, zone: 'DMA' },
  { desc: 'movable and DMA32', gfp: __GFP_MOVABLE | __GFP_DMA32, zone: 'DMA32' },
  { desc: 'reclaimable', gfp: GFP_KERNEL | __GFP_RECLAIMABLE, zone: 'Normal' },
];

const bad_rows = [
  { desc: 'DMA and HIGHMEM', gfp: __GFP_DMA | __GFP_HIGHMEM, wanted: true },
  { desc: 'DMA and DMA32', gfp: __GFP_DMA | __GFP_DMA32, wanted: true },
  { desc: 'DMA32 and HIGHMEM', gfp: __GFP_DMA32 | __GFP_HIGHMEM, wanted: true },
  { desc: 'all three', gfp: __GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM, wanted: true },
  { desc: 'movable, DMA and DMA32', gfp: __GFP_MOVABLE | __GFP_DMA | __GFP_DMA32, wanted: true },
  { desc: 'movable and HIGHMEM', gfp: __GFP_MOVABLE | __GFP_HIGHMEM, wanted: false },
  { desc: 'movable and DMA', gfp: __GFP_MOVABLE | __GFP_DMA, wanted: false },
  { desc: 'none', gfp: 0, wanted: false },
];

const type_rows = [
  { desc: 'unmovable', gfp: GFP_KERNEL, disabled: false, wanted: 0 },
  { desc: 'movable', gfp: GFP_HIGHUSER_MOVABLE, disabled: false, wanted: 1 },
  { desc: 'reclaimable', gfp: GFP_KERNEL | __GFP_RECLAIMABLE, disabled: false, wanted: 2 },
  { desc: 'too little memory to group by mobility', gfp: GFP_HIGHUSER_MOVABLE, disabled: true, wanted: 0 },
];

interface FlagsRow {
  readonly desc: string;
  readonly gfp: number;
  readonly order?: number;
  readonly rt?: boolean;
  readonly wanted: number;
}

const KSWAPD_CPUSET = ALLOC_KSWAPD | ALLOC_CPUSET;
const flags_rows: readonly FlagsRow[] = [
  { desc: 'GFP_KERNEL', gfp: GFP_KERNEL, wanted: KSWAPD_CPUSET },
  { desc: 'GFP_KERNEL of a real-time task', gfp: GFP_KERNEL, rt: true, wanted: KSWAPD_CPUSET | ALLOC_MIN_RESERVE },
  { desc: 'GFP_NOWAIT', gfp: GFP_NOWAIT, wanted: KSWAPD_CPUSET | ALLOC_NON_BLOCK },
  { desc: 'GFP_ATOMIC', gfp: GFP_ATOMIC, wanted: ALLOC_KSWAPD | ALLOC_MIN_RESERVE | ALLOC_NON_BLOCK },
  {
    desc: 'GFP_ATOMIC, order 1',
    gfp: GFP_ATOMIC,
    order: 1,
    wanted: ALLOC_KSWAPD | ALLOC_MIN_RESERVE | ALLOC_NON_BLOCK | ALLOC_HIGHATOMIC,
  },
  {
    desc: 'GFP_ATOMIC without reserves',
    gfp: GFP_ATOMIC | __GFP_NOMEMALLOC,
    order: 1,
    wanted: ALLOC_KSWAPD | ALLOC_MIN_RESERVE,
  },
  {
    desc: 'urgent, may wait',
    gfp: GFP_KERNEL | __GFP_HIGH,
    order: 1,
    wanted: KSWAPD_CPUSET | ALLOC_MIN_RESERVE,
  },
  { desc: 'kswapd is to sleep', gfp: __GFP_DIRECT_RECLAIM, wanted: ALLOC_CPUSET },
  { desc: 'movable', gfp: GFP_HIGHUSER_MOVABLE, wanted: KSWAPD_CPUSET | ALLOC_CMA },
];

const context_rows = [
  { desc: 'none', flags: 0, gfp: GFP_HIGHUSER_MOVABLE, wanted: GFP_HIGHUSER_MOVABLE },
  { desc: 'noio', flags: PF_MEMALLOC_NOIO, gfp: GFP_KERNEL, wanted: GFP_NOIO },
  { desc: 'nofs', flags: PF_MEMALLOC_NOFS, gfp: GFP_KERNEL, wanted: GFP_NOFS },
  { desc: 'noio takes more than nofs', flags: PF_MEMALLOC_NOIO | PF_MEMALLOC_NOFS, gfp: GFP_KERNEL, wanted: GFP_NOIO },
  { desc: 'pin', flags: PF_MEMALLOC_PIN, gfp: GFP_HIGHUSER_MOVABLE, wanted: GFP_HIGHUSER },
  { desc: 'nothing to take', flags: PF_MEMALLOC_NOIO, gfp: __GFP_KSWAPD_RECLAIM, wanted: __GFP_KSWAPD_RECLAIM },
];

/**
 *   0        128 MiB    256 MiB      4 GiB     + 128 MiB
 *   | node 0 | node 1   |     .      | node 0  |          node 0: DMA, DMA32, Normal; node 1: DMA32; Movable: see there
 */
const two_nodes = (test: Test, kernelcore?: string): Kernel =>
  running(
    test,
    [
      { nid: 0, start: 0, end: 128 * SZ_1M },
      { nid: 1, start: 128 * SZ_1M, end: 256 * SZ_1M },
      { nid: 0, start: SZ_4G, end: SZ_4G + 128 * SZ_1M },
    ],
    { prepare: (k) => void (kernelcore !== undefined && cmdline_parse_kernelcore(k, kernelcore)) },
  );

/** Takes blocks until there are none left: the zones they came from, in the order in which each came first. */
function zones_in_order(k: Kernel, gfp: number, nid: number, mask: Uint32Array | null = null): string {
  const seen: string[] = [];
  for (;;) {
    const pfn = __alloc_pages(k, gfp | __GFP_NOWARN, 8, nid, mask);
    if (pfn < 0) return seen.join(' ');
    const zone = page_zone(k, pfn);
    const name = `${zone.nid}:${zone.name}`;
    if (!seen.includes(name)) seen.push(name);
  }
}

interface OrderRow {
  readonly desc: string;
  readonly gfp: number;
  readonly nid: number;
  readonly nodes?: readonly number[];
  readonly kernelcore?: string;
  readonly wanted: string;
}

const no_wait = (gfp: number): number => gfp & ~(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM | __GFP_IO);
const order_rows: readonly OrderRow[] = [
  { desc: 'node 0, high zones first', gfp: GFP_KERNEL, nid: 0, wanted: '0:Normal 0:DMA32 0:DMA 1:DMA32' },
  { desc: 'node 1, then the other', gfp: GFP_KERNEL, nid: 1, wanted: '1:DMA32 0:Normal 0:DMA32 0:DMA' },
  { desc: 'DMA32 only', gfp: GFP_KERNEL | __GFP_DMA32, nid: 1, wanted: '1:DMA32 0:DMA32 0:DMA' },
  { desc: 'DMA only', gfp: GFP_KERNEL | __GFP_DMA, nid: 1, wanted: '0:DMA' },
  { desc: 'this node and no other', gfp: GFP_KERNEL | __GFP_THISNODE, nid: 1, wanted: '1:DMA32' },
  { desc: 'a mask of nodes', gfp: GFP_KERNEL, nid: 0, nodes: [1], wanted: '1:DMA32' },
  { desc: 'a mask with no node', gfp: GFP_KERNEL, nid: 0, nodes: [], wanted: '' },
  {
    desc: 'movable',
    gfp: GFP_HIGHUSER_MOVABLE,
    nid: 0,
    kernelcore: '320M',
    wanted: '0:Movable 0:Normal 0:DMA32 0:DMA 1:DMA32',
  },
  { desc: 'not movable', gfp: GFP_KERNEL, nid: 0, kernelcore: '320M', wanted: '0:Normal 0:DMA32 0:DMA 1:DMA32' },
];

export const page_alloc_gfp_suite: Suite = {
  name: 'page_alloc_gfp',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, ZoneRow>('gfp_zone', zone_rows, (test, { gfp, zone }) => {
      KUNIT_EXPECT_EQ(test, 'zone', zones[gfp_zone(gfp)], zone);
    }),
    KUNIT_CASE_PARAM<TestMachine, (typeof bad_rows)[number]>('gfp_zone_bad', bad_rows, (test, { gfp, wanted }) => {
      KUNIT_EXPECT_EQ(test, 'contradicts itself', gfp_zone_bad(gfp), wanted);
    }),
    KUNIT_CASE_PARAM<TestMachine, (typeof type_rows)[number]>(
      'gfp_migratetype',
      type_rows,
      (test, { gfp, disabled, wanted }) => {
        const { k } = empty_zone(test);
        k.mm.page_group_by_mobility_disabled = disabled;
        KUNIT_EXPECT_EQ(test, 'migratetype', gfp_migratetype(k, gfp), wanted);
      },
    ),
    KUNIT_CASE_PARAM<TestMachine, FlagsRow>(
      'alloc_flags',
      flags_rows,
      (test, { gfp, order = 0, rt = false, wanted }) => {
        const { k } = empty_zone(test);
        k.current.rt = rt;
        KUNIT_EXPECT_EQ(test, 'alloc_flags', gfp_to_alloc_flags(k, gfp, order), wanted);
      },
    ),
    KUNIT_CASE_PARAM<TestMachine, (typeof context_rows)[number]>(
      'context',
      context_rows,
      (test, { flags, gfp, wanted }) => {
        const { k } = empty_zone(test);
        k.current.flags = flags;
        KUNIT_EXPECT_EQ(test, 'gfp', current_gfp_context(k, gfp), wanted);
      },
    ),
    KUNIT_CASE_PARAM<TestMachine, OrderRow>(
      'zone_order',
      order_rows,
      (test, { gfp, nid, nodes, kernelcore, wanted }) => {
        const k = two_nodes(test, kernelcore);
        let mask: Uint32Array | null = null;
        if (nodes !== undefined) {
          mask = nodes_none();
          for (const node of nodes) node_set(node, mask);
        }
        KUNIT_EXPECT_EQ(test, 'zones', zones_in_order(k, no_wait(gfp), nid, mask), wanted);
      },
    ),
    KUNIT_CASE('too_large', (test) => {
      const k = two_nodes(test);
      KUNIT_EXPECT_EQ(test, 'quietly', __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 11, 0), -1);
      const warned = () => k.log.records.filter(({ text }) => text.includes('__alloc_pages')).length;
      KUNIT_EXPECT_EQ(test, 'lines', warned(), 0);
      KUNIT_EXPECT_EQ(test, 'page', __alloc_pages(k, GFP_KERNEL, 11, 0), -1);
      KUNIT_EXPECT_TRUE(test, 'a warning', warned() > 0);
    }),
  ],
};
