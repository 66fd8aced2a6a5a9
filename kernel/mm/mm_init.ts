// Nodes and zones (Linux: mm/page_alloc.c free_area_init() and what it calls, as later kernels' mm/mm_init.c): zone
// ranges, then each node's zones with their sizes, then struct pages.
//
// Left out: wait queues and locks of a node, which are not in RAM; highmem.

import type { KernelConfig } from '../config.ts';
import { SMP_CACHE_BYTES } from '../include/memblock.ts';
import { SIZEOF_PAGE } from '../include/mm_types.ts';
import {
  MAX_NR_ZONES,
  pglist_data,
  ZONE_DEVICE,
  ZONE_DMA,
  ZONE_DMA32,
  ZONE_MOVABLE,
  ZONE_NORMAL,
  zone_names,
} from '../include/mmzone.ts';
import { type nid_t, PAGE_SIZE, PFN_DOWN, PFN_PHYS, type pfn_t, type phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask, MAX_NUMNODES, node_isset, node_set } from '../lib/nodemask.ts';
import { hex, mem_range, pr_debug, pr_err, pr_info, pr_warn } from '../lib/printk.ts';
import { zone_init_free_lists } from './free_list.ts';
import { lruvec_init } from './lruvec.ts';
import { memblock_phys_free } from './memblock.ts';
import { memblock_alloc } from './memblock_alloc.ts';
import { memblock_start_of_DRAM } from './memblock_info.ts';
import { for_each_mem_pfn_range } from './memblock_iter.ts';
import { memmap_init } from './memmap_init.ts';
import { PgData, type Zone } from './mmzone.ts';
import { zone_pcp_init } from './pageset.ts';
import { boot_nodestats } from './percpu.ts';
import { subsection_map_init } from './sparse.ts';
import { straddles_chunk } from './sparse_vmemmap.ts';
import { find_zone_movable_pfns_for_nodes } from './zone_movable.ts';
import { calculate_node_totalpages, get_pfn_range_for_nid } from './zone_sizes.ts';

/** Whether this configuration has the zone at all. */
const zone_configured = (config: KernelConfig, zone: number): boolean =>
  zone === ZONE_DMA ? config.ZONE_DMA : zone === ZONE_DEVICE ? config.ZONE_DEVICE : true;

/**
 * Sets up every node: memblock knows the memory and its nodes.
 * @param max_zone_pfn the end of each zone's range; a zone begins where the one before ends
 */
export function free_area_init(k: Kernel, max_zone_pfn: ArrayLike<pfn_t>): void {
  const { mm } = k;
  let start_pfn = PFN_DOWN(memblock_start_of_DRAM(k));
  mm.arch_zone_lowest_possible_pfn.fill(0);
  mm.arch_zone_highest_possible_pfn.fill(0);
  for (let zone = 0; zone < MAX_NR_ZONES; zone++) {
    if (zone === ZONE_MOVABLE) continue;
    const end_pfn = Math.max(max_zone_pfn[zone] ?? 0, start_pfn);
    mm.arch_zone_lowest_possible_pfn[zone] = start_pfn;
    mm.arch_zone_highest_possible_pfn[zone] = end_pfn;
    start_pfn = end_pfn;
  }
  mm.zone_movable_pfn.fill(0);
  find_zone_movable_pfns_for_nodes(k);
  print_zone_ranges(k);

  pr_info(k, 'Early memory node ranges');
  for (const { start_pfn, end_pfn, nid } of for_each_mem_pfn_range(k, MAX_NUMNODES)) {
    pr_info(k, `  node ${String(nid).padStart(3)}: ${mem_range(PFN_PHYS(start_pfn), PFN_PHYS(end_pfn) - 1)}`);
    subsection_map_init(k, start_pfn, end_pfn - start_pfn);
  }

  setup_nr_node_ids(k);
  for (const nid of for_each_node_mask(k.node_possible_map)) init_node(k, nid);
  memmap_init(k);
}

function print_zone_ranges(k: Kernel): void {
  const { mm } = k;
  pr_info(k, 'Zone ranges:');
  for (let zone = 0; zone < MAX_NR_ZONES; zone++) {
    if (zone === ZONE_MOVABLE || !zone_configured(k.config, zone)) continue;
    const low = mm.arch_zone_lowest_possible_pfn[zone]!;
    const high = mm.arch_zone_highest_possible_pfn[zone]!;
    const range = low === high ? 'empty' : mem_range(PFN_PHYS(low), PFN_PHYS(high) - 1);
    pr_info(k, `  ${zone_names[zone]!.padEnd(8)} ${range}`);
  }
  pr_info(k, 'Movable zone start for each node');
  for (let nid = 0; nid < MAX_NUMNODES; nid++) {
    const pfn = mm.zone_movable_pfn[nid]!;
    if (pfn !== 0) pr_info(k, `  Node ${nid}: ${hex(PFN_PHYS(pfn), 16)}`);
  }
}

