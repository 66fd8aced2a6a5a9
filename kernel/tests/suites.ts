// All self tests, in the order in which they run: what the later ones build on comes first.

import { bad_page_suite } from './bad_page.ts';
import { blk_suite } from './blk.ts';
import { buddy_suite } from './buddy.ts';
import { cma_suite } from './cma.ts';
import { compaction_suite } from './compaction.ts';
import { cpuset_suite } from './cpuset.ts';
import { e820_suite } from './e820.ts';
import type { Suite } from './env.ts';
import { fallback_suite } from './fallback.ts';
import { filemap_suite } from './filemap.ts';
import { highatomic_suite } from './highatomic.ts';
import { kswapd_suite } from './kswapd.ts';
import { lru_suite } from './lru.ts';
import { memblock_suite } from './memblock.ts';
import { memcg_suite } from './memcg.ts';
import { memcg_user_suite } from './memcg_user.ts';
import { mempolicy_suite } from './mempolicy.ts';
import { migrate_suite } from './migrate.ts';
import { mm_suite } from './mm.ts';
import { mm_swap_suite } from './mm_swap.ts';
import { nodemask_suite } from './nodemask.ts';
import { oom_suite } from './oom.ts';
import { page_alloc_gfp_suite } from './page_alloc_gfp.ts';
import { page_alloc_watermark_suite } from './page_alloc_watermark.ts';
import { page_isolation_suite } from './page_isolation.ts';
import { pcp_suite } from './pcp.ts';
import { pressure_sysctl_suite } from './pressure_sysctl.ts';
import { sched_suite } from './sched.ts';
import { srat_suite } from './srat.ts';
import { swap_suite } from './swap.ts';
import { vmscan_suite } from './vmscan.ts';
import { watermarks_suite } from './watermarks.ts';
import { zone_sizes_suite } from './zone_sizes.ts';
import { zonelists_suite } from './zonelists.ts';

export const suites: readonly Suite[] = [
  nodemask_suite,
  e820_suite,
  memblock_suite,
  srat_suite,
  zone_sizes_suite,
  zonelists_suite,
  watermarks_suite,
  buddy_suite,
  page_alloc_gfp_suite,
  page_alloc_watermark_suite,
  pcp_suite,
  fallback_suite,
  highatomic_suite,
  cma_suite,
  page_isolation_suite,
  bad_page_suite,
  mempolicy_suite,
  cpuset_suite,
  memcg_suite,
  lru_suite,
  sched_suite,
  kswapd_suite,
  mm_suite,
  mm_swap_suite,
  filemap_suite,
  blk_suite,
  swap_suite,
  vmscan_suite,
  pressure_sysctl_suite,
  oom_suite,
  memcg_user_suite,
  migrate_suite,
  compaction_suite,
];
