// Signs that a page is in use, or that its struct page was damaged, when it is handed out and when it comes back
// (Linux: mm/page_alloc.c page_expected_state(), check_new_pages(), free_page_is_bad(), bad_page()).

import {
  PG_FLAGS,
  PG_MAPCOUNT,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_MEMCG_DATA,
  PG_MEMCG_DATA_HI,
  PG_REFCOUNT,
} from '../include/mm_types.ts';
import { PFN_SECTION_SHIFT } from '../include/mmzone.ts';
import {
  CHECK_NEW_PAGE,
  PAGE_FLAGS_CHECK_AT_FREE,
  PAGE_FLAGS_CHECK_AT_PREP,
  PG_hwpoison,
} from '../include/page_flags.ts';
import { KEY_DEBUG_PAGEALLOC, KEY_DEBUG_VM } from '../include/static_keys.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KERN_ALERT } from '../lib/printk.ts';
import { add_taint, dump_stack_print_info, print_modules, TAINT_BAD_PAGE } from '../lib/taint.ts';
import { dump_page } from './debug.ts';
import { page_index, section_map } from './page.ts';

const __PG_HWPOISON = 1 << PG_hwpoison;

/** Two words of memory as the double that they are. */
export const double_of = (lo: number, hi: number): number => new Float64Array(new Int32Array([lo, hi]).buffer)[0]!;

/** _mapcount and _refcount of a page that is not in use. */
const UNUSED = new Float64Array([double_of(-1, 0)]);

/**
 * Looks at the pages whose words are m[i .. end - 1]: whether each has no users, no mapping, no memcg and none of `flags`.
 *
 * On the path of every larger block, so two words are read at a time, as doubles: +0.0 is two words of zero, and what is
 * no pointer of the kernel's to them is a number too small to vanish in a sum. Of what a program could write to
 * `mapping` or `memcg_data`, only 0x8000000000000000, or two numbers that cancel each other, pass unseen.
 *
 * That all has been looked at is `i` being equal to `end`: where memory maps reach to the end of a buffer of 8 GiB, `end` is
 * 2^31, which to integers of 32 bits is less than any index.
 * @param f the same memory as `m`
 * @returns the index of the first page's words that are not so, or -1; maybe of the one before
 */
export function find_unexpected(m: Int32Array, f: Float64Array, i: number, end: number, flags: number): number {
  const unused = UNUSED[0];
  if (((end - i) | 0) < 64) {
    for (; i !== end; i = (i + 16) | 0) {
      const j = i >>> 1;
      if (f[j + 6] !== unused || f[j + 3]! + f[j + 7]! !== 0 || (m[i]! & flags) !== 0) return i;
    }
    return -1;
  }
  // Four at a time. Those that are over go first, with neighbours that are looked at twice.
  let step = (end - i) & 48 || 64;
  while (i !== end) {
    const j = i >>> 1;
    if (
      f[j + 6] !== unused ||
      f[j + 14] !== unused ||
      f[j + 22] !== unused ||
      f[j + 30] !== unused ||
      f[j + 3]! + f[j + 7]! + (f[j + 11]! + f[j + 15]!) + (f[j + 19]! + f[j + 23]! + (f[j + 27]! + f[j + 31]!)) !== 0 ||
      ((m[i]! | m[(i + 16) | 0]! | m[(i + 32) | 0]! | m[(i + 48) | 0]!) & flags) !== 0
    ) {
      return i;
    }
    i = (i + step) | 0;
    step = 64;
  }
  return -1;
}

/** The same of one page, exactly. */
export const page_expected_state = (m: Int32Array, i: number, check_flags: number): boolean =>
  (~m[i + PG_MAPCOUNT]! |
    m[i + PG_REFCOUNT]! |
    m[i + PG_MAPPING]! |
    m[i + PG_MAPPING_HI]! |
    m[i + PG_MEMCG_DATA]! |
    m[i + PG_MEMCG_DATA_HI]! |
    (m[i + PG_FLAGS]! & check_flags)) ===
  0;

/** The last of the reasons that apply. */
function page_bad_reason(m: Int32Array, i: number, flags: number): string | null {
  let bad_reason: string | null = null;
  if (m[i + PG_MAPCOUNT] !== -1) bad_reason = 'nonzero mapcount';
  if (m[i + PG_MAPPING] !== 0 || m[i + PG_MAPPING_HI] !== 0) bad_reason = 'non-NULL mapping';
  if (m[i + PG_REFCOUNT] !== 0) bad_reason = 'nonzero _refcount';
  if ((m[i + PG_FLAGS]! & flags) !== 0) {
    const when = flags === PAGE_FLAGS_CHECK_AT_PREP ? 'PREP' : 'FREE';
    bad_reason = `PAGE_FLAGS_CHECK_AT_${when} flag(s) set`;
  }
  if (m[i + PG_MEMCG_DATA] !== 0 || m[i + PG_MEMCG_DATA_HI] !== 0) bad_reason = 'page still charged to cgroup';
  return bad_reason;
}

