// Zones where compaction came to nothing are passed over for a while, each time for longer (Linux: mm/compaction.c
// defer_compaction(), compaction_deferred(), compaction_defer_reset(), compaction_restarting()).

import type { Kernel } from '../kernel.ts';
import {
  trace_mm_compaction_defer_compaction,
  trace_mm_compaction_defer_reset,
  trace_mm_compaction_deferred,
} from '../trace/events/compaction.ts';
import { COMPACT_CONSIDERED, COMPACT_DEFER_SHIFT, COMPACT_ORDER_FAILED } from './compact_control.ts';
import type { Zone } from './mmzone.ts';

/** Not more than 2^6 times in a row. */
export const COMPACT_MAX_DEFER_SHIFT = 6;

/** It came to nothing with a block of `order`. */
export function defer_compaction(k: Kernel, zone: Zone, order: number): void {
  const z = zone.view;
  z[COMPACT_CONSIDERED] = 0;
  z[COMPACT_DEFER_SHIFT] = Math.min(z[COMPACT_DEFER_SHIFT]! + 1, COMPACT_MAX_DEFER_SHIFT);
  if (order < z[COMPACT_ORDER_FAILED]!) z[COMPACT_ORDER_FAILED] = order;
  if (k.trace.on) trace_mm_compaction_defer_compaction(k, zone, order);
}

/** Whether the zone is passed over this time. Smaller blocks than those that failed are worth a try. */
export function compaction_deferred(k: Kernel, zone: Zone, order: number): boolean {
  const z = zone.view;
  const defer_limit = 1 << z[COMPACT_DEFER_SHIFT]!;
  if (order < z[COMPACT_ORDER_FAILED]!) return false;
  const considered = z[COMPACT_CONSIDERED]! + 1;
  z[COMPACT_CONSIDERED] = Math.min(considered, defer_limit);
  if (considered >= defer_limit) return false;
  if (k.trace.on) trace_mm_compaction_deferred(k, zone, order);
  return true;
}

/** @param alloc_success the block has been allocated; else it is likely to be */
export function compaction_defer_reset(k: Kernel, zone: Zone, order: number, alloc_success: boolean): void {
  const z = zone.view;
  if (alloc_success) {
    z[COMPACT_CONSIDERED] = 0;
    z[COMPACT_DEFER_SHIFT] = 0;
  }
  if (order >= z[COMPACT_ORDER_FAILED]!) z[COMPACT_ORDER_FAILED] = order + 1;
  if (k.trace.on) trace_mm_compaction_defer_reset(k, zone, order);
}

/** Whether this is the first try after the longest time that a zone is passed over. */
export function compaction_restarting(zone: Zone, order: number): boolean {
  const z = zone.view;
  if (order < z[COMPACT_ORDER_FAILED]!) return false;
  const shift = z[COMPACT_DEFER_SHIFT]!;
  return shift === COMPACT_MAX_DEFER_SHIFT && z[COMPACT_CONSIDERED]! >= 1 << shift;
}
