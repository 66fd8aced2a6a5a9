// Reclaim goes to work: from here on the page allocator and kswapd can have pages freed.
//
// Until then, while the system boots and where nobody runs tasks, a request takes what there is.

import type { Kernel } from '../kernel.ts';
import { try_to_compact_pages } from './compaction.ts';
import { wakeup_kswapd } from './kswapd.ts';
import { oom_hooks } from './oom_kill.ts';
import type { ReclaimHooks } from './page_alloc_state.ts';
import { kswapd_age_node } from './shrink_lruvec.ts';
import { shrink_node } from './shrink_node.ts';
import { __node_reclaim, try_to_free_mem_cgroup_pages, try_to_free_pages } from './try_to_free_pages.ts';

const hooks: ReclaimHooks = {
  wakeup_kswapd,
  try_to_free_pages,
  try_to_compact_pages,
  node_reclaim: __node_reclaim,
  try_to_free_mem_cgroup_pages: (k, memcg, nr_pages, gfp) =>
    try_to_free_mem_cgroup_pages(k, memcg, nr_pages, gfp, true),
  ...oom_hooks,
};

export function start_reclaim(k: Kernel): void {
  k.page_alloc.reclaim = hooks;
  k.kswapd.shrink = { shrink_node, kswapd_age_node };
}
