// Watermarks and lowmem reserves (Linux: mm/page_alloc.c calculate_min_free_kbytes(), setup_per_zone_wmarks(),
// setup_per_zone_lowmem_reserve(), calculate_totalreserve_pages(), init_per_zone_wmark_min()).
//
// Left out: highmem. The sysctls are watermark_sysctl.ts.

import { MAX_NR_ZONES, WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO, ZONE_NORMAL } from '../include/mmzone.ts';
import { PAGE_SHIFT } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_warn } from '../lib/printk.ts';
import { khugepaged_min_free_kbytes_update } from './khugepaged.ts';
import type { PgData } from './mmzone.ts';
import { for_each_online_pgdat, for_each_zone } from './mmzone_iter.ts';
import { zone_pcp_update } from './pageset.ts';
import { refresh_zone_stat_thresholds } from './vmstat.ts';
import { nr_free_zone_pages } from './zonelist.ts';

const KB_PER_PAGE_SHIFT = PAGE_SHIFT - 10;

export class WatermarkState {
  min_free_kbytes = 1024;
  /** What vm.min_free_kbytes was set to; -1: it never was. */
  user_min_free_kbytes = -1;
  /** In 1/10000 of a zone. */
  watermark_scale_factor = 10;
  /** In 1/10000 of the high watermark. */
  watermark_boost_factor = 15000;
  /** By zone: DMA, DMA32, Normal, Movable, Device. */
  readonly sysctl_lowmem_reserve_ratio = [256, 256, 32, 0, 0];
  percpu_pagelist_high_fraction = 0;
  /** In percent of a zone. */
  sysctl_min_unmapped_ratio = 1;
  sysctl_min_slab_ratio = 5;
  totalreserve_pages = 0;
}

/** Pages beyond the high watermark in zones that the kernel can use: gfp_zone(GFP_USER). */
export const nr_free_buffer_pages = (k: Kernel): number => nr_free_zone_pages(k, ZONE_NORMAL);

/** The largest integer whose square is at most x, below 2^52. */
function int_sqrt(x: number): number {
  const root = Math.floor(Math.sqrt(x));
  return root * root > x ? root - 1 : root;
}

export function calculate_min_free_kbytes(k: Kernel): void {
  const { watermark } = k;
  const lowmem_kbytes = nr_free_buffer_pages(k) * 2 ** KB_PER_PAGE_SHIFT;
  const new_min_free_kbytes = int_sqrt(lowmem_kbytes * 16);
  if (new_min_free_kbytes > watermark.user_min_free_kbytes) {
    watermark.min_free_kbytes = Math.min(Math.max(new_min_free_kbytes, 128), 262144);
  } else {
    const user = watermark.user_min_free_kbytes;
    const text = `min_free_kbytes is not updated to ${new_min_free_kbytes}`;
    pr_warn(k, `${text} because user defined value ${user} is preferred`);
  }
}

/** What no one may count on: each zone's high watermark and the largest reserve that it keeps from higher zones. */
function calculate_totalreserve_pages(k: Kernel): void {
  let reserve_pages = 0;
  for (const pgdat of for_each_online_pgdat(k)) {
    pgdat.totalreserve_pages = 0;
    for (let i = 0; i < MAX_NR_ZONES; i++) {
      const zone = pgdat.node_zones[i]!;
      let max = 0;
      for (let j = i; j < MAX_NR_ZONES; j++) max = Math.max(max, zone.lowmem_reserve(j));
      max = Math.min(max + zone.high_wmark_pages, zone.managed_pages);
      pgdat.totalreserve_pages += max;
      reserve_pages += max;
    }
  }
  k.watermark.totalreserve_pages = reserve_pages;
}

/** For each zone, by the highest zone that a request may use: the pages that it must leave here. */
export function setup_per_zone_lowmem_reserve(k: Kernel): void {
  const { sysctl_lowmem_reserve_ratio } = k.watermark;
  for (const pgdat of for_each_online_pgdat(k)) {
    for (let i = 0; i < MAX_NR_ZONES - 1; i++) {
      const zone = pgdat.node_zones[i]!;
      const ratio = sysctl_lowmem_reserve_ratio[i]!;
      const clear = ratio === 0 || zone.managed_pages === 0;
      let managed_pages = 0;
      for (let j = i + 1; j < MAX_NR_ZONES; j++) {
        managed_pages += pgdat.node_zones[j]!.managed_pages;
        zone.set_lowmem_reserve(j, clear ? 0 : Math.floor(managed_pages / ratio));
      }
    }
  }
  calculate_totalreserve_pages(k);
}

/** a * b / c, rounded down, exact also where a * b is beyond 2^53: any int may be set as min_free_kbytes. */
function share(a: number, b: number, c: number): number {
  const product = a * b;
  return Number.isSafeInteger(product) ? Math.floor(product / c) : Number((BigInt(a) * BigInt(b)) / BigInt(c));
}

function __setup_per_zone_wmarks(k: Kernel): void {
  const { min_free_kbytes, watermark_scale_factor } = k.watermark;
  const pages_min = min_free_kbytes >> KB_PER_PAGE_SHIFT;
  let lowmem_pages = 0;
  for (const zone of for_each_zone(k)) lowmem_pages += zone.managed_pages;
  if (lowmem_pages === 0) return;

  for (const zone of for_each_zone(k)) {
    const managed_pages = zone.managed_pages;
    const min = share(pages_min, managed_pages, lowmem_pages);
    const gap = Math.max(Math.floor(min / 4), Math.floor((managed_pages * watermark_scale_factor) / 10000));
    zone.watermark_boost = 0;
    zone.set_watermark(WMARK_MIN, min);
    zone.set_watermark(WMARK_LOW, min + gap);
    zone.set_watermark(WMARK_HIGH, min + 2 * gap);
    zone.set_watermark(WMARK_PROMO, min + 3 * gap);
  }
  calculate_totalreserve_pages(k);
}

/** Shares min_free_kbytes out between the zones by their size. */
export function setup_per_zone_wmarks(k: Kernel): void {
  __setup_per_zone_wmarks(k);
  for (const zone of for_each_zone(k)) zone_pcp_update(k, zone, 0);
}

/** So much of each zone, in percent; over all zones of a node. */
const share_of_zones = (pgdat: PgData, percent: number): number =>
  pgdat.node_zones.reduce((sum, { managed_pages }) => sum + Math.floor((managed_pages * percent) / 100), 0);

/** Node reclaim spares this much of a node's page cache. */
export function setup_min_unmapped_ratio(k: Kernel): void {
  const { sysctl_min_unmapped_ratio } = k.watermark;
  for (const pgdat of for_each_online_pgdat(k)) {
    pgdat.min_unmapped_pages = share_of_zones(pgdat, sysctl_min_unmapped_ratio);
  }
}

/** And this much of its slab. */
export function setup_min_slab_ratio(k: Kernel): void {
  const { sysctl_min_slab_ratio } = k.watermark;
  for (const pgdat of for_each_online_pgdat(k)) pgdat.min_slab_pages = share_of_zones(pgdat, sysctl_min_slab_ratio);
}

/** Context: postcore_initcall, all CPUs up. */
export function init_per_zone_wmark_min(k: Kernel): void {
  calculate_min_free_kbytes(k);
  setup_per_zone_wmarks(k);
  refresh_zone_stat_thresholds(k);
  setup_per_zone_lowmem_reserve(k);
  if (k.config.NUMA) {
    setup_min_unmapped_ratio(k);
    setup_min_slab_ratio(k);
  }
  khugepaged_min_free_kbytes_update(k);
}
