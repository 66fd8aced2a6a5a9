// /proc/zoneinfo: counters, watermarks, reserves and pagesets of every zone (Linux: mm/vmstat.c zoneinfo_show()).
// Zones without memory are shown as well, up to their reserves.

import { for_each_online_cpu } from '../../arch/x86/cpu.ts';
import { NR_FREE_PAGES, pglist_data, WMARK_HIGH, WMARK_LOW, WMARK_MIN } from '../../include/mmzone.ts';
import type { Kernel } from '../../kernel.ts';
import type { PgData, Zone } from '../../mm/mmzone.ts';
import { for_each_online_pgdat } from '../../mm/mmzone_iter.ts';
import { pcp_batch, pcp_count, pcp_high } from '../../mm/pageset.ts';
import {
  fold_vm_zone_numa_events,
  node_page_state_pages,
  zone_page_state,
  zone_stat_threshold,
} from '../../mm/vmstat.ts';
import { is_configured, node_stat_names, numa_stat_names, shown_node_stat, zone_stat_names } from './vmstat_text.ts';
import { configured_zones, pad } from './zones.ts';

/** After this many runs without success kswapd leaves a node alone. */
const MAX_RECLAIM_RETRIES = 16;

/** `%-12s %lu` on a line of its own. */
const stat = (name: string, value: number): string => `\n      ${name.padEnd(12)} ${value}`;

function node_stats(k: Kernel, pgdat: PgData): string {
  let text = '\n  per-node stats';
  for (const [item, name] of node_stat_names.entries()) {
    if (!is_configured(k.config, name)) continue;
    text += stat(name, shown_node_stat(name, node_page_state_pages(pgdat, item)));
  }
  return text;
}

function pagesets(k: Kernel, zone: Zone): string {
  let text = '\n  pagesets';
  for (const cpu of for_each_online_cpu(k)) {
    text += `\n    cpu: ${cpu}`;
    text += `\n              count: ${pcp_count(k, zone, cpu)}`;
    text += `\n              high:  ${pcp_high(k, zone, cpu)}`;
    text += `\n              batch: ${pcp_batch(k, zone, cpu)}`;
    text += `\n  vm stats threshold: ${zone_stat_threshold(k, zone, cpu)}`;
  }
  return text;
}

function zoneinfo_show_print(k: Kernel, pgdat: PgData, zone: Zone): string {
  let text = `Node ${pgdat.node_id}, zone ${pad(zone.name, 8)}`;
  if (zone === pgdat.node_zones.find((z) => z.populated)) text += node_stats(k, pgdat);

  text += `\n  pages free     ${zone_page_state(zone, NR_FREE_PAGES)}`;
  const sizes: readonly (readonly [string, number])[] = [
    ['boost', zone.watermark_boost],
    ['min', zone._watermark(WMARK_MIN) + zone.watermark_boost],
    ['low', zone._watermark(WMARK_LOW) + zone.watermark_boost],
    ['high', zone._watermark(WMARK_HIGH) + zone.watermark_boost],
    ['spanned', zone.spanned_pages],
    ['present', zone.present_pages],
    ['managed', zone.managed_pages],
    ['cma', zone.cma_pages],
  ];
  for (const [name, pages] of sizes) text += `\n        ${name.padEnd(8)} ${pages}`;
  const reserves = configured_zones(k.config).map((idx) => zone.lowmem_reserve(idx));
  text += `\n        protection: (${reserves.join(', ')})`;
  if (!zone.populated) return `${text}\n`;

  for (const [item, name] of zone_stat_names.entries()) {
    if (is_configured(k.config, name)) text += stat(name, zone_page_state(zone, item));
  }
  if (k.config.NUMA) {
    fold_vm_zone_numa_events(k, zone);
    for (const [item, name] of numa_stat_names.entries()) text += stat(name, zone.vm_numa_event(item));
  }
  text += pagesets(k, zone);
  const kswapd_failures = pgdat.words[pgdat.base + (pglist_data.offset.kswapd_failures >> 2)]!;
  text += `\n  node_unreclaimable:  ${kswapd_failures >= MAX_RECLAIM_RETRIES ? 1 : 0}`;
  text += `\n  start_pfn:           ${zone.zone_start_pfn}`;
  return `${text}\n`;
}

export function zoneinfo_show(k: Kernel): string {
  const zones = configured_zones(k.config);
  let text = '';
  for (const pgdat of for_each_online_pgdat(k)) {
    for (const idx of zones) text += zoneinfo_show_print(k, pgdat, pgdat.node_zones[idx]!);
  }
  return text;
}
