// Virtual time (Linux: kernel/time/timekeeping.c, jiffies). Each CPU has a clock, which the work of its tasks moves on:
// they charge for it. CPUs that run at the same time are run by turns, each up to about the same moment (sched/run.ts).
//
// Differs from Linux: jiffies begin at 0, not five minutes before they would overflow.

import { TICK_NSEC } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';

/** The running task has worked for so long. */
export function charge(k: Kernel, ns: number): void {
  k.sched.now += ns;
}

/** Time in nanoseconds. Never goes back, though one CPU may be a little behind another. */
export function ktime_get(k: Kernel): number {
  const { sched } = k;
  if (sched.now > sched.latest) sched.latest = sched.now;
  return sched.latest;
}

export const jiffies = (k: Kernel): number => Math.floor(ktime_get(k) / TICK_NSEC);
