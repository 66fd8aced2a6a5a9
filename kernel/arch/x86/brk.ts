// The brk area of the kernel image: memory to be had before memblock knows any (Linux: arch/x86/kernel/setup.c
// extend_brk(), reserve_brk()).

import type { phys_addr_t } from '../../include/types.ts';
import { round_up } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { BUG_ON } from '../../lib/bug.ts';
import { memblock_reserve } from '../../mm/memblock.ts';

export function init_brk(k: Kernel): void {
  k.boot._brk_start = k.config.image.brk_start;
  k.boot._brk_end = k.config.image.brk_start;
}

/** Takes zeroed bytes. */
export function extend_brk(k: Kernel, size: number, align: number): phys_addr_t {
  BUG_ON(k.boot._brk_start === 0, 'extend_brk: the brk area is closed');
  const base = round_up(k.boot._brk_end, align);
  BUG_ON(base + size > k.config.image._end, 'extend_brk: beyond __brk_limit');
  k.boot._brk_end = base + size;
  k.hw.ram.fill(base, size, 0);
  return base;
}

/** Keeps what was taken; nothing can be taken any more. */
export function reserve_brk(k: Kernel): void {
  const { _brk_start, _brk_end } = k.boot;
  if (_brk_end > _brk_start && k.recorded === null) {
    memblock_reserve(k, _brk_start, _brk_end - _brk_start, 'setup_arch');
  }
  k.boot._brk_start = 0;
}
