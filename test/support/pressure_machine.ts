// Machines for properties of memory pressure: nodes, CPUs, swap areas and a disk for files; everything runs that reclaims.

import fc from 'fast-check';
import { recorder } from '../../kernel/config.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { kunit } from '../../kernel/lib/kunit.ts';
import { node_set } from '../../kernel/lib/nodemask.ts';
import { fail_page_alloc_debugfs } from '../../kernel/mm/fail_page_alloc.ts';
import { kcompactd_init } from '../../kernel/mm/kcompactd.ts';
import { kswapd_init } from '../../kernel/mm/kswapd.ts';
import { oom_init } from '../../kernel/mm/oom_reaper.ts';
import { start_reclaim } from '../../kernel/mm/reclaim.ts';
import { start_shepherd_timer } from '../../kernel/mm/vmstat_shepherd.ts';
import { hung_task_init } from '../../kernel/sched/hung_task.ts';
import { nodes_of, running } from '../../kernel/tests/allocator.ts';
import type { TestMachine } from '../../kernel/tests/env.ts';
import { add_area } from '../../kernel/tests/swap_area.ts';
import { diskHw } from './hw.ts';

export interface PressureSpec {
  readonly nodes: number;
  readonly mib: number;
  /** MiB that the kernel leaves for tasks and files. */
  readonly room: number;
  readonly cpus: number;
  /** MiB of each area. */
  readonly swap: readonly number[];
  readonly rotational: boolean;
  /** Of a million requests to disks: reads and writes that fail, and what stalls. */
  readonly faults: { readonly read: number; readonly write: number; readonly stall: number };
  /** Percent of requests for pages that fail on purpose, at times. */
  readonly fail_page_alloc: number;
  readonly cpusets: boolean;
  /** The last area is switched off and on. */
  readonly switching: boolean;
  /** What tasks want together, in percent of memory and swap. */
  readonly demand: number;
  readonly seed: number;
}

const machine: TestMachine = {
  kernel: (ram, { config = recorder, boot_params, disks = [] } = {}) =>
    new Kernel(diskHw(ram, disks, boot_params), config),
};

const SECTORS_PER_MIB = 2048;
export const FILES_MIB = 32;

/** Areas come first; the last disk is for files. */
export function pressureMachine({ nodes, mib, cpus, swap, rotational, seed }: PressureSpec): Kernel {
  const disks = [...swap, FILES_MIB].map((size) => ({ sectors: size * SECTORS_PER_MIB, rotational, seed }));
  const k = running(new kunit('pressure', machine), nodes_of(nodes, mib / nodes), {
    cpus: Array.from({ length: cpus }, (_, cpu) => cpu % nodes),
    disks,
  });
  for (let nid = 0; nid < nodes; nid++) node_set(nid, k.node_states.N_MEMORY);
  hung_task_init(k);
  oom_init(k);
  kcompactd_init(k);
  kswapd_init(k);
  fail_page_alloc_debugfs(k);
  start_reclaim(k);
  start_shepherd_timer(k);
  for (const n of swap.keys()) add_area(k, `/dev/vd${String.fromCharCode(97 + n)}`);
  return k;
}

export const anyPressure: fc.Arbitrary<PressureSpec> = fc.record({
  nodes: fc.constantFrom(1, 2, 4),
  mib: fc.constantFrom(64, 128, 256),
  room: fc.constantFrom(8, 12, 16),
  cpus: fc.integer({ min: 1, max: 4 }),
  swap: fc.constantFrom([], [8], [64], [16, 16]),
  rotational: fc.boolean(),
  faults: fc.record({
    read: fc.constantFrom(0, 0, 50_000),
    write: fc.constantFrom(0, 0, 100_000),
    stall: fc.constantFrom(0, 0, 20_000),
  }),
  fail_page_alloc: fc.constantFrom(0, 0, 5),
  cpusets: fc.boolean(),
  switching: fc.boolean(),
  demand: fc.integer({ min: 80, max: 180 }),
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
});
