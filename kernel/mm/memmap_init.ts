// struct pages at boot (Linux: mm/page_alloc.c memmap_init(), memmap_init_range(), init_unavailable_range(),
// defer_init()): those of memory, one zone and region at a time, and those of holes within present sections, which
// belong to the zone after the hole and stay reserved for good.
//
// What Linux decides page by page is decided here for a run of pages, so that the loop over pages does nothing but
// write them.

import { bad_kernel_access } from '../arch/x86/fault.ts';
import { MEMBLOCK_MIRROR } from '../include/memblock.ts';
import {
  MIGRATE_MOVABLE,
  PAGES_PER_SECTION,
  pageblock_nr_pages,
  ZONE_MOVABLE,
  zone as zone_layout,
  zone_names,
} from '../include/mmzone.ts';
import { PG_reserved } from '../include/page_flags.ts';
import { type nid_t, PFN_DOWN, PFN_UP, type pfn_t, round_up } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { panic } from '../lib/bug.ts';
import { MAX_NUMNODES } from '../lib/nodemask.ts';
import { KERN_ALERT, pr_info } from '../lib/printk.ts';
import { for_each_mem_pfn_range, for_each_mem_region } from './memblock_iter.ts';
import type { Zone } from './mmzone.ts';
import { __init_pages, pfn_valid } from './page.ts';
import { set_pageblock_migratetype } from './pageblock.ts';

/** Initialises the struct pages of all sections, but for those that are put off. */
export function memmap_init(k: Kernel): void {
  let hole_pfn: pfn_t = 0;
  let last_pfn: pfn_t = 0;
  let last_zone = 0;
  let last_nid: nid_t = 0;
  k.mm.deferred_pages = k.config.DEFERRED_STRUCT_PAGE_INIT;
  for (const { start_pfn, end_pfn, nid } of for_each_mem_pfn_range(k, MAX_NUMNODES)) {
    const pgdat = k.node_data[nid];
    // Memory of no node: up to a MiB of it passes numa_meminfo_cover_memory(), and Linux gets as far as here.
    if (pgdat === undefined) bad_kernel_access(k, BigInt(zone_layout.offset.present_pages));
    for (const zone of pgdat.node_zones) {
      if (!zone.populated) continue;
      hole_pfn = memmap_init_zone_range(k, zone, start_pfn, end_pfn, hole_pfn);
      last_zone = zone.idx;
    }
    last_pfn = end_pfn;
    last_nid = nid;
  }
  // Up to the end of the last section the memory map is there, the memory is not.
  const end_pfn = round_up(last_pfn, PAGES_PER_SECTION);
  if (hole_pfn < end_pfn) init_unavailable_range(k, hole_pfn, end_pfn, last_zone, last_nid);
}

/** The part of [start_pfn, end_pfn) that is in `zone`, and the hole before it, if that is not done yet. */
function memmap_init_zone_range(k: Kernel, zone: Zone, start_pfn: pfn_t, end_pfn: pfn_t, hole_pfn: pfn_t): pfn_t {
  const start = Math.max(start_pfn, zone.zone_start_pfn);
  const end = Math.min(end_pfn, zone.zone_end_pfn);
  if (start >= end) return hole_pfn;
  memmap_init_range(k, zone, start, end);
  if (hole_pfn < start) init_unavailable_range(k, hole_pfn, start, zone.idx, zone.nid);
  return end;
}

function memmap_init_range(k: Kernel, zone: Zone, start_pfn: pfn_t, end_pfn: pfn_t): void {
  k.mm.highest_memmap_pfn = Math.max(k.mm.highest_memmap_pfn, end_pfn - 1);
  if (k.mm.mirrored_kernelcore && zone.idx === ZONE_MOVABLE) {
    // The zones overlap: mirrored memory in ZONE_MOVABLE's span is ZONE_NORMAL's, and done there.
    for (const { base, size, flags } of for_each_mem_region(k)) {
      if (flags & MEMBLOCK_MIRROR) continue;
      const start = Math.max(PFN_UP(base), start_pfn);
      const end = Math.min(PFN_DOWN(base + size), end_pfn);
      if (start < end && !memmap_init_run(k, zone, start, end)) return;
    }
    return;
  }
  memmap_init_run(k, zone, start_pfn, end_pfn);
}

