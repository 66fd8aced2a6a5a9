import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AddressRange, ArrayBacking, PhysicalMemory, Windows } from '../../emu/memory.ts';
import { SharedBacking } from '../../emu/unicorn/backing.ts';
import { loadKoffi } from '../../emu/unicorn/binding.ts';

const KiB = 0x400;
const MiB = 0x100000;
const GiB = 0x40000000;
const TiB = 0x10000000000;

//  0        1 GiB           3 GiB     3 GiB + 64 KiB      4 GiB - 64 KiB    4 GiB           5 GiB
//  |--- RAM --------------------|  hole     ...                  |--- ROM ----|--- RAM -------|  hole
const pcRam: AddressRange[] = [
  { start: 0, end: 3 * GiB },
  { start: 4 * GiB, end: 5 * GiB },
];
const pcRom: AddressRange[] = [{ start: 4 * GiB - 64 * KiB, end: 4 * GiB }];

const backings = {
  'plain arrays': (end: number) => new ArrayBacking(end),
  'memory shared with an engine': (end: number) => new SharedBacking(loadKoffi(), end),
};

describe.each(Object.entries(backings))('%s', (_name, backing) => {
  const pcLike = () => new PhysicalMemory(pcRam, pcRom, backing(5 * GiB));

  test('values are little-endian and words, bytes and accessors see the same memory', () => {
    const ram = pcLike();
    ram.set_u32(0x1000, 0x89abcdef);
    expect(ram.u8(0x1000)).toBe(0xef);
    expect(ram.u16(0x1002)).toBe(0x89ab);
    expect(ram.words(0)[0x400]).toBe(0x89abcdef | 0);
    ram.words(4)[1] = -2;
    expect(ram.u32(4 * GiB + 4)).toBe(0xfffffffe);
    expect(ram.read(0xffe, 4)).toEqual(Uint8Array.of(0, 0, 0xef, 0xcd));
  });

  test.each([0, 1, 0xffffffff, 0x100000000, 2 ** 53 - 1])(
    'a 64-bit value below 2^53 comes back exactly: %d',
    (value) => {
      const ram = pcLike();
      ram.set_u64(0x2003, value);
      expect(ram.u64(0x2003)).toBe(value);
      expect(ram.big64(0x2003)).toBe(BigInt(value));
    },
  );

  test('64-bit words with their top bits set go through bigint', () => {
    const ram = pcLike();
    ram.set_big64(8, 0xffffea0000000008n);
    expect(ram.big64(8)).toBe(0xffffea0000000008n);
    ram.set_big64(8, -1n);
    expect(ram.big64(8)).toBe(0xffffffffffffffffn);
  });

  test('devices copy what is at an address of any chunk, and across their border', () => {
    const ram = pcLike();
    const at = [0x5000, GiB + 0x5000, 2 * GiB + 0x5000, 4 * GiB + 0x5000, 2 * GiB - 0x800];
    const page = (n: number) => Uint8Array.from({ length: 0x1000 }, (_, i) => n * 50 + (i % 7));
    for (const [n, pa] of at.entries()) ram.copyIn(pa, new Uint8Array([9, ...page(n)]), 1, 0x1000);
    for (const [n, pa] of at.entries()) {
      const to = new Uint8Array(0x1001);
      ram.copyOut(pa, to, 1, 0x1000);
      expect([pa, to]).toEqual([pa, new Uint8Array([0, ...page(n)])]);
      expect(ram.u8(pa)).toBe(n * 50);
    }
  });

  test('accesses across a chunk border touch both chunks', () => {
    const ram = pcLike();
    ram.set_u32(GiB - 2, 0x44332211);
    expect(ram.u16(GiB - 2)).toBe(0x2211);
    expect(ram.u16(GiB)).toBe(0x4433);
    expect(ram.u32(GiB - 2)).toBe(0x44332211);
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
    ram.write(2 * GiB - 50, bytes);
    expect(ram.read(2 * GiB - 50, 100)).toEqual(bytes);
    ram.fill(2 * GiB - 1, 2, 0xaa);
    expect(ram.u32(2 * GiB - 2)).toBe(0x33aaaa30);
  });

  test('holes read as all ones and swallow writes', () => {
    const ram = pcLike();
    for (const pa of [3 * GiB, 3 * GiB + 12345, 5 * GiB, 63 * TiB]) {
      ram.set_u32(pa, 0x12345678);
      ram.set_u8(pa, 1);
      ram.write(pa, Uint8Array.of(1, 2, 3));
      ram.fill(pa, 100, 0);
      expect([ram.u8(pa), ram.u16(pa), ram.u32(pa), ram.big64(pa)]).toEqual([0xff, 0xffff, 0xffffffff, 2n ** 64n - 1n]);
      expect(ram.read(pa, 3)).toEqual(Uint8Array.of(255, 255, 255));
    }
  });

  test('an access half in RAM sees RAM in that half only', () => {
    const ram = pcLike();
    ram.set_u32(3 * GiB - 2, 0x44332211);
    expect(ram.u32(3 * GiB - 2)).toBe(0xffff2211);
    expect(ram.u16(3 * GiB - 2)).toBe(0x2211);
  });

  test('words of a chunk without RAM exist, and are nobody else’s memory', () => {
    const ram = pcLike();
    const words = ram.words(20);
    expect(words.length).toBe(GiB / 4);
    words[0] = 7;
    expect(ram.words(20)).toBe(words);
    expect(ram.u32(20 * GiB)).toBe(0xffffffff);
  });

  test('ROM is read by all and written only by program()', () => {
    const ram = pcLike();
    ram.program(4 * GiB - 16, Uint8Array.of(0xea, 0x5b));
    ram.set_u8(4 * GiB - 16, 0);
    ram.fill(4 * GiB - 64 * KiB, 64 * KiB, 0);
    ram.write(4 * GiB - 1, Uint8Array.of(1, 2));
    expect(ram.u16(4 * GiB - 16)).toBe(0x5bea);
    expect(ram.u8(4 * GiB - 1)).toBe(0);
    expect(ram.u8(4 * GiB)).toBe(2);
  });

  test('RAM of 1 TiB costs what is touched', () => {
    const before = process.memoryUsage.rss();
    const ram = new PhysicalMemory([{ start: 0, end: TiB }], [], backing(TiB));
    for (let pa = 0; pa < TiB; pa += 64 * GiB) ram.set_u32(pa + 4096, 1);
    ram.set_u8(TiB - 1, 9);
    expect(ram.u8(TiB - 1)).toBe(9);
    expect(ram.u32(960 * GiB + 4096)).toBe(1);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MiB);
  });

  test('the same random accesses leave the same bytes as one flat array', () => {
    const base = GiB - 256;
    const address = fc.nat(511 - 8).map((n) => base + n);
    const access = fc.oneof(
      fc.record({ pa: address, size: fc.constantFrom(1, 2, 4, 8), value: fc.bigInt(0n, 2n ** 64n - 1n) }),
      fc.record({ pa: address, bytes: fc.uint8Array({ maxLength: 8 }) }),
    );
    const ram = pcLike();
    fc.assert(
      fc.property(fc.array(access, { maxLength: 40 }), (accesses) => {
        ram.fill(base, 512, 0);
        const flat = new DataView(new ArrayBuffer(512));
        for (const one of accesses) {
          if ('bytes' in one) {
            ram.write(one.pa, one.bytes);
            new Uint8Array(flat.buffer).set(one.bytes, one.pa - base);
            continue;
          }
          const { pa, size, value } = one;
          const at = pa - base;
          const low = Number(value & 0xffffffffn);
          if (size === 1) [ram.set_u8(pa, low), flat.setUint8(at, low)];
          if (size === 2) [ram.set_u16(pa, low), flat.setUint16(at, low, true)];
          if (size === 4) [ram.set_u32(pa, low), flat.setUint32(at, low, true)];
          if (size === 8) [ram.set_big64(pa, value), flat.setBigUint64(at, value, true)];
          expect(ram.u32(pa)).toBe(flat.getUint32(at, true));
        }
        expect(ram.read(base, 512)).toEqual(new Uint8Array(flat.buffer));
      }),
      { numRuns: 50 },
    );
  });
});

