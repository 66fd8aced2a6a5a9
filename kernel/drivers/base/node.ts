// /sys/devices/system/node/nodeN: what a node has of memory (Linux: drivers/base/node.c node_read_meminfo(),
// node_read_numastat(), node_read_vmstat(), node_read_distance(); mm/hugetlb.c hugetlb_report_node_meminfo()).
//
// Left out: cpumap, cpulist, hugepages/, access classes, and the lists of nodes beside the nodes.

import { node_distance } from '../../arch/x86/numa_distance.ts';
import {
  is_configured,
  type NodeStatName,
  node_stat_names,
  numa_stat_names,
  shown_node_stat,
  zone_stat_names,
} from '../../fs/proc/vmstat_text.ts';
import { pad } from '../../fs/proc/zones.ts';
import { NR_BOUNCE, NR_FREE_PAGES, NR_MLOCK } from '../../include/mmzone.ts';
import { PAGE_SHIFT } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { for_each_node_mask, node_isset } from '../../lib/nodemask.ts';
import type { PgData } from '../../mm/mmzone.ts';
import { fold_vm_zone_numa_events, node_page_state_pages, zone_page_state } from '../../mm/vmstat.ts';

const PATH = /^\/sys\/devices\/system\/node\/node(\d+)\/(\w+)$/;

type Show = (k: Kernel, pgdat: PgData) => string;

const sum_zone_node_page_state = (pgdat: PgData, item: number): number =>
  pgdat.node_zones.reduce((sum, zone) => sum + zone_page_state(zone, item), 0);

function sum_zone_numa_event_state(k: Kernel, pgdat: PgData, item: number): number {
  let count = 0;
  for (const zone of pgdat.node_zones) {
    if (zone.populated) fold_vm_zone_numa_events(k, zone);
    count += zone.vm_numa_event(item);
  }
  return count;
}

function meminfo_show(k: Kernel, pgdat: PgData): string {
  const nid = pgdat.node_id;
  const K = (pages: number): number => pages * 2 ** (PAGE_SHIFT - 10);
  const stat = (...names: NodeStatName[]): number =>
    names.reduce((sum, name) => sum + node_page_state_pages(pgdat, node_stat_names.indexOf(name)), 0);
  const total = pgdat.node_zones.reduce((sum, zone) => sum + zone.managed_pages, 0);
  const free = sum_zone_node_page_state(pgdat, NR_FREE_PAGES);
  /** The width of a name, its colon and what parts it from the number. */
  const line = (name: string, kb: number, width = 16): string =>
    `Node ${nid} ${`${name}:`.padEnd(width)}${pad(kb, 8)} kB\n`;
  const rows: (readonly [name: string, kb: number])[] = [
    ['MemTotal', K(total)],
    ['MemFree', K(free)],
    ['MemUsed', K(total - free)],
    ['SwapCached', K(stat('nr_swapcached'))],
    ['Active', K(stat('nr_active_anon', 'nr_active_file'))],
    ['Inactive', K(stat('nr_inactive_anon', 'nr_inactive_file'))],
    ['Active(anon)', K(stat('nr_active_anon'))],
    ['Inactive(anon)', K(stat('nr_inactive_anon'))],
    ['Active(file)', K(stat('nr_active_file'))],
    ['Inactive(file)', K(stat('nr_inactive_file'))],
    ['Unevictable', K(stat('nr_unevictable'))],
    ['Mlocked', K(sum_zone_node_page_state(pgdat, NR_MLOCK))],
    ['Dirty', K(stat('nr_dirty'))],
    ['Writeback', K(stat('nr_writeback'))],
    ['FilePages', K(stat('nr_file_pages'))],
    ['Mapped', K(stat('nr_mapped'))],
    ['AnonPages', K(stat('nr_anon_pages'))],
    ['Shmem', K(stat('nr_shmem'))],
    // Counted in KiB.
    ['KernelStack', stat('nr_kernel_stack')],
    ['PageTables', K(stat('nr_page_table_pages'))],
    ['SecPageTables', K(stat('nr_sec_page_table_pages'))],
    ['NFS_Unstable', 0],
    ['Bounce', K(sum_zone_node_page_state(pgdat, NR_BOUNCE))],
    ['WritebackTmp', K(stat('nr_writeback_temp'))],
    ['KReclaimable', K(stat('nr_slab_reclaimable', 'nr_kernel_misc_reclaimable'))],
    ['Slab', K(stat('nr_slab_reclaimable', 'nr_slab_unreclaimable'))],
    ['SReclaimable', K(stat('nr_slab_reclaimable'))],
    ['SUnreclaim', K(stat('nr_slab_unreclaimable'))],
  ];
  let text = rows.map(([name, kb]) => line(name, kb)).join('');
  if (k.config.TRANSPARENT_HUGEPAGE !== false) {
    text += line('AnonHugePages', K(stat('nr_anon_transparent_hugepages')));
    text += line('ShmemHugePages', K(stat('nr_shmem_hugepages')));
    text += line('ShmemPmdMapped', K(stat('nr_shmem_pmdmapped')));
    text += line('FileHugePages', K(stat('nr_file_hugepages')), 15);
    text += line('FilePmdMapped', K(stat('nr_file_pmdmapped')), 15);
  }
  return text + hugetlb_report_node_meminfo(k, nid);
}

