import { describe, expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { __GFP_MOVABLE, GFP_ATOMIC, GFP_KERNEL, GFP_NOFS } from '../../../kernel/include/gfp_types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { fs_reclaim_acquire, fs_reclaim_release } from '../../../kernel/mm/fs_reclaim.ts';
import { current_gfp_context } from '../../../kernel/mm/gfp.ts';
import { __alloc_pages } from '../../../kernel/mm/page_alloc.ts';
import {
  memalloc_nofs_restore,
  memalloc_nofs_save,
  memalloc_noio_restore,
  memalloc_noio_save,
  memalloc_noreclaim_restore,
  memalloc_noreclaim_save,
  memalloc_pin_restore,
  memalloc_pin_save,
} from '../../../kernel/sched/mm.ts';
import {
  HARDIRQ_OFFSET,
  in_interrupt,
  in_serving_softirq,
  in_task,
  NMI_OFFSET,
  PREEMPT_OFFSET,
  SOFTIRQ_OFFSET,
  SYSTEM_RUNNING,
} from '../../../kernel/sched/preempt.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

function checked(config: Partial<typeof recorder>): { k: Kernel; said: () => string[] } {
  const k = drawnAllocator({ memory: '0', unit: 64 * MiB, config: { ...recorder, ...config } });
  k.preempt.system_state = SYSTEM_RUNNING;
  const lines = printed(k).length;
  return { k, said: () => printed(k).slice(lines) };
}

describe('scopes', () => {
  test('each takes its flags away, nests, and leaves no trace', () => {
    const { k } = checked({});
    const before = k.current.flags;
    const kernel = (): number => current_gfp_context(k, GFP_KERNEL | __GFP_MOVABLE);
    const fs = memalloc_nofs_save(k);
    expect(kernel()).toBe(GFP_NOFS | __GFP_MOVABLE);
    const inner = memalloc_nofs_save(k);
    memalloc_nofs_restore(k, inner);
    expect(kernel()).toBe(GFP_NOFS | __GFP_MOVABLE);
    const io = memalloc_noio_save(k);
    expect(kernel()).toBe(0xc00 | __GFP_MOVABLE);
    const pin = memalloc_pin_save(k);
    expect(kernel()).toBe(0xc00);
    const reclaim = memalloc_noreclaim_save(k);
    memalloc_noreclaim_restore(k, reclaim);
    memalloc_pin_restore(k, pin);
    memalloc_noio_restore(k, io);
    memalloc_nofs_restore(k, fs);
    expect(k.current.flags).toBe(before);
  });
});

test.each([
  ['a task', 0, [true, false, false]],
  ['a task that holds a spinlock', PREEMPT_OFFSET, [true, false, false]],
  ['a task with softirqs disabled', 2 * SOFTIRQ_OFFSET, [true, true, false]],
  ['a softirq', SOFTIRQ_OFFSET, [false, true, true]],
  ['an interrupt', HARDIRQ_OFFSET, [false, true, false]],
  ['an NMI', NMI_OFFSET | HARDIRQ_OFFSET, [false, true, false]],
] as const)('%s: in_task, in_interrupt, in_serving_softirq', (_, preempt_count, wanted) => {
  const { k } = checked({});
  k.preempt.preempt_count = preempt_count;
  expect([in_task(k), in_interrupt(k), in_serving_softirq(k)]).toEqual(wanted);
});

describe('sleeping function called from invalid context', () => {
  test('a request that may sleep, under a spinlock: Linux s report, and the pages all the same', () => {
    const { k, said } = checked({ DEBUG_ATOMIC_SLEEP: true });
    k.preempt.preempt_count = 1;
    expect(__alloc_pages(k, GFP_ATOMIC, 0, 0)).toBeGreaterThan(0);
    expect(said()).toEqual([]);
    expect(__alloc_pages(k, GFP_KERNEL, 0, 0)).toBeGreaterThan(0);
    expect(said()).toEqual([
      'BUG: sleeping function called from invalid context at include/linux/sched/mm.h:274',
      'in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 0, name: swapper/0',
      'preempt_count: 1, expected: 0',
      `CPU: 0 PID: 0 Comm: swapper/0 Not tainted ${k.config.version} #1`,
    ]);
  });

  test('with a preemptible RCU one line more; once in a second', () => {
    const { k, said } = checked({ DEBUG_ATOMIC_SLEEP: true, PREEMPT_RCU: true });
    let now = 5e9;
    k.log.now = () => now;
    k.preempt.irqs_disabled = true;
    for (const later of [0, 0.5e9, 0.5e9]) {
      now += later;
      __alloc_pages(k, GFP_KERNEL, 0, 0);
    }
    expect(said().filter((line) => line.startsWith('BUG'))).toHaveLength(2);
    expect(said()[3]).toBe('RCU nest depth: 0, expected: 0');
  });

  test.each([
    [
      'while the system boots',
      (k: Kernel) => {
        k.preempt.system_state = 0;
      },
    ],
    [
      'where sleeping is allowed',
      (k: Kernel) => {
        k.preempt.preempt_count = 0;
      },
    ],
  ])('not %s', (_, set) => {
    const { k, said } = checked({ DEBUG_ATOMIC_SLEEP: true });
    k.preempt.preempt_count = 1;
    set(k);
    __alloc_pages(k, GFP_KERNEL, 0, 0);
    expect(said()).toEqual([]);
  });

  test('not without CONFIG_DEBUG_ATOMIC_SLEEP', () => {
    const { k, said } = checked({});
    k.preempt.preempt_count = 1;
    __alloc_pages(k, GFP_KERNEL, 0, 0);
    expect(said()).toEqual([]);
  });
});

describe('fs_reclaim', () => {
  test('whoever holds it and asks for memory through file systems is told once', () => {
    const { k, said } = checked({ PROVE_LOCKING: true });
    fs_reclaim_acquire(k, GFP_KERNEL);
    __alloc_pages(k, GFP_NOFS, 0, 0);
    expect(said()).toEqual([]);
    __alloc_pages(k, GFP_KERNEL, 0, 0);
    __alloc_pages(k, GFP_KERNEL, 0, 0);
    fs_reclaim_release(k, GFP_KERNEL);
    expect(said().filter((line) => line === 'WARNING: possible recursive locking detected')).toHaveLength(1);
    expect(k.current.fs_reclaim_depth).toBe(0);
  });

  test('not in a scope that keeps file systems out, nor by one who reclaims', () => {
    const { k, said } = checked({ PROVE_LOCKING: true });
    fs_reclaim_acquire(k, GFP_KERNEL);
    const nofs = memalloc_nofs_save(k);
    __alloc_pages(k, GFP_KERNEL, 0, 0);
    memalloc_nofs_restore(k, nofs);
    const noreclaim = memalloc_noreclaim_save(k);
    __alloc_pages(k, GFP_KERNEL, 0, 0);
    memalloc_noreclaim_restore(k, noreclaim);
    expect(said()).toEqual([]);
  });
});
