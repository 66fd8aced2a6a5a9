// Which areas an anonymous page may be mapped in (Linux: mm/rmap.c anon_vma_prepare(), anon_vma_clone(), anon_vma_fork(),
// unlink_anon_vmas()): page->mapping points to an anon_vma, and that knows its areas. A forked task's area gets an
// anon_vma of its own for new pages and hangs on its parent's too, whose pages it shares.
//
// Left out: locks. Differs from Linux: what page->mapping points to is no memory: the pointer is made of the object's
// number, in the addresses that vmalloc would have.

import type { Kernel } from '../kernel.ts';
import { area_node, area_tree, interval_tree_insert, interval_tree_remove } from './interval_tree.ts';
import { find_vma_index, type vm_area_struct } from './mm_struct.ts';

/** High word of such a pointer. The number is in the low word, from bit 6 on. */
export const ANON_VMA_HI = -0x3700;
export const ANON_VMA_SHIFT = 6;
/** PAGE_MAPPING_ANON. */
export const PAGE_MAPPING_ANON = 1;

/** An area, and one of the anon_vmas that it hangs on. */
export class anon_vma_chain extends area_node {
  readonly anon_vma: anon_vma;

  constructor(vma: vm_area_struct, av: anon_vma) {
    super(vma);
    this.anon_vma = av;
  }
}

export class anon_vma {
  readonly id: number;
  /** What page->mapping holds: the pointer's low word, with PAGE_MAPPING_ANON. */
  readonly mapping_lo: number;
  readonly parent: anon_vma;
  /** Itself if it is a root, and those that were forked from it. */
  num_children = 0;
  /** Areas whose new pages belong here. */
  num_active_vmas = 0;
  readonly rb_root = new area_tree();

  constructor(id: number, parent: anon_vma | null) {
    this.id = id;
    this.mapping_lo = (id << ANON_VMA_SHIFT) | PAGE_MAPPING_ANON;
    this.parent = parent ?? this;
  }
}

function anon_vma_alloc(k: Kernel, parent: anon_vma | null): anon_vma {
  const { anon_vmas, free_anon_vmas } = k.user;
  const id = free_anon_vmas.pop() ?? anon_vmas.length;
  const made = new anon_vma(id, parent);
  made.parent.num_children++;
  anon_vmas[id] = made;
  return made;
}

/** Pages may point to it still, if they are in the swap cache alone: whoever follows that sees first that none is mapped. */
function anon_vma_free(k: Kernel, av: anon_vma): void {
  k.user.anon_vmas[av.id] = null;
  k.user.free_anon_vmas.push(av.id);
}

function anon_vma_chain_link(vma: vm_area_struct, av: anon_vma): void {
  const avc = new anon_vma_chain(vma, av);
  vma.anon_vma_chain.push(avc);
  interval_tree_insert(av.rb_root, avc);
}

/** Areas next to each other that could become one use one anon_vma, so that they still can. */
function reusable_anon_vma(a: vm_area_struct | undefined, b: vm_area_struct | undefined): anon_vma | null {
  if (a === undefined || b === undefined) return null;
  const near = a.anon_vma ?? b.anon_vma;
  const mergeable =
    a.vm_end === b.vm_start &&
    a.vm_flags === b.vm_flags &&
    b.vm_pgoff === a.vm_pgoff + (b.vm_start - a.vm_start) / 4096;
  if (!mergeable || near === null) return null;
  return (a.anon_vma === null ? b : a).anon_vma_chain.length === 1 ? near : null;
}

/** The area is about to get its first anonymous page. */
export function anon_vma_prepare(k: Kernel, vma: vm_area_struct): void {
  if (vma.anon_vma !== null) return;
  const { vmas } = vma.vm_mm;
  const i = find_vma_index(vma.vm_mm, vma.vm_start);
  const found = reusable_anon_vma(vma, vmas[i + 1]) ?? reusable_anon_vma(vmas[i - 1], vma);
  const av = found ?? anon_vma_alloc(k, null);
  vma.anon_vma = av;
  anon_vma_chain_link(vma, av);
  av.num_active_vmas++;
}

/** Hangs `dst` on everything that `src` hangs on. */
export function anon_vma_clone(dst: vm_area_struct, src: vm_area_struct): void {
  for (let n = src.anon_vma_chain.length - 1; n >= 0; n--) {
    const av = src.anon_vma_chain[n]!.anon_vma;
    anon_vma_chain_link(dst, av);
    // One that no area uses any more, and that has one child at most, serves again: chains of forks stay short.
    if (dst.anon_vma === null && src.anon_vma !== null && av.num_children < 2 && av.num_active_vmas === 0) {
      dst.anon_vma = av;
    }
  }
  if (dst.anon_vma !== null) dst.anon_vma.num_active_vmas++;
}

/** `vma` is a copy of `pvma` in a new address space. */
export function anon_vma_fork(k: Kernel, vma: vm_area_struct, pvma: vm_area_struct): void {
  if (pvma.anon_vma === null) return;
  vma.anon_vma = null;
  anon_vma_clone(vma, pvma);
  if (vma.anon_vma !== null) return;
  const av = anon_vma_alloc(k, pvma.anon_vma);
  av.num_active_vmas++;
  vma.anon_vma = av;
  anon_vma_chain_link(vma, av);
}

/** The area goes. */
export function unlink_anon_vmas(k: Kernel, vma: vm_area_struct): void {
  if (vma.anon_vma !== null) vma.anon_vma.num_active_vmas--;
  for (const avc of vma.anon_vma_chain) interval_tree_remove(avc.anon_vma.rb_root, avc);
  // Children come after their parents on the chain, so all of an anon_vma's children have let go of it by then.
  for (let n = vma.anon_vma_chain.length - 1; n >= 0; n--) {
    const av = vma.anon_vma_chain[n]!.anon_vma;
    if (av.rb_root.root !== null) continue;
    av.parent.num_children--;
    anon_vma_free(k, av);
  }
  vma.anon_vma_chain.length = 0;
  vma.anon_vma = null;
}
