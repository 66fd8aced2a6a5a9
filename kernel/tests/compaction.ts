// Self tests of compaction: memory in pieces becomes blocks, whoever asks for them, contents stay what they were, and what
// was in vain is not tried again at once.

import {
  __GFP_DIRECT_RECLAIM,
  __GFP_MEMALLOC,
  __GFP_NOWARN,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
} from '../include/gfp_types.ts';
import { VM_NORESERVE, VM_READ, VM_WRITE } from '../include/mm.ts';
import { MIGRATE_MOVABLE, NR_FREE_PAGES, NR_ISOLATED_ANON, pageblock_nr_pages } from '../include/mmzone.ts';
import { PAGE_SIZE, type pfn_t } from '../include/types.ts';
import {
  COMPACTFAIL,
  COMPACTISOLATED,
  COMPACTMIGRATE_SCANNED,
  COMPACTSTALL,
  COMPACTSUCCESS,
  KCOMPACTD_WAKE,
  PGMIGRATE_SUCCESS,
} from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import {
  COMPACT_CONSIDERED,
  COMPACT_DEFER_SHIFT,
  COMPACT_ORDER_FAILED,
  compact_blockskip_flush,
  compact_control,
  INIT_MIGRATE_PFN,
  set_cached_migrate_pfns,
  set_compact_pfn,
} from '../mm/compact_control.ts';
import { compact_node, compact_zone, try_to_compact_pages } from '../mm/compaction.ts';
import {
  compaction_defer_reset,
  compaction_deferred,
  compaction_restarting,
  defer_compaction,
} from '../mm/compaction_defer.ts';
import { fragmentation_score_node, fragmentation_score_wmark } from '../mm/compaction_score.ts';
import { reset_isolation_suitable } from '../mm/compaction_skip.ts';
import { extfrag_for_order, fragmentation_index } from '../mm/compaction_suitable.ts';
import { compaction_table } from '../mm/compaction_sysctl.ts';
import { folio_get } from '../mm/folio.ts';
import { COMPACT_COMPLETE, COMPACT_SUCCESS } from '../mm/internal.ts';
import { kcompactd_init, wakeup_kcompactd } from '../mm/kcompactd.ts';
import type { mm_struct } from '../mm/mm_struct.ts';
import { mm_alloc, vm_mmap, vm_munmap } from '../mm/mmap.ts';
import type { Zone } from '../mm/mmzone.ts';
import { page_zone } from '../mm/page.ts';
import { __alloc_pages, __free_pages, alloc_pages_sleeping } from '../mm/page_alloc.ts';
import { get_pageblock_migratetype, get_pageblock_skip } from '../mm/pageblock.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { lru_add_drain } from '../mm/swap.ts';
import { user_read, user_translate, user_write } from '../mm/uaccess.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { run } from '../sched/run.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { print_event } from '../trace/trace.ts';
import { ftrace_set_clr_event } from '../trace/trace_events.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, Test } from './env.ts';
import { in_task } from './swap_area.ts';

const AT = 0x10000000;
const finish = <T>(body: Sleeping<T>): T => not_sleeping(body, 'a test');
const events = (k: Kernel, item: number): number => all_vm_events(k)[item]!;

interface Pieces {
  readonly k: Kernel;
  readonly mm: mm_struct;
  /** Which pages of the address space are still there. */
  readonly kept: readonly number[];
  readonly zone: Zone;
}

function settle(k: Kernel): void {
  lru_add_drain(k);
  drain_all_pages(k, null);
  vmstat_update(k);
}

const words = (n: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => (n * 31 + i * 7 + (n >>> 8)) & 0xff);

/** All of memory but a little belongs to one address space, which gives every page up but one in `period`. */
function in_pieces(test: Test, period: number): Pieces {
  const k = running(test, nodes_of(1, 44));
  const mm = finish(mm_alloc(k))!;
  const pages = 14000;
  finish(vm_mmap(k, mm, AT, pages * PAGE_SIZE, VM_READ | VM_WRITE | VM_NORESERVE));
  let nr = 0;
  while (nr < pages && finish(user_write(k, mm, AT + nr * PAGE_SIZE, words(nr))) === 0) nr++;
  const zone = page_zone(k, Math.floor(user_translate(k, mm, AT, false) / PAGE_SIZE));
  // What is left goes to the kernel for good.
  while (__alloc_pages(k, GFP_KERNEL | __GFP_MEMALLOC | __GFP_NOWARN, 0, 0) >= 0);
  settle(k);
  const kept: number[] = [];
  for (let n = 0; n < nr; n += period) {
    kept.push(n);
    finish(vm_munmap(k, mm, AT + (n + 1) * PAGE_SIZE, (period - 1) * PAGE_SIZE));
  }
  settle(k);
  return { k, mm, kept, zone };
}

