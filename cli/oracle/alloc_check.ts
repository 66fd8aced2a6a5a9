// Replays a recorded run of the allocator, operation by operation, and compares every page frame and the state after.

import { pageblock_nr_pages } from '../../kernel/include/mmzone.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { KernelBug, KernelPanic } from '../../kernel/lib/bug.ts';
import { __alloc_pages, __free_pages } from '../../kernel/mm/page_alloc.ts';
import { print_event } from '../../kernel/trace/trace.ts';
import { ftrace_set_clr_event } from '../../kernel/trace/trace_events.ts';
import type { AllocCase, AllocZone } from './alloc_case.ts';
import { otherOp } from './alloc_ops.ts';
import { checkPages } from './alloc_sound.ts';
import { type AllocTopology, loadAllocState, type MemoryRange, readAllocZone } from './alloc_state.ts';
import type { BootCase } from './boot_case.ts';
import { type Difference, firstDifference } from './compare.ts';

const PAGE = 4096;

/**
 * What the boot of the same machine tells of it.
 * @param boot null: it is not at hand. Then nodes are tried in the order of their distance by number.
 */
export function allocTopology(alloc: AllocCase, boot: BootCase | null): AllocTopology {
  const node_order = new Map<number, number[]>();
  if (boot === null) {
    const nodes = [...new Set(alloc.before.map(({ node }) => node))];
    for (const nid of nodes) node_order.set(nid, [...nodes.filter((n) => n >= nid), ...nodes.filter((n) => n < nid)]);
    return { memory: alloc.before.flatMap(zoneMemory), node_order, nr_online_nodes: nodes.length };
  }
  let nr_online_nodes = 1;
  for (const line of boot.expect.dmesg) {
    const order = /^Fallback order for Node (\d+): (.*)$/.exec(line);
    if (order) node_order.set(Number(order[1]), order[2]!.trim().split(/\s+/).map(Number));
    const built = /^Built (\d+) zonelists/.exec(line);
    if (built) nr_online_nodes = Number(built[1]);
  }
  const memory = boot.expect.memblock_memory.map(({ base, size, nid }) => ({
    nid,
    start_pfn: Math.ceil(Number(base) / PAGE),
    end_pfn: Math.floor((Number(base) + Number(size)) / PAGE),
  }));
  return { memory, node_order, nr_online_nodes };
}

/** The zone's pageblocks that have a memory map. */
function zoneMemory({ node, start_pfn, spanned, blocks }: AllocZone): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  let pfn = start_pfn - (start_pfn % pageblock_nr_pages);
  for (const run of blocks.split(' ')) {
    const [type, count] = run.split('*');
    const end = pfn + Number(count) * pageblock_nr_pages;
    const range = { nid: node, start_pfn: Math.max(pfn, start_pfn), end_pfn: Math.min(end, start_pfn + spanned) };
    if (type !== 'f') ranges.push(range);
    pfn = end;
  }
  return ranges;
}

export function checkAlloc(alloc: AllocCase, topology: AllocTopology): Difference | null {
  checkPages(alloc, topology);
  const k = loadAllocState(alloc.before, topology, alloc.cpu_nodes);
  if (alloc.min_free_kbytes !== null) k.watermark.min_free_kbytes = alloc.min_free_kbytes;
  if (alloc.trace !== null) ftrace_set_clr_event(k, 'kmem', true);
  const differing = replay(k, alloc);
  if (differing !== null) return differing;
  const traced = alloc.trace === null ? null : firstDifference(alloc.trace, tracedEvents(k), 'trace');
  if (traced !== null) return traced;
  const after = alloc.after.map((zone) => readAllocZone(k, zone, topology.memory));
  return firstDifference(byZone(alloc.after), byZone(after), 'after');
}

/** @returns the first operation that comes out differently, or that the kernel does not survive */
function replay(k: Kernel, { ops, kinds }: AllocCase): Difference | null {
  let i = 0;
  try {
    for (; i < ops.count; i++) {
      const order = ops.order[i]!;
      const kind = ops.kind[i]!;
      const pfn = ops.pfn[i]!;
      if (kind === -2) {
        const { what, args } = ops.other.get(i)!;
        const answer = otherOp(k, what, args, kinds);
        if (answer === null) continue;
        return { where: `ops[${i}] (${what})`, expected: answer.expected, found: answer.found };
      }
      if (kind < 0) {
        __free_pages(k, pfn, order);
        continue;
      }
      const found = __alloc_pages(k, kinds[kind]!, order, ops.preferred_nid[i]!, null);
      if (found !== (pfn === 0 ? -1 : pfn)) {
        const frame = (n: number): string => (n <= 0 ? 'no page' : `page frame ${n}`);
        return { where: `ops[${i}] (order ${order}, kind ${kind})`, expected: frame(pfn), found: frame(found) };
      }
    }
    return null;
  } catch (error) {
    if (!(error instanceof KernelBug || error instanceof KernelPanic)) throw error;
    return { where: `ops[${i}]`, expected: 'the kernel to go on', found: error.message };
  }
}

const tracedEvents = (k: Kernel): string[] =>
  [...(k.trace.buffer?.records() ?? [])].map((record) => `${record.cpu} ${print_event(k, record)}`);

/** Named by node and zone: a difference then says where it is in a reader's words. */
const byZone = (zones: readonly AllocZone[]) =>
  Object.fromEntries(zones.map(({ node, zone, ...state }) => [`${node} ${zone}`, state]));
