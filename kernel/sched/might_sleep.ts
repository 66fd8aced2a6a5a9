// The check that whoever may sleep is where that is allowed (Linux: kernel/sched/core.c __might_sleep(), __might_resched()).
// Only with CONFIG_DEBUG_ATOMIC_SLEEP.
//
// Left out: the WARN for a task that is not TASK_RUNNING, and the call trace.

import { PF_IDLE } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { pr_err } from '../lib/printk.ts';
import { add_taint, dump_stack_print_info, TAINT_WARN } from '../lib/taint.ts';
import { in_atomic, SYSTEM_BOOTING, SYSTEM_RUNNING } from './preempt.ts';

/** One report in a second. */
const HZ_NS = 1e9;

const bit = (value: boolean): number => (value ? 1 : 0);

/** @param where file and line of the check in Linux */
export function might_sleep(k: Kernel, where: string): void {
  if (!k.config.DEBUG_ATOMIC_SLEEP) return;
  const { preempt, current } = k;
  const { preempt_count, rcu_preempt_depth, irqs_disabled, system_state } = preempt;
  const may_sleep =
    preempt_count === 0 &&
    rcu_preempt_depth === 0 &&
    !irqs_disabled &&
    (current.flags & PF_IDLE) === 0 &&
    current.non_block_count === 0;
  if (may_sleep || system_state === SYSTEM_BOOTING || system_state > SYSTEM_RUNNING) return;
  const now = k.log.now();
  if (preempt.might_resched_at >= 0 && now < preempt.might_resched_at + HZ_NS) return;
  preempt.might_resched_at = now;

  const state = `in_atomic(): ${bit(in_atomic(k))}, irqs_disabled(): ${bit(irqs_disabled)}`;
  const who = `non_block: ${current.non_block_count}, pid: ${current.pid}, name: ${current.comm}`;
  pr_err(k, `BUG: sleeping function called from invalid context at ${where}`);
  pr_err(k, `${state}, ${who}`);
  pr_err(k, `preempt_count: ${preempt_count.toString(16)}, expected: 0`);
  if (k.config.PREEMPT_RCU) pr_err(k, `RCU nest depth: ${rcu_preempt_depth}, expected: 0`);
  dump_stack_print_info(k);
  add_taint(k, TAINT_WARN, true);
}
