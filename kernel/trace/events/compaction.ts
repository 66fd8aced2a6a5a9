// Tracepoints of compaction (Linux: include/trace/events/compaction.h): names, fields and texts are Linux's.
//
// Context: called while k.trace.on.

import { zone as layout } from '../../include/mmzone.ts';
import type { gfp_t, nid_t, pfn_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import type { Zone } from '../../mm/mmzone.ts';
import { define_event, type TraceEvent } from '../event.ts';
import { trace_record } from '../record.ts';
import { COMPACTION_STATUS, gfp_flags, symbolic, ZONE_TYPE } from './mmflags.ts';

const COMPACT_CONSIDERED = layout.offset.compact_considered >> 2;
const COMPACT_DEFER_SHIFT = layout.offset.compact_defer_shift >> 2;
const COMPACT_ORDER_FAILED = layout.offset.compact_order_failed >> 2;

const zone_type = symbolic('idx', ZONE_TYPE);
const mode = {
  expr: 'REC->sync ? "sync" : "async"',
  value: ({ sync }: Readonly<Record<string, unknown>>): string => (sync === 0 ? 'async' : 'sync'),
};

const wake = (name: string, id: number): TraceEvent =>
  define_event('compaction', {
    name,
    id,
    fields: [
      ['int', 'nid'],
      ['int', 'order'],
      ['enum zone_type', 'highest_zoneidx'],
    ],
    format: 'nid=%d order=%d classzone_idx=%-8s',
    args: ['nid', 'order', symbolic('highest_zoneidx', ZONE_TYPE)],
  });

const defer = (name: string, id: number): TraceEvent =>
  define_event('compaction', {
    name,
    id,
    fields: [
      ['int', 'nid'],
      ['enum zone_type', 'idx'],
      ['int', 'order'],
      ['unsigned int', 'considered'],
      ['unsigned int', 'defer_shift'],
      ['int', 'order_failed'],
    ],
    format: 'node=%d zone=%-8s order=%d order_failed=%d consider=%u limit=%lu',
    args: [
      'nid',
      zone_type,
      'order',
      'order_failed',
      'considered',
      { expr: '1UL << REC->defer_shift', value: ({ defer_shift }) => 2 ** Number(defer_shift) },
    ],
  });

const suitable = (name: string, id: number): TraceEvent =>
  define_event('compaction', {
    name,
    id,
    fields: [
      ['int', 'nid'],
      ['enum zone_type', 'idx'],
      ['int', 'order'],
      ['int', 'ret'],
    ],
    format: 'node=%d zone=%-8s order=%d ret=%s',
    args: ['nid', zone_type, 'order', symbolic('ret', COMPACTION_STATUS)],
  });

const isolate = (name: string, id: number): TraceEvent =>
  define_event('compaction', {
    name,
    id,
    fields: [
      ['unsigned long', 'start_pfn'],
      ['unsigned long', 'end_pfn'],
      ['unsigned long', 'nr_scanned'],
      ['unsigned long', 'nr_taken'],
    ],
    format: 'range=(0x%lx ~ 0x%lx) nr_scanned=%lu nr_taken=%lu',
    args: ['start_pfn', 'end_pfn', 'nr_scanned', 'nr_taken'],
  });

const scanners = [
  ['unsigned long', 'zone_start'],
  ['unsigned long', 'migrate_pfn'],
  ['unsigned long', 'free_pfn'],
  ['unsigned long', 'zone_end'],
  ['bool', 'sync'],
] as const;
const scanners_format = 'zone_start=0x%lx migrate_pfn=0x%lx free_pfn=0x%lx zone_end=0x%lx, mode=%s';
const scanners_args = ['zone_start', 'migrate_pfn', 'free_pfn', 'zone_end', mode];

const mm_compaction_kcompactd_wake = wake('mm_compaction_kcompactd_wake', 0);
const mm_compaction_wakeup_kcompactd = wake('mm_compaction_wakeup_kcompactd', 1);
const mm_compaction_kcompactd_sleep = define_event('compaction', {
  name: 'mm_compaction_kcompactd_sleep',
  id: 2,
  fields: [['int', 'nid']],
  format: 'nid=%d',
  args: ['nid'],
});
const mm_compaction_defer_reset = defer('mm_compaction_defer_reset', 3);
const mm_compaction_defer_compaction = defer('mm_compaction_defer_compaction', 4);
const mm_compaction_deferred = defer('mm_compaction_deferred', 5);
const mm_compaction_suitable = suitable('mm_compaction_suitable', 6);
const mm_compaction_finished = suitable('mm_compaction_finished', 7);
const mm_compaction_try_to_compact_pages = define_event('compaction', {
  name: 'mm_compaction_try_to_compact_pages',
  id: 8,
  fields: [
    ['int', 'order'],
    ['unsigned long', 'gfp_mask'],
    ['int', 'prio'],
  ],
  format: 'order=%d gfp_mask=%s priority=%d',
  args: ['order', gfp_flags('gfp_mask'), 'prio'],
});
const mm_compaction_end = define_event('compaction', {
  name: 'mm_compaction_end',
  id: 9,
  fields: [...scanners, ['int', 'status']],
  format: `${scanners_format} status=%s`,
  args: [...scanners_args, symbolic('status', COMPACTION_STATUS)],
});
const mm_compaction_begin = define_event('compaction', {
  name: 'mm_compaction_begin',
  id: 10,
  fields: scanners,
  format: scanners_format,
  args: scanners_args,
});
const mm_compaction_migratepages = define_event('compaction', {
  name: 'mm_compaction_migratepages',
  id: 11,
  fields: [
    ['unsigned long', 'nr_migrated'],
    ['unsigned long', 'nr_failed'],
  ],
  format: 'nr_migrated=%lu nr_failed=%lu',
  args: ['nr_migrated', 'nr_failed'],
});
const mm_compaction_isolate_freepages = isolate('mm_compaction_isolate_freepages', 12);
const mm_compaction_isolate_migratepages = isolate('mm_compaction_isolate_migratepages', 13);

export const compaction_events: readonly TraceEvent[] = [
  mm_compaction_kcompactd_wake,
  mm_compaction_wakeup_kcompactd,
  mm_compaction_kcompactd_sleep,
  mm_compaction_defer_reset,
  mm_compaction_defer_compaction,
  mm_compaction_deferred,
  mm_compaction_suitable,
  mm_compaction_finished,
  mm_compaction_try_to_compact_pages,
  mm_compaction_end,
  mm_compaction_begin,
  mm_compaction_migratepages,
  mm_compaction_isolate_freepages,
  mm_compaction_isolate_migratepages,
];

export const trace_mm_compaction_isolate_migratepages = (
  k: Kernel,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
  nr_scanned: number,
  nr_taken: number,
): void => trace_record(k, mm_compaction_isolate_migratepages, start_pfn, end_pfn, nr_scanned, nr_taken);

export const trace_mm_compaction_isolate_freepages = (
  k: Kernel,
  start_pfn: pfn_t,
  end_pfn: pfn_t,
  nr_scanned: number,
  nr_taken: number,
): void => trace_record(k, mm_compaction_isolate_freepages, start_pfn, end_pfn, nr_scanned, nr_taken);

/** struct compact_control, as far as it is shown. */
interface CompactControl {
  readonly nr_migratepages: number;
  readonly migrate_pfn: pfn_t;
  readonly free_pfn: pfn_t;
}

export const trace_mm_compaction_migratepages = (
  k: Kernel,
  { nr_migratepages }: Pick<CompactControl, 'nr_migratepages'>,
  nr_succeeded: number,
): void => trace_record(k, mm_compaction_migratepages, nr_succeeded, nr_migratepages - nr_succeeded);

export const trace_mm_compaction_begin = (
  k: Kernel,
  { migrate_pfn, free_pfn }: CompactControl,
  zone_start: pfn_t,
  zone_end: pfn_t,
  sync: boolean,
): void => trace_record(k, mm_compaction_begin, zone_start, migrate_pfn, free_pfn, zone_end, Number(sync));

/** @param status COMPACT_* */
export const trace_mm_compaction_end = (
  k: Kernel,
  { migrate_pfn, free_pfn }: CompactControl,
  zone_start: pfn_t,
  zone_end: pfn_t,
  sync: boolean,
  status: number,
): void => trace_record(k, mm_compaction_end, zone_start, migrate_pfn, free_pfn, zone_end, Number(sync), status);

export const trace_mm_compaction_try_to_compact_pages = (k: Kernel, order: number, gfp: gfp_t, prio: number): void =>
  trace_record(k, mm_compaction_try_to_compact_pages, order, gfp, prio);

/** @param ret COMPACT_* */
export const trace_mm_compaction_finished = (k: Kernel, zone: Zone, order: number, ret: number): void =>
  trace_record(k, mm_compaction_finished, zone.nid, zone.idx, order, ret);

/** @param ret COMPACT_* */
export const trace_mm_compaction_suitable = (k: Kernel, zone: Zone, order: number, ret: number): void =>
  trace_record(k, mm_compaction_suitable, zone.nid, zone.idx, order, ret);

const record_defer = (k: Kernel, event: TraceEvent, { nid, idx, view }: Zone, order: number): void =>
  trace_record(
    k,
    event,
    nid,
    idx,
    order,
    view[COMPACT_CONSIDERED]!,
    view[COMPACT_DEFER_SHIFT]!,
    view[COMPACT_ORDER_FAILED]!,
  );

export const trace_mm_compaction_deferred = (k: Kernel, zone: Zone, order: number): void =>
  record_defer(k, mm_compaction_deferred, zone, order);

export const trace_mm_compaction_defer_compaction = (k: Kernel, zone: Zone, order: number): void =>
  record_defer(k, mm_compaction_defer_compaction, zone, order);

export const trace_mm_compaction_defer_reset = (k: Kernel, zone: Zone, order: number): void =>
  record_defer(k, mm_compaction_defer_reset, zone, order);

export const trace_mm_compaction_kcompactd_sleep = (k: Kernel, nid: nid_t): void =>
  trace_record(k, mm_compaction_kcompactd_sleep, nid);

export const trace_mm_compaction_wakeup_kcompactd = (
  k: Kernel,
  nid: nid_t,
  order: number,
  highest_zoneidx: number,
): void => trace_record(k, mm_compaction_wakeup_kcompactd, nid, order, highest_zoneidx);

export const trace_mm_compaction_kcompactd_wake = (
  k: Kernel,
  nid: nid_t,
  order: number,
  highest_zoneidx: number,
): void => trace_record(k, mm_compaction_kcompactd_wake, nid, order, highest_zoneidx);
