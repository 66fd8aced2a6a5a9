// /proc/meminfo: the system's memory in KiB (Linux: fs/proc/meminfo.c meminfo_proc_show(), mm/hugetlb.c
// hugetlb_report_meminfo(), arch/x86/mm/pat/set_memory.c arch_report_meminfo()).
//
// What no part of this kernel takes memory for (slab, vmalloc, stacks of tasks) is 0 because it is.

import { NR_BOUNCE, NR_FREE_CMA_PAGES, NR_FREE_PAGES, NR_MLOCK } from '../../include/mmzone.ts';
import { PAGE_SHIFT, PAGE_SIZE, SZ_1K } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { huge_page_size, hugetlb_total_pages } from '../../mm/hugetlb.ts';
import { vm_commit_limit } from '../../mm/overcommit.ts';
import { pcpu_nr_pages } from '../../mm/percpu.ts';
import { si_mem_available } from '../../mm/show_mem.ts';
import { si_swapinfo } from '../../mm/swapfile.ts';
import { global_node_page_state, global_zone_page_state } from '../../mm/vmstat.ts';
import { type NodeStatName, node_stat_names } from './vmstat_text.ts';
import { pad } from './zones.ts';

/** 32 TiB less one byte. */
const VMALLOC_TOTAL_KB = 34359738367;

const K = (pages: number): number => pages * 2 ** (PAGE_SHIFT - 10);

/** `name` with its colon in 16 columns at least, then KiB. */
const line = (name: string, kb: number): string => `${`${name}:`.padEnd(16)}${pad(kb, 8)} kB\n`;

export function meminfo_proc_show(k: Kernel): string {
  const node = (name: NodeStatName): number => global_node_page_state(k, node_stat_names.indexOf(name));
  const zone = (item: number): number => global_zone_page_state(k, item);
  const active_anon = node('nr_active_anon');
  const inactive_anon = node('nr_inactive_anon');
  const active_file = node('nr_active_file');
  const inactive_file = node('nr_inactive_file');
  const swapcached = node('nr_swapcached');
  const reclaimable = node('nr_slab_reclaimable');
  const unreclaimable = node('nr_slab_unreclaimable');
  const { config } = k;
  const swap = si_swapinfo(k);

  const rows: (readonly [name: string, kb: number])[] = [
    ['MemTotal', K(k.mm.totalram_pages)],
    ['MemFree', K(zone(NR_FREE_PAGES))],
    ['MemAvailable', K(si_mem_available(k))],
    ['Buffers', 0],
    ['Cached', K(Math.max(0, node('nr_file_pages') - swapcached))],
    ['SwapCached', K(swapcached)],
    ['Active', K(active_anon + active_file)],
    ['Inactive', K(inactive_anon + inactive_file)],
    ['Active(anon)', K(active_anon)],
    ['Inactive(anon)', K(inactive_anon)],
    ['Active(file)', K(active_file)],
    ['Inactive(file)', K(inactive_file)],
    ['Unevictable', K(node('nr_unevictable'))],
    ['Mlocked', K(zone(NR_MLOCK))],
    ['SwapTotal', K(swap.totalswap)],
    ['SwapFree', K(swap.freeswap)],
  ];
  if (config.ZSWAP) rows.push(['Zswap', 0], ['Zswapped', 0]);
  rows.push(
    ['Dirty', K(node('nr_dirty'))],
    ['Writeback', K(node('nr_writeback'))],
    ['AnonPages', K(node('nr_anon_pages'))],
    ['Mapped', K(node('nr_mapped'))],
    ['Shmem', K(node('nr_shmem'))],
    ['KReclaimable', K(reclaimable + node('nr_kernel_misc_reclaimable'))],
    ['Slab', K(reclaimable + unreclaimable)],
    ['SReclaimable', K(reclaimable)],
    ['SUnreclaim', K(unreclaimable)],
    // Counted in KiB.
    ['KernelStack', node('nr_kernel_stack')],
    ['PageTables', K(node('nr_page_table_pages'))],
    ['SecPageTables', K(node('nr_sec_page_table_pages'))],
    ['NFS_Unstable', 0],
    ['Bounce', K(zone(NR_BOUNCE))],
    ['WritebackTmp', K(node('nr_writeback_temp'))],
    ['CommitLimit', K(vm_commit_limit(k))],
    ['Committed_AS', K(k.overcommit.committed)],
    ['VmallocTotal', VMALLOC_TOTAL_KB],
    ['VmallocUsed', 0],
    ['VmallocChunk', 0],
    ['Percpu', K(pcpu_nr_pages(k))],
  );
  let text = rows.map(([name, kb]) => line(name, kb)).join('');
  // A longer name, and so narrower.
  if (config.MEMORY_FAILURE) text += `HardwareCorrupted: ${pad(0, 5)} kB\n`;
  if (config.TRANSPARENT_HUGEPAGE !== false) {
    text += line('AnonHugePages', K(node('nr_anon_transparent_hugepages')));
    text += line('ShmemHugePages', K(node('nr_shmem_hugepages')));
    text += line('ShmemPmdMapped', K(node('nr_shmem_pmdmapped')));
    text += line('FileHugePages', K(node('nr_file_hugepages')));
    text += line('FilePmdMapped', K(node('nr_file_pmdmapped')));
  }
  if (config.CMA) text += line('CmaTotal', K(k.cma.totalcma_pages)) + line('CmaFree', K(zone(NR_FREE_CMA_PAGES)));
  return text + hugetlb_report_meminfo(k) + arch_report_meminfo(k);
}

function hugetlb_report_meminfo(k: Kernel): string {
  const { hstates, default_hstate_idx } = k.hugetlb;
  const h = hstates[default_hstate_idx];
  if (!k.config.HUGETLB_PAGE || h === undefined) return '';
  const counts = [
    ['Total', h.nr_huge_pages],
    ['Free', h.free_huge_pages],
    ['Rsvd', 0],
    ['Surp', 0],
  ] as const;
  let text = '';
  for (const [name, pages] of counts) text += `${`HugePages_${name}:`.padEnd(19)}${pad(pages, 5)}\n`;
  const size_kb = huge_page_size(h.order) / SZ_1K;
  return text + line('Hugepagesize', size_kb) + line('Hugetlb', (hugetlb_total_pages(k) * PAGE_SIZE) / SZ_1K);
}

function arch_report_meminfo(k: Kernel): string {
  const { PG_LEVEL_4K, PG_LEVEL_2M, PG_LEVEL_1G } = k.boot.direct_pages_count;
  const text = line('DirectMap4k', PG_LEVEL_4K * 4) + line('DirectMap2M', PG_LEVEL_2M * 2048);
  return k.boot.direct_gbpages ? text + line('DirectMap1G', PG_LEVEL_1G * 2 ** 20) : text;
}
