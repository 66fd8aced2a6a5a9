// What events say, as Debian's 6.1 said it under memory pressure (two nodes of 128 MiB, swap, memory cgroups): each row
// gives an event what that kernel's had. And how records of different sizes share the buffer.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import * as gfp from '../../../kernel/include/gfp_types.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { zone as layout } from '../../../kernel/include/mmzone.ts';
import { PG_swapbacked } from '../../../kernel/include/page_flags.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { folio_set } from '../../../kernel/mm/folio.ts';
import {
  COMPACT_COMPLETE,
  COMPACT_CONTINUE,
  COMPACT_DEFERRED,
  COMPACT_NO_SUITABLE_PAGE,
  COMPACT_PARTIAL_SKIPPED,
  COMPACT_SKIPPED,
  COMPACT_SUCCESS,
} from '../../../kernel/mm/internal.ts';
import type { mm_struct } from '../../../kernel/mm/mm_struct.ts';
import type { Zone } from '../../../kernel/mm/mmzone.ts';
import { shrinker } from '../../../kernel/mm/shrinker.ts';
import * as c from '../../../kernel/trace/events/compaction.ts';
import * as g from '../../../kernel/trace/events/migrate.ts';
import * as o from '../../../kernel/trace/events/oom.ts';
import * as v from '../../../kernel/trace/events/vmscan.ts';
import * as w from '../../../kernel/trace/events/writeback.ts';
import { RingBuffer } from '../../../kernel/trace/ring_buffer.ts';
import { print_event, tracefs_read } from '../../../kernel/trace/trace.ts';
import { ftrace_set_clr_event } from '../../../kernel/trace/trace_events.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

