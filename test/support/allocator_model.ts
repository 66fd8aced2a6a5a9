// The page allocator against a map of who owns each page frame. The map is told of each block that is taken and given
// back, and nothing else; check() walks every list of every zone and CPU by its pointers and looks at every struct page.
//
// A frame is reserved for good (not on any list when the machine has booted), free, or has an owner. Linux itself leaves
// free buddies unmerged, or counts what is reserved for high-order atomic requests too high, in a few cases; each is
// said where it is allowed for.

import {
  __GFP_ATOMIC,
  __GFP_DIRECT_RECLAIM,
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_MEMALLOC,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_THISNODE,
  __GFP_ZERO,
} from '../../kernel/include/gfp_types.ts';
import {
  free_area,
  MIGRATE_CMA,
  MIGRATE_HIGHATOMIC,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_TYPES,
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  NR_PCP_LISTS,
  NR_VM_ZONE_STAT_ITEMS,
  per_cpu_pages,
  per_cpu_zonestat,
  zone as zone_layout,
} from '../../kernel/include/mmzone.ts';
import { PF_MEMALLOC } from '../../kernel/include/sched.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Zone } from '../../kernel/mm/mmzone.ts';
import { get_pageblock_migratetype } from '../../kernel/mm/pageblock.ts';
import { per_cpu_ptr } from '../../kernel/mm/percpu.ts';
import type { Block, Owner, Request } from './allocator_steps.ts';

const RESERVED = -1;
const FREE = 0;

// What check() saw of a frame.
const NOT_LISTED = 0;
const HEAD = 1;
const REST = 2;
const PCP = 3;

const BLOCK = 512;
const VMEMMAP_HI = 0xffffea00 | 0;
/** page->flags below the fields for node, zone and CPU. */
const FLAGS = 0x1ffffff;
const BUDDY_MAPCOUNT = ~0x80;

/** A run of page frames with a memory map, all in one section. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly map: Int32Array;
  /** By pfn - start. */
  readonly owner: Int32Array;
  readonly refs: Uint8Array;
  readonly seen: Uint8Array;
  /** Node and zone, as page->flags has them from boot on. */
  readonly zone: Int32Array;
}

/** What is known of a pageblock. Two zones may share it. */
interface PageblockRecord {
  readonly pfn: number;
  readonly zones: Zone[];
  /** Which of them counts it as held back. */
  holder: Zone | null;
  type: number;
  was_highatomic: boolean;
}

class Wrong extends Error {}
const wrong = (text: string): never => {
  throw new Wrong(text);
};
const hex = (pfn: number): string => `0x${pfn.toString(16)}`;
const signed8 = (byte: number): number => (byte << 24) >> 24;

export class AllocatorModel implements Owner {
  /** Blocks that were taken, and given back. */
  operations = 0;
  readonly #k: Kernel;
  readonly #zones: Zone[];
  readonly #cpus: number;
  readonly #runs: Run[] = [];
  /** By pfn >>> 15. */
  readonly #sections: Run[][] = [];
  #next_owner = 1;
  readonly #heads: number[] = [];
  readonly #orders: number[] = [];
  /** Pageblocks of memory by number. */
  readonly #blocks = new Map<number, PageblockRecord>();
  /** By zone: pageblocks that were reserved, and became ordinary ones without being counted as given up. */
  readonly #lost = new Map<Zone, number>();

