// What the kernel made of the machine, in the words of the recorded cases. Zones, lists and zonelists are read out of
// emulated RAM by following the pointers there.

import { PG_LRU_NEXT, PG_LRU_NEXT_HI } from '../../kernel/include/mm_types.ts';
import {
  free_area,
  MAX_NR_ZONES,
  MAX_ORDER,
  MIGRATE_TYPES,
  NR_FREE_PAGES,
  pageblock_nr_pages,
  ZONE_DEVICE,
  ZONE_DMA,
  ZONELIST_FALLBACK,
  ZONELIST_NOFALLBACK,
  zone as zone_layout,
} from '../../kernel/include/mmzone.ts';
import { PAGE_OFFSET, VMEMMAP_START } from '../../kernel/include/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { for_each_node_mask } from '../../kernel/lib/nodemask.ts';
import type { Zone } from '../../kernel/mm/mmzone.ts';
import { page_index, pfn_valid, section_map } from '../../kernel/mm/page.ts';
import { get_pageblock_migratetype } from '../../kernel/mm/pageblock.ts';
import type { MemoryRegion, ZoneState } from './boot_case.ts';
import { CaseError } from './fields.ts';

const hex = (value: number): string => `0x${value.toString(16)}`;

export const memblockMemory = (k: Kernel): MemoryRegion[] =>
  k.memblock.memory.regions.map(({ base, size, nid, flags }) => ({ base: hex(base), size: hex(size), nid, flags }));

/** The zones that this configuration has, of all nodes that are online, empty ones included. */
export function* zonesOf(k: Kernel): Generator<Zone> {
  for (const nid of for_each_node_mask(k.node_online_map)) {
    for (const zone of k.node_data[nid]!.node_zones) if (hasZone(k, zone.idx)) yield zone;
  }
}

const hasZone = (k: Kernel, idx: number): boolean =>
  idx < MAX_NR_ZONES && (idx !== ZONE_DEVICE || k.config.ZONE_DEVICE) && (idx !== ZONE_DMA || k.config.ZONE_DMA);

export const zoneStates = (k: Kernel): ZoneState[] => [...zonesOf(k)].map((zone) => zoneState(k, zone));

/** A recording has no `free_lists` where all are empty, and no `blocks` where the zone has no pages. */
function zoneState(k: Kernel, zone: Zone): ZoneState {
  const free_lists = zone.populated ? freeLists(k, zone) : {};
  return {
    node: zone.nid,
    zone: zone.name,
    start_pfn: zone.zone_start_pfn,
    spanned: zone.spanned_pages,
    present: zone.present_pages,
    managed: zone.managed_pages,
    free: zone.vm_stat(NR_FREE_PAGES),
    ...(Object.keys(free_lists).length > 0 ? { free_lists } : {}),
    ...(zone.populated ? { blocks: pageblockTypes(k, zone) } : {}),
  };
}

/** "order/migratetype": page frames from head to tail. */
export function freeLists(k: Kernel, zone: Zone): Record<string, number[]> {
  const lists: Record<string, number[]> = {};
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      const head = zone.pa + zone_layout.offset.free_area + order * free_area.size + type * 16;
      const pfns = pageList(k, head, zone, `free list ${order}/${type}`);
      if (pfns.length > 0) lists[`${order}/${type}`] = pfns;
    }
  }
  return lists;
}

/**
 * Follows `next` from the head through each page's list_head until it is back at the head.
 * @param head physical address
 * @param name for the error, should the list be broken
 */
export function pageList(k: Kernel, head: number, zone: Zone, name: string): number[] {
  const head_pointer = PAGE_OFFSET + BigInt(head);
  const pfns: number[] = [];
  let next = k.hw.ram.big64(head);
  while (next !== head_pointer) {
    const pfn = Number((next - VMEMMAP_START) >> 6n);
    if (next < VMEMMAP_START || !pfn_valid(k.mm, pfn)) {
      throw new CaseError(`${name} of node ${zone.nid} ${zone.name} leads to 0x${next.toString(16)}`);
    }
    if (pfns.length > zone.spanned_pages) throw new CaseError(`${name} of node ${zone.nid} ${zone.name} never ends`);
    pfns.push(pfn);
    const map = section_map(k.mm, pfn);
    const at = page_index(pfn);
    next = (BigInt(map[at + PG_LRU_NEXT_HI]! >>> 0) << 32n) | BigInt(map[at + PG_LRU_NEXT]! >>> 0);
  }
  return pfns;
}

/** Migratetypes of the zone's pageblocks, run-length: "type*count", f where there is no memory map. */
export function pageblockTypes(
  k: Kernel,
  zone: Zone,
  hasMap: (pfn: number) => boolean = (pfn) => pfn_valid(k.mm, pfn),
): string {
  const runs: { type: number; count: number }[] = [];
  const first = zone.zone_start_pfn - (zone.zone_start_pfn % pageblock_nr_pages);
  for (let pfn = first; pfn < zone.zone_end_pfn; pfn += pageblock_nr_pages) {
    const at = Math.max(pfn, zone.zone_start_pfn);
    const type = hasMap(at) ? get_pageblock_migratetype(k, at) : 15;
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  return runs.map(({ type, count }) => `${type.toString(16)}*${count}`).join(' ');
}

/** As mminit_verify_zonelist() prints them with mminit_loglevel=4: of each populated zone, up to its own index. */
export function zonelists(k: Kernel): string[] {
  const zones = new Map([...zonesOf(k)].map((zone) => [PAGE_OFFSET + BigInt(zone.pa), zone]));
  const lines: string[] = [];
  for (const pgdat of k.node_data) {
    if (pgdat === undefined) continue;
    for (const list of [ZONELIST_FALLBACK, ZONELIST_NOFALLBACK]) {
      for (const zone of pgdat.node_zones) {
        if (!zone.populated || !hasZone(k, zone.idx)) continue;
        const names: string[] = [];
        for (let i = 0; ; i++) {
          const ref = pgdat.zoneref_pa(list, i);
          const pointer = k.hw.ram.big64(ref);
          if (pointer === 0n) break;
          const to = zones.get(pointer);
          if (to === undefined) throw new Error(`zonelist of node ${pgdat.node_id} leads to 0x${pointer.toString(16)}`);
          if (k.hw.ram.u32(ref + 8) <= zone.idx) names.push(`${to.nid}:${to.name}`);
        }
        const kind = list === ZONELIST_FALLBACK ? 'general' : 'thisnode';
        lines.push(`${kind} ${pgdat.node_id}:${zone.name} = ${names.join(' ')}`.trim());
      }
    }
  }
  return lines;
}

/** The lines that a recording keeps: what concerns memory, and nothing that depends on the kernel image. */
const RECORDED_LINES =
  /^(e820: (update|remove|user)|last_pfn|SRAT: |SLIT table|ACPI: SRAT: |ACPI: SLIT(: | table)|NUMA|No NUMA|Faking|Initializing node|node \d+ |Warning: node|Zone ranges| {2}(DMA|DMA32|Normal|Movable|Device) |Movable zone start| {2}Node \d+: |Early memory node| {2}node +\d|Initmem setup|On node|Fallback order|Built \d+ zonelists|Policy zone|user-defined physical|user: \[mem|Too many|Unexpected)/;

export const logLines = (k: Kernel): string[] => k.log.records.map((record) => record.text);
export const recordedLines = (lines: readonly string[]): string[] => lines.filter((line) => RECORDED_LINES.test(line));
