// Steps of a generated history of the page allocator, and what does them. What a step picks (a block to free, a pageblock
// to isolate) is an index into what there is at the time, so that any part of a history is a history.

import fc from 'fast-check';
import { proc_sys_write } from '../../kernel/fs/proc/proc_sysctl.ts';
import {
  __GFP_ATOMIC,
  __GFP_COMP,
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_HARDWALL,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_MEMALLOC,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  __GFP_WRITE,
  __GFP_ZERO,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
} from '../../kernel/include/gfp_types.ts';
import { PG_REFCOUNT } from '../../kernel/include/mm_types.ts';
import { MIGRATE_MOVABLE, ZONE_RECLAIM_ACTIVE } from '../../kernel/include/mmzone.ts';
import { PF_MEMALLOC, PF_MEMALLOC_NOFS, PF_MEMALLOC_NOIO, PF_MEMALLOC_PIN } from '../../kernel/include/sched.ts';
import { PAGE_SIZE } from '../../kernel/include/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { node_set, nodes_none } from '../../kernel/lib/nodemask.ts';
import { alloc_contig_pages, alloc_contig_range } from '../../kernel/mm/alloc_contig.ts';
import { __alloc_pages_bulk } from '../../kernel/mm/bulk.ts';
import { free_unref_page_list, free_unref_pages } from '../../kernel/mm/free_unref_list.ts';
import { alloc_pages_exact } from '../../kernel/mm/gfp_pages.ts';
import type { Zone } from '../../kernel/mm/mmzone.ts';
import { page_index, section_map } from '../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages, split_page } from '../../kernel/mm/page_alloc.ts';
import { start_isolate_page_range, undo_isolate_page_range } from '../../kernel/mm/page_isolation.ts';
import { drain_all_pages, drain_local_pages } from '../../kernel/mm/pcp.ts';
import { vmstat_update } from '../../kernel/mm/vmstat_update.ts';
import { switch_to_cpu } from '../../kernel/mm/zone_cpu.ts';

export interface Block {
  readonly pfn: number;
  readonly order: number;
  readonly compound: boolean;
}

/** Is told of every block that changes hands: `gave` right before it is freed. */
export interface Owner {
  took(block: Block, request: Request | null): void;
  gave(block: Block): void;
}

/** What was asked for. null: frames of one's choice. */
export interface Request {
  readonly gfp: number;
  readonly node: number;
  /** A bit for each node that may give; 0: any. */
  readonly mask: number;
}

type Ask = { readonly gfp: number; readonly nid: number; readonly mask: number };
export type Step = { readonly cpu: number } & (
  | ({ readonly op: 'alloc'; readonly order: number } & Ask)
  | ({ readonly op: 'bulk'; readonly count: number } & Ask)
  | { readonly op: 'exact'; readonly pages: number; readonly gfp: number }
  | ({ readonly op: 'fill'; readonly order: number; readonly keep: number } & Ask)
  | {
      readonly op: 'free' | 'free_last' | 'free_list' | 'shared' | 'split' | 'unisolate' | 'reclaim_active';
      readonly pick: number;
    }
  | { readonly op: 'drain_all' | 'drain_local' | 'vmstat' }
  | { readonly op: 'isolate' | 'contig'; readonly pick: number; readonly offset: number; readonly pages: number }
  | { readonly op: 'contig_pages'; readonly nid: number; readonly pages: number }
  | { readonly op: 'sysctl'; readonly name: string; readonly value: string }
  | { readonly op: 'task'; readonly flags: number; readonly rt: boolean; readonly oom_victim: boolean }
);

/** A record whose counterexamples print as they are written. */
export const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });

