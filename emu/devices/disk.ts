// A disk that masters the bus: sectors of 512 bytes, requests by tag, completions in the order in which they get done.
// An interface of our own, as small as a driver needs: a request is a sector, the pages of RAM that go there or come from
// there, one after the other, a count and a command.
//
// The machine has no interrupts and time is the kernel's: the driver says what time it is (TIME), the disk says when it
// will have something (NEXT), and whoever has no interrupt line looks then (DONE). Data moves when a request completes.
// What goes wrong, goes wrong by chance out of one seed, or because a sector is bad.

import type { PortDevice } from '../ports.ts';
import { DiskTiming } from './disk_timing.ts';
import { PackedPages, type Packing } from './packed_pages.ts';

export const DISK_PORTS = 0x40;
export const SECTOR_SIZE = 512;

// Registers of 32 bits, as offsets from the first port. What has 64 has its high half in the next one.
/** Reads as "DISK". */
const ID = 0x00;
const SECTORS_LO = 0x04;
const SECTORS_HI = 0x08;
/** FEATURE_* below, and from bit 16 how many tags there are. */
const FEATURES = 0x0c;
const SECTOR_LO = 0x10;
/** The number of a page frame: the next page of the request that is to be started next, of up to MAX_PAGES. */
const PAGE = 0x18;
/** In sectors: a page is eight, of the last one less may count. */
const COUNT = 0x20;
/** Command in bits 0 to 7, tag from bit 8: starts the request. One that lacks pages fails. */
const COMMAND = 0x24;
/** The time in ns; the high half takes effect. What is due by then is done. */
const TIME_LO = 0x28;
const TIME_HI = 0x2c;
/** 0: nothing has completed. Bit 31, the tag from bit 8, the status; read once. */
const DONE = 0x30;
/** When the next completion is due, in ns; all ones: never. The low half is to be read first. */
const NEXT_LO = 0x34;
const NEXT_HI = 0x38;
/** What is to go wrong: FAULT_* in bits 28 to 31, below it a value. */
const FAULT = 0x3c;

const DISK_ID = 0x4b534944;
const FEATURE_ROTATIONAL = 1;
const NR_TAGS = 256;
const MAX_PAGES = 256;
const PAGE_SIZE = 0x1000;
const PAGE_SECTORS = PAGE_SIZE / SECTOR_SIZE;

const CMD_READ = 1;
const CMD_WRITE = 2;

const STATUS_OK = 0;
const STATUS_ERROR = 1;

/** Reads, or writes, of a million that fail; requests of a million that stall, and for how many microseconds. */
const FAULT_READ = 1;
const FAULT_WRITE = 2;
const FAULT_STALL = 3;
const FAULT_STALL_US = 4;
const MILLION = 1e6;

const COMPLETED = 0x80000000;
const ALL_ONES = 0xffffffff;
const TWO_32 = 2 ** 32;
const PIECE_SIZE = 0x100000;

/** Memory as a device sees it that reads and writes it by itself. */
export interface BusMemory {
  copyOut(pa: number, to: Uint8Array, at: number, size: number): void;
  copyIn(pa: number, from: Uint8Array, at: number, size: number): void;
}

export interface DiskSpec {
  readonly sectors: number;
  /** A head that moves, one request at a time; else flash with many channels. */
  readonly rotational?: boolean;
  readonly seed?: number;
  /** Says what is in sectors that were never written, up to the end of `bytes`; without it zeroes are. */
  readonly contents?: (sector: number, bytes: Uint8Array) => void;
  /** Whoever writes much of what follows from little can say how, and the host needs less memory. */
  readonly packing?: Packing;
}

export class Disk implements PortDevice {
  readonly name = 'disk';
  readonly spec: DiskSpec;
  readonly #first: number;
  readonly #memory: BusMemory;
  readonly #timing: DiskTiming;
  /** The contents, in pieces of 1 MiB, of which those are here that were written to. */
  readonly #pieces: (Uint8Array | undefined)[] = [];
  /** In place of them. */
  readonly #packed: PackedPages | null;
  readonly #bad: { readonly from: number; readonly to: number }[] = [];
  readonly #registers = new Uint32Array(DISK_PORTS >> 2);
  readonly #rates = new Uint32Array(FAULT_STALL_US + 1);

