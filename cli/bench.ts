// `pgdat bench`: what things cost on this host. Whole processes are measured, from exec to exit, as a user waits for
// them; the stages inside are what the process itself says (`pgdat boot --times`).

import { spawnSync } from 'node:child_process';
import { parseQemuOptions } from '../emu/config/qemu_options.ts';
import { benchKernel, benchMixes, benchPairs, mixesText, pairsText } from './bench_alloc.ts';
import { benchReclaim, type ReclaimResult, reclaimText } from './bench_reclaim.ts';
import { type Command, EXIT_FAILED, EXIT_OK, type Output, UsageError } from './command.ts';
import { userPath } from './path.ts';
import { type Spread, spread } from './spread.ts';

interface Subject {
  readonly name: string;
  readonly options: readonly string[];
}

const node = (nid: number, size: string): string[] => [
  '-object',
  `memory-backend-ram,id=m${nid},size=${size}`,
  '-numa',
  `node,nodeid=${nid},memdev=m${nid},cpus=${nid}`,
];

const subjects: readonly Subject[] = [
  { name: 'default: 4 GiB on 2 nodes', options: [] },
  {
    name: '64 GiB on 4 nodes',
    options: ['-m', '64G', '-smp', '4', ...[0, 1, 2, 3].flatMap((nid) => node(nid, '16G'))],
  },
];

interface Measured {
  readonly name: string;
  readonly firmware: string;
  readonly runs: number;
  readonly wall_ms: Spread;
  readonly peak_rss_mib: Spread;
  /** struct page for every page of RAM. */
  readonly memory_map_mib: number;
  readonly stages: readonly { readonly name: string; readonly ms: Spread }[];
}

interface Run {
  readonly wall_ms: number;
  readonly peak_rss_mib: number;
  readonly stages: readonly { readonly name: string; readonly ms: number }[];
}

/** How often each is measured. */
const RUNS: Readonly<Record<string, number>> = { boot: 9, alloc: 21, reclaim: 5 };

/** MiB of the machines that bench reclaim boots. */
const RECLAIM_SIZES = [256, 1024, 4096];

export const benchCommand: Command = {
  spec: {
    name: 'bench',
    operands: 'boot|alloc|reclaim',
    summary: 'measures whole boots, the page allocator, or reclaim',
    options: [
      {
        name: '--runs',
        value: 'N',
        choices: [],
        help: 'boots of each machine (default 9), rounds of the allocator (default 21) or of reclaim (default 5)',
      },
      {
        name: '--firmware',
        value: 'bios|none',
        choices: ['bios', 'none'],
        help: 'boot: one of the two (default: both in turn)',
      },
      {
        name: '--linux',
        value: 'COMMAND',
        choices: [],
        help: "alloc: a program that times Linux's allocator on this host (docs/bench.md), run beside ours",
      },
      { name: '--json', value: null, choices: [], help: 'the numbers as data' },
    ],
    rest: 'operands',
    operand_count: [1, 1],
    notes: [
      'Prints medians with the fastest and the slowest run (docs/bench.md). Nothing else should run on the host meanwhile.',
    ],
  },
  run(values, [what], output) {
    const default_runs = RUNS[what ?? ''];
    if (default_runs === undefined) {
      throw new UsageError([`cannot measure '${what}'; what can be measured: ${Object.keys(RUNS).join(', ')}`]);
    }
    const runs = Number(values.get('--runs') ?? default_runs);
    if (!Number.isInteger(runs) || runs < 1 || runs > 1000) {
      throw new UsageError([`--runs is a number from 1 to 1000, found '${values.get('--runs')}'`]);
    }
    if (what !== 'boot' && values.has('--firmware')) throw new UsageError([`--firmware is not for bench ${what}`]);
    if (what !== 'alloc' && values.has('--linux')) throw new UsageError([`--linux is not for bench ${what}`]);
    if (what === 'reclaim') return reclaim(runs, values.has('--json'), output);
    if (what === 'alloc') return benchAlloc(runs, values.get('--linux') ?? undefined, values.has('--json'), output);
    const firmwares = values.has('--firmware') ? [values.get('--firmware')!] : ['bios', 'none'];
    const results: Measured[] = [];
    for (const subject of subjects) {
      for (const firmware of firmwares) {
        const result = measure(subject, firmware, runs);
        if (typeof result === 'string') {
          output.err(`pgdat bench: ${subject.name}, --firmware ${firmware}: ${result}\n`);
          return EXIT_FAILED;
        }
        results.push(result);
        if (!values.has('--json')) output.out(`${textOf(result)}\n`);
      }
    }
    if (values.has('--json')) output.out(`${JSON.stringify({ boot: results }, null, 1)}\n`);
    return EXIT_OK;
  },
};

