// page_owner=on (Linux: mm/page_owner.c): for each page who has it, or had it last. The records lie in RAM,
// 64 bytes a page (page_ext.ts).
//
// Left out: call traces, of which only is kept that there was one.

import { migrate_reason_names } from '../include/migrate_mode.ts';
import { PG_FLAGS, PG_FLAGS_HI } from '../include/mm_types.ts';
import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_MOVABLE,
  MIGRATE_TYPES,
  migratetype_names,
  PAGES_PER_SECTION,
  PFN_SECTION_SHIFT,
  pageblock_order,
} from '../include/mmzone.ts';
import { EINVAL, type gfp_t, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { kstrtobool } from '../lib/memparse.ts';
import { hex, KERN_ALERT } from '../lib/printk.ts';
import { format_gfp, gfp_migratetype } from './gfp.ts';
import { page_memcg_check } from './memcg_kmem.ts';
import { read64, write64, type Zone } from './mmzone.ts';
import { buddy_order, PageBuddy, PageReserved, page_index, page_zone_id, section_map } from './page.ts';
import { format_page_flags } from './page_flags_text.ts';
import { pfn_to_online_page } from './page_isolation.ts';
import { get_pageblock_migratetype, pageblock_end_pfn } from './pageblock.ts';

/** struct page_ext with struct page_owner in it, in words. */
export const EXT_WORDS = 16;
const EXT_FLAGS = 0;
/** order in the low half, last_migrate_reason in the high one. */
const OWNER_ORDER = 2;
const OWNER_GFP = 3;
const OWNER_HANDLE = 4;
const OWNER_FREE_HANDLE = 5;
const OWNER_TS = 6;
const OWNER_FREE_TS = 8;
const OWNER_COMM = 10;
const OWNER_PID = 14;
const OWNER_TGID = 15;
const TASK_COMM_LEN = 16;

const PAGE_EXT_OWNER = 1 << 0;
const PAGE_EXT_OWNER_ALLOCATED = 1 << 1;
/** Of pages that were never migrated. */
const NO_REASON = -1 << 16;
const MAX_ORDER_NR_PAGES = 1 << (MAX_ORDER - 1);

export class PageOwnerState {
  /** As the command line has it. */
  enabled = false;
  /** The records of each section. */
  readonly sections: (Int32Array | undefined)[] = [];
}

/** early_param("page_owner"). */
export function early_page_owner_param(k: Kernel, value: string | null): number {
  const on = kstrtobool(value);
  if (on === null) return -EINVAL;
  k.page_owner.enabled = on;
  return 0;
}

function write_comm(ext: Int32Array, i: number, comm: string): void {
  for (let word = 0; word < TASK_COMM_LEN / 4; word++) {
    let value = 0;
    for (let byte = 0; byte < 4; byte++) {
      const at = word * 4 + byte;
      const code = at < TASK_COMM_LEN - 1 && at < comm.length ? comm.charCodeAt(at) : 0;
      value |= code << (8 * byte);
    }
    ext[i + OWNER_COMM + word] = value;
  }
}

function read_comm(ext: Int32Array, i: number): string {
  let comm = '';
  for (let at = 0; at < TASK_COMM_LEN; at++) {
    const code = (ext[i + OWNER_COMM + (at >> 2)]! >>> (8 * (at & 3))) & 0xff;
    if (code === 0) break;
    comm += String.fromCharCode(code);
  }
  return comm;
}

/** Context: the static key is on. */
export function set_page_owner(k: Kernel, pfn: pfn_t, order: number, gfp: gfp_t): void {
  const ext = k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT];
  if (ext === undefined) return;
  const { pid, comm } = k.current;
  const ts = k.log.now();
  let i = page_index(pfn);
  for (let p = 0; p < 1 << order; p++, i += EXT_WORDS) {
    ext[i + EXT_FLAGS] = ext[i + EXT_FLAGS]! | PAGE_EXT_OWNER | PAGE_EXT_OWNER_ALLOCATED;
    ext[i + OWNER_ORDER] = order | NO_REASON;
    ext[i + OWNER_GFP] = gfp;
    ext[i + OWNER_HANDLE] = 1;
    write64(ext, i + OWNER_TS, ts);
    write_comm(ext, i, comm);
    ext[i + OWNER_PID] = pid;
    ext[i + OWNER_TGID] = pid;
  }
}

