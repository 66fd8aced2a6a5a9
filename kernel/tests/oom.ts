// Self tests of the OOM killer: whom it chooses, what it says, and that the memory comes back.

import { cpuset } from '../cgroup/cpuset.ts';
import { cpuset_attach, cpuset_create, update_cpumask, update_nodemask } from '../cgroup/cpuset_write.ts';
import { proc_sys_write } from '../fs/proc/proc_sysctl.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../include/gfp_types.ts';
import { MPOL_BIND } from '../include/mempolicy.ts';
import { MM_ANONPAGES, MM_SWAPENTS } from '../include/mm.ts';
import { NR_FREE_PAGES } from '../include/mmzone.ts';
import { MMF_OOM_SKIP, OOM_SCORE_ADJ_MIN } from '../include/oom.ts';
import { PF_KTHREAD, SIGKILL } from '../include/sched.ts';
import { PAGE_SIZE } from '../include/types.ts';
import { OOM_KILL } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KernelPanic } from '../lib/bug.ts';
import {
  KUNIT_ASSERT_TRUE,
  KUNIT_CASE,
  KUNIT_CASE_PARAM,
  KUNIT_EXPECT_EQ,
  KUNIT_EXPECT_FALSE,
  KUNIT_EXPECT_TRUE,
} from '../lib/kunit.ts';
import { memory_max_write } from '../mm/memcg_files.ts';
import { memory_oom_group_write } from '../mm/memcg_oom.ts';
import { mem_cgroup, mem_cgroup_attach, mem_cgroup_create } from '../mm/memcontrol.ts';
import { set_mempolicy } from '../mm/mempolicy_set.ts';
import { mm_struct } from '../mm/mm_struct.ts';
import { oom_badness } from '../mm/oom_badness.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { lru_add_drain } from '../mm/swap.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { jiffies } from '../sched/clock.ts';
import { exit_to_user_mode } from '../sched/fork.ts';
import { run } from '../sched/run.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import { task_struct } from '../sched/task.ts';
import { schedule_timeout_uninterruptible } from '../sched/timeout.ts';
import type { Suite, Test, TestMachine } from './env.ts';
import { node_mask } from './mempolicy.ts';
import { hog, holder, oom_machine, process, table_hog, use_pages } from './oom_machine.ts';

const kills = (k: Kernel): number => all_vm_events(k)[OOM_KILL]!;
const said = (k: Kernel, start: string): string[] =>
  k.log.records.map(({ text }) => text).filter((text) => text.startsWith(start));
/** Whom it says that it killed, in order. */
const killed = (k: Kernel): string[] =>
  k.log.records.flatMap(({ text }) => /: Killed process \d+ \((.*?)\)/.exec(text)?.[1] ?? []);
const constraint = (k: Kernel): string | undefined => /constraint=(\w+)/.exec(said(k, 'oom-kill:')[0] ?? '')?.[1];

function free_pages(k: Kernel): number {
  lru_add_drain(k);
  drain_all_pages(k, null);
  vmstat_update(k);
  return k.mm.vm_zone_stat[NR_FREE_PAGES]!;
}

/** Runs until it is killed. */
const until_end = (k: Kernel, task: task_struct): string => run(k, { until: () => !k.sched.tasks.has(task) });

/** The panic that a run ends in. */
function panic_of(k: Kernel): string {
  try {
    return `none: ${run(k, { for_ns: 100e9 })}`;
  } catch (error) {
    if (error instanceof KernelPanic) return error.message;
    throw error;
  }
}

interface BadnessRow {
  readonly desc: string;
  readonly anon?: number;
  readonly swap?: number;
  readonly tables?: number;
  readonly adj?: number;
  readonly prepare?: (task: task_struct) => void;
  /** With 10,000 pages in all. */
  readonly wanted: number;
}

const badness_rows: readonly BadnessRow[] = [
  { desc: 'what it has', anon: 100, wanted: 100 },
  { desc: 'in swap as well', anon: 100, swap: 50, wanted: 150 },
  { desc: 'and its page tables', anon: 100, swap: 50, tables: 7, wanted: 157 },
  { desc: 'moved by thousandths of all', anon: 100, adj: 500, wanted: 5100 },
  { desc: 'below nothing', anon: 100, adj: -500, wanted: -4900 },
  { desc: 'never', anon: 100, adj: OOM_SCORE_ADJ_MIN, wanted: Number.NEGATIVE_INFINITY },
  {
    desc: 'a kernel thread',
    anon: 100,
    prepare: (task) => {
      task.flags |= PF_KTHREAD;
    },
    wanted: Number.NEGATIVE_INFINITY,
  },
  {
    desc: 'the first process',
    anon: 100,
    prepare: (task) => {
      task.pid = 1;
    },
    wanted: Number.NEGATIVE_INFINITY,
  },
  {
    desc: 'one that has been reaped',
    anon: 100,
    prepare: ({ mm }) => {
      mm!.flags |= MMF_OOM_SKIP;
    },
    wanted: Number.NEGATIVE_INFINITY,
  },
  {
    desc: 'one that has given up its memory',
    prepare: (task) => {
      task.mm = null;
    },
    wanted: Number.NEGATIVE_INFINITY,
  },
];

