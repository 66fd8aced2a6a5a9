import { expect, test } from 'vitest';
import { type PortDevice, Ports } from '../../emu/ports.ts';

const recorder = (log: string[]): PortDevice => ({
  name: 'recorder',
  read: (port, size) => {
    log.push(`in ${port} ${size}`);
    return -1;
  },
  write: (port, size, value) => {
    log.push(`out ${port} ${size} ${value}`);
  },
});

test('a device gets the accesses to its ports, cut to their size', () => {
  const log: string[] = [];
  const ports = new Ports();
  ports.claim(0x10, 2, recorder(log));
  expect([ports.inb(0x10), ports.inw(0x11), ports.inl(0x10)]).toEqual([0xff, 0xffff, 0xffffffff]);
  ports.outb(0x10, 0x1ff);
  ports.outl(0x11, -1);
  expect(log).toEqual(['in 16 1', 'in 17 2', 'in 16 4', 'out 16 1 255', 'out 17 4 4294967295']);
});

test('an unclaimed port reads all ones and is reported once', () => {
  const seen: number[] = [];
  const ports = new Ports((port) => seen.push(port));
  expect([ports.inb(0x80), ports.inw(0x80), ports.inl(0x81)]).toEqual([0xff, 0xffff, 0xffffffff]);
  ports.outb(0x80, 1);
  expect(seen).toEqual([0x80, 0x81]);
});

test('two devices cannot have one port', () => {
  const ports = new Ports();
  ports.claim(0x3f8, 8, recorder([]));
  expect(() => ports.claim(0x3ff, 1, recorder([]))).toThrow("port 0x3ff for recorder: is recorder's");
});
