// The sysctls of node reclaim (Linux: kernel/sysctl.c vm_table[], mm/page_alloc.c sysctl_min_unmapped_ratio_sysctl_handler()
// and its like for slab).

import type { Kernel } from '../kernel.ts';
import { type ctl_table, failed, proc_dointvec_minmax, type proc_handler, proc_handler_minmax } from '../sysctl.ts';
import { setup_min_slab_ratio, setup_min_unmapped_ratio } from './watermark.ts';

/** @param setup what follows, also when the file is only read */
const ratio_handler =
  (setup: (k: Kernel) => void): proc_handler =>
  (k, table, buffer) => {
    const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
    if (err !== 0) return failed(err);
    setup(k);
    return result;
  };

export const node_reclaim_table: readonly ctl_table[] = [
  {
    procname: 'zone_reclaim_mode',
    data: ({ page_alloc }) => [page_alloc.node_reclaim_mode],
    store: ({ page_alloc }, _, value) => {
      page_alloc.node_reclaim_mode = value;
    },
    min: 0,
    proc_handler: proc_handler_minmax,
  },
  {
    procname: 'min_unmapped_ratio',
    data: ({ watermark }) => [watermark.sysctl_min_unmapped_ratio],
    store: ({ watermark }, _, value) => {
      watermark.sysctl_min_unmapped_ratio = value;
    },
    min: 0,
    max: 100,
    proc_handler: ratio_handler(setup_min_unmapped_ratio),
  },
  {
    procname: 'min_slab_ratio',
    data: ({ watermark }) => [watermark.sysctl_min_slab_ratio],
    store: ({ watermark }, _, value) => {
      watermark.sysctl_min_slab_ratio = value;
    },
    min: 0,
    max: 100,
    proc_handler: ratio_handler(setup_min_slab_ratio),
  },
];
