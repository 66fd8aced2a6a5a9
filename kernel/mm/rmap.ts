// From a page to the page table entries that map it (Linux: mm/rmap.c): how often it is mapped, whether it was touched,
// and taking it out of every address space, which leaves swap entries where it was anonymous.
//
// On reclaim's path: words of RAM, and no object for a page. Left out: large folios, KSM, memory failure, locks.

import {
  MM_ANONPAGES,
  MM_FILEPAGES,
  MM_SHMEMPAGES,
  MM_SWAPENTS,
  VM_LOCKED,
  VM_SEQ_READ,
  VM_SHARED,
} from '../include/mm.ts';
import {
  PG_FLAGS,
  PG_INDEX,
  PG_INDEX_HI,
  PG_MAPCOUNT,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  PG_REFCOUNT,
} from '../include/mm_types.ts';
import { NR_ANON_MAPPED, NR_FILE_MAPPED } from '../include/mmzone.ts';
import { PG_anon_exclusive, PG_dirty, PG_locked, PG_swapbacked, PG_swapcache } from '../include/page_flags.ts';
import { _PAGE_SWP_EXCLUSIVE } from '../include/swap.ts';
import { PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';
import { ANON_VMA_HI, ANON_VMA_SHIFT, type anon_vma, PAGE_MAPPING_ANON } from './anon_vma.ts';
import { folio_index, folio_mark_dirty, page_file_mapping } from './filemap.ts';
import { type area_tree, interval_tree_first, interval_tree_next } from './interval_tree.ts';
import { mod_lruvec_folio_state } from './lruvec.ts';
import { mm_match_cgroup } from './memcg_folio.ts';
import type { mem_cgroup } from './memcontrol.ts';
import { mlock_vma_page } from './mlock.ts';
import { type mm_struct, update_hiwater_rss, type vm_area_struct } from './mm_struct.ts';
import { page_index, section_map } from './page.ts';
import { folio_put } from './swap.ts';
import { swap_duplicate } from './swap_count.ts';
import { swp_entry_of, swp_pte_hi, swp_pte_lo } from './swapops.ts';
import { PTE_ACCESSED, PTE_DIRTY, PTE_RW, pt_walk, pte_pfn, pte_present } from './user_pgtable.ts';

const TWO_32 = 2 ** 32;
const ANON_EXCLUSIVE = 1 << PG_anon_exclusive;

export class RmapState {
  /** Of the areas through which folio_referenced() found the page touched last: their VM_* together. */
  vm_flags = 0;
}

// ---- counting

export const linear_page_index = (vma: vm_area_struct, address: number): number =>
  vma.vm_pgoff + Math.floor((address - vma.vm_start) / PAGE_SIZE);

/** __page_set_anon_rmap(). */
function set_anon_rmap(m: Int32Array, i: number, vma: vm_area_struct, address: number, exclusive: boolean): void {
  if (exclusive) m[i + PG_FLAGS] = m[i + PG_FLAGS]! | ANON_EXCLUSIVE;
  if ((m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0) return;
  let av: anon_vma = vma.anon_vma!;
  // Another address space may have it too: then the anon_vma that all of them hang on.
  if (!exclusive) while (av.parent !== av) av = av.parent;
  const index = linear_page_index(vma, address);
  m[i + PG_MAPPING] = av.mapping_lo;
  m[i + PG_MAPPING_HI] = ANON_VMA_HI;
  m[i + PG_INDEX] = index | 0;
  m[i + PG_INDEX_HI] = (index / TWO_32) | 0;
}

/** A page that was just allocated gets its first mapping. */
export function page_add_new_anon_rmap(k: Kernel, pfn: pfn_t, vma: vm_area_struct, address: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! | (1 << PG_swapbacked);
  m[i + PG_MAPCOUNT] = 0;
  mod_lruvec_folio_state(k, m, i, NR_ANON_MAPPED, 1);
  set_anon_rmap(m, i, vma, address, true);
}

/** An anonymous page, maybe back from swap, gets one more mapping. */
export function page_add_anon_rmap(
  k: Kernel,
  pfn: pfn_t,
  vma: vm_area_struct,
  address: number,
  exclusive: boolean,
): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const mapcount = m[i + PG_MAPCOUNT]! + 1;
  m[i + PG_MAPCOUNT] = mapcount;
  if (mapcount === 0) mod_lruvec_folio_state(k, m, i, NR_ANON_MAPPED, 1);
  if (mapcount === 0 || exclusive) set_anon_rmap(m, i, vma, address, exclusive);
}

/** A page of a file gets one more mapping. */
export function page_add_file_rmap(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const mapcount = m[i + PG_MAPCOUNT]! + 1;
  m[i + PG_MAPCOUNT] = mapcount;
  if (mapcount === 0) mod_lruvec_folio_state(k, m, i, NR_FILE_MAPPED, 1);
}

/** page_move_anon_rmap(): whoever wrote to it has it alone; it moves to his own anon_vma. */
export function page_move_anon_rmap(k: Kernel, pfn: pfn_t, vma: vm_area_struct): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  m[i + PG_MAPPING] = vma.anon_vma!.mapping_lo;
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! | ANON_EXCLUSIVE;
}

