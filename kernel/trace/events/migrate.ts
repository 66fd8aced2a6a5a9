// Tracepoints of page migration (Linux: include/trace/events/migrate.h): names, fields and texts are Linux's.
//
// Context: called while k.trace.on.

import { migrate_mode_names, migrate_reason_names } from '../../include/migrate_mode.ts';
import type { Kernel } from '../../kernel.ts';
import { define_event, type TraceEvent } from '../event.ts';
import { trace_record } from '../record.ts';
import { symbolic } from './mmflags.ts';

const numbered = (names: readonly string[]) => names.map((name, n) => [n, name] as const);
const mode = symbolic('mode', numbered(migrate_mode_names));
const reason = symbolic('reason', numbered(migrate_reason_names));

const migration_pte = (name: string, id: number): TraceEvent =>
  define_event('migrate', {
    name,
    id,
    fields: [
      ['unsigned long', 'addr'],
      ['unsigned long', 'pte'],
      ['int', 'order'],
    ],
    format: 'addr=%lx, pte=%lx order=%d',
    args: ['addr', 'pte', 'order'],
  });

const remove_migration_pte = migration_pte('remove_migration_pte', 0);
const set_migration_pte = migration_pte('set_migration_pte', 1);

const mm_migrate_pages_start = define_event('migrate', {
  name: 'mm_migrate_pages_start',
  id: 2,
  fields: [
    ['enum migrate_mode', 'mode'],
    ['int', 'reason'],
  ],
  format: 'mode=%s reason=%s',
  args: [mode, reason],
});

const mm_migrate_pages = define_event('migrate', {
  name: 'mm_migrate_pages',
  id: 3,
  fields: [
    ['unsigned long', 'succeeded'],
    ['unsigned long', 'failed'],
    ['unsigned long', 'thp_succeeded'],
    ['unsigned long', 'thp_failed'],
    ['unsigned long', 'thp_split'],
    ['enum migrate_mode', 'mode'],
    ['int', 'reason'],
  ],
  format: 'nr_succeeded=%lu nr_failed=%lu nr_thp_succeeded=%lu nr_thp_failed=%lu nr_thp_split=%lu mode=%s reason=%s',
  args: ['succeeded', 'failed', 'thp_succeeded', 'thp_failed', 'thp_split', mode, reason],
});

export const migrate_events: readonly TraceEvent[] = [
  remove_migration_pte,
  set_migration_pte,
  mm_migrate_pages_start,
  mm_migrate_pages,
];

const long = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

/** @param migrate_mode MIGRATE_ASYNC and so on. @param why MR_* */
export const trace_mm_migrate_pages_start = (k: Kernel, migrate_mode: number, why: number): void =>
  trace_record(k, mm_migrate_pages_start, migrate_mode, why);

/** Differs from Linux: of huge pages there are none. */
export const trace_mm_migrate_pages = (
  k: Kernel,
  succeeded: number,
  failed: number,
  migrate_mode: number,
  why: number,
): void => trace_record(k, mm_migrate_pages, succeeded, failed, 0, 0, 0, migrate_mode, why);

/** @param pte low and high word */
export const trace_set_migration_pte = (k: Kernel, addr: number, pte: number, pte_hi: number, order: number): void =>
  trace_record(k, set_migration_pte, addr, long(pte, pte_hi), order);

/** @param pte low and high word */
export const trace_remove_migration_pte = (k: Kernel, addr: number, pte: number, pte_hi: number, order: number): void =>
  trace_record(k, remove_migration_pte, addr, long(pte, pte_hi), order);
