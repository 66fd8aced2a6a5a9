// The physical address space: sparse RAM and ROM, byte-addressed, little-endian. Where neither is, reads give all ones
// and writes are lost, as on a PC's bus.
//
// The bytes come from a backing in chunks of 1 GiB: plain ArrayBuffers here, or memory that an engine shares with its
// guest (unicorn/backing.ts). Nothing is resident until touched, and a chunk never moves, so typed arrays over it may be
// kept for good. Chunks next to each other share a buffer, so that hot code can have one array for all the memory of
// most machines (kernel/mm/fast_paths.ts).

const CHUNK_SIZE = 0x40000000;
/** Of a shared buffer: indices of its 32-bit words are below 2^31, which is what JavaScript is fastest with. */
const WINDOW_SIZE = 8 * CHUNK_SIZE;
const PAGE_SIZE = 0x1000;
const ADDRESS_LIMIT = 2 ** 46;

/** Addresses from `start` up to but not including `end`, both multiples of 4 KiB. */
export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

/** Where the bytes live. */
export interface Backing {
  /** First address that this backing cannot hold. */
  readonly limit: number;
  /** The 1 GiB of chunk `n`, zero at first: always the same bytes, in a buffer that may hold others too. */
  chunk(n: number): Uint8Array;
}

/**
 * The buffers of a backing, made as they are asked for: one for each stretch of `windowSize` below `end`. Where the host
 * refuses one so large (a RangeError), which it may though none of it is touched, they are smaller.
 */
export class Windows {
  readonly #end: number;
  readonly #size: number;
  readonly #make: (start: number, size: number) => ArrayBuffer;
  readonly #chunks: Uint8Array[] = [];

  constructor(end: number, windowSize: number, make: (start: number, size: number) => ArrayBuffer) {
    this.#end = Math.ceil(end / CHUNK_SIZE) * CHUNK_SIZE;
    this.#size = windowSize;
    this.#make = make;
  }

  chunk(n: number): Uint8Array {
    if (this.#chunks[n] === undefined) this.#add(n * CHUNK_SIZE, this.#size);
    return this.#chunks[n]!;
  }

  /** Makes the window of `size` that holds address `at`. */
  #add(at: number, size: number): void {
    const start = at - (at % size);
    let buffer: ArrayBuffer;
    try {
      buffer = this.#make(start, Math.min(size, this.#end - start));
    } catch (error) {
      if (!(error instanceof RangeError) || size === CHUNK_SIZE) throw error;
      this.#add(at, size / 2);
      return;
    }
    for (let offset = 0; offset < buffer.byteLength; offset += CHUNK_SIZE) {
      this.#chunks[(start + offset) / CHUNK_SIZE] ??= new Uint8Array(buffer, offset, CHUNK_SIZE);
    }
  }
}

/** Memory of the JavaScript engine alone: no guest code runs on it, any host has it. */
export class ArrayBacking implements Backing {
  readonly limit = ADDRESS_LIMIT;
  readonly #windows: Windows;

  /** @param end of the highest RAM or ROM */
  constructor(end: number, windowSize: number = WINDOW_SIZE) {
    this.#windows = new Windows(end, windowSize, (_, size) => new ArrayBuffer(size));
  }

  chunk(n: number): Uint8Array {
    return this.#windows.chunk(n);
  }
}

/** A stretch of a chunk that something answers for; offsets into the chunk. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly writable: boolean;
}

class Chunk {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly pieces: readonly Piece[];
  /** The largest piece of RAM: an access inside it needs no further look. */
  readonly from: number;
  readonly to: number;

  constructor(bytes: Uint8Array, pieces: readonly Piece[]) {
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.pieces = pieces;
    const ram = pieces.filter((piece) => piece.writable).sort((a, b) => b.to - b.from - (a.to - a.from))[0];
    this.from = ram?.from ?? 0;
    this.to = ram?.to ?? 0;
  }
}

