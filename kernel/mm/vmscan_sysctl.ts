// vm.swappiness (Linux: kernel/sysctl.c vm_table[], mm/vmscan.c vm_swappiness).

import { type ctl_table, proc_handler_minmax } from '../sysctl.ts';

export const vmscan_table: readonly ctl_table[] = [
  {
    procname: 'swappiness',
    data: ({ vmscan }) => [vmscan.swappiness],
    store: ({ vmscan }, _, value) => {
      vmscan.swappiness = value;
    },
    min: 0,
    max: 200,
    proc_handler: proc_handler_minmax,
  },
];
