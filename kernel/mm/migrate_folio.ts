// One page's contents and state become another's (Linux: mm/migrate.c move_to_new_folio(), migrate_folio(),
// folio_migrate_mapping(), folio_migrate_flags()).
//
// Left out: large folios, buffers, movable pages of drivers, KSM, memory tiers.

import { MIGRATEPAGE_SUCCESS } from '../include/migrate_mode.ts';
import {
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_INDEX,
  PG_INDEX_HI,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  PG_REFCOUNT,
} from '../include/mm_types.ts';
import { NR_FILE_DIRTY, NR_FILE_PAGES, NR_SWAPCACHE, NR_ZONE_WRITE_PENDING } from '../include/mmzone.ts';
import {
  CPUPID_NONE,
  CPUPID_NONE_HI,
  PG_active,
  PG_dirty,
  PG_error,
  PG_mappedtodisk,
  PG_owner_priv_1,
  PG_private,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
  PG_uptodate,
  PG_workingset,
  PG_writeback,
} from '../include/page_flags.ts';
import { KEY_PAGE_OWNER } from '../include/static_keys.ts';
import { EAGAIN, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG_ON } from '../lib/bug.ts';
import { type address_space, folio_index, page_file_mapping } from './filemap.ts';
import { __mod_lruvec_state, mem_cgroup_lruvec } from './lruvec.ts';
import { folio_memcg, mem_cgroup_migrate } from './memcg_folio.ts';
import type { mem_cgroup } from './memcontrol.ts';
import { copy_page } from './memory.ts';
import { page_index, page_to_nid, page_zone, section_map } from './page.ts';
import { folio_copy_owner } from './page_owner.ts';
import { PAGE_MAPPING_FLAGS } from './page_prep.ts';
import { swap_cache_store } from './swap_shadow.ts';
import { folio_swap_entry, folio_test_swapcache, page_swap_info } from './swap_state.ts';
import { swp_offset } from './swapops.ts';
import { __mod_zone_page_state } from './vmstat.ts';

/** What goes along as it is. PG_owner_priv_1 is also PG_checked, PG_mappedtodisk also PG_anon_exclusive. */
const COPIED =
  (1 << PG_error) |
  (1 << PG_referenced) |
  (1 << PG_uptodate) |
  (1 << PG_workingset) |
  (1 << PG_owner_priv_1) |
  (1 << PG_mappedtodisk) |
  (1 << PG_dirty) |
  (1 << PG_reclaim);
const SWAPCACHE = (1 << PG_swapcache) | (1 << PG_swapbacked);

/** Whether page->mapping is a file's. */
export const has_file_mapping = (m: Int32Array, i: number): boolean =>
  (m[i + PG_FLAGS]! & SWAPCACHE) !== SWAPCACHE &&
  (m[i + PG_MAPPING]! & PAGE_MAPPING_FLAGS) === 0 &&
  (m[i + PG_MAPPING]! | m[i + PG_MAPPING_HI]!) !== 0;

/** The swap cache, or the file, has `dst` in place of `src`, and the reference that goes with it. */
function replace_in_cache(k: Kernel, dst: pfn_t, src: pfn_t, mapping: address_space | null): void {
  const from = section_map(k.mm, src);
  const to = section_map(k.mm, dst);
  const s = page_index(src);
  const d = page_index(dst);
  if (mapping === null) {
    swap_cache_store(page_swap_info(k, src), swp_offset(folio_swap_entry(k, src)), dst);
    to[d + PG_PRIVATE] = from[s + PG_PRIVATE]!;
    to[d + PG_PRIVATE_HI] = from[s + PG_PRIVATE_HI]!;
    to[d + PG_FLAGS] = to[d + PG_FLAGS]! | (1 << PG_swapcache);
  } else mapping.i_pages.replace_page(folio_index(from, s), dst);
  const dirty = from[s + PG_FLAGS]! & (1 << PG_dirty);
  from[s + PG_FLAGS] = from[s + PG_FLAGS]! & ~dirty;
  to[d + PG_FLAGS] = to[d + PG_FLAGS]! | dirty;
  to[d + PG_REFCOUNT] = to[d + PG_REFCOUNT]! + 1;
  from[s + PG_REFCOUNT] = from[s + PG_REFCOUNT]! - 1;
  if (page_zone(k, src) === page_zone(k, dst)) return;
  const memcg = folio_memcg(k, from, s);
  count_in_cache(k, src, memcg, mapping, dirty !== 0, -1);
  count_in_cache(k, dst, memcg, mapping, dirty !== 0, 1);
}

