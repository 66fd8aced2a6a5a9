// Boot memory becomes the buddy allocator's, and what only boot needed goes the same way (Linux: arch/x86/mm/init_64.c
// mem_init(), arch/x86/mm/init.c free_initmem()).

import type { Kernel } from '../../kernel.ts';
import { free_reserved_area, POISON_FREE_INITMEM } from '../../mm/free_reserved.ts';
import { memblock_replace_reserved } from '../../mm/memblock.ts';
import { memblock_free_all } from '../../mm/memblock_free.ts';
import { init_section } from './sections.ts';

export function mem_init(k: Kernel): void {
  if (k.recorded !== null) memblock_replace_reserved(k, k.recorded);
  memblock_free_all(k);
}

export function free_initmem(k: Kernel): void {
  const { start, end } = init_section(k.config.image);
  free_reserved_area(k, start, end, POISON_FREE_INITMEM, 'unused kernel image (initmem)');
}
