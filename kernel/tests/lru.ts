// Self tests of the LRU lists: which list a page's flags lead to, when batches move pages, and what is counted.

import { GFP_HIGHUSER_MOVABLE } from '../include/gfp_types.ts';
import { PG_MAPPING } from '../include/mm_types.ts';
import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_UNEVICTABLE,
  MAX_NR_ZONES,
  NR_FREE_PAGES,
  NR_LRU_LISTS,
  NR_ZONE_INACTIVE_ANON,
  WORKINGSET_ACTIVATE_BASE,
  WORKINGSET_REFAULT_BASE,
  WORKINGSET_RESTORE_BASE,
} from '../include/mmzone.ts';
import {
  PG_active,
  PG_dirty,
  PG_lru,
  PG_mlocked,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_unevictable,
  PG_workingset,
} from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { folio_clear, folio_set, folio_test } from '../mm/folio.ts';
import { lruvec_lru_size } from '../mm/lruvec.ts';
import { page_count, page_index, section_map } from '../mm/page.ts';
import { __alloc_pages } from '../mm/page_alloc.ts';
import { list_first_page, list_next_page } from '../mm/page_list.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import {
  deactivate_file_folio,
  deactivate_page,
  folio_activate,
  folio_add_lru,
  folio_mark_accessed,
  folio_put,
  folio_rotate_reclaimable,
  lru_add_drain,
  lru_cache_disable,
  lru_cache_enable,
  lru_note_cost,
  mark_page_lazyfree,
} from '../mm/swap.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { workingset_eviction, workingset_refault } from '../mm/workingset.ts';
import { switch_to_cpu } from '../mm/zone_cpu.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, Test } from './env.ts';

const BATCH = 15;
const PAGE_MAPPING_ANON = 1;
const boot = (test: Test, cpus = [0]): Kernel => running(test, nodes_of(1, 64), { cpus });

function page(k: Kernel, flags: readonly number[] = []): pfn_t {
  const pfn = __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 0);
  for (const flag of flags) folio_set(k, pfn, flag);
  return pfn;
}

/** Added, and on its list. */
function listed(k: Kernel, flags: readonly number[], count = 1): pfn_t[] {
  const pages = Array.from({ length: count }, () => page(k, flags));
  for (const pfn of pages) folio_add_lru(k, pfn);
  lru_add_drain(k);
  return pages;
}

/** Head to tail. */
function list(k: Kernel, lru: number): pfn_t[] {
  const lruvec = k.lru.lruvecs[0]!;
  const pages: pfn_t[] = [];
  for (let pfn = list_first_page(k, lruvec, lru * 4); pfn >= 0; pfn = list_next_page(k, lruvec, lru * 4, pfn)) {
    pages.push(pfn);
  }
  return pages;
}

const size = (k: Kernel, lru: number): number => lruvec_lru_size(k, k.lru.lruvecs[0]!, lru, MAX_NR_ZONES - 1);

/** What node and zones count, by list. */
function counted(k: Kernel): { node: number[]; zones: number[] } {
  vmstat_update(k);
  const lists = Array.from({ length: NR_LRU_LISTS }, (_, lru) => lru);
  return {
    node: lists.map((lru) => k.node_data[0]!.vm_stat(lru)),
    zones: lists.map((lru) => k.mm.vm_zone_stat[NR_ZONE_INACTIVE_ANON + lru]!),
  };
}

