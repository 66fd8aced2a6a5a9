// Self tests of the e820 map: sorting out, changing, asking, and what mem= and memmap= make of it.

import {
  e820__mapped_all,
  e820__mapped_any,
  e820__range_add,
  e820__range_remove,
  e820__range_update,
  e820__update_table,
  type e820_table,
  e820_type_name,
} from '../arch/x86/e820.ts';
import { parse_memmap_opt, parse_memopt } from '../arch/x86/e820_params.ts';
import { e820__end_of_low_ram_pfn, e820__end_of_ram_pfn, e820__memblock_setup } from '../arch/x86/e820_setup.ts';
import { E820_TYPE_RAM, E820_TYPE_RESERVED } from '../include/e820.ts';
import { EINVAL, SZ_1M } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_FALSE, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import type { Suite, Test, TestMachine } from './env.ts';

type Line = readonly [start: bigint, end: bigint, type: number];
const RAM = E820_TYPE_RAM;
const RESERVED = E820_TYPE_RESERVED;

function with_map(test: Test, lines: readonly Line[]): Kernel {
  const k = test.priv.kernel([{ start: 0, end: 16 * SZ_1M }]);
  for (const [start, end, type] of lines) e820__range_add(k, start, end - start, type);
  return k;
}

const text = (table: e820_table): string =>
  table
    .filter((entry) => entry.size !== 0n)
    .map(
      (entry) => `${entry.addr.toString(16)}-${(entry.addr + entry.size).toString(16)} ${e820_type_name(entry.type)}`,
    )
    .join(', ');

interface MapRow {
  readonly desc: string;
  readonly lines: readonly Line[];
  readonly wanted: string;
}

const update_table_rows: readonly MapRow[] = [
  {
    desc: 'sorted stays',
    lines: [
      [0x1000n, 0x2000n, RAM],
      [0x3000n, 0x4000n, RESERVED],
    ],
    wanted: '1000-2000 usable, 3000-4000 reserved',
  },
  {
    desc: 'unsorted is sorted',
    lines: [
      [0x3000n, 0x4000n, RESERVED],
      [0x1000n, 0x2000n, RAM],
    ],
    wanted: '1000-2000 usable, 3000-4000 reserved',
  },
  {
    desc: 'neighbours of one type join',
    lines: [
      [0x1000n, 0x2000n, RAM],
      [0x2000n, 0x3000n, RAM],
    ],
    wanted: '1000-3000 usable',
  },
  {
    desc: 'overlap goes to the higher type',
    lines: [
      [0x1000n, 0x5000n, RAM],
      [0x2000n, 0x3000n, RESERVED],
    ],
    wanted: '1000-2000 usable, 2000-3000 reserved, 3000-5000 usable',
  },
  {
    desc: 'a higher type swallows what it covers',
    lines: [
      [0x2000n, 0x3000n, RAM],
      [0x1000n, 0x5000n, RESERVED],
    ],
    wanted: '1000-5000 reserved',
  },
  {
    desc: 'size 0 is dropped',
    lines: [
      [0x1000n, 0x2000n, RAM],
      [0x5000n, 0x5000n, RESERVED],
    ],
    wanted: '1000-2000 usable',
  },
  {
    desc: 'persistent ranges stay apart',
    lines: [
      [0x1000n, 0x2000n, 12],
      [0x2000n, 0x3000n, 12],
    ],
    wanted: '1000-2000 persistent (type 12), 2000-3000 persistent (type 12)',
  },
  {
    desc: 'one range that wraps around leaves all as it is',
    lines: [
      [0x3000n, 0x4000n, RAM],
      [0xfffffffffffff000n, 0x10000000000001000n, RAM],
    ],
    wanted: '3000-4000 usable, fffffffffffff000-10000000000001000 usable',
  },
];

interface ChangeRow extends MapRow {
  readonly change: (k: Kernel) => bigint;
  readonly bytes: bigint;
}

