// docs/pressure.md: its charts are what the command prints, its tables what the recorded kernel and this one count.
//
// PGDAT_SOAK=1: also the cases that take long. PGDAT_DOCS=write: puts what has changed into the page.

import { expect, test } from 'vitest';
import { cgroup_read } from '../../kernel/cgroup/memory_files.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { for_each_populated_zone } from '../../kernel/mm/mmzone_iter.ts';
import type { Sleeping } from '../../kernel/sched/sleeping.ts';
import { tracefs_read } from '../../kernel/trace/trace.ts';
import { ftrace_set_clr_event, set_buf_size } from '../../kernel/trace/trace_events.ts';
import { fill } from '../../kernel/workloads/fill.ts';
import { hog } from '../../kernel/workloads/hog.ts';
import type { Actor, WorkloadRun } from '../../kernel/workloads/workload_run.ts';
import { docParts, printedBy } from '../support/doc_parts.ts';
import { booted, type Pressed, pressed, type Recording, recording } from '../support/pressure.ts';
import {
  type Burst,
  bursts,
  compact,
  fragmentation,
  holes,
  huge,
  limited,
  pause,
  stream,
} from '../support/pressure_cases.ts';

import { printed } from '../support/zoned.ts';

const { commands, holds } = docParts('pressure.md');
const soak = process.env['PGDAT_SOAK'] !== undefined;

test.each(commands)(
  'pgdat %s',
  async (command) => {
    const output = await printedBy(command);
    const text = output.slice(output.indexOf('\nworkload ') + 1).trimEnd();
    holds(`pgdat ${command}`, `\`\`\`\n$ pgdat ${command}\n...\n${text}\n\`\`\`\n`);
  },
  60_000,
);

type Row = readonly [what: string, linux: string | number, pgdat: string | number];

const shown = (value: string | number): string => (typeof value === 'number' ? value.toLocaleString('en-US') : value);

const table = (rows: readonly Row[]): string =>
  [
    '| | Linux 6.1 | pgdat |',
    '| --- | ---: | ---: |',
    ...rows.map(([what, a, b]) => `| ${what} | ${shown(a)} | ${shown(b)} |`),
  ]
    .map((line) => `${line}\n`)
    .join('');

const counts = (names: string, like: Recording, { counters }: Pressed): Row[] =>
  names.split(' ').map((name) => [`\`${name}\``, like.counters[name] ?? 0, counters[name] ?? 0]);

/** The same for a recording at a pace of its own, which the table tells from the other. */
const paced = (name: string, counters: string, run: Pressed): Row[] =>
  counts(counters, recording(`${name}-paced`), run).map(([what, ...both]) => [`${what}, with \`PACED=1\``, ...both]);

/** The fewest free pages of a zone. Linux: of those that press has seen between its writes. */
function fewest(node: number, zone: string, like: Recording, { result: { sampler } }: Pressed): Row {
  const lines = like.section('run').filter((line) => line.includes(`node ${node} ${zone}: fewest free `));
  const linux = Math.min(...lines.map((line) => Number(/fewest free (\d+)/.exec(line)?.[1])));
  const n = sampler.zones.findIndex((one) => one.node === node && one.zone === zone);
  const lowest = Math.min(...sampler.samples.map((sample) => sample.lowest[n]!));
  return [`fewest free pages, node ${node}, ${zone}`, linux, lowest];
}

const PC = '-M pc -m 512M';
const NODES = [0, 1]
  .map((n) => `-object memory-backend-ram,id=m${n},size=256M -numa node,memdev=m${n},nodeid=${n},cpus=${n}`)
  .join(' ');
const RECLAIM = 'pgscan_kswapd pgscan_direct pgsteal_kswapd pgsteal_direct allocstall_movable pageoutrun';
const QUICK = 'kswapd_low_wmark_hit_quickly kswapd_high_wmark_hit_quickly';
const SWAP = 'pswpout pswpin swap_ra swap_ra_hit';

interface Case {
  readonly name: string;
  readonly boot: () => Kernel;
  readonly start: (run: WorkloadRun) => Sleeping<void>;
  readonly rows: (like: Recording, run: Pressed) => Row[];
  readonly long: boolean;
}

