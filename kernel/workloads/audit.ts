// Compares what a census has found with what struct pages, counters and swap maps say: each page has one owner, as many
// references as somebody has, and is counted once; no page that could be free is lost.
//
// While tasks run some pages are in nobody's hands but theirs: just allocated, isolated for reclaim, about to be freed. Only
// once all is quiet must there be an owner for each.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { MM_ANONPAGES, MM_FILEPAGES, MM_SWAPENTS } from '../include/mm.ts';
import { PG_FLAGS, PG_MAPCOUNT, PG_MAPPING, PG_REFCOUNT } from '../include/mm_types.ts';
import {
  NR_ANON_MAPPED,
  NR_FILE_MAPPED,
  NR_FILE_PAGES,
  NR_FREE_PAGES,
  NR_ISOLATED_ANON,
  NR_PAGETABLE,
  NR_SWAPCACHE,
  PAGES_PER_SECTION,
  PFN_SECTION_SHIFT,
} from '../include/mmzone.ts';
import { PG_reserved } from '../include/page_flags.ts';
import { SWAP_MAP_BAD } from '../include/swap.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_MAPPING_ANON } from '../mm/anon_vma.ts';
import type { PgData } from '../mm/mmzone.ts';
import { for_each_online_pgdat, for_each_populated_zone } from '../mm/mmzone_iter.ts';
import { page_index, page_zone_id } from '../mm/page.ts';
import { swp_swapcount } from '../mm/swap_count.ts';
import { swp_entry } from '../mm/swapops.ts';
import { zone_page_state_snapshot } from '../mm/vmstat.ts';
import { MemcgCensus } from './audit_memcg.ts';
import { Census, FREE, HELD, type HeldBlock, NOBODY, ON_LRU, TABLE } from './census.ts';

/** node_page_state() with the diffs of CPUs. */
function node_state(k: Kernel, pgdat: PgData, item: number): number {
  let pages = pgdat.vm_stat(item);
  for (const cpu of for_each_online_cpu(k)) pages += pgdat.cpus[cpu]?.[item + 1] ?? 0;
  return pages;
}

/** What the frames of a node come to. */
class NodeSums {
  anon_mapped = 0;
  file_mapped = 0;
  file_pages = 0;
  swapcache = 0;
}

export class Audit {
  /** Frames that had an owner before, whom no list tells of: the kernel. */
  readonly #before = new Set<pfn_t>();
  readonly #k: Kernel;
  looks = 0;
  frames = 0;

  /** Context: no workload has begun. */
  constructor(k: Kernel) {
    this.#k = k;
    const census = new Census(k, []);
    for (const [pfn] of this.#frames()) {
      const at = pfn % PAGES_PER_SECTION;
      const section = census.section(pfn);
      if (section.owner[at] === NOBODY && section.refs[at] === 0 && section.maps[at] === 0) this.#before.add(pfn);
    }
  }

