// The e820 tables: adding, changing, removing, sorting out and printing ranges (Linux: arch/x86/kernel/e820.c). What
// fills them: e820_setup.ts; what the user changes: e820_params.ts.
//
// Addresses are u64 here, and firmware or a user may write any of them: bigint, with C's wrapping. Entries are few.
//
// Left out: the resource tree, /sys/firmware/memmap, hibernation's NVS list, reallocation after boot.

import {
  E820_TYPE_ACPI,
  E820_TYPE_NVS,
  E820_TYPE_PMEM,
  E820_TYPE_PRAM,
  E820_TYPE_RAM,
  E820_TYPE_RESERVED,
  E820_TYPE_RESERVED_KERN,
  E820_TYPE_SOFT_RESERVED,
  E820_TYPE_UNUSABLE,
  e820_max_entries,
} from '../../include/e820.ts';
import { EINVAL } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { BUG_ON } from '../../lib/bug.ts';
import { mem_range, pr_err, pr_info, printk_debug } from '../../lib/printk.ts';

export interface e820_entry {
  addr: bigint;
  size: bigint;
  type: number;
}

export type e820_table = e820_entry[];

export class E820State {
  /** The map that the kernel works with. */
  e820_table: e820_table = [];
  /** What a kexec'ed kernel would be told: without what the user changed. */
  e820_table_kexec: e820_table = [];
  /** What the firmware said. */
  e820_table_firmware: e820_table = [];
  /** mem= or memmap= changed the map. */
  userdef = false;
  /** mem=: memory above this is not added later either. */
  max_mem_size = (1n << 64n) - 1n;
  /** Where PCI may put devices. */
  pci_mem_start = 0xaeedbaben;
  /** Page frames that hibernation does not save, [start, end). */
  readonly nosave_regions: { start: number; end: number }[] = [];
}

export const ULLONG_MAX = (1n << 64n) - 1n;
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
export const entry_end = (entry: Readonly<e820_entry>): bigint => u64(entry.addr + entry.size);

/** Copies a table, entries and all. */
export const copy_table = (table: e820_table): e820_table => table.map((entry) => ({ ...entry }));

export function e820_type_name(type: number): string {
  switch (type) {
    case E820_TYPE_RAM:
    case E820_TYPE_RESERVED_KERN:
      return 'usable';
    case E820_TYPE_RESERVED:
      return 'reserved';
    case E820_TYPE_SOFT_RESERVED:
      return 'soft reserved';
    case E820_TYPE_ACPI:
      return 'ACPI data';
    case E820_TYPE_NVS:
      return 'ACPI NVS';
    case E820_TYPE_UNUSABLE:
      return 'unusable';
    case E820_TYPE_PMEM:
    case E820_TYPE_PRAM:
      return `persistent (type ${type})`;
    default:
      return `type ${type}`;
  }
}

export function e820__print_table(k: Kernel, who: string): void {
  for (const entry of k.e820.e820_table) {
    pr_info(k, `${who}: ${mem_range(entry.addr, u64(entry.addr + entry.size - 1n), 16)} ${e820_type_name(entry.type)}`);
  }
}

/** Some part of [start, end) is in an entry of `type` (0: of any type). */
export const e820__mapped_any = (k: Kernel, start: bigint, end: bigint, type: number): boolean =>
  mapped_any(k.e820.e820_table, start, end, type);

function mapped_any(table: e820_table, start: bigint, end: bigint, type: number): boolean {
  return table.some((entry) => (type === 0 || entry.type === type) && entry.addr < end && entry_end(entry) > start);
}

/** The entry at which [start, end) turns out to be wholly covered by entries of `type`; the table is sorted. */
function __e820__mapped_all(table: e820_table, start: bigint, end: bigint, type: number): e820_entry | null {
  for (const entry of table) {
    if (type !== 0 && entry.type !== type) continue;
    if (entry.addr >= end || entry_end(entry) <= start) continue;
    if (entry.addr <= start) start = entry_end(entry);
    if (start >= end) return entry;
  }
  return null;
}

export const e820__mapped_all = (k: Kernel, start: bigint, end: bigint, type: number): boolean =>
  __e820__mapped_all(k.e820.e820_table, start, end, type) !== null;

/** Type of the last entry of a wholly covered range, or -EINVAL. */
export const e820__get_entry_type = (k: Kernel, start: bigint, end: bigint): number =>
  __e820__mapped_all(k.e820.e820_table, start, end, 0)?.type ?? -EINVAL;

function __e820__range_add(k: Kernel, table: e820_table, addr: bigint, size: bigint, type: number): void {
  if (table.length >= e820_max_entries(k.config.NODES_SHIFT)) {
    pr_err(k, `too many entries; ignoring ${mem_range(addr, u64(addr + size - 1n), 8)}`);
    return;
  }
  table.push({ addr, size, type });
}

export const e820__range_add = (k: Kernel, start: bigint, size: bigint, type: number): void =>
  __e820__range_add(k, k.e820.e820_table, start, size, type);

/** The end of a change that begins at `start`; the last byte of the address space cannot be named. */
const change_end = (start: bigint, size: bigint): bigint => start + min(size, ULLONG_MAX - start);

/**
 * Cuts [start, end) out of `entry`, which it overlaps but does not swallow, and is not inside of.
 * @returns what was cut out; null if they do not meet
 */
