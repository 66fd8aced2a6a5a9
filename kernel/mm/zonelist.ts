// Zonelists: which zones an allocation tries, and in which order (Linux: mm/page_alloc.c build_all_zonelists(),
// find_next_best_node(); mm/mmzone.c; mm/mm_init.c mminit_verify_zonelist()). Each node has two lists in RAM, of its
// own and all other nodes' zones, and of its own alone: 64-bit pointers to struct zone, ended by a null one.
//
// Left out: rebuilding them on memory hotplug.

import { for_each_possible_cpu } from '../arch/x86/cpu.ts';
import { cpumask_of_node } from '../arch/x86/numa.ts';
import { node_distance } from '../arch/x86/numa_distance.ts';
import {
  MAX_NR_ZONES,
  MAX_ZONELISTS,
  pageblock_nr_pages,
  ZONE_MOVABLE,
  ZONELIST_FALLBACK,
  ZONELIST_NOFALLBACK,
  zone_names,
  zoneref,
} from '../include/mmzone.ts';
import { KEY_MOBILITY_DISABLED } from '../include/static_keys.ts';
import { NUMA_NO_NODE, type nid_t, PAGE_OFFSET_HI, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { get_option, OPTION_NONE } from '../lib/cmdline.ts';
import {
  for_each_node_mask,
  node_isset,
  node_set,
  type nodemask_t,
  nodes_empty,
  nodes_none,
  nodes_weight,
} from '../lib/nodemask.ts';
import { KERN_DEBUG, pr_info } from '../lib/printk.ts';
import { static_key_set } from '../lib/static_key.ts';
import type { PgData, Zone } from './mmzone.ts';
import { for_each_online_pgdat } from './mmzone_iter.ts';
import { per_cpu_pages_init } from './pageset.ts';
import { boot_pageset, boot_zonestats, numa_node_id, per_cpu_ptr } from './percpu.ts';
import { forget_zone_cpus } from './zone_cpu.ts';

const TWO_32 = 2 ** 32;
const ZONE_IDX = zoneref.offset.zone_idx;
const PENALTY_FOR_NODE_WITH_CPUS = 1;
const MMINIT_VERIFY = 1;

export class ZonelistState {
  /** How often a node was the first of a group at equal distance: such nodes take turns. */
  readonly node_load: number[] = [];
  /** The highest zone, other than ZONE_MOVABLE, that holds pages: memory policies apply to it and up. */
  policy_zone = 0;
  vm_total_pages = 0;
  nr_online_nodes = 1;
  /** Counts rebuilds, by two; odd while one is under way. */
  zonelist_update_seq = 0;
  /**
   * For the allocator: by (node * 2 + list) * 4 + highest zone index, the zones of that list up to that index.
   * Differs from Linux: it looks zones up here, and not in the list in RAM.
   */
  readonly views: (readonly Zone[])[] = [];
  /** The view of each struct zone in a zonelist, by its physical address. */
  readonly zone_of = new Map<phys_addr_t, Zone>();
}

/** Zone of the reference at `pa`, or null at a list's end. */
function zonelist_zone(k: Kernel, pa: phys_addr_t): Zone | null {
  const hi = k.hw.ram.u32(pa + 4);
  if (hi === 0) return null;
  return k.zonelists.zone_of.get((hi - PAGE_OFFSET_HI) * TWO_32 + k.hw.ram.u32(pa)) ?? null;
}

/**
 * The zones of node `nid`'s list up to `highest_zoneidx`, in the order in which they are tried.
 * Linux: for_each_zone_zonelist_nodemask(). A null mask allows every node.
 */
export function* for_each_zone_zonelist(
  k: Kernel,
  nid: nid_t,
  list: number,
  highest_zoneidx: number,
  nodes: nodemask_t | null = null,
): Generator<Zone> {
  for (let pa = k.node_data[nid]!.zoneref_pa(list, 0); ; pa += zoneref.size) {
    const zone = zonelist_zone(k, pa);
    if (zone === null) return;
    if (k.hw.ram.u32(pa + ZONE_IDX) > highest_zoneidx) continue;
    if (nodes === null || node_isset(zone.nid, nodes)) yield zone;
  }
}

/** Managed pages beyond the high watermark in all zones up to `offset`. One node's list names every zone. */
export function nr_free_zone_pages(k: Kernel, offset: number): number {
  let sum = 0;
  for (const zone of for_each_zone_zonelist(k, numa_node_id(k), ZONELIST_FALLBACK, offset)) {
    sum += Math.max(0, zone.managed_pages - zone.high_wmark_pages);
  }
  return sum;
}

/**
 * The node to follow on `node`'s fallback list: the nearest one that is not in `used_node_mask` yet, which it is
 * added to. At equal distance the next higher number comes before a lower one, and a node without CPUs before one
 * with; then the one that is least often first.
 */
function find_next_best_node(k: Kernel, node: nid_t, used_node_mask: nodemask_t): nid_t {
  if (!node_isset(node, used_node_mask)) {
    node_set(node, used_node_mask);
    return node;
  }
  let min_val = Number.POSITIVE_INFINITY;
  let best_node = NUMA_NO_NODE;
  for (const n of for_each_node_mask(k.node_states.N_MEMORY)) {
    if (node_isset(n, used_node_mask)) continue;
    let val = node_distance(k, node, n);
    if (n < node) val += 1;
    if (!nodes_empty(cpumask_of_node(k, n))) val += PENALTY_FOR_NODE_WITH_CPUS;
    val = val * 2 ** k.config.NODES_SHIFT + (k.zonelists.node_load[n] ?? 0);
    if (val < min_val) {
      min_val = val;
      best_node = n;
    }
  }
  if (best_node >= 0) node_set(best_node, used_node_mask);
  return best_node;
}

/** Writes references to a node's zones, highest first. @returns where the next one goes */
function build_zonerefs_node(k: Kernel, pgdat: PgData, pa: phys_addr_t): phys_addr_t {
  const { ram } = k.hw;
  for (let zone_type = MAX_NR_ZONES - 1; zone_type >= 0; zone_type--) {
    const zone = pgdat.node_zones[zone_type]!;
    if (!zone.populated) continue;
    ram.set_u32(pa, zone.pa % TWO_32);
    ram.set_u32(pa + 4, PAGE_OFFSET_HI + Math.floor(zone.pa / TWO_32));
    ram.set_u32(pa + ZONE_IDX, zone_type);
    pa += zoneref.size;
    k.zonelists.zone_of.set(zone.pa, zone);
    if (zone_type > k.zonelists.policy_zone && zone_type !== ZONE_MOVABLE) k.zonelists.policy_zone = zone_type;
  }
  return pa;
}

/** Writes one of a node's lists: the zones of `node_order`, highest first, node by node. */
export function build_zonelist(k: Kernel, pgdat: PgData, list: number, node_order: readonly nid_t[]): void {
  let pa = pgdat.zoneref_pa(list, 0);
  for (const nid of node_order) pa = build_zonerefs_node(k, k.node_data[nid]!, pa);
  k.hw.ram.fill(pa, zoneref.size, 0);
  for (let highest_zoneidx = 0; highest_zoneidx <= ZONE_MOVABLE; highest_zoneidx++) {
    const view = [...for_each_zone_zonelist(k, pgdat.node_id, list, highest_zoneidx)];
    k.zonelists.views[(pgdat.node_id * MAX_ZONELISTS + list) * 4 + highest_zoneidx] = view;
  }
}

/** Without CONFIG_NUMA: the nodes that follow by number, and round to the ones before. */
function flat_node_order(k: Kernel, local_node: nid_t): nid_t[] {
  const online = [...for_each_node_mask(k.node_online_map)].filter((nid) => nid !== local_node);
  return [local_node, ...online.filter((nid) => nid > local_node), ...online.filter((nid) => nid < local_node)];
}

function build_zonelists(k: Kernel, pgdat: PgData): void {
  const local_node = pgdat.node_id;
  if (!k.config.NUMA) {
    build_zonelist(k, pgdat, ZONELIST_FALLBACK, flat_node_order(k, local_node));
    // There is no other list then: __GFP_THISNODE leads to this one.
    const { views } = k.zonelists;
    const first = local_node * MAX_ZONELISTS * 4;
    for (let i = first; i <= first + ZONE_MOVABLE; i++) views[i + ZONELIST_NOFALLBACK * 4] = views[i]!;
    return;
  }
  const { node_load } = k.zonelists;
  const used_mask = nodes_none();
  const node_order: nid_t[] = [];
  let prev_node = local_node;
  for (;;) {
    const node = find_next_best_node(k, local_node, used_mask);
    if (node < 0) break;
    if (node_distance(k, local_node, node) !== node_distance(k, local_node, prev_node)) {
      node_load[node] = (node_load[node] ?? 0) + 1;
    }
    node_order.push(node);
    prev_node = node;
  }
  build_zonelist(k, pgdat, ZONELIST_FALLBACK, node_order);
  build_zonelist(k, pgdat, ZONELIST_NOFALLBACK, [local_node]);
  pr_info(k, `Fallback order for Node ${local_node}: ${node_order.map((nid) => `${nid} `).join('')}`);
}

/** Every zonelist that has a populated zone to serve, as `mminit_loglevel=` prints it. */
function zonelist_lines(k: Kernel): string[] {
  const lines: string[] = [];
  for (const pgdat of for_each_online_pgdat(k)) {
    for (let list = 0; list < (k.config.NUMA ? MAX_ZONELISTS : 1); list++) {
      for (const zone of pgdat.node_zones) {
        if (!zone.populated) continue;
        const refs = [...for_each_zone_zonelist(k, pgdat.node_id, list, zone.idx)];
        const names = refs.map((z) => `${z.nid}:${z.name} `).join('');
        lines.push(`${list === ZONELIST_FALLBACK ? 'general' : 'thisnode'} ${pgdat.node_id}:${zone.name} = ${names}`);
      }
    }
  }
  return lines;
}

/** early_param("mminit_loglevel"). */
export function set_mminit_loglevel(k: Kernel, value: string | null): number {
  const { result, value: level } = get_option(value ?? '');
  if (result !== OPTION_NONE) k.mm.mminit_loglevel = level;
  return 0;
}

function mminit_verify_zonelist(k: Kernel): void {
  if (k.mm.mminit_loglevel < MMINIT_VERIFY) return;
  for (const line of zonelist_lines(k)) k.log.printk(KERN_DEBUG, `mminit::zonelist ${line}`);
}

export function build_all_zonelists(k: Kernel): void {
  k.zonelists.zonelist_update_seq++;
  k.zonelists.node_load.length = 0;
  for (const nid of for_each_node_mask(k.node_possible_map)) build_zonelists(k, k.node_data[nid]!);
  k.zonelists.zonelist_update_seq++;

  // The pagesets that CPUs have until setup_per_cpu_pageset(), and zones without memory have for good.
  for (const cpu of for_each_possible_cpu(k)) {
    per_cpu_pages_init(k, per_cpu_ptr(k, boot_pageset, cpu), per_cpu_ptr(k, boot_zonestats, cpu));
  }
  forget_zone_cpus(k);
  mminit_verify_zonelist(k);

  // A machine too small for two blocks of every type is better off without keeping them apart.
  const migrate_types = 4 + (k.config.CMA ? 1 : 0) + (k.config.MEMORY_ISOLATION ? 1 : 0);
  const vm_total_pages = nr_free_zone_pages(k, ZONE_MOVABLE);
  k.zonelists.vm_total_pages = vm_total_pages;
  k.mm.page_group_by_mobility_disabled = vm_total_pages < pageblock_nr_pages * migrate_types;
  static_key_set(k, KEY_MOBILITY_DISABLED, k.mm.page_group_by_mobility_disabled);
  const mobility = k.mm.page_group_by_mobility_disabled ? 'off' : 'on';
  const nr_online_nodes = nodes_weight(k.node_online_map);
  k.zonelists.nr_online_nodes = nr_online_nodes;
  pr_info(k, `Built ${nr_online_nodes} zonelists, mobility grouping ${mobility}.  Total pages: ${vm_total_pages}`);
  if (k.config.NUMA) pr_info(k, `Policy zone: ${zone_names[k.zonelists.policy_zone]}`);
}
