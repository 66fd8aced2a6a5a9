// What happens to a block's struct pages, and contents, on its way out of the allocator and back into it (Linux:
// mm/page_alloc.c prep_new_page(), post_alloc_hook(), free_pages_prepare()).
//
// Left out: KASAN, KMSAN. What can be switched on is page_hooks.ts.

import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import { __GFP_COMP, __GFP_ZERO } from '../include/gfp_types.ts';
import {
  PAGE_WORDS,
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_PRIVATE,
  PG_PRIVATE_HI,
  PG_REFCOUNT,
  PG1_COMPOUND_NR,
} from '../include/mm_types.ts';
import { NR_MLOCK, PFN_SECTION_SHIFT } from '../include/mmzone.ts';
import {
  CPUPID_NONE,
  CPUPID_NONE_HI,
  PAGE_FLAGS_CHECK_AT_PREP,
  PG_head,
  PG_hwpoison,
  PG_mlocked,
} from '../include/page_flags.ts';
import {
  KEY_DEBUG_PAGEALLOC,
  KEY_DEBUG_VM,
  KEY_MEMCG_KMEM,
  KEY_PAGE_OWNER,
  KEY_TRACE,
} from '../include/static_keys.ts';
import { type gfp_t, PAGE_SHIFT, type pfn_t } from '../include/types.ts';
import { UNEVICTABLE_PGCLEARED } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { trace_mm_page_free } from '../trace/events/kmem.ts';
import { COMPOUND_PAGE_DTOR, clear_compound_tails, prep_compound_page } from './compound.ts';
import { ALLOC_NO_WATERMARKS } from './internal.ts';
import { __memcg_kmem_uncharge_page } from './memcg_kmem.ts';
import { VM_BUG_ON_PAGE } from './mmdebug.ts';
import { no_struct_page, page_index, page_zone, pfn_valid, section_map } from './page.ts';
import { find_unexpected, free_page_is_bad } from './page_check.ts';
import { check_tails_debug_vm, free_pages_switched_on, post_alloc_switched_on } from './page_hooks.ts';
import { reset_page_owner } from './page_owner.ts';
import { __count_vm_events } from './vm_event.ts';
import { __mod_zone_page_state } from './vmstat.ts';

const HEAD = 0x10000;
const MLOCKED_OR_POISONED = 0xa00000;
/** Bit 0 of compound_head, where lru.next is: a tail page. */
const TAIL = 1;
/** page_is_pfmemalloc(): bit 1 of lru.next. */
const PFMEMALLOC = 2;
/** Low bits of mapping: anonymous, movable, KSM. */
export const PAGE_MAPPING_FLAGS = 3;

if (HEAD !== 1 << PG_head || MLOCKED_OR_POISONED !== ((1 << PG_mlocked) | (1 << PG_hwpoison))) {
  throw new Error('page_prep.ts: page flags');
}

/** Zeroes a block. Blocks cross no chunk of RAM. */
export function kernel_init_pages(k: Kernel, pfn: pfn_t, order: number): void {
  const words = k.hw.ram.words(pfn >>> (RAM_CHUNK_SHIFT - PAGE_SHIFT));
  const first = (pfn & 0x3ffff) << (PAGE_SHIFT - 2);
  words.fill(0, first, first + (1024 << order));
}

/**
 * init_on_free=1: clears those pages of a block that have never been handed out.
 *
 * Differs from Linux, where boot clears what it frees: a machine's whole RAM need not exist.
 */
function clear_at_first(k: Kernel, pfn: pfn_t, order: number): void {
  const { init_on } = k;
  const end = pfn + (1 << order);
  if (init_on.handed_out.length < end) {
    const more = new Uint8Array(Math.max(end, 2 * init_on.handed_out.length));
    more.set(init_on.handed_out);
    init_on.handed_out = more;
  }
  for (let page = pfn; page < end; page++) {
    if (init_on.handed_out[page] === 1) continue;
    init_on.handed_out[page] = 1;
    kernel_init_pages(k, page, 0);
  }
}

/** Makes a block the caller's: one reference, a compound page if asked for. */
export function prep_new_page(k: Kernel, pfn: pfn_t, order: number, gfp: gfp_t, alloc_flags: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (k.page_alloc.static_keys !== 0) post_alloc_switched_on(k, pfn, order, gfp);
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  m[i + PG_REFCOUNT] = 1;
  const { init_on } = k;
  if (init_on.init_on_free) clear_at_first(k, pfn, order);
  else if (init_on.init_on_alloc || (gfp & __GFP_ZERO) !== 0) kernel_init_pages(k, pfn, order);
  if (order !== 0 && (gfp & __GFP_COMP) !== 0) prep_compound_page(k, pfn, order, COMPOUND_PAGE_DTOR);
  m[i + PG_LRU_NEXT] = (alloc_flags & ALLOC_NO_WATERMARKS) !== 0 ? PFMEMALLOC : 0;
  m[i + PG_LRU_NEXT_HI] = 0;
}

/**
 * Checks a block that comes back, and clears what its owner left in the struct pages.
 * @param check_free whether the first page is looked at too: where it goes to a per-cpu list, that comes later
 * @returns false where something is wrong: then the block is out of use for good
 */
