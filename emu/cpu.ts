// One x86-64 CPU over an engine: reset into real mode, interrupts in real mode through the vector table in RAM, and
// calls into 64-bit code. Exceptions outside real mode go to TypeScript, which is this machine's kernel: there is no
// delivery through an IDT.

import type { CodeSegment, Engine, EngineState, Interrupt, Register } from './engine.ts';
import { type GuestException, GuestFault } from './fault.ts';
import type { PhysicalMemory } from './memory.ts';
import { resetStub } from './reset_stub.ts';

const PAGE_FAULT = 14;
const INVALID_OPCODE = 6;

const CR0_PE = 1n;
/** Protection, write protection in ring 0, x87 errors as exceptions, paging. */
const CR0_LONG_MODE = 0x80010033n;
/** PAE, SSE and its exceptions. */
const CR4_LONG_MODE = 0x620n;
const MSR_EFER = 0xc0000080;
const EFER_LME = 0x100n;
const EFER_NXE = 0x800n;
const RFLAGS_RESET = 2n;
/** Alignment check, interrupts, trap: what an interrupt clears in real mode. */
const RFLAGS_CLEARED_BY_INT = 0x40300n;

/** Family 6, model 6: what QEMU's and Unicorn's default CPU has in EDX at reset. */
const RESET_EDX = 0x663n;
const RESET_CS: CodeSegment = { selector: 0xf000, base: 0xffff0000 };
const RESET_IP = 0xfff0;
const JUMP_TO_ZERO = 'jump to address 0';

