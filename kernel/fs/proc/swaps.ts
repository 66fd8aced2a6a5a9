// /proc/swaps: the areas that are on, sizes in KiB (Linux: mm/swapfile.c swap_show()).

import { SWP_USED } from '../../include/swap.ts';
import { PAGE_SHIFT } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';

const K = (pages: number): number => pages * 2 ** (PAGE_SHIFT - 10);
/** From here on a number reaches the next tab stop by itself. */
const WIDE = 10_000_000;
const NAME_COLUMNS = 40;

const column = (kb: number): string => `${kb}${kb < WIDE ? '\t' : ''}`;

export function swaps_show({ swap }: Kernel): string {
  let text = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';
  for (const { flags, max, name, pages, inuse_pages, prio } of swap.swap_info) {
    if ((flags & SWP_USED) === 0 || max === 0) continue;
    const file = name.padEnd(Math.max(NAME_COLUMNS, name.length + 1));
    text += `${file}partition\t${column(K(pages))}\t${column(K(inuse_pages))}\t${prio}\n`;
  }
  return text;
}
