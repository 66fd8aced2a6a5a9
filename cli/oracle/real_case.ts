// A real machine: its firmware's map and SRAT as its boot log printed them, and what that machine's kernel, of any
// version from 4.19 on, made of them. Read from JSON with types checked; a key of `expect` that the log did not have is
// null. Running and comparing it is real_check.ts.

import { type E820Line, readE820Line } from './boot_case.ts';
import { CaseError, type Field } from './fields.ts';

export interface SratMemory {
  readonly node: number;
  readonly pxm: number;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly hotplug: boolean;
  readonly non_volatile: boolean;
}

export interface SratCpu {
  readonly node: number;
  readonly pxm: number;
  readonly apic: number;
}

/** [start, end], inclusive, or null for a node without memory. */
export type Span = readonly [number, number] | null;
export interface NodeSpan {
  readonly node: number;
  readonly span: Span;
}
export interface ZonePages {
  readonly node: number;
  readonly zone: string;
  readonly pages: number;
}

export interface RealExpect {
  readonly early_node_ranges: readonly NodeSpan[] | null;
  readonly zone_ranges: Readonly<Record<string, Span>> | null;
  /** By node. */
  readonly movable_start: Readonly<Record<string, number>> | null;
  readonly initmem: readonly NodeSpan[] | null;
  readonly unavailable: readonly ZonePages[] | null;
  readonly unavailable_in_zone: readonly ZonePages[] | null;
  readonly memmap_pages: readonly ZonePages[] | null;
  readonly zone_pages: readonly (ZonePages & { readonly batch: number })[] | null;
  readonly zone_reserved: readonly ZonePages[] | null;
  readonly node_totalpages: readonly { readonly node: number; readonly pages: number }[] | null;
  /** By node. */
  readonly fallback: Readonly<Record<string, readonly number[]>> | null;
  readonly zonelists: number | null;
  readonly mobility: string | null;
  readonly last_pfn: readonly number[] | null;
  readonly numa_lines: readonly string[] | null;
  readonly policy_zone: string | null;
  readonly total_pages: number | null;
}

export interface RealMachine {
  /** Major and minor version of the kernel whose log this is. */
  readonly version: readonly [number, number];
  readonly cmdline: string;
  readonly e820: readonly E820Line[];
  /** What that kernel did to the map before it fixed it, in its own words. */
  readonly early_updates: readonly string[];
  readonly srat: { readonly mem: readonly SratMemory[]; readonly cpus: readonly SratCpu[] };
  readonly expect: RealExpect;
}

export function readRealMachine(fields: Field): RealMachine {
  const expect = fields.member('expect');
  const srat = fields.member('srat');
  const updates = expect.member('e820_updates').optional(strings) ?? [];
  const late = expect.member('e820_updates_late_from').optional((field) => field.number()) ?? updates.length;
  return {
    version: readVersion(fields.member('kernel')),
    cmdline: fields.member('cmdline').optional((field) => field.string()) ?? '',
    e820: fields.member('e820').array().map(readE820Line),
    early_updates: updates.slice(0, late),
    srat: {
      mem: srat.member('mem').optional((all) => all.array().map(readSratMemory)) ?? [],
      cpus: srat.member('cpus').optional((all) => all.array().map(readSratCpu)) ?? [],
    },
    expect: readExpect(expect),
  };
}

function readVersion(field: Field): [number, number] {
  const match = /^(?:Linux )?(\d+)\.(\d+)/.exec(field.string());
  if (match === null) throw new CaseError(`${field.path}: wanted a version such as "6.1.0", found "${field.string()}"`);
  return [Number(match[1]), Number(match[2])];
}

const strings = (field: Field): string[] => field.array().map((one) => one.string());
const number = (field: Field): number => field.number();

function readSratMemory(field: Field): SratMemory {
  const flags = field.member('flags').optional(strings) ?? [];
  return {
    node: field.member('node').number(),
    pxm: field.member('pxm').number(),
    start: field.member('start').address(),
    end: field.member('end').address() + 1,
    hotplug: flags.some((flag) => flag.includes('hotplug')),
    non_volatile: flags.some((flag) => flag.includes('non-volatile')),
  };
}

const readSratCpu = (field: Field): SratCpu => ({
  node: field.member('node').number(),
  pxm: field.member('pxm').number(),
  apic: field.member('apic').address(),
});

function readExpect(expect: Field): RealExpect {
  const key = <T>(name: string, read: (field: Field) => T): T | null => expect.member(name).optional(read);
  const list =
    <T>(read: (field: Field) => T) =>
    (field: Field): T[] =>
      field.array().map(read);
  return {
    early_node_ranges: key('early_node_ranges', list(readNodeSpan)),
    zone_ranges: key('zone_ranges', record(readZoneSpan)),
    movable_start: key('movable_start', readMovableStart),
    initmem: key('initmem', list(readNodeSpan)),
    unavailable: key('unavailable', list(readZonePages)),
    unavailable_in_zone: key('unavailable_in_zone', list(readZonePages)),
    memmap_pages: key('memmap_pages', list(readZonePages)),
    zone_pages: key(
      'zone_pages',
      list((field) => ({ ...readZonePages(field), batch: field.member('batch').number() })),
    ),
    zone_reserved: key('zone_reserved', list(readZonePages)),
    node_totalpages: key(
      'node_totalpages',
      list((field) => ({ node: field.member('node').number(), pages: field.member('pages').number() })),
    ),
    fallback: key('fallback', record(list(number))),
    zonelists: key('zonelists', number),
    mobility: key('mobility', (field) => field.string()),
    last_pfn: key(
      'last_pfn',
      list((field) => field.address()),
    ),
    numa_lines: key('numa_lines', strings),
    policy_zone: key('policy_zone', (field) => field.string()),
    total_pages: key('total_pages', number),
  };
}

const record =
  <T>(read: (field: Field) => T) =>
  (field: Field): Record<string, T> =>
    Object.fromEntries(field.keys().map((name) => [name, read(field.member(name))]));

/** A node without memory is said in several ways: no addresses, [mem 0x0-0x0], or a word in their place. */
function readNodeSpan(field: Field): NodeSpan {
  const node = field.member('node').number();
  const hasAddress = (name: string) => /^0x/i.test(String(field.member(name).value));
  if (!hasAddress('start') || !hasAddress('end')) return { node, span: null };
  const [start, end] = [field.member('start').address(), field.member('end').address()];
  return { node, span: start === 0 && end === 0 ? null : [start, end] };
}

function readZoneSpan(field: Field): Span {
  if (field.value === 'empty') return null;
  const [start, end] = field.array();
  if (start === undefined || end === undefined) throw new CaseError(`${field.path}: wanted a start and an end`);
  return [start.address(), end.address()];
}

/** By node, or as a list of nodes with their start. */
function readMovableStart(field: Field): Record<string, number> {
  if (!Array.isArray(field.value)) return record((one) => one.address())(field);
  return Object.fromEntries(
    field.array().map((one) => [String(one.member('node').number()), one.member('start').address()]),
  );
}

const readZonePages = (field: Field): ZonePages => ({
  node: field.member('node').optional(number) ?? 0,
  zone: field.member('zone').string(),
  pages: field.member('pages').number(),
});