interface ChoiceRow {
  readonly desc: string;
  /** oom_score_adj of the small one, and of the one that asks. */
  readonly adj?: readonly [small: number, hog: number];
  readonly sysctl?: readonly [name: string, value: string];
  readonly wanted: readonly string[];
}

const choice_rows: readonly ChoiceRow[] = [
  { desc: 'who has most', wanted: ['hog'] },
  { desc: 'who is said to be worth least', adj: [1000, 0], wanted: ['small', 'hog'] },
  { desc: 'who may be killed', adj: [0, OOM_SCORE_ADJ_MIN], wanted: ['small'] },
  { desc: 'who asks', adj: [1000, 0], sysctl: ['oom_kill_allocating_task', '1'], wanted: ['hog'] },
  {
    desc: 'not even who asks',
    adj: [0, OOM_SCORE_ADJ_MIN],
    sysctl: ['oom_kill_allocating_task', '1'],
    wanted: ['small'],
  },
];

interface PanicRow {
  readonly desc: string;
  readonly value: string;
  readonly bound: boolean;
  readonly wanted: string;
}

const NO_PANIC = 'none: idle';
const panic_rows: readonly PanicRow[] = [
  { desc: 'never', value: '0', bound: false, wanted: NO_PANIC },
  { desc: 'all memory', value: '1', bound: false, wanted: 'Out of memory: system-wide panic_on_oom is enabled' },
  { desc: 'not that of a policy', value: '1', bound: true, wanted: NO_PANIC },
  { desc: 'any', value: '2', bound: true, wanted: 'Out of memory: compulsory panic_on_oom is enabled' },
];

/** Takes all that there is of node 1. */
function* bound_hog(k: Kernel): Sleeping<void> {
  set_mempolicy(k, MPOL_BIND, node_mask([1]));
  yield* use_pages(k, 2 ** 20);
}

function made_cpuset(test: Test, k: Kernel, name: string, mems: string): cpuset {
  const cs = cpuset_create(k, k.cpuset.top_cpuset, name);
  KUNIT_ASSERT_TRUE(test, 'a cpuset', cs instanceof cpuset);
  update_cpumask(k, cs as cpuset, '0');
  update_nodemask(k, cs as cpuset, mems);
  return cs as cpuset;
}

function made_memcg(test: Test, k: Kernel, parent: mem_cgroup, name: string): mem_cgroup {
  const memcg = not_sleeping(mem_cgroup_create(k, parent, name), 'mkdir');
  KUNIT_ASSERT_TRUE(test, 'a cgroup', memcg instanceof mem_cgroup);
  return memcg as mem_cgroup;
}

/** A machine whose root / a / b has a hog, and a limit for a. */
function limited(test: Test): { k: Kernel; a: mem_cgroup; b: mem_cgroup; task: task_struct } {
  const k = oom_machine(test, 1, 32);
  const a = made_memcg(test, k, k.memcg.root_mem_cgroup, 'a');
  const b = made_memcg(test, k, a, 'b');
  not_sleeping(memory_max_write(k, a, '2M'), 'the write');
  process(k, 'other', holder(1000));
  const task = process(k, 'hog', table_hog);
  mem_cgroup_attach(k, b, task);
  return { k, a, b, task };
}

