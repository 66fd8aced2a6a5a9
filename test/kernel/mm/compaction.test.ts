// Compaction while tasks use their memory: whoever writes, frees and forks meanwhile finds his contents, no page is lost,
// and the same seed does the same.

import { describe, expect, it } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import { __GFP_NOWARN, GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { VM_READ, VM_WRITE } from '../../../kernel/include/mm.ts';
import { NR_ANON_MAPPED, NR_FREE_PAGES, NR_ISOLATED_ANON } from '../../../kernel/include/mmzone.ts';
import { PAGE_SIZE } from '../../../kernel/include/types.ts';
import { PGMIGRATE_SUCCESS } from '../../../kernel/include/vm_event_item.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { compact_nodes, try_to_compact_pages } from '../../../kernel/mm/compaction.ts';
import { fork_process } from '../../../kernel/mm/fork_mm.ts';
import { kcompactd_init } from '../../../kernel/mm/kcompactd.ts';
import { spawn_process, vm_mmap, vm_munmap } from '../../../kernel/mm/mmap.ts';
import { __free_pages, alloc_pages_sleeping } from '../../../kernel/mm/page_alloc.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { lru_add_drain_all } from '../../../kernel/mm/swap.ts';
import { user_read, user_write } from '../../../kernel/mm/uaccess.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { vmstat_update } from '../../../kernel/mm/vmstat_update.ts';
import { user_mode_thread } from '../../../kernel/sched/fork.ts';
import { run } from '../../../kernel/sched/run.ts';
import type { Sleeping } from '../../../kernel/sched/sleeping.ts';
import type { task_struct } from '../../../kernel/sched/task.ts';
import { schedule_timeout_uninterruptible } from '../../../kernel/sched/timeout.ts';
import { nodes_of, running } from '../../../kernel/tests/allocator.ts';
import type { Test } from '../../../kernel/tests/env.ts';
import { testHw } from '../../support/hw.ts';

const machine = { kernel: (ram: never, { config = debian } = {}) => new Kernel(testHw(ram), config) };
const AT = 0x10000000;
const PAGES = 1500;

/** A small generator of numbers, each task's own. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

interface Result {
  readonly wrong: number;
  readonly done: number;
  readonly now: number;
  readonly migrated: number;
}

/** Writes to pages, gives some up, reads all of them back. @returns how many were not as they should be */
function* user(k: Kernel, seed: number, rounds: number): Sleeping<number> {
  const below = numbers(seed);
  const { mm } = k.current;
  const here = new Map<number, number>();
  let wrong = 0;
  const into = new Uint8Array(2);
  for (let round = 0; round < rounds; round++) {
    yield* vm_mmap(k, mm!, AT + round * PAGES * PAGE_SIZE, PAGES * PAGE_SIZE, VM_READ | VM_WRITE);
    for (let n = 0; n < 400; n++) {
      const page = round * PAGES + below(PAGES);
      const value = below(65536);
      if ((yield* user_write(k, mm!, AT + page * PAGE_SIZE, Uint8Array.of(value & 255, value >>> 8))) === 0) {
        here.set(page, value);
      }
    }
    for (const page of [...here.keys()].filter(() => below(3) === 0)) {
      yield* vm_munmap(k, mm!, AT + page * PAGE_SIZE, PAGE_SIZE);
      here.delete(page);
    }
    yield* schedule_timeout_uninterruptible(k, 1 + below(3));
    for (const [page, value] of here) {
      yield* user_read(k, mm!, AT + page * PAGE_SIZE, into);
      if (into[0]! + (into[1]! << 8) !== value) wrong++;
    }
  }
  return wrong;
}

function workload(seed: number): { k: Kernel; result: Result; lost: number } {
  const k = running({ priv: machine } as unknown as Test, nodes_of(2, 32), { cpus: [0, 0, 1] });
  const free = (): number => {
    lru_add_drain_all(k);
    drain_all_pages(k, null);
    vmstat_update(k);
    return k.mm.vm_zone_stat[NR_FREE_PAGES]!;
  };
  k.page_alloc.reclaim = {
    wakeup_kswapd: () => undefined,
    try_to_free_pages: () => 0,
    try_to_compact_pages,
    node_reclaim: () => false,
    try_to_free_mem_cgroup_pages: () => 0,
    mem_cgroup_out_of_memory: () => false,
    out_of_memory: () => false,
  };
  kcompactd_init(k);
  const before = free();
  const tasks: task_struct[] = [];
  let wrong = 0;
  let done = 0;
  const start = (one: number): void => {
    const body = function* (): Sleeping<void> {
      wrong += yield* user(k, seed + one, 4);
      const child = yield* fork_process(k, `child${one}`, function* () {
        wrong += yield* user(k, seed + 100 + one, 2);
        done++;
      });
      if (typeof child !== 'number') tasks.push(child);
      done++;
    };
    user_mode_thread(k, 'starter', function* () {
      const task = yield* spawn_process(k, `user${one}`, body);
      if (typeof task !== 'number') tasks.push(task);
    });
  };
  for (let one = 0; one < 4; one++) start(one);
  user_mode_thread(k, 'compactor', function* () {
    for (let n = 0; n < 12; n++) {
      yield* compact_nodes(k);
      for (const [gfp, order] of [
        [GFP_HIGHUSER_MOVABLE, 5],
        [GFP_KERNEL, 4],
        [GFP_HIGHUSER_MOVABLE, 9],
      ] as const) {
        const pfn = yield* alloc_pages_sleeping(k, gfp | __GFP_NOWARN, order, n % 2);
        if (pfn >= 0) __free_pages(k, pfn, order);
      }
      yield* schedule_timeout_uninterruptible(k, 1);
    }
    done++;
  });
  const how = run(k, { for_ns: 20e9 });
  expect(how).toBe('done');
  const result = { wrong, done, now: k.sched.latest, migrated: all_vm_events(k)[PGMIGRATE_SUCCESS]! };
  return { k, result, lost: before - free() };
}

describe('compaction beside tasks', () => {
  it('keeps contents, loses no page, and does the same again', () => {
    const { k, result, lost } = workload(1);
    expect(result).toMatchObject({ wrong: 0, done: 9 });
    expect(result.migrated).toBeGreaterThan(100);
    expect(lost).toBe(0);
    for (const pgdat of k.node_data) {
      expect(pgdat.vm_stat(NR_ISOLATED_ANON)).toBe(0);
      expect(pgdat.vm_stat(NR_ANON_MAPPED)).toBe(0);
    }
    expect(k.page_alloc.static_keys).toBe(0);
    expect(workload(1).result).toEqual(result);
  });
});
