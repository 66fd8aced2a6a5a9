import { describe, expect, test } from 'vitest';
import { proc_sys_read, proc_sys_write } from '../../../kernel/fs/proc/proc_sysctl.ts';
import {
  SIGKILL,
  TASK_IDLE,
  TASK_INTERRUPTIBLE,
  TASK_KILLABLE,
  TASK_UNINTERRUPTIBLE,
} from '../../../kernel/include/sched.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { flusher_init } from '../../../kernel/mm/balance_dirty.ts';
import { schedule, set_current_state } from '../../../kernel/sched/core.ts';
import { user_mode_thread } from '../../../kernel/sched/fork.ts';
import { hung_task_init, sched_show_task } from '../../../kernel/sched/hung_task.ts';
import { run } from '../../../kernel/sched/run.ts';
import { send_sig } from '../../../kernel/sched/signal.ts';
import type { task_struct } from '../../../kernel/sched/task.ts';
import { msleep } from '../../../kernel/sched/timeout.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

/** A machine with khungtaskd, and tasks that sleep for ever, each in its state. */
function machine(states: Readonly<Record<string, number>>): { k: Kernel; tasks: task_struct[]; news: () => string[] } {
  const k = drawnAllocator({ memory: '0', unit: 64 * MiB });
  hung_task_init(k);
  const tasks = Object.entries(states).map(([name, state]) =>
    user_mode_thread(k, name, function* () {
      set_current_state(k, state);
      yield* schedule(k);
    }),
  );
  let lines = printed(k).length;
  const news = (): string[] => {
    const all = printed(k).slice(lines);
    lines += all.length;
    return all;
  };
  return { k, tasks, news };
}
const seconds = (n: number) => ({ for_ns: n * 1e9 });

describe('khungtaskd', () => {
  test('speaks of a task in deep sleep once two rounds have found it so, in Linux words', () => {
    const { k, news } = machine({ 'stuck-in-storage': TASK_UNINTERRUPTIBLE });
    run(k, seconds(239));
    expect(news()).toEqual([]);
    run(k, seconds(20));
    expect(news()).toEqual([
      'INFO: task stuck-in-storag:4 blocked for more than 120 seconds.',
      '      Not tainted 6.1.192 #1',
      '"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.',
      'task:stuck-in-storag state:D stack:0     pid:4     ppid:0      flags:0x00004000',
    ]);
  });

  test('not of those that sleep lightly, are idle, can be killed, or wake once in a while', () => {
    const { k, news } = machine({ light: TASK_INTERRUPTIBLE, idle: TASK_IDLE, killable: TASK_KILLABLE });
    user_mode_thread(k, 'busy', function* () {
      for (let n = 0; n < 20; n++) yield* msleep(k, 50_000);
    });
    run(k, seconds(500));
    expect(news()).toEqual([]);
  });

  test('not of a flusher that has nothing to write', () => {
    const { k, news } = machine({});
    flusher_init(k);
    user_mode_thread(k, 'busy', function* () {
      for (let n = 0; n < 20; n++) yield* msleep(k, 50_000);
    });
    run(k, seconds(500));
    expect(news()).toEqual([]);
  });

  test('ten times, then no more; any number with -1', () => {
    const { k, news } = machine({ stuck: TASK_UNINTERRUPTIBLE });
    const reports = (): number => news().filter((line) => line.startsWith('INFO: task')).length;
    run(k, seconds(550));
    expect(reports()).toBe(3);
    proc_sys_write(k, 'sys/kernel/hung_task_warnings', '1\n');
    for (const task of k.sched.tasks) task.progress_at = 1e15;
    run(k, seconds(1000));
    expect(reports()).toBe(1);
    expect(proc_sys_read(k, 'sys/kernel/hung_task_warnings')).toBe('0\n');
    proc_sys_write(k, 'sys/kernel/hung_task_warnings', '-1\n');
    run(k, seconds(1000));
    expect(reports()).toBeGreaterThan(5);
  });

  test('timeouts are looked at when they are written; 0 means never', () => {
    const { k, news } = machine({ stuck: TASK_UNINTERRUPTIBLE });
    proc_sys_write(k, 'sys/kernel/hung_task_timeout_secs', '10\n');
    run(k, seconds(25));
    expect(news()[0]).toBe('INFO: task stuck:4 blocked for more than 10 seconds.');
    proc_sys_write(k, 'sys/kernel/hung_task_timeout_secs', '0\n');
    run(k, seconds(300));
    expect(news()).toEqual([]);
    proc_sys_write(k, 'sys/kernel/hung_task_timeout_secs', '100\n');
    proc_sys_write(k, 'sys/kernel/hung_task_check_interval_secs', '5\n');
    run(k, seconds(6));
    // At once, and after five seconds.
    expect(news()).toHaveLength(8);
    expect(proc_sys_write(k, 'sys/kernel/hung_task_timeout_secs', 'soon\n')).toBe(-22);
  });

  test('panic, if that is asked for', () => {
    const { k } = machine({ stuck: TASK_UNINTERRUPTIBLE });
    proc_sys_write(k, 'sys/kernel/hung_task_panic', '1\n');
    expect(() => run(k, seconds(300))).toThrow('hung_task: blocked tasks');
  });

  test('does not keep a machine alive on which nothing else will happen', () => {
    const { k } = machine({ stuck: TASK_UNINTERRUPTIBLE });
    expect(run(k, {})).toBe('idle');
  });
});

test('what is shown of a task', () => {
  const { k, tasks, news } = machine({ a: TASK_INTERRUPTIBLE, b: TASK_UNINTERRUPTIBLE, c: TASK_IDLE });
  run(k, {});
  send_sig(k, SIGKILL, tasks[0]!);
  send_sig(k, SIGKILL, tasks[1]!);
  for (const task of tasks) sched_show_task(k, task);
  expect(news()).toEqual([
    'task:a               state:R  running task     stack:0     pid:4     ppid:0      flags:0x00004004',
    'task:b               state:D stack:0     pid:5     ppid:0      flags:0x00004004',
    'task:c               state:I stack:0     pid:6     ppid:0      flags:0x00004000',
  ]);
});
