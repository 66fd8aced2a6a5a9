// A kernel whose page allocator runs: nodes and zones from a drawing, then what start_kernel() does up to the initcalls.

import { cpuset_init_smp } from '../../kernel/cgroup/cpuset.ts';
import { recorder } from '../../kernel/config.ts';
import { __GFP_BITS_MASK } from '../../kernel/include/gfp_types.ts';
import { MAX_ORDER, MIGRATE_TYPES } from '../../kernel/include/mmzone.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { for_each_free_page } from '../../kernel/mm/free_list.ts';
import { memblock_free_all } from '../../kernel/mm/memblock_free.ts';
import type { Zone } from '../../kernel/mm/mmzone.ts';
import { setup_per_cpu_pageset } from '../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../kernel/mm/percpu.ts';
import { init_per_zone_wmark_min } from '../../kernel/mm/watermark.ts';
import { build_all_zonelists } from '../../kernel/mm/zonelist.ts';
import { type Drawn, drawnZones } from './zoned.ts';

export function drawnAllocator(drawn: Drawn): Kernel {
  const k = drawnZones({ config: recorder, ...drawn });
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  init_per_zone_wmark_min(k);
  k.page_alloc.gfp_allowed_mask = __GFP_BITS_MASK;
  cpuset_init_smp(k);
  return k;
}

/** Pages on the free lists of a zone; of one migratetype if given. */
export function pagesOnLists(k: Kernel, zone: Zone, only?: number): number {
  let pages = 0;
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      if (only !== undefined && type !== only) continue;
      for (const _ of for_each_free_page(k, zone, order, type)) pages += 1 << order;
    }
  }
  return pages;
}
