// The kernel reads where nothing is mapped (Linux: arch/x86/mm/fault.c show_fault_oops(), arch/x86/kernel/traps.c
// exc_general_protection()). While it boots, there is no task but the one that cannot be killed: the end. Registers, call
// trace and the walk of the page tables are left out.

import { PAGE_SIZE } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { die, panic } from '../../lib/bug.ts';
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

/** Bits of a page fault's error code: the page is there, but not for this; a write. */
const X86_PF_PROT = 1;
const X86_PF_WRITE = 2;

const address_text = (address: bigint): string => BigInt.asUintN(64, address).toString(16).padStart(16, '0');

/** page_fault_oops(), of a task that followed a pointer to `address`. */
export function page_fault_oops(k: Kernel, address: bigint, write: boolean, present: boolean): never {
  const alert = (text: string): void => k.log.printk(KERN_ALERT, text);
  const where = address_text(address);
  const error_code = (write ? X86_PF_WRITE : 0) | (present ? X86_PF_PROT : 0);
  const bug =
    address < PAGE_SIZE
      ? `BUG: kernel NULL pointer dereference, address: ${where}`
      : `BUG: unable to handle page fault for address: ${where}`;
  alert(bug);
  alert(`#PF: supervisor ${write ? 'write' : 'read'} access in kernel mode`);
  alert(`#PF: error_code(0x000${error_code}) - ${present ? 'permissions violation' : 'not-present page'}`);
  return die(k, 'Oops', error_code, bug, `CR2: ${where}`);
}

/** exc_general_protection(), for an address whose upper bits are not all like its highest one in use. */
export function general_protection_oops(k: Kernel, address: bigint): never {
  const what = `general protection fault, probably for non-canonical address 0x${BigInt.asUintN(64, address).toString(16)}`;
  return die(k, what, 0, what);
}
