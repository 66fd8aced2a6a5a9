// Pages that must stay in memory (Linux: mm/mlock.c mlock_folio(), munlock_folio()): those of areas with VM_LOCKED. They
// wait on the unevictable list, which nobody scans.
//
// Left out: mlock() of what is mapped already, how many areas lock a page (the first that goes unlocks it), batches.

import { VM_LOCKED } from '../include/mm.ts';
import { PG_FLAGS } from '../include/mm_types.ts';
import { NR_MLOCK } from '../include/mmzone.ts';
import { PG_active, PG_lru, PG_mlocked, PG_unevictable } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import {
  UNEVICTABLE_PGCULLED,
  UNEVICTABLE_PGMLOCKED,
  UNEVICTABLE_PGMUNLOCKED,
  UNEVICTABLE_PGRESCUED,
  UNEVICTABLE_PGSTRANDED,
} from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { folio_lruvec, lruvec_add_folio, lruvec_del_folio } from './lruvec.ts';
import type { vm_area_struct } from './mm_struct.ts';
import { page_index, page_zone, section_map } from './page.ts';
import { __count_vm_events } from './vm_event.ts';
import { __mod_zone_page_state } from './vmstat.ts';

/** Changes flags of a page that is on a list, which is another one by then. */
function move(k: Kernel, pfn: pfn_t, clear: number, set: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const lruvec = folio_lruvec(k, pfn);
  lruvec_del_folio(k, lruvec, pfn);
  m[i] = (m[i]! & ~clear) | set;
  lruvec_add_folio(k, lruvec, pfn);
}

/** The page has just been mapped in the area. One that is on no list yet will find the right one. */
export function mlock_vma_page(k: Kernel, pfn: pfn_t, vma: vm_area_struct): void {
  if ((vma.vm_flags & VM_LOCKED) === 0) return;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const flags = m[i]!;
  if ((flags & (1 << PG_mlocked)) !== 0) return;
  m[i] = flags | (1 << PG_mlocked);
  __mod_zone_page_state(k, page_zone(k, pfn), NR_MLOCK, 1);
  __count_vm_events(k, UNEVICTABLE_PGMLOCKED, 1);
  if ((flags & ((1 << PG_lru) | (1 << PG_unevictable))) !== 1 << PG_lru) return;
  move(k, pfn, 1 << PG_active, 1 << PG_unevictable);
  __count_vm_events(k, UNEVICTABLE_PGCULLED, 1);
}

/** It is about to be mapped there no more. */
export function munlock_vma_page(k: Kernel, pfn: pfn_t, vma: vm_area_struct): void {
  if ((vma.vm_flags & VM_LOCKED) === 0) return;
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  const flags = m[i]!;
  if ((flags & (1 << PG_mlocked)) === 0) return;
  m[i] = flags & ~(1 << PG_mlocked);
  __mod_zone_page_state(k, page_zone(k, pfn), NR_MLOCK, -1);
  const both = (1 << PG_lru) | (1 << PG_unevictable);
  const lists = flags & both;
  // One that somebody has taken off the unevictable list goes back there, though nothing locks it.
  __count_vm_events(k, lists === 1 << PG_unevictable ? UNEVICTABLE_PGSTRANDED : UNEVICTABLE_PGMUNLOCKED, 1);
  if (lists !== both) return;
  move(k, pfn, 1 << PG_unevictable, 0);
  __count_vm_events(k, UNEVICTABLE_PGRESCUED, 1);
}
