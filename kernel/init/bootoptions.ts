// The two passes over the command line (Linux: init/main.c parse_early_param(), unknown_bootoption(),
// obsolete_checksetup(), print_unknown_bootoptions()).
//
// Left out: bootconfig, and setting module parameters (a name with a dot is accepted in silence, as Linux does for
// modules that are not there).

import type { Kernel } from '../kernel.ts';
import { parameq, parameqn } from '../lib/cmdline.ts';
import { pr_notice, pr_warn } from '../lib/printk.ts';
import { early_table, is_built, known_elsewhere, setup_table, sysctl_aliases } from './early_params.ts';
import { parse_args } from './params.ts';

const MAX_INIT_ARGS = 32;
const MAX_INIT_ENVS = 32;

/** Runs the handlers of early parameters, once, in the order of the command line. */
export function parse_early_param(k: Kernel): void {
  if (k.cmdline.early_params_done) return;
  k.cmdline.early_params_done = true;
  parse_args(k, 'early options', k.cmdline.boot_command_line, (param, val) => {
    for (const row of early_table) {
      if (!is_built(k, row) || !parameq(param, row.name)) continue;
      if (row.setup(k, val) !== 0) pr_warn(k, `Malformed early option '${param}'`);
    }
    return 0;
  });
}

/** Some __setup row takes `line` (rows match by prefix), or it was an early parameter. */
function obsolete_checksetup(k: Kernel, line: string): boolean {
  const name = line.split('=', 1)[0]!;
  if (early_table.some((row) => is_built(k, row) && parameq(row.name, name))) return true;
  if (known_elsewhere.early.some((early) => parameq(early, name))) return true;
  // Linux: a handler that returns 0 leaves the parameter to others, and so to the first process.
  for (const row of setup_table) {
    if (!is_built(k, row) || !parameqn(line, row.name)) continue;
    if (row.setup(k, line.slice(row.name.length)) !== 0) return true;
  }
  return known_elsewhere.setup.some((setup) => parameqn(line, setup));
}

function unknown_bootoption(k: Kernel, param: string, val: string | null): number {
  const { cmdline } = k;
  if (sysctl_aliases.has(param)) return 0;
  const line = val === null ? param : `${param}=${val}`;
  if (line.startsWith('BOOT_IMAGE=') || line.startsWith('kexec')) return 0;
  if (obsolete_checksetup(k, line)) return 0;
  if (param.includes('.') || cmdline.panic_later !== null) return 0;
  if (val === null) {
    if (cmdline.argv_init.length > MAX_INIT_ARGS) cmdline.panic_later = { kind: 'init', param };
    cmdline.argv_init.push(param);
    return 0;
  }
  const same = cmdline.envp_init.findIndex((env) => env.startsWith(`${param}=`));
  if (same >= 0) {
    cmdline.envp_init[same] = line;
    return 0;
  }
  if (cmdline.envp_init.length > MAX_INIT_ENVS) cmdline.panic_later = { kind: 'env', param: line };
  cmdline.envp_init.push(line);
  return 0;
}

/** The second pass: everything that is not early, then one line that names what nobody knows. */
export function parse_boot_params(k: Kernel): void {
  const { cmdline } = k;
  const after_dashes = parse_args(k, 'Booting kernel', cmdline.boot_command_line, (param, val) =>
    unknown_bootoption(k, param, val),
  );
  const unknown = [...cmdline.argv_init.slice(1), ...cmdline.envp_init.slice(2)];
  if (cmdline.panic_later === null && unknown.length > 0) {
    pr_notice(k, `Unknown kernel command line parameters "${unknown.join(' ')}", will be passed to user space.`);
  }
  if (after_dashes === null) return;
  parse_args(k, 'Setting init args', after_dashes, (param, val) => {
    cmdline.argv_init.push(val === null ? param : `${param}=${val}`);
    return 0;
  });
}