function hugetlb_report_node_meminfo(k: Kernel, nid: number): string {
  const { hstates, default_hstate_idx } = k.hugetlb;
  const h = hstates[default_hstate_idx];
  if (!k.config.HUGETLB_PAGE || h === undefined) return '';
  const line = (name: string, pages: number): string =>
    `Node ${nid} ${`HugePages_${name}:`.padEnd(17)}${pad(pages, 5)}\n`;
  return (
    line('Total', h.nr_huge_pages_node[nid] ?? 0) + line('Free', h.free_huge_pages_node[nid] ?? 0) + line('Surp', 0)
  );
}

/** By numa_stat_item; three have other names than in /proc. */
const numastat_names = ['numa_hit', 'numa_miss', 'numa_foreign', 'interleave_hit', 'local_node', 'other_node'] as const;

const numastat_show: Show = (k, pgdat) =>
  numastat_names.map((name, item) => `${name} ${sum_zone_numa_event_state(k, pgdat, item)}\n`).join('');

const vmstat_show: Show = (k, pgdat) => {
  const lines = (names: readonly string[], value: (item: number, name: string) => number): string =>
    names.map((name, item) => (is_configured(k.config, name) ? `${name} ${value(item, name)}\n` : '')).join('');
  return (
    lines(zone_stat_names, (item) => sum_zone_node_page_state(pgdat, item)) +
    lines(numa_stat_names, (item) => sum_zone_numa_event_state(k, pgdat, item)) +
    lines(node_stat_names, (item, name) => shown_node_stat(name, node_page_state_pages(pgdat, item)))
  );
};

/** To all nodes that are online. */
const distance_show: Show = (k, pgdat) =>
  `${[...for_each_node_mask(k.node_online_map)].map((nid) => node_distance(k, pgdat.node_id, nid)).join(' ')}\n`;

const files: ReadonlyMap<string, Show> = new Map<string, Show>([
  ['meminfo', meminfo_show],
  ['numastat', numastat_show],
  ['vmstat', vmstat_show],
  ['distance', distance_show],
]);

export const node_file_names: readonly string[] = [...files.keys()];

/** The node of such a file; null: it is none. */
export function node_of_file(path: string): number | null {
  const [, nid, name = ''] = PATH.exec(path) ?? [];
  return nid === undefined || !files.has(name) ? null : Number(nid);
}

/** @returns null: there is no such file, or no such node */
export function node_read(k: Kernel, path: string): string | null {
  const [, nid, name = ''] = PATH.exec(path) ?? [];
  const show = files.get(name);
  if (nid === undefined || show === undefined || !k.config.NUMA || !node_isset(Number(nid), k.node_online_map)) {
    return null;
  }
  return show(k, k.node_data[Number(nid)]!);
}
