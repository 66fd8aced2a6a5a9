// Firmware with one thing wrong, or one thing unusual: tables at FIRMWARE, the RSDP first, for a machine with twoGiB.

import {
  type Bytes,
  chars,
  checksummed,
  cpu,
  dsdt,
  FIRMWARE,
  facs,
  fadt,
  HOTPLUG,
  initiator,
  ioapic,
  lapic,
  lapicNmi,
  layOut,
  madt,
  mem,
  NON_VOLATILE,
  override,
  qemuMadt,
  rsdp,
  rsdp2,
  slit,
  srat,
  table,
  u16,
  u32,
  u64,
  x2apic,
  x2cpu,
  zeros,
} from './acpi.ts';

export interface FirmwareCase {
  readonly name: string;
  readonly firmware: readonly (readonly [number, Bytes])[];
  /** What follows `numa=` on the command line. */
  readonly numa?: string;
  /** `acpi_force_table_verification`. */
  readonly verify?: true;
}

const AT = FIRMWARE + 0x1000;
const GiB = 0x40000000;
const END = 0x7ffe0000;
const at = (tables: readonly Bytes[]): [number, number[]][] => layOut(tables, { rsdp: FIRMWARE, at: AT });
const patched = (bytes: Bytes, offset: number, value: Bytes): number[] => {
  const copy = [...bytes];
  copy.splice(offset, value.length, ...value);
  return copy;
};
/** As patched(), with the checksum made right. */
const fixed = (bytes: Bytes, offset: number, value: Bytes): number[] => checksummed(patched(bytes, offset, value), 9);

const halves = [cpu(0, 0), cpu(1, 1), mem(0, 0, GiB), mem(1, GiB, GiB)];
const nodes = srat(halves);
const numa = (entries: readonly Bytes[], revision = 1, ...more: Bytes[]) => at([srat(entries, revision), ...more]);
const withSlit = (bytes: Bytes) => at([nodes, bytes]);
const good = slit([
  [10, 21],
  [31, 10],
]);

/** RSDP, RSDT with these entries; a table elsewhere. */
const root = (rsdt: Bytes): [number, Bytes][] => [
  [FIRMWARE, rsdp(AT)],
  [AT, rsdt],
  [AT + 0x1000, nodes],
];

export const rootCases: readonly FirmwareCase[] = [
  { name: 'RSDT of 36 bytes', firmware: root(table('RSDT', [])) },
  { name: 'RSDT of 0 bytes', firmware: root(fixed(table('RSDT', u32(AT + 0x1000)), 4, u32(0))) },
  { name: 'RSDT of 4 GiB', firmware: root(patched(table('RSDT', u32(AT + 0x1000)), 4, u32(0xffffffff))) },
  { name: 'RSDT of 257 KiB', firmware: root(patched(table('RSDT', u32(AT + 0x1000)), 4, u32(257 * 1024))) },
  { name: 'RSDT with a bad checksum', firmware: root(patched(table('RSDT', u32(AT + 0x1000)), 9, [0x77])) },
  { name: 'RSDT entries of 0', firmware: root(table('RSDT', [...u32(0), ...u32(AT + 0x1000), ...u32(0)])) },
  { name: 'RSDT with half an entry', firmware: root(table('RSDT', [...u32(AT + 0x1000), 1, 2])) },
  { name: 'no RSDT', firmware: [[FIRMWARE, rsdp(0)]] },
  { name: 'no RSDP where it should be', firmware: [[FIRMWARE, chars('garbage \x01\x02\x80\xa9 and more', 36)]] },
  {
    name: 'XSDT',
    firmware: [
      [FIRMWARE, rsdp2(0, AT)],
      [AT, table('XSDT', u64(AT + 0x1000))],
      [AT + 0x1000, nodes],
    ],
  },
  {
    name: 'XSDT too short',
    firmware: [
      [FIRMWARE, rsdp2(AT, AT)],
      [AT, table('XSDT', u32(AT + 0x1000))],
    ],
  },
  {
    name: 'names that cannot be printed',
    firmware: root(patched(patched(table('RSDT', u32(AT + 0x1000)), 10, chars('\x01B\x7f\xe9\0Z', 6)), 28, zeros(4))),
  },
];

const LIST = AT + 0x10000;
/** 140 tables of 64 bytes. */
const many: [number, Bytes][] = Array.from({ length: 140 }, (_, i) => [LIST + i * 64, table(`T${i}`, zeros(28))]);