const change_rows: readonly ChangeRow[] = [
  {
    desc: 'update inside splits',
    lines: [[0x1000n, 0x5000n, RAM]],
    change: (k) => e820__range_update(k, 0x2000n, 0x1000n, RAM, RESERVED),
    bytes: 0x1000n,
    wanted: '1000-2000 usable, 2000-3000 reserved, 3000-5000 usable',
  },
  {
    desc: 'update over the end',
    lines: [[0x1000n, 0x5000n, RAM]],
    change: (k) => e820__range_update(k, 0x4000n, 0x4000n, RAM, RESERVED),
    bytes: 0x1000n,
    wanted: '1000-4000 usable, 4000-5000 reserved',
  },
  {
    desc: 'update spares other types',
    lines: [
      [0x1000n, 0x2000n, RAM],
      [0x2000n, 0x3000n, 3],
    ],
    change: (k) => e820__range_update(k, 0n, 0x4000n, RAM, RESERVED),
    bytes: 0x1000n,
    wanted: '1000-2000 reserved, 2000-3000 ACPI data',
  },
  {
    desc: 'remove inside splits',
    lines: [[0x1000n, 0x5000n, RAM]],
    change: (k) => e820__range_remove(k, 0x2000n, 0x1000n, RAM, true),
    bytes: 0x1000n,
    wanted: '1000-2000 usable, 3000-5000 usable',
  },
  {
    desc: 'remove of a type spares others',
    lines: [
      [0x1000n, 0x2000n, RAM],
      [0x2000n, 0x3000n, RESERVED],
    ],
    change: (k) => e820__range_remove(k, 0n, 0x4000n, RAM, true),
    bytes: 0x1000n,
    wanted: '2000-3000 reserved',
  },
  {
    desc: 'remove of any type',
    lines: [
      [0x1000n, 0x2000n, RAM],
      [0x2000n, 0x3000n, RESERVED],
    ],
    change: (k) => e820__range_remove(k, 0x1800n, 0x1000n, 0, false),
    bytes: 0x1000n,
    wanted: '1000-1800 usable, 2800-3000 reserved',
  },
  {
    desc: 'to the end of the address space',
    lines: [[0x1000n, 0x5000n, RAM]],
    change: (k) => e820__range_remove(k, 0x3000n, 0xffffffffffffffffn - 0x3000n, RAM, true),
    bytes: 0x2000n,
    wanted: '1000-3000 usable',
  },
];

interface ParamRow {
  readonly desc: string;
  readonly parse: (k: Kernel, value: string | null) => number;
  readonly value: string | null;
  readonly result: number;
  readonly wanted: string;
}

const MiB = (n: number): bigint => BigInt(n) << 20n;
const PARAM_MAP: readonly Line[] = [
  [0n, MiB(1), RAM],
  [MiB(1), MiB(64), RAM],
  [MiB(64), MiB(65), RESERVED],
];
const ALL = '0-4000000 usable, 4000000-4100000 reserved';

const param_rows: readonly ParamRow[] = [
  { desc: 'mem', parse: parse_memopt, value: '32M', result: 0, wanted: '0-2000000 usable, 4000000-4100000 reserved' },
  { desc: 'mem without a value', parse: parse_memopt, value: null, result: -EINVAL, wanted: ALL },
  { desc: 'mem of nothing', parse: parse_memopt, value: '0', result: -EINVAL, wanted: ALL },
  { desc: 'memmap at', parse: parse_memmap_opt, value: '1M@128M', result: 0, wanted: `${ALL}, 8000000-8100000 usable` },
  {
    desc: 'memmap reserve',
    parse: parse_memmap_opt,
    value: '4M$16M',
    result: 0,
    wanted: '0-1000000 usable, 1000000-1400000 reserved, 1400000-4000000 usable, 4000000-4100000 reserved',
  },
  {
    desc: 'memmap ACPI',
    parse: parse_memmap_opt,
    value: '64K#0x3ff0000',
    result: 0,
    wanted: '0-3ff0000 usable, 3ff0000-4000000 ACPI data, 4000000-4100000 reserved',
  },
  {
    desc: 'memmap persistent',
    parse: parse_memmap_opt,
    value: '16M!32M',
    result: 0,
    wanted: '0-2000000 usable, 2000000-3000000 persistent (type 12), 3000000-4000000 usable, 4000000-4100000 reserved',
  },
  {
    desc: 'memmap size alone',
    parse: parse_memmap_opt,
    value: '32M',
    result: 0,
    wanted: '0-2000000 usable, 4000000-4100000 reserved',
  },
  {
    desc: 'memmap list',
    parse: parse_memmap_opt,
    value: 'exactmap,1M@1M,1M@4M',
    result: 0,
    wanted: '100000-200000 usable, 400000-500000 usable',
  },
  { desc: 'memmap convert', parse: parse_memmap_opt, value: '1M%64M-2+1', result: 0, wanted: '0-4100000 usable' },
  {
    desc: 'memmap convert to nothing',
    parse: parse_memmap_opt,
    value: '1M%64M-2',
    result: 0,
    wanted: '0-4000000 usable',
  },
  { desc: 'memmap nonsense', parse: parse_memmap_opt, value: 'x', result: 0, wanted: ALL },
];

