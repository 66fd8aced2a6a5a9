// Lists of bits as users write them (Linux: lib/bitmap.c bitmap_parselist()): "0-3,8", "0-15:2/4", "all", "0-N".

import { EINVAL, EOVERFLOW, ERANGE } from '../include/types.ts';
import { node_set } from './nodemask.ts';

const UINT_MAX = 0xffffffff;
const NUMBER = /^(?:N|[0-9]+)/;

interface Region {
  readonly start: number;
  readonly end: number;
  /** Of each group_len bits, the first `off`. */
  readonly off: number;
  readonly group_len: number;
}

class Scanner {
  private rest: string;
  private readonly lastbit: number;
  err = 0;

  constructor(text: string, nbits: number) {
    this.rest = text.split('\n')[0]!;
    this.lastbit = nbits - 1;
  }

  /** @returns whether there is one more region */
  next_region(): boolean {
    this.rest = this.rest.replace(/^[\s,]+/, '');
    return this.rest !== '';
  }

  private end_of_region(): boolean {
    return /^(?:$|[\s,])/.test(this.rest);
  }

  private take(literal: string): boolean {
    if (!this.rest.startsWith(literal)) {
      this.err = -EINVAL;
      return false;
    }
    this.rest = this.rest.slice(literal.length);
    return true;
  }

  private number(): number {
    const text = NUMBER.exec(this.rest)?.[0];
    if (text === undefined) {
      this.err = -EINVAL;
      return -1;
    }
    this.rest = this.rest.slice(text.length);
    const n = text === 'N' ? this.lastbit : Number(text);
    if (n > UINT_MAX) this.err = -EOVERFLOW;
    return n;
  }

  /** @returns null, and `err` is set, if it is none */
  region(): Region | null {
    let start = 0;
    let end = this.lastbit;
    if (/^all/i.test(this.rest)) {
      this.rest = this.rest.slice(3);
    } else {
      start = this.number();
      end = start;
      if (this.err === 0 && !this.end_of_region() && this.take('-')) end = this.number();
    }
    if (this.err !== 0) return null;
    if (this.end_of_region()) return { start, end, off: end + 1, group_len: end + 1 };
    if (!this.take(':')) return null;
    const off = this.number();
    if (this.err !== 0 || !this.take('/')) return null;
    const group_len = this.number();
    return this.err === 0 ? { start, end, off, group_len } : null;
  }
}

/**
 * Sets the bits of `text` in `mask`, which is cleared first.
 * @param nbits how many bits there are
 * @returns 0 or -errno; the regions before a bad one are set
 */
export function bitmap_parselist(text: string, mask: Uint32Array, nbits: number): number {
  mask.fill(0);
  const scanner = new Scanner(text, nbits);
  while (scanner.next_region()) {
    const region = scanner.region();
    if (region === null) return scanner.err;
    const { start, end, off, group_len } = region;
    if (start > end || group_len === 0 || off > group_len) return -EINVAL;
    if (end >= nbits) return -ERANGE;
    for (let group = start; group <= end; group += group_len) {
      for (let bit = group; bit < Math.min(group + off, end + 1); bit++) node_set(bit, mask);
    }
  }
  return 0;
}
