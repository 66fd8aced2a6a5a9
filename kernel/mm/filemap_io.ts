// Reading and writing files through the page cache (Linux: mm/filemap.c filemap_read(), generic_perform_write(),
// filemap_fdatawrite(), filemap_write_and_wait(); mm/page-writeback.c write_cache_pages(); mm/truncate.c
// invalidate_mapping_pages(), truncate_inode_pages()).
//
// Left out: direct I/O, sparse files, stable pages. Errors of writing are told once, to whoever asks first (errseq_t tells
// every open file once).

import {
  type bio_end_io,
  blk_finish_plug,
  blk_queue_full,
  blk_start_plug,
  blk_wait_for_tag,
  PAGE_SECTORS,
  REQ_OP_WRITE,
  submit_bio,
} from '../drivers/block/blk.ts';
import type { gendisk } from '../drivers/block/disk.ts';
import { __GFP_WRITE, GFP_USER } from '../include/gfp_types.ts';
import { PG_FLAGS, PG_MAPCOUNT, PG_REFCOUNT } from '../include/mm_types.ts';
import { PG_dirty, PG_error, PG_readahead, PG_uptodate, PG_writeback } from '../include/page_flags.ts';
import { EIO, ENOMEM, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched } from '../sched/core.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { trace_wbc_writepage } from '../trace/events/writeback.ts';
import { balance_dirty_pages_ratelimited, flusher_init } from './balance_dirty.ts';
import {
  __filemap_remove_folio,
  type address_space,
  file,
  filemap_end_writeback,
  filemap_get_folio,
  filemap_start_writeback,
  folio_clear_dirty_for_io,
  folio_index,
  folio_mark_dirty,
  inode,
  PAGECACHE_TAG_DIRTY,
  PAGECACHE_TAG_WRITEBACK,
  page_file_mapping,
} from './filemap.ts';
import { folio_set, folio_test } from './folio.ts';
import { folio_lock, folio_trylock, folio_unlock, folio_wait_locked, folio_wait_writeback } from './folio_lock.ts';
import { page_index, section_map } from './page.ts';
import {
  filemap_create_folio,
  filemap_read_folio,
  page_cache_async_readahead,
  page_cache_sync_readahead,
} from './readahead.ts';
import { deactivate_file_folio, folio_mark_accessed, folio_put } from './swap.ts';

/** A file that is a run of sectors of a disk. What is written beyond its size makes it longer. */
export function openFile(k: Kernel, disk: gendisk, sector: number, size: number): file {
  k.filemap.flusher ??= flusher_init(k);
  return new file(new inode(k, disk, sector, size));
}

/** The disk itself, as /dev/vda. File systems point into such pages, so they are not movable. Linux: bdev_alloc(). */
export function openDisk(k: Kernel, disk: gendisk): file {
  k.filemap.flusher ??= flusher_init(k);
  return new file(new inode(k, disk, 0, (disk.sectors / PAGE_SECTORS) * PAGE_SIZE, GFP_USER));
}

const BYTE_NS = 0.1;
const LAST = Number.MAX_SAFE_INTEGER;

/** Whether the page is still where it was looked up. */
const still_in = (k: Kernel, mapping: address_space, pfn: pfn_t): boolean =>
  page_file_mapping(k, section_map(k.mm, pfn), page_index(pfn)) === mapping;

/** The page at `index`, read, with a reference; or -errno. */
function* filemap_get_pages(k: Kernel, f: file, index: number, req_size: number): Sleeping<pfn_t> {
  const mapping = f.f_inode.i_mapping;
  for (;;) {
    let pfn = filemap_get_folio(k, mapping, index);
    if (pfn < 0) {
      yield* page_cache_sync_readahead(k, f, index, req_size);
      pfn = filemap_get_folio(k, mapping, index);
    }
    if (pfn < 0) {
      pfn = yield* filemap_create_folio(k, mapping, index, mapping.gfp_mask);
      if (pfn < 0 && mapping.i_pages.page(index) < 0) return -ENOMEM;
      if (pfn < 0) continue;
      filemap_read_folio(k, mapping, pfn, false);
    }
    if (folio_test(k, pfn, PG_readahead)) yield* page_cache_async_readahead(k, f, pfn, index, req_size);
    if (folio_test(k, pfn, PG_uptodate)) return pfn;
    yield* folio_wait_locked(k, pfn);
    if (folio_test(k, pfn, PG_uptodate)) return pfn;
    // It could not be read ahead, or is gone again: once more, for us alone.
    yield* folio_lock(k, pfn);
    if (!still_in(k, mapping, pfn)) folio_unlock(k, pfn);
    else if (folio_test(k, pfn, PG_uptodate)) {
      folio_unlock(k, pfn);
      return pfn;
    } else {
      filemap_read_folio(k, mapping, pfn, false);
      yield* folio_wait_locked(k, pfn);
      if (folio_test(k, pfn, PG_uptodate)) return pfn;
      if (folio_test(k, pfn, PG_error)) {
        folio_put(k, pfn);
        return -EIO;
      }
    }
    folio_put(k, pfn);
  }
}

