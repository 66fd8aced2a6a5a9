// All files that can be read, whichever part of the kernel they are of.

import { cgroup_file, cgroup_read } from '../cgroup/memory_files.ts';
import { node_of_file, node_read } from '../drivers/base/node.ts';
import type { Kernel } from '../kernel.ts';
import { tracefs_file, tracefs_read } from '../trace/trace.ts';
import { debugfs_paths, debugfs_read } from './debugfs.ts';
import { is_proc_file, proc_read } from './proc/root.ts';

/** Opens a file and reads all of it. @returns null: there is no such file */
export const read_file = (k: Kernel, path: string): string | null =>
  proc_read(k, path) ?? debugfs_read(k, path) ?? node_read(k, path) ?? tracefs_read(k, path) ?? cgroup_read(k, path);

/** Whether there may ever be such a file: processes and cgroups come and go, and not every build or machine has all. */
export const is_file = (path: string): boolean =>
  is_proc_file(path) ||
  debugfs_paths.includes(path) ||
  node_of_file(path) !== null ||
  tracefs_file(path) !== null ||
  cgroup_file(path) !== null;
