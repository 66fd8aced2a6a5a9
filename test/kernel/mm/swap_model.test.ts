// Swap under everything at once: tasks that write, read, fork and unmap; a task that swaps their pages out at random;
// areas that are switched off and on; a disk whose requests fail and stall. An independent record says what each page of
// each task has to hold. At the end every entry and every page is free again.

import { describe, expect, it } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { disk_inject } from '../../../kernel/drivers/block/disk.ts';
import { VM_READ, VM_WRITE } from '../../../kernel/include/mm.ts';
import { NR_FREE_PAGES } from '../../../kernel/include/mmzone.ts';
import { PG_dirty, PG_lru, PG_reclaim, PG_swapcache, PG_writeback } from '../../../kernel/include/page_flags.ts';
import { EIO, PAGE_SIZE, type pfn_t } from '../../../kernel/include/types.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit } from '../../../kernel/lib/kunit.ts';
import { folio_get, folio_set, folio_test } from '../../../kernel/mm/folio.ts';
import { folio_trylock, folio_unlock, folio_wait_writeback } from '../../../kernel/mm/folio_lock.ts';
import { dup_mm } from '../../../kernel/mm/fork_mm.ts';
import type { mm_struct } from '../../../kernel/mm/mm_struct.ts';
import { mm_alloc, mmput, vm_mmap, vm_munmap } from '../../../kernel/mm/mmap.ts';
import { page_count } from '../../../kernel/mm/page.ts';
import { swap_write_congested, swap_write_wait, swap_writepage } from '../../../kernel/mm/page_io.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { try_to_unmap } from '../../../kernel/mm/rmap.ts';
import { folio_put, lru_add_drain_all } from '../../../kernel/mm/swap.ts';
import { __delete_from_swap_cache, add_to_swap, folio_swap_entry } from '../../../kernel/mm/swap_state.ts';
import { put_swap_folio } from '../../../kernel/mm/swapfile.ts';
import { swapoff } from '../../../kernel/mm/swapoff.ts';
import { swapon } from '../../../kernel/mm/swapon.ts';
import { user_read, user_write } from '../../../kernel/mm/uaccess.ts';
import { PTE_SPECIAL, pt_walk, pte_pfn, pte_present } from '../../../kernel/mm/user_pgtable.ts';
import { global_zone_page_state } from '../../../kernel/mm/vmstat.ts';
import { vmstat_update } from '../../../kernel/mm/vmstat_update.ts';
import { workingset_eviction } from '../../../kernel/mm/workingset.ts';
import { cond_resched } from '../../../kernel/sched/core.ts';
import { user_mode_thread } from '../../../kernel/sched/fork.ts';
import { kthread_run } from '../../../kernel/sched/kthread.ts';
import { run } from '../../../kernel/sched/run.ts';
import type { Sleeping } from '../../../kernel/sched/sleeping.ts';
import { schedule_timeout_uninterruptible } from '../../../kernel/sched/timeout.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { add_area, in_task, swap_machine } from '../../../kernel/tests/swap_area.ts';
import { diskHw } from '../../support/hw.ts';

const BASE = 0x10000000;
const PAGES = 120;
const AREA_PAGES = 1500;

const machine: TestMachine = {
  kernel: (ram, { config = recorder, boot_params, disks = [] } = {}) =>
    new Kernel(diskHw(ram, disks, boot_params), config),
};

/** Below `ceil`, out of one seed. */
function chances(seed: number): (ceil: number) => number {
  let state = seed * 2654435761 + 1;
  return (ceil) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * ceil);
  };
}

/** What reclaim does to one page, as far as swap goes. */
function* swap_out(k: Kernel, pfn: pfn_t): Sleeping<boolean> {
  if (!folio_trylock(k, pfn)) return false;
  folio_get(k, pfn);
  if (!folio_test(k, pfn, PG_swapcache) && !add_to_swap(k, pfn)) return give_up(k, pfn);
  try_to_unmap(k, pfn, 0);
  if (folio_test(k, pfn, PG_dirty) && !folio_test(k, pfn, PG_writeback)) {
    folio_set(k, pfn, PG_reclaim);
    if (swap_write_congested(k, pfn)) yield* swap_write_wait(k, pfn);
    const m = k.mm.section_mem_map[pfn >>> 15]!;
    m[(pfn & 0x7fff) << 4]! &= ~(1 << PG_dirty);
    swap_writepage(k, pfn);
    yield* folio_wait_writeback(k, pfn);
    if (!folio_trylock(k, pfn)) {
      folio_put(k, pfn);
      return false;
    }
  }
  const idle = page_count(k, pfn) === 2 && !folio_test(k, pfn, PG_dirty) && !folio_test(k, pfn, PG_writeback);
  if (!idle || !folio_test(k, pfn, PG_swapcache)) return give_up(k, pfn);
  const entry = folio_swap_entry(k, pfn);
  __delete_from_swap_cache(k, pfn, entry, workingset_eviction(k, pfn, null));
  put_swap_folio(k, entry);
  folio_unlock(k, pfn);
  folio_put(k, pfn);
  folio_put(k, pfn);
  return true;
}