export class PhysicalMemory {
  readonly ram: readonly AddressRange[];
  readonly rom: readonly AddressRange[];
  readonly #backing: Backing;
  readonly #chunks: (Chunk | undefined)[] = [];
  /** Stands for every chunk that holds neither RAM nor ROM. */
  readonly #hole = new Chunk(new Uint8Array(0), []);

  constructor(ram: readonly AddressRange[], rom: readonly AddressRange[] = [], backing?: Backing) {
    backing ??= new ArrayBacking(Math.max(...[...ram, ...rom].map((range) => range.end), 0));
    this.ram = checkRanges([...ram, ...rom], backing.limit).filter((range) => !rom.includes(range));
    this.rom = rom;
    this.#backing = backing;
  }

  /** The 32-bit words of chunk `n`, also those that no RAM backs; see Ram in kernel/arch/x86/hw.ts. */
  words(n: number): Int32Array {
    let chunk = this.#chunk(n);
    if (chunk === this.#hole) {
      chunk = new Chunk(new Uint8Array(CHUNK_SIZE), []);
      this.#chunks[n] = chunk;
    }
    return chunk.words;
  }

  u8(pa: number): number {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const at = pa % CHUNK_SIZE;
    return at >= chunk.from && at < chunk.to ? chunk.view.getUint8(at) : this.#slowRead(pa, 1);
  }

  u16(pa: number): number {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const at = pa % CHUNK_SIZE;
    return at >= chunk.from && at + 2 <= chunk.to ? chunk.view.getUint16(at, true) : this.#slowRead(pa, 2);
  }

  u32(pa: number): number {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const at = pa % CHUNK_SIZE;
    return at >= chunk.from && at + 4 <= chunk.to ? chunk.view.getUint32(at, true) : this.#slowRead(pa, 4);
  }

  u64(pa: number): number {
    return this.u32(pa) + this.u32(pa + 4) * 0x100000000;
  }

  big64(pa: number): bigint {
    return BigInt(this.u32(pa)) | (BigInt(this.u32(pa + 4)) << 32n);
  }

  set_u8(pa: number, value: number): void {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const at = pa % CHUNK_SIZE;
    if (at >= chunk.from && at < chunk.to) chunk.view.setUint8(at, value);
    else this.#slowWrite(pa, 1, value);
  }

  set_u16(pa: number, value: number): void {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const at = pa % CHUNK_SIZE;
    if (at >= chunk.from && at + 2 <= chunk.to) chunk.view.setUint16(at, value, true);
    else this.#slowWrite(pa, 2, value);
  }

  set_u32(pa: number, value: number): void {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const at = pa % CHUNK_SIZE;
    if (at >= chunk.from && at + 4 <= chunk.to) chunk.view.setUint32(at, value, true);
    else this.#slowWrite(pa, 4, value);
  }

  set_u64(pa: number, value: number): void {
    this.set_u32(pa, value);
    this.set_u32(pa + 4, Math.floor(value / 0x100000000));
  }

  set_big64(pa: number, value: bigint): void {
    this.set_u32(pa, Number(value & 0xffffffffn));
    this.set_u32(pa + 4, Number((value >> 32n) & 0xffffffffn));
  }

  read(pa: number, size: number): Uint8Array {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const from = pa % CHUNK_SIZE;
    if (from >= chunk.from && from + size <= chunk.to) return chunk.bytes.slice(from, from + size);
    const copy = new Uint8Array(size).fill(0xff);
    this.#eachPiece(pa, size, false, (bytes, at) => copy.set(bytes, at));
    return copy;
  }

  write(pa: number, bytes: Uint8Array): void {
    this.#eachPiece(pa, bytes.length, true, (target, at) => target.set(bytes.subarray(at, at + target.length)));
  }

