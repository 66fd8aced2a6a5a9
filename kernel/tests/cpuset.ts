// Self tests of cpusets in the allocator: which nodes a task may use, and who goes beyond them.

import { cpuset, cpusets_enabled } from '../cgroup/cpuset.ts';
import { cpuset_attach, cpuset_create, update_cpumask, update_flag, update_nodemask } from '../cgroup/cpuset_write.ts';
import { GFP_ATOMIC, GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_USER } from '../include/gfp_types.ts';
import { MPOL_BIND } from '../include/mempolicy.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_ASSERT_TRUE, KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ } from '../lib/kunit.ts';
import { bitmap_list } from '../lib/nodemask.ts';
import { set_mempolicy } from '../mm/mempolicy_set.ts';
import { HARDIRQ_OFFSET } from '../sched/preempt.ts';
import { task_struct } from '../sched/task.ts';
import { nodes_of, running } from './allocator.ts';
import type { Suite, Test, TestMachine } from './env.ts';
import { node_mask, nodes_taken } from './mempolicy.ts';

/** A cpuset "mems" or "mems!", walled in, below another; the last one has the task that runs. */
function placed(test: Test, path: readonly string[]): { k: Kernel; task: task_struct; inner: cpuset } {
  const k = running(test, nodes_of(3, 64));
  let parent = k.cpuset.top_cpuset;
  for (const [n, mems] of path.entries()) {
    const made = cpuset_create(k, parent, `set${n}`);
    KUNIT_ASSERT_TRUE(test, 'a cpuset', made instanceof cpuset);
    parent = made as cpuset;
    KUNIT_EXPECT_EQ(test, 'its CPUs', update_cpumask(k, parent, '0'), 0);
    KUNIT_EXPECT_EQ(test, 'its nodes', update_nodemask(k, parent, mems.replace('!', '')), 0);
    if (mems.endsWith('!')) KUNIT_EXPECT_EQ(test, 'its wall', update_flag(parent, 'mem_hardwall', true), 0);
  }
  const task = new task_struct(100, 'cat', 0);
  KUNIT_EXPECT_EQ(test, 'cpuset_attach', cpuset_attach(k, parent, task), 0);
  k.current = task;
  return { k, task, inner: parent };
}

interface Row {
  readonly desc: string;
  readonly path: readonly string[];
  readonly gfp: number;
  readonly prepare?: (k: Kernel, task: task_struct) => void;
  /** The nodes in the order in which they come first, when all of memory is taken. The CPU is of node 0. */
  readonly wanted: readonly number[];
}

const rows: readonly Row[] = [
  { desc: 'all nodes', path: [], gfp: GFP_HIGHUSER_MOVABLE, wanted: [0, 1, 2] },
  { desc: 'its nodes, nearest first', path: ['1-2'], gfp: GFP_HIGHUSER_MOVABLE, wanted: [1, 2] },
  { desc: 'the inner one counts', path: ['1-2', '2'], gfp: GFP_USER, wanted: [2] },
  { desc: 'the kernel goes to all nodes', path: ['0-1', '0'], gfp: GFP_KERNEL, wanted: [0, 1, 2] },
  { desc: 'the kernel stops at a wall', path: ['0-1!', '0'], gfp: GFP_KERNEL, wanted: [0, 1] },
  { desc: 'the kernel stops at its own wall', path: ['0-1', '0!'], gfp: GFP_KERNEL, wanted: [0] },
  { desc: 'a user stops where it is', path: ['0-1!', '0'], gfp: GFP_USER, wanted: [0] },
  { desc: 'atomic requests know no walls', path: ['0!'], gfp: GFP_ATOMIC, wanted: [0, 1, 2] },
  {
    desc: 'interrupts are no task',
    path: ['0!'],
    gfp: GFP_ATOMIC,
    prepare: (k) => {
      k.preempt.preempt_count = HARDIRQ_OFFSET;
    },
    wanted: [0, 1, 2],
  },
  {
    desc: 'one who is being killed',
    path: ['0!'],
    gfp: GFP_USER,
    prepare: (_k, task) => {
      task.oom_victim = true;
    },
    wanted: [0, 1, 2],
  },
];

export const cpuset_suite: Suite = {
  name: 'cpuset',
  test_cases: [
    KUNIT_CASE_PARAM<TestMachine, Row>('nodes', rows, (test, { path, gfp, prepare, wanted }) => {
      const { k, task } = placed(test, path);
      KUNIT_EXPECT_EQ(test, 'cpusets_enabled', cpusets_enabled(k), path.length > 0);
      prepare?.(k, task);
      KUNIT_EXPECT_EQ(test, 'nodes', [...new Set(nodes_taken(k, gfp, 8))], [...wanted]);
    }),
    KUNIT_CASE('a_policy_moves_along', (test) => {
      const { k, task, inner } = placed(test, ['0-1']);
      set_mempolicy(k, MPOL_BIND, node_mask([1]));
      KUNIT_EXPECT_EQ(test, 'before', nodes_taken(k, GFP_USER, 0, 2), [1, 1]);
      KUNIT_EXPECT_EQ(test, 'update_nodemask', update_nodemask(k, inner, '1-2'), 0);
      KUNIT_EXPECT_EQ(test, 'what it may use', bitmap_list(task.mems_allowed), '1-2');
      KUNIT_EXPECT_EQ(test, 'after', nodes_taken(k, GFP_USER, 0, 2), [2, 2]);
    }),
    KUNIT_CASE('refused', (test) => {
      const { k, inner } = placed(test, ['0-1', '0']);
      KUNIT_EXPECT_EQ(test, 'nodes that the one above does not have', update_nodemask(k, inner, '2') < 0, true);
      KUNIT_EXPECT_EQ(test, 'no nodes, with a task in it', update_nodemask(k, inner, '') < 0, true);
    }),
  ],
};
