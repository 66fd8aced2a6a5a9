// Tracepoints of reclaim (Linux: include/trace/events/vmscan.h): names, fields and texts are Linux's.
//
// Context: called while k.trace.on.

import { LRU_INACTIVE_FILE } from '../../include/mmzone.ts';
import { PG_swapbacked } from '../../include/page_flags.ts';
import type { gfp_t, nid_t, pfn_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { folio_test } from '../../mm/folio.ts';
import type { shrink_control, shrinker } from '../../mm/shrinker.ts';
import { define_event, type TraceEvent } from '../event.ts';
import { trace_record } from '../record.ts';
import { flags, gfp_flags, LRU_NAMES, page, symbolic } from './mmflags.ts';

const RECLAIM_WB_ANON = 0x0001;
const RECLAIM_WB_FILE = 0x0002;
const RECLAIM_WB_MIXED = 0x0010;
const RECLAIM_WB_SYNC = 0x0004;
const RECLAIM_WB_ASYNC = 0x0008;

const reclaim_flags = flags(
  'reclaim_flags',
  [
    [RECLAIM_WB_ANON, '0x0001u', 'RECLAIM_WB_ANON'],
    [RECLAIM_WB_FILE, '0x0002u', 'RECLAIM_WB_FILE'],
    [RECLAIM_WB_MIXED, '0x0010u', 'RECLAIM_WB_MIXED'],
    [RECLAIM_WB_SYNC, '0x0004u', 'RECLAIM_WB_SYNC'],
    [RECLAIM_WB_ASYNC, '0x0008u', 'RECLAIM_WB_ASYNC'],
  ],
  'RECLAIM_WB_NONE',
);

/** In the order of VMSCAN_THROTTLE_*. */
const throttle_reasons = ['WRITEBACK', 'ISOLATED', 'NOPROGRESS', 'CONGESTED'].map((name) => `VMSCAN_THROTTLE_${name}`);
const throttle_flags = flags(
  'reason',
  throttle_reasons.map((name, n) => [1 << n, `(1 << ${name})`, name] as const),
  'VMSCAN_THROTTLE_NONE',
);

const mm_vmscan_throttled = define_event('vmscan', {
  name: 'mm_vmscan_throttled',
  id: 0,
  fields: [
    ['int', 'nid'],
    ['int', 'usec_timeout'],
    ['int', 'usec_delayed'],
    ['int', 'reason'],
  ],
  format: 'nid=%d usec_timeout=%d usect_delayed=%d reason=%s',
  args: ['nid', 'usec_timeout', 'usec_delayed', throttle_flags],
});

const reclaim_end = (name: string, id: number): TraceEvent =>
  define_event('vmscan', {
    name,
    id,
    fields: [['unsigned long', 'nr_reclaimed']],
    format: 'nr_reclaimed=%lu',
    args: ['nr_reclaimed'],
  });

const reclaim_begin = (name: string, id: number): TraceEvent =>
  define_event('vmscan', {
    name,
    id,
    fields: [
      ['int', 'order'],
      ['unsigned long', 'gfp_flags'],
    ],
    format: 'order=%d gfp_flags=%s',
    args: ['order', gfp_flags('gfp_flags')],
  });

const mm_vmscan_node_reclaim_end = reclaim_end('mm_vmscan_node_reclaim_end', 1);

const mm_vmscan_node_reclaim_begin = define_event('vmscan', {
  name: 'mm_vmscan_node_reclaim_begin',
  id: 2,
  fields: [
    ['int', 'nid'],
    ['int', 'order'],
    ['unsigned long', 'gfp_flags'],
  ],
  format: 'nid=%d order=%d gfp_flags=%s',
  args: ['nid', 'order', gfp_flags('gfp_flags')],
});

const mm_vmscan_lru_shrink_active = define_event('vmscan', {
  name: 'mm_vmscan_lru_shrink_active',
  id: 3,
  fields: [
    ['int', 'nid'],
    ['unsigned long', 'nr_taken'],
    ['unsigned long', 'nr_active'],
    ['unsigned long', 'nr_deactivated'],
    ['unsigned long', 'nr_referenced'],
    ['int', 'priority'],
    ['int', 'reclaim_flags'],
  ],
  format: 'nid=%d nr_taken=%ld nr_active=%ld nr_deactivated=%ld nr_referenced=%ld priority=%d flags=%s',
  args: ['nid', 'nr_taken', 'nr_active', 'nr_deactivated', 'nr_referenced', 'priority', reclaim_flags],
});

const mm_vmscan_lru_shrink_inactive = define_event('vmscan', {
  name: 'mm_vmscan_lru_shrink_inactive',
  id: 4,
  fields: [
    ['int', 'nid'],
    ['unsigned long', 'nr_scanned'],
    ['unsigned long', 'nr_reclaimed'],
    ['unsigned long', 'nr_dirty'],
    ['unsigned long', 'nr_writeback'],
    ['unsigned long', 'nr_congested'],
    ['unsigned long', 'nr_immediate'],
    ['unsigned int', 'nr_activate0'],
    ['unsigned int', 'nr_activate1'],
    ['unsigned long', 'nr_ref_keep'],
    ['unsigned long', 'nr_unmap_fail'],
    ['int', 'priority'],
    ['int', 'reclaim_flags'],
  ],
  format:
    'nid=%d nr_scanned=%ld nr_reclaimed=%ld nr_dirty=%ld nr_writeback=%ld nr_congested=%ld nr_immediate=%ld nr_activate_anon=%d nr_activate_file=%d nr_ref_keep=%ld nr_unmap_fail=%ld priority=%d flags=%s',
  args: [
    'nid',
    'nr_scanned',
    'nr_reclaimed',
    'nr_dirty',
    'nr_writeback',
    'nr_congested',
    'nr_immediate',
    'nr_activate0',
    'nr_activate1',
    'nr_ref_keep',
    'nr_unmap_fail',
    'priority',
    reclaim_flags,
  ],
});

const mm_vmscan_write_folio = define_event('vmscan', {
  name: 'mm_vmscan_write_folio',
  id: 5,
  fields: [
    ['unsigned long', 'pfn'],
    ['int', 'reclaim_flags'],
  ],
  format: 'page=%p pfn=0x%lx flags=%s',
  args: [...page, reclaim_flags],
});

const mm_vmscan_lru_isolate = define_event('vmscan', {
  name: 'mm_vmscan_lru_isolate',
  id: 6,
  fields: [
    ['int', 'highest_zoneidx'],
    ['int', 'order'],
    ['unsigned long', 'nr_requested'],
    ['unsigned long', 'nr_scanned'],
    ['unsigned long', 'nr_skipped'],
    ['unsigned long', 'nr_taken'],
    ['unsigned int', 'isolate_mode'],
    ['int', 'lru'],
  ],
  format: 'isolate_mode=%d classzone=%d order=%d nr_requested=%lu nr_scanned=%lu nr_skipped=%lu nr_taken=%lu lru=%s',
  args: [
    'isolate_mode',
    'highest_zoneidx',
    'order',
    'nr_requested',
    'nr_scanned',
    'nr_skipped',
    'nr_taken',
    symbolic('lru', LRU_NAMES),
  ],
});

/** %pS. Differs from Linux: how long the function is is not known. */
const scan_objects = {
  expr: 'REC->shrink',
  value: ({ shrink }: Readonly<Record<string, unknown>>, k: Kernel): string =>
    `${k.trace.symbols.get(Number(shrink)) ?? 'scan_objects'}+0x0/0x0`,
};

const mm_shrink_slab_end = define_event('vmscan', {
  name: 'mm_shrink_slab_end',
  id: 7,
  fields: [
    ['struct shrinker *', 'shr'],
    ['int', 'nid'],
    ['void *', 'shrink'],
    ['long', 'unused_scan'],
    ['long', 'new_scan'],
    ['int', 'retval'],
    ['long', 'total_scan'],
  ],
  format: '%pS %p: nid: %d unused scan count %ld new scan count %ld total_scan %ld last shrinker return val %d',
  args: [scan_objects, 'shr', 'nid', 'unused_scan', 'new_scan', 'total_scan', 'retval'],
});

const mm_shrink_slab_start = define_event('vmscan', {
  name: 'mm_shrink_slab_start',
  id: 8,
  fields: [
    ['struct shrinker *', 'shr'],
    ['void *', 'shrink'],
    ['int', 'nid'],
    ['long', 'nr_objects_to_shrink'],
    ['unsigned long', 'gfp_flags'],
    ['unsigned long', 'cache_items'],
    ['unsigned long long', 'delta'],
    ['unsigned long', 'total_scan'],
    ['int', 'priority'],
  ],
  format: '%pS %p: nid: %d objects to shrink %ld gfp_flags %s cache items %ld delta %lld total_scan %ld priority %d',
  args: [
    scan_objects,
    'shr',
    'nid',
    'nr_objects_to_shrink',
    gfp_flags('gfp_flags'),
    'cache_items',
    'delta',
    'total_scan',
    'priority',
  ],
});

const mm_vmscan_memcg_reclaim_end = reclaim_end('mm_vmscan_memcg_reclaim_end', 10);
const mm_vmscan_direct_reclaim_end = reclaim_end('mm_vmscan_direct_reclaim_end', 11);
const mm_vmscan_memcg_reclaim_begin = reclaim_begin('mm_vmscan_memcg_reclaim_begin', 13);
const mm_vmscan_direct_reclaim_begin = reclaim_begin('mm_vmscan_direct_reclaim_begin', 14);

const mm_vmscan_wakeup_kswapd = define_event('vmscan', {
  name: 'mm_vmscan_wakeup_kswapd',
  id: 15,
  fields: [
    ['int', 'nid'],
    ['int', 'zid'],
    ['int', 'order'],
    ['unsigned long', 'gfp_flags'],
  ],
  format: 'nid=%d order=%d gfp_flags=%s',
  args: ['nid', 'order', gfp_flags('gfp_flags')],
});

const mm_vmscan_kswapd_wake = define_event('vmscan', {
  name: 'mm_vmscan_kswapd_wake',
  id: 16,
  fields: [
    ['int', 'nid'],
    ['int', 'zid'],
    ['int', 'order'],
  ],
  format: 'nid=%d order=%d',
  args: ['nid', 'order'],
});

const mm_vmscan_kswapd_sleep = define_event('vmscan', {
  name: 'mm_vmscan_kswapd_sleep',
  id: 17,
  fields: [['int', 'nid']],
  format: 'nid=%d',
  args: ['nid'],
});

export const vmscan_events: readonly TraceEvent[] = [
  mm_vmscan_throttled,
  mm_vmscan_node_reclaim_end,
  mm_vmscan_node_reclaim_begin,
  mm_vmscan_lru_shrink_active,
  mm_vmscan_lru_shrink_inactive,
  mm_vmscan_write_folio,
  mm_vmscan_lru_isolate,
  mm_shrink_slab_end,
  mm_shrink_slab_start,
  mm_vmscan_memcg_reclaim_end,
  mm_vmscan_direct_reclaim_end,
  mm_vmscan_memcg_reclaim_begin,
  mm_vmscan_direct_reclaim_begin,
  mm_vmscan_wakeup_kswapd,
  mm_vmscan_kswapd_wake,
  mm_vmscan_kswapd_sleep,
];

export const trace_mm_vmscan_kswapd_sleep = (k: Kernel, nid: nid_t): void =>
  trace_record(k, mm_vmscan_kswapd_sleep, nid);

export const trace_mm_vmscan_kswapd_wake = (k: Kernel, nid: nid_t, zid: number, order: number): void =>
  trace_record(k, mm_vmscan_kswapd_wake, nid, zid, order);

export const trace_mm_vmscan_wakeup_kswapd = (k: Kernel, nid: nid_t, zid: number, order: number, gfp: gfp_t): void =>
  trace_record(k, mm_vmscan_wakeup_kswapd, nid, zid, order, gfp);

export const trace_mm_vmscan_direct_reclaim_begin = (k: Kernel, order: number, gfp: gfp_t): void =>
  trace_record(k, mm_vmscan_direct_reclaim_begin, order, gfp);

export const trace_mm_vmscan_direct_reclaim_end = (k: Kernel, nr_reclaimed: number): void =>
  trace_record(k, mm_vmscan_direct_reclaim_end, nr_reclaimed);

export const trace_mm_vmscan_memcg_reclaim_begin = (k: Kernel, order: number, gfp: gfp_t): void =>
  trace_record(k, mm_vmscan_memcg_reclaim_begin, order, gfp);

export const trace_mm_vmscan_memcg_reclaim_end = (k: Kernel, nr_reclaimed: number): void =>
  trace_record(k, mm_vmscan_memcg_reclaim_end, nr_reclaimed);

export const trace_mm_vmscan_node_reclaim_begin = (k: Kernel, nid: nid_t, order: number, gfp: gfp_t): void =>
  trace_record(k, mm_vmscan_node_reclaim_begin, nid, order, gfp);

export const trace_mm_vmscan_node_reclaim_end = (k: Kernel, nr_reclaimed: number): void =>
  trace_record(k, mm_vmscan_node_reclaim_end, nr_reclaimed);

/** @param reason VMSCAN_THROTTLE_* */
export const trace_mm_vmscan_throttled = (
  k: Kernel,
  nid: nid_t,
  usec_timeout: number,
  usec_delayed: number,
  reason: number,
): void => trace_record(k, mm_vmscan_throttled, nid, usec_timeout, usec_delayed, 1 << reason);

function symbol_of(k: Kernel, { id, symbol }: shrinker): number {
  k.trace.symbols.set(id, symbol);
  return id;
}

/**
 * @param nr what was left over from before. @param cache_items how many objects there are
 * @param delta how many this round asks for
 */
export const trace_mm_shrink_slab_start = (
  k: Kernel,
  shr: shrinker,
  { nid, gfp_mask }: shrink_control,
  nr: number,
  cache_items: number,
  delta: number,
  total_scan: number,
  priority: number,
): void =>
  trace_record(
    k,
    mm_shrink_slab_start,
    shr.id,
    symbol_of(k, shr),
    nid,
    nr,
    gfp_mask,
    cache_items,
    delta,
    total_scan,
    priority,
  );

export const trace_mm_shrink_slab_end = (
  k: Kernel,
  shr: shrinker,
  nid: nid_t,
  freed: number,
  unused_scan: number,
  new_scan: number,
  total_scan: number,
): void =>
  trace_record(k, mm_shrink_slab_end, shr.id, nid, symbol_of(k, shr), unused_scan, new_scan, freed, total_scan);

export const trace_mm_vmscan_lru_isolate = (
  k: Kernel,
  highest_zoneidx: number,
  order: number,
  nr_requested: number,
  nr_scanned: number,
  nr_skipped: number,
  nr_taken: number,
  isolate_mode: number,
  lru: number,
): void =>
  trace_record(
    k,
    mm_vmscan_lru_isolate,
    highest_zoneidx,
    order,
    nr_requested,
    nr_scanned,
    nr_skipped,
    nr_taken,
    isolate_mode,
    lru,
  );

/** struct reclaim_stat, as far as it is shown. */
interface ReclaimStat {
  readonly nr_dirty: number;
  readonly nr_writeback: number;
  readonly nr_congested: number;
  readonly nr_immediate: number;
  readonly nr_activate_anon: number;
  readonly nr_activate_file: number;
  readonly nr_ref_keep: number;
  readonly nr_unmap_fail: number;
}

const trace_reclaim_flags = (file: boolean): number => (file ? RECLAIM_WB_FILE : RECLAIM_WB_ANON) | RECLAIM_WB_ASYNC;

export const trace_mm_vmscan_write_folio = (k: Kernel, pfn: pfn_t): void =>
  trace_record(k, mm_vmscan_write_folio, pfn, trace_reclaim_flags(!folio_test(k, pfn, PG_swapbacked)));

/** @param lru the list: LRU_* */
export const trace_mm_vmscan_lru_shrink_inactive = (
  k: Kernel,
  nid: nid_t,
  nr_scanned: number,
  nr_reclaimed: number,
  stat: ReclaimStat,
  priority: number,
  lru: number,
): void =>
  trace_record(
    k,
    mm_vmscan_lru_shrink_inactive,
    nid,
    nr_scanned,
    nr_reclaimed,
    stat.nr_dirty,
    stat.nr_writeback,
    stat.nr_congested,
    stat.nr_immediate,
    stat.nr_activate_anon,
    stat.nr_activate_file,
    stat.nr_ref_keep,
    stat.nr_unmap_fail,
    priority,
    trace_reclaim_flags(lru >= LRU_INACTIVE_FILE),
  );

export const trace_mm_vmscan_lru_shrink_active = (
  k: Kernel,
  nid: nid_t,
  nr_taken: number,
  nr_active: number,
  nr_deactivated: number,
  nr_referenced: number,
  priority: number,
  lru: number,
): void =>
  trace_record(
    k,
    mm_vmscan_lru_shrink_active,
    nid,
    nr_taken,
    nr_active,
    nr_deactivated,
    nr_referenced,
    priority,
    trace_reclaim_flags(lru >= LRU_INACTIVE_FILE),
  );
