// What reports of trouble have in common (Linux: kernel/panic.c add_taint(), print_tainted(), lib/dump_stack.c
// dump_stack_print_info(), kernel/module/main.c print_modules()).
//
// Left out: the call trace that follows; the name of the hardware.

import type { Kernel } from '../kernel.ts';
import { KERN_WARNING } from './printk.ts';

// Bits of tainted_mask
export const TAINT_BAD_PAGE = 5;
export const TAINT_DIE = 7;
export const TAINT_WARN = 9;

/** By bit: the letter that says so. Bit 0 says G where it is not set. */
const taint_flags = 'PFSRMBUDAWCIOELKXTN';

export class PanicState {
  tainted_mask = 0;
  /** Whether lockdep could still be trusted. */
  debug_locks = true;
  /** Oopses so far. */
  die_counter = 0;
}

/** @param lockdep_ok whether the kernel's own state can still be trusted */
export function add_taint(k: Kernel, flag: number, lockdep_ok: boolean): void {
  const state = k.panic_state;
  if (!lockdep_ok && state.debug_locks) {
    state.debug_locks = false;
    k.log.printk(KERN_WARNING, 'Disabling lock debugging due to kernel taint');
  }
  state.tainted_mask |= 1 << flag;
}

/** "Not tainted", or "Tainted: G    B". */
export function print_tainted(mask: number): string {
  if (mask === 0) return 'Not tainted';
  const letter = (c: string, bit: number): string => ((mask >>> bit) & 1 ? c : bit === 0 ? 'G' : ' ');
  return `Tainted: ${[...taint_flags].map(letter).join('')}`;
}

export function print_modules(k: Kernel): void {
  if (k.config.MODULES) k.log.printk(KERN_WARNING, 'Modules linked in:');
}

/** What dump_stack() says before the call trace. */
export function dump_stack_print_info(k: Kernel): void {
  const { pid, comm } = k.current;
  const tainted = print_tainted(k.panic_state.tainted_mask);
  k.log.printk(
    KERN_WARNING,
    `CPU: ${k.percpu.cpu} PID: ${pid} Comm: ${comm.slice(0, 20)} ${tainted} ${k.config.version} #1`,
  );
}
