// The areas that may map a page, by which pages of a file or of an anon_vma each has (Linux: mm/interval_tree.c,
// include/linux/interval_tree_generic.h): a search tree by first page, in which each node knows the last page of all below
// it. Those that have a page are found without a look at the others, in order of their first pages; equals in the order
// in which they came.
//
// Differs from Linux: the tree is kept in balance by random priorities (a treap), not by colours.

import { PAGE_SIZE } from '../include/types.ts';
import type { vm_area_struct } from './mm_struct.ts';

/** An area in a tree: of a file (vm_area_struct.shared), or of an anon_vma (anon_vma_chain). */
export class area_node {
  readonly vma: vm_area_struct;
  /** Its first and last page, as of when it was put into the tree, and the last page of all below. */
  start = 0;
  last = 0;
  subtree_last = 0;
  priority = 0;
  parent: area_node | null = null;
  left: area_node | null = null;
  right: area_node | null = null;

  constructor(vma: vm_area_struct) {
    this.vma = vma;
  }
}

export class area_tree {
  root: area_node | null = null;
  /** How many were ever put in. */
  inserted = 0;
}

/** Scatters numbers that follow each other over 32 bits (the end of MurmurHash3). */
function scatter(n: number): number {
  let x = n;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function refresh(node: area_node): void {
  const { left, right } = node;
  let { last } = node;
  if (left !== null && left.subtree_last > last) last = left.subtree_last;
  if (right !== null && right.subtree_last > last) last = right.subtree_last;
  node.subtree_last = last;
}

/** `by` takes the place of `node` below its parent. */
function replace(tree: area_tree, node: area_node, by: area_node | null): void {
  const { parent } = node;
  if (parent === null) tree.root = by;
  else if (parent.left === node) parent.left = by;
  else parent.right = by;
  if (by !== null) by.parent = parent;
}

/** A node and its parent change places, and what comes before what stays. */
function rotate_up(tree: area_tree, node: area_node, parent: area_node): void {
  const moved = parent.left === node ? node.right : node.left;
  replace(tree, parent, node);
  if (parent.left === node) {
    parent.left = moved;
    node.right = parent;
  } else {
    parent.right = moved;
    node.left = parent;
  }
  if (moved !== null) moved.parent = parent;
  parent.parent = node;
  refresh(parent);
  refresh(node);
}

/** Context: it is in no tree. Its pages do not change while it is in this one. */
export function interval_tree_insert(tree: area_tree, node: area_node): void {
  const { vm_pgoff, vm_start, vm_end } = node.vma;
  const last = vm_pgoff + (vm_end - vm_start) / PAGE_SIZE - 1;
  node.start = vm_pgoff;
  node.last = last;
  node.subtree_last = last;
  node.priority = scatter(++tree.inserted);
  let parent: area_node | null = null;
  for (let at = tree.root; at !== null; at = vm_pgoff < at.start ? at.left : at.right) {
    if (at.subtree_last < last) at.subtree_last = last;
    parent = at;
  }
  node.parent = parent;
  if (parent === null) tree.root = node;
  else if (vm_pgoff < parent.start) parent.left = node;
  else parent.right = node;
  while (node.parent !== null && node.priority < node.parent.priority) rotate_up(tree, node, node.parent);
}

export function interval_tree_remove(tree: area_tree, node: area_node): void {
  while (node.left !== null && node.right !== null) {
    rotate_up(tree, node.left.priority < node.right.priority ? node.left : node.right, node);
  }
  replace(tree, node, node.left ?? node.right);
  for (let at = node.parent; at !== null; at = at.parent) refresh(at);
  node.parent = null;
  node.left = null;
  node.right = null;
}

/** The first one below `top` that has the page. */
function search(top: area_node, page: number): area_node | null {
  let node = top;
  for (;;) {
    // Whoever begins further left begins before the page too: if one there ends behind it, the first one is there.
    if (node.left !== null && node.left.subtree_last >= page) node = node.left;
    else if (node.start > page) return null;
    else if (node.last >= page) return node;
    else if (node.right !== null && node.right.subtree_last >= page) node = node.right;
    else return null;
  }
}

/** The first area that has the page; null: none has. */
export const interval_tree_first = ({ root }: area_tree, page: number): area_node | null =>
  root === null || root.subtree_last < page ? null : search(root, page);

/** The next one after `node`. */
export function interval_tree_next(node: area_node, page: number): area_node | null {
  if (node.right !== null && node.right.subtree_last >= page) return search(node.right, page);
  let below = node;
  for (let at = node.parent; at !== null; at = at.parent) {
    if (at.left === below) {
      if (at.start > page) return null;
      if (at.last >= page) return at;
      if (at.right !== null && at.right.subtree_last >= page) return search(at.right, page);
    }
    below = at;
  }
  return null;
}
