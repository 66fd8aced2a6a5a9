// Static keys (Linux: include/linux/jump_label.h), as bits of one word: kernel/include/static_keys.ts.

import type { Kernel } from '../kernel.ts';

/** static_branch_enable() and static_branch_disable(). */
export function static_key_set(k: Kernel, key: number, on: boolean): void {
  const state = k.page_alloc;
  state.static_keys = on ? state.static_keys | key : state.static_keys & ~key;
}
