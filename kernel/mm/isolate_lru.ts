// Pages taken off LRU lists for a closer look, and put back (Linux: mm/vmscan.c isolate_lru_folios(),
// folio_isolate_lru(), move_folios_to_lru(), folio_putback_lru()).
//
// Differs from Linux: pages that are off their list are in an array, the first one to be looked at first.

import { PG_FLAGS, PG_FLAGS_HI, PG_MAPCOUNT, PG_REFCOUNT } from '../include/mm_types.ts';
import { MAX_NR_ZONES, PFN_SECTION_SHIFT } from '../include/mmzone.ts';
import { PG_active, PG_lru, PG_mlocked, PG_unevictable, ZONES_MASK, ZONES_PGSHIFT_HI } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import { PGSCAN_SKIP } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { charge } from '../sched/clock.ts';
import { trace_mm_vmscan_lru_isolate } from '../trace/events/vmscan.ts';
import {
  folio_lruvec,
  type Lruvec,
  lruvec_add_folio,
  lruvec_del_folio,
  lruvec_last,
  lruvec_list_add,
  lruvec_list_del,
  update_lru_size,
} from './lruvec.ts';
import { page_index, section_map } from './page.ts';
import { ISOLATE_NS } from './reclaim_cost.ts';
import type { scan_control } from './scan_control.ts';
import { folio_add_lru, folio_put } from './swap.ts';
import { __count_vm_events } from './vm_event.ts';
import { workingset_age_nonresident } from './workingset.ts';

/** Pages that reclaim takes in one go. */
export const SWAP_CLUSTER_MAX = 32;

/** isolate_mode_t: mapped pages stay. */
const ISOLATE_UNMAPPED = 0x2;

/** Pages that are on no list. */
export class FolioBatch {
  readonly pages = new Int32Array(SWAP_CLUSTER_MAX);
  nr = 0;

  add(pfn: pfn_t): void {
    this.pages[this.nr++] = pfn;
  }
}

/** An empty batch, for one who may sleep while he has it. */
export function take_batch(k: Kernel): FolioBatch {
  const batch = k.vmscan.batches.pop() ?? new FolioBatch();
  batch.nr = 0;
  return batch;
}

/** For others to use. */
export function give_batch(k: Kernel, batch: FolioBatch): void {
  k.vmscan.batches.push(batch);
}

/** Scratch of isolate_lru_folios(), which does not sleep. */
export class IsolateState {
  readonly taken = new Int32Array(MAX_NR_ZONES);
  readonly skipped_of = new Int32Array(MAX_NR_ZONES);
  /** Pages of zones that are of no use, in the order in which they were come across. */
  skipped = new Int32Array(1024);
  /** How many pages of each kind the last run came across. */
  nr_scanned = 0;
  nr_skipped = 0;
}

function remember_skipped(s: IsolateState, pfn: pfn_t, zid: number): void {
  if (s.nr_skipped === s.skipped.length) {
    const more = new Int32Array(2 * s.skipped.length);
    more.set(s.skipped);
    s.skipped = more;
  }
  s.skipped[s.nr_skipped++] = pfn;
  s.skipped_of[zid]!++;
}

/** Skipped pages go first on the list, where a scan comes last. */
function put_back_skipped(k: Kernel, lruvec: Lruvec, lru: number, s: IsolateState): void {
  for (let i = 0; i < s.nr_skipped; i++) lruvec_list_add(k, lruvec, lru, s.skipped[i]!);
  for (let zid = 0; zid < MAX_NR_ZONES; zid++) {
    if (s.skipped_of[zid] !== 0) __count_vm_events(k, PGSCAN_SKIP + zid, s.skipped_of[zid]!);
  }
}

/**
 * Takes up to `nr_to_scan` pages off the end of a list. k.vmscan.isolate.nr_scanned tells how many it came across.
 * @param dst out: the pages, each with a reference
 */
