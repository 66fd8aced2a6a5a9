// Counters of zones and nodes (Linux: mm/vmstat.c). Each CPU collects changes in a small diff of its own and hands
// them on to the zone or node once they pass the stat threshold. The diffs and thresholds lie in the per-cpu areas.
// Handing on what is below it: vmstat_update.ts.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import { cpumask_of_node } from '../arch/x86/numa.ts';
import {
  NR_VM_NUMA_EVENT_ITEMS,
  NUMA_FOREIGN,
  NUMA_HIT,
  NUMA_LOCAL,
  NUMA_MISS,
  NUMA_OTHER,
  per_cpu_nodestat,
  per_cpu_zonestat,
  WMARK_LOW,
  WMARK_MIN,
} from '../include/mmzone.ts';
import { KEY_NO_NUMA_STAT } from '../include/static_keys.ts';
import { PAGE_SHIFT, type phys_addr_t } from '../include/types.ts';
import { PZS_NUMA_EVENT, PZS_STAT_THRESHOLD } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask, node_isset, node_set, nodes_empty, nodes_weight } from '../lib/nodemask.ts';
import type { PgData, Zone } from './mmzone.ts';
import { for_each_online_pgdat, for_each_populated_zone } from './mmzone_iter.ts';
import { numa_node_id, per_cpu_ptr } from './percpu.ts';
import { zone_cpu } from './zone_cpu.ts';

const CHUNK = 2 ** RAM_CHUNK_SHIFT;
const STAT_THRESHOLD = per_cpu_zonestat.offset.stat_threshold;
const NUMA_EVENT = per_cpu_zonestat.offset.vm_numa_event;
const NODE_THRESHOLD = per_cpu_nodestat.offset.stat_threshold;

/** An s8 in RAM. */
export const s8 = (k: Kernel, pa: phys_addr_t): number => (k.hw.ram.u8(pa) << 24) >> 24;

const zonestats = (k: Kernel, zone: Zone, cpu: number): phys_addr_t => per_cpu_ptr(k, zone.per_cpu_zonestats, cpu);
const nodestats = (k: Kernel, pgdat: PgData, cpu: number): phys_addr_t => per_cpu_ptr(k, pgdat.per_cpu_nodestats, cpu);

/** Adds to the zone's counter and to the sum over all zones. */
export function zone_page_state_add(k: Kernel, x: number, zone: Zone, item: number): void {
  zone.add_vm_stat(item, x);
  k.mm.vm_zone_stat[item]! += x;
}

/** Counts for this CPU. Context: preemption disabled. */
export function __mod_zone_page_state(k: Kernel, zone: Zone, item: number, delta: number): void {
  const c = zone_cpu(k, zone, k.percpu.cpu);
  const words = c.stat_words;
  const at = c.stat_base + (item >>> 2);
  const shift = (item & 3) << 3;
  const word = words[at]!;
  const x = delta + ((word << (24 - shift)) >> 24);
  const threshold = words[c.stat_base + PZS_STAT_THRESHOLD]! >> 24;
  const rest = word & ~(0xff << shift);
  if (x > threshold || x < -threshold) {
    words[at] = rest;
    zone_page_state_add(k, x, zone, item);
  } else {
    words[at] = rest | ((x & 0xff) << shift);
  }
}

/** struct per_cpu_nodestat of the CPU `cpu`, byte by byte. */
function node_cpu(k: Kernel, pgdat: PgData, cpu: number): Int8Array {
  const pa = nodestats(k, pgdat, cpu);
  const words = k.hw.ram.words(Math.floor(pa / CHUNK));
  const view = new Int8Array(words.buffer, words.byteOffset + (pa % CHUNK), per_cpu_nodestat.size);
  pgdat.cpus[cpu] = view;
  return view;
}

/** Counts for this CPU. Context: preemption disabled. */
export function __mod_node_page_state(k: Kernel, pgdat: PgData, item: number, delta: number): void {
  const stat = pgdat.cpus[k.percpu.cpu] ?? node_cpu(k, pgdat, k.percpu.cpu);
  const threshold = stat[0]!;
  const x = delta + stat[item + 1]!;
  if (x > threshold || x < -threshold) {
    stat[item + 1] = 0;
    pgdat.add_vm_stat(item, x);
  } else {
    stat[item + 1] = x;
  }
}

/** The zone's counter without the diffs of CPUs; never below 0, which those could make of it for a moment. */
export const zone_page_state = (zone: Zone, item: number): number => Math.max(0, zone.vm_stat(item));
export const node_page_state_pages = (pgdat: PgData, item: number): number => Math.max(0, pgdat.vm_stat(item));
/** The sum over all nodes, likewise. */
export function global_node_page_state(k: Kernel, item: number): number {
  let pages = 0;
  for (const pgdat of for_each_online_pgdat(k)) pages += pgdat.vm_stat(item);
  return Math.max(0, pages);
}
/** The sum over all zones, likewise. */
export const global_zone_page_state = (k: Kernel, item: number): number => Math.max(0, k.mm.vm_zone_stat[item]!);

/** The zone's counter with the diffs of CPUs. */
export function zone_page_state_snapshot(k: Kernel, zone: Zone, item: number): number {
  let x = zone.vm_stat(item);
  for (const cpu of for_each_online_cpu(k)) x += s8(k, zonestats(k, zone, cpu) + item);
  return Math.max(0, x);
}

