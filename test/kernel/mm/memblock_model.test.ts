// memblock against a plain map of 64 pages: is a page memory, on which node, with which flags, and is it reserved.
// After every step of a generated history the two must agree region for region, at its end in all that can be asked.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import { MEMBLOCK_HOTPLUG, MEMBLOCK_NOMAP } from '../../../kernel/include/memblock.ts';
import { NUMA_NO_NODE } from '../../../kernel/include/types.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { MAX_NUMNODES } from '../../../kernel/lib/nodemask.ts';
import {
  memblock_add,
  memblock_add_node,
  memblock_clear_hotplug,
  memblock_mark_hotplug,
  memblock_mark_nomap,
  memblock_phys_free,
  memblock_remove,
  memblock_reserve,
  memblock_set_node,
  type memblock_type,
} from '../../../kernel/mm/memblock.ts';
import { memblock_alloc_range_nid } from '../../../kernel/mm/memblock_alloc.ts';
import {
  memblock_is_map_memory,
  memblock_is_region_reserved,
  memblock_is_reserved,
} from '../../../kernel/mm/memblock_info.ts';
import { for_each_free_mem_range, for_each_free_mem_range_reverse } from '../../../kernel/mm/memblock_iter.ts';
import { testHw } from '../../support/hw.ts';

const PAGE = 0x1000;
const PAGES = 64;

interface Page {
  nid: number;
  flags: number;
}
/** null: not there. */
type PageMap = (Page | null)[];

class Model {
  readonly memory: PageMap = new Array<Page | null>(PAGES).fill(null);
  readonly reserved: PageMap = new Array<Page | null>(PAGES).fill(null);

  /** Only what is not there yet is added. */
  add(map: PageMap, start: number, count: number, nid: number, flags: number): void {
    for (let i = start; i < start + count; i++) map[i] ??= { nid, flags };
  }
  remove(map: PageMap, start: number, count: number): void {
    map.fill(null, start, start + count);
  }
  change(map: PageMap, start: number, count: number, change: (page: Page) => Partial<Page>): void {
    for (let i = start; i < start + count; i++) {
      const page = map[i];
      if (page) map[i] = { ...page, ...change(page) };
    }
  }
  /** Whether page i may be given to who asks for `nid`. */
  free(i: number, nid: number, movable_node: boolean): boolean {
    const page = this.memory[i];
    if (!page || this.reserved[i]) return false;
    if (page.flags & MEMBLOCK_NOMAP || (movable_node && page.flags & MEMBLOCK_HOTPLUG)) return false;
    return nid === NUMA_NO_NODE || nid === page.nid;
  }
  /** All pages where a block could start: no page of it is page 0, and it is all one kind of memory. */
  places(ask: Ask, nid: number, movable_node: boolean): number[] {
    const places: number[] = [];
    for (let at = Math.max(1, ask.start); at + ask.count <= Math.min(ask.end, PAGES); at++) {
      if (at % ask.align !== 0) continue;
      const pages = this.memory.slice(at, at + ask.count);
      const [first] = pages;
      const one = pages.every((p, i) => this.free(at + i, nid, movable_node) && same(p, first));
      if (one) places.push(at);
    }
    return places;
  }
}

interface Ask {
  count: number;
  align: number;
  start: number;
  end: number;
  nid: number;
  exact: boolean;
  bottom_up: boolean;
}

type Step =
  | { op: 'add' | 'reserve' | 'remove' | 'free' | 'hotplug' | 'cool' | 'nomap'; start: number; count: number }
  | { op: 'add_node' | 'set_memory' | 'set_reserved'; start: number; count: number; nid: number; flags: number }
  | ({ op: 'alloc' } & Ask);

const same = (a: Page | null | undefined, b: Page | null | undefined): boolean =>
  a?.nid === b?.nid && a?.flags === b?.flags;

/** Runs of like pages: what the list must be, region for region. */
function regions(map: PageMap): object[] {
  const found: { base: number; size: number; nid: number; flags: number }[] = [];
  map.forEach((page, i) => {
    if (!page) return;
    const last = found.at(-1);
    if (last && i > 0 && same(map[i - 1], page)) last.size += PAGE;
    else found.push({ base: i * PAGE, size: PAGE, ...page });
  });
  return found;
}

const pageCount = (map: PageMap): number => map.filter((page) => page !== null).length;
const listed = (type: memblock_type): object[] => type.regions.filter(({ size }) => size > 0);

function expectSameLists(k: Kernel, model: Model): void {
  const { memory, reserved } = k.memblock;
  expect(listed(memory)).toEqual(regions(model.memory));
  expect(listed(reserved)).toEqual(regions(model.reserved));
  expect([memory.total_size / PAGE, reserved.total_size / PAGE]).toEqual(
    [model.memory, model.reserved].map((map) => pageCount(map)),
  );
}

function expectSameAnswers(k: Kernel, model: Model): void {
  for (const nid of [NUMA_NO_NODE, 0, 1]) {
    const forward = [...for_each_free_mem_range(k, nid, 0)];
    expect([...for_each_free_mem_range_reverse(k, nid, 0)].reverse()).toEqual(forward);
    const free = new Set(forward.flatMap(({ start, end }) => pagesOf(start, end)));
    for (let i = 0; i < PAGES; i++) expect(free.has(i)).toBe(model.free(i, nid, k.mm.movable_node_enabled));
  }
  for (let i = 0; i < PAGES; i++) {
    const page = model.memory[i];
    expect(memblock_is_map_memory(k, i * PAGE)).toBe(page != null && !(page.flags & MEMBLOCK_NOMAP));
    expect(memblock_is_reserved(k, i * PAGE + 1)).toBe(model.reserved[i] !== null);
    expect(memblock_is_region_reserved(k, 0, i * PAGE)).toBe(pageCount(model.reserved.slice(0, i)) > 0);
  }
}

