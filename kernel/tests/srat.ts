// Self tests of SRAT and SLIT: from the tables' bytes to nodes with memory and distances, and what is refused.
//
//   0     1M              512M            1G
//   |.....| e820's memory                 |

import { acpi_boot_table_init } from '../arch/x86/acpi_tables.ts';
import { initmem_init } from '../arch/x86/numa.ts';
import { node_distance } from '../arch/x86/numa_distance.ts';
import { recorder } from '../config.ts';
import { MEMBLOCK_HOTPLUG } from '../include/memblock.ts';
import { PFN_DOWN, SZ_1M } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { bitmap_list } from '../lib/nodemask.ts';
import { memblock_add, memblock_reserve } from '../mm/memblock.ts';
import { memblock_is_region_reserved } from '../mm/memblock_info.ts';
import { cpu_entry, memory_entry, place_tables, SRAT_ENABLED, SRAT_HOTPLUG, slit, srat, table } from './acpi_tables.ts';
import type { Suite, Test, TestMachine } from './env.ts';

const MiB = SZ_1M;
const MEMORY_END = 1024 * MiB;

interface Firmware {
  readonly tables: readonly (readonly number[])[];
  readonly reserve?: readonly [number, number];
}

/** A kernel that knows its memory, up to and with its nodes. */
function booted(test: Test, { tables, reserve = [16 * MiB, 32 * MiB] }: Firmware): Kernel {
  const k = test.priv.kernel([{ start: 0, end: MEMORY_END }], { config: recorder });
  place_tables(k.hw.ram, tables);
  memblock_add(k, MiB, MEMORY_END - MiB);
  memblock_reserve(k, reserve[0], reserve[1] - reserve[0]);
  k.boot.max_pfn = PFN_DOWN(MEMORY_END);
  k.boot.max_pfn_mapped = k.boot.max_pfn;
  k.boot.max_possible_pfn = k.boot.max_pfn;
  acpi_boot_table_init(k);
  initmem_init(k);
  return k;
}

const memory_of = (k: Kernel): string[] =>
  k.memblock.memory.regions.map(({ base, size, nid }) => `${nid}: ${base / MiB}-${(base + size) / MiB}`);
const said = (k: Kernel, text: string): boolean => k.log.records.some((record) => record.text === text);

const ONE_NODE = ['0: 1-1024'];
const halves = [memory_entry(0, 0, 512 * MiB), memory_entry(1, 512 * MiB, MEMORY_END)];

interface NodeRow extends Firmware {
  readonly desc: string;
  /** memblock.memory as "node: MiB-MiB". */
  readonly memory: readonly string[];
  readonly possible: string;
  readonly says?: string;
}

const node_rows: readonly NodeRow[] = [
  { desc: 'two nodes', tables: [srat(halves)], memory: ['0: 1-512', '1: 512-1024'], possible: '0-1' },
  {
    desc: 'nodes are numbered as their domains appear',
    tables: [srat([memory_entry(7, 512 * MiB, MEMORY_END), memory_entry(3, 0, 512 * MiB)])],
    memory: ['1: 1-512', '0: 512-1024'],
    possible: '0-1',
  },
  {
    desc: 'processors come before memory',
    tables: [srat([...halves, cpu_entry(1, 0), cpu_entry(0, 1)])],
    memory: ['1: 1-512', '0: 512-1024'],
    possible: '0-1',
    says: 'SRAT: PXM 1 -> APIC 0x00 -> Node 0',
  },
  {
    desc: 'a node with processors alone is possible',
    tables: [srat([cpu_entry(0, 0), cpu_entry(5, 1), memory_entry(0, 0, MEMORY_END)])],
    memory: ONE_NODE,
    possible: '0-1',
  },
  {
    desc: 'entries that are not enabled do not count',
    tables: [srat([memory_entry(0, 0, MEMORY_END), memory_entry(1, 512 * MiB, MEMORY_END, 0), cpu_entry(2, 0, 0)])],
    memory: ONE_NODE,
    possible: '0',
  },
  {
    desc: 'memory that is not there is passed over',
    tables: [srat([...halves, memory_entry(1, 4096 * MiB, 8192 * MiB)])],
    memory: ['0: 1-512', '1: 512-1024'],
    possible: '0-1',
  },
  {
    desc: 'a node in two parts',
    tables: [
      srat([
        memory_entry(0, 0, 256 * MiB),
        memory_entry(1, 256 * MiB, 512 * MiB),
        memory_entry(0, 512 * MiB, MEMORY_END),
      ]),
    ],
    memory: ['0: 1-256', '1: 256-512', '0: 512-1024'],
    possible: '0-1',
  },
  {
    desc: 'no SRAT',
    tables: [table('XXXX', [])],
    memory: ONE_NODE,
    possible: '0',
    says: 'No NUMA configuration found',
  },
  {
    desc: 'nodes that overlap',
    tables: [srat([memory_entry(0, 0, 600 * MiB), memory_entry(1, 512 * MiB, MEMORY_END)])],
    memory: ONE_NODE,
    possible: '0',
    says: 'No NUMA configuration found',
  },
  {
    desc: 'memory that no node has',
    tables: [srat([memory_entry(0, 0, 512 * MiB), memory_entry(1, 512 * MiB, 1000 * MiB)])],
    memory: ONE_NODE,
    possible: '0',
    says: 'No NUMA configuration found',
  },
  {
    desc: 'a memory entry that is too short',
    tables: [srat([...halves, [1, 20, ...new Array<number>(18).fill(0)]])],
    memory: ONE_NODE,
    possible: '0',
    says: 'ACPI: SRAT: SRAT not used.',
  },
];

