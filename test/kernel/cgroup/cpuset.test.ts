import { describe, expect, test } from 'vitest';
import { type cpuset, cpuset_init_smp, cpuset_mems_allowed } from '../../../kernel/cgroup/cpuset.ts';
import {
  cpuset_attach,
  cpuset_create,
  cpuset_remove,
  update_cpumask,
  update_flag,
  update_nodemask,
} from '../../../kernel/cgroup/cpuset_write.ts';
import {
  __GFP_HARDWALL,
  __GFP_NOWARN,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_USER,
} from '../../../kernel/include/gfp_types.ts';
import { PF_EXITING, PF_KTHREAD } from '../../../kernel/include/sched.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { bitmap_list, nodemask_of_node } from '../../../kernel/lib/nodemask.ts';
import { __alloc_pages_bulk } from '../../../kernel/mm/bulk.ts';
import { page_zone } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { HARDIRQ_OFFSET } from '../../../kernel/sched/preempt.ts';
import { task_struct } from '../../../kernel/sched/task.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const EACCES = -13;
const EBUSY = -16;
const EEXIST = -17;
const EINVAL = -22;
const ENOSPC = -28;
const ERANGE = -34;
const EOVERFLOW = -75;

const threeNodes = (): Kernel => drawnAllocator({ memory: '012', unit: 64 * MiB });
const nid = (k: Kernel, pfn: number): number => (pfn < 0 ? -1 : page_zone(k, pfn).nid);

/** A cpuset with CPU 0 and some nodes. */
function made(k: Kernel, name: string, mems: string, parent: cpuset = k.cpuset.top_cpuset): cpuset {
  const cs = cpuset_create(k, parent, name);
  if (typeof cs === 'number') throw new Error(`cpuset_create: ${cs}`);
  expect([update_cpumask(k, cs, '0'), update_nodemask(k, cs, mems)]).toEqual([0, 0]);
  return cs;
}

/** A user's task in a cpuset, running. */
function running(k: Kernel, cs: cpuset): task_struct {
  const task = new task_struct(100, 'cat', 0);
  expect(cpuset_attach(k, cs, task)).toBe(0);
  k.current = task;
  return task;
}

/** Takes pages until the nodes that `gfp` may use have no more. @returns which nodes they were from, in order */
function nodes_in_order(k: Kernel, gfp: number, order = 9): number[] {
  const seen: number[] = [];
  for (let pfn = __alloc_pages(k, gfp | __GFP_NOWARN, order, 0); pfn >= 0; ) {
    if (seen.at(-1) !== nid(k, pfn)) seen.push(nid(k, pfn));
    pfn = __alloc_pages(k, gfp | __GFP_NOWARN, order, 0);
  }
  return seen;
}

