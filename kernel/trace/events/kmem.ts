// The page allocator's tracepoints (Linux: include/trace/events/kmem.h): names, fields and texts are Linux's.
//
// A call costs one test of KEY_TRACE where it stands; these functions are reached only while one of the events is on.
//
// Left out: those of kmalloc, kmem_cache and rss_stat, whose callers are not here.

import { MIGRATE_PCPTYPES, PAGE_ALLOC_COSTLY_ORDER, pageblock_order } from '../../include/mmzone.ts';
import { type gfp_t, type pfn_t, VMEMMAP_START } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { format_gfp } from '../../mm/gfp.ts';
import { get_pageblock_migratetype } from '../../mm/pageblock.ts';
import { record, type TraceEvent } from '../event.ts';
import { gfp_flags_expression } from './mmflags.ts';

/** %p. Differs from Linux: the pointer itself, as Linux prints it once options/hash-ptr is 0. */
const page = (pfn: number): string =>
  `page=${pfn < 0 ? '0'.repeat(16) : (VMEMMAP_START + BigInt(pfn) * 64n).toString(16)} pfn=0x${Math.max(0, pfn).toString(16)}`;

const PAGE = '(((struct page *)vmemmap_base) + (REC->pfn))';
const PAGE_OR_NULL = `REC->pfn != -1UL ? ${PAGE} : ((void *)0), REC->pfn != -1UL ? REC->pfn : 0`;
const PAGEBLOCK_ORDER =
  '(((unsigned int)((21 - 12))) < ((unsigned int)(11 - 1)) ? ((unsigned int)((21 - 12))) : ((unsigned int)(11 - 1)))';

const mm_page_alloc_extfrag: TraceEvent = {
  system: 'kmem',
  name: 'mm_page_alloc_extfrag',
  id: 0,
  fields: [
    ['unsigned long', 'pfn'],
    ['int', 'alloc_order'],
    ['int', 'fallback_order'],
    ['int', 'alloc_migratetype'],
    ['int', 'fallback_migratetype'],
    ['int', 'change_ownership'],
  ],
  print_fmt: `"page=%p pfn=0x%lx alloc_order=%d fallback_order=%d pageblock_order=%d alloc_migratetype=%d fallback_migratetype=%d fragmenting=%d change_ownership=%d", ${PAGE}, REC->pfn, REC->alloc_order, REC->fallback_order, ${PAGEBLOCK_ORDER}, REC->alloc_migratetype, REC->fallback_migratetype, REC->fallback_order < ${PAGEBLOCK_ORDER}, REC->change_ownership`,
  print: ([pfn = 0, order = 0, fallback_order = 0, mt = 0, fallback_mt = 0, change = 0]) =>
    `${page(pfn)} alloc_order=${order} fallback_order=${fallback_order} pageblock_order=${pageblock_order} alloc_migratetype=${mt} fallback_migratetype=${fallback_mt} fragmenting=${Number(fallback_order < pageblock_order)} change_ownership=${change}`,
};

const mm_page_pcpu_drain: TraceEvent = {
  system: 'kmem',
  name: 'mm_page_pcpu_drain',
  id: 1,
  fields: [
    ['unsigned long', 'pfn'],
    ['unsigned int', 'order'],
    ['int', 'migratetype'],
  ],
  print_fmt: `"page=%p pfn=0x%lx order=%d migratetype=%d", ${PAGE}, REC->pfn, REC->order, REC->migratetype`,
  print: ([pfn = 0, order = 0, mt = 0]) => `${page(pfn)} order=${order} migratetype=${mt}`,
};

const mm_page_alloc_zone_locked: TraceEvent = {
  system: 'kmem',
  name: 'mm_page_alloc_zone_locked',
  id: 2,
  fields: [
    ['unsigned long', 'pfn'],
    ['unsigned int', 'order'],
    ['int', 'migratetype'],
    ['int', 'percpu_refill'],
  ],
  print_fmt: `"page=%p pfn=0x%lx order=%u migratetype=%d percpu_refill=%d", ${PAGE_OR_NULL}, REC->order, REC->migratetype, REC->percpu_refill`,
  print: ([pfn = 0, order = 0, mt = 0, refill = 0]) =>
    `${page(pfn)} order=${order} migratetype=${mt} percpu_refill=${refill}`,
};

