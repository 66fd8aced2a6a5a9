// /sys/kernel/debug/extfrag: how scattered the free pages of each zone are, by order (Linux: mm/vmstat.c extfrag_show(),
// unusable_show()).

import { MAX_ORDER } from '../include/mmzone.ts';
import type { Kernel } from '../kernel.ts';
import { fragmentation_index, unusable_free_index } from '../mm/compaction_suitable.ts';
import type { Zone } from '../mm/mmzone.ts';
import { for_each_populated_zone } from '../mm/mmzone_iter.ts';
import { pad } from './proc/zones.ts';

/** `%0*d`: the sign is in front of the zeros. */
const zero_padded = (value: number, width: number): string =>
  value < 0 ? `-${String(-value).padStart(width - 1, '0')}` : String(value).padStart(width, '0');

/** Thousandths as a fraction. Linux prints both parts of it with their sign: -500 is " 0.-500". */
const fraction = (index: number, width: number): string =>
  `${pad(Math.trunc(index / 1000) + 0, width)}.${zero_padded((index % 1000) + 0, 3)} `;

function show(k: Kernel, index: (zone: Zone, order: number) => number, width: number): string {
  let text = '';
  for (const zone of for_each_populated_zone(k)) {
    text += `Node ${zone.nid}, zone ${pad(zone.name, 8)} `;
    for (let order = 0; order < MAX_ORDER; order++) text += fraction(index(zone, order), width);
    text += '\n';
  }
  return text;
}

/** Why there is no block: from 0, no memory, to 1, fragmentation; -1: there is one. */
export const extfrag_show = (k: Kernel): string => show(k, fragmentation_index, 2);

/** How much of what is free is in blocks that are too small. */
export const unusable_show = (k: Kernel): string => show(k, unusable_free_index, 1);
