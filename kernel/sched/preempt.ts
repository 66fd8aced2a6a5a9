// What the running CPU is in the midst of (Linux: include/linux/preempt.h, kernel/sched/core.c): a task, an interrupt, a
// section that must not be left. Whoever plays an interrupt or takes a spinlock moves preempt_count here.
//
// Left out: a count for each CPU: one CPU runs at a time, and there is one task on it.

import type { Kernel } from '../kernel.ts';

export const PREEMPT_OFFSET = 1;
export const SOFTIRQ_OFFSET = 0x100;
export const HARDIRQ_OFFSET = 0x10000;
export const NMI_OFFSET = 0x100000;
const SOFTIRQ_MASK = 0xff00;
const HARDIRQ_MASK = 0xf0000;
const NMI_MASK = 0xf00000;

// enum system_states
export const SYSTEM_BOOTING = 0;
export const SYSTEM_SCHEDULING = 1;
export const SYSTEM_RUNNING = 3;

export class PreemptState {
  preempt_count = 0;
  irqs_disabled = false;
  rcu_preempt_depth = 0;
  system_state = SYSTEM_BOOTING;
  /** When __might_resched() last spoke, in virtual nanoseconds; -1: never. */
  might_resched_at = -1;
}

const count = (k: Kernel): number => k.preempt.preempt_count;

/** A task runs, and neither an interrupt nor a softirq on top of it; it may have softirqs disabled. */
export const in_task = (k: Kernel): boolean => (count(k) & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET)) === 0;
/** Interrupt, softirq, or softirqs disabled. */
export const in_interrupt = (k: Kernel): boolean => (count(k) & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_MASK)) !== 0;
export const in_serving_softirq = (k: Kernel): boolean => (count(k) & SOFTIRQ_OFFSET) !== 0;
export const in_atomic = (k: Kernel): boolean => count(k) !== 0;
