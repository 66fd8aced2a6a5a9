// The rounds that keep counters near to the truth (Linux: mm/vmstat.c vmstat_shepherd(), vmstat_update(),
// refresh_cpu_vm_stats()): once a second what CPUs hold in their diffs is handed on, and pages of other nodes that a CPU
// has had on its lists for three seconds without use go back.
//
// Differs from Linux: a timer does it for all CPUs, where Linux gives each some work to do.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { HZ } from '../include/sched.ts';
import { PCP_COUNT, PCP_FREE_FACTOR } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { jiffies } from '../sched/clock.ts';
import { mod_timer, timer_list } from '../sched/timer.ts';
import type { Zone } from './mmzone.ts';
import { for_each_populated_zone } from './mmzone_iter.ts';
import { drain_zone_pages } from './pcp.ts';
import { refresh_cpu_vm_stats } from './vmstat.ts';
import { zone_cpu } from './zone_cpu.ts';

// per_cpu_pages.expire is the upper half of the word that begins with free_factor.
const EXPIRE_SHIFT = 16;
const LOWER_HALF = 0xffff;
const EXPIRE_ROUNDS = 3;

/** @param changed whether the CPU has had anything to do with the zone since the last round */
function expire_remote_pages(k: Kernel, zone: Zone, cpu: number, changed: boolean): void {
  const c = zone_cpu(k, zone, cpu);
  const word = c.pcp[PCP_FREE_FACTOR]!;
  let expire = changed ? EXPIRE_ROUNDS : word >>> EXPIRE_SHIFT;
  let drain = false;
  if (expire > 0 && c.pcp[PCP_COUNT]! > 0) {
    expire = zone.nid === c.cpu_node ? 0 : expire - 1;
    drain = zone.nid !== c.cpu_node && expire === 0;
  }
  c.pcp[PCP_FREE_FACTOR] = (word & LOWER_HALF) | (expire << EXPIRE_SHIFT);
  if (drain) drain_zone_pages(k, zone, c);
}

function vmstat_shepherd(k: Kernel): void {
  for (const cpu of for_each_online_cpu(k)) {
    const changed = refresh_cpu_vm_stats(k, cpu);
    if (!k.config.NUMA) continue;
    for (const zone of for_each_populated_zone(k)) expire_remote_pages(k, zone, cpu, changed.has(zone));
  }
}

/** Every whole second from now on. The timer is deferrable, as Linux's is. */
export function start_shepherd_timer(k: Kernel): void {
  const next = (): number => (Math.floor(jiffies(k) / HZ) + 1) * HZ;
  const timer = new timer_list(() => {
    vmstat_shepherd(k);
    mod_timer(k, timer, next());
  }, true);
  mod_timer(k, timer, next());
}