/** fork(): one more mapping of an anonymous page, which nobody may write to as it is from now on. */
export function page_dup_anon_rmap(m: Int32Array, i: number): void {
  m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~ANON_EXCLUSIVE;
  m[i + PG_MAPCOUNT] = m[i + PG_MAPCOUNT]! + 1;
}

export function page_remove_rmap(k: Kernel, pfn: pfn_t): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const mapcount = m[i + PG_MAPCOUNT]! - 1;
  m[i + PG_MAPCOUNT] = mapcount;
  if (mapcount >= 0) return;
  const item = (m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0 ? NR_ANON_MAPPED : NR_FILE_MAPPED;
  mod_lruvec_folio_state(k, m, i, item, -1);
}

/** mm_counter(): which of an address space's counters a page is in. */
export function mm_counter(m: Int32Array, i: number): number {
  if ((m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0) return MM_ANONPAGES;
  return (m[i + PG_FLAGS]! & (1 << PG_swapbacked)) !== 0 ? MM_SHMEMPAGES : MM_FILEPAGES;
}

export function add_mm_counter(mm: mm_struct, member: number, value: number): void {
  mm.rss_stat[member] = mm.rss_stat[member]! + value;
}

// ---- walking

/** The anon_vma of an anonymous page that is mapped. */
const page_anon_vma = (k: Kernel, m: Int32Array, i: number): anon_vma | null =>
  k.user.anon_vmas[m[i + PG_MAPPING]! >>> ANON_VMA_SHIFT] ?? null;

/** Where the area maps the page, as pt_walk() says it; -1: it does not. */
export function page_vma_mapped(k: Kernel, vma: vm_area_struct, m: Int32Array, i: number, pfn: pfn_t): number {
  const address = vma.vm_start + (folio_index(m, i) - vma.vm_pgoff) * PAGE_SIZE;
  if (address < vma.vm_start || address >= vma.vm_end) return -1;
  const at = pt_walk(k, vma.vm_mm, address);
  if (at < 0) return -1;
  const words = vma.vm_mm.walk_words;
  const lo = words[at]!;
  return pte_present(lo) && pte_pfn(lo, words[at + 1]!) === pfn ? at : -1;
}

/** Whether the page was touched through an entry since that was last asked. */
function test_and_clear_young(words: Int32Array, at: number): boolean {
  const lo = words[at]!;
  words[at] = lo & ~PTE_ACCESSED;
  return (lo & PTE_ACCESSED) !== 0;
}

/**
 * In how many areas the page was touched since it was last asked, by the accessed bits, which are cleared. k.rmap.vm_flags
 * is what those areas are.
 *
 * Context: who asks holds the page.
 * @param is_locked he has locked it, too; else a page of a file that another has locked counts as touched
 * @param memcg only what its tasks did counts; null: anybody
 */
export function folio_referenced(k: Kernel, pfn: pfn_t, is_locked: boolean, memcg: mem_cgroup | null): number {
  const { rmap } = k;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  let mapcount = m[i + PG_MAPCOUNT]! + 1;
  let referenced = 0;
  rmap.vm_flags = 0;
  const areas = mapcount > 0 ? mapping_areas(k, m, i) : null;
  if (areas === null) return 0;
  const anon = (m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0;
  if (!is_locked && !anon && (m[i + PG_FLAGS]! & (1 << PG_locked)) !== 0) return 1;
  const index = folio_index(m, i);
  let node = interval_tree_first(areas, index);
  for (; node !== null && mapcount > 0; node = interval_tree_next(node, index)) {
    const { vma } = node;
    if (memcg !== null && !mm_match_cgroup(k, vma.vm_mm, memcg)) continue;
    const at = page_vma_mapped(k, vma, m, i, pfn);
    if (at < 0) continue;
    if ((vma.vm_flags & VM_LOCKED) !== 0) {
      // Another area that locked it is gone, and the page's mark with it.
      mlock_vma_page(k, pfn, vma);
      rmap.vm_flags |= VM_LOCKED;
      break;
    }
    mapcount--;
    if (!test_and_clear_young(vma.vm_mm.walk_words, at) || (vma.vm_flags & VM_SEQ_READ) !== 0) continue;
    referenced++;
    rmap.vm_flags |= vma.vm_flags;
  }
  return referenced;
}

/** The areas that may map a page that is mapped. */
export const mapping_areas = (k: Kernel, m: Int32Array, i: number): area_tree | null =>
  (m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0
    ? (page_anon_vma(k, m, i)?.rb_root ?? null)
    : (page_file_mapping(k, m, i)?.i_mmap ?? null);

/**
 * The page is about to be written: entries of shared areas become clean and read-only, so that the next write to it shows.
 * @returns whether one of them was dirty, or could have been written through
 */
export function page_mkclean(k: Kernel, pfn: pfn_t): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (m[i + PG_MAPCOUNT]! < 0) return false;
  let cleaned = false;
  const areas = page_file_mapping(k, m, i)?.i_mmap;
  if (areas === undefined) return false;
  const index = folio_index(m, i);
  for (let node = interval_tree_first(areas, index); node !== null; node = interval_tree_next(node, index)) {
    const { vma } = node;
    const at = (vma.vm_flags & VM_SHARED) === 0 ? -1 : page_vma_mapped(k, vma, m, i, pfn);
    if (at < 0) continue;
    const words = vma.vm_mm.walk_words;
    if ((words[at]! & (PTE_DIRTY | PTE_RW)) === 0) continue;
    words[at] = words[at]! & ~(PTE_DIRTY | PTE_RW);
    cleaned = true;
  }
  return cleaned;
}

// ---- unmapping

/** enum ttu_flags: areas that are locked into memory count like others. */
export const TTU_IGNORE_MLOCK = 0x8;

/** The entry becomes the page's place in swap. */
function unmap_to_swap(
  k: Kernel,
  mm: mm_struct,
  words: Int32Array,
  at: number,
  m: Int32Array,
  i: number,
  pfn: pfn_t,
): boolean {
  const flags = m[i + PG_FLAGS]!;
  if (WARN_ONCE(k, (flags & (1 << PG_swapcache)) === 0, 'mm/rmap.c:1663 try_to_unmap_one')) return false;
  const entry = swp_entry_of(m[i + PG_PRIVATE]!, m[i + PG_PRIVATE_HI]!);
  if (swap_duplicate(k, entry) < 0) return false;
  m[i + PG_FLAGS] = flags & ~ANON_EXCLUSIVE;
  words[at] = swp_pte_lo(entry) | ((flags & ANON_EXCLUSIVE) !== 0 ? _PAGE_SWP_EXCLUSIVE : 0);
  words[at + 1] = swp_pte_hi(entry);
  add_mm_counter(mm, MM_ANONPAGES, -1);
  add_mm_counter(mm, MM_SWAPENTS, 1);
  page_remove_rmap(k, pfn);
  folio_put(k, pfn);
  return true;
}

/**
 * Takes one mapping away. What the entry becomes depends on the page: an anonymous one that is in the swap cache leaves its
 * place in swap behind; one that may be given up (MADV_FREE) nothing.
 * @returns false: the mapping stays
 */
function try_to_unmap_one(
  k: Kernel,
  vma: vm_area_struct,
  at: number,
  m: Int32Array,
  i: number,
  pfn: pfn_t,
  flags: number,
): boolean {
  const mm = vma.vm_mm;
  const words = mm.walk_words;
  const lo = words[at]!;
  if ((flags & TTU_IGNORE_MLOCK) === 0 && (vma.vm_flags & VM_LOCKED) !== 0) {
    mlock_vma_page(k, pfn, vma);
    return false;
  }
  if ((lo & PTE_DIRTY) !== 0) folio_mark_dirty(k, pfn);
  update_hiwater_rss(mm);
  if ((m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0) {
    const page_flags = m[i + PG_FLAGS]!;
    if ((page_flags & (1 << PG_swapbacked)) !== 0) return unmap_to_swap(k, mm, words, at, m, i, pfn);
    const mapcount = m[i + PG_MAPCOUNT]! + 1;
    if (m[i + PG_REFCOUNT] !== 1 + mapcount || (page_flags & (1 << PG_dirty)) !== 0) {
      // Somebody has written to it since, or is about to.
      m[i + PG_FLAGS] = page_flags | (1 << PG_swapbacked);
      return false;
    }
  }
  words[at] = 0;
  words[at + 1] = 0;
  add_mm_counter(mm, mm_counter(m, i), -1);
  page_remove_rmap(k, pfn);
  folio_put(k, pfn);
  return true;
}

/** Does away with one of a page's mappings. @param at of its entry. @returns false: it stays, and so do the others */
type UnmapOne = (
  k: Kernel,
  vma: vm_area_struct,
  at: number,
  m: Int32Array,
  i: number,
  pfn: pfn_t,
  flags: number,
) => boolean;

/** rmap_walk() until the page has no mapping any more. Context: the page is locked. */
export function walk_while_mapped(k: Kernel, pfn: pfn_t, unmap_one: UnmapOne, flags: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const areas = m[i + PG_MAPCOUNT]! >= 0 ? mapping_areas(k, m, i) : null;
  if (areas === null) return;
  const index = folio_index(m, i);
  let node = interval_tree_first(areas, index);
  for (; node !== null && m[i + PG_MAPCOUNT]! >= 0; node = interval_tree_next(node, index)) {
    const at = page_vma_mapped(k, node.vma, m, i, pfn);
    if (at >= 0 && !unmap_one(k, node.vma, at, m, i, pfn, flags)) return;
  }
}

/** Context: the page is locked, and who asks has a reference to it. The caller looks at the mapcount for what came of it. */
export const try_to_unmap = (k: Kernel, pfn: pfn_t, flags: number): void =>
  walk_while_mapped(k, pfn, try_to_unmap_one, flags);
