// The state of all memory, as failures and sysrq-m print it: the block that begins with "Mem-Info:" (Linux: lib/show_mem.c
// __show_mem(), mm/page_alloc.c __show_free_areas(), mm/hugetlb.c hugetlb_show_meminfo_node(), mm/swap_state.c
// show_swap_cache_info()).

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { type NodeStatName, node_stat_names } from '../fs/proc/vmstat_text.ts';
import { configured_zones } from '../fs/proc/zones.ts';
import {
  MAX_NR_ZONES,
  MAX_ORDER,
  MIGRATE_TYPES,
  NR_BOUNCE,
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  NR_MLOCK,
  NR_ZONE_ACTIVE_ANON,
  NR_ZONE_ACTIVE_FILE,
  NR_ZONE_INACTIVE_ANON,
  NR_ZONE_INACTIVE_FILE,
  NR_ZONE_UNEVICTABLE,
  NR_ZONE_WRITE_PENDING,
  pglist_data,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
} from '../include/mmzone.ts';
import { PAGE_SHIFT, SZ_1K } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { node_isset, type nodemask_t } from '../lib/nodemask.ts';
import { KERN_WARNING } from '../lib/printk.ts';
import { free_area_empty, nr_free } from './free_list.ts';
import { huge_page_size } from './hugetlb.ts';
import { MAX_RECLAIM_RETRIES } from './internal.ts';
import type { PgData, Zone } from './mmzone.ts';
import { for_each_online_pgdat, for_each_populated_zone } from './mmzone_iter.ts';
import { pcp_count } from './pageset.ts';
import { global_node_page_state, global_zone_page_state, node_page_state_pages, zone_page_state } from './vmstat.ts';

/** Leaves out nodes that the mask, or else the task's cpuset, does not allow. */
export const SHOW_MEM_FILTER_NODES = 1;

/** printk() without a level. */
const printk = (k: Kernel, text: string): void => k.log.printk(KERN_WARNING, text);

const K = (pages: number): number => pages * 2 ** (PAGE_SHIFT - 10);

/** By migratetype. */
const LETTERS = 'UMEHCI';

function show_mem_node_skip(k: Kernel, filter: number, nid: number, nodemask: nodemask_t | null): boolean {
  if ((filter & SHOW_MEM_FILTER_NODES) === 0) return false;
  return !node_isset(nid, nodemask ?? k.current.mems_allowed);
}

function free_pcp(k: Kernel, zone: Zone): number {
  let pages = 0;
  for (const cpu of for_each_online_cpu(k)) pages += pcp_count(k, zone, cpu);
  return pages;
}

const show_node = (k: Kernel, nid: number): string => (k.config.NUMA ? `Node ${nid} ` : '');

function show_totals(k: Kernel, free_pcp: number): void {
  const node = (name: NodeStatName): number => global_node_page_state(k, node_stat_names.indexOf(name));
  const zone = (item: number): number => global_zone_page_state(k, item);
  printk(
    k,
    `active_anon:${node('nr_active_anon')} inactive_anon:${node('nr_inactive_anon')} isolated_anon:${node('nr_isolated_anon')}`,
  );
  printk(
    k,
    ` active_file:${node('nr_active_file')} inactive_file:${node('nr_inactive_file')} isolated_file:${node('nr_isolated_file')}`,
  );
  printk(k, ` unevictable:${node('nr_unevictable')} dirty:${node('nr_dirty')} writeback:${node('nr_writeback')}`);
  printk(k, ` slab_reclaimable:${node('nr_slab_reclaimable')} slab_unreclaimable:${node('nr_slab_unreclaimable')}`);
  printk(k, ` mapped:${node('nr_mapped')} shmem:${node('nr_shmem')} pagetables:${node('nr_page_table_pages')}`);
  printk(k, ` sec_pagetables:${node('nr_sec_page_table_pages')} bounce:${zone(NR_BOUNCE)}`);
  printk(k, ` kernel_misc_reclaimable:${node('nr_kernel_misc_reclaimable')}`);
  printk(k, ` free:${zone(NR_FREE_PAGES)} free_pcp:${free_pcp} free_cma:${zone(NR_FREE_CMA_PAGES)}`);
}

