// The first serial port: a 16550A that sends at once and receives nothing. No interrupts: the boot polls.
// Registers and bits: National Semiconductor PC16550D data sheet.

import type { PortDevice } from '../ports.ts';

export const COM1 = 0x3f8;
export const UART_PORTS = 8;

// Registers, as offsets from the first port. With the divisor latch open (LCR bit 7), 0 and 1 are the divisor.
const DATA = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const LCR_DLAB = 0x80;
const MCR_LOOP = 0x10;
/** Holding register and transmitter empty. */
const LSR_TX_EMPTY = 0x60;
/** Carrier, data set ready, clear to send. */
const MSR_CONNECTED = 0xb0;
const IIR_NO_INTERRUPT = 0x01;
const IIR_FIFO_ON = 0xc0;

export class Uart16550 implements PortDevice {
  readonly name = 'serial port';
  readonly #first: number;
  readonly #onText: (text: string) => void;
  readonly #registers = new Uint8Array(UART_PORTS);
  readonly #divisor = Uint8Array.of(12, 0);
  #fifo = false;

  /** @param onText is given each byte as it is sent, as one character */
  constructor(first: number, onText: (text: string) => void) {
    this.#first = first;
    this.#onText = onText;
  }

  read(port: number): number {
    const register = port - this.#first;
    if (register <= IER && this.#latchIsOpen) return this.#divisor[register] ?? 0;
    switch (register) {
      case DATA:
        return 0;
      case IIR_FCR:
        return IIR_NO_INTERRUPT | (this.#fifo ? IIR_FIFO_ON : 0);
      case LSR:
        return LSR_TX_EMPTY;
      case MSR:
        return this.#modemStatus();
      default:
        return this.#registers[register] ?? 0;
    }
  }

  write(port: number, _size: number, value: number): void {
    const register = port - this.#first;
    const byte = value & 0xff;
    if (register <= IER && this.#latchIsOpen) {
      this.#divisor[register] = byte;
      return;
    }
    switch (register) {
      case DATA:
        if (((this.#registers[MCR] ?? 0) & MCR_LOOP) === 0) this.#onText(String.fromCharCode(byte));
        break;
      case IER:
        this.#registers[IER] = byte & 0x0f;
        break;
      case IIR_FCR:
        this.#fifo = (byte & 1) !== 0;
        break;
      case LCR:
      case SCR:
        this.#registers[register] = byte;
        break;
      case MCR:
        this.#registers[MCR] = byte & 0x1f;
        break;
    }
  }

  get #latchIsOpen(): boolean {
    return ((this.#registers[LCR] ?? 0) & LCR_DLAB) !== 0;
  }

  /** In loop-back the modem's inputs are the chip's own outputs: drivers test for the chip that way. */
  #modemStatus(): number {
    const mcr = this.#registers[MCR] ?? 0;
    if ((mcr & MCR_LOOP) === 0) return MSR_CONNECTED;
    return ((mcr & 0x0c) << 4) | ((mcr & 0x02) << 3) | ((mcr & 0x01) << 5);
  }
}
