// What one CPU has of one zone: its page lists and its counters, as words of RAM (Linux: struct per_cpu_pages and
// struct per_cpu_zonestat through this_cpu_ptr()). A view is made when it is first asked for and kept, as neither part
// moves once the zone has it.
//
// CpuZones puts the views of one CPU into tables that the written-out paths index by what a request and a page say.

import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import { MAX_NUMNODES, NUMA_LOCAL, NUMA_OTHER, per_cpu_pages, per_cpu_zonestat } from '../include/mmzone.ts';
import { type nid_t, PAGE_OFFSET_HI } from '../include/types.ts';
import { PGALLOC, VM_EVENT_STRIDE } from '../include/vm_event_item.ts';
import { PZS_NUMA_EVENT } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import type { Zone } from './mmzone.ts';
import { per_cpu_ptr } from './percpu.ts';

const CHUNK = 2 ** RAM_CHUNK_SHIFT;

export class ZoneCpu {
  readonly zone: Zone;
  /** struct zone: zone.view. */
  readonly zone_words: Int32Array;
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
  /** The CPU's event counters, and which of them counts what this zone hands out. */
  readonly events: Float64Array;
  readonly pgalloc: number;
  /** The CPU's own node. */
  readonly cpu_node: nid_t;
  /** Word of `stat` that counts pages of this zone handed out on this CPU: NUMA_LOCAL or NUMA_OTHER. */
  readonly numa_local: number;

  constructor(k: Kernel, zone: Zone, cpu: number) {
    const pcp = per_cpu_ptr(k, zone.per_cpu_pageset, cpu);
    const stats = per_cpu_ptr(k, zone.per_cpu_zonestats, cpu);
    this.zone = zone;
    this.zone_words = zone.view;
    this.words = k.hw.ram.words(Math.floor(pcp / CHUNK));
    this.base = (pcp % CHUNK) >>> 2;
    this.pointer_lo = pcp | 0;
    this.pointer_hi = (PAGE_OFFSET_HI + Math.floor(pcp / 2 ** 32)) | 0;
    this.stat_words = k.hw.ram.words(Math.floor(stats / CHUNK));
    this.stat_base = (stats % CHUNK) >>> 2;
    this.pcp = this.words.subarray(this.base, this.base + (per_cpu_pages.size >> 2));
    this.stat = this.stat_words.subarray(this.stat_base, this.stat_base + (per_cpu_zonestat.size >> 2));
    this.view = this.pcp;
    this.events = k.vm_event.counts.subarray(cpu * VM_EVENT_STRIDE, (cpu + 1) * VM_EVENT_STRIDE);
    this.pgalloc = PGALLOC + zone.idx;
    this.cpu_node = k.percpu.numa_node[cpu] ?? 0;
    this.numa_local = PZS_NUMA_EVENT + 2 * (zone.nid === this.cpu_node ? NUMA_LOCAL : NUMA_OTHER);
  }
}

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
}

/** From now on the kernel runs on `cpu`. */
export function switch_to_cpu(k: Kernel, cpu: number): void {
  const state = k.page_alloc;
  const percpu: { cpu: number } = k.percpu;
  percpu.cpu = cpu;
  state.cpu_zones[cpu] ??= new CpuZones();
  state.preferred = state.cpu_zones[cpu].preferred;
  state.by_id = state.cpu_zones[cpu].by_id;
}

/** Per-cpu areas have been put in place of the image's one, or zonelists have been built. */
export function forget_zone_cpus(k: Kernel): void {
  for (const pgdat of k.node_data) {
    if (pgdat === undefined) continue;
    pgdat.cpus.length = 0;
    for (const zone of pgdat.node_zones) zone.cpus.length = 0;
  }
  k.page_alloc.cpu_zones.length = 0;
  switch_to_cpu(k, k.percpu.cpu);
}
