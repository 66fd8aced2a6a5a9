// The kernel log (Linux: kernel/printk/printk.c): records in order, each echoed to the console. Text that Linux has
// is Linux's; lines of our own begin with "pgdat: ".
//
// Time is virtual. Before the clock is set up a record says 0.000000, as Linux's do.

export const KERN_EMERG = 0;
export const KERN_ALERT = 1;
export const KERN_CRIT = 2;
export const KERN_ERR = 3;
export const KERN_WARNING = 4;
export const KERN_NOTICE = 5;
export const KERN_INFO = 6;
export const KERN_DEBUG = 7;

export interface LogRecord {
  readonly level: number;
  readonly time_ns: number;
  readonly text: string;
}

export class Log {
  readonly records: LogRecord[] = [];
  /** Records above this level are kept but not echoed (Linux: console_loglevel, 7 as Debian boots). */
  console_loglevel = 7;
  /** Whether pr_debug() prints (Linux: dyndbg="+p", for all of the kernel at once). */
  dynamic_debug = false;
  /** Called with each line that the console shows, newline included. Set by the console driver. */
  console: ((line: string) => void) | null = null;
  /** Virtual time in nanoseconds. Set once there is a clock. */
  now: () => number = () => 0;
  private partial = '';
  private once = new Set<string>();

  /** Appends one line. `text` has no newline. */
  printk(level: number, text: string): void {
    this.flush();
    this.append(level, text);
  }

  /** Linux's KERN_CONT: pieces of one line, which ends at the first piece with a newline or at the next printk. */
  cont(text: string): void {
    this.partial += text;
    if (this.partial.endsWith('\n')) this.flush();
  }

  /** Prints `text` the first time only (Linux: pr_info_once and the like). */
  printk_once(level: number, text: string): void {
    if (this.once.has(text)) return;
    this.once.add(text);
    this.printk(level, text);
  }

  private flush(): void {
    if (this.partial === '') return;
    const text = this.partial.replace(/\n$/, '');
    this.partial = '';
    this.append(KERN_INFO, text);
  }

  private append(level: number, text: string): void {
    const record = { level, time_ns: this.now(), text };
    this.records.push(record);
    if (level < this.console_loglevel) this.console?.(`${formatRecord(record)}\n`);
  }
}

/** `[    0.000000] text`, as dmesg prints it. */
export function formatRecord(record: LogRecord): string {
  const us = Math.floor(record.time_ns / 1000);
  const seconds = String(Math.floor(us / 1e6)).padStart(5);
  return `[${seconds}.${String(us % 1e6).padStart(6, '0')}] ${record.text}`;
}

type HasLog = { readonly log: Log };

export const pr_err = (k: HasLog, text: string): void => k.log.printk(KERN_ERR, text);
export const pr_warn = (k: HasLog, text: string): void => k.log.printk(KERN_WARNING, text);
export const pr_notice = (k: HasLog, text: string): void => k.log.printk(KERN_NOTICE, text);
export const pr_info = (k: HasLog, text: string): void => k.log.printk(KERN_INFO, text);
/** printk(KERN_DEBUG): in the log, though not on the console. */
export const printk_debug = (k: HasLog, text: string): void => k.log.printk(KERN_DEBUG, text);
/** Off, as in a kernel that dynamic debug has not been told otherwise. */
export function pr_debug(k: HasLog, text: string): void {
  if (k.log.dynamic_debug) k.log.printk(KERN_DEBUG, text);
}

/** `0x%0*llx`: lower-case hex, zero-padded to `digits`, with the 0x. */
export const hex = (value: number | bigint, digits = 0): string => `0x${value.toString(16).padStart(digits, '0')}`;
/** `[mem %#018Lx-%#018Lx]` with an inclusive end. */
export const mem_range = (start: number | bigint, end: number | bigint, digits = 16): string =>
  `[mem ${hex(start, digits)}-${hex(end, digits)}]`;
