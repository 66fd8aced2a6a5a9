// The kernel reads where nothing is mapped (Linux: arch/x86/mm/fault.c show_fault_oops()). While it boots, there is no
// task but the one that cannot be killed: the end. Registers and call trace are left out.

import { PAGE_SIZE } from '../../include/types.ts';
import { panic } from '../../lib/bug.ts';
import { KERN_ALERT, type Log } from '../../lib/printk.ts';

/** @param address virtual; below PAGE_SIZE it is the offset of a member that a null pointer was followed to */
export function bad_kernel_access(k: { readonly log: Log }, address: bigint): never {
  const alert = (text: string): void => k.log.printk(KERN_ALERT, text);
  const what = address < PAGE_SIZE ? 'kernel NULL pointer dereference' : 'unable to handle page fault for';
  const where = BigInt.asUintN(64, address).toString(16).padStart(16, '0');
  alert(`BUG: ${what}${address < PAGE_SIZE ? ',' : ''} address: ${where}`);
  alert('#PF: supervisor read access in kernel mode');
  alert('#PF: error_code(0x0000) - not-present page');
  panic(k, 'Attempted to kill the idle task!');
}
