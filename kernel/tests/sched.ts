// Self tests of the scheduler: turns, sleeping and waking, wait queues, completions, timers, kernel threads.

import { HZ, SIGKILL, TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE, TICK_NSEC } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { nodemask_of_node } from '../lib/nodemask.ts';
import { charge, jiffies, ktime_get } from '../sched/clock.ts';
import {
  complete,
  complete_all,
  completion,
  wait_for_completion,
  wait_for_completion_timeout,
} from '../sched/completion.ts';
import {
  cond_resched,
  schedule,
  set_cpus_allowed_ptr,
  set_current_state,
  wake_up_process,
  yield_,
} from '../sched/core.ts';
import { exit_to_user_mode, user_mode_thread } from '../sched/fork.ts';
import { kthread_run, kthread_should_stop, kthread_stop } from '../sched/kthread.ts';
import { mutex, mutex_lock, mutex_lock_killable, mutex_unlock } from '../sched/mutex.ts';
import { run } from '../sched/run.ts';
import { send_sig } from '../sched/signal.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { schedule_timeout, schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import { call_at, del_timer, mod_timer, timer_list } from '../sched/timer.ts';
import {
  finish_wait,
  prepare_to_wait,
  prepare_to_wait_exclusive,
  wait_event,
  wait_event_idle_timeout,
  wait_event_killable,
  wait_queue_head,
  waitqueue_active,
  wake_up,
  wake_up_all,
  wake_up_interruptible,
} from '../sched/wait.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, Test, TestMachine } from './env.ts';

/** CPUs of one node, and what its tasks write down. */
function machine(test: Test, nr_cpus = 1): { k: Kernel; said: string[] } {
  const k = running(test, nodes_of(1, 64), { cpus: Array.from({ length: nr_cpus }, () => 0) });
  return { k, said: [] };
}

/** Works in pieces, with a look at others after each. */
function* work(k: Kernel, pieces: number, ns: number, each: () => void = () => {}): Sleeping<void> {
  for (let n = 0; n < pieces; n++) {
    each();
    charge(k, ns);
    yield* cond_resched(k);
  }
}

interface WheelRow {
  readonly desc: string;
  readonly timeout: number;
  /** In jiffies. */
  readonly wanted: number;
}

/** Bucket widths of the timer wheel: a jiffy, 8 from 63 on, 64 from 504 on. */
const wheel_rows: readonly WheelRow[] = [
  { desc: 'now', timeout: 0, wanted: 1 },
  { desc: 'a tenth of a second', timeout: HZ / 10, wanted: 26 },
  { desc: 'the last of the first level', timeout: 62, wanted: 63 },
  { desc: 'the first of the second', timeout: 63, wanted: 64 },
  { desc: 'a second', timeout: HZ, wanted: 256 },
  { desc: 'three seconds', timeout: 3 * HZ, wanted: 768 },
];