export const e820_suite: Suite = {
  name: 'e820',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, MapRow>('update_table', update_table_rows, (test, { lines, wanted }) => {
      const k = with_map(test, lines);
      e820__update_table(k, k.e820.e820_table);
      KUNIT_EXPECT_EQ(test, 'map', text(k.e820.e820_table), wanted);
    }),
    KUNIT_CASE('update_table_of_one', (test) => {
      const k = with_map(test, [[0x1000n, 0x2000n, RAM]]);
      KUNIT_EXPECT_EQ(test, 'a map of one range is no map', e820__update_table(k, k.e820.e820_table), -1);
    }),
    KUNIT_CASE_PARAM<TestMachine, ChangeRow>('change', change_rows, (test, { lines, change, bytes, wanted }) => {
      const k = with_map(test, lines);
      KUNIT_EXPECT_EQ(test, 'bytes', change(k), bytes);
      e820__update_table(k, k.e820.e820_table);
      KUNIT_EXPECT_EQ(test, 'map', text(k.e820.e820_table), wanted);
    }),
    KUNIT_CASE_PARAM<TestMachine, ParamRow>('parameters', param_rows, (test, { parse, value, result, wanted }) => {
      const k = with_map(test, PARAM_MAP);
      KUNIT_EXPECT_EQ(test, 'result', parse(k, value), result);
      e820__update_table(k, k.e820.e820_table);
      KUNIT_EXPECT_EQ(test, 'map', text(k.e820.e820_table), wanted);
    }),
    KUNIT_CASE('mapped', (test) => {
      const k = with_map(test, [
        [0x1000n, 0x3000n, RAM],
        [0x3000n, 0x4000n, RESERVED],
        [0x4000n, 0x6000n, RAM],
      ]);
      KUNIT_EXPECT_TRUE(test, 'any of RAM', e820__mapped_any(k, 0n, 0x1001n, RAM));
      KUNIT_EXPECT_FALSE(test, 'any, end exclusive', e820__mapped_any(k, 0n, 0x1000n, RAM));
      KUNIT_EXPECT_TRUE(test, 'all of RAM', e820__mapped_all(k, 0x1000n, 0x3000n, RAM));
      KUNIT_EXPECT_FALSE(test, 'all of RAM over another type', e820__mapped_all(k, 0x2000n, 0x5000n, RAM));
      KUNIT_EXPECT_TRUE(test, 'all of any type', e820__mapped_all(k, 0x2000n, 0x5000n, 0));
    }),
    KUNIT_CASE('end_of_ram', (test) => {
      const k = with_map(test, [
        [0n, 0xc0000800n, RAM],
        [0xfff00000n, 0x100000000n, RESERVED],
        [0x100000000n, 0x140000000n, RAM],
      ]);
      KUNIT_EXPECT_EQ(test, 'whole pages below 4 GiB', e820__end_of_low_ram_pfn(k), 0xc0000);
      KUNIT_EXPECT_EQ(test, 'last page', e820__end_of_ram_pfn(k), 0x140000);
    }),
    KUNIT_CASE('memblock_setup', (test) => {
      const k = with_map(test, [
        [0x1000n, 0x9fc00n, RAM],
        [0xf0000n, 0x100000n, RESERVED],
        [0x100000n, 0x800000n, RAM],
      ]);
      e820__memblock_setup(k);
      const found = k.memblock.memory.regions.map(({ base, size }) => [base, base + size]);
      KUNIT_EXPECT_EQ(test, 'memory, whole pages', found, [
        [0x1000, 0x9f000],
        [0x100000, 0x800000],
      ]);
    }),
  ],
};