/** @returns false: the rest of the zone is put off */
function memmap_init_run(k: Kernel, zone: Zone, start_pfn: pfn_t, end_pfn: pfn_t): boolean {
  const stop = defer_init(k, zone, start_pfn, end_pfn);
  init_page_range(k, start_pfn, stop, zone.idx, zone.nid, 0);
  const first_block = round_up(start_pfn, pageblock_nr_pages);
  for (let pfn = first_block; pfn < stop; pfn += pageblock_nr_pages) set_pageblock_migratetype(k, pfn, MIGRATE_MOVABLE);
  return stop === end_pfn;
}

/**
 * Where to stop initialising [start_pfn, end_pfn): at its end, or, in the highest zone of a node, at the first section
 * border after the first section's worth of pages (CONFIG_DEFERRED_STRUCT_PAGE_INIT).
 */
function defer_init(k: Kernel, zone: Zone, start_pfn: pfn_t, end_pfn: pfn_t): pfn_t {
  const { mm } = k;
  if (!mm.deferred_pages) return end_pfn;
  const pgdat = k.node_data[zone.nid]!;
  const zone_end_pfn = zone.zone_end_pfn;
  if (mm.prev_end_pfn !== zone_end_pfn) {
    mm.prev_end_pfn = zone_end_pfn;
    mm.nr_initialised = 0;
  }
  if (zone_end_pfn < pgdat.pgdat_end_pfn) return end_pfn;
  if (pgdat.first_deferred_pfn !== Number.POSITIVE_INFINITY) return start_pfn;

  // The first page that is not among the first PAGES_PER_SECTION, and begins a section.
  const enough = start_pfn + Math.max(0, PAGES_PER_SECTION - mm.nr_initialised);
  const stop = round_up(enough, PAGES_PER_SECTION);
  mm.nr_initialised += Math.min(stop, end_pfn) - start_pfn;
  if (stop >= end_pfn) return end_pfn;
  mm.nr_initialised++;
  pgdat.first_deferred_pfn = stop;
  return stop;
}

/** Struct pages of [start_pfn, end_pfn), section by section; all of them must have one. */
export function init_page_range(
  k: Kernel,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
  zone: number,
  nid: nid_t,
  flags: number,
): void {
  for (let pfn = start_pfn; pfn < end_pfn; ) {
    const end = Math.min(end_pfn, pfn - (pfn % PAGES_PER_SECTION) + PAGES_PER_SECTION);
    if (!pfn_valid(k.mm, pfn)) no_memory_map(k, pfn);
    __init_pages(k.mm, pfn, end, zone, nid, flags);
    pfn = end;
  }
}

/** Sections whose memory map found no room are not there. Linux does not look, and faults on the first struct page. */
function no_memory_map(k: Kernel, pfn: pfn_t): never {
  const page = 0xffffea0000000000n + BigInt(pfn) * 64n;
  k.log.printk(KERN_ALERT, `BUG: unable to handle page fault for address: ${page.toString(16)}`);
  panic(k, 'Attempted to kill the idle task!');
}

/** Struct pages of a hole: reserved, in the given zone. Sections that are absent have none. */
function init_unavailable_range(k: Kernel, spfn: pfn_t, epfn: pfn_t, zone: number, nid: nid_t): void {
  let pgcnt = 0;
  for (let pfn = spfn; pfn < epfn; ) {
    const end = Math.min(epfn, pfn - (pfn % PAGES_PER_SECTION) + PAGES_PER_SECTION);
    if (pfn_valid(k.mm, pfn)) {
      __init_pages(k.mm, pfn, end, zone, nid, 1 << PG_reserved);
      pgcnt += end - pfn;
    }
    pfn = end;
  }
  if (pgcnt > 0) pr_info(k, `On node ${nid}, zone ${zone_names[zone]}: ${pgcnt} pages in unavailable ranges`);
}
