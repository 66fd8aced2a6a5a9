// Every workload on small machines, with swap and without: it comes to an end, every page has one owner then and all the
// while, contents are what was written, and the same seed is the same run.
//
// PGDAT_SOAK=1: on 1, 2 and 4 nodes, from 256 MiB to 16 GiB, which takes so much of the host's memory too.

import { execFile } from 'node:child_process';
import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { lookup_disk } from '../../../kernel/drivers/block/disk.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit } from '../../../kernel/lib/kunit.ts';
import { kswapd_init } from '../../../kernel/mm/kswapd.ts';
import { nodes_of, running } from '../../../kernel/tests/allocator.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { add_area } from '../../../kernel/tests/swap_area.ts';
import { ftrace_set_clr_event } from '../../../kernel/trace/trace_events.ts';
import { disk_contents } from '../../../kernel/workloads/contents.ts';
import { disk_pages, run_workloads, type WorkloadResult, workloads } from '../../../kernel/workloads/workloads.ts';
import { diskHw } from '../../support/hw.ts';

const NODE_MIB = 32;
const PAGES_PER_MIB = 256;
const SECTORS = 8;
const soak = process.env['PGDAT_SOAK'] !== undefined;

/** One CPU a node. The disk for files comes last. */
function pressed(
  names: readonly string[],
  seed: number,
  nr_nodes: number,
  swap_mib: number,
  traced = false,
): WorkloadResult {
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
  if (traced) ftrace_set_clr_event(k, '*:*', true);
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

/** The latest events as they are in the buffer, and how many there have been, beside all else that is told of a run. */
function trace_of(name: string, seed: number): readonly [string, Buffer] {
  const { work, sampler, time_ns } = pressed([name], seed, 1, 32, true);
  const { words, written } = work.k.trace.buffer!;
  const told = [time_ns, sampler.samples, sampler.totals(), work.k.log.records.map(({ text }) => text), written];
  return [JSON.stringify(told), Buffer.from(words.buffer)];
}

/** Those that leave nothing to chance. */
const certain = ['groups', 'hog', 'hugepage'];
const seeded = soak ? workloads.map(({ name }) => name) : ['fragment', 'atomic', 'hugepage'];

it.each(seeded)('%s: the same seed is the same trace, byte for byte', { timeout: 300_000 }, (name) => {
  const [told, trace] = trace_of(name, 7);
  const [again, same] = trace_of(name, 7);
  expect(again).toBe(told);
  expect(trace.equals(same)).toBe(true);
  expect(trace.equals(trace_of(name, 8)[1])).toBe(certain.includes(name));
});

const topologies = [1, 2, 4];

const machine_options = (nodes: number, mib: number): string[] => [
  ...['-m', `${mib}M`, '-smp', String(nodes)],
  ...Array.from({ length: nodes === 1 ? 0 : nodes }, (_, n) => [
    ...['-object', `memory-backend-ram,id=m${n},size=${mib / nodes}M`],
    ...['-numa', `node,nodeid=${n},cpus=${n},memdev=m${n}`],
  ]).flat(),
];

const on = (name: string, nodes: number, mib: number, swap: boolean) => ({
  name,
  mib,
  what: `${nodes} nodes, ${mib} MiB, ${swap ? 'with' : 'without'} swap`,
  argv: [...machine_options(nodes, mib), ...(swap ? ['--swap', `${mib}M`] : [])],
});

/**
 * Every workload on every topology, on the smallest machines with swap and without. As machines grow, which take as much of the
 * host's time, each workload goes on a topology of each size, and with swap on one of the two largest.
 */
const matrix = workloads.flatMap(({ name }, n) => [
  ...topologies.flatMap((nodes, at) => [
    on(name, nodes, 256, true),
    on(name, nodes, 256, false),
    on(name, nodes, 1024, (n + at) % 2 === 0),
  ]),
  on(name, topologies[(2 * n + 1) % 3]!, 4096, n % 2 === 1),
  on(name, topologies[(2 * n + 2) % 3]!, 16384, n % 2 === 0),
]);

/** As a process of its own, whose memory is free again when it ends. */
const pgdat = promisify(execFile);
const entry = fileURLToPath(new URL('../../../bin/pgdat.mjs', import.meta.url));

describe.runIf(soak)('the matrix', () => {
  for (const { name, what, argv, mib } of matrix.sort((a, b) => a.mib - b.mib)) {
    // One who has less memory than the machine and its keeper cannot have it.
    it.skipIf(totalmem() < 1.2 * mib * 2 ** 20)(`${name} on ${what}`, { timeout: 3_600_000 }, async () => {
      const all = [entry, 'boot', '--firmware', 'none', ...argv, '--workload', name];
      const { stdout, stderr } = await pgdat(process.execPath, all, { maxBuffer: 2 ** 26 });
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^workload .*: finished after /m);
      expect(stdout).toMatch(/each has one owner, and all counters agree/);
    });
  }
});