describe('which nodes a request gets', () => {
  test('those of the task s cpuset, nearest first', () => {
    const k = threeNodes();
    running(k, made(k, 'a', '1-2'));
    expect(nodes_in_order(k, GFP_HIGHUSER_MOVABLE)).toEqual([1, 2]);
  });

  test('a nodemask of the caller s is cut by the cpuset', () => {
    const k = threeNodes();
    running(k, made(k, 'a', '1-2'));
    const mask = nodemask_of_node(0);
    mask[0]! |= 4;
    expect(nid(k, __alloc_pages(k, GFP_USER, 0, 0, mask))).toBe(2);
  });

  test('the kernel s own requests go beyond it up to the next wall; GFP_USER does not', () => {
    const k = threeNodes();
    const wall = made(k, 'wall', '0-1');
    expect(update_flag(wall, 'mem_hardwall', true)).toBe(0);
    running(k, made(k, 'inner', '0', wall));
    expect(nodes_in_order(k, GFP_USER)).toEqual([0]);
    expect(nodes_in_order(k, GFP_KERNEL)).toEqual([1]);
  });

  test('without a wall up to the top', () => {
    const k = threeNodes();
    running(k, made(k, 'inner', '0', made(k, 'outer', '0-1')));
    expect(nodes_in_order(k, GFP_KERNEL)).toEqual([0, 1, 2]);
  });

  test('GFP_ATOMIC from any node rather than fail', () => {
    const k = threeNodes();
    const wall = made(k, 'wall', '0');
    update_flag(wall, 'mem_hardwall', true);
    running(k, wall);
    expect(nodes_in_order(k, GFP_ATOMIC)).toEqual([0, 1, 2]);
  });

  test.each([
    [
      'an interrupt',
      (k: Kernel) => {
        k.preempt.preempt_count = HARDIRQ_OFFSET;
      },
      GFP_USER,
    ],
    [
      'a victim of the OOM killer',
      (k: Kernel) => {
        k.current.oom_victim = true;
      },
      GFP_USER,
    ],
    [
      'a task that exits',
      (k: Kernel) => {
        k.current.flags |= PF_EXITING;
      },
      GFP_KERNEL,
    ],
  ] as const)('%s gets them from anywhere', (_, set, gfp) => {
    const k = threeNodes();
    const wall = made(k, 'wall', '0');
    update_flag(wall, 'mem_hardwall', true);
    running(k, wall);
    set(k);
    expect(new Set(nodes_in_order(k, gfp))).toEqual(new Set([0, 1, 2]));
  });

  test('a task that exits still heeds the wall for what it asks as a user', () => {
    const k = threeNodes();
    const task = running(k, made(k, 'a', '0'));
    task.flags |= PF_EXITING;
    expect(nodes_in_order(k, GFP_KERNEL | __GFP_HARDWALL)).toEqual([0]);
  });

  test('many pages at once come from the cpuset s nodes too', () => {
    const k = threeNodes();
    running(k, made(k, 'a', '2'));
    const pages: number[] = [];
    expect(__alloc_pages_bulk(k, GFP_KERNEL, 0, null, 30, pages)).toBe(30);
    expect(new Set(pages.map((pfn) => nid(k, pfn)))).toEqual(new Set([2]));
  });

  test('nothing is asked of cpusets while there is none but the top one', () => {
    const k = threeNodes();
    const cs = made(k, 'a', '1');
    expect(k.page_alloc.static_keys).not.toBe(0);
    expect(cpuset_remove(k, cs)).toBe(0);
    expect(k.page_alloc.static_keys).toBe(0);
  });
});

describe('changes', () => {
  test('tasks get the new nodes at once, in cpusets below as well', () => {
    const k = threeNodes();
    const outer = made(k, 'outer', '0-2');
    const inner = made(k, 'inner', '0-1', outer);
    const task = running(k, inner);
    const seq = task.mems_allowed_seq;
    expect(update_nodemask(k, inner, '1')).toBe(0);
    expect(bitmap_list(task.mems_allowed)).toBe('1');
    expect(task.mems_allowed_seq).toBe(seq + 2);
    expect(bitmap_list(cpuset_mems_allowed(k, task))).toBe('1');
    expect(nid(k, __alloc_pages(k, GFP_USER, 0, 0))).toBe(1);
  });

  test('a request that failed while they changed starts over', () => {
    const k = threeNodes();
    const cs = made(k, 'a', '0');
    running(k, cs);
    nodes_in_order(k, GFP_USER, 0);
    let reclaims = 0;
    k.page_alloc.reclaim = {
      wakeup_kswapd: () => {},
      try_to_free_pages: () => {
        if (reclaims++ === 0) update_nodemask(k, cs, '2');
        return 0;
      },
      try_to_compact_pages: () => 1,
      node_reclaim: () => false,
      try_to_free_mem_cgroup_pages: () => 0,
      mem_cgroup_out_of_memory: () => false,
      out_of_memory: () => false,
    };
    expect(nid(k, __alloc_pages(k, GFP_USER, 0, 0))).toBe(2);
    expect(reclaims).toBe(1);
  });

  test('a failure names the cpuset and its nodes', () => {
    const k = threeNodes();
    running(k, made(k, 'small', '1'));
    for (let pfn = 0; pfn >= 0; ) pfn = __alloc_pages(k, GFP_USER | __GFP_NOWARN, 0, 0);
    __alloc_pages(k, GFP_USER, 0, 0);
    expect(printed(k).find((line) => line.startsWith('cat:'))).toBe(
      'cat: page allocation failure: order:0, mode:0x100cc0(GFP_USER), nodemask=(null),cpuset=small,mems_allowed=1',
    );
  });
});