const zones_rows = (k: Kernel): Row[] => {
  const rows: Row[] = [];
  for (const [name, node] of [
    ['fill-none', 0],
    ['node', 1],
  ] as const) {
    const text = recording(name).section('zones').join('\n');
    const machine = name === 'node' ? booted(`${PC} -smp 2 ${NODES}`, []) : k;
    for (const zone of for_each_populated_zone(machine)) {
      if (zone.nid !== node) continue;
      const part = text.slice(text.search(new RegExp(`Node ${node}, zone +${zone.name}\\n`)));
      const of = (key: string): number => Number(new RegExp(`${key} +(\\d+)`).exec(part)?.[1]);
      rows.push([
        `${name === 'node' ? 'two nodes' : 'one node'}, node ${node}, ${zone.name}: managed, min/low/high`,
        `${of('managed')}, ${of('min')}/${of('low')}/${of('high')}`,
        `${zone.managed_pages}, ${[0, 1, 2].map((mark) => zone._watermark(mark)).join('/')}`,
      ]);
    }
  }
  return rows;
};

const state = (k: Kernel): string[] => {
  const { buddies, index, unusable } = fragmentation(k, 'DMA32');
  return [buddies.join(' '), unusable.join(' '), index.join(' ')];
};

/** Free blocks of DMA32, its unusable_index and extfrag_index, as the recording's section has them. */
function recorded_state(like: Recording, title: string): string[] {
  const lines = ['Node 0', ...['unusable', 'extfrag'].map((name) => `/sys/kernel/debug/extfrag/${name}_index`)].map(
    (start) => like.section(title).find((line) => line.startsWith(start) && line.includes(' DMA32 ')),
  );
  const values = (line: string | undefined): string =>
    line!
      .trim()
      .split(/ DMA32 +/)[1]!
      .replaceAll(/ +/g, ' ');
  return lines.map(values);
}

/** A report of warn_alloc() or the OOM killer without its call trace, and without what differs from run to run. */
function report(lines: readonly string[]): string[] {
  const from = lines.findIndex((line) => line.includes(': page allocation failure: '));
  const to = lines.findIndex((line, n) => n > from && line.endsWith(' total pagecache pages'));
  const trace = lines.findIndex((line, n) => n > from && line.startsWith('Hardware name: '));
  const info = lines.indexOf('Mem-Info:', from);
  const kept = lines.slice(from, to + 1).filter((_, n) => trace < 0 || from + n < trace || from + n >= info);
  return kept.map((line) =>
    line
      .replace(/^(CPU: \d+ PID: \d+ Comm: \S+) .*/, '$1')
      .replaceAll(/ \([UMEHCI]+\)/g, '')
      .replaceAll(/\d+/g, '#'),
  );
}

const seen: string[][] = [];
let burst: Burst[] = [];
let got = 0;
const look = ({ k }: WorkloadRun): void => {
  seen.push(state(k));
};

/** Looks before vm.compact_memory and after. */
function* around_compact(actor: Actor): Sleeping<void> {
  look(actor.run);
  yield* compact(actor);
  look(actor.run);
}

function state_rows(like: Recording): Row[] {
  const rows: Row[] = [];
  for (const [n, title] of ['before', 'after'].entries()) {
    const linux = recorded_state(like, title);
    rows.push([`free blocks of orders 0 to 10, ${title}`, linux[0]!, seen[n]![0]!]);
    rows.push([`\`unusable_index\`, ${title}`, linux[1]!, seen[n]![1]!]);
    rows.push([`\`extfrag_index\`, ${title}`, linux[2]!, seen[n]![2]!]);
  }
  return rows;
}

/** Lines of the cgroup's files, those of these names. */
function group_rows(names: Readonly<Record<string, string>>, like: Recording, { result: { work } }: Pressed): Row[] {
  return Object.entries(names).flatMap(([file, wanted]) => {
    const ours = cgroup_read(work.k, `/sys/fs/cgroup/g/memory.${file}`)!.split('\n');
    const theirs = like.section(`memory.${file}`);
    if (wanted === '') return [[`\`memory.${file}\``, Number(theirs[0]), Number(ours[0])] as Row];
    const value = (lines: readonly string[], name: string): number =>
      Number(lines.find((line) => line.startsWith(`${name} `))!.split(' ')[1]);
    return wanted.split(' ').map((name): Row => {
      return [`\`memory.${file}\`: ${name}`, value(theirs, name), value(ours, name)];
    });
  });
}

