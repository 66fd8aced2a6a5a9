// An index from numbers to numbers, in order, with marks (Linux: lib/xarray.c, as the page cache uses it): a tree of nodes
// of 64 slots, as high as the largest index asks for. An entry is a page (0 or more) or a value that stands for none
// (a shadow, also 0 or more).
//
// Left out: entries that cover several indices, locks. Differs from Linux: nodes lie outside of the emulated RAM.

const XA_CHUNK_SHIFT = 6;
const XA_CHUNK_SIZE = 1 << XA_CHUNK_SHIFT;
const XA_CHUNK_MASK = XA_CHUNK_SIZE - 1;

// xa_mark_t
export const XA_MARK_0 = 0;
export const XA_MARK_1 = 1;
const XA_MAX_MARKS = 3;

/** A slot holds 0 for nothing, 1 + page, or -1 - value. */
class xa_node {
  /** Of a leaf: 0. An index's slot is (index >> shift) & 63. */
  readonly shift: number;
  parent: xa_node | null;
  readonly offset: number;
  count = 0;
  /** Of a leaf: entries. Of others: empty. */
  readonly slots: Float64Array;
  readonly children: (xa_node | null)[];
  /** Two words a mark. */
  readonly marks = new Uint32Array(2 * XA_MAX_MARKS);

  constructor(shift: number, parent: xa_node | null, offset: number) {
    this.shift = shift;
    this.parent = parent;
    this.offset = offset;
    this.slots = new Float64Array(shift === 0 ? XA_CHUNK_SIZE : 0);
    this.children = shift === 0 ? [] : new Array<xa_node | null>(XA_CHUNK_SIZE).fill(null);
  }
}

const slot_of = (node: xa_node, index: number): number =>
  node.shift === 0 ? index & XA_CHUNK_MASK : Math.floor(index / 2 ** node.shift) & XA_CHUNK_MASK;
const marked = (node: xa_node, mark: number, slot: number): boolean =>
  ((node.marks[2 * mark + (slot >>> 5)]! >>> (slot & 31)) & 1) !== 0;
const any_marked = (node: xa_node, mark: number): boolean => (node.marks[2 * mark]! | node.marks[2 * mark + 1]!) !== 0;
function put_mark(node: xa_node, mark: number, slot: number, on: boolean): void {
  const at = 2 * mark + (slot >>> 5);
  const bit = 1 << (slot & 31);
  node.marks[at] = on ? node.marks[at]! | bit : node.marks[at]! & ~bit;
}

/** The indices of all values below a node that begins at `base`. */
function collect_values(node: xa_node, base: number, into: number[]): void {
  for (const [slot, entry] of node.slots.entries()) if (entry < 0) into.push(base + slot);
  for (const [slot, child] of node.children.entries()) {
    if (child !== null) collect_values(child, base + slot * 2 ** node.shift, into);
  }
}

export class xarray {
  private head: xa_node = new xa_node(0, null, 0);
  /** The leaf of the last look, and the index it begins at. */
  private last: xa_node = this.head;
  private last_base = 0;

  /** The leaf that `index` belongs to; null: there is none. */
  private leaf(index: number): xa_node | null {
    if (index - this.last_base >= 0 && index - this.last_base < XA_CHUNK_SIZE) return this.last;
    let node = this.head;
    if (index >= 2 ** (node.shift + XA_CHUNK_SHIFT)) return null;
    while (node.shift > 0) {
      const child = node.children[slot_of(node, index)]!;
      if (child === null) return null;
      node = child;
    }
    this.remember(node, index);
    return node;
  }

  private remember(leaf: xa_node, index: number): void {
    this.last = leaf;
    this.last_base = index - (index % XA_CHUNK_SIZE);
  }

  private make_leaf(index: number): xa_node {
    while (index >= 2 ** (this.head.shift + XA_CHUNK_SHIFT)) this.grow();
    let node = this.head;
    while (node.shift > 0) {
      const slot = slot_of(node, index);
      let child = node.children[slot]!;
      if (child === null) {
        child = new xa_node(node.shift - XA_CHUNK_SHIFT, node, slot);
        node.children[slot] = child;
        node.count++;
      }
      node = child;
    }
    this.remember(node, index);
    return node;
  }

  /** One level more above. */
  private grow(): void {
    const old = this.head;
    const root = new xa_node(old.shift + XA_CHUNK_SHIFT, null, 0);
    if (old.count > 0) {
      old.parent = root;
      root.children[0] = old;
      root.count = 1;
      for (let mark = 0; mark < XA_MAX_MARKS; mark++) if (any_marked(old, mark)) put_mark(root, mark, 0, true);
    }
    this.head = root;
    this.last_base = -XA_CHUNK_SIZE;
  }

