// Views of struct zone and pg_data_t in emulated RAM (layouts: kernel/include/mmzone.ts). There is one view per
// structure, made when the node is set up; a getter reads memory each time, so guest code and views always agree.
//
// Hot code does not call getters: it takes `words` and `base` and reads by index.

import { RAM_CHUNK_SHIFT, type Ram } from '../arch/x86/hw.ts';
import {
  MAX_NR_ZONES,
  MAX_ZONELISTS,
  pglist_data,
  WMARK_HIGH,
  WMARK_LOW,
  zone,
  zone_names,
  zonelist,
  zoneref,
} from '../include/mmzone.ts';
import '../include/zone_words_check.ts';
import { type nid_t, PAGE_OFFSET_HI, type pfn_t, type phys_addr_t } from '../include/types.ts';
import type { ZoneCpu } from './zone_cpu.ts';

const TWO_32 = 2 ** 32;
const CHUNK = 2 ** RAM_CHUNK_SHIFT;

/** The 64-bit word at word index `i`, unsigned, as a number. */
export const read64 = (words: Int32Array, i: number): number => (words[i + 1]! >>> 0) * TWO_32 + (words[i]! >>> 0);

/** Stores a non-negative integer below 2^53. */
export function write64(words: Int32Array, i: number, value: number): void {
  words[i] = value | 0;
  words[i + 1] = (value / TWO_32) | 0;
}

/** The 64-bit word at word index `i`, two's complement, as a number: for atomic_long_t counters. */
export const read64s = (words: Int32Array, i: number): number => words[i + 1]! * TWO_32 + (words[i]! >>> 0);

/** Stores an integer of magnitude below 2^53, two's complement. */
export function write64s(words: Int32Array, i: number, value: number): void {
  words[i] = value | 0;
  words[i + 1] = Math.floor(value / TWO_32);
}

const Z = zone.offset;
const WATERMARK = Z._watermark >> 2;
const LOWMEM_RESERVE = Z.lowmem_reserve >> 2;
const VM_STAT = Z.vm_stat >> 2;
const NUMA_EVENT = Z.vm_numa_event >> 2;

/** One zone. Context: fields are as their Linux comments say; most are written at boot or under zone->lock. */
export class Zone {
  readonly pa: phys_addr_t;
  readonly words: Int32Array;
  /** Word index of the structure in `words`. */
  readonly base: number;
  /** The structure alone. With it, and an index that is a constant, the compiler has the least to check. */
  readonly view: Int32Array;
  /** Low and high word of the pointer to this structure in the direct map. */
  readonly pointer_lo: number;
  readonly pointer_hi: number;
  readonly idx: number;
  readonly nid: nid_t;
  /** What page_zone_id() is of its pages. */
  readonly id: number;
  readonly name: string;
  /** By CPU: what zone_cpu() has made of the per-cpu parts. */
  readonly cpus: ZoneCpu[] = [];

  constructor(ram: Ram, pa: phys_addr_t, nid: nid_t, idx: number) {
    this.pa = pa;
    this.words = ram.words(Math.floor(pa / CHUNK));
    this.base = (pa % CHUNK) >> 2;
    this.view = this.words.subarray(this.base, this.base + (zone.size >> 2));
    this.pointer_lo = pa | 0;
    this.pointer_hi = (PAGE_OFFSET_HI + Math.floor(pa / TWO_32)) | 0;
    this.idx = idx;
    this.nid = nid;
    this.id = (nid << 3) | idx;
    this.name = zone_names[idx]!;
  }

  private get64(offset: number): number {
    return read64(this.words, this.base + (offset >> 2));
  }
  private set64(offset: number, value: number): void {
    write64(this.words, this.base + (offset >> 2), value);
  }
  private get32(offset: number): number {
    return this.words[this.base + (offset >> 2)]!;
  }
  private set32(offset: number, value: number): void {
    this.words[this.base + (offset >> 2)] = value;
  }

