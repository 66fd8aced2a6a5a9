// Which controllers there are (Linux: kernel/cgroup/cgroup.c cgroup_disable()).
//
// Left out: what switching off any but memory comes to.

import type { Kernel } from '../kernel.ts';
import { pr_info } from '../lib/printk.ts';

/** The name that a controller has with cgroup v1. */
const legacy_name = (name: string): string => (name === 'io' ? 'blkio' : name);

/** cgroup_disable=controller,... */
export function cgroup_disable(k: Kernel, value: string): number {
  const { cgroup_subsys, cgroup_features } = k.config;
  for (const token of value.split(',')) {
    for (const name of cgroup_subsys) {
      if (token !== name && token !== legacy_name(name)) continue;
      if (name === 'memory') k.memcg.disabled = true;
      pr_info(k, `cgroup: Disabling ${name} control group subsystem`);
    }
    if (cgroup_features.includes(token)) pr_info(k, `cgroup: Disabling ${token} control group feature`);
  }
  return 1;
}
