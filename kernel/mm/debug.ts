// What a struct page holds, printed (Linux: mm/debug.c dump_page()).
//
// Left out: what the mapping is, page owner. Differs from Linux: %p prints the pointer itself, not a hash of it.

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
import { MIGRATE_CMA } from '../include/mmzone.ts';
import {
  LAST_CPUPID_PGSHIFT,
  NODES_MASK,
  NODES_PGSHIFT_HI,
  PG_head,
  PG_slab,
  pageflag_names,
  ZONES_MASK,
  ZONES_PGSHIFT_HI,
} from '../include/page_flags.ts';
import { type pfn_t, VMEMMAP_START } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { hex, pr_warn } from '../lib/printk.ts';
import { lru_pointer_pfn, page_index, section_map } from './page.ts';
import { get_pageblock_migratetype } from './pageblock.ts';

const big = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
const pointer = (value: bigint): string => value.toString(16).padStart(16, '0');
const page_pointer = (pfn: pfn_t): string => pointer(VMEMMAP_START + BigInt(pfn * SIZEOF_PAGE));
/** %#lx */
const alternate = (value: bigint | number): string => (BigInt(value) === 0n ? '0' : hex(value));

/** %pGp: "0x17ffffc0010200(slab|head|node=0|zone=2|lastcpupid=0x1fffff)". */
export function format_page_flags(lo: number, hi: number): string {
  const names: string[] = [];
  for (const [bit, name] of pageflag_names) if ((lo >>> bit) & 1) names.push(name);
  const last_cpupid = (hi & 0x7ffff) * 4 + (lo >>> LAST_CPUPID_PGSHIFT);
  names.push(`node=${(hi >>> NODES_PGSHIFT_HI) & NODES_MASK}`, `zone=${(hi >>> ZONES_PGSHIFT_HI) & ZONES_MASK}`);
  names.push(`lastcpupid=${hex(last_cpupid)}`);
  return `${alternate(big(lo, hi))}(${names.join('|')})`;
}

/** print_hex_dump() of a struct page: two lines of four 64-bit words. */
function raw(k: Kernel, prefix: string, m: Int32Array, i: number): void {
  for (let line = 0; line < PAGE_WORDS; line += 8) {
    const words = [0, 2, 4, 6].map((at) => pointer(big(m[i + line + at]!, m[i + line + at + 1]!)));
    pr_warn(k, `${prefix}: ${words.join(' ')}`);
  }
}

export function dump_page(k: Kernel, pfn: pfn_t, reason: string | null): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  const tail = (m[i + PG_LRU_NEXT]! & 1) !== 0;
  let head = tail ? lru_pointer_pfn(m[i + PG_LRU_NEXT]!, m[i + PG_LRU_NEXT_HI]!) : pfn;
  // A tail that points to what cannot be its head is looked at as it is.
  const lost = head > pfn || pfn >= head + 1024 || section_map(k.mm, head) === undefined;
  if (lost) head = pfn;
  const h = section_map(k.mm, head);
  const at = page_index(head);
  const compound = !lost && (tail || ((h[at + PG_FLAGS]! >>> PG_head) & 1) !== 0);

  const mapcount = (h[at + PG_FLAGS]! >>> PG_slab) & 1 ? 0 : m[i + PG_MAPCOUNT]! + 1;
  const mapping = big(m[i + PG_MAPPING]! & ~3, m[i + PG_MAPPING_HI]!);
  const index = big(m[i + PG_INDEX]!, m[i + PG_INDEX_HI]!);
  const counts = `refcount:${h[at + PG_REFCOUNT]} mapcount:${mapcount}`;
  const where = `mapping:${pointer(mapping)} index:${alternate(index)} pfn:${alternate(pfn)}`;
  pr_warn(k, `page:${page_pointer(pfn)} ${counts} ${where}`);
  if (compound) {
    const first = at + PAGE_WORDS;
    const order = (h[first + PG1_COMPOUND_DTOR_ORDER]! >>> 8) & 0xff;
    const of_head = `compound_mapcount:${h[first + PG1_COMPOUND_MAPCOUNT]! + 1}`;
    const pincount = `compound_pincount:${h[first + PG1_COMPOUND_PINCOUNT]}`;
    pr_warn(k, `head:${page_pointer(head)} order:${order} ${of_head} ${pincount}`);
  }
  const memcg = big(h[at + PG_MEMCG_DATA]!, h[at + PG_MEMCG_DATA_HI]!);
  if (memcg !== 0n) pr_warn(k, `memcg:${memcg.toString(16)}`);
  const type = m[i + PG_MAPPING]! & 1 ? 'anon ' : '';
  const cma = get_pageblock_migratetype(k, pfn) === MIGRATE_CMA ? ' CMA' : '';
  pr_warn(k, `${type}flags: ${format_page_flags(h[at + PG_FLAGS]!, h[at + PG_FLAGS_HI]!)}${cma}`);
  raw(k, 'raw', m, i);
  if (head !== pfn) raw(k, 'head', h, at);
  if (reason !== null) pr_warn(k, `page dumped because: ${reason}`);
}
