// Many single pages freed at once (Linux: mm/page_alloc.c free_unref_page_list()): all are checked and cleared before the
// first one goes to a per-cpu list.
//
// Left out: giving the lock up after every SWAP_CLUSTER_MAX pages, and trylock failing: no one else could take it.
// Differs from Linux: the list is an array.

import { PG_FLAGS, PG_FLAGS_HI, PG_INDEX, PG_MAPPING, PG_MAPPING_HI, PG_MEMCG_DATA } from '../include/mm_types.ts';
import { MIGRATE_ISOLATE, MIGRATE_MOVABLE, MIGRATE_PCPTYPES, PFN_SECTION_SHIFT } from '../include/mmzone.ts';
import { PG_ODD_AT_FREE } from '../include/page_flags.ts';
import { KEY_TRACE } from '../include/static_keys.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { trace_mm_page_free_batched } from '../trace/events/kmem.ts';
import { FPI_NONE, free_one_page } from './buddy.ts';
import { remember_section } from './fast_paths.ts';
import { mem_cgroup_uncharge } from './memcg_folio.ts';
import { page_index, page_zone, section_map } from './page.ts';
import { free_pages_prepare, PAGE_MAPPING_FLAGS } from './page_prep.ts';
import { get_pageblock_migratetype } from './pageblock.ts';
import { free_unref_page, free_unref_page_commit } from './pcp.ts';
import { zone_cpu } from './zone_cpu.ts';

/** Bad pages, and those of isolated pageblocks, are dealt with here. @returns whether the page is left for a per-cpu list */
function prepare(k: Kernel, pfn: pfn_t): boolean {
  if (!free_pages_prepare(k, pfn, 0, false)) return false;
  const migratetype = get_pageblock_migratetype(k, pfn);
  section_map(k.mm, pfn)[page_index(pfn) + PG_INDEX] = migratetype;
  if (migratetype !== MIGRATE_ISOLATE) return true;
  free_one_page(k, page_zone(k, pfn), pfn, 0, migratetype, FPI_NONE);
  return false;
}

/** The same for pages[0 .. nr - 1], which may be charged to memory cgroups; the last one first. */
export function free_unref_pages(k: Kernel, pages: Int32Array, nr: number): void {
  if (k.page_alloc.static_keys !== 0) {
    for (let at = 0; at < nr; at++) {
      const m = section_map(k.mm, pages[at]!);
      const i = page_index(pages[at]!);
      if (m[i + PG_MEMCG_DATA] !== 0) mem_cgroup_uncharge(k, m, i);
    }
    free_unref_page_list(k, Array.from(pages.subarray(0, nr)).reverse());
    return;
  }
  const { sections } = k.page_alloc;
  // Nobody looks on: that each is prepared just before it goes makes no difference.
  for (let at = nr - 1; at >= 0; at--) {
    const pfn = pages[at]!;
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    // As free_pages_prepare() does first.
    if ((m[i + PG_MAPPING]! & PAGE_MAPPING_FLAGS) !== 0 && (m[i + PG_FLAGS]! & PG_ODD_AT_FREE) === 0) {
      m[i + PG_MAPPING] = 0;
      m[i + PG_MAPPING_HI] = 0;
    }
    const paths = sections[pfn >>> PFN_SECTION_SHIFT] ?? remember_section(k, pfn, m[i + PG_FLAGS_HI]!);
    if (paths === undefined || !paths.free_to_pcplist(k, pfn, 0, 0)) free_unref_page(k, pfn, 0);
  }
}

/** Frees pages that nobody has a reference to any more. */
export function free_unref_page_list(k: Kernel, pages: readonly pfn_t[]): void {
  for (const pfn of pages.filter((page) => prepare(k, page))) {
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    const cached = m[i + PG_INDEX]!;
    const migratetype = cached >= MIGRATE_PCPTYPES ? MIGRATE_MOVABLE : cached;
    const zone = page_zone(k, pfn);
    if ((k.page_alloc.static_keys & KEY_TRACE) !== 0) trace_mm_page_free_batched(k, pfn);
    free_unref_page_commit(k, zone, zone_cpu(k, zone, k.percpu.cpu), pfn, migratetype, 0);
  }
}
