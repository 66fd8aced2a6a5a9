import { describe, expect, test } from 'vitest';
import { proc_sys_read, proc_sys_write } from '../../../kernel/fs/proc/proc_sysctl.ts';
import {
  __GFP_NOWARN,
  __GFP_WRITE,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
} from '../../../kernel/include/gfp_types.ts';
import {
  NR_FILE_DIRTY,
  NR_FILE_MAPPED,
  NR_FILE_PAGES,
  NR_INACTIVE_FILE,
  NR_SLAB_RECLAIMABLE_B,
  NR_WRITEBACK,
  PGDAT_RECLAIM_LOCKED,
} from '../../../kernel/include/mmzone.ts';
import { PGSCAN_ZONE_RECLAIM_FAILED } from '../../../kernel/include/vm_event_item.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import { node_reclaim } from '../../../kernel/mm/node_reclaim.ts';
import { page_zone } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import type { ReclaimHooks } from '../../../kernel/mm/page_alloc_state.ts';
import { global_dirty_limits, node_dirty_ok } from '../../../kernel/mm/page_writeback.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { zone_page_state } from '../../../kernel/mm/vmstat.ts';
import { not_sleeping } from '../../../kernel/sched/sleeping.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

const twoNodes = (): Kernel => drawnAllocator({ memory: '01', unit: 128 * MiB });
const nid = (k: Kernel, pfn: number): number => (pfn < 0 ? -1 : page_zone(k, pfn).nid);
const node = (k: Kernel, n: number) => k.node_data[n]!;
/** Free pages of a node without its reserve: what may become dirty while there is no page cache. */
const dirtyable = (k: Kernel, n: number): number =>
  node(k, n).node_zones.reduce((sum, zone) => sum + (zone.populated ? zone_page_state(zone, 0) : 0), 0) -
  node(k, n).totalreserve_pages;

const hooks = (over: Partial<ReclaimHooks>): ReclaimHooks => ({
  wakeup_kswapd: () => {},
  try_to_free_pages: () => 0,
  try_to_compact_pages: () => 1,
  node_reclaim: () => false,
  try_to_free_mem_cgroup_pages: () => 0,
  mem_cgroup_out_of_memory: () => false,
  out_of_memory: () => false,
  ...over,
});

describe('pages that will be written to', () => {
  test('a node has its share of dirty pages to the page, and none more; writeback counts', () => {
    const k = twoNodes();
    const limit = Math.floor((20 * dirtyable(k, 0)) / 100);
    node(k, 0).add_vm_stat(NR_FILE_DIRTY, limit - 10);
    node(k, 0).add_vm_stat(NR_WRITEBACK, 10);
    expect(node_dirty_ok(k, node(k, 0))).toBe(true);
    node(k, 0).add_vm_stat(NR_WRITEBACK, 1);
    expect(node_dirty_ok(k, node(k, 0))).toBe(false);
    k.current.rt = true;
    expect(node_dirty_ok(k, node(k, 0))).toBe(true);
  });

  test('come from another node where this one is over its share; others do not care', () => {
    const k = twoNodes();
    node(k, 0).add_vm_stat(NR_FILE_DIRTY, dirtyable(k, 0));
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_WRITE;
    // There are pages on the per-cpu list of node 0.
    expect(nid(k, __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 0))).toBe(0);
    expect([0, 4].map((order) => nid(k, __alloc_pages(k, gfp, order, 0)))).toEqual([1, 1]);
    expect(nid(k, __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 4, 0))).toBe(0);
  });

  test('come from here all the same where every node is over its share', () => {
    const k = twoNodes();
    for (const n of [0, 1]) node(k, n).add_vm_stat(NR_FILE_DIRTY, dirtyable(k, n));
    expect(nid(k, __alloc_pages(k, GFP_HIGHUSER_MOVABLE | __GFP_WRITE, 4, 0))).toBe(0);
  });

  test('vm.dirty_ratio and vm.dirty_bytes take each other s place', () => {
    const k = twoNodes();
    expect(proc_sys_read(k, 'sys/vm/dirty_ratio')).toBe('20\n');
    expect(proc_sys_write(k, 'sys/vm/dirty_ratio', '101')).toBe(-22);
    expect(proc_sys_write(k, 'sys/vm/dirty_ratio', '50')).toBe(2);
    const { thresh } = global_dirty_limits(k);
    expect(proc_sys_write(k, 'sys/vm/dirty_bytes', '8191')).toBe(-22);
    expect(proc_sys_write(k, 'sys/vm/dirty_bytes', '40960000')).toBe(8);
    expect(proc_sys_read(k, 'sys/vm/dirty_ratio')).toBe('0\n');
    expect(global_dirty_limits(k).thresh).toBe(10000);
    expect(proc_sys_write(k, 'sys/vm/dirty_background_bytes', '4097')).toBe(4);
    expect(global_dirty_limits(k).background).toBe(2);
    expect(proc_sys_write(k, 'sys/vm/dirty_background_ratio', '5')).toBe(1);
    expect(proc_sys_read(k, 'sys/vm/dirty_background_bytes')).toBe('0\n');
    expect(proc_sys_write(k, 'sys/vm/dirty_ratio', '50')).toBe(2);
    expect(global_dirty_limits(k).thresh).toBe(thresh);
  });
});