function reclaim(rounds: number, json: boolean, output: Output): number {
  const results: ReclaimResult[] = [];
  for (const memory_mib of RECLAIM_SIZES) {
    const measured = benchReclaim(memory_mib, rounds);
    results.push(...measured);
    if (!json) output.out(`${reclaimText(measured)}\n`);
  }
  if (json) output.out(`${JSON.stringify({ reclaim: results }, null, 1)}\n`);
  return EXIT_OK;
}

function benchAlloc(rounds: number, linux: string | undefined, json: boolean, output: Output): number {
  // Linux before and after, and the least of it: what it prints is time on the clock, others' work included.
  const before = linux === undefined ? null : runLinux(linux);
  const pairs = benchPairs(benchKernel(), rounds);
  const after = linux === undefined ? null : runLinux(linux);
  const beside = before === null || after === null ? null : before.map((ns, order) => Math.min(ns, after[order] ?? ns));
  const mixes = benchMixes(benchKernel(), Math.min(rounds, 9));
  if (json) {
    const rows = pairs.map((pair) => {
      const ns = beside?.[pair.order];
      return ns === undefined ? pair : { ...pair, linux_ns: ns, ratio: pair.ns / ns };
    });
    output.out(`${JSON.stringify({ pairs: rows, mixes }, null, 1)}\n`);
  } else {
    output.out(`${pairsText(pairs, beside)}\n\n${mixesText(mixes)}\n`);
  }
  return EXIT_OK;
}

/** Runs what prints "order N X ns per alloc+free pair". @returns the least that it printed for each order */
function runLinux(command: string): number[] {
  const child = spawnSync(command.includes('/') ? userPath(command) : command, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const found: number[][] = [];
  for (const [, order, ns] of (child.stdout ?? '').matchAll(/^order (\d+) ([\d.]+) ns per alloc\+free pair$/gm)) {
    found[Number(order)] ??= [];
    found[Number(order)]!.push(Number(ns));
  }
  if (found.length === 0) throw new UsageError([`--linux: '${command}' printed no "order N X ns per alloc+free pair"`]);
  return found.map((list) => Math.min(...list));
}

/** @returns the numbers, or what went wrong */
function measure({ name, options }: Subject, firmware: string, runs: number): Measured | string {
  const argv = ['boot', '--times', '--firmware', firmware, ...options];
  // The first run may build, and fills the host's caches.
  const measured: Run[] = [];
  for (let i = 0; i <= runs; i++) {
    const run = runOnce(argv);
    if (typeof run === 'string') return run;
    if (i > 0) measured.push(run);
  }
  const stages = measured[0]!.stages.map((stage, i) => ({
    name: stage.name,
    ms: spread(measured.map((run) => run.stages[i]!.ms)),
  }));
  return {
    name,
    firmware,
    runs,
    wall_ms: spread(measured.map((run) => run.wall_ms)),
    peak_rss_mib: spread(measured.map((run) => run.peak_rss_mib)),
    memory_map_mib: memoryMapMib(options),
    stages,
  };
}

function runOnce(argv: readonly string[]): Run | string {
  const begun = performance.now();
  const child = spawnSync(process.execPath, [process.argv[1]!, ...argv], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const wall_ms = performance.now() - begun;
  if (child.status !== 0) return child.stderr.trim().split('\n')[0] ?? `exit code ${child.status}`;
  const rss = /^ *([\d.]+) MiB resident/m.exec(child.stderr);
  const stages = [...child.stderr.matchAll(/^ *([\d.]+) ms {2}(\w+)$/gm)];
  return {
    wall_ms,
    peak_rss_mib: Number(rss?.[1]),
    stages: stages.map((match) => ({ name: match[2]!, ms: Number(match[1]) })),
  };
}

function memoryMapMib(options: readonly string[]): number {
  const parsed = parseQemuOptions(options);
  if ('errors' in parsed) throw new UsageError(parsed.errors);
  const bytes = parsed.config.layout.ram.reduce((sum, { start, end }) => sum + end - start, 0);
  return ((bytes / 4096) * 64) / 2 ** 20;
}

function textOf({ name, firmware, runs, wall_ms, peak_rss_mib, memory_map_mib, stages }: Measured): string {
  const range = ({ median, min, max }: Spread, digits: number) =>
    `${median.toFixed(digits).padStart(9)}  (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
  const over = peak_rss_mib.median - memory_map_mib;
  return [
    `${name}, --firmware ${firmware}, median of ${runs} (fastest to slowest)`,
    `${range(wall_ms, 0)} ms   whole process`,
    `${range(peak_rss_mib, 0)} MiB  resident at most: the memory map's ${memory_map_mib} MiB and ${over.toFixed(0)} MiB`,
    ...stages.filter(({ ms }) => ms.median >= 0.05).map((stage) => `${range(stage.ms, 2)} ms   ${stage.name}`),
    '',
  ].join('\n');
}