  /** Frames that the page allocator has to do with: the struct page of each, as words and index. */
  *#frames(): Generator<[pfn_t, Int32Array, number]> {
    for (const zone of for_each_populated_zone(this.#k)) {
      const end = zone.zone_start_pfn + zone.spanned_pages;
      for (let pfn = zone.zone_start_pfn; pfn < end; pfn++) {
        const m = this.#k.mm.section_mem_map[pfn >>> PFN_SECTION_SHIFT];
        if (m === undefined || m.length === 0) {
          pfn = ((pfn >>> PFN_SECTION_SHIFT) + 1) * PAGES_PER_SECTION - 1;
          continue;
        }
        const i = page_index(pfn);
        if (((m[i + PG_FLAGS]! >>> PG_reserved) & 1) !== 0) continue;
        if (page_zone_id(this.#k, pfn) !== ((zone.nid << 3) | zone.idx)) continue;
        yield [pfn, m, i];
      }
    }
  }

  /**
   * @param blocks what workloads hold for the kernel
   * @param quiet whether every task has ended, and nothing is under way
   * @returns what is wrong, a line each
   */
  look(blocks: Iterable<HeldBlock>, quiet: boolean): string[] {
    const census = new Census(this.#k, blocks);
    this.looks++;
    this.#pages(census, quiet);
    this.#address_spaces(census);
    this.#swap_maps(census);
    for (const zone of for_each_populated_zone(this.#k)) {
      const counted = zone_page_state_snapshot(this.#k, zone, NR_FREE_PAGES);
      const found = census.free.get(zone)!;
      if (counted !== found) {
        census.problems.push(`node ${zone.nid} ${zone.name}: ${found} pages on free lists, ${counted} counted`);
      }
    }
    return census.problems;
  }

  #pages(census: Census, quiet: boolean): void {
    const sums = this.#k.node_data.map(() => new NodeSums());
    const memcgs = new MemcgCensus(this.#k);
    const wrong = (pfn: pfn_t, what: string): void =>
      void census.problems.push(`page frame 0x${pfn.toString(16)}: ${what}`);
    for (const [pfn, m, i] of this.#frames()) {
      this.frames++;
      const section = census.section(pfn);
      const at = pfn % PAGES_PER_SECTION;
      const owner = section.owner[at]!;
      const maps = section.maps[at]!;
      const refs = section.refs[at]! + maps;
      const count = m[i + PG_REFCOUNT]!;
      if (owner === FREE) {
        if (count !== 0 || refs !== 0) wrong(pfn, `free, with ${count} references, of which ${refs} are known`);
        continue;
      }
      if (owner === TABLE || owner === HELD) {
        if (refs !== 0) wrong(pfn, 'mapped or in a cache, and a page of the kernel');
        continue;
      }
      if (maps !== m[i + PG_MAPCOUNT]! + 1 && (maps !== 0 || owner === ON_LRU)) {
        wrong(pfn, `${maps} page table entries map it, mapcount is ${m[i + PG_MAPCOUNT]}`);
      }
      if (owner === NOBODY && refs === 0) {
        if (quiet && !this.#before.has(pfn)) wrong(pfn, `nobody has it, with ${count} references`);
        continue;
      }
      if (quiet ? count !== refs : count < refs) wrong(pfn, `${count} references, of which ${refs} are known`);
      const sum = sums[page_zone_id(this.#k, pfn) >>> 3]!;
      if (section.cache[at] !== 0) sum.file_pages++;
      if (section.cache[at] === 2) sum.swapcache++;
      const anon = (m[i + PG_MAPPING]! & PAGE_MAPPING_ANON) !== 0;
      memcgs.page(m, i, maps > 0, anon, section.cache[at] !== 0);
      if (maps === 0) continue;
      if (anon) sum.anon_mapped++;
      else sum.file_mapped++;
    }
    census.problems.push(...memcgs.problems(quiet));
    for (const pgdat of for_each_online_pgdat(this.#k)) {
      const { anon_mapped, file_mapped, file_pages, swapcache } = sums[pgdat.node_id]!;
      const rows: readonly (readonly [string, number, number])[] = [
        ['nr_anon_pages', NR_ANON_MAPPED, anon_mapped],
        ['nr_mapped', NR_FILE_MAPPED, file_mapped],
        ['nr_file_pages', NR_FILE_PAGES, file_pages],
        ['nr_swapcached', NR_SWAPCACHE, swapcache],
        ['nr_page_table_pages', NR_PAGETABLE, census.tables[pgdat.node_id] ?? 0],
        ...(quiet
          ? ([
              ['nr_isolated_anon', NR_ISOLATED_ANON, 0],
              ['nr_isolated_file', NR_ISOLATED_ANON + 1, 0],
            ] as const)
          : []),
      ];
      for (const [name, item, found] of rows) {
        const counted = node_state(this.#k, pgdat, item);
        if (counted !== found) census.problems.push(`node ${pgdat.node_id}: ${name} is ${counted}, there are ${found}`);
      }
    }
  }

  #address_spaces({ mms, problems }: Census): void {
    for (const { mm, mapped, swap_entries, moving } of mms) {
      const rss = mm.rss_stat[MM_ANONPAGES]! + mm.rss_stat[MM_FILEPAGES]!;
      const fits = moving > 0 ? rss >= mapped && rss <= mapped + moving : rss === mapped;
      if (!fits) problems.push(`an address space maps ${mapped} pages, and counts ${rss}`);
      if (mm.rss_stat[MM_SWAPENTS] !== swap_entries) {
        problems.push(`an address space has ${swap_entries} pages in swap, and counts ${mm.rss_stat[MM_SWAPENTS]}`);
      }
    }
  }

  #swap_maps({ swapped, problems }: Census): void {
    for (const si of this.#k.swap.swap_info) {
      for (let offset = 1; offset < si.max; offset++) {
        const map = si.swap_map[offset]!;
        const found = swapped[si.type]?.[offset] ?? 0;
        if ((map === 0 && found === 0) || map === SWAP_MAP_BAD) continue;
        const counted = map === 0 ? 0 : swp_swapcount(this.#k, swp_entry(si.type, offset));
        if (counted !== found) {
          problems.push(
            `page ${offset} of swap area ${si.type}: ${found} page table entries name it, ${counted} counted`,
          );
        }
      }
    }
  }
}
