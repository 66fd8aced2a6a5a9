import { expect, test } from 'vitest';
import { createMachine } from '../../../emu/machine.ts';

const COM1 = 0x3f8;

function pc() {
  const seen = { serial: '', debug: '', unclaimed: [] as number[] };
  const machine = createMachine({
    ram: [{ start: 0, end: 0x100000 }],
    backend: 'array',
    onSerial: (text) => {
      seen.serial += text;
    },
    onDebug: (text) => {
      seen.debug += text;
    },
    onUnclaimedPort: (port) => seen.unclaimed.push(port),
  });
  return { machine, ports: machine.ports, seen };
}

test('the serial port sends what is written once its transmitter is ready', () => {
  const { ports, seen } = pc();
  for (const character of 'Linux\n') {
    expect(ports.inb(COM1 + 5) & 0x20).toBe(0x20);
    ports.outb(COM1, character.charCodeAt(0));
  }
  expect(seen.serial).toBe('Linux\n');
});

test('the divisor latch hides the data register: setting the speed sends nothing', () => {
  const { ports, seen } = pc();
  ports.outb(COM1 + 3, 0x83);
  ports.outb(COM1, 1);
  ports.outb(COM1 + 1, 2);
  expect([ports.inb(COM1), ports.inb(COM1 + 1)]).toEqual([1, 2]);
  ports.outb(COM1 + 3, 0x03);
  expect([ports.inb(COM1), ports.inb(COM1 + 3)]).toEqual([0, 3]);
  expect(seen.serial).toBe('');
});

test('the serial port passes the tests by which drivers know a 16550A', () => {
  const { ports, seen } = pc();
  // The interrupt enable register keeps four bits.
  ports.outb(COM1 + 1, 0xff);
  expect(ports.inb(COM1 + 1)).toBe(0x0f);
  // In loop-back the modem status shows the outputs (Linux: autoconfig() in 8250_port.c), and nothing is sent.
  ports.outb(COM1 + 4, 0x10 | 0x0a);
  expect(ports.inb(COM1 + 6) & 0xf0).toBe(0x90);
  ports.outb(COM1, 0x41);
  ports.outb(COM1 + 4, 0x0b);
  expect(seen.serial).toBe('');
  // FIFOs on: bits 6 and 7 of the interrupt register.
  ports.outb(COM1 + 2, 1);
  expect(ports.inb(COM1 + 2)).toBe(0xc1);
  ports.outb(COM1 + 7, 0x5a);
  expect(ports.inb(COM1 + 7)).toBe(0x5a);
});

test('the debug console says that it is there, and prints', () => {
  const { ports, seen } = pc();
  expect(ports.inb(0x402)).toBe(0xe9);
  ports.outb(0x402, 0x21);
  expect(seen.debug).toBe('!');
});

test.each([
  ['sleep enable with type S5', 0x2000, true],
  ['sleep enable with another type', 0x2400, false],
  ['the type without sleep enable', 0x0000, false],
])('power-off: %s', (_name, value, poweredOff) => {
  const { machine, ports } = pc();
  ports.outw(0x604, value);
  expect(machine.poweredOff).toBe(poweredOff);
  expect(machine.resetRequested).toBe(false);
});

test('reset happens on the bit that asks for it', () => {
  const { machine, ports } = pc();
  ports.outb(0xcf9, 0x02);
  expect(machine.resetRequested).toBe(false);
  ports.outb(0xcf9, 0x06);
  expect([machine.resetRequested, machine.poweredOff]).toEqual([true, false]);
});

test('the PM timer runs at 3.579545 MHz of virtual time, in 24 bits, the same in every run', () => {
  const { machine, ports } = pc();
  machine.clock.advance(1e9 - 1000);
  expect(ports.inl(0x608)).toBe(3579545);
  machine.clock.advance(4e9 - 1000);
  expect(ports.inl(0x608)).toBe((5 * 3579545) % 0x1000000);
  const samples = Array.from({ length: 10 }, () => ports.inl(0x608));
  expect(new Set(samples).size).toBe(10);
  const other = pc();
  other.machine.clock.advance(5e9 - 1000);
  other.ports.inl(0x608);
  expect(Array.from({ length: 10 }, () => other.ports.inl(0x608))).toEqual(samples);
});

test('a port that nothing claims is all ones and told once', () => {
  const { ports, seen } = pc();
  expect([ports.inb(0x61), ports.inb(0x61), ports.inl(0xcfc)]).toEqual([0xff, 0xff, 0xffffffff]);
  expect(seen.unclaimed).toEqual([0x61, 0xcfc]);
});

test('a machine without an engine has no CPU', () => {
  expect(pc().machine.cpu).toBeNull();
});
