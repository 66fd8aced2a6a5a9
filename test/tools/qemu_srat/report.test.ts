import { expect, test } from 'vitest';
import { bootLab } from '../../../cli/lab.ts';
import { parseQemuOptions, splitOptions } from '../../../emu/config/qemu_options.ts';
import { debian } from '../../../kernel/config.ts';
import {
  differences,
  linesAboutNodes,
  type NumaReport,
  readSections,
  readZoneinfo,
  reportOfGuest,
  reportOfKernel,
} from '../../../tools/qemu_srat/report.ts';

// Two nodes of 512 MiB; the second one's only CPU is left out.
//   node 0  [0, 512 MiB)     cpu 0
//   node 1  [512 MiB, 1 GiB) no CPU
const ZONEINFO = `Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 0
  pages free     3840
        boost    0
        spanned  4095
        present  3998
        managed  3840
        protection: (0, 455, 455, 455, 455)
  start_pfn:           1
Node 0, zone    DMA32
  pages free     100000
        spanned  126976
        present  126976
  start_pfn:           4096
Node 0, zone   Normal
  pages free     0
        spanned  0
        present  0
        managed  0
        protection: (0, 0, 0, 0, 0)
Node 1, zone    DMA32
  pages free     1
        spanned  131072
        present  131040
  start_pfn:           131072
`;

const OUTPUT = `SeaBIOS\r
== version
6.1.0
== dmesg
Linux version 6.1.0
BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
ACPI: SRAT 0x000000003FFE1B17 0000F0 (v01 BOCHS  BXPC     00000001 BXPC 00000001)
SRAT: PXM 0 -> APIC 0x00 -> Node 0
Fallback order for Node 0: 0 1 
== zoneinfo
${ZONEINFO}== node1
20 10

Node 1 MemTotal:         500000 kB
== node0
10 20
0
Node 0 MemTotal:         490000 kB
== end
`;

const REPORT: NumaReport = {
  log: [
    'BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable',
    'SRAT: PXM 0 -> APIC 0x00 -> Node 0',
    'Fallback order for Node 0: 0 1 ',
  ],
  nodes: [
    {
      nid: 0,
      distance: '10 20',
      cpulist: '0',
      zones: [
        { name: 'DMA', start_pfn: 1, spanned: 4095, present: 3998 },
        { name: 'DMA32', start_pfn: 4096, spanned: 126976, present: 126976 },
      ],
    },
    {
      nid: 1,
      distance: '20 10',
      cpulist: '',
      zones: [{ name: 'DMA32', start_pfn: 131072, spanned: 131072, present: 131040 }],
    },
  ],
};

test("the guest's output is read into nodes in order, with CRs and what came before dropped", () => {
  const sections = readSections(OUTPUT.replaceAll('\n', '\r\n'));
  expect(sections?.get('version')).toBe('6.1.0\n');
  expect(reportOfGuest(sections!)).toEqual(REPORT);
});

test('output of a guest that died on the way is no report', () => {
  expect(readSections(OUTPUT.slice(0, OUTPUT.indexOf('== end')))).toBeNull();
  expect(readSections('')).toBeNull();
});

test('zones without memory are not zones of a report', () => {
  expect(readZoneinfo(ZONEINFO).map(({ nid, name }) => `${nid} ${name}`)).toEqual(['0 DMA', '0 DMA32', '1 DMA32']);
});

test.each([
  { line: 'ACPI: SRAT: Node 1 PXM 1 [mem 0x80000000-0xbfffffff] hotplug', wanted: true },
  { line: 'SRAT: PXM 1 -> APIC 0x01 -> Node 1', wanted: true },
  { line: 'NUMA: Initialized distance table, cnt=4', wanted: true },
  { line: 'No NUMA configuration found', wanted: true },
  { line: '  Normal   empty', wanted: true },
  { line: '  node   0: [mem 0x0000000000001000-0x000000000009efff]', wanted: true },
  { line: 'Initmem setup node 1 as memoryless', wanted: true },
  // Where a table or a kernel's own data lies is not what a table says.
  { line: 'ACPI: SLIT 0x00000000BFFE1BF0 000035 (v01 BOCHS  BXPC     00000001 BXPC 00000001)', wanted: false },
  { line: 'ACPI: Reserving SRAT table memory at [mem 0xbffe1b17-0xbffe1c06]', wanted: false },
  { line: 'NODE_DATA(0) allocated [mem 0x7ffd5000-0x7fffffff]', wanted: false },
])('$line: $wanted', ({ line, wanted }) => {
  expect(linesAboutNodes([line])).toEqual(wanted ? [line] : []);
});

