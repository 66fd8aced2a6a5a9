// The kernel reads where nothing is mapped (Linux: arch/x86/mm/fault.c show_fault_oops()). While it boots, there is no
// task but the one that cannot be killed: the end. Registers and call trace are left out.

import { PAGE_SIZE } from '../../include/types.ts';
import { panic } from '../../lib/bug.ts';
import { KERN_ALERT, type Log } from '../../lib/printk.ts';

/** SIGKILL is 9. */
const INIT_KILLED = 'Attempted to kill init! exitcode=0x00000009';

interface Access {
  readonly write?: boolean;
  /** By the init task, which runs initcalls: it must not die either. */
  readonly init?: boolean;
}

/** @param address virtual; below PAGE_SIZE it is the offset of a member that a null pointer was followed to */
export function bad_kernel_access(k: { readonly log: Log }, address: bigint, access: Access = {}): never {
  const alert = (text: string): void => k.log.printk(KERN_ALERT, text);
  const what = address < PAGE_SIZE ? 'kernel NULL pointer dereference' : 'unable to handle page fault for';
  const where = BigInt.asUintN(64, address).toString(16).padStart(16, '0');
  alert(`BUG: ${what}${address < PAGE_SIZE ? ',' : ''} address: ${where}`);
  alert(`#PF: supervisor ${access.write === true ? 'write' : 'read'} access in kernel mode`);
  alert(`#PF: error_code(0x000${access.write === true ? 2 : 0}) - not-present page`);
  panic(k, access.init === true ? INIT_KILLED : 'Attempted to kill the idle task!');
}