const golden = readFileSync(new URL('../../golden/trace/lines.txt', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n');

function machine(): Kernel {
  const config = { ...debian, DEFERRED_STRUCT_PAGE_INIT: false };
  const k = drawnAllocator({ memory: '0', unit: 256 * MiB, config });
  ftrace_set_clr_event(k, ':', true);
  ftrace_set_clr_event(k, 'kmem', false);
  return k;
}

const traced = (k: Kernel): string[] => [...k.trace.buffer!.records()].map((record) => print_event(k, record));

class super_cache extends shrinker {
  override readonly symbol = 'super_cache_scan';
  count_objects = (): number => 0;
  scan_objects = (): number => 0;
}

/** A zone of some node that compaction has been deferred for. */
function zone_of(k: Kernel, nid: number, idx: number, considered: number, shift: number): Zone {
  const view = k.node_data[0]!.node_zones[1]!.view.slice();
  view[layout.offset.compact_considered >> 2] = considered;
  view[layout.offset.compact_defer_shift >> 2] = shift;
  view[layout.offset.compact_order_failed >> 2] = 0;
  return { nid, idx, view } as Zone;
}

const hugepage = GFP_HIGHUSER_MOVABLE | gfp.__GFP_NOWARN | gfp.__GFP_COMP | gfp.__GFP_THISNODE;
const hugetlb = hugepage | gfp.__GFP_RETRY_MAYFAIL;
const fault = GFP_HIGHUSER_MOVABLE | gfp.__GFP_COMP | gfp.__GFP_ZERO;
const nothing = {
  nr_dirty: 0,
  nr_writeback: 0,
  nr_congested: 0,
  nr_immediate: 0,
  nr_activate_anon: 0,
  nr_activate_file: 0,
  nr_unmap_fail: 0,
};
const victim_mm = {
  total_vm: 270680 / 4,
  rss_stat: Int32Array.of(4 / 4, 137480 / 4, 0, 1344 / 4),
  pgtables_bytes: 564 * 1024,
} as unknown as mm_struct;
const task = (pid: number, oom_score_adj: number) => ({ pid, comm: 'busybox', oom_score_adj });
const cc = (migrate_pfn: number, free_pfn: number) => ({ migrate_pfn, free_pfn, nr_migratepages: 0 });
const background = { nr_to_write: 2048, sync: false, for_kupdate: false, for_background: true };
const sync = { nr_to_write: Number.POSITIVE_INFINITY, sync: true, for_kupdate: false, for_background: false };
const vda = { host: { i_ino: 266338304, disk: { index: 0 } } };

/** One for each line of the recording, in order. */
const rows: readonly ((k: Kernel) => void)[] = [
  (k) => o.trace_compact_retry(k, 9, 1, COMPACT_DEFERRED, 0, 16, false),
  (k) => o.trace_mark_victim(k, task(114, 1000), victim_mm, 0),
  (k) => o.trace_reclaim_retry_zone(k, zone_of(k, 0, 1, 0, 0), 0, 20202, 20428, 249, 0, true),
  (k) => o.trace_oom_score_adj_update(k, task(117, 900)),
  (k) => v.trace_mm_vmscan_lru_shrink_active(k, 0, 4, 0, 4, 0, 12, 1),
  (k) => v.trace_mm_vmscan_lru_shrink_inactive(k, 0, 19427, 0, { ...nothing, nr_ref_keep: 1 }, 11, 0),
  (k) => {
    folio_set(k, 0x7f25, PG_swapbacked);
    v.trace_mm_vmscan_write_folio(k, 0x7f25);
  },
  (k) => v.trace_mm_vmscan_lru_isolate(k, 0, 0, 1, 19427, 19426, 1, 0, 0),
  (k) => v.trace_mm_vmscan_lru_isolate(k, 3, 0, 1, 1, 0, 1, 0, 2),
  (k) => v.trace_mm_shrink_slab_end(k, new super_cache(), 0, 0, 0, 1, 1),
  (k) => {
    const sc = { gfp_mask: GFP_KERNEL, nid: 0, nr_to_scan: 0, nr_scanned: 0 };
    v.trace_mm_shrink_slab_start(k, new super_cache(), sc, 0, 2, 1, 1, 12);
  },
  (k) => v.trace_mm_vmscan_memcg_reclaim_end(k, 40),
  (k) => v.trace_mm_vmscan_direct_reclaim_end(k, 101),
  (k) => v.trace_mm_vmscan_memcg_reclaim_begin(k, 0, GFP_HIGHUSER_MOVABLE),
  (k) => v.trace_mm_vmscan_direct_reclaim_begin(k, 0, fault),
  (k) => v.trace_mm_vmscan_direct_reclaim_begin(k, 9, hugetlb),
  (k) => v.trace_mm_vmscan_wakeup_kswapd(k, 0, 1, 0, 0),
  (k) => v.trace_mm_vmscan_wakeup_kswapd(k, 1, 1, 0, fault),
  (k) => v.trace_mm_vmscan_kswapd_wake(k, 0, 1, 0),
  (k) => v.trace_mm_vmscan_kswapd_sleep(k, 1),
  (k) => c.trace_mm_compaction_kcompactd_wake(k, 0, 9, 1),
  (k) => c.trace_mm_compaction_kcompactd_wake(k, 0, 9, 0),
  (k) => c.trace_mm_compaction_wakeup_kcompactd(k, 1, 9, 1),
  (k) => c.trace_mm_compaction_kcompactd_sleep(k, 1),
  (k) => c.trace_mm_compaction_defer_compaction(k, zone_of(k, 1, 1, 0, 2), 9),
  (k) => c.trace_mm_compaction_deferred(k, zone_of(k, 1, 1, 1, 1), 9),
  (k) => c.trace_mm_compaction_suitable(k, zone_of(k, 0, 0, 0, 0), 9, COMPACT_SUCCESS),
  (k) => c.trace_mm_compaction_suitable(k, zone_of(k, 0, 1, 0, 0), 9, COMPACT_SKIPPED),
  (k) => c.trace_mm_compaction_finished(k, zone_of(k, 1, 1, 0, 0), 9, COMPACT_NO_SUITABLE_PAGE),
  (k) => c.trace_mm_compaction_finished(k, zone_of(k, 0, 0, 0, 0), -1, COMPACT_CONTINUE),
  (k) => c.trace_mm_compaction_try_to_compact_pages(k, 9, hugetlb, 2),
  (k) => c.trace_mm_compaction_end(k, cc(0xfe00, 0xfe00), 0x8000, 0xffda, false, COMPACT_PARTIAL_SKIPPED),
  (k) => c.trace_mm_compaction_end(k, cc(0xe00, 0xe00), 1, 0x1000, true, COMPACT_COMPLETE),
  (k) => c.trace_mm_compaction_begin(k, cc(0x8000, 0xfe00), 0x8000, 0xffda, true),
  (k) => c.trace_mm_compaction_migratepages(k, { nr_migratepages: 478 }, 336),
  (k) => c.trace_mm_compaction_isolate_freepages(k, 0xc800, 0xca00, 459, 48),
  (k) => c.trace_mm_compaction_isolate_migratepages(k, 0x8000, 0x8200, 512, 0),
  (k) => g.trace_remove_migration_pte(k, 0x7f35d30f0000, 0x0c9ff867, 0x80000000, 0),
  (k) => g.trace_set_migration_pte(k, 0x7f35d30f0000, 0xfee3bc02, 0xefffe7ff, 0),
  (k) => g.trace_mm_migrate_pages_start(k, 1, 0),
  (k) => g.trace_mm_migrate_pages(k, 1, 0, 0, 5),
  (k) => w.trace_wbc_writepage(k, background, 1, vda),
  (k) => w.trace_wbc_writepage(k, sync, 1, vda),
  (k) => w.trace_writeback_pages_written(k, 2048),
  (k) => w.trace_folio_wait_writeback(k, vda, 3368),
  (k) => w.trace_writeback_dirty_folio(k, vda, 1),
];

/** Pointers, of which Linux prints hashes, and sizes of functions are not compared. */
const comparable = (line: string): string =>
  line.replace(/page=[0-9a-f]{16}/, 'page=').replace(/\+0x0\/0x[0-9a-f]+ [0-9a-f]{16}:/, '+0x0:');

describe('texts', () => {
  const k = machine();
  const said = (call: (k: Kernel) => void): string[] => {
    k.trace.buffer!.consume();
    call(k);
    return traced(k);
  };

  test('there is a row for each line of the recording', () => expect(rows.length).toBe(golden.length));

  test.each(golden.map((line, n) => [line, n] as const))('%s', (line, n) => {
    expect(said(rows[n]!).map(comparable)).toEqual([comparable(line)]);
  });

  // Of these nothing was recorded.
  const others: readonly (readonly [text: string, call: (k: Kernel) => void])[] = [
    ['wake_reaper: pid=7', (k) => o.trace_wake_reaper(k, 7)],
    ['start_task_reaping: pid=7', (k) => o.trace_start_task_reaping(k, 7)],
    ['finish_task_reaping: pid=7', (k) => o.trace_finish_task_reaping(k, 7)],
    ['skip_task_reaping: pid=7', (k) => o.trace_skip_task_reaping(k, 7)],
    [
      'mm_vmscan_throttled: nid=1 usec_timeout=100000 usect_delayed=4000 reason=VMSCAN_THROTTLE_WRITEBACK',
      (k) => v.trace_mm_vmscan_throttled(k, 1, 100000, 4000, 0),
    ],
    [
      'mm_vmscan_throttled: nid=1 usec_timeout=4000 usect_delayed=0 reason=VMSCAN_THROTTLE_CONGESTED',
      (k) => v.trace_mm_vmscan_throttled(k, 1, 4000, 0, 3),
    ],
    [
      'mm_vmscan_node_reclaim_begin: nid=1 order=2 gfp_flags=GFP_KERNEL',
      (k) => v.trace_mm_vmscan_node_reclaim_begin(k, 1, 2, GFP_KERNEL),
    ],
    ['mm_vmscan_node_reclaim_end: nr_reclaimed=33', (k) => v.trace_mm_vmscan_node_reclaim_end(k, 33)],
    [
      'mm_compaction_defer_reset: node=0 zone=Normal   order=3 order_failed=0 consider=64 limit=64',
      (k) => c.trace_mm_compaction_defer_reset(k, zone_of(k, 0, 2, 64, 6), 3),
    ],
    [
      'compact_retry: order=3 priority=COMPACT_PRIO_SYNC_FULL compaction_result=failed retries=17 max_retries=16 should_retry=0',
      (k) => o.trace_compact_retry(k, 3, 0, COMPACT_COMPLETE, 17, 16, false),
    ],
    [
      'compact_retry: order=3 priority=COMPACT_PRIO_ASYNC compaction_result=progress retries=0 max_retries=16 should_retry=1',
      (k) => o.trace_compact_retry(k, 3, 2, COMPACT_SKIPPED, 0, 16, true),
    ],
    [
      'oom_score_adj_update: pid=8 comm=busybox oom_score_adj=-1000',
      (k) => o.trace_oom_score_adj_update(k, task(8, -1000)),
    ],
    [
      'mm_vmscan_lru_shrink_active: nid=0 nr_taken=0 nr_active=0 nr_deactivated=0 nr_referenced=0 priority=0 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC',
      (k) => v.trace_mm_vmscan_lru_shrink_active(k, 0, 0, 0, 0, 0, 0, 3),
    ],
    ['folio_wait_writeback: bdi (unknown): ino=0 index=77', (k) => w.trace_folio_wait_writeback(k, null, 77)],
    ['mm_migrate_pages_start: mode=0x7 reason=demotion', (k) => g.trace_mm_migrate_pages_start(k, 7, 8)],
  ];
  test.each(others)('%s', (text, call) => {
    expect(said(call)).toEqual([text]);
  });

  test('a shrinker is named by the function that Linux would name, with a number in place of its address', () => {
    const one = new super_cache();
    one.id = 0x1f;
    expect(said(() => v.trace_mm_shrink_slab_end(k, one, 0, 0, 0, 0, 0))[0]).toContain(
      'super_cache_scan+0x0/0x0 000000000000001f: nid: 0 ',
    );
  });
});

test('who, where and when are those of the moment of the event', () => {
  const k = machine();
  let now = 1_000_000_000;
  k.log.now = () => now;
  k.current.pid = 38;
  k.current.comm = 'kswapd0';
  v.trace_mm_vmscan_kswapd_wake(k, 0, 1, 0);
  now = 83_456_789_499;
  k.current.pid = 190;
  k.current.comm = 'kworker/u8:0-fl';
  v.trace_mm_vmscan_direct_reclaim_end(k, 2 ** 40);
  expect(tracefs_read(k, '/sys/kernel/tracing/trace_pipe')).toBe(
    '         kswapd0-38      [000] .....     1.000000: mm_vmscan_kswapd_wake: nid=0 order=0\n' +
      ' kworker/u8:0-fl-190     [000] .....    83.456789: mm_vmscan_direct_reclaim_end: nr_reclaimed=1099511627776\n',
  );
});

describe('buffer', () => {
  test.each([64, 65, 77, 100, 300])('of %i words: the latest records of all sizes, in order', (nr_words) => {
    const buffer = new RingBuffer(4 * nr_words);
    // A plain model: all that was ever written.
    const all: number[] = [];
    let at = 1;
    for (let n = 0; n < 600; n++) {
      at = (at * 48271) % 0x7fffffff;
      const size = at % 30;
      const words = buffer.reserve(n, size, 0, 0, 0);
      for (let i = 0; i < size; i++) buffer.words[words + i] = n;
      all.push(size);
      const kept = [...buffer.records()];
      expect(kept.length).toBe(buffer.entries);
      expect(kept.map(({ event }) => event)).toEqual(kept.map((_, i) => n + 1 - kept.length + i));
      for (const { event, words: fields } of kept) {
        expect(fields.length).toBe(all[event]);
        expect(fields.every((word) => word === event)).toBe(true);
      }
      // No more is dropped than has to be: what is left and one more record would not fit twice over.
      expect(kept.length).toBeGreaterThanOrEqual(Math.min(n + 1, Math.floor(nr_words / 72)));
    }
  });
});