export const tableCases: readonly FirmwareCase[] = [
  { name: 'SRAT with a bad checksum', firmware: at([patched(nodes, 9, [0x55])]) },
  { name: 'SRAT with a bad checksum, verified', firmware: at([patched(nodes, 9, [0x55])]), verify: true },
  { name: 'FADT with a bad checksum', firmware: at([dsdt(), facs(), patched(fadt(AT + 0x80, AT), 9, [0x11]), nodes]) },
  { name: 'FADT without DSDT', firmware: at([dsdt(), facs(), fadt(AT + 0x80, 0), nodes]) },
  {
    name: 'FADT that contradicts itself',
    firmware: at([
      facs(),
      dsdt(),
      fixed(fixed([...fadt(AT, AT + 0x40), ...zeros(152)], 4, u32(268)), 132, [
        ...u64(AT),
        ...u64(AT + 0x40),
        1,
        16,
        0,
        0,
        ...u64(0x700),
        ...zeros(12),
        1,
        8,
        0,
        0,
        ...u64(0x604),
      ]),
    ]),
  },
  { name: 'FADT without registers', firmware: at([facs(), dsdt(), fixed(fadt(AT, AT + 0x40), 56, zeros(38))]) },
  {
    name: 'FADT longer than any',
    firmware: at([facs(), dsdt(), fixed([...fadt(AT, AT + 0x40), ...zeros(184)], 4, u32(300))]),
  },
  { name: 'a table of no length', firmware: at([fixed(table('AAAA', zeros(8)), 4, u32(0)), nodes]) },
  {
    name: 'a table of no length, verified',
    firmware: at([fixed(table('AAAA', zeros(8)), 4, u32(0)), nodes]),
    verify: true,
  },
  { name: 'the same table twice', firmware: at([nodes, nodes]) },
  { name: 'the same table twice, verified', firmware: at([nodes, nodes]), verify: true },
  { name: 'SRAT of 16 MiB', firmware: at([patched(nodes, 4, u32(16 << 20))]) },
  {
    name: '140 tables',
    firmware: [
      [FIRMWARE, rsdp(AT)],
      [
        AT,
        table(
          'RSDT',
          many.flatMap(([pa]) => u32(pa)),
        ),
      ],
      ...many,
    ],
  },
];

export const sratCases: readonly FirmwareCase[] = [
  { name: 'two nodes', firmware: at([nodes]) },
  { name: 'SRAT of 36 bytes', firmware: at([table('SRAT', [])]) },
  { name: 'SRAT without entries', firmware: numa([]) },
  { name: 'SRAT cut off in an entry', firmware: at([fixed(nodes, 4, u32(48 + 32 + 40 + 20))]) },
  { name: 'an entry of no length', firmware: numa([cpu(0, 0), [1, 0, ...zeros(38)], mem(0, 0, 2 * GiB)]) },
  { name: 'no length after the memory', firmware: numa([...halves, [0, 0, 0, 0]]) },
  { name: 'CPU entry too short', firmware: numa([patched(cpu(0, 0), 1, [15]), ...halves]) },
  { name: 'memory entry too short', firmware: numa([...halves, patched(mem(0, 0, GiB), 1, [32])]) },
  { name: 'x2APIC entry too short', firmware: numa([...halves, patched(x2cpu(0, 0), 1, [20])]) },
  { name: 'x2APIC ids', firmware: numa([x2cpu(5, 3), x2cpu(0x80000000, 300), x2cpu(1, 254, 0), mem(5, 0, 2 * GiB)]) },
  { name: 'x2APIC with a bad domain', firmware: numa([x2cpu(0x80000000, 3), ...halves]) },
  { name: 'disabled entries', firmware: numa([cpu(7, 0, 0), ...halves, mem(9, 0, GiB, 0, 0)]) },
  { name: 'domain above all, revision 2', firmware: numa([cpu(0, 0), mem(70000, 0, 2 * GiB)], 2) },
  { name: 'domain above all, revision 1', firmware: numa([cpu(0, 0), mem(70000, 0, 2 * GiB)], 1) },
  { name: 'CPU domain of four bytes', firmware: numa([cpu(0x10203, 0), cpu(0x1ff, 1), mem(0x1ff, 0, 2 * GiB)], 2) },
  { name: 'sparse domains', firmware: numa([cpu(9, 0), mem(3, 0, GiB), mem(9, GiB, GiB)]) },
  { name: 'overlap', firmware: numa([mem(0, 0, GiB + 0x10000000), mem(1, GiB, GiB)]) },
  {
    name: 'overlap with itself',
    firmware: numa([mem(0, 0, GiB), mem(0, 0x30000000, GiB), mem(1, 0x70000000, GiB / 4)]),
  },
  { name: 'uncovered', firmware: numa([mem(0, 0, GiB), mem(1, GiB, GiB / 2)]) },
  { name: '1 MiB uncovered', firmware: numa([mem(0, 0, GiB), mem(1, GiB, END - GiB - 0x100000)]) },
  { name: '1 MiB less a page uncovered', firmware: numa([mem(0, 0, GiB), mem(1, GiB, END - GiB - 0xff000)]) },
  { name: 'backwards', firmware: numa([...halves, mem(2, 0xffffffffff000000n, 0x2000000n)]) },
  { name: 'up to the end of all', firmware: numa([...halves, mem(2, 0xffffffffff000000n, 0x1000000n)]) },
  { name: 'of no length', firmware: numa([...halves, mem(2, GiB, 0)]) },
  { name: 'memoryless node', firmware: numa([...halves, cpu(2, 2)]) },
  { name: 'node without CPUs', firmware: numa([cpu(0, 0), mem(0, 0, GiB), mem(1, GiB, GiB)]) },
  { name: 'initiator alone', firmware: numa([...halves, initiator(6)]) },
  { name: 'initiator disabled', firmware: numa([initiator(6, 0), ...halves]) },
  { name: 'initiator out of range', firmware: numa([initiator(5000), ...halves]) },
  { name: 'unknown entries', firmware: numa([[77, 8, ...zeros(6)], ...halves, [3, 18, ...zeros(16)]]) },
  {
    name: 'hotplug and non-volatile',
    firmware: numa([...halves, mem(1, 4 * GiB, GiB, HOTPLUG), mem(2, 8 * GiB, GiB, NON_VOLATILE)]),
  },
  {
    name: 'a node of 1 MiB',
    firmware: numa([mem(0, 0, GiB), mem(2, GiB + 0x200000, 0x100000), mem(1, GiB + 0x300000, GiB)]),
  },
  { name: 'interleaved', firmware: numa([0, 1, 2, 3].map((i) => mem(i & 1, (i * GiB) / 2, GiB / 2))) },
];

