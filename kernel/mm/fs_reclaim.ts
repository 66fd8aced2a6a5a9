// Requests that could end where they came from (Linux: mm/page_alloc.c fs_reclaim_acquire(), __need_reclaim()): whoever
// holds fs_reclaim must not ask for memory in a way that may call into file systems. Only with CONFIG_PROVE_LOCKING.
//
// Differs from Linux: there, fs_reclaim is a lock map that lockdep knows, with every order in which locks were ever taken;
// here it is a depth of the task, and the one report is that of taking it while it is held. Its header is lockdep's;
// lock addresses, the list of locks held and the stack are left out.

import { __GFP_DIRECT_RECLAIM, __GFP_FS } from '../include/gfp_types.ts';
import { PF_MEMALLOC } from '../include/sched.ts';
import type { gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_warn } from '../lib/printk.ts';
import { print_tainted } from '../lib/taint.ts';
import { current_gfp_context } from './gfp.ts';

const RULE = '============================================';
const LOCK = '(fs_reclaim){+.+.}-{0:0}';

/** Whether the request may reclaim through file systems. */
function takes_fs_reclaim(k: Kernel, gfp: gfp_t): boolean {
  if (!k.config.PROVE_LOCKING) return false;
  const allowed = current_gfp_context(k, gfp);
  if ((allowed & __GFP_DIRECT_RECLAIM) === 0 || (k.current.flags & PF_MEMALLOC) !== 0) return false;
  return (allowed & __GFP_FS) !== 0;
}

function print_deadlock_bug(k: Kernel): void {
  const { comm, pid } = k.current;
  pr_warn(k, '');
  pr_warn(k, RULE);
  pr_warn(k, 'WARNING: possible recursive locking detected');
  pr_warn(k, `${k.config.version} #1 ${print_tainted(k.panic_state.tainted_mask)}`);
  pr_warn(k, '-'.repeat(RULE.length));
  pr_warn(k, `${comm}/${pid} is trying to acquire lock:`);
  pr_warn(k, `${LOCK}, at: fs_reclaim_acquire`);
  pr_warn(k, '');
  pr_warn(k, 'but task is already holding lock:');
  pr_warn(k, `${LOCK}, at: fs_reclaim_acquire`);
}

/** From here on the task reclaims, or is where reclaim may get to: it must not ask for memory through file systems. */
export function fs_reclaim_acquire(k: Kernel, gfp: gfp_t): void {
  if (!takes_fs_reclaim(k, gfp)) return;
  if (k.current.fs_reclaim_depth++ === 0 || !k.panic_state.debug_locks) return;
  k.panic_state.debug_locks = false;
  print_deadlock_bug(k);
}

export function fs_reclaim_release(k: Kernel, gfp: gfp_t): void {
  if (takes_fs_reclaim(k, gfp)) k.current.fs_reclaim_depth--;
}
