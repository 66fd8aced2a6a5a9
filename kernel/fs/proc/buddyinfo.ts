// /proc/buddyinfo: how many free blocks of each order a zone has (Linux: mm/vmstat.c frag_show()).

import { MAX_ORDER } from '../../include/mmzone.ts';
import type { Kernel } from '../../kernel.ts';
import { nr_free } from '../../mm/free_list.ts';
import { for_each_populated_zone } from '../../mm/mmzone_iter.ts';
import { pad } from './zones.ts';

export function frag_show(k: Kernel): string {
  let text = '';
  for (const zone of for_each_populated_zone(k)) {
    text += `Node ${zone.nid}, zone ${pad(zone.name, 8)} `;
    for (let order = 0; order < MAX_ORDER; order++) text += `${pad(nr_free(zone, order), 6)} `;
    text += '\n';
  }
  return text;
}
