// Walks over nodes and zones (Linux: include/linux/mmzone.h for_each_online_pgdat() and kin, mm/mmzone.c).

import { MAX_NR_ZONES } from '../include/mmzone.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask } from '../lib/nodemask.ts';
import type { PgData, Zone } from './mmzone.ts';

/** Nodes that are online, ascending. */
export function* for_each_online_pgdat(k: Kernel): Generator<PgData> {
  for (const nid of for_each_node_mask(k.node_online_map)) yield k.node_data[nid]!;
}

/** Zones of online nodes, empty ones too. */
export function* for_each_zone(k: Kernel): Generator<Zone> {
  for (const pgdat of for_each_online_pgdat(k)) {
    for (let i = 0; i < MAX_NR_ZONES; i++) yield pgdat.node_zones[i]!;
  }
}

export function* for_each_populated_zone(k: Kernel): Generator<Zone> {
  for (const zone of for_each_zone(k)) if (zone.populated) yield zone;
}
