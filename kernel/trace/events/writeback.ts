// Tracepoints of writing files back (Linux: include/trace/events/writeback.h): names, fields and texts are Linux's.
//
// Left out: those of inodes' states, of work items and of bandwidths, none of which the flusher here has.
//
// Context: called while k.trace.on.

import { disk_devt } from '../../drivers/block/disk.ts';
import type { Kernel } from '../../kernel.ts';
import type { writeback_control } from '../../mm/filemap_io.ts';
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

/** struct address_space of a file, as far as it is shown. */
interface AddressSpace {
  readonly host: { readonly i_ino: number; readonly disk: { readonly index: number } };
}

/** The device's name; swap has none. */
const bdi_dev_name = (mapping: AddressSpace | null): string =>
  mapping === null ? '(unknown)' : disk_devt(mapping.host.disk);

/** No end. */
const LONG_MAX = 2n ** 63n - 1n;
/** Of the root. */
const CGROUP_INO = 1;

/** @param written how many pages of the file are by now */
export const trace_wbc_writepage = (k: Kernel, wbc: writeback_control, written: number, mapping: AddressSpace): void =>
  trace_record(
    k,
    wbc_writepage,
    bdi_dev_name(mapping),
    Number.isFinite(wbc.nr_to_write) ? wbc.nr_to_write - written : LONG_MAX - BigInt(written),
    0,
    Number(wbc.sync),
    Number(wbc.for_kupdate),
    Number(wbc.for_background),
    0,
    Number(!wbc.sync),
    0,
    LONG_MAX,
    CGROUP_INO,
  );

export const trace_writeback_pages_written = (k: Kernel, pages_written: number): void =>
  trace_record(k, writeback_pages_written, pages_written);

/** @param mapping null: the page is no file's. @param index of the page in the file */
export const trace_folio_wait_writeback = (k: Kernel, mapping: AddressSpace | null, index: number): void =>
  trace_record(k, folio_wait_writeback, bdi_dev_name(mapping), mapping?.host.i_ino ?? 0, index);

export const trace_writeback_dirty_folio = (k: Kernel, mapping: AddressSpace, index: number): void =>
  trace_record(k, writeback_dirty_folio, bdi_dev_name(mapping), mapping.host.i_ino, index);
