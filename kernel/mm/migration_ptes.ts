// Page table entries of a page that is being moved (Linux: mm/rmap.c try_to_migrate(), mm/migrate.c
// remove_migration_ptes(), include/linux/swapops.h): each becomes an entry that says so, and that whoever faults on it
// waits for; afterwards they lead to the page where it is then.
//
// Left out: large folios, KSM, pages of devices, userfaultfd, soft-dirty bits.

import { VM_WRITE } from '../include/mm.ts';
import { PG_FLAGS, PG_MAPPING, PG_REFCOUNT } from '../include/mm_types.ts';
import { PG_anon_exclusive, PG_dirty } from '../include/page_flags.ts';
import { SWP_MIGRATION_READ, SWP_MIGRATION_READ_EXCLUSIVE, SWP_MIGRATION_WRITE } from '../include/swap.ts';
import { MAX_PHYSMEM_BITS, MAX_PHYSMEM_BITS_L5, PAGE_SHIFT, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { trace_remove_migration_pte, trace_set_migration_pte } from '../trace/events/migrate.ts';
import { PAGE_MAPPING_ANON } from './anon_vma.ts';
import { folio_index, folio_mark_dirty } from './filemap.ts';
import { interval_tree_first, interval_tree_next } from './interval_tree.ts';
import { mlock_vma_page, munlock_vma_page } from './mlock.ts';
import { update_hiwater_rss, type vm_area_struct } from './mm_struct.ts';
import { page_index, section_map } from './page.ts';
import { mapping_areas, page_add_anon_rmap, page_add_file_rmap, page_remove_rmap, walk_while_mapped } from './rmap.ts';
import { folio_put } from './swap.ts';
import {
  pte_to_swp_entry,
  swp_entry,
  type swp_entry_t,
  swp_offset,
  swp_pte_hi,
  swp_pte_lo,
  swp_type,
} from './swapops.ts';
import { PTE_ACCESSED, PTE_DIRTY, PTE_RW, pt_walk, pte_hi, pte_lo, pte_present } from './user_pgtable.ts';

/** GUP_PIN_COUNTING_BIAS: with so many references somebody may have pinned the page. */
const GUP_PIN_COUNTING_BIAS = 1024;

/** Bits of the offset: the page, then whether it was accessed, and dirty. As on CPUs without X86_BUG_L1TF. */
const MIG_YOUNG = 2 ** (MAX_PHYSMEM_BITS - PAGE_SHIFT);
const MIG_YOUNG_L5 = 2 ** (MAX_PHYSMEM_BITS_L5 - PAGE_SHIFT);
const mig_young = (k: Kernel): number => (k.hw.la57 === true ? MIG_YOUNG_L5 : MIG_YOUNG);

/** The page that is being moved. */
export const migration_entry_pfn = (k: Kernel, entry: swp_entry_t): pfn_t => swp_offset(entry) % mig_young(k);

export const is_migration_entry = (entry: swp_entry_t): boolean =>
  swp_type(entry) >= SWP_MIGRATION_READ && swp_type(entry) <= SWP_MIGRATION_WRITE;

/** Where the area would map the page whose words begin at m[i]. */
const vma_address = (vma: vm_area_struct, m: Int32Array, i: number): number =>
  vma.vm_start + (folio_index(m, i) - vma.vm_pgoff) * PAGE_SIZE;

/** For an entry that two address spaces have from now on: neither may write. */
export const readable_migration_entry = (entry: swp_entry_t): swp_entry_t =>
  swp_entry(SWP_MIGRATION_READ, swp_offset(entry));

/** Puts an entry in place of one mapping. @returns false: the mapping stays */
function try_to_migrate_one(k: Kernel, vma: vm_area_struct, at: number, m: Int32Array, i: number, pfn: pfn_t): boolean {
  const mm = vma.vm_mm;
  const words = mm.walk_words;
  const lo = words[at]!;
  const flags = m[i + PG_FLAGS]!;
  if ((lo & PTE_DIRTY) !== 0) folio_mark_dirty(k, pfn);
  update_hiwater_rss(mm);
  const anon = (m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0;
  const exclusive = anon && ((flags >>> PG_anon_exclusive) & 1) !== 0;
  if (exclusive) {
    // A pinned page must not become a shared one.
    if (m[i + PG_REFCOUNT]! >= GUP_PIN_COUNTING_BIAS) return false;
    m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~(1 << PG_anon_exclusive);
  }
  let type = exclusive ? SWP_MIGRATION_READ_EXCLUSIVE : SWP_MIGRATION_READ;
  if ((lo & PTE_RW) !== 0) type = SWP_MIGRATION_WRITE;
  let offset = pfn;
  if ((lo & PTE_ACCESSED) !== 0) offset += mig_young(k);
  if ((lo & PTE_DIRTY) !== 0) offset += 2 * mig_young(k);
  const entry = swp_entry(type, offset);
  words[at] = swp_pte_lo(entry);
  words[at + 1] = swp_pte_hi(entry);
  if (k.trace.on) trace_set_migration_pte(k, vma_address(vma, m, i), words[at]!, words[at + 1]!, 0);
  munlock_vma_page(k, pfn, vma);
  page_remove_rmap(k, pfn);
  folio_put(k, pfn);
  return true;
}

/** Context: the page is locked, and the caller has a reference. The mapcount says what came of it. */
export const try_to_migrate = (k: Kernel, pfn: pfn_t): void => walk_while_mapped(k, pfn, try_to_migrate_one, 0);

/** Where the area has an entry for `src`, which is or was at the place in the area that m[i] tells; -1: it has none. */
function migration_entry_at(k: Kernel, vma: vm_area_struct, address: number, src: pfn_t): number {
  if (address < vma.vm_start || address >= vma.vm_end) return -1;
  const at = pt_walk(k, vma.vm_mm, address);
  if (at < 0) return -1;
  const words = vma.vm_mm.walk_words;
  const lo = words[at]!;
  const hi = words[at + 1]!;
  if ((lo | hi) === 0 || pte_present(lo)) return -1;
  const entry = pte_to_swp_entry(lo, hi);
  return is_migration_entry(entry) && migration_entry_pfn(k, entry) === src ? at : -1;
}

function remove_migration_pte(k: Kernel, vma: vm_area_struct, address: number, at: number, dst: pfn_t): void {
  const words = vma.vm_mm.walk_words;
  const entry = pte_to_swp_entry(words[at]!, words[at + 1]!);
  const m = section_map(k.mm, dst);
  const i = page_index(dst);
  const ad = Math.floor(swp_offset(entry) / mig_young(k));
  let flags = vma.prot_lo;
  if ((ad & 1) === 0) flags &= ~PTE_ACCESSED;
  if ((ad & 2) !== 0 && ((m[i + PG_FLAGS]! >>> PG_dirty) & 1) !== 0) flags |= PTE_DIRTY;
  const type = swp_type(entry);
  if (type !== SWP_MIGRATION_WRITE) flags &= ~PTE_RW;
  else if ((vma.vm_flags & VM_WRITE) !== 0) flags |= PTE_RW;
  m[i + PG_REFCOUNT] = m[i + PG_REFCOUNT]! + 1;
  if ((m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) === 0) page_add_file_rmap(k, dst);
  else page_add_anon_rmap(k, dst, vma, address, type !== SWP_MIGRATION_READ);
  mlock_vma_page(k, dst, vma);
  words[at] = pte_lo(dst, flags);
  words[at + 1] = pte_hi(dst, vma.prot_hi);
  if (k.trace.on) trace_remove_migration_pte(k, address, words[at]!, words[at + 1]!, 0);
}

/**
 * Wherever `src` was mapped, `dst` is.
 * Context: both are locked. `dst` has its mapping and index by now; it is `src` where the page was not moved.
 */
export function remove_migration_ptes(k: Kernel, src: pfn_t, dst: pfn_t): void {
  const m = section_map(k.mm, dst);
  const i = page_index(dst);
  const areas = mapping_areas(k, m, i);
  if (areas === null) return;
  const index = folio_index(m, i);
  for (let node = interval_tree_first(areas, index); node !== null; node = interval_tree_next(node, index)) {
    const { vma } = node;
    const address = vma_address(vma, m, i);
    const at = migration_entry_at(k, vma, address, src);
    if (at >= 0) remove_migration_pte(k, vma, address, at, dst);
  }
}
