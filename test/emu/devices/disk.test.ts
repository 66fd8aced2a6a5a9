// The disk as a driver sees it, register by register: what it stores, when it answers, and how it fails.

import { expect, test } from 'vitest';
import { Disk, type DiskSpec } from '../../../emu/devices/disk.ts';
import { PhysicalMemory } from '../../../emu/memory.ts';
import { Ports } from '../../../emu/ports.ts';

const BASE = 0xd000;
const READ = 1;
const WRITE = 2;

class Driver {
  readonly ram = new PhysicalMemory([{ start: 0, end: 0x100000 }]);
  readonly disk: Disk;
  readonly ports = new Ports();
  readonly set = (register: number, value: number) => this.ports.outl(BASE + register, value);
  readonly get = (register: number) => this.ports.inl(BASE + register);

  constructor(spec: DiskSpec = { sectors: 1 << 20 }) {
    this.disk = new Disk(BASE, this.ram, spec);
    this.ports.claim(BASE, 0x40, this.disk);
  }

  at(time: number): void {
    this.set(0x28, time % 2 ** 32);
    this.set(0x2c, Math.floor(time / 2 ** 32));
  }

  request(tag: number, command: number, sector: number, address: number, count = 8): void {
    this.set(0x10, sector);
    this.set(0x14, 0);
    for (let page = 0; page < count / 8; page++) this.set(0x18, address / 4096 + page);
    this.set(0x20, count);
    this.set(0x24, command | (tag << 8));
  }

  next(): number {
    const low = this.get(0x34);
    return low + this.get(0x38) * 2 ** 32;
  }

  /** What completes from now on until nothing is left: `tag`, or `tag!` where it failed. */
  drain(): { order: string[]; time: number } {
    const order: string[] = [];
    let time = 0;
    while (this.next() < 2 ** 63) {
      time = this.next();
      this.at(time);
      for (let done = this.get(0x30); done !== 0; done = this.get(0x30)) {
        order.push(`${(done >>> 8) & 0xff}${(done & 0xff) === 0 ? '' : '!'}`);
      }
    }
    return { order, time };
  }
}

test('says what it is', () => {
  const driver = new Driver({ sectors: 2 ** 33 + 5, rotational: true });
  expect([0, 4, 8, 12].map(driver.get)).toEqual([0x4b534944, 5, 2, (256 << 16) | 1]);
});

test('gives back what was written, across the pieces that it keeps, and zeroes where nothing was', () => {
  const driver = new Driver();
  const bytes = Uint8Array.from({ length: 4096 }, (_, i) => i * 7);
  driver.ram.write(0x3000, bytes);
  driver.request(1, WRITE, 2044, 0x3000);
  expect(driver.drain().order).toEqual(['1']);
  driver.request(2, READ, 2044, 0x8000);
  driver.request(3, READ, 4096, 0x3000);
  driver.drain();
  expect(driver.ram.read(0x8000, 4096)).toEqual(bytes);
  expect(driver.ram.read(0x3000, 4096)).toEqual(new Uint8Array(4096));
  expect(driver.disk.peek(2044, 4096)).toEqual(bytes);
});

test('moves data when the request is done, not before', () => {
  const driver = new Driver();
  driver.disk.poke(0, new Uint8Array(512).fill(9));
  driver.request(0, READ, 0, 0x1000, 1);
  driver.at(driver.next() - 1);
  expect([driver.get(0x30), driver.ram.u8(0x1000)]).toEqual([0, 0]);
  driver.at(driver.next());
  expect([driver.get(0x30), driver.ram.u8(0x1000)]).toEqual([0x80000000, 9]);
});

test('flash serves many requests at once, and they overtake each other', () => {
  const driver = new Driver();
  for (let tag = 0; tag < 32; tag++) driver.request(tag, READ, tag * 1000, 0x1000);
  const { order, time } = driver.drain();
  expect([...order].sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 32 }, (_, n) => String(n)));
  expect(order).not.toEqual([...order].sort((a, b) => Number(a) - Number(b)));
  expect(time).toBeLessThan(100_000);
});

test('the head of a rotating disk goes to what is nearest, one request at a time', () => {
  const driver = new Driver({ sectors: 1 << 20, rotational: true });
  for (const [tag, sector] of [0, 900_000, 1000, 500_000].entries()) driver.request(tag, READ, sector, 0x1000);
  const { order, time } = driver.drain();
  expect(order).toEqual(['0', '2', '3', '1']);
  expect(time).toBeGreaterThan(10_000_000);
});