  constructor(k: Kernel, cpus: number, memory: readonly { start: number; end: number }[]) {
    this.#k = k;
    this.#cpus = cpus;
    this.#zones = k.node_data.flatMap(({ node_zones }) => node_zones.filter((zone) => zone.present_pages > 0));
    for (const { start, end } of memory) {
      for (let pfn = start; pfn < end; ) {
        const stop = Math.min(end, ((pfn >>> 15) + 1) << 15);
        const run = {
          start: pfn,
          end: stop,
          map: k.mm.section_mem_map[pfn >>> 15]!,
          owner: new Int32Array(stop - pfn).fill(RESERVED),
          refs: new Uint8Array(stop - pfn),
          seen: new Uint8Array(stop - pfn),
          zone: new Int32Array(stop - pfn),
        };
        for (let n = 0; n < stop - pfn; n++) run.zone[n] = run.map[(((pfn + n) & 0x7fff) << 4) + 1]! >>> 19;
        this.#runs.push(run);
        this.#sections[pfn >>> 15] ??= [];
        this.#sections[pfn >>> 15]!.push(run);
        pfn = stop;
      }
    }
    this.#findBlocks();
    this.#walkAll();
    let free = 0;
    for (const { owner, seen } of this.#runs) {
      seen.forEach((what, i) => {
        if (what === NOT_LISTED) return;
        owner[i] = FREE;
        free++;
      });
    }
    const managed = this.#zones.reduce((sum, zone) => sum + zone.managed_pages, 0);
    if (free !== managed) wrong(`zones manage ${managed} pages, ${free} are on lists after boot`);
    this.check();
  }

  // --- owners ---

  took(block: Block, request: Request | null): void {
    const { pfn, order } = block;
    this.operations++;
    const run = this.#run(pfn);
    const id = this.#next_owner++;
    const first = pfn - run.start;
    if (pfn % (1 << order) !== 0) wrong(`${hex(pfn)}, order ${order}: not aligned`);
    for (let i = first; i < first + (1 << order); i++) {
      if (run.owner[i] !== FREE) wrong(`${hex(run.start + i)} was handed out, and has owner ${run.owner[i]}`);
      run.owner[i] = id;
      run.refs[i] = 0;
    }
    run.refs[first] = 1;
    if (block.compound) this.#checkCompound(run, block);
    if (request !== null) this.#checkPlace(pfn, request);
    const zeroed = request !== null && ((request.gfp & __GFP_ZERO) !== 0 || this.#k.init_on.init_on_alloc);
    for (let n = 0; n < 1 << order; n++) {
      const { words, at } = this.#contents(pfn + n);
      if (zeroed) {
        const whole = n === 0 || n === (1 << order) - 1;
        const step = whole ? 1 : 1023;
        for (let w = 0; w < 1024; w += step) if (words[at + w] !== 0) wrong(`${hex(pfn + n)} is not zero`);
      }
      words[at] = id;
      words[at + 1023] = ~id;
    }
  }

  gave({ pfn, order, compound }: Block): void {
    this.operations++;
    const run = this.#run(pfn);
    const first = pfn - run.start;
    const id = run.owner[first]!;
    if (compound) this.#checkCompound(run, { pfn, order, compound });
    for (let n = 0; n < 1 << order; n++) {
      if (run.owner[first + n] !== id) wrong(`${hex(pfn + n)} is given back by one who does not own it`);
      const { words, at } = this.#contents(pfn + n);
      if (words[at] !== id || words[at + 1023] !== ~id) wrong(`${hex(pfn + n)}: its owner's data is gone`);
      run.owner[first + n] = FREE;
      run.refs[first + n] = 0;
    }
  }

  #contents(pfn: number): { words: Int32Array; at: number } {
    return { words: this.#k.hw.ram.words(pfn >>> 18), at: (pfn & 0x3ffff) << 10 };
  }

  #run(pfn: number): Run {
    for (const run of this.#sections[pfn >>> 15] ?? []) if (run.start <= pfn && pfn < run.end) return run;
    return wrong(`${hex(pfn)} is no memory`);
  }

  /** Each tail points to the head; the first one knows the order. */
  #checkCompound({ map }: Run, { pfn, order }: Block): void {
    const head = (pfn & 0x7fff) << 4;
    const pointer = (pfn * 64 + 1) | 0;
    if (((map[head]! >>> 16) & 1) === 0) wrong(`${hex(pfn)}: no PG_head`);
    for (let n = 1; n < 1 << order; n++) {
      if (map[head + 16 * n + 2] !== pointer) wrong(`${hex(pfn + n)} does not point to its head ${hex(pfn)}`);
    }
    if (((map[head + 16 + 4]! >>> 8) & 0xff) !== order) wrong(`${hex(pfn)}: compound order is not ${order}`);
  }

