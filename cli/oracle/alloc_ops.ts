// Recorded operations other than an allocation and a free, by their letter: docs/oracle.md says what each is.

import { proc_sys_write } from '../../kernel/fs/proc/proc_sysctl.ts';
import { __GFP_THISNODE } from '../../kernel/include/gfp_types.ts';
import { ZONE_RECLAIM_ACTIVE } from '../../kernel/include/mmzone.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { alloc_context } from '../../kernel/mm/alloc_context.ts';
import { alloc_contig_pages, alloc_contig_range, free_contig_range } from '../../kernel/mm/alloc_contig.ts';
import { __alloc_pages_bulk } from '../../kernel/mm/bulk.ts';
import { unreserve_highatomic_pageblock } from '../../kernel/mm/highatomic.ts';
import { __alloc_pages, prepare_alloc_pages } from '../../kernel/mm/page_alloc.ts';
import { start_isolate_page_range, undo_isolate_page_range } from '../../kernel/mm/page_isolation.ts';
import { drain_all_pages, drain_local_pages } from '../../kernel/mm/pcp.ts';
import { switch_to_cpu } from '../../kernel/mm/zone_cpu.ts';

interface Answer {
  readonly expected: unknown;
  readonly found: unknown;
}

type Op = (k: Kernel, args: readonly number[], kinds: readonly number[]) => Answer | null;

const number = (expected: number | undefined, found: number): Answer | null =>
  expected === found ? null : { expected, found };

const bulk = (k: Kernel, args: readonly number[], kinds: readonly number[], latest_first: boolean): Answer | null => {
  const [nr = 0, kind = 0, nid = 0, ...expected] = args;
  const found: number[] = [];
  __alloc_pages_bulk(k, kinds[kind]!, nid, null, nr, found);
  if (latest_first) found.reverse();
  return expected.join() === found.join() ? null : { expected, found };
};

const sysctl = (k: Kernel, path: string, numbers: readonly number[]): Answer | null => {
  const text = `${numbers.join(' ')}\n`;
  return number(text.length, proc_sys_write(k, path, text));
};

/** Reclaim frees nothing: it says `successes` times that it did, and compaction always says `compact_result`. */
const request_with_reclaim: Op = (k, args, kinds) => {
  const [order = 0, kind = 0, nid = 0, successes = 0, compact_result = 0, pfn = 0] = args;
  let left = successes;
  k.page_alloc.reclaim = {
    wakeup_kswapd: () => {},
    try_to_free_pages: () => (left > 0 ? left-- && 1 : 0),
    try_to_compact_pages: () => compact_result,
    node_reclaim: () => false,
    out_of_memory: () => false,
    try_to_free_mem_cgroup_pages: () => 0,
    mem_cgroup_out_of_memory: () => false,
  };
  // The task that stops all CPUs is a real-time one.
  k.current.rt = true;
  const found = __alloc_pages(k, kinds[kind]!, order, nid, null);
  k.page_alloc.reclaim = null;
  return number(pfn, Math.max(0, found));
};

const zoneOf = (k: Kernel, nid: number, index: number) => (nid < 0 ? null : k.node_data[nid]!.node_zones[index]!);

/** What a number of an operation says, and so what it may be. */
export type ArgumentKind =
  | 'a CPU'
  | 'a kind of request'
  | 'a node'
  | 'a node or -1'
  | 'a zone of that node'
  | 'a migratetype'
  | 'an order'
  | 'a page frame'
  | 'pages up to the end of memory'
  | 'pages of memory'
  | 'a number of pages'
  | 'up to 1000 successes'
  | 'a number';

