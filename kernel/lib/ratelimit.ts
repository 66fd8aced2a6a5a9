// Reports that may come in floods (Linux: lib/ratelimit.c ___ratelimit()): so many in an interval of virtual time, and
// at its end how many were held back.

import type { Kernel } from '../kernel.ts';
import { pr_warn } from './printk.ts';

export class RatelimitState {
  readonly interval_ns: number;
  readonly burst: number;
  begin = -1;
  printed = 0;
  missed = 0;

  constructor(interval_ns: number, burst: number) {
    this.interval_ns = interval_ns;
    this.burst = burst;
  }
}

/** @param name of the function that asks. @returns whether it may print */
export function __ratelimit(k: Kernel, rs: RatelimitState, name: string): boolean {
  const now = k.log.now();
  if (rs.begin < 0) rs.begin = now;
  if (now - rs.begin > rs.interval_ns) {
    if (rs.missed > 0) pr_warn(k, `${name}: ${rs.missed} callbacks suppressed`);
    rs.begin = now;
    rs.printed = 0;
    rs.missed = 0;
  }
  if (rs.printed < rs.burst) {
    rs.printed++;
    return true;
  }
  rs.missed++;
  return false;
}
