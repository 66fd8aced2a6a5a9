import { expect, test } from 'vitest';
import { setup_early_printk } from '../../../../kernel/arch/x86/early_printk.ts';
import type { Ports } from '../../../../kernel/arch/x86/hw.ts';
import { debian } from '../../../../kernel/config.ts';
import { Kernel } from '../../../../kernel/kernel.ts';
import { pr_info } from '../../../../kernel/lib/printk.ts';
import { testHw } from '../../../support/hw.ts';

/** A UART that is busy for `busy` reads of its status after each byte. */
class Uart implements Ports {
  sent = '';
  divisor = 0;
  lcr = 0;
  statusReads = 0;
  readonly busy: number;
  private wait = 0;

  constructor(busy: number) {
    this.busy = busy;
  }
  inb(port: number): number {
    if (port === 0x3fb) return this.lcr;
    if (port !== 0x3fd) return 0xff;
    this.statusReads++;
    return this.wait-- > 0 ? 0 : 0x20;
  }
  inl = (): number => 0xffffffff;
  outb(port: number, value: number): void {
    const latch = (this.lcr & 0x80) !== 0;
    if (port === 0x3fb) this.lcr = value;
    else if (port === 0x3f8 && latch) this.divisor = (this.divisor & 0xff00) | value;
    else if (port === 0x3f9 && latch) this.divisor = (this.divisor & 0xff) | (value << 8);
    else if (port === 0x3f8) {
      this.sent += String.fromCharCode(value);
      this.wait = this.busy;
    }
  }
  outw = (): void => undefined;
  outl = (): void => undefined;
}

function withUart(ports: Ports): Kernel {
  const k = new Kernel({ ...testHw(), ports }, debian);
  setup_early_printk(k);
  return k;
}

test('the UART is set to 115200 baud, 8 bits, no parity, and takes lines with a carriage return', () => {
  const uart = new Uart(0);
  pr_info(withUart(uart), 'Zone ranges:');
  expect([uart.divisor, uart.lcr]).toEqual([1, 3]);
  expect(uart.sent).toBe('[    0.000000] Zone ranges:\r\n');
});

test('each byte waits until the one before is gone', () => {
  const uart = new Uart(3);
  pr_info(withUart(uart), 'x');
  expect(uart.statusReads).toBe(1 + 4 * (uart.sent.length - 1));
});

test('a port that never gets ready is not waited for without end', () => {
  const uart = new Uart(Number.POSITIVE_INFINITY);
  pr_info(withUart(uart), '');
  expect(uart.sent).toHaveLength(17);
});
