// Tables beside struct page for what debugging wants to know of it (Linux: mm/page_ext.c, mm/page_owner.c
// init_pages_in_zone()): one a section, from the page allocator itself once it is complete. They hold struct page_owner.
//
// Left out: the pointer to a table in struct mem_section; a second try with vmalloc; early_page_ext.

import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import { __GFP_NOWARN, __GFP_ZERO, GFP_KERNEL } from '../include/gfp_types.ts';
import { MAX_ORDER, PAGES_PER_SECTION, PFN_SECTION_SHIFT } from '../include/mmzone.ts';
import { KEY_PAGE_OWNER } from '../include/static_keys.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { panic } from '../lib/bug.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import { pr_info } from '../lib/printk.ts';
import { alloc_pages_exact_nid } from './gfp_pages.ts';
import type { Zone } from './mmzone.ts';
import { for_each_populated_zone } from './mmzone_iter.ts';
import { buddy_order, PageBuddy, PageReserved, page_to_nid, page_zone_id, pfn_valid } from './page.ts';
import { EXT_WORDS, has_page_owner, set_page_owner } from './page_owner.ts';
import { pageblock_end_pfn } from './pageblock.ts';

const CHUNK = 2 ** RAM_CHUNK_SHIFT;
const SECTION_EXT_SIZE = PAGES_PER_SECTION * EXT_WORDS * 4;

/** Gives every section its table, and every page that is in use already an owner. */
export function page_ext_init(k: Kernel): void {
  if (!k.page_owner.enabled) return;
  let total_usage = 0;
  for (const nid of for_each_node_mask(k.node_states.N_MEMORY)) {
    const pgdat = k.node_data[nid]!;
    const end = pgdat.node_start_pfn + pgdat.node_spanned_pages;
    for (let pfn = pgdat.node_start_pfn; pfn < end; pfn = pfn - (pfn % PAGES_PER_SECTION) + PAGES_PER_SECTION) {
      if (!pfn_valid(k.mm, pfn) || page_to_nid(k, pfn) !== nid) continue;
      if (k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT] !== undefined) continue;
      const pa = alloc_pages_exact_nid(k, nid, SECTION_EXT_SIZE, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
      if (pa === 0) panic(k, 'Out of memory');
      const first = (pa % CHUNK) >>> 2;
      const words = k.hw.ram.words(Math.floor(pa / CHUNK)).subarray(first, first + (SECTION_EXT_SIZE >> 2));
      k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT] = words;
      total_usage += SECTION_EXT_SIZE;
    }
  }
  pr_info(k, `allocated ${total_usage} bytes of page_ext`);
  k.page_alloc.static_keys |= KEY_PAGE_OWNER;
  for (const zone of for_each_populated_zone(k)) init_pages_in_zone(k, zone);
}

/** Where a free block ends for one who walks a zone without its lock; a damaged order is not believed. */
function skip_buddy(k: Kernel, pfn: pfn_t): pfn_t {
  const order = buddy_order(k, pfn);
  return order > 0 && order < MAX_ORDER ? pfn + (1 << order) : pfn + 1;
}

function init_pages_in_zone(k: Kernel, zone: Zone): void {
  let count = 0;
  for (let pfn = zone.zone_start_pfn; pfn < zone.zone_end_pfn; ) {
    if (!pfn_valid(k.mm, pfn)) {
      pfn = pageblock_end_pfn(pfn);
      continue;
    }
    // Not the zone itself: a page that is reserved and no memory may name one that its node has not.
    const is_of_zone = page_zone_id(k, pfn) === zone.id;
    if (is_of_zone && PageBuddy(k, pfn)) {
      pfn = skip_buddy(k, pfn);
      continue;
    }
    if (is_of_zone && !PageReserved(k, pfn) && !has_page_owner(k, pfn)) {
      set_page_owner(k, pfn, 0, 0);
      count++;
    }
    pfn++;
  }
  pr_info(k, `Node ${zone.nid}, zone ${zone.name.padStart(8)}: page owner found early allocated ${count} pages`);
}
