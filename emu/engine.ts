// What pgdat asks of a CPU emulator. One engine is one CPU; the words are Unicorn's where it has them, but nothing here
// depends on how a library is reached, so that another build of it (WebAssembly) can stand behind the same interface.
//
// Memory belongs to the engine: it hands out the buffers and says how far they reach. Hooks come by kind, as a signature
// that fits all would be a trap in WebAssembly. An error thrown by a hook stops the run and comes out of run().

import type { AddressRange, Backing } from './memory.ts';

/** Registers that have a number of their own; segments and descriptor tables are the guest's business. */
export type Register =
  | 'rax'
  | 'rbx'
  | 'rcx'
  | 'rdx'
  | 'rsi'
  | 'rdi'
  | 'rbp'
  | 'rsp'
  | 'r8'
  | 'r9'
  | 'r10'
  | 'r11'
  | 'r12'
  | 'r13'
  | 'r14'
  | 'r15'
  | 'rip'
  | 'rflags'
  | 'cs'
  | 'ss'
  | 'ds'
  | 'es'
  | 'cr0'
  | 'cr2'
  | 'cr3'
  | 'cr4';

/** An exception or a software interrupt, as the engine reports it before anything is delivered to the guest. */
export interface Interrupt {
  readonly vector: number;
  /** INT n: RIP is after the instruction. Otherwise RIP is at the instruction that faulted. */
  readonly software: boolean;
  /** 0 where the vector has none. */
  readonly errorCode: number;
}

export interface EngineHooks {
  /** Returning resumes the guest at RIP, which the hook may have changed. */
  interrupt(interrupt: Interrupt): void;
  /** RIP is undefined in port hooks. */
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
}

/** Why run() came back. */
export type RunEnd =
  /** HLT, RIP after it; stop(); or linear address 0, which no guest may run. */
  | { readonly kind: 'stopped' }
  /** An access to a physical address that nothing answers, or a write to ROM. */
  | { readonly kind: 'bus'; readonly access: 'read' | 'write' | 'fetch'; readonly address: bigint }
  /** The CPU does not know the instruction at RIP. */
  | { readonly kind: 'invalid-instruction' }
  | { readonly kind: 'error'; readonly text: string };

export interface CodeSegment {
  readonly selector: number;
  readonly base: number;
}

/** Registers of every kind, as save() found them. */
export interface EngineState {
  readonly brand: 'engine state';
}

export interface Engine {
  /** For people: name and version. */
  readonly name: string;
  readonly backing: Backing;
  /** Lets the guest see a range of the backing at the same physical addresses. All ranges before the first run. */
  map(range: AddressRange, writable: boolean): void;
  get(register: Register): bigint;
  /** Control registers are written with their side effects; a segment register is not to be set this way. */
  set(register: Register, value: bigint): void;
  readMsr(index: number): bigint;
  writeMsr(index: number, value: bigint): void;
  /** Selector and base of CS, as the CPU holds them. */
  codeSegment(): CodeSegment;
  /** A far jump to any base, as no instruction could; also from the interrupt hook. Limit and type of CS stay. */
  jumpFar(target: CodeSegment, rip: number): void;
  /**
   * Runs from RIP.
   * @throws what a hook threw
   */
  run(): RunEnd;
  /** From a hook: ends the run. */
  stop(): void;
  /** @param into a state that may be overwritten */
  save(into?: EngineState): EngineState;
  restore(state: EngineState): void;
  /** Forgets translated addresses; needed when TypeScript takes rights away in page tables. */
  flushTlb(): void;
  /** Forgets translated code; needed when TypeScript writes over code that has run. */
  flushCode(): void;
  close(): void;
}

/** The engine cannot be had or cannot be trusted; the text is for the user. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
}