  // Requests, by tag.
  readonly #command = new Uint8Array(NR_TAGS);
  readonly #sector = new Float64Array(NR_TAGS);
  readonly #count = new Uint32Array(NR_TAGS);
  readonly #failed = new Uint8Array(NR_TAGS);
  /** MAX_PAGES page frames for each tag, and those that have no request yet. */
  readonly #pages = new Uint32Array(NR_TAGS * MAX_PAGES);
  readonly #nextPages = new Uint32Array(MAX_PAGES);
  #nextCount = 0;
  /** What has completed and was not read yet: a ring of values of DONE. */
  readonly #done = new Uint32Array(NR_TAGS);
  #doneFirst = 0;
  #doneCount = 0;
  #random: number;

  constructor(first: number, memory: BusMemory, spec: DiskSpec) {
    this.#first = first;
    this.#memory = memory;
    this.spec = spec;
    this.#random = (spec.seed ?? 1) >>> 0 || 1;
    this.#timing = new DiskTiming(NR_TAGS, spec.sectors, spec.rotational === true, () => this.#chance());
    this.#rates[FAULT_STALL_US] = 100_000;
    const { packing } = spec;
    this.#packed = packing === undefined ? null : new PackedPages(packing, (page, bytes) => this.#fresh(page, bytes));
  }

  read(port: number): number {
    switch (port - this.#first) {
      case ID:
        return DISK_ID;
      case SECTORS_LO:
        return this.spec.sectors % TWO_32;
      case SECTORS_HI:
        return Math.floor(this.spec.sectors / TWO_32);
      case FEATURES:
        return (this.spec.rotational === true ? FEATURE_ROTATIONAL : 0) | (NR_TAGS << 16);
      case DONE:
        return this.#takeDone();
      case NEXT_LO: {
        const next = this.#timing.next;
        this.#registers[NEXT_HI >> 2] = next < 0 ? ALL_ONES : Math.floor(next / TWO_32);
        return next < 0 ? ALL_ONES : next % TWO_32;
      }
      case NEXT_HI:
        return this.#registers[NEXT_HI >> 2]!;
      default:
        return 0;
    }
  }

