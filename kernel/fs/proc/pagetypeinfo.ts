// /proc/pagetypeinfo: free blocks by migratetype and order, and pageblocks by migratetype (Linux: mm/vmstat.c
// pagetypeinfo_show()). The counts are made by walking the free lists, not by trusting nr_free.

import {
  MAX_ORDER,
  MIGRATE_TYPES,
  PAGES_PER_SECTION,
  pageblock_nr_pages,
  pageblock_order,
} from '../../include/mmzone.ts';
import { KEY_PAGE_OWNER } from '../../include/static_keys.ts';
import type { Kernel } from '../../kernel.ts';
import { node_isset } from '../../lib/nodemask.ts';
import { for_each_free_page } from '../../mm/free_list.ts';
import type { PgData, Zone } from '../../mm/mmzone.ts';
import { for_each_online_pgdat } from '../../mm/mmzone_iter.ts';
import { page_zone_id } from '../../mm/page.ts';
import { pfn_to_online_page } from '../../mm/page_isolation.ts';
import { count_mixed_blocks } from '../../mm/page_owner.ts';
import { get_pageblock_migratetype } from '../../mm/pageblock.ts';
import { drain_all_pages } from '../../mm/pcp.ts';
import { configured_migratetypes, pad, populated_zones } from './zones.ts';

/** Lists are counted no further: they can be long, and zone->lock is held. */
const MAX_COUNT = 100000;

const orders = Array.from({ length: MAX_ORDER }, (_, order) => order);

function count_free(k: Kernel, zone: Zone, order: number, mt: number): string {
  let freecount = 0;
  for (const _ of for_each_free_page(k, zone, order, mt)) {
    if (++freecount >= MAX_COUNT) return `>${pad(freecount, 6)} `;
  }
  return `${pad(freecount, 6)} `;
}

function pagetypeinfo_showfree(k: Kernel, pgdat: PgData): string {
  const heading = 'Free pages count per migrate type at order'.padEnd(43);
  let text = `${heading} ${orders.map((order) => `${pad(order, 6)} `).join('')}\n`;
  for (const zone of populated_zones(pgdat)) {
    for (const { mt, name } of configured_migratetypes(k.config)) {
      text += `Node ${pad(zone.nid, 4)}, zone ${pad(zone.name, 8)}, type ${pad(name, 12)} `;
      text += `${orders.map((order) => count_free(k, zone, order, mt)).join('')}\n`;
    }
  }
  return text;
}

/** Of each pageblock the page that lies on the zone's own grid of pageblocks, which starts at the zone's start. */
function count_blocks(k: Kernel, zone: Zone): number[] {
  const count: number[] = new Array(MIGRATE_TYPES).fill(0);
  // A damaged span may have no end: above the last section there are no pages.
  const end = Math.min(zone.zone_end_pfn, k.mm.section_mem_map.length * PAGES_PER_SECTION);
  for (let pfn = zone.zone_start_pfn; pfn < end; pfn += pageblock_nr_pages) {
    if (!pfn_to_online_page(k, pfn) || page_zone_id(k, pfn) !== zone.id) continue;
    const mt = get_pageblock_migratetype(k, pfn);
    if (mt < MIGRATE_TYPES) count[mt]!++;
  }
  return count;
}

function show_counts(k: Kernel, pgdat: PgData, heading: string, count: (k: Kernel, zone: Zone) => number[]): string {
  const types = configured_migratetypes(k.config);
  let text = `\n${heading.padEnd(23)}${types.map(({ name }) => `${pad(name, 12)} `).join('')}\n`;
  for (const zone of populated_zones(pgdat)) {
    const counts = count(k, zone);
    text += `Node ${zone.nid}, zone ${pad(zone.name, 8)} `;
    text += `${types.map(({ mt }) => `${pad(counts[mt]!, 12)} `).join('')}\n`;
  }
  return text;
}

const pagetypeinfo_showblockcount = (k: Kernel, pgdat: PgData): string =>
  show_counts(k, pgdat, 'Number of blocks type ', count_blocks);

/** How well migratetypes are kept apart, as far as it is known who has which page. */
function pagetypeinfo_showmixedcount(k: Kernel, pgdat: PgData): string {
  if ((k.page_alloc.static_keys & KEY_PAGE_OWNER) === 0) return '';
  drain_all_pages(k, null);
  return show_counts(k, pgdat, 'Number of mixed blocks ', count_mixed_blocks);
}

export function pagetypeinfo_show(k: Kernel): string {
  let text = '';
  for (const pgdat of for_each_online_pgdat(k)) {
    if (!node_isset(pgdat.node_id, k.node_states.N_MEMORY)) continue;
    text += `Page block order: ${pageblock_order}\nPages per block:  ${pageblock_nr_pages}\n\n`;
    text += pagetypeinfo_showfree(k, pgdat);
    text += pagetypeinfo_showblockcount(k, pgdat);
    text += pagetypeinfo_showmixedcount(k, pgdat);
  }
  return text;
}
