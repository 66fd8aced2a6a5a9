// Machines with swap areas, and pages to put there, for tests of swap.

import { REQ_OP_WRITE, submit_bio_wait } from '../drivers/block/blk.ts';
import { lookup_disk } from '../drivers/block/disk.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../include/gfp_types.ts';
import { PG_locked, PG_swapbacked, PG_uptodate } from '../include/page_flags.ts';
import { PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug } from '../lib/bug.ts';
import { folio_set } from '../mm/folio.ts';
import { mkswap, type SwapAreaOptions } from '../mm/mkswap.ts';
import { __alloc_pages, __free_pages } from '../mm/page_alloc.ts';
import { swapon } from '../mm/swapon.ts';
import { run } from '../sched/run.ts';
import { run_task } from '../sched/run_task.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { nodes_of, type Running, running } from './allocator.ts';
import type { Test, TestDisk } from './env.ts';

export const SECTORS_PER_PAGE = 8;

/** Empty disks of so many pages. */
export const disks_of = (...pages: number[]): TestDisk[] =>
  pages.map((count) => ({ sectors: count * SECTORS_PER_PAGE }));

export const swap_machine = (test: Test, disks: readonly TestDisk[], options: Running = {}): Kernel =>
  running(test, nodes_of(1, 64), { ...options, disks });

/** Runs `body` as a task, up to its end. */
export function in_task<T>(k: Kernel, body: () => Sleeping<T>): T {
  const results: T[] = [];
  const how = run_task(k, 'task', function* () {
    results.push(yield* body());
  });
  if (how !== 'done') throw new KernelBug(`kernel BUG: a test's task ends as ${how}`);
  return results[0]!;
}

/** Writes `bytes` to the disk's first page. */
export function write_header(k: Kernel, path: string, bytes: Uint8Array): void {
  in_task(k, function* () {
    const pfn = __alloc_pages(k, GFP_KERNEL, 0, 0);
    k.hw.ram.write(pfn * PAGE_SIZE, bytes);
    const error = yield* submit_bio_wait(k, lookup_disk(k, path)!, REQ_OP_WRITE, 0, pfn);
    __free_pages(k, pfn, 0);
    return error;
  });
}

/** An area over all of the disk. @returns what swapon() did */
export function add_area(k: Kernel, path: string, flags = 0, options: SwapAreaOptions = {}): number {
  write_header(k, path, mkswap(lookup_disk(k, path)!.sectors / SECTORS_PER_PAGE, options));
  return in_task(k, () => swapon(k, path, flags));
}

/** A machine with one area, over a disk of so many pages. */
export function machine_with_area(
  test: Test,
  pages: number,
  disk: Partial<TestDisk> = {},
  options: Running = {},
): Kernel {
  const k = swap_machine(test, [{ ...disk, sectors: pages * SECTORS_PER_PAGE }], options);
  add_area(k, '/dev/vda');
  return k;
}

/** A locked page as a fault leaves an anonymous one, every byte of it `byte`. */
export function anonymous_page(k: Kernel, byte = 0): pfn_t {
  const pfn = __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 0);
  for (const flag of [PG_locked, PG_swapbacked, PG_uptodate]) folio_set(k, pfn, flag);
  k.hw.ram.fill(pfn * PAGE_SIZE, PAGE_SIZE, byte);
  return pfn;
}

/** Time passes until the disks have nothing left to do. */
export const settle = (k: Kernel): void => void run(k, { for_ns: 100e9 });
