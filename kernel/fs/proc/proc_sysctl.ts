// /proc/sys, and sysctls on the command line (Linux: fs/proc/proc_sysctl.c proc_sys_call_handler(), do_sysctl_args();
// called from kernel_init() when boot is done).
//
// Differs from Linux: of the files of /proc/sys only some of vm's and kernel's are here. Setting another one that Linux
// has is said to have no effect.

import { EINVAL, ENOENT } from '../../include/types.ts';
import { sysctl_aliases } from '../../init/early_params.ts';
import { parse_args } from '../../init/params.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_err, pr_warn } from '../../lib/printk.ts';
import { writeback_interval_table } from '../../mm/balance_dirty.ts';
import { compaction_table } from '../../mm/compaction_sysctl.ts';
import { node_reclaim_table } from '../../mm/node_reclaim_sysctl.ts';
import { oom_table } from '../../mm/oom_sysctl.ts';
import { overcommit_table } from '../../mm/overcommit.ts';
import { writeback_table } from '../../mm/page_writeback.ts';
import { swap_table } from '../../mm/swap_sysctl.ts';
import { vmscan_table } from '../../mm/vmscan_sysctl.ts';
import { vmstat_table } from '../../mm/vmstat_update.ts';
import { vm_table } from '../../mm/watermark_sysctl.ts';
import { hung_task_table } from '../../sched/hung_task.ts';
import type { ctl_table } from '../../sysctl.ts';
import { drop_caches_table } from '../drop_caches.ts';

const VM = 'sys/vm/';
const KERNEL = 'sys/kernel/';

/** Files of /proc/sys/vm that 6.1 has as well. */
const vm_elsewhere: readonly string[] = `
  admin_reserve_kbytes dirtytime_expire_seconds hugetlb_optimize_vmemmap hugetlb_shm_group laptop_mode
  legacy_va_layout max_map_count memory_failure_early_kill memory_failure_recovery mmap_min_addr mmap_rnd_bits
  mmap_rnd_compat_bits nr_hugepages nr_hugepages_mempolicy nr_overcommit_hugepages numa_zonelist_order
  page_lock_unfairness stat_interval unprivileged_userfaultfd vfs_cache_pressure`
  .trim()
  .split(/\s+/);
const directories_elsewhere: readonly string[] = ['abi', 'debug', 'dev', 'fs', 'kernel', 'net', 'user'];

const vm_files: readonly ctl_table[] = [
  ...vm_table,
  ...compaction_table,
  ...node_reclaim_table,
  ...writeback_table,
  ...vmstat_table,
  ...swap_table,
  ...oom_table,
  ...overcommit_table,
  ...vmscan_table,
  ...drop_caches_table,
  ...writeback_interval_table,
];

/** The files that there are, by path: sys/vm/min_free_kbytes. */
export const sysctl_files: ReadonlyMap<string, ctl_table> = new Map([
  ...vm_files.map((table) => [`${VM}${table.procname}`, table] as const),
  ...hung_task_table.map((table) => [`${KERNEL}${table.procname}`, table] as const),
]);

/** Whether Linux has it and this kernel does not. */
export const sysctl_is_elsewhere = (path: string): boolean => {
  const [, directory, name] = path.split('/');
  return directory === 'vm' ? vm_elsewhere.includes(name!) : directories_elsewhere.includes(directory!);
};

/** Whether nobody may read the file at `path`: CAP_DAC_OVERRIDE, which root has, counts for nothing in /proc/sys. */
export const sysctl_is_write_only = (path: string): boolean => sysctl_files.get(path)?.mode === 0o200;

/** @returns null: there is no such file */
export function proc_sys_read(k: Kernel, path: string): string | null {
  const table = sysctl_files.get(path);
  return table === undefined ? null : table.proc_handler(k, table, null).text;
}

/** One write() from the start of the file. @returns bytes taken, or -errno */
export function proc_sys_write(k: Kernel, path: string, text: string): number {
  const table = sysctl_files.get(path);
  return table === undefined ? -ENOENT : table.proc_handler(k, table, text).taken;
}

function process_sysctl_arg(k: Kernel, arg: string, val: string | null): number {
  const is_sysctl = /^sysctl[./]/.test(arg);
  if (!is_sysctl && !sysctl_aliases.has(arg)) return 0;
  const param = is_sysctl ? arg.slice('sysctl'.length + 1) : sysctl_aliases.get(arg)!;
  if (val === null || val === '') return -EINVAL;
  const path = `sys/${param.replaceAll('.', '/')}`;
  const setting = `set sysctl parameter '${param}=${val}`;
  const written = proc_sys_write(k, path, val);
  if (written === -ENOENT && sysctl_is_elsewhere(path)) pr_warn(k, `pgdat: sysctl ${param} is not here: no effect`);
  else if (written === -ENOENT) pr_err(k, `Failed to ${setting}': parameter not found`);
  else if (written < 0) pr_err(k, `Failed to ${setting}': invalid value`);
  else if (written !== val.length) {
    pr_err(k, `Wrote only ${written} bytes of ${val.length} writing to proc file ${path} to ${setting}`);
  }
  return 0;
}

/** Takes `sysctl.NAME=VALUE` arguments, in the order of the command line. */
export function do_sysctl_args(k: Kernel): void {
  parse_args(k, 'Setting sysctl args', k.cmdline.saved_command_line, (param, val) => process_sysctl_arg(k, param, val));
}