/** So many bad pages in a row are one that does not leave its list, and Linux would find it for ever. */
export const MAX_BAD_PAGES = 100000;

/** Sixty reports a minute at most. */
const BURST = 60;
const MINUTE_NS = 60e9;

/**
 * Reports a page that is not what it should be. It is left as it is, on no list and out of use, but for its mapcount.
 *
 * Left out: the call trace.
 */
export function bad_page(k: Kernel, pfn: pfn_t, reason: string | null): void {
  const limit = k.page_alloc.bad_page;
  const now = k.log.now();
  let quiet = false;
  if (limit.nr_shown === BURST) {
    if (now < limit.resume) {
      limit.nr_unshown++;
      quiet = true;
    } else {
      if (limit.nr_unshown > 0) {
        k.log.printk(KERN_ALERT, `BUG: Bad page state: ${limit.nr_unshown} messages suppressed`);
        limit.nr_unshown = 0;
      }
      limit.nr_shown = 0;
    }
  }
  if (!quiet) {
    if (limit.nr_shown++ === 0) limit.resume = now + MINUTE_NS;
    const where = pfn.toString(16).padStart(5, '0');
    k.log.printk(KERN_ALERT, `BUG: Bad page state in process ${k.current.comm}  pfn:${where}`);
    dump_page(k, pfn, reason);
    print_modules(k);
    dump_stack_print_info(k);
  }
  section_map(k.mm, pfn)[page_index(pfn) + PG_MAPCOUNT] = -1;
  add_taint(k, TAINT_BAD_PAGE, false);
}

export function free_page_is_bad(k: Kernel, m: Int32Array, i: number, pfn: pfn_t): boolean {
  if (page_expected_state(m, i, PAGE_FLAGS_CHECK_AT_FREE)) return false;
  bad_page(k, pfn, page_bad_reason(m, i, PAGE_FLAGS_CHECK_AT_FREE));
  return true;
}

/** bulkfree_pcp_prepare(): where pages are looked at as they come back, they are not once more on the way to the zone. */
export function bulkfree_pcp_prepare(k: Kernel, m: Int32Array, i: number, pfn: pfn_t): boolean {
  const keys = k.page_alloc.static_keys & (KEY_DEBUG_VM | KEY_DEBUG_PAGEALLOC);
  return keys !== KEY_DEBUG_VM && free_page_is_bad(k, m, i, pfn);
}

/** check_pcp_refill(): whether a block for a per-cpu list is bad. */
export function check_pcp_refill(k: Kernel, pfn: pfn_t, order: number): boolean {
  const keys = k.page_alloc.static_keys & (KEY_DEBUG_VM | KEY_DEBUG_PAGEALLOC);
  return keys !== KEY_DEBUG_VM && check_new_pages(k, pfn, order);
}

/** check_new_pcp(): whether a block off a per-cpu list is, where that is looked at. */
export function check_new_pcp(k: Kernel, pfn: pfn_t, order: number): boolean {
  const keys = k.page_alloc.static_keys & (KEY_DEBUG_VM | KEY_DEBUG_PAGEALLOC);
  return keys !== 0 && check_new_pages(k, pfn, order);
}

/** Of a page with bad memory nothing is said. */
function check_new_page(k: Kernel, m: Int32Array, i: number, pfn: pfn_t): boolean {
  if (page_expected_state(m, i, CHECK_NEW_PAGE)) return false;
  if ((m[i + PG_FLAGS]! & __PG_HWPOISON) !== 0) m[i + PG_MAPCOUNT] = -1;
  else bad_page(k, pfn, page_bad_reason(m, i, PAGE_FLAGS_CHECK_AT_PREP));
  return true;
}

/** Reports the first bad page of a block that is about to be handed out. @returns whether there is one */
export function check_new_pages(k: Kernel, pfn: pfn_t, order: number): boolean {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (order === 0) return check_new_page(k, m, i, pfn);
  const f = k.mm.section_mem_map_f64[pfn >>> PFN_SECTION_SHIFT]!;
  const end = i + (16 << order);
  if (find_unexpected(m, f, i, end, CHECK_NEW_PAGE) < 0) return false;
  for (let page = pfn; page < pfn + (1 << order); page++) {
    if (check_new_page(k, section_map(k.mm, page), page_index(page), page)) return true;
  }
  return false;
}
