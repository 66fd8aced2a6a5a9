// How far nodes are apart (Linux: arch/x86/mm/numa.c): a byte for each ordered pair, in memory that memblock gave.
// Where there is no table, a node is 10 from itself and 20 from every other.

import { ENOMEM, type nid_t, PAGE_SIZE, PFN_PHYS } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { for_each_node_mask } from '../../lib/nodemask.ts';
import { pr_warn, printk_debug } from '../../lib/printk.ts';
import { memblock_phys_free } from '../../mm/memblock.ts';
import { memblock_phys_alloc_range } from '../../mm/memblock_alloc.ts';
import { LOCAL_DISTANCE, numa_nodemask_from_meminfo, REMOTE_DISTANCE } from './numa_state.ts';

/** Frees the table. The next numa_set_distance() makes a new one. */
export function numa_reset_distance(k: Kernel): void {
  const { numa } = k;
  if (numa.numa_distance_cnt !== 0) memblock_phys_free(k, numa.numa_distance, numa.numa_distance_cnt ** 2);
  numa.numa_distance_cnt = 0;
  numa.numa_distance = 0;
  numa.numa_distance_failed = false;
}

/** Makes a table for all nodes known by now, filled with the default distances. */
function numa_alloc_distance(k: Kernel): number {
  const { numa } = k;
  const nodes_parsed = numa.numa_nodes_parsed.slice();
  numa_nodemask_from_meminfo(nodes_parsed, numa.numa_meminfo);
  let cnt = 0;
  for (const nid of for_each_node_mask(nodes_parsed)) cnt = nid;
  cnt++;

  const phys = memblock_phys_alloc_range(k, cnt * cnt, PAGE_SIZE, 0, PFN_PHYS(k.boot.max_pfn_mapped));
  if (phys === 0) {
    pr_warn(k, "Warning: can't allocate distance table!");
    numa.numa_distance_failed = true;
    return -ENOMEM;
  }
  numa.numa_distance = phys;
  numa.numa_distance_cnt = cnt;
  k.hw.ram.fill(phys, cnt * cnt, REMOTE_DISTANCE);
  for (let i = 0; i < cnt; i++) k.hw.ram.set_u8(phys + i * cnt + i, LOCAL_DISTANCE);
  printk_debug(k, `NUMA: Initialized distance table, cnt=${cnt}`);
  return 0;
}

/** Sets one direction. What makes no sense is said once and ignored. */
export function numa_set_distance(k: Kernel, from: nid_t, to: nid_t, distance: number): void {
  const { numa } = k;
  if (numa.numa_distance_failed) return;
  if (numa.numa_distance === 0 && numa_alloc_distance(k) < 0) return;
  const cnt = numa.numa_distance_cnt;
  const what = `from=${from} to=${to} distance=${distance}`;
  if (from >= cnt || to >= cnt || from < 0 || to < 0) {
    if (!numa.warned_bounds) pr_warn(k, `Warning: node ids are out of bound, ${what}`);
    numa.warned_bounds = true;
    return;
  }
  if ((distance & 0xff) !== distance || (from === to && distance !== LOCAL_DISTANCE)) {
    if (!numa.warned_distance) pr_warn(k, `Warning: invalid distance parameter, ${what}`);
    numa.warned_distance = true;
    return;
  }
  k.hw.ram.set_u8(numa.numa_distance + from * cnt + to, distance);
}

export function node_distance(k: Kernel, from: nid_t, to: nid_t): number {
  const { numa_distance_cnt: cnt, numa_distance } = k.numa;
  if (from >= cnt || to >= cnt) return from === to ? LOCAL_DISTANCE : REMOTE_DISTANCE;
  return k.hw.ram.u8(numa_distance + from * cnt + to);
}
