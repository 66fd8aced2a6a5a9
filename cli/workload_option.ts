// `--workload`: tasks that put a booted machine under pressure, and what came of it, as text and as data.

import type { DiskSpec } from '../emu/devices/disk.ts';
import type { AddressRange } from '../emu/memory.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { KernelBug, KernelPanic } from '../kernel/lib/bug.ts';
import { pressure_chart, seconds } from '../kernel/workloads/chart.ts';
import { contents_packing, disk_contents } from '../kernel/workloads/contents.ts';
import type { Span } from '../kernel/workloads/samples.ts';
import type { Workload } from '../kernel/workloads/workload.ts';
import { disk_pages, type Look, run_workloads, type WorkloadResult, workloads } from '../kernel/workloads/workloads.ts';
import { type CgroupSpec, cgroupPath, cgroupsData, cgroupsText, workloadIn } from './cgroup_option.ts';
import { UsageError } from './command.ts';
import { nearestName } from './near.ts';

const PAGE_SIZE = 4096;
const MAX_SEED = 2 ** 32 - 1;

/** One a line, each with what it shows. */
export function workloadList(): string {
  const width = Math.max(...workloads.map(({ name }) => name.length));
  return workloads.map(({ name, shows }) => `${name.padEnd(width)}  ${shows}\n`).join('');
}

/** @param names such as "fill", or "fill@web" for the cgroup web, which Linux writes /web */
export function parseWorkloads(names: readonly string[], cgroups: readonly CgroupSpec[]): Workload[] {
  const errors: string[] = [];
  const chosen = names.flatMap((text) => {
    const [name = '', given] = text.split(/@(.*)/s);
    const path = given === undefined ? undefined : cgroupPath(given);
    if (path === '') errors.push(`--workload ${text}: the name of a --cgroup is needed behind @`);
    else if (path !== undefined && !cgroups.some((cgroup) => cgroup.path === path)) {
      errors.push(`--workload ${text}: there is no --cgroup ${path}`);
    }
    const workload = workloads.find((one) => one.name === name);
    if (workload !== undefined) return [path === undefined ? workload : workloadIn(workload, path)];
    const known = workloads.map((one) => one.name);
    const near = nearestName(name, known);
    const wanted = name === '' ? 'the name of a workload is needed, ' : '';
    const meant = near === null ? '' : `; did you mean ${near}?`;
    errors.push(`--workload ${text}: ${wanted}there are ${known.join(', ')}${meant}`);
    return [];
  });
  if (errors.length > 0) throw new UsageError(errors);
  return chosen;
}

export function parseSeed(text = '1'): number {
  const seed = Number(text);
  if (!/^\d+$/.test(text) || seed < 1 || seed > MAX_SEED) {
    throw new UsageError([`--seed ${text}: a number from 1 to ${MAX_SEED} is needed`]);
  }
  return seed;
}

export interface Pressure {
  readonly text: string;
  readonly data: object;
  /** What went wrong, a line each: contents that are not what was written, tasks that never ended. */
  readonly problems: readonly string[];
  /** The kernel's end, if they were it. */
  readonly stopped: KernelPanic | KernelBug | null;
}

const SECTORS_PER_PAGE = 8;

/** The disk for the files of the workloads, behind those that are there; null: they have none. */
export function workloadDisk(chosen: readonly Workload[], seed: number, ram: readonly AddressRange[]): DiskSpec | null {
  const bytes = ram.reduce((sum, { start, end }) => sum + end - start, 0);
  const pages = disk_pages(chosen, bytes / PAGE_SIZE);
  return pages === 0 ? null : { sectors: pages * SECTORS_PER_PAGE, seed, contents: disk_contents(seed) };
}

/** As large as they are: what workloads write to them is kept in little of the host's memory. */
export const workloadDisks = (chosen: readonly Workload[], disks: readonly DiskSpec[]): DiskSpec[] =>
  disks.map((disk) => (chosen.length === 0 ? disk : { ...disk, packing: contents_packing }));