export const sched_suite: Suite = {
  name: 'sched',
  test_cases: [
    KUNIT_CASE('one_by_one_in_order', (test) => {
      const { k, said } = machine(test);
      for (const name of ['a', 'b', 'c']) {
        kthread_run(k, name, function* () {
          said.push(name);
          set_current_state(k, TASK_UNINTERRUPTIBLE);
          yield* schedule_timeout(k, 1);
          said.push(`${name} again`);
        });
      }
      KUNIT_EXPECT_EQ(test, 'nothing before run()', said.length, 0);
      KUNIT_EXPECT_EQ(test, 'result', run(k, {}), 'idle');
      KUNIT_EXPECT_EQ(test, 'order', said.join(), 'a,b,c,a again,b again,c again');
    }),
    // Two that never sleep share a CPU by halves. A slice is 3 ms, half of sched_latency, and ends at a tick, of which there is
    // one in 4 ms.
    KUNIT_CASE('slices', (test) => {
      const { k, said } = machine(test);
      const tasks = ['a', 'b'].map((name) =>
        kthread_run(k, name, () =>
          work(k, 120, 1e5, () => {
            if (said.at(-1) !== name) said.push(name);
          }),
        ),
      );
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'turns', said.join(''), 'ababab');
      KUNIT_EXPECT_TRUE(test, 'none waited longer', Math.abs(tasks[0]!.vruntime - tasks[1]!.vruntime) < 1e5);
    }),
    // Work of 12 ms each takes 12 ms on two CPUs.
    KUNIT_CASE('cpus_at_the_same_time', (test) => {
      const { k, said } = machine(test, 2);
      for (const name of ['a', 'b']) {
        kthread_run(k, name, () =>
          work(k, 120, 1e5, () => {
            if (said.length < 4) said.push(`${name}${k.percpu.cpu}`);
          }),
        );
      }
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'by turns', said.join(), 'a0,b1,b1,a0');
      KUNIT_EXPECT_EQ(test, 'milliseconds', Math.floor(ktime_get(k) / 1e6), 12);
    }),
    // The third has to wait for a CPU, and takes over what the first leaves.
    KUNIT_CASE('idle_cpu_takes_over', (test) => {
      const { k, said } = machine(test, 2);
      kthread_run(k, 'short', () => work(k, 1, 1e5), { cpu: 0 });
      kthread_run(k, 'long', () => work(k, 100, 1e5), { cpu: 1 });
      kthread_run(k, 'bound', () => work(k, 1, 1e5, () => said.push(`bound${k.percpu.cpu}`)), { cpu: 1 });
      kthread_run(k, 'free', () => work(k, 1, 1e5, () => said.push(`free${k.percpu.cpu}`)));
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'where', said.join(), 'free0,bound1');
    }),
    KUNIT_CASE('affinity', (test) => {
      const { k, said } = machine(test, 2);
      const where = (): number => said.push(String(k.percpu.cpu));
      user_mode_thread(k, 'a', function* () {
        where();
        KUNIT_EXPECT_EQ(test, 'set_cpus_allowed_ptr', set_cpus_allowed_ptr(k, k.current, nodemask_of_node(1)), 0);
        yield* cond_resched(k);
        where();
        KUNIT_EXPECT_EQ(test, 'no such CPU', set_cpus_allowed_ptr(k, k.current, nodemask_of_node(7)), -22);
      });
      const bound = kthread_run(k, 'b', () => work(k, 1, 1), { cpu: 0 });
      KUNIT_EXPECT_EQ(test, 'a bound thread', set_cpus_allowed_ptr(k, bound, nodemask_of_node(1)), -22);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'CPUs', said.join(), '0,1');
    }),
    KUNIT_CASE('yield', (test) => {
      const { k, said } = machine(test);
      for (const name of ['a', 'b', 'c']) {
        kthread_run(k, name, function* () {
          for (let n = 0; n < 2; n++) {
            said.push(name);
            yield* yield_(k);
          }
        });
      }
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'order', said.join(''), 'abcabc');
    }),
    // A wake-up between the decision to sleep and the sleep is not lost.
    KUNIT_CASE('woken_before_it_sleeps', (test) => {
      const { k, said } = machine(test);
      const task = kthread_run(k, 'sleeper', function* () {
        set_current_state(k, TASK_INTERRUPTIBLE);
        KUNIT_EXPECT_TRUE(test, 'wake_up_process', wake_up_process(k, k.current));
        yield* schedule(k);
        said.push('on');
      });
      KUNIT_EXPECT_EQ(test, 'result', run(k, {}), 'idle');
      KUNIT_EXPECT_EQ(test, 'said', said.join(), 'on');
      KUNIT_EXPECT_EQ(test, 'waking the dead', wake_up_process(k, task), false);
    }),
    // Who has slept comes before who has run.
    // Each on a CPU of its own, and neither does anything but wake the other.
    KUNIT_CASE('wake_each_other', (test) => {
      const { k } = machine(test, 2);
      let turn = 0;
      let rounds = 0;
      const queues = [new wait_queue_head(), new wait_queue_head()];
      for (const me of [0, 1]) {
        kthread_run(k, `task${me}`, function* () {
          for (; rounds < 2000; rounds++) {
            yield* wait_event(k, queues[me]!, () => turn === me);
            turn = 1 - me;
            wake_up(k, queues[turn]!);
          }
        });
      }
      KUNIT_EXPECT_EQ(test, 'a millisecond comes to its end', run(k, { for_ns: 1e6 }), 'done');
      KUNIT_EXPECT_TRUE(test, 'before all rounds', rounds > 100 && rounds < 2000);
    }),
    // What the running task has done since the last tick counts against it.
    KUNIT_CASE('woken_soon', (test) => {
      const { k, said } = machine(test);
      const sleeper = kthread_run(k, 'sleeper', function* () {
        set_current_state(k, TASK_INTERRUPTIBLE);
        yield* schedule(k);
        said.push('sleeper');
      });
      kthread_run(k, 'waker', function* () {
        charge(k, 2e6);
        wake_up_process(k, sleeper);
        yield* cond_resched(k);
        said.push('waker');
      });
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'who goes on', said.join(), 'sleeper,waker');
    }),
    KUNIT_CASE('wakeup_preempts', (test) => {
      const { k, said } = machine(test);
      kthread_run(k, 'sleeper', function* () {
        yield* schedule_timeout_uninterruptible(k, 2);
        said.push('sleeper');
      });
      kthread_run(k, 'hog', () => work(k, 200, 1e5, () => said.push('.')));
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'pieces before it', said.indexOf('sleeper'), Math.round((3 * TICK_NSEC) / 1e5));
    }),
    KUNIT_CASE('wake_up', (test) => {
      const { k, said } = machine(test);
      const head = new wait_queue_head();
      let open = false;
      for (const name of ['a', 'b', 'c']) {
        kthread_run(k, name, function* () {
          yield* wait_event(k, head, () => open);
          said.push(name);
        });
      }
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'asleep', said.length, 0);
      wake_up(k, head);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'woken for nothing', said.length, 0);
      KUNIT_EXPECT_TRUE(test, 'back on the queue', waitqueue_active(head));
      open = true;
      wake_up_all(k, head);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'woken', said.join(''), 'abc');
      KUNIT_EXPECT_EQ(test, 'queue', waitqueue_active(head), false);
    }),
    // One that waits with others, and two of whom one is enough.
    KUNIT_CASE('wake_up_exclusive', (test) => {
      const { k, said } = machine(test);
      const head = new wait_queue_head();
      for (const name of ['x', 'y', 'all']) {
        kthread_run(k, name, function* () {
          const prepare = name === 'all' ? prepare_to_wait : prepare_to_wait_exclusive;
          prepare(k, head, TASK_INTERRUPTIBLE);
          yield* schedule(k);
          finish_wait(k, head);
          said.push(name);
        });
      }
      run(k, {});
      wake_up(k, head);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'woken', said.join(), 'all,x');
      wake_up_interruptible(k, head);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'the next', said.join(), 'all,x,y');
    }),
    KUNIT_CASE('completion', (test) => {
      const { k, said } = machine(test);
      const x = new completion();
      for (const name of ['a', 'b', 'c']) {
        kthread_run(k, name, function* () {
          yield* wait_for_completion(k, x);
          said.push(name);
        });
      }
      complete(k, x);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'one, though it came early', said.join(''), 'a');
      complete(k, x);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'the next in order', said.join(''), 'ab');
      complete_all(k, x);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'all', said.join(''), 'abc');
    }),
    // Who has it sleeps with it; the others get it in turn, but for one who is killed meanwhile.
    KUNIT_CASE('mutex', (test) => {
      const { k, said } = machine(test, 2);
      const lock = new mutex();
      const holds = (name: string): task_struct =>
        user_mode_thread(k, name, function* () {
          if ((yield* mutex_lock_killable(k, lock)) < 0) {
            said.push(`${name} gives up`);
            return;
          }
          said.push(name);
          yield* schedule_timeout_uninterruptible(k, 5);
          mutex_unlock(k, lock);
          yield* mutex_lock(k, lock);
          said.push(`${name} again`);
          mutex_unlock(k, lock);
        });
      holds('a');
      const killed = holds('b');
      holds('c');
      call_at(k, TICK_NSEC, () => send_sig(k, SIGKILL, killed));
      KUNIT_EXPECT_EQ(test, 'result', run(k, {}), 'idle');
      KUNIT_EXPECT_EQ(test, 'order', said.join(), 'a,b gives up,a again,c,c again');
      KUNIT_EXPECT_EQ(test, 'owner', lock.owner, null);
    }),
    KUNIT_CASE('timeouts', (test) => {
      const { k, said } = machine(test);
      const head = new wait_queue_head();
      const x = new completion();
      kthread_run(k, 'queue', function* () {
        said.push(`queue ${yield* wait_event_idle_timeout(k, head, () => false, 10)}`);
      });
      kthread_run(k, 'completion', function* () {
        said.push(`completion ${yield* wait_for_completion_timeout(k, x, 5)}`);
      });
      kthread_run(k, 'woken', function* () {
        set_current_state(k, TASK_UNINTERRUPTIBLE);
        said.push(`woken ${yield* schedule_timeout(k, 20)}`);
      });
      const woken = [...k.sched.tasks].at(-1)!;
      call_at(k, 7.5 * TICK_NSEC, () => wake_up_process(k, woken));
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'said', said.join(), 'completion 0,woken 13,queue 0');
    }),
    KUNIT_CASE_PARAM<TestMachine, WheelRow>('timer_wheel', wheel_rows, (test, { timeout, wanted }) => {
      const { k } = machine(test);
      let fired = -1;
      const timer = new timer_list(() => {
        fired = jiffies(k);
      });
      mod_timer(k, timer, timeout);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'jiffy', fired, wanted);
    }),
    KUNIT_CASE('timer_called_off', (test) => {
      const { k, said } = machine(test);
      const timer = new timer_list(() => said.push(`at ${jiffies(k)}`));
      KUNIT_EXPECT_EQ(test, 'pending before', mod_timer(k, timer, 5), false);
      KUNIT_EXPECT_EQ(test, 'pending', mod_timer(k, timer, 9), true);
      const other = new timer_list(() => said.push('other'));
      mod_timer(k, other, 7);
      KUNIT_EXPECT_TRUE(test, 'del_timer', del_timer(other));
      KUNIT_EXPECT_EQ(test, 'del_timer again', del_timer(other), false);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'fired', said.join(), 'at 10');
    }),
    KUNIT_CASE('kthread_stop', (test) => {
      const { k } = machine(test);
      let rounds = 0;
      const thread = kthread_run(k, 'worker', function* () {
        while (!kthread_should_stop(k)) {
          rounds++;
          set_current_state(k, TASK_INTERRUPTIBLE);
          yield* schedule(k);
        }
        k.current.exit_code = 0;
      });
      run(k, {});
      let code = -1;
      kthread_run(k, 'stopper', function* () {
        code = yield* kthread_stop(k, thread);
      });
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'rounds, exit code', [rounds, code], [1, 0]);
      KUNIT_EXPECT_EQ(test, 'tasks left', k.sched.tasks.size, 0);
    }),
    KUNIT_CASE('killed_while_it_waits', (test) => {
      const { k, said } = machine(test);
      const head = new wait_queue_head();
      const waits = (name: string, wait: () => Sleeping<unknown>) =>
        user_mode_thread(k, name, function* () {
          said.push(`${name} ${yield* wait()}`);
          yield* exit_to_user_mode(k);
          said.push(`${name} lives`);
        });
      const killable = waits('killable', () => wait_event_killable(k, head, () => false));
      const stubborn = waits('stubborn', () => wait_event(k, head, () => false));
      run(k, {});
      for (const task of [killable, stubborn]) send_sig(k, SIGKILL, task);
      run(k, {});
      KUNIT_EXPECT_EQ(test, 'said', said.join(), 'killable -512');
      KUNIT_EXPECT_EQ(test, 'how it ended', killable.exit_code, SIGKILL);
      KUNIT_EXPECT_EQ(test, 'still waits', stubborn.__state, TASK_UNINTERRUPTIBLE);
    }),
  ],
};
