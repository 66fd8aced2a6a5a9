// A recorded state of the allocator, put into a kernel and read back out of one.
//
// The kernel is one that never booted: its structures lie where page frames are whose contents no one looks at.

import { PhysicalMemory } from '../../emu/memory.ts';
import { Ports } from '../../emu/ports.ts';
import { recorder } from '../../kernel/config.ts';
import { __GFP_BITS_MASK } from '../../kernel/include/gfp_types.ts';
import { PAGE_WORDS, PG_INDEX, PG_REFCOUNT } from '../../kernel/include/mm_types.ts';
import {
  MIGRATE_CMA,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  MIGRATE_UNMOVABLE,
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  NR_LOWORDER_PCP_LISTS,
  NR_PCP_LISTS,
  PAGES_PER_SECTION,
  PFN_SECTION_SHIFT,
  pageblock_nr_pages,
  pageblock_order,
  per_cpu_pages,
  per_cpu_zonestat,
  pglist_data,
  SECTION_MEMMAP_SIZE,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
  ZONELIST_FALLBACK,
  ZONELIST_NOFALLBACK,
} from '../../kernel/include/mmzone.ts';
import {
  LIST_WORDS,
  PCP_BATCH,
  PCP_COUNT,
  PCP_FREE_FACTOR,
  PCP_HIGH,
  PCP_LISTS,
  PZS_STAT_THRESHOLD,
} from '../../kernel/include/zone_words.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { node_set } from '../../kernel/lib/nodemask.ts';
import { set_buddy_order } from '../../kernel/mm/buddy.ts';
import { add_to_free_list_tail, zone_init_free_lists } from '../../kernel/mm/free_list.ts';
import { NO_DOUBLES, NO_WORDS } from '../../kernel/mm/mm_state.ts';
import { PgData, type Zone } from '../../kernel/mm/mmzone.ts';
import { __init_pages, get_pcppage_migratetype, page_index, section_map } from '../../kernel/mm/page.ts';
import { list_add_tail } from '../../kernel/mm/page_list.ts';
import { get_pageblock_migratetype, set_pageblock_migratetype } from '../../kernel/mm/pageblock.ts';
import { per_cpu_pages_init } from '../../kernel/mm/pageset.ts';
import { per_cpu_ptr } from '../../kernel/mm/percpu.ts';
import { zone_cpu } from '../../kernel/mm/zone_cpu.ts';
import { build_zonelist } from '../../kernel/mm/zonelist.ts';
import type { AllocCpu, AllocZone } from './alloc_case.ts';
import { freeLists, pageblockTypes, pageList } from './kernel_view.ts';

/** Page frames from start_pfn up to but not including end_pfn. */
export interface MemoryRange {
  readonly nid: number;
  readonly start_pfn: number;
  readonly end_pfn: number;
}

/** What the state alone does not say: which node has which memory, and in what order nodes are tried. */
export interface AllocTopology {
  readonly memory: readonly MemoryRange[];
  readonly node_order: ReadonlyMap<number, readonly number[]>;
  readonly nr_online_nodes: number;
}

const PAGE = 4096;
/** Where vm_stat_diff[NR_FREE_CMA_PAGES] stands in the word that has the threshold. */
const FREE_CMA_SHIFT = 16;
const USEMAP_SIZE = 32;
/** Before it: which 2 MiB of the section are memory. */
const SUBSECTION_MAP_SIZE = 8;