function give_up(k: Kernel, pfn: pfn_t): boolean {
  folio_unlock(k, pfn);
  folio_put(k, pfn);
  return false;
}

interface Process {
  readonly mm: mm_struct;
  /** What each page has to hold; 0: nothing was written. */
  readonly wanted: number[];
}

interface Faults {
  readonly read?: number;
  readonly write?: number;
  readonly stall?: number;
}

class Soak {
  readonly k: Kernel;
  readonly chance: (ceil: number) => number;
  readonly processes: Process[] = [];
  readonly wrong: string[] = [];
  bus_errors = 0;
  swapped_out = 0;
  running = 0;
  #next = 1;

  constructor(seed: number, rotational: boolean) {
    const test = new kunit('soak', machine);
    const disk = { sectors: AREA_PAGES * 8, rotational };
    this.k = swap_machine(test, [disk, disk], { cpus: [0, 0] });
    this.chance = chances(seed);
  }

  free(): number {
    lru_add_drain_all(this.k);
    drain_all_pages(this.k, null);
    vmstat_update(this.k);
    return global_zone_page_state(this.k, NR_FREE_PAGES);
  }

  /** Works on its own address space, forks at times, and gives all of it back at the end. */
  *#user(mm: mm_struct, wanted: number[], steps: number): Sleeping<void> {
    const { k, chance } = this;
    const process = { mm, wanted };
    this.processes.push(process);
    for (let step = 0; step < steps; step++) {
      const page = chance(PAGES);
      const what = chance(100);
      if (what < 45) yield* this.#write(process, page);
      else if (what < 90) yield* this.#check(process, page);
      else if (what < 93) {
        yield* vm_munmap(k, mm, BASE + page * PAGE_SIZE, PAGE_SIZE);
        yield* vm_mmap(k, mm, BASE + page * PAGE_SIZE, PAGE_SIZE, VM_READ | VM_WRITE);
        wanted[page] = 0;
      } else if (what < 95 && this.running < 6) {
        const child = yield* dup_mm(k, mm);
        if (child !== null) this.start(child, [...wanted], Math.floor(steps / 4));
      } else yield* schedule_timeout_uninterruptible(k, 1);
      yield* cond_resched(k);
    }
    for (let page = 0; page < PAGES; page++) yield* this.#check(process, page);
    this.processes.splice(this.processes.indexOf(process), 1);
    yield* mmput(k, mm);
    this.running--;
  }

  start(mm: mm_struct, wanted: number[], steps: number): void {
    this.running++;
    user_mode_thread(this.k, 'user', () => this.#user(mm, wanted, steps));
  }

  *#write({ mm, wanted }: Process, page: number): Sleeping<void> {
    const value = this.#next++;
    const bytes = new Uint8Array(Uint32Array.of(value, ~value).buffer);
    const error = yield* user_write(this.k, mm, BASE + page * PAGE_SIZE + 8, bytes);
    if (error === 0) wanted[page] = value;
    else this.#failed(error, `write to page ${page}`);
  }

  *#check({ mm, wanted }: Process, page: number): Sleeping<void> {
    const bytes = new Uint8Array(8);
    const error = yield* user_read(this.k, mm, BASE + page * PAGE_SIZE + 8, bytes);
    const value = wanted[page]!;
    const [low, high] = new Uint32Array(bytes.buffer);
    if (error !== 0) this.#failed(error, `read of page ${page}`);
    else if (low !== value || high !== (value === 0 ? 0 : ~value >>> 0)) {
      this.wrong.push(`page ${page} holds ${low}, not ${value}`);
    }
  }

  #failed(error: number, what: string): void {
    if (error === -EIO) this.bus_errors++;
    else this.wrong.push(`${what}: ${error}`);
  }

  *#reclaimer(): Sleeping<void> {
    const { k, chance, processes } = this;
    while (this.running > 0) {
      const process = processes[chance(processes.length)];
      const at = process === undefined ? -1 : pt_walk(k, process.mm, BASE + chance(PAGES) * PAGE_SIZE);
      if (at >= 0 && process !== undefined) {
        const lo = process.mm.walk_words[at]!;
        const hi = process.mm.walk_words[at + 1]!;
        if (pte_present(lo) && (lo & PTE_SPECIAL) === 0) {
          const pfn = pte_pfn(lo, hi);
          if (!folio_test(k, pfn, PG_lru)) lru_add_drain_all(k);
          if (yield* swap_out(k, pfn)) this.swapped_out++;
        }
      }
      if (chance(100) === 0) yield* schedule_timeout_uninterruptible(k, 1);
      yield* cond_resched(k);
    }
  }

  /** Takes one area away and brings it back, again and again. */
  *#switcher(): Sleeping<void> {
    const { k } = this;
    while (this.running > 0) {
      yield* schedule_timeout_uninterruptible(k, 50);
      if ((yield* swapoff(k, '/dev/vdb')) === 0) yield* swapon(k, '/dev/vdb', 0);
    }
  }

  run(steps: number, faults: Faults, switching: boolean): void {
    const { k } = this;
    add_area(k, '/dev/vda');
    add_area(k, '/dev/vdb');
    for (const disk of k.block.disks) disk_inject(k, disk, { ...faults, stall_us: 20_000 });
    for (let n = 0; n < 3; n++) {
      const mm = in_task(k, function* () {
        const made = (yield* mm_alloc(k))!;
        yield* vm_mmap(k, made, BASE, PAGES * PAGE_SIZE, VM_READ | VM_WRITE);
        return made;
      });
      this.start(mm, new Array<number>(PAGES).fill(0), steps);
    }
    for (let n = 0; n < 3; n++) kthread_run(k, 'reclaimer', () => this.#reclaimer());
    if (switching) kthread_run(k, 'switcher', () => this.#switcher());
    expect(run(k, { until: () => this.running === 0 })).toBe('done');
    run(k, { for_ns: 10e9 });
  }

  finish(free_before: number): void {
    const { k } = this;
    for (const disk of k.block.disks) disk_inject(k, disk, { read: 0, write: 0, stall: 0 });
    for (const path of ['/dev/vda', '/dev/vdb']) expect(in_task(k, () => swapoff(k, path))).toBe(0);
    expect(this.wrong).toEqual([]);
    expect([k.swap.nr_swap_pages, k.swap.total_swap_pages]).toEqual([0, 0]);
    expect(this.free()).toBe(free_before);
    expect(k.folio_wait.queues.size).toBe(0);
    expect(k.log.records.filter(({ text }) => /BUG|WARNING|Bad|Unused/.test(text))).toEqual([]);
  }
}

const rows = [
  { name: 'a disk that does what it should', seed: 1, rotational: false, faults: {}, switching: false },
  { name: 'a rotating one', seed: 2, rotational: true, faults: {}, switching: false },
  { name: 'writes that fail', seed: 3, rotational: false, faults: { write: 200_000 }, switching: false },
  { name: 'requests that stall', seed: 4, rotational: false, faults: { stall: 50_000 }, switching: false },
  { name: 'an area that comes and goes', seed: 5, rotational: false, faults: {}, switching: true },
  {
    name: 'all of it',
    seed: 6,
    rotational: false,
    faults: { write: 100_000, stall: 20_000 },
    switching: true,
  },
] as const;

describe('no page is lost and no contents are', () => {
  it.each(rows)('$name', ({ seed, rotational, faults, switching }) => {
    const soak = new Soak(seed, rotational);
    const free = soak.free();
    soak.run(1500, faults, switching);
    expect(soak.bus_errors).toBe(0);
    expect(soak.swapped_out).toBeGreaterThan(100);
    soak.finish(free);
  });

  it('what cannot be read is an error to whoever asked, and never other contents', () => {
    const soak = new Soak(7, false);
    const free = soak.free();
    soak.run(1500, { read: 50_000 }, false);
    expect(soak.bus_errors).toBeGreaterThan(0);
    soak.finish(free);
  });

  it('the same seed is the same run', () => {
    const logs = [1, 2].map(() => {
      const soak = new Soak(8, false);
      soak.run(400, { write: 100_000, read: 20_000, stall: 20_000 }, true);
      return [soak.k.sched.now, soak.swapped_out, soak.bus_errors, soak.k.log.records];
    });
    expect(logs[0]).toEqual(logs[1]);
  });
});
