import { describe, expect, test } from 'vitest';
import type { cpuset } from '../../../kernel/cgroup/cpuset.ts';
import { cpuset_attach, cpuset_create, update_cpumask, update_nodemask } from '../../../kernel/cgroup/cpuset_write.ts';
import {
  __GFP_DMA32,
  __GFP_NOWARN,
  __GFP_THISNODE,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_USER,
} from '../../../kernel/include/gfp_types.ts';
import {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_NUMA_BALANCING,
  MPOL_F_RELATIVE_NODES,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
} from '../../../kernel/include/mempolicy.ts';
import { NUMA_INTERLEAVE_HIT } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { bitmap_list, node_set, type nodemask_t, nodes_none } from '../../../kernel/lib/nodemask.ts';
import { alloc_pages, alloc_pages_bulk_array_mempolicy } from '../../../kernel/mm/mempolicy.ts';
import { set_mempolicy } from '../../../kernel/mm/mempolicy_set.ts';
import { page_zone } from '../../../kernel/mm/page.ts';
import { fold_vm_zone_numa_events } from '../../../kernel/mm/vmstat.ts';
import { HARDIRQ_OFFSET } from '../../../kernel/sched/preempt.ts';
import { task_struct } from '../../../kernel/sched/task.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const EINVAL = -22;
const fourNodes = (): Kernel => drawnAllocator({ memory: '0123', unit: 64 * MiB });
const mask = (...nodes: number[]): nodemask_t => {
  const m = nodes_none();
  for (const nid of nodes) node_set(nid, m);
  return m;
};
const nid = (k: Kernel, pfn: number): number => (pfn < 0 ? -1 : page_zone(k, pfn).nid);
const take = (k: Kernel, n: number, gfp = GFP_HIGHUSER_MOVABLE): number[] =>
  Array.from({ length: n }, () => nid(k, alloc_pages(k, gfp | __GFP_NOWARN, 0)));
/** Takes large blocks to the end. @returns the nodes they came from, in order */
function nodes_in_order(k: Kernel, gfp = GFP_HIGHUSER_MOVABLE): number[] {
  const seen: number[] = [];
  for (;;) {
    const from = nid(k, alloc_pages(k, gfp | __GFP_NOWARN, 9));
    if (from < 0) return seen;
    if (seen.at(-1) !== from) seen.push(from);
  }
}
const nodes_of = (k: Kernel): string => bitmap_list(k.current.mempolicy!.nodes);

describe('where pages come from', () => {
  test('the default and MPOL_LOCAL: the CPU s node, then the others', () => {
    for (const mode of [MPOL_DEFAULT, MPOL_LOCAL, MPOL_PREFERRED]) {
      const k = fourNodes();
      expect(set_mempolicy(k, mode, mask())).toBe(0);
      expect(nodes_in_order(k)).toEqual([0, 1, 2, 3]);
    }
  });

  test('MPOL_PREFERRED: the first node asked for, then the others', () => {
    const k = fourNodes();
    expect(set_mempolicy(k, MPOL_PREFERRED, mask(2, 3))).toBe(0);
    expect(nodes_in_order(k)).toEqual([2, 3, 0, 1]);
  });

  test('MPOL_BIND: these nodes, nearest first, and no other', () => {
    const k = fourNodes();
    expect(set_mempolicy(k, MPOL_BIND, mask(3, 1))).toBe(0);
    expect(nodes_in_order(k)).toEqual([1, 3]);
  });

  test('MPOL_PREFERRED_MANY: these nodes without a word, then any', () => {
    const k = fourNodes();
    expect(set_mempolicy(k, MPOL_PREFERRED_MANY, mask(1, 3))).toBe(0);
    const order: number[] = [];
    while (order.length < 4 && !order.includes(-1)) {
      const from = nid(k, alloc_pages(k, GFP_USER, 9));
      if (from < 0) break;
      if (order.at(-1) !== from) order.push(from);
    }
    expect(order).toEqual([1, 3, 0, 2]);
    expect(printed(k).filter((line) => line.includes('page allocation failure'))).toEqual([]);
  });

  test('MPOL_INTERLEAVE: in turn, counted where it could be had', () => {
    const k = fourNodes();
    expect(set_mempolicy(k, MPOL_INTERLEAVE, mask(0, 2, 3))).toBe(0);
    expect(take(k, 7)).toEqual([0, 2, 3, 0, 2, 3, 0]);
    const hits = k.node_data.map((node) =>
      node.node_zones.reduce((sum, zone) => {
        if (!zone.populated) return sum;
        fold_vm_zone_numa_events(k, zone);
        return sum + zone.vm_numa_event(NUMA_INTERLEAVE_HIT);
      }, 0),
    );
    expect(hits).toEqual([3, 0, 2, 2]);
  });

  test('an interrupt and __GFP_THISNODE do not heed the task s policy', () => {
    const k = fourNodes();
    set_mempolicy(k, MPOL_PREFERRED, mask(2));
    expect(take(k, 1, GFP_KERNEL | __GFP_THISNODE)).toEqual([0]);
    expect(take(k, 1)).toEqual([2]);
    k.preempt.preempt_count = HARDIRQ_OFFSET;
    expect(take(k, 1, 0x20)).toEqual([0]);
  });

  test('zones below the policy zone are not bound', () => {
    // Node 0 has 4 GiB and more: the policy zone is Normal.
    const k = drawnAllocator({ memory: '00000000001', unit: 512 * MiB });
    expect(k.zonelists.policy_zone).toBe(2);
    set_mempolicy(k, MPOL_BIND, mask(1));
    expect([...take(k, 1), ...take(k, 1, GFP_KERNEL | __GFP_DMA32)]).toEqual([1, 0]);
  });
});

