// Sets of bits carried over to other sets (Linux: lib/bitmap.c bitmap_remap(), bitmap_onto(), bitmap_fold()).

import { for_each_node_mask, node_isset, node_set, nodes_none, nodes_weight } from './nodemask.ts';

/** The n-th bit of `from` becomes the n-th of `to`, round and round where `to` has fewer; others stay what they are. */
export function nodes_remap(src: Uint32Array, from: Uint32Array, to: Uint32Array): Uint32Array {
  const dst = nodes_none();
  const old = [...for_each_node_mask(from)];
  const targets = [...for_each_node_mask(to)];
  for (const bit of for_each_node_mask(src)) {
    const n = old.indexOf(bit);
    node_set(n < 0 || targets.length === 0 ? bit : targets[n % targets.length]!, dst);
  }
  return dst;
}

/** Bit n of `orig`, modulo the number of bits in `relmap`, means the n-th bit of `relmap`: fold, then onto. */
export function nodes_relative(orig: Uint32Array, relmap: Uint32Array): Uint32Array {
  const folded = nodes_none();
  const size = nodes_weight(relmap);
  if (size === 0) return folded;
  for (const bit of for_each_node_mask(orig)) node_set(bit % size, folded);
  const dst = nodes_none();
  let m = 0;
  for (const bit of for_each_node_mask(relmap)) if (node_isset(m++, folded)) node_set(bit, dst);
  return dst;
}
