// The debug console of QEMU's isa-debugcon: a byte written is a character; reading tells that it is there.

import type { PortDevice } from '../ports.ts';

/** The port that PC firmware writes its messages to. */
export const DEBUGCON_PORT = 0x402;
const PRESENT = 0xe9;

export class DebugConsole implements PortDevice {
  readonly name = 'debug console';
  readonly #onText: (text: string) => void;

  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  read(): number {
    return PRESENT;
  }

  write(_port: number, _size: number, value: number): void {
    this.#onText(String.fromCharCode(value & 0xff));
  }
}
