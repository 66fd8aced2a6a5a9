// The sysctls of the page allocator, and what follows when one is written or read (Linux: kernel/sysctl.c vm_table[],
// mm/page_alloc.c *_sysctl_handler()).

import { configured_zones } from '../fs/proc/zones.ts';
import { EINVAL } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { type ctl_table, failed, proc_dointvec_minmax, proc_handler_minmax, type sysctl_result } from '../sysctl.ts';
import { for_each_populated_zone } from './mmzone_iter.ts';
import { zone_pcp_update } from './pageset.ts';
import { setup_per_zone_lowmem_reserve, setup_per_zone_wmarks } from './watermark.ts';

/** A larger part of a zone than this must not lie on per-cpu lists. */
const MIN_PERCPU_PAGELIST_HIGH_FRACTION = 8;

export function min_free_kbytes_sysctl_handler(k: Kernel, table: ctl_table, buffer: string | null): sysctl_result {
  const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
  if (err !== 0) return failed(err);
  if (buffer !== null) {
    k.watermark.user_min_free_kbytes = k.watermark.min_free_kbytes;
    setup_per_zone_wmarks(k);
  }
  return result;
}

export function watermark_scale_factor_sysctl_handler(
  k: Kernel,
  table: ctl_table,
  buffer: string | null,
): sysctl_result {
  const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
  if (err !== 0) return failed(err);
  if (buffer !== null) setup_per_zone_wmarks(k);
  return result;
}

/** Never fails, and makes reserves anew from what zones manage now even when it is only read. */
export function lowmem_reserve_ratio_sysctl_handler(k: Kernel, table: ctl_table, buffer: string | null): sysctl_result {
  const { err: _, ...result } = proc_dointvec_minmax(k, table, buffer);
  const { sysctl_lowmem_reserve_ratio } = k.watermark;
  for (const [i, ratio] of sysctl_lowmem_reserve_ratio.entries()) {
    if (ratio < 1) sysctl_lowmem_reserve_ratio[i] = 0;
  }
  setup_per_zone_lowmem_reserve(k);
  return result;
}

export function percpu_pagelist_high_fraction_sysctl_handler(
  k: Kernel,
  table: ctl_table,
  buffer: string | null,
): sysctl_result {
  const { watermark } = k;
  const old = watermark.percpu_pagelist_high_fraction;
  const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
  if (err !== 0) return failed(err);
  const fraction = watermark.percpu_pagelist_high_fraction;
  if (fraction !== 0 && fraction < MIN_PERCPU_PAGELIST_HIGH_FRACTION) {
    watermark.percpu_pagelist_high_fraction = old;
    return failed(-EINVAL);
  }
  if (fraction !== old) for (const zone of for_each_populated_zone(k)) zone_pcp_update(k, zone, 0);
  return result;
}

/** What is here of vm_table[]. */
export const vm_table: readonly ctl_table[] = [
  {
    procname: 'lowmem_reserve_ratio',
    // As many as the configuration has zones.
    data: ({ watermark, config }) =>
      watermark.sysctl_lowmem_reserve_ratio.filter((_, i) => configured_zones(config).includes(i)),
    store: ({ watermark, config }, i, value) => {
      watermark.sysctl_lowmem_reserve_ratio[configured_zones(config)[i]!] = value;
    },
    proc_handler: lowmem_reserve_ratio_sysctl_handler,
  },
  {
    procname: 'min_free_kbytes',
    data: ({ watermark }) => [watermark.min_free_kbytes],
    store: ({ watermark }, _, value) => {
      watermark.min_free_kbytes = value;
    },
    min: 0,
    proc_handler: min_free_kbytes_sysctl_handler,
  },
  {
    procname: 'watermark_boost_factor',
    data: ({ watermark }) => [watermark.watermark_boost_factor],
    store: ({ watermark }, _, value) => {
      watermark.watermark_boost_factor = value;
    },
    min: 0,
    proc_handler: proc_handler_minmax,
  },
  {
    procname: 'watermark_scale_factor',
    data: ({ watermark }) => [watermark.watermark_scale_factor],
    store: ({ watermark }, _, value) => {
      watermark.watermark_scale_factor = value;
    },
    min: 1,
    max: 3000,
    proc_handler: watermark_scale_factor_sysctl_handler,
  },
  {
    procname: 'percpu_pagelist_high_fraction',
    data: ({ watermark }) => [watermark.percpu_pagelist_high_fraction],
    store: ({ watermark }, _, value) => {
      watermark.percpu_pagelist_high_fraction = value;
    },
    min: 0,
    proc_handler: percpu_pagelist_high_fraction_sysctl_handler,
  },
];