export function free_pages_prepare(k: Kernel, pfn: pfn_t, order: number, check_free: boolean): boolean {
  const keys = k.page_alloc.static_keys;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if ((keys & KEY_DEBUG_VM) !== 0) {
    VM_BUG_ON_PAGE(k, (m[i + PG_LRU_NEXT]! & TAIL) !== 0, 'PageTail(page)', pfn, 'mm/page_alloc.c:1420');
  }
  if ((keys & KEY_TRACE) !== 0) trace_mm_page_free(k, pfn, order);
  if ((m[i + PG_FLAGS]! & MLOCKED_OR_POISONED) !== 0 && !prepare_odd_page(k, m, i, pfn, order)) return false;
  let bad = 0;
  if (order !== 0 && (keys & KEY_DEBUG_VM) !== 0) bad = check_tails_debug_vm(k, pfn, order);
  else if (order !== 0) {
    if ((m[i + PG_FLAGS]! & HEAD) !== 0 || (m[i + PG_LRU_NEXT]! & TAIL) !== 0) clear_compound_tails(m, i, order);
    const f = k.mm.section_mem_map_f64[pfn >>> PFN_SECTION_SHIFT]!;
    const first = i + PAGE_WORDS;
    if (find_unexpected(m, f, first, i + (PAGE_WORDS << order), PAGE_FLAGS_CHECK_AT_PREP) >= 0) {
      bad = clean_tail_pages(k, m, i, pfn, order);
    }
  }
  if ((m[i + PG_MAPPING]! & PAGE_MAPPING_FLAGS) !== 0) {
    m[i + PG_MAPPING] = 0;
    m[i + PG_MAPPING_HI] = 0;
  }
  if ((k.page_alloc.static_keys & KEY_MEMCG_KMEM) !== 0) __memcg_kmem_uncharge_page(k, pfn, order);
  check_free ||= (keys & (KEY_DEBUG_VM | KEY_DEBUG_PAGEALLOC)) !== 0;
  if (check_free && free_page_is_bad(k, m, i, pfn)) bad++;
  if (bad !== 0) return false;

  m[i + PG_FLAGS] = (m[i + PG_FLAGS]! | CPUPID_NONE) & ~PAGE_FLAGS_CHECK_AT_PREP;
  m[i + PG_FLAGS_HI] = m[i + PG_FLAGS_HI]! | CPUPID_NONE_HI;
  m[i + PG_PRIVATE] = 0;
  m[i + PG_PRIVATE_HI] = 0;
  if (keys !== 0) free_pages_switched_on(k, pfn, order);
  if (k.init_on.init_on_free) kernel_init_pages(k, pfn, order);
  return true;
}

/** A page that is still marked as locked into memory, or that has bad memory. @returns false: it must not be used again */
function prepare_odd_page(k: Kernel, m: Int32Array, i: number, pfn: pfn_t, order: number): boolean {
  const flags = m[i + PG_FLAGS]!;
  if ((flags & (1 << PG_mlocked)) !== 0) {
    m[i + PG_FLAGS] = flags & ~(1 << PG_mlocked);
    // What is no compound page has one page that could be marked.
    const nr_pages = (flags & HEAD) !== 0 ? m[i + PAGE_WORDS + PG1_COMPOUND_NR]! : 1;
    __mod_zone_page_state(k, page_zone(k, pfn), NR_MLOCK, -nr_pages);
    __count_vm_events(k, UNEVICTABLE_PGCLEARED, nr_pages);
  }
  if ((flags & (1 << PG_hwpoison)) === 0 || order !== 0) return true;
  if ((k.page_alloc.static_keys & KEY_MEMCG_KMEM) !== 0) __memcg_kmem_uncharge_page(k, pfn, order);
  if ((k.page_alloc.static_keys & KEY_PAGE_OWNER) !== 0) reset_page_owner(k, pfn, order);
  return false;
}

/** The tail pages one by one: reports those that are bad, clears the flags of the others. @returns how many are bad */
function clean_tail_pages(k: Kernel, m: Int32Array, i: number, pfn: pfn_t, order: number): number {
  let bad = 0;
  for (let p = 1; p < 1 << order; p++) {
    const at = i + p * PAGE_WORDS;
    if (at >= m.length) return bad + clean_beyond(k, pfn + p, (1 << order) - p);
    if (free_page_is_bad(k, m, at, pfn + p)) bad++;
    else m[at + PG_FLAGS] = m[at + PG_FLAGS]! & ~PAGE_FLAGS_CHECK_AT_PREP;
  }
  return bad;
}

/** The rest of a block that is not aligned, in the next section. */
function clean_beyond(k: Kernel, pfn: pfn_t, nr_pages: number): number {
  let bad = 0;
  for (let page = pfn; page < pfn + nr_pages; page++) {
    if (!pfn_valid(k.mm, page)) no_struct_page(k, page);
    const m = section_map(k.mm, page);
    const i = page_index(page);
    if (free_page_is_bad(k, m, i, page)) bad++;
    else m[i + PG_FLAGS] = m[i + PG_FLAGS]! & ~PAGE_FLAGS_CHECK_AT_PREP;
  }
  return bad;
}
