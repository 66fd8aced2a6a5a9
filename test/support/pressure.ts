// Machines under the memory pressure that docs/recorder/pressure put a real kernel under, and what both counted. So that
// both begin with as many free pages, what Linux's processes, slabs and files had taken is taken here too.

import { readFileSync } from 'node:fs';
import { bootLab } from '../../cli/lab.ts';
import { parseSwapOption, prepareSwap, switchSwapOn } from '../../cli/swap_option.ts';
import { parseQemuOptions } from '../../emu/config/qemu_options.ts';
import { debian } from '../../kernel/config.ts';
import { vmstat_show } from '../../kernel/fs/proc/vmstat.ts';
import { __GFP_THISNODE, GFP_KERNEL } from '../../kernel/include/gfp_types.ts';
import { NR_FREE_PAGES } from '../../kernel/include/mmzone.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { for_each_populated_zone } from '../../kernel/mm/mmzone_iter.ts';
import { __alloc_pages_node } from '../../kernel/mm/page_alloc.ts';
import { drain_all_pages } from '../../kernel/mm/pcp.ts';
import { zone_page_state } from '../../kernel/mm/vmstat.ts';
import type { Sleeping } from '../../kernel/sched/sleeping.ts';
import { Actor, type WorkloadRun } from '../../kernel/workloads/workload_run.ts';
import { run_workloads, type WorkloadResult } from '../../kernel/workloads/workloads.ts';

export type Counters = Readonly<Record<string, number>>;

export interface Recording {
  /** What /proc/vmstat counted meanwhile; 0 is left out. */
  readonly counters: Counters;
  /** By "node zone": free pages before. */
  readonly free: ReadonlyMap<string, number>;
  section(name: string): string[];
}

export function recording(name: string): Recording {
  const text = readFileSync(new URL(`../golden/pressure/${name}.txt`, import.meta.url), 'utf8');
  const section = (title: string): string[] => {
    const lines = text.split('\n');
    const from = lines.indexOf(`BEGIN ${title}`);
    return from < 0 ? [] : lines.slice(from + 1, lines.indexOf('END', from));
  };
  const counters = Object.fromEntries(
    section('counters').map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]),
  );
  const free = new Map<string, number>();
  let zone = '';
  for (const line of section('zones')) {
    const [, node, name] = /^Node (\d+), zone +(\w+)/.exec(line) ?? [];
    if (node !== undefined) zone = `${node} ${name}`;
    const pages = /pages free +(\d+)/.exec(line)?.[1];
    if (pages !== undefined) free.set(zone, Number(pages));
  }
  return { counters, free, section };
}

export function booted(options: string, swap: readonly string[], more: readonly string[] = []): Kernel {
  const parsed = parseQemuOptions(options.split(' '), () => '');
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  const areas = swap.map(parseSwapOption);
  const files = more.map(parseSwapOption);
  const { kernel } = bootLab({
    machine: parsed.config,
    kernel: debian,
    cmdline: '',
    firmware: 'none',
    disks: [...areas, ...files].map(({ disk }) => disk),
    onFirmwareDone: ({ disks }) => disks.slice(0, areas.length).forEach(prepareSwap),
  });
  const wrong = switchSwapOn(kernel, areas);
  if (wrong.length > 0) throw new Error(wrong.join());
  return kernel;
}

const counted = (k: Kernel): Counters =>
  Object.fromEntries(
    vmstat_show(k)
      .trimEnd()
      .split('\n')
      .map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]),
  );

/** Takes pages of each zone until no more are free than in the recording. Context: a task runs. */
function take_rest(run: WorkloadRun, free: ReadonlyMap<string, number>): void {
  const { k } = run;
  const rest = new Actor(run, 'rest', 0);
  for (const zone of for_each_populated_zone(k)) {
    if (zone.name === 'DMA') continue;
    const pages = zone_page_state(zone, NR_FREE_PAGES) - (free.get(`${zone.nid} ${zone.name}`) ?? 0);
    for (let n = 0; n < pages; n++) {
      const pfn = __alloc_pages_node(k, zone.nid, GFP_KERNEL | __GFP_THISNODE, 0);
      if (pfn < 0) throw new Error(`no page of node ${zone.nid}`);
      run.took(rest, pfn, 0);
    }
  }
  drain_all_pages(k, null);
}

export interface Pressed {
  readonly counters: Counters;
  readonly result: WorkloadResult;
}

/** Runs what `start` starts, and counts meanwhile. */
export function pressed(k: Kernel, like: Recording, start: (run: WorkloadRun) => Sleeping<void>): Pressed {
  let before: Counters = {};
  const result = run_workloads(
    k,
    [
      {
        name: 'pressure',
        shows: '',
        files: 0,
        *start(run) {
          take_rest(run, like.free);
          before = counted(k);
          yield* start(run);
        },
      },
    ],
    1,
    null,
  );
  const after = counted(k);
  const counters = Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - before[name]!]));
  return { counters, result };
}
