// Memory is emptied, as before it goes offline (Linux: mm/memory_hotplug.c offline_pages(), scan_movable_pages(),
// do_migrate_range()): its pageblocks are isolated, and whatever is in use there is moved elsewhere.
//
// Left out: what follows in Linux: the pages leave their zone. Here they stay, free and isolated, until
// online_emptied_pages(). Pages of hugetlb; hardware-poisoned pages.

import { __GFP_MOVABLE, __GFP_RETRY_MAYFAIL, GFP_USER } from '../include/gfp_types.ts';
import { MIGRATE_SYNC, MR_MEMORY_HOTPLUG } from '../include/migrate_mode.ts';
import { PG_FLAGS, PG_REFCOUNT } from '../include/mm_types.ts';
import { MIGRATE_MOVABLE, pageblock_nr_pages } from '../include/mmzone.ts';
import { PG_lru } from '../include/page_flags.ts';
import { EBUSY, EINTR, EINVAL, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { WARN_ONCE } from '../lib/bug.ts';
import { node_clear, node_set, nodes_copy, nodes_empty, nodes_none } from '../lib/nodemask.ts';
import { pr_warn } from '../lib/printk.ts';
import { __ratelimit, RatelimitState } from '../lib/ratelimit.ts';
import { cond_resched } from '../sched/core.ts';
import { fatal_signal_pending } from '../sched/signal.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { dump_page } from './debug.ts';
import { folio_isolate_lru } from './isolate_lru.ts';
import { IsolatedPages } from './isolated_pages.ts';
import { AllocatedTarget, count_isolated, migrate_pages, putback_movable_pages } from './migrate.ts';
import type { Zone } from './mmzone.ts';
import { page_index, page_to_nid, page_zone, pfn_valid, section_map } from './page.ts';
import {
  MEMORY_OFFLINE,
  REPORT_FAILURE,
  start_isolate_page_range,
  test_pages_isolated,
  undo_isolate_page_range,
} from './page_isolation.ts';
import { zone_pcp_disable, zone_pcp_enable } from './pageset.ts';
import { drain_all_pages } from './pcp.ts';
import { lru_cache_disable, lru_cache_enable } from './swap.ts';

/** Rounds in a row that move nothing. */
const MAX_ROUNDS_IN_VAIN = 8;
const migrate_rs = (): RatelimitState => new RatelimitState(5e9, 10);

const on_lru_list = (k: Kernel, pfn: pfn_t): boolean =>
  ((section_map(k.mm, pfn)[page_index(pfn) + PG_FLAGS]! >>> PG_lru) & 1) !== 0;

/** The first page that could be moved; -1: there is none. */
function scan_movable_pages(k: Kernel, start: pfn_t, end: pfn_t): pfn_t {
  for (let pfn = start; pfn < end; pfn++) if (pfn_valid(k.mm, pfn) && on_lru_list(k, pfn)) return pfn;
  return -1;
}

/** Moves what is on LRU lists, to other nodes if there are any. @returns how many pages were moved */
function* do_migrate_range(k: Kernel, start: pfn_t, end: pfn_t, rs: RatelimitState): Sleeping<number> {
  const source = new IsolatedPages();
  for (let pfn = start; pfn < end; pfn++) {
    if (!pfn_valid(k.mm, pfn) || section_map(k.mm, pfn)[page_index(pfn) + PG_REFCOUNT] === 0) continue;
    if (folio_isolate_lru(k, pfn)) {
      count_isolated(k, pfn, 1);
      source.push(pfn);
    } else if (__ratelimit(k, rs, 'do_migrate_range')) {
      pr_warn(k, `failed to isolate pfn ${pfn.toString(16)}`);
      dump_page(k, pfn, 'isolation failed');
    }
  }
  if (source.nr === 0) return 0;
  // The first that was found is moved first.
  source.reverse();
  const nid = page_to_nid(k, start);
  const nmask = nodes_none();
  nodes_copy(nmask, k.node_states.N_MEMORY);
  node_clear(nid, nmask);
  if (nodes_empty(nmask)) node_set(nid, nmask);
  const target = new AllocatedTarget(GFP_USER | __GFP_MOVABLE | __GFP_RETRY_MAYFAIL, nid, nmask);
  const ret = yield* migrate_pages(k, source, new IsolatedPages(), target, MIGRATE_SYNC, MR_MEMORY_HOTPLUG);
  const moved = k.compaction.nr_succeeded;
  for (let n = source.nr - 1; n >= 0; n--) {
    if (!__ratelimit(k, rs, 'do_migrate_range')) break;
    pr_warn(k, `migrating pfn ${source.pages[n]!.toString(16)} failed ret:${ret}`);
    dump_page(k, source.pages[n]!, 'migration failure');
  }
  putback_movable_pages(k, source);
  return moved;
}

/**
 * Empties [start_pfn, start_pfn + nr_pages), whole pageblocks of one zone. Nobody is given pages of it from then on.
 *
 * Differs from Linux, which tries until a signal comes where pages cannot be moved: here that ends with -EBUSY.
 * @returns 0, or -errno with everything as it was
 */
export function* empty_pages(k: Kernel, start_pfn: pfn_t, nr_pages: number, zone: Zone): Sleeping<number> {
  const end_pfn = start_pfn + nr_pages;
  const odd = nr_pages === 0 || start_pfn % pageblock_nr_pages !== 0 || nr_pages % pageblock_nr_pages !== 0;
  if (WARN_ONCE(k, odd, 'mm/memory_hotplug.c:1816 offline_pages')) return -EINVAL;
  if (page_zone(k, start_pfn) !== zone || page_zone(k, end_pfn - 1) !== zone) return -EINVAL;
  zone_pcp_disable(k, zone);
  drain_all_pages(k, zone);
  lru_cache_disable(k);
  let ret = start_isolate_page_range(k, start_pfn, end_pfn, MIGRATE_MOVABLE, MEMORY_OFFLINE | REPORT_FAILURE);
  if (ret === 0) {
    ret = yield* move_everything(k, start_pfn, end_pfn);
    if (ret !== 0) undo_isolate_page_range(k, start_pfn, end_pfn, MIGRATE_MOVABLE);
  }
  lru_cache_enable(k);
  zone_pcp_enable(k, zone);
  return ret;
}

function* move_everything(k: Kernel, start_pfn: pfn_t, end_pfn: pfn_t): Sleeping<number> {
  const rs = migrate_rs();
  for (let in_vain = 0; in_vain < MAX_ROUNDS_IN_VAIN; ) {
    if (fatal_signal_pending(k.current)) return -EINTR;
    yield* cond_resched(k);
    const pfn = scan_movable_pages(k, start_pfn, end_pfn);
    if (pfn >= 0) in_vain = (yield* do_migrate_range(k, pfn, end_pfn, rs)) > 0 ? 0 : in_vain + 1;
    else if (test_pages_isolated(k, start_pfn, end_pfn, MEMORY_OFFLINE) === 0) return 0;
    else in_vain++;
  }
  return -EBUSY;
}

/** Pages that were emptied are there for all again. */
export function online_emptied_pages(k: Kernel, start_pfn: pfn_t, nr_pages: number): void {
  undo_isolate_page_range(k, start_pfn, start_pfn + nr_pages, MIGRATE_MOVABLE);
}
