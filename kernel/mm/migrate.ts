// Pages in use are moved (Linux: mm/migrate.c migrate_pages(), unmap and move of a folio, putback_movable_pages()): out
// of every page table, contents and state to another page, and back in again. Pages that are locked, being written or
// held by somebody stay; some of them are tried again, ten times at most.
//
// Left out: large folios and hugetlb, movable pages of drivers, demotion, the system calls.

import { __GFP_COMP, __GFP_HIGHMEM } from '../include/gfp_types.ts';
import { MIGRATE_ASYNC, MIGRATE_SYNC, MIGRATEPAGE_SUCCESS, MIGRATEPAGE_UNMAP } from '../include/migrate_mode.ts';
import {
  PG_FLAGS,
  PG_MAPCOUNT,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  PG_REFCOUNT,
} from '../include/mm_types.ts';
import { NR_ISOLATED_ANON, ZONE_MOVABLE } from '../include/mmzone.ts';
import { PG_active, PG_swapbacked, PG_unevictable, PG_writeback } from '../include/page_flags.ts';
import { PF_MEMALLOC } from '../include/sched.ts';
import { KEY_PAGE_OWNER } from '../include/static_keys.ts';
import { EAGAIN, EBUSY, ENOMEM, type gfp_t, NUMA_NO_NODE, type nid_t, type pfn_t } from '../include/types.ts';
import { PGMIGRATE_FAIL, PGMIGRATE_SUCCESS } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import type { nodemask_t } from '../lib/nodemask.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched, should_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { trace_mm_migrate_pages, trace_mm_migrate_pages_start } from '../trace/events/migrate.ts';
import { folio_lock, folio_trylock, folio_unlock, folio_wait_writeback } from './folio_lock.ts';
import { folio_putback_lru } from './isolate_lru.ts';
import type { IsolatedPages } from './isolated_pages.ts';
import { move_to_new_folio } from './migrate_folio.ts';
import { remove_migration_ptes, try_to_migrate } from './migration_ptes.ts';
import { page_index, page_to_nid, page_zonenum, section_map } from './page.ts';
import { alloc_pages_sleeping } from './page_alloc.ts';
import { set_page_owner_migrate_reason } from './page_owner.ts';
import { folio_add_lru, folio_put, lru_add_drain } from './swap.ts';
import { __count_vm_events } from './vm_event.ts';
import { __mod_node_page_state } from './vmstat.ts';

const NR_MAX_BATCHED_MIGRATION = 512;
const NR_MAX_MIGRATE_PAGES_RETRY = 10;
/** What it costs to move a page, and to find that it cannot be moved. */
const MIGRATE_NS = 1500;
const TRY_NS = 200;

/** get_new_page() and put_new_page(): where pages are moved to. */
export interface MigrationTarget {
  /** @returns a page at once; -1: get_new_page() may have one */
  ready(k: Kernel): pfn_t;
  /** @returns a page, or -1: no memory */
  get_new_page(k: Kernel, src: pfn_t): Sleeping<pfn_t>;
  /** A page that was not needed. */
  put_new_page(k: Kernel, pfn: pfn_t): void;
}

/** A page is off its list (1), or is not any more (-1). */
export function count_isolated(k: Kernel, pfn: pfn_t, delta: number): void {
  const flags = section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]!;
  const item = NR_ISOLATED_ANON + (((flags >>> PG_swapbacked) & 1) ^ 1);
  __mod_node_page_state(k, k.node_data[page_to_nid(k, pfn)]!, item, delta);
}

/** Puts isolated pages back onto their lists. */
export function putback_movable_pages(k: Kernel, list: IsolatedPages): void {
  while (list.nr > 0) {
    const pfn = list.pop();
    count_isolated(k, pfn, -1);
    folio_putback_lru(k, pfn);
  }
}

/** It has been moved, or freed by its last user: nothing is left to do with the old page. */
function migrate_folio_done(k: Kernel, src: pfn_t): void {
  count_isolated(k, src, -1);
  folio_put(k, src);
}