export const oom_suite: Suite = {
  name: 'oom',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, BadnessRow>('badness', badness_rows, (test, row) => {
      const task = new task_struct(42, 'task', 0);
      const mm = new mm_struct(0);
      mm.rss_stat[MM_ANONPAGES] = row.anon ?? 0;
      mm.rss_stat[MM_SWAPENTS] = row.swap ?? 0;
      mm.pgtables_bytes = (row.tables ?? 0) * PAGE_SIZE;
      task.mm = mm;
      task.oom_score_adj = row.adj ?? 0;
      row.prepare?.(task);
      KUNIT_EXPECT_EQ(test, 'points', oom_badness(task, 10_000), row.wanted);
    }),
    KUNIT_CASE('memory_comes_back', (test) => {
      const k = oom_machine(test, 1, 32);
      const before = free_pages(k);
      const task = process(k, 'hog', hog);
      KUNIT_EXPECT_EQ(test, 'run', until_end(k, task), 'done');
      KUNIT_EXPECT_EQ(test, 'exit code', task.exit_code, SIGKILL);
      KUNIT_EXPECT_EQ(test, 'kills', kills(k), 1);
      KUNIT_EXPECT_EQ(test, 'free pages', free_pages(k), before);
      KUNIT_EXPECT_EQ(test, 'the reaper', said(k, 'oom_reaper:'), []);
    }),
    KUNIT_CASE_PARAM<TestMachine, ChoiceRow>('choice', choice_rows, (test, { adj = [0, 0], sysctl, wanted }) => {
      const k = oom_machine(test, 1, 32);
      if (sysctl !== undefined) {
        const [name, value] = sysctl;
        KUNIT_EXPECT_EQ(test, 'sysctl', proc_sys_write(k, `sys/vm/${name}`, value), value.length);
      }
      process(k, 'small', holder(600)).oom_score_adj = adj[0];
      run(k, { for_ns: 1e9 });
      const task = process(k, 'hog', hog);
      task.oom_score_adj = adj[1];
      run(k, { until: () => killed(k).length >= wanted.length, for_ns: 100e9 });
      KUNIT_EXPECT_EQ(test, 'killed', killed(k), [...wanted]);
    }),
    KUNIT_CASE('nobody_to_kill', (test) => {
      const k = oom_machine(test, 1, 32);
      process(k, 'hog', hog).oom_score_adj = OOM_SCORE_ADJ_MIN;
      KUNIT_EXPECT_EQ(test, 'panic', panic_of(k), 'System is deadlocked on memory');
      KUNIT_EXPECT_EQ(test, 'said', said(k, 'Out of memory'), ['Out of memory and no killable processes...']);
    }),
    KUNIT_CASE_PARAM<TestMachine, PanicRow>('panic_on_oom', panic_rows, (test, { value, bound, wanted }) => {
      const k = oom_machine(test, 2, 32);
      KUNIT_EXPECT_EQ(test, 'sysctl', proc_sys_write(k, 'sys/vm/panic_on_oom', value), 1);
      process(k, 'hog', bound ? bound_hog : hog);
      KUNIT_EXPECT_EQ(test, 'panic', panic_of(k), wanted);
    }),
    KUNIT_CASE('constraint_memory_policy', (test) => {
      const k = oom_machine(test, 2, 32);
      // Has more, and could have had memory of node 1; this one is bound to node 0.
      process(k, 'elsewhere', function* () {
        set_mempolicy(k, MPOL_BIND, node_mask([0]));
        yield* holder(2000)(k);
      });
      run(k, { for_ns: 1e9 });
      until_end(k, process(k, 'hog', bound_hog));
      KUNIT_EXPECT_EQ(test, 'killed', killed(k), ['hog']);
      KUNIT_EXPECT_EQ(test, 'constraint', constraint(k), 'CONSTRAINT_MEMORY_POLICY');
      KUNIT_EXPECT_TRUE(test, 'nodes', said(k, 'oom-kill:')[0]!.includes(',nodemask=1,cpuset=/,mems_allowed=0-1,'));
      KUNIT_EXPECT_FALSE(
        test,
        'the other one is shown',
        k.log.records.some(({ text }) => text.endsWith(' elsewhere')),
      );
    }),
    KUNIT_CASE('constraint_cpuset', (test) => {
      const k = oom_machine(test, 2, 32);
      const other = process(k, 'elsewhere', holder(2000));
      KUNIT_EXPECT_EQ(test, 'attach', cpuset_attach(k, made_cpuset(test, k, 'left', '0'), other), 0);
      run(k, { for_ns: 1e9 });
      const task = process(k, 'hog', hog);
      KUNIT_EXPECT_EQ(test, 'attach', cpuset_attach(k, made_cpuset(test, k, 'right', '1'), task), 0);
      until_end(k, task);
      KUNIT_EXPECT_EQ(test, 'killed', killed(k), ['hog']);
      KUNIT_EXPECT_EQ(test, 'constraint', constraint(k), 'CONSTRAINT_CPUSET');
      KUNIT_EXPECT_TRUE(
        test,
        'nodes',
        said(k, 'oom-kill:')[0]!.includes(',nodemask=(null),cpuset=right,mems_allowed=1,'),
      );
    }),
    // A request that may not call into file systems is not what anybody is killed for.
    KUNIT_CASE('without_fs', (test) => {
      const k = oom_machine(test, 1, 32);
      const ac = k.page_alloc.ac;
      const NOFS = GFP_KERNEL & ~0x80;
      process(k, 'small', holder(10));
      KUNIT_EXPECT_EQ(test, 'answer', k.page_alloc.reclaim!.out_of_memory(k, ac, NOFS, 0), true);
      KUNIT_EXPECT_EQ(test, 'kills', kills(k), 0);
      KUNIT_EXPECT_EQ(test, 'answer', k.page_alloc.reclaim!.out_of_memory(k, ac, GFP_HIGHUSER_MOVABLE, 0), true);
      KUNIT_EXPECT_EQ(test, 'kills', kills(k), 1);
    }),
    // One who waits for what no signal ends keeps his memory: it is taken from him, and others get on.
    KUNIT_CASE('reaper', (test) => {
      const k = oom_machine(test, 1, 32);
      const stuck = process(k, 'stuck', function* () {
        yield* use_pages(k, 2000);
        yield* schedule_timeout_uninterruptible(k, 250 * 60);
        yield* exit_to_user_mode(k);
      });
      stuck.oom_score_adj = 1000;
      run(k, { for_ns: 1e9 });
      let done = false;
      process(k, 'hungry', function* () {
        done = yield* use_pages(k, 2500);
      });
      KUNIT_EXPECT_EQ(test, 'run', run(k, { until: () => done, for_ns: 30e9 }), 'done');
      KUNIT_EXPECT_TRUE(test, 'hungry has its memory', done);
      KUNIT_EXPECT_EQ(test, 'killed', killed(k), ['stuck']);
      const reaped = `oom_reaper: reaped process ${stuck.pid} (stuck), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB`;
      KUNIT_EXPECT_EQ(test, 'said', said(k, 'oom_reaper:'), [reaped]);
      KUNIT_EXPECT_TRUE(test, 'after two seconds', jiffies(k) >= 3 * 250);
      KUNIT_EXPECT_TRUE(test, 'it is still there', k.sched.tasks.has(stuck));
      run(k, { until: () => !k.sched.tasks.has(stuck) });
      KUNIT_EXPECT_EQ(test, 'its end', stuck.exit_code, SIGKILL);
    }),
    KUNIT_CASE('shared_memory', (test) => {
      const k = oom_machine(test, 1, 32);
      const task = process(k, 'hog', hog);
      const sharer = process(k, 'sharer', holder(0));
      sharer.mm = task.mm;
      task.mm!.mm_users++;
      run(k, { until: () => !k.sched.tasks.has(task) && !k.sched.tasks.has(sharer), for_ns: 30e9 });
      KUNIT_EXPECT_EQ(test, 'both have been killed', [task.exit_code, sharer.exit_code], [SIGKILL, SIGKILL]);
    }),
    KUNIT_CASE('memcg', (test) => {
      const { k, a, b, task } = limited(test);
      KUNIT_EXPECT_EQ(test, 'run', until_end(k, task), 'done');
      KUNIT_EXPECT_EQ(test, 'killed', killed(k), ['hog']);
      const summary = `constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b`;
      KUNIT_EXPECT_EQ(test, 'summary', said(k, 'oom-kill:'), [`oom-kill:${summary},task=hog,pid=${task.pid},uid=0`]);
      KUNIT_EXPECT_EQ(test, 'kills', [a.events.oom_kill, a.events_local.oom_kill, b.events_local.oom_kill], [1, 0, 1]);
      KUNIT_EXPECT_EQ(test, 'limits met', [a.events_local.oom, b.events_local.oom], [1, 0]);
      KUNIT_EXPECT_EQ(test, 'usage', said(k, 'memory: ')[0]!.split(',').slice(0, 2), [
        'memory: usage 2048kB',
        ' limit 2048kB',
      ]);
    }),
    KUNIT_CASE('memcg_group', (test) => {
      const { k, a, b, task } = limited(test);
      KUNIT_EXPECT_EQ(test, 'write', memory_oom_group_write(a, '1\n'), 0);
      const mate = process(k, 'mate', holder(1));
      mem_cgroup_attach(k, b, mate);
      run(k, { until: () => !k.sched.tasks.has(task) && !k.sched.tasks.has(mate), for_ns: 30e9 });
      // Whoever was chosen is of the group, and told once more.
      KUNIT_EXPECT_EQ(test, 'killed', killed(k), ['hog', 'hog', 'mate']);
      KUNIT_EXPECT_EQ(test, 'said', said(k, 'Tasks in'), [
        'Tasks in /a are going to be killed due to memory.oom.group set',
      ]);
      KUNIT_EXPECT_EQ(test, 'events', [a.events.oom_kill, a.events_local.oom_group_kill], [3, 1]);
    }),
  ],
};