/** By letter: the numbers that it has at least, and what it does. */
const table: Readonly<Record<string, readonly [readonly ArgumentKind[], Op]>> = {
  c: [
    ['a CPU'],
    (k, [cpu = 0]) => {
      switch_to_cpu(k, cpu);
      return null;
    },
  ],
  i: [
    ['a page frame', 'pages up to the end of memory', 'a migratetype', 'a number'],
    (k, [start = 0, nr = 0, type = 0, ret]) => number(ret, start_isolate_page_range(k, start, start + nr, type, 0)),
  ],
  u: [
    ['a page frame', 'pages up to the end of memory', 'a migratetype'],
    (k, [start = 0, nr = 0, type = 0]) => {
      undo_isolate_page_range(k, start, start + nr, type);
      return null;
    },
  ],
  r: [
    ['a page frame', 'pages up to the end of memory', 'a migratetype', 'a number'],
    (k, [start = 0, nr = 0, type = 0, ret]) => number(ret, alloc_contig_range(k, start, start + nr, type)),
  ],
  p: [
    ['a number of pages', 'a kind of request', 'a node', 'a number'],
    (k, [nr = 0, kind = 0, nid = 0, pfn], kinds) =>
      number(pfn, Math.max(0, alloc_contig_pages(k, nr, kinds[kind]! | __GFP_THISNODE, nid))),
  ],
  e: [
    ['a page frame', 'pages of memory'],
    (k, [start = 0, nr = 0]) => {
      free_contig_range(k, start, nr);
      return null;
    },
  ],
  b: [['a number of pages', 'a kind of request', 'a node'], (k, args, kinds) => bulk(k, args, kinds, false)],
  l: [['a number of pages', 'a kind of request', 'a node'], (k, args, kinds) => bulk(k, args, kinds, true)],
  d: [
    ['a number', 'a number'],
    (k) => {
      drain_all_pages(k, null);
      return null;
    },
  ],
  z: [
    ['a node or -1', 'a zone of that node'],
    (k, [nid = 0, index = 0]) => {
      drain_all_pages(k, zoneOf(k, nid, index));
      return null;
    },
  ],
  y: [
    ['a node or -1', 'a zone of that node'],
    (k, [nid = 0, index = 0]) => {
      drain_local_pages(k, zoneOf(k, nid, index));
      return null;
    },
  ],
  h: [
    ['a kind of request', 'a node', 'a number', 'a number'],
    (k, [kind = 0, nid = 0, force = 0, ret], kinds) => {
      const ac = new alloc_context();
      prepare_alloc_pages(k, kinds[kind]!, 0, nid, null, ac);
      return number(ret, Number(unreserve_highatomic_pageblock(k, ac, force !== 0)));
    },
  ],
  q: [
    ['an order', 'a kind of request', 'a node', 'up to 1000 successes', 'a number', 'a number'],
    request_with_reclaim,
  ],
  o: [
    ['a node', 'a zone of that node', 'a number'],
    (k, [nid = 0, index = 0, active = 0]) => {
      const zone = zoneOf(k, nid, index)!;
      zone.flags = active !== 0 ? zone.flags | (1 << ZONE_RECLAIM_ACTIVE) : zone.flags & ~(1 << ZONE_RECLAIM_ACTIVE);
      return null;
    },
  ],
  s: [['a number'], (k, args) => sysctl(k, 'sys/vm/watermark_scale_factor', args)],
  k: [['a number'], (k, args) => sysctl(k, 'sys/vm/watermark_boost_factor', args)],
  m: [['a number'], (k, args) => sysctl(k, 'sys/vm/min_free_kbytes', args)],
  g: [['a number'], (k, args) => sysctl(k, 'sys/vm/percpu_pagelist_high_fraction', args)],
  w: [['a number', 'a number', 'a number', 'a number'], (k, args) => sysctl(k, 'sys/vm/lowmem_reserve_ratio', args)],
};

export const isOtherOp = (letter: unknown, count: number): boolean =>
  typeof letter === 'string' && Object.hasOwn(table, letter) && count >= table[letter]![0].length;

export const argumentsOf = (letter: string): readonly ArgumentKind[] => table[letter]?.[0] ?? [];

/** Does it. @returns null, or where it came out differently how */
export const otherOp = (
  k: Kernel,
  letter: string,
  args: readonly number[],
  kinds: readonly number[],
): { expected: string; found: string } | null => {
  const answer = table[letter]![1](k, args, kinds);
  return answer && { expected: String(answer.expected), found: String(answer.found) };
};
