// ACPI tables byte by byte, and a kernel that has just found its memory: for tests of what Linux makes of firmware.

import { acpi_boot_init, early_acpi_boot_init } from '../../kernel/arch/x86/acpi_boot.ts';
import { acpi_boot_table_init } from '../../kernel/arch/x86/acpi_tables.ts';
import { prefill_possible_map } from '../../kernel/arch/x86/cpu.ts';
import type { Hw } from '../../kernel/arch/x86/hw.ts';
import { init_cpu_to_node, init_gi_nodes, initmem_init } from '../../kernel/arch/x86/numa.ts';
import { debian, type KernelConfig } from '../../kernel/config.ts';
import { PAGE_SIZE } from '../../kernel/include/types.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { memblock_add, memblock_allow_resize, memblock_reserve } from '../../kernel/mm/memblock.ts';
import { setup_nr_node_ids } from '../../kernel/mm/mm_init.ts';
import { MiB, testHw } from './hw.ts';

export type Bytes = readonly number[];

export const u16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
export const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];
export const u64 = (value: number | bigint): number[] => {
  const big = BigInt.asUintN(64, BigInt(value));
  return [...u32(Number(big & 0xffffffffn)), ...u32(Number(big >> 32n))];
};
export const chars = (text: string, size: number): number[] =>
  Array.from({ length: size }, (_, i) => text.charCodeAt(i) || 0);
export const zeros = (count: number): number[] => new Array<number>(count).fill(0);

/** `bytes` with the byte at `at` such that the first `length` of them sum to 0. */
export function checksummed(bytes: Bytes, at: number, length = bytes.length): number[] {
  const copy = [...bytes];
  copy[at] = 0;
  copy[at] = -copy.slice(0, length).reduce((sum, byte) => sum + byte, 0) & 0xff;
  return copy;
}

/** A table with QEMU's names in its header. */
export function table(signature: string, body: Bytes, revision = 1): number[] {
  const names = [...chars('BOCHS ', 6), ...chars('BXPC    ', 8), ...u32(1), ...chars('BXPC', 4), ...u32(1)];
  return checksummed([...chars(signature, 4), ...u32(36 + body.length), revision, 0, ...names, ...body], 9);
}

// SRAT entries
export const cpu = (pxm: number, apic: number, flags = 1): number[] => [
  ...[0, 16, pxm & 0xff, apic],
  ...u32(flags),
  ...[0, (pxm >>> 8) & 0xff, (pxm >>> 16) & 0xff, pxm >>> 24],
  ...u32(0),
];
export const x2cpu = (pxm: number, apic: number, flags = 1): number[] => [
  ...[2, 24, 0, 0],
  ...u32(pxm),
  ...u32(apic),
  ...u32(flags),
  ...u64(0),
];
export const HOTPLUG = 2;
export const NON_VOLATILE = 4;
/** @param flags HOTPLUG, NON_VOLATILE; enabled unless `enabled` is 0 */
export const mem = (pxm: number, base: number | bigint, length: number | bigint, flags = 0, enabled = 1): number[] => [
  ...[1, 40],
  ...u32(pxm),
  ...u16(0),
  ...u64(base),
  ...u64(length),
  ...u32(0),
  ...u32(flags | enabled),
  ...u64(0),
];
export const initiator = (pxm: number, flags = 1): number[] => [
  ...[5, 32, 0, 1],
  ...u32(pxm),
  ...zeros(16),
  ...u32(flags),
  ...u32(0),
];
export const srat = (entries: readonly Bytes[], revision = 1): number[] =>
  table('SRAT', [...u32(1), ...u64(0), ...entries.flat()], revision);

export const slit = (rows: readonly Bytes[], count: number | bigint = rows.length): number[] =>
  table('SLIT', [...u64(count), ...rows.flat()]);

// MADT entries
export const lapic = (uid: number, id: number, flags = 1): number[] => [0, 8, uid, id, ...u32(flags)];
export const x2apic = (uid: number, id: number, flags = 1): number[] => [
  ...[9, 16, 0, 0],
  ...u32(id),
  ...u32(flags),
  ...u32(uid),
];
export const ioapic = (id: number, address: number, gsi: number): number[] => [
  1,
  12,
  id,
  0,
  ...u32(address),
  ...u32(gsi),
];
export const override = (irq: number, gsi: number, flags: number): number[] => [
  2,
  10,
  0,
  irq,
  ...u32(gsi),
  ...u16(flags),
];
export const lapicNmi = (lint = 1): number[] => [4, 6, 0xff, 0, 0, lint];
export const madt = (entries: readonly Bytes[]): number[] =>
  table('APIC', [...u32(0xfee00000), ...u32(1), ...entries.flat()]);
/** What QEMU's pc has for `cpus` CPUs. */
export const qemuMadt = (cpus: number): number[] =>
  madt([
    ...Array.from({ length: cpus }, (_, i) => lapic(i, i)),
    ioapic(0, 0xfec00000, 0),
    override(0, 2, 0),
    override(5, 5, 0xd),
    override(9, 9, 0xd),
    override(10, 10, 0xd),
    override(11, 11, 0xd),
    lapicNmi(),
  ]);

