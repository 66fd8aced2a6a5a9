// What the written-out paths of the page allocator (pcp_fast.ts, buddy_fast.ts) work on, and what they share.

import { __GFP_COMP, __GFP_ZERO } from '../include/gfp_types.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { COMPOUND_PAGE_DTOR, prep_compound_page } from './compound.ts';
import { kernel_init_pages } from './page_prep.ts';
import type { ZoneCpu } from './zone_cpu.ts';

/** What a set of paths works on: RAM, in buffers of up to 8 GiB. */
export interface FastMemory {
  /** The buffer of the memory map, also as doubles. */
  readonly pages: Int32Array;
  readonly doubles: Float64Array;
  /** The buffer of struct zone and of pageblock flags. */
  readonly zones: Int32Array;
  /** The buffer of per_cpu_pages and per_cpu_zonestat. */
  readonly percpu: Int32Array;
  /** By section: where its memory map begins in `pages`; -1: not there. */
  readonly maps: Int32Array;
  /** By section: where its pageblock flags begin in `zones`; -1: not there. */
  readonly usemaps: Int32Array;
  /** Whether there may be pages of CMA. */
  readonly cma: boolean;
  /** vm_event_states of all CPUs. */
  readonly events: Float64Array;
  /** counter() of `percpu`. */
  readonly count: (i: number) => void;
}

/** @returns the first page; -1, and nothing has changed, if this is not the common case */
export type AllocPath = (k: Kernel, c: ZoneCpu, gfp: gfp_t, order: number, highest_zoneidx: number) => pfn_t;

/**
 * Gives up the last reference to a block. Context: remember_section() gave this for its section.
 * @returns false, and nothing has changed, if this is not the common case
 */
export type FreeBlockPath = (k: Kernel, pfn: pfn_t, order: number) => boolean;

/** The same of small blocks. @param refs how many references there are if it is the last one that is given up */
export type FreePath = (k: Kernel, pfn: pfn_t, order: number, refs: number) => boolean;

/** @returns what makes it one more, in the 64-bit counter that begins at word `i` */
export const counter =
  (words: Int32Array) =>
  (i: number): void => {
    const low = (words[i]! + 1) | 0;
    words[i] = low;
    if (low === 0) words[(i + 1) | 0] = words[(i + 1) | 0]! + 1;
  };

/** @param todo which of __GFP_COMP and __GFP_ZERO to see to */
export function prepared(k: Kernel, pfn: pfn_t, order: number, todo: gfp_t): pfn_t {
  if ((todo & __GFP_ZERO) !== 0) kernel_init_pages(k, pfn, order);
  if ((todo & __GFP_COMP) !== 0 && order !== 0) prep_compound_page(k, pfn, order, COMPOUND_PAGE_DTOR);
  return pfn;
}
