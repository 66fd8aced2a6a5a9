// What arch/x86/mm/numa.c and numa_emulation.c keep in globals: which memory the firmware gives to which node, how far
// nodes are apart, and which CPU is where.

import { MAX_NUMNODES } from '../../include/mmzone.ts';
import { NUMA_NO_NODE, type nid_t, type phys_addr_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { type cpumask_t, node_set, type nodemask_t, nodes_none } from '../../lib/nodemask.ts';
import { MAX_LOCAL_APIC } from './cpu.ts';

// include/linux/topology.h
export const LOCAL_DISTANCE = 10;
export const REMOTE_DISTANCE = 20;

/** struct numa_memblk: a range that the firmware gives to a node. */
interface numa_memblk {
  start: phys_addr_t;
  /** Exclusive. */
  end: phys_addr_t;
  nid: nid_t;
}

/** struct numa_meminfo: blk[0, nr_blks). Entries beyond do not exist here. */
export type numa_meminfo = numa_memblk[];

/** Linux: MAX_NUMNODES of this configuration. The constant of that name is the largest there is. */
export const max_numnodes = (k: Kernel): number => 1 << k.config.NODES_SHIFT;
export const NR_NODE_MEMBLKS = (k: Kernel): number => max_numnodes(k) * 2;

export class NumaState {
  /** `numa=off`. */
  numa_off = false;
  /** Nodes that the firmware has named, with or without memory. */
  readonly numa_nodes_parsed: nodemask_t = nodes_none();
  numa_meminfo: numa_meminfo = [];
  /** Ranges that have a node but no memory today: what may be plugged in. */
  readonly numa_reserved_meminfo: numa_meminfo = [];

  /** The table is numa_distance_cnt x numa_distance_cnt bytes at numa_distance; 0 is no table. */
  numa_distance_cnt = 0;
  numa_distance: phys_addr_t = 0;
  /** Allocating the table failed; not tried again until it is reset. */
  numa_distance_failed = false;
  /** pr_warn_once() sites of numa_set_distance(). */
  warned_bounds = false;
  warned_distance = false;

  /** By APIC id. */
  readonly __apicid_to_node = new Int16Array(MAX_LOCAL_APIC).fill(NUMA_NO_NODE);
  /** By node: its CPUs that are online. */
  readonly node_to_cpumask_map: cpumask_t[] = [];

  /** What follows `numa=fake=`. */
  emu_cmdline: string | null = null;
  /** By node: the node of the machine that it is made of. */
  readonly emu_nid_to_phys = new Int32Array(MAX_NUMNODES).fill(NUMA_NO_NODE);
}

/** Adds the nodes that have memory in `mi`. */
export function numa_nodemask_from_meminfo(nodemask: nodemask_t, mi: numa_meminfo): void {
  for (const { start, end, nid } of mi) if (start !== end && nid !== NUMA_NO_NODE) node_set(nid, nodemask);
}