  /** As a device reads and writes that masters the bus. */
  copyOut(pa: number, to: Uint8Array, at: number, size: number): void {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const from = pa % CHUNK_SIZE;
    const { buffer, byteOffset } = chunk.bytes;
    if (from >= chunk.from && from + size <= chunk.to) to.set(new Uint8Array(buffer, byteOffset + from, size), at);
    else to.set(this.read(pa, size), at);
  }

  copyIn(pa: number, from: Uint8Array, at: number, size: number): void {
    const chunk = this.#chunk(Math.floor(pa / CHUNK_SIZE));
    const to = pa % CHUNK_SIZE;
    const bytes = new Uint8Array(from.buffer, from.byteOffset + at, size);
    if (to >= chunk.from && to + size <= chunk.to) chunk.bytes.set(bytes, to);
    else this.write(pa, bytes);
  }

  fill(pa: number, size: number, byte: number): void {
    this.#eachPiece(pa, size, true, (target) => target.fill(byte));
  }

  /** Writes ROM too, as the maker of the chip does; nothing in the machine can. */
  program(pa: number, bytes: Uint8Array): void {
    this.#eachPiece(pa, bytes.length, false, (target, at) => target.set(bytes.subarray(at, at + target.length)));
  }

  #chunk(n: number): Chunk {
    return this.#chunks[n] ?? this.#makeChunk(n);
  }

  #makeChunk(n: number): Chunk {
    const start = n * CHUNK_SIZE;
    const within = (ranges: readonly AddressRange[], writable: boolean): Piece[] =>
      ranges
        .filter((range) => range.start < start + CHUNK_SIZE && range.end > start)
        .map((range) => ({
          from: Math.max(range.start - start, 0),
          to: Math.min(range.end - start, CHUNK_SIZE),
          writable,
        }));
    const pieces = [...within(this.ram, true), ...within(this.rom, false)];
    if (pieces.length === 0) return this.#hole;
    const chunk = new Chunk(this.#backing.chunk(n), pieces);
    this.#chunks[n] = chunk;
    return chunk;
  }

  /** Calls `use` with each backed part of the range, in order of chunks, and its offset from `pa`. */
  #eachPiece(pa: number, size: number, writableOnly: boolean, use: (bytes: Uint8Array, at: number) => void): void {
    for (let at = 0; at < size; ) {
      const n = Math.floor((pa + at) / CHUNK_SIZE);
      const offset = (pa + at) % CHUNK_SIZE;
      const length = Math.min(size - at, CHUNK_SIZE - offset);
      const chunk = this.#chunk(n);
      for (const piece of chunk.pieces) {
        if (writableOnly && !piece.writable) continue;
        const from = Math.max(piece.from, offset);
        const to = Math.min(piece.to, offset + length);
        if (from < to) use(chunk.bytes.subarray(from, to), at + from - offset);
      }
      at += length;
    }
  }

  /** Accesses outside the chunk's main piece, or across its edge. */
  #slowRead(pa: number, size: number): number {
    return this.read(pa, size).reduce((value, byte, i) => value + byte * 2 ** (8 * i), 0);
  }

  #slowWrite(pa: number, size: number, value: number): void {
    this.write(
      pa,
      Uint8Array.from({ length: size }, (_, i) => value >>> (8 * i)),
    );
  }
}

/** @returns the ranges in order of address; whoever describes a machine to a user checks its words before */
function checkRanges(ranges: readonly AddressRange[], limit: number): AddressRange[] {
  const hex = (n: number) => `0x${n.toString(16)}`;
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  let last = 0;
  for (const { start, end } of sorted) {
    const name = `memory ${hex(start)}-${hex(end)}`;
    if (start % PAGE_SIZE !== 0 || end % PAGE_SIZE !== 0 || end <= start) {
      throw new RangeError(`${name} is not a range of whole 4 KiB pages`);
    }
    if (start < last) throw new RangeError(`${name} overlaps memory that ends at ${hex(last)}`);
    if (end > limit) throw new RangeError(`${name} ends above ${hex(limit)}, the limit of this kind of memory`);
    last = end;
  }
  return sorted;
}
