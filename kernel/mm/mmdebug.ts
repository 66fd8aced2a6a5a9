// CONFIG_DEBUG_VM's checks (Linux: include/linux/mmdebug.h, mm/page_alloc.c bad_range()). A caller asks k.config.DEBUG_VM
// first, or the static key of it: without the option nothing here runs.

import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { BUG } from '../lib/bug.ts';
import { hex, pr_err } from '../lib/printk.ts';
import { dump_page } from './debug.ts';
import type { Zone } from './mmzone.ts';
import { page_zone_id } from './page.ts';

/**
 * VM_BUG_ON_PAGE().
 * @param what the condition as Linux 6.1 writes it
 * @param where "mm/page_alloc.c:1420"
 */
export function VM_BUG_ON_PAGE(k: Kernel, condition: boolean, what: string, pfn: pfn_t, where: string): void {
  if (!condition) return;
  dump_page(k, pfn, `VM_BUG_ON_PAGE(${what})`);
  BUG(k, where);
}

/** Whether a page is not this zone's after all. */
export function bad_range(k: Kernel, zone: Zone, pfn: pfn_t): boolean {
  if (!zone.zone_spans_pfn(pfn)) {
    const span = `[ ${hex(zone.zone_start_pfn)} - ${hex(zone.zone_end_pfn)} ]`;
    pr_err(k, `page ${hex(pfn)} outside node ${zone.nid} zone ${zone.name} ${span}`);
    return true;
  }
  return page_zone_id(k, pfn) !== zone.id;
}
