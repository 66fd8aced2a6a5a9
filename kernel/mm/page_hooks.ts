// What is switched on around a block on its way out of the allocator and back into it (Linux: mm/page_alloc.c
// post_alloc_hook(), free_pages_prepare(), free_tail_pages_check()): page owners, poisoning, unmapping, CONFIG_DEBUG_VM.
// Nothing here runs while no static key is set.

import { __kernel_map_pages } from '../arch/x86/pageattr.ts';
import {
  PAGE_WORDS,
  PG_FLAGS,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_REFCOUNT,
  PG1_COMPOUND_MAPCOUNT,
} from '../include/mm_types.ts';
import { PAGE_FLAGS_CHECK_AT_PREP, PG_head } from '../include/page_flags.ts';
import { KEY_DEBUG_PAGEALLOC, KEY_DEBUG_VM, KEY_PAGE_OWNER, KEY_PAGE_POISONING } from '../include/static_keys.ts';
import type { gfp_t, pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { compound_order, TAIL_MAPPING, TAIL_MAPPING_HI } from './compound.ts';
import { VM_BUG_ON_PAGE } from './mmdebug.ts';
import { lru_pointer_pfn, page_index, section_map } from './page.ts';
import { bad_page, free_page_is_bad } from './page_check.ts';
import { reset_page_owner, set_page_owner, split_page_owner } from './page_owner.ts';
import { kernel_poison_pages, kernel_unpoison_pages } from './page_poison.ts';

const TAIL = 1;

/** The block is about to be the caller's, and its contents are what they were when it was freed. */
export function post_alloc_switched_on(k: Kernel, pfn: pfn_t, order: number, gfp: gfp_t): void {
  const keys = k.page_alloc.static_keys;
  if ((keys & KEY_DEBUG_VM) !== 0) {
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    VM_BUG_ON_PAGE(k, (m[i + PG_LRU_NEXT]! & TAIL) !== 0, 'PageTail(page)', pfn, 'mm/internal.h:180');
    VM_BUG_ON_PAGE(k, m[i + PG_REFCOUNT] !== 0, 'page_ref_count(page)', pfn, 'mm/internal.h:181');
  }
  if ((keys & KEY_DEBUG_PAGEALLOC) !== 0) __kernel_map_pages(k, pfn, 1 << order, true);
  if ((keys & KEY_PAGE_POISONING) !== 0) kernel_unpoison_pages(k, pfn, order);
  if ((keys & KEY_PAGE_OWNER) !== 0) set_page_owner(k, pfn, order, gfp);
}

/** All checks have been passed: the block is free now. */
export function free_pages_switched_on(k: Kernel, pfn: pfn_t, order: number): void {
  const keys = k.page_alloc.static_keys;
  if ((keys & KEY_PAGE_OWNER) !== 0) reset_page_owner(k, pfn, order);
  if ((keys & KEY_PAGE_POISONING) !== 0) kernel_poison_pages(k, pfn, order);
  if ((keys & KEY_DEBUG_PAGEALLOC) !== 0) __kernel_map_pages(k, pfn, 1 << order, false);
}

/** Before a block becomes single pages. */
export function split_page_switched_on(k: Kernel, pfn: pfn_t, order: number): void {
  const keys = k.page_alloc.static_keys;
  if ((keys & KEY_DEBUG_VM) !== 0) {
    const m = section_map(k.mm, pfn);
    const i = page_index(pfn);
    const compound = ((m[i + PG_FLAGS]! >>> PG_head) & 1) !== 0 || (m[i + PG_LRU_NEXT]! & TAIL) !== 0;
    VM_BUG_ON_PAGE(k, compound, 'PageCompound(page)', pfn, 'mm/page_alloc.c:3644');
    VM_BUG_ON_PAGE(k, m[i + PG_REFCOUNT] === 0, '!page_count(page)', pfn, 'mm/page_alloc.c:3645');
  }
  if ((keys & KEY_PAGE_OWNER) !== 0) split_page_owner(k, pfn, 1 << order);
}

/** One tail page of a compound page that is freed, as it should be. It is none any more. @returns whether it was not */
function free_tail_pages_check(k: Kernel, head: pfn_t, p: number): boolean {
  const pfn = head + p;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const compound_head = m[i + PG_LRU_NEXT]!;
  let reason: string | null = null;
  if (p === 1 && m[i + PG1_COMPOUND_MAPCOUNT] !== -1) reason = 'nonzero compound_mapcount';
  else if (p > 2 && (m[i + PG_MAPPING] !== TAIL_MAPPING || m[i + PG_MAPPING_HI] !== TAIL_MAPPING_HI)) {
    reason = 'corrupted mapping in tail page';
  } else if ((compound_head & TAIL) === 0) reason = 'PageTail not set';
  else if (lru_pointer_pfn(compound_head, m[i + PG_LRU_NEXT_HI]!) !== head) reason = 'compound_head not consistent';
  if (reason !== null) bad_page(k, pfn, reason);
  m[i + PG_MAPPING] = 0;
  m[i + PG_MAPPING_HI] = 0;
  m[i + PG_LRU_NEXT] = 0;
  m[i + PG_LRU_NEXT_HI] = 0;
  return reason !== null;
}

/** CONFIG_DEBUG_VM: the tail pages of a block, each with all checks there are. @returns how many faults there were */
export function check_tails_debug_vm(k: Kernel, pfn: pfn_t, order: number): number {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const compound = ((m[i + PG_FLAGS]! >>> PG_head) & 1) !== 0;
  const wrong_order = compound && compound_order(m, i) !== order;
  VM_BUG_ON_PAGE(k, wrong_order, 'compound && compound_order(page) != order', pfn, 'mm/page_alloc.c:1459');
  let bad = 0;
  for (let p = 1; p < 1 << order; p++) {
    if (compound && free_tail_pages_check(k, pfn, p)) bad++;
    const at = i + p * PAGE_WORDS;
    if (free_page_is_bad(k, m, at, pfn + p)) bad++;
    else m[at + PG_FLAGS] = m[at + PG_FLAGS]! & ~PAGE_FLAGS_CHECK_AT_PREP;
  }
  return bad;
}
