// What one CPU has of one zone: its page lists and its counters, as words of RAM (Linux: struct per_cpu_pages and
// struct per_cpu_zonestat through this_cpu_ptr()). A view is made when it is first asked for and kept, as neither part
// moves once the zone has it.
//
// CpuZones puts the views of one CPU into tables that the written-out paths index by what a request and a page say.

import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import { MAX_NUMNODES, NUMA_LOCAL, NUMA_OTHER, per_cpu_pages, per_cpu_zonestat } from '../include/mmzone.ts';
import { type nid_t, PAGE_OFFSET_HI, type pfn_t } from '../include/types.ts';
import { PGALLOC, PGFREE, VM_EVENT_STRIDE } from '../include/vm_event_item.ts';
import { PZS_NUMA_EVENT } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { type FastPaths, fast_paths } from './fast_paths.ts';
import { NO_WORDS } from './mm_state.ts';
import type { Zone } from './mmzone.ts';
import { per_cpu_ptr } from './percpu.ts';

const CHUNK = 2 ** RAM_CHUNK_SHIFT;

export class ZoneCpu {
  readonly zone: Zone;
  /** struct per_cpu_pages, and the pointer to it in the direct map. */
  readonly words: Int32Array;
  readonly base: number;
  readonly pointer_lo: number;
  readonly pointer_hi: number;
  /** struct per_cpu_zonestat. */
  readonly stat_words: Int32Array;
  readonly stat_base: number;
  /** The two structures alone, for indices that are constants. */
  readonly pcp: Int32Array;
  readonly stat: Int32Array;
  /** struct per_cpu_pages as what its lists lie in. */
  readonly view: Int32Array;
  /** The CPU's own node. */
  readonly cpu_node: nid_t;

  // What the written-out paths go by: places in the arrays that they know of (fast_paths.ts).

  paths: FastPaths;
  /** Of struct zone, and the pointer to it. */
  readonly zone_base: number;
  readonly zone_pointer_lo: number;
  readonly zone_pointer_hi: number;
  readonly pcp_base: number;
  readonly zonestat_base: number;
  /** The CPU's counters of what this zone hands out and of what is freed. */
  readonly pgalloc: number;
  readonly pgfree: number;
  /** Pages that came from here as asked for; and of this CPU's node or not: NUMA_LOCAL or NUMA_OTHER. */
  readonly numa_hit: number;
  readonly numa_local: number;

  constructor(k: Kernel, zone: Zone, cpu: number) {
    const pcp = per_cpu_ptr(k, zone.per_cpu_pageset, cpu);
    const stats = per_cpu_ptr(k, zone.per_cpu_zonestats, cpu);
    this.zone = zone;
    this.words = k.hw.ram.words(Math.floor(pcp / CHUNK));
    this.base = (pcp % CHUNK) >>> 2;
    this.pointer_lo = pcp | 0;
    this.pointer_hi = (PAGE_OFFSET_HI + Math.floor(pcp / 2 ** 32)) | 0;
    this.stat_words = k.hw.ram.words(Math.floor(stats / CHUNK));
    this.stat_base = (stats % CHUNK) >>> 2;
    this.pcp = this.words.subarray(this.base, this.base + (per_cpu_pages.size >> 2));
    this.stat = this.stat_words.subarray(this.stat_base, this.stat_base + (per_cpu_zonestat.size >> 2));
    this.view = this.pcp;
    this.cpu_node = k.percpu.numa_node[cpu] ?? 0;

    this.zone_base = word_of(zone.view);
    this.zone_pointer_lo = zone.pointer_lo;
    this.zone_pointer_hi = zone.pointer_hi;
    this.pcp_base = word_of(this.pcp);
    this.zonestat_base = word_of(this.stat);
    this.pgalloc = cpu * VM_EVENT_STRIDE + PGALLOC + zone.idx;
    this.pgfree = cpu * VM_EVENT_STRIDE + PGFREE;
    this.numa_hit = this.zonestat_base + PZS_NUMA_EVENT;
    this.numa_local = this.numa_hit + 2 * (zone.nid === this.cpu_node ? NUMA_LOCAL : NUMA_OTHER);
    this.paths = fast_paths(k, zone.view, this.pcp, zone.view);
  }

  /**
   * From now on the written-out paths expect what this zone hands out to have its struct pages with those of `section`.
   * @returns -1: the general path is to serve the request that found this out
   */
  look_in(k: Kernel, section: number): pfn_t {
    const map = k.mm.section_mem_map[section];
    if (map !== undefined && map !== NO_WORDS) this.paths = fast_paths(k, this.zone.view, this.pcp, map);
    return -1;
  }
}

/** Where the view begins in its buffer; for sure a small integer to the compiler. */
const word_of = (view: Int32Array): number => (view.byteOffset / 4) | 0;

function make_zone_cpu(k: Kernel, zone: Zone, cpu: number): ZoneCpu {
  const view = new ZoneCpu(k, zone, cpu);
  zone.cpus[cpu] = view;
  return view;
}

/** Of the CPU `cpu`. */
export const zone_cpu = (k: Kernel, zone: Zone, cpu: number): ZoneCpu => zone.cpus[cpu] ?? make_zone_cpu(k, zone, cpu);

/** An array without holes: the compiler need not look for them. */
const nothing = (): (ZoneCpu | undefined)[] => Array.from({ length: MAX_NUMNODES * 8 }, () => undefined);

/** One CPU's views, filled in as the general paths come by. */
export class CpuZones {
  /** The first zone of each zonelist, by ((nid << 1 | list) << 2) | highest_zoneidx. */
  readonly preferred = nothing();
  /** By what page->flags has above ZONES_PGSHIFT: nid << 3 | zone. */
  readonly by_id = nothing();
  /** The written-out paths that free pages of a section, by its number. */
  readonly sections: (FastPaths | undefined)[] = [];
}

/** From now on the kernel runs on `cpu`. */
export function switch_to_cpu(k: Kernel, cpu: number): void {
  const state = k.page_alloc;
  const percpu: { cpu: number } = k.percpu;
  percpu.cpu = cpu;
  state.cpu_zones[cpu] ??= new CpuZones();
  state.preferred = state.cpu_zones[cpu].preferred;
  state.by_id = state.cpu_zones[cpu].by_id;
  state.sections = state.cpu_zones[cpu].sections;
}

/** Per-cpu areas have been put in place of the image's one, zonelists have been built, or zones have their own pagesets. */
export function forget_zone_cpus(k: Kernel): void {
  for (const pgdat of k.node_data) {
    if (pgdat === undefined) continue;
    pgdat.cpus.length = 0;
    for (const zone of pgdat.node_zones) zone.cpus.length = 0;
  }
  k.page_alloc.cpu_zones.length = 0;
  switch_to_cpu(k, k.percpu.cpu);
}