/** A kernel in the state `zones`. */
export function loadAllocState(
  zones: readonly AllocZone[],
  topology: AllocTopology,
  cpu_nodes: readonly number[],
): Kernel {
  const nodes = [...new Set([...topology.node_order.keys(), ...zones.map(({ node }) => node)])].sort((a, b) => a - b);
  const { memory } = topology;
  const sections = new Set<number>();
  for (const { start_pfn, end_pfn } of memory) {
    for (let nr = start_pfn >>> PFN_SECTION_SHIFT; nr * PAGES_PER_SECTION < end_pfn; nr++) sections.add(nr);
  }
  const room = new Room(nodes.length, zones.length, sections.size, cpu_nodes.length);
  const ram = new PhysicalMemory([{ start: 0, end: room.size }]);
  const k = new Kernel({ ram, ports: new Ports(), boot_params: 0, cpu: null }, recorder);
  k.page_alloc.gfp_allowed_mask = __GFP_BITS_MASK;

  for (const nid of nodes) {
    k.node_data[nid] = new PgData(ram, room.node(), nid);
    node_set(nid, k.node_online_map);
    node_set(nid, k.node_states.N_MEMORY);
    for (const zone of k.node_data[nid].node_zones) zone_init_free_lists(zone);
  }
  k.nr_node_ids = Math.max(...nodes) + 1;
  for (let nr = 0; nr <= Math.max(...sections); nr++) {
    const map = sections.has(nr) ? room.section() : null;
    const words = map === null ? NO_WORDS : map.map(ram, SECTION_MEMMAP_SIZE);
    k.mm.section_mem_map[nr] = words;
    k.mm.section_mem_map_f64[nr] =
      map === null ? NO_DOUBLES : new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
    k.mm.section_usemap[nr] = map === null ? NO_WORDS : map.usemap(ram);
  }
  for (const state of zones) {
    for (const { nid, start_pfn, end_pfn } of memory) {
      if (nid !== state.node) continue;
      const from = Math.max(start_pfn, state.start_pfn);
      const to = Math.min(end_pfn, state.start_pfn + state.spanned);
      initPages(k, from, to, state.index, nid);
    }
  }
  for (const { start_pfn, end_pfn } of memory) markOnline(k, start_pfn, end_pfn);
  for (const [cpu, nid] of cpu_nodes.entries()) {
    for (const mask of [k.cpus.cpu_possible_mask, k.cpus.cpu_online_mask]) node_set(cpu, mask);
    k.numa.node_to_cpumask_map[nid] ??= new Uint32Array(k.cpus.cpu_online_mask.length);
    node_set(cpu, k.numa.node_to_cpumask_map[nid]);
    k.percpu.numa_node[cpu] = nid;
    k.percpu.base[cpu] = cpu * room.percpu_stride;
  }
  for (const state of zones) loadZone(k, state, room);
  for (const nid of nodes) {
    const order = topology.node_order.get(nid) ?? [nid];
    build_zonelist(k, k.node_data[nid]!, ZONELIST_FALLBACK, order);
    build_zonelist(k, k.node_data[nid]!, ZONELIST_NOFALLBACK, [nid]);
  }
  k.zonelists.nr_online_nodes = topology.nr_online_nodes;
  return k;
}

/** Hands out addresses: memory maps from 0 on, each at a multiple of 2 MiB, then nodes and per-cpu parts. */
class Room {
  readonly size: number;
  /** From a CPU's part to the next one's. */
  readonly percpu_stride: number;
  #section = 0;
  #node: number;
  #percpu: number;

