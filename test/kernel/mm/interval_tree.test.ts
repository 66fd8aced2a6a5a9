// The tree of areas against a list of them that is searched from end to end, and how deep it gets.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  area_node,
  area_tree,
  interval_tree_first,
  interval_tree_insert,
  interval_tree_next,
  interval_tree_remove,
} from '../../../kernel/mm/interval_tree.ts';
import { mm_struct, vm_area_struct } from '../../../kernel/mm/mm_struct.ts';

const mm = new mm_struct(0);

function area(pgoff: number, pages: number): area_node {
  return new area_node(new vm_area_struct(mm, 0x1000, 0x1000 + pages * 0x1000, 0, pgoff));
}

function found(tree: area_tree, page: number): area_node[] {
  const nodes: area_node[] = [];
  for (let node = interval_tree_first(tree, page); node !== null; node = interval_tree_next(node, page))
    nodes.push(node);
  return nodes;
}

/** In order of their first pages; of equals the one first that came first. */
function put(list: area_node[], node: area_node): void {
  const at = list.findIndex((other) => other.vma.vm_pgoff > node.vma.vm_pgoff);
  list.splice(at < 0 ? list.length : at, 0, node);
}

const has = ({ vma }: area_node, page: number): boolean =>
  page >= vma.vm_pgoff && page < vma.vm_pgoff + (vma.vm_end - vma.vm_start) / 0x1000;

const step = fc.oneof(
  fc.record({ pgoff: fc.nat(60), pages: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ remove: fc.nat() }),
);

test('finds the areas that have a page, and no other, in order', () => {
  const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const tree = new area_tree();
    const list: area_node[] = [];
    for (const one of steps) {
      if ('pgoff' in one) {
        const node = area(one.pgoff, one.pages);
        interval_tree_insert(tree, node);
        put(list, node);
      } else if (list.length > 0) {
        interval_tree_remove(tree, list.splice(one.remove % list.length, 1)[0]!);
      }
    }
    for (let page = 0; page < 82; page++) {
      const names = (nodes: readonly area_node[]): number[] => nodes.map((node) => list.indexOf(node));
      expect(names(found(tree, page))).toEqual(names(list.filter((node) => has(node, page))));
    }
    for (const node of list) interval_tree_remove(tree, node);
    expect(tree.root).toBe(null);
  });
  fc.assert(property, { numRuns: 60, seed: 1 });
});

const depth = (node: area_node | null): number =>
  node === null ? 0 : 1 + Math.max(depth(node.left), depth(node.right));

test.each([
  ['upwards', (n: number) => n],
  ['downwards', (n: number) => 20_000 - n],
  ['by turns at both ends', (n: number) => (n % 2 === 0 ? n : 20_000 - n)],
  ['all at one page', () => 7],
])('stays shallow: 10,000 areas that come %s', (_how, place) => {
  const tree = new area_tree();
  for (let n = 0; n < 10_000; n++) interval_tree_insert(tree, area(place(n), 1));
  expect(depth(tree.root)).toBeLessThan(50);
});