const zone_bits = fc.constantFrom(
  ...[0, 0, 0, 0, __GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM, __GFP_DMA | __GFP_DMA32],
  ...[__GFP_HIGHMEM | __GFP_MOVABLE, __GFP_MOVABLE, __GFP_MOVABLE | __GFP_DMA32, __GFP_RECLAIMABLE],
);
const base = fc.constantFrom(GFP_KERNEL, GFP_ATOMIC, GFP_NOWAIT, 0, GFP_KERNEL | __GFP_HARDWALL);
const extras = fc.constantFrom(
  ...[0, 0, 0, __GFP_COMP, __GFP_COMP, __GFP_ZERO, __GFP_COMP | __GFP_ZERO, __GFP_THISNODE, __GFP_HIGH],
  ...[__GFP_HIGH | __GFP_ATOMIC, __GFP_MEMALLOC, __GFP_NOMEMALLOC, __GFP_MEMALLOC | __GFP_NOMEMALLOC, __GFP_WRITE],
  ...[__GFP_NORETRY, __GFP_RETRY_MAYFAIL, __GFP_THISNODE | __GFP_NORETRY],
);
const common = fc.constantFrom(GFP_KERNEL, GFP_HIGHUSER_MOVABLE, GFP_ATOMIC, GFP_KERNEL | __GFP_RECLAIMABLE);
const gfp = fc.oneof(
  common,
  fc.tuple(zone_bits, base, extras).map(([zone, kind, more]) => zone | kind | more),
);
const order = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 2, arbitrary: fc.integer({ min: 4, max: 8 }) },
  { weight: 1, arbitrary: fc.integer({ min: 9, max: 10 }) },
);
/** A set of nodes, 0: any. */
const mask = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 7 }));
const cpu = fc.nat(3);
const nid = fc.nat(2);
const pick = fc.nat(0xffff);
const request = { gfp, nid, mask };
const sysctl = fc.oneof(
  plain({ name: fc.constant('min_free_kbytes'), value: fc.constantFrom('0', '128', '1024', '4096') }),
  plain({ name: fc.constant('watermark_scale_factor'), value: fc.constantFrom('1', '10', '1000', '3000') }),
  plain({ name: fc.constant('watermark_boost_factor'), value: fc.constantFrom('0', '15000', '40000') }),
  plain({
    name: fc.constant('lowmem_reserve_ratio'),
    value: fc.constantFrom('256 256 32 0', '1 1 1 1', '0 0 0 0'),
  }),
  plain({ name: fc.constant('percpu_pagelist_high_fraction'), value: fc.constantFrom('0', '8', '64', '1000') }),
);
const place = {
  pick,
  offset: fc.oneof(fc.constant(0), fc.nat(1023)),
  pages: fc.constantFrom(1, 16, 300, 512, 1024, 1500),
};
const flags = fc.constantFrom(0, 0, 0, PF_MEMALLOC, PF_MEMALLOC_NOIO, PF_MEMALLOC_NOFS, PF_MEMALLOC_PIN);

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 50, arbitrary: plain({ op: fc.constant('alloc' as const), cpu, order, ...request }) },
  { weight: 28, arbitrary: plain({ op: fc.constantFrom('free' as const, 'free_last' as const), cpu, pick }) },
  {
    weight: 4,
    arbitrary: plain({ op: fc.constant('bulk' as const), cpu, count: fc.integer({ min: 1, max: 90 }), ...request }),
  },
  {
    weight: 5,
    arbitrary: plain({ op: fc.constantFrom('split' as const, 'shared' as const, 'free_list' as const), cpu, pick }),
  },
  {
    weight: 1,
    arbitrary: plain({ op: fc.constant('exact' as const), cpu, pages: fc.integer({ min: 1, max: 40 }), gfp: common }),
  },
  {
    weight: 1,
    arbitrary: plain({
      op: fc.constant('fill' as const),
      cpu,
      order,
      keep: fc.constantFrom(1, 2, 3, 9),
      ...request,
    }),
  },
  {
    weight: 4,
    arbitrary: plain({ op: fc.constantFrom('drain_all' as const, 'drain_local' as const, 'vmstat' as const), cpu }),
  },
  { weight: 3, arbitrary: plain({ op: fc.constantFrom('isolate' as const, 'contig' as const), cpu, ...place }) },
  { weight: 2, arbitrary: plain({ op: fc.constant('unisolate' as const), cpu, pick }) },
  { weight: 1, arbitrary: plain({ op: fc.constant('reclaim_active' as const), cpu, pick }) },
  {
    weight: 1,
    arbitrary: plain({
      op: fc.constant('contig_pages' as const),
      cpu,
      nid,
      pages: fc.constantFrom(512, 600, 1024, 2048),
    }),
  },
  {
    weight: 1,
    arbitrary: sysctl.chain((one) =>
      plain({
        op: fc.constant('sysctl' as const),
        cpu,
        name: fc.constant(one.name),
        value: fc.constant(one.value),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: plain({ op: fc.constant('task' as const), cpu, flags, rt: fc.boolean(), oom_victim: fc.boolean() }),
  },
);

/** A kernel whose allocator a history runs on, and what was taken of it. */
export class History {
  readonly k: Kernel;
  readonly owner: Owner | null;
  readonly live: Block[] = [];
  readonly isolated: { start: number; end: number }[] = [];
  readonly #zones: Zone[];
  readonly #nodes: number[];
  readonly #cpus: number;

  constructor(k: Kernel, cpus: number, owner: Owner | null) {
    this.k = k;
    this.owner = owner;
    this.#cpus = cpus;
    this.#zones = k.node_data.flatMap(({ node_zones }) => node_zones.filter((zone) => zone.managed_pages > 0));
    this.#nodes = k.node_data.flatMap((pgdat) => (pgdat === undefined ? [] : [pgdat.node_id]));
  }

  /** @returns what the step gave: pages, or an error; for comparing with another kernel */
  step(s: Step): readonly number[] {
    const { k } = this;
    switch_to_cpu(k, s.cpu % this.#cpus);
    switch (s.op) {
      case 'alloc':
        return [this.#alloc(s, s.order)];
      case 'bulk':
        return this.#bulk(s, s.count);
      case 'fill':
        return this.#fill(s, s.order, s.keep);
      case 'free':
        if (this.live.length > 0) this.#free(s.pick % this.live.length);
        return [];
      case 'free_last':
        if (this.live.length > 0) this.#free(this.live.length - 1 - (s.pick % Math.min(4, this.live.length)));
        return [];
      case 'free_list':
        return this.#freeList(s.pick);
      case 'exact': {
        const pa = alloc_pages_exact(k, s.pages * PAGE_SIZE, s.gfp | __GFP_NOWARN);
        if (pa > 0) this.#single(pa / PAGE_SIZE, s.pages);
        return [pa];
      }
      case 'shared':
        return this.#shared(s.pick);
      case 'split':
        return this.#split(s.pick);
      case 'drain_all':
        drain_all_pages(k, null);
        return [];
      case 'drain_local':
        drain_local_pages(k, null);
        return [];
      case 'vmstat':
        vmstat_update(k);
        return [];
      case 'isolate':
        return this.#isolate(s.pick, s.pages);
      case 'unisolate':
        return this.#unisolate(s.pick);
      case 'contig':
        return this.#contig(s.pick, s.offset, s.pages);
      case 'contig_pages': {
        const pfn = alloc_contig_pages(k, s.pages, GFP_KERNEL | __GFP_NOWARN, this.#node(s.nid));
        if (pfn >= 0) this.#single(pfn, s.pages);
        return [pfn];
      }
      case 'reclaim_active':
        this.#zones[s.pick % this.#zones.length]!.flags ^= 1 << ZONE_RECLAIM_ACTIVE;
        return [];
      case 'sysctl':
        return [proc_sys_write(k, `sys/vm/${s.name}`, s.value)];
      case 'task':
        k.current.flags = s.flags;
        k.current.rt = s.rt;
        k.current.oom_victim = s.oom_victim;
        return [];
    }
  }

  #node = (n: number): number => this.#nodes[n % this.#nodes.length]!;

  #nodemask(bits: number): Uint32Array | null {
    if (bits === 0) return null;
    const nodes = nodes_none();
    for (const node of this.#nodes) if ((bits >>> node) & 1) node_set(node, nodes);
    return nodes;
  }

  #took(block: Block, request: Request | null): void {
    this.live.push(block);
    this.owner?.took(block, request);
  }

  #single(pfn: number, pages: number): void {
    for (let p = pfn; p < pfn + pages; p++) this.#took({ pfn: p, order: 0, compound: false }, null);
  }

  #alloc(r: Ask, of: number): number {
    const flags_ = r.gfp | __GFP_NOWARN;
    const node = this.#node(r.nid);
    const pfn = __alloc_pages(this.k, flags_, of, node, this.#nodemask(r.mask));
    const compound = of > 0 && (flags_ & __GFP_COMP) !== 0;
    if (pfn >= 0) this.#took({ pfn, order: of, compound }, { gfp: flags_, node, mask: r.mask });
    return pfn;
  }

  #bulk(r: Ask, count: number): number[] {
    const pages: number[] = new Array<number>(count).fill(-1);
    const node = this.#node(r.nid);
    const filled = __alloc_pages_bulk(this.k, r.gfp | __GFP_NOWARN, node, this.#nodemask(r.mask), count, pages);
    for (const pfn of pages.slice(0, filled)) {
      this.#took({ pfn, order: 0, compound: false }, { gfp: r.gfp, node, mask: r.mask });
    }
    return [filled, ...pages];
  }

  /** Takes blocks until there are none left, then frees all but every `keep`th: the zone is full of small gaps. */
  #fill(r: Ask, of: number, keep: number): number[] {
    const first = this.live.length;
    const got: number[] = [];
    do got.push(this.#alloc(r, of));
    while (got.at(-1)! >= 0 && got.length < 4000);
    for (let n = this.live.length - 1; n >= first; n--) if (n % keep !== 0) this.#free(n);
    return got;
  }

  #free(n: number): void {
    const block = this.live[n]!;
    const last = this.live.pop()!;
    if (last !== block) this.live[n] = last;
    this.owner?.gave(block);
    __free_pages(this.k, block.pfn, block.order);
  }

  /** Drops the last references to some single pages, then frees them all at once. */
  #freeList(picked: number): number[] {
    const pages: number[] = [];
    for (let n = this.live.length - 1; n >= 0 && pages.length < picked % 50; n--) {
      const block = this.live[n]!;
      if (block.order !== 0) continue;
      const m = section_map(this.k.mm, block.pfn);
      const refcount = page_index(block.pfn) + PG_REFCOUNT;
      if (m[refcount] !== 1) continue;
      m[refcount] = 0;
      pages.push(block.pfn);
      this.live.splice(n, 1);
      this.owner?.gave(block);
    }
    if (picked % 2 === 0) free_unref_page_list(this.k, pages);
    else free_unref_pages(this.k, Int32Array.from(pages), pages.length);
    return pages;
  }

  /** Someone else has a reference to the first page while the block is freed. */
  #shared(picked: number): number[] {
    if (this.live.length === 0) return [];
    const n = picked % this.live.length;
    const block = this.live[n]!;
    const { pfn, order: of, compound } = block;
    section_map(this.k.mm, pfn)[page_index(pfn) + PG_REFCOUNT]!++;
    if (compound || of === 0) {
      // All of it stays with whoever drops the last reference.
      __free_pages(this.k, pfn, of);
      return [0];
    }
    this.owner?.gave(block);
    this.live.splice(n, 1);
    this.#took({ pfn, order: 0, compound: false }, null);
    __free_pages(this.k, pfn, of);
    return [1];
  }

  #split(picked: number): number[] {
    if (this.live.length === 0) return [];
    const n = picked % this.live.length;
    const block = this.live[n]!;
    if (block.compound || block.order === 0 || block.order > 6) return [];
    split_page(this.k, block.pfn, block.order);
    this.owner?.gave(block);
    this.live.splice(n, 1);
    this.#single(block.pfn, 1 << block.order);
    return [block.pfn];
  }

  /**
   * Pages of one zone from a pageblock's start on: [start, start + pages), as far as the zone has whole pageblocks.
   * null: there are none.
   */
  #range(picked: number, pages: number): { start: number; end: number } | null {
    const zone = this.#zones[picked % this.#zones.length]!;
    const first = Math.ceil(zone.zone_start_pfn / 512);
    const last = Math.floor(zone.zone_end_pfn / 512);
    if (last <= first) return null;
    const start = (first + ((picked >>> 3) % (last - first))) * 512;
    const end = Math.min(start + pages, last * 512);
    for (let pfn = start; pfn < Math.ceil(end / 512) * 512; pfn++) {
      const map = this.k.mm.section_mem_map[pfn >>> 15];
      if (map === undefined || map.length === 0) return null;
      if (map[page_index(pfn) + 1]! >>> 19 !== (zone.nid << 3) + zone.idx) return null;
    }
    return { start, end };
  }

  #isolate(picked: number, pages: number): number[] {
    const range = this.#range(picked, Math.ceil(pages / 512) * 512);
    if (range === null || this.isolated.some(({ start, end }) => start < range.end && range.start < end)) return [];
    const ret = start_isolate_page_range(this.k, range.start, range.end, MIGRATE_MOVABLE, 0);
    if (ret === 0) this.isolated.push(range);
    return [ret];
  }

  #unisolate(picked: number): number[] {
    if (this.isolated.length === 0) return [];
    const [{ start, end } = { start: 0, end: 0 }] = this.isolated.splice(picked % this.isolated.length, 1);
    undo_isolate_page_range(this.k, start, end, MIGRATE_MOVABLE);
    return [start];
  }

  #contig(picked: number, offset: number, pages: number): number[] {
    const range = this.#range(picked, offset + pages);
    if (range === null || range.start + offset >= range.end) return [];
    // Whoever fails undoes the isolation of all of the range, also what is another's.
    const whole = { start: range.start, end: Math.ceil(range.end / 512) * 512 };
    if (this.isolated.some(({ start, end }) => start < whole.end && whole.start < end)) return [];
    const start = range.start + offset;
    const ret = alloc_contig_range(this.k, start, range.end, MIGRATE_MOVABLE);
    if (ret === 0) this.#single(start, range.end - start);
    return [ret, start];
  }

  /** Gives everything back. */
  freeAll(): void {
    while (this.live.length > 0) this.#free(this.live.length - 1);
    while (this.isolated.length > 0) this.#unisolate(0);
    drain_all_pages(this.k, null);
  }
}
