import { describe, expect, test } from 'vitest';
import {
  MAX_SCHEDULE_TIMEOUT,
  SIGKILL,
  TASK_INTERRUPTIBLE,
  TASK_KILLABLE,
  TICK_NSEC,
} from '../../../kernel/include/sched.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { pr_info } from '../../../kernel/lib/printk.ts';
import { charge, jiffies, ktime_get } from '../../../kernel/sched/clock.ts';
import { complete, completion, completion_done } from '../../../kernel/sched/completion.ts';
import {
  cond_resched,
  schedule,
  set_current_state,
  should_resched,
  wake_up_process,
} from '../../../kernel/sched/core.ts';
import { user_mode_thread } from '../../../kernel/sched/fork.ts';
import { kthread_run } from '../../../kernel/sched/kthread.ts';
import { PREEMPT_OFFSET } from '../../../kernel/sched/preempt.ts';
import { run } from '../../../kernel/sched/run.ts';
import { fatal_signal_pending, send_sig } from '../../../kernel/sched/signal.ts';
import { not_sleeping } from '../../../kernel/sched/sleeping.ts';
import {
  io_schedule,
  msleep,
  schedule_timeout_interruptible,
  schedule_timeout_killable,
  schedule_timeout_uninterruptible,
} from '../../../kernel/sched/timeout.ts';
import { call_at, mod_timer, timer_list, timer_pending } from '../../../kernel/sched/timer.ts';
import {
  wait_event_interruptible,
  wait_event_interruptible_timeout,
  wait_queue_head,
  wake_up_all,
} from '../../../kernel/sched/wait.ts';
import { made_progress } from '../../../kernel/sched/watchdog.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

function machine(): { k: Kernel; said: string[]; news: () => string[] } {
  const k = drawnAllocator({ memory: '0', unit: 64 * MiB });
  const lines = printed(k).length;
  return { k, said: [], news: () => printed(k).slice(lines) };
}

describe('time', () => {
  test('stands still without work, jumps to the next timer, and printk tells it', () => {
    const { k } = machine();
    call_at(k, 1_500_000_000, () => pr_info(k, 'late'));
    call_at(k, 20_000, () => pr_info(k, 'early'));
    expect(run(k, {})).toBe('idle');
    expect(k.log.records.slice(-2).map(({ time_ns, text }) => [time_ns, text])).toEqual([
      [20_000, 'early'],
      [1_500_000_000, 'late'],
    ]);
    expect(jiffies(k)).toBe(375);
  });

  test('run() ends when its time is up, between what happens', () => {
    const { k, said } = machine();
    kthread_run(k, 'clock', function* () {
      for (;;) {
        yield* msleep(k, 100);
        said.push(`${ktime_get(k) / 1e6}`);
      }
    });
    expect(run(k, { for_ns: 350e6 })).toBe('done');
    // 25 jiffies, one for the tick under way, and one that the wheel rounds up by.
    expect(said.map((ms) => Math.floor(Number(ms)))).toEqual([108, 216, 324]);
    expect(ktime_get(k)).toBe(350e6);
    expect(run(k, { until: () => said.length === 4 })).toBe('done');
    expect(said).toHaveLength(4);
  });

  test('an interrupt comes when the task that runs next asks for others', () => {
    const { k, said } = machine();
    call_at(k, 30_000, () => said.push(`interrupt ${k.current.comm} ${k.preempt.preempt_count.toString(16)}`));
    kthread_run(k, 'busy', function* () {
      for (let n = 0; n < 4; n++) {
        charge(k, 10_000);
        said.push(`${n}${should_resched(k) ? '!' : ''}`);
        yield* cond_resched(k);
      }
    });
    run(k, {});
    expect(said).toEqual(['0', '1', '2!', 'interrupt busy 10000', '3']);
    expect(k.preempt.preempt_count).toBe(0);
  });

  test('a timer is pending until it has been called', () => {
    const { k, said } = machine();
    const timer: timer_list = new timer_list(() => said.push(`pending: ${timer_pending(timer)}`));
    mod_timer(k, timer, 3);
    expect(timer_pending(timer)).toBe(true);
    run(k, {});
    expect(said).toEqual(['pending: false']);
  });
});

