// Pages on their way to a swap area and back (Linux: mm/page_io.c).
//
// Left out: areas in files, zswap, synchronous devices.
// Differs from Linux: swap_writepage() does not wait for a tag when the disk has all it takes under way; whoever has
// many pages to write asks swap_write_congested() and waits before he locks the next one.

import {
  type bio_end_io,
  blk_queue_full,
  blk_wait_for_tag,
  PAGE_SECTORS,
  REQ_OP_READ,
  REQ_OP_WRITE,
  REQ_SWAP,
  submit_bio,
} from '../drivers/block/blk.ts';
import { disk_devt } from '../drivers/block/disk.ts';
import { PG_FLAGS } from '../include/mm_types.ts';
import { PG_dirty, PG_error, PG_reclaim, PG_uptodate } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import { PSWPIN, PSWPOUT } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KERN_ALERT } from '../lib/printk.ts';
import { __ratelimit, type RatelimitState } from '../lib/ratelimit.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { folio_end_writeback, folio_start_writeback, folio_unlock } from './folio_lock.ts';
import { page_index, section_map } from './page.ts';
import { swap_count } from './swap_count.ts';
import { swp_swap_info } from './swap_lookup.ts';
import { folio_free_swap, folio_swap_entry, page_swap_info } from './swap_state.ts';
import { swp_offset } from './swapops.ts';
import { __count_vm_events } from './vm_event.ts';

function change_flags(k: Kernel, pfn: pfn_t, clear: number, set: number): void {
  const m = section_map(k.mm, pfn);
  const i = page_index(pfn) + PG_FLAGS;
  m[i] = (m[i]! & ~clear) | set;
}

/** The sector is the one behind the request: as much of it counts as done. */
function report(
  k: Kernel,
  rs: RatelimitState,
  who: string,
  what: string,
  disk: { index: number },
  sector: number,
): void {
  if (!__ratelimit(k, rs, who)) return;
  k.log.printk(KERN_ALERT, `${what}-error on swap-device (${disk_devt(disk)}:${sector + PAGE_SECTORS})`);
}

/** A page that could not be written stays, dirty: its contents are nowhere else. */
const end_swap_bio_write: bio_end_io = (k, disk, sector, pfn, error) => {
  if (error !== 0) {
    change_flags(k, pfn, 1 << PG_reclaim, (1 << PG_error) | (1 << PG_dirty));
    report(k, k.swap.write_error_rs, 'end_swap_bio_write', 'Write', disk, sector);
  }
  folio_end_writeback(k, pfn);
};

/** A page that could not be read is not up to date: whoever faulted gets SIGBUS. */
const end_swap_bio_read: bio_end_io = (k, disk, sector, pfn, error) => {
  if (error === 0) change_flags(k, pfn, 0, 1 << PG_uptodate);
  else {
    change_flags(k, pfn, 1 << PG_uptodate, 1 << PG_error);
    report(k, k.swap.read_error_rs, 'end_swap_bio_read', 'Read', disk, sector);
  }
  folio_unlock(k, pfn);
};

const swap_page_sector = (k: Kernel, pfn: pfn_t): number => swp_offset(folio_swap_entry(k, pfn)) * PAGE_SECTORS;

/** Writes a page of the swap cache, unless nobody needs it there any more. Context: locked; unlocked when it returns. */
export function swap_writepage(k: Kernel, pfn: pfn_t): void {
  const entry = folio_swap_entry(k, pfn);
  const si = swp_swap_info(k, entry)!;
  const offset = swp_offset(entry);
  if (swap_count(si.swap_map[offset]!) === 0 && folio_free_swap(k, pfn)) {
    folio_unlock(k, pfn);
    return;
  }
  __count_vm_events(k, PSWPOUT, 1);
  folio_start_writeback(k, pfn);
  folio_unlock(k, pfn);
  submit_bio(k, si.disk!, REQ_OP_WRITE | REQ_SWAP, offset * PAGE_SECTORS, pfn, end_swap_bio_write);
}

/** Reads a page of the swap cache. Context: locked, not up to date; unlocked once it is read. */
export function swap_readpage(k: Kernel, pfn: pfn_t): void {
  const disk = page_swap_info(k, pfn).disk!;
  __count_vm_events(k, PSWPIN, 1);
  submit_bio(k, disk, REQ_OP_READ, swap_page_sector(k, pfn), pfn, end_swap_bio_read);
}

/** Whether a write of this page of the swap cache would have to wait for others to end. */
export const swap_write_congested = (k: Kernel, pfn: pfn_t): boolean => blk_queue_full(page_swap_info(k, pfn).disk!);

export const swap_write_wait = (k: Kernel, pfn: pfn_t): Sleeping<void> =>
  blk_wait_for_tag(k, page_swap_info(k, pfn).disk!);
