// Compares the layout that our kernel built for a real machine with what that machine's own kernel logged. What depends
// on a kernel's version or build switches is derived for that version from the same layout.

import { debian, type KernelConfig } from '../../kernel/config.ts';
import { PAGES_PER_SECTION } from '../../kernel/include/mmzone.ts';
import { PAGE_SIZE, round_up } from '../../kernel/include/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Zone } from '../../kernel/mm/mmzone.ts';
import { pfn_valid } from '../../kernel/mm/page.ts';
import { type Difference, firstDifference, firstOf } from './compare.ts';
import { logLines, zonesOf } from './kernel_view.ts';
import { type LayoutLog, parseLayoutLog } from './layout_log.ts';
import type { RealExpect, RealMachine, ZonePages } from './real_case.ts';

/**
 * The build switches of that machine's kernel, as far as its log gives them away: no DMA zone among the ranges, no
 * policy zone beside the zonelists without NUMA. The struct pages are always deferred: only the layout is wanted.
 */
export function realMachineKernel({ expect }: RealMachine): KernelConfig {
  return {
    ...debian,
    ZONE_DMA: expect.zone_ranges === null || 'DMA' in expect.zone_ranges,
    NUMA: expect.zonelists === null || expect.policy_zone !== null,
    DEFERRED_STRUCT_PAGE_INIT: true,
  };
}

/** `mem=` and `memmap=` are done already where the log showed the map that they made. */
export function realMachineCmdline({ cmdline, early_updates }: RealMachine): string {
  if (!early_updates.some((line) => line.startsWith('user: '))) return cmdline;
  return cmdline
    .split(/\s+/)
    .filter((word) => !/^(mem|memmap)=/.test(word))
    .join(' ');
}

/** @param k stopped after build_all_zonelists() */
export function compareRealMachine(machine: RealMachine, k: Kernel): Difference | null {
  const { expect, version } = machine;
  const log = parseLayoutLog(logLines(k));
  const zones = [...zonesOf(k)];
  const absent = absentNodes(machine, k);
  const pageSize = structPageSize(expect, zones, version);
  const same = (key: keyof RealExpect, found: () => unknown) => () =>
    expect[key] === null ? null : firstDifference(expect[key], found(), key);
  return firstOf(
    same('last_pfn', () => log.last_pfn),
    same('numa_lines', () => log.numa_lines),
    same('zone_ranges', () => zoneRanges(expect, log)),
    same('movable_start', () => log.movable_start),
    same('early_node_ranges', () => log.early_node_ranges),
    same('initmem', () => log.initmem.filter(({ node }) => !absent.has(node))),
    same('unavailable', () => log.unavailable),
    same('unavailable_in_zone', () => unavailableInZone(k, zones)),
    same('node_totalpages', () => nodeTotalpages(k).filter(({ node }) => !absent.has(node))),
    same('zone_pages', () => zonePages(zones, expect, pageSize, version)),
    same('memmap_pages', () => memmapPages(zones, pageSize)),
    same('zone_reserved', () => reservedPages(expect, zones, pageSize)),
    same('fallback', () => withoutNodes(log.fallback, absent)),
    same('zonelists', () => log.zonelists),
    same('mobility', () => log.mobility),
    same('total_pages', () => totalPages(zones, expect, pageSize, version)),
    same('policy_zone', () => log.policy_zone),
  );
}

const atLeast = (version: readonly [number, number], major: number, minor: number): boolean =>
  version[0] > major || (version[0] === major && version[1] >= minor);

/** ZONE_DEVICE is a build switch that shows in the log alone, and is always empty at boot. */
function zoneRanges(expect: RealExpect, log: LayoutLog): Record<string, unknown> {
  const wanted = expect.zone_ranges ?? {};
  return Object.fromEntries(Object.entries(log.zone_ranges).filter(([zone]) => zone !== 'Device' || zone in wanted));
}

/** Before 5.18 a node with neither memory nor CPUs was never set up. */
function absentNodes({ version, srat }: RealMachine, k: Kernel): ReadonlySet<number> {
  if (atLeast(version, 5, 18)) return new Set();
  const with_cpus = new Set(srat.cpus.map((cpu) => cpu.node));
  return new Set(
    k.node_data.flatMap((pgdat) =>
      pgdat !== undefined && pgdat.node_present_pages === 0 && !with_cpus.has(pgdat.node_id) ? [pgdat.node_id] : [],
    ),
  );
}

const withoutNodes = (fallback: LayoutLog['fallback'], absent: ReadonlySet<number>) =>
  Object.fromEntries(
    Object.entries(fallback)
      .filter(([node]) => !absent.has(Number(node)))
      .map(([node, order]) => [node, order.filter((one) => !absent.has(one))]),
  );

/**
 * 5.12: each zone counts its holes, where there is a memory map, from the end of the zone below up to the end of the
 * section that it ends in.
 */
