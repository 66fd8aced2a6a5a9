import { describe, expect, test } from 'vitest';
import { vmstat_show } from '../../../kernel/fs/proc/vmstat.ts';
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOIO,
  GFP_NOWAIT,
} from '../../../kernel/include/gfp_types.ts';
import { zone as layout, WMARK_MIN, ZONE_DMA32 } from '../../../kernel/include/mmzone.ts';
import { PF_DUMPCORE, PF_MEMALLOC } from '../../../kernel/include/sched.ts';
import { COMPACTFAIL, COMPACTSTALL, COMPACTSUCCESS } from '../../../kernel/include/vm_event_item.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { page_count } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { vmstat_update } from '../../../kernel/mm/vmstat_update.ts';
import { HARDIRQ_OFFSET, SOFTIRQ_OFFSET } from '../../../kernel/sched/preempt.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

// enum compact_result
const SKIPPED = 1;
const COMPLETE = 5;
const SUCCESS = 8;

interface Helpers {
  /** Pages that reclaim says it freed; it frees none. */
  readonly progress?: number;
  readonly compact?: number;
  /** What the OOM killer says, one time after another; then no. */
  readonly kills?: readonly boolean[];
  readonly on_reclaim?: (k: Kernel, n: number) => void;
}

/** Leaves nothing but single pages in ZONE_DMA32, which lie apart, a tenth less than its min watermark. */
function use_up(k: Kernel): void {
  const zone = k.node_data[0]!.node_zones[ZONE_DMA32]!;
  const flags = k.current.flags;
  k.current.flags |= PF_MEMALLOC;
  const pages: number[] = [];
  for (;;) {
    const pfn = __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 0, 0);
    if (pfn < 0) break;
    if (pfn >= zone.zone_start_pfn && pfn % 2 === 0) pages.push(pfn);
  }
  k.current.flags = flags;
  for (const pfn of pages.slice(0, Math.floor(zone._watermark(WMARK_MIN) * 0.9))) __free_pages(k, pfn, 0);
  drain_all_pages(k, null);
  vmstat_update(k);
}

/**
 * A machine whose tasks have used up nearly all, and those who could help, who do not.
 * @returns what they were asked, in order: w wake-up of kswapd, r reclaim, c and a priority compaction, o OOM killer
 */
function exhausted({ progress = 0, compact = SKIPPED, kills = [], on_reclaim }: Helpers = {}): {
  k: Kernel;
  asked: () => string;
  said: () => string[];
} {
  const k = drawnAllocator({ memory: '0', unit: 64 * MiB });
  k.watermark.watermark_boost_factor = 0;
  use_up(k);
  const calls: string[] = [];
  const call = (what: string): void => {
    calls.push(what);
    if (calls.length > 1000) throw new Error(`for ever: ${calls.slice(0, 20).join(' ')}`);
  };
  let killed = 0;
  let reclaims = 0;
  k.page_alloc.reclaim = {
    wakeup_kswapd: () => call('w'),
    try_to_free_pages: () => {
      call('r');
      on_reclaim?.(k, ++reclaims);
      return progress;
    },
    try_to_compact_pages: (_k, _gfp, _order, _flags, _ac, prio) => {
      call(`c${prio}`);
      return compact;
    },
    node_reclaim: () => false,
    try_to_free_mem_cgroup_pages: () => 0,
    mem_cgroup_out_of_memory: () => false,
    out_of_memory: () => {
      call('o');
      return kills[killed++] ?? false;
    },
  };
  const lines = printed(k).length;
  return { k, asked: () => calls.join(' '), said: () => printed(k).slice(lines) };
}
const times = (n: number, what: string): string => Array.from({ length: n }, () => what).join(' ');

