// ACPI power management as on QEMU's pc and q35, and the chipset's reset register: power-off, reset, the PM timer.
// Registers: ACPI 6.5, 4.8.3. No events, no SCI, no sleep but S5.

import type { Clock } from '../clock.ts';
import type { PortDevice } from '../ports.ts';

/** Where firmware puts the block; the FADT says so. */
export const PM_BASE = 0x600;
export const PM_PORTS = 12;
/** PM1a_EVT_BLK is at +0 (status, enable), PM1a_CNT_BLK and PM_TMR_BLK at: */
export const PM1_CNT = 4;
export const PM_TMR = 8;
export const RESET_PORT = 0xcf9;

const PM1_ENABLE = 2;
const SCI_EN = 0x0001;
const SLP_TYP_SHIFT = 10;
const SLP_EN = 0x2000;
/** The SLP_TYP that QEMU's \_S5 names; 7 is what real chipsets have. */
export const SLP_TYP_S5 = 0;

const RESET_CPU = 0x04;

const PM_TIMER_HZ = 3579545;
/** A read of an ISA port takes about this long; a loop that polls the timer so comes to an end. */
const READ_TIME_NS = 1000;

export class AcpiPm implements PortDevice {
  readonly name = 'ACPI power management';
  readonly #first: number;
  readonly #clock: Clock;
  readonly #onPowerOff: () => void;
  #enable = 0;
  #control = SCI_EN;

  constructor(first: number, clock: Clock, onPowerOff: () => void) {
    this.#first = first;
    this.#clock = clock;
    this.#onPowerOff = onPowerOff;
  }

  read(port: number): number {
    switch (port - this.#first) {
      case PM1_ENABLE:
        return this.#enable;
      case PM1_CNT:
        return this.#control;
      case PM_TMR:
        this.#clock.advance(READ_TIME_NS);
        return Math.floor((this.#clock.now_ns * PM_TIMER_HZ) / 1e9) % 0x1000000;
      default:
        return 0;
    }
  }

  write(port: number, _size: number, value: number): void {
    if (port - this.#first === PM1_ENABLE) this.#enable = value & 0xffff;
    if (port - this.#first !== PM1_CNT) return;
    this.#control = value & ~SLP_EN & 0xffff;
    if ((value & SLP_EN) !== 0 && ((value >> SLP_TYP_SHIFT) & 7) === SLP_TYP_S5) this.#onPowerOff();
  }
}

export class ResetRegister implements PortDevice {
  readonly name = 'reset register';
  readonly #onReset: () => void;
  #value = 0;

  constructor(onReset: () => void) {
    this.#onReset = onReset;
  }

  read(): number {
    return this.#value;
  }

  write(_port: number, _size: number, value: number): void {
    this.#value = value & ~RESET_CPU & 0xff;
    if ((value & RESET_CPU) !== 0) this.#onReset();
  }
}
