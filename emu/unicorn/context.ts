// The part of the CPU's state that Unicorn's public functions save and restore as a whole but have no number for: the
// error code of an exception, whether it was INT n, and the hidden base of CS.
//
// A saved context is a copy of the emulator's register file. Where it starts differs by version, so it is found: a
// value put into RAX, another into DR0. From these two anchors the fields below are at fixed distances in every 2.x;
// each is checked before it is trusted, so another layout gives an error and never a wrong machine.

import { type CodeSegment, EngineError } from '../engine.ts';
import { type Binding, type Handle, registerIds, UC_ERR_OK, UC_X86_REG_DR0 } from './binding.ts';

const RIP_FROM_RAX = 128;
/** From RAX: six segments of 24 bytes, ES first; selector u32, base u64, limit u32, flags u32. */
const CS_FROM_RAX = 184 + 24;
const SEGMENT_BASE = 8;
// From DR0.
const ERROR_CODE_FROM_DR0 = -16;
const IS_INT_FROM_DR0 = -12;
/** The exception being delivered, -1 for none. */
const OLD_EXCEPTION_FROM_DR0 = 96;

const MARKS = [0x5a17c0de9b3d2f11n, 0x1badd00dcafe7788n] as const;

export class Context {
  readonly #binding: Binding;
  readonly #uc: Handle;
  readonly #handle: Handle;
  readonly #view: DataView;
  readonly #rax: number;
  readonly #dr0: number;

  constructor(binding: Binding, uc: Handle) {
    this.#binding = binding;
    this.#uc = uc;
    this.#handle = allocate(binding, uc);
    this.#view = new DataView(binding.koffi.view(this.#handle, Number(binding.contextSize(uc))));
    this.#rax = this.#locate(registerIds.rax);
    this.#dr0 = this.#locate(UC_X86_REG_DR0);
    this.save();
    if (this.#rax + CS_FROM_RAX >= this.#dr0 || this.oldException !== -1) throw unknownLayout();
  }

  save(): void {
    this.#binding.contextSave(this.#uc, this.#handle);
  }

  restore(): void {
    this.#binding.contextRestore(this.#uc, this.#handle);
  }

  free(): void {
    this.#binding.contextFree(this.#handle);
  }

  get errorCode(): number {
    return this.#view.getInt32(this.#dr0 + ERROR_CODE_FROM_DR0, true);
  }

  get isInt(): boolean {
    return this.#view.getInt32(this.#dr0 + IS_INT_FROM_DR0, true) !== 0;
  }

  get oldException(): number {
    return this.#view.getInt32(this.#dr0 + OLD_EXCEPTION_FROM_DR0, true);
  }

  set oldException(value: number) {
    this.#view.setInt32(this.#dr0 + OLD_EXCEPTION_FROM_DR0, value, true);
  }

  set rip(value: number) {
    this.#view.setBigUint64(this.#rax + RIP_FROM_RAX, BigInt(value), true);
  }

  get codeSegment(): CodeSegment {
    const at = this.#rax + CS_FROM_RAX;
    return {
      selector: this.#view.getUint32(at, true),
      base: Number(this.#view.getBigUint64(at + SEGMENT_BASE, true)),
    };
  }

  set codeSegment({ selector, base }: CodeSegment) {
    const at = this.#rax + CS_FROM_RAX;
    this.#view.setUint32(at, selector, true);
    this.#view.setBigUint64(at + SEGMENT_BASE, BigInt(base), true);
  }

  /** Offset of a register in the context: the one place that follows two different values. */
  #locate(register: number): number {
    let places: number[] | null = null;
    const value = new BigUint64Array(1);
    for (const mark of MARKS) {
      value[0] = mark;
      this.#binding.regWrite(this.#uc, register, value);
      this.save();
      const found = this.#search(mark);
      places = places === null ? found : places.filter((at) => found.includes(at));
    }
    value[0] = 0n;
    this.#binding.regWrite(this.#uc, register, value);
    if (places?.length !== 1) throw unknownLayout();
    return places[0] as number;
  }

  #search(mark: bigint): number[] {
    const low = Number(mark & 0xffffffffn);
    const high = Number(mark >> 32n);
    const found: number[] = [];
    for (let at = 0; at + 8 <= this.#view.byteLength; at += 4) {
      if (this.#view.getUint32(at, true) === low && this.#view.getUint32(at + 4, true) === high) found.push(at);
    }
    return found;
  }
}

/** A context nobody looks into. */
export function allocate(binding: Binding, uc: Handle): Handle {
  const out: [Handle] = [null];
  const code = binding.contextAlloc(uc, out);
  if (code !== UC_ERR_OK) throw new EngineError(`unicorn gave no context: ${binding.strerror(code)}`);
  return out[0];
}

const unknownLayout = (): EngineError =>
  new EngineError('this build of unicorn keeps its registers in an order that pgdat does not know');