/** @param disk whether the last of the machine's disks is workloadDisk() */
export function runWorkloads(
  k: Kernel,
  chosen: readonly Workload[],
  seed: number,
  disk: boolean,
  looks: readonly Look[],
  span: Span | null,
): Pressure {
  const result = run_workloads(k, chosen, seed, disk ? k.block.disks[k.block.disks.length - 1]! : null, looks, span);
  const problems = problemsOf(result).map((problem) => `--workload: ${problem}`);
  const { stopped } = result;
  return { text: textOf(chosen, seed, result), data: dataOf(chosen, seed, result), problems, stopped };
}

/** So many are told of one by one. */
const MAX_TOLD = 20;

function problemsOf({ work, ended, problems: found }: WorkloadResult): string[] {
  const problems = [...work.wrong];
  if (work.nr_wrong > problems.length) problems.push(`${work.nr_wrong} pages in all have wrong contents`);
  problems.push(...found.slice(0, MAX_TOLD));
  if (found.length > MAX_TOLD) problems.push(`${found.length} such problems in all`);
  if (ended !== 'finished' && ended !== 'panic') problems.push(`${work.nr_running} tasks never ended (${ended})`);
  return problems;
}

function textOf(
  chosen: readonly Workload[],
  seed: number,
  { work, sampler, audit, problems, ended, time_ns }: WorkloadResult,
): string {
  const { scan_kswapd, scan_direct, steal_kswapd, steal_direct, allocstall, swap_in, swap_out } = sampler.totals();
  const names = chosen.map(({ name }) => name).join(', ');
  const lines = [
    `workload ${names}, seed ${seed}: ${ended} after ${seconds(time_ns)} s of virtual time`,
    ...tasksText(work),
    ...cgroupsText(work.k),
    `kswapd reclaimed ${steal_kswapd} of ${scan_kswapd} pages that it scanned, tasks ${steal_direct} of ${scan_direct} in ${allocstall} stalls`,
    `${swap_out} pages swapped out, ${swap_in} in`,
    ...(audit.looks === 0 ? [] : [auditText(audit.looks, problems.length)]),
    '',
    pressure_chart(sampler),
  ];
  return lines.join('\n');
}

const auditText = (looks: number, nr_problems: number): string =>
  `all pages looked at ${looks} times: ${nr_problems === 0 ? 'each has one owner, and all counters agree' : `${nr_problems} problems`}`;

/** Those that have the same name and the same end share a line. */
function tasksText({ actors }: WorkloadResult['work']): string[] {
  const groups = new Map<string, { count: number; written: number; read: number; notes: string[] }>();
  for (const { name, state, written, read, note } of actors) {
    const key = `${name}: ${state}`;
    const group = groups.get(key) ?? { count: 0, written: 0, read: 0, notes: [] };
    group.count++;
    group.written += written;
    group.read += read;
    if (note !== '') group.notes.push(note);
    groups.set(key, group);
  }
  return [...groups].map(([key, { count, written, read, notes }]) => {
    const times = count > 1 ? ` (${count} tasks)` : '';
    const more = notes.length > 0 ? `; ${notes.join('; ')}` : '';
    return `  ${key}${times}, ${written} pages written, ${read} read and compared${more}`;
  });
}

const dataOf = (
  chosen: readonly Workload[],
  seed: number,
  { work, sampler, audit, problems, ended, time_ns }: WorkloadResult,
) => ({
  names: chosen.map(({ name }) => name),
  seed,
  ended,
  time_ns,
  wrong_pages: work.nr_wrong,
  audits: audit.looks,
  problems,
  tasks: work.actors.map(({ name, task, state, written, read, note }) => ({
    name,
    pid: task?.pid ?? null,
    state,
    written,
    read,
    note,
  })),
  ...(work.k.memcg.memcgs.size > 0 ? { cgroups: cgroupsData(work.k) } : {}),
  totals: sampler.totals(),
  zones: sampler.zones,
  samples: sampler.wanted(),
});
