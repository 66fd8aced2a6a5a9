// What memory cgroups count, as memory.stat and reports show it (Linux: mm/memcontrol.c memory_stats[],
// memory_stat_format(), __count_memcg_events()): with what is below.
//
// What nothing is charged for (slab, sockets, vmalloc, zswap, shared pages) is 0 because it is.

import { type NodeStatName, node_stat_names } from '../fs/proc/vmstat_text.ts';
import { PAGE_SIZE, SZ_1K } from '../include/types.ts';
import { vm_event_item } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import { type Lruvec, lruvec_page_state } from './lruvec.ts';
import { mem_cgroup_from_mm } from './memcg_folio.ts';
import type { mem_cgroup } from './memcontrol.ts';
import type { mm_struct } from './mm_struct.ts';
import { global_node_page_state } from './vmstat.ts';

/** In the order in which they are shown; null: pages of the kernel's; undefined: nobody asks for such memory here. */
const memory_stats: readonly (readonly [name: string, item: NodeStatName | null | undefined])[] = [
  ['anon', 'nr_anon_pages'],
  ['file', 'nr_file_pages'],
  ['kernel', null],
  ['kernel_stack', 'nr_kernel_stack'],
  ['pagetables', 'nr_page_table_pages'],
  ['sec_pagetables', 'nr_sec_page_table_pages'],
  ['percpu', undefined],
  ['sock', undefined],
  ['vmalloc', undefined],
  ['shmem', 'nr_shmem'],
  ['zswap', undefined],
  ['zswapped', undefined],
  ['file_mapped', 'nr_mapped'],
  ['file_dirty', 'nr_dirty'],
  ['file_writeback', 'nr_writeback'],
  ['swapcached', 'nr_swapcached'],
  ['anon_thp', 'nr_anon_transparent_hugepages'],
  ['file_thp', 'nr_file_hugepages'],
  ['shmem_thp', 'nr_shmem_hugepages'],
  ['inactive_anon', 'nr_inactive_anon'],
  ['active_anon', 'nr_active_anon'],
  ['inactive_file', 'nr_inactive_file'],
  ['active_file', 'nr_active_file'],
  ['unevictable', 'nr_unevictable'],
  ['slab_reclaimable', 'nr_slab_reclaimable'],
  ['slab_unreclaimable', 'nr_slab_unreclaimable'],
  ['slab', undefined],
  ['workingset_refault_anon', 'workingset_refault_anon'],
  ['workingset_refault_file', 'workingset_refault_file'],
  ['workingset_activate_anon', 'workingset_activate_anon'],
  ['workingset_activate_file', 'workingset_activate_file'],
  ['workingset_restore_anon', 'workingset_restore_anon'],
  ['workingset_restore_file', 'workingset_restore_file'],
  ['workingset_nodereclaim', 'workingset_nodereclaim'],
];

/** In the order in which they are shown; what is not counted is 0. */
const memcg_vm_event_stat = [
  'pgscan_kswapd',
  'pgscan_direct',
  'pgsteal_kswapd',
  'pgsteal_direct',
  'pgfault',
  'pgmajfault',
  'pgrefill',
  'pgactivate',
  'pgdeactivate',
  'pglazyfree',
  'pglazyfreed',
  'zswpin',
  'zswpout',
  'thp_fault_alloc',
  'thp_collapse_alloc',
] as const;

/** Of the cgroup and those below it. */
function sum(memcg: mem_cgroup, of: (one: mem_cgroup) => number): number {
  return memcg.children.reduce((total, child) => total + sum(child, of), of(memcg));
}

/** MEMCG_KMEM: memory.kmem.usage_in_bytes, in pages. */
export const memcg_kmem_pages = (memcg: mem_cgroup): number => sum(memcg, (one) => one.kmem_pages);

/** Counted in pages, but for kernel_stack (KiB), slab (bytes) and the events of workingset. */
function unit_of(item: NodeStatName): number {
  if (item === 'nr_kernel_stack') return SZ_1K;
  return item.startsWith('nr_slab_') || item.startsWith('workingset_') ? 1 : PAGE_SIZE;
}

/** memcg_page_state(): the root's are all there are. */
export function memcg_page_state(k: Kernel, memcg: mem_cgroup, item: number): number {
  if (memcg.parent === null) return global_node_page_state(k, item);
  return memcg.lruvecs.reduce((pages, { stats }) => pages + stats[item]!, 0);
}

const memcg_page_state_output = (k: Kernel, memcg: mem_cgroup, item: NodeStatName): number =>
  memcg_page_state(k, memcg, node_stat_names.indexOf(item)) * unit_of(item);

function stat_value(k: Kernel, memcg: mem_cgroup, name: string, item: NodeStatName | null | undefined): number {
  if (item === null) return memcg_kmem_pages(memcg) * PAGE_SIZE;
  if (item !== undefined) return memcg_page_state_output(k, memcg, item);
  if (name !== 'slab') return 0;
  return (
    memcg_page_state_output(k, memcg, 'nr_slab_reclaimable') +
    memcg_page_state_output(k, memcg, 'nr_slab_unreclaimable')
  );
}

/** memory.stat, line by line. */
export function memory_stat_format(k: Kernel, memcg: mem_cgroup): string[] {
  const { ZSWAP, TRANSPARENT_HUGEPAGE } = k.config;
  const is_there = (name: string): boolean =>
    (ZSWAP || !/^zsw/.test(name)) && (TRANSPARENT_HUGEPAGE !== false || !/thp/.test(name));
  const lines = memory_stats.map(([name, item]) => `${name} ${stat_value(k, memcg, name, item)}`);
  const count = (name: string): number => memcg.vm_events[vm_event_item.indexOf(name)] ?? 0;
  lines.push(`pgscan ${count('pgscan_kswapd') + count('pgscan_direct')}`);
  lines.push(`pgsteal ${count('pgsteal_kswapd') + count('pgsteal_direct')}`);
  for (const name of memcg_vm_event_stat) lines.push(`${name} ${count(name)}`);
  return lines.filter(is_there);
}

/** __count_memcg_events(): for the cgroup and those above it. */
function count_memcg_events(memcg: mem_cgroup, item: number, count: number): void {
  for (let at: mem_cgroup | null = memcg; at !== null; at = at.parent) at.vm_events[item]! += count;
}

/** Of pages of these lists. */
export const count_lruvec_events = (k: Kernel, { memcg }: Lruvec, item: number, count: number): void =>
  count_memcg_events(memcg ?? k.memcg.root_mem_cgroup, item, count);

/** Something happened to the memory of a task. */
export const count_memcg_event_mm = (k: Kernel, mm: mm_struct, item: number): void =>
  count_memcg_events(mem_cgroup_from_mm(k, mm), item, 1);

/** memory.numa_stat, line by line: what memory.stat has of nodes. */
export function memory_numa_stat_format(k: Kernel, memcg: mem_cgroup): string[] {
  const nodes = [...for_each_node_mask(k.node_states.N_MEMORY)];
  return memory_stats.flatMap(([name, item]) => {
    if (item === null || item === undefined) return [];
    if (k.config.TRANSPARENT_HUGEPAGE === false && name.includes('thp')) return [];
    const at = node_stat_names.indexOf(item);
    const of = (nid: number): number => Math.max(0, lruvec_page_state(memcg.lruvecs[nid]!, at)) * unit_of(item);
    return [`${name}${nodes.map((nid) => ` N${nid}=${of(nid)}`).join('')}`];
  });
}
