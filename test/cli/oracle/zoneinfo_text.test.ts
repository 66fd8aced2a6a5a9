// /proc/zoneinfo as Linux 6.1 prints it, read as the recorder reads it.

import { expect, it } from 'vitest';
import { parseZoneinfo } from '../../../cli/oracle/zoneinfo_text.ts';

const text = `Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 0
      nr_free_cma  12
  pages free     3840
        boost    0
        min      87
        low      108
        high     129
        spanned  4095
        present  3998
        managed  3840
        cma      0
        protection: (0, 1984, 1984, 1984)
      nr_free_pages 3840
  pagesets
    cpu: 0
              count: 0
              high:  108
              batch: 1
  vm stats threshold: 4
    cpu: 1
              count: 0
              high:  109
              batch: 1
  vm stats threshold: 4
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone  Movable
  pages free     0
        boost    0
        min      32
        low      32
        high     32
        spanned  0
        present  0
        managed  0
        cma      0
        protection: (0, 0, 0, 0)
`;

it('takes marks, spans, protection and the lists of each CPU', () => {
  expect(parseZoneinfo(text)).toEqual([
    {
      node: 0,
      zone: 'DMA',
      pcp: [
        { cpu: 0, high: 108, batch: 1, stat_threshold: 4 },
        { cpu: 1, high: 109, batch: 1, stat_threshold: 4 },
      ],
      boost: 0,
      min: 87,
      low: 108,
      high: 129,
      spanned: 4095,
      present: 3998,
      managed: 3840,
      cma: 0,
      protection: [0, 1984, 1984, 1984],
      start_pfn: 1,
    },
    {
      node: 0,
      zone: 'Movable',
      pcp: [],
      boost: 0,
      min: 32,
      low: 32,
      high: 32,
      spanned: 0,
      present: 0,
      managed: 0,
      cma: 0,
      protection: [0, 0, 0, 0],
    },
  ]);
});