  /** What is in the slot: 0 for nothing, 1 + page, -1 - value. */
  private raw(index: number): number {
    const leaf = this.leaf(index);
    return leaf === null ? 0 : leaf.slots[index & XA_CHUNK_MASK]!;
  }

  /** The page at `index`, or -1. */
  page(index: number): number {
    const entry = this.raw(index);
    return entry > 0 ? entry - 1 : -1;
  }

  /** The value at `index`, or -1. */
  value(index: number): number {
    const entry = this.raw(index);
    return entry < 0 ? -1 - entry : -1;
  }

  /** Puts a page there, without marks. */
  store_page(index: number, page: number): void {
    this.store(index, page + 1);
  }

  /** Puts another page in place of one that is there. Its marks stay. */
  replace_page(index: number, page: number): void {
    const leaf = this.leaf(index);
    if (leaf !== null) leaf.slots[index & XA_CHUNK_MASK] = page + 1;
  }

  /** Puts a value there in place of a page; -1: nothing. */
  store_value(index: number, value: number): void {
    this.store(index, value < 0 ? 0 : -1 - value);
  }

  /** Whether there is neither page nor value. Linux: xa_empty(). */
  get empty(): boolean {
    return this.head.count === 0;
  }

  /** Takes all values out. @returns how many */
  drop_values(): number {
    const found: number[] = [];
    collect_values(this.head, 0, found);
    for (const index of found) this.store(index, 0);
    return found.length;
  }

  private store(index: number, entry: number): void {
    const leaf = this.leaf(index) ?? (entry === 0 ? null : this.make_leaf(index));
    if (leaf === null) return;
    const slot = index & XA_CHUNK_MASK;
    const old = leaf.slots[slot]!;
    leaf.slots[slot] = entry;
    if (old !== 0) for (let mark = 0; mark < XA_MAX_MARKS; mark++) this.clear_mark(index, mark);
    leaf.count += (entry === 0 ? 0 : 1) - (old === 0 ? 0 : 1);
    if (leaf.count === 0) this.prune(leaf);
  }

  /** Takes empty nodes off the tree. */
  private prune(leaf: xa_node): void {
    for (let node = leaf; node.count === 0 && node.parent !== null; node = node.parent) {
      node.parent.children[node.offset] = null;
      node.parent.count--;
      this.last_base = -XA_CHUNK_SIZE;
    }
  }

  /** Of an entry that is there. */
  set_mark(index: number, mark: number): void {
    let node = this.leaf(index);
    if (node === null || node.slots[index & XA_CHUNK_MASK] === 0) return;
    let slot = index & XA_CHUNK_MASK;
    for (;;) {
      if (marked(node, mark, slot)) return;
      put_mark(node, mark, slot, true);
      if (node.parent === null) return;
      slot = node.offset;
      node = node.parent;
    }
  }

  clear_mark(index: number, mark: number): void {
    let node = this.leaf(index);
    let slot = index & XA_CHUNK_MASK;
    while (node !== null && marked(node, mark, slot)) {
      put_mark(node, mark, slot, false);
      if (any_marked(node, mark)) return;
      slot = node.offset;
      node = node.parent;
    }
  }

  get_mark(index: number, mark: number): boolean {
    const leaf = this.leaf(index);
    return leaf !== null && marked(leaf, mark, index & XA_CHUNK_MASK);
  }

  /** Whether any entry has the mark. Linux: xa_marked(). */
  marked(mark: number): boolean {
    return any_marked(this.head, mark);
  }

  /** The first index from `start` up to and with `last` that has the mark; -1: none. */
  find_marked(start: number, last: number, mark: number): number {
    return this.find(this.head, 0, start, last, mark);
  }

  /** The same for any page; values are passed over. */
  find_page(start: number, last: number): number {
    return this.find(this.head, 0, start, last, -1);
  }

  private find(node: xa_node, base: number, start: number, last: number, mark: number): number {
    const size = 2 ** node.shift;
    const from = Math.max(0, Math.floor((start - base) / size));
    const to = Math.min(XA_CHUNK_SIZE - 1, Math.floor((last - base) / size));
    for (let slot = from; slot <= to; slot++) {
      if (mark >= 0 && !marked(node, mark, slot)) continue;
      const at = base + slot * size;
      if (node.shift === 0) {
        if (mark >= 0 || node.slots[slot]! > 0) return at;
        continue;
      }
      const child = node.children[slot]!;
      const found = child === null ? -1 : this.find(child, at, start, last, mark);
      if (found >= 0) return found;
    }
    return -1;
  }
}
