// Tasks in a tree of memory cgroups that is changed under them: whatever they do, each page is charged to one cgroup, all
// counters are what there is, limits hold, and no page loses its contents.
//
// PGDAT_SOAK=1: more of them. PGDAT_SEED=N: those of another seed.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bootLab } from '../../../cli/lab.ts';
import { parseSwapOption, prepareSwap, switchSwapOn } from '../../../cli/swap_option.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import { cgroup_lookup } from '../../../kernel/cgroup/memory_files.ts';
import { debian } from '../../../kernel/config.ts';
import { lookup_disk } from '../../../kernel/drivers/block/disk.ts';
import { proc_sys_write } from '../../../kernel/fs/proc/proc_sysctl.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { filemap_read, openFile } from '../../../kernel/mm/filemap_io.ts';
import { drain_all_stock } from '../../../kernel/mm/memcg_charge.ts';
import { type mem_cgroup, mem_cgroup_attach, mem_cgroup_remove } from '../../../kernel/mm/memcontrol.ts';
import { start_reclaim } from '../../../kernel/mm/reclaim.ts';
import { lru_add_drain_all } from '../../../kernel/mm/swap.ts';
import { disable_swap_slots_cache_lock, reenable_swap_slots_cache_unlock } from '../../../kernel/mm/swap_slots.ts';
import { run } from '../../../kernel/sched/run.ts';
import { group, put, Worker } from '../../../kernel/tests/memcg_worker.ts';
import { Audit } from '../../../kernel/workloads/audit.ts';
import { all_memcgs } from '../../../kernel/workloads/audit_memcg.ts';

const DISK_PAGES = 2048;

function booted(): Kernel {
  const parsed = parseQemuOptions('-M pc -m 80M -smp 2'.split(' '), () => '');
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  const areas = ['24M'].map(parseSwapOption);
  const { kernel } = bootLab({
    machine: parsed.config,
    kernel: debian,
    cmdline: '',
    firmware: 'none',
    disks: [...areas.map(({ disk }) => disk), { sectors: DISK_PAGES * 8 }],
    onFirmwareDone: ({ disks }) => prepareSwap(disks[0]!),
  });
  expect(switchSwapOn(kernel, areas)).toEqual([]);
  start_reclaim(kernel);
  return kernel;
}

const PATHS = ['a', 'a/b', 'a/c', 'd'] as const;
const LIMITS = ['memory.max', 'memory.high', 'memory.low', 'memory.min', 'memory.swap.max'] as const;

interface Step {
  readonly what: 'write' | 'read' | 'file' | 'attach' | 'limit' | 'none' | 'remove' | 'reclaim' | 'compact' | 'time';
  readonly who: number;
  readonly at: number;
  readonly count: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom(
    ...(['write', 'write', 'write', 'read', 'file', 'attach', 'limit', 'limit', 'none'] as const),
    ...(['remove', 'reclaim', 'compact', 'time'] as const),
  ),
  who: fc.nat(3),
  at: fc.nat(700),
  count: fc.integer({ min: 1, max: 500 }),
});

class Model {
  readonly k = booted();
  readonly audit = new Audit(this.k);
  /** By number; each knows how many pages it has written, from which on. */
  readonly workers: { worker: Worker; written: Set<number> }[] = [];

  constructor() {
    for (const path of PATHS) group(this.k, path);
    for (let n = 0; n < 4; n++) this.#start(n);
  }