describe('many at once', () => {
  const bulk = (k: Kernel, n: number): number[] => {
    const pages: number[] = [];
    expect(alloc_pages_bulk_array_mempolicy(k, GFP_KERNEL, n, pages)).toBe(n);
    expect(new Set(pages).size).toBe(n);
    return pages.map((pfn) => nid(k, pfn));
  };

  test('interleaved: in equal parts, the rest on the first ones', () => {
    const k = fourNodes();
    set_mempolicy(k, MPOL_INTERLEAVE, mask(1, 2, 3));
    expect(bulk(k, 8)).toEqual([1, 1, 1, 2, 2, 2, 3, 3]);
    expect(bulk(k, 4)).toEqual([1, 1, 2, 3]);
  });

  test.each([
    ['local', MPOL_LOCAL, mask(), 0],
    ['preferred', MPOL_PREFERRED, mask(3), 3],
    ['bound', MPOL_BIND, mask(2), 2],
    ['preferred many', MPOL_PREFERRED_MANY, mask(1, 2), 1],
  ] as const)('%s', (_, mode, nodes, wanted) => {
    const k = fourNodes();
    set_mempolicy(k, mode, nodes);
    expect(new Set(bulk(k, 20))).toEqual(new Set([wanted]));
  });

  test('preferred many: the rest from anywhere', () => {
    const k = fourNodes();
    set_mempolicy(k, MPOL_PREFERRED_MANY, mask(1));
    while (nid(k, alloc_pages(k, GFP_KERNEL, 0)) === 1);
    const from = bulk(k, 10);
    expect(new Set(from)).not.toContain(-1);
    expect(from).toContain(0);
  });
});

describe('what set_mempolicy() refuses', () => {
  test.each([
    ['a mode that there is not', 6, mask(0), EINVAL],
    ['the default with nodes', MPOL_DEFAULT, mask(0), EINVAL],
    ['local with nodes', MPOL_LOCAL, mask(0), EINVAL],
    ['local, static', MPOL_LOCAL | MPOL_F_STATIC_NODES, mask(), EINVAL],
    ['preferred without nodes, relative', MPOL_PREFERRED | MPOL_F_RELATIVE_NODES, mask(), EINVAL],
    ['bind without nodes', MPOL_BIND, mask(), EINVAL],
    ['bind to nodes without memory', MPOL_BIND, mask(9), EINVAL],
    ['bind to some with and some without', MPOL_BIND, mask(9, 1), 0],
    ['static and relative', MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, mask(0), EINVAL],
    ['balancing but not bound', MPOL_INTERLEAVE | MPOL_F_NUMA_BALANCING, mask(0), EINVAL],
    ['balancing and bound', MPOL_BIND | MPOL_F_NUMA_BALANCING, mask(0), 0],
    ['a negative mode', -1, mask(0), EINVAL],
  ] as const)('%s', (_, mode, nodes, wanted) => {
    const k = fourNodes();
    expect(set_mempolicy(k, mode, nodes)).toBe(wanted);
  });
});

describe('a cpuset s nodes change', () => {
  function bound(mode: number, ...nodes: number[]): { k: Kernel; move: (mems: string) => string } {
    const k = fourNodes();
    const cs = cpuset_create(k, k.cpuset.top_cpuset, 'a') as cpuset;
    update_cpumask(k, cs, '0');
    update_nodemask(k, cs, '0-1');
    k.current = new task_struct(9, 'job', 0);
    cpuset_attach(k, cs, k.current);
    expect(set_mempolicy(k, mode, mask(...nodes))).toBe(0);
    return {
      k,
      move: (mems) => {
        expect(update_nodemask(k, cs, mems)).toBe(0);
        return nodes_of(k);
      },
    };
  }

  test('bind and interleave move with it: the first node to the first, the second to the second', () => {
    expect(bound(MPOL_BIND, 1).move('2-3')).toBe('3');
    expect(bound(MPOL_INTERLEAVE, 0, 1).move('2-3')).toBe('2-3');
    expect(bound(MPOL_BIND, 1).move('2')).toBe('2');
  });

  test('preferred stays what it is, even outside', () => {
    expect(bound(MPOL_PREFERRED, 1).move('2-3')).toBe('1');
    expect(bound(MPOL_PREFERRED_MANY, 0, 1).move('2-3')).toBe('0-1');
  });

  test('static nodes are those asked for as far as the cpuset has them, else all that it has', () => {
    const { move } = bound(MPOL_BIND | MPOL_F_STATIC_NODES, 1, 2);
    expect(move('1-3')).toBe('1-2');
    expect(move('3')).toBe('3');
    expect(move('0-2')).toBe('1-2');
  });

  test('relative nodes are counted among those of the cpuset, round and round', () => {
    const { k, move } = bound(MPOL_BIND | MPOL_F_RELATIVE_NODES, 0, 3);
    expect(nodes_of(k)).toBe('0-1');
    expect(move('0-3')).toBe('0,3');
    expect(move('1-3')).toBe('1');
  });

  test('a policy without any node of the cpuset is not heeded', () => {
    const { k } = bound(MPOL_BIND, 1);
    k.current.mempolicy!.nodes = mask(3);
    expect(take(k, 1)).toEqual([0]);
  });
});
