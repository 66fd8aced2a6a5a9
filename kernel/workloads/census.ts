// Who has each page frame, found out from the lists, page tables and caches alone: free lists of zones and CPUs, LRU lists,
// the tables and entries of every address space, the page cache, the swap cache, what workloads hold for the kernel.
//
// Nothing is changed by it, so it may be taken at any time at which no task is in the middle of a step.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { PG_FLAGS } from '../include/mm_types.ts';
import {
  LRU_UNEVICTABLE,
  MAX_NR_ZONES,
  MAX_ORDER,
  MIGRATE_ISOLATE,
  MIGRATE_TYPES,
  NR_LRU_LISTS,
  NR_PCP_LISTS,
  PAGES_PER_SECTION,
  PFN_SECTION_SHIFT,
} from '../include/mmzone.ts';
import { PG_lru } from '../include/page_flags.ts';
import { MAX_SWAPFILES, SWAP_ADDRESS_SPACE_PAGES } from '../include/swap.ts';
import { PAGE_SIZE, type pfn_t } from '../include/types.ts';
import { LIST_WORDS, PCP_COUNT, PCP_LISTS } from '../include/zone_words.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_free_page, nr_free } from '../mm/free_list.ts';
import { folio_lruvec } from '../mm/lruvec.ts';
import { vm_normal_page } from '../mm/memory.ts';
import type { mm_struct } from '../mm/mm_struct.ts';
import type { Zone } from '../mm/mmzone.ts';
import { for_each_populated_zone } from '../mm/mmzone_iter.ts';
import { page_index, page_to_nid, page_zonenum, section_map } from '../mm/page.ts';
import { list_first_page, list_next_page } from '../mm/page_list.ts';
import { pte_to_swp_entry, swp_offset, swp_type } from '../mm/swapops.ts';
import { PTE_PRESENT, page_word_index, page_words, pte_pfn, pte_present } from '../mm/user_pgtable.ts';
import { zone_cpu } from '../mm/zone_cpu.ts';
import { all_memcgs, memcg_own_pages } from './audit_memcg.ts';

/** Pages that nobody but the caller knows of. */
export interface HeldBlock {
  readonly pfn: pfn_t;
  readonly order: number;
}

export const NOBODY = 0;
export const FREE = 1;
export const TABLE = 2;
export const HELD = 3;
export const ON_LRU = 4;
const names = ['nobody', 'a free list', 'a page table', 'the kernel', 'an LRU list'];

const LAST = Number.MAX_SAFE_INTEGER;
const HALF_OF_PGD = 256;
const PTRS = 512;
const LEVELS = 4;
const MAX_LIST = 2 ** 31;

/** Of one section's frames. */
export class SectionCensus {
  /** NOBODY and so on. */
  readonly owner = new Uint8Array(PAGES_PER_SECTION);
  /** Page table entries that map it. */
  readonly maps = new Uint16Array(PAGES_PER_SECTION);
  /** References of caches and batches. */
  readonly refs = new Uint8Array(PAGES_PER_SECTION);
  /** Whether it is in the page cache (1), or the swap cache (2). */
  readonly cache = new Uint8Array(PAGES_PER_SECTION);
}

/** What the page tables of an address space have. */
export interface MmCensus {
  readonly mm: mm_struct;
  swap_entries: number;
  mapped: number;
  /** Entries of pages that are on their way to another frame. */
  moving: number;
}

export class Census {
  /** By section; undefined: nobody has anything of it. */
  readonly sections: (SectionCensus | undefined)[] = [];
  readonly problems: string[] = [];
  readonly mms: MmCensus[] = [];
  /** By area: how many page table entries name each page of it. */
  readonly swapped: (Uint16Array | undefined)[] = [];
  /** By node: tables that count as such. */
  readonly tables: number[] = [];
  /** By zone: pages on its free lists, but for isolated ones. */
  readonly free = new Map<Zone, number>();
  readonly #k: Kernel;

  constructor(k: Kernel, blocks: Iterable<HeldBlock>) {
    this.#k = k;
    for (const zone of for_each_populated_zone(k)) {
      this.#free_lists(zone);
      for (const cpu of for_each_online_cpu(k)) this.#pcp_lists(zone, cpu);
    }
    this.#lru_lists();
    this.#batches();
    for (const mm of k.user.mms) this.#address_space(mm);
    this.#page_cache();
    this.#swap_cache();
    for (const pfn of memcg_own_pages(k)) this.#claim(pfn, 1, HELD);
    for (const { pfn, order } of blocks) this.#claim(pfn, 1 << order, HELD);
  }

