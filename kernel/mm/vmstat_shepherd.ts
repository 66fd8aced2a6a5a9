// The timer that keeps counters near to the truth (Linux: mm/vmstat.c vmstat_shepherd()): once a second what CPUs hold in
// their diffs is handed on, and pages of other nodes that a CPU has not used for three rounds go back (vmstat_update.ts).
//
// Differs from Linux: a timer does it for all CPUs, where Linux gives each some work to do.

import { HZ } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { jiffies } from '../sched/clock.ts';
import { mod_timer, timer_list } from '../sched/timer.ts';
import { vmstat_update } from './vmstat_update.ts';

/** Every whole second from now on. The timer is deferrable, as Linux's is. */
export function start_shepherd_timer(k: Kernel): void {
  const next = (): number => (Math.floor(jiffies(k) / HZ) + 1) * HZ;
  const timer = new timer_list(() => {
    vmstat_update(k);
    mod_timer(k, timer, next());
  }, true);
  mod_timer(k, timer, next());
}
