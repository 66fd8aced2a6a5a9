// Self tests of watermarks, reserves and per-cpu batches. The numbers of `recorded` are what Linux 6.1 had in a boot.

import { SZ_1M, SZ_4G } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { zone_batchsize } from '../mm/pageset.ts';
import { calculate_min_free_kbytes, setup_per_zone_lowmem_reserve, setup_per_zone_wmarks } from '../mm/watermark.ts';
import { build_all_zonelists } from '../mm/zonelist.ts';
import type { Suite, Test, TestMachine } from './env.ts';
import { lay_out, zone_of } from './layout.ts';

const NODE_SIZE = 256 * SZ_1M;

/** Node 0 with DMA, DMA32 and Normal, node 1 with Normal; managed pages as given, 0 where not. */
function with_managed(test: Test, managed: Readonly<Record<string, number>>): Kernel {
  const k = lay_out(test, [
    { nid: 0, start: 0, end: NODE_SIZE },
    { nid: 0, start: SZ_4G, end: SZ_4G + NODE_SIZE / 2 },
    { nid: 1, start: SZ_4G + NODE_SIZE / 2, end: SZ_4G + NODE_SIZE },
  ]);
  build_all_zonelists(k);
  for (const pgdat of k.node_data)
    for (const zone of pgdat.node_zones) zone.managed_pages = managed[`${zone.nid} ${zone.name}`] ?? 0;
  return k;
}

interface MarkRow {
  readonly desc: string;
  readonly managed: Readonly<Record<string, number>>;
  /** vm.min_free_kbytes; none: as Linux works it out. */
  readonly min_free_kbytes?: number;
  readonly kbytes: number;
  /** node zone: min, low, high */
  readonly wanted: Readonly<Record<string, readonly [number, number, number]>>;
}

const mark_rows: readonly MarkRow[] = [
  {
    desc: 'recorded, 256 MiB',
    managed: { '0 DMA': 3840, '0 DMA32': 55231 },
    kbytes: 1944,
    wanted: { '0 DMA': [31, 38, 45], '0 DMA32': [454, 567, 680] },
  },
  {
    desc: 'a large zone keeps its distance by the scale factor',
    managed: { '0 DMA': 3840, '0 Normal': 16000000 },
    kbytes: 32003,
    wanted: { '0 DMA': [1, 4, 7], '0 Normal': [7998, 23998, 39998] },
  },
  {
    desc: 'nodes share by size',
    managed: { '0 Normal': 300000, '1 Normal': 100000 },
    min_free_kbytes: 4000,
    kbytes: 4000,
    wanted: { '0 Normal': [750, 1050, 1350], '1 Normal': [250, 350, 450] },
  },
  {
    desc: 'a tiny machine has 128 KiB',
    managed: { '0 DMA32': 200 },
    kbytes: 128,
    wanted: { '0 DMA32': [32, 40, 48] },
  },
  {
    desc: 'a huge machine has 256 MiB',
    managed: { '0 Normal': 2000000000 },
    kbytes: 262144,
    wanted: { '0 Normal': [65536, 2065536, 4065536] },
  },
];

interface ReserveRow {
  readonly desc: string;
  readonly managed: Readonly<Record<string, number>>;
  /** node zone: by the highest zone of the request */
  readonly wanted: Readonly<Record<string, readonly number[]>>;
}

const reserve_rows: readonly ReserveRow[] = [
  {
    desc: 'recorded, 4 GiB with kernelcore=1G',
    managed: { '0 DMA': 3840, '0 DMA32': 762079, '0 Movable': 225533 },
    wanted: { '0 DMA': [0, 2976, 2976, 3857], '0 DMA32': [0, 0, 0, 880], '0 Normal': [0, 0, 0, 0] },
  },
  {
    desc: 'recorded, a node with DMA32 and Normal',
    managed: { '1 DMA32': 245728, '1 Normal': 235264 },
    wanted: { '1 DMA': [0, 0, 0, 0], '1 DMA32': [0, 0, 919, 919], '1 Normal': [0, 0, 0, 0] },
  },
  {
    desc: 'another node does not count',
    managed: { '0 DMA32': 100000, '1 Normal': 1000000 },
    wanted: { '0 DMA32': [0, 0, 0, 0], '1 Normal': [0, 0, 0, 0] },
  },
  {
    desc: 'Normal keeps a thirty-second from Movable',
    managed: { '0 Normal': 1000, '0 Movable': 3200 },
    wanted: { '0 Normal': [0, 0, 0, 100] },
  },
];

const batch_rows = [
  { desc: 'empty', managed: 0, wanted: 1 },
  { desc: '15 MiB', managed: 3840, wanted: 1 },
  { desc: '215 MiB', managed: 55231, wanted: 15 },
  { desc: '1 GiB', managed: 262144, wanted: 63 },
  { desc: '64 GiB', managed: 16777216, wanted: 63 },
];

export const watermarks_suite: Suite = {
  name: 'watermarks',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, MarkRow>('marks', mark_rows, (test, { managed, min_free_kbytes, kbytes, wanted }) => {
      const k = with_managed(test, managed);
      if (min_free_kbytes === undefined) calculate_min_free_kbytes(k);
      else k.watermark.min_free_kbytes = min_free_kbytes;
      setup_per_zone_wmarks(k);
      KUNIT_EXPECT_EQ(test, 'min_free_kbytes', k.watermark.min_free_kbytes, kbytes);
      for (const [name, marks] of Object.entries(wanted)) {
        const zone = zone_of(k, Number(name[0]), name.slice(2));
        KUNIT_EXPECT_EQ(
          test,
          `min, low, high of ${name}`,
          [0, 1, 2].map((mark) => zone._watermark(mark)),
          [...marks],
        );
      }
    }),
    KUNIT_CASE('user_value_is_kept', (test) => {
      const k = with_managed(test, { '0 DMA32': 55231 });
      k.watermark.user_min_free_kbytes = 65536;
      k.watermark.min_free_kbytes = 65536;
      calculate_min_free_kbytes(k);
      KUNIT_EXPECT_EQ(test, 'min_free_kbytes', k.watermark.min_free_kbytes, 65536);
    }),
    KUNIT_CASE_PARAM<TestMachine, ReserveRow>('lowmem_reserve', reserve_rows, (test, { managed, wanted }) => {
      const k = with_managed(test, managed);
      setup_per_zone_lowmem_reserve(k);
      for (const [name, reserve] of Object.entries(wanted)) {
        const zone = zone_of(k, Number(name[0]), name.slice(2));
        KUNIT_EXPECT_EQ(
          test,
          `protection of ${name}`,
          [0, 1, 2, 3].map((idx) => zone.lowmem_reserve(idx)),
          [...reserve],
        );
      }
    }),
    KUNIT_CASE_PARAM<TestMachine, (typeof batch_rows)[number]>('pcp_batch', batch_rows, (test, { managed, wanted }) => {
      KUNIT_EXPECT_EQ(test, 'batch', Math.max(1, zone_batchsize(managed)), wanted);
    }),
  ],
};