/** A first version FADT as QEMU's pc has it. */
export function fadt(facs: number, dsdt: number): number[] {
  const body = new Array<number>(116 - 36).fill(0);
  const put = (at: number, bytes: Bytes): void => {
    body.splice(at - 36, bytes.length, ...bytes);
  };
  put(36, u32(facs));
  put(40, u32(dsdt));
  put(46, u16(9));
  put(56, u32(0x600));
  put(64, u32(0x604));
  put(76, u32(0x608));
  put(80, u32(0xafe0));
  put(88, [4, 2, 0, 4, 4]);
  put(112, u32(0x80a5));
  return table('FACP', body);
}
export const facs = (): number[] => [...chars('FACS', 4), ...u32(64), ...zeros(56)];
export const dsdt = (): number[] => table('DSDT', zeros(64));

export const rsdp = (rsdt: number): number[] =>
  checksummed([...chars('RSD PTR ', 8), 0, ...chars('BOCHS ', 6), 0, ...u32(rsdt)], 8);
/** Revision 2, with the address of an XSDT. */
export const rsdp2 = (rsdt: number, xsdt: number | bigint): number[] => {
  const head = [...chars('RSD PTR ', 8), 0, ...chars('BOCHS ', 6), 2, ...u32(rsdt)];
  return checksummed(checksummed([...head, ...u32(36), ...u64(xsdt), ...zeros(4)], 8, 20), 32);
};

/** Where tables lie. */
export interface Placed {
  readonly rsdp: number;
  readonly at: number;
}

/** RSDP, RSDT and tables laid out from `at` up, 64-byte aligned: [address, bytes] of each, the RSDP first. */
export function layOut(tables: readonly Bytes[], { rsdp: rsdpAt, at }: Placed): [number, number[]][] {
  let next = at;
  const placed = tables.map((bytes): [number, number[]] => {
    const here = next;
    next = Math.ceil((next + bytes.length) / 64) * 64;
    return [here, [...bytes]];
  });
  const rsdt = table(
    'RSDT',
    placed.flatMap(([address]) => u32(address)),
  );
  return [[rsdpAt, rsdp(next)], ...placed, [next, rsdt]];
}

export interface Machine {
  /** Ranges that the memory map has; all below their end is there. twoGiB unless said. */
  readonly memory?: readonly (readonly [start: number, end: number])[];
  /** Bytes put into memory before the kernel looks, by address. */
  readonly firmware?: readonly (readonly [address: number, bytes: Bytes])[];
  readonly config?: KernelConfig;
  /** Reserved before the kernel knows nodes: its image if not said. */
  readonly reserved?: readonly (readonly [start: number, end: number])[];
  /** Parameters, before anything runs. */
  readonly setup?: (k: Kernel) => void;
  /** In place of new RAM: what an earlier kernel ran on, its firmware cleared away. A new GiB costs milliseconds. */
  readonly hw?: Hw;
}

/** Two GiB, as QEMU's pc has them; the two MiB of FIRMWARE are no memory. */
export const FIRMWARE = 0x40000000;
export const twoGiB = [
  [0, 0x9f000],
  [MiB, FIRMWARE],
  [FIRMWARE + 2 * MiB, 0x7ffe0000],
] as const;

/** A kernel that has its memory map and its direct map, on a machine with this firmware. */
export function machine(spec: Machine): Kernel {
  const { memory = twoGiB, firmware = [], config = debian, reserved, setup } = spec;
  const high = Math.max(...memory.map(([, end]) => end));
  const hw = spec.hw ?? testHw([{ start: 0, end: Math.ceil(high / MiB) * MiB }]);
  if (spec.hw !== undefined) {
    hw.ram.fill(0, MiB, 0);
    hw.ram.fill(FIRMWARE, 2 * MiB, 0);
  }
  for (const [address, bytes] of firmware) hw.ram.write(address, Uint8Array.from(bytes));
  const k = new Kernel(hw, config);
  setup?.(k);
  for (const [start, end] of memory) {
    const from = Math.max(start, PAGE_SIZE);
    memblock_add(k, from, end - from);
  }
  for (const [start, end] of reserved ?? [[0x1000000, 0x2000000]]) memblock_reserve(k, start, end - start);
  memblock_allow_resize(k);
  k.boot.max_pfn = Math.floor(Math.max(...memory.map(([, end]) => end)) / PAGE_SIZE);
  k.boot.max_pfn_mapped = k.boot.max_pfn;
  k.boot.max_possible_pfn = k.boot.max_pfn;
  return k;
}

/** What setup_arch() does with firmware, in its order. */
export function setUp(k: Kernel): Kernel {
  acpi_boot_table_init(k);
  early_acpi_boot_init(k);
  initmem_init(k);
  setup_nr_node_ids(k);
  acpi_boot_init(k);
  prefill_possible_map(k);
  init_cpu_to_node(k);
  init_gi_nodes(k);
  return k;
}

/** Tables for the RSDT, its RSDP where a BIOS has it. */
export const firmwareOf = (tables: readonly Bytes[], placed: Placed = { rsdp: 0xf59b0, at: FIRMWARE }): Machine => ({
  firmware: layOut(tables, placed),
});

export const boot = (tables: readonly Bytes[], rest: Machine = {}): Kernel =>
  setUp(machine({ ...firmwareOf(tables), ...rest }));

export const lines = (k: Kernel): string[] => k.log.records.map(({ text }) => text);
/** The lines that `pattern` matches. */
export const said = (k: Kernel, pattern: RegExp): string[] => lines(k).filter((line) => pattern.test(line));
/** About nodes and their tables, without what is said of every table. */
export const aboutNodes = (k: Kernel): string[] =>
  said(
    k,
    /^(SRAT:|ACPI: (SRAT:|SLIT table|\[SRAT|ACPI NUMA)|NUMA|node \d|Warning|too many memblk|No NUMA|Fak|Not enough|numa)/,
  );
