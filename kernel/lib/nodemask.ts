// nodemask_t and cpumask_t: bitmaps of up to MAX_NUMNODES (NR_CPUS) bits (Linux: include/linux/nodemask.h, bitmap.h).
// A mask is a Uint32Array so that one shape serves every size; a null mask in a signature means "all".

export type nodemask_t = Uint32Array;
export type cpumask_t = Uint32Array;

/** Room for 1024 nodes, the largest NODES_SHIFT that x86-64 offers. */
export const MAX_NUMNODES = 1024;

export const nodes_none = (): nodemask_t => new Uint32Array(MAX_NUMNODES / 32);
export const NODE_MASK_ALL = (): nodemask_t => nodes_none().fill(0xffffffff);
export const nodemask_of_node = (nid: number): nodemask_t => {
  const mask = nodes_none();
  node_set(nid, mask);
  return mask;
};

export const node_isset = (nid: number, mask: Uint32Array): boolean => ((mask[nid >>> 5]! >>> (nid & 31)) & 1) !== 0;
export const node_set = (nid: number, mask: Uint32Array): void => {
  mask[nid >>> 5]! |= 1 << (nid & 31);
};
export const node_clear = (nid: number, mask: Uint32Array): void => {
  mask[nid >>> 5]! &= ~(1 << (nid & 31));
};
export const nodes_clear = (mask: Uint32Array): void => {
  mask.fill(0);
};
export const nodes_copy = (mask: Uint32Array, from: Uint32Array): void => {
  mask.set(from);
};
export const nodes_equal = (a: Uint32Array, b: Uint32Array): boolean => a.every((word, i) => word === b[i]);
/** Every node of `a` is in `b`. */
export const nodes_subset = (a: Uint32Array, b: Uint32Array): boolean => a.every((word, i) => (word & ~b[i]!) === 0);
export const nodes_intersects = (a: Uint32Array, b: Uint32Array): boolean => a.some((word, i) => (word & b[i]!) !== 0);
export const nodes_and = (a: Uint32Array, b: Uint32Array): Uint32Array => a.map((word, i) => word & b[i]!);
export const nodes_or = (a: Uint32Array, b: Uint32Array): Uint32Array => a.map((word, i) => word | b[i]!);
export const nodes_empty = (mask: Uint32Array): boolean => mask.every((word) => word === 0);

/** The first set bit at or above `from`, or -1. */
export function find_next_bit(mask: Uint32Array, from: number): number {
  let word = from >>> 5;
  if (word >= mask.length) return -1;
  let bits = mask[word]! & (-1 << (from & 31));
  while (bits === 0) {
    if (++word >= mask.length) return -1;
    bits = mask[word]!;
  }
  return (word << 5) + (31 - Math.clz32(bits & -bits));
}

export const first_node = (mask: Uint32Array): number => find_next_bit(mask, 0);
export const next_node = (nid: number, mask: Uint32Array): number => find_next_bit(mask, nid + 1);

/** Linux: for_each_node_mask(). Ascending. */
export function* for_each_node_mask(mask: Uint32Array): Generator<number> {
  for (let nid = first_node(mask); nid >= 0; nid = next_node(nid, mask)) yield nid;
}

export function nodes_weight(mask: Uint32Array): number {
  let weight = 0;
  for (let nid = first_node(mask); nid >= 0; nid = next_node(nid, mask)) weight++;
  return weight;
}

/** `%*pbl` of printk: "0-3,8". */
export function bitmap_list(mask: Uint32Array): string {
  const ranges: string[] = [];
  for (let first = first_node(mask); first >= 0; ) {
    let last = first;
    while (node_isset(last + 1, mask)) last++;
    ranges.push(first === last ? `${first}` : `${first}-${last}`);
    first = next_node(last, mask);
  }
  return ranges.join(',');
}
