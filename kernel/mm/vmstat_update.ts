// Each CPU hands its diffs on to zones and nodes, and gives up what it has of other nodes' pages; NUMA events switched off
// (Linux: mm/vmstat.c refresh_cpu_vm_stats(), vmstat_update(), vmstat_refresh(), sysctl_vm_numa_stat_handler()).

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { node_stat_names, zone_stat_names } from '../fs/proc/vmstat_text.ts';
import {
  NR_VM_NODE_STAT_ITEMS,
  NR_VM_NUMA_EVENT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  per_cpu_nodestat,
  per_cpu_pages,
  per_cpu_zonestat,
} from '../include/mmzone.ts';
import { KEY_NO_NUMA_STAT } from '../include/static_keys.ts';
import type { Kernel } from '../kernel.ts';
import { pr_info, pr_warn } from '../lib/printk.ts';
import { static_key_set } from '../lib/static_key.ts';
import { type ctl_table, failed, proc_dointvec_minmax, type proc_handler } from '../sysctl.ts';
import type { Zone } from './mmzone.ts';
import { for_each_online_pgdat, for_each_populated_zone } from './mmzone_iter.ts';
import { pcp_count } from './pageset.ts';
import { drain_zone_pages } from './pcp.ts';
import { per_cpu_ptr } from './percpu.ts';
import { s8, zone_page_state_add } from './vmstat.ts';
import { switch_to_cpu } from './zone_cpu.ts';

const NODE_DIFF = per_cpu_nodestat.offset.vm_node_stat_diff;
const NUMA_EVENT = per_cpu_zonestat.offset.vm_numa_event;
const EXPIRE = per_cpu_pages.offset.expire;

/** Without a change to a zone's counters for so many updates, some of the CPU's pages of it go back. */
const EXPIRE_UPDATES = 3;
/** Counters that are known to be below 0 now and then. */
const may_be_negative: readonly string[] = ['nr_zone_write_pending', 'nr_free_cma', 'nr_writeback'];

/** Linux: the CPU itself does this. */
function refresh_cpu_vm_stats(k: Kernel, cpu: number): void {
  const { ram } = k.hw;
  for (const zone of for_each_populated_zone(k)) {
    const stats = per_cpu_ptr(k, zone.per_cpu_zonestats, cpu);
    for (let item = 0; item < NR_VM_ZONE_STAT_ITEMS; item++) {
      const diff = s8(k, stats + item);
      if (diff === 0) continue;
      ram.set_u8(stats + item, 0);
      zone_page_state_add(k, diff, zone, item);
      if (k.config.NUMA) ram.set_u16(per_cpu_ptr(k, zone.per_cpu_pageset, cpu) + EXPIRE, EXPIRE_UPDATES);
    }
    if (k.config.NUMA) expire_pageset(k, zone, cpu);
  }
  for (const pgdat of for_each_online_pgdat(k)) {
    const stats = per_cpu_ptr(k, pgdat.per_cpu_nodestats, cpu) + NODE_DIFF;
    for (let item = 0; item < NR_VM_NODE_STAT_ITEMS; item++) {
      const diff = s8(k, stats + item);
      if (diff === 0) continue;
      ram.set_u8(stats + item, 0);
      pgdat.add_vm_stat(item, diff);
    }
  }
}

/** Pages of another node that this CPU has not touched for some time are of more use there. */
function expire_pageset(k: Kernel, zone: Zone, cpu: number): void {
  const { ram } = k.hw;
  const expire = per_cpu_ptr(k, zone.per_cpu_pageset, cpu) + EXPIRE;
  const updates = ram.u16(expire);
  if (updates === 0 || pcp_count(k, zone, cpu) === 0) return;
  if (zone.nid === (k.percpu.numa_node[cpu] ?? 0)) {
    ram.set_u16(expire, 0);
    return;
  }
  ram.set_u16(expire, updates - 1);
  if (updates > 1) return;
  const { cpu: running } = k.percpu;
  switch_to_cpu(k, cpu);
  drain_zone_pages(k, zone, cpu);
  switch_to_cpu(k, running);
}

/** Linux: each CPU does it every second. Here once boot is done, so that files agree with lists, and when it is asked for. */
export function vmstat_update(k: Kernel): void {
  for (const cpu of for_each_online_cpu(k)) refresh_cpu_vm_stats(k, cpu);
}

/** Reading and writing are the same. Says which counters are below 0, as files show these as 0. */
const vmstat_refresh: proc_handler = (k, _, buffer) => {
  vmstat_update(k);
  const check = (name: string, value: number): void => {
    if (value < 0 && !may_be_negative.includes(name)) pr_warn(k, `vmstat_refresh: ${name} ${value}`);
  };
  for (const [item, name] of zone_stat_names.entries()) check(name, k.mm.vm_zone_stat[item]!);
  for (const [item, name] of node_stat_names.entries()) {
    let sum = 0;
    for (const pgdat of for_each_online_pgdat(k)) sum += pgdat.vm_stat(item);
    check(name, sum);
  }
  return { text: '', taken: buffer?.length ?? 0 };
};

const numa_stat = (k: Kernel): boolean => (k.page_alloc.static_keys & KEY_NO_NUMA_STAT) === 0;

/** All NUMA events were never. */
function invalid_numa_statistics(k: Kernel): void {
  for (const zone of for_each_populated_zone(k)) {
    for (let item = 0; item < NR_VM_NUMA_EVENT_ITEMS; item++) zone.add_vm_numa_event(item, -zone.vm_numa_event(item));
    for (const cpu of for_each_online_cpu(k)) {
      const events = per_cpu_ptr(k, zone.per_cpu_zonestats, cpu) + NUMA_EVENT;
      k.hw.ram.fill(events, 8 * NR_VM_NUMA_EVENT_ITEMS, 0);
    }
  }
}

const sysctl_vm_numa_stat_handler: proc_handler = (k, table, buffer) => {
  const old = numa_stat(k);
  const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
  if (err !== 0) return failed(err);
  if (old === numa_stat(k)) return result;
  if (!old) {
    pr_info(k, 'enable numa statistics');
  } else {
    invalid_numa_statistics(k);
    pr_info(k, 'disable numa statistics, and clear numa counters');
  }
  return result;
};

export const vmstat_table: readonly ctl_table[] = [
  {
    procname: 'numa_stat',
    data: (k) => [numa_stat(k) ? 1 : 0],
    store: (k, _, value) => static_key_set(k, KEY_NO_NUMA_STAT, value === 0),
    min: 0,
    max: 1,
    proc_handler: sysctl_vm_numa_stat_handler,
  },
  { procname: 'stat_refresh', data: () => [], store: () => undefined, proc_handler: vmstat_refresh },
];
