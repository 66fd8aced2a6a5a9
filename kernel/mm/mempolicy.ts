// Which nodes a task's pages come from (Linux: mm/mempolicy.c alloc_pages()).

import type { gfp_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { __alloc_pages } from './page_alloc.ts';
import { numa_node_id } from './percpu.ts';

/** 2^order pages by the policy of the task that runs. @returns the first one, or -1 */
export const alloc_pages = (k: Kernel, gfp: gfp_t, order: number): pfn_t =>
  __alloc_pages(k, gfp, order, numa_node_id(k));
