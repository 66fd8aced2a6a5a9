// The command line as state, and the walk over its arguments (Linux: kernel/params.c parse_args()). What the arguments
// mean: early_params.ts (the table) and bootoptions.ts (the two passes).

import { ENOENT, ENOSPC } from '../include/types.ts';
import { next_arg, skip_spaces } from '../lib/cmdline.ts';
import { type Log, pr_err } from '../lib/printk.ts';

export const COMMAND_LINE_SIZE = 2048;

export class CommandLine {
  /** As the boot loader passed it, cut to COMMAND_LINE_SIZE. */
  boot_command_line = '';
  /** What /proc/cmdline shows. */
  saved_command_line = '';
  early_params_done = false;
  /** Arguments and environment of the first process: what no one else took. */
  readonly argv_init: string[] = ['init'];
  readonly envp_init: string[] = ['HOME=/', 'TERM=linux'];
  /** More such words than Linux has room for: it panics once the console is up. */
  panic_later: { readonly kind: 'init' | 'env'; readonly param: string } | null = null;
}

/**
 * Calls `handle` for each argument up to `--`; the errors it returns are printed as Linux prints them.
 * @returns the text after `--`, or null
 */
export function parse_args(
  k: { readonly log: Log },
  doing: string,
  args: string,
  handle: (param: string, val: string | null) => number,
): string | null {
  let left = skip_spaces(args);
  while (left !== '') {
    const { param, val, rest } = next_arg(left);
    left = rest;
    if (val === null && param === '--') return left;
    const error = handle(param, val);
    if (error === 0) continue;
    if (error === -ENOENT) pr_err(k, `${doing}: Unknown parameter \`${param}'`);
    else if (error === -ENOSPC) pr_err(k, `${doing}: \`${val ?? ''}' too large for parameter \`${param}'`);
    else pr_err(k, `${doing}: \`${val ?? ''}' invalid for parameter \`${param}'`);
  }
  return null;
}