  /** _watermark[mark], in pages, without the boost. */
  _watermark(mark: number): number {
    return read64(this.words, this.base + WATERMARK + 2 * mark);
  }
  set_watermark(mark: number, pages: number): void {
    write64(this.words, this.base + WATERMARK + 2 * mark, pages);
  }
  get low_wmark_pages(): number {
    return this._watermark(WMARK_LOW) + this.watermark_boost;
  }
  get high_wmark_pages(): number {
    return this._watermark(WMARK_HIGH) + this.watermark_boost;
  }
  get watermark_boost(): number {
    return this.get64(Z.watermark_boost);
  }
  set watermark_boost(pages: number) {
    this.set64(Z.watermark_boost, pages);
  }
  get nr_reserved_highatomic(): number {
    return this.get64(Z.nr_reserved_highatomic);
  }
  set nr_reserved_highatomic(pages: number) {
    this.set64(Z.nr_reserved_highatomic, pages);
  }
  lowmem_reserve(idx: number): number {
    return read64(this.words, this.base + LOWMEM_RESERVE + 2 * idx);
  }
  set_lowmem_reserve(idx: number, pages: number): void {
    write64(this.words, this.base + LOWMEM_RESERVE + 2 * idx, pages);
  }
  /** Node number as stored in the structure; `nid` is the same, without the load. */
  set node(nid: nid_t) {
    this.set32(Z.node, nid);
  }
  /** zone_pgdat: the node's pg_data_t. */
  set_zone_pgdat(pa: phys_addr_t): void {
    const i = this.base + (Z.zone_pgdat >> 2);
    this.words[i] = pa | 0;
    this.words[i + 1] = (PAGE_OFFSET_HI + Math.floor(pa / TWO_32)) | 0;
  }
  get pageset_high(): number {
    return this.get32(Z.pageset_high);
  }
  set pageset_high(pages: number) {
    this.set32(Z.pageset_high, pages);
  }
  get pageset_batch(): number {
    return this.get32(Z.pageset_batch);
  }
  set pageset_batch(pages: number) {
    this.set32(Z.pageset_batch, pages);
  }
  get zone_start_pfn(): pfn_t {
    return this.get64(Z.zone_start_pfn);
  }
  set zone_start_pfn(pfn: pfn_t) {
    this.set64(Z.zone_start_pfn, pfn);
  }
  get managed_pages(): number {
    return this.get64(Z.managed_pages);
  }
  set managed_pages(pages: number) {
    this.set64(Z.managed_pages, pages);
  }
  get spanned_pages(): number {
    return this.get64(Z.spanned_pages);
  }
  set spanned_pages(pages: number) {
    this.set64(Z.spanned_pages, pages);
  }
  get present_pages(): number {
    return this.get64(Z.present_pages);
  }
  set present_pages(pages: number) {
    this.set64(Z.present_pages, pages);
  }
  get present_early_pages(): number {
    return this.get64(Z.present_early_pages);
  }
  set present_early_pages(pages: number) {
    this.set64(Z.present_early_pages, pages);
  }
  get cma_pages(): number {
    return this.get64(Z.cma_pages);
  }
  set cma_pages(pages: number) {
    this.set64(Z.cma_pages, pages);
  }
  get nr_isolate_pageblock(): number {
    return this.get64(Z.nr_isolate_pageblock);
  }
  set nr_isolate_pageblock(blocks: number) {
    this.set64(Z.nr_isolate_pageblock, blocks);
  }
  get initialized(): boolean {
    return this.get32(Z.initialized) !== 0;
  }
  set initialized(value: boolean) {
    this.set32(Z.initialized, value ? 1 : 0);
  }
  get contiguous(): boolean {
    return ((this.get32(Z.contiguous & ~3) >>> (8 * (Z.contiguous & 3))) & 0xff) !== 0;
  }
  set contiguous(value: boolean) {
    const shift = 8 * (Z.contiguous & 3);
    const word = this.get32(Z.contiguous & ~3) & ~(0xff << shift);
    this.set32(Z.contiguous & ~3, word | ((value ? 1 : 0) << shift));
  }
  /** enum zone_flags, as bits. */
  get flags(): number {
    return this.get32(Z.flags);
  }
  set flags(bits: number) {
    this.set32(Z.flags, bits);
  }
  get percpu_drift_mark(): number {
    return this.get64(Z.percpu_drift_mark);
  }
  set percpu_drift_mark(pages: number) {
    this.set64(Z.percpu_drift_mark, pages);
  }
  /** per_cpu_pageset: offset of this zone's struct per_cpu_pages in every CPU's area. */
  get per_cpu_pageset(): number {
    return this.get64(Z.per_cpu_pageset);
  }
  set per_cpu_pageset(offset: number) {
    this.set64(Z.per_cpu_pageset, offset);
    this.cpus.length = 0;
  }
  get per_cpu_zonestats(): number {
    return this.get64(Z.per_cpu_zonestats);
  }
  set per_cpu_zonestats(offset: number) {
    this.set64(Z.per_cpu_zonestats, offset);
    this.cpus.length = 0;
  }
  /** The global counter, without what CPUs hold in their diffs; may be negative for a moment. */
  vm_stat(item: number): number {
    return read64s(this.words, this.base + VM_STAT + 2 * item);
  }
  add_vm_stat(item: number, delta: number): void {
    const i = this.base + VM_STAT + 2 * item;
    write64s(this.words, i, read64s(this.words, i) + delta);
  }
  vm_numa_event(item: number): number {
    return read64(this.words, this.base + NUMA_EVENT + 2 * item);
  }
  add_vm_numa_event(item: number, delta: number): void {
    const i = this.base + NUMA_EVENT + 2 * item;
    write64(this.words, i, read64(this.words, i) + delta);
  }

