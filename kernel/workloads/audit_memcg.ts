// Whether what memory cgroups count is what there is: pages that point to them, LRU lists, places in swap.
//
// While tasks run a page may be charged already, and not yet point to whom.

import { PG_MEMCG_DATA, PG_MEMCG_DATA_HI } from '../include/mm_types.ts';
import { NR_ANON_MAPPED, NR_FILE_MAPPED, NR_FILE_PAGES } from '../include/mmzone.ts';
import { PAGE_SHIFT, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { memcg_path } from '../mm/memcg_oom.ts';
import { memcg_kmem_pages } from '../mm/memcg_stat.ts';
import type { mem_cgroup } from '../mm/memcontrol.ts';

/** Every cgroup, the root first. */
export function* all_memcgs(root: mem_cgroup): Generator<mem_cgroup> {
  yield root;
  for (const child of root.children) yield* all_memcgs(child);
}

/** Pages that cgroups themselves have. */
export function memcg_own_pages({ memcg: { root_mem_cgroup, objcgs, free_slots } }: Kernel): Set<pfn_t> {
  const pages = new Set<pfn_t>();
  for (const memcg of all_memcgs(root_mem_cgroup)) for (const pfn of memcg.pages) pages.add(pfn);
  for (const pa of [...objcgs.keys(), ...free_slots]) pages.add(Math.floor(pa / 2 ** PAGE_SHIFT));
  return pages;
}

/** Of one cgroup alone. */
class Found {
  pages = 0;
  anon = 0;
  mapped = 0;
  cached = 0;
  swapped = 0;
}

export class MemcgCensus {
  readonly #k: Kernel;
  readonly #found = new Map<mem_cgroup, Found>();

  constructor(k: Kernel) {
    this.#k = k;
    for (const { swap_cgroup } of k.swap.swap_info) {
      for (const id of swap_cgroup ?? []) if (id !== 0) this.#of(k.memcg.ids.get(id)!).swapped++;
    }
  }

  #of(memcg: mem_cgroup): Found {
    const found = this.#found.get(memcg) ?? new Found();
    this.#found.set(memcg, found);
    return found;
  }

  /** A page that somebody has. */
  page(m: Int32Array, i: number, mapped: boolean, anon: boolean, cached: boolean): void {
    if (m[i + PG_MEMCG_DATA] === 0) return;
    const memcg = this.#k.memcg.find(m[i + PG_MEMCG_DATA]!, m[i + PG_MEMCG_DATA_HI]!);
    if (memcg === null) return;
    const found = this.#of(memcg);
    found.pages++;
    if (cached) found.cached++;
    if (mapped && anon) found.anon++;
    if (mapped && !anon) found.mapped++;
  }

  /** With those below it. */
  #sum(memcg: mem_cgroup, what: keyof Found): number {
    let sum = 0;
    for (const one of all_memcgs(memcg)) sum += this.#found.get(one)?.[what] ?? 0;
    return sum;
  }

  /** @param quiet whether nothing is under way. @returns what is wrong, a line each */
  problems(quiet: boolean): string[] {
    const { memcg: state } = this.#k;
    const problems: string[] = [];
    for (const memcg of all_memcgs(state.root_mem_cgroup)) {
      if (memcg.parent === null || !memcg.online) continue;
      const path = memcg_path(memcg);
      const is = (what: string, counted: number, found: number, exact = true): void => {
        if (exact ? counted !== found : counted < found) {
          problems.push(`memory cgroup ${path}: ${what} is ${counted}, there are ${found}`);
        }
      };
      const below = [...all_memcgs(memcg)];
      const stocks = state.stock.filter((stock) => stock?.cached !== null && below.includes(stock?.cached));
      const stock = stocks.reduce((sum, { nr_pages }) => sum + nr_pages, 0);
      const charged = this.#sum(memcg, 'pages') + memcg_kmem_pages(memcg) + stock;
      is('memory.current, in pages,', memcg.memory.usage, charged, quiet);
      is('memory.swap.current, in pages,', memcg.swap.usage, this.#sum(memcg, 'swapped'));
      const stat = (item: number): number => memcg.lruvecs.reduce((sum, { stats }) => sum + stats[item]!, 0);
      is('anon, in pages,', stat(NR_ANON_MAPPED), this.#sum(memcg, 'anon'));
      is('file_mapped, in pages,', stat(NR_FILE_MAPPED), this.#sum(memcg, 'mapped'));
      // Pages of the swap cache count as some of files.
      is('file, in pages,', stat(NR_FILE_PAGES), this.#sum(memcg, 'cached'));
    }
    return problems;
  }
}
