// Reclaim's tracepoints (Linux: include/trace/events/vmscan.h): names, fields and texts are Linux's.

import type { gfp_t, nid_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { format_gfp } from '../../mm/gfp.ts';
import { record, type TraceEvent } from '../event.ts';
import { gfp_flags_expression } from './mmflags.ts';

/** By VMSCAN_THROTTLE_*. */
const throttle_names = ['WRITEBACK', 'ISOLATED', 'NOPROGRESS', 'CONGESTED'].map((name) => `VMSCAN_THROTTLE_${name}`);
const throttle_expression = throttle_names.map((name) => `{(1 << ${name}), "${name}"}`).join(', ');
const throttle_text = (reason: number): string =>
  throttle_names.filter((_, bit) => ((reason >>> bit) & 1) !== 0).join('|') || 'VMSCAN_THROTTLE_NONE';

const mm_vmscan_throttled: TraceEvent = {
  system: 'vmscan',
  name: 'mm_vmscan_throttled',
  id: -24,
  fields: [
    ['int', 'nid'],
    ['int', 'usec_timeout'],
    ['int', 'usec_delayed'],
    ['int', 'reason'],
  ],
  print_fmt: `"nid=%d usec_timeout=%d usect_delayed=%d reason=%s", REC->nid, REC->usec_timeout, REC->usec_delayed, (REC->reason) ? __print_flags(REC->reason, "|", ${throttle_expression} ) : "VMSCAN_THROTTLE_NONE"`,
  print: ([nid = 0, timeout = 0, delayed = 0, reason = 0]) =>
    `nid=${nid} usec_timeout=${timeout} usect_delayed=${delayed} reason=${throttle_text(reason)}`,
};

const mm_vmscan_wakeup_kswapd: TraceEvent = {
  system: 'vmscan',
  name: 'mm_vmscan_wakeup_kswapd',
  id: -9,
  fields: [
    ['int', 'nid'],
    ['int', 'zid'],
    ['int', 'order'],
    ['unsigned long', 'gfp_flags'],
  ],
  print_fmt: `"nid=%d order=%d gfp_flags=%s", REC->nid, REC->order, (REC->gfp_flags) ? __print_flags(REC->gfp_flags, "|", ${gfp_flags_expression()} ) : "none"`,
  print: ([nid = 0, , order = 0, gfp = 0]) =>
    `nid=${nid} order=${order} gfp_flags=${gfp === 0 ? 'none' : format_gfp(gfp)}`,
};

const mm_vmscan_kswapd_wake: TraceEvent = {
  system: 'vmscan',
  name: 'mm_vmscan_kswapd_wake',
  id: -8,
  fields: [
    ['int', 'nid'],
    ['int', 'zid'],
    ['int', 'order'],
  ],
  print_fmt: '"nid=%d order=%d", REC->nid, REC->order',
  print: ([nid = 0, , order = 0]) => `nid=${nid} order=${order}`,
};

const mm_vmscan_kswapd_sleep: TraceEvent = {
  system: 'vmscan',
  name: 'mm_vmscan_kswapd_sleep',
  id: -7,
  fields: [['int', 'nid']],
  print_fmt: '"nid=%d", REC->nid',
  print: ([nid = 0]) => `nid=${nid}`,
};

/** In the order of their IDs. */
export const vmscan_events: readonly TraceEvent[] = [
  mm_vmscan_throttled,
  mm_vmscan_wakeup_kswapd,
  mm_vmscan_kswapd_wake,
  mm_vmscan_kswapd_sleep,
];

/** @param reason VMSCAN_THROTTLE_* */
export const trace_mm_vmscan_throttled = (
  k: Kernel,
  nid: nid_t,
  usec_timeout: number,
  usec_delayed: number,
  reason: number,
): void => record(k, mm_vmscan_throttled, nid, usec_timeout, usec_delayed, 1 << reason);

export const trace_mm_vmscan_wakeup_kswapd = (k: Kernel, nid: nid_t, zid: number, order: number, gfp: gfp_t): void =>
  record(k, mm_vmscan_wakeup_kswapd, nid, zid, order, gfp);

export const trace_mm_vmscan_kswapd_wake = (k: Kernel, nid: nid_t, zid: number, order: number): void =>
  record(k, mm_vmscan_kswapd_wake, nid, zid, order);

export const trace_mm_vmscan_kswapd_sleep = (k: Kernel, nid: nid_t): void => record(k, mm_vmscan_kswapd_sleep, nid);
