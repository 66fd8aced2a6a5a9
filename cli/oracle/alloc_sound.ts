// Whether a recorded run of the allocator can be replayed at all: a state that no zone can be in, or an operation on what
// the machine does not have, is named here instead of being followed somewhere into the allocator. What Linux would do
// with a sound request, wrong or not, is left to the replay.

import {
  MAX_NUMNODES,
  MAX_ORDER,
  MIGRATE_PCPTYPES,
  MIGRATE_TYPES,
  NR_LOWORDER_PCP_LISTS,
  NR_PCP_LISTS,
  pageblock_nr_pages,
  pageblock_order,
  ZONE_MOVABLE,
} from '../../kernel/include/mmzone.ts';
import { hostMemory } from '../host_memory.ts';
import type { AllocCase, AllocCpu, AllocZone } from './alloc_case.ts';
import { type ArgumentKind, argumentsOf } from './alloc_ops.ts';
import type { AllocTopology, MemoryRange } from './alloc_state.ts';
import { CaseError } from './fields.ts';

/** 46 bits of physical address. */
const MAX_PFN = 2 ** 34;
const S32_MAX = 2 ** 31 - 1;
/** More retries than these are no test of anything. */
const MOST_SUCCESSES = 1000;
const STRUCT_PAGE_SIZE = 64;
const MIB = 2 ** 20;

function whole(value: number, least: number, most: number, path: string): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new CaseError(`${path}: wanted a whole number from ${least} to ${most}, found ${value}`);
}

/** What the state alone must be like. @throws CaseError */
export function checkZones({ before, after, cpu_nodes }: AllocCase): void {
  if (before.length === 0) throw new CaseError('before: wanted a zone at least');
  const seen = new Set<string>();
  for (const [i, zone] of before.entries()) {
    const path = `before[${i}]`;
    whole(zone.node, 0, MAX_NUMNODES - 1, `${path}.node`);
    whole(zone.index, 0, ZONE_MOVABLE, `${path}.index`);
    if (seen.has(placeOf(zone))) throw new CaseError(`${path}: zone ${placeOf(zone)} is there already`);
    seen.add(placeOf(zone));
    checkNumbers(zone, path);
    checkBlocks(zone, path);
  }
  for (const [i, zone] of after.entries()) {
    if (!seen.has(placeOf(zone))) throw new CaseError(`after[${i}]: zone ${placeOf(zone)} was not there before`);
  }
  for (const [i, zone] of [...before, ...after].entries()) {
    const path = i < before.length ? `before[${i}]` : `after[${i - before.length}]`;
    if (zone.cpus.length === cpu_nodes.length) continue;
    throw new CaseError(`${path}.cpus: ${zone.cpus.length} of them, and cpu_nodes has ${cpu_nodes.length}`);
  }
}

/** "0:2", node and index. */
const placeOf = ({ node, index }: AllocZone): string => `${node}:${index}`;

function checkNumbers(zone: AllocZone, path: string): void {
  whole(zone.start_pfn, 0, MAX_PFN, `${path}.start_pfn`);
  whole(zone.spanned, 1, MAX_PFN - zone.start_pfn, `${path}.spanned`);
  whole(zone.present, 0, zone.spanned, `${path}.present`);
  whole(zone.managed, 0, zone.spanned, `${path}.managed`);
  const { watermark, lowmem_reserve } = zone;
  for (const key of ['min', 'low', 'high', 'boost'] as const) {
    whole(watermark[key], 0, Number.MAX_SAFE_INTEGER, `${path}.watermark.${key}`);
  }
  whole(lowmem_reserve.length, ZONE_MOVABLE + 1, ZONE_MOVABLE + 1, `${path}.lowmem_reserve, its length`);
  for (const [i, pages] of lowmem_reserve.entries()) {
    whole(pages, 0, Number.MAX_SAFE_INTEGER, `${path}.lowmem_reserve[${i}]`);
  }
  for (const key of ['nr_reserved_highatomic', 'nr_free_pages', 'nr_free_cma_pages', 'nr_isolate_pageblock'] as const) {
    whole(zone[key] ?? 0, -S32_MAX, zone.spanned, `${path}.${key}`);
  }
  whole(zone.percpu_drift_mark, 0, Number.MAX_SAFE_INTEGER, `${path}.percpu_drift_mark`);
  whole(zone.flags, 0, S32_MAX, `${path}.flags`);
  for (const [cpu, one] of zone.cpus.entries()) checkCpu(one, zone.spanned, `${path}, CPU ${cpu}:`);
}