function trim(entry: e820_entry, start: bigint, end: bigint): { start: bigint; size: bigint } | null {
  const from = max(start, entry.addr);
  const to = min(end, entry_end(entry));
  if (from >= to) return null;
  const size = to - from;
  entry.size -= size;
  if (entry.addr >= from) entry.addr = to;
  return { start: from, size };
}

/** Gives what is `old_type` within the range the new type. @returns how many bytes that were */
function __e820__range_update(
  k: Kernel,
  table: e820_table,
  start: bigint,
  size: bigint,
  old_type: number,
  new_type: number,
): bigint {
  BUG_ON(old_type === new_type, 'e820__range_update: old_type == new_type');
  const end = change_end(start, size);
  const change = `${e820_type_name(old_type)} ==> ${e820_type_name(new_type)}`;
  printk_debug(k, `e820: update ${mem_range(start, u64(end - 1n), 8)} ${change}`);

  let updated = 0n;
  // The table grows under the walk: parts that are split off are looked at too.
  for (let i = 0; i < table.length; i++) {
    const entry = table[i]!;
    if (entry.type !== old_type) continue;
    const last = entry_end(entry);
    if (entry.addr >= start && last <= end) {
      entry.type = new_type;
      updated += entry.size;
    } else if (entry.addr < start && last > end) {
      __e820__range_add(k, table, start, end - start, new_type);
      __e820__range_add(k, table, end, last - end, entry.type);
      entry.size = start - entry.addr;
      updated += end - start;
    } else {
      const part = trim(entry, start, end);
      if (part === null) continue;
      __e820__range_add(k, table, part.start, part.size, new_type);
      updated += part.size;
    }
  }
  return updated;
}

export const e820__range_update = (
  k: Kernel,
  start: bigint,
  size: bigint,
  old_type: number,
  new_type: number,
): bigint => __e820__range_update(k, k.e820.e820_table, start, size, old_type, new_type);

export const e820__range_update_kexec = (
  k: Kernel,
  start: bigint,
  size: bigint,
  old_type: number,
  new_type: number,
): bigint => __e820__range_update(k, k.e820.e820_table_kexec, start, size, old_type, new_type);

/** Takes the range out of the map: of entries of `old_type`, or of all if `check_type` is false. @returns bytes gone */
export function e820__range_remove(
  k: Kernel,
  start: bigint,
  size: bigint,
  old_type: number,
  check_type: boolean,
): bigint {
  const table = k.e820.e820_table;
  const end = change_end(start, size);
  printk_debug(k, `e820: remove ${mem_range(start, u64(end - 1n), 8)} ${check_type ? e820_type_name(old_type) : ''}`);

  let removed = 0n;
  for (let i = 0; i < table.length; i++) {
    const entry = table[i]!;
    if (check_type && entry.type !== old_type) continue;
    const last = entry_end(entry);
    if (entry.addr >= start && last <= end) {
      removed += entry.size;
      entry.addr = 0n;
      entry.size = 0n;
      entry.type = 0;
    } else if (entry.addr < start && last > end) {
      __e820__range_add(k, table, end, last - end, entry.type);
      entry.size = start - entry.addr;
      removed += end - start;
    } else {
      removed += trim(entry, start, end)?.size ?? 0n;
    }
  }
  return removed;
}

/** Ranges of these types stay apart even where they touch: each may be a device of its own. */
const e820_nomerge = (type: number): boolean => type === E820_TYPE_PRAM || type === E820_TYPE_SOFT_RESERVED;

/**
 * Sorts the table, resolves overlaps in favour of the highest type, drops empty entries and joins neighbours.
 *
 * Walks all starts and ends by address, with the set of entries that are open at each.
 * @returns -1, and nothing is done, for a table of less than two entries or one that wraps around
 */
export function e820__update_table(k: Kernel, table: e820_table): number {
  const max_nr_entries = e820_max_entries(k.config.NODES_SHIFT);
  if (table.length < 2) return -1;
  BUG_ON(table.length > max_nr_entries, 'e820__update_table: too many entries');
  if (table.some((entry) => entry_end(entry) < entry.addr)) return -1;

  const change_points = table
    .filter((entry) => entry.size !== 0n)
    .flatMap((entry) => [
      { addr: entry.addr, entry },
      { addr: entry_end(entry), entry },
    ])
    .sort((a, b) => {
      if (a.addr !== b.addr) return a.addr < b.addr ? -1 : 1;
      return Number(a.addr !== a.entry.addr) - Number(b.addr !== b.entry.addr);
    });

  const open = new Set<e820_entry>();
  const fresh: e820_table = [];
  let next: e820_entry = { addr: 0n, size: 0n, type: 0 };
  for (const { addr, entry } of change_points) {
    if (addr === entry.addr) open.add(entry);
    else open.delete(entry);
    let current_type = 0;
    for (const { type } of open) current_type = Math.max(current_type, type);
    if (current_type === next.type && !e820_nomerge(current_type)) continue;
    if (next.type !== 0 && addr !== next.addr) {
      next.size = addr - next.addr;
      fresh.push(next);
      if (fresh.length >= max_nr_entries) break;
    }
    next = { addr, size: 0n, type: current_type };
  }
  table.splice(0, table.length, ...fresh);
  return 0;
}
