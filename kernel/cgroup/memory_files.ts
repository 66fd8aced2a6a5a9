// /sys/fs/cgroup/PATH/FILE: the files of memory cgroups with cgroup v2 (Linux: mm/memcontrol.c memory_files[],
// swap_files[]; kernel/cgroup/cgroup.c cgroup_procs_show()).
//
// Left out: memory.pressure, memory.zswap.*; files of other controllers.

import { EINVAL, PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import {
  memcg_limit_parse,
  memory_high_write,
  memory_low_write,
  memory_max_write,
  memory_min_write,
  memory_reclaim,
  memory_reclaim_parse,
  swap_high_write,
  swap_max_write,
} from '../mm/memcg_files.ts';
import { memory_oom_group_parse, memory_oom_group_write } from '../mm/memcg_oom.ts';
import { memory_numa_stat_format, memory_stat_format } from '../mm/memcg_stat.ts';
import {
  type mem_cgroup,
  mem_cgroup_child,
  mem_cgroup_create,
  mem_cgroup_from_task,
  type memory_events,
} from '../mm/memcontrol.ts';
import { PAGE_COUNTER_MAX } from '../mm/page_counter.ts';
import type { Sleeping } from '../sched/sleeping.ts';

const ROOT = '/sys/fs/cgroup';

interface cftype {
  /** CFTYPE_NOT_ON_ROOT is the rule. */
  readonly on_root?: boolean;
  readonly show?: (memcg: mem_cgroup, k: Kernel) => string;
  readonly write?: (k: Kernel, memcg: mem_cgroup, text: string) => Sleeping<number>;
  /** Of a file with write(): below 0 what is refused whatever the cgroup. A limit, if left out. */
  readonly parse?: (text: string) => number;
}

/** To the digit, also beyond 2^53. */
const bytes = (pages: number): string => `${BigInt(pages) * BigInt(PAGE_SIZE)}\n`;
const tunable = (pages: number): string => (pages === PAGE_COUNTER_MAX ? 'max\n' : bytes(pages));
const lines = (rows: readonly string[]): string => rows.map((row) => `${row}\n`).join('');

const events_show = (events: memory_events): string =>
  lines(
    (['low', 'high', 'max', 'oom', 'oom_kill', 'oom_group_kill'] as const).map((name) => `${name} ${events[name]}`),
  );

// biome-ignore lint/correctness/useYield: other files' writes wait
function* oom_group_write(_k: Kernel, memcg: mem_cgroup, text: string): Sleeping<number> {
  return memory_oom_group_write(memcg, text);
}

const procs_show = (memcg: mem_cgroup, k: Kernel): string =>
  lines([...k.sched.tasks].filter((task) => mem_cgroup_from_task(k, task) === memcg).map(({ pid }) => `${pid}`));

const files: ReadonlyMap<string, cftype> = new Map<string, cftype>([
  ['cgroup.procs', { on_root: true, show: procs_show }],
  ['memory.current', { show: ({ memory }) => bytes(memory.usage) }],
  ['memory.peak', { show: ({ memory }) => bytes(memory.watermark) }],
  ['memory.min', { show: ({ memory }) => tunable(memory.min), write: memory_min_write }],
  ['memory.low', { show: ({ memory }) => tunable(memory.low), write: memory_low_write }],
  ['memory.high', { show: ({ memory }) => tunable(memory.high), write: memory_high_write }],
  ['memory.max', { show: ({ memory }) => tunable(memory.max), write: memory_max_write }],
  ['memory.events', { show: ({ events }) => events_show(events) }],
  ['memory.events.local', { show: ({ events_local }) => events_show(events_local) }],
  ['memory.stat', { on_root: true, show: (memcg, k) => lines(memory_stat_format(k, memcg)) }],
  ['memory.numa_stat', { on_root: true, show: (memcg, k) => lines(memory_numa_stat_format(k, memcg)) }],
  [
    'memory.oom.group',
    { show: ({ oom_group }) => `${Number(oom_group)}\n`, write: oom_group_write, parse: memory_oom_group_parse },
  ],
  ['memory.reclaim', { on_root: true, write: memory_reclaim, parse: memory_reclaim_parse }],
  ['memory.swap.current', { show: ({ swap }) => bytes(swap.usage) }],
  ['memory.swap.high', { show: ({ swap }) => tunable(swap.high), write: swap_high_write }],
  ['memory.swap.max', { show: ({ swap }) => tunable(swap.max), write: swap_max_write }],
  ['memory.swap.events', { show: ({ events: e }) => `high ${e.swap_high}\nmax ${e.swap_max}\nfail ${e.swap_fail}\n` }],
]);

/** Those that can be read. */
export const cgroup_file_names: readonly string[] = [...files].flatMap(([name, { show }]) => (show ? [name] : []));

/** Those that can be written. */
export const memory_file_names: readonly string[] = [...files].flatMap(([name, { write }]) => (write ? [name] : []));

/** Whether the file of that name, which can be written, may take `text`: some is refused only when it is written. */
export const memory_file_may_take = (name: string, text: string): boolean =>
  (files.get(name)?.parse ?? memcg_limit_parse)(text) >= 0;

/** The cgroup of a path, such as a/b; null: there is none. */
export function cgroup_lookup(k: Kernel, path: string): mem_cgroup | null {
  let at: mem_cgroup = k.memcg.root_mem_cgroup;
  for (const name of path.split('/')) {
    if (name === '') continue;
    const child = mem_cgroup_child(at, name);
    if (child === null) return null;
    at = child;
  }
  return at;
}

/** mkdir -p, below `parent`. @returns it, or -errno */
export function* cgroup_mkdir(k: Kernel, parent: mem_cgroup, path: string): Sleeping<mem_cgroup | number> {
  let at = parent;
  for (const name of path.split('/')) {
    const child = mem_cgroup_child(at, name) ?? (yield* mem_cgroup_create(k, at, name));
    if (typeof child === 'number') return child;
    at = child;
  }
  return at;
}

/** @returns 0 or -errno; -EINVAL, too, where there is no such file to write to */
export function* cgroup_write(k: Kernel, memcg: mem_cgroup, name: string, text: string): Sleeping<number> {
  const file = files.get(name);
  if (file?.write === undefined || (memcg.parent === null && file.on_root !== true)) return -EINVAL;
  return yield* file.write(k, memcg, text);
}

interface cgroup_path {
  /** Such as a/b. */
  readonly cgroup: string;
  readonly name: string;
}

function file_of(path: string): (cgroup_path & { readonly file: cftype }) | null {
  if (!path.startsWith(`${ROOT}/`)) return null;
  const slash = path.lastIndexOf('/');
  const cgroup = path.slice(ROOT.length + 1, Math.max(slash, ROOT.length + 1));
  const name = path.slice(slash + 1);
  const file = files.get(name);
  if (file === undefined || (/^\/*$/.test(cgroup) && file.on_root !== true)) return null;
  return { cgroup, name, file };
}

/** What a path names; null: it is no file that can be read. */
export function cgroup_file(path: string): cgroup_path | null {
  const found = file_of(path);
  return found?.file.show === undefined ? null : found;
}

/** Whether it is a file that root may open and read, and that then has nothing to show. */
export function cgroup_file_shows_nothing(path: string): boolean {
  const found = file_of(path);
  return found !== null && found.file.show === undefined;
}

/** @param path from the root, such as /sys/fs/cgroup/a/memory.stat. @returns null: there is no such file */
export function cgroup_read(k: Kernel, path: string): string | null {
  const found = file_of(path);
  if (found?.file.show === undefined || (k.memcg.disabled && found.name.startsWith('memory.'))) return null;
  const memcg = cgroup_lookup(k, found.cgroup);
  return memcg === null ? null : found.file.show(memcg, k);
}
