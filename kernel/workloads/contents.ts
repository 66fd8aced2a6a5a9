// What pages hold, so that a page that is lost, or given to two, shows: every word of a page follows from the run's seed,
// from whom the page belongs to, from which of his pages it is and from how often it has been written.

const WORDS = 1024;
const GOLDEN = 0x9e3779b1 | 0;

/** Stands for all of a page's contents. Never 0, which stands for a page of zeroes: one that was never written to. */
export function page_key(seed: number, owner: number, page: number, version: number): number {
  let x = Math.imul(seed ^ 0x5bd1e995, GOLDEN) ^ owner;
  for (const part of [page, version]) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) ^ part;
    x = Math.imul(x ^ (x >>> 13), 0x297a2d39);
  }
  x ^= x >>> 16;
  return x === 0 ? 1 : x;
}

/** Words that differ from one another, each of which depends on the key. The first is the key itself. */
const word_of = (key: number, n: number): number => (n === 0 || key === 0 ? key : Math.imul(key + n, GOLDEN) ^ key);

/** @param at the page's first word */
export function fill_page(words: Int32Array, at: number, key: number): void {
  for (let n = 0; n < WORDS; n++) words[at + n] = word_of(key, n);
}

/** @returns the first word that is not what it should be; -1: all are right */
export function check_page(words: Int32Array, at: number, key: number): number {
  for (let n = 0; n < WORDS; n++) if (words[at + n] !== word_of(key, n)) return n;
  return -1;
}

/** For a disk that keeps of such a page no more than its key. */
export const contents_packing = {
  pack(words: Int32Array, key: Int32Array): boolean {
    key[0] = words[0]!;
    return check_page(words, 0, words[0]!) < 0;
  },
  unpack: (words: Int32Array, key: number): void => fill_page(words, 0, key),
};

/** Whose pages those of the disk are. */
const DISK = 0;
const PAGE_BYTES = 4 * WORDS;
const SECTOR_BYTES = 512;

/** What a page of the disk holds that nobody has written to. */
export const disk_page_key = (seed: number, page: number): number => page_key(seed, DISK, page, 0);

/** The same for whoever makes the disk. */
export function disk_contents(seed: number): (sector: number, bytes: Uint8Array) => void {
  const words = new Int32Array(WORDS);
  const page_bytes = new Uint8Array(words.buffer);
  return (sector, bytes) => {
    const first = sector * SECTOR_BYTES;
    for (let at = 0; at < bytes.length; ) {
      const from = (first + at) % PAGE_BYTES;
      const size = Math.min(bytes.length - at, PAGE_BYTES - from);
      fill_page(words, 0, disk_page_key(seed, Math.floor((first + at) / PAGE_BYTES)));
      bytes.set(page_bytes.subarray(from, from + size), at);
      at += size;
    }
  };
}
