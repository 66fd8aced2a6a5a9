// The page allocator's tracepoints (Linux: include/trace/events/kmem.h): names, fields and texts are Linux's.
//
// A call costs one test of KEY_TRACE where it stands; these functions are reached only while one of the events is on.
//
// Left out: those of kmalloc, kmem_cache and rss_stat, whose callers are not here.

import { MIGRATE_PCPTYPES, PAGE_ALLOC_COSTLY_ORDER, pageblock_order } from '../../include/mmzone.ts';
import type { gfp_t, pfn_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { get_pageblock_migratetype } from '../../mm/pageblock.ts';
import { define_event, type TraceEvent } from '../event.ts';
import { trace_record } from '../record.ts';
import { gfp_flags, page, page_or_null } from './mmflags.ts';

const PAGEBLOCK_ORDER =
  '(((unsigned int)((21 - 12))) < ((unsigned int)(11 - 1)) ? ((unsigned int)((21 - 12))) : ((unsigned int)(11 - 1)))';

const mm_page_alloc_extfrag = define_event('kmem', {
  name: 'mm_page_alloc_extfrag',
  id: 1,
  fields: [
    ['unsigned long', 'pfn'],
    ['int', 'alloc_order'],
    ['int', 'fallback_order'],
    ['int', 'alloc_migratetype'],
    ['int', 'fallback_migratetype'],
    ['int', 'change_ownership'],
  ],
  format:
    'page=%p pfn=0x%lx alloc_order=%d fallback_order=%d pageblock_order=%d alloc_migratetype=%d fallback_migratetype=%d fragmenting=%d change_ownership=%d',
  args: [
    ...page,
    'alloc_order',
    'fallback_order',
    { expr: PAGEBLOCK_ORDER, value: () => pageblock_order },
    'alloc_migratetype',
    'fallback_migratetype',
    {
      expr: `REC->fallback_order < ${PAGEBLOCK_ORDER}`,
      value: ({ fallback_order }) => Number(Number(fallback_order) < pageblock_order),
    },
    'change_ownership',
  ],
});

const mm_page_pcpu_drain = define_event('kmem', {
  name: 'mm_page_pcpu_drain',
  id: 2,
  fields: [
    ['unsigned long', 'pfn'],
    ['unsigned int', 'order'],
    ['int', 'migratetype'],
  ],
  format: 'page=%p pfn=0x%lx order=%d migratetype=%d',
  args: [...page, 'order', 'migratetype'],
});

const mm_page_alloc_zone_locked = define_event('kmem', {
  name: 'mm_page_alloc_zone_locked',
  id: 3,
  fields: [
    ['unsigned long', 'pfn'],
    ['unsigned int', 'order'],
    ['int', 'migratetype'],
    ['int', 'percpu_refill'],
  ],
  format: 'page=%p pfn=0x%lx order=%u migratetype=%d percpu_refill=%d',
  args: [...page_or_null, 'order', 'migratetype', 'percpu_refill'],
});

const mm_page_alloc = define_event('kmem', {
  name: 'mm_page_alloc',
  id: 4,
  fields: [
    ['unsigned long', 'pfn'],
    ['unsigned int', 'order'],
    ['unsigned long', 'gfp_flags'],
    ['int', 'migratetype'],
  ],
  format: 'page=%p pfn=0x%lx order=%d migratetype=%d gfp_flags=%s',
  args: [...page_or_null, 'order', 'migratetype', gfp_flags('gfp_flags')],
});

const mm_page_free_batched = define_event('kmem', {
  name: 'mm_page_free_batched',
  id: 5,
  fields: [['unsigned long', 'pfn']],
  format: 'page=%p pfn=0x%lx order=0',
  args: page,
});

const mm_page_free = define_event('kmem', {
  name: 'mm_page_free',
  id: 6,
  fields: [
    ['unsigned long', 'pfn'],
    ['unsigned int', 'order'],
  ],
  format: 'page=%p pfn=0x%lx order=%d',
  args: [...page, 'order'],
});

/** In the order of their IDs, as all tables of events are. */
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
  trace_record(k, mm_page_alloc, pfn, order, gfp, migratetype);

export const trace_mm_page_free = (k: Kernel, pfn: pfn_t, order: number): void =>
  trace_record(k, mm_page_free, pfn, order);

export const trace_mm_page_free_batched = (k: Kernel, pfn: pfn_t): void => trace_record(k, mm_page_free_batched, pfn);

/** percpu_refill: whether the block may be on its way to a per-cpu list, as far as order and type tell. */
export function trace_mm_page_alloc_zone_locked(k: Kernel, pfn: pfn_t, order: number, migratetype: number): void {
  const pcp_allowed_order = order <= PAGE_ALLOC_COSTLY_ORDER || order === k.page_alloc.thp_order;
  const percpu_refill = Number(pcp_allowed_order && migratetype < MIGRATE_PCPTYPES);
  trace_record(k, mm_page_alloc_zone_locked, pfn, order, migratetype, percpu_refill);
}

export const trace_mm_page_pcpu_drain = (k: Kernel, pfn: pfn_t, order: number, migratetype: number): void =>
  trace_record(k, mm_page_pcpu_drain, pfn, order, migratetype);

export const trace_mm_page_alloc_extfrag = (
  k: Kernel,
  pfn: pfn_t,
  alloc_order: number,
  fallback_order: number,
  alloc_migratetype: number,
  fallback_migratetype: number,
): void =>
  trace_record(
    k,
    mm_page_alloc_extfrag,
    pfn,
    alloc_order,
    fallback_order,
    alloc_migratetype,
    fallback_migratetype,
    Number(alloc_migratetype === get_pageblock_migratetype(k, pfn)),
  );