function show_node_counters(k: Kernel, pgdat: PgData): void {
  const count = (name: NodeStatName): number => node_page_state_pages(pgdat, node_stat_names.indexOf(name));
  const kb = (title: string, name: NodeStatName): string => ` ${title}:${K(count(name))}kB`;
  const failures = pgdat.words[pgdat.base + (pglist_data.offset.kswapd_failures >> 2)]!;
  let text = `Node ${pgdat.node_id}`;
  text += kb('active_anon', 'nr_active_anon') + kb('inactive_anon', 'nr_inactive_anon');
  text += kb('active_file', 'nr_active_file') + kb('inactive_file', 'nr_inactive_file');
  text += kb('unevictable', 'nr_unevictable');
  text += kb('isolated(anon)', 'nr_isolated_anon') + kb('isolated(file)', 'nr_isolated_file');
  text += kb('mapped', 'nr_mapped') + kb('dirty', 'nr_dirty') + kb('writeback', 'nr_writeback');
  text += kb('shmem', 'nr_shmem');
  if (k.config.TRANSPARENT_HUGEPAGE !== false) {
    text += kb('shmem_thp', 'nr_shmem_hugepages').replace(':', ': ');
    text += kb('shmem_pmdmapped', 'nr_shmem_pmdmapped').replace(':', ': ');
    text += kb('anon_thp', 'nr_anon_transparent_hugepages').replace(':', ': ');
  }
  text += kb('writeback_tmp', 'nr_writeback_temp');
  // Counted in KiB.
  text += ` kernel_stack:${count('nr_kernel_stack')}kB`;
  text += kb('pagetables', 'nr_page_table_pages') + kb('sec_pagetables', 'nr_sec_page_table_pages');
  printk(k, `${text} all_unreclaimable? ${failures >= MAX_RECLAIM_RETRIES ? 'yes' : 'no'}`);
}

function show_zone(k: Kernel, zone: Zone): void {
  const kb = (title: string, pages: number): string => ` ${title}:${K(pages)}kB`;
  const stat = (title: string, item: number): string => kb(title, zone_page_state(zone, item));
  const mark = (n: number): number => zone._watermark(n) + zone.watermark_boost;
  let text = show_node(k, zone.nid) + zone.name;
  text += stat('free', NR_FREE_PAGES) + kb('boost', zone.watermark_boost);
  text += kb('min', mark(WMARK_MIN)) + kb('low', mark(WMARK_LOW)) + kb('high', mark(WMARK_HIGH));
  text += ` reserved_highatomic:${K(zone.nr_reserved_highatomic)}KB`;
  text += stat('active_anon', NR_ZONE_ACTIVE_ANON) + stat('inactive_anon', NR_ZONE_INACTIVE_ANON);
  text += stat('active_file', NR_ZONE_ACTIVE_FILE) + stat('inactive_file', NR_ZONE_INACTIVE_FILE);
  text += stat('unevictable', NR_ZONE_UNEVICTABLE) + stat('writepending', NR_ZONE_WRITE_PENDING);
  text += kb('present', zone.present_pages) + kb('managed', zone.managed_pages);
  text += stat('mlocked', NR_MLOCK) + stat('bounce', NR_BOUNCE);
  text += kb('free_pcp', free_pcp(k, zone)) + kb('local_pcp', pcp_count(k, zone, k.percpu.cpu));
  printk(k, text + stat('free_cma', NR_FREE_CMA_PAGES));
  const reserves = configured_zones(k.config).map((idx) => zone.lowmem_reserve(idx));
  printk(k, `lowmem_reserve[]: ${reserves.join(' ')}`);
}

