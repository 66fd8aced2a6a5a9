// How fragmented a node is, and how much it may be before compaction begins unasked (Linux: mm/compaction.c
// fragmentation_score_zone(), fragmentation_score_node(), fragmentation_score_wmark(), should_proactive_compact_node()).

import { pageblock_order } from '../include/mmzone.ts';
import { TASK_RUNNING } from '../include/sched.ts';
import type { nid_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { extfrag_for_order } from './compaction_suitable.ts';
import type { PgData, Zone } from './mmzone.ts';

/** COMPACTION_HPAGE_ORDER: that of transparent huge pages. */
const COMPACTION_HPAGE_ORDER = pageblock_order;

/** Whether the node's kswapd is at work. */
export function kswapd_is_running(k: Kernel, nid: nid_t): boolean {
  const kswapd = k.kswapd.nodes[nid]?.kswapd ?? null;
  return kswapd !== null && kswapd.__state === TASK_RUNNING;
}

/** From 0 to 100. */
export const fragmentation_score_zone = (zone: Zone): number => extfrag_for_order(zone, COMPACTION_HPAGE_ORDER);

/** Each zone counts by its size. */
export function fragmentation_score_node(pgdat: PgData): number {
  let score = 0;
  for (const zone of pgdat.node_zones) {
    const weighted = zone.present_pages * fragmentation_score_zone(zone);
    score += Math.floor(weighted / (pgdat.node_present_pages + 1));
  }
  return score;
}

/** @param low where compaction ends; else where it begins */
export function fragmentation_score_wmark(k: Kernel, low: boolean): number {
  const wmark_low = Math.max(100 - k.compaction.sysctl_compaction_proactiveness, 5);
  return low ? wmark_low : Math.min(wmark_low + 10, 100);
}

export function should_proactive_compact_node(k: Kernel, pgdat: PgData): boolean {
  if (k.compaction.sysctl_compaction_proactiveness === 0 || kswapd_is_running(k, pgdat.node_id)) return false;
  return fragmentation_score_node(pgdat) > fragmentation_score_wmark(k, false);
}
