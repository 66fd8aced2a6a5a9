// What a task says of all requests that it makes for a while (Linux: include/linux/sched/mm.h): scopes that take flags
// away from them, and the check at each place that may have to wait for memory.

import { __GFP_DIRECT_RECLAIM } from '../include/gfp_types.ts';
import { PF_MEMALLOC, PF_MEMALLOC_NOFS, PF_MEMALLOC_NOIO, PF_MEMALLOC_PIN } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { fs_reclaim_acquire, fs_reclaim_release } from '../mm/fs_reclaim.ts';
import { might_sleep } from './might_sleep.ts';

function save(k: Kernel, flag: number): number {
  const flags = k.current.flags & flag;
  k.current.flags |= flag;
  return flags;
}

function restore(k: Kernel, flag: number, flags: number): void {
  k.current.flags = (k.current.flags & ~flag) | flags;
}

/** Until memalloc_noio_restore() requests start no input or output. @returns what to hand to that: scopes nest */
export const memalloc_noio_save = (k: Kernel): number => save(k, PF_MEMALLOC_NOIO);
export const memalloc_noio_restore = (k: Kernel, flags: number): void => restore(k, PF_MEMALLOC_NOIO, flags);
/** Requests do not call into file systems. */
export const memalloc_nofs_save = (k: Kernel): number => save(k, PF_MEMALLOC_NOFS);
export const memalloc_nofs_restore = (k: Kernel, flags: number): void => restore(k, PF_MEMALLOC_NOFS, flags);
/** Requests ignore watermarks and do not reclaim: who asks frees memory himself. */
export const memalloc_noreclaim_save = (k: Kernel): number => save(k, PF_MEMALLOC);
export const memalloc_noreclaim_restore = (k: Kernel, flags: number): void => restore(k, PF_MEMALLOC, flags);
/** Requests get nothing from ZONE_MOVABLE or CMA areas: the pages will stay where they are for long. */
export const memalloc_pin_save = (k: Kernel): number => save(k, PF_MEMALLOC_PIN);
export const memalloc_pin_restore = (k: Kernel, flags: number): void => restore(k, PF_MEMALLOC_PIN, flags);

/** Where it stands in Linux's source: what the report names. */
const WHERE = 'include/linux/sched/mm.h:274';

/** Whoever gets here might wait for memory, even if this time he need not. */
export function might_alloc(k: Kernel, gfp: gfp_t): void {
  fs_reclaim_acquire(k, gfp);
  fs_reclaim_release(k, gfp);
  if ((gfp & __GFP_DIRECT_RECLAIM) !== 0) might_sleep(k, WHERE);
}