/** nr_node_ids: one more than the highest possible node. */
export function setup_nr_node_ids(k: Kernel): void {
  let highest = 0;
  for (const nid of for_each_node_mask(k.node_possible_map)) highest = nid;
  k.nr_node_ids = highest + 1;
}

function init_node(k: Kernel, nid: nid_t): void {
  if (!node_isset(nid, k.node_online_map)) {
    // It gets a pg_data_t so that allocations may name it, but no memory and no place in /sys.
    pr_info(k, `Initializing node ${nid} as memoryless`);
    const pa = arch_alloc_nodedata(k);
    if (pa === 0) {
      pr_err(k, `Cannot allocate ${pglist_data.size}B for node ${nid}.`);
      return;
    }
    k.node_data[nid] = new PgData(k.hw.ram, pa, nid);
    free_area_init_node(k, nid);
    return;
  }
  free_area_init_node(k, nid);
  const pgdat = k.node_data[nid]!;
  if (pgdat.node_present_pages !== 0) node_set(nid, k.node_states.N_MEMORY);
  for (const zone of [ZONE_DMA, ZONE_DMA32, ZONE_NORMAL]) {
    if (pgdat.node_zones[zone]!.populated) node_set(nid, k.node_states.N_NORMAL_MEMORY);
  }
}

function arch_alloc_nodedata(k: Kernel): phys_addr_t {
  const { size } = pglist_data;
  const pa = memblock_alloc(k, size, SMP_CACHE_BYTES, 'free_area_init');
  if (pa === 0 || !straddles_chunk(pa, size)) return pa;
  // Differs from Linux: another try, aligned so that it cannot straddle a chunk of RAM: a node is one view.
  memblock_phys_free(k, pa, size);
  return memblock_alloc(k, size, 2 ** Math.ceil(Math.log2(size)), 'free_area_init');
}

function free_area_init_node(k: Kernel, nid: nid_t): void {
  const pgdat = k.node_data[nid]!;
  const range = get_pfn_range_for_nid(k, nid);
  pgdat.node_start_pfn = range.start;
  if (range.start !== range.end) {
    pr_info(k, `Initmem setup node ${nid} ${mem_range(PFN_PHYS(range.start), PFN_PHYS(range.end) - 1)}`);
  } else {
    pr_info(k, `Initmem setup node ${nid} as memoryless`);
  }
  calculate_node_totalpages(k, pgdat, range);
  pgdat.first_deferred_pfn = Number.POSITIVE_INFINITY;
  free_area_init_core(k, pgdat);
}

/** Pages of memory map that a zone costs; holes do not count where they are large. */
function calc_memmap_size(spanned_pages: number, present_pages: number): number {
  const holes = spanned_pages > present_pages + Math.floor(present_pages / 16);
  return Math.ceil(((holes ? present_pages : spanned_pages) * SIZEOF_PAGE) / PAGE_SIZE);
}

function free_area_init_core(k: Kernel, pgdat: PgData): void {
  const { mm } = k;
  const lowest = k.config.ZONE_DMA ? ZONE_DMA : ZONE_DMA32;
  lruvec_init(k, pgdat);
  pgdat.per_cpu_nodestats = boot_nodestats;
  for (const zone of pgdat.node_zones) {
    const size = zone.spanned_pages;
    let freesize = zone.present_pages;
    const memmap_pages = calc_memmap_size(size, freesize);
    if (freesize >= memmap_pages) {
      freesize -= memmap_pages;
      if (memmap_pages !== 0) pr_debug(k, `  ${zone.name} zone: ${memmap_pages} pages used for memmap`);
    } else {
      pr_warn(k, `  ${zone.name} zone: ${memmap_pages} memmap pages exceeds freesize ${freesize}`);
    }
    if (zone.idx === lowest && freesize > mm.dma_reserve) {
      freesize -= mm.dma_reserve;
      pr_debug(k, `  ${zone.name} zone: ${mm.dma_reserve} pages reserved`);
    }
    mm.nr_kernel_pages += freesize;
    mm.nr_all_pages += freesize;
    zone_init_internals(k, zone, pgdat, freesize);
    if (size !== 0) init_currently_empty_zone(zone, pgdat);
  }
}

/** @param remaining_pages what it may come to manage: an estimate, until memory is freed to it */
function zone_init_internals(k: Kernel, zone: Zone, pgdat: PgData, remaining_pages: number): void {
  zone.managed_pages = remaining_pages;
  zone.node = pgdat.node_id;
  zone.set_zone_pgdat(pgdat.pa);
  zone_pcp_init(k, zone);
}

function init_currently_empty_zone(zone: Zone, pgdat: PgData): void {
  pgdat.nr_zones = Math.max(pgdat.nr_zones, zone.idx + 1);
  zone_init_free_lists(zone);
  zone.initialized = true;
}
