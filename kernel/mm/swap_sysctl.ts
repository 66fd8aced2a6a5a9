// vm.page-cluster: how many pages may be read ahead from swap, as a power of two (Linux: mm/swap.c swap_setup(),
// kernel/sysctl.c vm_table[]).

import { PAGE_SHIFT } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { type ctl_table, proc_handler_minmax } from '../sysctl.ts';

const SMALL_MACHINE_MIB = 16;

export function swap_setup(k: Kernel): void {
  const megs = Math.floor(k.mm.totalram_pages / 2 ** (20 - PAGE_SHIFT));
  k.swap.page_cluster = megs < SMALL_MACHINE_MIB ? 2 : 3;
}

export const swap_table: readonly ctl_table[] = [
  {
    procname: 'page-cluster',
    data: ({ swap }) => [swap.page_cluster],
    store: ({ swap }, _, value) => {
      swap.page_cluster = value;
    },
    min: 0,
    proc_handler: proc_handler_minmax,
  },
];
