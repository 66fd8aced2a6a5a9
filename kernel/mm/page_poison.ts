// page_poison=1 (Linux: mm/page_poison.c): pages that come back are filled with a pattern, and looked at for what has
// been written to them since when they are handed out again.
//
// Differs from Linux: what boot frees is not filled, so that a machine's whole RAM need not exist; such pages are not
// looked at the first time that they are handed out.

import { RAM_CHUNK_SHIFT } from '../arch/x86/hw.ts';
import { __va } from '../arch/x86/pgtable.ts';
import { PAGE_POISON } from '../include/poison.ts';
import { PAGE_SHIFT, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { print_hex_dump } from '../lib/hexdump.ts';
import { KERN_ERR, pr_err } from '../lib/printk.ts';
import { __ratelimit } from '../lib/ratelimit.ts';
import { dump_stack_print_info } from '../lib/taint.ts';
import { dump_page } from './debug.ts';

const POISON_WORD = Math.imul(PAGE_POISON, 0x01010101);
const WORDS = PAGE_SIZE >> 2;

/** The words of a page's chunk of RAM, and where the page begins in them. */
const words_of = (k: Kernel, pfn: pfn_t): Int32Array => k.hw.ram.words(pfn >>> (RAM_CHUNK_SHIFT - PAGE_SHIFT));
const first_word = (pfn: pfn_t): number => (pfn & ((1 << (RAM_CHUNK_SHIFT - PAGE_SHIFT)) - 1)) << (PAGE_SHIFT - 2);

/** Which pages hold the pattern: as far as the highest that was ever filled. */
function poisoned(k: Kernel, end: pfn_t): Uint8Array {
  const debug = k.page_debug;
  if (debug.poisoned.length < end) {
    const more = new Uint8Array(Math.max(end, 2 * debug.poisoned.length));
    more.set(debug.poisoned);
    debug.poisoned = more;
  }
  return debug.poisoned;
}

export function kernel_poison_pages(k: Kernel, pfn: pfn_t, order: number): void {
  const nr_pages = 1 << order;
  const first = first_word(pfn);
  words_of(k, pfn).fill(POISON_WORD, first, first + WORDS * nr_pages);
  poisoned(k, pfn + nr_pages).fill(1, pfn, pfn + nr_pages);
}

function check_poison_mem(k: Kernel, pfn: pfn_t): void {
  const words = words_of(k, pfn);
  const at = first_word(pfn);
  let clean = 0;
  while (clean < WORDS && words[at + clean] === POISON_WORD) clean++;
  if (clean === WORDS) return;
  const bytes = k.hw.ram.read(pfn * PAGE_SIZE, PAGE_SIZE);
  const start = bytes.findIndex((byte) => byte !== PAGE_POISON);
  const end = bytes.findLastIndex((byte) => byte !== PAGE_POISON);
  if (!__ratelimit(k, k.page_debug.poison_ratelimit, 'check_poison_mem')) return;
  const error = bytes[start]! ^ PAGE_POISON;
  const single = start === end && (error & (error - 1)) === 0;
  pr_err(k, single ? 'pagealloc: single bit error' : 'pagealloc: memory corruption');
  print_hex_dump(k, KERN_ERR, __va(pfn * PAGE_SIZE + start), bytes.subarray(start, end + 1));
  dump_stack_print_info(k);
  dump_page(k, pfn, 'pagealloc: corrupted page details');
}

export function kernel_unpoison_pages(k: Kernel, pfn: pfn_t, order: number): void {
  const known = k.page_debug.poisoned;
  for (let p = pfn; p < pfn + (1 << order); p++) {
    if (known[p] !== 1) continue;
    known[p] = 0;
    check_poison_mem(k, p);
  }
}
