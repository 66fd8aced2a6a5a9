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
import { gfp_flags_expression } from './mmflags.ts';

type FieldType = 'unsigned long' | 'unsigned int' | 'int';

export interface TraceEvent {
  readonly name: string;
  readonly fields: readonly (readonly [type: FieldType, name: string])[];
  /** TP_printk() after the preprocessor, as a reader of binary traces gets it. */
  readonly print_fmt: string;
  /** TP_printk()'s text. */
  readonly print: (fields: readonly number[]) => string;
}

/** %p. Differs from Linux: the pointer itself, as Linux prints it once options/hash-ptr is 0. */
const page = (pfn: number): string =>
  `page=${pfn < 0 ? '0'.repeat(16) : (VMEMMAP_START + BigInt(pfn) * 64n).toString(16)} pfn=0x${Math.max(0, pfn).toString(16)}`;

const PAGE = '(((struct page *)vmemmap_base) + (REC->pfn))';
const PAGE_OR_NULL = `REC->pfn != -1UL ? ${PAGE} : ((void *)0), REC->pfn != -1UL ? REC->pfn : 0`;
const PAGEBLOCK_ORDER =
  '(((unsigned int)((21 - 12))) < ((unsigned int)(11 - 1)) ? ((unsigned int)((21 - 12))) : ((unsigned int)(11 - 1)))';

const MM_PAGE_ALLOC_EXTFRAG = 0;
const MM_PAGE_PCPU_DRAIN = 1;
const MM_PAGE_ALLOC_ZONE_LOCKED = 2;
const MM_PAGE_ALLOC = 3;
const MM_PAGE_FREE_BATCHED = 4;
const MM_PAGE_FREE = 5;

/** In the order of their IDs. */
export const kmem_events: readonly TraceEvent[] = [
  {
    name: 'mm_page_alloc_extfrag',
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
  },
  {
    name: 'mm_page_pcpu_drain',
    fields: [
      ['unsigned long', 'pfn'],
      ['unsigned int', 'order'],
      ['int', 'migratetype'],
    ],
    print_fmt: `"page=%p pfn=0x%lx order=%d migratetype=%d", ${PAGE}, REC->pfn, REC->order, REC->migratetype`,
    print: ([pfn = 0, order = 0, mt = 0]) => `${page(pfn)} order=${order} migratetype=${mt}`,
  },
  {
    name: 'mm_page_alloc_zone_locked',
    fields: [
      ['unsigned long', 'pfn'],
      ['unsigned int', 'order'],
      ['int', 'migratetype'],
      ['int', 'percpu_refill'],
    ],
    print_fmt: `"page=%p pfn=0x%lx order=%u migratetype=%d percpu_refill=%d", ${PAGE_OR_NULL}, REC->order, REC->migratetype, REC->percpu_refill`,
    print: ([pfn = 0, order = 0, mt = 0, refill = 0]) =>
      `${page(pfn)} order=${order} migratetype=${mt} percpu_refill=${refill}`,
  },
  {
    name: 'mm_page_alloc',
    fields: [
      ['unsigned long', 'pfn'],
      ['unsigned int', 'order'],
      ['unsigned long', 'gfp_flags'],
      ['int', 'migratetype'],
    ],
    print_fmt: `"page=%p pfn=0x%lx order=%d migratetype=%d gfp_flags=%s", ${PAGE_OR_NULL}, REC->order, REC->migratetype, (REC->gfp_flags) ? __print_flags(REC->gfp_flags, "|", ${gfp_flags_expression()} ) : "none"`,
    print: ([pfn = 0, order = 0, gfp = 0, mt = 0]) =>
      `${page(pfn)} order=${order} migratetype=${mt} gfp_flags=${gfp === 0 ? 'none' : format_gfp(gfp)}`,
  },
  {
    name: 'mm_page_free_batched',
    fields: [['unsigned long', 'pfn']],
    print_fmt: `"page=%p pfn=0x%lx order=0", ${PAGE}, REC->pfn`,
    print: ([pfn = 0]) => `${page(pfn)} order=0`,
  },
  {
    name: 'mm_page_free',
    fields: [
      ['unsigned long', 'pfn'],
      ['unsigned int', 'order'],
    ],
    print_fmt: `"page=%p pfn=0x%lx order=%d", ${PAGE}, REC->pfn, REC->order`,
    print: ([pfn = 0, order = 0]) => `${page(pfn)} order=${order}`,
  },
];

/** Appends a record if the event is on. Fields that it has not are 0. */
function record(k: Kernel, event: number, a: number, b = 0, c = 0, d = 0, e = 0, f = 0): void {
  const { trace } = k;
  if (((trace.enabled >>> event) & 1) === 0 || trace.buffer === null) return;
  const { pid, comm } = k.current;
  trace.saved_cmdlines.set(pid, comm);
  const at = trace.buffer.reserve(event, k.percpu.cpu, pid, k.log.now());
  trace.buffer.set(at, a);
  trace.buffer.set(at + 1, b);
  trace.buffer.set(at + 2, c);
  trace.buffer.set(at + 3, d);
  trace.buffer.set(at + 4, e);
  trace.buffer.set(at + 5, f);
}

/** @param pfn -1: it failed */
export const trace_mm_page_alloc = (k: Kernel, pfn: pfn_t, order: number, gfp: gfp_t, migratetype: number): void =>
  record(k, MM_PAGE_ALLOC, pfn, order, gfp, migratetype);

export const trace_mm_page_free = (k: Kernel, pfn: pfn_t, order: number): void => record(k, MM_PAGE_FREE, pfn, order);

export const trace_mm_page_free_batched = (k: Kernel, pfn: pfn_t): void => record(k, MM_PAGE_FREE_BATCHED, pfn);

/** percpu_refill: whether the block may be on its way to a per-cpu list, as far as order and type tell. */
export function trace_mm_page_alloc_zone_locked(k: Kernel, pfn: pfn_t, order: number, migratetype: number): void {
  const pcp_allowed_order = order <= PAGE_ALLOC_COSTLY_ORDER || order === k.page_alloc.thp_order;
  const percpu_refill = Number(pcp_allowed_order && migratetype < MIGRATE_PCPTYPES);
  record(k, MM_PAGE_ALLOC_ZONE_LOCKED, pfn, order, migratetype, percpu_refill);
}

export const trace_mm_page_pcpu_drain = (k: Kernel, pfn: pfn_t, order: number, migratetype: number): void =>
  record(k, MM_PAGE_PCPU_DRAIN, pfn, order, migratetype);

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
    MM_PAGE_ALLOC_EXTFRAG,
    pfn,
    alloc_order,
    fallback_order,
    alloc_migratetype,
    fallback_migratetype,
    Number(alloc_migratetype === get_pageblock_migratetype(k, pfn)),
  );
