// From an entry to its area, with Linux's complaints about what is none (Linux: mm/swapfile.c _swap_info_get(),
// get_swap_device()).
//
// Left out: references to an area. Nobody sleeps between get_swap_device() and put_swap_device() here.

import { SWP_USED } from '../include/swap.ts';
import type { Kernel } from '../kernel.ts';
import { pr_err } from '../lib/printk.ts';
import type { swap_info_struct } from './swap_info.ts';
import { type swp_entry_t, swp_entry_text, swp_offset, swp_type } from './swapops.ts';

const BAD_FILE = 'Bad swap file entry ';
const UNUSED_FILE = 'Unused swap file entry ';
const BAD_OFFSET = 'Bad swap offset entry ';
const UNUSED_OFFSET = 'Unused swap offset entry ';

function complain(k: Kernel, who: string, what: string, entry: swp_entry_t): null {
  pr_err(k, `${who}: ${what}${swp_entry_text(entry)}`);
  return null;
}

export const swp_swap_info = (k: Kernel, entry: swp_entry_t): swap_info_struct | null =>
  k.swap.swap_info[swp_type(entry)] ?? null;

/** The area of an entry that somebody uses. */
export function _swap_info_get(k: Kernel, entry: swp_entry_t): swap_info_struct | null {
  if (entry === 0) return null;
  const si = swp_swap_info(k, entry);
  if (si === null) return complain(k, '_swap_info_get', BAD_FILE, entry);
  if ((si.flags & SWP_USED) === 0) return complain(k, '_swap_info_get', UNUSED_FILE, entry);
  const offset = swp_offset(entry);
  if (offset >= si.max) return complain(k, '_swap_info_get', BAD_OFFSET, entry);
  if (si.swap_map[offset] === 0) return complain(k, '_swap_info_get', UNUSED_OFFSET, entry);
  return si;
}

/** The area of an entry that nothing keeps from being freed. null also where the area is being switched off. */
export function get_swap_device(k: Kernel, entry: swp_entry_t): swap_info_struct | null {
  if (entry === 0) return null;
  const si = swp_swap_info(k, entry);
  if (si === null) return complain(k, 'get_swap_device', BAD_FILE, entry);
  if (!si.live) return null;
  return swp_offset(entry) < si.max ? si : complain(k, 'get_swap_device', BAD_OFFSET, entry);
}