/** @returns 0: locked; -EAGAIN: not now; MIGRATEPAGE_UNMAP: it may be waited for */
function try_lock(k: Kernel, src: pfn_t, force: boolean, mode: number): number {
  if (folio_trylock(k, src)) return 0;
  // Who allocates memory may have locked pages himself: he must not wait for any.
  return !force || mode === MIGRATE_ASYNC || (k.current.flags & PF_MEMALLOC) !== 0 ? -EAGAIN : MIGRATEPAGE_UNMAP;
}

/** Whether it is being written. @returns 0: no; MIGRATEPAGE_UNMAP: it may be waited for; else it stays */
function check_writeback(k: Kernel, src: pfn_t, force: boolean, mode: number): number {
  if (((section_map(k.mm, src)[page_index(src) + PG_FLAGS]! >>> PG_writeback) & 1) === 0) return 0;
  if (mode !== MIGRATE_SYNC) return -EBUSY;
  return force ? MIGRATEPAGE_UNMAP : -EAGAIN;
}

/**
 * Unmaps a page and moves it. Context: `src` is locked, which it is not when this returns.
 * @returns 0: `dst` is in its place; or -EAGAIN
 */
function unmap_and_move(k: Kernel, src: pfn_t, dst: pfn_t): number {
  const m = section_map(k.mm, src);
  const i = page_index(src);
  if (!folio_trylock(k, dst)) {
    folio_unlock(k, src);
    return -EAGAIN;
  }
  let was_mapped = false;
  if ((m[i + PG_MAPPING]! | m[i + PG_MAPPING_HI]!) !== 0 && m[i + PG_MAPCOUNT]! >= 0) {
    try_to_migrate(k, src);
    was_mapped = true;
  }
  let rc = -EAGAIN;
  if (m[i + PG_MAPCOUNT]! < 0) {
    rc = move_to_new_folio(k, dst, src);
    if (rc === MIGRATEPAGE_SUCCESS) {
      folio_add_lru(k, dst);
      if (was_mapped) lru_add_drain(k);
    }
  }
  if (was_mapped) remove_migration_ptes(k, src, rc === MIGRATEPAGE_SUCCESS ? dst : src);
  folio_unlock(k, dst);
  folio_unlock(k, src);
  if (rc === MIGRATEPAGE_SUCCESS) folio_put(k, dst);
  return rc;
}

/** The last user is gone: off the lists as it is, it is free with our own reference. */
function freed_under_us(k: Kernel, src: pfn_t): void {
  const m = section_map(k.mm, src);
  const i = page_index(src) + PG_FLAGS;
  m[i] = m[i]! & ~((1 << PG_active) | (1 << PG_unevictable));
  migrate_folio_done(k, src);
}

class migrate_pages_stats {
  nr_succeeded = 0;
  nr_failed_pages = 0;
}

/**
 * @param from pages that are left when this ends have not been tried to the end
 * @param failed out, at its end: those that cannot be moved
 * @returns how many stay, or -ENOMEM
 */
function* migrate_pages_batch(
  k: Kernel,
  from: IsolatedPages,
  target: MigrationTarget,
  mode: number,
  reason: number,
  failed: pfn_t[],
  stats: migrate_pages_stats,
): Sleeping<number> {
  let nr_failed = 0;
  let again: pfn_t[] = [];
  for (let pass = 0; pass < NR_MAX_MIGRATE_PAGES_RETRY && from.nr > 0; pass++) {
    const force = pass > 2;
    again = [];
    while (from.nr > 0) {
      const src = from.pop();
      charge(k, TRY_NS);
      if (should_resched(k)) yield* cond_resched(k);
      const m = section_map(k.mm, src);
      const i = page_index(src);
      if (m[i + PG_REFCOUNT] === 1) {
        freed_under_us(k, src);
        stats.nr_succeeded++;
        continue;
      }
      let dst = target.ready(k);
      if (dst < 0) dst = yield* target.get_new_page(k, src);
      if (dst < 0) {
        stats.nr_failed_pages += 1 + again.length;
        from.push(src);
        for (let n = again.length - 1; n >= 0; n--) from.push(again[n]!);
        return -ENOMEM;
      }
      const d = section_map(k.mm, dst);
      d[page_index(dst) + PG_PRIVATE] = 0;
      d[page_index(dst) + PG_PRIVATE_HI] = 0;
      let rc = try_lock(k, src, force, mode);
      if (rc === MIGRATEPAGE_UNMAP) {
        yield* folio_lock(k, src);
        rc = 0;
      }
      if (rc === 0) {
        rc = check_writeback(k, src, force, mode);
        if (rc === MIGRATEPAGE_UNMAP) {
          yield* folio_wait_writeback(k, src);
          rc = 0;
        }
        if (rc === 0) rc = unmap_and_move(k, src, dst);
        else folio_unlock(k, src);
      }
      if (rc === MIGRATEPAGE_SUCCESS) {
        charge(k, MIGRATE_NS);
        stats.nr_succeeded++;
        if ((k.page_alloc.static_keys & KEY_PAGE_OWNER) !== 0) set_page_owner_migrate_reason(k, dst, reason);
        migrate_folio_done(k, src);
        continue;
      }
      target.put_new_page(k, dst);
      if (rc === -EAGAIN) again.push(src);
      else {
        failed.push(src);
        nr_failed++;
        stats.nr_failed_pages++;
      }
    }
    for (let n = again.length - 1; n >= 0; n--) from.push(again[n]!);
  }
  stats.nr_failed_pages += again.length;
  return nr_failed + again.length;
}

