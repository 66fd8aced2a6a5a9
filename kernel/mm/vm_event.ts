// Event counters (Linux: mm/vmstat.c vm_event_states, include/linux/vmstat.h): for each CPU how often something happened.
//
// Differs from Linux: they are not in the per-cpu areas in RAM.

import { for_each_online_cpu } from '../arch/x86/cpu.ts';
import { NR_VM_EVENT_ITEMS, VM_EVENT_STRIDE } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';

export class VmEventState {
  readonly counts: Float64Array;

  constructor(NR_CPUS: number) {
    this.counts = new Float64Array(NR_CPUS * VM_EVENT_STRIDE);
  }
}

export function __count_vm_events(k: Kernel, item: number, delta: number): void {
  k.vm_event.counts[k.percpu.cpu * VM_EVENT_STRIDE + item]! += delta;
}

/** Of all CPUs together, by vm_event_item. */
export function all_vm_events(k: Kernel): number[] {
  const sums = new Array<number>(NR_VM_EVENT_ITEMS).fill(0);
  for (const cpu of for_each_online_cpu(k)) {
    for (let item = 0; item < NR_VM_EVENT_ITEMS; item++)
      sums[item]! += k.vm_event.counts[cpu * VM_EVENT_STRIDE + item]!;
  }
  return sums;
}
