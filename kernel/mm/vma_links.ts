// What an area hangs on, for reverse mapping to find it: its file and its anon_vmas (Linux: mm/mmap.c vma_link_file(),
// free_pgtables()).

import type { Kernel } from '../kernel.ts';
import { unlink_anon_vmas } from './anon_vma.ts';
import type { file } from './filemap.ts';
import type { vm_area_struct } from './mm_struct.ts';

/** A new area maps the file; null: none. */
export function link_file(vma: vm_area_struct, f: file | null): void {
  if (f === null) return;
  vma.vm_file = f;
  vma.set_page_prot();
  f.f_inode.i_mapping.i_mmap.push(vma);
}

/** The area goes. Nothing is mapped in it any more. */
export function unlink_vma(k: Kernel, vma: vm_area_struct): void {
  unlink_anon_vmas(k, vma);
  const areas = vma.vm_file?.f_inode.i_mapping.i_mmap;
  areas?.splice(areas.indexOf(vma), 1);
}