  get zone_end_pfn(): pfn_t {
    return this.zone_start_pfn + this.spanned_pages;
  }
  zone_spans_pfn(pfn: pfn_t): boolean {
    return this.zone_start_pfn <= pfn && pfn < this.zone_end_pfn;
  }
  /** Linux: zone_is_empty(). */
  get is_empty(): boolean {
    return this.spanned_pages === 0;
  }
  /** Has pages that belong to it, whether or not the buddy allocator has any of them. */
  get populated(): boolean {
    return this.present_pages !== 0;
  }
}

const P = pglist_data.offset;
const NR_VM_STAT = P.vm_stat >> 2;

/** One node: pg_data_t. `NODE_DATA(nid)` in Linux; `k.node_data[nid]` here. */
export class PgData {
  readonly pa: phys_addr_t;
  readonly words: Int32Array;
  readonly base: number;
  readonly node_id: nid_t;
  readonly node_zones: readonly Zone[];
  /** By CPU: the node's part of its per-cpu area, as node_cpu() of vmstat.ts has made it. */
  readonly cpus: Int8Array[] = [];

  /** @param pa of sizeof(pg_data_t) bytes within one chunk of RAM */
  constructor(ram: Ram, pa: phys_addr_t, nid: nid_t) {
    this.pa = pa;
    this.words = ram.words(Math.floor(pa / CHUNK));
    this.base = (pa % CHUNK) >> 2;
    this.node_id = nid;
    this.words[this.base + (P.node_id >> 2)] = nid;
    this.node_zones = Array.from(
      { length: MAX_NR_ZONES },
      (_, i) => new Zone(ram, pa + P.node_zones + i * zone.size, nid, i),
    );
  }

  private get64(offset: number): number {
    return read64(this.words, this.base + (offset >> 2));
  }
  private set64(offset: number, value: number): void {
    write64(this.words, this.base + (offset >> 2), value);
  }

