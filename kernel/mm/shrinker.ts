// Caches of others than the page cache that give memory back when asked (Linux: mm/vmscan.c register_shrinker(),
// do_shrink_slab(), shrink_slab()): each says how much it has, and is asked for as large a part of that as of the LRU lists.
//
// Left out: shrinkers of memory cgroups.

import type { gfp_t, nid_t } from '../include/types.ts';
import { SLABS_SCANNED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { cond_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { trace_mm_shrink_slab_end, trace_mm_shrink_slab_start } from '../trace/events/vmscan.ts';
import { __count_vm_events } from './vm_event.ts';

/** What scan_objects() returns where it cannot go on now. */
export const SHRINK_STOP = -1;
export const DEFAULT_SEEKS = 2;
const SHRINK_BATCH = 128;

export interface shrink_control {
  readonly gfp_mask: gfp_t;
  readonly nid: nid_t;
  nr_to_scan: number;
  /** In: nr_to_scan; out: how many were looked at. */
  nr_scanned: number;
}

export abstract class shrinker {
  /** Stands for its address in traces. */
  id = 0;
  /** What Linux calls its scan_objects(). */
  readonly symbol: string = 'scan_objects';
  /** What an object costs to make again, in seeks of a disk; 0: nothing. */
  seeks = DEFAULT_SEEKS;
  batch = SHRINK_BATCH;
  /** SHRINKER_NUMA_AWARE: what it is asked for and does not do is put off for each node; else for all of them together. */
  numa_aware = false;
  /** By node, or of all of them at 0: what was asked for and not done. */
  readonly nr_deferred: number[] = [];

  abstract count_objects(k: Kernel, sc: shrink_control): number;
  /** @returns how many objects were freed, or SHRINK_STOP */
  abstract scan_objects(k: Kernel, sc: shrink_control): number;
}

export function register_shrinker(k: Kernel, which: shrinker): void {
  which.id = ++k.vmscan.nr_shrinkers;
  k.vmscan.shrinkers.push(which);
}

export function unregister_shrinker(k: Kernel, which: shrinker): void {
  const { shrinkers } = k.vmscan;
  shrinkers.splice(0, shrinkers.length, ...shrinkers.filter((other) => other !== which));
}

/** What a priority asks for: objects that cost nothing to make go by halves. */
const wanted = ({ seeks }: shrinker, freeable: number, priority: number): number =>
  seeks > 0 ? Math.floor((4 * Math.floor(freeable / 2 ** priority)) / seeks) : Math.floor(freeable / 2);

function* do_shrink_slab(k: Kernel, which: shrinker, gfp: gfp_t, nid: nid_t, priority: number): Sleeping<number> {
  const slot = which.numa_aware ? nid : 0;
  const sc: shrink_control = { gfp_mask: gfp, nid, nr_to_scan: 0, nr_scanned: 0 };
  const freeable = which.count_objects(k, sc);
  if (freeable <= 0) return 0;
  const nr = which.nr_deferred[slot] ?? 0;
  which.nr_deferred[slot] = 0;
  const delta = wanted(which, freeable, priority);
  let total_scan = Math.min(Math.floor(nr / 2 ** priority) + delta, 2 * freeable);
  if (k.trace.on) trace_mm_shrink_slab_start(k, which, sc, nr, freeable, delta, total_scan, priority);
  let freed = 0;
  let scanned = 0;
  while (total_scan >= which.batch || total_scan >= freeable) {
    sc.nr_to_scan = Math.min(which.batch, total_scan);
    sc.nr_scanned = sc.nr_to_scan;
    const result = which.scan_objects(k, sc);
    if (result === SHRINK_STOP) break;
    freed += result;
    __count_vm_events(k, SLABS_SCANNED, sc.nr_scanned);
    total_scan -= sc.nr_scanned;
    scanned += sc.nr_scanned;
    yield* cond_resched(k);
  }
  const deferred = Math.min(Math.max(nr + delta - scanned, 0), 2 * freeable);
  const new_nr = (which.nr_deferred[slot] ?? 0) + deferred;
  which.nr_deferred[slot] = new_nr;
  if (k.trace.on) trace_mm_shrink_slab_end(k, which, sc.nid, freed, nr, new_nr, total_scan);
  return freed;
}

/** @returns how many objects were freed */
export function* shrink_slab(k: Kernel, gfp: gfp_t, nid: nid_t, priority: number): Sleeping<number> {
  let freed = 0;
  for (const which of k.vmscan.shrinkers) freed += yield* do_shrink_slab(k, which, gfp, nid, priority);
  yield* cond_resched(k);
  return freed;
}