export const slitCases: readonly FirmwareCase[] = [
  { name: 'SLIT', firmware: withSlit(good) },
  {
    name: 'diagonal of 11',
    firmware: withSlit(
      slit([
        [10, 20],
        [20, 11],
      ]),
    ),
  },
  {
    name: 'all 10',
    firmware: withSlit(
      slit([
        [10, 10],
        [10, 10],
      ]),
    ),
  },
  {
    name: 'a distance of 9',
    firmware: withSlit(
      slit([
        [10, 20],
        [9, 10],
      ]),
    ),
  },
  {
    name: '255',
    firmware: withSlit(
      slit([
        [10, 255],
        [255, 10],
      ]),
    ),
  },
  {
    name: 'count of 3 for 2 rows',
    firmware: withSlit(
      slit(
        [
          [10, 20],
          [20, 10],
        ],
        3,
      ),
    ),
  },
  {
    name: 'count of 2^31 - 1',
    firmware: withSlit(
      slit(
        [
          [10, 20],
          [20, 10],
        ],
        0x7fffffff,
      ),
    ),
  },
  { name: 'count of 0', firmware: withSlit(slit([], 0)) },
  {
    name: 'more domains than nodes',
    firmware: withSlit(
      slit([
        [10, 20, 30],
        [20, 10, 40],
        [30, 40, 10],
      ]),
    ),
  },
  { name: 'fewer domains than nodes', firmware: withSlit(slit([[10]])) },
  { name: 'SLIT bad checksum', firmware: withSlit(patched(good, 9, [1])) },
  { name: 'SLIT without SRAT', firmware: at([good]) },
  {
    name: 'large SLIT cut off after a page',
    firmware: withSlit(
      fixed(
        slit(Array.from({ length: 80 }, (_, i) => Array.from({ length: 80 }, (__, j) => (i === j ? 10 : 20)))),
        4,
        u32(60),
      ),
    ),
  },
];