function checkCpu({ pcp, pcp_lists, pcp_types, ...one }: AllocCpu, spanned: number, path: string): void {
  for (const key of ['high', 'batch'] as const) whole(pcp[key], 0, S32_MAX, `${path} pcp.${key}`);
  whole(pcp.free_factor, 0, 0x7fff, `${path} pcp.free_factor`);
  whole(one.nr_free_pages_cpu_diff, -128, 127, `${path} nr_free_pages_cpu_diff`);
  whole(one.nr_free_cma_pages_cpu_diff ?? 0, -128, 127, `${path} nr_free_cma_pages_cpu_diff`);
  whole(one.stat_threshold, 0, 127, `${path} stat_threshold`);
  whole(pcp.count, 0, spanned, `${path} pcp.count`);
  let count = 0;
  for (const [key, pfns] of Object.entries(pcp_lists)) {
    if (!/^\d+$/.test(key) || Number(key) >= NR_PCP_LISTS) {
      throw new CaseError(`${path} pcp_lists.${key}: wanted a list number from 0 to ${NR_PCP_LISTS - 1}`);
    }
    count += pfns.length << pcpOrder(key);
    const types = pcp_types?.[key];
    if (types === undefined) continue;
    for (const type of types) whole(type, 0, MIGRATE_TYPES - 1, `${path} pcp_types.${key}`);
  }
  if (count !== pcp.count) throw new CaseError(`${path} pcp.count is ${pcp.count}, on its lists are ${count} pages`);
}

const pcpOrder = (key: string): number =>
  Number(key) >= NR_LOWORDER_PCP_LISTS ? pageblock_order : Math.floor(Number(key) / MIGRATE_PCPTYPES);

/** The runs are as many pageblocks as the zone spans, begun ones included. */
function checkBlocks({ start_pfn, spanned, blocks }: AllocZone, path: string): void {
  if (!/^([0-5f]\*\d{1,9})( [0-5f]\*\d{1,9})*$/.test(blocks)) {
    throw new CaseError(`${path}.blocks: wanted runs such as "1*15 f*2", found ${JSON.stringify(blocks).slice(0, 80)}`);
  }
  const found = blocks.split(' ').reduce((sum, run) => sum + Number(run.slice(2)), 0);
  const spans = Math.ceil((start_pfn + spanned) / pageblock_nr_pages) - Math.floor(start_pfn / pageblock_nr_pages);
  if (found !== spans) throw new CaseError(`${path}.blocks: ${found} pageblocks, the zone spans ${spans}`);
}

/** What lies where, and the operations. @throws CaseError */
export function checkPages(alloc: AllocCase, topology: AllocTopology): void {
  const nodes = new Set([...topology.node_order.keys(), ...alloc.before.map(({ node }) => node)]);
  for (const [i, nid] of alloc.cpu_nodes.entries()) {
    if (!nodes.has(nid)) throw new CaseError(`cpu_nodes[${i}]: node ${nid} is not a node of this case`);
  }
  const cost = topology.memory.reduce((sum, one) => sum + (one.end_pfn - one.start_pfn) * STRUCT_PAGE_SIZE, 0);
  if (cost > hostMemory()) {
    throw new CaseError(`before: its memory map takes ${Math.ceil(cost / MIB)} MiB, more than this host has available`);
  }
  const memory = new Memory(topology.memory);
  for (const [i, zone] of alloc.before.entries()) checkLists(zone, memory, `before[${i}]`);
  checkOps(alloc, nodes, memory);
}

/** Which page frames there are. */
class Memory {
  readonly end_pfn: number;
  readonly #ranges: readonly MemoryRange[];
  /** The range that was asked for last: it mostly is the next one too. */
  #last: MemoryRange | undefined;

  constructor(ranges: readonly MemoryRange[]) {
    this.#ranges = ranges;
    this.end_pfn = ranges.reduce((end, range) => Math.max(end, range.end_pfn), 0);
  }