const generalRegisters: readonly Register[] = [
  ...(['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp'] as const),
  ...(['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const),
];

/** What call() is given: entry, stack and page tables; general registers that are not named are 0. */
export interface GuestCode {
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly cr3: number;
  readonly registers?: Readonly<Partial<Record<Register, bigint>>>;
}

export class Cpu {
  /**
   * Asked about each exception and INT n outside real mode. true: its cause is mended, the guest goes on at RIP.
   * Otherwise the run ends with a GuestFault.
   */
  onException: ((exception: GuestException) => boolean) | null = null;
  readonly #engine: Engine;
  readonly #ram: PhysicalMemory;
  /** As the engine opened: 64-bit code in ring 0. */
  readonly #fresh: EngineState;
  #interrupted: EngineState | undefined;
  #stopped = false;

  constructor(engine: Engine, ram: PhysicalMemory) {
    this.#engine = engine;
    this.#ram = ram;
    this.#fresh = engine.save();
  }

  get name(): string {
    return this.#engine.name;
  }

  get(register: Register): bigint {
    return this.#engine.get(register);
  }

  set(register: Register, value: bigint): void {
    this.#engine.set(register, value);
  }

  get codeSegment(): CodeSegment {
    return this.#engine.codeSegment();
  }

  get inRealMode(): boolean {
    return (this.#engine.get('cr0') & CR0_PE) === 0n;
  }

  /** Power-on: real mode at F000:FFF0, with CS based at the top of the first 4 GiB until the first far jump. */
  reset(): void {
    const { start, end, entry, code, finalSelector } = resetStub;
    const borrowed = this.#ram.read(start, end - start);
    this.#engine.restore(this.#fresh);
    this.#ram.write(entry, code);
    this.#engine.set('rip', BigInt(entry));
    this.run();
    const cs = this.codeSegment;
    if (!this.inRealMode || cs.selector !== finalSelector || cs.base !== finalSelector * 16) {
      throw new Error(
        `the engine did not reach real mode: CS ${cs.selector.toString(16)}, base ${cs.base.toString(16)}`,
      );
    }
    this.#ram.write(start, borrowed);
    for (const register of generalRegisters) this.#engine.set(register, 0n);
    this.#engine.set('rdx', RESET_EDX);
    this.#engine.set('rflags', RFLAGS_RESET);
    this.#engine.jumpFar(RESET_CS, RESET_IP);
  }

  /**
   * Runs from where the CPU is.
   * @returns 'halted' at HLT, RIP after it; 'stopped' when a device or a hook called stop()
   * @throws GuestFault, or what a device threw
   */
  run(): 'halted' | 'stopped' {
    this.#stopped = false;
    // TypeScript may have written code or page tables since the last run.
    this.#engine.flushCode();
    this.#engine.flushTlb();
    const end = this.#engine.run();
    switch (end.kind) {
      case 'stopped':
        if (this.#stopped) return 'stopped';
        if (this.#linearRip() === 0n) throw this.#fault(JUMP_TO_ZERO);
        return 'halted';
      case 'invalid-instruction':
        throw new GuestFault({
          vector: INVALID_OPCODE,
          software: false,
          errorCode: 0,
          address: this.#linearRip(),
          rip: this.get('rip'),
        });
      case 'bus':
        throw this.#fault(`${end.access} of physical address 0x${end.address.toString(16)}`, end.address);
      case 'error':
        throw this.#fault(end.text);
    }
  }

  /** Ends the current run; from a device or from onException. */
  stop(): void {
    this.#stopped = true;
    this.#engine.stop();
  }

  /**
   * Runs 64-bit code in ring 0 until HLT, on page tables in RAM. What the CPU was doing before is put aside and is as
   * it was afterwards.
   * @returns RAX
   */
  call({ rip, rsp, cr3, registers = {} }: GuestCode): bigint {
    const engine = this.#engine;
    this.#interrupted = engine.save(this.#interrupted);
    try {
      engine.restore(this.#fresh);
      engine.set('cr4', CR4_LONG_MODE);
      engine.writeMsr(MSR_EFER, engine.readMsr(MSR_EFER) | EFER_LME | EFER_NXE);
      engine.set('cr3', BigInt(cr3));
      engine.set('cr0', CR0_LONG_MODE);
      for (const register of generalRegisters) engine.set(register, registers[register] ?? 0n);
      engine.set('rflags', RFLAGS_RESET);
      engine.set('rsp', rsp);
      engine.set('rip', rip);
      this.run();
      return engine.get('rax');
    } finally {
      engine.restore(this.#interrupted);
    }
  }

  /** The engine's hook. */
  interrupt({ vector, software, errorCode }: Interrupt): void {
    if (this.inRealMode && this.#vectorThroughIvt(vector)) return;
    const rip = this.get('rip');
    // The engine ends a run there, and on the way out reports a fault of its own.
    if (rip === 0n) throw this.#fault(JUMP_TO_ZERO);
    const address = vector === PAGE_FAULT ? this.get('cr2') : rip;
    const exception: GuestException = { vector, software, errorCode, address, rip };
    if (!this.onException?.(exception)) throw new GuestFault(exception);
  }

  /**
   * What the CPU does for an interrupt in real mode: FLAGS, CS and IP onto the stack, on at the vector in the table at
   * address 0.
   * @returns false if the vector is 0:0, which nobody has set
   */
  #vectorThroughIvt(vector: number): boolean {
    const offset = this.#ram.u16(vector * 4);
    const selector = this.#ram.u16(vector * 4 + 2);
    if (offset === 0 && selector === 0) return false;
    const flags = this.get('rflags');
    const rsp = this.get('rsp');
    const stack = Number(this.get('ss')) * 16;
    let sp = Number(rsp & 0xffffn);
    for (const word of [Number(flags & 0xffffn), this.codeSegment.selector, Number(this.get('rip') & 0xffffn)]) {
      sp = (sp - 2) & 0xffff;
      this.#ram.set_u16(stack + sp, word);
    }
    this.set('rsp', (rsp & ~0xffffn) | BigInt(sp));
    this.set('rflags', flags & ~RFLAGS_CLEARED_BY_INT);
    this.#engine.jumpFar({ selector, base: selector * 16 }, offset);
    return true;
  }

  #linearRip(): bigint {
    const rip = this.get('rip');
    return this.inRealMode ? BigInt(this.codeSegment.base) + (rip & 0xffffn) : rip;
  }

  #fault(text: string, address?: bigint): GuestFault {
    const rip = this.get('rip');
    return new GuestFault({ vector: null, software: false, errorCode: 0, address: address ?? rip, rip }, text);
  }
}