describe('who is asked for help, and how often', () => {
  test.each([
    ['GFP_KERNEL: reclaim 17 times, then the OOM killer', GFP_KERNEL, 0, {}, `w ${times(17, 'w r')} o`],
    [
      'as long as the OOM killer finds someone, all over again',
      GFP_KERNEL,
      0,
      { kills: [true] },
      `w ${times(17, 'w r')} o ${times(17, 'w r')} o`,
    ],
    ['GFP_NOWAIT: kswapd', GFP_NOWAIT, 0, {}, 'w w'],
    ['one who may wait but wakes no one', __GFP_DIRECT_RECLAIM, 0, {}, `${times(17, 'r')} o`],
    ['nobody at all', 0, 0, {}, ''],
    ['__GFP_NORETRY: once', GFP_KERNEL | __GFP_NORETRY, 0, {}, 'w w r'],
    ['__GFP_RETRY_MAYFAIL: not the OOM killer', GFP_KERNEL | __GFP_RETRY_MAYFAIL, 0, {}, `w ${times(17, 'w r')}`],
    ['__GFP_THISNODE: not the OOM killer', GFP_KERNEL | __GFP_THISNODE, 0, {}, `w ${times(17, 'w r')}`],
    ['a costly block: compaction first, then once more', GFP_KERNEL, 4, {}, 'w c2 w r c1'],
    ['a costly one without input and output', GFP_NOIO, 4, {}, 'w w r c1'],
    ['a costly one that may fail, which compaction had nothing for', GFP_KERNEL | __GFP_NORETRY, 4, {}, 'w c2'],
    [
      'a costly one that may fail, after compaction without success: asynchronous again',
      GFP_KERNEL | __GFP_NORETRY,
      4,
      { compact: COMPLETE },
      'w c2 w r c2',
    ],
    ['the same from one node alone', GFP_KERNEL | __GFP_NORETRY | __GFP_THISNODE, 4, { compact: COMPLETE }, 'w c2'],
    [
      'a costly one that tries hard',
      GFP_KERNEL | __GFP_RETRY_MAYFAIL,
      4,
      { progress: 1, compact: COMPLETE },
      'w c2 w r c1',
    ],
    [
      'a small block that is not movable: compaction first',
      GFP_KERNEL,
      2,
      { progress: 1, compact: COMPLETE },
      'w c2 w r c1 w r c0 o',
    ],
    [
      'a movable one: at full priority at last',
      GFP_KERNEL | __GFP_MOVABLE,
      2,
      { progress: 1, compact: COMPLETE },
      'w w r c1 w r c0 o',
    ],
    [
      'while compaction gets on, 17 times at each priority',
      GFP_KERNEL | __GFP_MOVABLE,
      2,
      { progress: 1, compact: SUCCESS },
      `w ${times(17, 'w r c1')} ${times(17, 'w r c0')} o`,
    ],
  ] as const)('%s', (_, gfp, order, helpers, wanted) => {
    const { k, asked } = exhausted(helpers);
    expect(__alloc_pages(k, gfp | __GFP_NOWARN, order, 0)).toBe(-1);
    expect(asked()).toBe(wanted);
  });

  test('one who dumps core does not have someone killed', () => {
    const { k, asked } = exhausted();
    k.current.flags |= PF_DUMPCORE;
    expect(__alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 0, 0)).toBe(-1);
    expect(asked()).not.toContain('o');
  });

  test('one that has been killed does not compact on and on', () => {
    const { k, asked } = exhausted({ progress: 1, compact: COMPLETE });
    k.current.fatal_signal_pending = true;
    __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 2, 0);
    expect(asked()).toBe('w c2 w r c1 o');
  });

  test('zonelists that are built anew meanwhile: from the start', () => {
    const { k, asked } = exhausted({
      on_reclaim: (kernel, n) => {
        if (n === 1) kernel.zonelists.zonelist_update_seq += 2;
      },
    });
    expect(__alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 0, 0)).toBe(-1);
    expect(asked()).toBe(`w w r w ${times(17, 'w r')} o`);
  });

  test('each time that a request has to free pages itself is counted, by the highest zone that it may use', () => {
    const { k } = exhausted();
    // Whoever reclaims counts for himself.
    k.page_alloc.reclaim = null;
    const stalls = (): string[] =>
      vmstat_show(k)
        .split('\n')
        .filter((line) => /^allocstall_.* [1-9]/.test(line));
    __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, 0, 0);
    expect(stalls()).toEqual(['allocstall_normal 1']);
    __alloc_pages(k, GFP_HIGHUSER_MOVABLE | __GFP_NOWARN | __GFP_NORETRY, 0, 0);
    __alloc_pages(k, (GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN, 0, 0);
    expect(stalls()).toEqual(['allocstall_normal 1', 'allocstall_movable 1']);
  });

  test('stalls of compaction are counted, but for those that were skipped', () => {
    for (const [compact, stalls] of [
      [SKIPPED, 0],
      [COMPLETE, 2],
    ] as const) {
      const { k } = exhausted({ compact });
      __alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 4, 0);
      const events = all_vm_events(k);
      expect([events[COMPACTSTALL], events[COMPACTFAIL]]).toEqual([stalls, stalls]);
    }
  });
});

