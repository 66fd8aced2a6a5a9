// Machines with memory cgroups, and processes in them that do as they are told, for tests.

import { cgroup_mkdir, cgroup_write } from '../cgroup/memory_files.ts';
import { VM_NORESERVE, VM_READ, VM_WRITE } from '../include/mm.ts';
import { SIGKILL } from '../include/sched.ts';
import { PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug } from '../lib/bug.ts';
import { kswapd_init } from '../mm/kswapd.ts';
import { drain_all_stock } from '../mm/memcg_charge.ts';
import { type mem_cgroup, mem_cgroup_attach } from '../mm/memcontrol.ts';
import { vm_mmap } from '../mm/mmap.ts';
import { oom_init } from '../mm/oom_reaper.ts';
import { start_reclaim } from '../mm/reclaim.ts';
import { lru_add_drain_all } from '../mm/swap.ts';
import { user_read, user_translate, user_write } from '../mm/uaccess.ts';
import { exit_to_user_mode } from '../sched/fork.ts';
import { run } from '../sched/run.ts';
import { send_sig } from '../sched/signal.ts';
import { not_sleeping, type Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { schedule_timeout_interruptible } from '../sched/timeout.ts';
import { made_progress } from '../sched/watchdog.ts';
import type { Test } from './env.ts';
import { process } from './oom_machine.ts';
import { add_area, disks_of, in_task, swap_machine } from './swap_area.ts';

/** With a disk for files, and an area of so many pages; 0: no swap. */
export function memcg_machine(test: Test, swap_pages: number): Kernel {
  const k = swap_machine(test, disks_of(4096, swap_pages === 0 ? 16 : swap_pages));
  kswapd_init(k);
  start_reclaim(k);
  oom_init(k);
  if (swap_pages > 0 && add_area(k, '/dev/vdb') !== 0) throw new KernelBug('kernel BUG: a test has no swap');
  return k;
}

/** A write to one of its files. */
export const put = (k: Kernel, memcg: mem_cgroup, name: string, text: string): number =>
  in_task(k, () => cgroup_write(k, memcg, name, text));

/** @param files such as "memory.max" with pages */
export function group(k: Kernel, path: string, files: Readonly<Record<string, number>> = {}): mem_cgroup {
  const memcg = not_sleeping(cgroup_mkdir(k, k.memcg.root_mem_cgroup, path), 'mkdir');
  if (typeof memcg === 'number') throw new KernelBug(`kernel BUG: a test has no cgroup ${path} (${memcg})`);
  for (const [name, pages] of Object.entries(files)) put(k, memcg, name, `${pages * PAGE_SIZE}`);
  return memcg;
}

/** What is charged, without what CPUs hold in stock. */
export function usage(k: Kernel, memcg: mem_cgroup): number {
  lru_add_drain_all(k);
  drain_all_stock(k, memcg);
  return memcg.memory.usage;
}

/** A process with an address space of its own, which waits for something to do. */
export class Worker {
  readonly k: Kernel;
  readonly task: task_struct;
  /** Its own memory; 0: none yet. */
  #base = 0;
  readonly #jobs: (() => Sleeping<void>)[] = [];

  constructor(k: Kernel, comm: string, memcg: mem_cgroup) {
    this.k = k;
    const jobs = this.#jobs;
    this.task = process(k, comm, function* () {
      for (;;) {
        yield* exit_to_user_mode(k);
        const job = jobs.shift();
        if (job === undefined) yield* schedule_timeout_interruptible(k, 1);
        else yield* job();
      }
    });
    mem_cgroup_attach(k, memcg, this.task);
  }

  get alive(): boolean {
    return this.k.sched.tasks.has(this.task);
  }

  /** @returns what it came to; null: it has been killed meanwhile */
  do<T>(what: () => Sleeping<T>): T | null {
    const results: T[] = [];
    this.#jobs.push(function* () {
      results.push(yield* what());
    });
    const how = run(this.k, { until: () => results.length > 0 || !this.alive, for_ns: 300e9 });
    if (how !== 'done') throw new KernelBug(`kernel BUG: what ${this.task.comm} does ends as ${how}`);
    return results[0] ?? null;
  }

  *#memory(): Sleeping<number> {
    const { k, task } = this;
    const flags = VM_READ | VM_WRITE | VM_NORESERVE;
    if (this.#base === 0) this.#base = yield* vm_mmap(k, task.mm!, 0, 2 ** 30, flags);
    return this.#base;
  }

  /** Writes to pages [from, to). @returns whether it lived to see it */
  write(from: number, to: number): boolean {
    const { k, task } = this;
    const wrote = this.do(() => this.#write(k, task, from, to));
    return wrote === true;
  }

  *#write(k: Kernel, task: task_struct, from: number, to: number): Sleeping<boolean> {
    const base = yield* this.#memory();
    for (let page = from; page < to; page++) {
      const bytes = Uint8Array.of(page, page >>> 8, 0xa5);
      if ((yield* user_write(k, task.mm!, base + page * PAGE_SIZE, bytes)) < 0) return false;
      made_progress(k);
    }
    return true;
  }

  /** How many of pages [from, to) hold what was written to them. */
  read(from: number, to: number): number {
    const pages = Array.from({ length: to - from }, (_, n) => from + n);
    return this.do(() => this.right(pages)) ?? -1;
  }

  /** The same of these. Context: do(). */
  *right(pages: readonly number[]): Sleeping<number> {
    const { k, task } = this;
    const base = yield* this.#memory();
    const into = new Uint8Array(3);
    let right = 0;
    for (const page of pages) {
      const err = yield* user_read(k, task.mm!, base + page * PAGE_SIZE, into);
      if (err === 0 && into[0] === (page & 255) && into[1] === page >>> 8 && into[2] === 0xa5) right++;
      made_progress(k);
    }
    return right;
  }

  /** Where a page of its memory is; -1: not in memory. */
  pfn(page: number): pfn_t {
    const pa = user_translate(this.k, this.task.mm!, this.#base + page * PAGE_SIZE, false);
    return pa < 0 ? -1 : Math.floor(pa / PAGE_SIZE);
  }

  /** For a fork() of it: the same address. */
  address(page: number): number {
    return this.#base + page * PAGE_SIZE;
  }

  /** Ends it. */
  end(): void {
    send_sig(this.k, SIGKILL, this.task);
    run(this.k, { until: () => !this.alive, for_ns: 300e9 });
  }
}
