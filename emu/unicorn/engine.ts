// One CPU of Unicorn 2.1, by its public functions alone.
//
// Three habits of the library that this file hides. It remembers an exception for ever once a hook has handled it, so a
// second page fault would arrive as a double fault: cleared in the saved context at each interrupt. At the end of a run
// it looks up the address before `until`, with paging on a fault of its own: `until` is always 0, which it skips. And an
// error thrown through its frames lets the guest run on: hooks catch, stop, and run() throws.

import {
  type CodeSegment,
  type Engine,
  EngineError,
  type EngineHooks,
  type EngineState,
  type Register,
  type RunEnd,
} from '../engine.ts';
import type { AddressRange } from '../memory.ts';
import { MAX_PHYSICAL_ADDRESS, SharedBacking } from './backing.ts';
import {
  type Binding,
  type Handle,
  memAccess,
  registerIds,
  UC_ARCH_X86,
  UC_CTL_TB_FLUSH,
  UC_CTL_TCG_BUFFER_SIZE,
  UC_CTL_TLB_FLUSH,
  UC_ERR_INSN_INVALID,
  UC_ERR_OK,
  UC_MODE_64,
  UC_PROT_EXEC,
  UC_PROT_READ,
  UC_PROT_WRITE,
  UC_X86_REG_MSR,
} from './binding.ts';
import { allocate, Context } from './context.ts';
import type { UnicornLibrary } from './library.ts';

/**
 * Room for translated code; when it is full, the library starts again from nothing. Flushing clears all of it, and the
 * library's own choice is 1 GiB: a second of time, and as much memory.
 */
const CODE_BUFFER_SIZE = 4 << 20;

interface SavedState extends EngineState {
  readonly handle: Handle;
}

export class UnicornEngine implements Engine {
  readonly name: string;
  readonly backing: SharedBacking;
  readonly #binding: Binding;
  readonly #uc: Handle;
  readonly #context: Context;
  readonly #hooks: EngineHooks;
  readonly #callbacks: bigint[];
  readonly #states: Handle[] = [];
  readonly #value = new BigUint64Array(1);
  /** struct uc_x86_msr: u32 index, u64 value. */
  readonly #msr = new DataView(new ArrayBuffer(16));
  #thrown: { error: unknown } | null = null;
  #badAccess: RunEnd | null = null;