/** "3*4kB (UM) ": how many blocks of each order, and whose. */
function show_free_lists(k: Kernel, zone: Zone): void {
  let text = `${show_node(k, zone.nid)}${zone.name}: `;
  let total = 0;
  for (let order = 0; order < MAX_ORDER; order++) {
    const blocks = nr_free(zone, order);
    total += blocks * 2 ** order;
    text += `${blocks}*${K(2 ** order)}kB `;
    if (blocks === 0) continue;
    let types = '';
    for (let t = 0; t < MIGRATE_TYPES; t++) if (!free_area_empty(zone, order, t)) types += LETTERS[t];
    text += `(${types}) `;
  }
  printk(k, `${text}= ${K(total)}kB`);
}

function hugetlb_show_meminfo_node(k: Kernel, nid: number): void {
  if (!k.config.HUGETLB_PAGE) return;
  for (const h of k.hugetlb.hstates) {
    const total = h.nr_huge_pages_node[nid] ?? 0;
    const free = h.free_huge_pages_node[nid] ?? 0;
    // Surplus pages come with those who map them.
    const counts = `hugepages_total=${total} hugepages_free=${free} hugepages_surp=0`;
    printk(k, `Node ${nid} ${counts} hugepages_size=${huge_page_size(h.order) / SZ_1K}kB`);
  }
}

export function __show_free_areas(k: Kernel, filter: number, nodemask: nodemask_t | null, max_zone_idx: number): void {
  const nodes = [...for_each_online_pgdat(k)].filter(
    ({ node_id }) => !show_mem_node_skip(k, filter, node_id, nodemask),
  );
  const zones = nodes.flatMap(({ node_zones }) =>
    node_zones.filter((zone) => zone.populated && zone.idx <= max_zone_idx),
  );
  show_totals(
    k,
    zones.reduce((pages, zone) => pages + free_pcp(k, zone), 0),
  );
  for (const pgdat of nodes) {
    if (pgdat.node_zones.some((zone) => zone.idx <= max_zone_idx && zone.managed_pages > 0)) {
      show_node_counters(k, pgdat);
    }
  }
  for (const zone of zones) show_zone(k, zone);
  for (const zone of zones) show_free_lists(k, zone);
  for (const { node_id } of nodes) hugetlb_show_meminfo_node(k, node_id);
  printk(k, `${global_node_page_state(k, node_stat_names.indexOf('nr_file_pages'))} total pagecache pages`);
  printk(k, `${global_node_page_state(k, node_stat_names.indexOf('nr_swapcached'))} pages in swap cache`);
  printk(k, `Free swap  = ${K(k.swap.nr_swap_pages)}kB`);
  printk(k, `Total swap = ${K(k.swap.total_swap_pages)}kB`);
}

/** @param max_zone_idx zones above it are left out: a request that could not have used them did not fail for their sake */
export function __show_mem(k: Kernel, filter: number, nodemask: nodemask_t | null, max_zone_idx: number): void {
  printk(k, 'Mem-Info:');
  __show_free_areas(k, filter, nodemask, max_zone_idx);
  let total = 0;
  let reserved = 0;
  for (const zone of for_each_populated_zone(k)) {
    total += zone.present_pages;
    reserved += zone.present_pages - zone.managed_pages;
  }
  printk(k, `${total} pages RAM`);
  // x86-64 has no high memory.
  printk(k, '0 pages HighMem/MovableOnly');
  printk(k, `${reserved} pages reserved`);
  if (k.config.CMA) printk(k, `${k.cma.totalcma_pages} pages cma reserved`);
  // No page has been found to have bad memory.
  if (k.config.MEMORY_FAILURE) printk(k, '0 pages hwpoisoned');
}

export const show_mem = (k: Kernel, filter: number, nodemask: nodemask_t | null): void =>
  __show_mem(k, filter, nodemask, MAX_NR_ZONES - 1);
