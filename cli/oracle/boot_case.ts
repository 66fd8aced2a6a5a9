// A recorded boot: what the machine was, what its firmware said, and what Linux made of it. Read from the JSON that the
// recorder writes, with every type checked. Running and comparing it is boot_check.ts.

import { NUMA_NO_NODE } from '../../kernel/include/types.ts';
import type { RecordedReservations } from '../../kernel/kernel.ts';
import type { Field } from './fields.ts';

export const TABLES = ['SRAT', 'SLIT', 'APIC'] as const;
export type TableName = (typeof TABLES)[number];

/** One line of the firmware's map. `end` is inclusive, as the kernel prints it. */
export interface E820Line {
  readonly start: bigint;
  readonly end: bigint;
  readonly type: string;
}

export interface MemoryRegion {
  readonly base: string;
  readonly size: string;
  readonly nid: number;
  readonly flags: number;
}

/** A zone as memblock_free_all() leaves it. A zone without pages has no lists and no blocks. */
export interface ZoneState {
  readonly node: number;
  readonly zone: string;
  readonly start_pfn: number;
  readonly spanned: number;
  readonly present: number;
  readonly managed: number;
  readonly free: number;
  /** "order/migratetype": page frames from head to tail. */
  readonly free_lists?: Readonly<Record<string, readonly number[]>>;
  /** Migratetypes of the zone's pageblocks, run-length: "type*count", f where there is no memory map. */
  readonly blocks?: string;
}

/** What /proc/zoneinfo says of a zone: numbers by name, the per-cpu lists, the protection. */
export interface ZoneInfo {
  readonly node: number;
  readonly zone: string;
  readonly pcp: readonly Readonly<Record<string, number>>[];
  readonly protection?: readonly number[];
  readonly [name: string]: unknown;
}

export interface BootCase {
  readonly cmdline: string;
  readonly qemu: readonly string[];
  readonly e820: readonly E820Line[];
  /** null: the machine had no such table. */
  readonly acpi: Readonly<Record<TableName, Uint8Array | null>>;
  /** Tables that did not follow from QEMU's options and were put in place of those that do. */
  readonly acpi_overridden: readonly TableName[];
  readonly reserved: RecordedReservations;
  readonly expect: {
    readonly dmesg: readonly string[];
    readonly memblock_memory: readonly MemoryRegion[];
    readonly after_memblock_free_all: readonly ZoneState[];
    readonly zonelists: readonly string[];
    readonly zoneinfo_after_boot: readonly ZoneInfo[];
  };
}

export function readBootCase(fields: Field): BootCase {
  const expect = fields.member('expect');
  const acpi = fields.member('acpi');
  const overridden = fields.member('acpi_overridden').optional(strings) ?? [];
  const table = (name: TableName) => acpi.member(name).optional((field) => field.bytes());
  return {
    cmdline: fields.member('cmdline').string(),
    qemu: splitWords(fields.member('qemu').string()),
    e820: fields.member('e820').array().map(readE820Line),
    acpi: { SRAT: table('SRAT'), SLIT: table('SLIT'), APIC: table('APIC') },
    acpi_overridden: TABLES.filter((name) => overridden.includes(name)),
    reserved: fields.member('memblock_reserved_at_free').array().map(readReservation),
    expect: {
      dmesg: strings(expect.member('dmesg')),
      memblock_memory: expect.member('memblock_memory').array().map(readMemory),
      after_memblock_free_all: expect.member('after_memblock_free_all').array().map(readZone),
      zonelists: strings(expect.member('zonelists')),
      zoneinfo_after_boot: expect.member('zoneinfo_after_boot').array().map(readZoneInfo),
    },
  };
}

const strings = (field: Field): string[] => field.array().map((one) => one.string());
const numbers = (field: Field): number[] => field.array().map((one) => one.number());

export const readE820Line = (field: Field): E820Line => ({
  start: field.member('start').bigAddress(),
  end: field.member('end').bigAddress(),
  type: field.member('type').string(),
});

const readReservation = (field: Field): RecordedReservations[number] => ({
  base: field.member('base').address(),
  size: field.member('size').address(),
  flags: field.member('flags').number(),
  nid: field.member('nid').isNull ? NUMA_NO_NODE : field.member('nid').number(),
});

const readMemory = (field: Field): MemoryRegion => ({
  base: `0x${field.member('base').address().toString(16)}`,
  size: `0x${field.member('size').address().toString(16)}`,
  nid: field.member('nid').number(),
  flags: field.member('flags').number(),
});

function readZone(field: Field): ZoneState {
  const number = (name: string) => field.member(name).number();
  const lists = field
    .member('free_lists')
    .optional((all) => Object.fromEntries(all.keys().map((key) => [key, numbers(all.member(key))])));
  const blocks = field.member('blocks').optional((one) => one.string());
  return {
    node: number('node'),
    zone: field.member('zone').string(),
    start_pfn: number('start_pfn'),
    spanned: number('spanned'),
    present: number('present'),
    managed: number('managed'),
    free: number('free'),
    ...(lists === null ? {} : { free_lists: lists }),
    ...(blocks === null ? {} : { blocks }),
  };
}

function readZoneInfo(field: Field): ZoneInfo {
  const info: Record<string, unknown> = {};
  for (const key of field.keys()) {
    const member = field.member(key);
    if (key === 'zone') info[key] = member.string();
    else if (key === 'protection') info[key] = numbers(member);
    else if (key === 'pcp') info[key] = member.array().map((cpu) => numberRecord(cpu));
    else info[key] = member.number();
  }
  field.member('node').number();
  field.member('zone').string();
  field.member('pcp').array();
  return info as unknown as ZoneInfo;
}

const numberRecord = (field: Field): Record<string, number> =>
  Object.fromEntries(field.keys().map((key) => [key, field.member(key).number()]));

/** A command line as a shell would split it: blanks part words, quotes hold them together. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  for (const match of text.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)) words.push(match[0].replace(/["']/g, ''));
  return words;
}