/** How many of the pages do not hold what was written. */
function damaged({ k, mm, kept }: Pieces): number {
  const into = new Uint8Array(16);
  let bad = 0;
  for (const n of kept) {
    finish(user_read(k, mm, AT + n * PAGE_SIZE, into));
    if (into.some((byte, i) => byte !== words(n)[i])) bad++;
  }
  return bad;
}

const pfn_of = ({ k, mm }: Pieces, n: number): pfn_t =>
  Math.floor(user_translate(k, mm, AT + n * PAGE_SIZE, false) / PAGE_SIZE);

function isolated(k: Kernel): number {
  vmstat_update(k);
  return k.node_data[0]!.vm_stat(NR_ISOLATED_ANON);
}

/** Only compaction helps those who ask for memory. */
function with_compaction(k: Kernel): void {
  k.page_alloc.reclaim = {
    wakeup_kswapd: () => undefined,
    try_to_free_pages: () => 0,
    try_to_compact_pages,
    node_reclaim: () => false,
    try_to_free_mem_cgroup_pages: () => 0,
    mem_cgroup_out_of_memory: () => false,
    out_of_memory: () => false,
  };
}

const QUIET = __GFP_NOWARN;

/** A request of a task that can wait. */
const request = (k: Kernel, gfp: number, order: number): pfn_t =>
  in_task(k, () => alloc_pages_sleeping(k, gfp | QUIET, order, 0));

