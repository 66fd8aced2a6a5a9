// How the kernel stops (Linux: kernel/panic.c, include/linux/mmdebug.h). An expected failure is a return value; these
// are for what cannot go on. Whoever runs the kernel catches them at its edge: they never reach a user as exceptions.

import type { Kernel } from '../kernel.ts';
import { KERN_CRIT, KERN_EMERG, KERN_INFO, KERN_WARNING, type Log } from './printk.ts';
import { add_taint, dump_stack_print_info, print_modules, TAINT_DIE, TAINT_WARN } from './taint.ts';

/** panic(): the machine stops. `message` is Linux's text, without "Kernel panic - not syncing: ". */
export class KernelPanic extends Error {
  override readonly name = 'KernelPanic';
}

/** BUG_ON() and VM_BUG_ON(): a promise inside the kernel does not hold. */
export class KernelBug extends Error {
  override readonly name = 'KernelBug';
}

export function panic(k: { readonly log: Log }, message: string): never {
  print_panic(k, message);
  throw new KernelPanic(message);
}

export function BUG_ON(condition: boolean, what: string): void {
  if (condition) throw new KernelBug(`kernel BUG: ${what}`);
}

/**
 * BUG(): what cannot go on, in code that says so itself. The trap that it is ends the task.
 * @param where file and line as Linux 6.1 has them: "lib/list_debug.c:59"
 */
export function BUG(k: Kernel, where: string): never {
  k.log.printk(KERN_WARNING, '------------[ cut here ]------------');
  k.log.printk(KERN_CRIT, `kernel BUG at ${where}!`);
  return die(k, 'invalid opcode', 0, `kernel BUG at ${where}!`);
}

/**
 * The end of a task that ran into a fault in the kernel (Linux: __die(), oops_end(), make_task_dead()). What it held
 * stays held, zone->lock first of all, so that all others would come to a stop there: the run ends. Registers and call
 * trace are left out.
 * @param message what the run's end is known by
 * @param summary what is said once more after the registers
 */
export function die(
  k: Kernel,
  what: string,
  error_code: number,
  message: string,
  summary: string | null = null,
): never {
  const state = k.panic_state;
  state.debug_locks = false;
  const { PREEMPTION, PAGE_TABLE_ISOLATION } = k.config;
  const preempt = PREEMPTION ? ' PREEMPT' : '';
  const pti = PAGE_TABLE_ISOLATION ? ' NOPTI' : '';
  const code = error_code.toString(16).padStart(4, '0');
  k.log.printk(KERN_WARNING, `${what}: ${code} [#${++state.die_counter}]${preempt} SMP${pti}`);
  dump_stack_print_info(k);
  print_modules(k);
  if (summary !== null) k.log.printk(KERN_WARNING, summary);
  add_taint(k, TAINT_DIE, false);
  k.log.printk(KERN_WARNING, END_TRACE);
  const { pid, comm } = k.current;
  if (pid === 0) print_panic(k, 'Attempted to kill the idle task!');
  else {
    k.log.printk(KERN_INFO, `note: ${comm}[${pid}] exited with irqs disabled`);
    // SIGKILL for a fault, SIGSEGV for a trap.
    if (pid === 1) print_panic(k, `Attempted to kill init! exitcode=0x0000000${what === 'Oops' ? '9' : 'b'}`);
  }
  throw new KernelBug(message);
}

/**
 * The CPU goes round in circles with interrupts off, as damaged structures make Linux do: its watchdog says so, and
 * nothing more comes of that CPU.
 */
export function hard_lockup(k: Kernel): never {
  const text = `Watchdog detected hard LOCKUP on cpu ${k.percpu.cpu}`;
  k.log.printk(KERN_EMERG, `NMI watchdog: ${text}`);
  throw new KernelBug(text);
}

/** The same with interrupts on. */
export function soft_lockup(k: Kernel): never {
  const { pid, comm } = k.current;
  const text = `BUG: soft lockup - CPU#${k.percpu.cpu} stuck for 26s! [${comm}:${pid}]`;
  k.log.printk(KERN_EMERG, `watchdog: ${text}`);
  throw new KernelBug(text);
}

function print_panic(k: HasLog, message: string): void {
  k.log.printk(KERN_EMERG, `Kernel panic - not syncing: ${message}`);
  k.log.printk(KERN_EMERG, `---[ end Kernel panic - not syncing: ${message} ]---`);
}

const END_TRACE = '---[ end trace 0000000000000000 ]---';

type HasLog = { readonly log: Log } & Partial<Pick<Kernel, 'panic_state' | 'current' | 'percpu'>>;

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
  k.log.printk(KERN_WARNING, `WARNING: CPU: ${k.percpu?.cpu ?? 0} PID: ${k.current?.pid ?? 0} at ${where}`);
  k.log.printk(KERN_WARNING, END_TRACE);
  if (k.panic_state !== undefined) k.panic_state.tainted_mask |= 1 << TAINT_WARN;
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
