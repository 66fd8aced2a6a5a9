// The page cache: pages of files, by their place in the file (Linux: mm/filemap.c filemap_add_folio(),
// __filemap_remove_folio(); mm/page-writeback.c folio_mark_dirty(), folio_clear_dirty_for_io(); include/linux/fs.h struct
// address_space, struct inode).
//
// A file here is a run of sectors of a disk, or all of it: there is no file system. Left out: large folios, shared memory,
// exceptional entries but shadows. Differs from Linux: page->mapping points to no memory: see anon_vma.ts.

import type { gendisk } from '../drivers/block/disk.ts';
import { __GFP_WRITE, GFP_HIGHUSER_MOVABLE } from '../include/gfp_types.ts';
import { PG_FLAGS, PG_INDEX, PG_INDEX_HI, PG_MAPPING, PG_MAPPING_HI, PG_REFCOUNT } from '../include/mm_types.ts';
import { NR_DIRTIED, NR_FILE_DIRTY, NR_FILE_PAGES, NR_ZONE_WRITE_PENDING } from '../include/mmzone.ts';
import { PG_dirty, PG_locked, PG_reclaim } from '../include/page_flags.ts';
import { EEXIST, type gfp_t, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { XA_MARK_0, XA_MARK_1, xarray } from '../lib/xarray.ts';
import { jiffies } from '../sched/clock.ts';
import type { task_struct } from '../sched/task.ts';
import { wait_queue_head, waitqueue_active, wake_up_all } from '../sched/wait.ts';
import { trace_writeback_dirty_folio } from '../trace/events/writeback.ts';
import { ANON_VMA_HI, ANON_VMA_SHIFT } from './anon_vma.ts';
import { folio_get, folio_set } from './folio.ts';
import { folio_end_writeback, folio_start_writeback } from './folio_lock.ts';
import { area_tree } from './interval_tree.ts';
import { mod_lruvec_folio_state } from './lruvec.ts';
import { page_index, page_to_nid, page_zone, section_map } from './page.ts';
import { page_mkclean } from './rmap.ts';
import { folio_add_lru } from './swap.ts';
import { __mod_node_page_state, __mod_zone_page_state } from './vmstat.ts';
import { workingset_refault } from './workingset.ts';

const TWO_32 = 2 ** 32;
export const PAGECACHE_TAG_DIRTY = XA_MARK_0;
export const PAGECACHE_TAG_WRITEBACK = XA_MARK_1;
/** VM_READAHEAD_PAGES: 128 KiB. */
const RA_PAGES = 32;

export class inode {
  readonly disk: gendisk;
  /** Its first sector: one of a page's. */
  readonly sector: number;
  i_size: number;
  readonly i_ino: number;
  readonly i_mapping: address_space;

  constructor(k: Kernel, disk: gendisk, sector: number, size: number, gfp_mask: gfp_t = GFP_HIGHUSER_MOVABLE) {
    this.disk = disk;
    this.sector = sector;
    this.i_size = size;
    this.i_ino = k.filemap.mappings.length;
    this.i_mapping = new address_space(this.i_ino, this, gfp_mask);
    k.filemap.mappings.push(this.i_mapping);
  }
}

export class address_space {
  /** What page->mapping holds: the pointer's low word. */
  readonly mapping_lo: number;
  readonly host: inode;
  /** How its pages are asked for. */
  readonly gfp_mask: gfp_t;
  readonly i_pages = new xarray();
  nrpages = 0;
  /** Areas that map the file. */
  readonly i_mmap = new area_tree();
  /** The first error of writing since somebody was told; 0: none. */
  wb_err = 0;
  /** When its first page became dirty, in jiffies; -1: none is. */
  dirtied_when = -1;

  constructor(id: number, host: inode, gfp_mask: gfp_t) {
    this.mapping_lo = id << ANON_VMA_SHIFT;
    this.host = host;
    this.gfp_mask = gfp_mask;
  }
}

/** struct file, with what is known of how it is read: struct file_ra_state. */
export class file {
  readonly f_inode: inode;
  readonly ra = { start: 0, size: 0, async_size: 0, ra_pages: RA_PAGES, mmap_miss: 0, prev_pos: -1 };

  constructor(f_inode: inode) {
    this.f_inode = f_inode;
  }
}

export class FilemapState {
  /** By the number that page->mapping holds; there is none without a number. */
  readonly mappings: (address_space | null)[] = [null];
  /** Those with dirty pages, the one that became so first at first. */
  readonly dirty = new Set<address_space>();
  flusher: task_struct | null = null;
  /** The flusher sleeps here. */
  readonly flusher_wait = new wait_queue_head();
  /** Whether it has been asked to write at once. */
  flush_now = false;
}

/** folio_mapping() of a page that may be one of a file: null if it is not. */
export function page_file_mapping(k: Kernel, m: Int32Array, i: number): address_space | null {
  const lo = m[i + PG_MAPPING]!;
  return (lo & 3) !== 0 || lo === 0 ? null : (k.filemap.mappings[lo >>> ANON_VMA_SHIFT] ?? null);
}

/** page->index: of a file, which page of it. */
export const folio_index = (m: Int32Array, i: number): number =>
  (m[i + PG_INDEX]! >>> 0) + m[i + PG_INDEX_HI]! * TWO_32;

/** The page at `index`, with a reference; -1: it is not in memory. */
export function filemap_get_folio(k: Kernel, mapping: address_space, index: number): pfn_t {
  const pfn = mapping.i_pages.page(index);
  if (pfn >= 0) folio_get(k, pfn);
  return pfn;
}

/**
 * Puts a new page into the cache, locked, and on its way to the LRU lists.
 * @param gfp with __GFP_WRITE what it held before will not be looked at: that it is back says nothing of what is needed
 * @returns 0 or -EEXIST
 */
export function filemap_add_folio(k: Kernel, mapping: address_space, pfn: pfn_t, index: number, gfp: gfp_t): number {
  const { i_pages } = mapping;
  if (i_pages.page(index) >= 0) return -EEXIST;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const shadow = i_pages.value(index);
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! | (1 << PG_locked);
  m[i + PG_REFCOUNT] = m[i + PG_REFCOUNT]! + 1;
  m[i + PG_MAPPING] = mapping.mapping_lo;
  m[i + PG_MAPPING_HI] = ANON_VMA_HI;
  m[i + PG_INDEX] = index | 0;
  m[i + PG_INDEX_HI] = (index / TWO_32) | 0;
  i_pages.store_page(index, pfn);
  mapping.nrpages++;
  mod_lruvec_folio_state(k, m, i, NR_FILE_PAGES, 1);
  if (shadow >= 0 && (gfp & __GFP_WRITE) === 0) workingset_refault(k, pfn, shadow);
  folio_add_lru(k, pfn);
  return 0;
}

/**
 * Takes a page out of the cache. The cache's reference is the caller's to give up.
 *
 * Context: the page is locked, and mapped nowhere.
 * @param shadow what is left in its place; -1: nothing
 */
export function __filemap_remove_folio(k: Kernel, pfn: pfn_t, shadow: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const mapping = page_file_mapping(k, m, i);
  if (mapping === null) return;
  if (folio_test_clear_dirty(m, i)) account(k, pfn, -1);
  mapping.i_pages.store_value(folio_index(m, i), shadow);
  mapping.nrpages--;
  m[i + PG_MAPPING] = 0;
  m[i + PG_MAPPING_HI] = 0;
  mod_lruvec_folio_state(k, m, i, NR_FILE_PAGES, -1);
}

// ---- dirty pages

/** One dirty page more, or less. */
function account(k: Kernel, pfn: pfn_t, delta: number): void {
  mod_lruvec_folio_state(k, section_map(k.mm, pfn), page_index(pfn), NR_FILE_DIRTY, delta);
  __mod_zone_page_state(k, page_zone(k, pfn), NR_ZONE_WRITE_PENDING, delta);
}

function folio_test_clear_dirty(m: Int32Array, i: number): boolean {
  const flags = m[i + PG_FLAGS]!;
  m[i + PG_FLAGS] = flags & ~(1 << PG_dirty);
  return ((flags >>> PG_dirty) & 1) !== 0;
}

/** The page's contents are newer than what is in storage. */
export function folio_mark_dirty(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const mapping = page_file_mapping(k, m, i);
  if (mapping === null) {
    folio_set(k, pfn, PG_dirty);
    return;
  }
  const flags = m[i + PG_FLAGS]! & ~(1 << PG_reclaim);
  m[i + PG_FLAGS] = flags | (1 << PG_dirty);
  if (((flags >>> PG_dirty) & 1) !== 0) return;
  if (k.trace.on) trace_writeback_dirty_folio(k, mapping, folio_index(m, i));
  account(k, pfn, 1);
  __mod_node_page_state(k, k.node_data[page_to_nid(k, pfn)]!, NR_DIRTIED, 1);
  mapping.i_pages.set_mark(folio_index(m, i), PAGECACHE_TAG_DIRTY);
  if (mapping.dirtied_when >= 0) return;
  mapping.dirtied_when = jiffies(k);
  k.filemap.dirty.add(mapping);
  if (waitqueue_active(k.filemap.flusher_wait)) wake_up_all(k, k.filemap.flusher_wait);
}

/** The page is about to be written. Whoever writes to it from now on makes it dirty again. @returns whether it was dirty */
export function folio_clear_dirty_for_io(k: Kernel, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const mapping = page_file_mapping(k, m, i);
  if (mapping !== null && page_mkclean(k, pfn)) folio_mark_dirty(k, pfn);
  if (!folio_test_clear_dirty(m, i)) return false;
  if (mapping !== null) account(k, pfn, -1);
  return true;
}

/** folio_start_writeback() of a page of a file, with its tags. */
export function filemap_start_writeback(k: Kernel, mapping: address_space, pfn: pfn_t): void {
  const index = folio_index(section_map(k.mm, pfn), page_index(pfn));
  folio_start_writeback(k, pfn);
  mapping.i_pages.set_mark(index, PAGECACHE_TAG_WRITEBACK);
  mapping.i_pages.clear_mark(index, PAGECACHE_TAG_DIRTY);
}

export function filemap_end_writeback(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  page_file_mapping(k, m, i)?.i_pages.clear_mark(folio_index(m, i), PAGECACHE_TAG_WRITEBACK);
  folio_end_writeback(k, pfn);
}

/** The last page of a file that has any contents; -1: it is empty. */
export const last_index = ({ i_size }: inode): number => Math.ceil(i_size / PAGE_SIZE) - 1;