describe('waiting', () => {
  test('for storage counts as that', () => {
    const { k, said } = machine();
    const task = kthread_run(k, 'reader', function* () {
      set_current_state(k, TASK_KILLABLE);
      yield* io_schedule(k);
      said.push('read');
    });
    call_at(k, 100_000, () => {
      said.push(`iowait ${task.in_iowait}`);
      wake_up_process(k, task);
    });
    run(k, {});
    expect(said).toEqual(['iowait true', 'read']);
    expect(task.in_iowait).toBe(false);
  });

  test('a signal ends what may be interrupted at once, and only what may be', () => {
    const { k, said } = machine();
    const head = new wait_queue_head();
    const waits: [string, () => Generator<undefined, number, undefined>][] = [
      ['interruptible', () => wait_event_interruptible(k, head, () => false)],
      ['with time', () => wait_event_interruptible_timeout(k, head, () => false, 50)],
      ['sleep', () => schedule_timeout_interruptible(k, 50)],
      ['killable sleep', () => schedule_timeout_killable(k, 50)],
      ['deep sleep', () => schedule_timeout_uninterruptible(k, 50)],
    ];
    const tasks = waits.map(([name, wait]) =>
      user_mode_thread(k, name, function* () {
        said.push(`${name} ${yield* wait()} at ${jiffies(k)}`);
      }),
    );
    call_at(k, 10 * TICK_NSEC, () => {
      for (const task of tasks) send_sig(k, SIGKILL, task);
    });
    run(k, {});
    expect(tasks.every(fatal_signal_pending)).toBe(true);
    expect(said).toEqual([
      'interruptible -512 at 10',
      'with time -512 at 10',
      'sleep 40 at 10',
      'killable sleep 40 at 10',
      'deep sleep 0 at 51',
    ]);
  });

  test('a condition that holds already is not slept for; one that comes true in time leaves a jiffy at least', () => {
    const { k, said } = machine();
    const head = new wait_queue_head();
    let open = true;
    kthread_run(k, 'a', function* () {
      said.push(`${yield* wait_event_interruptible(k, head, () => open)}`);
      open = false;
      said.push(`${yield* wait_event_interruptible_timeout(k, head, () => open, 10)}`);
    });
    call_at(k, 10.5 * TICK_NSEC, () => {
      open = true;
      wake_up_all(k, head);
    });
    run(k, {});
    expect(said).toEqual(['0', '1']);
  });

  test('a completion that came early is there', () => {
    const { k } = machine();
    const x = new completion();
    expect(completion_done(x)).toBe(false);
    complete(k, x);
    expect(completion_done(x)).toBe(true);
  });
});

describe('what must not be', () => {
  test('sleeping with a spinlock held is reported, and goes on', () => {
    const { k, said, news } = machine();
    kthread_run(k, 'careless', function* () {
      k.preempt.preempt_count = PREEMPT_OFFSET;
      yield* schedule_timeout_uninterruptible(k, 1);
      said.push('on');
    });
    run(k, {});
    expect(news()[0]).toBe('BUG: scheduling while atomic: careless/3/0x00000002');
    expect(said).toEqual(['on']);
  });

  test('sleeping in a read-side critical section of RCU is reported once', () => {
    const { k, news } = machine();
    kthread_run(k, 'reader', function* () {
      k.preempt.rcu_preempt_depth = 1;
      yield* schedule_timeout_uninterruptible(k, 1);
      yield* schedule_timeout_uninterruptible(k, 1);
    });
    run(k, {});
    const text = 'Voluntary context switch within RCU read-side critical section!';
    expect(news().filter((line) => line === text)).toHaveLength(1);
  });

  test('sleeping where no task runs, and a task that yields by itself, are mistakes of ours', () => {
    const { k } = machine();
    expect(() => not_sleeping(schedule(k), 'boot')).toThrow('sleeps where no task can run');
    expect(not_sleeping(cond_resched(k), 'boot')).toBeUndefined();
    kthread_run(k, 'wild', function* () {
      yield;
    });
    expect(() => run(k, {})).toThrow('wild yields outside of schedule()');
    kthread_run(k, 'plain', function* () {
      not_sleeping(schedule_timeout_uninterruptible(k, 1), 'plain code');
      yield* cond_resched(k);
    });
    expect(() => run(k, {})).toThrow('plain code came to where it has to sleep');
  });
});

describe('watchdog', () => {
  test('a task that goes round in circles ends the run; one that sleeps, or says that it gets on, does not', () => {
    const { k, news } = machine();
    const endless = (name: string, each: () => void) =>
      user_mode_thread(k, name, function* () {
        for (;;) {
          charge(k, 1e9);
          each();
          yield* cond_resched(k);
        }
      });
    user_mode_thread(k, 'asleep', function* () {
      set_current_state(k, TASK_INTERRUPTIBLE);
      yield* schedule(k);
    });
    user_mode_thread(k, 'napping', function* () {
      yield* schedule_timeout_interruptible(k, MAX_SCHEDULE_TIMEOUT);
    });
    endless('busy', () => made_progress(k));
    expect(run(k, { for_ns: 2000e9 })).toBe('done');
    endless('stuck', () => {});
    expect(run(k, { for_ns: 2000e9 })).toBe('watchdog');
    expect(news()).toEqual(['pgdat: watchdog: stuck:6 has made no progress for 600 seconds']);
  });
});