function unavailableInZone(k: Kernel, zones: readonly Zone[]): ZonePages[] {
  const result: ZonePages[] = [];
  const regions = k.memblock.memory.regions.map(({ base, size, nid }) => ({
    start: Math.ceil(base / PAGE_SIZE),
    end: Math.floor((base + size) / PAGE_SIZE),
    nid,
  }));
  let hole = 0;
  for (const zone of zones) {
    if (zone.is_empty) continue;
    let pages = 0;
    const clamp = (pfn: number) => Math.min(Math.max(pfn, zone.zone_start_pfn), zone.zone_end_pfn);
    for (const region of regions) {
      if (region.nid !== zone.nid) continue;
      pages += mappedPages(k, hole, clamp(region.start));
      hole = clamp(region.end);
    }
    pages += mappedPages(k, hole, round_up(zone.zone_end_pfn, PAGES_PER_SECTION));
    if (pages > 0) result.push({ node: zone.nid, zone: zone.name, pages });
  }
  return result;
}

/** Pages in [start, end) of sections that have a memory map. */
function mappedPages(k: Kernel, start: number, end: number): number {
  let pages = 0;
  for (let pfn = start; pfn < end; ) {
    const next = Math.min(end, round_up(pfn + 1, PAGES_PER_SECTION));
    if (pfn_valid(k.mm, pfn)) pages += next - pfn;
    pfn = next;
  }
  return pages;
}

const nodeTotalpages = (k: Kernel) =>
  k.node_data.flatMap((pgdat) =>
    pgdat === undefined ? [] : [{ node: pgdat.node_id, pages: pgdat.node_present_pages }],
  );

/** calc_memmap_size(): by the span, unless holes are more than a sixteenth of what is present. */
function memmapOf(zone: Zone, page_size: number): number {
  const { spanned_pages: spanned, present_pages: present } = zone;
  const pages = spanned > present + Math.floor(present / 16) ? present : spanned;
  return Math.ceil((pages * page_size) / PAGE_SIZE);
}

const memmapPages = (zones: readonly Zone[], page_size: number): ZonePages[] =>
  zones
    .map((zone) => ({ zone: zone.name, pages: memmapOf(zone, page_size), node: zone.nid }))
    .filter(({ pages }) => pages > 0);

/**
 * 64 bytes, or 56 where a build aligns them no further: told by which of the two the logged memory maps are of, or the
 * total that is left without them.
 */
function structPageSize(expect: RealExpect, zones: readonly Zone[], version: readonly [number, number]): number {
  const fits = (size: number) =>
    expect.memmap_pages !== null
      ? firstDifference(expect.memmap_pages, memmapPages(zones, size), '') === null
      : expect.total_pages === totalPages(zones, expect, size, version);
  return !fits(64) && fits(56) ? 56 : 64;
}

/**
 * Pages below 16 MiB that were reserved early. What reserved them (the BIOS data area, EFI) is not in a memory map, so
 * the number itself is taken from the log; what is checked is which zones it is counted in.
 */
const dmaReserve = (expect: RealExpect): number => expect.zone_reserved?.[0]?.pages ?? 0;

const reservedPages = (expect: RealExpect, zones: readonly Zone[], page_size: number): ZonePages[] =>
  zones
    .filter((zone) => isFirstZone(zone, expect) && withoutMemmap(zone, page_size) > dmaReserve(expect))
    .map((zone) => ({ zone: zone.name, pages: dmaReserve(expect), node: zone.nid }));

const isFirstZone = (zone: Zone, expect: RealExpect): boolean =>
  zone.name === (expect.zone_ranges !== null && !('DMA' in expect.zone_ranges) ? 'DMA32' : 'DMA');

function withoutMemmap(zone: Zone, page_size: number): number {
  const memmap = memmapOf(zone, page_size);
  return zone.present_pages >= memmap ? zone.present_pages - memmap : zone.present_pages;
}

/** What free_area_init_core() leaves of a zone once its memory map and, in each node's first zone, the reserve are gone. */
function freesize(zone: Zone, expect: RealExpect, page_size: number): number {
  const free = withoutMemmap(zone, page_size);
  return isFirstZone(zone, expect) && free > dmaReserve(expect) ? free - dmaReserve(expect) : free;
}

/** zone_batchsize() before it is raised to 1, of the pages that are managed when the line is printed. */
function batchsize(managed: number, version: readonly [number, number]): number {
  const shift = atLeast(version, 6, 7) ? 12 : 10;
  const most = atLeast(version, 6, 7) ? 64 : 256;
  const quarter = atLeast(version, 6, 7) ? 1 : 4;
  const batch = Math.max(1, Math.floor(Math.min(Math.floor(managed / 2 ** shift), most) / quarter));
  return 2 ** Math.floor(Math.log2(batch + Math.floor(batch / 2))) - 1;
}

const zonePages = (zones: readonly Zone[], expect: RealExpect, page_size: number, version: readonly [number, number]) =>
  zones
    .filter((zone) => zone.populated)
    .map((zone) => ({
      node: zone.nid,
      zone: zone.name,
      pages: zone.present_pages,
      batch: batchsize(freesize(zone, expect, page_size), version),
    }));

/** From 6.10 on plain present pages; before, without the memory map and the reserve. */
function totalPages(
  zones: readonly Zone[],
  expect: RealExpect,
  page_size: number,
  version: readonly [number, number],
): number {
  const pages = (zone: Zone) => (atLeast(version, 6, 10) ? zone.present_pages : freesize(zone, expect, page_size));
  return zones.reduce((sum, zone) => sum + pages(zone), 0);
}