test('RAM of 64 TiB costs what is touched', () => {
  const before = process.memoryUsage.rss();
  const ram = new PhysicalMemory([{ start: 0, end: 64 * TiB }]);
  for (let pa = 0; pa < 64 * TiB; pa += 4 * TiB) ram.set_u32(pa + 4096, 1);
  ram.set_u8(64 * TiB - 1, 9);
  expect(ram.u8(64 * TiB - 1)).toBe(9);
  expect(ram.u32(60 * TiB + 4096)).toBe(1);
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MiB);
});

test.each([
  ['not of whole pages', [{ start: 0, end: 100 }], 'whole 4 KiB pages'],
  ['empty', [{ start: 4096, end: 4096 }], 'whole 4 KiB pages'],
  [
    'overlapping',
    [
      { start: 0, end: 8192 },
      { start: 4096, end: 12288 },
    ],
    'overlaps',
  ],
  ['above 64 TiB', [{ start: 0, end: 65 * TiB }], '0x400000000000'],
])('ranges that are %s are refused', (_name, ranges, text) => {
  expect(() => new PhysicalMemory(ranges)).toThrow(text);
});

describe('windows', () => {
  const withMost = (most: number) => {
    const made: [number, number][] = [];
    const windows = new Windows(5 * GiB - 1, 8 * GiB, (start, size) => {
      if (size > most) throw new RangeError('Array buffer allocation failed');
      made.push([start / GiB, size / GiB]);
      return new ArrayBuffer(size);
    });
    return { windows, made };
  };

  test('all memory is one buffer, which ends with the memory', () => {
    const { windows, made } = withMost(8 * GiB);
    const chunks = [3, 0, 4, 3].map((n) => windows.chunk(n));
    expect(made).toEqual([[0, 5]]);
    expect(chunks.map(({ byteOffset, length }) => [byteOffset, length])).toEqual(
      [3, 0, 4, 3].map((n) => [n * GiB, GiB]),
    );
    expect(chunks[3]).toBe(chunks[0]);
  });

  test('a host that refuses large buffers is asked for smaller ones', () => {
    const { windows, made } = withMost(2 * GiB);
    const [one, two, top] = [1, 2, 4].map((n) => windows.chunk(n));
    expect(made).toEqual([
      [0, 2],
      [2, 2],
      [4, 1],
    ]);
    expect([one, two, top].map((chunk) => chunk!.byteOffset)).toEqual([GiB, 0, 0]);
    expect(windows.chunk(0).buffer).toBe(one!.buffer);
  });

  test('a host that refuses even 1 GiB says so', () => {
    expect(() => withMost(GiB / 2).windows.chunk(0)).toThrow('Array buffer allocation failed');
  });
});