/** Where a page counts as one of a cache. */
function count_in_cache(
  k: Kernel,
  pfn: pfn_t,
  memcg: mem_cgroup | null,
  mapping: address_space | null,
  dirty: boolean,
  delta: number,
): void {
  const lruvec = mem_cgroup_lruvec(k, memcg, k.node_data[page_to_nid(k, pfn)]!);
  __mod_lruvec_state(k, lruvec, NR_FILE_PAGES, delta);
  if (mapping === null) __mod_lruvec_state(k, lruvec, NR_SWAPCACHE, delta);
  else if (dirty) {
    __mod_lruvec_state(k, lruvec, NR_FILE_DIRTY, delta);
    __mod_zone_page_state(k, page_zone(k, pfn), NR_ZONE_WRITE_PENDING, delta);
  }
}

/** `dst` takes the place of `src`, if nobody else looks at that. @returns 0 or -EAGAIN */
function folio_migrate_mapping(k: Kernel, dst: pfn_t, src: pfn_t): number {
  const from = section_map(k.mm, src);
  const to = section_map(k.mm, dst);
  const s = page_index(src);
  const d = page_index(dst);
  const swapcache = folio_test_swapcache(k, src);
  const mapping = swapcache ? null : page_file_mapping(k, from, s);
  const cached = swapcache || mapping !== null;
  if (from[s + PG_REFCOUNT] !== (cached ? 2 : 1)) return -EAGAIN;
  to[d + PG_INDEX] = from[s + PG_INDEX]!;
  to[d + PG_INDEX_HI] = from[s + PG_INDEX_HI]!;
  to[d + PG_MAPPING] = from[s + PG_MAPPING]!;
  to[d + PG_MAPPING_HI] = from[s + PG_MAPPING_HI]!;
  to[d + PG_FLAGS] = to[d + PG_FLAGS]! | (from[s + PG_FLAGS]! & (1 << PG_swapbacked));
  if (cached) replace_in_cache(k, dst, src, mapping);
  return MIGRATEPAGE_SUCCESS;
}

function folio_migrate_flags(k: Kernel, dst: pfn_t, src: pfn_t): void {
  const from = section_map(k.mm, src);
  const to = section_map(k.mm, dst);
  const s = page_index(src);
  const d = page_index(dst);
  const flags = from[s + PG_FLAGS]!;
  // Active or unevictable it is in one place only.
  const active = flags & (1 << PG_active);
  const moved = active !== 0 ? active : flags & (1 << PG_unevictable);
  const cleared = moved | (1 << PG_private) | ((flags & SWAPCACHE) === SWAPCACHE ? 1 << PG_swapcache : 0);
  to[d + PG_FLAGS] = (to[d + PG_FLAGS]! & ~CPUPID_NONE) | (flags & (COPIED | CPUPID_NONE)) | moved;
  to[d + PG_FLAGS_HI] = (to[d + PG_FLAGS_HI]! & ~CPUPID_NONE_HI) | (from[s + PG_FLAGS_HI]! & CPUPID_NONE_HI);
  from[s + PG_FLAGS] = (flags & ~cleared) | CPUPID_NONE;
  from[s + PG_FLAGS_HI] = from[s + PG_FLAGS_HI]! | CPUPID_NONE_HI;
  from[s + PG_PRIVATE] = 0;
  from[s + PG_PRIVATE_HI] = 0;
  if ((k.page_alloc.static_keys & KEY_PAGE_OWNER) !== 0) folio_copy_owner(k, dst, src);
  mem_cgroup_migrate(k, dst, src);
}

/**
 * Context: both are locked, and no page table has `src` any more.
 * @returns 0 or -EAGAIN: somebody has a reference
 */
export function move_to_new_folio(k: Kernel, dst: pfn_t, src: pfn_t): number {
  const m = section_map(k.mm, src);
  const i = page_index(src);
  BUG_ON(((m[i + PG_FLAGS]! >>> PG_writeback) & 1) !== 0, 'mm/migrate.c:644');
  const rc = folio_migrate_mapping(k, dst, src);
  if (rc !== MIGRATEPAGE_SUCCESS) return rc;
  copy_page(k, dst, src);
  folio_migrate_flags(k, dst, src);
  // An anonymous page's mapping goes when it is freed: until then it counts as what it was.
  if ((m[i + PG_MAPPING]! & PAGE_MAPPING_FLAGS) === 0) {
    m[i + PG_MAPPING] = 0;
    m[i + PG_MAPPING_HI] = 0;
  }
  return MIGRATEPAGE_SUCCESS;
}
