// What one CPU has of one zone: its page lists and its counters, as words of RAM (Linux: struct per_cpu_pages and
// struct per_cpu_zonestat through this_cpu_ptr()). A view is made when it is first asked for and kept, as neither part
// moves once the zone has it.

import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import { per_cpu_pages, per_cpu_zonestat } from '../include/mmzone.ts';
import { type nid_t, PAGE_OFFSET_HI, type phys_addr_t } from '../include/types.ts';
import { VM_EVENT_STRIDE } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import type { Zone } from './mmzone.ts';
import { per_cpu_ptr } from './percpu.ts';

const CHUNK = 2 ** RAM_CHUNK_SHIFT;

export class ZoneCpu {
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
  /** The CPU's event counters. */
  readonly events: Float64Array;
  /** The CPU's own node. */
  readonly cpu_node: nid_t;

  constructor(k: Kernel, pcp: phys_addr_t, stats: phys_addr_t, cpu: number) {
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
    this.cpu_node = k.percpu.numa_node[cpu] ?? 0;
  }
}

function make_zone_cpu(k: Kernel, zone: Zone, cpu: number): ZoneCpu {
  const pcp = per_cpu_ptr(k, zone.per_cpu_pageset, cpu);
  const stats = per_cpu_ptr(k, zone.per_cpu_zonestats, cpu);
  const view = new ZoneCpu(k, pcp, stats, cpu);
  zone.cpus[cpu] = view;
  return view;
}

/** Of the CPU `cpu`. */
export const zone_cpu = (k: Kernel, zone: Zone, cpu: number): ZoneCpu => zone.cpus[cpu] ?? make_zone_cpu(k, zone, cpu);

/** Per-cpu areas have been put in place of the image's one. */
export function forget_zone_cpus(k: Kernel): void {
  for (const pgdat of k.node_data) for (const zone of pgdat?.node_zones ?? []) zone.cpus.length = 0;
}
