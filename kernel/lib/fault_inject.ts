// Failures on purpose (Linux: lib/fault-inject.c): how often, how many, and what is said of them. Its first user is
// mm/fail_page_alloc.ts.
//
// Left out: stacktrace-depth, require-start and the like: there is no stack to look at.

import type { Kernel } from '../kernel.ts';
import { in_task } from '../sched/preempt.ts';
import { KERN_WARNING, pr_notice, pr_warn } from './printk.ts';
import { prandom_u32_max } from './random.ts';
import { dump_stack_print_info } from './taint.ts';

/** Of should_fail_ex(): the failure is not spoken of. */
export const FAULT_NOWARN = 1;
/** A jiffy with CONFIG_HZ=250, which the interval of the rate limit is counted in. */
const JIFFY_NS = 4e6;

export class fault_attr {
  /** In percent. 0: off. */
  probability = 0;
  /** Only every interval-th that comes so far. */
  interval = 1;
  /** How many failures are left; -1: no end. */
  times = 1;
  /** How much of `size` passes before the first one. */
  space = 0;
  /** 0: silent; 1: says so; 2: with a stack. */
  verbose = 2;
  /** Only tasks with make-it-fail. */
  task_filter = false;
  /** What passed the other tests so far, for `interval`. */
  count = 0;
  /** Its directory's name, once there is one. */
  dname: string | null = null;
  /** At most `burst` reports in `interval` jiffies; 0: all. */
  readonly ratelimit = { interval: 0, burst: 10, begin: -1, printed: 0, missed: 0 };
}

/** "interval,probability,space,times", as boot parameters have it. @returns 1 if taken */
export function setup_fault_attr(k: Kernel, attr: fault_attr, text: string): number {
  const found = /^\s*([+-]?\d+),\s*([+-]?\d+),\s*([+-]?\d+),\s*([+-]?\d+)/.exec(text);
  if (found === null) {
    k.log.printk(KERN_WARNING, 'FAULT_INJECTION: failed to parse arguments');
    return 0;
  }
  const [interval, probability, space, times] = found.slice(1).map(Number);
  attr.probability = probability!;
  attr.interval = interval!;
  attr.times = times!;
  attr.space = space!;
  return 1;
}

function ratelimited(k: Kernel, { ratelimit }: fault_attr): boolean {
  if (ratelimit.interval === 0) return false;
  const now = k.log.now();
  if (ratelimit.begin < 0) ratelimit.begin = now;
  if (now > ratelimit.begin + ratelimit.interval * JIFFY_NS) {
    if (ratelimit.missed > 0) pr_warn(k, `fail_dump: ${ratelimit.missed} callbacks suppressed`);
    ratelimit.missed = 0;
    ratelimit.begin = now;
    ratelimit.printed = 0;
  }
  if (ratelimit.printed < ratelimit.burst) {
    ratelimit.printed++;
    return false;
  }
  ratelimit.missed++;
  return true;
}

function fail_dump(k: Kernel, attr: fault_attr): void {
  if (attr.verbose <= 0 || ratelimited(k, attr)) return;
  const { dname, interval, probability, space, times } = attr;
  pr_notice(k, 'FAULT_INJECTION: forcing a failure.');
  pr_notice(
    k,
    `name ${dname ?? '(null)'}, interval ${interval}, probability ${probability}, space ${space}, times ${times}`,
  );
  if (attr.verbose > 1) dump_stack_print_info(k);
}

/** Linux: the tests of should_fail_ex(), in their order. Some count what comes as far as to them. */
function is_due(k: Kernel, attr: fault_attr, size: number): boolean {
  if (attr.probability === 0) return false;
  if (attr.task_filter && !(in_task(k) && k.current.make_it_fail)) return false;
  if (attr.times === 0) return false;
  if (attr.space > size) {
    attr.space -= size;
    return false;
  }
  if (attr.interval > 1 && ++attr.count % attr.interval !== 0) return false;
  return attr.probability > prandom_u32_max(k, 100);
}

/** Whether what the task is about to do, `size` large, fails. */
export function should_fail_ex(k: Kernel, attr: fault_attr, size: number, flags: number): boolean {
  const { current } = k;
  // A task may have asked for the n-th of its own to fail: then nothing else counts.
  if (in_task(k) && current.fail_nth > 0) {
    if (--current.fail_nth > 0) return false;
  } else if (!is_due(k, attr, size)) {
    return false;
  }
  if ((flags & FAULT_NOWARN) === 0) fail_dump(k, attr);
  if (attr.times > 0) attr.times--;
  else if (attr.times < -1) attr.times--;
  return true;
}
