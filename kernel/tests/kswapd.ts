// Self tests of kswapd, over a reclaim that gives back pages of a pile: when it is woken, how far it goes, when it gives
// up, and who waits for it.

import { __GFP_NOWARN, __GFP_THISNODE, GFP_KERNEL, GFP_NOFS } from '../include/gfp_types.ts';
import {
  MAX_NR_ZONES,
  NR_FREE_PAGES,
  NR_ZONE_WRITE_PENDING,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
  ZONE_DMA32,
  ZONE_RECLAIM_ACTIVE,
} from '../include/mmzone.ts';
import { HZ, SIGKILL, TASK_INTERRUPTIBLE, TICK_NSEC } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import {
  KSWAPD_HIGH_WMARK_HIT_QUICKLY,
  KSWAPD_LOW_WMARK_HIT_QUICKLY,
  PAGEOUTRUN,
  PGSCAN_DIRECT_THROTTLE,
} from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { alloc_context } from '../mm/alloc_context.ts';
import { kswapd_init, wakeup_kswapd } from '../mm/kswapd.ts';
import {
  node_reclaim_state,
  VMSCAN_THROTTLE_CONGESTED,
  VMSCAN_THROTTLE_ISOLATED,
  VMSCAN_THROTTLE_NOPROGRESS,
  VMSCAN_THROTTLE_WRITEBACK,
} from '../mm/kswapd_state.ts';
import type { PgData, Zone } from '../mm/mmzone.ts';
import { __alloc_pages, __free_pages, prepare_alloc_pages } from '../mm/page_alloc.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import type { scan_control } from '../mm/scan_control.ts';
import {
  acct_reclaim_writeback,
  allow_direct_reclaim,
  consider_reclaim_throttle,
  reclaim_throttle,
  throttle_direct_reclaim,
} from '../mm/throttle.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { zone_stat_threshold } from '../mm/vmstat.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { charge, jiffies } from '../sched/clock.ts';
import { cond_resched } from '../sched/core.ts';
import { user_mode_thread } from '../sched/fork.ts';
import { kthread_run } from '../sched/kthread.ts';
import { run } from '../sched/run.ts';
import { send_sig } from '../sched/signal.ts';
import { call_at } from '../sched/timer.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, Test, TestMachine } from './env.ts';

interface Pressed {
  readonly k: Kernel;
  /** Pages that someone holds, by node. */
  readonly piles: number[][];
  /** One for each look at a node. */
  readonly rounds: { node: number; priority: number; order: number; may_swap: boolean; may_writepage: boolean }[];
  /** How many pages a look finds, by node. */
  readonly found: number[];
  /** Takes pages of a node until its ZONE_DMA32 has so many. */
  readonly press: (nid: number, free: number) => void;
  readonly dma32: (nid: number) => Zone;
}

