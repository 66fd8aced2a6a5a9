// Self tests of reclaim's parts: pages taken off the LRU lists, caches asked to shrink, when compaction could help.

import { __GFP_DIRECT_RECLAIM, __GFP_MEMALLOC, GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../include/gfp_types.ts';
import { MM_ANONPAGES, MM_SWAPENTS, VM_READ, VM_WRITE } from '../include/mm.ts';
import {
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  MAX_NR_ZONES,
  NR_ACTIVE_ANON,
  NR_ANON_MAPPED,
  NR_INACTIVE_ANON,
  NR_INACTIVE_FILE,
  NR_ISOLATED_ANON,
  NR_SWAPCACHE,
  NR_WRITEBACK,
  ZONE_DMA,
  ZONE_MOVABLE,
} from '../include/mmzone.ts';
import { PG_active, PG_lru, PG_swapbacked } from '../include/page_flags.ts';
import { SWAP_SLOTS_CACHE_SIZE } from '../include/swap.ts';
import type { pfn_t } from '../include/types.ts';
import { PAGE_SIZE } from '../include/types.ts';
import {
  PGSCAN_ANON,
  PGSCAN_DIRECT,
  PGSCAN_KSWAPD,
  PGSCAN_SKIP,
  PGSTEAL_DIRECT,
  PGSTEAL_KSWAPD,
  PSWPOUT,
  SLABS_SCANNED,
} from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { compaction_suitable, fragmentation_index } from '../mm/compaction_suitable.ts';
import { folio_set, folio_test } from '../mm/folio.ts';
import { COMPACT_CONTINUE, COMPACT_SKIPPED, COMPACT_SUCCESS } from '../mm/internal.ts';
import {
  FolioBatch,
  folio_isolate_lru,
  folio_putback_lru,
  isolate_lru_folios,
  move_folios_to_lru,
} from '../mm/isolate_lru.ts';
import { kswapd_init } from '../mm/kswapd.ts';
import { lruvec_lru_size, lruvec_page_state } from '../mm/lruvec.ts';
import { mm_alloc, mmput, vm_mmap } from '../mm/mmap.ts';
import { page_count, page_zone } from '../mm/page.ts';
import { __alloc_pages, __free_pages } from '../mm/page_alloc.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { start_reclaim } from '../mm/reclaim.ts';
import { scan_control } from '../mm/scan_control.ts';
import {
  register_shrinker,
  SHRINK_STOP,
  type shrink_control,
  shrink_slab,
  shrinker,
  unregister_shrinker,
} from '../mm/shrinker.ts';
import { folio_add_lru, folio_put, lru_add_drain, lru_add_drain_all } from '../mm/swap.ts';
import { si_swapinfo } from '../mm/swapfile.ts';
import { user_read, user_write } from '../mm/uaccess.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { global_node_page_state } from '../mm/vmstat.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { cond_resched } from '../sched/core.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite } from './env.ts';
import { in_task, machine_with_area, settle } from './swap_area.ts';

const AT = 0x10000000;
const at = (n: number): number => AT + n * PAGE_SIZE;

/** Has a task do something with each page and the bytes that mark it. @returns how often that came to anything but 0 */
function for_each_page(k: Kernel, pages: number, what: (n: number, word: Uint8Array) => Sleeping<number>): number {
  const word = new Uint8Array(4);
  return in_task(k, function* () {
    let failed = 0;
    for (let n = 0; n < pages; n++) {
      new DataView(word.buffer).setUint32(0, n * 2654435761);
      if ((yield* what(n, word)) !== 0) failed++;
      yield* cond_resched(k);
    }
    return failed;
  });
}

const GFP_QUIET = GFP_KERNEL & ~__GFP_DIRECT_RECLAIM;

function listed(k: Kernel, count: number, gfp = GFP_HIGHUSER_MOVABLE, flags: readonly number[] = []): pfn_t[] {
  const pages = Array.from({ length: count }, () => __alloc_pages(k, gfp & ~__GFP_DIRECT_RECLAIM, 0, 0));
  for (const pfn of pages) {
    for (const flag of flags) folio_set(k, pfn, flag);
    folio_add_lru(k, pfn);
  }
  lru_add_drain(k);
  return pages;
}

function scan(reclaim_idx: number): scan_control {
  const sc = new scan_control();
  sc.may_unmap = true;
  sc.reclaim_idx = reclaim_idx;
  return sc;
}

const taken = ({ pages, nr }: FolioBatch): pfn_t[] => [...pages.subarray(0, nr)];

/** Has so many objects, of which it gives up all that it is asked for, up to `limit` in all. */
class cache extends shrinker {
  objects: number;
  limit: number;
  readonly asked: number[] = [];
  /** For which node it was asked last. */
  nid = -1;

  constructor(objects: number, limit = Number.POSITIVE_INFINITY) {
    super();
    this.objects = objects;
    this.limit = limit;
  }
  override count_objects(): number {
    return this.objects;
  }
  override scan_objects(_k: Kernel, { nr_to_scan, nid }: shrink_control): number {
    this.nid = nid;
    if (this.limit < nr_to_scan) return SHRINK_STOP;
    this.asked.push(nr_to_scan);
    this.limit -= nr_to_scan;
    this.objects -= nr_to_scan;
    return nr_to_scan;
  }
}

export const vmscan_suite: Suite = {
  name: 'vmscan',
  test_cases: [
    KUNIT_CASE('isolate_from_the_end', (test) => {
      const k = running(test, nodes_of(1, 64));
      const pages = listed(k, 40);
      const [lruvec] = k.lru.lruvecs;
      const batch = new FolioBatch();
      isolate_lru_folios(k, 32, lruvec!, batch, scan(MAX_NR_ZONES - 1), LRU_INACTIVE_FILE);
      KUNIT_EXPECT_EQ(test, 'oldest first', taken(batch), pages.slice(0, 32));
      KUNIT_EXPECT_EQ(test, 'came across', k.vmscan.isolate.nr_scanned, 32);
      KUNIT_EXPECT_EQ(test, 'held', page_count(k, pages[0]!), 2);
      KUNIT_EXPECT_TRUE(test, 'on no list', !folio_test(k, pages[0]!, PG_lru));
      KUNIT_EXPECT_EQ(test, 'left', lruvec_lru_size(k, lruvec!, LRU_INACTIVE_FILE, MAX_NR_ZONES - 1), 8);

      // One whose user has gone meanwhile, and one that has become active.
      folio_put(k, pages[3]!);
      folio_set(k, pages[4]!, PG_active);
      const free = new FolioBatch();
      KUNIT_EXPECT_EQ(test, 'put back', move_folios_to_lru(k, lruvec!, batch, free), 31);
      KUNIT_EXPECT_EQ(test, 'free', taken(free), [pages[3]!]);
      KUNIT_EXPECT_EQ(test, 'age', lruvec!.nonresident_age, 1);
      vmstat_update(k);
      KUNIT_EXPECT_EQ(test, 'counted', lruvec_page_state(lruvec!, NR_INACTIVE_FILE), 38);
    }),
    KUNIT_CASE('isolate_skips_higher_zones', (test) => {
      const k = running(test, nodes_of(1, 64));
      const high = listed(k, 3);
      const low = __alloc_pages(k, GFP_QUIET | 1, 0, 0);
      KUNIT_EXPECT_EQ(test, 'its zone', page_zone(k, low).idx, ZONE_DMA);
      folio_add_lru(k, low);
      lru_add_drain(k);
      const batch = new FolioBatch();
      const [lruvec] = k.lru.lruvecs;
      isolate_lru_folios(k, 32, lruvec!, batch, scan(ZONE_DMA), LRU_INACTIVE_FILE);
      KUNIT_EXPECT_EQ(test, 'taken', taken(batch), [low]);
      KUNIT_EXPECT_EQ(test, 'came across', k.vmscan.isolate.nr_scanned, 4);
      const skipped = all_vm_events(k).slice(PGSCAN_SKIP, PGSCAN_SKIP + MAX_NR_ZONES);
      KUNIT_EXPECT_EQ(test, 'skipped', skipped[page_zone(k, high[0]!).idx], 3);
      isolate_lru_folios(k, 32, lruvec!, batch, scan(ZONE_MOVABLE), LRU_INACTIVE_FILE);
      KUNIT_EXPECT_EQ(test, 'in their old order', taken(batch), high);
    }),
    KUNIT_CASE('shrink_slab_of_another_node', (test) => {
      const k = running(test, nodes_of(2, 32));
      const objects = new cache(1000, 0);
      register_shrinker(k, objects);
      not_sleeping(shrink_slab(k, GFP_KERNEL, 1, 2), 'shrink_slab');
      KUNIT_EXPECT_EQ(test, 'asked for', objects.nid, 1);
      KUNIT_EXPECT_EQ(test, 'put off for all nodes', objects.nr_deferred, [500]);
    }),
    KUNIT_CASE('isolate_one', (test) => {
      const k = running(test, nodes_of(1, 64));
      const [pfn] = listed(k, 1, GFP_HIGHUSER_MOVABLE, [PG_swapbacked]) as [pfn_t];
      KUNIT_EXPECT_TRUE(test, 'isolated', folio_isolate_lru(k, pfn));
      KUNIT_EXPECT_TRUE(test, 'not twice', !folio_isolate_lru(k, pfn));
      folio_putback_lru(k, pfn);
      lru_add_drain(k);
      KUNIT_EXPECT_EQ(test, 'back', lruvec_lru_size(k, k.lru.lruvecs[0]!, LRU_INACTIVE_ANON, MAX_NR_ZONES - 1), 1);
      KUNIT_EXPECT_EQ(test, 'references', page_count(k, pfn), 1);
    }),
    KUNIT_CASE_PARAM(
      'shrink_slab',
      [
        // 4 * (freeable >> priority) / seeks, in batches of 128 that are full, or reach all there is.
        { desc: 'less than a batch: later', objects: 4096, priority: 7, limit: 9999, asked: [], deferred: 64 },
        { desc: 'two batches', objects: 4096, priority: 5, limit: 9999, asked: [128, 128], deferred: 0 },
        { desc: 'part of a batch is left', objects: 4800, priority: 5, limit: 9999, asked: [128, 128], deferred: 44 },
        { desc: 'it stops', objects: 4096, priority: 4, limit: 300, asked: [128, 128], deferred: 256 },
        { desc: 'all of little', objects: 50, priority: 0, limit: 9999, asked: [100], deferred: 0 },
      ],
      (test, { objects, priority, limit, asked, deferred }) => {
        const k = running(test, nodes_of(1, 64));
        const one = new cache(objects, limit);
        register_shrinker(k, one);
        const freed = not_sleeping(shrink_slab(k, GFP_KERNEL, 0, priority), 'shrink_slab');
        const sum = asked.reduce((a, b) => a + b, 0);
        KUNIT_EXPECT_EQ(test, 'asked for', one.asked, asked);
        KUNIT_EXPECT_EQ(test, 'freed', freed, sum);
        KUNIT_EXPECT_EQ(test, 'counted', all_vm_events(k)[SLABS_SCANNED], sum);
        KUNIT_EXPECT_EQ(test, 'deferred', one.nr_deferred, [deferred]);
        unregister_shrinker(k, one);
        KUNIT_EXPECT_EQ(test, 'no more', not_sleeping(shrink_slab(k, GFP_KERNEL, 0, 0), 'shrink_slab'), 0);
      },
    ),
    KUNIT_CASE('fragmentation_index', (test) => {
      const k = running(test, nodes_of(1, 64));
      const order = 5;
      const pages: pfn_t[] = [];
      const zone = page_zone(k, __alloc_pages(k, GFP_QUIET, 0, 0));
      KUNIT_EXPECT_EQ(test, 'a block is free', fragmentation_index(zone, order), -1000);
      KUNIT_EXPECT_EQ(test, 'suitable', compaction_suitable(k, zone, order, 0, zone.idx), COMPACT_SUCCESS);
      for (;;) {
        const pfn = __alloc_pages(k, GFP_QUIET | __GFP_MEMALLOC, 0, 0);
        if (pfn < 0) break;
        pages.push(pfn);
      }
      drain_all_pages(k, null);
      KUNIT_EXPECT_EQ(test, 'no room', compaction_suitable(k, zone, order, 0, zone.idx), COMPACT_SKIPPED);
      for (const pfn of pages) if (pfn % 2 === 1 && page_zone(k, pfn) === zone) __free_pages(k, pfn, 0);
      drain_all_pages(k, null);
      KUNIT_EXPECT_TRUE(test, 'in pieces', fragmentation_index(zone, order) > 900);
      KUNIT_EXPECT_EQ(test, 'of use', compaction_suitable(k, zone, order, 0, zone.idx), COMPACT_CONTINUE);
      k.compaction.sysctl_extfrag_threshold = 1000;
      KUNIT_EXPECT_EQ(test, 'not in pieces enough', compaction_suitable(k, zone, order, 0, zone.idx), COMPACT_SKIPPED);
    }),
    KUNIT_CASE('more_than_there_is', (test) => {
      const k = machine_with_area(test, 8192);
      kswapd_init(k);
      start_reclaim(k);
      const pages = 17_000;
      KUNIT_EXPECT_TRUE(test, 'more than memory', pages > k.mm.totalram_pages);
      const mm = in_task(k, function* () {
        const made = (yield* mm_alloc(k))!;
        yield* vm_mmap(k, made, AT, pages * PAGE_SIZE, VM_READ | VM_WRITE);
        return made;
      });
      KUNIT_EXPECT_EQ(
        test,
        'faults that failed',
        for_each_page(k, pages, (n, word) => user_write(k, mm, at(n), word)),
        0,
      );
      vmstat_update(k);
      const events = all_vm_events(k);
      KUNIT_EXPECT_TRUE(test, 'kswapd looks at most', events[PGSCAN_KSWAPD]! > events[PGSCAN_DIRECT]!);
      KUNIT_EXPECT_TRUE(test, 'both free some', events[PGSTEAL_KSWAPD]! > 0 && events[PGSTEAL_DIRECT]! > 0);
      KUNIT_EXPECT_EQ(
        test,
        'all of it anonymous',
        events[PGSCAN_ANON],
        events[PGSCAN_KSWAPD]! + events[PGSCAN_DIRECT]!,
      );
      KUNIT_EXPECT_TRUE(test, 'written', events[PSWPOUT]! >= mm.rss_stat[MM_SWAPENTS]!);
      KUNIT_EXPECT_EQ(test, 'here or there', mm.rss_stat[MM_ANONPAGES]! + mm.rss_stat[MM_SWAPENTS]!, pages);

      const found = new Uint8Array(4);
      const wrong = for_each_page(k, pages, function* (n, word) {
        yield* user_read(k, mm, at(n), found);
        return found.every((byte, i) => byte === word[i]) ? 0 : 1;
      });
      KUNIT_EXPECT_EQ(test, 'pages with other contents', wrong, 0);
      // A page that is being read when its last user goes stays in the swap cache.
      settle(k);
      in_task(k, () => mmput(k, mm));
      settle(k);
      lru_add_drain_all(k);
      vmstat_update(k);
      const left = [NR_INACTIVE_ANON, NR_ACTIVE_ANON, NR_ISOLATED_ANON, NR_ANON_MAPPED, NR_SWAPCACHE, NR_WRITEBACK];
      KUNIT_EXPECT_EQ(
        test,
        'nothing is left',
        left.map((item) => global_node_page_state(k, item)),
        [0, 0, 0, 0, 0, 0],
      );
      const { freeswap, totalswap } = si_swapinfo(k);
      KUNIT_EXPECT_TRUE(test, 'nor in swap, but for what a CPU keeps', totalswap - freeswap <= SWAP_SLOTS_CACHE_SIZE);
    }),
  ],
};