export const lru_suite: Suite = {
  name: 'lru',
  test_cases: [
    KUNIT_CASE_PARAM(
      'list_of_flags',
      [
        { desc: 'file', flags: [], lru: LRU_INACTIVE_FILE },
        { desc: 'active file', flags: [PG_active], lru: LRU_ACTIVE_FILE },
        { desc: 'anonymous', flags: [PG_swapbacked], lru: LRU_INACTIVE_ANON },
        { desc: 'active anonymous', flags: [PG_swapbacked, PG_active], lru: LRU_ACTIVE_ANON },
        { desc: 'locked in memory', flags: [PG_swapbacked, PG_mlocked], lru: LRU_UNEVICTABLE },
      ],
      (test, { flags, lru }) => {
        const k = boot(test);
        const [pfn] = listed(k, flags);
        const wanted = [0, 0, 0, 0, 0].map((_, n) => (n === lru ? 1 : 0));
        const sizes = wanted.map((_, n) => size(k, n));
        KUNIT_EXPECT_EQ(test, 'sizes', sizes, wanted);
        KUNIT_EXPECT_EQ(test, 'counters', counted(k), { node: wanted, zones: wanted });
        KUNIT_EXPECT_EQ(test, 'on it', list(k, lru), lru === LRU_UNEVICTABLE ? [] : [pfn!]);
        KUNIT_EXPECT_TRUE(test, 'PG_lru', folio_test(k, pfn!, PG_lru));
        KUNIT_EXPECT_EQ(test, 'unevictable', folio_test(k, pfn!, PG_unevictable), lru === LRU_UNEVICTABLE);
        folio_put(k, pfn!);
        KUNIT_EXPECT_EQ(test, 'after the last reference', counted(k).node, [0, 0, 0, 0, 0]);
      },
    ),
    KUNIT_CASE('batch', (test) => {
      const k = boot(test);
      const pages = Array.from({ length: BATCH }, () => page(k));
      for (const pfn of pages.slice(1)) folio_add_lru(k, pfn);
      KUNIT_EXPECT_EQ(test, 'one short of a batch', list(k, LRU_INACTIVE_FILE), []);
      KUNIT_EXPECT_EQ(test, 'references while in it', page_count(k, pages[1]!), 2);
      folio_add_lru(k, pages[0]!);
      KUNIT_EXPECT_EQ(test, 'the last to come is first', list(k, LRU_INACTIVE_FILE), [
        pages[0]!,
        ...pages.slice(1).reverse(),
      ]);
      KUNIT_EXPECT_EQ(test, 'references on the list', page_count(k, pages[1]!), 1);
    }),
    KUNIT_CASE('batch_of_each_cpu', (test) => {
      const k = boot(test, [0, 0]);
      const [a, b] = [page(k), page(k)];
      folio_add_lru(k, a);
      switch_to_cpu(k, 1);
      folio_add_lru(k, b);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, "not the other CPU's", list(k, LRU_INACTIVE_FILE), [b]);
      lru_cache_disable(k);
      KUNIT_EXPECT_EQ(test, 'all drained', list(k, LRU_INACTIVE_FILE), [a, b]);
      const c = page(k);
      folio_add_lru(k, c);
      KUNIT_EXPECT_EQ(test, 'at once while disabled', list(k, LRU_INACTIVE_FILE), [c, a, b]);
      lru_cache_enable(k);
      folio_add_lru(k, page(k));
      KUNIT_EXPECT_EQ(test, 'batched again', size(k, LRU_INACTIVE_FILE), 3);
    }),
    KUNIT_CASE('mark_accessed', (test) => {
      const k = boot(test);
      const [pfn] = listed(k, []) as [pfn_t];
      folio_mark_accessed(k, pfn);
      KUNIT_EXPECT_TRUE(test, 'first: referenced', folio_test(k, pfn, PG_referenced));
      folio_mark_accessed(k, pfn);
      KUNIT_EXPECT_TRUE(test, 'second: not any more', !folio_test(k, pfn, PG_referenced));
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'but active', list(k, LRU_ACTIVE_FILE), [pfn]);
      KUNIT_EXPECT_EQ(test, 'age', k.lru.lruvecs[0]!.nonresident_age, 1);
      folio_mark_accessed(k, pfn);
      folio_mark_accessed(k, pfn);
      KUNIT_EXPECT_TRUE(test, 'active stays referenced', folio_test(k, pfn, PG_referenced));
      const fresh = page(k, [PG_referenced]);
      folio_add_lru(k, fresh);
      folio_mark_accessed(k, fresh);
      KUNIT_EXPECT_TRUE(test, 'in a batch: active there', folio_test(k, fresh, PG_active));
    }),
    KUNIT_CASE('moves', (test) => {
      const k = boot(test);
      const [a, b, c] = listed(k, [], 3) as [pfn_t, pfn_t, pfn_t];
      folio_activate(k, b);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'activated', list(k, LRU_ACTIVE_FILE), [b]);
      deactivate_page(k, b);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'deactivated: head', list(k, LRU_INACTIVE_FILE), [b, c, a]);
      folio_rotate_reclaimable(k, c);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'rotated: tail', list(k, LRU_INACTIVE_FILE), [b, a, c]);
      deactivate_file_folio(k, b);
      folio_set(k, a, PG_dirty);
      deactivate_file_folio(k, a);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'clean: tail, dirty: head', list(k, LRU_INACTIVE_FILE), [a, c, b]);
      KUNIT_EXPECT_TRUE(test, 'dirty: reclaimed when written', folio_test(k, a, PG_reclaim));
      folio_clear(k, a, PG_dirty);
      folio_clear(k, a, PG_reclaim);
      for (const pfn of [a, b, c]) folio_put(k, pfn);
      KUNIT_EXPECT_EQ(test, 'counters', counted(k).zones, [0, 0, 0, 0, 0]);
    }),
    KUNIT_CASE('lazyfree', (test) => {
      const k = boot(test);
      const [mapped, plain] = listed(k, [PG_swapbacked], 2) as [pfn_t, pfn_t];
      section_map(k.mm, mapped)[page_index(mapped) + PG_MAPPING] = PAGE_MAPPING_ANON;
      mark_page_lazyfree(k, mapped);
      mark_page_lazyfree(k, plain);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'among file pages', list(k, LRU_INACTIVE_FILE), [mapped]);
      KUNIT_EXPECT_EQ(test, 'not what is not anonymous', list(k, LRU_INACTIVE_ANON), [plain]);
    }),
    KUNIT_CASE('released_pages_are_free', (test) => {
      const k = boot(test);
      drain_all_pages(k, null);
      vmstat_update(k);
      const before = k.mm.vm_zone_stat[NR_FREE_PAGES];
      const pages = listed(k, [PG_swapbacked], 40);
      for (const pfn of pages) folio_put(k, pfn);
      drain_all_pages(k, null);
      vmstat_update(k);
      KUNIT_EXPECT_EQ(test, 'free pages', k.mm.vm_zone_stat[NR_FREE_PAGES], before);
    }),
    KUNIT_CASE('cost', (test) => {
      const k = boot(test);
      listed(k, [], 40);
      const lruvec = k.lru.lruvecs[0]!;
      lru_note_cost(k, lruvec, true, 6);
      lru_note_cost(k, lruvec, false, 4);
      KUNIT_EXPECT_EQ(test, 'up to a quarter of the lists', [lruvec.file_cost, lruvec.anon_cost], [6, 4]);
      lru_note_cost(k, lruvec, true, 1);
      KUNIT_EXPECT_EQ(test, 'then halved', [lruvec.file_cost, lruvec.anon_cost], [3, 2]);
    }),
    KUNIT_CASE_PARAM(
      'refault',
      [
        { desc: 'within the active list', active: 10, passed: 9, workingset: false, wanted: [1, 1, 0] },
        { desc: 'just within', active: 10, passed: 8, workingset: true, wanted: [1, 1, 1] },
        { desc: 'too far', active: 10, passed: 10, workingset: true, wanted: [1, 0, 0] },
      ],
      (test, { active, passed, workingset, wanted }) => {
        const k = boot(test);
        const pages = listed(k, [PG_active], active);
        const gone = page(k, workingset ? [PG_workingset] : []);
        const shadow = workingset_eviction(k, gone, null);
        for (const pfn of listed(k, [], passed)) workingset_eviction(k, pfn, null);
        const back = page(k);
        workingset_refault(k, back, shadow);
        vmstat_update(k);
        const counts = [WORKINGSET_REFAULT_BASE, WORKINGSET_ACTIVATE_BASE, WORKINGSET_RESTORE_BASE];
        const found = counts.map((item) => k.node_data[0]!.vm_stat(item + 1));
        KUNIT_EXPECT_EQ(test, 'refaults, activated, restored', found, wanted);
        KUNIT_EXPECT_EQ(test, 'active', folio_test(k, back, PG_active), wanted[1] === 1);
        KUNIT_EXPECT_EQ(test, 'pages that stayed', size(k, LRU_ACTIVE_FILE), pages.length);
      },
    ),
    // Wherever the new page is: it was there that the old one could not stay.
    KUNIT_CASE('refault_on_another_node', (test) => {
      const k = running(test, nodes_of(2, 32));
      const shadow = workingset_eviction(k, __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 1), null);
      workingset_refault(k, __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 0), shadow);
      vmstat_update(k);
      const counted_on = k.node_data.map((pgdat) => pgdat.vm_stat(WORKINGSET_REFAULT_BASE + 1));
      KUNIT_EXPECT_EQ(test, 'refaults by node', counted_on, [0, 1]);
    }),
  ],
};