/** Nodes of 64 MiB whose kswapd has gone to sleep. */
function pressed(test: Test, nr_nodes = 1): Pressed {
  const k = running(test, nodes_of(nr_nodes, 64), { cpus: Array.from({ length: nr_nodes }, (_, nid) => nid) });
  k.watermark.watermark_boost_factor = 0;
  const found = Array.from({ length: nr_nodes }, () => 64);
  const rounds: Pressed['rounds'] = [];
  const piles: number[][] = k.node_data.map(() => []);
  k.kswapd.shrink = {
    *shrink_node(_, pgdat: PgData, sc: scan_control) {
      const node = pgdat.node_id;
      rounds.push({
        node,
        priority: sc.priority,
        order: sc.order,
        may_swap: sc.may_swap,
        may_writepage: sc.may_writepage,
      });
      KUNIT_EXPECT_TRUE(test, 'reclaim is active', (dma32(node).flags & (1 << ZONE_RECLAIM_ACTIVE)) !== 0);
      const pages = piles[node]!.splice(0, found[node]!);
      for (const pfn of pages) __free_pages(k, pfn, 0);
      drain_all_pages(k, null);
      vmstat_update(k);
      sc.nr_reclaimed += pages.length;
      sc.nr_scanned += 2 * pages.length;
      charge(k, 20_000);
      yield* cond_resched(k);
    },
    *kswapd_age_node(_) {
      yield* cond_resched(k);
    },
  };
  const dma32 = (nid: number): Zone => {
    const zones = k.node_data[nid]!.node_zones;
    return zones[ZONE_DMA32]!;
  };
  const press = (nid: number, free: number): void => {
    const gfp = GFP_KERNEL | __GFP_THISNODE | __GFP_NOWARN;
    k.current.flags |= 0x800;
    do {
      piles[nid]!.push(__alloc_pages(k, gfp, 0, nid));
      drain_all_pages(k, null);
      vmstat_update(k);
    } while (dma32(nid).vm_stat(NR_FREE_PAGES) > free);
    k.current.flags &= ~0x800;
  };
  kswapd_init(k);
  run(k, {});
  return { k, piles, rounds, found, press, dma32 };
}

const events = (k: Kernel, item: number): number => all_vm_events(k)[item]!;
const asleep = (k: Kernel, nid: number): boolean =>
  node_reclaim_state(k, k.node_data[nid]!).kswapd?.__state === TASK_INTERRUPTIBLE;
const wake = ({ k, dma32 }: Pressed, nid = 0, order = 0): void => wakeup_kswapd(k, dma32(nid), 0, order, ZONE_DMA32);

/** The zones below ZONE_DMA32 have nothing to offer. */
function only_dma32({ k }: Pressed): void {
  for (const pgdat of k.node_data) {
    const low = pgdat.node_zones[0]!;
    for (const mark of [WMARK_MIN, WMARK_LOW, WMARK_HIGH]) low.set_watermark(mark, 1 << 20);
  }
}

interface ThrottleRow {
  readonly desc: string;
  readonly reason: number;
  /** In jiffies. */
  readonly wanted: number;
}

const throttle_rows: readonly ThrottleRow[] = [
  { desc: 'writeback: a tenth of a second', reason: VMSCAN_THROTTLE_WRITEBACK, wanted: HZ / 10 + 1 },
  { desc: 'isolated: a fiftieth', reason: VMSCAN_THROTTLE_ISOLATED, wanted: HZ / 50 + 1 },
  { desc: 'no progress: a jiffy', reason: VMSCAN_THROTTLE_NOPROGRESS, wanted: 2 },
  { desc: 'congested: a jiffy', reason: VMSCAN_THROTTLE_CONGESTED, wanted: 2 },
];

/** A request's zones, as the slow path has them. */
function context(k: Kernel, gfp: gfp_t): alloc_context {
  const ac = new alloc_context();
  prepare_alloc_pages(k, gfp, 0, 0, null, ac);
  return ac;
}

