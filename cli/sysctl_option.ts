// `--sysctl NAME=VALUE`: what can be told of it before the machine boots, and the write once it has.

import { proc_sys_write, sysctl_files, sysctl_is_elsewhere } from '../kernel/fs/proc/proc_sysctl.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { sysctl_may_take } from '../kernel/sysctl.ts';
import { UsageError } from './command.ts';
import { errnoText } from './errno_text.ts';
import { nearestName } from './near.ts';

export interface Sysctl {
  /** As given, to name it by. */
  readonly setting: string;
  readonly path: string;
  readonly value: string;
}

export const sysctlNames: readonly string[] = [...sysctl_files.keys()].map((path) =>
  path.replace('sys/', '').replaceAll('/', '.'),
);

/**
 * As sysctl(8) has it: dots or slashes between the parts of a name.
 * @throws UsageError
 */
export function parseSysctls(settings: readonly string[]): Sysctl[] {
  const sysctls = settings.map((setting) => {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(setting) ?? [];
    return { setting, path: `sys/${name.trim().replaceAll('.', '/')}`, value };
  });
  const problems = sysctls.flatMap((one) => problemOf(one) ?? []);
  if (problems.length > 0) throw new UsageError(problems);
  return sysctls;
}

function problemOf({ setting, path, value }: Sysctl): string | null {
  const problem = (what: string) => `--sysctl ${setting}: ${what}`;
  if (!/^[^=]+=/.test(setting)) return problem('NAME=VALUE is needed, as in vm.min_free_kbytes=20000');
  const table = sysctl_files.get(path);
  if (table === undefined) {
    if (sysctl_is_elsewhere(path)) return problem(`Linux has it, pgdat does not; there are ${sysctlNames.join(', ')}`);
    const near = nearestName(path.replace('sys/', '').replaceAll('/', '.'), sysctlNames);
    return problem(
      `no such sysctl, ${near === null ? `there are ${sysctlNames.join(', ')}` : `did you mean ${near}?`}`,
    );
  }
  if (sysctl_may_take(table, `${value}\n`)) return null;
  const { min = 0, max } = table;
  return problem(
    max === undefined ? `a whole number from ${min} is needed` : `a whole number from ${min} to ${max} is needed`,
  );
}

/** @returns what went wrong, a line each: some values are refused only by a kernel that runs */
export function setSysctls(k: Kernel, sysctls: readonly Sysctl[]): string[] {
  return sysctls.flatMap(({ setting, path, value }) => {
    const written = proc_sys_write(k, path, `${value}\n`);
    return written >= 0 ? [] : [`--sysctl ${setting}: ${errnoText(written)}`];
  });
}
