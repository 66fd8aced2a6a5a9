// init_on_alloc= and init_on_free=, and the line that reports them (Linux: mm/page_alloc.c early_init_on_alloc(),
// init/main.c report_meminit()).
//
// How they go together with page poisoning: page_debug.ts.

import { __GFP_ZERO } from '../include/gfp_types.ts';
import { KEY_INIT_ON_FREE } from '../include/static_keys.ts';
import { EINVAL } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { kstrtobool } from '../lib/memparse.ts';
import { pr_info } from '../lib/printk.ts';
import { static_key_set } from '../lib/static_key.ts';

export class InitOnState {
  /** Pages are cleared when they are handed out, when they come back. */
  init_on_alloc: boolean;
  init_on_free = false;
  /** By pfn, as far as the highest: 1 where a page was handed out while init_on_free was on. */
  handed_out = new Uint8Array(0);

  constructor(init_on_alloc: boolean) {
    this.init_on_alloc = init_on_alloc;
  }
}

/** early_param("init_on_alloc"). */
export function early_init_on_alloc(k: Kernel, value: string | null): number {
  const on = kstrtobool(value);
  if (on === null) return -EINVAL;
  k.init_on.init_on_alloc = on;
  k.page_alloc.init_on_alloc = on ? __GFP_ZERO : 0;
  return 0;
}

/** early_param("init_on_free"). */
export function early_init_on_free(k: Kernel, value: string | null): number {
  const on = kstrtobool(value);
  if (on === null) return -EINVAL;
  k.init_on.init_on_free = on;
  static_key_set(k, KEY_INIT_ON_FREE, on);
  return 0;
}

export function report_meminit(k: Kernel): void {
  const on = (value: boolean): string => (value ? 'on' : 'off');
  const { init_on_alloc, init_on_free } = k.init_on;
  pr_info(k, `mem auto-init: stack:all(zero), heap alloc:${on(init_on_alloc)}, heap free:${on(init_on_free)}`);
  if (init_on_free) pr_info(k, 'mem auto-init: clearing system memory may take some time...');
}