test('to go on where the head is takes a rotating disk no seek', () => {
  const driver = new Driver({ sectors: 1 << 20, rotational: true });
  for (let tag = 0; tag < 100; tag++) driver.request(tag, WRITE, tag * 8, 0x1000);
  expect(driver.drain().time).toBe(100 * 8 * 3400);
});

test('the same seed is the same disk, another one is another', () => {
  const run = (seed: number) => {
    const driver = new Driver({ sectors: 1 << 20, seed });
    for (let tag = 0; tag < 64; tag++) driver.request(tag, WRITE, tag * 8, 0x1000);
    return driver.drain();
  };
  expect(run(5)).toEqual(run(5));
  expect(run(5)).not.toEqual(run(6));
});

test('requests fail that leave the disk, that are none, that meet a bad sector', () => {
  const driver = new Driver({ sectors: 1000 });
  driver.disk.damage(100, 101);
  driver.request(0, READ, 996, 0x1000);
  driver.request(1, 9, 0, 0x1000);
  driver.request(2, WRITE, 96, 0x1000);
  driver.request(3, WRITE, 101, 0x1000);
  driver.request(4, READ, 92, 0x1000);
  expect(driver.drain().order.sort()).toEqual(['0!', '1!', '2!', '3', '4']);
});

test('a request that failed leaves both sides as they were', () => {
  const driver = new Driver();
  driver.ram.fill(0x1000, 4096, 1);
  driver.set(0x3c, (2 << 28) | 1_000_000);
  driver.request(0, WRITE, 0, 0x1000);
  expect(driver.drain().order).toEqual(['0!']);
  expect(driver.disk.peek(0, 1)[0]).toBe(0);
});

test('faults come as often as they are asked for', () => {
  const driver = new Driver();
  driver.set(0x3c, (1 << 28) | 250_000);
  let failed = 0;
  for (let round = 0; round < 20; round++) {
    for (let tag = 0; tag < 100; tag++) driver.request(tag, READ, 0, 0x1000);
    failed += driver.drain().order.filter((text) => text.endsWith('!')).length;
  }
  expect(failed / 2000).toBeCloseTo(0.25, 1);
});

test('a request that stalls comes later, by what was asked for', () => {
  const driver = new Driver();
  driver.set(0x3c, (3 << 28) | 1_000_000);
  driver.set(0x3c, (4 << 28) | 5_000_000);
  driver.request(0, READ, 0, 0x1000);
  expect(driver.next()).toBeGreaterThan(5e9);
  expect(driver.next()).toBeLessThan(5.001e9);
});

test('what follows from one number is kept as that, anything else as it is, and both are read back', () => {
  let packed = 0;
  const packing = {
    pack(words: Int32Array, key: Int32Array): boolean {
      key[0] = words[0]!;
      const fits = words.every((word, n) => word === words[0]! + n);
      packed += Number(fits);
      return fits;
    },
    unpack: (words: Int32Array, key: number): void => words.set(words.map((_, n) => key + n)),
  };
  const driver = new Driver({ sectors: 1 << 20, packing, contents: (_sector, bytes) => bytes.fill(7) });
  const page = (key: number): Uint8Array => new Uint8Array(Int32Array.from({ length: 1024 }, (_, n) => key + n).buffer);
  const odd = page(5).fill(1, 100, 200);
  const written = [page(-9), odd, page(3)];
  for (const [n, bytes] of written.entries()) driver.ram.write(0x1000 * n, bytes);
  driver.request(0, WRITE, 8, 0, 24);
  expect(driver.drain().order).toEqual(['0']);
  expect(packed).toBe(2);
  driver.request(0, READ, 0, 0x10000, 40);
  driver.drain();
  const fresh = new Uint8Array(0x1000).fill(7);
  const all = [fresh, ...written, fresh];
  for (const [n, bytes] of all.entries()) expect(driver.ram.read(0x10000 + 0x1000 * n, 0x1000)).toEqual(bytes);
  // Pages change their kind, and parts of them are written.
  driver.ram.write(0x1000, page(4));
  driver.request(0, WRITE, 16, 0x1000, 8);
  driver.request(1, WRITE, 9, 0x1000, 2);
  driver.disk.poke(31, new Uint8Array(512).fill(2));
  driver.drain();
  const mixed = page(-9);
  mixed.set(page(4).subarray(0, 1024), 512);
  expect(driver.disk.peek(8, 0x1000)).toEqual(mixed);
  expect(driver.disk.peek(16, 0x1000)).toEqual(page(4));
  expect(driver.disk.peek(24, 0x1000)).toEqual(page(3).fill(2, 0xe00));
});