/** A line of the OOM killer's report. */
function said(start: string, like: Recording, { result: { work } }: Pressed): Row {
  const find = (lines: readonly string[]): string => lines.find((line) => line.startsWith(start))!;
  return [`report: \`${start.trim()}\``, find(like.section('log')), find(printed(work.k))];
}

const recorded_bursts = (like: Recording): Burst[] =>
  like.section('bursts').flatMap((line) => {
    const found = /^asked (\d+) got (\d+) free (\d+) to (\d+) reserved (\d+)$/.exec(line);
    if (found === null) return [];
    const [asked, got, free_before, free_after, reserved] = found.slice(1).map(Number) as [number, ...number[]];
    return [{ asked, got: got!, free_before: free_before!, free_after: free_after!, reserved: reserved! }];
  });

/** What became of each burst, from the last that found memory enough on. */
function burst_rows(like: Recording): Row[] {
  const both = [recorded_bursts(like), burst] as const;
  const compare = (what: string, of: (all: readonly Burst[]) => string | number): Row => [
    what,
    of(both[0]),
    of(both[1]),
  ];
  const short = ({ asked, got }: Burst): boolean => got < asked;
  const told = (one: Burst): string => `${one.got}, ${one.free_before} to ${one.free_after}, ${one.reserved}`;
  const rows = [
    compare('bursts, blocks asked for', (all) => `${all.length}, ${all.reduce((sum, { asked }) => sum + asked, 0)}`),
    compare('blocks that there were', (all) => all.reduce((sum, { got }) => sum + got, 0)),
    compare('bursts that came short', (all) => all.filter(short).length),
    compare('the first of these', (all) => all.findIndex(short) + 1),
  ];
  for (let after = -1; after < 3; after++) {
    const what = after < 0 ? 'the burst before' : after === 0 ? 'itself' : `${after} later`;
    rows.push(
      compare(`${what}: blocks, free pages before and after, reserved`, (all) =>
        told(all[all.findIndex(short) + after]!),
      ),
    );
  }
  rows.push(compare('fewest free pages after a burst', (all) => Math.min(...all.map(({ free_after }) => free_after))));
  rows.push(compare('most pages reserved', (all) => Math.max(...all.map(({ reserved }) => reserved))));
  return rows;
}

/** How often a tracepoint was hit, by its text. */
function hit(text: string, like: Recording, { result: { work } }: Pressed): Row {
  const linux = like.section('events').find((line) => line.trim().endsWith(text));
  const lines = tracefs_read(work.k, '/sys/kernel/tracing/trace')!.split('\n');
  const ours = lines.filter((line) => line.includes(` ${text}`)).length;
  return [`\`${text}\``, Number(linux?.trim().split(' ')[0] ?? 0), ours];
}

const COMPACT = 'pgmigrate_success compact_migrate_scanned compact_free_scanned compact_isolated';