describe('what is refused', () => {
  test.each([
    ['', 0],
    ['0-1', 0],
    ['0,1,2', 0],
    // Names nodes that the machine does not have.
    ['all', EINVAL],
    ['3', EINVAL],
    ['1-0', EINVAL],
    ['x', EINVAL],
    ['0-', EINVAL],
    ['0-2:1/2', 0],
    ['0-2:3/2', EINVAL],
    ['64', ERANGE],
    ['4294967296', EOVERFLOW],
  ])('cpuset.mems "%s": %i', (text, wanted) => {
    const k = threeNodes();
    const cs = made(k, 'a', '');
    expect(update_nodemask(k, cs, text)).toBe(wanted);
  });

  test('the top one is not to be changed; names are taken once; the full ones stay', () => {
    const k = threeNodes();
    const { top_cpuset } = k.cpuset;
    expect([update_nodemask(k, top_cpuset, '0'), update_cpumask(k, top_cpuset, '0')]).toEqual([EACCES, EACCES]);
    const cs = made(k, 'a', '0');
    expect(cpuset_create(k, top_cpuset, 'a')).toBe(EEXIST);
    running(k, cs);
    expect(cpuset_remove(k, cs)).toBe(EBUSY);
    expect(update_nodemask(k, cs, '')).toBe(ENOSPC);
  });

  test('a task cannot enter without CPUs and nodes', () => {
    const k = threeNodes();
    const cs = cpuset_create(k, k.cpuset.top_cpuset, 'a') as cpuset;
    const task = new task_struct(7, 'sh', PF_KTHREAD);
    expect(cpuset_attach(k, cs, task)).toBe(ENOSPC);
    update_cpumask(k, cs, '0');
    expect(cpuset_attach(k, cs, task)).toBe(ENOSPC);
    update_nodemask(k, cs, '2');
    expect(cpuset_attach(k, cs, task)).toBe(0);
    expect(bitmap_list(task.mems_allowed)).toBe('2');
  });

  test('more than the parent has, less than a child has, what an exclusive sibling has', () => {
    const k = threeNodes();
    const outer = made(k, 'outer', '0-1');
    const inner = made(k, 'inner', '0', outer);
    expect(update_nodemask(k, inner, '2')).toBe(EACCES);
    expect(update_nodemask(k, outer, '1')).toBe(EBUSY);
    expect(update_flag(inner, 'mem_exclusive', true)).toBe(EACCES);
    expect(update_flag(outer, 'mem_exclusive', true)).toBe(0);
    expect(update_flag(inner, 'mem_exclusive', true)).toBe(0);
    const sibling = made(k, 'sibling', '2');
    expect(update_nodemask(k, sibling, '1-2')).toBe(EINVAL);
    expect(update_flag(outer, 'mem_exclusive', false)).toBe(EBUSY);
  });

  test('nodes with nothing but ZONE_MOVABLE: said once, and refused at once what is walled in', () => {
    const k = drawnAllocator({
      memory: '000000001',
      marks: '........h',
      unit: 512 * MiB + 128 * MiB,
      setup: (kernel) => {
        kernel.mm.movable_node_enabled = true;
      },
    });
    cpuset_init_smp(k);
    const lines = printed(k).length;
    const cs = made(k, 'a', '1');
    expect(printed(k).slice(lines)).toEqual([
      'Unsupported (movable nodes only) cpuset configuration detected (nmask=1)!',
      'Cpuset allocations might fail even with a lot of memory available.',
    ]);
    running(k, cs);
    expect(__alloc_pages(k, GFP_USER | __GFP_NOWARN, 0, 0)).toBe(-1);
    const pfn = __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 0);
    expect(nid(k, pfn)).toBe(1);
    __free_pages(k, pfn, 0);
  });
});
