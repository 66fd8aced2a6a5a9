// Per-cpu page lists: where they lie and how much they may hold (Linux: mm/page_alloc.c zone_batchsize(),
// zone_highsize(), setup_zone_pageset(), setup_per_cpu_pageset(), zone_pcp_init()).
//
// Left out: the lists' use, which is the allocator's.

import { for_each_possible_cpu } from '../arch/x86/cpu.ts';
import { cpumask_of_node } from '../arch/x86/numa.ts';
import {
  NR_PCP_LISTS,
  NR_VM_NUMA_EVENT_ITEMS,
  per_cpu_nodestat,
  per_cpu_pages,
  per_cpu_zonestat,
} from '../include/mmzone.ts';
import { type nid_t, PAGE_OFFSET_HI, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { nodes_weight } from '../lib/nodemask.ts';
import { pr_debug } from '../lib/printk.ts';
import type { Zone } from './mmzone.ts';
import { for_each_online_pgdat, for_each_populated_zone } from './mmzone_iter.ts';
import { __alloc_percpu, boot_pageset, boot_zonestats, per_cpu_ptr } from './percpu.ts';
import { forget_zone_cpus } from './zone_cpu.ts';

const TWO_32 = 2 ** 32;
const PCP = per_cpu_pages.offset;

/** These keep the boot pageset's lists empty: what is put on one goes straight on to the buddy lists. */
const BOOT_PAGESET_HIGH = 0;
const BOOT_PAGESET_BATCH = 1;
const MAX_BATCH_PAGES = 256;

export const pcp_count = (k: Kernel, zone: Zone, cpu: number): number => pcp_field(k, zone, cpu, PCP.count);
export const pcp_high = (k: Kernel, zone: Zone, cpu: number): number => pcp_field(k, zone, cpu, PCP.high);
export const pcp_batch = (k: Kernel, zone: Zone, cpu: number): number => pcp_field(k, zone, cpu, PCP.batch);

const pcp_field = (k: Kernel, zone: Zone, cpu: number, offset: number): number =>
  k.hw.ram.u32(per_cpu_ptr(k, zone.per_cpu_pageset, cpu) + offset) | 0;

/** Pages moved between a per-cpu list and the zone at a time: a thousandth of the zone or 1 MiB, as 2^n - 1. */
export function zone_batchsize(managed_pages: number): number {
  const quarter = Math.min(Math.floor(managed_pages / 1024), MAX_BATCH_PAGES) >> 2;
  const batch = Math.max(1, quarter);
  const wanted = batch + (batch >> 1);
  return 2 ** (31 - Math.clz32(wanted)) - 1;
}

/** The zone's low watermark with its boost, shared between the CPUs that are local to it, or all if there are none. */
function zone_highsize(k: Kernel, zone: Zone, batch: number, cpu_online: number): number {
  const fraction = k.watermark.percpu_pagelist_high_fraction;
  const total_pages = fraction === 0 ? zone.low_wmark_pages : Math.floor(zone.managed_pages / fraction);
  const nr_split_cpus = nr_cpus_of_node(k, zone.nid) + cpu_online || nodes_weight(k.cpus.cpu_online_mask);
  return Math.max(Math.floor(total_pages / nr_split_cpus), batch << 2);
}

const nr_cpus_of_node = (k: Kernel, nid: nid_t): number => nodes_weight(cpumask_of_node(k, nid));

export function per_cpu_pages_init(k: Kernel, pcp: phys_addr_t, pzstats: phys_addr_t): void {
  const { ram } = k.hw;
  ram.fill(pcp, per_cpu_pages.size, 0);
  ram.fill(pzstats, per_cpu_zonestat.size, 0);
  for (let pindex = 0; pindex < NR_PCP_LISTS; pindex++) {
    const list = pcp + PCP.lists + 16 * pindex;
    for (const pointer of [list, list + 8]) {
      ram.set_u32(pointer, list % TWO_32);
      ram.set_u32(pointer + 4, PAGE_OFFSET_HI + Math.floor(list / TWO_32));
    }
  }
  ram.set_u32(pcp + PCP.high, BOOT_PAGESET_HIGH);
  ram.set_u32(pcp + PCP.batch, BOOT_PAGESET_BATCH);
}

/** Linux: __zone_set_pageset_high_and_batch(). */
function pageset_update(k: Kernel, zone: Zone, high: number, batch: number): void {
  for (const cpu of for_each_possible_cpu(k)) {
    const pcp = per_cpu_ptr(k, zone.per_cpu_pageset, cpu);
    k.hw.ram.set_u32(pcp + PCP.batch, batch);
    k.hw.ram.set_u32(pcp + PCP.high, high);
  }
}

/**
 * The zone's managed pages, watermarks or CPUs are others now. Linux: zone_set_pageset_high_and_batch().
 * @param cpu_online 1 while a CPU of the node comes up that its cpumask does not have yet, else 0
 */
export function zone_pcp_update(k: Kernel, zone: Zone, cpu_online: number): void {
  const batch = Math.max(1, zone_batchsize(zone.managed_pages));
  const high = zone_highsize(k, zone, batch, cpu_online);
  if (zone.pageset_high === high && zone.pageset_batch === batch) return;
  zone.pageset_high = high;
  zone.pageset_batch = batch;
  pageset_update(k, zone, high, batch);
}

/** Nothing stays on the zone's per-cpu lists from now on. What is there the caller drains. Linux: zone_pcp_disable(). */
export const zone_pcp_disable = (k: Kernel, zone: Zone): void => pageset_update(k, zone, 0, 1);
export const zone_pcp_enable = (k: Kernel, zone: Zone): void =>
  pageset_update(k, zone, zone.pageset_high, zone.pageset_batch);

/** Context: boot, before per-cpu areas: all CPUs share the pageset that the kernel image has. */
export function zone_pcp_init(k: Kernel, zone: Zone): void {
  zone.per_cpu_pageset = boot_pageset;
  zone.per_cpu_zonestats = boot_zonestats;
  zone.pageset_high = BOOT_PAGESET_HIGH;
  zone.pageset_batch = BOOT_PAGESET_BATCH;
  if (!zone.populated) return;
  pr_debug(k, `  ${zone.name} zone: ${zone.present_pages} pages, LIFO batch:${zone_batchsize(zone.managed_pages)}`);
}

function setup_zone_pageset(k: Kernel, zone: Zone): void {
  zone.per_cpu_zonestats = __alloc_percpu(k, per_cpu_zonestat.size, per_cpu_zonestat.align);
  zone.per_cpu_pageset = __alloc_percpu(k, per_cpu_pages.size, per_cpu_pages.align);
  for (const cpu of for_each_possible_cpu(k)) {
    const pcp = per_cpu_ptr(k, zone.per_cpu_pageset, cpu);
    per_cpu_pages_init(k, pcp, per_cpu_ptr(k, zone.per_cpu_zonestats, cpu));
  }
  zone_pcp_update(k, zone, 0);
}

/** Gives each populated zone pagesets of its own. Empty ones go on with the boot pagesets. */
export function setup_per_cpu_pageset(k: Kernel): void {
  for (const zone of for_each_populated_zone(k)) setup_zone_pageset(k, zone);
  for (const cpu of for_each_possible_cpu(k)) {
    const events = per_cpu_ptr(k, boot_zonestats, cpu) + per_cpu_zonestat.offset.vm_numa_event;
    k.hw.ram.fill(events, 8 * NR_VM_NUMA_EVENT_ITEMS, 0);
  }
  for (const pgdat of for_each_online_pgdat(k)) {
    pgdat.per_cpu_nodestats = __alloc_percpu(k, per_cpu_nodestat.size, per_cpu_nodestat.align);
  }
  forget_zone_cpus(k);
}

/** A CPU is about to come up. */
export function page_alloc_cpu_online(k: Kernel): void {
  for (const zone of for_each_populated_zone(k)) zone_pcp_update(k, zone, 1);
}
