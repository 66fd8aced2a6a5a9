// /proc/PID/oom_score and oom_score_adj: what is read, what may be written.

import { describe, expect, test } from 'vitest';
import { oom_score_adj_write } from '../../../../kernel/fs/proc/base.ts';
import { proc_read } from '../../../../kernel/fs/proc/root.ts';
import { MM_ANONPAGES } from '../../../../kernel/include/mm.ts';
import { EINVAL } from '../../../../kernel/include/types.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { mm_struct } from '../../../../kernel/mm/mm_struct.ts';
import { user_mode_thread } from '../../../../kernel/sched/fork.ts';
import type { task_struct } from '../../../../kernel/sched/task.ts';
import { drawnAllocator } from '../../../support/allocator.ts';
import { MiB } from '../../../support/hw.ts';

function machine(): { k: Kernel; task: task_struct; sharer: task_struct } {
  const k = drawnAllocator({ memory: '0', unit: 64 * MiB });
  k.mm.totalram_pages = 10_000;
  const [task, sharer] = ['task', 'sharer'].map((comm) => user_mode_thread(k, comm, function* () {}));
  task!.mm = sharer!.mm = new mm_struct(0);
  return { k, task: task!, sharer: sharer! };
}

describe('oom_score', () => {
  // (1000 + thousandths of all memory) * 2 / 3
  test.each([
    ['nothing', 0, 0, 666],
    ['a tenth of memory', 1000, 0, 733],
    ['all of it', 10_000, 0, 1333],
    ['all of it, and worth nothing', 10_000, 1000, 2000],
    ['nothing, and worth much', 0, -500, 333],
    ['never to be killed', 5000, -1000, 0],
  ])('%s', (_, rss, adj, wanted) => {
    const { k, task } = machine();
    task.mm!.rss_stat[MM_ANONPAGES] = rss;
    task.oom_score_adj = adj;
    expect(proc_read(k, `/proc/${task.pid}/oom_score`)).toBe(`${wanted}\n`);
  });

  test('no such process, no such file', () => {
    const { k, task } = machine();
    expect(proc_read(k, '/proc/999/oom_score')).toBeNull();
    expect(proc_read(k, `/proc/${task.pid}/environ`)).toBeNull();
  });
});

describe('oom_score_adj', () => {
  test.each([
    ['500', 3, '500'],
    ['-1000\n', 6, '-1000'],
    [' 0x10 ', 6, '16'],
    ['010', 3, '8'],
    ['-0', 2, '0'],
    ['1001', -EINVAL, '0'],
    ['-1001', -EINVAL, '0'],
    ['', -EINVAL, '0'],
    ['5 5', -EINVAL, '0'],
    ['many', -EINVAL, '0'],
  ])('%j', (text, wanted, value) => {
    const { k, task, sharer } = machine();
    expect(oom_score_adj_write(k, task, text)).toBe(wanted);
    for (const { pid } of [task, sharer]) expect(proc_read(k, `/proc/${pid}/oom_score_adj`)).toBe(`${value}\n`);
  });

  test('children inherit it', () => {
    const { k, task } = machine();
    oom_score_adj_write(k, task, '300');
    k.current = task;
    expect(user_mode_thread(k, 'child', function* () {}).oom_score_adj).toBe(300);
  });
});
