// Unicorn's public C interface (unicorn/unicorn.h, x86.h) through koffi, typed. No behaviour: engine.ts has that.
//
// Numbers of registers, instructions and hooks are stable from 2.0 on, so no header is read.

import { createRequire } from 'node:module';
import type { LibraryHandle } from 'koffi';
import { EngineError, type Register } from '../engine.ts';

export type Koffi = typeof import('koffi');
/** An engine, a hook's function, a context: nothing that TypeScript looks into. */
export type Handle = unknown;

export const UC_ARCH_X86 = 4;
export const UC_MODE_64 = 8;

export const UC_PROT_READ = 1;
export const UC_PROT_WRITE = 2;
export const UC_PROT_EXEC = 4;

export const UC_ERR_OK = 0;
export const UC_ERR_INSN_INVALID = 10;

const UC_HOOK_INTR = 1;
const UC_HOOK_INSN = 2;
/** UC_HOOK_MEM_{READ,WRITE,FETCH}_{UNMAPPED,PROT} */
const UC_HOOK_MEM_INVALID = 0x3f0;
const UC_X86_INS_IN = 218;
const UC_X86_INS_OUT = 500;

/** enum uc_mem_type, by what the guest was doing. */
export const memAccess: Readonly<Record<number, 'read' | 'write' | 'fetch'>> = {
  19: 'read',
  20: 'write',
  21: 'fetch',
  22: 'write',
  23: 'read',
  24: 'fetch',
};

// uc_ctl(): UC_CTL_WRITE(type, number of arguments)
const ctlWrite = (type: number, nr: number) => type | (nr << 26) | (1 << 30);
export const UC_CTL_TB_FLUSH = ctlWrite(10, 0);
export const UC_CTL_TLB_FLUSH = ctlWrite(11, 0);
export const UC_CTL_TCG_BUFFER_SIZE = ctlWrite(13, 1);

export const UC_X86_REG_DR0 = 66;
export const UC_X86_REG_MSR = 248;

/** enum uc_x86_reg */
export const registerIds: Readonly<Record<Register, number>> = {
  rax: 35,
  rbp: 36,
  rbx: 37,
  rcx: 38,
  rdi: 39,
  rdx: 40,
  rip: 41,
  rsi: 43,
  rsp: 44,
  r8: 106,
  r9: 107,
  r10: 108,
  r11: 109,
  r12: 110,
  r13: 111,
  r14: 112,
  r15: 113,
  rflags: 253,
  cs: 11,
  ds: 17,
  es: 28,
  ss: 49,
  cr0: 50,
  cr2: 52,
  cr3: 53,
  cr4: 54,
};

type InterruptHook = (uc: Handle, vector: number) => void;
type InHook = (uc: Handle, port: number, size: number) => number;
type OutHook = (uc: Handle, port: number, size: number, value: number) => void;
/** Addresses come as numbers where they fit, as bigints above. */
type MemoryHook = (uc: Handle, type: number, address: number | bigint) => boolean;

/** The functions of one loaded library that engine.ts calls; those that return a number return a uc_err. */
export interface Binding {
  readonly koffi: Koffi;
  open(arch: number, mode: number, uc: [Handle]): number;
  close(uc: Handle): number;
  strerror(code: number): string;
  ctl(uc: Handle, control: number): number;
  ctlU32(uc: Handle, control: number, value: number): number;
  memMapPtr(uc: Handle, address: bigint, size: bigint, perms: number, host: bigint): number;
  regRead(uc: Handle, id: number, value: ArrayBufferView): number;
  regWrite(uc: Handle, id: number, value: ArrayBufferView): number;
  emuStart(uc: Handle, begin: bigint, until: bigint, timeout: bigint, count: number): number;
  emuStop(uc: Handle): number;
  /** Bytes, not a uc_err. */
  contextSize(uc: Handle): number;
  contextAlloc(uc: Handle, context: [Handle]): number;
  contextFree(context: Handle): number;
  contextSave(uc: Handle, context: Handle): number;
  contextRestore(uc: Handle, context: Handle): number;
  hookInterrupt(uc: Handle, hook: InterruptHook): bigint;
  hookIn(uc: Handle, hook: InHook): bigint;
  hookOut(uc: Handle, hook: OutHook): bigint;
  hookInvalidMemory(uc: Handle, hook: MemoryHook): bigint;
  /** Gives back what a hook...() returned, after the engine is closed. */
  releaseHook(hook: bigint): void;
}

/** koffi, loaded when the first engine is: a machine without one starts faster and needs no native code. */
export function loadKoffi(): Koffi {
  return createRequire(import.meta.url)('koffi') as Koffi;
}

export function bind(koffi: Koffi, lib: LibraryHandle): Binding {
  const hookAdd = lib.func(
    'int uc_hook_add(void *uc, _Out_ size_t *hook, int type, void *callback, void *data, uint64_t begin, uint64_t end, ...)',
  );
  // Unicorn passes more arguments (its user data) than the functions here take; both calling conventions allow that.
  const hook =
    (type: number, result: string, args: string[], ...instruction: unknown[]) =>
    (uc: Handle, callback: (...args: never[]) => unknown): bigint => {
      const pointer = koffi.register(callback, koffi.pointer(koffi.proto(null, result, args)));
      const code = hookAdd(uc, [0], type, pointer, null, 1n, 0n, ...instruction) as number;
      if (code !== UC_ERR_OK) throw new EngineError(`unicorn refused a hook of type ${type}: error ${code}`);
      return pointer;
    };
  const ctl = lib.func('int uc_ctl(void *uc, int control, ...)');
  return {
    koffi,
    open: lib.func('int uc_open(int arch, int mode, _Out_ void **uc)'),
    close: lib.func('int uc_close(void *uc)'),
    strerror: lib.func('const char *uc_strerror(int code)'),
    ctl: (uc, control) => ctl(uc, control) as number,
    ctlU32: (uc, control, value) => ctl(uc, control, 'uint32_t', value) as number,
    memMapPtr: lib.func('int uc_mem_map_ptr(void *uc, uint64_t address, size_t size, uint32_t perms, void *host)'),
    regRead: lib.func('int uc_reg_read(void *uc, int id, void *value)'),
    regWrite: lib.func('int uc_reg_write(void *uc, int id, void *value)'),
    emuStart: lib.func('int uc_emu_start(void *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count)'),
    emuStop: lib.func('int uc_emu_stop(void *uc)'),
    contextSize: lib.func('size_t uc_context_size(void *uc)'),
    contextAlloc: lib.func('int uc_context_alloc(void *uc, _Out_ void **context)'),
    contextFree: lib.func('int uc_context_free(void *context)'),
    contextSave: lib.func('int uc_context_save(void *uc, void *context)'),
    contextRestore: lib.func('int uc_context_restore(void *uc, void *context)'),
    hookInterrupt: hook(UC_HOOK_INTR, 'void', ['void *', 'uint32_t']),
    hookIn: hook(UC_HOOK_INSN, 'uint32_t', ['void *', 'uint32_t', 'int'], 'int', UC_X86_INS_IN),
    hookOut: hook(UC_HOOK_INSN, 'void', ['void *', 'uint32_t', 'int', 'uint32_t'], 'int', UC_X86_INS_OUT),
    hookInvalidMemory: hook(UC_HOOK_MEM_INVALID, 'bool', ['void *', 'int', 'uint64_t']),
    releaseHook: (pointer) => koffi.unregister(pointer),
  };
}
