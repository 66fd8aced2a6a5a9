// What reclaim does with an anonymous page, step by step, for tests of what comes after.

import { PG_REFCOUNT } from '../include/mm_types.ts';
import { PG_dirty } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { folio_clear, folio_get } from '../mm/folio.ts';
import { folio_lock, folio_unlock, folio_wait_writeback } from '../mm/folio_lock.ts';
import { page_index, section_map } from '../mm/page.ts';
import { swap_writepage } from '../mm/page_io.ts';
import { try_to_unmap } from '../mm/rmap.ts';
import { folio_put, lru_add_drain_all } from '../mm/swap.ts';
import { __delete_from_swap_cache, add_to_swap, folio_swap_entry, folio_test_swapcache } from '../mm/swap_state.ts';
import { put_swap_folio } from '../mm/swapfile.ts';
import { workingset_eviction } from '../mm/workingset.ts';
import type { Sleeping } from '../sched/sleeping.ts';

/** Up to where it is written: it stays in the swap cache, and the caller gets a reference. @returns false: no room in swap */
export function* write_out(k: Kernel, pfn: pfn_t): Sleeping<boolean> {
  lru_add_drain_all(k);
  folio_get(k, pfn);
  yield* folio_lock(k, pfn);
  if (!folio_test_swapcache(k, pfn) && !add_to_swap(k, pfn)) {
    folio_unlock(k, pfn);
    folio_put(k, pfn);
    return false;
  }
  try_to_unmap(k, pfn, 0);
  folio_clear(k, pfn, PG_dirty);
  swap_writepage(k, pfn);
  yield* folio_wait_writeback(k, pfn);
  return true;
}

/** And up to where it is gone, unless somebody has come back to it. */
export function* page_out(k: Kernel, pfn: pfn_t): Sleeping<void> {
  if (!(yield* write_out(k, pfn))) return;
  yield* folio_lock(k, pfn);
  const m = section_map(k.mm, pfn);
  const refcount = page_index(pfn) + PG_REFCOUNT;
  if (folio_test_swapcache(k, pfn) && m[refcount] === 2) {
    const entry = folio_swap_entry(k, pfn);
    __delete_from_swap_cache(k, pfn, entry, workingset_eviction(k, pfn, null));
    put_swap_folio(k, entry);
    m[refcount] = 1;
  }
  folio_unlock(k, pfn);
  folio_put(k, pfn);
}
