// The texts of memblock=debug (Linux: mm/memblock.c memblock_dbg() and what it is given).

import { PHYS_ADDR_MAX } from '../include/memblock.ts';
import type { phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { hex, pr_info } from '../lib/printk.ts';

/** @param caller what Linux prints with %pS; nothing is printed for it when it is empty */
export function memblock_dbg(k: Kernel, text: string, caller: string): void {
  if (k.memblock.debug) pr_info(k, caller === '' ? text : `${text} ${caller}`);
}

const ULLONG_MAX = 0xffffffffffffffffn;
const wide = (n: number): bigint => (n === PHYS_ADDR_MAX ? ULLONG_MAX : BigInt(n));

/** `%pa`, with PHYS_ADDR_MAX as Linux's. */
export const pa_text = (addr: phys_addr_t): string => hex(wide(addr), 16);

/** `[%pa-%pa]` of [base, base + size), the end inclusive and wrapping around as it does in 64 bits. */
export const extent = (base: phys_addr_t, size: number): string =>
  `[${pa_text(base)}-${hex(BigInt.asUintN(64, wide(base) + wide(size) - 1n), 16)}]`;