/** The pages are free: who had them stays known. */
export function reset_page_owner(k: Kernel, pfn: pfn_t, order: number): void {
  const ext = k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT];
  if (ext === undefined) return;
  const ts = k.log.now();
  let i = page_index(pfn);
  for (let p = 0; p < 1 << order; p++, i += EXT_WORDS) {
    ext[i + EXT_FLAGS] = ext[i + EXT_FLAGS]! & ~PAGE_EXT_OWNER_ALLOCATED;
    ext[i + OWNER_FREE_HANDLE] = 1;
    write64(ext, i + OWNER_FREE_TS, ts);
  }
}

/** The pages of a block are single ones now. */
export function split_page_owner(k: Kernel, pfn: pfn_t, nr: number): void {
  const ext = k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT];
  if (ext === undefined) return;
  let i = page_index(pfn);
  for (let p = 0; p < nr; p++, i += EXT_WORDS) ext[i + OWNER_ORDER] = ext[i + OWNER_ORDER]! & ~0xffff;
}

/** The owner of a page that is being moved is that of its new place, since when he was the old one's. */
export function folio_copy_owner(k: Kernel, dst: pfn_t, src: pfn_t): void {
  const from = k.page_owner.sections[src >>> PFN_SECTION_SHIFT];
  const to = k.page_owner.sections[dst >>> PFN_SECTION_SHIFT];
  if (from === undefined || to === undefined) return;
  const s = page_index(src);
  const d = page_index(dst);
  for (let word = OWNER_ORDER; word < EXT_WORDS; word++) {
    if (word !== OWNER_FREE_HANDLE) to[d + word] = from[s + word]!;
  }
  write64(to, d + OWNER_FREE_TS, read64(from, s + OWNER_TS));
  to[d + EXT_FLAGS] = to[d + EXT_FLAGS]! | PAGE_EXT_OWNER | PAGE_EXT_OWNER_ALLOCATED;
}

/** Why the page was moved: MR_*. */
export function set_page_owner_migrate_reason(k: Kernel, pfn: pfn_t, reason: number): void {
  const ext = k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT];
  if (ext === undefined) return;
  const i = page_index(pfn) + OWNER_ORDER;
  ext[i] = (ext[i]! & 0xffff) | (reason << 16);
}

const alternate = (value: number): string => (value === 0 ? '0' : hex(value >>> 0));

/** What dump_page() says of a page's owner. */
export function dump_page_owner(k: Kernel, pfn: pfn_t): void {
  const alert = (text: string): void => k.log.printk(KERN_ALERT, text);
  const ext = k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT];
  if (ext === undefined) {
    alert('There is not page extension available.');
    return;
  }
  const i = page_index(pfn);
  const flags = ext[i + EXT_FLAGS]!;
  if ((flags & PAGE_EXT_OWNER) === 0) {
    alert('page_owner info is not present (never set?)');
    return;
  }
  alert(`page_owner tracks the page as ${(flags & PAGE_EXT_OWNER_ALLOCATED) !== 0 ? 'allocated' : 'freed'}`);
  const gfp = ext[i + OWNER_GFP]!;
  const how = `order ${ext[i + OWNER_ORDER]! & 0xffff}, migratetype ${migratetype_names[gfp_migratetype(k, gfp)]}`;
  const who = `pid ${ext[i + OWNER_PID]}, tgid ${ext[i + OWNER_TGID]} (${read_comm(ext, i)})`;
  const when = `ts ${read64(ext, i + OWNER_TS)}, free_ts ${read64(ext, i + OWNER_FREE_TS)}`;
  alert(`page last allocated via ${how}, gfp_mask ${alternate(gfp)}(${format_gfp(gfp)}), ${who}, ${when}`);
  alert(ext[i + OWNER_FREE_HANDLE] === 0 ? 'page_owner free stack trace missing' : 'page last free stack trace:');
  const reason = ext[i + OWNER_ORDER]! >> 16;
  if (reason >= 0) alert(`page has been migrated, last migrate reason: ${migrate_reason_names[reason]}`);
}