/** Reads what there is of `into.length` bytes at `pos`. @returns how many bytes, or -errno */
export function* filemap_read(k: Kernel, f: file, pos: number, into: Uint8Array): Sleeping<number> {
  const end = Math.min(pos + into.length, f.f_inode.i_size);
  for (let at = pos; at < end; ) {
    const index = Math.floor(at / PAGE_SIZE);
    const pfn = yield* filemap_get_pages(k, f, index, Math.ceil(end / PAGE_SIZE) - index);
    if (pfn < 0) return at > pos ? at - pos : pfn;
    const size = Math.min(end - at, PAGE_SIZE - (at % PAGE_SIZE));
    k.hw.ram.copyOut(pfn * PAGE_SIZE + (at % PAGE_SIZE), into, at - pos, size);
    charge(k, size * BYTE_NS);
    // Reading one page bit by bit is one access.
    if (Math.floor((f.ra.prev_pos - 1) / PAGE_SIZE) !== index) folio_mark_accessed(k, pfn);
    at += size;
    f.ra.prev_pos = at;
    folio_put(k, pfn);
    yield* cond_resched(k);
  }
  return Math.max(0, end - pos);
}

/** The page at `index`, locked, with a reference, read if not all of it is about to be written; or -errno. */
function* write_begin(k: Kernel, mapping: address_space, index: number, whole: boolean): Sleeping<pfn_t> {
  for (;;) {
    let pfn = filemap_get_folio(k, mapping, index);
    if (pfn >= 0) yield* folio_lock(k, pfn);
    else {
      pfn = yield* filemap_create_folio(k, mapping, index, mapping.gfp_mask | __GFP_WRITE);
      if (pfn < 0 && mapping.i_pages.page(index) < 0) return -ENOMEM;
      if (pfn < 0) continue;
    }
    if (!still_in(k, mapping, pfn)) {
      folio_unlock(k, pfn);
      folio_put(k, pfn);
      continue;
    }
    if (folio_test(k, pfn, PG_uptodate) || whole) return pfn;
    if (index * PAGE_SIZE >= mapping.host.i_size) {
      k.hw.ram.fill(pfn * PAGE_SIZE, PAGE_SIZE, 0);
      return pfn;
    }
    filemap_read_folio(k, mapping, pfn, false);
    yield* folio_wait_locked(k, pfn);
    const failed = folio_test(k, pfn, PG_error) && !folio_test(k, pfn, PG_uptodate);
    folio_put(k, pfn);
    if (failed) return -EIO;
  }
}

/** generic_perform_write(). @returns how many bytes, or -errno */
export function* generic_perform_write(k: Kernel, f: file, pos: number, bytes: Uint8Array): Sleeping<number> {
  const { f_inode } = f;
  const end = pos + bytes.length;
  for (let at = pos; at < end; ) {
    const index = Math.floor(at / PAGE_SIZE);
    const size = Math.min(end - at, PAGE_SIZE - (at % PAGE_SIZE));
    const pfn = yield* write_begin(k, f_inode.i_mapping, index, size === PAGE_SIZE);
    if (pfn < 0) return at > pos ? at - pos : pfn;
    k.hw.ram.write(pfn * PAGE_SIZE + (at % PAGE_SIZE), bytes.subarray(at - pos, at - pos + size));
    charge(k, size * BYTE_NS);
    folio_set(k, pfn, PG_uptodate);
    folio_mark_dirty(k, pfn);
    at += size;
    f_inode.i_size = Math.max(f_inode.i_size, at);
    folio_unlock(k, pfn);
    folio_put(k, pfn);
    yield* cond_resched(k);
    yield* balance_dirty_pages_ratelimited(k);
  }
  return bytes.length;
}

// ---- writeback

/** A page that could not be written counts as written, with an error that whoever asks for the file hears of. */
const end_write: bio_end_io = (k, _disk, _sector, pfn, error) => {
  if (error !== 0) {
    folio_set(k, pfn, PG_error);
    const mapping = page_file_mapping(k, section_map(k.mm, pfn), page_index(pfn));
    if (mapping !== null) mapping.wb_err ||= error;
  }
  filemap_end_writeback(k, pfn);
};

/** Starts to write a page. Context: locked, clean again by folio_clear_dirty_for_io(); unlocked when it returns. */
export function filemap_writepage(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const mapping = page_file_mapping(k, m, i)!;
  const { disk, sector } = mapping.host;
  const at = sector + folio_index(m, i) * PAGE_SECTORS;
  filemap_start_writeback(k, mapping, pfn);
  folio_unlock(k, pfn);
  submit_bio(k, disk, REQ_OP_WRITE, at, pfn, end_write);
}

