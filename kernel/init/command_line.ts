// The command line's copies that outlive boot, and the words that fit nowhere (Linux: init/main.c setup_command_line(),
// the panic_later check of start_kernel()).

import { SMP_CACHE_BYTES } from '../include/memblock.ts';
import type { Kernel } from '../kernel.ts';
import { panic } from '../lib/bug.ts';
import { pr_notice } from '../lib/printk.ts';
import { memblock_alloc } from '../mm/memblock_alloc.ts';

/** Two copies in RAM: one to show, one that parsing may cut up. */
export function setup_command_line(k: Kernel): void {
  const { cmdline } = k;
  const bytes = Uint8Array.from(`${cmdline.boot_command_line}\0`, (c) => c.charCodeAt(0));
  for (let copy = 0; copy < 2; copy++) {
    const pa = memblock_alloc(k, bytes.length, SMP_CACHE_BYTES, 'start_kernel');
    if (pa === 0) panic(k, `setup_command_line: Failed to allocate ${bytes.length} bytes`);
    k.hw.ram.write(pa, bytes);
  }
  cmdline.saved_command_line = cmdline.boot_command_line;
}

export function print_command_line(k: Kernel): void {
  pr_notice(k, `Kernel command line: ${k.cmdline.saved_command_line}`);
}

/** More words for the first process than it can take: known long before, but the console was not there yet. */
export function check_panic_later(k: Kernel): void {
  const { panic_later } = k.cmdline;
  if (panic_later !== null) panic(k, `Too many boot ${panic_later.kind} vars at \`${panic_later.param}'`);
}
