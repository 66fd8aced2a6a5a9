// All files that can be read, whichever part of the kernel they are of.

import { cgroup_file, cgroup_file_shows_nothing, cgroup_read } from '../cgroup/memory_files.ts';
import { node_of_file, node_read } from '../drivers/base/node.ts';
import { EACCES, EINVAL, ENOENT } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { tracefs_file, tracefs_read } from '../trace/trace.ts';
import { debugfs_paths, debugfs_read } from './debugfs.ts';
import { sysctl_is_write_only } from './proc/proc_sysctl.ts';
import { is_proc_file, proc_read } from './proc/root.ts';

/** Opens a file and reads all of it. @returns null: there is no such file */
export const read_file = (k: Kernel, path: string): string | null =>
  proc_read(k, path) ?? debugfs_read(k, path) ?? node_read(k, path) ?? tracefs_read(k, path) ?? cgroup_read(k, path);

/** Whether there may ever be such a file: processes and cgroups come and go, and not every build or machine has all. */
const is_file = (path: string): boolean =>
  is_proc_file(path) ||
  debugfs_paths.includes(path) ||
  node_of_file(path) !== null ||
  tracefs_file(path) !== null ||
  cgroup_file(path) !== null;

/** What root is refused with who wants to read a file, on whatever machine. @returns 0: that cannot be told yet, or -errno */
export function read_error(path: string): number {
  if (path.startsWith('/proc/') && sysctl_is_write_only(path.slice('/proc/'.length))) return -EACCES;
  if (cgroup_file_shows_nothing(path)) return -EINVAL;
  return is_file(path) ? 0 : -ENOENT;
}