  /** Whether all of these are: more than one range may have them, where nodes meet. */
  has(pfn: number, nr: number): boolean {
    for (let at = pfn; at < pfn + nr; at = this.#last.end_pfn) {
      const holds = (range: MemoryRange | undefined) =>
        range !== undefined && range.start_pfn <= at && at < range.end_pfn;
      if (!holds(this.#last)) this.#last = this.#ranges.find(holds);
      if (this.#last === undefined) return false;
    }
    return true;
  }
}

/** Each page frame lies in the zone, aligned to its order, and on one list alone. */
function checkLists(zone: AllocZone, memory: Memory, path: string): void {
  const taken: { pfn: number; end: number; path: string }[] = [];
  const check = (pfns: readonly number[], order: number, list: string): void => {
    for (const pfn of pfns) {
      const end = pfn + 2 ** order;
      const sound = Number.isSafeInteger(pfn) && pfn >= zone.start_pfn && end <= zone.start_pfn + zone.spanned;
      if (!sound || !memory.has(pfn, 2 ** order)) {
        throw new CaseError(`${list}: page frame ${pfn} of order ${order} is not in the zone's memory`);
      }
      if (pfn % 2 ** order !== 0) throw new CaseError(`${list}: page frame ${pfn} is not aligned to order ${order}`);
      taken.push({ pfn, end, path: list });
    }
  };
  for (const [key, pfns] of Object.entries(zone.free_lists)) {
    const [, order = '', type = ''] = /^(\d+)\/(\d+)$/.exec(key) ?? [];
    if (order === '' || Number(order) >= MAX_ORDER || Number(type) >= MIGRATE_TYPES) {
      throw new CaseError(`${path}.free_lists.${key}: wanted ORDER/MIGRATETYPE, up to 10/5`);
    }
    check(pfns, Number(order), `${path}.free_lists.${key}`);
  }
  for (const [cpu, { pcp_lists }] of zone.cpus.entries()) {
    for (const [key, pfns] of Object.entries(pcp_lists)) {
      check(pfns, pcpOrder(key), `${path}, CPU ${cpu}: pcp_lists.${key}`);
    }
  }
  taken.sort((a, b) => a.pfn - b.pfn);
  for (const [i, { pfn, end, path: list }] of taken.entries()) {
    const next = taken[i + 1];
    if (next === undefined || end <= next.pfn) continue;
    throw new CaseError(`${next.path}: page frame ${next.pfn} is on ${list} already, with ${pfn}`);
  }
}

function checkOps({ ops, kinds, before, cpu_nodes }: AllocCase, nodes: Set<number>, memory: Memory): void {
  for (let i = 0; i < ops.count; i++) {
    const kind = ops.kind[i]!;
    if (kind >= 0 && !nodes.has(ops.preferred_nid[i]!)) {
      throw new CaseError(`ops[${i}]: node ${ops.preferred_nid[i]} is not a node of this case`);
    }
    if (kind !== -1) continue;
    if (!memory.has(ops.pfn[i]!, 1 << ops.order[i]!)) {
      throw new CaseError(`ops[${i}]: page frame ${ops.pfn[i]} of order ${ops.order[i]} is not memory of this case`);
    }
  }
  const zones = new Set(before.map(placeOf));
  const end_pfn = Math.ceil(memory.end_pfn / pageblock_nr_pages) * pageblock_nr_pages;
  const may_be: Readonly<Record<ArgumentKind, (value: number, before: number) => boolean>> = {
    'a CPU': (cpu) => cpu >= 0 && cpu < cpu_nodes.length,
    'a kind of request': (kind) => kind >= 0 && kind < kinds.length,
    'a node': (nid) => nodes.has(nid),
    'a node or -1': (nid) => nid === -1 || nodes.has(nid),
    'a zone of that node': (index, nid) => nid === -1 || zones.has(`${nid}:${index}`),
    'a migratetype': (type) => type >= 0 && type < MIGRATE_TYPES,
    'an order': (order) => order >= 0 && order < MAX_ORDER,
    'a page frame': (pfn) => pfn >= 0 && pfn < end_pfn,
    'pages up to the end of memory': (nr, start) => nr > 0 && start + nr <= end_pfn,
    'pages of memory': (nr, start) => nr > 0 && memory.has(start, nr),
    'a number of pages': (nr) => nr >= 0 && nr <= end_pfn,
    'up to 1000 successes': (nr) => nr >= 0 && nr <= MOST_SUCCESSES,
    'a number': () => true,
  };
  for (const [i, { what, args }] of ops.other) {
    for (const [n, wanted] of argumentsOf(what).entries()) {
      if (may_be[wanted](args[n] ?? 0, args[n - 1] ?? 0)) continue;
      const op = JSON.stringify([what, ...args]).slice(0, 80);
      throw new CaseError(`ops[${i}]: wanted ${wanted} of this case, found ${args[n]} in ${op}`);
    }
  }
}