test('two equal reports do not differ', () => {
  expect(differences(REPORT, structuredClone(REPORT))).toEqual([]);
});

const [node0, node1] = REPORT.nodes as [NumaReport['nodes'][0], NumaReport['nodes'][0]];
const otherZone = { name: 'DMA32', start_pfn: 131072, spanned: 131072, present: 131041 };

test.each<{ name: string; ours: NumaReport; wanted: string[] }>([
  {
    name: 'a distance',
    ours: { ...REPORT, nodes: [{ ...node0, distance: '10 21' }, node1] },
    wanted: ['- node0: distance 10 20, cpus 0', '+ node0: distance 10 21, cpus 0'],
  },
  {
    name: 'a CPU at another node',
    ours: { ...REPORT, nodes: [node0, { ...node1, cpulist: '1' }] },
    wanted: ['- node1: distance 20 10, cpus none', '+ node1: distance 20 10, cpus 1'],
  },
  {
    name: 'one page',
    ours: { ...REPORT, nodes: [node0, { ...node1, zones: [otherZone] }] },
    wanted: [
      '- node1: zone DMA32 start_pfn 131072 spanned 131072 present 131040',
      '+ node1: zone DMA32 start_pfn 131072 spanned 131072 present 131041',
    ],
  },
  {
    name: 'a node that is missing',
    ours: { ...REPORT, nodes: [node0] },
    wanted: [
      '- node1: distance 20 10, cpus none',
      '- node1: zone DMA32 start_pfn 131072 spanned 131072 present 131040',
    ],
  },
  {
    name: 'a line too many, though one like it is wanted',
    ours: { ...REPORT, log: [...REPORT.log, REPORT.log[0]!] },
    wanted: [`+ ${REPORT.log[0]}`],
  },
  {
    name: 'lines in another order',
    ours: { ...REPORT, log: [REPORT.log[1]!, REPORT.log[0]!, REPORT.log[2]!] },
    wanted: [`- ${REPORT.log[0]}`, `+ ${REPORT.log[1]} (order)`],
  },
])('differs: $name', ({ ours, wanted }) => {
  expect(differences(REPORT, ours)).toEqual(wanted);
});

// 64 MiB for node 0 with cpu 0; node 1 has cpu 1 alone, node 2 64 MiB and no CPU.
test("a kernel's report has memoryless nodes and nodes without CPUs, its distances, and its log", () => {
  const parsed = parseQemuOptions(
    splitOptions(
      '-m 128M -smp 2 -object memory-backend-ram,id=m0,size=64M -object memory-backend-ram,id=m2,size=64M ' +
        '-numa node,nodeid=0,cpus=0,memdev=m0 -numa node,nodeid=1,cpus=1 -numa node,nodeid=2,memdev=m2 ' +
        '-numa dist,src=0,dst=1,val=15 -numa dist,src=0,dst=2,val=28 -numa dist,src=1,dst=2,val=17',
    ),
  );
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  const { kernel } = bootLab({ machine: parsed.config, kernel: debian, cmdline: '', firmware: 'none' });
  const { log, nodes } = reportOfKernel(kernel);
  expect(log).toContain('SRAT: PXM 1 -> APIC 0x01 -> Node 1');
  expect(log.filter((line) => line.startsWith('ACPI: SLIT '))).toEqual([]);
  expect(nodes).toEqual([
    {
      nid: 0,
      distance: '10 15 28',
      cpulist: '0',
      zones: [
        { name: 'DMA', start_pfn: 1, spanned: 4095, present: 3998 },
        { name: 'DMA32', start_pfn: 4096, spanned: 12288, present: 12288 },
      ],
    },
    { nid: 1, distance: '15 10 17', cpulist: '1', zones: [] },
    // The last 128 KiB are the firmware's.
    {
      nid: 2,
      distance: '28 17 10',
      cpulist: '',
      zones: [{ name: 'DMA32', start_pfn: 16384, spanned: 16352, present: 16352 }],
    },
  ]);
});