/** Counts events of enum numa_stat_item for this CPU. */
export function __count_numa_events(k: Kernel, zone: Zone, item: number, delta: number): void {
  const c = zone_cpu(k, zone, k.percpu.cpu);
  const words = c.stat_words;
  const i = c.stat_base + PZS_NUMA_EVENT + 2 * item;
  const lo = (words[i]! >>> 0) + delta;
  words[i] = lo;
  if (lo > 0xffffffff) words[i + 1]!++;
}

/** Who asked for `nr_account` pages, and whose node they came from. */
export function zone_statistics(k: Kernel, preferred_zone: Zone, zone: Zone, nr_account: number): void {
  if ((k.page_alloc.static_keys & KEY_NO_NUMA_STAT) !== 0) return;
  const hit = zone.nid === preferred_zone.nid;
  __count_numa_events(k, zone, hit ? NUMA_HIT : NUMA_MISS, nr_account);
  if (!hit) __count_numa_events(k, preferred_zone, NUMA_FOREIGN, nr_account);
  __count_numa_events(k, zone, zone.nid === numa_node_id(k) ? NUMA_LOCAL : NUMA_OTHER, nr_account);
}

export function fold_vm_zone_numa_events(k: Kernel, zone: Zone): void {
  const { ram } = k.hw;
  for (const cpu of for_each_online_cpu(k)) {
    const events = zonestats(k, zone, cpu) + NUMA_EVENT;
    for (let item = 0; item < NR_VM_NUMA_EVENT_ITEMS; item++) {
      const count = ram.u64(events + 8 * item);
      if (count === 0) continue;
      ram.set_u64(events + 8 * item, 0);
      zone.add_vm_numa_event(item, count);
    }
  }
}

/** fls(): one more than the number of the highest bit set, 0 for 0. */
const fls = (x: number): number => 32 - Math.clz32(x);

/** Grows with the number of CPUs and with the zone's size in units of 128 MiB, by their logarithms. */
export function calculate_normal_threshold(managed_pages: number, num_online_cpus: number): number {
  const mem = Math.floor(managed_pages / 2 ** (27 - PAGE_SHIFT));
  return Math.min(125, 2 * fls(num_online_cpus) * (1 + fls(mem)));
}

/** While kswapd is awake: all CPUs together hide no more than lies between two watermarks. */
export function calculate_pressure_threshold(zone: Zone, num_online_cpus: number): number {
  const watermark_distance = zone._watermark(WMARK_LOW) - zone._watermark(WMARK_MIN);
  return Math.min(125, Math.max(1, Math.floor(watermark_distance / num_online_cpus)));
}

export const zone_stat_threshold = (k: Kernel, zone: Zone, cpu: number): number =>
  s8(k, zonestats(k, zone, cpu) + STAT_THRESHOLD);

/** Sets every online CPU's threshold for each zone; a node's is that of its largest zone. */
export function refresh_zone_stat_thresholds(k: Kernel): void {
  const { ram } = k.hw;
  const online = nodes_weight(k.cpus.cpu_online_mask);
  for (const pgdat of for_each_online_pgdat(k)) {
    for (const cpu of for_each_online_cpu(k)) ram.set_u8(nodestats(k, pgdat, cpu) + NODE_THRESHOLD, 0);
  }
  for (const zone of for_each_populated_zone(k)) {
    const pgdat = k.node_data[zone.nid]!;
    const threshold = calculate_normal_threshold(zone.managed_pages, online);
    for (const cpu of for_each_online_cpu(k)) {
      ram.set_u8(zonestats(k, zone, cpu) + STAT_THRESHOLD, threshold);
      const node = nodestats(k, pgdat, cpu) + NODE_THRESHOLD;
      ram.set_u8(node, Math.max(threshold, ram.u8(node)));
    }
    // Where the diffs of all CPUs could hide that the min watermark is breached, readers must add them up.
    const tolerate_drift = zone._watermark(WMARK_LOW) - zone._watermark(WMARK_MIN);
    const max_drift = online * threshold;
    if (max_drift > tolerate_drift) zone.percpu_drift_mark = zone.high_wmark_pages + max_drift;
  }
}

/**
 * Sets the thresholds of those of a node's zones that have a mark below which to add up diffs. Where several CPUs came
 * up, that is all of them: they had no watermarks then.
 */
export function set_pgdat_percpu_threshold(
  k: Kernel,
  pgdat: PgData,
  calculate: (zone: Zone, num_online_cpus: number) => number,
): void {
  const online = nodes_weight(k.cpus.cpu_online_mask);
  for (const zone of pgdat.node_zones) {
    if (zone.percpu_drift_mark === 0) continue;
    const threshold = calculate(zone, online);
    for (const cpu of for_each_online_cpu(k)) {
      k.hw.ram.set_u8(zonestats(k, zone, cpu) + STAT_THRESHOLD, threshold);
    }
  }
}

/** A CPU has come up: there are more of them to share thresholds, and its node has a CPU now. */
export function vmstat_cpu_online(k: Kernel, cpu: number): void {
  refresh_zone_stat_thresholds(k);
  const nid = k.percpu.numa_node[cpu] ?? 0;
  if (!node_isset(nid, k.node_states.N_CPU)) node_set(nid, k.node_states.N_CPU);
}

/** Context: before secondary CPUs are brought up. */
export function init_mm_internals(k: Kernel): void {
  for (const nid of for_each_node_mask(k.node_online_map)) {
    if (!nodes_empty(cpumask_of_node(k, nid))) node_set(nid, k.node_states.N_CPU);
  }
}
