// A boot log of Linux 6.1 read back as numbers.

import { expect, it } from 'vitest';
import { parseLayoutLog } from '../../../cli/oracle/layout_log.ts';

const log = `last_pfn = 0x240000 max_arch_pfn = 0x400000000
last_pfn = 0xc0000 max_arch_pfn = 0x400000000
NUMA: Initialized distance table, cnt=3
NUMA: Node 0 [mem 0x00000000-0x0009ffff] + [mem 0x00100000-0xbfffffff] -> [mem 0x00000000-0xbfffffff]
Zone ranges:
  DMA      [mem 0x0000000000001000-0x0000000000ffffff]
  DMA32    [mem 0x0000000001000000-0x00000000ffffffff]
  Normal   [mem 0x0000000100000000-0x000000023fffffff]
  Device   empty
Movable zone start for each node
  Node 1: 0x0000000200000000
Early memory node ranges
  node   0: [mem 0x0000000000001000-0x000000000009efff]
  node   1: [mem 0x0000000100000000-0x000000023fffffff]
Initializing node 2 as memoryless
Initmem setup node 1 [mem 0x0000000100000000-0x000000023fffffff]
Initmem setup node 0 [mem 0x0000000000001000-0x00000000bfffffff]
Initmem setup node 2 as memoryless
On node 0, zone DMA: 1 pages in unavailable ranges
On node 0, zone DMA: 97 pages in unavailable ranges
Fallback order for Node 0: 0 1 
Fallback order for Node 1: 1 0 
Built 2 zonelists, mobility grouping on.  Total pages: 2063000
Policy zone: Normal`.split('\n');

it('every fact that a real machine is compared by', () => {
  expect(parseLayoutLog(log)).toEqual({
    last_pfn: [0x240000, 0xc0000],
    numa_lines: [log[3]],
    zone_ranges: {
      DMA: [0x1000, 0xffffff],
      DMA32: [0x1000000, 0xffffffff],
      Normal: [0x100000000, 0x23fffffff],
      Device: null,
    },
    movable_start: { '1': 0x200000000 },
    early_node_ranges: [
      { node: 0, span: [0x1000, 0x9efff] },
      { node: 1, span: [0x100000000, 0x23fffffff] },
    ],
    initmem: [
      { node: 0, span: [0x1000, 0xbfffffff] },
      { node: 1, span: [0x100000000, 0x23fffffff] },
      { node: 2, span: null },
    ],
    unavailable: [
      { node: 0, zone: 'DMA', pages: 1 },
      { node: 0, zone: 'DMA', pages: 97 },
    ],
    fallback: { '0': [0, 1], '1': [1, 0] },
    zonelists: 2,
    mobility: 'on',
    total_pages: 2063000,
    policy_zone: 'Normal',
  });
});

it('a log without these lines has none of the facts', () => {
  expect(parseLayoutLog(['Linux version 6.1.192'])).toMatchObject({
    last_pfn: [],
    zone_ranges: {},
    initmem: [],
    zonelists: null,
    mobility: null,
    total_pages: null,
    policy_zone: null,
  });
});