  /** Whether the zone is one that the request may have. */
  #checkPlace(pfn: number, { gfp, node, mask }: Request): void {
    const zone = this.#zoneOf(pfn);
    const bits = gfp & (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_MOVABLE);
    const highest =
      (bits & __GFP_DMA) !== 0
        ? 0
        : (bits & __GFP_DMA32) !== 0
          ? 1
          : (bits & __GFP_MOVABLE) !== 0 && (bits & __GFP_HIGHMEM) !== 0
            ? 3
            : 2;
    if (zone.idx > highest) wrong(`${hex(pfn)} is in ${zone.name}, for gfp ${hex(gfp)}`);
    if ((gfp & __GFP_THISNODE) !== 0 && zone.nid !== node) wrong(`${hex(pfn)} is of node ${zone.nid}, not ${node}`);
    if (mask === 0 || (mask >>> zone.nid) & 1) return;
    // Those whom the mask does not bind: the system's own urgent needs.
    const { flags, oom_victim } = this.#k.current;
    const atomic = (gfp & __GFP_DIRECT_RECLAIM) === 0 && (gfp & __GFP_HIGH) !== 0 && (gfp & __GFP_NOMEMALLOC) === 0;
    const frees = (gfp & __GFP_MEMALLOC) !== 0 || (flags & PF_MEMALLOC) !== 0 || oom_victim;
    if (!atomic && !(frees && (gfp & __GFP_NOMEMALLOC) === 0)) {
      if ((gfp & __GFP_ATOMIC) === 0 || (gfp & __GFP_HIGH) === 0)
        wrong(`${hex(pfn)}: node ${zone.nid} is not in ${mask}`);
    }
  }

  #zoneOf(pfn: number): Zone {
    const hi = this.#run(pfn).map[((pfn & 0x7fff) << 4) + 1]! >>> 19;
    return this.#zones.find(({ nid, idx }) => (nid << 3) + idx === hi) ?? wrong(`${hex(pfn)} is of no zone`);
  }

  // --- the allocator's state ---

  /** @throws Error that says what is wrong first */
  check(): void {
    this.#walkAll();
    for (const run of this.#runs) this.#checkPages(run);
    this.#checkBuddies();
    this.#checkBlocks();
    const { vm_zone_stat } = this.#k.mm;
    for (let item = 0; item < NR_VM_ZONE_STAT_ITEMS; item++) {
      const sum = this.#zones.reduce((total, zone) => total + zone.vm_stat(item), 0);
      if (vm_zone_stat[item] !== sum) wrong(`vm_zone_stat[${item}] is ${vm_zone_stat[item]}, zones have ${sum}`);
    }
  }

  #walkAll(): void {
    for (const { seen } of this.#runs) seen.fill(NOT_LISTED);
    this.#heads.length = 0;
    this.#orders.length = 0;
    for (const zone of this.#zones) {
      const { isolated, cma, free } = this.#walkZone(zone);
      for (let cpu = 0; cpu < this.#cpus; cpu++) this.#walkCpu(zone, cpu);
      this.#checkStat(zone, NR_FREE_PAGES, free - isolated);
      this.#checkStat(zone, NR_FREE_CMA_PAGES, cma);
    }
  }

  /**
   * Goes once around a list, and looks at each link from both sides.
   * @param base word index of what the list belongs to, `pa` its address
   */
  #walk(words: Int32Array, head: number, pa: number, visit: (pfn: number, map: Int32Array, i: number) => void): void {
    const head_hi = ((0xffff8880 | 0) + Math.floor(pa / 2 ** 32)) | 0;
    let prev_lo = pa | 0;
    let prev_hi = head_hi;
    let lo = words[head]!;
    let hi = words[head + 1]!;
    for (let n = 0; lo !== (pa | 0) || hi !== head_hi; n++) {
      const pfn = (hi - VMEMMAP_HI) * 2 ** 26 + (lo >>> 6);
      if (hi < VMEMMAP_HI || (lo & 63) !== 8 || n > 1e6) wrong(`list at ${hex(pa)}: ${hex(hi >>> 0)} ${hex(lo >>> 0)}`);
      const { map } = this.#run(pfn);
      const i = (pfn & 0x7fff) << 4;
      if (map[i + 4] !== prev_lo || map[i + 5] !== prev_hi) wrong(`${hex(pfn)}: its prev is not the one before it`);
      visit(pfn, map, i);
      prev_lo = lo;
      prev_hi = hi;
      lo = map[i + 2]!;
      hi = map[i + 3]!;
    }
    if (words[head + 2] !== prev_lo || words[head + 3] !== prev_hi)
      wrong(`list at ${hex(pa)}: its prev is not its last`);
  }

  #mark(pfn: number, order: number, zone: Zone, first: number, rest: number): void {
    const run = this.#run(pfn);
    const zone_id = (zone.nid << 3) + zone.idx;
    const at = pfn - run.start;
    if (pfn % (1 << order) !== 0) wrong(`${hex(pfn)}, order ${order}: not aligned`);
    if (pfn < zone.zone_start_pfn || pfn + (1 << order) > zone.zone_end_pfn)
      wrong(`${hex(pfn)} is outside ${zone.name}`);
    for (let n = 0; n < 1 << order; n++) {
      if (run.seen[at + n] !== NOT_LISTED) wrong(`${hex(pfn + n)} is on two lists, or in two blocks`);
      if (run.zone[at + n] !== zone_id) wrong(`${hex(pfn + n)} is of another zone`);
      run.seen[at + n] = n === 0 ? first : rest;
    }
  }

  #walkZone(zone: Zone): { free: number; isolated: number; cma: number } {
    const sums = { free: 0, isolated: 0, cma: 0 };
    const lists = free_area.offset.free_list;
    for (let order = 0; order < 11; order++) {
      const area = zone_layout.offset.free_area + order * free_area.size;
      let count = 0;
      for (let type = 0; type < MIGRATE_TYPES; type++) {
        const offset = area + lists + 16 * type;
        this.#walk(zone.words, zone.base + (offset >> 2), zone.pa + offset, (pfn, map, i) => {
          if (map[i + 12] !== BUDDY_MAPCOUNT) wrong(`${hex(pfn)} is on a free list, and not PageBuddy`);
          if (map[i + 10] !== order || map[i + 11] !== 0)
            wrong(`${hex(pfn)}: order ${map[i + 10]} on the list of ${order}`);
          this.#mark(pfn, order, zone, HEAD, REST);
          const isolated = get_pageblock_migratetype(this.#k, pfn) === MIGRATE_ISOLATE;
          if (isolated !== (type === MIGRATE_ISOLATE)) wrong(`${hex(pfn)}: isolated ${isolated}, on list ${type}`);
          this.#heads.push(pfn);
          this.#orders.push(order);
          count++;
          sums.free += 1 << order;
          if (type === MIGRATE_ISOLATE) sums.isolated += 1 << order;
          if (type === MIGRATE_CMA) sums.cma += 1 << order;
        });
      }
      const at = zone.base + ((area + free_area.offset.nr_free) >> 2);
      const nr_free = zone.words[at]! + zone.words[at + 1]! * 2 ** 32;
      if (nr_free !== count) wrong(`${zone.nid} ${zone.name} order ${order}: nr_free ${nr_free}, ${count} on lists`);
    }
    return sums;
  }

  #walkCpu(zone: Zone, cpu: number): void {
    const pa = per_cpu_ptr(this.#k, zone.per_cpu_pageset, cpu);
    const words = this.#k.hw.ram.words(Math.floor(pa / 2 ** 30));
    const base = (pa % 2 ** 30) >>> 2;
    let count = 0;
    for (let pindex = 0; pindex < NR_PCP_LISTS; pindex++) {
      const offset = per_cpu_pages.offset.lists + 16 * pindex;
      const order = pindex < 12 ? Math.floor(pindex / 3) : 9;
      const movable = pindex < 12 ? pindex % 3 === MIGRATE_MOVABLE : pindex === 13;
      this.#walk(words, base + (offset >> 2), pa + offset, (pfn, map, i) => {
        this.#mark(pfn, order, zone, PCP, PCP);
        const type = map[i + 8]!;
        // Those that have no list of their own are on the movable one.
        const fits = movable
          ? type === 1 || type === 3 || type === 4
          : pindex < 12
            ? type === pindex % 3
            : type % 2 === 0;
        if (!fits) wrong(`${hex(pfn)}: type ${type} on per-cpu list ${pindex}`);
        count += 1 << order;
      });
    }
    const found = words[base + (per_cpu_pages.offset.count >> 2)];
    if (found !== count) wrong(`${zone.nid} ${zone.name} cpu ${cpu}: pcp->count ${found}, ${count} on lists`);
  }

  /** The zone's counter and what CPUs hold back are together what is there. */
  #checkStat(zone: Zone, item: number, wanted: number): void {
    const { ram } = this.#k.hw;
    let sum = zone.vm_stat(item);
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      const stats = per_cpu_ptr(this.#k, zone.per_cpu_zonestats, cpu);
      const diff = signed8(ram.u8(stats + per_cpu_zonestat.offset.vm_stat_diff + item));
      const threshold = signed8(ram.u8(stats + per_cpu_zonestat.offset.stat_threshold));
      if (Math.abs(diff) > threshold) wrong(`${zone.name} cpu ${cpu}: diff ${diff} beyond ${threshold}`);
      sum += diff;
    }
    if (sum !== wanted) wrong(`${zone.nid} ${zone.name}: vm_stat[${item}] is ${sum} in all, lists have ${wanted}`);
  }

  /** Every frame is where its owner says, and its struct page as it must be there. */
  #checkPages({ start, end, map, owner, refs, seen, zone }: Run): void {
    for (let n = 0, i = (start & 0x7fff) << 4; n < end - start; n++, i += 16) {
      const of = owner[n]!;
      const what = seen[n]!;
      if (map[i + 1]! >>> 19 !== zone[n]) wrong(`${hex(start + n)} has changed zones`);
      if (of === FREE) {
        if (what === NOT_LISTED) wrong(`${hex(start + n)} is free, and on no list`);
        if (map[i + 13] !== 0) wrong(`${hex(start + n)} is free, with references: ${map[i + 13]}`);
        if ((map[i]! & FLAGS) !== 0) wrong(`${hex(start + n)} is free, with flags ${hex(map[i]! & FLAGS)}`);
        if (map[i + 12] !== (what === HEAD ? BUDDY_MAPCOUNT : -1)) wrong(`${hex(start + n)}: mapcount ${map[i + 12]}`);
        if ((map[i + 6]! | map[i + 7]! | map[i + 14]! | map[i + 15]!) !== 0)
          wrong(`${hex(start + n)}: mapping or memcg`);
        if (what !== HEAD && map[i + 10] !== 0) wrong(`${hex(start + n)}: private ${map[i + 10]}, and heads no block`);
      } else {
        if (what !== NOT_LISTED) wrong(`${hex(start + n)} has owner ${of}, and is on a list`);
        if (of !== RESERVED && map[i + 13] !== refs[n])
          wrong(`${hex(start + n)}: ${map[i + 13]} references, not ${refs[n]}`);
        if (map[i + 12] !== -1 && (of === RESERVED || (map[i]! & FLAGS) === 0) && !this.#isFirstTail(map, i)) {
          wrong(`${hex(start + n)}: mapcount ${map[i + 12]}`);
        }
      }
    }
  }

  #isFirstTail = (map: Int32Array, i: number): boolean => (map[i + 2]! & 1) !== 0;

  /** Free buddies are one block, but for pageblocks that must not mix. */
  #checkBuddies(): void {
    for (let n = 0; n < this.#heads.length; n++) {
      const order = this.#orders[n]!;
      const pfn = this.#heads[n]!;
      const buddy = pfn ^ (1 << order);
      if (order === 10 || buddy < pfn) continue;
      const run = this.#sections[buddy >>> 15]?.find(({ start, end }) => start <= buddy && buddy < end);
      if (run === undefined || run.seen[buddy - run.start] !== HEAD) continue;
      const i = (buddy & 0x7fff) << 4;
      const mine = (pfn & 0x7fff) << 4;
      if (run.map[i + 10] !== order || run.map[i + 1]! >>> 19 !== this.#run(pfn).map[mine + 1]! >>> 19) continue;
      if (order >= 9) {
        const [a, b] = [pfn, buddy].map((one) => get_pageblock_migratetype(this.#k, one)) as [number, number];
        if (a >= 3 || b >= 3) continue;
        // Pageblocks that are no longer reserved move to their lists as they are.
        if ([pfn, buddy].some((one) => this.#blocks.get(one >>> 9)?.was_highatomic)) continue;
      }
      wrong(`${hex(pfn)} and ${hex(buddy)}, order ${order}: both free, not merged`);
    }
  }

  #findBlocks(): void {
    for (const { start, end } of this.#runs) {
      for (let pfn = start; pfn < end; pfn = (Math.floor(pfn / BLOCK) + 1) * BLOCK) {
        const number = Math.floor(pfn / BLOCK);
        const zone = this.#zoneOf(pfn);
        const known = this.#blocks.get(number);
        if (known === undefined) {
          const type = get_pageblock_migratetype(this.#k, pfn);
          this.#blocks.set(number, { pfn, zones: [zone], holder: null, type, was_highatomic: false });
        } else if (!known.zones.includes(zone)) {
          known.zones.push(zone);
        }
      }
    }
  }

  /**
   * Pageblocks that are held back or isolated are counted by their zone. Not counted down are those that isolation, or
   * taking over a free block of two pageblocks, made ordinary ones; of one that two zones share, either may count it down.
   */
  #checkBlocks(): void {
    const excess = new Map<Zone, number>();
    const isolated = new Map<Zone, number>();
    // Between these the numbers may have gone apart: of several pageblocks that were given up at once, too.
    const most = new Map<Zone, number>();
    const least = new Map<Zone, number>();
    const add = (map: Map<Zone, number>, zone: Zone, n: number) => map.set(zone, (map.get(zone) ?? 0) + n);
    for (const zone of this.#zones) {
      add(excess, zone, zone.nr_reserved_highatomic / BLOCK - (this.#lost.get(zone) ?? 0));
      add(isolated, zone, -zone.nr_isolate_pageblock);
    }
    const fresh: PageblockRecord[] = [];
    for (const block of this.#blocks.values()) {
      const type = get_pageblock_migratetype(this.#k, block.pfn);
      if (type === MIGRATE_ISOLATE) add(isolated, block.zones[0]!, 1);
      if (type === MIGRATE_HIGHATOMIC) {
        block.was_highatomic = true;
        if (block.holder === null) fresh.push(block);
        else add(excess, block.holder, -1);
      } else if (block.holder !== null) {
        add(most, block.holder, 1);
        for (const zone of block.zones) if (zone !== block.holder) add(least, zone, -1);
        block.holder = null;
      }
      const cma = [block.type, type].filter((one) => one === MIGRATE_CMA).length;
      if (cma === 1 && block.type !== MIGRATE_ISOLATE && type !== MIGRATE_ISOLATE) {
        wrong(`pageblock ${hex(block.pfn)}: type ${type}, was ${block.type}`);
      }
      block.type = type;
    }
    for (const block of fresh) {
      block.holder = block.zones.find((zone) => excess.get(zone)! > 0) ?? block.zones[0]!;
      add(excess, block.holder, -1);
    }
    for (const zone of this.#zones) {
      if (isolated.get(zone) !== 0) wrong(`${zone.name}: nr_isolate_pageblock ${zone.nr_isolate_pageblock}`);
      const left = excess.get(zone)!;
      if (left < (least.get(zone) ?? 0) || left > (most.get(zone) ?? 0)) {
        wrong(`${zone.nid} ${zone.name}: nr_reserved_highatomic ${zone.nr_reserved_highatomic}, ${left} too many`);
      }
      add(this.#lost, zone, left);
    }
  }
}
