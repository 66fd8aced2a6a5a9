// What an area hangs on, for reverse mapping to find it: its file and its anon_vmas (Linux: mm/mmap.c vma_link_file(),
// free_pgtables()).

import type { Kernel } from '../kernel.ts';
import { unlink_anon_vmas } from './anon_vma.ts';
import type { file } from './filemap.ts';
import { area_node, interval_tree_insert, interval_tree_remove } from './interval_tree.ts';
import type { vm_area_struct } from './mm_struct.ts';

/** A new area maps the file; null: none. */
export function link_file(vma: vm_area_struct, f: file | null): void {
  if (f === null) return;
  vma.vm_file = f;
  vma.set_page_prot();
  vma.shared = new area_node(vma);
  interval_tree_insert(f.f_inode.i_mapping.i_mmap, vma.shared);
}

/** __vma_adjust(): the area ends at `end` from now on. Whoever looks for areas by their pages finds it there. */
export function vma_set_end(vma: vm_area_struct, end: number): void {
  const i_mmap = vma.vm_file?.f_inode.i_mapping.i_mmap;
  for (const avc of vma.anon_vma_chain) interval_tree_remove(avc.anon_vma.rb_root, avc);
  if (i_mmap !== undefined) interval_tree_remove(i_mmap, vma.shared!);
  vma.vm_end = end;
  if (i_mmap !== undefined) interval_tree_insert(i_mmap, vma.shared!);
  for (const avc of vma.anon_vma_chain) interval_tree_insert(avc.anon_vma.rb_root, avc);
}

/** The area goes. Nothing is mapped in it any more. */
export function unlink_vma(k: Kernel, vma: vm_area_struct): void {
  unlink_anon_vmas(k, vma);
  if (vma.vm_file !== null) interval_tree_remove(vma.vm_file.f_inode.i_mapping.i_mmap, vma.shared!);
}