export const compaction_suite: Suite = {
  name: 'compaction',
  test_cases: [
    KUNIT_CASE('compact_memory', (test) => {
      const pieces = in_pieces(test, 4);
      const { k, zone } = pieces;
      const order = 5;
      const before = {
        index: fragmentation_index(zone, order),
        extfrag: extfrag_for_order(zone, 9),
        free: k.mm.vm_zone_stat[NR_FREE_PAGES]!,
      };
      KUNIT_EXPECT_TRUE(test, 'in pieces', before.index > 700);
      const [file] = compaction_table;
      KUNIT_EXPECT_EQ(test, 'taken', file!.proc_handler(k, file!, '1').taken, 1);
      settle(k);
      KUNIT_EXPECT_EQ(test, 'blocks are free', fragmentation_index(zone, order), -1000);
      KUNIT_EXPECT_TRUE(test, 'less is of no use for huge pages', extfrag_for_order(zone, 9) < before.extfrag);
      KUNIT_EXPECT_EQ(test, 'free pages', k.mm.vm_zone_stat[NR_FREE_PAGES]!, before.free);
      KUNIT_EXPECT_EQ(test, 'damaged pages', damaged(pieces), 0);
      KUNIT_EXPECT_TRUE(test, 'moved', events(k, PGMIGRATE_SUCCESS) > 0);
      KUNIT_EXPECT_TRUE(
        test,
        'both lots were isolated',
        events(k, COMPACTISOLATED) >= 2 * events(k, PGMIGRATE_SUCCESS),
      );
      KUNIT_EXPECT_EQ(test, 'isolated', isolated(k), 0);
    }),
    KUNIT_CASE_PARAM(
      'direct',
      [
        { desc: 'a small block', order: 3, gfp: GFP_HIGHUSER_MOVABLE },
        { desc: 'a large one', order: 6, gfp: GFP_HIGHUSER_MOVABLE },
        { desc: 'a huge page', order: 9, gfp: GFP_HIGHUSER_MOVABLE },
        { desc: 'for the kernel', order: 6, gfp: GFP_KERNEL },
      ],
      (test, { order, gfp }) => {
        const pieces = in_pieces(test, 4);
        const { k } = pieces;
        KUNIT_EXPECT_EQ(test, 'not without', request(k, gfp & ~__GFP_DIRECT_RECLAIM, order), -1);
        with_compaction(k);
        const pfn = request(k, gfp, order);
        KUNIT_EXPECT_TRUE(test, 'with it', pfn >= 0 && pfn % 2 ** order === 0);
        KUNIT_EXPECT_TRUE(test, 'stalled', events(k, COMPACTSTALL) > 0);
        KUNIT_EXPECT_EQ(test, 'helped', events(k, COMPACTSUCCESS), 1);
        KUNIT_EXPECT_EQ(test, 'damaged pages', damaged(pieces), 0);
        KUNIT_EXPECT_EQ(test, 'isolated', isolated(k), 0);
        __free_pages(k, pfn, order);
      },
    ),
    KUNIT_CASE('pages_that_cannot_be_moved', (test) => {
      const pieces = in_pieces(test, 4);
      const { k, zone } = pieces;
      for (const n of pieces.kept) folio_get(k, pfn_of(pieces, n));
      with_compaction(k);
      KUNIT_EXPECT_EQ(test, 'no block', request(k, GFP_HIGHUSER_MOVABLE, 6), -1);
      KUNIT_EXPECT_EQ(test, 'in vain', [events(k, COMPACTSUCCESS), events(k, PGMIGRATE_SUCCESS)], [0, 0]);
      KUNIT_EXPECT_TRUE(test, 'failed', events(k, COMPACTFAIL) > 0);
      KUNIT_EXPECT_TRUE(test, 'looked at', events(k, COMPACTMIGRATE_SCANNED) > 0);
      KUNIT_EXPECT_EQ(
        test,
        'deferred',
        [zone.view[COMPACT_DEFER_SHIFT]! > 0, zone.view[COMPACT_ORDER_FAILED]],
        [true, 0],
      );
    }),
    KUNIT_CASE('whole_zone_in_vain', (test) => {
      const pieces = in_pieces(test, 4);
      const { k, zone } = pieces;
      for (const n of pieces.kept) folio_get(k, pfn_of(pieces, n));
      const cc = new compact_control(zone, 6, GFP_HIGHUSER_MOVABLE);
      cc.highest_zoneidx = zone.idx;
      cc.direct_compaction = true;
      cc.whole_zone = true;
      KUNIT_EXPECT_EQ(
        test,
        'result',
        in_task(k, () => compact_zone(k, cc, null)),
        COMPACT_COMPLETE,
      );
      KUNIT_EXPECT_TRUE(test, 'hints are out of date', compact_blockskip_flush(zone));
      const first = Math.ceil(zone.zone_start_pfn / pageblock_nr_pages) * pageblock_nr_pages;
      const skipped = (): number => {
        let marked = 0;
        for (let pfn = first; pfn < zone.zone_end_pfn; pfn += pageblock_nr_pages) {
          if (get_pageblock_migratetype(k, pfn) === MIGRATE_MOVABLE && get_pageblock_skip(k, pfn)) marked++;
        }
        return marked;
      };
      const marked = skipped();
      KUNIT_EXPECT_TRUE(test, 'blocks are marked', marked > 5);
      const scanned = cc.total_migrate_scanned;
      const again = new compact_control(zone, 6, GFP_HIGHUSER_MOVABLE);
      again.highest_zoneidx = zone.idx;
      again.direct_compaction = true;
      in_task(k, () => compact_zone(k, again, null));
      KUNIT_EXPECT_TRUE(test, 'are passed over', again.total_migrate_scanned < scanned / 4);
      in_task(k, () => reset_isolation_suitable(k, k.node_data[0]!));
      KUNIT_EXPECT_TRUE(test, 'no longer', !compact_blockskip_flush(zone) && skipped() < marked);
    }),
    KUNIT_CASE('deferral', (test) => {
      const { k } = { k: running(test, nodes_of(1, 64)) };
      const zone = k.node_data[0]!.node_zones[1]!;
      const z = zone.view;
      z[COMPACT_ORDER_FAILED] = 9;
      const skipped: number[] = [];
      for (let fails = 0; fails < 8; fails++) {
        defer_compaction(k, zone, 5);
        let times = 0;
        while (compaction_deferred(k, zone, 5)) times++;
        skipped.push(times);
      }
      KUNIT_EXPECT_EQ(test, 'passed over', skipped, [1, 3, 7, 15, 31, 63, 63, 63]);
      KUNIT_EXPECT_EQ(test, 'failed', z[COMPACT_ORDER_FAILED], 5);
      KUNIT_EXPECT_TRUE(test, 'smaller blocks are tried', !compaction_deferred(k, zone, 4));
      KUNIT_EXPECT_TRUE(test, 'after the longest time', compaction_restarting(zone, 5));
      compaction_defer_reset(k, zone, 6, false);
      KUNIT_EXPECT_EQ(test, 'likely', [z[COMPACT_DEFER_SHIFT], z[COMPACT_ORDER_FAILED]], [6, 7]);
      compaction_defer_reset(k, zone, 6, true);
      KUNIT_EXPECT_EQ(test, 'sure', [z[COMPACT_DEFER_SHIFT], z[COMPACT_CONSIDERED]], [0, 0]);
    }),
    KUNIT_CASE('kcompactd', (test) => {
      const pieces = in_pieces(test, 4);
      const { k, zone } = pieces;
      k.compaction.sysctl_compaction_proactiveness = 0;
      kcompactd_init(k);
      run(k, { for_ns: 1e9 });
      KUNIT_EXPECT_EQ(test, 'sleeps', events(k, KCOMPACTD_WAKE), 0);
      wakeup_kcompactd(k, k.node_data[0]!, 9, zone.idx);
      run(k, { for_ns: 1e9 });
      KUNIT_EXPECT_EQ(test, 'woken', events(k, KCOMPACTD_WAKE), 1);
      KUNIT_EXPECT_EQ(test, 'a huge page is free', fragmentation_index(zone, 9), -1000);
      KUNIT_EXPECT_EQ(test, 'has nothing to do', k.node_data[0]!.kcompactd_max_order, 0);
      KUNIT_EXPECT_EQ(test, 'damaged pages', damaged(pieces), 0);
      wakeup_kcompactd(k, k.node_data[0]!, 1, zone.idx);
      run(k, { for_ns: 1e9 });
      KUNIT_EXPECT_EQ(test, 'not for what is there', events(k, KCOMPACTD_WAKE), 1);
      KUNIT_EXPECT_EQ(test, 'an idle machine', run(k, {}), 'idle');
    }),
    KUNIT_CASE('kcompactd_of_two_zones', (test) => {
      const { k, zone } = in_pieces(test, 4);
      const [dma] = k.node_data[0]!.node_zones;
      k.compaction.sysctl_compaction_proactiveness = 0;
      // The first zone is begun at its start, the second one was left half way.
      set_compact_pfn(dma!, INIT_MIGRATE_PFN, dma!.zone_start_pfn);
      set_cached_migrate_pfns(zone, zone.zone_start_pfn + 4 * pageblock_nr_pages);
      kcompactd_init(k);
      ftrace_set_clr_event(k, 'compaction:mm_compaction_begin', true);
      run(k, { for_ns: 1e9 });
      wakeup_kcompactd(k, k.node_data[0]!, 9, zone.idx);
      run(k, { for_ns: 1e9 });
      const begun = [...k.trace.buffer!.records()].map((one) => /migrate_pfn=(0x\w+)/.exec(print_event(k, one))?.[1]);
      const starts = [dma!, zone].map(({ zone_start_pfn }) => `0x${zone_start_pfn.toString(16)}`);
      KUNIT_EXPECT_EQ(test, 'begun at', begun, starts);
    }),
    KUNIT_CASE('proactive', (test) => {
      const pieces = in_pieces(test, 4);
      const { k } = pieces;
      const [pgdat] = k.node_data;
      kcompactd_init(k);
      KUNIT_EXPECT_TRUE(test, 'too fragmented', fragmentation_score_node(pgdat!) > fragmentation_score_wmark(k, false));
      const file = compaction_table.find(({ procname }) => procname === 'compaction_proactiveness')!;
      KUNIT_EXPECT_EQ(test, 'set', file.proc_handler(k, file, '80').taken, 2);
      const before = fragmentation_score_node(pgdat!);
      run(k, { for_ns: 2e9 });
      KUNIT_EXPECT_TRUE(test, 'better', fragmentation_score_node(pgdat!) < before);
      KUNIT_EXPECT_EQ(test, 'nobody has asked', events(k, KCOMPACTD_WAKE), 0);
      KUNIT_EXPECT_EQ(test, 'damaged pages', damaged(pieces), 0);
    }),
    KUNIT_CASE('capture', (test) => {
      const pieces = in_pieces(test, 2);
      const { k } = pieces;
      with_compaction(k);
      const order = 9;
      const pfn = request(k, GFP_HIGHUSER_MOVABLE, order);
      KUNIT_EXPECT_TRUE(test, 'a block', pfn >= 0);
      KUNIT_EXPECT_EQ(test, 'nothing is switched on any more', k.page_alloc.static_keys, 0);
      KUNIT_EXPECT_EQ(test, 'damaged pages', damaged(pieces), 0);
    }),
    KUNIT_CASE('one_node', (test) => {
      const pieces = in_pieces(test, 3);
      const { k, zone } = pieces;
      in_task(k, () => compact_node(k, 0));
      settle(k);
      KUNIT_EXPECT_EQ(test, 'result', fragmentation_index(zone, 5), -1000);
      const cc = new compact_control(zone, 5, GFP_HIGHUSER_MOVABLE);
      cc.highest_zoneidx = zone.idx;
      KUNIT_EXPECT_EQ(
        test,
        'nothing is left to do',
        in_task(k, () => compact_zone(k, cc, null)),
        COMPACT_SUCCESS,
      );
      KUNIT_EXPECT_EQ(test, 'damaged pages', damaged(pieces), 0);
    }),
  ],
};
