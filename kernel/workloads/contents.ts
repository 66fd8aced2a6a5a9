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

/** Words that differ from one another, each of which depends on the key. */
const word_of = (key: number, n: number): number => (key === 0 ? 0 : Math.imul(key + n, GOLDEN) ^ key);

/** @param at the page's first word */
export function fill_page(words: Int32Array, at: number, key: number): void {
  for (let n = 0; n < WORDS; n++) words[at + n] = word_of(key, n);
}

/** @returns the first word that is not what it should be; -1: all are right */
export function check_page(words: Int32Array, at: number, key: number): number {
  for (let n = 0; n < WORDS; n++) if (words[at + n] !== word_of(key, n)) return n;
  return -1;
}