const mm_page_alloc: TraceEvent = {
  system: 'kmem',
  name: 'mm_page_alloc',
  id: 3,
  fields: [
    ['unsigned long', 'pfn'],
    ['unsigned int', 'order'],
    ['unsigned long', 'gfp_flags'],
    ['int', 'migratetype'],
  ],
  print_fmt: `"page=%p pfn=0x%lx order=%d migratetype=%d gfp_flags=%s", ${PAGE_OR_NULL}, REC->order, REC->migratetype, (REC->gfp_flags) ? __print_flags(REC->gfp_flags, "|", ${gfp_flags_expression()} ) : "none"`,
  print: ([pfn = 0, order = 0, gfp = 0, mt = 0]) =>
    `${page(pfn)} order=${order} migratetype=${mt} gfp_flags=${gfp === 0 ? 'none' : format_gfp(gfp)}`,
};

const mm_page_free_batched: TraceEvent = {
  system: 'kmem',
  name: 'mm_page_free_batched',
  id: 4,
  fields: [['unsigned long', 'pfn']],
  print_fmt: `"page=%p pfn=0x%lx order=0", ${PAGE}, REC->pfn`,
  print: ([pfn = 0]) => `${page(pfn)} order=0`,
};

const mm_page_free: TraceEvent = {
  system: 'kmem',
  name: 'mm_page_free',
  id: 5,
  fields: [
    ['unsigned long', 'pfn'],
    ['unsigned int', 'order'],
  ],
  print_fmt: `"page=%p pfn=0x%lx order=%d", ${PAGE}, REC->pfn, REC->order`,
  print: ([pfn = 0, order = 0]) => `${page(pfn)} order=${order}`,
};

/** In the order of their IDs. */
export const kmem_events: readonly TraceEvent[] = [
  mm_page_alloc_extfrag,
  mm_page_pcpu_drain,
  mm_page_alloc_zone_locked,
  mm_page_alloc,
  mm_page_free_batched,
  mm_page_free,
];

/** @param pfn -1: it failed */
export const trace_mm_page_alloc = (k: Kernel, pfn: pfn_t, order: number, gfp: gfp_t, migratetype: number): void =>
  record(k, mm_page_alloc, pfn, order, gfp, migratetype);

export const trace_mm_page_free = (k: Kernel, pfn: pfn_t, order: number): void => record(k, mm_page_free, pfn, order);

export const trace_mm_page_free_batched = (k: Kernel, pfn: pfn_t): void => record(k, mm_page_free_batched, pfn);

/** percpu_refill: whether the block may be on its way to a per-cpu list, as far as order and type tell. */
export function trace_mm_page_alloc_zone_locked(k: Kernel, pfn: pfn_t, order: number, migratetype: number): void {
  const pcp_allowed_order = order <= PAGE_ALLOC_COSTLY_ORDER || order === k.page_alloc.thp_order;
  const percpu_refill = Number(pcp_allowed_order && migratetype < MIGRATE_PCPTYPES);
  record(k, mm_page_alloc_zone_locked, pfn, order, migratetype, percpu_refill);
}

export const trace_mm_page_pcpu_drain = (k: Kernel, pfn: pfn_t, order: number, migratetype: number): void =>
  record(k, mm_page_pcpu_drain, pfn, order, migratetype);

export const trace_mm_page_alloc_extfrag = (
  k: Kernel,
  pfn: pfn_t,
  alloc_order: number,
  fallback_order: number,
  alloc_migratetype: number,
  fallback_migratetype: number,
): void =>
  record(
    k,
    mm_page_alloc_extfrag,
    pfn,
    alloc_order,
    fallback_order,
    alloc_migratetype,
    fallback_migratetype,
    Number(alloc_migratetype === get_pageblock_migratetype(k, pfn)),
  );