export const madtCases: readonly FirmwareCase[] = [
  {
    name: 'CPUs, one disabled',
    firmware: at([nodes, madt([lapic(0, 0), lapic(1, 1), lapic(2, 2, 0), ioapic(0, 0xfec00000, 0)])]),
  },
  { name: 'MADT of 36 bytes', firmware: at([nodes, table('APIC', [])]) },
  { name: 'MADT without entries', firmware: at([nodes, madt([])]) },
  { name: 'MADT entry of no length', firmware: at([nodes, madt([lapic(0, 0), [0, 0, ...zeros(6)], lapic(1, 1)])]) },
  {
    name: 'LAPIC entry too short',
    firmware: at([nodes, madt([lapic(0, 0), [0, 6, 1, 1, 1, 0], ioapic(0, 0xfec00000, 0)])]),
  },
  { name: 'LAPIC entry cut off', firmware: at([nodes, madt([lapic(0, 0), [0, 8, 1, 1]])]) },
  { name: 'no I/O APIC', firmware: at([nodes, madt([lapic(0, 0), lapicNmi()])]) },
  { name: 'I/O APIC at 0', firmware: at([nodes, madt([lapic(0, 0), ioapic(0, 0, 0), ioapic(0, 0xfec00000, 0)])]) },
  {
    name: 'I/O APIC twice',
    firmware: at([nodes, madt([lapic(0, 0), ioapic(0, 0xfec00000, 0), ioapic(1, 0xfec00000, 24)])]),
  },
  {
    name: 'override of a strange interrupt',
    firmware: at([nodes, madt([lapic(0, 0), ioapic(0, 0xfec00000, 0), override(40, 2, 0), override(3, 99, 0xf5)])]),
  },
  {
    name: 'override too short',
    firmware: at([nodes, madt([lapic(0, 0), ioapic(0, 0xfec00000, 0), [2, 8, 0, 0, ...u32(2)]])]),
  },
  {
    name: 'NMI on LINT 0',
    firmware: at([
      nodes,
      madt([
        lapic(0, 0),
        ioapic(0, 0xfec00000, 0),
        lapicNmi(0),
        [10, 12, ...u16(5), ...u32(3), 0, 0, 0, 0],
        [3, 8, ...u16(0xd), ...u32(7)],
      ]),
    ]),
  },
  {
    name: 'address override',
    firmware: at([nodes, madt([lapic(0, 0), [5, 12, 0, 0, ...u64(0xfee00000)], ioapic(0, 0xfec00000, 0)])]),
  },
  { name: 'address override too short', firmware: at([nodes, madt([lapic(0, 0), [5, 8, 0, 0, ...u32(0xfee00000)]])]) },
  {
    name: 'x2APIC CPUs',
    firmware: at([
      nodes,
      madt([lapic(0, 0), x2apic(1, 1), x2apic(2, 300), x2apic(3, 301, 0), ioapic(0, 0xfec00000, 0)]),
    ]),
  },
  { name: 'two MADTs', firmware: at([nodes, madt([lapic(0, 0), ioapic(0, 0xfec00000, 0)]), qemuMadt(2)]) },
  {
    name: 'blacklisted',
    firmware: at([
      facs(),
      patched(patched(dsdt(), 10, chars('SONY  U0      ', 14)), 24, u32(0)),
      fadt(AT, AT + 0x40),
      nodes,
    ]),
  },
];

const fake = (text: string, firmware = withSlit(good)): FirmwareCase => ({
  name: `numa=fake=${text}`,
  numa: `fake=${text}`,
  firmware,
});

export const fakeCases: readonly FirmwareCase[] = [
  fake('3'),
  fake('4'),
  fake('4:10,15,20,25,15,10'),
  fake('7', at([])),
  fake('300M'),
  fake('1G'),
  fake('16M'),
  fake('2U'),
  fake('3U', at([])),
  fake('40U'),
  fake('5:10,11,12'),
  fake('3:10,300,20,20,11'),
  fake('64M', at([])),
  fake('0x3'),
  fake('1U'),
  fake('off'),
  fake('0'),
  fake('2000'),
  fake('-1'),
  fake('', at([])),
  fake('2', numa([mem(0, 0, GiB)])),
  {
    name: 'numa=fake=2U of interleaved nodes',
    numa: 'fake=2U',
    firmware: numa([0, 1, 2, 3].map((i) => mem(i & 1, (i * GiB) / 2, GiB / 2))),
  },
  { name: 'numa=off', numa: 'off', firmware: withSlit(good) },
  { name: 'numa=noacpi', numa: 'noacpi', firmware: withSlit(good) },
];

export const allCases: readonly FirmwareCase[] = [
  ...rootCases,
  ...tableCases,
  ...sratCases,
  ...slitCases,
  ...madtCases,
  ...fakeCases,
];
