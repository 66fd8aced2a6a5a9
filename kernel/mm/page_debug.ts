// What debugging of page contents and free pages is on (Linux: mm/page_alloc.c init_mem_debugging_and_hardening(),
// early_debug_pagealloc(), debug_guardpage_minorder_setup(); mm/page_poison.c early_page_poison_param()).

import { MAX_ORDER } from '../include/mmzone.ts';
import { KEY_DEBUG_PAGEALLOC, KEY_PAGE_POISONING } from '../include/static_keys.ts';
import { EINVAL } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { kstrtobool } from '../lib/memparse.ts';
import { pr_err, pr_info } from '../lib/printk.ts';
import { RatelimitState } from '../lib/ratelimit.ts';
import { early_init_on_alloc, early_init_on_free } from './init_on.ts';

export class PageDebugState {
  /** What the command line asks for; init_mem_debugging_and_hardening() decides. */
  page_poisoning_early = false;
  debug_pagealloc_early = false;
  /** Blocks of a smaller order that would be free are kept out of use, around those that are in use. */
  guardpage_minorder = 0;
  /** Static key _debug_guardpage_enabled. */
  guardpage = false;
  /** By pfn: 1 where the page's contents are PAGE_POISON, unless someone wrote there. */
  poisoned = new Uint8Array(0);
  /** check_poison_mem()'s: ten reports in five seconds. */
  readonly poison_ratelimit = new RatelimitState(5e9, 10);
}

/** early_param("page_poison"). */
export function early_page_poison_param(k: Kernel, value: string | null): number {
  const on = kstrtobool(value);
  if (on === null) return -EINVAL;
  k.page_debug.page_poisoning_early = on;
  return 0;
}

/** early_param("debug_pagealloc"). */
export function early_debug_pagealloc(k: Kernel, value: string | null): number {
  const on = kstrtobool(value);
  if (on === null) return -EINVAL;
  k.page_debug.debug_pagealloc_early = on;
  return 0;
}

/** early_param("debug_guardpage_minorder"). */
export function debug_guardpage_minorder_setup(k: Kernel, value: string | null): number {
  const order = value !== null && /^\+?\d+$/.test(value) ? Number(value) : -1;
  if (order < 0 || order > MAX_ORDER >> 1) {
    pr_err(k, 'Bad debug_guardpage_minorder value');
    return 0;
  }
  k.page_debug.guardpage_minorder = order;
  pr_info(k, `Setting debug_guardpage_minorder to ${order}`);
  return 0;
}

/** Switches on what the command line asked for, as far as it goes together. */
export function init_mem_debugging_and_hardening(k: Kernel): void {
  const debug = k.page_debug;
  const { init_on } = k;
  if (debug.page_poisoning_early) {
    k.page_alloc.static_keys |= KEY_PAGE_POISONING;
    if (init_on.init_on_alloc || init_on.init_on_free) {
      pr_info(
        k,
        'mem auto-init: CONFIG_PAGE_POISONING is on, will take precedence over init_on_alloc and init_on_free',
      );
      early_init_on_alloc(k, '0');
      early_init_on_free(k, '0');
    }
  }
  if (!debug.debug_pagealloc_early) return;
  k.page_alloc.static_keys |= KEY_DEBUG_PAGEALLOC;
  debug.guardpage = debug.guardpage_minorder > 0;
}
