// `--cgroup`: memory cgroups made when boot is done, as an init system does, and what became of them.

import {
  cgroup_lookup,
  cgroup_mkdir,
  cgroup_write,
  memory_file_may_take,
  memory_file_names,
} from '../kernel/cgroup/memory_files.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { memcg_path } from '../kernel/mm/memcg_oom.ts';
import type { mem_cgroup } from '../kernel/mm/memcontrol.ts';
import { PAGE_COUNTER_MAX } from '../kernel/mm/page_counter.ts';
import { run_task } from '../kernel/sched/run_task.ts';
import { all_memcgs } from '../kernel/workloads/audit_memcg.ts';
import { in_cgroup, NO_CGROUP } from '../kernel/workloads/groups.ts';
import type { Workload } from '../kernel/workloads/workload.ts';
import { UsageError } from './command.ts';
import { errnoText } from './errno_text.ts';
import { nearestName } from './near.ts';

const PAGE_SIZE = 4096;
/** One name or several, none of which is . or .. */
const PATH = /^(?!\.{1,2}(\/|$))[^/@\s]+(\/(?!\.{1,2}(\/|$))[^/@\s]+)*$/;

export interface CgroupSpec {
  /** Such as a/b. */
  readonly path: string;
  readonly writes: readonly (readonly [file: string, text: string])[];
}

/** As Linux writes it, /a/b, or without the slash that begins it. @returns a/b */
export const cgroupPath = (text: string): string => text.replace(/^\//, '');

/** @param texts such as "web,memory.max=64M,memory.low=16M" */
export function parseCgroups(texts: readonly string[]): CgroupSpec[] {
  const errors: string[] = [];
  const specs = texts.map((text): CgroupSpec => {
    const [given = '', ...words] = text.split(',');
    const path = cgroupPath(given);
    if (!PATH.test(path)) errors.push(`--cgroup ${text}: "${given}" is no path such as a or a/b`);
    const writes = words.map((word): [string, string] => {
      const [file = '', value = ''] = word.split(/=(.*)/s);
      if (!memory_file_names.includes(file)) {
        const near = nearestName(file, memory_file_names);
        const known = memory_file_names.join(', ');
        errors.push(`--cgroup ${text}: "${file}" is none of ${known}${near === null ? '' : `; did you mean ${near}?`}`);
      } else if (value === '' || !memory_file_may_take(file, value)) {
        errors.push(`--cgroup ${text}: ${file}: ${neededBy(file)}`);
      }
      return [file, value];
    });
    return { path, writes };
  });
  if (errors.length > 0) throw new UsageError(errors);
  return specs;
}

function neededBy(file: string): string {
  if (file === 'memory.oom.group') return '0 or 1 is needed';
  return `a size such as 64M${file === 'memory.reclaim' ? '' : ', or max,'} is needed`;
}

/**
 * Once the machine has booted: whether there can be cgroups for the options and workloads that make some.
 * @throws UsageError
 */
export function checkCgroups(k: Kernel, specs: readonly CgroupSpec[], workloads: readonly Workload[]): void {
  if (!k.memcg.disabled) return;
  const workload = workloads.find(({ cgroups = [] }) => cgroups.length > 0);
  const who = specs.length > 0 ? '--cgroup' : workload === undefined ? null : `--workload ${workload.name}`;
  if (who !== null) throw new UsageError([`${who}: there are no memory cgroups with cgroup_disable=memory`]);
}

/** mkdir, and the writes, in the order given. @returns what went wrong, a line each */
export function makeCgroups(k: Kernel, specs: readonly CgroupSpec[]): string[] {
  if (specs.length === 0) return [];
  const problems: string[] = [];
  run_task(k, 'init', function* () {
    for (const { path, writes } of specs) {
      const memcg = yield* cgroup_mkdir(k, k.memcg.root_mem_cgroup, path);
      if (typeof memcg === 'number') {
        problems.push(`--cgroup ${path}: mkdir: ${errnoText(memcg)}`);
        continue;
      }
      for (const [file, text] of writes) {
        const error = yield* cgroup_write(k, memcg, file, text);
        if (error !== 0) problems.push(`--cgroup ${path}: ${file}=${text}: ${errnoText(error)}`);
      }
    }
  });
  return problems;
}

/** What a workload starts belongs to the cgroup at `path`. */
export const workloadIn = (workload: Workload, path: string): Workload => ({
  ...workload,
  name: `${workload.name}@${path}`,
  cgroups: workload.cgroups?.map((name) => `${path}/${name}`) ?? [],
  *start(work) {
    const memcg = cgroup_lookup(work.k, path);
    if (memcg === null) work.not_begun(workload.name, NO_CGROUP);
    else yield* in_cgroup(work.k, memcg, workload.start(work));
  },
});

const groupsOf = (k: Kernel): mem_cgroup[] =>
  [...all_memcgs(k.memcg.root_mem_cgroup)].filter(({ parent, online }) => parent !== null && online);

const bytes = (pages: number): number | null => (pages === PAGE_COUNTER_MAX ? null : pages * PAGE_SIZE);

/** As data. */
export const cgroupsData = (k: Kernel): object[] =>
  groupsOf(k).map((memcg) => ({
    path: memcg_path(memcg),
    current: memcg.memory.usage * PAGE_SIZE,
    peak: memcg.memory.watermark * PAGE_SIZE,
    max: bytes(memcg.memory.max),
    swap_current: memcg.swap.usage * PAGE_SIZE,
    swap_peak: memcg.swap.watermark * PAGE_SIZE,
    events: { ...memcg.events },
  }));

/** A line each. */
export function cgroupsText(k: Kernel): string[] {
  return groupsOf(k).map((memcg) => {
    const { memory, swap, events } = memcg;
    const limit = memory.max === PAGE_COUNTER_MAX ? '' : ` of ${memory.max}`;
    const met = Object.entries(events).filter(([, count]) => count > 0);
    const told = met.length === 0 ? 'no events' : met.map(([name, count]) => `${name} ${count}`).join(', ');
    return `  cgroup ${memcg_path(memcg)}: at most ${memory.watermark}${limit} pages, ${swap.watermark} in swap; ${told}`;
  });
}
