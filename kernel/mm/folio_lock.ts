// The lock of a page, and its time under writeback: bits of page->flags, and who waits for them (Linux: mm/filemap.c
// folio_lock(), folio_unlock(), folio_wait_bit_common(), folio_end_writeback(); mm/page-writeback.c
// __folio_start_writeback(), __folio_end_writeback(), folio_wait_writeback()).
//
// Left out: tags of the page cache, which is for whoever has some; drop-behind of who waits without a reference.
// Differs from Linux: a queue for each page and bit that is waited for, where Linux has 256 for all; who is woken tries
// for the lock himself, and is not handed it after the second time.

import { PG_FLAGS } from '../include/mm_types.ts';
import { NR_WRITEBACK, NR_WRITTEN, NR_ZONE_WRITE_PENDING } from '../include/mmzone.ts';
import { PG_locked, PG_reclaim, PG_waiters, PG_writeback } from '../include/page_flags.ts';
import { TASK_UNINTERRUPTIBLE } from '../include/sched.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { io_schedule } from '../sched/timeout.ts';
import {
  finish_wait,
  prepare_to_wait,
  prepare_to_wait_exclusive,
  wait_queue_entry,
  wait_queue_head,
  waitqueue_active,
  wake_up,
} from '../sched/wait.ts';
import { trace_folio_wait_writeback } from '../trace/events/writeback.ts';
import { folio_index, page_file_mapping } from './filemap.ts';
import { folio_get, folio_set, folio_test } from './folio.ts';
import { mod_lruvec_folio_state } from './lruvec.ts';
import { page_index, page_to_nid, page_zone, section_map } from './page.ts';
import { folio_put, folio_rotate_reclaimable } from './swap.ts';
import { acct_reclaim_writeback } from './throttle.ts';
import { __mod_node_page_state, __mod_zone_page_state } from './vmstat.ts';

export class FolioWaitState {
  /** By pfn and bit: wait_key(). */
  readonly queues = new Map<number, wait_queue_head>();
}

const wait_key = (pfn: pfn_t, bit: number): number => pfn * 32 + bit;

/** Sleeps until the bit is clear; with `exclusive`, until this task has set it. */
function* folio_wait_bit_common(k: Kernel, pfn: pfn_t, bit: number, exclusive: boolean): Sleeping<void> {
  const { queues } = k.folio_wait;
  const key = wait_key(pfn, bit);
  const entry = new wait_queue_entry(k.current);
  for (;;) {
    const queue = queues.get(key) ?? new wait_queue_head();
    queues.set(key, queue);
    folio_set(k, pfn, PG_waiters);
    if (exclusive) prepare_to_wait_exclusive(k, queue, TASK_UNINTERRUPTIBLE, entry);
    else prepare_to_wait(k, queue, TASK_UNINTERRUPTIBLE, entry);
    const done = exclusive ? folio_trylock(k, pfn) : !folio_test(k, pfn, bit);
    if (!done) yield* io_schedule(k);
    finish_wait(k, queue, entry);
    if (!waitqueue_active(queue) && queues.get(key) === queue) queues.delete(key);
    if (done) return;
  }
}

/** The bit has been cleared. Context: PG_waiters is set. */
function folio_wake_bit(k: Kernel, pfn: pfn_t, bit: number): void {
  const { queues } = k.folio_wait;
  const queue = queues.get(wait_key(pfn, bit));
  if (queue !== undefined) wake_up(k, queue);
  if (!queues.has(wait_key(pfn, PG_locked)) && !queues.has(wait_key(pfn, PG_writeback))) {
    const m = section_map(k.mm, pfn);
    m[page_index(pfn) + PG_FLAGS]! &= ~(1 << PG_waiters);
  }
}

export function* folio_lock(k: Kernel, pfn: pfn_t): Sleeping<void> {
  if (!folio_trylock(k, pfn)) yield* folio_wait_bit_common(k, pfn, PG_locked, true);
}

/** Until whoever has the lock gives it up. Context: the caller has a reference. */
export function* folio_wait_locked(k: Kernel, pfn: pfn_t): Sleeping<void> {
  if (folio_test(k, pfn, PG_locked)) yield* folio_wait_bit_common(k, pfn, PG_locked, false);
}

/** Until it has been moved. The caller has no reference: once he is woken he does not look at it again. */
export function* migration_entry_wait_on_locked(k: Kernel, pfn: pfn_t): Sleeping<void> {
  if (!folio_test(k, pfn, PG_locked)) return;
  const { queues } = k.folio_wait;
  const key = wait_key(pfn, PG_locked);
  const queue = queues.get(key) ?? new wait_queue_head();
  queues.set(key, queue);
  folio_set(k, pfn, PG_waiters);
  const entry = new wait_queue_entry(k.current);
  prepare_to_wait(k, queue, TASK_UNINTERRUPTIBLE, entry);
  yield* io_schedule(k);
  finish_wait(k, queue, entry);
  if (!waitqueue_active(queue) && queues.get(key) === queue) queues.delete(key);
}

/** Until its contents are in storage. Context: the caller has a reference. */
export function* folio_wait_writeback(k: Kernel, pfn: pfn_t): Sleeping<void> {
  while (folio_test(k, pfn, PG_writeback)) {
    if (k.trace.on) {
      const m = section_map(k.mm, pfn);
      const i = page_index(pfn);
      trace_folio_wait_writeback(k, page_file_mapping(k, m, i), folio_index(m, i));
    }
    yield* folio_wait_bit_common(k, pfn, PG_writeback, false);
  }
}

/** @returns whether the caller has the lock now */
export function folio_trylock(k: Kernel, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const flags = m[i]!;
  m[i] = flags | (1 << PG_locked);
  return (flags & (1 << PG_locked)) === 0;
}

export function folio_unlock(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const flags = m[i]!;
  m[i] = flags & ~(1 << PG_locked);
  if ((flags & (1 << PG_waiters)) !== 0) folio_wake_bit(k, pfn, PG_locked);
}

/** Its contents are on their way to storage. Context: locked. */
export function folio_start_writeback(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const flags = m[i]!;
  m[i] = flags | (1 << PG_writeback);
  if ((flags & (1 << PG_writeback)) !== 0) return;
  mod_lruvec_folio_state(k, m, page_index(pfn), NR_WRITEBACK, 1);
  __mod_zone_page_state(k, page_zone(k, pfn), NR_ZONE_WRITE_PENDING, 1);
}

/** They are there, or will not get there. */
export function folio_end_writeback(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  if (folio_test(k, pfn, PG_reclaim)) {
    m[i] = m[i]! & ~(1 << PG_reclaim);
    folio_rotate_reclaimable(k, pfn);
  }
  folio_get(k, pfn);
  const flags = m[i]!;
  m[i] = flags & ~(1 << PG_writeback);
  const pgdat = k.node_data[page_to_nid(k, pfn)]!;
  mod_lruvec_folio_state(k, m, page_index(pfn), NR_WRITEBACK, -1);
  __mod_zone_page_state(k, page_zone(k, pfn), NR_ZONE_WRITE_PENDING, -1);
  __mod_node_page_state(k, pgdat, NR_WRITTEN, 1);
  if ((flags & (1 << PG_waiters)) !== 0) folio_wake_bit(k, pfn, PG_writeback);
  acct_reclaim_writeback(k, pgdat);
  folio_put(k, pfn);
}