describe('reclaim of the node at hand', () => {
  /** Node 0 without pages above its low watermark, and enough page cache to be worth it. */
  function full(mode: string, mine: number[] = []): Kernel {
    const k = twoNodes();
    node_set(0, k.node_states.N_CPU);
    expect(proc_sys_write(k, 'sys/vm/zone_reclaim_mode', mode)).toBe(mode.length);
    node(k, 0).add_vm_stat(NR_INACTIVE_FILE, 10000);
    for (;;) {
      const pfn = __alloc_pages(k, GFP_KERNEL, 0, 0);
      if (nid(k, pfn) === 1) return k;
      mine.push(pfn);
    }
  }
  const failed = (k: Kernel): number => all_vm_events(k)[PGSCAN_ZONE_RECLAIM_FAILED]!;

  test('off: the other node is asked at once', () => {
    const k = full('0');
    k.page_alloc.reclaim = hooks({ node_reclaim: () => expect.fail('reclaim') });
    expect(nid(k, __alloc_pages(k, GFP_KERNEL, 0, 0))).toBe(1);
  });

  test('on: pages of this node, once reclaim has found some', () => {
    const mine: number[] = [];
    const k = full('1', mine);
    const before = failed(k);
    k.page_alloc.reclaim = hooks({
      node_reclaim: (_, pgdat) => {
        expect(pgdat.flags).toBe(1 << PGDAT_RECLAIM_LOCKED);
        for (const pfn of mine.splice(0)) __free_pages(k, pfn, 0);
        drain_all_pages(k, null);
        return true;
      },
    });
    // Past what other zones of the node and the per-cpu lists have left.
    const pfn = __alloc_pages(k, GFP_KERNEL, 4, 0);
    expect(mine).toEqual([]);
    expect(nid(k, pfn)).toBe(0);
    expect([node(k, 0).flags, failed(k)]).toEqual([0, before]);
  });

  test('on, and nothing found: the other node, and it is counted', () => {
    const k = full('1');
    const before = failed(k);
    k.page_alloc.reclaim = hooks({});
    expect(nid(k, __alloc_pages(k, GFP_KERNEL, 0, 0))).toBe(1);
    expect(failed(k)).toBeGreaterThan(before);
  });

  test('nodes that are far away are not reclaimed from', () => {
    const k = full('1');
    k.page_alloc.node_reclaim_distance = 9;
    k.page_alloc.reclaim = hooks({ node_reclaim: () => expect.fail('reclaim') });
    expect(nid(k, __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 0, 0))).toBe(1);
  });

  const NOSCAN = -2;
  const FULL = -1;
  test.each([
    ['page cache that nobody maps', '1', () => {}, GFP_KERNEL, 0],
    ['one that cannot wait', '1', () => {}, GFP_ATOMIC, NOSCAN],
    [
      'one that reclaims already',
      '1',
      (k: Kernel) => {
        k.current.flags |= 0x800;
      },
      GFP_KERNEL,
      NOSCAN,
    ],
    [
      'someone else reclaims',
      '1',
      (k: Kernel) => {
        node(k, 0).flags = 1 << PGDAT_RECLAIM_LOCKED;
      },
      GFP_KERNEL,
      NOSCAN,
    ],
    ['all mapped', '1', (k: Kernel) => node(k, 0).add_vm_stat(NR_FILE_MAPPED, 10000), GFP_KERNEL, FULL],
    [
      'all mapped, and may be unmapped',
      '5',
      (k: Kernel) => {
        node(k, 0).add_vm_stat(NR_FILE_MAPPED, 10000);
        node(k, 0).add_vm_stat(NR_FILE_PAGES, 10000);
      },
      GFP_KERNEL,
      0,
    ],
    ['all dirty', '1', (k: Kernel) => node(k, 0).add_vm_stat(NR_FILE_DIRTY, 10000), GFP_KERNEL, FULL],
    ['all dirty, and may be written', '3', (k: Kernel) => node(k, 0).add_vm_stat(NR_FILE_DIRTY, 10000), GFP_KERNEL, 0],
    [
      'all mapped, but there is slab',
      '1',
      (k: Kernel) => {
        node(k, 0).add_vm_stat(NR_FILE_MAPPED, 10000);
        node(k, 0).add_vm_stat(NR_SLAB_RECLAIMABLE_B, node(k, 0).min_slab_pages + 1);
      },
      GFP_KERNEL,
      0,
    ],
  ] as const)('%s', (_, mode, set, gfp, wanted) => {
    const k = twoNodes();
    proc_sys_write(k, 'sys/vm/zone_reclaim_mode', mode);
    node(k, 0).add_vm_stat(NR_INACTIVE_FILE, 10000);
    set(k);
    expect(not_sleeping(node_reclaim(k, node(k, 0), gfp, 0), 'it')).toBe(wanted);
  });

  test('a node with CPUs is left to them', () => {
    const k = twoNodes();
    node_set(1, k.node_states.N_CPU);
    node(k, 1).add_vm_stat(NR_INACTIVE_FILE, 10000);
    expect(not_sleeping(node_reclaim(k, node(k, 1), GFP_KERNEL, 0), 'it')).toBe(NOSCAN);
  });

  test('vm.min_unmapped_ratio and vm.min_slab_ratio: what is spared, in percent of the zones', () => {
    const k = twoNodes();
    const managed = node(k, 0).node_zones.map((zone) => zone.managed_pages);
    const share = (percent: number): number =>
      managed.reduce((sum, pages) => sum + Math.floor((pages * percent) / 100), 0);
    expect([node(k, 0).min_unmapped_pages, node(k, 0).min_slab_pages]).toEqual([share(1), share(5)]);
    proc_sys_write(k, 'sys/vm/min_unmapped_ratio', '30');
    proc_sys_write(k, 'sys/vm/min_slab_ratio', '0');
    expect([node(k, 0).min_unmapped_pages, node(k, 0).min_slab_pages]).toEqual([share(30), 0]);
    expect(proc_sys_write(k, 'sys/vm/min_slab_ratio', '101')).toBe(-22);
  });

  test('each of them is made anew when it is read, and the other is not', () => {
    const k = twoNodes();
    const before = node(k, 0).min_unmapped_pages;
    node(k, 0).node_zones[1]!.managed_pages += 1000;
    const slab = node(k, 0).min_slab_pages;
    proc_sys_read(k, 'sys/vm/min_slab_ratio');
    expect([node(k, 0).min_unmapped_pages, node(k, 0).min_slab_pages]).toEqual([before, slab + 50]);
    proc_sys_read(k, 'sys/vm/min_unmapped_ratio');
    expect(node(k, 0).min_unmapped_pages).toBe(before + 10);
  });
});