const pagesOf = (start: number, end: number): number[] =>
  Array.from({ length: (end - start) / PAGE }, (_, i) => start / PAGE + i);

/** Does one step to both. */
function step(k: Kernel, model: Model, s: Step): void {
  if (s.op === 'alloc') {
    alloc(k, model, s);
    return;
  }
  const { start, count } = s;
  const [base, size] = [start * PAGE, count * PAGE];
  const { memory, reserved } = model;
  switch (s.op) {
    case 'add':
      expect(memblock_add(k, base, size)).toBe(0);
      model.add(memory, start, count, MAX_NUMNODES, 0);
      break;
    case 'add_node':
      expect(memblock_add_node(k, base, size, s.nid, s.flags)).toBe(0);
      model.add(memory, start, count, s.nid, s.flags);
      break;
    case 'reserve':
      expect(memblock_reserve(k, base, size)).toBe(0);
      model.add(reserved, start, count, MAX_NUMNODES, 0);
      break;
    case 'remove':
      expect(memblock_remove(k, base, size)).toBe(0);
      model.remove(memory, start, count);
      break;
    case 'free':
      expect(memblock_phys_free(k, base, size)).toBe(0);
      model.remove(reserved, start, count);
      break;
    case 'hotplug':
      expect(memblock_mark_hotplug(k, base, size)).toBe(0);
      model.change(memory, start, count, ({ flags }) => ({ flags: flags | MEMBLOCK_HOTPLUG }));
      break;
    case 'cool':
      expect(memblock_clear_hotplug(k, base, size)).toBe(0);
      model.change(memory, start, count, ({ flags }) => ({ flags: flags & ~MEMBLOCK_HOTPLUG }));
      break;
    case 'nomap':
      expect(memblock_mark_nomap(k, base, size)).toBe(0);
      model.change(memory, start, count, ({ flags }) => ({ flags: flags | MEMBLOCK_NOMAP }));
      break;
    case 'set_memory':
      expect(memblock_set_node(k, base, size, k.memblock.memory, s.nid)).toBe(0);
      model.change(memory, start, count, () => ({ nid: s.nid }));
      break;
    case 'set_reserved':
      expect(memblock_set_node(k, base, size, k.memblock.reserved, s.nid)).toBe(0);
      model.change(reserved, start, count, () => ({ nid: s.nid }));
      break;
  }
}

function alloc(k: Kernel, model: Model, ask: Ask): void {
  k.memblock.bottom_up = ask.bottom_up;
  const { count, align, start, end, nid, exact } = ask;
  const found = memblock_alloc_range_nid(k, count * PAGE, align * PAGE, start * PAGE, end * PAGE, nid, exact);

  let places = model.places(ask, nid, k.mm.movable_node_enabled);
  if (places.length === 0 && !exact) places = model.places(ask, NUMA_NO_NODE, k.mm.movable_node_enabled);
  const wanted = (ask.bottom_up ? places[0] : places.at(-1)) ?? 0;
  expect(found / PAGE).toBe(wanted);
  if (wanted !== 0) model.add(model.reserved, wanted, count, MAX_NUMNODES, 0);
}

const extent = fc
  .tuple(fc.nat(PAGES), fc.nat(PAGES))
  .map(([a, b]) => ({ start: Math.min(a, b), count: Math.abs(a - b) }));
const short = fc
  .record({ start: fc.nat(PAGES - 1), count: fc.nat(8) })
  .map(({ start, count }) => ({ start, count: Math.min(count, PAGES - start) }));
const range = fc.oneof(extent, { weight: 3, arbitrary: short });
const nid = fc.constantFrom(0, 1);

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(fc.constantFrom('add', 'reserve', 'remove', 'free', 'hotplug', 'cool', 'nomap'), range)
    .map(([op, r]) => ({ op, ...r }) as Step),
  fc
    .tuple(
      fc.constantFrom('add_node', 'set_memory', 'set_reserved'),
      range,
      nid,
      fc.constantFrom(0, MEMBLOCK_HOTPLUG, MEMBLOCK_NOMAP),
    )
    .map(([op, r, node, flags]) => ({ op, ...r, nid: node, flags }) as Step),
  fc.record({
    op: fc.constant('alloc' as const),
    count: fc.integer({ min: 1, max: 6 }),
    align: fc.constantFrom(1, 2, 4),
    start: fc.oneof(fc.constant(0), fc.nat(PAGES)),
    end: fc.oneof(fc.constant(PAGES), fc.integer({ min: 1, max: PAGES })),
    nid: fc.constantFrom(NUMA_NO_NODE, 0, 1),
    exact: fc.boolean(),
    bottom_up: fc.boolean(),
  }),
);

describe('memblock and a map of pages', () => {
  it('agree after every step', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 1, maxLength: 40 }), fc.boolean(), (steps, movable_node) => {
        const k = new Kernel(testHw(), debian);
        k.mm.movable_node_enabled = movable_node;
        const model = new Model();
        for (const s of steps) {
          step(k, model, s);
          expectSameLists(k, model);
        }
        expectSameAnswers(k, model);
      }),
      { numRuns: 150 },
    );
  });
});