  get nr_zones(): number {
    return this.words[this.base + (P.nr_zones >> 2)]!;
  }
  set nr_zones(zones: number) {
    this.words[this.base + (P.nr_zones >> 2)] = zones;
  }
  get node_start_pfn(): pfn_t {
    return this.get64(P.node_start_pfn);
  }
  set node_start_pfn(pfn: pfn_t) {
    this.set64(P.node_start_pfn, pfn);
  }
  get node_present_pages(): number {
    return this.get64(P.node_present_pages);
  }
  set node_present_pages(pages: number) {
    this.set64(P.node_present_pages, pages);
  }
  get node_spanned_pages(): number {
    return this.get64(P.node_spanned_pages);
  }
  set node_spanned_pages(pages: number) {
    this.set64(P.node_spanned_pages, pages);
  }
  /** Linux: pgdat_end_pfn(). */
  get pgdat_end_pfn(): pfn_t {
    return this.node_start_pfn + this.node_spanned_pages;
  }
  get totalreserve_pages(): number {
    return this.get64(P.totalreserve_pages);
  }
  set totalreserve_pages(pages: number) {
    this.set64(P.totalreserve_pages, pages);
  }
  get min_unmapped_pages(): number {
    return this.get64(P.min_unmapped_pages);
  }
  set min_unmapped_pages(pages: number) {
    this.set64(P.min_unmapped_pages, pages);
  }
  get min_slab_pages(): number {
    return this.get64(P.min_slab_pages);
  }
  set min_slab_pages(pages: number) {
    this.set64(P.min_slab_pages, pages);
  }
  /** ULONG_MAX, stored as all ones, when nothing is deferred: read as Infinity. */
  get first_deferred_pfn(): pfn_t {
    const i = this.base + (P.first_deferred_pfn >> 2);
    return this.words[i + 1] === -1 ? Number.POSITIVE_INFINITY : read64(this.words, i);
  }
  set first_deferred_pfn(pfn: pfn_t) {
    const i = this.base + (P.first_deferred_pfn >> 2);
    if (pfn === Number.POSITIVE_INFINITY) this.words.fill(-1, i, i + 2);
    else write64(this.words, i, pfn);
  }
  get per_cpu_nodestats(): number {
    return this.get64(P.per_cpu_nodestats);
  }
  set per_cpu_nodestats(offset: number) {
    this.set64(P.per_cpu_nodestats, offset);
    this.cpus.length = 0;
  }
  /** enum pgdat_flags, as bits. */
  get flags(): number {
    return this.words[this.base + (P.flags >> 2)]!;
  }
  set flags(bits: number) {
    this.words[this.base + (P.flags >> 2)] = bits;
  }
  /** Tasks that wait for pages to be written. */
  get nr_writeback_throttled(): number {
    return this.words[this.base + (P.nr_writeback_throttled >> 2)]!;
  }
  set nr_writeback_throttled(value: number) {
    this.words[this.base + (P.nr_writeback_throttled >> 2)] = value;
  }
  /** The largest block that kswapd has been woken for since it last looked. */
  get kswapd_order(): number {
    return this.words[this.base + (P.kswapd_order >> 2)]!;
  }
  set kswapd_order(value: number) {
    this.words[this.base + (P.kswapd_order >> 2)] = value;
  }
  /** The highest zone likewise; MAX_NR_ZONES: none. */
  get kswapd_highest_zoneidx(): number {
    return this.words[this.base + (P.kswapd_highest_zoneidx >> 2)]!;
  }
  set kswapd_highest_zoneidx(value: number) {
    this.words[this.base + (P.kswapd_highest_zoneidx >> 2)] = value;
  }
  /** How often in a row kswapd has freed nothing. */
  get kswapd_failures(): number {
    return this.words[this.base + (P.kswapd_failures >> 2)]!;
  }
  set kswapd_failures(value: number) {
    this.words[this.base + (P.kswapd_failures >> 2)] = value;
  }
  /** The largest block that kcompactd is to make, up to which zone; 0: it has nothing to do. */
  get kcompactd_max_order(): number {
    return this.words[this.base + (P.kcompactd_max_order >> 2)]!;
  }
  set kcompactd_max_order(order: number) {
    this.words[this.base + (P.kcompactd_max_order >> 2)] = order;
  }
  get kcompactd_highest_zoneidx(): number {
    return this.words[this.base + (P.kcompactd_highest_zoneidx >> 2)]!;
  }
  set kcompactd_highest_zoneidx(idx: number) {
    this.words[this.base + (P.kcompactd_highest_zoneidx >> 2)] = idx;
  }
  /** A byte, in a word that nothing shares with it. */
  get proactive_compact_trigger(): boolean {
    return (this.words[this.base + (P.proactive_compact_trigger >> 2)]! & 0xff) !== 0;
  }
  set proactive_compact_trigger(value: boolean) {
    this.words[this.base + (P.proactive_compact_trigger >> 2)] = Number(value);
  }
  /** NR_THROTTLED_WRITTEN when the first of them began to wait. */
  get nr_reclaim_start(): number {
    return this.get64(P.nr_reclaim_start);
  }
  set nr_reclaim_start(pages: number) {
    this.set64(P.nr_reclaim_start, pages);
  }
  vm_stat(item: number): number {
    return read64s(this.words, this.base + NR_VM_STAT + 2 * item);
  }
  add_vm_stat(item: number, delta: number): void {
    const i = this.base + NR_VM_STAT + 2 * item;
    write64s(this.words, i, read64s(this.words, i) + delta);
  }
  /** Physical address of zoneref `i` of node_zonelists[list]. */
  zoneref_pa(list: number, i: number): phys_addr_t {
    if (list >= MAX_ZONELISTS) throw new RangeError(`zonelist ${list}`);
    return this.pa + P.node_zonelists + list * zonelist.size + i * zoneref.size;
  }
}
