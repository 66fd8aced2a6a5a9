// What the files that show zones have in common (Linux: mm/vmstat.c walk_zones_in_node(); seq_printf()'s widths).

import type { KernelConfig } from '../../config.ts';
import {
  MAX_NR_ZONES,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  migratetype_names,
  ZONE_DEVICE,
  ZONE_DMA,
} from '../../include/mmzone.ts';
import type { PgData, Zone } from '../../mm/mmzone.ts';

/** `%*d` and `%*s`: right-aligned. */
export const pad = (value: number | string, width: number): string => String(value).padStart(width);

/** Numbers of the zones that the configuration has. */
export function configured_zones(config: KernelConfig): number[] {
  const zones: number[] = [];
  for (let i = 0; i < MAX_NR_ZONES; i++) {
    if (i === ZONE_DMA && !config.ZONE_DMA) continue;
    if (i === ZONE_DEVICE && !config.ZONE_DEVICE) continue;
    zones.push(i);
  }
  return zones;
}

export const populated_zones = (pgdat: PgData): Zone[] => pgdat.node_zones.filter((zone) => zone.populated);

/** The migratetypes that the configuration has, by number, with their names. */
export function configured_migratetypes(config: KernelConfig): { readonly mt: number; readonly name: string }[] {
  return migratetype_names
    .map((name, mt) => ({ mt, name }))
    .filter(({ mt }) => (mt !== MIGRATE_CMA || config.CMA) && (mt !== MIGRATE_ISOLATE || config.MEMORY_ISOLATION));
}
