// What a large disk holds, in little of the host's memory: of a page of 4 KiB all words of which follow from one number
// only that number is kept (DiskSpec.packing says how they do), of any other page all bytes. Which page is which kind is
// found out by comparing all of it, so what is read is always what was written.

const PAGE_SIZE = 0x1000;
const PAGES_PER_PIECE = 0x10000;

export interface Packing {
  /** @param words of a page. @returns whether unpack() makes the very same of what is put into `key[0]` */
  pack(words: Int32Array, key: Int32Array): boolean;
  unpack(words: Int32Array, key: number): void;
}

const UNWRITTEN = 0;
const PACKED = 1;
const WHOLE = 2;

class Piece {
  /** By page: UNWRITTEN and so on. */
  readonly kind = new Uint8Array(PAGES_PER_PIECE);
  readonly keys = new Int32Array(PAGES_PER_PIECE);
  readonly whole = new Map<number, Uint8Array>();
}

export class PackedPages {
  readonly #packing: Packing;
  /** Says what a page holds that was never written. */
  readonly #unwritten: (page: number, bytes: Uint8Array) => void;
  readonly #pieces: (Piece | undefined)[] = [];
  readonly #words = new Int32Array(PAGE_SIZE / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #key = new Int32Array(1);

  constructor(packing: Packing, unwritten: (page: number, bytes: Uint8Array) => void) {
    this.#packing = packing;
    this.#unwritten = unwritten;
  }

  /**
   * Visits all pages of a range of bytes.
   * @param use gets where in a page the range is, and how far from `start` that is; if `write`, what it leaves there is kept
   */
  each(
    start: number,
    size: number,
    write: boolean,
    use: (page: Uint8Array, from: number, length: number, at: number) => void,
  ): void {
    for (let at = 0; at < size; ) {
      const from = (start + at) % PAGE_SIZE;
      const length = Math.min(size - at, PAGE_SIZE - from);
      const n = Math.floor((start + at) / PAGE_SIZE);
      if (!write || length < PAGE_SIZE) this.#load(n);
      use(this.#bytes, from, length, at);
      if (write) this.#store(n);
      at += length;
    }
  }

  #load(n: number): void {
    const at = n % PAGES_PER_PIECE;
    const piece = this.#pieces[Math.floor(n / PAGES_PER_PIECE)];
    const kind = piece?.kind[at] ?? UNWRITTEN;
    if (kind === PACKED) this.#packing.unpack(this.#words, piece!.keys[at]!);
    else if (kind === WHOLE) this.#bytes.set(piece!.whole.get(at)!);
    else this.#unwritten(n, this.#bytes);
  }

  #store(n: number): void {
    const at = n % PAGES_PER_PIECE;
    const which = Math.floor(n / PAGES_PER_PIECE);
    this.#pieces[which] ??= new Piece();
    const piece = this.#pieces[which];
    if (this.#packing.pack(this.#words, this.#key)) {
      if (piece.kind[at] === WHOLE) piece.whole.delete(at);
      piece.kind[at] = PACKED;
      piece.keys[at] = this.#key[0]!;
    } else if (piece.kind[at] === WHOLE) piece.whole.get(at)!.set(this.#bytes);
    else {
      piece.kind[at] = WHOLE;
      piece.whole.set(at, this.#bytes.slice());
    }
  }
}
