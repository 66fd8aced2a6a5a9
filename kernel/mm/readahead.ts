// Pages of files are read before they are asked for (Linux: mm/readahead.c ondemand_readahead(),
// page_cache_ra_unbounded()): a window that grows while a file is read in order, and the next one begun before it ends.
//
// Left out: large folios, congested devices, what a device's own limit would add to a large request.

import {
  type bio_end_io,
  blk_finish_plug,
  blk_start_plug,
  PAGE_SECTORS,
  REQ_OP_READ,
  REQ_RAHEAD,
  submit_bio,
} from '../drivers/block/blk.ts';
import { __GFP_COMP, __GFP_NORETRY, __GFP_NOWARN } from '../include/gfp_types.ts';
import { PG_error, PG_readahead, PG_uptodate, PG_writeback } from '../include/page_flags.ts';
import { type gfp_t, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { memalloc_nofs_restore, memalloc_nofs_save } from '../sched/mm.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { type address_space, type file, filemap_add_folio, folio_index, last_index } from './filemap.ts';
import { folio_clear, folio_set, folio_test } from './folio.ts';
import { folio_unlock } from './folio_lock.ts';
import { mem_cgroup_charge, memcg_enabled } from './memcg_folio.ts';
import { alloc_pages_task } from './mempolicy.ts';
import { page_index, section_map } from './page.ts';
import { folio_put } from './swap.ts';

const end_read: bio_end_io = (k, _disk, _sector, pfn, error) => {
  folio_set(k, pfn, error === 0 ? PG_uptodate : PG_error);
  folio_unlock(k, pfn);
};

/** Starts to read a page of the cache. Context: it is locked; unlocked once it is read. */
export function filemap_read_folio(k: Kernel, mapping: address_space, pfn: pfn_t, ahead: boolean): void {
  const { disk, sector } = mapping.host;
  const index = folio_index(section_map(k.mm, pfn), page_index(pfn));
  folio_clear(k, pfn, PG_error);
  const opf = ahead ? REQ_OP_READ | REQ_RAHEAD : REQ_OP_READ;
  const at = sector + index * PAGE_SECTORS;
  submit_bio(k, disk, opf, at, pfn, end_read);
}

/** Puts a page that nobody knows of yet into the cache, where it is locked. @returns 0 or -errno: it is free again */
function* add_new_folio(k: Kernel, mapping: address_space, pfn: pfn_t, index: number, gfp: gfp_t): Sleeping<number> {
  const charged = memcg_enabled(k) ? yield* mem_cgroup_charge(k, pfn, null, gfp) : 0;
  const err = charged < 0 ? charged : filemap_add_folio(k, mapping, pfn, index, gfp);
  if (err < 0) folio_put(k, pfn);
  return err;
}

/** A new page of the cache, locked, with a reference. @returns -1: no memory, or another was faster */
export function* filemap_create_folio(k: Kernel, mapping: address_space, index: number, gfp: gfp_t): Sleeping<pfn_t> {
  const pfn = yield* alloc_pages_task(k, gfp | __GFP_COMP, 0);
  return pfn >= 0 && (yield* add_new_folio(k, mapping, pfn, index, gfp)) === 0 ? pfn : -1;
}

/**
 * Reads what of [start, start + nr) is not there, up to the end of the file.
 * @param lookahead so many pages before that, the next window begins
 */
function* page_cache_ra_unbounded(
  k: Kernel,
  mapping: address_space,
  start: number,
  nr: number,
  lookahead: number,
): Sleeping<void> {
  const gfp = mapping.gfp_mask | __GFP_NORETRY | __GFP_NOWARN;
  const end = Math.min(start + nr, last_index(mapping.host) + 1);
  // Pages are locked whose requests have not been sent yet: reclaim must not wait for any of a file.
  const nofs = memalloc_nofs_save(k);
  const plug = blk_start_plug(k);
  for (let index = start; index < end; index++) {
    if (mapping.i_pages.page(index) >= 0) continue;
    const pfn = yield* alloc_pages_task(k, gfp | __GFP_COMP, 0);
    if (pfn < 0) break;
    if ((yield* add_new_folio(k, mapping, pfn, index, gfp)) < 0) continue;
    if (index === end - lookahead) folio_set(k, pfn, PG_readahead);
    filemap_read_folio(k, mapping, pfn, true);
    folio_put(k, pfn);
  }
  blk_finish_plug(k, plug);
  memalloc_nofs_restore(k, nofs);
}

function get_init_ra_size(size: number, max: number): number {
  const rounded = 2 ** Math.ceil(Math.log2(Math.max(1, size)));
  if (rounded <= max / 32) return rounded * 4;
  return rounded <= max / 4 ? rounded * 2 : max;
}

function get_next_ra_size(current: number, max: number): number {
  if (current < max / 16) return 4 * current;
  return current <= max / 2 ? 2 * current : max;
}

/** Whether `index` is the page that the read before ended in, or the next one. */
function follows(index: number, prev_pos: number): boolean {
  const prev = Math.floor(prev_pos / PAGE_SIZE);
  return index === prev || index === prev + 1;
}

/** Pages in a row that are in the cache before `index`. That there are `max` of them is never seen. */
function count_history_pages(mapping: address_space, index: number, max: number): number {
  let count = 0;
  while (count < max - 1 && index - 1 - count >= 0 && mapping.i_pages.page(index - 1 - count) >= 0) count++;
  return count;
}

/** @param marker the page is there, and said that it is time for the next window */
function* ondemand_readahead(k: Kernel, f: file, index: number, req_size: number, marker: boolean): Sleeping<void> {
  const { ra } = f;
  const mapping = f.f_inode.i_mapping;
  const max = ra.ra_pages;
  const initial = (): void => {
    ra.start = index;
    ra.size = get_init_ra_size(req_size, max);
    ra.async_size = ra.size > req_size ? ra.size - req_size : ra.size;
  };
  const in_order = index === ra.start + ra.size - ra.async_size || index === ra.start + ra.size;
  if (index === 0) initial();
  else if (in_order) {
    ra.start += ra.size;
    ra.size = get_next_ra_size(ra.size, max);
    ra.async_size = ra.size;
  } else if (marker) {
    let start = index + 1;
    while (start - index < max && mapping.i_pages.page(start) >= 0) start++;
    ra.start = start;
    ra.size = get_next_ra_size(start - index + req_size, max);
    ra.async_size = ra.size;
  } else if (req_size > max || follows(index, ra.prev_pos)) initial();
  else {
    const history = count_history_pages(mapping, index, max);
    if (history <= req_size) {
      // A small read somewhere.
      yield* page_cache_ra_unbounded(k, mapping, index, req_size, 0);
      return;
    }
    ra.start = index;
    ra.size = Math.min((history >= index ? history * 2 : history) + req_size, max);
    ra.async_size = 1;
  }
  // The window begins here, and its mark would be hit at once: make it two.
  if (index === ra.start && ra.size === ra.async_size) {
    const add = get_next_ra_size(ra.size, max);
    ra.async_size = ra.size + add <= max ? add : Math.floor(max / 2);
    ra.size = Math.min(max, ra.size + add);
  }
  yield* page_cache_ra_unbounded(k, mapping, ra.start, ra.size, ra.async_size);
}

/** The page at `index` is wanted now, and not there. */
export function* page_cache_sync_readahead(k: Kernel, f: file, index: number, req_size: number): Sleeping<void> {
  if (f.ra.ra_pages > 0) yield* ondemand_readahead(k, f, index, req_size, false);
}

/** A marked page is read. */
export function* page_cache_async_readahead(
  k: Kernel,
  f: file,
  pfn: pfn_t,
  index: number,
  req_size: number,
): Sleeping<void> {
  // The mark of a page under writeback is another one: the same bit tells that reclaim waits for it.
  if (f.ra.ra_pages === 0 || folio_test(k, pfn, PG_writeback)) return;
  folio_clear(k, pfn, PG_readahead);
  yield* ondemand_readahead(k, f, index, req_size, true);
}

/** A fault: pages on both sides. */
export function* mmap_readaround(k: Kernel, f: file, index: number): Sleeping<void> {
  const { ra } = f;
  ra.start = Math.max(0, index - Math.floor(ra.ra_pages / 2));
  ra.size = ra.ra_pages;
  ra.async_size = Math.floor(ra.ra_pages / 4);
  yield* page_cache_ra_unbounded(k, f.f_inode.i_mapping, ra.start, ra.size, ra.async_size);
}