export function isolate_lru_folios(
  k: Kernel,
  nr_to_scan: number,
  lruvec: Lruvec,
  dst: FolioBatch,
  sc: scan_control,
  lru: number,
): void {
  const s = k.vmscan.isolate;
  s.taken.fill(0);
  s.skipped_of.fill(0);
  s.nr_skipped = 0;
  dst.nr = 0;
  let scan = 0;
  while (scan < nr_to_scan) {
    const pfn = lruvec_last(k, lruvec, lru);
    if (pfn < 0) break;
    lruvec_list_del(k, lruvec, pfn);
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    const zid = (m[i + PG_FLAGS_HI]! >>> ZONES_PGSHIFT_HI) & ZONES_MASK;
    if (zid > sc.reclaim_idx) {
      remember_skipped(s, pfn, zid);
      continue;
    }
    scan++;
    const flags = m[i + PG_FLAGS]!;
    const refcount = m[i + PG_REFCOUNT]!;
    if ((flags & (1 << PG_lru)) === 0 || refcount === 0 || (!sc.may_unmap && m[i + PG_MAPCOUNT]! >= 0)) {
      lruvec_list_add(k, lruvec, lru, pfn);
      continue;
    }
    m[i + PG_REFCOUNT] = refcount + 1;
    m[i + PG_FLAGS] = flags & ~(1 << PG_lru);
    s.taken[zid]!++;
    dst.add(pfn);
  }
  s.nr_scanned = scan + s.nr_skipped;
  charge(k, s.nr_scanned * ISOLATE_NS);
  if (s.nr_skipped > 0) put_back_skipped(k, lruvec, lru, s);
  if (k.trace.on) {
    const mode = sc.may_unmap ? 0 : ISOLATE_UNMAPPED;
    const { reclaim_idx, order } = sc;
    trace_mm_vmscan_lru_isolate(k, reclaim_idx, order, nr_to_scan, s.nr_scanned, s.nr_skipped, dst.nr, mode, lru);
  }
  for (let zid = 0; zid < MAX_NR_ZONES; zid++) {
    if (s.taken[zid] !== 0) update_lru_size(k, lruvec, lru, zid, -s.taken[zid]!);
  }
}

/**
 * Takes one page off its list, and a reference to it.
 * Context: the caller has a reference of its own.
 * @returns false: it is on none
 */
export function folio_isolate_lru(k: Kernel, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const flags = m[i + PG_FLAGS]!;
  if ((flags & (1 << PG_lru)) === 0) return false;
  m[i + PG_REFCOUNT]!++;
  m[i + PG_FLAGS] = flags & ~(1 << PG_lru);
  lruvec_del_folio(k, folio_lruvec(k, pfn), pfn);
  return true;
}

/** Puts a page back onto the list that its flags name, and gives up the reference that isolating it took. */
export function folio_putback_lru(k: Kernel, pfn: pfn_t): void {
  folio_add_lru(k, pfn);
  folio_put(k, pfn);
}

/**
 * Puts pages back, each onto the list that its flags name.
 * @param free out, at its end: those that nobody else uses any more. The last one is freed first
 * @returns how many are on lists now
 */
export function move_folios_to_lru(k: Kernel, lruvec: Lruvec, folios: FolioBatch, free: FolioBatch): number {
  const maps = k.mm.section_mem_map;
  let moved = 0;
  for (let at = 0; at < folios.nr; at++) {
    const pfn = folios.pages[at]!;
    const m = maps[pfn >>> PFN_SECTION_SHIFT]!;
    const i = page_index(pfn);
    const flags = m[i + PG_FLAGS]!;
    if ((flags & ((1 << PG_unevictable) | (1 << PG_mlocked))) !== 0) {
      folio_putback_lru(k, pfn);
      continue;
    }
    const refcount = m[i + PG_REFCOUNT]! - 1;
    m[i + PG_REFCOUNT] = refcount;
    if (refcount === 0) {
      m[i + PG_FLAGS] = flags & ~((1 << PG_active) | (1 << PG_unevictable));
      free.add(pfn);
      continue;
    }
    m[i + PG_FLAGS] = flags | (1 << PG_lru);
    lruvec_add_folio(k, lruvec, pfn);
    moved++;
    if ((flags & (1 << PG_active)) !== 0) workingset_age_nonresident(lruvec, 1);
  }
  return moved;
}
