// Which memory and which CPU belong to which node (Linux: arch/x86/mm/numa.c): the firmware's SRAT if it makes sense,
// else one node with everything. What the firmware said is in numa_meminfo.ts, distances in numa_distance.ts,
// `numa=fake=` in numa_emulation.ts.
//
// Left out: AMD's northbridge as a source (amd_numa_init(); no machine of ours has one); the check of
// NODE_NOT_IN_PAGE_FLAGS, which is never so on x86-64.

import { PHYS_ADDR_MAX } from '../../include/memblock.ts';
import { MAX_NUMNODES } from '../../include/mmzone.ts';
import { EINVAL, NUMA_NO_NODE, type nid_t, PFN_PHYS } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { WARN_ON, WARN_ONCE } from '../../lib/bug.ts';
import {
  first_node,
  for_each_node_mask,
  next_node,
  node_isset,
  node_set,
  nodes_clear,
  nodes_empty,
  nodes_none,
} from '../../lib/nodemask.ts';
import { mem_range, pr_info } from '../../lib/printk.ts';
import { memblock_clear_hotplug, memblock_set_bottom_up, memblock_set_node } from '../../mm/memblock.ts';
import { memblock_dump_all } from '../../mm/memblock_info.ts';
import { for_each_reserved_mem_region } from '../../mm/memblock_iter.ts';
import { BAD_APICID, for_each_possible_cpu, MAX_NR_CPUS } from './cpu.ts';
import { alloc_node_data } from './node_data.ts';
import { numa_reset_distance } from './numa_distance.ts';
import { numa_emulation } from './numa_emulation.ts';
import { numa_add_memblk, numa_cleanup_meminfo, numa_meminfo_cover_memory } from './numa_meminfo.ts';
import { type numa_meminfo, numa_nodemask_from_meminfo } from './numa_state.ts';
import { disable_srat, x86_acpi_numa_init } from './srat.ts';

/** early_param("numa"). Words are matched by their beginnings. */
export function numa_setup(k: Kernel, opt: string | null): number {
  if (opt === null) return -EINVAL;
  if (opt.startsWith('off')) k.numa.numa_off = true;
  if (opt.startsWith('fake=') && k.config.NUMA_EMU) k.numa.emu_cmdline = opt.slice('fake='.length);
  if (opt.startsWith('noacpi')) disable_srat(k);
  return 0;
}

/** Linux: initmem_init(), x86_numa_init(). */
export function initmem_init(k: Kernel): void {
  if (!k.config.NUMA) flat_init(k);
  else if (k.numa.numa_off || numa_init(k, x86_acpi_numa_init) < 0) numa_init(k, dummy_numa_init);
}

/** A kernel without CONFIG_NUMA has one node, and no word about it in its log. */
function flat_init(k: Kernel): void {
  for (const region of k.memblock.memory.regions) region.nid = 0;
  node_set(0, k.node_possible_map);
  alloc_node_data(k, 0);
  k.cpus.x86_cpu_to_node_map.fill(0);
}

/** @returns 0, or -errno: then nothing is registered, and another way is to be tried */
function numa_init(k: Kernel, init_func: (k: Kernel) => number): number {
  const { numa, memblock, cpus } = k;
  numa.__apicid_to_node.fill(NUMA_NO_NODE);
  nodes_clear(numa.numa_nodes_parsed);
  nodes_clear(k.node_possible_map);
  nodes_clear(k.node_online_map);
  numa.numa_meminfo = [];
  const where = 'arch/x86/mm/numa.c';
  WARN_ON(k, memblock_set_node(k, 0, PHYS_ADDR_MAX, memblock.memory, MAX_NUMNODES) !== 0, `${where}:645 numa_init`);
  WARN_ON(k, memblock_set_node(k, 0, PHYS_ADDR_MAX, memblock.reserved, MAX_NUMNODES) !== 0, `${where}:647 numa_init`);
  WARN_ON(k, memblock_clear_hotplug(k, 0, PHYS_ADDR_MAX) !== 0, `${where}:650 numa_init`);
  numa_reset_distance(k);

  let ret = init_func(k);
  if (ret < 0) return ret;
  // Now that hotpluggable memory is known there is no need to stay close to the kernel (movable_node).
  memblock_set_bottom_up(k, false);

  ret = numa_cleanup_meminfo(k, numa.numa_meminfo);
  if (ret < 0) return ret;
  numa_emulation(k);
  ret = numa_register_memblks(k, numa.numa_meminfo);
  if (ret < 0) return ret;

  const cpu_to_node = cpus.x86_cpu_to_node_map;
  for (let cpu = 0; cpu < cpus.nr_cpu_ids; cpu++) {
    const nid = cpu_to_node[cpu]!;
    if (nid !== NUMA_NO_NODE && !node_isset(nid, k.node_online_map)) cpu_to_node[cpu] = NUMA_NO_NODE;
  }
  numa_init_array(k);
  return 0;
}

/** The way that always works: one node with all memory. */
function dummy_numa_init(k: Kernel): number {
  const end = PFN_PHYS(k.boot.max_pfn);
  pr_info(k, k.numa.numa_off ? 'NUMA turned off' : 'No NUMA configuration found');
  pr_info(k, `Faking a node at ${mem_range(0, BigInt.asUintN(64, BigInt(end) - 1n))}`);
  node_set(0, k.numa.numa_nodes_parsed);
  numa_add_memblk(k, 0, 0n, BigInt(end));
  return 0;
}