/** /sys/kernel/debug/page_owner: the first page of every block in use. */
export function read_page_owner(k: Kernel): string {
  let text = '';
  k.page_owner.sections.forEach((ext, nr) => {
    if (ext === undefined) return;
    for (let pfn = nr * PAGES_PER_SECTION; pfn < (nr + 1) * PAGES_PER_SECTION; pfn++) {
      if (PageBuddy(k, pfn)) {
        const order = buddy_order(k, pfn);
        if (order >= 0 && order < MAX_ORDER) pfn += (1 << order) - 1;
        continue;
      }
      const i = page_index(pfn);
      if ((ext[i + EXT_FLAGS]! & PAGE_EXT_OWNER_ALLOCATED) === 0) continue;
      const order = ext[i + OWNER_ORDER]! & 0xffff;
      if (pfn % 2 ** order !== 0) continue;
      text += print_page_owner(k, ext, i, pfn, order);
    }
  });
  return text;
}

function print_page_owner(k: Kernel, ext: Int32Array, i: number, pfn: pfn_t, order: number): string {
  const gfp = ext[i + OWNER_GFP]!;
  const who = `pid ${ext[i + OWNER_PID]}, tgid ${ext[i + OWNER_TGID]} (${read_comm(ext, i)})`;
  const when = `ts ${read64(ext, i + OWNER_TS)} ns, free_ts ${read64(ext, i + OWNER_FREE_TS)} ns`;
  const m = section_map(k.mm, pfn);
  const flags = format_page_flags(m[i + PG_FLAGS]!, m[i + PG_FLAGS_HI]!);
  const type = migratetype_names[gfp_migratetype(k, gfp)];
  const block = `Block ${pfn >>> pageblock_order} type ${migratetype_names[get_pageblock_migratetype(k, pfn)]}`;
  const reason = ext[i + OWNER_ORDER]! >> 16;
  const moved = reason < 0 ? '' : `Page has been migrated, last migrate reason: ${migrate_reason_names[reason]}\n`;
  return (
    `Page allocated via order ${order}, mask ${alternate(gfp)}(${format_gfp(gfp)}), ${who}, ${when}\n` +
    `PFN ${pfn} type ${type} ${block} Flags ${flags}\n${moved}${print_page_owner_memcg(k, pfn)}\n`
  );
}

function print_page_owner_memcg(k: Kernel, pfn: pfn_t): string {
  const memcg = page_memcg_check(k, pfn);
  return memcg === null ? '' : `Charged (via objcg) to memcg ${memcg.name}\n`;
}

/**
 * Pageblocks with a page that was asked for with another migratetype than theirs, by theirs; CMA's count as movable.
 * Linux: pagetypeinfo_showmixedcount_print().
 */
export function count_mixed_blocks(k: Kernel, zone: Zone): number[] {
  const count: number[] = new Array(MIGRATE_TYPES).fill(0);
  // A damaged span may have no end.
  const end = Math.min(zone.zone_end_pfn, k.mm.section_mem_map.length * PAGES_PER_SECTION);
  for (let pfn = zone.zone_start_pfn; pfn < end; ) {
    if (!pfn_to_online_page(k, pfn)) {
      pfn = pfn - (pfn % MAX_ORDER_NR_PAGES) + MAX_ORDER_NR_PAGES;
      continue;
    }
    const block_end = Math.min(pageblock_end_pfn(pfn), end);
    const pageblock_mt = get_pageblock_migratetype(k, pfn);
    for (; pfn < block_end; pfn++) {
      if (page_zone_id(k, pfn) !== zone.id) continue;
      if (PageBuddy(k, pfn)) {
        const order = buddy_order(k, pfn) >>> 0;
        if (order < MAX_ORDER) pfn += (1 << order) - 1;
        continue;
      }
      const ext = k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT];
      const i = page_index(pfn);
      if (PageReserved(k, pfn) || ext === undefined) continue;
      if ((ext[i + EXT_FLAGS]! & PAGE_EXT_OWNER_ALLOCATED) === 0) continue;
      if (gfp_migratetype(k, ext[i + OWNER_GFP]!) !== pageblock_mt) {
        count[pageblock_mt === MIGRATE_CMA ? MIGRATE_MOVABLE : pageblock_mt]!++;
        pfn = block_end;
        break;
      }
      pfn += (1 << (ext[i + OWNER_ORDER]! & 0xffff)) - 1;
    }
  }
  return count;
}

/** Whether a page has a record already. */
export function has_page_owner(k: Kernel, pfn: pfn_t): boolean {
  const ext = k.page_owner.sections[pfn >>> PFN_SECTION_SHIFT];
  return ext !== undefined && (ext[page_index(pfn) + EXT_FLAGS]! & PAGE_EXT_OWNER) !== 0;
}
