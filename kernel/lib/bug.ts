// How the kernel stops (Linux: kernel/panic.c, include/linux/mmdebug.h). An expected failure is a return value; these
// are for what cannot go on. Whoever runs the kernel catches them at its edge: they never reach a user as exceptions.

import { KERN_EMERG, KERN_WARNING, type Log } from './printk.ts';

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
  k.log.printk(KERN_EMERG, `---[ end Kernel panic - not syncing: ${message} ]---`);
  throw new KernelPanic(message);
}

export function BUG_ON(condition: boolean, what: string): void {
  if (condition) throw new KernelBug(`kernel BUG: ${what}`);
}

type HasLog = { readonly log: Log };

/**
 * WARN_ON() and WARN(): says so and goes on. Registers and call trace are left out.
 * @param where file, line and function as Linux 6.1 has them: "mm/memblock.c:593 memblock_add_range"
 * @param message WARN()'s text
 * @returns `condition`
 */
export function WARN_ON(k: HasLog, condition: boolean, where: string, message = ''): boolean {
  if (!condition) return false;
  k.log.printk(KERN_WARNING, '------------[ cut here ]------------');
  if (message !== '') k.log.printk(KERN_WARNING, message);
  k.log.printk(KERN_WARNING, `WARNING: CPU: 0 PID: 0 at ${where}`);
  k.log.printk(KERN_WARNING, '---[ end trace 0000000000000000 ]---');
  return true;
}

const warned = new WeakMap<Log, Set<string>>();

/** WARN_ONCE() and WARN_ON_ONCE(): the first time only in this kernel, by `where`; true each time. */
export function WARN_ONCE(k: HasLog, condition: boolean, where: string, message = ''): boolean {
  if (!condition) return false;
  const seen = warned.get(k.log) ?? new Set();
  warned.set(k.log, seen);
  if (!seen.has(where)) WARN_ON(k, true, where, message);
  seen.add(where);
  return true;
}
