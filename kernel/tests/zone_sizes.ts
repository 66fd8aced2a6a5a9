// Self tests of zone sizes: spans, holes, and where ZONE_MOVABLE begins.
//
//   0    16M       1G                 4G      4.25G
//   |DMA | DMA32 ... hole ...         | Normal |

import { SZ_1M, SZ_4G } from '../include/types.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { cmdline_parse_kernelcore, cmdline_parse_movablecore } from '../mm/zone_movable.ts';
import { absent_pages_in_range } from '../mm/zone_sizes.ts';
import type { Suite, TestMachine } from './env.ts';
import { lay_out, type NodeMemory, populated_zones } from './layout.ts';

const MiB = SZ_1M;
const node = (nid: number, start: number, end: number): NodeMemory => ({ nid, start, end });

interface Row {
  readonly desc: string;
  readonly memory: readonly NodeMemory[];
  readonly kernelcore?: string;
  readonly movablecore?: string;
  /** node zone: start, spanned, present */
  readonly wanted: Readonly<Record<string, readonly [number, number, number]>>;
}

const two_nodes = [node(0, 0, 256 * MiB), node(1, 256 * MiB, 512 * MiB)];
const above = [node(0, 0, 256 * MiB), node(1, SZ_4G, SZ_4G + 256 * MiB)];

const rows: readonly Row[] = [
  {
    desc: 'one node',
    memory: [node(0, 0, 256 * MiB)],
    wanted: { '0 DMA': [0, 4096, 4096], '0 DMA32': [4096, 61440, 61440] },
  },
  {
    desc: 'page 0 and a hole are not present',
    memory: [node(0, 0x1000, 0x9f000), node(0, MiB, 256 * MiB)],
    wanted: { '0 DMA': [1, 4095, 3998], '0 DMA32': [4096, 61440, 61440] },
  },
  {
    desc: 'a second node below 4 GiB has DMA32',
    memory: two_nodes,
    wanted: { '0 DMA': [0, 4096, 4096], '0 DMA32': [4096, 61440, 61440], '1 DMA32': [65536, 65536, 65536] },
  },
  {
    desc: 'a node above 4 GiB has Normal alone',
    memory: above,
    wanted: { '0 DMA': [0, 4096, 4096], '0 DMA32': [4096, 61440, 61440], '1 Normal': [0x100000, 65536, 65536] },
  },
  {
    desc: 'a node on both sides of 4 GiB',
    memory: [node(0, 0, 256 * MiB), node(0, SZ_4G, SZ_4G + 128 * MiB)],
    wanted: { '0 DMA': [0, 4096, 4096], '0 DMA32': [4096, 0xff000, 61440], '0 Normal': [0x100000, 32768, 32768] },
  },
  {
    desc: 'nodes that take turns span each other',
    memory: [node(0, 0, 128 * MiB), node(1, 128 * MiB, 256 * MiB), node(0, 256 * MiB, 384 * MiB)],
    wanted: { '0 DMA': [0, 4096, 4096], '0 DMA32': [4096, 94208, 61440], '1 DMA32': [32768, 32768, 32768] },
  },
  {
    desc: 'kernelcore is spread over nodes, the rest is movable',
    memory: two_nodes,
    kernelcore: '256M',
    wanted: {
      '0 DMA': [0, 4096, 4096],
      '0 DMA32': [4096, 28672, 28672],
      '0 Movable': [32768, 32768, 32768],
      '1 DMA32': [65536, 32768, 32768],
      '1 Movable': [98304, 32768, 32768],
    },
  },
  {
    desc: 'movablecore is the complement',
    memory: two_nodes,
    movablecore: '256M',
    wanted: {
      '0 DMA': [0, 4096, 4096],
      '0 DMA32': [4096, 28672, 28672],
      '0 Movable': [32768, 32768, 32768],
      '1 DMA32': [65536, 32768, 32768],
      '1 Movable': [98304, 32768, 32768],
    },
  },
  {
    desc: 'the larger kernelcore wins',
    memory: two_nodes,
    kernelcore: '128M',
    movablecore: '128M',
    wanted: {
      '0 DMA': [0, 4096, 4096],
      '0 DMA32': [4096, 45056, 45056],
      '0 Movable': [49152, 16384, 16384],
      '1 DMA32': [65536, 49152, 49152],
      '1 Movable': [114688, 16384, 16384],
    },
  },
  {
    desc: 'movable is cut from the highest zone only',
    memory: above,
    movablecore: '128M',
    wanted: {
      '0 DMA': [0, 4096, 4096],
      '0 DMA32': [4096, 61440, 61440],
      '1 Normal': [0x100000, 32768, 32768],
      '1 Movable': [0x108000, 32768, 32768],
    },
  },
];

export const zone_sizes_suite: Suite = {
  name: 'zone_sizes',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, Row>('spans', rows, (test, { memory, kernelcore, movablecore, wanted }) => {
      const k = lay_out(test, memory, {
        prepare: (kernel) => {
          if (kernelcore !== undefined) cmdline_parse_kernelcore(kernel, kernelcore);
          if (movablecore !== undefined) cmdline_parse_movablecore(kernel, movablecore);
        },
      });
      const found = Object.fromEntries(
        populated_zones(k).map((zone) => [
          `${zone.nid} ${zone.name}`,
          [zone.zone_start_pfn, zone.spanned_pages, zone.present_pages],
        ]),
      );
      KUNIT_EXPECT_EQ<unknown>(test, 'zones', found, wanted);
    }),
    KUNIT_CASE('node_sums', (test) => {
      const k = lay_out(test, [node(0, 0, 128 * MiB), node(1, 128 * MiB, 256 * MiB), node(0, 256 * MiB, 384 * MiB)]);
      const sums = k.node_data.map((one) => [one.node_start_pfn, one.node_spanned_pages, one.node_present_pages]);
      KUNIT_EXPECT_EQ(test, 'start, spanned, present', sums, [
        [0, 98304, 65536],
        [32768, 32768, 32768],
      ]);
    }),
    KUNIT_CASE('absent_pages', (test) => {
      const k = lay_out(test, [node(0, 0x1000, 0x9f000), node(0, MiB, 128 * MiB)]);
      KUNIT_EXPECT_EQ(test, 'below 16 MiB', absent_pages_in_range(k, 0, 4096), 98);
      KUNIT_EXPECT_EQ(test, 'where all is present', absent_pages_in_range(k, 256, 4096), 0);
      KUNIT_EXPECT_EQ(test, 'past the end', absent_pages_in_range(k, 32768, 32868), 100);
    }),
  ],
};