interface SlitRow {
  readonly desc: string;
  readonly rows: readonly (readonly number[])[] | null;
  readonly wanted: readonly (readonly number[])[];
  readonly refused?: boolean;
}

const DEFAULT = [
  [10, 20],
  [20, 10],
];
const slit_rows: readonly SlitRow[] = [
  { desc: 'none', rows: null, wanted: DEFAULT },
  {
    desc: 'symmetric',
    rows: [
      [10, 31],
      [31, 10],
    ],
    wanted: [
      [10, 31],
      [31, 10],
    ],
  },
  {
    desc: 'not symmetric',
    rows: [
      [10, 12],
      [40, 10],
    ],
    wanted: [
      [10, 12],
      [40, 10],
    ],
  },
  {
    desc: 'out of reach is 255',
    rows: [
      [10, 255],
      [255, 10],
    ],
    wanted: [
      [10, 255],
      [255, 10],
    ],
  },
  {
    desc: 'diagonal above 10',
    rows: [
      [11, 20],
      [20, 10],
    ],
    wanted: DEFAULT,
    refused: true,
  },
  {
    desc: 'remote as near as local',
    rows: [
      [10, 10],
      [20, 10],
    ],
    wanted: DEFAULT,
    refused: true,
  },
];

export const srat_suite: Suite = {
  name: 'srat',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, NodeRow>('nodes', node_rows, (test, row) => {
      const k = booted(test, row);
      KUNIT_EXPECT_EQ<unknown>(test, 'memory', memory_of(k), row.memory);
      KUNIT_EXPECT_EQ(test, 'possible nodes', bitmap_list(k.node_possible_map), row.possible);
      if (row.says !== undefined) KUNIT_EXPECT_TRUE(test, `the log has "${row.says}"`, said(k, row.says));
    }),
    KUNIT_CASE_PARAM<TestMachine, SlitRow>('distances', slit_rows, (test, { rows, wanted, refused = false }) => {
      const k = booted(test, { tables: [srat(halves), ...(rows === null ? [] : [slit(rows)])] });
      const found = [0, 1].map((from) => [0, 1].map((to) => node_distance(k, from, to)));
      KUNIT_EXPECT_EQ<unknown>(test, 'distances', found, wanted);
      const text = 'ACPI: SLIT table looks invalid. Not used.';
      KUNIT_EXPECT_EQ(test, 'refused', said(k, text), refused);
    }),
    KUNIT_CASE('tables_are_reserved', (test) => {
      const k = booted(test, { tables: [srat(halves)] });
      KUNIT_EXPECT_TRUE(test, 'SRAT', memblock_is_region_reserved(k, 0xe0000, 36));
    }),
    KUNIT_CASE('hotplug', (test) => {
      const flags = SRAT_ENABLED | SRAT_HOTPLUG;
      const entries = [memory_entry(0, 0, 512 * MiB, flags), memory_entry(1, 512 * MiB, MEMORY_END, flags)];
      const k = booted(test, { tables: [srat(entries)] });
      const marks = k.memblock.memory.regions.map((region) => [region.nid, region.flags & MEMBLOCK_HOTPLUG]);
      // The kernel image is on node 0: that node can never be unplugged.
      KUNIT_EXPECT_EQ(test, 'marks', marks, [
        [0, 0],
        [1, MEMBLOCK_HOTPLUG],
      ]);
    }),
  ],
};
