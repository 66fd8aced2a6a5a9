// vm.panic_on_oom, vm.oom_kill_allocating_task, vm.oom_dump_tasks (Linux: mm/oom_kill.c vm_oom_kill_table[]).

import { type ctl_table, proc_handler_minmax } from '../sysctl.ts';

type Sysctl = 'panic_on_oom' | 'oom_kill_allocating_task' | 'oom_dump_tasks';

const file = (procname: Sysctl, limits: Pick<ctl_table, 'min' | 'max'> = {}): ctl_table => ({
  procname,
  data: ({ oom }) => [oom[`sysctl_${procname}`]],
  store: ({ oom }, _, value) => {
    oom[`sysctl_${procname}`] = value;
  },
  ...limits,
  proc_handler: proc_handler_minmax,
});

export const oom_table: readonly ctl_table[] = [
  file('panic_on_oom', { min: 0, max: 2 }),
  file('oom_kill_allocating_task'),
  file('oom_dump_tasks'),
];
