// What a struct page holds, printed (Linux: mm/debug.c dump_page()).
//
// Left out: what the mapping is. Differs from Linux: %p prints the pointer itself, not a hash of it.

import { lookup_address } from '../arch/x86/pgtable.ts';
import {
  PAGE_WORDS,
  PG_FLAGS,
  PG_FLAGS_HI,
  PG_INDEX,
  PG_INDEX_HI,
  PG_LRU_NEXT,
  PG_LRU_NEXT_HI,
  PG_MAPCOUNT,
  PG_MAPPING,
  PG_MAPPING_HI,
  PG_MEMCG_DATA,
  PG_MEMCG_DATA_HI,
  PG_REFCOUNT,
  PG1_COMPOUND_DTOR_ORDER,
  PG1_COMPOUND_MAPCOUNT,
  PG1_COMPOUND_PINCOUNT,
  SIZEOF_PAGE,
} from '../include/mm_types.ts';
import { MAX_ORDER, MIGRATE_CMA } from '../include/mmzone.ts';
import { PG_head, PG_slab } from '../include/page_flags.ts';
import { KEY_PAGE_OWNER } from '../include/static_keys.ts';
import { type pfn_t, VMEMMAP_START } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { hex, pr_warn } from '../lib/printk.ts';
import { lru_pointer_pfn, page_index, pfn_valid, section_map } from './page.ts';
import { format_page_flags } from './page_flags_text.ts';
import { dump_page_owner } from './page_owner.ts';
import { get_pageblock_migratetype } from './pageblock.ts';

const big = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
const pointer = (value: bigint): string => value.toString(16).padStart(16, '0');
const page_pointer = (pfn: pfn_t): string => pointer(VMEMMAP_START + BigInt(pfn * SIZEOF_PAGE));
/** %#lx */
const alternate = (value: bigint | number): string => (BigInt(value) === 0n ? '0' : hex(value));

/** print_hex_dump() of a struct page: two lines of four 64-bit words. */
function raw(k: Kernel, prefix: string, m: Int32Array, i: number): void {
  for (let line = 0; line < PAGE_WORDS; line += 8) {
    const words = [0, 2, 4, 6].map((at) => pointer(big(m[i + line + at]!, m[i + line + at + 1]!)));
    pr_warn(k, `${prefix}: ${words.join(' ')}`);
  }
}

/** page_mapping(), of a page that is no slab page: what is anonymous has none. */
const mapping_of = (m: Int32Array, i: number): bigint =>
  (m[i + PG_MAPPING]! & 3) !== 0 ? 0n : big(m[i + PG_MAPPING]!, m[i + PG_MAPPING_HI]!);

/** Two words that are all ones: the struct page was never set up. */
const is_poisoned = (m: Int32Array, i: number): boolean => (m[i + PG_FLAGS]! & m[i + PG_FLAGS_HI]!) === -1;

/** Differs from Linux: a mapping that is there is not described. */
function dump_mapping(k: Kernel, mapping: bigint): void {
  if (lookup_address(k, mapping) === null) pr_warn(k, `invalid mapping:${pointer(mapping)}`);
}

function __dump_page(k: Kernel, pfn: pfn_t, m: Int32Array, i: number): void {
  const tail = (m[i + PG_LRU_NEXT]! & 1) !== 0;
  let head = tail ? lru_pointer_pfn(m[i + PG_LRU_NEXT]!, m[i + PG_LRU_NEXT_HI]!) : pfn;
  // A tail that points to what cannot be its head is looked at as it is.
  const lost = head > pfn || pfn >= head + (1 << (MAX_ORDER - 1)) || !pfn_valid(k.mm, head);
  if (lost) head = pfn;
  const h = section_map(k.mm, head);
  const at = page_index(head);
  const head_flags = h[at + PG_FLAGS]!;
  const compound = !lost && (tail || ((head_flags >>> PG_head) & 1) !== 0);
  const slab = ((head_flags >>> PG_slab) & 1) !== 0;
  const first_tail = at + PAGE_WORDS;
  const compound_mapcount = h[first_tail + PG1_COMPOUND_MAPCOUNT]! + 1;

  let mapcount = m[i + PG_MAPCOUNT]! + 1;
  if (slab) mapcount = 0;
  else if (compound) mapcount += compound_mapcount;
  const mapping = lost ? mapping_of(m, i) : slab ? 0n : mapping_of(h, at);
  let index = big(h[at + PG_INDEX]!, h[at + PG_INDEX_HI]!);
  if (tail && !lost) index += BigInt(pfn - head);
  const counts = `refcount:${h[at + PG_REFCOUNT]} mapcount:${mapcount}`;
  const where = `mapping:${pointer(mapping)} index:${alternate(index)} pfn:${alternate(pfn)}`;
  pr_warn(k, `page:${page_pointer(pfn)} ${counts} ${where}`);
  if (compound) {
    const order = (h[first_tail + PG1_COMPOUND_DTOR_ORDER]! >>> 8) & 0xff;
    const pincount = `compound_pincount:${h[first_tail + PG1_COMPOUND_PINCOUNT]}`;
    pr_warn(k, `head:${page_pointer(head)} order:${order} compound_mapcount:${compound_mapcount} ${pincount}`);
  }
  const memcg = big(h[at + PG_MEMCG_DATA]!, h[at + PG_MEMCG_DATA_HI]!);
  if (memcg !== 0n) pr_warn(k, `memcg:${memcg.toString(16)}`);
  const low = h[at + PG_MAPPING]! & 3;
  const type = low === 3 ? 'ksm ' : low === 1 ? 'anon ' : '';
  if ((low & 1) === 0 && mapping !== 0n) dump_mapping(k, mapping);
  const cma = get_pageblock_migratetype(k, pfn) === MIGRATE_CMA ? ' CMA' : '';
  pr_warn(k, `${type}flags: ${format_page_flags(head_flags, h[at + PG_FLAGS_HI]!)}${cma}`);
  raw(k, 'raw', m, i);
  if (head !== pfn) raw(k, 'head', h, at);
}

export function dump_page(k: Kernel, pfn: pfn_t, reason: string | null): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  if (is_poisoned(m, i)) pr_warn(k, `page:${page_pointer(pfn)} is uninitialized and poisoned`);
  else __dump_page(k, pfn, m, i);
  if (reason !== null) pr_warn(k, `page dumped because: ${reason}`);
  if ((k.page_alloc.static_keys & KEY_PAGE_OWNER) !== 0) dump_page_owner(k, pfn);
}