  section(pfn: pfn_t): SectionCensus {
    const n = pfn >>> PFN_SECTION_SHIFT;
    this.sections[n] ??= new SectionCensus();
    return this.sections[n];
  }

  #claim(pfn: pfn_t, count: number, owner: number): void {
    const section = this.section(pfn);
    for (let n = 0, at = pfn % PAGES_PER_SECTION; n < count; n++, at++) {
      const other = section.owner[at]!;
      if (other !== NOBODY) this.#wrong(pfn + n, `of ${names[owner]} and of ${names[other]}`);
      section.owner[at] = owner;
    }
  }

  #wrong(pfn: pfn_t, what: string): void {
    this.problems.push(`page frame 0x${pfn.toString(16)} is ${what}`);
  }

  #free_lists(zone: Zone): void {
    const k = this.#k;
    let pages = 0;
    for (let order = 0; order < MAX_ORDER; order++) {
      let count = 0;
      for (let type = 0; type < MIGRATE_TYPES; type++) {
        for (const pfn of for_each_free_page(k, zone, order, type)) {
          this.#claim(pfn, 1 << order, FREE);
          count++;
          if (type !== MIGRATE_ISOLATE) pages += 1 << order;
        }
      }
      if (count !== nr_free(zone, order)) {
        this.problems.push(`node ${zone.nid} ${zone.name}: nr_free of order ${order} is not ${count}`);
      }
    }
    this.free.set(zone, pages);
  }

  #pcp_lists(zone: Zone, cpu: number): void {
    const k = this.#k;
    const list = zone_cpu(k, zone, cpu);
    let count = 0;
    for (let pindex = 0; pindex < NR_PCP_LISTS; pindex++) {
      const order = pindex < 12 ? Math.floor(pindex / 3) : 9;
      const head = PCP_LISTS + pindex * LIST_WORDS;
      for (let pfn = list_first_page(k, list, head); pfn >= 0; pfn = list_next_page(k, list, head, pfn)) {
        this.#claim(pfn, 1 << order, FREE);
        count += 1 << order;
      }
    }
    if (count !== list.pcp[PCP_COUNT]) {
      this.problems.push(`node ${zone.nid} ${zone.name}: CPU ${cpu} has ${count} pages, and counts another number`);
    }
  }

  #lru_lists(): void {
    const k = this.#k;
    for (const lruvec of [...all_memcgs(k.memcg.root_mem_cgroup)].flatMap(({ lruvecs }) => lruvecs)) {
      const sizes = new Int32Array(MAX_NR_ZONES * NR_LRU_LISTS);
      for (let lru = 0; lru < NR_LRU_LISTS; lru++) {
        // Nobody walks the unevictable list: it is only counted.
        if (lru === LRU_UNEVICTABLE) continue;
        const head = lru * LIST_WORDS;
        let n = 0;
        for (let pfn = list_first_page(k, lruvec, head); pfn >= 0; pfn = list_next_page(k, lruvec, head, pfn)) {
          this.#claim(pfn, 1, ON_LRU);
          const at = page_zonenum(k, pfn) * NR_LRU_LISTS + lru;
          sizes[at] = sizes[at]! + 1;
          if (page_to_nid(k, pfn) !== lruvec.pgdat.node_id) this.#wrong(pfn, "on another node's LRU list");
          if (((section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! >>> PG_lru) & 1) === 0) {
            this.#wrong(pfn, 'on an LRU list without PG_lru');
          }
          if (folio_lruvec(k, pfn) !== lruvec)
            this.#wrong(pfn, 'on the LRU list of a memory cgroup that is not charged');
          if (++n > MAX_LIST) break;
        }
      }
      for (let at = 0; at < sizes.length; at++) {
        if (at % NR_LRU_LISTS === LRU_UNEVICTABLE || sizes[at] === lruvec.lru_zone_size[at]) continue;
        const where = `node ${lruvec.pgdat.node_id}: zone ${Math.floor(at / NR_LRU_LISTS)}, LRU list ${at % NR_LRU_LISTS}`;
        this.problems.push(`${where} has ${sizes[at]} pages, and counts ${lruvec.lru_zone_size[at]}`);
      }
    }
  }

  /** A batch has a reference to each page that is in it. */
  #batches(): void {
    for (const batches of this.#k.lru_batches.cpus) {
      if (batches === undefined) continue;
      const size = batches.folios.length / batches.count.length;
      batches.count.forEach((count, kind) => {
        for (let n = 0; n < count; n++) this.#refer(batches.folios[kind * size + n]!);
      });
    }
  }

  #refer(pfn: pfn_t): void {
    const { refs } = this.section(pfn);
    refs[pfn % PAGES_PER_SECTION] = refs[pfn % PAGES_PER_SECTION]! + 1;
  }

  #address_space(mm: mm_struct): void {
    const census: MmCensus = { mm, swap_entries: 0, mapped: 0, moving: 0 };
    const pgd = mm.pgd / PAGE_SIZE;
    this.#claim(pgd, this.#k.config.PAGE_TABLE_ISOLATION ? 2 : 1, TABLE);
    this.#table(census, pgd, LEVELS - 1, HALF_OF_PGD);
    this.mms.push(census);
  }

  /** @param level 0: what it points to are pages */
  #table(census: MmCensus, pfn: pfn_t, level: number, entries: number): void {
    const words = page_words(this.#k, pfn);
    const base = page_word_index(pfn);
    for (let n = 0; n < entries; n++) {
      const lo = words[base + 2 * n]!;
      const hi = words[base + 2 * n + 1]!;
      if ((lo | hi) === 0) continue;
      if (level === 0) this.#entry(census, lo, hi);
      else if ((lo & PTE_PRESENT) !== 0) {
        const table = pte_pfn(lo, hi);
        this.#claim(table, 1, TABLE);
        // The table below the top one is not counted.
        const nid = page_to_nid(this.#k, table);
        if (level < LEVELS - 1) this.tables[nid] = (this.tables[nid] ?? 0) + 1;
        this.#table(census, table, level - 1, PTRS);
      }
    }
  }

  #entry(census: MmCensus, lo: number, hi: number): void {
    if (pte_present(lo)) {
      const pfn = vm_normal_page(lo, hi);
      if (pfn < 0) return;
      const { maps } = this.section(pfn);
      maps[pfn % PAGES_PER_SECTION] = maps[pfn % PAGES_PER_SECTION]! + 1;
      census.mapped++;
      return;
    }
    const entry = pte_to_swp_entry(lo, hi);
    const type = swp_type(entry);
    if (type >= MAX_SWAPFILES) {
      census.moving++;
      return;
    }
    census.swap_entries++;
    const si = this.#k.swap.swap_info[type];
    if (si === undefined || swp_offset(entry) >= si.max) {
      this.problems.push(`a page table entry names page ${swp_offset(entry)} of swap area ${type}, which there is not`);
      return;
    }
    this.swapped[type] ??= new Uint16Array(si.max);
    const area = this.swapped[type];
    area[swp_offset(entry)] = area[swp_offset(entry)]! + 1;
  }

  #cached(pfn: pfn_t, kind: number): void {
    const { cache } = this.section(pfn);
    if (cache[pfn % PAGES_PER_SECTION] !== 0) this.#wrong(pfn, 'twice in a cache');
    cache[pfn % PAGES_PER_SECTION] = kind;
    this.#refer(pfn);
  }

  #page_cache(): void {
    for (const mapping of this.#k.filemap.mappings) {
      if (mapping === null) continue;
      let count = 0;
      for (let at = mapping.i_pages.find_page(0, LAST); at >= 0; at = mapping.i_pages.find_page(at + 1, LAST)) {
        this.#cached(mapping.i_pages.page(at), 1);
        count++;
      }
      if (count !== mapping.nrpages) this.problems.push(`a file has ${count} pages, and counts ${mapping.nrpages}`);
    }
  }

  #swap_cache(): void {
    for (const { spaces, max } of this.#k.swap.swap_info) {
      spaces.forEach((space, n) => {
        if (space === undefined) return;
        const end = Math.min(SWAP_ADDRESS_SPACE_PAGES, max - n * SWAP_ADDRESS_SPACE_PAGES);
        for (let at = 0; at < end; at++) if (space[at]! > 0) this.#cached(space[at]! - 1, 2);
      });
    }
  }
}
