// What there is in /proc (Linux: fs/proc/root.c and each proc_create()).

import type { Kernel } from '../../kernel.ts';
import { read_page_owner } from '../../mm/page_owner.ts';
import { proc_pid_read } from './base.ts';
import { frag_show } from './buddyinfo.ts';
import { meminfo_proc_show } from './meminfo.ts';
import { pagetypeinfo_show } from './pagetypeinfo.ts';
import { proc_sys_read } from './proc_sysctl.ts';
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

/**
 * Opens a file and reads all of it.
 * @param path from the root, such as /proc/buddyinfo
 * @returns null: there is no such file
 */
export function proc_read(k: Kernel, path: string): string | null {
  if (path === '/sys/kernel/debug/page_owner') return k.config.PAGE_OWNER ? read_page_owner(k) : null;
  if (!path.startsWith('/proc/')) return null;
  const name = path.slice('/proc/'.length);
  return files.get(name)?.(k) ?? proc_pid_read(k, name) ?? proc_sys_read(k, name);
}
