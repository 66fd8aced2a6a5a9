// What memory cgroups count, as memory.stat and reports show it (Linux: mm/memcontrol.c memory_stats[],
// memory_stat_format(), __mod_memcg_lruvec_state(), count_memcg_events()): with what is below.
//
// What nothing is charged for (slab, sockets, vmalloc, zswap, file and shared pages) is 0 because it is. Left out: events
// of reclaim, which does not tell cgroups apart.

import { type NodeStatName, node_stat_names } from '../fs/proc/vmstat_text.ts';
import { PAGE_SIZE, SZ_1K } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { mem_cgroup } from './memcontrol.ts';

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

/** Counters of one cgroup alone, by node_stat_item. */
export const memcg_vmstats = (): Float64Array => new Float64Array(node_stat_names.length);

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

function memcg_page_state_output(memcg: mem_cgroup, item: NodeStatName): number {
  const at = node_stat_names.indexOf(item);
  return sum(memcg, ({ vmstats }) => vmstats[at]!) * unit_of(item);
}

function stat_value(memcg: mem_cgroup, name: string, item: NodeStatName | null | undefined): number {
  if (item === null) return memcg_kmem_pages(memcg) * PAGE_SIZE;
  if (item !== undefined) return memcg_page_state_output(memcg, item);
  if (name !== 'slab') return 0;
  return (
    memcg_page_state_output(memcg, 'nr_slab_reclaimable') + memcg_page_state_output(memcg, 'nr_slab_unreclaimable')
  );
}

/** memory.stat, line by line. */
export function memory_stat_format(k: Kernel, memcg: mem_cgroup): string[] {
  const { ZSWAP, TRANSPARENT_HUGEPAGE } = k.config;
  const is_there = (name: string): boolean =>
    (ZSWAP || !/^zsw/.test(name)) && (TRANSPARENT_HUGEPAGE !== false || !/thp/.test(name));
  const lines = memory_stats.map(([name, item]) => `${name} ${stat_value(memcg, name, item)}`);
  const count = (name: string): number => sum(memcg, ({ vm_events }) => vm_events.get(name) ?? 0);
  lines.push(`pgscan ${count('pgscan_kswapd') + count('pgscan_direct')}`);
  lines.push(`pgsteal ${count('pgsteal_kswapd') + count('pgsteal_direct')}`);
  for (const name of memcg_vm_event_stat) lines.push(`${name} ${count(name)}`);
  return lines.filter(is_there);
}

/** count_memcg_event_mm(): something happened to the running task's memory. */
export function count_memcg_event(k: Kernel, name: (typeof memcg_vm_event_stat)[number]): void {
  const { memcg } = k.current;
  if (memcg !== null) memcg.vm_events.set(name, (memcg.vm_events.get(name) ?? 0) + 1);
}
