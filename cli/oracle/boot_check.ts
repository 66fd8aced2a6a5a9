// Compares a boot of ours with a recorded one: what the firmware reported, then what the kernel made of it.

import type { Ram } from '../../kernel/arch/x86/hw.ts';
import { zoneinfo_show } from '../../kernel/fs/proc/zoneinfo.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { type BootCase, type E820Line, type MemoryRegion, TABLES, type ZoneInfo, type ZoneState } from './boot_case.ts';
import { type Difference, firstByteDifference, firstDifference, firstOf } from './compare.ts';
import { acpiTable, e820Lines } from './firmware_view.ts';
import { logLines, memblockMemory, recordedLines, zonelists, zoneStates } from './kernel_view.ts';
import { parseZoneinfo } from './zoneinfo_text.ts';

/** Bytes of a table's header that name its maker, and the checksum that depends on them. */
const MAKER_BYTES = [9, 35] as const;

/** What can be seen at one moment of the boot only. */
export interface BootSnapshots {
  memblock_memory: MemoryRegion[];
  after_memblock_free_all: ZoneState[];
  zonelists: string[];
}

/** To be called after each stage of start_kernel(). */
export function takeSnapshots(snapshots: BootSnapshots, stage: string, k: Kernel): void {
  if (stage === 'build_all_zonelists') snapshots.zonelists = zonelists(k);
  if (stage !== 'mem_init') return;
  snapshots.memblock_memory = memblockMemory(k);
  snapshots.after_memblock_free_all = zoneStates(k);
}

export const noSnapshots = (): BootSnapshots => ({ memblock_memory: [], after_memblock_free_all: [], zonelists: [] });

export function compareFirmware(boot: BootCase, ram: Ram, boot_params: number): Difference | null {
  return firstOf(
    () => firstDifference(boot.e820.map(e820Text), e820Lines(ram, boot_params).map(e820Text), 'e820'),
    ...TABLES.map(
      (name) => () => firstByteDifference(boot.acpi[name], acpiTable(ram, name), `acpi.${name}`, MAKER_BYTES),
    ),
  );
}

const e820Text = ({ start, end, type }: E820Line): string => `[0x${start.toString(16)}-0x${end.toString(16)}] ${type}`;

export function compareKernel({ expect }: BootCase, snapshots: BootSnapshots, k: Kernel): Difference | null {
  return firstOf(
    () => firstDifference(expect.memblock_memory, snapshots.memblock_memory, 'memblock_memory'),
    () => firstDifference(byZone(expect.after_memblock_free_all), byZone(snapshots.after_memblock_free_all), 'zones'),
    () => firstDifference(expect.zonelists, snapshots.zonelists, 'zonelists'),
    () =>
      firstDifference(byZoneInfo(expect.zoneinfo_after_boot), byZoneInfo(parseZoneinfo(zoneinfo_show(k))), 'zoneinfo'),
    () => firstDifference(expect.dmesg, recordedLines(logLines(k)), 'dmesg'),
  );
}

/** Named by node and zone, in the order of the list: a difference then says where it is in a reader's words. */
const byZone = (zones: readonly ZoneState[]) =>
  Object.fromEntries(zones.map(({ node, zone, ...state }) => [`${node} ${zone}`, state]));

/** Without `managed`: by then it has grown by what the kernel image gave back, and images differ. */
const byZoneInfo = (zones: readonly ZoneInfo[]) =>
  Object.fromEntries(zones.map(({ node, zone, managed: _managed, ...info }) => [`${node} ${zone}`, info]));