  constructor(nodes: number, zones: number, sections: number, cpus: number) {
    const node_size = Math.ceil(pglist_data.size / PAGE) * PAGE;
    // A node lies within one GiB, as the kernel places it.
    this.#node = sections * (SECTION_MEMMAP_SIZE + PAGE);
    this.#node = Math.ceil(this.#node / 2 ** 30) * 2 ** 30;
    this.#percpu = this.#node + nodes * node_size;
    this.size = Math.ceil((this.#percpu + cpus * zones * 512) / PAGE) * PAGE;
    this.percpu_stride = zones * 512;
    this.#usemap = sections * SECTION_MEMMAP_SIZE;
  }
  #usemap: number;

  node(): number {
    const pa = this.#node;
    this.#node += Math.ceil(pglist_data.size / PAGE) * PAGE;
    return pa;
  }
  percpu(): number {
    this.#percpu += 512;
    return this.#percpu - 512;
  }
  section() {
    const pa = this.#section;
    const usemap = this.#usemap;
    this.#section += SECTION_MEMMAP_SIZE;
    this.#usemap += SUBSECTION_MAP_SIZE + USEMAP_SIZE;
    return {
      map: (ram: PhysicalMemory, size: number) => wordsAt(ram, pa, size),
      usemap: (ram: PhysicalMemory) => wordsAt(ram, usemap + SUBSECTION_MAP_SIZE, USEMAP_SIZE),
    };
  }
}

const wordsAt = (ram: PhysicalMemory, pa: number, size: number): Int32Array => {
  const first = (pa % 2 ** 30) >>> 2;
  return ram.words(Math.floor(pa / 2 ** 30)).subarray(first, first + (size >>> 2));
};

function initPages(k: Kernel, start_pfn: number, end_pfn: number, zone: number, nid: number): void {
  for (let pfn = start_pfn; pfn < end_pfn; ) {
    const stop = Math.min(end_pfn, pfn - (pfn % PAGES_PER_SECTION) + PAGES_PER_SECTION);
    __init_pages(k.mm, pfn, stop, zone, nid, 0);
    pfn = stop;
  }
}

function loadZone(k: Kernel, state: AllocZone, room: Room): void {
  const zone = k.node_data[state.node]!.node_zones[state.index]!;
  zone.node = state.node;
  zone.zone_start_pfn = state.start_pfn;
  zone.spanned_pages = state.spanned;
  zone.present_pages = state.present;
  zone.managed_pages = state.managed;
  zone.set_watermark(WMARK_MIN, state.watermark.min);
  zone.set_watermark(WMARK_LOW, state.watermark.low);
  zone.set_watermark(WMARK_HIGH, state.watermark.high);
  zone.watermark_boost = state.watermark.boost;
  zone.nr_reserved_highatomic = state.nr_reserved_highatomic;
  zone.percpu_drift_mark = state.percpu_drift_mark;
  zone.flags = state.flags;
  for (const [i, pages] of state.lowmem_reserve.entries()) zone.set_lowmem_reserve(i, pages);
  zone.initialized = true;

  loadBlocks(k, state);
  let free_cma = 0;
  for (const [key, pfns] of Object.entries(state.free_lists)) {
    const [order = 0, migratetype = 0] = key.split('/').map(Number);
    for (const pfn of pfns) {
      unuse(k, pfn, order);
      set_buddy_order(k.mm, pfn, order);
      add_to_free_list_tail(k, pfn, zone, order, migratetype);
      if (migratetype === MIGRATE_CMA) free_cma += 1 << order;
    }
  }
  zone.add_vm_stat(NR_FREE_PAGES, state.nr_free_pages);
  zone.add_vm_stat(NR_FREE_CMA_PAGES, state.nr_free_cma_pages ?? free_cma);
  zone.nr_isolate_pageblock = state.nr_isolate_pageblock ?? 0;
  loadPcp(k, zone, state, room);
}

function loadBlocks(k: Kernel, state: AllocZone): void {
  let pfn = state.start_pfn - (state.start_pfn % pageblock_nr_pages);
  for (const run of state.blocks.split(' ')) {
    const [type = '', count = ''] = run.split('*');
    for (let i = 0; i < Number(count); i++, pfn += pageblock_nr_pages) {
      if (type !== 'f') set_pageblock_migratetype(k, pfn, Number.parseInt(type, 16));
    }
  }
}

/** Pages that no one has a reference to. */
function unuse(k: Kernel, pfn: number, order: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn);
  for (let p = 0; p < 1 << order; p++) m[i + p * PAGE_WORDS + PG_REFCOUNT] = 0;
}

function loadPcp(k: Kernel, zone: Zone, state: AllocZone, room: Room): void {
  const pa = room.percpu();
  zone.per_cpu_pageset = pa;
  zone.per_cpu_zonestats = pa + per_cpu_pages.size;
  if (per_cpu_pages.size + per_cpu_zonestat.size > 512) throw new Error('per-cpu parts have outgrown their room');
  zone.pageset_high = state.cpus[0]?.pcp.high ?? 0;
  zone.pageset_batch = state.cpus[0]?.pcp.batch ?? 0;
  for (const [cpu, one] of state.cpus.entries()) {
    per_cpu_pages_init(k, per_cpu_ptr(k, pa, cpu), per_cpu_ptr(k, zone.per_cpu_zonestats, cpu));
    loadCpu(k, zone, cpu, one);
  }
}

function loadCpu(k: Kernel, zone: Zone, cpu: number, state: AllocCpu): void {
  const c = zone_cpu(k, zone, cpu);
  c.words[c.base + PCP_COUNT] = state.pcp.count;
  c.words[c.base + PCP_HIGH] = state.pcp.high;
  c.words[c.base + PCP_BATCH] = state.pcp.batch;
  c.words[c.base + PCP_FREE_FACTOR] = state.pcp.free_factor;
  c.stat_words[c.stat_base] = state.nr_free_pages_cpu_diff & 0xff;
  const free_cma = ((state.nr_free_cma_pages_cpu_diff ?? 0) & 0xff) << FREE_CMA_SHIFT;
  c.stat_words[c.stat_base + PZS_STAT_THRESHOLD] = (state.stat_threshold << 24) | free_cma;
  for (const [key, pfns] of Object.entries(state.pcp_lists)) {
    const pindex = Number(key);
    const list = PCP_LISTS + pindex * LIST_WORDS;
    for (const [n, pfn] of pfns.entries()) {
      const order = pindex >= NR_LOWORDER_PCP_LISTS ? pageblock_order : Math.floor(pindex / MIGRATE_PCPTYPES);
      unuse(k, pfn, order);
      const type = state.pcp_types?.[key]?.[n] ?? cachedType(k, pindex, pfn);
      section_map(k.mm, pfn)[page_index(pfn) + PG_INDEX] = type;
      list_add_tail(k, c, list, pfn);
    }
  }
}

/** The migratetype that a page on a per-cpu list carries, which is not recorded: its list's, or where lists are shared the
 * pageblock's. */
function cachedType(k: Kernel, pindex: number, pfn: number): number {
  const block = get_pageblock_migratetype(k, pfn);
  if (pindex < NR_LOWORDER_PCP_LISTS) {
    const type = pindex % MIGRATE_PCPTYPES;
    return type === MIGRATE_MOVABLE && block >= MIGRATE_PCPTYPES ? block : type;
  }
  if (pindex > NR_LOWORDER_PCP_LISTS) return block >= MIGRATE_PCPTYPES ? block : MIGRATE_MOVABLE;
  return block === MIGRATE_MOVABLE ? MIGRATE_UNMOVABLE : block;
}

/** Marks the subsections of a range as memory; they stand before the section's pageblock flags. */
function markOnline(k: Kernel, start_pfn: number, end_pfn: number): void {
  for (let pfn = start_pfn - (start_pfn % pageblock_nr_pages); pfn < end_pfn; pfn += pageblock_nr_pages) {
    const usemap = k.mm.section_usemap[pfn >>> PFN_SECTION_SHIFT]!;
    const subsections = new Int32Array(usemap.buffer, usemap.byteOffset - SUBSECTION_MAP_SIZE, 2);
    subsections[(pfn >>> 14) & 1]! |= 1 << ((pfn >>> 9) & 31);
  }
}

/** What is recorded of `like`, in the recorder's words. Of a pageblock, that asks: is any of its 2 MiB memory? */
export function readAllocZone(k: Kernel, like: AllocZone, memory: readonly MemoryRange[]): AllocZone {
  const zone = k.node_data[like.node]!.node_zones[like.index]!;
  const online = (pfn: number): boolean => {
    const first = pfn - (pfn % pageblock_nr_pages);
    return memory.some(({ start_pfn, end_pfn }) => start_pfn < first + pageblock_nr_pages && first < end_pfn);
  };
  return {
    node: zone.nid,
    index: zone.idx,
    zone: zone.name,
    start_pfn: zone.zone_start_pfn,
    spanned: zone.spanned_pages,
    present: zone.present_pages,
    managed: zone.managed_pages,
    free_lists: freeLists(k, zone),
    watermark: {
      min: zone._watermark(WMARK_MIN),
      low: zone._watermark(WMARK_LOW),
      high: zone._watermark(WMARK_HIGH),
      boost: zone.watermark_boost,
    },
    nr_reserved_highatomic: zone.nr_reserved_highatomic,
    nr_free_pages: zone.vm_stat(NR_FREE_PAGES),
    nr_free_cma_pages: like.nr_free_cma_pages === null ? null : zone.vm_stat(NR_FREE_CMA_PAGES),
    nr_isolate_pageblock: like.nr_isolate_pageblock === null ? null : zone.nr_isolate_pageblock,
    percpu_drift_mark: zone.percpu_drift_mark,
    flags: zone.flags,
    lowmem_reserve: [0, 1, 2, 3].map((i) => zone.lowmem_reserve(i)),
    cpus: like.cpus.map((one, cpu) => readCpu(k, zone, cpu, one)),
    blocks: pageblockTypes(k, zone, online),
  };
}

function readCpu(k: Kernel, zone: Zone, cpu: number, like: AllocCpu): AllocCpu {
  const c = zone_cpu(k, zone, cpu);
  const pcp = (word: number): number => c.words[c.base + word]!;
  const last = c.stat_words[c.stat_base + PZS_STAT_THRESHOLD]!;
  const pcp_lists: Record<string, number[]> = {};
  const pcp_types: Record<string, number[]> = {};
  for (let pindex = 0; pindex < NR_PCP_LISTS; pindex++) {
    const head = per_cpu_ptr(k, zone.per_cpu_pageset, cpu) + per_cpu_pages.offset.lists + 16 * pindex;
    const pfns = pageList(k, head, zone, `per-cpu list ${pindex} of CPU ${cpu}`);
    if (pfns.length === 0) continue;
    pcp_lists[pindex] = pfns;
    pcp_types[pindex] = pfns.map((pfn) => get_pcppage_migratetype(k, pfn));
  }
  return {
    pcp: {
      count: pcp(PCP_COUNT),
      high: pcp(PCP_HIGH),
      batch: pcp(PCP_BATCH),
      free_factor: pcp(PCP_FREE_FACTOR) & 0xffff,
    },
    pcp_lists,
    pcp_types: like.pcp_types === null ? null : pcp_types,
    nr_free_pages_cpu_diff: (c.stat_words[c.stat_base]! << 24) >> 24,
    nr_free_cma_pages_cpu_diff: like.nr_free_cma_pages_cpu_diff === null ? null : (last << (24 - FREE_CMA_SHIFT)) >> 24,
    stat_threshold: last >> 24,
  };
}