test('compaction that brought a block about is not put off any more, up to that order', () => {
  const { k } = exhausted({ compact: SUCCESS });
  const zone = k.node_data[0]!.node_zones[ZONE_DMA32]!;
  const block = zone.zone_start_pfn + 0x400;
  const { offset } = layout;
  const words = ['compact_considered', 'compact_defer_shift', 'compact_order_failed'] as const;
  const deferred = (): number[] => [
    ...words.map((name) => k.hw.ram.u32(zone.pa + offset[name])),
    k.hw.ram.u8(zone.pa + offset.compact_blockskip_flush),
  ];
  words.forEach((name, i) => {
    k.hw.ram.set_u32(zone.pa + offset[name], 3 + i);
  });
  k.hw.ram.set_u8(zone.pa + offset.compact_blockskip_flush, 1);
  const { reclaim } = k.page_alloc;
  k.page_alloc.reclaim = {
    ...reclaim!,
    try_to_compact_pages: () => {
      for (let p = block; p < block + 64; p++) if (page_count(k, p) > 0) __free_pages(k, p, 0);
      drain_all_pages(k, null);
      return SUCCESS;
    },
  };
  expect(__alloc_pages(k, GFP_KERNEL | __GFP_NOWARN, 5, 0)).toBeGreaterThan(0);
  expect(deferred()).toEqual([0, 0, 6, 0]);
  expect(all_vm_events(k)[COMPACTSUCCESS]).toBe(1);
});

describe('who gets pages of the reserves', () => {
  const NO_WAY = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;
  test.each([
    ['an ordinary task', NO_WAY, 0, {}, false],
    ['a real-time task', NO_WAY, 0, { rt: true }, true],
    ['a real-time task, in an interrupt', NO_WAY, HARDIRQ_OFFSET, { rt: true }, false],
    ['one who frees memory', NO_WAY, 0, { flags: PF_MEMALLOC }, true],
    ['one who frees memory, not from reserves', NO_WAY | __GFP_NOMEMALLOC, 0, { flags: PF_MEMALLOC }, false],
    ['the interrupt of one who frees memory', NO_WAY, HARDIRQ_OFFSET, { flags: PF_MEMALLOC }, false],
    ['the softirq of one who frees memory', NO_WAY, SOFTIRQ_OFFSET, { flags: PF_MEMALLOC }, true],
    ['a victim of the OOM killer', NO_WAY, 0, { oom_victim: true }, true],
    ['the interrupt of a victim', NO_WAY, HARDIRQ_OFFSET, { oom_victim: true }, false],
    ['GFP_ATOMIC', GFP_ATOMIC | __GFP_NOWARN, 0, {}, true],
  ] as const)('%s', (_, gfp, preempt_count, task, gets) => {
    const { k } = exhausted();
    Object.assign(k.current, task);
    k.preempt.preempt_count = preempt_count;
    expect(__alloc_pages(k, gfp, 0, 0) >= 0).toBe(gets);
  });
});

describe('__GFP_NOFAIL', () => {
  const at = (line: string): string => `mm/page_alloc.c:${line}`;
  const warnings = (lines: string[]): string[] =>
    lines.filter((line) => line.startsWith('WARNING')).map((line) => line.replace(/^.* at /, ''));

  test('no one to kill: a warning, and a page whatever the watermarks say', () => {
    const { k, said, asked } = exhausted();
    expect(__alloc_pages(k, GFP_KERNEL | __GFP_NOFAIL, 0, 0)).toBeGreaterThanOrEqual(0);
    expect(warnings(said())).toEqual([at('4526 __alloc_pages_may_oom')]);
    expect(asked()).toBe(`w ${times(17, 'w r')} o`);
  });

  test('from one that cannot wait it fails, with a warning', () => {
    const { k, said } = exhausted();
    expect(__alloc_pages(k, GFP_NOWAIT | __GFP_NOFAIL, 0, 0)).toBe(-1);
    expect(warnings(said())).toEqual([at('5367 __alloc_pages_slowpath')]);
  });

  test('from one who frees memory and may not have reserves: a warning, and a part of them', () => {
    const { k, said } = exhausted();
    k.current.flags |= PF_MEMALLOC;
    expect(__alloc_pages(k, GFP_KERNEL | __GFP_NOFAIL | __GFP_NOMEMALLOC, 0, 0)).toBeGreaterThanOrEqual(0);
    expect(warnings(said())).toEqual([at('5375 __alloc_pages_slowpath')]);
  });
});