/** The first `count` pages become a list of their own: `batch`, which is empty. */
function cut(from: IsolatedPages, batch: IsolatedPages, count: number): void {
  const first = Math.max(0, from.nr - count);
  for (let n = first; n < from.nr; n++) batch.push(from.pages[n]!);
  from.nr = first;
}

/**
 * Moves the pages of a list, which each have a reference from being isolated. Those that stay are on the list afterwards.
 * @param batch an empty list, to work with
 * @returns how many stay, or -ENOMEM. k.compaction.nr_succeeded is how many were moved
 */
export function* migrate_pages(
  k: Kernel,
  from: IsolatedPages,
  batch: IsolatedPages,
  target: MigrationTarget,
  mode: number,
  reason: number,
): Sleeping<number> {
  const stats = new migrate_pages_stats();
  const failed: pfn_t[] = [];
  if (k.trace.on) trace_mm_migrate_pages_start(k, mode, reason);
  let rc = 0;
  while (rc >= 0 && from.nr > 0) {
    cut(from, batch, NR_MAX_BATCHED_MIGRATION);
    const left = yield* migrate_pages_batch(k, batch, target, mode, reason, failed, stats);
    while (batch.nr > 0) failed.push(batch.pop());
    rc = left < 0 ? left : rc + left;
  }
  for (let n = failed.length - 1; n >= 0; n--) from.push(failed[n]!);
  if (stats.nr_succeeded > 0) __count_vm_events(k, PGMIGRATE_SUCCESS, stats.nr_succeeded);
  if (stats.nr_failed_pages > 0) __count_vm_events(k, PGMIGRATE_FAIL, stats.nr_failed_pages);
  if (k.trace.on) trace_mm_migrate_pages(k, stats.nr_succeeded, stats.nr_failed_pages, mode, reason);
  k.compaction.nr_succeeded = stats.nr_succeeded;
  return from.nr === 0 ? 0 : rc;
}

/** Pages from the allocator, for pages that have to be elsewhere. Linux: alloc_migration_target(). */
export class AllocatedTarget implements MigrationTarget {
  readonly gfp: gfp_t;
  readonly nid: nid_t;
  readonly nodemask: nodemask_t | null;

  /** @param nid near to it; NUMA_NO_NODE: to where the page is */
  constructor(gfp: gfp_t, nid: nid_t, nodemask: nodemask_t | null) {
    this.gfp = gfp;
    this.nid = nid;
    this.nodemask = nodemask;
  }

  ready(): pfn_t {
    return -1;
  }

  *get_new_page(k: Kernel, src: pfn_t): Sleeping<pfn_t> {
    const nid = this.nid === NUMA_NO_NODE ? page_to_nid(k, src) : this.nid;
    const movable = page_zonenum(k, src) === ZONE_MOVABLE ? __GFP_HIGHMEM : 0;
    return yield* alloc_pages_sleeping(k, this.gfp | movable | __GFP_COMP, 0, nid, this.nodemask);
  }

  put_new_page(k: Kernel, pfn: pfn_t): void {
    folio_put(k, pfn);
  }
}
