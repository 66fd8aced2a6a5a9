// Machine code of the kernel's own that the emulated CPU runs, on the page tables that boot made: so far one program,
// which reads the buddy allocator's lists as memory holds them.
//
// Differs from Linux: there the kernel is machine code; here its text is room, and these programs are put into it.

import { MAX_ORDER, zone as zone_layout } from '../../include/mmzone.ts';
import { __START_KERNEL_map, PAGE_SIZE } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import type { Zone } from '../../mm/mmzone.ts';
import type { GuestCpu } from './hw.ts';
import { __va } from './pgtable.ts';

// Offsets from _text, past what a boot loader may have put there. The image is mapped writable and executable.
const PROGRAM = 0x100000;
const RESULTS = PROGRAM + PAGE_SIZE;
const STACK_TOP = RESULTS + 2 * PAGE_SIZE;

export interface FreeListCount {
  /** Free blocks, by order. */
  readonly blocks: readonly number[];
  /** Pages in all of them. */
  readonly pages: number;
}

/**
 * Counts the free blocks of a zone by letting the CPU walk its lists.
 * @param program free_list_walk.asm, assembled
 * @throws what the CPU throws when a link leads nowhere, or to a list_head that does not point back
 */
export function walkFreeLists(k: Kernel, cpu: GuestCpu, zone: Zone, program: Uint8Array): FreeListCount {
  const { ram } = k.hw;
  const { text } = k.config.image;
  ram.write(text + PROGRAM, program);
  ram.fill(text + RESULTS, MAX_ORDER * 8, 0);
  const image = __START_KERNEL_map + BigInt(text);
  const pages = cpu.call({
    rip: image + BigInt(PROGRAM),
    rsp: image + BigInt(STACK_TOP),
    cr3: k.boot.pgd,
    registers: { rdi: __va(zone.pa + zone_layout.offset.free_area), rsi: image + BigInt(RESULTS) },
  });
  const blocks = Array.from({ length: MAX_ORDER }, (_, order) => ram.u64(text + RESULTS + order * 8));
  return { blocks, pages: Number(pages) };
}