/**
 * A node where the kernel has reserved memory by now (its image, tables) can never be unplugged as a whole: takes
 * hotpluggable off all memory of such nodes.
 */
function numa_clear_kernel_node_hotplug(k: Kernel, mi: numa_meminfo): void {
  // The reserved regions do not know their nodes yet.
  for (const { start, end, nid } of mi) {
    const ret = memblock_set_node(k, start, end - start, k.memblock.reserved, nid);
    WARN_ONCE(k, ret !== 0, 'arch/x86/mm/numa.c:511 numa_clear_kernel_node_hotplug');
  }
  const reserved_nodemask = nodes_none();
  for (const { nid } of for_each_reserved_mem_region(k)) {
    if (nid >= 0 && nid < MAX_NUMNODES) node_set(nid, reserved_nodemask);
  }
  for (const { start, end, nid } of mi) {
    if (node_isset(nid, reserved_nodemask)) memblock_clear_hotplug(k, start, end - start);
  }
}

/** Gives memblock's regions to their nodes and sets up the nodes that have memory. */
function numa_register_memblks(k: Kernel, mi: numa_meminfo): number {
  // Nodes with CPUs and no memory are possible too.
  k.node_possible_map.set(k.numa.numa_nodes_parsed);
  numa_nodemask_from_meminfo(k.node_possible_map, mi);
  if (WARN_ON(k, nodes_empty(k.node_possible_map), 'arch/x86/mm/numa.c:555 numa_register_memblks')) return -EINVAL;

  for (const { start, end, nid } of mi) memblock_set_node(k, start, end - start, k.memblock.memory, nid);
  numa_clear_kernel_node_hotplug(k, mi);
  if (!numa_meminfo_cover_memory(k, mi)) return -EINVAL;

  for (const nid of for_each_node_mask(k.node_possible_map)) {
    if (mi.some((bi) => bi.nid === nid && bi.start < bi.end)) alloc_node_data(k, nid);
  }
  memblock_dump_all(k);
  return 0;
}

/** CPUs without a node of their own are dealt out to the nodes that are online. */
function numa_init_array(k: Kernel): void {
  const { x86_cpu_to_node_map, nr_cpu_ids } = k.cpus;
  let rr = first_node(k.node_online_map);
  for (let cpu = 0; cpu < nr_cpu_ids; cpu++) {
    if (x86_cpu_to_node_map[cpu] !== NUMA_NO_NODE) continue;
    x86_cpu_to_node_map[cpu] = rr;
    const next = next_node(rr, k.node_online_map);
    rr = next >= 0 ? next : first_node(k.node_online_map);
  }
}

function numa_cpu_node(k: Kernel, cpu: number): nid_t {
  const apicid = k.cpus.x86_cpu_to_apicid[cpu]!;
  return apicid !== BAD_APICID ? k.numa.__apicid_to_node[apicid]! : NUMA_NO_NODE;
}

/** Gives each possible CPU the node that the SRAT has for it; brings such nodes online, memory or not. */
export function init_cpu_to_node(k: Kernel): void {
  for (const cpu of for_each_possible_cpu(k)) {
    const node = numa_cpu_node(k, cpu);
    if (node === NUMA_NO_NODE) continue;
    node_set(node, k.node_online_map);
    k.cpus.x86_cpu_to_node_map[cpu] = node;
  }
}

/** Brings nodes online that have generic initiators only. */
export function init_gi_nodes(k: Kernel): void {
  for (const nid of for_each_node_mask(k.node_states.N_GENERIC_INITIATOR)) node_set(nid, k.node_online_map);
}

/** From numa_init() on every possible CPU has one. */
export const early_cpu_to_node = (k: Kernel, cpu: number): nid_t => k.cpus.x86_cpu_to_node_map[cpu] ?? NUMA_NO_NODE;

/** Makes the nodes' CPU masks, all empty. */
export function setup_node_to_cpumask_map(k: Kernel): void {
  for (let nid = 0; nid < k.nr_node_ids; nid++) k.numa.node_to_cpumask_map[nid] = new Uint32Array(MAX_NR_CPUS / 32);
}

const cpu_none_mask = new Uint32Array(MAX_NR_CPUS / 32);

/** The node's CPUs that are online: none before they have been brought up. */
export const cpumask_of_node = (k: Kernel, nid: nid_t): Uint32Array => k.numa.node_to_cpumask_map[nid] ?? cpu_none_mask;

/** A CPU has come online: it is one of its node, and of every emulated node made of the same node. */
export function numa_add_cpu(k: Kernel, cpu: number): void {
  const { emu_nid_to_phys, node_to_cpumask_map } = k.numa;
  const physnid = emu_nid_to_phys[early_cpu_to_node(k, cpu)];
  for (const nid of for_each_node_mask(k.node_online_map)) {
    const mask = node_to_cpumask_map[nid];
    if (emu_nid_to_phys[nid] === physnid && mask !== undefined) node_set(cpu, mask);
  }
}
