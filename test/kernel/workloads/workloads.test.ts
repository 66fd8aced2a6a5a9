// Every workload on small machines, with swap and without: it comes to an end, every page has one owner then and all the
// while, contents are what was written, and the same seed is the same run.
//
// PGDAT_SOAK=1: on 1, 2 and 4 nodes, from 256 MiB to 16 GiB.

import { describe, expect, it } from 'vitest';
import { bootCommand } from '../../../cli/boot.ts';
import { dispatch } from '../../../cli/main.ts';
import { recorder } from '../../../kernel/config.ts';
import { lookup_disk } from '../../../kernel/drivers/block/disk.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit } from '../../../kernel/lib/kunit.ts';
import { kswapd_init } from '../../../kernel/mm/kswapd.ts';
import { nodes_of, running } from '../../../kernel/tests/allocator.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { add_area } from '../../../kernel/tests/swap_area.ts';
import { disk_contents } from '../../../kernel/workloads/contents.ts';
import { disk_pages, run_workloads, type WorkloadResult, workloads } from '../../../kernel/workloads/workloads.ts';
import { Captured } from '../../support/capture.ts';
import { diskHw } from '../../support/hw.ts';

const NODE_MIB = 32;
const PAGES_PER_MIB = 256;
const SECTORS = 8;
const soak = process.env['PGDAT_SOAK'] !== undefined;

/** One CPU a node. The disk for files comes last. */
function pressed(names: readonly string[], seed: number, nr_nodes: number, swap_mib: number): WorkloadResult {
  const chosen = workloads.filter(({ name }) => names.includes(name));
  const files = disk_pages(chosen, nr_nodes * NODE_MIB * PAGES_PER_MIB);
  const disks = [
    ...(swap_mib > 0 ? [{ sectors: swap_mib * PAGES_PER_MIB * SECTORS, seed: 1 }] : []),
    ...(files > 0 ? [{ sectors: files * SECTORS, seed: 2, contents: disk_contents(seed) }] : []),
  ];
  const machine: TestMachine = {
    kernel: (ram, { config = recorder, boot_params } = {}) => new Kernel(diskHw(ram, disks, boot_params), config),
  };
  const cpus = Array.from({ length: nr_nodes }, (_, nid) => nid);
  const k = running(new kunit('workloads', machine), nodes_of(nr_nodes, NODE_MIB), { cpus });
  kswapd_init(k);
  if (swap_mib > 0) add_area(k, '/dev/vda');
  return run_workloads(k, chosen, seed, files > 0 ? lookup_disk(k, swap_mib > 0 ? '/dev/vdb' : '/dev/vda') : null);
}

const outcome = ({ ended, problems, work }: WorkloadResult) => ({ ended, problems, wrong: work.wrong });
const states = ({ work }: WorkloadResult) => [...new Set(work.actors.map(({ state }) => state))];
const well = { ended: 'finished', problems: [], wrong: [] };

describe.each(workloads.map(({ name }) => name))('%s', (name) => {
  it('with swap', () => {
    const result = pressed([name], 1, 2, 64);
    expect(outcome(result)).toEqual(well);
    expect(states(result)).toEqual(['finished']);
    expect(result.work.actors.every(({ read }) => read > 0)).toBe(true);
  });

  it('without', () => {
    const result = pressed([name], 2, 1, 0);
    expect(outcome(result)).toEqual(well);
    const killed = 'killed by the OOM killer';
    // Only where nothing but killing makes room.
    if (name === 'fill' || name === 'hog') expect(states(result)).toEqual([killed]);
    else
      expect(['finished', killed, 'not begun: its parent was killed']).toEqual(expect.arrayContaining(states(result)));
  });
});

it('several at once', () => {
  const result = pressed(['hog', 'stream', 'hugepage'], 3, 1, 64);
  expect(outcome(result)).toEqual(well);
});

it('the same seed is the same run', () => {
  const view = (seed: number) => {
    const { work, sampler, time_ns } = pressed(['fragment', 'atomic'], seed, 1, 32);
    return JSON.stringify([time_ns, sampler.samples, sampler.totals(), work.k.log.records]);
  };
  const first = view(7);
  expect(view(7) === first).toBe(true);
  expect(view(8) === first).toBe(false);
});

const topologies = [
  { nodes: 1, options: (mib: number) => ['-m', `${mib}M`] },
  ...[2, 4].map((nodes) => ({
    nodes,
    options: (mib: number) => [
      ...['-m', `${mib}M`, '-smp', String(nodes)],
      ...Array.from({ length: nodes }, (_, n) => [
        ...['-object', `memory-backend-ram,id=m${n},size=${mib / nodes}M`],
        ...['-numa', `node,nodeid=${n},cpus=${n},memdev=m${n}`],
      ]).flat(),
    ],
  })),
];

const matrix = topologies.flatMap(({ nodes, options }) =>
  [256, 1024, 4096, 16384].flatMap((mib) =>
    [true, false].flatMap((swap) =>
      workloads.map(({ name }) => ({
        name,
        what: `${nodes} nodes, ${mib} MiB, ${swap ? 'with' : 'without'} swap`,
        argv: [...options(mib), ...(swap ? ['--swap', `${mib}M`] : [])],
      })),
    ),
  ),
);

describe.runIf(soak)('the matrix', () => {
  it.each(matrix)('$name on $what', { timeout: 3_600_000 }, async ({ name, argv }) => {
    const output = new Captured();
    const all = ['boot', '--firmware', 'none', ...argv, '--workload', name];
    expect([await dispatch([bootCommand], all, output), output.stderr]).toEqual([0, '']);
  });
});