  /** @param end of the highest address that will be mapped */
  constructor(library: UnicornLibrary, end: number, hooks: EngineHooks) {
    if (end > MAX_PHYSICAL_ADDRESS) throw new EngineError('the emulated CPU reaches 1 TiB of addresses, no more');
    this.name = `Unicorn ${library.version}`;
    this.#binding = library.binding;
    this.#hooks = hooks;
    this.backing = new SharedBacking(this.#binding.koffi, end);
    const out: [Handle] = [null];
    this.#check(this.#binding.open(UC_ARCH_X86, UC_MODE_64, out), 'uc_open');
    this.#uc = out[0];
    this.#check(this.#binding.ctlU32(this.#uc, UC_CTL_TCG_BUFFER_SIZE, CODE_BUFFER_SIZE), 'uc_ctl_tcg_buffer_size');
    this.#context = new Context(this.#binding, this.#uc);
    this.#callbacks = this.#installHooks();
  }

  map(range: AddressRange, writable: boolean): void {
    const perms = UC_PROT_READ | UC_PROT_EXEC | (writable ? UC_PROT_WRITE : 0);
    const start = BigInt(range.start);
    const size = BigInt(range.end) - start;
    this.#check(this.#binding.memMapPtr(this.#uc, start, size, perms, this.backing.base + start), 'uc_mem_map_ptr');
  }

  get(register: Register): bigint {
    this.#value[0] = 0n;
    this.#binding.regRead(this.#uc, registerIds[register], this.#value);
    return this.#value[0];
  }

  set(register: Register, value: bigint): void {
    this.#value[0] = value;
    this.#binding.regWrite(this.#uc, registerIds[register], this.#value);
  }

  readMsr(index: number): bigint {
    this.#msr.setUint32(0, index, true);
    this.#binding.regRead(this.#uc, UC_X86_REG_MSR, this.#msr);
    return this.#msr.getBigUint64(8, true);
  }

  writeMsr(index: number, value: bigint): void {
    this.#msr.setUint32(0, index, true);
    this.#msr.setBigUint64(8, value, true);
    this.#binding.regWrite(this.#uc, UC_X86_REG_MSR, this.#msr);
  }

  codeSegment(): CodeSegment {
    this.#context.save();
    return this.#context.codeSegment;
  }

  jumpFar(target: CodeSegment, rip: number): void {
    this.#context.save();
    this.#context.codeSegment = target;
    this.#context.rip = rip;
    this.#context.restore();
  }

  run(): RunEnd {
    this.#badAccess = null;
    this.#context.save();
    this.#forgetException();
    const code = this.#binding.emuStart(this.#uc, this.get('rip'), 0n, 0n, 0);
    if (this.#thrown !== null) {
      const { error } = this.#thrown;
      this.#thrown = null;
      throw error;
    }
    if (this.#badAccess !== null) return this.#badAccess;
    if (code === UC_ERR_INSN_INVALID) return { kind: 'invalid-instruction' };
    return code === UC_ERR_OK ? { kind: 'stopped' } : { kind: 'error', text: this.#binding.strerror(code) };
  }

  stop(): void {
    this.#binding.emuStop(this.#uc);
  }

  save(into?: EngineState): EngineState {
    const state = (into as SavedState | undefined) ?? this.#newState();
    this.#binding.contextSave(this.#uc, state.handle);
    return state;
  }

  restore(state: EngineState): void {
    this.#binding.contextRestore(this.#uc, (state as SavedState).handle);
    this.flushTlb();
  }

  flushTlb(): void {
    this.#check(this.#binding.ctl(this.#uc, UC_CTL_TLB_FLUSH), 'uc_ctl_flush_tlb');
  }

  flushCode(): void {
    this.#check(this.#binding.ctl(this.#uc, UC_CTL_TB_FLUSH), 'uc_ctl_flush_tb');
  }

  close(): void {
    for (const state of this.#states) this.#binding.contextFree(state);
    this.#context.free();
    this.#binding.close(this.#uc);
    for (const callback of this.#callbacks) this.#binding.releaseHook(callback);
    this.backing.release();
  }

  #installHooks(): bigint[] {
    const binding = this.#binding;
    return [
      binding.hookInterrupt(this.#uc, (_uc, vector) => {
        this.#guard(undefined, () => {
          this.#context.save();
          const software = this.#context.isInt;
          const errorCode = software ? 0 : this.#context.errorCode;
          this.#forgetException();
          this.#hooks.interrupt({ vector, software, errorCode });
        });
      }),
      binding.hookIn(this.#uc, (_uc, port, size) => this.#guard(0, () => this.#hooks.portRead(port, size))),
      binding.hookOut(this.#uc, (_uc, port, size, value) =>
        this.#guard(undefined, () => this.#hooks.portWrite(port, size, value)),
      ),
      binding.hookInvalidMemory(this.#uc, (_uc, type, address) => {
        this.#badAccess = { kind: 'bus', access: memAccess[type] ?? 'read', address: BigInt(address) };
        return false;
      }),
    ];
  }

  /** Runs a hook; after an error no further hook does anything, though the guest may reach some before it stops. */
  #guard<T>(otherwise: T, hook: () => T): T {
    if (this.#thrown !== null) return otherwise;
    try {
      return hook();
    } catch (error) {
      this.#thrown = { error };
      this.stop();
      return otherwise;
    }
  }

  /** Makes the engine ready to report the next exception as itself. The context has just been saved. */
  #forgetException(): void {
    if (this.#context.oldException === -1) return;
    this.#context.oldException = -1;
    this.#context.restore();
  }

  #newState(): SavedState {
    const handle = allocate(this.#binding, this.#uc);
    this.#states.push(handle);
    return { brand: 'engine state', handle };
  }

  #check(code: number, call: string): void {
    if (code !== UC_ERR_OK) throw new EngineError(`${call}: ${this.#binding.strerror(code)}`);
  }
}
