// /proc/vmstat: every counter of the system on a line of its own (Linux: mm/vmstat.c vmstat_start(), vmstat_show()).

import { NR_VM_NODE_STAT_ITEMS } from '../../include/mmzone.ts';
import { vm_event_item } from '../../include/vm_event_item.ts';
import type { Kernel } from '../../kernel.ts';
import { for_each_populated_zone } from '../../mm/mmzone_iter.ts';
import { global_dirty_limits } from '../../mm/page_writeback.ts';
import { all_vm_events } from '../../mm/vm_event.ts';
import { fold_vm_zone_numa_events, global_node_page_state, global_zone_page_state } from '../../mm/vmstat.ts';
import { is_configured, node_stat_names, numa_stat_names, shown_node_stat, zone_stat_names } from './vmstat_text.ts';

/** Counted in sectors, shown in KiB. */
const in_sectors: readonly string[] = ['pgpgin', 'pgpgout'];

export function vmstat_show(k: Kernel): string {
  let text = '';
  const line = (name: string, value: number): void => {
    if (is_configured(k.config, name)) text += `${name} ${value}\n`;
  };
  for (const [item, name] of zone_stat_names.entries()) line(name, global_zone_page_state(k, item));
  const numa_events = global_numa_events(k);
  for (const [item, name] of numa_stat_names.entries()) line(name, numa_events[item]!);
  for (let item = 0; item < NR_VM_NODE_STAT_ITEMS; item++) {
    const name = node_stat_names[item]!;
    line(name, shown_node_stat(name, global_node_page_state(k, item)));
  }
  const { background, thresh } = global_dirty_limits(k);
  line('nr_dirty_threshold', thresh);
  line('nr_dirty_background_threshold', background);
  const events = all_vm_events(k);
  for (const [item, name] of vm_event_item.entries()) {
    line(name, in_sectors.includes(name) ? Math.floor(events[item]! / 2) : events[item]!);
  }
  // No longer counted; kept for programs that look for it.
  line('nr_unstable', 0);
  return text;
}

/** By numa_stat_item, over all zones, with what CPUs have not handed on yet. */
function global_numa_events(k: Kernel): number[] {
  const sums = numa_stat_names.map(() => 0);
  for (const zone of for_each_populated_zone(k)) {
    fold_vm_zone_numa_events(k, zone);
    for (let item = 0; item < sums.length; item++) sums[item]! += zone.vm_numa_event(item);
  }
  return sums;
}
