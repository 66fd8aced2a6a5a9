// What allocation flags mean: zone, migratetype, zonelist (Linux: include/linux/gfp.h, include/linux/sched/mm.h).

import {
  __GFP_FS,
  __GFP_IO,
  __GFP_MOVABLE,
  __GFP_RECLAIMABLE,
  __GFP_THISNODE,
  GFP_ZONE_TABLE,
  GFP_ZONEMASK,
  gfpflag_names,
} from '../include/gfp_types.ts';
import { MIGRATE_UNMOVABLE, ZONELIST_FALLBACK, ZONELIST_NOFALLBACK } from '../include/mmzone.ts';
import { PF_MEMALLOC_NOFS, PF_MEMALLOC_NOIO, PF_MEMALLOC_PIN } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { hex } from '../lib/printk.ts';

/** A bit for each combination that is not permitted. */
const GFP_ZONE_BAD = 0xe8e8;

/** Whether the zone bits of `gfp` contradict each other: Linux stops there if built with DEBUG_VM. */
export const gfp_zone_bad = (gfp: gfp_t): boolean => ((GFP_ZONE_BAD >>> (gfp & GFP_ZONEMASK)) & 1) !== 0;

/** The highest zone that `gfp` allows. */
export const gfp_zone = (gfp: gfp_t): number => (GFP_ZONE_TABLE >>> ((gfp & GFP_ZONEMASK) << 1)) & 3;

export const gfp_migratetype = (k: Kernel, gfp: gfp_t): number =>
  k.mm.page_group_by_mobility_disabled ? MIGRATE_UNMOVABLE : (gfp & (__GFP_RECLAIMABLE | __GFP_MOVABLE)) >> 3;

export const gfp_zonelist = (gfp: gfp_t): number =>
  (gfp & __GFP_THISNODE) !== 0 ? ZONELIST_NOFALLBACK : ZONELIST_FALLBACK;

/** Takes away what the task said that it must not do for now: memalloc_noio_save() and its kin. */
export function current_gfp_context(k: Kernel, gfp: gfp_t): gfp_t {
  const pflags = k.current.flags;
  if (pflags & PF_MEMALLOC_NOIO) gfp &= ~(__GFP_IO | __GFP_FS);
  else if (pflags & PF_MEMALLOC_NOFS) gfp &= ~__GFP_FS;
  if (pflags & PF_MEMALLOC_PIN) gfp &= ~__GFP_MOVABLE;
  return gfp;
}

/** %pGg: "GFP_KERNEL|__GFP_NOWARN". */
export function format_gfp(gfp: gfp_t): string {
  const names: string[] = [];
  let left = gfp;
  for (const [mask, name] of gfpflag_names) {
    if ((left & mask) !== mask) continue;
    names.push(name);
    left &= ~mask;
    if (left === 0) break;
  }
  if (left !== 0) names.push(hex(left >>> 0));
  return names.join('|');
}
