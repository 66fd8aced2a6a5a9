// `--cat`: files of the running kernel, looked for by name before it runs.

import { cgroup_file, cgroup_file_names } from '../kernel/cgroup/memory_files.ts';
import type { KernelConfig } from '../kernel/config.ts';
import { node_file_names, node_of_file } from '../kernel/drivers/base/node.ts';
import { debugfs_needs, debugfs_paths } from '../kernel/fs/debugfs.ts';
import { read_error, read_file } from '../kernel/fs/files.ts';
import { sysctl_files, sysctl_is_elsewhere } from '../kernel/fs/proc/proc_sysctl.ts';
import { proc_file_names } from '../kernel/fs/proc/root.ts';
import { ENOENT } from '../kernel/include/types.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { for_each_node_mask } from '../kernel/lib/nodemask.ts';
import { tracefs_paths } from '../kernel/trace/trace.ts';
import { UsageError } from './command.ts';
import { errnoText } from './errno_text.ts';
import { nearestName } from './near.ts';

const PROC = '/proc/';

/** What there will be. */
interface Names {
  readonly config: KernelConfig;
  /** Memory cgroups that options or workloads make, such as a/b. */
  readonly cgroups: readonly string[];
}

/**
 * @param texts as the user wrote them: what does not begin with / is in /proc
 * @returns whole paths
 * @throws UsageError
 */
export function parseCats(texts: readonly string[], names: Names): string[] {
  const paths = texts.map((text) => (text.startsWith('/') ? text : PROC + text));
  const problems = paths.flatMap((path, n) => {
    const problem = problemOf(path, names);
    return problem === null ? [] : [`--cat ${texts[n]}: ${problem}`];
  });
  if (problems.length > 0) throw new UsageError(problems);
  return paths;
}

function problemOf(path: string, { config, cgroups }: Names): string | null {
  const error = read_error(path);
  if (error === -ENOENT) {
    if (path.startsWith(`${PROC}sys/`) && sysctl_is_elsewhere(path.slice(PROC.length)))
      return 'Linux has it, pgdat does not';
    const near = nearFile(path, cgroups);
    return `${errnoText(error)}${near === null ? '' : `, did you mean ${near}?`}`;
  }
  if (error !== 0) return errnoText(error);
  const needed = debugfs_needs(path);
  if (needed !== null && config[needed] === false) return `--config ${config.name},${needed}=y is needed`;
  if (node_of_file(path) !== null && !config.NUMA) return `--config ${config.name},NUMA=y is needed`;
  const cgroup = cgroup_file(path)?.cgroup.replace(/\/+/g, '/') ?? '';
  const made = cgroups.some((one) => one === cgroup || one.startsWith(`${cgroup}/`));
  return cgroup === '' || made ? null : `there is no --cgroup ${cgroup}`;
}

/** One that may have been meant, named as short as can be. */
function nearFile(path: string, cgroups: readonly string[]): string | null {
  const nid = /\/node(\d+)\//.exec(path)?.[1] ?? '0';
  const files = path.startsWith(PROC)
    ? [...proc_file_names, ...sysctl_files.keys()]
    : [
        ...tracefs_paths,
        ...debugfs_paths,
        ...node_file_names.map((name) => `/sys/devices/system/node/node${nid}/${name}`),
        ...cgroups.flatMap((cgroup) => cgroup_file_names.map((name) => `/sys/fs/cgroup/${cgroup}/${name}`)),
      ];
  return nearestName(path.startsWith(PROC) ? path.slice(PROC.length) : path, files);
}

/**
 * Once the machine has booted: whether it has the nodes, and memory cgroups.
 * @throws UsageError
 */
export function checkCats(k: Kernel, paths: readonly string[]): void {
  const nodes = [...for_each_node_mask(k.node_online_map)];
  const problems = paths.flatMap((path) => {
    const nid = node_of_file(path);
    if (nid !== null && !nodes.includes(nid))
      return [`--cat ${path}: there is no node ${nid}, the nodes are ${nodes.join(', ')}`];
    const of_memory = cgroup_file(path)?.name.startsWith('memory.') ?? false;
    return of_memory && k.memcg.disabled ? [`--cat ${path}: there is none with cgroup_disable=memory`] : [];
  });
  if (problems.length > 0) throw new UsageError(problems);
}

/**
 * @param problems what is not there is told here, a line each
 * @param when put behind those
 */
export function readFiles(k: Kernel, paths: readonly string[], problems: string[], when = ''): Map<string, string> {
  const files = new Map<string, string>();
  for (const path of paths) {
    const text = read_file(k, path);
    if (text === null) problems.push(`--cat ${path}: ${errnoText(-ENOENT)}${when}`);
    else files.set(path, text);
  }
  return files;
}

/** One file as it is; several each under its name, as tail(1) has it. */
export function filesText(files: ReadonlyMap<string, string>): string {
  if (files.size <= 1) return [...files.values()].join('');
  return [...files].map(([path, text]) => `==> ${path} <==\n${text}`).join('\n');
}