export const kswapd_suite: Suite = {
  name: 'kswapd',
  test_cases: [
    KUNIT_CASE('sleeps_while_all_is_well', (test) => {
      const p = pressed(test, 2);
      KUNIT_EXPECT_EQ(test, 'asleep', [asleep(p.k, 0), asleep(p.k, 1)], [true, true]);
      wake(p);
      run(p.k, {});
      KUNIT_EXPECT_EQ(test, 'rounds', p.rounds.length, 0);
      KUNIT_EXPECT_EQ(test, 'runs', events(p.k, PAGEOUTRUN), 0);
      const state = node_reclaim_state(p.k, p.k.node_data[1]!).kswapd!;
      KUNIT_EXPECT_EQ(test, 'name, CPU', `${state.comm} ${state.cpu}`, 'kswapd1 1');
    }),
    // Woken at the low watermark, at work until the high one is passed, and no longer.
    KUNIT_CASE('from_low_to_high', (test) => {
      const p = pressed(test);
      only_dma32(p);
      const zone = p.dma32(0);
      p.press(0, zone._watermark(WMARK_LOW) - 1);
      wake(p);
      run(p.k, {});
      const free = zone.vm_stat(NR_FREE_PAGES);
      KUNIT_EXPECT_TRUE(test, 'above high', free > zone.high_wmark_pages);
      KUNIT_EXPECT_TRUE(test, 'not far above', free <= zone.high_wmark_pages + 64);
      KUNIT_EXPECT_EQ(test, 'runs, failures', [events(p.k, PAGEOUTRUN), p.k.node_data[0]!.kswapd_failures], [1, 0]);
      KUNIT_EXPECT_TRUE(test, 'asleep', asleep(p.k, 0));
      KUNIT_EXPECT_EQ(test, 'reclaim is active', zone.flags & (1 << ZONE_RECLAIM_ACTIVE), 0);
    }),
    KUNIT_CASE('each_node_for_itself', (test) => {
      const p = pressed(test, 2);
      only_dma32(p);
      p.press(1, p.dma32(1)._watermark(WMARK_LOW) - 1);
      wake(p, 0);
      wake(p, 1);
      run(p.k, {});
      KUNIT_EXPECT_TRUE(test, 'rounds', p.rounds.length > 0 && p.rounds.every(({ node }) => node === 1));
    }),
    // Each round that frees nothing raises the priority; sixteen runs of that, and the node is left alone.
    KUNIT_CASE('gives_up', (test) => {
      const p = pressed(test);
      only_dma32(p);
      p.press(0, p.dma32(0)._watermark(WMARK_MIN));
      p.found[0] = 0;
      wake(p);
      run(p.k, {});
      const { kswapd_failures } = p.k.node_data[0]!;
      KUNIT_EXPECT_EQ(test, 'failures, runs', [kswapd_failures, events(p.k, PAGEOUTRUN)], [16, 16]);
      const first = p.rounds.slice(0, 13).map(({ priority }) => priority);
      KUNIT_EXPECT_EQ(test, 'priorities', first, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 12]);
      KUNIT_EXPECT_EQ(test, 'quick sleeps', events(p.k, KSWAPD_HIGH_WMARK_HIT_QUICKLY), 15);
      wake(p);
      run(p.k, {});
      KUNIT_EXPECT_EQ(test, 'rounds later', p.rounds.length, 16 * 12);
    }),
    // For a block of 16 pages it frees twice that, then settles for single pages.
    KUNIT_CASE('large_blocks_are_for_compaction', (test) => {
      const p = pressed(test);
      only_dma32(p);
      const zone = p.dma32(0);
      p.press(0, zone._watermark(WMARK_LOW) - 1);
      p.found[0] = 16;
      wake(p, 0, 4);
      run(p.k, {});
      KUNIT_EXPECT_EQ(
        test,
        'orders',
        p.rounds.slice(0, 3).map(({ order }) => order),
        [4, 4, 0],
      );
    }),
    // Above the high watermark, but boosted: what can be had without writing, then the boost is over.
    KUNIT_CASE('boost', (test) => {
      const p = pressed(test);
      only_dma32(p);
      const zone = p.dma32(0);
      p.press(0, zone.high_wmark_pages + 300);
      zone.watermark_boost = 150;
      wake(p);
      run(p.k, {});
      KUNIT_EXPECT_EQ(test, 'boost', zone.watermark_boost, 0);
      KUNIT_EXPECT_EQ(test, 'rounds', p.rounds.length, 3);
      KUNIT_EXPECT_TRUE(
        test,
        'no writing',
        p.rounds.every(({ may_swap, may_writepage }) => !may_swap && !may_writepage),
      );
    }),
    // While it is awake CPUs hide fewer pages.
    KUNIT_CASE('thresholds', (test) => {
      const p = pressed(test);
      only_dma32(p);
      const zone = p.dma32(0);
      zone.percpu_drift_mark = 1;
      const normal = zone_stat_threshold(p.k, zone, 0);
      zone.set_watermark(WMARK_MIN, zone._watermark(WMARK_LOW) - 3);
      p.press(0, zone._watermark(WMARK_LOW) - 1);
      let awake = 0;
      const { shrink } = p.k.kswapd;
      p.k.kswapd.shrink = {
        kswapd_age_node: shrink!.kswapd_age_node,
        *shrink_node(k, pgdat, sc) {
          awake = zone_stat_threshold(k, zone, 0);
          yield* shrink!.shrink_node(k, pgdat, sc);
        },
      };
      wake(p);
      run(p.k, {});
      KUNIT_EXPECT_EQ(test, 'awake, asleep again', [awake, zone_stat_threshold(p.k, zone, 0)], [3, normal]);
    }),
    // Woken again within a tenth of a second.
    KUNIT_CASE('woken_from_a_nap', (test) => {
      const p = pressed(test);
      only_dma32(p);
      p.press(0, p.dma32(0)._watermark(WMARK_LOW) - 1);
      wake(p);
      run(p.k, { until: () => p.rounds.length > 0 && asleep(p.k, 0) });
      p.press(0, p.dma32(0)._watermark(WMARK_LOW) - 1);
      wake(p);
      run(p.k, {});
      KUNIT_EXPECT_EQ(test, 'low watermark hit quickly', events(p.k, KSWAPD_LOW_WMARK_HIT_QUICKLY), 1);
      KUNIT_EXPECT_EQ(test, 'runs', events(p.k, PAGEOUTRUN), 2);
    }),
    // What a request asked for while kswapd was busy counts next: the largest order, the highest zone.
    KUNIT_CASE('requests_add_up', (test) => {
      const p = pressed(test);
      const pgdat = p.k.node_data[0]!;
      wakeup_kswapd(p.k, pgdat.node_zones[0]!, 0, 3, 0);
      wakeup_kswapd(p.k, p.dma32(0), 0, 1, ZONE_DMA32);
      KUNIT_EXPECT_EQ(test, 'order, zone', [pgdat.kswapd_order, pgdat.kswapd_highest_zoneidx], [3, ZONE_DMA32]);
      pgdat.kswapd_failures = 16;
      wakeup_kswapd(p.k, pgdat.node_zones[MAX_NR_ZONES - 1]!, 0, 9, MAX_NR_ZONES - 1);
      KUNIT_EXPECT_EQ(test, 'a zone without pages does not count', pgdat.kswapd_order, 3);
    }),
    // Below half of the reserve a task waits; kswapd wakes it when it has freed some.
    KUNIT_CASE('throttled', (test) => {
      const p = pressed(test);
      const { k } = p;
      for (const zone of k.node_data[0]!.node_zones.slice(0, 1)) zone.managed_pages = 0;
      const zone = p.dma32(0);
      p.press(0, Math.floor(zone._watermark(WMARK_MIN) / 2));
      const said: string[] = [];
      user_mode_thread(k, 'task', function* () {
        const dies = yield* throttle_direct_reclaim(k, GFP_KERNEL, context(k, GFP_KERNEL));
        said.push(`task ${dies} ${zone.vm_stat(NR_FREE_PAGES) > zone._watermark(WMARK_MIN) / 2}`);
      });
      kthread_run(k, 'kthread', function* () {
        const dies = yield* throttle_direct_reclaim(k, GFP_KERNEL, context(k, GFP_KERNEL));
        said.push(`kthread ${dies}`);
      });
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'said', said.sort().join(), 'kthread false,task false true');
      KUNIT_EXPECT_TRUE(test, 'allowed', allow_direct_reclaim(k, k.node_data[0]!));
      KUNIT_EXPECT_EQ(test, 'throttled', events(k, PGSCAN_DIRECT_THROTTLE), 1);
    }),
    // With kswapd stuck: a second at most for one who may hold locks of file systems; for the other, until he dies.
    KUNIT_CASE('throttled_for_long', (test) => {
      const p = pressed(test);
      const { k } = p;
      k.node_data[0]!.node_zones[0]!.managed_pages = 0;
      p.press(0, Math.floor(p.dma32(0)._watermark(WMARK_MIN) / 2));
      k.kswapd.nodes.length = 0;
      const said: string[] = [];
      const start = jiffies(k);
      const waits = (name: string, gfp: gfp_t) =>
        user_mode_thread(k, name, function* () {
          const dies = yield* throttle_direct_reclaim(k, gfp, context(k, gfp));
          said.push(`${name} ${dies} ${jiffies(k) - start}`);
        });
      waits('nofs', GFP_NOFS);
      const killed = waits('kernel', GFP_KERNEL);
      call_at(k, (start + 1000) * TICK_NSEC, () => send_sig(k, SIGKILL, killed));
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'said', said.join().replace(/25\d/, 'HZ'), 'nofs false HZ,kernel true 1000');
    }),
    KUNIT_CASE_PARAM<TestMachine, ThrottleRow>('reclaim_throttle', throttle_rows, (test, { reason, wanted }) => {
      const { k } = pressed(test);
      const pgdat = k.node_data[0]!;
      // Half of what could go is being written.
      pgdat.node_zones[ZONE_DMA32]!.add_vm_stat(NR_ZONE_WRITE_PENDING, 1 << 20);
      const waited: number[] = [];
      const start = jiffies(k);
      const wait = function* () {
        yield* reclaim_throttle(k, pgdat, reason);
        waited.push(jiffies(k) - start);
      };
      user_mode_thread(k, 'task', wait);
      kthread_run(k, 'kthread', wait);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'jiffies', waited, [0, wanted]);
      KUNIT_EXPECT_EQ(test, 'throttled', pgdat.nr_writeback_throttled, 0);
    }),
    KUNIT_CASE('enough_written', (test) => {
      const { k } = pressed(test);
      const pgdat = k.node_data[0]!;
      const start = jiffies(k);
      let waited = -1;
      user_mode_thread(k, 'task', function* () {
        yield* reclaim_throttle(k, pgdat, VMSCAN_THROTTLE_WRITEBACK);
        waited = jiffies(k) - start;
      });
      acct_reclaim_writeback(k, pgdat);
      call_at(k, (start + 5) * TICK_NSEC, () => {
        // More than 32 pages, and what this CPU has not told the node yet.
        for (let n = 0; n < 64; n++) acct_reclaim_writeback(k, pgdat);
      });
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'jiffies', waited, 5);
    }),
    // One who frees little waits, one who frees much lets him go on.
    KUNIT_CASE('progress', (test) => {
      const { k } = pressed(test);
      const pgdat = k.node_data[0]!;
      pgdat.node_zones[ZONE_DMA32]!.add_vm_stat(NR_ZONE_WRITE_PENDING, 1 << 20);
      const sc = (nr_reclaimed: number, priority: number) =>
        ({ nr_reclaimed, nr_scanned: 800, priority, target_mem_cgroup: null }) as scan_control;
      const waited: string[] = [];
      const start = jiffies(k);
      const task = (name: string, what: scan_control) =>
        user_mode_thread(k, name, function* () {
          yield* consider_reclaim_throttle(k, pgdat, what);
          waited.push(`${name} ${jiffies(k) - start}`);
        });
      task('nothing', sc(0, 1));
      task('some', sc(100, 1));
      task('early', sc(0, 2));
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'waited', waited.join(), 'some 0,early 0,nothing 2');
      waited.length = 0;
      task('nothing', sc(0, 1));
      task('much', sc(101, 1));
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'woken', waited.map((line) => line.split(' ')[0]).join(), 'much,nothing');
    }),
  ],
};
