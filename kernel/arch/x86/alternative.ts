// Freeing of .smp_locks (Linux: arch/x86/kernel/alternative.c alternative_instructions()).
//
// Left out: the patching of instructions; there are none.

import type { Kernel } from '../../kernel.ts';
import { nodes_weight } from '../../lib/nodemask.ts';
import { free_reserved_area, POISON_FREE_INITMEM } from '../../mm/free_reserved.ts';
import { smp_locks } from './sections.ts';

/**
 * With one CPU present lock prefixes are patched out, and the list of them is kept in case another is plugged in.
 * In all other cases nobody needs it any more. Context: check_bugs(), before the other CPUs are brought up.
 */
export function alternative_instructions(k: Kernel): void {
  const uniproc_patched = nodes_weight(k.cpus.cpu_present_mask) === 1 || k.cpus.setup_max_cpus <= 1;
  if (uniproc_patched && nodes_weight(k.cpus.cpu_possible_mask) !== 1) return;
  const { start, end } = smp_locks(k.config.image);
  free_reserved_area(k, start, end, POISON_FREE_INITMEM, 'SMP alternatives');
}
