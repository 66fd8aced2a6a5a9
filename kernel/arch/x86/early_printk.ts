// The serial console: each line of the log to the UART at 0x3f8, by programmed I/O (Linux:
// arch/x86/kernel/early_printk.c early_serial_init(), early_serial_putc()).
//
// Differs from Linux: it is there from the first line on, not only after earlyprintk= or console=ttyS0.

import type { Kernel } from '../../kernel.ts';
import type { Ports } from './hw.ts';

const early_serial_base = 0x3f8;
// Registers of a 16550: transmit/receive, interrupt enable, FIFO control, line control, modem control, line status;
// divisor latch while DLAB is set.
const TXR = 0;
const IER = 1;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const DLL = 0;
const DLH = 1;
const DLAB = 0x80;
const XMTRDY = 0x20;
/** 115200 baud. */
const DIVISOR = 1;
/** A UART that is not there is not waited for. */
const TIMEOUT = 0xffff;

function early_serial_init(ports: Ports): void {
  ports.outb(early_serial_base + LCR, 0x03);
  ports.outb(early_serial_base + IER, 0);
  ports.outb(early_serial_base + FCR, 0);
  ports.outb(early_serial_base + MCR, 0x03);
  const line_control = ports.inb(early_serial_base + LCR);
  ports.outb(early_serial_base + LCR, line_control | DLAB);
  ports.outb(early_serial_base + DLL, DIVISOR & 0xff);
  ports.outb(early_serial_base + DLH, DIVISOR >> 8);
  ports.outb(early_serial_base + LCR, line_control & ~DLAB);
}

function early_serial_putc(ports: Ports, byte: number): void {
  let timeout = TIMEOUT;
  while ((ports.inb(early_serial_base + LSR) & XMTRDY) === 0 && --timeout !== 0);
  ports.outb(early_serial_base + TXR, byte);
}

export function setup_early_printk(k: Kernel): void {
  const { ports } = k.hw;
  early_serial_init(ports);
  k.log.console = (line) => {
    for (let i = 0; i < line.length; i++) {
      const c = line.charCodeAt(i);
      if (c === 0x0a) early_serial_putc(ports, 0x0d);
      early_serial_putc(ports, c);
    }
  };
}