const cases: readonly Case[] = [
  {
    name: 'fill',
    boot: () => booted(PC, ['512M']),
    start: fill.start,
    rows: (like, run) => [
      ...counts(`${SWAP} pgmajfault ${RECLAIM} ${QUICK}`, like, run),
      ...paced('fill', 'allocstall_movable pageoutrun', run),
      fewest(0, 'DMA32', like, run),
      fewest(0, 'DMA', like, run),
    ],
    long: true,
  },
  {
    name: 'fill-rotating',
    boot: () => booted(PC, ['512M,rotating']),
    start: fill.start,
    rows: (like, run) => [
      ...counts(`${SWAP} pgmajfault ${RECLAIM} ${QUICK}`, like, run),
      fewest(0, 'DMA32', like, run),
      fewest(0, 'DMA', like, run),
    ],
    long: true,
  },
  {
    name: 'fill-none',
    boot: () => booted(PC, []),
    start: fill.start,
    rows: (like, run) => counts(`oom_kill pgalloc_dma pgalloc_dma32 ${RECLAIM} ${QUICK}`, like, run),
    long: false,
  },
  {
    name: 'fill-small',
    boot: () => booted(PC, ['64M']),
    start: fill.start,
    rows: (like, run) => counts(`oom_kill pgalloc_dma pgalloc_dma32 pswpout pswpin ${RECLAIM} ${QUICK}`, like, run),
    long: true,
  },
  {
    name: 'group',
    boot: () => booted(PC, ['512M']),
    start: limited(29274),
    rows: (like, run) => [
      ...group_rows(
        {
          events: 'max oom',
          stat: 'pgscan pgsteal pgfault pgmajfault pgactivate pgdeactivate workingset_refault_anon workingset_activate_anon',
          peak: '',
        },
        like,
        run,
      ),
      ...counts(`${SWAP} pgrotated pgscan_kswapd allocstall_movable`, like, run),
      fewest(0, 'DMA32', like, run),
    ],
    long: false,
  },
  {
    name: 'group-none',
    boot: () => booted(PC, []),
    start: limited(29276),
    rows: (like, run) => [
      ...group_rows({ events: 'max oom oom_kill', stat: 'pgscan pgfault', peak: '' }, like, run),
      said('memory: usage', like, run),
      said('anon ', like, run),
    ],
    long: false,
  },
  {
    name: 'node',
    boot: () => booted(`${PC} -smp 2 ${NODES}`, ['512M']),
    start: hog.start,
    rows: (like, run) => [
      ...counts(`${SWAP} ${RECLAIM} ${QUICK}`, like, run),
      fewest(0, 'DMA32', like, run),
      fewest(1, 'DMA32', like, run),
    ],
    long: true,
  },
  {
    name: 'stream',
    boot: () => booted(PC, ['512M'], ['1G']),
    start: stream(61440, 163840),
    rows: (like, run) => [
      ...counts(
        `pgpgin pgactivate pgdeactivate pgrefill workingset_refault_file pgskip_dma32 pgsteal_file pswpout ${RECLAIM.replace('movable', 'normal')} ${QUICK}`,
        like,
        run,
      ),
      fewest(0, 'DMA32', like, run),
    ],
    long: true,
  },
  {
    name: 'bursts',
    boot: () => {
      const k = booted(PC, ['512M'], ['1G']);
      set_buf_size(k, '64M');
      for (const event of ['kswapd_wake', 'wakeup_kswapd']) ftrace_set_clr_event(k, `vmscan:mm_vmscan_${event}`, true);
      burst = [];
      return k;
    },
    start: (run) => bursts(196608, 1024, 320, 3, burst)(run),
    rows: (like, run) => {
      expect(report(printed(run.result.work.k))).toEqual(report(like.section('log')));
      return [
        ...burst_rows(like),
        hit('mm_vmscan_wakeup_kswapd: nid=0 order=3', like, run),
        hit('mm_vmscan_kswapd_wake: nid=0 order=3', like, run),
        hit('mm_vmscan_kswapd_wake: nid=0 order=0', like, run),
        ...counts(`${RECLAIM.replace('movable', 'normal')} ${QUICK} pgskip_dma32 compact_daemon_wake`, like, run),
      ];
    },
    long: true,
  },
  {
    name: 'holes',
    boot: () => booted(PC, []),
    start: holes(10240, around_compact),
    rows: (like, run) => [...state_rows(like), ...counts(COMPACT, like, run)],
    long: false,
  },
  {
    name: 'index',
    boot: () => booted(PC, []),
    start: holes(1450, around_compact),
    rows: (like, run) => [...state_rows(like), ...counts(COMPACT, like, run)],
    long: false,
  },
  {
    name: 'huge',
    boot: () => booted(PC, []),
    start: holes(1800, function* (actor) {
      yield* pause(actor);
      look(actor.run);
      got = yield* huge(actor, 50);
      look(actor.run);
    }),
    rows: (like, run) => [
      ['huge pages', Number(like.section('got')[0]), got],
      ...state_rows(like),
      ...counts(`compact_stall compact_success pageoutrun ${COMPACT}`, like, run),
    ],
    long: true,
  },
];

test('zones', () => holds('zones', table(zones_rows(booted(PC, [])))));

for (const { name, boot, start, rows, long } of cases) {
  test.runIf(soak || !long)(
    name,
    () => {
      const like = recording(name);
      seen.length = 0;
      const run = pressed(boot(), like, start);
      expect([run.result.ended, run.result.problems, run.result.work.nr_wrong]).toEqual(['finished', [], 0]);
      holds(name, table(rows(like, run)));
    },
    600_000,
  );
}
