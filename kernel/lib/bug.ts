// How the kernel stops (Linux: kernel/panic.c, include/linux/mmdebug.h). An expected failure is a return value; these
// are for what cannot go on. Whoever runs the kernel catches them at its edge: they never reach a user as exceptions.

import { KERN_EMERG, type Log } from './printk.ts';

/** panic(): the machine stops. `message` is Linux's text, without "Kernel panic - not syncing: ". */
export class KernelPanic extends Error {
  override readonly name = 'KernelPanic';
}

/** BUG_ON() and VM_BUG_ON(): a promise inside the kernel does not hold. */
export class KernelBug extends Error {
  override readonly name = 'KernelBug';
}

export function panic(k: { readonly log: Log }, message: string): never {
  k.log.printk(KERN_EMERG, `Kernel panic - not syncing: ${message}`);
  throw new KernelPanic(message);
}

export function BUG_ON(condition: boolean, what: string): void {
  if (condition) throw new KernelBug(`kernel BUG: ${what}`);
}
