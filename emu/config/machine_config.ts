// A machine, described: what qemu_options.ts and machine_file.ts make, validated, and what emu/ and firmware/ build from.
//
// Two layers. The topology (CPUs, nodes, distances, RAM) is what the hardware is; firmware/ derives e820 and ACPI tables
// from it as QEMU 7.2 and SeaBIOS 1.16 do. The overrides say what the firmware reports instead, right or wrong: they are
// how a machine with odd firmware is put together.

import type { RamLayout } from './ram_layout.ts';

export type MachineType = 'pc' | 'q35';

/** A place for a CPU; `index` is its position. The machine starts with those that are present. */
export interface CpuSlot {
  readonly apicId: number;
  readonly present: boolean;
  /** Proximity domain in the SRAT; null in a machine without nodes. */
  readonly node: number | null;
}

export interface NumaNode {
  /** Bytes of RAM; 0 for a node without memory. */
  readonly memory: number;
  /** HMAT: the node whose CPUs reach this memory best, null if none is named. */
  readonly initiator: number | null;
}

/** One System Locality Latency and Bandwidth structure of the HMAT. */
export interface HmatLocality {
  /** 0 memory, 1 to 3 memory-side cache of that level. */
  readonly hierarchy: number;
  /** 0 to 2 latency (access, read, write) in nanoseconds, 3 to 5 bandwidth in bytes a second. */
  readonly dataType: number;
  /** What one unit of a stored entry stands for, in the unit of `value`. */
  readonly base: bigint;
  readonly entries: readonly { readonly initiator: number; readonly target: number; readonly value: bigint }[];
}

export interface HmatCache {
  readonly node: number;
  readonly size: bigint;
  readonly level: number;
  /** 0 none, 1 direct mapped, 2 complex. */
  readonly associativity: number;
  /** 0 none, 1 write-back, 2 write-through. */
  readonly policy: number;
  readonly line: number;
}

export interface Hmat {
  /** Nodes with CPUs, ascending: the initiators. */
  readonly initiators: readonly number[];
  readonly localities: readonly HmatLocality[];
  readonly caches: readonly HmatCache[];
}

/** One line of the BIOS memory map. Any values: firmware may report nonsense. */
export interface E820Entry {
  readonly start: bigint;
  readonly size: bigint;
  readonly type: number;
}

export type SratEntry =
  | { readonly kind: 'apic' | 'x2apic'; readonly pxm: number; readonly apicId: number; readonly flags: number }
  | {
      readonly kind: 'memory';
      readonly pxm: number;
      readonly start: bigint;
      readonly size: bigint;
      readonly flags: number;
    }
  | { readonly kind: 'raw'; readonly bytes: Uint8Array };

export interface Srat {
  readonly revision: number;
  readonly entries: readonly SratEntry[];
}

export interface MadtCpu {
  readonly kind: 'apic' | 'x2apic';
  readonly apicId: number;
  readonly uid: number;
  readonly flags: number;
}

/** Damage done to finished firmware, last of all. `RSDP`, `RSDT` and `XSDT` count as tables. */
export interface Corruption {
  /** No root pointer is written. */
  readonly noRsdp: boolean;
  /** Tables whose checksum byte is made wrong. */
  readonly checksum: readonly string[];
  /** Tables whose length field is replaced. */
  readonly length: Readonly<Record<string, number>>;
  /** Tables of which only so many bytes are there; the rest of their place reads as zero. */
  readonly truncate: Readonly<Record<string, number>>;
  /** Tables that get another signature. */
  readonly signature: Readonly<Record<string, string>>;
}

export const noCorruption: Corruption = { noRsdp: false, checksum: [], length: {}, truncate: {}, signature: {} };

/** What the firmware reports in place of what it would derive; null, or a missing key: derive. */
export interface FirmwareOverrides {
  readonly e820: readonly E820Entry[] | null;
  /** Whole tables by signature: bytes, or null to leave a table out. Signatures of no table of ours are added. */
  readonly acpi: Readonly<Record<string, Uint8Array | null>>;
  readonly srat: Srat | null;
  readonly slit: readonly (readonly number[])[] | null;
  /** The MADT's CPU entries. */
  readonly madtCpus: readonly MadtCpu[] | null;
  /** ACPI 2.0's RSDP and an XSDT beside the RSDT. */
  readonly xsdt: boolean;
  /** Where the tables are put. */
  readonly tablesAt: number | null;
  readonly corrupt: Corruption;
}

export const noOverrides: FirmwareOverrides = {
  e820: null,
  acpi: {},
  srat: null,
  slit: null,
  madtCpus: null,
  xsdt: false,
  tablesAt: null,
  corrupt: noCorruption,
};

export interface MachineConfig extends FirmwareOverrides {
  readonly type: MachineType;
  readonly cpus: readonly CpuSlot[];
  /** Sockets, whether or not there are CPUs in them. */
  readonly sockets: number;
  readonly nodes: readonly NumaNode[];
  /** Distances by source and destination; null: none were given, and there is no SLIT. */
  readonly distances: readonly (readonly number[])[] | null;
  readonly hmat: Hmat | null;
  readonly hpet: boolean;
  /** The CPUs know pages of 1 GiB. */
  readonly gbpages: boolean;
  /** The CPUs know page tables of five levels. */
  readonly la57: boolean;
  readonly layout: RamLayout;
}