  write(port: number, _size: number, value: number): void {
    const register = port - this.#first;
    if (register === PAGE) {
      if (this.#nextCount < MAX_PAGES) this.#nextPages[this.#nextCount++] = value;
    } else if (register === COMMAND) this.#start(value & 0xff, (value >>> 8) & (NR_TAGS - 1));
    else if (register === FAULT) this.#rates[Math.min(value >>> 28, FAULT_STALL_US)] = value & 0xfffffff;
    else if (register >= SECTOR_LO && register <= TIME_HI) {
      this.#registers[register >> 2] = value;
      if (register === TIME_HI) this.#advance(this.#pair(TIME_LO));
    }
  }

  /** Requests that touch these sectors fail from now on, as on a worn medium. */
  damage(from: number, to: number): void {
    this.#bad.push({ from, to });
  }

  /** The contents, past requests: what another machine would find. */
  peek(sector: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    if (this.#packed !== null) {
      this.#packed.each(sector * SECTOR_SIZE, size, false, (page, from, length, at) => {
        bytes.set(page.subarray(from, from + length), at);
      });
      return bytes;
    }
    this.#eachPiece(sector, size, false, (piece, from, length, at) => {
      if (piece !== undefined) bytes.set(piece.subarray(from, from + length), at);
      else this.spec.contents?.(sector + at / SECTOR_SIZE, bytes.subarray(at, at + length));
    });
    return bytes;
  }

  poke(sector: number, bytes: Uint8Array): void {
    if (this.#packed !== null) {
      this.#packed.each(sector * SECTOR_SIZE, bytes.length, true, (page, from, length, at) => {
        page.set(bytes.subarray(at, at + length), from);
      });
      return;
    }
    this.#eachPiece(sector, bytes.length, true, (piece, from, length, at) => {
      piece?.set(bytes.subarray(at, at + length), from);
    });
  }

  #pair(low: number): number {
    return this.#registers[low >> 2]! + this.#registers[(low >> 2) + 1]! * TWO_32;
  }

  #start(command: number, tag: number): void {
    const sector = this.#pair(SECTOR_LO);
    const count = this.#registers[COUNT >> 2]!;
    this.#command[tag] = command;
    this.#sector[tag] = sector;
    this.#count[tag] = count;
    this.#failed[tag] = Number(this.#fails(command, sector, count));
    for (let n = 0; n < this.#nextCount; n++) this.#pages[tag * MAX_PAGES + n] = this.#nextPages[n]!;
    this.#nextCount = 0;
    const rates = this.#rates;
    const stalls = rates[FAULT_STALL]! > 0 && this.#chance() * MILLION < rates[FAULT_STALL]!;
    const stall_ns = stalls ? rates[FAULT_STALL_US]! * 1000 : 0;
    this.#timing.submit(this.#pair(TIME_LO), tag, sector, count, command === CMD_WRITE, stall_ns);
  }

  #fails(command: number, sector: number, count: number): boolean {
    if ((command !== CMD_READ && command !== CMD_WRITE) || sector + count > this.spec.sectors) return true;
    if (count > this.#nextCount * PAGE_SECTORS) return true;
    const rate = this.#rates[command === CMD_READ ? FAULT_READ : FAULT_WRITE]!;
    if (rate > 0 && this.#chance() * MILLION < rate) return true;
    return this.#bad.length > 0 && this.#bad.some(({ from, to }) => sector < to && sector + count > from);
  }

  #advance(now: number): void {
    for (let tag = this.#timing.take(now); tag >= 0; tag = this.#timing.take(now)) {
      const failed = this.#failed[tag] !== 0;
      if (!failed) this.#transfer(tag);
      const at = (this.#doneFirst + this.#doneCount++) & (NR_TAGS - 1);
      this.#done[at] = COMPLETED | (tag << 8) | (failed ? STATUS_ERROR : STATUS_OK);
    }
  }

  #takeDone(): number {
    if (this.#doneCount === 0) return 0;
    const value = this.#done[this.#doneFirst]!;
    this.#doneFirst = (this.#doneFirst + 1) & (NR_TAGS - 1);
    this.#doneCount--;
    return value;
  }

  #transfer(tag: number): void {
    const size = this.#count[tag]! * SECTOR_SIZE;
    const start = this.#sector[tag]! * SECTOR_SIZE;
    const writes = this.#command[tag] === CMD_WRITE;
    if (this.#packed !== null) {
      this.#packed.each(start, size, writes, (page, from, length, at) => this.#copy(tag, at, page, from, length));
      return;
    }
    for (let at = 0; at < size; ) {
      const offset = (start + at) % PIECE_SIZE;
      const length = Math.min(size - at, PIECE_SIZE - offset);
      const n = Math.floor((start + at) / PIECE_SIZE);
      const piece = writes ? this.#piece(n) : this.#pieces[n];
      if (piece !== undefined) this.#copy(tag, at, piece, offset, length);
      else this.#copy(tag, at, this.#unwritten((start + at) / SECTOR_SIZE, length), 0, length);
      at += length;
    }
  }

  /** Moves `length` bytes between the storage and the pages of a request, `first` bytes from where those begin. */
  #copy(tag: number, first: number, bytes: Uint8Array, from: number, length: number): void {
    const writes = this.#command[tag] === CMD_WRITE;
    for (let at = first; at < first + length; ) {
      const offset = at % PAGE_SIZE;
      const size = Math.min(first + length - at, PAGE_SIZE - offset);
      const pa = this.#pages[tag * MAX_PAGES + (at - offset) / PAGE_SIZE]! * PAGE_SIZE + offset;
      if (writes) this.#memory.copyOut(pa, bytes, from + at - first, size);
      else this.#memory.copyIn(pa, bytes, from + at - first, size);
      at += size;
    }
  }

  /** To write to. */
  #piece(n: number): Uint8Array {
    let piece = this.#pieces[n];
    if (piece === undefined) {
      piece = new Uint8Array(PIECE_SIZE);
      this.spec.contents?.((n * PIECE_SIZE) / SECTOR_SIZE, piece);
      this.#pieces[n] = piece;
    }
    return piece;
  }

  #fresh(page: number, bytes: Uint8Array): void {
    if (this.spec.contents === undefined) bytes.fill(0);
    else this.spec.contents(page * (bytes.length / SECTOR_SIZE), bytes);
  }

  #unwritten(sector: number, length: number): Uint8Array {
    if (this.spec.contents === undefined) return zeroes;
    this.spec.contents(sector, scratch.subarray(0, length));
    return scratch;
  }

  #eachPiece(
    sector: number,
    size: number,
    write: boolean,
    use: (piece: Uint8Array | undefined, from: number, length: number, at: number) => void,
  ): void {
    const start = sector * SECTOR_SIZE;
    for (let at = 0; at < size; ) {
      const offset = (start + at) % PIECE_SIZE;
      const length = Math.min(size - at, PIECE_SIZE - offset);
      const n = Math.floor((start + at) / PIECE_SIZE);
      use(write ? this.#piece(n) : this.#pieces[n], offset, length, at);
      at += length;
    }
  }

  /** From 0 up to 1. Xorshift of 32 bits. */
  #chance(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x >>> 0;
    return this.#random / TWO_32;
  }
}

const zeroes = new Uint8Array(PIECE_SIZE);
/** What is read of where nothing was written. */
const scratch = new Uint8Array(PIECE_SIZE);