  #start(n: number): void {
    const memcg = cgroup_lookup(this.k, PATHS[n]!)!;
    this.workers[n] = { worker: new Worker(this.k, `w${n}`, memcg), written: new Set() };
  }

  take({ what, who, at, count }: Step): void {
    const { k } = this;
    const { worker, written } = this.workers[who]!;
    const memcg = cgroup_lookup(k, PATHS[at % PATHS.length]!)!;
    if (what === 'write') {
      if (worker.write(at, at + count)) for (let page = at; page < at + count; page++) written.add(page);
    } else if (what === 'read') {
      const pages = [...written];
      const right = worker.do(() => worker.right(pages));
      if (right !== null) expect(right).toBe(pages.length);
    } else if (what === 'file') {
      const f = openFile(k, lookup_disk(k, '/dev/vdb')!, 0, DISK_PAGES * 4096);
      worker.do(() => filemap_read(k, f, at * 4096, new Uint8Array(Math.min(count, 300) * 4096)));
    } else if (what === 'attach') {
      if (worker.alive) mem_cgroup_attach(k, memcg, worker.task);
    } else if (what === 'limit') {
      put(k, memcg, LIMITS[count % LIMITS.length]!, `${(40 + 2 * count) * 4096}`);
    } else if (what === 'none') this.#lift_limits(memcg);
    else if (what === 'remove') this.#remove(PATHS[1 + (at % 3)]!);
    else if (what === 'reclaim') put(k, memcg, 'memory.reclaim', `${count * 4096}`);
    else if (what === 'compact') proc_sys_write(k, 'sys/vm/compact_memory', '1');
    else run(k, { for_ns: count * 1e6 });
    for (let n = 0; n < this.workers.length; n++) if (!this.workers[n]!.worker.alive) this.#start(n);
  }

  #lift_limits(memcg: mem_cgroup): void {
    for (const name of LIMITS) put(this.k, memcg, name, name === 'memory.low' || name === 'memory.min' ? '0' : 'max');
  }

  /** Its tasks go to the root; another one takes its name. */
  #remove(path: string): void {
    const { k } = this;
    const memcg = cgroup_lookup(k, path)!;
    for (const task of [...memcg.tasks]) mem_cgroup_attach(k, k.memcg.root_mem_cgroup, task);
    expect(mem_cgroup_remove(k, memcg)).toBe(0);
    group(k, path);
  }

  check(): void {
    const { k, audit } = this;
    expect(audit.look([], false)).toEqual([]);
    for (const { memory, swap, parent } of all_memcgs(k.memcg.root_mem_cgroup)) {
      if (parent === null) continue;
      expect([memory.usage >= 0, swap.usage >= 0, swap.usage <= k.swap.total_swap_pages]).toEqual([true, true, true]);
    }
  }

  end(): void {
    const { k, workers, audit } = this;
    for (const { worker } of workers) worker.end();
    for (let round = 0; round < 3; round++) run(k, { for_ns: 5e9 });
    lru_add_drain_all(k);
    // Pages that were being swapped out when their task ended wait in the swap cache for somebody to need memory, and what
    // memory.min protects waits for ever.
    for (const path of PATHS) this.#lift_limits(cgroup_lookup(k, path)!);
    put(k, k.memcg.root_mem_cgroup, 'memory.reclaim', '1G');
    proc_sys_write(k, 'sys/vm/drop_caches', '1');
    // Places in swap that a CPU is still to give back are charged, and keep a removed cgroup.
    disable_swap_slots_cache_lock(k);
    reenable_swap_slots_cache_unlock(k);
    run(k, { for_ns: 5e9 });
    lru_add_drain_all(k);
    drain_all_stock(k, k.memcg.root_mem_cgroup);
    expect(audit.look([], true)).toEqual([]);
    for (const memcg of all_memcgs(k.memcg.root_mem_cgroup)) {
      if (memcg.parent === null) continue;
      expect([memcg.memory.usage, memcg.online]).toEqual([0, true]);
    }
  }
}

test('whatever tasks and whoever sets limits do, every page is charged once, and nothing is lost', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
      const model = new Model();
      for (const one of steps) {
        model.take(one);
        model.check();
      }
      model.end();
    }),
    { numRuns: process.env['PGDAT_SOAK'] === undefined ? 8 : 60, seed: Number(process.env['PGDAT_SEED'] ?? 1) },
  );
}, 600_000);
