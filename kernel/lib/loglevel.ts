// Which records reach the console (Linux: init/main.c debug, quiet, loglevel=; kernel/printk/printk.c).

import { EINVAL } from '../include/types.ts';
import { get_option, OPTION_NONE } from './cmdline.ts';
import type { Log } from './printk.ts';

const CONSOLE_LOGLEVEL_DEBUG = 10;
const CONSOLE_LOGLEVEL_QUIET = 4;
/** Above every level that exists: Linux keeps a flag of its own. */
const CONSOLE_LOGLEVEL_MOTORMOUTH = 15;

type HasLog = { readonly log: Log };

export function debug_kernel(k: HasLog): number {
  k.log.console_loglevel = CONSOLE_LOGLEVEL_DEBUG;
  return 0;
}

export function quiet_kernel(k: HasLog): number {
  k.log.console_loglevel = CONSOLE_LOGLEVEL_QUIET;
  return 0;
}

/** A value that is no number changes nothing, so that a typo does not silence the console. */
export function loglevel(k: HasLog, value: string | null): number {
  const level = get_option(value ?? '');
  if (level.result === OPTION_NONE) return -EINVAL;
  k.log.console_loglevel = level.value;
  return 0;
}

export function ignore_loglevel_setup(k: HasLog): number {
  k.log.console_loglevel = CONSOLE_LOGLEVEL_MOTORMOUTH;
  k.log.printk(6, 'debug: ignoring loglevel setting.');
  return 0;
}