/** What is to be written of a file, and why. */
export interface writeback_control {
  readonly nr_to_write: number;
  /** WB_SYNC_ALL: pages that are being written already are waited for, as their contents are older. */
  readonly sync: boolean;
  /** As it is old; as there is much. */
  readonly for_kupdate: boolean;
  readonly for_background: boolean;
}

const WB_SYNC: writeback_control = {
  nr_to_write: Number.POSITIVE_INFINITY,
  sync: true,
  for_kupdate: false,
  for_background: false,
};

/** write_cache_pages(): starts to write dirty pages, in order. @returns how many it wrote */
export function* write_cache_pages(k: Kernel, mapping: address_space, wbc: writeback_control): Sleeping<number> {
  let written = 0;
  const plug = blk_start_plug(k);
  for (let index = 0; written < wbc.nr_to_write; index++) {
    index = mapping.i_pages.find_marked(index, LAST, PAGECACHE_TAG_DIRTY);
    if (index < 0) break;
    const pfn = filemap_get_folio(k, mapping, index);
    if (blk_queue_full(mapping.host.disk)) yield* blk_wait_for_tag(k, mapping.host.disk);
    yield* folio_lock(k, pfn);
    if (wbc.sync) yield* folio_wait_writeback(k, pfn);
    const ready = still_in(k, mapping, pfn) && !folio_test(k, pfn, PG_writeback);
    if (ready && folio_clear_dirty_for_io(k, pfn)) {
      if (k.trace.on) trace_wbc_writepage(k, wbc, written, mapping);
      filemap_writepage(k, pfn);
      written++;
    } else folio_unlock(k, pfn);
    folio_put(k, pfn);
    yield* cond_resched(k);
  }
  blk_finish_plug(k, plug);
  if (!mapping.i_pages.marked(PAGECACHE_TAG_DIRTY)) {
    mapping.dirtied_when = -1;
    k.filemap.dirty.delete(mapping);
  }
  return written;
}

/** fsync(): until all that is dirty is in storage. @returns 0, or the first error since somebody was told */
export function* filemap_write_and_wait(k: Kernel, mapping: address_space): Sleeping<number> {
  yield* write_cache_pages(k, mapping, WB_SYNC);
  for (let index = 0; ; index++) {
    index = mapping.i_pages.find_marked(index, LAST, PAGECACHE_TAG_WRITEBACK);
    if (index < 0) break;
    const pfn = filemap_get_folio(k, mapping, index);
    yield* folio_wait_writeback(k, pfn);
    folio_put(k, pfn);
  }
  const error = mapping.wb_err;
  mapping.wb_err = 0;
  return error;
}

// ---- giving up

/** Drops a page that can be: clean, not mapped, nobody else's. Context: locked, with a reference. */
function invalidate(k: Kernel, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const busy = (1 << PG_dirty) | (1 << PG_writeback);
  if ((m[i + PG_FLAGS]! & busy) !== 0 || m[i + PG_MAPCOUNT]! >= 0 || m[i + PG_REFCOUNT] !== 2) return false;
  __filemap_remove_folio(k, pfn, -1);
  folio_put(k, pfn);
  return true;
}

/**
 * Drops what can be dropped without waiting, and shadows. What cannot be is brought to where it will be reclaimed soon.
 * @returns how many entries
 */
export function* invalidate_mapping_pages(k: Kernel, mapping: address_space): Sleeping<number> {
  let count = mapping.i_pages.drop_values();
  for (let index = mapping.i_pages.find_page(0, LAST); index >= 0; index = mapping.i_pages.find_page(index + 1, LAST)) {
    const pfn = filemap_get_folio(k, mapping, index);
    if (folio_trylock(k, pfn)) {
      if (invalidate(k, pfn)) count++;
      else deactivate_file_folio(k, pfn);
      folio_unlock(k, pfn);
    }
    folio_put(k, pfn);
    yield* cond_resched(k);
  }
  return count;
}

/** The file is deleted: its pages go, dirty or not. Context: nobody maps it. */
export function* truncate_inode_pages(k: Kernel, mapping: address_space): Sleeping<void> {
  for (let index = mapping.i_pages.find_page(0, LAST); index >= 0; index = mapping.i_pages.find_page(index, LAST)) {
    const pfn = filemap_get_folio(k, mapping, index);
    yield* folio_lock(k, pfn);
    yield* folio_wait_writeback(k, pfn);
    if (still_in(k, mapping, pfn)) {
      __filemap_remove_folio(k, pfn, -1);
      folio_put(k, pfn);
    }
    folio_unlock(k, pfn);
    folio_put(k, pfn);
    yield* cond_resched(k);
  }
  mapping.i_pages.drop_values();
  mapping.dirtied_when = -1;
  k.filemap.dirty.delete(mapping);
}
