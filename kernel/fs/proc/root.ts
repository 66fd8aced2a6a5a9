// What there is in /proc (Linux: fs/proc/root.c and each proc_create()).

import type { Kernel } from '../../kernel.ts';
import { is_proc_pid_file, proc_pid_read } from './base.ts';
import { frag_show } from './buddyinfo.ts';
import { meminfo_proc_show } from './meminfo.ts';
import { pagetypeinfo_show } from './pagetypeinfo.ts';
import { proc_sys_read, sysctl_files } from './proc_sysctl.ts';
import { swaps_show } from './swaps.ts';
import { vmstat_show } from './vmstat.ts';
import { zoneinfo_show } from './zoneinfo.ts';

const files: ReadonlyMap<string, (k: Kernel) => string> = new Map([
  ['buddyinfo', frag_show],
  ['cmdline', (k: Kernel) => `${k.cmdline.saved_command_line}\n`],
  ['meminfo', meminfo_proc_show],
  ['pagetypeinfo', pagetypeinfo_show],
  ['swaps', swaps_show],
  ['vmstat', vmstat_show],
  ['zoneinfo', zoneinfo_show],
]);

/** Those that lie in /proc itself. */
export const proc_file_names: readonly string[] = [...files.keys()];

const ROOT = '/proc/';

/** Whether there may be such a file, if the process is there that it is of. */
export function is_proc_file(path: string): boolean {
  const name = path.slice(ROOT.length);
  return path.startsWith(ROOT) && (files.has(name) || is_proc_pid_file(name) || sysctl_files.has(name));
}

/**
 * Opens a file and reads all of it.
 * @param path from the root, such as /proc/buddyinfo
 * @returns null: there is no such file
 */
export function proc_read(k: Kernel, path: string): string | null {
  if (!path.startsWith(ROOT)) return null;
  const name = path.slice(ROOT.length);
  return files.get(name)?.(k) ?? proc_pid_read(k, name) ?? proc_sys_read(k, name);
}
