// Tracepoints of writing files back (Linux: include/trace/events/writeback.h): names, fields and texts are Linux's.
//
// Left out: those of inodes' states, of work items and of bandwidths, none of which the flusher here has.
//
// Context: called while k.trace.on.

import type { Kernel } from '../../kernel.ts';
import { define_event, type TraceEvent } from '../event.ts';
import { trace_record } from '../record.ts';
import { ulong } from './mmflags.ts';

const wbc_writepage = define_event('writeback', {
  name: 'wbc_writepage',
  id: 12,
  fields: [
    ['char[32]', 'name'],
    ['long', 'nr_to_write'],
    ['long', 'pages_skipped'],
    ['int', 'sync_mode'],
    ['int', 'for_kupdate'],
    ['int', 'for_background'],
    ['int', 'for_reclaim'],
    ['int', 'range_cyclic'],
    ['long', 'range_start'],
    ['long', 'range_end'],
    ['ino_t', 'cgroup_ino'],
  ],
  format: 'bdi %s: towrt=%ld skip=%ld mode=%d kupd=%d bgrd=%d reclm=%d cyclic=%d start=0x%lx end=0x%lx cgroup_ino=%lu',
  args: [
    'name',
    'nr_to_write',
    'pages_skipped',
    'sync_mode',
    'for_kupdate',
    'for_background',
    'for_reclaim',
    'range_cyclic',
    'range_start',
    'range_end',
    ulong('cgroup_ino'),
  ],
});

const writeback_pages_written = define_event('writeback', {
  name: 'writeback_pages_written',
  id: 15,
  fields: [['long', 'pages']],
  format: '%ld',
  args: ['pages'],
});

const of_folio = (name: string, id: number): TraceEvent =>
  define_event('writeback', {
    name,
    id,
    base: 'writeback_folio',
    fields: [
      ['char[32]', 'name'],
      ['ino_t', 'ino'],
      ['unsigned long', 'index'],
    ],
    format: 'bdi %s: ino=%lu index=%lu',
    args: ['name', ulong('ino'), 'index'],
  });

const folio_wait_writeback = of_folio('folio_wait_writeback', 0);
const writeback_dirty_folio = of_folio('writeback_dirty_folio', 1);

export const writeback_events: readonly TraceEvent[] = [
  wbc_writepage,
  writeback_pages_written,
  folio_wait_writeback,
  writeback_dirty_folio,
];

/** What is to be written of one file. Linux: struct writeback_control. */
interface WritebackControl {
  readonly nr_to_write: number;
  readonly written: number;
  /** WB_SYNC_ALL: for integrity's sake. */
  readonly sync: boolean;
  /** Because it is old; because there is much. */
  readonly for_kupdate: boolean;
  readonly for_background: boolean;
  readonly range_cyclic: boolean;
}

/** No end. */
const LONG_MAX = 2n ** 63n - 1n;
/** Of the root. */
const CGROUP_INO = 1;

/** @param bdi the device's name, as "254:0" */
export const trace_wbc_writepage = (k: Kernel, wbc: WritebackControl, bdi: string): void =>
  trace_record(
    k,
    wbc_writepage,
    bdi,
    Number.isFinite(wbc.nr_to_write) ? wbc.nr_to_write - wbc.written : LONG_MAX - BigInt(wbc.written),
    0,
    Number(wbc.sync),
    Number(wbc.for_kupdate),
    Number(wbc.for_background),
    0,
    Number(wbc.range_cyclic),
    0,
    LONG_MAX,
    CGROUP_INO,
  );

export const trace_writeback_pages_written = (k: Kernel, pages_written: number): void =>
  trace_record(k, writeback_pages_written, pages_written);

/** @param bdi the device's name. @param index of the page in the file */
export const trace_folio_wait_writeback = (k: Kernel, bdi: string, ino: number, index: number): void =>
  trace_record(k, folio_wait_writeback, bdi, ino, index);

export const trace_writeback_dirty_folio = (k: Kernel, bdi: string, ino: number, index: number): void =>
  trace_record(k, writeback_dirty_folio, bdi, ino, index);
